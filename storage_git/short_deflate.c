/* short_deflate.c - see short_deflate.h. */
#include "short_deflate.h"

#include <libdeflate.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLACE_BITS = 11,
    MATCH_MIN = 4, /* bytes; the format allows 3, but four are what one look compares */
    MATCH_MAX = 258,
    END_OF_BLOCK = 256,
    FIRST_LENGTH = 257,
    LAST_LENGTH = 285,
    ZLIB_HEAD = 2,
    ZLIB_TAIL = 4,
    STORED_HEAD = 5,
    TREE_ID = 20, /* bytes at the end of a tree's entry */
    NAME_END = 6, /* of a name: ".json" and its NUL byte */
};

/* Where each run of four bytes was seen last. Places are counted on from one input to the next, so that what an earlier one left is
 * known by its number, and the table is cleared only when the numbers run out. */
struct short_deflate {
    uint16_t places[1 << PLACE_BITS];
    uint16_t begin; /* the number of the input's first byte; never 0 */
};

/* Bits to be written, the lowest first. */
typedef struct code {
    uint32_t bits;
    uint32_t count;
} code;

/* The fixed code (RFC 1951, 3.2.6), its bits turned round as they are written. */
static code symbols[288], lengths[MATCH_MAX + 1];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

typedef struct writer {
    uint64_t held; /* bits that are not yet written */
    unsigned count;
    uint8_t *to;
} writer;

static uint32_t turned(uint32_t bits, unsigned count)
{
    uint32_t out = 0;
    for (; count > 0; count--, bits >>= 1)
        out = out << 1 | (bits & 1);
    return out;
}

static unsigned highest_bit(uint32_t value)
{
    return 31 - (unsigned)__builtin_clz(value);
}

static code symbol_code(uint32_t symbol)
{
    if (symbol < 144)
        return (code){ turned(0x30 + symbol, 8), 8 };
    if (symbol < 256)
        return (code){ turned(0x190 + symbol - 144, 9), 9 };
    if (symbol < 280)
        return (code){ turned(symbol - 256, 7), 7 };
    return (code){ turned(0xc0 + symbol - 280, 8), 8 };
}

/* RFC 1951, 3.2.5: each power of two has four symbols, whose further bits follow. */
static code length_code(uint32_t length)
{
    uint32_t over = length - 3, symbol = FIRST_LENGTH + over, extra = 0;
    if (length == MATCH_MAX)
        return symbols[LAST_LENGTH];
    if (over >= 8) {
        extra = highest_bit(over) - 2;
        symbol = FIRST_LENGTH + 4 * (extra + 1) + (over >> extra & 3);
    }
    code c = symbols[symbol];
    return (code){ c.bits | (over & ((1u << extra) - 1)) << c.count, c.count + extra };
}

static void fill_tables(void)
{
    for (uint32_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++)
        symbols[i] = symbol_code(i);
    for (uint32_t i = 3; i <= MATCH_MAX; i++)
        lengths[i] = length_code(i);
}

/* Inline, and on a writer of one's own: bytes that are written through a pointer might else be the writer itself, for all that the compiler
 * knows, which would read it anew for each code. */
static inline void put(writer *w, code c)
{
    w->held |= (uint64_t)c.bits << w->count;
    w->count += c.count;
    if (w->count < 32) /* a code has 18 bits at most */
        return;
    w->to[0] = (uint8_t)w->held;
    w->to[1] = (uint8_t)(w->held >> 8);
    w->to[2] = (uint8_t)(w->held >> 16);
    w->to[3] = (uint8_t)(w->held >> 24);
    w->to += 4;
    w->count -= 32;
    w->held >>= 32;
}

/* Each power of two has two symbols of five bits. */
static inline void put_distance(writer *w, uint32_t distance)
{
    uint32_t over = distance - 1, symbol = over, extra = 0;
    if (over >= 4) {
        extra = highest_bit(over) - 1;
        symbol = 2 * (extra + 1) + (over >> extra & 1);
    }
    put(w, (code){ turned(symbol, 5) | (over & ((1u << extra) - 1)) << 5, 5 + extra });
}

static void put_end(writer *w)
{
    put(w, symbols[END_OF_BLOCK]);
    for (; w->count > 0; w->count = w->count > 8 ? w->count - 8 : 0, w->held >>= 8)
        *w->to++ = (uint8_t)w->held;
}

static uint32_t four(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint16_t *place_of(short_deflate *d, const uint8_t *at)
{
    return &d->places[four(at) * 2654435761u >> (32 - PLACE_BITS)];
}

static size_t match_length(const uint8_t *a, const uint8_t *b, size_t most)
{
    size_t n = MATCH_MIN;
    while (n < most && a[n] == b[n])
        n++;
    return n;
}

static inline void put_match(writer *w, size_t length, size_t distance)
{
    put(w, lengths[length]);
    put_distance(w, (uint32_t)distance);
}

static inline void put_literals(writer *w, const uint8_t *bytes, size_t from, size_t to)
{
    for (; from < to; from++)
        put(w, symbols[bytes[from]]);
}

static writer put_block(short_deflate *d, const uint8_t *bytes, size_t len, writer own)
{
    writer *w = &own;
    size_t at = 0;
    put(w, (code){ 1 | 1 << 1, 3 }); /* the last block; fixed code */
    while (at + MATCH_MIN <= len) {
        uint16_t *place = place_of(d, bytes + at), seen = *place;
        *place = (uint16_t)(d->begin + at);
        const uint8_t *before = seen >= d->begin ? bytes + (seen - d->begin) : NULL;
        if (!before || four(before) != four(bytes + at)) {
            put(w, symbols[bytes[at++]]);
            continue;
        }
        size_t n = match_length(before, bytes + at, len - at < MATCH_MAX ? len - at : MATCH_MAX);
        put_match(w, n, (size_t)(bytes + at - before));
        for (size_t end = at + n; ++at < end;)
            if (at + MATCH_MIN <= len)
                *place_of(d, bytes + at) = (uint16_t)(d->begin + at);
    }
    put_literals(w, bytes, at, len);
    put_end(w);
    return own;
}

/* Where the entry at `at` ends; at the end of all where it is none. */
static size_t entry_end(const uint8_t *bytes, size_t at, size_t len)
{
    const uint8_t *nul = memchr(bytes + at, '\0', len - at);
    size_t end = nul ? (size_t)(nul - bytes) + 1 + TREE_ID : len;
    return end < len ? end : len;
}

/* Each entry begins as the one before it does, and its name ends so; the id between the two is like nothing else, and not looked at. */
static writer put_tree_block(const uint8_t *bytes, size_t len, writer own)
{
    writer *w = &own;
    put(w, (code){ 1 | 1 << 1, 3 });
    for (size_t at = 0, before = 0, end; at < len; before = at, at = end) {
        end = entry_end(bytes, at, len);
        size_t distance = at - before, from = at, most = end - at < MATCH_MAX ? end - at : MATCH_MAX;
        if (distance && most >= MATCH_MIN && four(bytes + before) == four(bytes + at)) {
            from += match_length(bytes + before, bytes + at, most);
            put_match(w, from - at, distance);
        }
        size_t tail = end - at == distance && distance > NAME_END + TREE_ID ? end - TREE_ID - NAME_END : len;
        if (from <= tail && tail < len && memcmp(bytes + tail, bytes + tail - distance, NAME_END) == 0) {
            put_literals(w, bytes, from, tail);
            put_match(w, NAME_END, distance);
            from = tail + NAME_END;
        }
        put_literals(w, bytes, from, end);
    }
    put_end(w);
    return own;
}

static uint8_t *put_stored(const uint8_t *bytes, size_t len, uint8_t *to)
{
    *to++ = 1; /* the last block; stored */
    *to++ = (uint8_t)len;
    *to++ = (uint8_t)(len >> 8);
    *to++ = (uint8_t)~len;
    *to++ = (uint8_t)(~len >> 8);
    if (len)
        memcpy(to, bytes, len);
    return to + len;
}

short_deflate *short_deflate_create(void)
{
    short_deflate *d = calloc(1, sizeof *d);
    pthread_once(&tables_once, fill_tables);
    if (d)
        d->begin = 1;
    return d;
}

void short_deflate_free(short_deflate *d)
{
    free(d);
}

size_t short_deflate_bound(size_t len)
{
    return ZLIB_HEAD + STORED_HEAD + len + len / 8 + 8 + ZLIB_TAIL;
}

/* Puts head and checksum around a block whose bytes begin behind the head and end where `w` stands. */
static size_t finish(writer w, const void *bytes, size_t len, uint8_t *head)
{
    head[0] = 0x78; /* a window of 32 KiB */
    head[1] = 0x01;
    if ((size_t)(w.to - head) > ZLIB_HEAD + STORED_HEAD + len)
        w.to = put_stored(bytes, len, head + ZLIB_HEAD);
    uint32_t sum = libdeflate_adler32(1, bytes, len);
    for (int shift = 24; shift >= 0; shift -= 8)
        *w.to++ = (uint8_t)(sum >> shift);
    return (size_t)(w.to - head);
}

size_t short_deflate_tree(const void *bytes, size_t len, void *to)
{
    writer w = { .to = (uint8_t *)to + ZLIB_HEAD };
    w = put_tree_block(bytes, len, w);
    return finish(w, bytes, len, to);
}

size_t short_deflate_zlib(short_deflate *d, const void *bytes, size_t len, void *to)
{
    writer w = { .to = (uint8_t *)to + ZLIB_HEAD };
    if (len > (size_t)UINT16_MAX - d->begin) {
        memset(d->places, 0, sizeof d->places);
        d->begin = 1;
    }
    w = put_block(d, bytes, len, w);
    d->begin = (uint16_t)(d->begin + len);
    return finish(w, bytes, len, to);
}
