/* quick_sum.c - see hash.h. Each of eight lanes takes every eighth word of 64 bits: each step can be undone, given the word, and so can
 * the last mixing, given the other lanes, so that one changed word always shows. */
#include "hash.h"

#include <string.h>

#define ODD 0x9e3779b97f4a7c15u

static uint64_t turn(uint64_t value, unsigned by)
{
    return value << by | value >> (64 - by);
}

/* Little-endian on every machine. Compilers do not see through a loop over the bytes: it took 3 instructions for each. */
static uint64_t word_at(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

void quick_sum_begin(quick_sum *c)
{
    c->len = 0;
    for (unsigned i = 0; i < 8; i++)
        c->lanes[i] = ODD * (i + 1);
}

static void step(quick_sum *c, const unsigned char *at)
{
    for (unsigned i = 0; i < 8; i++)
        c->lanes[i] = turn((c->lanes[i] ^ word_at(at + (size_t)8 * i)) * ODD, 29);
}

void quick_sum_add(quick_sum *c, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    unsigned char tail[QUICK_SUM_STEP] = { 0 };
    c->len += len;
    for (; len >= QUICK_SUM_STEP; at += QUICK_SUM_STEP, len -= QUICK_SUM_STEP)
        step(c, at);
    if (len > 0) {
        memcpy(tail, at, len);
        step(c, tail);
    }
}

void quick_sum_end(const quick_sum *c, uint8_t out[QUICK_SUM_LEN])
{
    uint64_t sums[2] = { c->len, ~c->len };
    for (unsigned i = 0; i < 8; i++)
        for (unsigned j = 0; j < 2; j++)
            sums[j] = turn((sums[j] ^ c->lanes[i]) * (ODD + 2 * j), 31);
    for (unsigned i = 0; i < QUICK_SUM_LEN; i++)
        out[i] = (uint8_t)(sums[i / 8] >> (8 * (i % 8)));
}
