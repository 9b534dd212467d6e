/*
 * moved.c - migrate/1: runs of change sets, and that the store has moved away (the groups "fence" and "hold").
 *
 * Where the store stands follows from the files and the journal: any change leaves another one of them. The fence is the file of
 * sdk/fence.h in the store's folder. Holding others is keeping the store's lock; the lock tells instances apart but not threads, so that
 * those of this one wait for `held`.
 */
#include "backend.h"

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/abi_check.h>
#include <sdk/fence.h>
#include <string.h>
#include <time.h>

enum { PAUSE_NS = 1000000 };

int32_t moved_check(const quipu_backend *self, quipu_error *error)
{
    return self->past_fence ? QUIPU_OK : fence_check(self->store, error);
}

int32_t moved_enter(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    static const struct timespec pause = { 0, PAUSE_NS };
    int32_t code = QUIPU_OK;
    pthread_mutex_lock(&self->lock);
    while (self->held && code == QUIPU_OK) {
        pthread_mutex_unlock(&self->lock);
        nanosleep(&pause, NULL);
        code = call_check(call, error);
        pthread_mutex_lock(&self->lock);
    }
    if (code == QUIPU_OK)
        code = store_lock(self, call, error);
    if (code != QUIPU_OK)
        pthread_mutex_unlock(&self->lock);
    return code;
}

void moved_leave(quipu_backend *self)
{
    store_unlock(self);
    pthread_mutex_unlock(&self->lock);
}

static int32_t check_writable(const quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK && self->flags & QUIPU_OPEN_READ_ONLY
               ? fail(error, QUIPU_E_READ_ONLY, NULL, "the store was opened for reading only")
               : code;
}

/* ---- where the store stands ---- */

static void add_hash(const void *bytes, size_t len, uint8_t sum[20])
{
    uint8_t digest[20];
    hash_sha1(bytes, len, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        sum[i] ^= digest[i];
}

/* The order of the files, which each instance has its own of, does not matter. With self->lock held. */
static int32_t position_of(quipu_backend *self, char out[QUIPU_POSITION_MAX + 1], quipu_error *error)
{
    uint8_t sum[20] = { 0 };
    buffer text = { 0 };
    int32_t code = files_refresh(self, false, NULL, error);
    for (size_t i = 0; i < self->count && code == QUIPU_OK; i++) {
        const file_stamp *s = &self->files[i].seen;
        buffer_clear(&text);
        buffer_printf(&text, "%s %llu %llu %lld %lld", self->files[i].name, (unsigned long long)s->inode,
                      (unsigned long long)s->size, (long long)s->modified, (long long)s->changed);
        if (text.failed)
            code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
        else if (s->inode)
            add_hash(text.bytes, text.len, sum);
    }
    buffer_clear(&text);
    buffer_printf(&text, "journal %s %llu", self->log.id, (unsigned long long)self->log.end);
    if (code == QUIPU_OK && text.failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK) {
        add_hash(text.bytes, text.len, sum);
        hex_encode(sum, sizeof sum, out);
        out[2 * sizeof sum] = '\0';
    }
    buffer_free(&text);
    return code;
}

static int32_t moved_position(quipu_backend *self, char out[QUIPU_POSITION_MAX + 1], const quipu_call *call,
                              quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK && !out)
        code = fail(error, QUIPU_E_INVALID, "out", "out is NULL");
    if (code != QUIPU_OK)
        return code;
    pthread_mutex_lock(&self->lock);
    code = position_of(self, out, error);
    pthread_mutex_unlock(&self->lock);
    return code;
}

/* ---- holding ---- */

static int32_t moved_hold(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    int32_t code = check_writable(self, call, error);
    if (code != QUIPU_OK)
        return code;
    pthread_mutex_lock(&self->lock);
    if (self->held)
        code = fail(error, QUIPU_E_STATE, NULL, "the other writers are held already");
    if (code == QUIPU_OK)
        code = store_lock(self, call, error);
    if (code == QUIPU_OK) {
        code = moved_check(self, error);
        self->held = code == QUIPU_OK;
        if (!self->held)
            store_unlock(self);
    }
    pthread_mutex_unlock(&self->lock);
    return code;
}

static void moved_release(quipu_backend *self)
{
    pthread_mutex_lock(&self->lock);
    if (self->held)
        store_unlock(self);
    self->held = false;
    pthread_mutex_unlock(&self->lock);
}

/* ---- the fence ---- */

static int32_t fence_locked(quipu_backend *self, const quipu_str *position, const quipu_str *place, quipu_error *error)
{
    char now[QUIPU_POSITION_MAX + 1];
    int32_t code = moved_check(self, error);
    if (code == QUIPU_OK)
        code = position_of(self, now, error);
    if (code == QUIPU_OK && !str_same(*position, str_of(now)))
        code = fail(error, QUIPU_E_CONFLICT, "position", "the store has changed meanwhile: it stands at %s", now);
    return code == QUIPU_OK ? fence_set(self->store, *place, error) : code;
}

static int32_t moved_fence(quipu_backend *self, const quipu_str *position, const quipu_str *place,
                           const quipu_change_set *as, const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = fence_check_place(place, self->flags, error);
    if (code == QUIPU_OK)
        code = fence_check_set(position, as, error);
    if (code != QUIPU_OK)
        return code;
    pthread_mutex_lock(&self->lock);
    if (!self->held)
        code = store_lock(self, call, error);
    if (code == QUIPU_OK) {
        code = fence_locked(self, position, place, error);
        self->held = false; /* it ends, one way or the other */
        store_unlock(self);
    }
    pthread_mutex_unlock(&self->lock);
    return code;
}

static int32_t moved_unfence(quipu_backend *self, const quipu_str *place, uint32_t scope, const quipu_call *call,
                             quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK && scope > QUIPU_UNFENCE_SELF)
        code = fail(error, QUIPU_E_INVALID, "scope", "%u is no scope of unfence", scope);
    if (code == QUIPU_OK)
        code = fence_check_place(place, self->flags, error);
    if (code == QUIPU_OK)
        code = moved_enter(self, call, error);
    if (code != QUIPU_OK)
        return code;
    code = fence_take(self->store, *place, scope, error);
    if (code == QUIPU_OK)
        self->past_fence = scope == QUIPU_UNFENCE_SELF;
    moved_leave(self);
    return code;
}

static int32_t moved_fenced(quipu_backend *self, quipu_sink_fn sink, void *context, const quipu_call *call,
                            quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? fence_show(self->store, sink, context, error) : code;
}

/* ---- many sets ---- */

/* Each is an entry of the journal of its own. */
static int32_t migrate_write(quipu_backend *self, const quipu_array *sets, quipu_receipt *receipts, uint64_t *done,
                             const quipu_call *call, quipu_error *error)
{
    uint64_t own = 0;
    if (!done)
        done = &own;
    *done = 0;
    int32_t code = check_writable(self, call, error);
    if (code == QUIPU_OK)
        code = abi_check_array(sets, sizeof(quipu_change_set), "sets", error);
    for (uint64_t i = 0; code == QUIPU_OK && i < sets->count; i++) {
        char *receipt = receipts ? (char *)receipts + i * receipts->struct_size : NULL;
        code = json_apply(self, QUIPU_AT(quipu_change_set, sets, i), (quipu_receipt *)(void *)receipt, call, error);
        *done += code == QUIPU_OK;
    }
    return code;
}

const quipu_migrate_api json_migrate = {
    .struct_size = sizeof(quipu_migrate_api),
    .write = migrate_write,
    .position = moved_position,
    .fence = moved_fence,
    .unfence = moved_unfence,
    .fenced = moved_fenced,
    .hold = moved_hold,
    .release = moved_release,
};
