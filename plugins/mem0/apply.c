/*
 * apply.c - change sets as requests, one memory after the other.
 *
 * mem0 has neither transactions nor compare-and-swap. A set is checked against what was listed, sent in order, and where a request fails those before
 * it are taken back by requests of their own. A request whose answer was lost is looked for in a new list. Only where the remote cannot be reached
 * for that either the answer is UNCERTAIN.
 */
#include "backend.h"

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <sdk/change.h>
#include <stdlib.h>

typedef struct step {
    quipu_str id;   /* borrowed of the set */
    record *before; /* NULL: nothing is stored */
    record *after;
    bool alters;
} step;

static int32_t plan_change(quipu_backend *self, const quipu_change *change, uint64_t index, step *s, quipu_error *error)
{
    s->id = change->id;
    int32_t code = change->op == QUIPU_CHANGE_PUT ? item_check(self, change->record, error) : QUIPU_OK;
    if (code == QUIPU_OK)
        code = record_index_look(self->index, change->id, &s->before, error);
    const quipu_record *stored = s->before ? record_view(s->before) : NULL;
    if (code == QUIPU_OK)
        code = change_check_expectation(change, stored, (size_t)index, error);
    s->alters = code == QUIPU_OK && change_alters(change, stored);
    if (s->alters && change->op == QUIPU_CHANGE_PUT)
        code = record_from_view(change->record, false, &s->after, error);
    return code;
}

/* Makes the remote, and what is known of it, hold `to` (NULL: nothing) under the id. */
static int32_t send_one(quipu_backend *self, quipu_str id, record *to, const quipu_call *call, quipu_error *error)
{
    const char *remote = place_find(self, id);
    char *fresh = NULL;
    int32_t code = QUIPU_OK;
    if (!to) {
        code = remote ? remote_delete(self, remote, call, error) : QUIPU_OK;
        if (code == QUIPU_OK) {
            record_index_remove(self->index, id);
            place_remove(self, id);
        }
        return code;
    }
    code = remote ? remote_update(self, remote, record_view(to), call, error)
                  : remote_add(self, record_view(to), &fresh, call, error);
    if (code == QUIPU_OK && fresh)
        code = place_put(self, id, fresh, error);
    if (code == QUIPU_OK && !remote && !fresh) /* it will come; the next list tells its id */
        self->listed_ns = 0;
    free(fresh);
    return code == QUIPU_OK ? record_index_put(self->index, to, error) : code;
}

/* A request failed, and it may have been done all the same. *done: it was. */
static int32_t find_out(quipu_backend *self, const step *s, bool *done, quipu_error *error)
{
    record *now = NULL;
    self->listed_ns = 0;
    int32_t code = listing_refresh(self, NULL, error);
    if (code == QUIPU_OK)
        code = record_index_look(self->index, s->id, &now, error);
    *done = code == QUIPU_OK &&
            (s->after ? now && str_same(record_view(now)->version, record_view(s->after)->version) : !now);
    record_free(now);
    return code;
}

static int32_t take_back(quipu_backend *self, const step *steps, uint64_t count, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    while (count > 0 && code == QUIPU_OK)
        if (steps[--count].alters)
            code = send_one(self, steps[count].id, steps[count].before, NULL, error);
    return code;
}

static int32_t uncertain(const quipu_error *why, quipu_error *error)
{
    return fail(
        error, QUIPU_E_UNCERTAIN, NULL,
        "it is not known how much of the change was made (%.120s); look, or send it again with the same change id",
        why->message);
}

static int32_t send_all(quipu_backend *self, const step *steps, uint64_t count, const quipu_call *call,
                        quipu_error *error)
{
    quipu_error why = { .struct_size = sizeof why }, later = { .struct_size = sizeof later };
    for (uint64_t i = 0; i < count; i++) {
        bool done = false;
        int32_t code = steps[i].alters ? send_one(self, steps[i].id, steps[i].after, call, &why) : QUIPU_OK;
        if (code == QUIPU_OK)
            continue;
        int32_t known = find_out(self, &steps[i], &done, &later);
        if (known == QUIPU_OK && done)
            continue;
        if (known == QUIPU_OK)
            known = take_back(self, steps, i, &later);
        self->listed_ns = 0;
        if (known != QUIPU_OK)
            return uncertain(&later, error);
        if (error)
            *error = why;
        return code;
    }
    return QUIPU_OK;
}

static int32_t apply_locked(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt,
                            const quipu_call *call, quipu_error *error)
{
    uint64_t altering = 0, count = set->changes.count;
    int32_t code = listing_refresh(self, call, error);
    if (code != QUIPU_OK)
        return code;
    if (recent_ids_has(&self->applied, set->change_id)) {
        receipt_fill(receipt, QUIPU_RECEIPT_DUPLICATE, 0, NULL);
        return QUIPU_OK;
    }
    step *steps = calloc(count ? (size_t)count : 1, sizeof *steps);
    if (!steps || !recent_ids_reserve(&self->applied))
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a set of %llu changes", (unsigned long long)count);
    for (uint64_t i = 0; i < count && code == QUIPU_OK; i++) {
        code = plan_change(self, QUIPU_AT(quipu_change, &set->changes, i), i, &steps[i], error);
        altering += code == QUIPU_OK && steps[i].alters;
    }
    if (code == QUIPU_OK)
        code = call_check(call, error); /* the last moment to be taken back without a request */
    if (code == QUIPU_OK)
        code = send_all(self, steps, count, call, error);
    if (code == QUIPU_OK) {
        recent_ids_add(&self->applied, set->change_id);
        receipt_fill(receipt, altering ? 0 : QUIPU_RECEIPT_UNCHANGED, altering, NULL);
    }
    for (uint64_t i = 0; steps && i < count; i++) {
        record_free(steps[i].before);
        record_free(steps[i].after);
    }
    free(steps);
    return code;
}

int32_t mem0_apply(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt, const quipu_call *call,
                   quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    if (!error)
        error = &own;
    int32_t code = self->folder ? change_set_check(set, error)
                                : fail(error, QUIPU_E_STATE, NULL, "no store is open; call open first");
    if (code == QUIPU_OK)
        code = receipt_check(receipt, error);
    if (code == QUIPU_OK)
        code = store_check_writable(true, self->flags, call, error);
    if (code == QUIPU_OK)
        code = store_enter(self, call, error);
    if (code != QUIPU_OK)
        return code;
    code = apply_locked(self, set, receipt, call, error);
    pthread_mutex_unlock(&self->lock);
    embed_thread_wake(self->follower);
    return code;
}
