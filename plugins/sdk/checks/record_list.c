/* record_list.c - see record_list.h. */
#include <sdk/record_list.h>

#include <sdk/change.h>
#include <sdk/filter.h>

#include <base/fail.h>
#include <stdlib.h>
#include <time.h>

void record_list_free(record_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        record_free(list->items[i]);
    free(list->items);
    *list = (record_list){ NULL, 0, 0 };
}

/* The place of the id, or `count`. */
static size_t place_of(const record_list *list, quipu_str id)
{
    size_t at = 0;
    while (at < list->count && !str_same(record_view(list->items[at])->id, id))
        at++;
    return at;
}

const quipu_record *record_list_find(const record_list *list, quipu_str id)
{
    size_t at = place_of(list, id);
    return at < list->count ? record_view(list->items[at]) : NULL;
}

static int32_t make_room(record_list *list, size_t capacity, quipu_error *error)
{
    record **items;
    if (capacity <= list->capacity)
        return QUIPU_OK;
    items = realloc(list->items, capacity * sizeof *items);
    if (!items)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a list of %zu records", capacity);
    list->items = items;
    list->capacity = capacity;
    return QUIPU_OK;
}

int32_t record_list_put(record_list *list, const quipu_record *view, quipu_error *error)
{
    record *fresh = NULL;
    size_t at = place_of(list, view->id);
    int32_t code = QUIPU_OK;
    if (at == list->capacity)
        code = make_room(list, list->capacity ? 2 * list->capacity : 16, error);
    if (code == QUIPU_OK)
        code = record_from_view(view, false, &fresh, error);
    if (code != QUIPU_OK)
        return code;
    if (at < list->count)
        record_free(list->items[at]);
    else
        list->count++;
    list->items[at] = fresh;
    return QUIPU_OK;
}

int32_t record_list_push(record_list *list, record *r, quipu_error *error)
{
    int32_t code =
        list->count == list->capacity ? make_room(list, list->capacity ? 2 * list->capacity : 16, error) : QUIPU_OK;
    if (code == QUIPU_OK)
        list->items[list->count++] = r;
    else
        record_free(r);
    return code;
}

void record_list_remove(record_list *list, quipu_str id)
{
    size_t at = place_of(list, id);
    if (at == list->count)
        return;
    record_free(list->items[at]);
    list->items[at] = list->items[--list->count];
}

int32_t record_list_copy(const record_list *list, record_list *out, quipu_error *error)
{
    *out = (record_list){ NULL, 0, 0 };
    int32_t code = make_room(out, list->count, error);
    for (; code == QUIPU_OK && out->count < list->count; out->count++)
        out->items[out->count] = record_share(list->items[out->count]);
    return code;
}

static int32_t make_change(record_list *list, const quipu_change *change, size_t index, uint64_t *changed,
                           quipu_error *error)
{
    const quipu_record *stored = record_list_find(list, change->id);
    int32_t code = change_check_expectation(change, stored, index, error);
    if (code != QUIPU_OK || !change_alters(change, stored))
        return code;
    ++*changed;
    if (change->op == QUIPU_CHANGE_PUT)
        return record_list_put(list, change->record, error);
    record_list_remove(list, change->id);
    return QUIPU_OK;
}

/* The changes are made in a copy, which takes the list's place when every one of them was made. */
int32_t record_list_apply(record_list *list, const quipu_array *changes, uint64_t *changed, quipu_error *error)
{
    record_list copy;
    uint64_t altered = 0;
    int32_t code = record_list_copy(list, &copy, error);
    for (size_t i = 0; i < changes->count && code == QUIPU_OK; i++)
        code = make_change(&copy, QUIPU_AT(quipu_change, changes, i), i, &altered, error);
    if (code == QUIPU_OK) {
        record_list old = *list;
        *list = copy;
        copy = old;
        *changed += altered;
    }
    record_list_free(&copy);
    return code;
}

static int64_t time_of_day(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int32_t record_list_match(const record_list *list, const quipu_str *id, const quipu_filter *which, record_list *out,
                          quipu_error *error)
{
    int64_t now = time_of_day();
    *out = (record_list){ NULL, 0, 0 };
    int32_t code = make_room(out, list->count, error);
    for (size_t i = 0; i < list->count && code == QUIPU_OK; i++) {
        const quipu_record *view = record_view(list->items[i]);
        int32_t matches = id && !str_same(view->id, *id) ? 0 : filter_match(which, view, now);
        if (matches < 0)
            code = fail(error, matches, "filter", "the filter could not be applied");
        else if (matches)
            out->items[out->count++] = record_share(list->items[i]);
    }
    if (code != QUIPU_OK)
        record_list_free(out);
    return code;
}
