/*
 * run_partitions.c - see run.h: the search of a run by its partitions and codes.
 *
 * Partitions are taken in the order of their centres' distance to the question, until as many admitted rows were looked at
 * as the measured default asks for, times `effort`; on until k are found. Of a row looked at, the code says how large its score can
 * be, but for CERTAINTY standard deviations; only where that exceeds the k-th best score so far the floats are multiplied.
 */
#include "blas.h"
#include "run.h"
#include "scan.h"

#include <base/fail.h>
#include <math.h>
#include <stdlib.h>

#define CERTAINTY 2.0f
/* With these a search of a million rows of 384 floats as docs/benchmarks.md makes them finds 0.998 of the ten best. */
#define LOOK_AT_SHARE 50u    /* one row in so many */
#define LOOK_AT_LEAST 8192u  /* rows */
#define LOOK_AT_FOR_EACH 64u /* rows for each result wanted */

typedef struct nearness {
    float distance; /* squared */
    uint32_t partition;
} nearness;

/* The nearest stands at the top. */
static void sink(nearness *heap, uint32_t count, uint32_t at)
{
    nearness moving = heap[at];
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && heap[child + 1].distance < heap[child].distance)
            child++;
        if (!(heap[child].distance < moving.distance))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

static nearness take_nearest(nearness *heap, uint32_t *count)
{
    nearness nearest = heap[0];
    heap[0] = heap[--*count];
    if (*count)
        sink(heap, *count, 0);
    return nearest;
}

/* products: question . centre of each partition, followed by room for as many nearnesses. */
static nearness *rank(const run *r, const float *products, nearness *heap)
{
    for (uint32_t p = 0; p < r->partitions; p++)
        heap[p] = (nearness){ 1 + r->norms[p] - 2 * products[p], p };
    for (uint32_t i = r->partitions / 2; i > 0; i--)
        sink(heap, r->partitions, i - 1);
    return heap;
}

typedef struct probe {
    const run *r;
    const run_search *s;
    const float *question;
    const codes_question *asked;
    top_k *best;
    scan_kernel *kernel;
    float product; /* of the question with the partition's centre */
    float offset;  /* S(question) with the error added, where the table bytes are 0 */
} probe;

/* The highest scores that 32 rows can have. */
static void bound(const probe *p, uint32_t row, float highest[CODES_ROWS])
{
    uint16_t sums[CODES_ROWS];
    const codes_factors *factors = p->r->factors + row;
    p->kernel(p->r->codes + row / 32 * codes_block_bytes(p->r->dimension), p->asked->table, p->asked->groups, sums);
    for (uint32_t j = 0; j < CODES_ROWS; j++)
        highest[j] = p->product + factors[j].shift + factors[j].slope * (p->asked->scale * (float)sums[j] + p->offset);
}

/* Rows of [first, end), which need not begin with a block; how many were admitted. */
static uint32_t look_at(const probe *p, uint32_t first, uint32_t end)
{
    uint32_t seen = 0;
    float highest[CODES_ROWS];
    for (uint32_t row = first / 32 * 32; row < end; row += 32) {
        uint32_t bits = run_admitted(p->r, p->s, row);
        if (row < first)
            bits &= UINT32_MAX << (first - row);
        if (end - row < 32)
            bits &= (1u << (end - row)) - 1;
        if (bits == 0)
            continue;
        seen += (uint32_t)__builtin_popcount(bits);
        bound(p, row, highest);
        for (uint32_t j = 0; j < CODES_ROWS; j++)
            if (highest[j] > p->best->threshold && bits >> j & 1) {
                float score = blas_dot(run_row(p->r, row + j), p->question, p->r->dimension);
                if (score > p->best->threshold)
                    top_k_add(p->best, score, p->s->first + row + j);
            }
    }
    return seen;
}

static uint64_t rows_to_look_at(const run_search *s, uint32_t k)
{
    uint64_t rows = s->rows / LOOK_AT_SHARE;
    rows = rows > LOOK_AT_LEAST ? rows : LOOK_AT_LEAST;
    rows = rows > (uint64_t)k * LOOK_AT_FOR_EACH ? rows : (uint64_t)k * LOOK_AT_FOR_EACH;
    double much = (double)rows * s->effort;
    return much < (double)s->rows ? (uint64_t)much : s->rows;
}

static int32_t look_around(probe *p, const float *products, nearness *heap, quipu_error *error)
{
    uint32_t left = p->r->partitions;
    uint64_t seen = 0, enough = rows_to_look_at(p->s, p->best->k);
    rank(p->r, products, heap);
    while (left > 0 && (seen < enough || p->best->count < p->best->k)) {
        nearness at = take_nearest(heap, &left);
        int32_t rc = left % 64 == 0 ? call_check(p->s->call, error) : QUIPU_OK;
        if (rc != QUIPU_OK)
            return rc;
        p->product = products[at.partition];
        p->offset = p->asked->offset + CERTAINTY * CODES_ERROR * sqrtf(at.distance > 0 ? at.distance : 0);
        seen += look_at(p, p->r->starts[at.partition], p->r->starts[at.partition + 1]);
    }
    return QUIPU_OK;
}

int32_t run_search_partitions(const run *r, const run_search *s, uint32_t i, quipu_error *error)
{
    probe p = { .r = r,
                .s = s,
                .question = s->questions + (size_t)i * r->dimension,
                .asked = &s->asked[i],
                .best = &s->best[i],
                .kernel = scan_best().kernel };
    float *products = calloc((size_t)r->partitions + 1, sizeof *products);
    nearness *heap = calloc((size_t)r->partitions + 1, sizeof *heap);
    int32_t rc = call_check(s->call, error);
    if (rc == QUIPU_OK && (!products || !heap))
        rc = fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to search with");
    if (rc == QUIPU_OK) {
        blas_scores(r->centres, r->partitions, r->dimension, p.question, products);
        rc = look_around(&p, products, heap, error);
    }
    free(products);
    free(heap);
    return rc;
}
