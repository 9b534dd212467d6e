/*
 * bits.h - a set of small numbers as a row of bits, counted by reference: shared ones are copied before they are changed.
 *
 * Bits past `count` are zero.
 */
#ifndef SDK_BITS_H
#define SDK_BITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITS_NONE UINT32_MAX

typedef struct bits {
    atomic_uint users;
    uint32_t count; /* numbers 0..count-1 */
    uint64_t words[];
} bits;

static inline size_t bits_words(uint32_t count)
{
    return ((size_t)count + 63) / 64;
}

/* With one user; NULL without memory. */
bits *bits_create(uint32_t count, bool all);
bits *bits_copy(const bits *b);
bits *bits_share(bits *b);
void bits_free(bits *b); /* one user less; NULL is nothing to do */
/* Makes *b one that nobody else uses; false without memory, then it is as it was. */
bool bits_own(bits **b);

uint32_t bits_total(const bits *b); /* how many are in it */
void bits_and(bits *b, const bits *other);
void bits_or(bits *b, const bits *other);
void bits_without(bits *b, const bits *other);
void bits_invert(bits *b);
/* The first number in it from `from` on, or BITS_NONE. */
uint32_t bits_next(const bits *b, uint32_t from);

static inline bool bits_has(const bits *b, uint32_t i)
{
    return i < b->count && (b->words[i / 64] >> (i % 64) & 1) != 0;
}
static inline void bits_add(bits *b, uint32_t i)
{
    if (i < b->count)
        b->words[i / 64] |= (uint64_t)1 << (i % 64);
}
static inline void bits_drop(bits *b, uint32_t i)
{
    if (i < b->count)
        b->words[i / 64] &= ~((uint64_t)1 << (i % 64));
}

#endif
