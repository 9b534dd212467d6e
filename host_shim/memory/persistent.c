/*
 * persistent.c - changing and forgetting single records, and all of a scope: what agents do with what they remember.
 *
 * A record is looked at through the caller's filter first, and then changed only where it is still that version: so nobody changes
 * what they may not see, also where it moves away in between.
 */
#include "../core/handle.h"
#include "../core/records.h"

#include <base/fail.h>
#include <quipu_memory.h>
#include <sdk/json.h>
#include <sdk/record.h>
#include <stdlib.h>
#include <time.h>

#define ATTEMPTS 32
#define DELETE_BATCH 1000u

/* ---- one record ---- */

typedef struct seen {
    record *copy;
} seen;

static int32_t keep_copy(void *context, const quipu_hit *hit)
{
    seen *s = context;
    return s->copy ? 1 : record_from_view(hit->record, false, &s->copy, NULL);
}

static int32_t look(quipu *q, quipu_str id, const quipu_filter *within, record **out, const quipu_call *call,
                    quipu_error *error)
{
    seen s = { NULL };
    quipu_filter expired = { .struct_size = sizeof expired, .flags = QUIPU_FILTER_EXPIRED, .now = QUIPU_TIME_NONE };
    quipu_get query = { .struct_size = sizeof query, .id = id, .filter = within ? within : &expired };
    int32_t code = quipu_get_record(q, &query, keep_copy, &s, call, error);
    if (code == QUIPU_OK && !s.copy)
        code = fail(error, QUIPU_E_PLUGIN, NULL, "the backend found a record, but did not show it");
    *out = s.copy;
    if (code != QUIPU_OK) {
        record_free(s.copy);
        *out = NULL;
    }
    return code;
}

static void keep_after(void *context, uint64_t index, const quipu_str *id, const quipu_record *stored)
{
    (void)index, (void)id;
    if (stored)
        record_from_view(stored, false, context, NULL);
}

static int32_t tell(uint32_t what, quipu_str id, const record *before, const record *after, quipu_memory_fn visit,
                    void *context)
{
    quipu_memory_event event = { .struct_size = sizeof event,
                                 .what = what,
                                 .id = id,
                                 .before = before ? record_view(before) : NULL,
                                 .after = after ? record_view(after) : NULL,
                                 .time = QUIPU_TIME_NONE };
    int32_t answer = visit ? visit(context, &event) : 0;
    return answer < 0 ? answer : QUIPU_OK;
}

static void pause_before(int attempt)
{
    struct timespec rest = { 0, 50000L << (attempt < 7 ? attempt : 7) };
    nanosleep(&rest, NULL);
}

/* One step on one record: a patch, or without one its deletion. */
static int32_t change(quipu *q, const quipu_str *id, const quipu_filter *within, const quipu_str *patch,
                      const quipu_str *author, quipu_memory_fn visit, void *context, const quipu_call *call,
                      quipu_error *error)
{
    if (!id || !id->ptr)
        return fail(error, QUIPU_E_INVALID, "id", "which record? give its id");
    for (int attempt = 0;; attempt++) {
        record *before = NULL, *after = NULL;
        int32_t code = look(q, *id, within, &before, call, error);
        if (code != QUIPU_OK)
            return code;
        quipu_write step = { .struct_size = sizeof step,
                             .op = patch ? QUIPU_WRITE_PATCH : QUIPU_CHANGE_DELETE,
                             .expect = QUIPU_EXPECT_VERSION,
                             .id = *id,
                             .expected_version = record_view(before)->version,
                             .json = patch ? *patch : (quipu_str){ NULL, 0 } };
        quipu_array writes = { &step, 1, sizeof step };
        quipu_write_options options = { .struct_size = sizeof options };
        if (author)
            options.author = *author;
        code = quipu_write_records(q, &writes, &options, keep_after, &after, NULL, call, error);
        bool again = (code == QUIPU_E_CONFLICT || code == QUIPU_E_NOT_FOUND) && attempt + 1 < ATTEMPTS;
        if (code == QUIPU_OK)
            code = tell(patch ? QUIPU_MEMORY_UPDATED : QUIPU_MEMORY_DELETED, *id, before, after, visit, context);
        record_free(before);
        record_free(after);
        if (!again)
            return code;
        pause_before(attempt);
    }
}

int32_t quipu_memory_update(quipu *q, const quipu_str *id, const quipu_filter *within, const quipu_str *patch,
                            const quipu_str *author, quipu_memory_fn visit, void *context, const quipu_call *call,
                            quipu_error *error)
{
    if (!patch || !patch->ptr)
        return fail(error, QUIPU_E_INVALID, "patch", "there is no patch");
    return change(q, id, within, patch, author, visit, context, call, error);
}

int32_t quipu_memory_delete(quipu *q, const quipu_str *id, const quipu_filter *within, const quipu_str *author,
                            quipu_memory_fn visit, void *context, const quipu_call *call, quipu_error *error)
{
    return change(q, id, within, NULL, author, visit, context, call, error);
}

/* ---- all of them ---- */

typedef struct id_batch {
    char *ids[DELETE_BATCH];
    uint64_t count;
    buffer cursor; /* of the last one */
} id_batch;

static int32_t keep_id(void *context, const quipu_hit *hit)
{
    id_batch *b = context;
    char *copy = str_dup(hit->record->id);
    if (!copy)
        return QUIPU_E_NO_MEMORY;
    b->ids[b->count++] = copy;
    buffer_clear(&b->cursor);
    buffer_append_str(&b->cursor, hit->cursor);
    return b->count == DELETE_BATCH;
}

static int32_t delete_batch(quipu *q, const id_batch *b, const quipu_str *author, const quipu_call *call,
                            quipu_error *error)
{
    quipu_write *steps = calloc(DELETE_BATCH, sizeof *steps);
    quipu_array writes = { steps, b->count, sizeof *steps };
    quipu_write_options options = { .struct_size = sizeof options, .operation = str_of("delete") };
    if (!steps)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (author)
        options.author = *author;
    for (uint64_t i = 0; i < b->count; i++)
        steps[i] = (quipu_write){ .struct_size = sizeof *steps, .op = QUIPU_CHANGE_DELETE, .id = str_of(b->ids[i]) };
    int32_t code = quipu_write_records(q, &writes, &options, NULL, NULL, NULL, call, error);
    free(steps);
    return code;
}

static int32_t tell_batch(const id_batch *b, quipu_memory_fn visit, void *context)
{
    int32_t code = QUIPU_OK;
    for (uint64_t i = 0; code == QUIPU_OK && i < b->count; i++)
        code = tell(QUIPU_MEMORY_DELETED, str_of(b->ids[i]), NULL, NULL, visit, context);
    return code;
}

int32_t quipu_memory_delete_all(quipu *q, const quipu_filter *within, const quipu_str *author, quipu_memory_fn visit,
                                void *context, uint64_t *count, const quipu_call *call, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    uint64_t total = 0;
    if (!within)
        return fail(error, QUIPU_E_INVALID, "within", "within is NULL: say what is to be deleted");
    id_batch *b = calloc(1, sizeof *b);
    if (!b)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    do {
        quipu_scan query = { .struct_size = sizeof query,
                             .filter = within,
                             .cursor = str_make(b->cursor.bytes, b->cursor.len),
                             .order = QUIPU_ORDER_ID };
        if (b->cursor.len == 0)
            query.cursor = (quipu_str){ NULL, 0 };
        buffer cursor = b->cursor; /* is read while the next one is written */
        *b = (id_batch){ .count = 0 };
        code = quipu_scan_records(q, &query, keep_id, b, call, error);
        buffer_free(&cursor);
        if (code == QUIPU_OK && b->count > 0)
            code = delete_batch(q, b, author, call, error);
        if (code == QUIPU_OK) {
            total += b->count;
            code = tell_batch(b, visit, context);
        }
        for (uint64_t i = 0; i < b->count; i++)
            free(b->ids[i]);
    } while (code == QUIPU_OK && b->count == DELETE_BATCH);
    buffer_free(&b->cursor);
    free(b);
    if (count)
        *count = total;
    return code;
}
