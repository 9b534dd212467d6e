/*
 * catalogue.c - the present view on disk, shared by all processes, so that opening reads neither git nor all of it.
 *
 * Derived state (sdk/derived.h), whose position is the commit; the index lays itself out in it (sdk/record_index.h) and adds the
 * paths that are set aside, each with a NUL byte behind it. Whoever has learned enough saves, if nobody else is at it; who finds that
 * another process has saved something newer goes on from there.
 */
#include "view.h"

#include <base/fail.h>
#include <storage_git/commit_links.h>

static bool position_of(const derived_snapshot *s, object_id *out)
{
    quipu_str position = derived_position(s);
    return position.ptr && position.len == OBJECT_ID_HEX && object_id_parse(position.ptr, out);
}

static bool is_bad(quipu_backend *self)
{
    pthread_mutex_lock(&self->views);
    bool bad = self->catalogue_bad;
    pthread_mutex_unlock(&self->views);
    return bad;
}

static void set_bad(quipu_backend *self, bool bad)
{
    pthread_mutex_lock(&self->views);
    self->catalogue_bad = bad;
    pthread_mutex_unlock(&self->views);
}

void catalogue_drop(quipu_backend *self)
{
    set_bad(self, true);
}

/* ---- loading ---- */

static int32_t load_aside(view *v, quipu_str paths)
{
    int32_t code = QUIPU_OK;
    while (paths.len > 0 && code == QUIPU_OK) {
        const char *end = memchr(paths.ptr, '\0', (size_t)paths.len);
        if (!end)
            return QUIPU_E_CORRUPT;
        code = view_put_aside(v, paths.ptr, NULL);
        paths.len -= (uint64_t)(end + 1 - paths.ptr);
        paths.ptr = end + 1;
    }
    return code;
}

static int32_t load_snapshot(quipu_backend *self, view *now, const derived_snapshot *s, view **out)
{
    quipu_str aside;
    object_id at;
    *out = NULL;
    if (!position_of(s, &at))
        return QUIPU_E_NOT_FOUND;
    int32_t code = view_new(self, now ? now->index : NULL, out, NULL);
    if (code == QUIPU_OK)
        code = record_index_load((*out)->index, s, &aside, NULL);
    if (code == QUIPU_OK)
        code = load_aside(*out, aside);
    if (code == QUIPU_OK) {
        (*out)->at = at;
        return QUIPU_OK;
    }
    if (code == QUIPU_E_CORRUPT)
        catalogue_drop(self);
    view_give(*out);
    *out = NULL;
    return code;
}

int32_t catalogue_load(quipu_backend *self, view *now, view **out)
{
    derived_snapshot *s;
    bool damaged = false;
    *out = NULL;
    if (!self->catalogue || is_bad(self))
        return QUIPU_E_NOT_FOUND;
    int32_t code = derived_read(self->catalogue, &s, &damaged, NULL);
    if (code != QUIPU_OK)
        return code;
    code = damaged ? QUIPU_E_CORRUPT : load_snapshot(self, now, s, out);
    if (code == QUIPU_E_CORRUPT)
        host_log(self->host, QUIPU_LOG_WARNING, "git", "the catalogue is damaged and is built again");
    derived_snapshot_free(s);
    return code;
}

int32_t catalogue_forget(quipu_backend *self, quipu_error *error)
{
    derived_writer *writer;
    int32_t code = QUIPU_OK;
    view_forget(self);
    if (self->catalogue)
        code = derived_begin(self->catalogue, &writer, error);
    if (!self->catalogue || code == QUIPU_E_BUSY) /* another process writes it anew, and saves what it knows */
        return QUIPU_OK;
    if (code == QUIPU_OK) {
        derived_drop_all(writer);
        code = derived_commit(writer, str_of(""), error);
    }
    return code;
}

bool catalogue_is_current(quipu_backend *self)
{
    char position[DERIVED_POSITION_MAX];
    object_id saved, head;
    return self->catalogue && derived_peek(self->catalogue, position) == OBJECT_ID_HEX &&
           object_id_parse(position, &saved) && git_store_head(self->store, &head, NULL) == QUIPU_OK &&
           object_id_equal(&saved, &head);
}

uint64_t catalogue_behind(quipu_backend *self, const object_id *head, uint64_t revisions)
{
    char position[DERIVED_POSITION_MAX];
    object_id saved;
    uint64_t reflected = 0;
    if (!self->catalogue || is_bad(self) || derived_peek(self->catalogue, position) != OBJECT_ID_HEX ||
        !object_id_parse(position, &saved))
        return revisions;
    if (object_id_equal(&saved, head))
        return 0;
    if (commit_count(git_store_objects(self->store), &saved, &reflected, NULL) != QUIPU_OK)
        return revisions;
    return reflected < revisions ? revisions - reflected : 0;
}

bool catalogue_is_there(quipu_backend *self)
{
    char position[DERIVED_POSITION_MAX];
    return self->catalogue && !is_bad(self) && derived_peek(self->catalogue, position) > 0;
}

/* True where commit a was made later than b. */
static bool is_later(quipu_backend *self, const object_id *a, const object_id *b)
{
    objects *o = git_store_objects(self->store);
    commit first, second;
    if (object_id_is_none(b))
        return true;
    if (object_id_equal(a, b) || commit_read(o, a, &first, NULL) != QUIPU_OK)
        return false;
    bool later = false;
    if (commit_read(o, b, &second, NULL) == QUIPU_OK) {
        later = first.committed > second.committed;
        commit_free(&second);
    }
    commit_free(&first);
    return later;
}

bool catalogue_is_nearer(quipu_backend *self, const view *v)
{
    char position[DERIVED_POSITION_MAX];
    object_id saved;
    if (!self->catalogue || is_bad(self))
        return false;
    size_t len = derived_peek(self->catalogue, position);
    return len == OBJECT_ID_HEX && object_id_parse(position, &saved) && is_later(self, &saved, &v->at);
}

/* ---- saving ---- */

static int32_t write_all(quipu_backend *self, view *v, derived_writer *writer, quipu_error *error)
{
    char position[OBJECT_ID_HEX + 1];
    buffer aside = { 0 };
    derived_snapshot *now;
    for (size_t i = 0; i < v->aside_count; i++)
        buffer_append(&aside, v->aside[i], strlen(v->aside[i]) + 1);
    int32_t code = aside.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to save the catalogue")
                                : record_index_save(v->index, writer, str_make(aside.bytes, aside.len), error);
    buffer_free(&aside);
    if (code != QUIPU_OK) {
        derived_abort(writer);
        return code;
    }
    object_id_print(&v->at, position);
    code = derived_commit(writer, str_make(position, OBJECT_ID_HEX), error);
    if (code == QUIPU_OK && derived_read(self->catalogue, &now, NULL, NULL) == QUIPU_OK) {
        record_index_saved(v->index, now);
        derived_snapshot_free(now);
    }
    if (code == QUIPU_OK)
        set_bad(self, false);
    return code;
}

/* Prepares the writer for the view; false where others have saved what the view does not stand on. */
static bool prepare(quipu_backend *self, view *v, derived_writer *writer)
{
    const derived_snapshot *base = derived_base(writer);
    object_id saved;
    if (is_bad(self) || !position_of(base, &saved)) {
        derived_drop_all(writer);
        return true;
    }
    return record_index_stands_on(v->index, base);
}

static void report(quipu_backend *self, int32_t code, const quipu_error *error)
{
    if (code == QUIPU_E_CORRUPT)
        catalogue_drop(self);
    if (code != QUIPU_OK)
        host_log(self->host, QUIPU_LOG_WARNING, "git", "the catalogue was not saved: %s", error->message);
}

bool catalogue_save(quipu_backend *self, view *v, uint64_t worth)
{
    quipu_error error = { .struct_size = sizeof error };
    derived_writer *writer;
    if (!self->catalogue || self->flags & QUIPU_OPEN_READ_ONLY || record_index_unsaved(v->index) < worth)
        return true;
    int32_t code = derived_begin(self->catalogue, &writer, &error);
    if (code == QUIPU_E_BUSY)
        return true; /* another process is at it */
    bool on_top = code != QUIPU_OK || prepare(self, v, writer);
    if (code == QUIPU_OK && on_top)
        code = write_all(self, v, writer, &error);
    else if (code == QUIPU_OK)
        derived_abort(writer);
    report(self, code, &error);
    return on_top;
}

/* ---- a bulk ---- */

void catalogue_spill(quipu_backend *self, view *v, derived_writer **writer)
{
    if (!self->catalogue || self->flags & QUIPU_OPEN_READ_ONLY || v->past)
        return;
    if (!*writer) {
        if (derived_begin(self->catalogue, writer, NULL) != QUIPU_OK)
            return; /* another process is at it */
        if (!prepare(self, v, *writer)) {
            derived_abort(*writer);
            *writer = NULL;
            return;
        }
    }
    record_index_spill(v->index, *writer);
}

void catalogue_spill_end(quipu_backend *self, view *v, bool good, derived_writer *writer)
{
    quipu_error error = { .struct_size = sizeof error };
    if (!writer)
        return;
    if (good)
        report(self, write_all(self, v, writer, &error), &error);
    else
        derived_abort(writer);
}
