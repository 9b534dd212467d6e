/* some_vectors.c - see some_vectors.h. */
#include "some_vectors.h"

#include <base/hash.h>
#include <stdlib.h>
#include <sdk/vectors.h>

#define CLUSTERS 40u

static float next_float(uint32_t *random)
{
    *random = *random * 1664525u + 1013904223u;
    return (float)(*random >> 8) / (float)(1u << 23) - 1;
}

static void *need(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

some_vectors *some_vectors_new(uint32_t count, uint32_t dimension, uint32_t seed)
{
    some_vectors *v = need(calloc(1, sizeof *v));
    float *centres = need(malloc((size_t)CLUSTERS * dimension * sizeof *centres));
    uint32_t random = 99; /* centres are those of every seed */
    for (uint32_t i = 0; i < CLUSTERS * dimension; i++)
        centres[i] = next_float(&random);
    *v = (some_vectors){ need(malloc((size_t)count * dimension * sizeof(float))), need(malloc((size_t)count * 32)),
                         count, dimension };
    random = seed;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number[2] = { seed, i };
        float *row = v->rows + (size_t)i * dimension;
        next_float(&random);
        const float *centre = centres + (size_t)((random >> 10) % CLUSTERS) * dimension;
        for (uint32_t j = 0; j < dimension; j++)
            row[j] = centre[j] + 0.8f * next_float(&random);
        vectors_normalise(row, dimension, row);
        hash_sha256(number, sizeof number, v->keys + (size_t)i * 32);
    }
    free(centres);
    return v;
}

void some_vectors_free(some_vectors *v)
{
    if (!v)
        return;
    free(v->rows);
    free(v->keys);
    free(v);
}
