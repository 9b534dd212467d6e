/* some_vectors.h - seeded unit vectors in overlapping clusters, each with a key, for tests of vector search. */
#ifndef TESTS_SOME_VECTORS_H
#define TESTS_SOME_VECTORS_H

#include <stdint.h>

typedef struct some_vectors {
    float *rows;
    uint8_t *keys; /* 32 bytes each, all different for different seeds too */
    uint32_t count, dimension;
} some_vectors;

/* Ends the test without memory. */
some_vectors *some_vectors_new(uint32_t count, uint32_t dimension, uint32_t seed);
void some_vectors_free(some_vectors *v);

#endif
