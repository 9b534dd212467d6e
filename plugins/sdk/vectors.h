/* vectors.h - single vectors, and the BLAS that multiplies them. vector_index.h has many. */
#ifndef SDK_VECTORS_H
#define SDK_VECTORS_H

#include <quipu/error.h>
#include <quipu/host.h>
#include <stdbool.h>

#define VECTORS_DIMENSION_MAX 65536u
#define VECTORS_NONE UINT32_MAX

/* Multiplies a small known matrix: whichever BLAS the program ended up with (a host may export another one over ours, for one
 * with 64-bit integers) must give the known result. INTERNAL where it does not. */
/* The first call reads $QUIPU_BLAS_THREADS: a number there is set for the whole process; without it all work is done on the calling thread and
 * the process's number is left as it is. INVALID with the field "QUIPU_BLAS_THREADS" where it is not from 1 to 256. */
int32_t vectors_check_blas(quipu_error *error);
/* How many threads OpenBLAS uses at the most, for the whole process: for whoever owns it. False where the BLAS is another one. */
bool vectors_set_threads(int count);
/* What BLAS answers, for a log line. */
const char *vectors_blas_name(void);

/* False where a float is not finite. */
bool vectors_are_finite(const float *vector, uint32_t dimension);
/* Writes `from` at unit length to `to` (may be the same); false where it is zero. */
bool vectors_normalise(const float *from, uint32_t dimension, float *to);

/* INVALID with the field "vector" where `dimension` is not the expected one or a float is not finite. */
int32_t vectors_check(const float *vector, uint64_t dimension, uint32_t expected, quipu_error *error);

typedef struct vectors_match {
    float score;
    uint32_t row;
} vectors_match;

#endif
