/* bits.c - see bits.h. */
#include "bits.h"

#include <stdlib.h>
#include <string.h>

static void clear_tail(bits *b)
{
    if (b->count % 64)
        b->words[b->count / 64] &= ((uint64_t)1 << (b->count % 64)) - 1;
}

bits *bits_create(uint32_t count, bool all)
{
    size_t words = bits_words(count);
    bits *b = malloc(sizeof *b + words * sizeof b->words[0]);
    if (!b)
        return NULL;
    atomic_init(&b->users, 1);
    b->count = count;
    memset(b->words, all ? 0xff : 0, words * sizeof b->words[0]);
    clear_tail(b);
    return b;
}

bits *bits_copy(const bits *b)
{
    bits *copy = bits_create(b->count, false);
    if (copy)
        memcpy(copy->words, b->words, bits_words(b->count) * sizeof b->words[0]);
    return copy;
}

bits *bits_share(bits *b)
{
    atomic_fetch_add_explicit(&b->users, 1, memory_order_relaxed);
    return b;
}

void bits_free(bits *b)
{
    if (b && atomic_fetch_sub_explicit(&b->users, 1, memory_order_acq_rel) == 1)
        free(b);
}

bool bits_own(bits **b)
{
    if (atomic_load_explicit(&(*b)->users, memory_order_acquire) == 1)
        return true;
    bits *copy = bits_copy(*b);
    if (!copy)
        return false;
    bits_free(*b);
    *b = copy;
    return true;
}

uint32_t bits_total(const bits *b)
{
    uint64_t total = 0;
    for (size_t i = 0; i < bits_words(b->count); i++)
        total += (uint64_t)__builtin_popcountll(b->words[i]);
    return (uint32_t)total;
}

void bits_and(bits *b, const bits *other)
{
    for (size_t i = 0; i < bits_words(b->count); i++)
        b->words[i] &= other->words[i];
}

void bits_or(bits *b, const bits *other)
{
    for (size_t i = 0; i < bits_words(b->count); i++)
        b->words[i] |= other->words[i];
}

void bits_without(bits *b, const bits *other)
{
    for (size_t i = 0; i < bits_words(b->count); i++)
        b->words[i] &= ~other->words[i];
}

void bits_invert(bits *b)
{
    for (size_t i = 0; i < bits_words(b->count); i++)
        b->words[i] = ~b->words[i];
    clear_tail(b);
}

uint32_t bits_next(const bits *b, uint32_t from)
{
    if (from >= b->count)
        return BITS_NONE;
    size_t word = from / 64;
    uint64_t rest = b->words[word] & ~(uint64_t)0 << (from % 64);
    while (rest == 0) {
        if (++word == bits_words(b->count))
            return BITS_NONE;
        rest = b->words[word];
    }
    return (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(rest);
}
