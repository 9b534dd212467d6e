/*
 * apply.c - change sets to files: under the store's lock what others wrote is taken up, the set is checked against it, and the files that it touches
 * are replaced, all or none. What was written is then read back like anybody's change, so that there is one way in which a
 * record comes to be known.
 */
#include "backend.h"

#include <base/fail.h>
#include <sdk/change.h>
#include <stdlib.h>
#include <string.h>

typedef struct step {
    record *before; /* NULL: nothing is stored */
    bool alters;
} step;

static void steps_free(step *steps, uint64_t count)
{
    for (uint64_t i = 0; steps && i < count; i++)
        record_free(steps[i].before);
    free(steps);
}

static int32_t plan_change(quipu_backend *self, const quipu_change *change, uint64_t index, step *s, quipu_error *error)
{
    if (change->op == QUIPU_CHANGE_PUT && change->record->json.len > self->record_max) {
        int32_t code = fail(error, QUIPU_E_TOO_LARGE, "record_max", "the record takes %llu bytes, and %llu are allowed",
                            (unsigned long long)change->record->json.len, (unsigned long long)self->record_max);
        fail_name_record(error, &change->id);
        return code;
    }
    int32_t code = record_index_look(self->index, change->id, &s->before, error);
    const quipu_record *stored = s->before ? record_view(s->before) : NULL;
    if (code == QUIPU_OK)
        code = change_check_expectation(change, stored, (size_t)index, error);
    s->alters = code == QUIPU_OK && change_alters(change, stored);
    return code;
}

/* What the file of this change becomes. */
static int32_t touch(quipu_backend *self, const quipu_change *change, const step *s, quipu_error *error)
{
    buffer name = { 0 };
    int32_t code = QUIPU_OK;
    file_name_of(self, change->record ? change->record : record_view(s->before), &name);
    scope_file *f = name.failed ? NULL : file_find(self, name.bytes);
    buffer_free(&name);
    if (!f)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a change");
    if (!f->touched)
        code = record_list_copy(&f->records, &f->next, error);
    f->touched = true;
    if (code == QUIPU_OK && change->op == QUIPU_CHANGE_PUT)
        code = record_list_put(&f->next, change->record, error);
    else if (code == QUIPU_OK)
        record_list_remove(&f->next, change->id);
    return code;
}

static int32_t apply_locked(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt,
                            const quipu_call *call, quipu_error *error)
{
    uint64_t altering = 0, count = set->changes.count;
    int32_t code = files_refresh(self, true, call, error);
    if (code == QUIPU_OK && recent_ids_has(&self->applied, set->change_id)) {
        receipt_fill(receipt, QUIPU_RECEIPT_DUPLICATE, 0, NULL);
        return QUIPU_OK;
    }
    step *steps = calloc(count ? (size_t)count : 1, sizeof *steps);
    if (code == QUIPU_OK && (!steps || !recent_ids_reserve(&self->applied)))
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a set of %llu changes", (unsigned long long)count);
    for (uint64_t i = 0; i < count && code == QUIPU_OK; i++) {
        const quipu_change *change = QUIPU_AT(quipu_change, &set->changes, i);
        code = plan_change(self, change, i, &steps[i], error);
        if (code == QUIPU_OK && steps[i].alters) {
            altering++;
            code = touch(self, change, &steps[i], error);
        }
    }
    if (code == QUIPU_OK)
        code = call_check(call, error); /* the last moment to be taken back */
    if (code == QUIPU_OK && altering)
        code = files_write(self, error);
    files_settle(self);
    if (code == QUIPU_OK) {
        recent_ids_add(&self->applied, set->change_id);
        receipt_fill(receipt, altering ? 0 : QUIPU_RECEIPT_UNCHANGED, altering, NULL);
        files_refresh(self, true, NULL, NULL); /* what fails here is told to the next call */
    }
    steps_free(steps, count);
    return code;
}

int32_t json_apply(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt, const quipu_call *call,
                   quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = change_set_check(set, error);
    if (code == QUIPU_OK)
        code = receipt_check(receipt, error);
    if (code != QUIPU_OK)
        return code;
    if (self->flags & QUIPU_OPEN_READ_ONLY)
        return fail(error, QUIPU_E_READ_ONLY, NULL, "the store was opened for reading only");
    pthread_mutex_lock(&self->lock);
    code = store_lock(self, call, error);
    if (code == QUIPU_OK) {
        code = apply_locked(self, set, receipt, call, error);
        store_unlock(self);
    }
    pthread_mutex_unlock(&self->lock);
    embed_thread_wake(self->follower);
    return code;
}
