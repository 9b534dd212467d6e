/*
 * kernels.c - see kernels.h.
 *
 * Written once on the compilers' vector types; each kernel is compiled for the machine's base and, on x86-64, for AVX2 with
 * FMA. exp by range reduction to [-ln2/2, ln2/2] and a polynomial of degree 6 (relative error 2e-7); erf by Abramowitz and
 * Stegun, "Handbook of Mathematical Functions", 7.1.26 (absolute error 1.5e-7).
 */
#include "kernels.h"

#include <base/cpu.h>

#include <math.h>
#include <string.h>

typedef float v8f __attribute__((vector_size(32)));
typedef int32_t v8i __attribute__((vector_size(32)));

#define INLINE static inline __attribute__((always_inline))

INLINE void load(v8f *to, const float *from)
{
    memcpy(to, from, sizeof *to);
}

INLINE void store(float *to, const v8f *from)
{
    memcpy(to, from, sizeof *from);
}

INLINE float sum(const v8f *v)
{
    return (((*v)[0] + (*v)[4]) + ((*v)[1] + (*v)[5])) + (((*v)[2] + (*v)[6]) + ((*v)[3] + (*v)[7]));
}

/* Where the mask is all ones a, else b. */
INLINE void choose(v8f *out, const v8i *mask, const v8f *a, const v8f *b)
{
    v8i picked = (*mask & (v8i)*a) | (~*mask & (v8i)*b);
    *out = (v8f)picked;
}

INLINE void exponential(v8f *x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
    const v8f least = { -87.0f, -87.0f, -87.0f, -87.0f, -87.0f, -87.0f, -87.0f, -87.0f };
    v8i low = *x < least;
    choose(x, &low, &least, x);
    v8f n = (*x * 1.44269504089f + magic) - magic;
    v8f r = *x - n * 0.693145751953125f; /* ln 2 in two parts */
    r = r - n * 1.42860682030941723212e-6f;
    v8f p = r * (1.0f / 720) + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    v8i exponent = __builtin_convertvector(n, v8i) << 23;
    *x = (v8f)((v8i)p + exponent);
}

INLINE void gelu(float *x, const float *bias, uint32_t len)
{
    for (uint32_t i = 0; i < len; i += 8) {
        v8f v, b;
        load(&v, x + i);
        load(&b, bias + i);
        v += b;
        v8i sign = (v8i)v & INT32_MIN;
        v8f z = v * 0.70710678118654752f;
        z = (v8f)((v8i)z & INT32_MAX);
        v8f t = 1.0f / (1.0f + 0.3275911f * z);
        v8f tail = -z * z;
        exponential(&tail);
        tail *= t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
        v8f erf = 1.0f - tail;
        erf = (v8f)((v8i)erf | sign); /* erf(-z) = -erf(z) */
        v = 0.5f * v * (1.0f + erf);
        store(x + i, &v);
    }
}

INLINE void norm(float *x, const float *bias, const float *residual, const float *weight, const float *shift,
                 float epsilon, uint32_t len)
{
    v8f total = { 0 }, squares = { 0 };
    for (uint32_t i = 0; i < len; i += 8) {
        v8f v, more;
        load(&v, x + i);
        if (bias) {
            load(&more, bias + i);
            v += more;
        }
        if (residual) {
            load(&more, residual + i);
            v += more;
        }
        total += v;
        store(x + i, &v);
    }
    float mean = sum(&total) / (float)len;
    for (uint32_t i = 0; i < len; i += 8) {
        v8f v;
        load(&v, x + i);
        v -= mean;
        squares += v * v;
    }
    float scale = 1.0f / sqrtf(sum(&squares) / (float)len + epsilon);
    for (uint32_t i = 0; i < len; i += 8) {
        v8f v, w, s;
        load(&v, x + i);
        load(&w, weight + i);
        load(&s, shift + i);
        v = (v - mean) * scale * w + s;
        store(x + i, &v);
    }
}

INLINE void softmax(float *x, float scale, uint32_t len)
{
    float most = x[0];
    for (uint32_t i = 1; i < len; i++)
        most = x[i] > most ? x[i] : most;
    for (uint32_t i = len; i % 8; i++)
        x[i] = -INFINITY;
    v8f total = { 0 };
    for (uint32_t i = 0; i < len; i += 8) {
        v8f v;
        load(&v, x + i);
        v = (v - most) * scale;
        exponential(&v);
        store(x + i, &v);
        total += v;
    }
    float share = 1.0f / sum(&total);
    for (uint32_t i = 0; i < len; i++)
        x[i] *= share;
}

/* ---- the choice ---- */

#if defined(__x86_64__)
#define WIDE __attribute__((target("avx2,fma")))
WIDE static void gelu_wide(float *x, const float *bias, uint32_t len)
{
    gelu(x, bias, len);
}
WIDE static void norm_wide(float *x, const float *bias, const float *residual, const float *weight, const float *shift,
                           float epsilon, uint32_t len)
{
    norm(x, bias, residual, weight, shift, epsilon, len);
}
WIDE static void softmax_wide(float *x, float scale, uint32_t len)
{
    softmax(x, scale, len);
}
#else
#define gelu_wide gelu
#define norm_wide norm
#define softmax_wide softmax
#endif

void kernel_gelu(float *x, const float *bias, uint32_t len)
{
    if (cpu_has_avx2())
        gelu_wide(x, bias, len);
    else
        gelu(x, bias, len);
}

void kernel_norm(float *x, const float *bias, const float *residual, const float *weight, const float *shift,
                 float epsilon, uint32_t len)
{
    if (cpu_has_avx2())
        norm_wide(x, bias, residual, weight, shift, epsilon, len);
    else
        norm(x, bias, residual, weight, shift, epsilon, len);
}

void kernel_softmax(float *x, float scale, uint32_t len)
{
    if (cpu_has_avx2())
        softmax_wide(x, scale, len);
    else
        softmax(x, scale, len);
}
