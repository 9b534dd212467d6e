/* delta.c - see delta.h. */
#include "delta.h"

#include <stdlib.h>

enum {
    BLOCK = 8,           /* bytes; a shorter run is cheaper as a literal */
    EDGE_MIN = 4,        /* likewise at the beginning and the end, where nothing need be searched */
    SEARCH_MIN = 32,     /* a shorter middle is not searched: in a tree it is an id */
    TABLE_MAX = 1 << 16, /* blocks of the base that are remembered */
    COPY_MAX = 0xffff,   /* bytes of one copy instruction */
    LITERAL_MAX = 127,   /* bytes of one literal */
};

#define SIZE_MOST ((size_t)1 << 31) /* positions are 32 bits wide */

void delta_maker_free(delta_maker *m)
{
    free(m->table);
    *m = (delta_maker){ 0 };
}

/* ---- making ---- */

void delta_put_size(buffer *out, size_t size)
{
    for (; size >= 0x80; size >>= 7)
        buffer_append_char(out, (char)(0x80 | (size & 0x7f)));
    buffer_append_char(out, (char)size);
}

/* One instruction: which bytes of offset and length follow is told by bits of the first byte; those that are 0 are left out. */
static void put_copy_part(buffer *out, size_t offset, size_t len)
{
    char bytes[7];
    size_t n = 1;
    unsigned head = 0x80;
    for (unsigned i = 0; i < 4; i++)
        if (offset >> (8 * i) & 0xff) {
            head |= 1u << i;
            bytes[n++] = (char)(offset >> (8 * i));
        }
    for (unsigned i = 0; i < 2; i++)
        if (len >> (8 * i) & 0xff) {
            head |= 0x10u << i;
            bytes[n++] = (char)(len >> (8 * i));
        }
    bytes[0] = (char)head;
    buffer_append(out, bytes, n);
}

void delta_put_copy(buffer *out, size_t offset, size_t len)
{
    for (size_t part; len > 0; offset += part, len -= part) {
        part = len < COPY_MAX ? len : COPY_MAX;
        put_copy_part(out, offset, part);
    }
}

void delta_put_literal(buffer *out, const char *bytes, size_t len)
{
    for (size_t part; len > 0; bytes += part, len -= part) {
        part = len < LITERAL_MAX ? len : LITERAL_MAX;
        buffer_append_char(out, (char)part);
        buffer_append(out, bytes, part);
    }
}

static size_t hash_block(const char *bytes, size_t size)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return (size_t)((word * UINT64_C(0x9e3779b97f4a7c15)) >> 40) & (size - 1);
}

/* Remembers blocks of the base, so many apart that they fit; of equal ones the first. */
static bool fill_table(delta_maker *m, const buffer *from, size_t *size)
{
    size_t step = from->len / TABLE_MAX + 1, blocks = from->len / step;
    for (*size = 64; *size < blocks;)
        *size *= 2;
    if (*size > m->size) {
        uint32_t *table = realloc(m->table, *size * sizeof *table);
        if (!table)
            return false;
        m->table = table;
        m->size = *size;
    }
    memset(m->table, 0, *size * sizeof *m->table);
    if (from->len < BLOCK)
        return true;
    for (size_t at = (from->len - BLOCK) / step * step + step; at > 0;) {
        at -= step;
        m->table[hash_block(from->bytes + at, *size)] = (uint32_t)at + 1;
    }
    return true;
}

/* The middle of `to`, from `begin` to `end`, by runs of the base. */
static bool make_middle(delta_maker *m, const buffer *from, const buffer *to, size_t begin, size_t end, size_t most,
                        buffer *out)
{
    size_t size, literal = begin, at = begin;
    if (!fill_table(m, from, &size))
        return false;
    while (at + BLOCK <= end && out->len + (at - literal) < most) {
        uint32_t place = m->table[hash_block(to->bytes + at, size)];
        size_t base = place ? place - 1 : 0, len = 0;
        if (place && memcmp(from->bytes + base, to->bytes + at, BLOCK) == 0)
            for (len = BLOCK;
                 at + len < end && base + len < from->len && to->bytes[at + len] == from->bytes[base + len];)
                len++;
        if (len == 0) {
            at++;
            continue;
        }
        for (; at > literal && base > 0 && to->bytes[at - 1] == from->bytes[base - 1]; at--, base--)
            len++;
        delta_put_literal(out, to->bytes + literal, at - literal);
        delta_put_copy(out, base, len);
        literal = at += len;
    }
    delta_put_literal(out, to->bytes + literal, end - literal);
    return true;
}

bool delta_make(delta_maker *m, const buffer *from, const buffer *to, size_t most, buffer *out)
{
    size_t shorter = from->len < to->len ? from->len : to->len, head = 0, tail = 0;
    buffer_clear(out);
    if (from->len == 0 || to->len == 0 || from->len >= SIZE_MOST || to->len >= SIZE_MOST)
        return false;
    while (head < shorter && from->bytes[head] == to->bytes[head])
        head++;
    while (tail < shorter - head && from->bytes[from->len - 1 - tail] == to->bytes[to->len - 1 - tail])
        tail++;
    head = head < EDGE_MIN ? 0 : head;
    tail = tail < EDGE_MIN ? 0 : tail;
    delta_put_size(out, from->len);
    delta_put_size(out, to->len);
    delta_put_copy(out, 0, head);
    size_t end = to->len - tail;
    if (end - head < SEARCH_MIN)
        delta_put_literal(out, to->bytes + head, end - head);
    else if (!make_middle(m, from, to, head, end, most, out))
        return false;
    delta_put_copy(out, from->len - tail, tail);
    return !out->failed && out->len < most;
}

/* ---- applying ---- */

static bool get_size(const buffer *delta, size_t *at, size_t *out)
{
    unsigned shift = 0;
    *out = 0;
    while (*at < delta->len && shift < 56) {
        unsigned char byte = (unsigned char)delta->bytes[(*at)++];
        *out |= (size_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
        shift += 7;
    }
    return false;
}

static bool get_copy(const buffer *delta, size_t *at, unsigned head, size_t *offset, size_t *len)
{
    *offset = *len = 0;
    for (unsigned i = 0; i < 7; i++) {
        if (!(head >> i & 1))
            continue;
        if (*at >= delta->len)
            return false;
        size_t byte = (unsigned char)delta->bytes[(*at)++];
        if (i < 4)
            *offset |= byte << (8 * i);
        else
            *len |= byte << (8 * (i - 4));
    }
    if (*len == 0)
        *len = 0x10000;
    return true;
}

bool delta_apply(const buffer *from, const buffer *delta, buffer *out)
{
    size_t at = 0, from_len, to_len, offset, len, begin = out->len;
    if (!get_size(delta, &at, &from_len) || !get_size(delta, &at, &to_len) || from_len != from->len)
        return false;
    while (at < delta->len) {
        unsigned head = (unsigned char)delta->bytes[at++];
        const buffer *source = head & 0x80 ? from : delta;
        if (head & 0x80) {
            if (!get_copy(delta, &at, head, &offset, &len))
                return false;
        } else {
            offset = at;
            len = head;
            at += len;
        }
        if (len == 0 || offset > source->len || len > source->len - offset || out->len - begin + len > to_len)
            return false;
        buffer_append(out, source->bytes + offset, len);
    }
    return !out->failed && out->len - begin == to_len;
}
