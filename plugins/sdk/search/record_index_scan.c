/* record_index_scan.c - see record_index.h: records in order, page by page. */
#include "record_index_inner.h"

#include <sdk/abi_check.h>
#include <sdk/filter.h>
#include <sdk/query.h>
#include <sdk/record_list.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- orders ---- */

static int compare_ids(const order_item *a, const order_item *b)
{
    return str_compare((quipu_str){ a->id, a->id_len }, (quipu_str){ b->id, b->id_len });
}

/* By time, then id; in the order by id all times are 0. */
static int compare_items(const void *left, const void *right)
{
    const order_item *a = left, *b = right;
    if (a->created_at != b->created_at)
        return a->created_at < b->created_at ? -1 : 1;
    return compare_ids(a, b);
}

static order_item item_of(const record_index *ix, const order *o, uint32_t slot)
{
    const quipu_record *r = record_view(ix->slots[slot].record);
    return (order_item){ .created_at = o->by_time ? r->created_at : 0,
                         .id = r->id.ptr,
                         .id_len = (uint32_t)r->id.len,
                         .slot = slot,
                         .generation = ix->slots[slot].generation };
}

void order_free(order *o)
{
    free(o->items);
    free(o->pending);
    *o = (order){ .by_time = o->by_time };
}

void order_put(const record_index *ix, order *o, uint32_t slot)
{
    if (!o->built)
        return;
    if (o->pending_count == o->pending_capacity) {
        /* Writes without a scan between them: from some point on it is cheaper to begin again. */
        size_t capacity = o->pending_capacity ? o->pending_capacity * 2 : 64;
        order_item *pending =
            capacity > 2 * (size_t)ix->slot_count + 128 ? NULL : realloc(o->pending, capacity * sizeof *pending);
        if (!pending) {
            order_free(o);
            return;
        }
        o->pending = pending;
        o->pending_capacity = capacity;
    }
    o->pending[o->pending_count++] = item_of(ix, o, slot);
}

/* Drops the items whose slots have changed since; how many are left. */
static size_t keep_living(const record_index *ix, order_item *items, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (ix->slots[items[i].slot].generation == items[i].generation)
            items[kept++] = items[i];
    return kept;
}

/* The first of `items` from `from` on that comes after `key`, or is equal to it where `equal`. */
static size_t first_after(const order_item *items, size_t from, size_t count, const order_item *key, bool equal)
{
    size_t low = from, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = compare_items(&items[middle], key);
        if (c < 0 || (c == 0 && !equal))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Merges the sorted pending items into the sorted items: copies the runs between them. */
static bool merge(order *o)
{
    order_item *all = malloc((o->count + o->pending_count) * sizeof *all);
    if (!all)
        return false;
    size_t from = 0, to = 0;
    for (size_t i = 0; i < o->pending_count; i++) {
        size_t at = first_after(o->items, from, o->count, &o->pending[i], false);
        if (at > from)
            memcpy(all + to, o->items + from, (at - from) * sizeof *all);
        to += at - from;
        from = at;
        all[to++] = o->pending[i];
    }
    if (o->count > from)
        memcpy(all + to, o->items + from, (o->count - from) * sizeof *all);
    free(o->items);
    free(o->pending);
    *o = (order){ .by_time = o->by_time, .built = true, .items = all, .count = o->count + o->pending_count };
    return true;
}

static bool build_order(const record_index *ix, order *o)
{
    o->pending = malloc((ix->slot_count ? ix->slot_count : 1) * sizeof *o->pending);
    if (!o->pending)
        return false;
    o->pending_capacity = ix->slot_count;
    for (uint32_t n = 0; n < ix->slot_count; n++)
        if (ix->slots[n].record)
            o->pending[o->pending_count++] = item_of(ix, o, n);
    o->built = true;
    return true;
}

int32_t order_ready(record_index *ix, order *o, quipu_error *error)
{
    bool good = true;
    pthread_mutex_lock(&ix->build);
    if (!o->built) {
        order_free(o);
        good = build_order(ix, o);
    }
    if (good && o->removed) {
        o->count = keep_living(ix, o->items, o->count);
        o->pending_count = keep_living(ix, o->pending, o->pending_count);
        o->removed = false;
    }
    if (good && o->pending_count > 0) {
        qsort(o->pending, o->pending_count, sizeof *o->pending, compare_items);
        good = merge(o);
    }
    pthread_mutex_unlock(&ix->build);
    return good ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to sort the records");
}

/* ---- cursors: the order's letter, the time as 16 digits (not in the order by id), the id ---- */

#define CURSOR_MAX (1 + 16 + QUIPU_ID_MAX + 1)

static const char order_letters[] = "ino";

static size_t print_cursor(char out[CURSOR_MAX], uint32_t order_by, const quipu_record *r)
{
    size_t len = 1;
    out[0] = order_letters[order_by];
    if (order_by != QUIPU_ORDER_ID)
        len += (size_t)snprintf(out + 1, 17, "%016" PRIx64, (uint64_t)r->created_at);
    memcpy(out + len, r->id.ptr, (size_t)r->id.len);
    return len + (size_t)r->id.len;
}

static int32_t parse_cursor(quipu_str cursor, uint32_t order_by, order_item *out, quipu_error *error)
{
    size_t head = order_by == QUIPU_ORDER_ID ? 1 : 17;
    uint64_t time = 0;
    bool good = cursor.len > head && cursor.len - head <= QUIPU_ID_MAX && cursor.ptr[0] == order_letters[order_by];
    for (size_t i = 1; good && i < head; i++) {
        char c = cursor.ptr[i];
        good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        time = time << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    if (!good)
        return fail(error, QUIPU_E_INVALID, "cursor",
                    "this is not a cursor of this order; pass the cursor of a hit as it was given, or none");
    *out =
        (order_item){ .created_at = (int64_t)time, .id = cursor.ptr + head, .id_len = (uint32_t)(cursor.len - head) };
    return QUIPU_OK;
}

/* ---- the scan ---- */

/* Appends a reference; false without memory. */
static bool found_add(record_list *found, record *r)
{
    if (found->count == found->capacity) {
        size_t capacity = found->capacity ? found->capacity * 2 : 64;
        record **items = realloc(found->items, capacity * sizeof(*items));
        if (!items)
            return false;
        found->items = items;
        found->capacity = capacity;
    }
    found->items[found->count++] = record_share(r);
    return true;
}

/* Collects the matching records from the cursor on, with a reference each. Under the read lock. */
static int32_t collect(record_index *ix, const quipu_scan *q, const order_item *after, record_list *found,
                       const quipu_call *call, quipu_error *error)
{
    order *o = q->order == QUIPU_ORDER_ID ? &ix->by_name : &ix->by_time;
    bool down = q->order == QUIPU_ORDER_NEWEST;
    int64_t now = index_now(ix);
    int32_t rc = order_ready(ix, o, error);
    if (rc != QUIPU_OK)
        return rc;
    /* Upwards: position i is item i. Downwards: position i is item count - 1 - i. */
    size_t at = !after ? 0
                : down ? o->count - first_after(o->items, 0, o->count, after, true)
                       : first_after(o->items, 0, o->count, after, false);
    for (size_t steps = 0; at < o->count && (q->limit == 0 || found->count < q->limit); at++, steps++) {
        if (steps % 4096 == 0 && (rc = call_check(call, error)) != QUIPU_OK)
            return rc;
        record *r = ix->slots[o->items[down ? o->count - 1 - at : at].slot].record;
        int32_t match = filter_match(q->filter, record_view(r), now);
        if (match < 0)
            return fail(error, match, "filter", "the filter could not be applied: %s", error_text(match));
        if (match == 1 && !found_add(found, r))
            return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for the records found");
    }
    return QUIPU_OK;
}

static int32_t show(const record_list *found, uint32_t order_by, quipu_hit_fn visit, void *context,
                    const quipu_call *call, quipu_error *error)
{
    int32_t rc = QUIPU_OK;
    bool stop = false;
    for (size_t i = 0; rc == QUIPU_OK && !stop && i < found->count; i++) {
        char cursor[CURSOR_MAX];
        const quipu_record *r = record_view(found->items[i]);
        quipu_hit hit = { .struct_size = sizeof hit, .record = r };
        hit.cursor = str_make(cursor, print_cursor(cursor, order_by, r));
        if (i % 256 == 255)
            rc = call_check(call, error);
        if (rc == QUIPU_OK)
            rc = query_answer(visit(context, &hit), &stop, error);
    }
    return rc;
}

int32_t record_index_scan(record_index *ix, const quipu_scan *q, quipu_hit_fn visit, void *context,
                          const quipu_call *call, quipu_error *error)
{
    order_item after = { 0 };
    record_list found = { 0 };
    int32_t rc = query_check_scan(q, error);
    if (rc == QUIPU_OK && str_present(q->as_of))
        rc = fail(error, QUIPU_E_UNSUPPORTED, "as_of", "this backend keeps no history");
    if (rc == QUIPU_OK && str_present(q->cursor))
        rc = parse_cursor(q->cursor, q->order, &after, error);
    if (rc == QUIPU_OK)
        rc = abi_check_call(call, error);
    if (rc != QUIPU_OK)
        return rc;
    bool locked = index_read_lock(ix);
    rc = collect(ix, q, str_present(q->cursor) ? &after : NULL, &found, call, error);
    index_unlock(ix, locked);
    if (rc == QUIPU_OK)
        rc = show(&found, q->order, visit, context, call, error);
    record_list_free(&found);
    return rc;
}
