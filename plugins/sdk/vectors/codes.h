/*
 * codes.h - one bit a dimension for each row, and what a question needs to estimate inner products from them.
 *
 * After RaBitQ (Gao and Long, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound for Approximate Nearest
 * Neighbor Search", SIGMOD 2024): of a row's difference to its partition's centre, rotated, the signs are kept. With
 * r = row - centre, s its signs (each -1 or 1) and S(v) the sum of s[i] * rotated(v)[i], the estimate of question . row is
 *
 *     question . centre + shift + slope * S(question)      slope = |r|^2 / S(r),  shift = r . centre - slope * S(centre)
 *
 * and its error is seldom over CODES_ERROR * slope * |question - centre|. Signs lie as fast scan wants them (Andre,
 * Kermarrec and Le Scouarnec, "Cache locality is not enough", VLDB 2015): blocks of 32 rows; for each group of four
 * dimensions 16 bytes, byte j holding the signs of row j (low half) and row j + 16 (high half).
 */
#ifndef SDK_VECTORS_CODES_H
#define SDK_VECTORS_CODES_H

#include "rotation.h"

#include <stddef.h>

#define CODES_ROWS 32u            /* rows of a block */
#define CODES_DIMENSION_MAX 4096u /* beyond it, bytes of a table are too coarse */
#define CODES_ERROR 0.6f          /* the standard deviation of an estimate, in slope * |question - centre| */

/* Groups of four dimensions, filled up to a multiple of four (of 64 bytes in a block). */
static inline uint32_t codes_groups(uint32_t dimension)
{
    return (dimension + 15) / 16 * 4;
}

static inline size_t codes_block_bytes(uint32_t dimension)
{
    return (size_t)codes_groups(dimension) * 16;
}

typedef struct codes_factors {
    float shift;
    float slope;
} codes_factors;

/* Sets the signs of row `place` in its block, which begins as zeroes. difference: row - centre, rotated; centre: likewise
 * rotated. Both of `dimension` floats. */
void codes_encode(const float *difference, const float *centre, uint32_t dimension, uint8_t *block, uint32_t place,
                  codes_factors *factors);

/* What a question (rotated) becomes for the scan: S(question) = scale * sum of table bytes + offset. */
typedef struct codes_question {
    float scale, offset;
    uint32_t groups;
    uint8_t *table; /* groups times 16 bytes, aligned to 64 */
} codes_question;

/* `table` has room for codes_block_bytes(dimension). */
void codes_ask(const float *rotated, uint32_t dimension, uint8_t *table, codes_question *out);

#endif
