/* record_index_scan.c - see record_index.h: records in order, page by page. */
#include "record_index_inner.h"

#include <sdk/abi_check.h>
#include <sdk/filter.h>
#include <sdk/query.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- cursors: the order's letter, the time as 16 digits (not in the order by id), the id ---- */

#define CURSOR_MAX (1 + 16 + QUIPU_ID_MAX + 1)

static const char order_letters[] = "ino";

/* A place in an order; by id all times are 0. */
typedef struct place {
    int64_t created_at;
    quipu_str id;
} place;

static size_t print_cursor(char out[CURSOR_MAX], uint32_t order_by, const quipu_record *r)
{
    size_t len = 1;
    out[0] = order_letters[order_by];
    if (order_by != QUIPU_ORDER_ID)
        len += (size_t)snprintf(out + 1, 17, "%016" PRIx64, (uint64_t)r->created_at);
    memcpy(out + len, r->id.ptr, (size_t)r->id.len);
    return len + (size_t)r->id.len;
}

static int32_t parse_cursor(quipu_str cursor, uint32_t order_by, place *out, quipu_error *error)
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
    *out = (place){ (int64_t)time, { cursor.ptr + head, cursor.len - head } };
    return QUIPU_OK;
}

static int compare_places(const place *a, const place *b)
{
    if (a->created_at != b->created_at)
        return a->created_at < b->created_at ? -1 : 1;
    return str_compare(a->id, b->id);
}

/* ---- one part on its way ---- */

typedef struct lane {
    const index_part *part;
    admitted which;
    uint32_t at;       /* places passed, counted in the direction of the scan */
    uint32_t document; /* the next one, or BITS_NONE */
    place place;       /* its */
} lane;

typedef struct scan {
    const quipu_scan *q;
    bool by_time, down;
    int64_t now;
    lane *lanes;
    size_t count;
} scan;

/* The document at a place of the order, from its beginning. */
static uint32_t document_at(const scan *s, const lane *l, uint32_t at)
{
    return s->by_time ? segment_at_time(l->part->segment, at) : at;
}

static place place_of(const scan *s, const lane *l, uint32_t document)
{
    return (place){ s->by_time ? segment_int(l->part->segment, COLUMN_CREATED_AT, document) : 0,
                    segment_id(l->part->segment, document) };
}

/* Goes on to the next admitted document. */
static void settle(const scan *s, lane *l)
{
    const bits *set = l->which.set ? l->which.set : l->part->alive;
    uint32_t documents = segment_documents(l->part->segment);
    if (!s->by_time) { /* documents are in the order of ids, and scans by id go up */
        l->at = l->at < documents ? bits_next(set, l->at) : BITS_NONE;
        l->at = l->at == BITS_NONE ? documents : l->at;
    }
    l->document = BITS_NONE;
    for (; l->at < documents; l->at++) {
        uint32_t document = document_at(s, l, s->down ? documents - 1 - l->at : l->at);
        if (document == BITS_NONE || !bits_has(set, document))
            continue;
        l->document = document;
        l->place = place_of(s, l, document);
        return;
    }
}

/* Lets the lane begin behind `after`. */
static void skip_to(const scan *s, lane *l, const place *after)
{
    uint32_t documents = segment_documents(l->part->segment), low = 0, high = documents;
    while (low < high) { /* upwards: the first behind it; downwards: the first that is not before it */
        uint32_t middle = low + (high - low) / 2, document = document_at(s, l, middle);
        place there = { 0 };
        if (document != BITS_NONE)
            there = place_of(s, l, document);
        int order = compare_places(&there, after);
        if (order < 0 || (order == 0 && !s->down))
            low = middle + 1;
        else
            high = middle;
    }
    l->at = s->down ? documents - low : low;
}

static int32_t open_lanes(scan *s, const index_snapshot *snapshot, const place *after, quipu_error *error)
{
    s->lanes = calloc(snapshot->count ? snapshot->count : 1, sizeof *s->lanes);
    if (!s->lanes)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to read the records in order");
    for (; s->count < snapshot->count; s->count++) {
        lane *l = &s->lanes[s->count];
        l->part = &snapshot->parts[s->count];
        int32_t code = index_admit(l->part, s->q->filter, s->now, &l->which, error);
        if (code != QUIPU_OK)
            return code;
        if (after)
            skip_to(s, l, after);
        settle(s, l);
    }
    return QUIPU_OK;
}

static lane *next_lane(const scan *s)
{
    lane *best = NULL;
    for (size_t i = 0; i < s->count; i++) {
        lane *l = &s->lanes[i];
        if (l->document == BITS_NONE)
            continue;
        int order = best ? compare_places(&l->place, &best->place) : 0;
        if (!best || (s->down ? order > 0 : order < 0))
            best = l;
    }
    return best;
}

/* Shows one document, if it matches; *shown tells. */
static int32_t show(const scan *s, const lane *l, quipu_hit_fn visit, void *context, bool *shown, bool *stop,
                    quipu_error *error)
{
    record *r;
    char cursor[CURSOR_MAX];
    *shown = false;
    int32_t code = segment_record(l->part->segment, l->document, &r, error);
    if (code != QUIPU_OK)
        return code;
    int32_t match = filter_match(s->q->filter, record_view(r), s->now);
    if (match < 0) {
        code = fail(error, match, "filter", "the filter could not be applied: %s", error_text(match));
    } else if (match == 1) {
        quipu_hit hit = { .struct_size = sizeof hit, .record = record_view(r) };
        hit.cursor = str_make(cursor, print_cursor(cursor, s->q->order, hit.record));
        code = query_answer(visit(context, &hit), stop, error);
        *shown = true;
    }
    record_free(r);
    return code;
}

static int32_t run(const scan *s, quipu_hit_fn visit, void *context, const quipu_call *call, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    bool stop = false;
    uint64_t shown = 0;
    for (uint64_t steps = 0; code == QUIPU_OK && !stop && (s->q->limit == 0 || shown < s->q->limit); steps++) {
        lane *l = next_lane(s);
        bool counts;
        if (!l)
            break;
        if (steps % 256 == 255 && (code = call_check(call, error)) != QUIPU_OK)
            break;
        code = show(s, l, visit, context, &counts, &stop, error);
        shown += counts;
        l->at++;
        settle(s, l);
    }
    return code;
}

int32_t record_index_scan(record_index *ix, const quipu_scan *q, quipu_hit_fn visit, void *context,
                          const quipu_call *call, quipu_error *error)
{
    place after = { 0 };
    index_snapshot *snapshot = NULL;
    int32_t rc = query_check_scan(q, error);
    if (rc == QUIPU_OK && str_present(q->as_of))
        rc = fail(error, QUIPU_E_UNSUPPORTED, "as_of", "this backend keeps no history");
    if (rc == QUIPU_OK && str_present(q->cursor))
        rc = parse_cursor(q->cursor, q->order, &after, error);
    if (rc == QUIPU_OK)
        rc = abi_check_call(call, error);
    if (rc == QUIPU_OK)
        rc = index_snapshot_take(ix, &snapshot, error);
    if (rc != QUIPU_OK)
        return rc;
    scan s = {
        .q = q, .by_time = q->order != QUIPU_ORDER_ID, .down = q->order == QUIPU_ORDER_NEWEST, .now = index_now(ix)
    };
    rc = open_lanes(&s, snapshot, str_present(q->cursor) ? &after : NULL, error);
    if (rc == QUIPU_OK)
        rc = run(&s, visit, context, call, error);
    for (size_t i = 0; s.lanes && i < s.count; i++)
        bits_free(s.lanes[i].which.set);
    free(s.lanes);
    index_snapshot_free(snapshot);
    return rc;
}
