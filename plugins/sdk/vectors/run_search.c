/* run_search.c - see run.h: the exact search of a run, one question by sgemv, many by sgemm, tile after tile. */
#include "blas.h"
#include "run.h"

#include <base/fail.h>

#define SPARSE 8u /* of a tile's rows at least one in so many has to be admitted for the whole tile to be multiplied */
#define LARGE_K 64u /* where k is more than a 64th of the rows, or less of them is admitted, codes spare nothing */

uint32_t run_admitted(const run *r, const run_search *s, uint32_t row)
{
    uint32_t bits = s->admitted ? s->admitted[row / 32] : UINT32_MAX, left = s->rows - row;
    if (bits == 0) /* of a filter that keeps little nearly all words */
        return 0;
    if (left < 32)
        bits &= (1u << left) - 1;
    return bits & ~atomic_load_explicit(&r->dead[row / 32], memory_order_relaxed);
}

/* Admitted rows of [row, end), `row` a multiple of 32. */
static uint32_t count_admitted(const run *r, const run_search *s, uint32_t row, uint32_t end)
{
    uint32_t count = 0;
    for (; row < end; row += 32) {
        uint32_t bits = run_admitted(r, s, row);
        count += bits ? (uint32_t)__builtin_popcount(bits) : 0;
    }
    return count;
}

/* Scores the admitted rows of a tile one by one. */
static void score_few(const run *r, const run_search *s, uint32_t row, uint32_t end)
{
    for (; row < end; row += 32)
        for (uint32_t bits = run_admitted(r, s, row); bits; bits &= bits - 1) {
            uint32_t at = row + (uint32_t)__builtin_ctz(bits);
            for (uint32_t i = 0; i < s->count; i++) {
                float score = blas_dot(run_row(r, at), s->questions + (size_t)i * r->dimension, r->dimension);
                if (score > s->best[i].threshold)
                    top_k_add(&s->best[i], score, s->first + at);
            }
        }
}

/* scores[j * stride] is that of row `row` + j. */
static void offer(const run_search *s, top_k *best, uint32_t row, uint32_t bits, const float *scores, uint32_t stride)
{
    if (bits == UINT32_MAX) { /* all of them: seldom one is good enough */
        for (uint32_t j = 0; j < 32; j++)
            if (scores[(size_t)j * stride] > best->threshold)
                top_k_add(best, scores[(size_t)j * stride], s->first + row + j);
        return;
    }
    for (; bits; bits &= bits - 1) {
        uint32_t j = (uint32_t)__builtin_ctz(bits);
        if (scores[(size_t)j * stride] > best->threshold)
            top_k_add(best, scores[(size_t)j * stride], s->first + row + j);
    }
}

static void score_tile(const run *r, const run_search *s, uint32_t first, uint32_t end)
{
    uint32_t stride = s->count;
    if (stride == 1)
        blas_scores(run_row(r, first), end - first, r->dimension, s->questions, s->scores);
    else
        blas_scores_many(run_row(r, first), end - first, r->dimension, s->questions, stride, s->scores);
    for (uint32_t row = first; row < end; row += 32) {
        uint32_t bits = run_admitted(r, s, row);
        for (uint32_t i = 0; bits && i < stride; i++)
            offer(s, &s->best[i], row, bits, s->scores + (size_t)(row - first) * stride + i, stride);
    }
}

static int32_t search_exactly(const run *r, const run_search *s, quipu_error *error)
{
    for (uint32_t first = 0, end; first < s->rows; first = end) {
        end = s->rows - first < RUN_TILE ? s->rows : first + RUN_TILE;
        int32_t rc = call_check(s->call, error);
        if (rc != QUIPU_OK)
            return rc;
        uint32_t admitted = count_admitted(r, s, first, end);
        if (admitted >= (end - first + SPARSE - 1) / SPARSE)
            score_tile(r, s, first, end);
        else if (admitted > 0)
            score_few(r, s, first, end);
    }
    return QUIPU_OK;
}

/* A filter keeps so few rows of the run that only those are read. */
static int32_t search_few(const run *r, const run_search *s, quipu_error *error)
{
    const uint32_t step = 64 * RUN_TILE;
    for (uint32_t first = 0, end; first < s->rows; first = end) {
        end = s->rows - first < step ? s->rows : first + step;
        int32_t rc = call_check(s->call, error);
        if (rc != QUIPU_OK)
            return rc;
        score_few(r, s, first, end);
    }
    return QUIPU_OK;
}

int32_t run_search_all(const run *r, const run_search *s, quipu_error *error)
{
    int32_t rc = QUIPU_OK;
    if (s->admitted && count_admitted(r, s, 0, s->rows) <= s->rows / LARGE_K)
        return search_few(r, s, error);
    if (s->exact || r->partitions == 0 || s->best[0].k > s->rows / LARGE_K)
        return search_exactly(r, s, error);
    for (uint32_t i = 0; rc == QUIPU_OK && i < s->count; i++)
        rc = run_search_partitions(r, s, i, error);
    return rc;
}
