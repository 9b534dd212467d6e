/*
 * view_follow.c - from one commit to another: the difference of two trees becomes puts and removals of an index.
 */
#include "view.h"

#include <base/fail.h>
#include <sdk/settings.h>
#include <stdlib.h>

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

static int32_t read_blob(quipu_backend *self, const object_id *blob, const char *path, record **out, quipu_error *error)
{
    buffer bytes = { 0 };
    object_reader *reader;
    *out = NULL;
    int32_t code = object_reader_create(git_store_objects(self->store), &reader, error);
    if (code == QUIPU_OK)
        code = view_read_blob(reader, blob, OBJECT_NOWHERE, path, &bytes, out, error);
    object_reader_free(reader);
    buffer_free(&bytes);
    return code;
}

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the store");
}

/* ---- catching up ---- */

enum {
    SPILL_EVERY = 65536,
    FILES_AT_ONCE = 8192, /* whose places are looked up and sorted together */
};

typedef struct catch_up {
    quipu_backend *self;
    view *view;
    derived_writer *writer; /* of a bulk: what is indexed goes to files on the way; or NULL */
    object_reader *reader;  /* NULL until files are to be read */
    view_file *files;       /* that wait to be read: FILES_AT_ONCE, once there is one */
    size_t count;
    buffer paths; /* theirs, each with its NUL byte */
    uint64_t changes;
    pair_follow pairs;
    buffer id; /* of the change at hand */
    quipu_error *error;
} catch_up;

static bool known_id(catch_up *c, const char *path)
{
    buffer_clear(&c->id);
    return path_record_id(path, &c->id) && !c->id.failed;
}

/* Removes what the file held before: by its path, or where that does not tell the id, by its content. */
static int32_t forget_file(catch_up *c, const view_file *f)
{
    record *before = NULL;
    int32_t code = QUIPU_OK;
    view_drop_aside(c->view, f->path);
    if (known_id(c, f->path)) {
        record_index_remove(c->view->index, str_make(c->id.bytes, c->id.len));
    } else {
        code = read_blob(c->self, &f->before, f->path, &before, c->error);
        if (before)
            record_index_remove(c->view->index, record_view(before)->id);
        record_free(before);
    }
    return code;
}

/* What the file holds now, once it was read, takes the place of what it held. */
static int32_t follow_file(catch_up *c, const view_file *f)
{
    int32_t code = QUIPU_OK;
    if (++c->changes % SPILL_EVERY == 0)
        catalogue_spill(c->self, c->view, &c->writer);
    if (!f->record && !object_id_is_none(&f->before))
        code = forget_file(c, f);
    if (code == QUIPU_OK && f->record) {
        view_drop_aside(c->view, f->path);
        code = record_index_put(c->view->index, f->record, c->error);
    } else if (code == QUIPU_OK && !object_id_is_none(&f->after)) {
        code = view_put_aside(c->view, f->path, c->error);
    }
    return code;
}

static int by_place(const void *a, const void *b)
{
    const view_file *x = a, *y = b;
    if (x->place != y->place)
        return x->place > y->place ? 1 : -1;
    return (x->path > y->path) - (x->path < y->path); /* they lie in one buffer, in the order of the tree */
}

static int32_t prepare_files(catch_up *c)
{
    int32_t code = QUIPU_OK;
    if (!c->reader)
        code = object_reader_create(git_store_objects(c->self->store), &c->reader, c->error);
    const char *path = c->paths.bytes;
    for (size_t i = 0; i < c->count && code == QUIPU_OK; i++) {
        c->files[i].path = path;
        c->files[i].place = object_reader_place(c->reader, &c->files[i].after);
        path += strlen(path) + 1;
    }
    if (code == QUIPU_OK)
        qsort(c->files, c->count, sizeof *c->files, by_place);
    return code;
}

/* Reads the files that wait, and follows each. */
static int32_t follow_files(catch_up *c)
{
    int32_t code = c->count ? prepare_files(c) : QUIPU_OK;
    for (size_t i = 0, done; i < c->count && code == QUIPU_OK; i += done) {
        code = view_read_files(c->reader, &c->pairs.to, c->files + i, c->count - i, &done, c->error);
        for (size_t j = i; j < i + done; j++) {
            if (code == QUIPU_OK)
                code = follow_file(c, &c->files[j]);
            record_free(c->files[j].record);
        }
    }
    c->count = 0;
    buffer_clear(&c->paths);
    return code;
}

/* A blob's id is its version where the file is canonical, as all are that were not pushed by hand. A view of the past finds most
 * of its records in the index in this way. */
static bool known_version(catch_up *c, const tree_change *change)
{
    return c->view->past && !object_id_is_none(&change->after) && known_id(c, change->path) &&
           !edits_know(&c->self->edits, change->after.bytes) &&
           record_index_revive(c->view->index, str_make(c->id.bytes, c->id.len), change->after.bytes);
}

static int32_t follow_change(void *context, const tree_change *change)
{
    catch_up *c = context;
    bool done;
    int32_t code = pair_follow_json(&c->pairs, change, &done);
    if (done || code != QUIPU_OK)
        return code;
    if (known_version(c, change)) {
        view_drop_aside(c->view, change->path);
        return QUIPU_OK;
    }
    if (!c->files)
        c->files = malloc(FILES_AT_ONCE * sizeof *c->files);
    buffer_append(&c->paths, change->path, strlen(change->path) + 1);
    if (!c->files || c->paths.failed || c->id.failed)
        return no_memory(c->error);
    c->files[c->count++] = (view_file){ .before = change->before, .after = change->after };
    return c->count == FILES_AT_ONCE ? follow_files(c) : QUIPU_OK;
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

int32_t view_place(quipu_backend *self, const object_id *commit_id, record_place *out, quipu_error *error)
{
    commit c;
    *out = (record_place){ .objects = git_store_objects(self->store), .edits = &self->edits };
    if (object_id_is_none(commit_id))
        return QUIPU_OK;
    int32_t code = edits_cover(&self->edits, commit_id, error);
    if (code == QUIPU_OK)
        code = commit_read(out->objects, commit_id, &c, error);
    if (code == QUIPU_OK) {
        out->tree = c.tree;
        out->time = c.committed;
        commit_free(&c);
    }
    return code;
}

/* What was edited between the two times counts as another record from then on, though its file may be the same on both sides. */
static int32_t follow_edits(catch_up *c)
{
    int64_t from = c->pairs.from.time, to = c->pairs.to.time;
    buffer ids = { 0 };
    int32_t code = QUIPU_OK;
    if (!object_id_is_none(&c->view->at))
        edits_between(&c->self->edits, from < to ? from : to, from < to ? to : from, &ids);
    for (const char *id = ids.bytes; code == QUIPU_OK && id && id < ids.bytes + ids.len; id += strlen(id) + 1)
        code = pair_follow_id(&c->pairs, str_of(id));
    if (ids.failed)
        code = no_memory(c->error);
    buffer_free(&ids);
    return code;
}

int32_t view_go_to(quipu_backend *self, view *v, const object_id *to, quipu_error *error)
{
    objects *o = git_store_objects(self->store);
    catch_up c = { .self = self, .view = v, .pairs = { .view = v, .error = error }, .error = error };
    int32_t code = view_place(self, &v->at, &c.pairs.from, error);
    if (code == QUIPU_OK)
        code = view_place(self, to, &c.pairs.to, error);
    if (code == QUIPU_OK)
        code = pair_follow_begin(&c.pairs);
    if (code != QUIPU_OK)
        return code;
    record_index_begin(v->index);
    code = tree_diff(o, &c.pairs.from.tree, &c.pairs.to.tree, RECORDS_FOLDER, follow_change, &c, error);
    if (code == QUIPU_OK)
        code = follow_files(&c);
    if (code == QUIPU_OK)
        code = pair_follow_texts(&c.pairs);
    if (code == QUIPU_OK)
        code = follow_edits(&c);
    record_index_end(v->index);
    if (code == QUIPU_OK)
        v->at = *to;
    object_reader_free(c.reader);
    free(c.files);
    buffer_free(&c.paths);
    buffer_free(&c.id);
    catalogue_spill_end(self, v, code == QUIPU_OK, c.writer);
    return code;
}

int32_t view_record_at(quipu_backend *self, const object_id *commit_id, quipu_str id, record **out, bool *aside,
                       quipu_error *error)
{
    record_place p;
    stored there = { 0 };
    *out = NULL;
    int32_t code = view_place(self, commit_id, &p, error);
    if (code == QUIPU_OK)
        code = stored_read(&p, id, &there, error);
    if (code == QUIPU_OK && there.record)
        *out = record_share(there.record);
    if (aside)
        *aside = code == QUIPU_OK && !*out && !object_id_is_none(&there.json);
    stored_free(&there);
    return code;
}
