/*
 * few_rows.c - see few_rows.h.
 *
 * Blocks of up to six rows by four outputs: their sums stay in registers (24 of the 32 that AVX-512 has; with AVX2's 16, two rows). For
 * each four outputs all rows are gone through, so that their weights come from memory once and are in the first-level cache for the rest.
 */
#include "few_rows.h"

#include <base/cpu.h>
#include <stddef.h>
#include <string.h>

#define OUTPUTS 4u
#define ROWS_WIDE 6u
#define ROWS_NARROW 2u

#if defined(__x86_64__)

typedef float v8f __attribute__((vector_size(32)));

#define INLINE static inline __attribute__((always_inline))

INLINE void load(v8f *to, const float *from)
{
    memcpy(to, from, sizeof *to);
}

INLINE float sum(const v8f *v)
{
    return (((*v)[0] + (*v)[4]) + ((*v)[1] + (*v)[5])) + (((*v)[2] + (*v)[6]) + ((*v)[3] + (*v)[7]));
}

/* What a block works on. lines: of the cache, to be fetched ahead for each 16 weights that are used. */
typedef struct block {
    const float *from[ROWS_WIDE], *weight, *ahead;
    uint32_t in, lines;
    float sums[ROWS_WIDE][OUTPUTS];
} block;

/* The sums have names, because only then does every compiler keep them in registers. */
#define ROW_BEGIN(i) v8f s##i##0 = { 0 }, s##i##1 = { 0 }, s##i##2 = { 0 }, s##i##3 = { 0 };
#define ROW_ADD(i)                                                                                                     \
    if (rows > (i)) {                                                                                                  \
        load(&x, b->from[i] + k);                                                                                      \
        s##i##0 += x * w0;                                                                                             \
        s##i##1 += x * w1;                                                                                             \
        s##i##2 += x * w2;                                                                                             \
        s##i##3 += x * w3;                                                                                             \
    }
#define ROW_END(i)                                                                                                     \
    if (rows > (i)) {                                                                                                  \
        b->sums[i][0] = sum(&s##i##0);                                                                                 \
        b->sums[i][1] = sum(&s##i##1);                                                                                 \
        b->sums[i][2] = sum(&s##i##2);                                                                                 \
        b->sums[i][3] = sum(&s##i##3);                                                                                 \
    }

/* rows: a constant wherever this is called. */
INLINE void add_up(block *b, uint32_t rows)
{
    const float *weight = b->weight;
    uint32_t in = b->in, lines = b->lines;
    ROW_BEGIN(0) ROW_BEGIN(1) ROW_BEGIN(2) ROW_BEGIN(3) ROW_BEGIN(4) ROW_BEGIN(5) for (uint32_t k = 0; k < in; k += 8)
    {
        v8f x, w0, w1, w2, w3;
        for (uint32_t line = 0; k % 16 == 0 && line < lines; line++)
            __builtin_prefetch(b->ahead + (size_t)k * lines + line * 16u);
        load(&w0, weight + k);
        load(&w1, weight + in + k);
        load(&w2, weight + (size_t)2 * in + k);
        load(&w3, weight + (size_t)3 * in + k);
        ROW_ADD(0) ROW_ADD(1) ROW_ADD(2) ROW_ADD(3) ROW_ADD(4) ROW_ADD(5)
    }
    ROW_END(0) ROW_END(1) ROW_END(2) ROW_END(3) ROW_END(4) ROW_END(5)
}

INLINE void add_up_some(block *b, uint32_t rows, uint32_t rows_most)
{
    if (rows == 1)
        add_up(b, 1);
    else if (rows == 2)
        add_up(b, 2);
    else if (rows_most == ROWS_NARROW) /* no more than these; so the rest is not compiled */
        return;
    else if (rows == 3)
        add_up(b, 3);
    else if (rows == 4)
        add_up(b, 4);
    else if (rows == 5)
        add_up(b, 5);
    else
        add_up(b, 6);
}

/* Blocks of about equal height. Three become four: then each fetches one of the next four outputs' weights ahead. */
static uint32_t count_blocks(uint32_t rows, uint32_t rows_most)
{
    uint32_t blocks = (rows + rows_most - 1) / rows_most;
    return blocks == 3 ? 4 : blocks;
}

INLINE void multiply(const few_rows *p, uint32_t rows_most)
{
    uint32_t blocks = count_blocks(p->rows, rows_most);
    block b = { .in = p->in, .lines = blocks < OUTPUTS ? OUTPUTS / blocks : 1 };
    for (uint32_t output = 0; output < p->out; output += OUTPUTS) {
        b.weight = p->weight + (size_t)output * p->in;
        const float *next = output + OUTPUTS < p->out ? b.weight + (size_t)OUTPUTS * p->in : b.weight;
        for (uint32_t row = 0, n = 0, rows; n < blocks; n++, row += rows) {
            rows = (p->rows - row + blocks - n - 1) / (blocks - n);
            for (uint32_t i = 0; i < rows; i++)
                b.from[i] = p->from + (size_t)(row + i) * p->in;
            b.ahead = next + (size_t)(n * b.lines % OUTPUTS) * p->in;
            add_up_some(&b, rows, rows_most);
            for (uint32_t i = 0; i < rows; i++)
                memcpy(p->to + (size_t)(row + i) * p->stride + output, b.sums[i], sizeof b.sums[i]);
        }
    }
}

/* Whatever has AVX-512 BW has VL: 32 registers of eight floats. */
__attribute__((target("avx512f,avx512vl,avx2,fma"))) static void multiply_wide(const few_rows *p)
{
    multiply(p, ROWS_WIDE);
}

__attribute__((target("avx2,fma"))) static void multiply_narrow(const few_rows *p)
{
    multiply(p, ROWS_NARROW);
}

/* Measured beside OpenBLAS 0.3.21 on MiniLM's layers: with the same speed at 128 to 192 rows, and at 40. */
uint32_t few_rows_most(bool narrow)
{
    return cpu_has_avx512() && !narrow ? 96 : cpu_has_avx2() ? 28 : 0;
}

void few_rows_multiply(const few_rows *p, bool narrow)
{
    if (cpu_has_avx512() && !narrow)
        multiply_wide(p);
    else
        multiply_narrow(p);
}

#else

uint32_t few_rows_most(bool narrow)
{
    (void)narrow;
    return 0;
}

void few_rows_multiply(const few_rows *p, bool narrow)
{
    (void)p, (void)narrow;
}

#endif
