/*
 * blas.h - inner products by BLAS in tiles, on the calling thread alone: the one door to cblas.h.
 *
 * One question goes by sdot from row to row where rows are long: OpenBLAS 0.3.21 reads 200,000 x 384 floats so in 19.5 ms, in 32 ms by
 * sgemv, and a row's score is the same whether it is scored alone or among all. Many questions go by sgemm.
 *
 * How many threads OpenBLAS takes is a setting of the whole process, and belongs to the host, who may be multiplying in another
 * thread at this moment. So it is never changed here: where it is not 1 already, tiles are so small that OpenBLAS does not
 * divide them. (Setting it for a call and back is a race; so is it with two searches at once.)
 */
#ifndef SDK_VECTORS_BLAS_H
#define SDK_VECTORS_BLAS_H

#include <stdint.h>

/* scores[i] = question . row i. */
void blas_scores(const float *rows, uint32_t count, uint32_t dimension, const float *question, float *scores);
/* scores[i * questions + j] = row i . question j. */
void blas_scores_many(const float *rows, uint32_t count, uint32_t dimension, const float *asked, uint32_t questions,
                      float *scores);
float blas_dot(const float *a, const float *b, uint32_t dimension);

#endif
