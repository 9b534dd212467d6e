/*
 * fuzz_segment.c - a damaged segment of an index. The input: changes to the bytes of a good one, each as u16 place and u8 value;
 * or, where the first byte is 0xff, the segment itself. Whatever is asked of it, no byte outside is read.
 */
#include "fuzz.h"

#include <sdk/search/segment.h>

enum { RECORDS = 6 };

static buffer good;

static void make_good(void)
{
    record *records[RECORDS];
    if (good.len)
        return;
    for (int i = 0; i < RECORDS; i++) {
        char json[300];
        snprintf(
            json, sizeof json,
            "{\"id\":\"r%d\",\"text\":\"the fox %d was seen\",\"tags\":[\"a\",\"b%d\"],\"actor\":\"ann\",\"scope\":{"
            "\"session\":\"s\"},\"metadata\":{\"n\":%d,\"x\":[\"y\"]},\"created_at\":\"2020-01-0%dT00:00:00Z\"}",
            i, i, i, i, i + 1);
        PROMISE(record_decode(str_of(json), NULL, &records[i], NULL) == QUIPU_OK);
    }
    PROMISE(segment_build(records, RECORDS, TEXT_ENGLISH, &good, NULL) == QUIPU_OK);
    for (int i = 0; i < RECORDS; i++)
        record_free(records[i]);
}

static void use_terms(const segment *s, bits *out)
{
    quipu_str hashes = segment_section_bytes(s, SEGMENT_TERM_HASHES);
    for (uint64_t i = 0; i + 8 <= hashes.len; i += 8) {
        uint64_t hash;
        memcpy(&hash, hashes.ptr + i, sizeof hash);
        segment_term(s, hash, out);
    }
}

static void use_document(const segment *s, uint32_t d, const bits *all)
{
    record *r = NULL;
    quipu_str id = segment_id(s, d);
    PROMISE(!id.ptr || id.len > 0);
    segment_int(s, COLUMN_SEQ, d);
    segment_importance(s, d);
    segment_find_version(s, segment_version(s, d));
    if (id.ptr)
        segment_find(s, all, id);
    uint32_t at = segment_at_time(s, d);
    PROMISE(at == BITS_NONE || at < segment_documents(s));
    if (segment_record(s, d, &r, NULL) == QUIPU_OK)
        PROMISE(record_view(r)->id.len > 0);
    record_free(r);
}

static void use(segment *s)
{
    uint32_t n = segment_documents(s);
    bits *all = bits_create(n, true), *out = bits_create(n, false), *alive = NULL;
    buffer merged = { 0 };
    PROMISE(all && out);
    for (uint32_t d = 0; d < n && d < 100; d++)
        use_document(s, d, all);
    use_terms(s, out);
    const segment_source sources[] = { { s, all, out } };
    int32_t code = segment_merge(sources, 1, &merged, &alive, NULL);
    PROMISE(code == QUIPU_OK || !alive);
    buffer_free(&merged);
    bits_free(alive);
    bits_free(all);
    bits_free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    segment *s = NULL;
    make_good();
    bool whole = size > 0 && data[0] == 0xff;
    size_t len = whole ? size - 1 : good.len;
    char *bytes = malloc(len + 1);
    PROMISE(bytes);
    memcpy(bytes, whole ? (const char *)data + 1 : good.bytes, len);
    for (size_t i = 0; !whole && i + 3 <= size; i += 3)
        bytes[(data[i] | (size_t)data[i + 1] << 8) % len] = (char)data[i + 2];
    if (segment_open(str_make(bytes, len), free, bytes, &s, NULL) != QUIPU_OK) {
        PROMISE(!s);
        free(bytes);
        return 0;
    }
    use(s);
    segment_free(s);
    return 0;
}
