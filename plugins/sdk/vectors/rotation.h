/*
 * rotation.h - a fixed random rotation, in d log d steps: no direction of the data stays along an axis.
 *
 * Four rounds of changing signs and a Walsh-Hadamard transform of the first or of the last p floats, p the largest power of two
 * that fits (Ailon and Chazelle, "The fast Johnson-Lindenstrauss transform", 2009). Lengths and inner products stay.
 * Codes on disk depend on it: a change is another format.
 */
#ifndef SDK_VECTORS_ROTATION_H
#define SDK_VECTORS_ROTATION_H

#include <stdint.h>

typedef struct rotation rotation; /* never changes: any number of threads */

/* NULL without memory. */
rotation *rotation_new(uint32_t dimension);
void rotation_free(rotation *r);
void rotation_apply(const rotation *r, float *vector);
/* The same to the last bit, as processors without AVX2 do it. */
void rotation_apply_plain(const rotation *r, float *vector);

#endif
