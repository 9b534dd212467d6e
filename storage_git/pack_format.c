/* pack_format.c - see pack_format.h. */
#include "pack_format.h"

#include "big_endian.h"

#include <base/hash.h>

#include <stdlib.h>

enum { INDEX_HEADER = 8, FANOUT = 256 * 4 };

void pack_put_header(uint8_t out[PACK_HEADER_SIZE], uint32_t count)
{
    memcpy(out, "PACK", 4);
    put_u32(out + 4, 2);
    put_u32(out + 8, count);
}

size_t pack_put_entry_head(uint8_t out[10], unsigned type, uint64_t size)
{
    size_t n = 0;
    uint8_t byte = (uint8_t)(type << 4 | (size & 15));
    for (size >>= 4; size; size >>= 7) {
        out[n++] = byte | 0x80;
        byte = size & 0x7f;
    }
    out[n++] = byte;
    return n;
}

size_t pack_put_base_distance(uint8_t out[10], uint64_t distance)
{
    uint8_t reversed[10];
    size_t n = 0;
    reversed[n++] = distance & 0x7f;
    while (distance >>= 7)
        reversed[n++] = (uint8_t)(0x80 | (--distance & 0x7f));
    for (size_t i = 0; i < n; i++)
        out[i] = reversed[n - 1 - i];
    return n;
}

bool pack_get_entry_head(const uint8_t *in, size_t len, unsigned *type, uint64_t *size, size_t *used)
{
    size_t n = 0;
    unsigned shift = 4;
    if (len == 0)
        return false;
    *type = in[0] >> 4 & 7;
    *size = in[0] & 15;
    while (in[n++] & 0x80) {
        if (n >= len || shift > 57)
            return false;
        *size |= (uint64_t)(in[n] & 0x7f) << shift;
        shift += 7;
    }
    *used = n;
    return true;
}

bool pack_get_base_distance(const uint8_t *in, size_t len, uint64_t *distance, size_t *used)
{
    size_t n = 0;
    if (len == 0)
        return false;
    *distance = in[0] & 0x7f;
    while (in[n++] & 0x80) {
        if (n >= len || *distance > UINT64_MAX >> 8)
            return false;
        *distance = ((*distance + 1) << 7) | (in[n] & 0x7f);
    }
    *used = n;
    return true;
}

static int compare_entries(const void *a, const void *b)
{
    return memcmp(((const pack_entry *)a)->id.bytes, ((const pack_entry *)b)->id.bytes, 20);
}

/* Names are evenly spread: put in order by their first two bytes, few are left to compare. Without memory it is done the long way. */
static void sort_entries(pack_entry *entries, uint32_t count)
{
    enum { PLACES = 1 << 16, SMALL = 4096 };
    uint32_t *begin = count < SMALL ? NULL : calloc(PLACES + 1, sizeof *begin);
    pack_entry *sorted = begin ? malloc(count * sizeof *sorted) : NULL;
    if (!sorted) {
        free(begin);
        qsort(entries, count, sizeof *entries, compare_entries);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        begin[((size_t)entries[i].id.bytes[0] << 8 | entries[i].id.bytes[1]) + 1]++;
    for (uint32_t i = 0; i < PLACES; i++)
        begin[i + 1] += begin[i];
    for (uint32_t i = 0; i < count; i++)
        sorted[begin[(size_t)entries[i].id.bytes[0] << 8 | entries[i].id.bytes[1]]++] = entries[i];
    /* by now begin[i] is where the place after i begins */
    for (uint32_t i = 0; i < PLACES; i++) {
        uint32_t from = i ? begin[i - 1] : 0;
        if (begin[i] - from > 1)
            qsort(sorted + from, begin[i] - from, sizeof *sorted, compare_entries);
    }
    memcpy(entries, sorted, count * sizeof *sorted);
    free(sorted);
    free(begin);
}

static void append_offsets(const pack_entry *entries, uint32_t count, buffer *out)
{
    uint32_t large = 0;
    for (uint32_t i = 0; i < count; i++)
        append_u32(out, entries[i].offset < 0x80000000u ? (uint32_t)entries[i].offset : 0x80000000u | large++);
    for (uint32_t i = 0; i < count && large; i++)
        if (entries[i].offset >= 0x80000000u) {
            append_u32(out, (uint32_t)(entries[i].offset >> 32));
            append_u32(out, (uint32_t)entries[i].offset);
        }
}

void pack_put_index(pack_entry *entries, uint32_t count, const uint8_t checksum[20], buffer *out)
{
    static const uint8_t magic[INDEX_HEADER] = { 0xff, 't', 'O', 'c', 0, 0, 0, 2 };
    size_t begin = out->len;
    uint8_t own[20];
    sort_entries(entries, count);
    buffer_append(out, magic, sizeof magic);
    for (uint32_t byte = 0, i = 0; byte < 256; byte++) {
        while (i < count && entries[i].id.bytes[0] <= byte)
            i++;
        append_u32(out, i);
    }
    for (uint32_t i = 0; i < count; i++)
        buffer_append(out, entries[i].id.bytes, 20);
    for (uint32_t i = 0; i < count; i++)
        append_u32(out, entries[i].crc);
    append_offsets(entries, count, out);
    buffer_append(out, checksum, 20);
    if (out->failed)
        return;
    hash_sha1(out->bytes + begin, out->len - begin, own);
    buffer_append(out, own, sizeof own);
}

bool pack_index_check(const uint8_t *bytes, size_t len, pack_index *out)
{
    static const uint8_t magic[INDEX_HEADER] = { 0xff, 't', 'O', 'c', 0, 0, 0, 2 };
    if (len < INDEX_HEADER + FANOUT + 40 || memcmp(bytes, magic, sizeof magic) != 0)
        return false;
    uint32_t count = get_u32(bytes + INDEX_HEADER + 255 * 4);
    if ((len - INDEX_HEADER - FANOUT - 40) / 28 < count)
        return false;
    *out = (pack_index){ bytes, len, count };
    return true;
}

void pack_index_entry(const pack_index *index, uint32_t i, pack_entry *out)
{
    const uint8_t *names = index->bytes + INDEX_HEADER + FANOUT;
    const uint8_t *crcs = names + (size_t)index->count * 20;
    const uint8_t *offsets = crcs + (size_t)index->count * 4;
    const uint8_t *large = offsets + (size_t)index->count * 4;
    uint32_t offset = get_u32(offsets + (size_t)i * 4);
    memcpy(out->id.bytes, names + (size_t)i * 20, 20);
    out->crc = get_u32(crcs + (size_t)i * 4);
    out->offset = offset;
    if (offset & 0x80000000u) {
        size_t place = offset & 0x7fffffffu, places = (size_t)(index->bytes + index->len - 40 - large) / 8;
        const uint8_t *at = place < places ? large + place * 8 : NULL;
        out->offset = at ? (uint64_t)get_u32(at) << 32 | get_u32(at + 4) : UINT64_MAX;
    }
}

bool pack_index_fits(const pack_index *index, uint64_t pack_len)
{
    const uint8_t *offsets = index->bytes + INDEX_HEADER + FANOUT + (size_t)index->count * 24;
    pack_entry entry;
    if (pack_len < PACK_HEADER_SIZE + PACK_TRAILER_SIZE)
        return false;
    uint64_t end = pack_len - PACK_TRAILER_SIZE;
    for (uint32_t i = 0; i < index->count; i++) {
        entry.offset = get_u32(offsets + (size_t)i * 4);
        if (entry.offset & 0x80000000u)
            pack_index_entry(index, i, &entry);
        if (entry.offset < PACK_HEADER_SIZE || entry.offset >= end)
            return false;
    }
    return true;
}

bool pack_index_find(const pack_index *index, const object_id *id, uint32_t *at)
{
    const uint8_t *fanout = index->bytes + INDEX_HEADER, *names = fanout + FANOUT;
    uint32_t low = id->bytes[0] ? get_u32(fanout + (size_t)(id->bytes[0] - 1) * 4) : 0;
    uint32_t high = get_u32(fanout + (size_t)id->bytes[0] * 4);
    if (high > index->count) /* damaged: nothing is found, and nothing read outside */
        return false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = memcmp(names + (size_t)middle * 20, id->bytes, 20);
        if (order == 0) {
            if (at)
                *at = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}
