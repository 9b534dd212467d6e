/*
 * moved.c - the groups "fence" and "hold" of migrate/1: where the store stands, and that it has moved away.
 *
 * The store stands at its newest revision, or at "". The fence is the file of sdk/fence.h beside the database: whoever writes looks for it within
 * its transaction, and it is set within one that writes nothing, so that the file's coming and going has a place in the order of all
 * transactions. It leaves no revision. Holding others is a transaction of a connection of its own that stays open.
 */
#include "backend.h"

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/fence.h>
#include <time.h>

int32_t moved_check(const quipu_backend *self, quipu_error *error)
{
    return atomic_load(&self->past_fence) ? QUIPU_OK : fence_check(self->base.folder, error);
}

static int32_t position_of(connection *c, char out[QUIPU_POSITION_MAX + 1], quipu_error *error)
{
    line_revision newest;
    int32_t code = revision_newest(c, &newest, error);
    out[0] = '\0';
    if (code == QUIPU_OK && newest.revision > 0) {
        hex_encode(newest.name, sizeof newest.name, out);
        out[2 * sizeof newest.name] = '\0';
    }
    return code;
}

int32_t moved_position(quipu_backend *self, char out[QUIPU_POSITION_MAX + 1], const quipu_call *call,
                       quipu_error *error)
{
    connection *c;
    int32_t code = line_check_entry(self, call, error);
    if (code == QUIPU_OK && !out)
        code = fail(error, QUIPU_E_INVALID, "out", "out is NULL");
    if (code == QUIPU_OK)
        code = reader_take(self, call, &c, error);
    if (code != QUIPU_OK)
        return code;
    code = position_of(c, out, error);
    reader_give(self, c);
    return code;
}

/* ---- the store's lock ---- */

static void unlock(connection *c)
{
    connection_rollback(c);
    connection_close(c);
}

/* A transaction that keeps every other writer waiting. It is asked for with short pauses: processes that write one change after the other
 * leave the store free for moments only. */
static int32_t lock(quipu_backend *self, const quipu_call *call, connection **out, quipu_error *error)
{
    static const quipu_call at_once = { .struct_size = sizeof at_once, .deadline_ns = 1 };
    static const struct timespec moment = { 0, 100000 };
    quipu_error why = { .struct_size = sizeof why };
    int64_t until = call && call->deadline_ns ? INT64_MAX : monotonic_now() + self->patience_ns;
    connection *c;
    int32_t code = connection_open(self, true, &c, error);
    if (code != QUIPU_OK)
        return code;
    for (;;) {
        connection_use(c, &at_once, NULL);
        code = connection_run(c, STATEMENT_BEGIN_WRITE, "waiting for the store", &why);
        if (code != QUIPU_E_TIMEOUT && code != QUIPU_E_BUSY)
            break;
        if (call_check(call, &why) != QUIPU_OK || monotonic_now() >= until) {
            code = why.code;
            break;
        }
        nanosleep(&moment, NULL);
    }
    connection_use(c, NULL, NULL);
    if (code == QUIPU_OK) {
        *out = c;
        return QUIPU_OK;
    }
    connection_close(c);
    return fail(error, code, NULL, "%s", why.message);
}

int32_t moved_hold(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    int32_t code = line_check_writable(self, call, error);
    if (code == QUIPU_OK && self->holder)
        return fail(error, QUIPU_E_STATE, NULL, "the other writers are held already");
    if (code == QUIPU_OK)
        code = lock(self, call, &self->holder, error);
    if (code != QUIPU_OK)
        return code;
    code = moved_check(self, error);
    if (code != QUIPU_OK)
        moved_release(self);
    return code;
}

void moved_release(quipu_backend *self)
{
    if (self->holder)
        unlock(self->holder);
    self->holder = NULL;
}

/* ---- the fence ---- */

/* Within the transaction of `c`. */
static int32_t fence_at(quipu_backend *self, connection *c, const quipu_str *position, const quipu_str *place,
                        quipu_error *error)
{
    char now[QUIPU_POSITION_MAX + 1];
    int32_t code = moved_check(self, error);
    if (code == QUIPU_OK)
        code = position_of(c, now, error);
    if (code == QUIPU_OK && !str_same(*position, str_of(now)))
        code = fail(error, QUIPU_E_CONFLICT, "position", "the store has changed meanwhile: it stands at %s", now);
    return code == QUIPU_OK ? fence_set(self->base.folder, *place, error) : code;
}

int32_t moved_fence(quipu_backend *self, const quipu_str *position, const quipu_str *place, const quipu_change_set *as,
                    const quipu_call *call, quipu_error *error)
{
    int32_t code = line_check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = fence_check_place(place, self->base.flags, error);
    if (code == QUIPU_OK)
        code = fence_check_set(position, as, error);
    if (code != QUIPU_OK)
        return code;
    connection *c = self->holder;
    self->holder = NULL; /* it ends, one way or the other */
    if (!c)
        code = lock(self, call, &c, error);
    if (code != QUIPU_OK)
        return code;
    code = fence_at(self, c, position, place, error);
    unlock(c);
    return code;
}

int32_t moved_unfence(quipu_backend *self, const quipu_str *place, uint32_t scope, const quipu_call *call,
                      quipu_error *error)
{
    connection *c;
    int32_t code = line_check_entry(self, call, error);
    if (code == QUIPU_OK && scope > QUIPU_UNFENCE_SELF)
        code = fail(error, QUIPU_E_INVALID, "scope", "%u is no scope of unfence", scope);
    if (code == QUIPU_OK)
        code = fence_check_place(place, self->base.flags, error);
    if (code == QUIPU_OK)
        code = lock(self, call, &c, error);
    if (code != QUIPU_OK)
        return code;
    code = fence_take(self->base.folder, *place, scope, error);
    if (code == QUIPU_OK)
        atomic_store(&self->past_fence, scope == QUIPU_UNFENCE_SELF);
    unlock(c);
    return code;
}

int32_t moved_fenced(quipu_backend *self, quipu_sink_fn sink, void *context, const quipu_call *call, quipu_error *error)
{
    int32_t code = line_check_entry(self, call, error);
    return code == QUIPU_OK ? fence_show(self->base.folder, sink, context, error) : code;
}
