/*
 * view.c - the records of one commit, in RAM, and the way from one commit to the next.
 *
 * A view names the commit that it reflects. Before each use the present one is compared with the branch and caught up by
 * the difference of the two trees, so that it also sees what other processes and stock git have pushed. What is not a
 * record, or stands at a path that is not its own, is set aside: never shown, never dropped, reported by verify.
 *
 * Lock order: view.lock, then quipu_backend.views. Readers of a view hold neither.
 */
#include "backend.h"

#include <base/fail.h>
#include <stdlib.h>

struct view {
    int references;
    pthread_mutex_t lock; /* held while it is caught up */
    record_index *index;
    object_id at;
    char **aside; /* paths */
    size_t aside_count;
};

/* ---- files ---- */

int32_t record_of_bytes(quipu_str bytes, record **out, quipu_error *error)
{
    static const record_defaults limit = { .created_at = QUIPU_TIME_NONE,
                                           .updated_at = QUIPU_TIME_NONE,
                                           .max_bytes = RECORD_MAX_MOST };
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

static int32_t read_file(quipu_backend *self, const object_id *blob, const char *path, record **out, quipu_error *error)
{
    buffer bytes = { 0 };
    *out = NULL;
    int32_t code = objects_read(git_store_objects(self->store), blob, OBJECT_BLOB, &bytes, error);
    if (code == QUIPU_OK && record_of_file(path, str_make(bytes.bytes, bytes.len), out, NULL) == QUIPU_E_NO_MEMORY)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a record");
    buffer_free(&bytes);
    return code;
}

/* ---- a view ---- */

static int32_t view_new(quipu_backend *self, view **out, quipu_error *error)
{
    view *v = calloc(1, sizeof *v);
    *out = NULL;
    if (!v)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the store");
    v->references = 1;
    pthread_mutex_init(&v->lock, NULL);
    int32_t code = record_index_create(self->host, &v->index, error);
    if (code != QUIPU_OK) {
        view_give(v);
        return code;
    }
    *out = v;
    return QUIPU_OK;
}

static void clear_aside(view *v)
{
    for (size_t i = 0; i < v->aside_count; i++)
        free(v->aside[i]);
    free(v->aside);
    v->aside = NULL;
    v->aside_count = 0;
}

static view *view_hold(view *v)
{
    __atomic_fetch_add(&v->references, 1, __ATOMIC_RELAXED);
    return v;
}

void view_give(view *v)
{
    if (!v || __atomic_sub_fetch(&v->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    record_index_free(v->index);
    clear_aside(v);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

record_index *view_index(view *v)
{
    return v->index;
}

void view_commit(view *v, object_id *out)
{
    pthread_mutex_lock(&v->lock);
    *out = v->at;
    pthread_mutex_unlock(&v->lock);
}

uint64_t view_aside_count(view *v)
{
    pthread_mutex_lock(&v->lock);
    uint64_t count = v->aside_count;
    pthread_mutex_unlock(&v->lock);
    return count;
}

int32_t view_each_aside(view *v, aside_fn visit, void *context)
{
    int32_t code = QUIPU_OK;
    pthread_mutex_lock(&v->lock);
    for (size_t i = 0; i < v->aside_count && code == QUIPU_OK; i++)
        code = visit(context, v->aside[i], "it is not a record of that path");
    pthread_mutex_unlock(&v->lock);
    return code;
}

bool view_any_aside(const view *v)
{
    return v->aside_count > 0;
}

bool view_is_aside(const view *v, const char *path)
{
    for (size_t i = 0; i < v->aside_count; i++)
        if (strcmp(v->aside[i], path) == 0)
            return true;
    return false;
}

void view_drop_aside(view *v, const char *path)
{
    for (size_t i = 0; i < v->aside_count; i++)
        if (strcmp(v->aside[i], path) == 0) {
            free(v->aside[i]);
            v->aside[i] = v->aside[--v->aside_count];
            return;
        }
}

int32_t view_put_aside(view *v, const char *path, quipu_error *error)
{
    if (view_is_aside(v, path))
        return QUIPU_OK;
    char **aside = realloc(v->aside, (v->aside_count + 1) * sizeof *aside);
    char *copy = aside ? str_dup(str_of(path)) : NULL;
    if (aside)
        v->aside = aside;
    if (!copy)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the store");
    v->aside[v->aside_count++] = copy;
    return QUIPU_OK;
}

/* ---- catching up ---- */

typedef struct catch_up {
    quipu_backend *self;
    view *view;
    quipu_error *error;
} catch_up;

/* Removes what the file held before: by its path, or where that does not tell the id, by its content. */
static int32_t forget_file(const catch_up *c, const tree_change *change)
{
    buffer id = { 0 };
    record *before = NULL;
    int32_t code = QUIPU_OK;
    view_drop_aside(c->view, change->path);
    if (path_record_id(change->path, &id) && !id.failed) {
        record_index_remove(c->view->index, str_make(id.bytes, id.len));
    } else {
        code = read_file(c->self, &change->before, change->path, &before, c->error);
        if (before)
            record_index_remove(c->view->index, record_view(before)->id);
        record_free(before);
    }
    buffer_free(&id);
    return code;
}

static int32_t follow_change(void *context, const tree_change *change)
{
    const catch_up *c = context;
    record *after = NULL;
    int32_t code = QUIPU_OK;
    if (!object_id_is_none(&change->after))
        code = read_file(c->self, &change->after, change->path, &after, c->error);
    if (code == QUIPU_OK && !after && !object_id_is_none(&change->before))
        code = forget_file(c, change);
    if (code == QUIPU_OK && after) {
        view_drop_aside(c->view, change->path);
        code = record_index_put(c->view->index, after, c->error);
    } else if (code == QUIPU_OK && !object_id_is_none(&change->after)) {
        code = view_put_aside(c->view, change->path, c->error);
    }
    record_free(after);
    return code;
}

static int32_t tree_of(quipu_backend *self, const object_id *commit_id, object_id *out, quipu_error *error)
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

/* With v->lock held. After a failure the view may be anywhere between the two: it must be given up. */
static int32_t go_to(quipu_backend *self, view *v, const object_id *to, quipu_error *error)
{
    catch_up c = { self, v, error };
    object_id from_tree, to_tree;
    int32_t code = tree_of(self, &v->at, &from_tree, error);
    if (code == QUIPU_OK)
        code = tree_of(self, to, &to_tree, error);
    if (code != QUIPU_OK)
        return code;
    record_index_begin(v->index);
    code = tree_diff(git_store_objects(self->store), &from_tree, &to_tree, RECORDS_FOLDER, follow_change, &c, error);
    record_index_end(v->index);
    if (code == QUIPU_OK)
        v->at = *to;
    return code;
}

int32_t view_fresh(quipu_backend *self, const object_id *commit_id, view **out, quipu_error *error)
{
    int32_t code = view_new(self, out, error);
    if (code == QUIPU_OK)
        code = go_to(self, *out, commit_id, error);
    if (code != QUIPU_OK) {
        view_give(*out);
        *out = NULL;
    }
    return code;
}

/* ---- the present ---- */

static int32_t make_present(quipu_backend *self, view **out, quipu_error *error)
{
    view *v;
    int32_t code = view_new(self, &v, error);
    if (code != QUIPU_OK)
        return code;
    if (catalogue_load(self, v, &v->at, NULL) != QUIPU_OK) { /* half of it may be loaded */
        view_give(v);
        code = view_new(self, &v, error);
        if (code != QUIPU_OK)
            return code;
    }
    pthread_mutex_lock(&self->views);
    if (self->present) {
        view_give(v);
    } else {
        self->present = v;
    }
    *out = view_hold(self->present);
    pthread_mutex_unlock(&self->views);
    return QUIPU_OK;
}

static int32_t take_present(quipu_backend *self, view **out, quipu_error *error)
{
    object_id head;
    pthread_mutex_lock(&self->views);
    *out = self->present ? view_hold(self->present) : NULL;
    pthread_mutex_unlock(&self->views);
    int32_t code = *out ? QUIPU_OK : make_present(self, out, error);
    if (code != QUIPU_OK)
        return code;
    view *v = *out;
    pthread_mutex_lock(&v->lock);
    code = git_store_head(self->store, &head, error);
    if (code == QUIPU_OK && !object_id_equal(&v->at, &head) && go_to(self, v, &head, NULL) != QUIPU_OK) {
        log_line(self->host, QUIPU_LOG_WARNING, "the view is read anew from the whole tree");
        /* readers may still use the old index: give them a view of their own */
        view *fresh = NULL;
        code = view_fresh(self, &head, &fresh, error);
        if (code == QUIPU_OK) {
            pthread_mutex_lock(&self->views);
            if (self->present == v) {
                view_give(self->present);
                self->present = view_hold(fresh);
            }
            pthread_mutex_unlock(&self->views);
            *out = fresh;
        }
    }
    pthread_mutex_unlock(&v->lock);
    if (*out != v)
        view_give(v);
    if (code != QUIPU_OK) {
        view_give(*out);
        *out = NULL;
    }
    return code;
}

void view_save(quipu_backend *self)
{
    quipu_error error = { .struct_size = sizeof error };
    object_id at;
    if (!self->present || !self->catalogue)
        return;
    view_commit(self->present, &at);
    if (catalogue_save(self, self->present, &at, &error) != QUIPU_OK)
        log_line(self->host, QUIPU_LOG_WARNING, "the catalogue was not saved: %s", error.message);
}

void view_forget(quipu_backend *self)
{
    pthread_mutex_lock(&self->views);
    view *old = self->present;
    self->present = NULL;
    pthread_mutex_unlock(&self->views);
    view_give(old);
}

/* ---- the past ---- */

int32_t view_resolve(quipu_backend *self, quipu_str spec, object_id *out, quipu_error *error)
{
    int64_t time;
    bool date = false;
    object_id head;
    if (spec.len >= 10 && spec.ptr[4] == '-' && time_parse(spec, "as_of", &date, &time, NULL) == QUIPU_OK) {
        int32_t code = git_store_head(self->store, &head, error);
        /* commits know whole seconds: one of this very second counts as made */
        int64_t end = date ? time + 86400 * (int64_t)1000000 - 1 : time;
        return code == QUIPU_OK ? commit_at_time(git_store_objects(self->store), &head, end, out, error) : code;
    }
    return git_store_resolve(self->store, spec, out, error);
}

static int32_t take_past(quipu_backend *self, quipu_str as_of, view **out, quipu_error *error)
{
    object_id at;
    int32_t code = view_resolve(self, as_of, &at, error);
    if (code != QUIPU_OK)
        return code;
    pthread_mutex_lock(&self->views);
    for (size_t i = 0; i < PAST_VIEWS && !*out; i++)
        if (self->past[i] && object_id_equal(&self->past[i]->at, &at))
            *out = view_hold(self->past[i]);
    pthread_mutex_unlock(&self->views);
    if (*out)
        return QUIPU_OK;
    code = view_fresh(self, &at, out, error);
    if (code != QUIPU_OK)
        return code;
    pthread_mutex_lock(&self->views);
    view *oldest = self->past[PAST_VIEWS - 1];
    memmove(&self->past[1], &self->past[0], (PAST_VIEWS - 1) * sizeof self->past[0]);
    self->past[0] = view_hold(*out);
    pthread_mutex_unlock(&self->views);
    view_give(oldest);
    return QUIPU_OK;
}

int32_t view_take(quipu_backend *self, quipu_str as_of, view **out, quipu_error *error)
{
    *out = NULL;
    return as_of.ptr ? take_past(self, as_of, out, error) : take_present(self, out, error);
}

int32_t view_record_at(quipu_backend *self, const object_id *commit_id, quipu_str id, record **out, bool *aside,
                       quipu_error *error)
{
    object_id tree, blob;
    buffer path = { 0 };
    *out = NULL;
    record_path(id, &path);
    int32_t code = path.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read a record")
                               : tree_of(self, commit_id, &tree, error);
    if (code == QUIPU_OK)
        code = tree_find(git_store_objects(self->store), &tree, path.bytes, &blob, error);
    if (code == QUIPU_OK && !object_id_is_none(&blob))
        code = read_file(self, &blob, path.bytes, out, error);
    if (aside)
        *aside = code == QUIPU_OK && !*out && !object_id_is_none(&blob);
    buffer_free(&path);
    return code;
}
