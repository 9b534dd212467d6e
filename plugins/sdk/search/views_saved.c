/*
 * views_saved.c - the present view on disk, shared by all processes, so that opening does not read the store.
 *
 * Derived state (sdk/derived.h), whose position is the owner's; the index lays itself out in it. Whoever has learned enough saves, if
 * nobody else is at it; who finds that another process has saved something newer goes on from there.
 */
#include "views_inner.h"

#include <base/fail.h>
#include <sdk/services.h>
#include <string.h>

/* A catalogue that cannot be had costs time, not truth: it is only logged. */
void saved_open(views *all, const char *folder)
{
    quipu_error error = { .struct_size = sizeof error };
    int32_t code = derived_open(folder, "catalogue", RECORD_INDEX_FORMAT | all->language << 8, all->read_only,
                                &all->files, &error);
    if (code != QUIPU_OK) {
        all->files = NULL;
        if (!all->read_only || code != QUIPU_E_NOT_FOUND)
            host_log(all->host, QUIPU_LOG_WARNING, all->api->component, "works without its catalogue: %s",
                     error.message);
    }
}

static bool is_bad(views *all)
{
    pthread_mutex_lock(&all->lock);
    bool bad = all->bad;
    pthread_mutex_unlock(&all->lock);
    return bad;
}

static void set_bad(views *all, bool bad)
{
    pthread_mutex_lock(&all->lock);
    all->bad = bad;
    pthread_mutex_unlock(&all->lock);
}

static bool take_position(views *all, const char *bytes, size_t len, view_position *out)
{
    if (len == 0 || len >= sizeof out->text)
        return false;
    memset(out, 0, sizeof *out);
    memcpy(out->text, bytes, len);
    return all->api->is_known(all->owner, out);
}

static bool position_of(views *all, const derived_snapshot *s, view_position *out)
{
    quipu_str position = derived_position(s);
    return position.ptr && take_position(all, position.ptr, (size_t)position.len, out);
}

bool saved_position(views *all, view_position *out)
{
    char position[DERIVED_POSITION_MAX];
    return all->files && !is_bad(all) && take_position(all, position, derived_peek(all->files, position), out);
}

bool saved_is_nearer(views *all, const view *v)
{
    view_position saved;
    return saved_position(all, &saved) && all->api->is_later(all->owner, &saved, &v->at);
}

/* ---- loading ---- */

static int32_t load_snapshot(views *all, view *now, const derived_snapshot *s, view **out)
{
    view_position at;
    *out = NULL;
    if (!position_of(all, s, &at))
        return QUIPU_E_NOT_FOUND;
    int32_t code = view_new(all, now ? now->index : NULL, out, NULL);
    if (code == QUIPU_OK)
        code = record_index_load((*out)->index, s, NULL, NULL);
    if (code == QUIPU_OK) {
        (*out)->at = at;
        return QUIPU_OK;
    }
    if (code == QUIPU_E_CORRUPT)
        set_bad(all, true);
    view_give(*out);
    *out = NULL;
    return code;
}

int32_t saved_load(views *all, view *now, view **out)
{
    derived_snapshot *s;
    bool damaged = false;
    *out = NULL;
    if (!all->files || is_bad(all))
        return QUIPU_E_NOT_FOUND;
    int32_t code = derived_read(all->files, &s, &damaged, NULL);
    if (code != QUIPU_OK)
        return code;
    code = damaged ? QUIPU_E_CORRUPT : load_snapshot(all, now, s, out);
    if (code == QUIPU_E_CORRUPT)
        host_log(all->host, QUIPU_LOG_WARNING, all->api->component, "the catalogue is damaged and is built again");
    derived_snapshot_free(s);
    return code;
}

/* ---- saving ---- */

static int32_t write_all(views *all, view *v, derived_writer *writer, quipu_error *error)
{
    derived_snapshot *now;
    int32_t code = record_index_save(v->index, writer, (quipu_str){ 0 }, error);
    if (code != QUIPU_OK) {
        derived_abort(writer);
        return code;
    }
    code = derived_commit(writer, str_of(v->at.text), error);
    if (code == QUIPU_OK && derived_read(all->files, &now, NULL, NULL) == QUIPU_OK) {
        record_index_saved(v->index, now);
        derived_snapshot_free(now);
    }
    if (code == QUIPU_OK)
        set_bad(all, false);
    return code;
}

/* Prepares the writer for the view; false where others have saved what the view does not stand on. */
static bool prepare(views *all, view *v, derived_writer *writer)
{
    const derived_snapshot *base = derived_base(writer);
    view_position saved;
    if (is_bad(all) || !position_of(all, base, &saved)) {
        derived_drop_all(writer);
        return true;
    }
    return record_index_stands_on(v->index, base);
}

static void report(views *all, int32_t code, const quipu_error *error)
{
    if (code == QUIPU_E_CORRUPT)
        set_bad(all, true);
    if (code != QUIPU_OK)
        host_log(all->host, QUIPU_LOG_WARNING, all->api->component, "the catalogue was not saved: %s", error->message);
}

bool saved_write(views *all, view *v, uint64_t worth)
{
    quipu_error error = { .struct_size = sizeof error };
    derived_writer *writer;
    if (!all->files || all->read_only || v->past || record_index_unsaved(v->index) < worth)
        return true;
    int32_t code = derived_begin(all->files, &writer, &error);
    if (code == QUIPU_E_BUSY)
        return true; /* another process is at it */
    bool on_top = code != QUIPU_OK || prepare(all, v, writer);
    if (code == QUIPU_OK && on_top)
        code = write_all(all, v, writer, &error);
    else if (code == QUIPU_OK)
        derived_abort(writer);
    report(all, code, &error);
    return on_top;
}

int32_t saved_forget(views *all, quipu_error *error)
{
    derived_writer *writer;
    int32_t code = all->files ? derived_begin(all->files, &writer, error) : QUIPU_E_BUSY;
    if (code == QUIPU_E_BUSY) /* there is none, or another process writes it anew and saves what it knows */
        return QUIPU_OK;
    if (code == QUIPU_OK) {
        derived_drop_all(writer);
        code = derived_commit(writer, str_of(""), error);
    }
    return code;
}

/* ---- a bulk ---- */

void saved_spill(view *v)
{
    views *all = v->all;
    if (!all->files || all->read_only || v->past)
        return;
    if (!v->writer) {
        if (derived_begin(all->files, &v->writer, NULL) != QUIPU_OK) {
            v->writer = NULL;
            return; /* another process is at it */
        }
        if (!prepare(all, v, v->writer)) {
            derived_abort(v->writer);
            v->writer = NULL;
            return;
        }
    }
    record_index_spill(v->index, v->writer);
}

void saved_spill_end(view *v, bool good)
{
    quipu_error error = { .struct_size = sizeof error };
    if (!v->writer)
        return;
    if (good)
        report(v->all, write_all(v->all, v, v->writer, &error), &error);
    else
        derived_abort(v->writer);
    v->writer = NULL;
}
