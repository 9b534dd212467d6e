/* rotation.c - see rotation.h. */
#include "rotation.h"

#include <base/cpu.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 4, LANES = 8 };

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

struct rotation {
    uint32_t dimension;
    uint32_t power;   /* the largest power of two in `dimension` */
    float factors[1]; /* ROUNDS times `dimension`: a sign, by the transform's scale where it is transformed */
};

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t first_of(const rotation *r, int round)
{
    return round % 2 ? r->dimension - r->power : 0;
}

rotation *rotation_new(uint32_t dimension)
{
    rotation *r = malloc(sizeof *r + (size_t)ROUNDS * dimension * sizeof(float));
    uint64_t state = dimension;
    if (!r)
        return NULL;
    r->dimension = dimension;
    r->power = 1;
    while (r->power <= dimension / 2)
        r->power *= 2;
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t first = first_of(r, round);
        for (uint32_t i = 0; i < dimension; i++) {
            float scale = i >= first && i - first < r->power ? 1 / sqrtf((float)r->power) : 1;
            r->factors[(size_t)round * dimension + i] = next_random(&state) >> 63 ? scale : -scale;
        }
    }
    return r;
}

void rotation_free(rotation *r)
{
    free(r);
}

#define INLINE static inline __attribute__((always_inline))

/* Sums and differences of floats that lie `half` apart. */
INLINE void narrow_step(float *v, uint32_t count, uint32_t half)
{
    for (uint32_t i = 0; i < count; i += 2 * half)
        for (uint32_t j = i; j < i + half; j++) {
            float a = v[j], b = v[j + half];
            v[j] = a + b;
            v[j + half] = a - b;
        }
}

/* The same, where `half` is a multiple of LANES. */
INLINE void wide_step(float *v, uint32_t count, uint32_t half)
{
    for (uint32_t i = 0; i < count; i += 2 * half)
        for (uint32_t j = i; j < i + half; j += LANES) {
            lanes a, b, sum, difference;
            memcpy(&a, v + j, sizeof a);
            memcpy(&b, v + j + half, sizeof b);
            sum = a + b;
            difference = a - b;
            memcpy(v + j, &sum, sizeof sum);
            memcpy(v + j + half, &difference, sizeof difference);
        }
}

INLINE void flip(const rotation *r, int round, float *vector)
{
    const float *factors = r->factors + (size_t)round * r->dimension;
    for (uint32_t i = 0; i < r->dimension; i++)
        vector[i] *= factors[i];
}

void rotation_apply_plain(const rotation *r, float *vector)
{
    for (int round = 0; round < ROUNDS; round++) {
        float *part = vector + first_of(r, round);
        flip(r, round, vector);
        for (uint32_t half = 1; half < r->power; half *= 2)
            if (half < LANES)
                narrow_step(part, r->power, half);
            else
                wide_step(part, r->power, half);
    }
}

#if defined(__x86_64__)

#include <immintrin.h>

/* The first three steps of eight floats. Sums are those of narrow_step to the last bit, as everywhere here: no FMA. */
__attribute__((target("avx2"))) static inline void first_steps(float *v)
{
    __m256 x = _mm256_loadu_ps(v), other = _mm256_permute_ps(x, 0xb1);
    x = _mm256_blend_ps(_mm256_add_ps(x, other), _mm256_sub_ps(other, x), 0xaa);
    other = _mm256_permute_ps(x, 0x4e);
    x = _mm256_blend_ps(_mm256_add_ps(x, other), _mm256_sub_ps(other, x), 0xcc);
    other = _mm256_permute2f128_ps(x, x, 1);
    x = _mm256_blend_ps(_mm256_add_ps(x, other), _mm256_sub_ps(other, x), 0xf0);
    _mm256_storeu_ps(v, x);
}

__attribute__((target("avx2"))) static void apply_wide(const rotation *r, float *vector)
{
    for (int round = 0; round < ROUNDS; round++) {
        float *part = vector + first_of(r, round);
        flip(r, round, vector);
        for (uint32_t i = 0; i < r->power; i += LANES)
            first_steps(part + i);
        for (uint32_t half = LANES; half < r->power; half *= 2)
            wide_step(part, r->power, half);
    }
}

void rotation_apply(const rotation *r, float *vector)
{
    if (cpu_has_avx2() && r->power >= LANES)
        apply_wide(r, vector);
    else
        rotation_apply_plain(r, vector);
}

#else

void rotation_apply(const rotation *r, float *vector)
{
    rotation_apply_plain(r, vector);
}

#endif
