/*
 * clusters.h - k-means by matrix products: rows to the nearest of some centres.
 *
 * Lloyd's iterations ("Least squares quantization in PCM", 1982) on a sample; a distance is |c|^2 - 2 row . c, so that all of a tile's
 * come from one sgemm.
 */
#ifndef SDK_VECTORS_CLUSTERS_H
#define SDK_VECTORS_CLUSTERS_H

#include <quipu/host.h>
#include <stdint.h>

/* Rows that need not lie together: row(context, i) for i below count, each of `dimension` floats, alive throughout. */
typedef struct row_source {
    const float *(*row)(const void *context, uint32_t i);
    const void *context;
    uint32_t count, dimension;
} row_source;

/* Writes `clusters` centres; the sample is spread evenly over the rows. clusters is at most rows->count. The same rows give
 * the same centres. */
int32_t clusters_train(const row_source *rows, uint32_t clusters, float *centres, const quipu_call *call,
                       quipu_error *error);
/* nearest[i]: the centre nearest to row i. */
int32_t clusters_assign(const row_source *rows, const float *centres, uint32_t clusters, uint32_t *nearest,
                        const quipu_call *call, quipu_error *error);

#endif
