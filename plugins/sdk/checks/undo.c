/* undo.c - see undo.h. */
#include <sdk/undo.h>

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <sdk/change.h>
#include <sdk/query.h>
#include <stdlib.h>

int32_t history_check_spec(const quipu_str *spec, const char *name, quipu_error *error)
{
    if (!spec || !spec->ptr || spec->len == 0)
        return fail(error, QUIPU_E_INVALID, name, "%s is missing; give a revision or a time", name);
    return abi_check_text(*spec, true, name, error);
}

/* ---- differences ---- */

int32_t difference_add(difference_list *list, record *before, record *after, quipu_error *error)
{
    if (!before && !after)
        return QUIPU_OK;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        difference *items = realloc(list->items, capacity * sizeof *items);
        if (!items) {
            record_free(before);
            record_free(after);
            return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to compare two revisions");
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = (difference){ before, after };
    return QUIPU_OK;
}

void difference_list_free(difference_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        record_free(list->items[i].before);
        record_free(list->items[i].after);
    }
    free(list->items);
    *list = (difference_list){ 0 };
}

quipu_str difference_id(const difference *d)
{
    return record_view(d->after ? d->after : d->before)->id;
}

static int by_id(const void *a, const void *b)
{
    return str_compare(difference_id(a), difference_id(b));
}

int32_t difference_show(difference_list *list, quipu_difference_fn visit, void *context, quipu_error *error)
{
    bool stop = false;
    int32_t code = QUIPU_OK;
    if (list->count)
        qsort(list->items, list->count, sizeof *list->items, by_id);
    for (size_t i = 0; i < list->count && code == QUIPU_OK && !stop; i++) {
        const difference *d = &list->items[i];
        quipu_difference shown = { .struct_size = sizeof shown,
                                   .id = difference_id(d),
                                   .before = d->before ? record_view(d->before) : NULL,
                                   .after = d->after ? record_view(d->after) : NULL };
        code = query_answer(visit(context, &shown), &stop, error);
    }
    return code;
}

/* ---- undoing ---- */

/* Checks the template of a new revision, and copies it with these changes and a note where it has none. */
static int32_t prepare_set(const quipu_change_set *as, const char *note, const quipu_change *changes, uint64_t count,
                           quipu_change_set *out, quipu_error *error)
{
    int32_t code = change_set_check(as, error);
    if (code == QUIPU_OK && as->changes.count)
        code = fail(error, QUIPU_E_INVALID, "changes", "the set must be empty: its changes are made here");
    if (code != QUIPU_OK)
        return code;
    *out = *as;
    out->struct_size = sizeof *out;
    out->changes = (quipu_array){ changes, count, sizeof *changes };
    if (!out->note.ptr)
        out->note = str_of(note);
    return QUIPU_OK;
}

/* The change that leads from `after` back to `before`, expecting that nothing came since. */
static quipu_change back(const difference *d)
{
    quipu_change change = { .struct_size = sizeof change, .id = difference_id(d) };
    if (d->before) {
        change.op = QUIPU_CHANGE_PUT;
        change.record = record_view(d->before);
    } else {
        change.op = QUIPU_CHANGE_DELETE;
    }
    change.expect = d->after ? QUIPU_EXPECT_VERSION : QUIPU_EXPECT_ABSENT;
    if (d->after)
        change.expected_version = record_view(d->after)->version;
    return change;
}

static int32_t explain_conflict(int32_t code, quipu_error *error)
{
    if (code != QUIPU_E_CONFLICT && code != QUIPU_E_NOT_FOUND && code != QUIPU_E_EXISTS)
        return code;
    if (error && error->struct_size >= sizeof *error) {
        char id[sizeof error->id], version[sizeof error->version];
        memcpy(id, error->id, sizeof id);
        memcpy(version, error->version, sizeof version);
        fail(error, QUIPU_E_CONFLICT, "revision",
             "the record has changed since that revision; restore it as of a revision instead");
        memcpy(error->id, id, sizeof id);
        memcpy(error->version, version, sizeof version);
    }
    return QUIPU_E_CONFLICT;
}

int32_t undo_differences(quipu_backend *self, const difference_list *list, const char *note, const quipu_change_set *as,
                         undo_apply_fn apply, quipu_receipt *receipt, const quipu_call *call, quipu_error *error)
{
    quipu_change_set set;
    quipu_change *changes = calloc(list->count ? list->count : 1, sizeof *changes);
    if (!changes)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to revert");
    for (size_t i = 0; i < list->count; i++)
        changes[i] = back(&list->items[i]);
    int32_t code = prepare_set(as, note, changes, list->count, &set, error);
    if (code == QUIPU_OK)
        code = explain_conflict(apply(self, &set, receipt, call, error), error);
    free(changes);
    return code;
}

int32_t undo_restore(quipu_backend *self, const quipu_str *id, const record *then, const record *now,
                     const quipu_change_set *as, undo_apply_fn apply, quipu_receipt *receipt, const quipu_call *call,
                     quipu_error *error)
{
    quipu_change_set set;
    quipu_change change = { .struct_size = sizeof change,
                            .op = then ? QUIPU_CHANGE_PUT : QUIPU_CHANGE_DELETE,
                            .id = *id,
                            .record = then ? record_view(then) : NULL };
    if (!then && !now) {
        int32_t code = fail(error, QUIPU_E_NOT_FOUND, "id", "there is no such record now, nor was there then");
        fail_name_record(error, id);
        return code;
    }
    int32_t code = prepare_set(as, NULL, &change, 1, &set, error);
    return code == QUIPU_OK ? apply(self, &set, receipt, call, error) : code;
}
