/*
 * fuzz_record.c - a record, and after a NUL byte each up to two patches of it: canonical is a fixed point, and the merge of
 * what both patches make is the same from either side.
 */
#include "fuzz.h"

#include <sdk/json.h>
#include <sdk/merge.h>
#include <sdk/record.h>

static const record_defaults defaults = { .id = { "made-up", 7 }, .created_at = 1000000, .updated_at = 2000000 };

static void check_fixed_point(const record *r)
{
    record *again = NULL;
    const quipu_record *a = record_view(r);
    PROMISE(record_decode(a->json, NULL, &again, NULL) == QUIPU_OK);
    const quipu_record *b = record_view(again);
    PROMISE(str_same(a->json, b->json) && str_same(a->version, b->version) && str_same(a->id, b->id));
    PROMISE(record_same_but_updated(a, b) && record_same_scope(a, b));
    record_free(again);
    PROMISE(record_from_view(a, true, &again, NULL) == QUIPU_OK);
    PROMISE(str_same(a->json, record_view(again)->json));
    record_free(again);
    buffer id = { 0 };
    record_upsert_id(a, &id);
    PROMISE(!id.failed && id.len > 0 && id.len <= QUIPU_ID_MAX);
    buffer_free(&id);
}

/* What a patch makes of the record, or NULL where it cannot be applied. */
static record *patched(const record *base, quipu_str text)
{
    cJSON *patch = NULL;
    record *r = NULL;
    quipu_error error = { .struct_size = sizeof error };
    if (!fuzz_failed(json_parse(text, &patch, &error), &error)) {
        if (fuzz_failed(record_patch(record_view(base), patch, NULL, &r, &error), &error))
            PROMISE(!r);
        else
            check_fixed_point(r);
    }
    cJSON_Delete(patch);
    return r;
}

static bool same_record(const record *a, const record *b)
{
    return !a == !b && (!a || str_same(record_view(a)->json, record_view(b)->json));
}

static void check_merge(const record *base, const record *a, const record *b)
{
    merged_record one = { 0 }, other = { 0 };
    const quipu_record *ours = a ? record_view(a) : NULL, *theirs = b ? record_view(b) : NULL;
    quipu_error error = { .struct_size = sizeof error };
    int32_t code = record_merge(record_view(base), ours, theirs, &one, &error);
    PROMISE(record_merge(record_view(base), theirs, ours, &other, NULL) == code);
    if (!fuzz_failed(code, &error)) {
        PROMISE(same_record(one.result, other.result) && same_record(one.conflict, other.conflict));
        if (one.result)
            check_fixed_point(one.result);
        if (one.conflict)
            check_fixed_point(one.conflict);
    }
    merged_record_free(&one);
    merged_record_free(&other);
}

/* A merge is of two states of one record: patches that change the id are none. */
static bool same_id(const record *base, const record *r)
{
    return !r || str_same(record_view(base)->id, record_view(r)->id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    record *base = NULL;
    quipu_error error = { .struct_size = sizeof error };
    quipu_str part = fuzz_part(&data, &size, 0);
    char *text = fuzz_copy(part.ptr, (size_t)part.len);
    int32_t code = record_decode((quipu_str){ text, part.len }, &defaults, &base, &error);
    if (fuzz_failed(code, &error)) {
        PROMISE(!base);
    } else {
        check_fixed_point(base);
        record *a = size ? patched(base, fuzz_part(&data, &size, 0)) : NULL;
        record *b = size ? patched(base, fuzz_part(&data, &size, 0)) : NULL;
        if ((a || b) && same_id(base, a) && same_id(base, b))
            check_merge(base, a, b);
        record_free(a);
        record_free(b);
    }
    record_free(base);
    free(text);
    return 0;
}
