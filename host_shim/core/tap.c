/* tap.c - see tap.h. */
#include "tap.h"

#include "shadow.h"

#include <base/fail.h>
#include <quipu/extensions.h>
#include <stdlib.h>
#include <time.h>

#define SLICE_NS 5000000 /* a waiting writer looks at its deadline and token so often */

static tap *tap_of(quipu_backend *self)
{
    return (tap *)(void *)self;
}

quipu_backend *tap_self(tap *t)
{
    return (quipu_backend *)(void *)t;
}

static const tap_end *reader(tap *t)
{
    return atomic_load(&t->state) == TAP_SWITCHED ? &t->next : &t->old;
}

tap *tap_new(const tap_end *old, const tap_end *next, bool notes)
{
    pthread_condattr_t attributes;
    tap *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->old = *old;
    t->next = *next;
    t->notes = notes;
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return t;
}

void tap_free(tap *t)
{
    if (!t)
        return;
    id_list_free(&t->noted);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* ---- holding writers back ---- */

static int64_t monotonic_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void wait_until(tap *t, int64_t ns)
{
    struct timespec until = { ns / 1000000000, ns % 1000000000 };
    pthread_cond_timedwait(&t->changed, &t->lock, &until);
}

bool tap_shut(tap *t, int64_t deadline_ns)
{
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->state, TAP_SHUT);
    while (t->inside > 0 && monotonic_now() < deadline_ns)
        wait_until(t, deadline_ns);
    bool alone = t->inside == 0;
    pthread_mutex_unlock(&t->lock);
    if (!alone)
        tap_let_go(t, TAP_THROUGH);
    return alone;
}

void tap_let_go(tap *t, tap_state state)
{
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->state, state);
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

void tap_take_noted(tap *t, id_list *out)
{
    pthread_mutex_lock(&t->lock);
    id_list_move(&t->noted, out);
    pthread_mutex_unlock(&t->lock);
}

static void brake(const tap *t)
{
    long ns = atomic_load_explicit(&t->brake_ns, memory_order_relaxed);
    struct timespec rest = { 0, ns };
    if (ns)
        nanosleep(&rest, NULL);
}

/* Waits for its turn; *state is the one that it may write in. Counted in unless that is TAP_SWITCHED. */
static int32_t begin(tap *t, const quipu_call *call, tap_state *state, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    brake(t);
    pthread_mutex_lock(&t->lock);
    while ((*state = atomic_load(&t->state)) == TAP_SHUT && code == QUIPU_OK) {
        if (call && (call->deadline_ns || call->cancel)) {
            wait_until(t, monotonic_now() + SLICE_NS);
            code = call_check(call, error);
        } else {
            pthread_cond_wait(&t->changed, &t->lock);
        }
    }
    if (code == QUIPU_OK && *state != TAP_SWITCHED)
        t->inside++;
    pthread_mutex_unlock(&t->lock);
    return code;
}

static void note(tap *t, const quipu_change_set *set)
{
    for (uint64_t i = 0; i < set->changes.count; i++) {
        quipu_str id = QUIPU_AT(quipu_change, &set->changes, i)->id;
        if (id.ptr && id.len >= 1 && id.len <= 255)
            id_list_add(&t->noted, id);
    }
}

/* Whatever the backend answered: a set of which nobody knows whether it was applied is noted, too. */
static void end(tap *t, const quipu_array *sets)
{
    pthread_mutex_lock(&t->lock);
    if (t->notes)
        for (uint64_t i = 0; sets && i < sets->count; i++)
            note(t, QUIPU_AT(quipu_change_set, sets, i));
    if (--t->inside == 0)
        pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

tap_state tap_lease_begin(tap *t)
{
    tap_state state;
    (void)begin(t, NULL, &state, NULL);
    return state;
}

void tap_lease_end(tap *t)
{
    end(t, NULL);
}

/* ---- the calls of backend.h ---- */

static int32_t tap_apply(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt,
                         const quipu_call *call, quipu_error *error)
{
    tap *t = tap_of(self);
    tap_state state;
    int32_t code = begin(t, call, &state, error);
    if (code != QUIPU_OK)
        return code;
    if (state == TAP_SWITCHED)
        return t->next.api->apply(t->next.self, set, receipt, call, error);
    const quipu_array sets = { set, 1, sizeof *set };
    atomic_fetch_add(&t->written, set->changes.count);
    code = state == TAP_BOTH ? shadow_apply(t, set, receipt, call, error)
                             : t->old.api->apply(t->old.self, set, receipt, call, error);
    end(t, &sets);
    return code;
}

static int32_t tap_get(quipu_backend *self, const quipu_get *query, quipu_hit_fn visit, void *context,
                       const quipu_call *call, quipu_error *error)
{
    tap *t = tap_of(self);
    const tap_end *to = reader(t);
    if (atomic_load(&t->state) == TAP_BOTH)
        return shadow_get(t, query, visit, context, call, error);
    return to->api->get(to->self, query, visit, context, call, error);
}

static int32_t tap_scan(quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit, void *context,
                        const quipu_call *call, quipu_error *error)
{
    tap *t = tap_of(self);
    const tap_end *to = reader(t);
    if (atomic_load(&t->state) == TAP_BOTH)
        return shadow_scan(t, query, visit, context, call, error);
    return to->api->scan(to->self, query, visit, context, call, error);
}

static int32_t tap_search(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                          const quipu_call *call, quipu_error *error)
{
    tap *t = tap_of(self);
    const tap_end *to = reader(t);
    if (atomic_load(&t->state) == TAP_BOTH)
        return shadow_search(t, query, visit, context, call, error);
    return to->api->search(to->self, query, visit, context, call, error);
}

static int32_t tap_stats(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call,
                         quipu_error *error)
{
    const tap_end *to = reader(tap_of(self));
    return to->api->stats(to->self, visit, context, call, error);
}

static int32_t tap_flush(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    const tap_end *to = reader(tap_of(self));
    return to->api->flush(to->self, call, error);
}

/* ---- the bulk way in ---- */

static quipu_receipt *receipt_at(quipu_receipt *receipts, uint64_t i)
{
    return receipts ? (quipu_receipt *)(void *)((char *)receipts + i * receipts->struct_size) : NULL;
}

/* One after the other, where the backend has no bulk way in, or shadow mode wants to see each. */
static int32_t write_singly(tap *t, tap_state state, const quipu_array *sets, quipu_receipt *receipts, uint64_t *done,
                            const quipu_call *call, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    while (*done < sets->count && code == QUIPU_OK) {
        const quipu_change_set *set = QUIPU_AT(quipu_change_set, sets, *done);
        quipu_receipt *receipt = receipt_at(receipts, *done);
        code = state == TAP_BOTH ? shadow_apply(t, set, receipt, call, error)
                                 : t->next.api->apply(t->next.self, set, receipt, call, error);
        *done += code == QUIPU_OK;
    }
    return code;
}

static int32_t tap_write(quipu_backend *self, const quipu_array *sets, quipu_receipt *receipts, uint64_t *done,
                         const quipu_call *call, quipu_error *error)
{
    tap *t = tap_of(self);
    tap_state state;
    *done = 0;
    int32_t code = begin(t, call, &state, error);
    if (code != QUIPU_OK)
        return code;
    if (state == TAP_SWITCHED && t->next.migrate)
        return t->next.migrate->write(t->next.self, sets, receipts, done, call, error);
    for (uint64_t i = 0; state != TAP_SWITCHED && i < sets->count; i++)
        atomic_fetch_add(&t->written, QUIPU_AT(quipu_change_set, sets, i)->changes.count);
    if (state == TAP_THROUGH)
        code = t->old.migrate->write(t->old.self, sets, receipts, done, call, error);
    else
        code = write_singly(t, state, sets, receipts, done, call, error);
    if (state != TAP_SWITCHED)
        end(t, sets);
    return code;
}

static const quipu_migrate_api tap_migrate = { .struct_size = offsetof(quipu_migrate_api, position),
                                               .write = tap_write };

static const void *tap_get_extension(quipu_backend *self, const quipu_str *id)
{
    return id && QUIPU_IS(id, QUIPU_EXT_MIGRATE) && tap_of(self)->old.migrate ? &tap_migrate : NULL;
}

const quipu_backend_api tap_api = {
    .struct_size = sizeof(quipu_backend_api),
    .apply = tap_apply,
    .get = tap_get,
    .scan = tap_scan,
    .search = tap_search,
    .stats = tap_stats,
    .flush = tap_flush,
    .get_extension = tap_get_extension,
};
