/*
 * vectors.h - exact cosine similarity on BLAS: rows of floats of one length, each scored against one question.
 *
 * Rows are unit vectors (they are made so when they are added; a zero vector stays zero), so that the cosine is the inner product.
 * A removed row is filled with the last one. Not locked: any number of threads may score while none changes.
 */
#ifndef SDK_VECTORS_H
#define SDK_VECTORS_H

#include <quipu/error.h>
#include <quipu/host.h>
#include <stdbool.h>

#define VECTORS_DIMENSION_MAX 65536u
#define VECTORS_NONE UINT32_MAX

typedef struct vectors vectors;

/* Multiplies a small known matrix: whichever BLAS the program ended up with (a host may export another one over ours, for one
 * with 64-bit integers) must give the known result. INTERNAL where it does not. */
int32_t vectors_check_blas(quipu_error *error);
/* How many threads OpenBLAS uses at the most, for the whole process; false where the BLAS is another one. */
bool vectors_set_threads(int count);
/* What BLAS answers, for a log line. */
const char *vectors_blas_name(void);

/* Checks the BLAS first. */
int32_t vectors_create(uint32_t dimension, vectors **out, quipu_error *error);
void vectors_free(vectors *v);
uint32_t vectors_dimension(const vectors *v);
uint32_t vectors_count(const vectors *v);

/* False where a float is not finite. */
bool vectors_are_finite(const float *vector, uint32_t dimension);
/* Writes `from` at unit length to `to` (may be the same); false where it is zero. */
bool vectors_normalise(const float *from, uint32_t dimension, float *to);

/* INVALID with the field "vector" where `dimension` is not the expected one or a float is not finite. */
int32_t vectors_check(const float *vector, uint64_t dimension, uint32_t expected, quipu_error *error);

/* Adds a row; *row is its number. The vector is finite. */
int32_t vectors_add(vectors *v, const float *vector, uint32_t *row, quipu_error *error);
/* Removes a row. The number of the row that took its place (it was the last), or VECTORS_NONE. */
uint32_t vectors_remove(vectors *v, uint32_t row);
const float *vectors_row(const vectors *v, uint32_t row); /* until the next change */

/* The cosine of the question (of unit length) with each row, into `out`. Asks `call` between blocks of rows. */
int32_t vectors_score(const vectors *v, const float *question, float *out, const quipu_call *call, quipu_error *error);

/* The cosine of the question with one row. */
float vectors_cosine(const vectors *v, uint32_t row, const float *question);

typedef struct vectors_match {
    float score;
    uint32_t row;
} vectors_match;

/* The k best rows, best first, equal ones by number; *count how many there are. `out` has room for k. */
int32_t vectors_top(const vectors *v, const float *question, uint32_t k, vectors_match *out, uint32_t *count,
                    const quipu_call *call, quipu_error *error);

#endif
