/*
 * view_follow.c - from one commit to another: the difference of two trees becomes puts and removals of an index.
 */
#include "view.h"

#include <base/fail.h>
#include <sdk/settings.h>

/* ---- files ---- */

int32_t record_of_bytes(quipu_str bytes, record **out, quipu_error *error)
{
    static const record_defaults limit = { .created_at = QUIPU_TIME_NONE,
                                           .updated_at = QUIPU_TIME_NONE,
                                           .max_bytes = SETTING_RECORD_MAX_MOST };
    return record_decode(bytes, &limit, out, error);
}

int32_t record_of_file(const char *path, quipu_str bytes, record **out, quipu_error *error)
{
    buffer own = { 0 };
    *out = NULL;
    int32_t code = record_of_bytes(bytes, out, error);
    if (code != QUIPU_OK)
        return code;
    record_path(record_view(*out)->id, &own);
    if (own.failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a record");
    else if (strcmp(own.bytes, path) != 0)
        code = fail(error, QUIPU_E_CORRUPT, NULL, "its id belongs at %s", own.bytes);
    buffer_free(&own);
    if (code != QUIPU_OK) {
        record_free(*out);
        *out = NULL;
    }
    return code;
}

int32_t view_read_file(quipu_backend *self, const object_id *blob, const char *path, record **out, quipu_error *error)
{
    buffer bytes = { 0 };
    *out = NULL;
    int32_t code = objects_read(git_store_objects(self->store), blob, OBJECT_BLOB, &bytes, error);
    if (code == QUIPU_OK && record_of_file(path, str_make(bytes.bytes, bytes.len), out, NULL) == QUIPU_E_NO_MEMORY)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a record");
    buffer_free(&bytes);
    return code;
}

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the store");
}

/* ---- catching up ---- */

enum { SPILL_EVERY = 65536 };

typedef struct catch_up {
    quipu_backend *self;
    view *view;
    derived_writer *writer; /* of a bulk: what is indexed goes to files on the way; or NULL */
    uint64_t changes;
    buffer id; /* of the change at hand */
    quipu_error *error;
} catch_up;

/* Removes what the file held before: by its path, or where that does not tell the id, by its content. */
static int32_t forget_file(const catch_up *c, const tree_change *change, bool known)
{
    record *before = NULL;
    int32_t code = QUIPU_OK;
    view_drop_aside(c->view, change->path);
    if (known) {
        record_index_remove(c->view->index, str_make(c->id.bytes, c->id.len));
    } else {
        code = view_read_file(c->self, &change->before, change->path, &before, c->error);
        if (before)
            record_index_remove(c->view->index, record_view(before)->id);
        record_free(before);
    }
    return code;
}

/* A blob's id is its version where the file is canonical, as all are that were not pushed by hand. A view of the past finds most
 * of its records in the index in this way. */
static bool known_version(const catch_up *c, const tree_change *change, bool known)
{
    return known && c->view->past &&
           record_index_revive(c->view->index, str_make(c->id.bytes, c->id.len), change->after.bytes);
}

static int32_t follow_change(void *context, const tree_change *change)
{
    catch_up *c = context;
    record *after = NULL;
    int32_t code = QUIPU_OK;
    buffer_clear(&c->id);
    bool known = (c->view->past || object_id_is_none(&change->after)) && path_record_id(change->path, &c->id);
    if (c->id.failed)
        return no_memory(c->error);
    if (++c->changes % SPILL_EVERY == 0)
        catalogue_spill(c->self, c->view, &c->writer);
    if (!object_id_is_none(&change->after)) {
        if (known_version(c, change, known)) {
            view_drop_aside(c->view, change->path);
            return QUIPU_OK;
        }
        code = view_read_file(c->self, &change->after, change->path, &after, c->error);
    }
    if (code == QUIPU_OK && !after && !object_id_is_none(&change->before)) {
        buffer_clear(&c->id);
        code = forget_file(c, change, path_record_id(change->path, &c->id) && !c->id.failed);
    }
    if (code == QUIPU_OK && after) {
        view_drop_aside(c->view, change->path);
        code = record_index_put(c->view->index, after, c->error);
    } else if (code == QUIPU_OK && !object_id_is_none(&change->after)) {
        code = view_put_aside(c->view, change->path, c->error);
    }
    record_free(after);
    return code;
}

int32_t view_tree(quipu_backend *self, const object_id *commit_id, object_id *out, quipu_error *error)
{
    commit c;
    memset(out, 0, sizeof *out);
    if (object_id_is_none(commit_id))
        return QUIPU_OK;
    int32_t code = commit_read(git_store_objects(self->store), commit_id, &c, error);
    if (code == QUIPU_OK) {
        *out = c.tree;
        commit_free(&c);
    }
    return code;
}

int32_t view_go_to(quipu_backend *self, view *v, const object_id *to, quipu_error *error)
{
    catch_up c = { .self = self, .view = v, .error = error };
    object_id from_tree, to_tree;
    int32_t code = view_tree(self, &v->at, &from_tree, error);
    if (code == QUIPU_OK)
        code = view_tree(self, to, &to_tree, error);
    if (code != QUIPU_OK)
        return code;
    record_index_begin(v->index);
    code = tree_diff(git_store_objects(self->store), &from_tree, &to_tree, RECORDS_FOLDER, follow_change, &c, error);
    record_index_end(v->index);
    if (code == QUIPU_OK)
        v->at = *to;
    buffer_free(&c.id);
    catalogue_spill_end(self, v, code == QUIPU_OK, c.writer);
    return code;
}

int32_t view_record_at(quipu_backend *self, const object_id *commit_id, quipu_str id, record **out, bool *aside,
                       quipu_error *error)
{
    object_id tree, blob;
    buffer path = { 0 };
    *out = NULL;
    record_path(id, &path);
    int32_t code = path.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read a record")
                               : view_tree(self, commit_id, &tree, error);
    if (code == QUIPU_OK)
        code = tree_find(git_store_objects(self->store), &tree, path.bytes, &blob, error);
    if (code == QUIPU_OK && !object_id_is_none(&blob))
        code = view_read_file(self, &blob, path.bytes, out, error);
    if (aside)
        *aside = code == QUIPU_OK && !*out && !object_id_is_none(&blob);
    buffer_free(&path);
    return code;
}
