/*
 * apply.c - change sets to the journal: under the store's lock what others wrote is taken up, the set is checked against it and added to the
 * journal; from then on it has happened. Then the files get it, at once or later (fold.c).
 */
#include "backend.h"

#include <base/fail.h>
#include <sdk/change.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MOST = 64 << 20 };

typedef struct step {
    record *after; /* of a put that alters */
    size_t file;
    bool alters;
} step;

static void steps_free(step *steps, uint64_t count)
{
    for (uint64_t i = 0; steps && i < count; i++)
        record_free(steps[i].after);
    free(steps);
}

static int32_t no_memory(uint64_t count, quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a set of %llu changes", (unsigned long long)count);
}

static int32_t check_size(const quipu_backend *self, const quipu_change *change, quipu_error *error)
{
    if (change->op != QUIPU_CHANGE_PUT || change->record->json.len <= self->record_max)
        return QUIPU_OK;
    int32_t code = fail(error, QUIPU_E_TOO_LARGE, "record_max", "the record takes %llu bytes, and %llu are allowed",
                        (unsigned long long)change->record->json.len, (unsigned long long)self->record_max);
    fail_name_record(error, &change->id);
    return code;
}

/* No file may grow past what can be read again. */
static int32_t plan_put(quipu_backend *self, const quipu_change *change, step *s, uint64_t *added, quipu_error *error)
{
    if (!file_find_of(self, change->record, &s->file))
        return no_memory(1, error);
    const table_row *h = table_find(&self->records, change->id);
    if (h && h->gone && h->file != s->file) { /* its old file must not have it while the new one does */
        int32_t code = fold(self, error);
        if (code != QUIPU_OK)
            return code;
    }
    *added += change->record->json.len + 64;
    if (self->files[s->file].bytes + *added > FILE_MOST)
        return fail(error, QUIPU_E_TOO_LARGE, "file", "%s would take more than %d bytes: the backend json is for less",
                    self->files[s->file].name, FILE_MOST);
    return record_from_view(change->record, false, &s->after, error);
}

static int32_t plan_change(quipu_backend *self, const quipu_change *change, uint64_t index, step *s, uint64_t *added,
                           quipu_error *error)
{
    int32_t code = check_size(self, change, error);
    if (code != QUIPU_OK)
        return code;
    const table_row *h = table_find(&self->records, change->id);
    const quipu_record *stored = h && !h->gone ? record_view(h->r) : NULL;
    code = change_check_expectation(change, stored, (size_t)index, error);
    s->alters = code == QUIPU_OK && change_alters(change, stored);
    return s->alters && change->op == QUIPU_CHANGE_PUT ? plan_put(self, change, s, added, error) : code;
}

/* It has happened; now it is known. What fails is taken up from the disk. */
static void take_up(quipu_backend *self, const quipu_change_set *set, step *steps)
{
    int32_t code = QUIPU_OK;
    record_index_begin(self->index);
    for (uint64_t i = 0; i < set->changes.count && code == QUIPU_OK; i++) {
        table_row *h = table_find(&self->records, QUIPU_AT(quipu_change, &set->changes, i)->id);
        if (steps[i].after) {
            code = store_put(self, steps[i].after, steps[i].file, true, NULL);
            steps[i].after = NULL;
        } else if (steps[i].alters && h) {
            store_remove(self, h, true);
        }
    }
    record_index_end(self->index);
    if (code != QUIPU_OK)
        store_forget(self);
}

static int32_t write_steps(quipu_backend *self, const quipu_change_set *set, step *steps, uint64_t altering,
                           quipu_error *error)
{
    quipu_error why = { .struct_size = sizeof why };
    buffer body = { 0 };
    for (uint64_t i = 0; i < set->changes.count; i++) {
        if (steps[i].after)
            journal_print_put(record_view(steps[i].after)->json, &body);
        else if (steps[i].alters)
            journal_print_delete(
                record_view(table_find(&self->records, QUIPU_AT(quipu_change, &set->changes, i)->id)->r)->json, &body);
    }
    bool room = !body.failed && table_reserve(&self->records, (size_t)altering);
    int32_t code = room ? journal_append(self, set->change_id, &body, error) : no_memory(altering, error);
    buffer_free(&body);
    if (code != QUIPU_OK)
        return code;
    take_up(self, set, steps);
    if (fold_is_due(self) && fold(self, &why) != QUIPU_OK)
        host_log(self->host, QUIPU_LOG_WARNING, "json", "the journal stays for now: %s", why.message);
    return QUIPU_OK;
}

static int32_t apply_locked(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt,
                            const quipu_call *call, quipu_error *error)
{
    uint64_t altering = 0, added = 0, count = set->changes.count;
    int32_t code = moved_check(self, error);
    if (code == QUIPU_OK)
        code = files_refresh(self, true, call, error);
    if (code == QUIPU_OK && recent_ids_has(&self->applied, set->change_id)) {
        receipt_fill(receipt, QUIPU_RECEIPT_DUPLICATE, 0, NULL);
        return QUIPU_OK;
    }
    step *steps = calloc(count ? (size_t)count : 1, sizeof *steps);
    if (code == QUIPU_OK && (!steps || !recent_ids_reserve(&self->applied)))
        code = no_memory(count, error);
    for (uint64_t i = 0; i < count && code == QUIPU_OK; i++) {
        code = plan_change(self, QUIPU_AT(quipu_change, &set->changes, i), i, &steps[i], &added, error);
        altering += steps[i].alters;
    }
    if (code == QUIPU_OK)
        code = call_check(call, error); /* the last moment to be taken back */
    if (code == QUIPU_OK && altering)
        code = write_steps(self, set, steps, altering, error);
    if (code == QUIPU_OK) {
        recent_ids_add(&self->applied, set->change_id);
        receipt_fill(receipt, altering ? 0 : QUIPU_RECEIPT_UNCHANGED, altering, NULL);
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
    code = moved_enter(self, call, error);
    if (code == QUIPU_OK) {
        code = apply_locked(self, set, receipt, call, error);
        moved_leave(self);
    }
    embed_thread_wake(self->follower);
    return code;
}
