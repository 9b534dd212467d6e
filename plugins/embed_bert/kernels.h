/*
 * kernels.h - what an encoder does besides matrix products, on vectors of eight floats.
 *
 * The widest instructions that the running processor has are used. Lengths are multiples of 8.
 */
#ifndef EMBED_BERT_KERNELS_H
#define EMBED_BERT_KERNELS_H

#include <stdint.h>

/* x = gelu(x + bias), erf form: x/2 (1 + erf(x / sqrt 2)) (Hendrycks and Gimpel, 2016). */
void kernel_gelu(float *x, const float *bias, uint32_t len);
/* x = norm(x + bias + residual) * weight + shift; bias and residual may be NULL (Ba et al., "Layer Normalization", 2016). */
void kernel_norm(float *x, const float *bias, const float *residual, const float *weight, const float *shift,
                 float epsilon, uint32_t len);
/* x = softmax(x * scale); any length. `x` has room up to the next multiple of 8. */
void kernel_softmax(float *x, float scale, uint32_t len);

#endif
