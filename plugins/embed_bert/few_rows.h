/*
 * few_rows.h - the product of a few rows with a matrix, which a short text is: faster than sgemm there.
 *
 * sgemm copies the matrix into an order of its own before it multiplies, which pays only where many rows use the copy. Here each weight
 * is read once, where it lies, while what comes next is already fetched: a few rows cost little more than reading the weights.
 */
#ifndef EMBED_BERT_FEW_ROWS_H
#define EMBED_BERT_FEW_ROWS_H

#include <stdbool.h>
#include <stdint.h>

/* to = from W^T, with W of [out, in]. */
typedef struct few_rows {
    const float *from; /* [rows, in] */
    const float *weight;
    float *to;         /* [rows, out], `stride` floats from row to row */
    uint32_t rows, in; /* in: a multiple of 8 */
    uint32_t out;      /* a multiple of 4 */
    uint32_t stride;
} few_rows;

/* So many rows are faster here than by sgemm; 0 where the processor has no instructions for it. narrow: as few_rows_multiply. */
uint32_t few_rows_most(bool narrow);
/* Only where few_rows_most is not 0. narrow: with AVX2 alone, also where the processor has more. */
void few_rows_multiply(const few_rows *p, bool narrow);

#endif
