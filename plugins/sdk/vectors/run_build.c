/* run_build.c - see run.h: rows become an image. */
#define _GNU_SOURCE /* getentropy */
#include "blas.h"
#include "clusters.h"
#include "run.h"

#include <base/fail.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct builder {
    const run_source *rows;
    uint32_t count, dimension, partitions;
    const quipu_call *call;
    run_layout at;
    char *image;
    uint32_t *nearest; /* each row's partition */
    uint32_t *order;   /* the source of each row of the image */
} builder;

static int32_t no_memory(uint32_t count, quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to seal %u vectors", count);
}

static void *section(const builder *b, uint64_t at)
{
    return b->image + at;
}

static const float *row_of(const void *context, uint32_t i)
{
    return ((const builder *)context)->rows[i].vector;
}

/* Half of the time of a search goes into the choice of partitions, half into scanning them, when there are about sqrt(rows). */
static uint32_t partitions_for(uint32_t rows, uint32_t dimension)
{
    return rows < VECTOR_INDEX_PARTITIONED || dimension > CODES_DIMENSION_MAX ? 0 : (uint32_t)sqrt((double)rows);
}

/* Centres, norms, starts, and the order of rows: by partition. */
static int32_t divide(builder *b, quipu_error *error)
{
    row_source source = { row_of, b, b->count, b->dimension };
    float *centres = section(b, b->at.centres), *norms = section(b, b->at.norms);
    uint32_t *starts = section(b, b->at.starts);
    int32_t rc = clusters_train(&source, b->partitions, centres, b->call, error);
    if (rc == QUIPU_OK)
        rc = clusters_assign(&source, centres, b->partitions, b->nearest, b->call, error);
    if (rc != QUIPU_OK)
        return rc;
    for (uint32_t p = 0; p < b->partitions; p++)
        norms[p] = blas_dot(centres + (size_t)p * b->dimension, centres + (size_t)p * b->dimension, b->dimension);
    /* Counting sort: starts[p + 1] is first the end of partition p - 1, moves up as its rows are placed, and ends as that of p. */
    memset(starts, 0, (b->partitions + 1) * sizeof *starts);
    for (uint32_t i = 0; i < b->count; i++)
        if (b->nearest[i] + 2 <= b->partitions)
            starts[b->nearest[i] + 2]++;
    for (uint32_t p = 1; p <= b->partitions; p++)
        starts[p] += starts[p - 1];
    for (uint32_t i = 0; i < b->count; i++)
        b->order[starts[b->nearest[i] + 1]++] = i;
    return QUIPU_OK;
}

/* Codes of the rows, which are in their places. scratch: room for three vectors. */
static int32_t encode(const builder *b, const rotation *turn, float *scratch, quipu_error *error)
{
    const uint32_t *starts = section(b, b->at.starts);
    const float *matrix = section(b, b->at.matrix), *centres = section(b, b->at.centres);
    codes_factors *factors = section(b, b->at.factors);
    uint8_t *codes = section(b, b->at.codes);
    size_t row_bytes = b->dimension * sizeof(float);
    float *centre = scratch, *difference = scratch + b->dimension;
    for (uint32_t p = 0; p < b->partitions; p++) {
        int32_t rc = call_check(b->call, error);
        if (rc != QUIPU_OK)
            return rc;
        memcpy(centre, centres + (size_t)p * b->dimension, row_bytes);
        rotation_apply(turn, centre);
        for (uint32_t row = starts[p]; row < starts[p + 1]; row++) {
            memcpy(difference, matrix + (size_t)row * b->dimension, row_bytes);
            rotation_apply(turn, difference);
            for (uint32_t i = 0; i < b->dimension; i++)
                difference[i] -= centre[i];
            codes_encode(difference, centre, b->dimension, codes + row / 32 * codes_block_bytes(b->dimension), row % 32,
                         &factors[row]);
        }
    }
    return QUIPU_OK;
}

static int32_t add_codes(const builder *b, quipu_error *error)
{
    rotation *turn = rotation_new(b->dimension);
    float *scratch = malloc((size_t)2 * b->dimension * sizeof *scratch);
    int32_t rc = turn && scratch ? encode(b, turn, scratch, error) : no_memory(b->count, error);
    free(scratch);
    rotation_free(turn);
    return rc;
}

/* ---- keys in order ---- */

typedef struct keyed {
    const uint8_t *key;
    uint32_t row;
} keyed;

static int by_key(const void *a, const void *b)
{
    return memcmp(((const keyed *)a)->key, ((const keyed *)b)->key, VECTOR_KEY);
}

static int32_t sort_keys(const builder *b, quipu_error *error)
{
    const uint8_t *keys = section(b, b->at.keys);
    uint32_t *sorted = section(b, b->at.by_key);
    keyed *all = malloc(((size_t)b->count + 1) * sizeof *all);
    if (!all)
        return no_memory(b->count, error);
    for (uint32_t row = 0; row < b->count; row++)
        all[row] = (keyed){ keys + (size_t)row * VECTOR_KEY, row };
    qsort(all, b->count, sizeof *all, by_key);
    for (uint32_t i = 0; i < b->count; i++)
        sorted[i] = all[i].row;
    free(all);
    return QUIPU_OK;
}

/* ---- the whole ---- */

/* An image with its header and model, the rest zeroes. */
static int32_t begin_image(run_header *h, quipu_str model, run_layout *at, char **image, quipu_error *error)
{
    memcpy(h->magic, "quipuV1", sizeof h->magic);
    h->model_len = (uint32_t)model.len;
    if (!run_lay_out(h, at))
        return fail(error, QUIPU_E_TOO_LARGE, NULL, "an image of vectors cannot hold %u rows", h->rows);
    if (getentropy(&h->id, sizeof h->id) != 0)
        return fail(error, QUIPU_E_IO, NULL, "there are no random bytes to name vectors with");
    void *bytes = NULL;
    if (at->end > SIZE_MAX || posix_memalign(&bytes, 64, (size_t)at->end) != 0)
        return no_memory(h->rows, error);
    memset(bytes, 0, (size_t)at->end);
    memcpy(bytes, h, sizeof *h);
    *image = bytes;
    memcpy(*image + at->model, model.ptr, (size_t)model.len);
    return QUIPU_OK;
}

static int32_t fill(builder *b, quipu_error *error)
{
    int32_t rc = QUIPU_OK;
    b->nearest = malloc(b->count * sizeof *b->nearest);
    b->order = malloc(b->count * sizeof *b->order);
    if (!b->nearest || !b->order)
        return no_memory(b->count, error);
    if (b->partitions)
        rc = divide(b, error);
    for (uint32_t row = 0; rc == QUIPU_OK && row < b->count; row++) {
        const run_source *from = &b->rows[b->partitions ? b->order[row] : row];
        size_t floats = b->dimension * sizeof(float);
        memcpy(b->image + b->at.matrix + (size_t)row * floats, from->vector, floats);
        memcpy(b->image + b->at.keys + (size_t)row * VECTOR_KEY, from->key, VECTOR_KEY);
    }
    if (rc == QUIPU_OK)
        rc = sort_keys(b, error);
    if (rc == QUIPU_OK && b->partitions)
        rc = add_codes(b, error);
    return rc;
}

int32_t run_build(const run_source *rows, uint32_t count, uint32_t dimension, quipu_str model, void **out, size_t *len,
                  const quipu_call *call, quipu_error *error)
{
    builder b = { .rows = rows,
                  .count = count,
                  .dimension = dimension,
                  .partitions = partitions_for(count, dimension),
                  .call = call };
    run_header h = { .kind = RUN_KIND_ROWS, .dimension = dimension, .rows = count, .partitions = b.partitions };
    int32_t rc = begin_image(&h, model, &b.at, &b.image, error);
    if (rc == QUIPU_OK)
        rc = fill(&b, error);
    free(b.nearest);
    free(b.order);
    if (rc != QUIPU_OK) {
        free(b.image);
        return rc;
    }
    *out = b.image;
    *len = (size_t)b.at.end;
    return QUIPU_OK;
}

int32_t run_build_removals(run *const *runs, size_t count, uint32_t dimension, quipu_str model, void **out, size_t *len,
                           quipu_error *error)
{
    run_header h = { .kind = RUN_KIND_DEAD, .dimension = dimension };
    run_layout at;
    char *image = NULL;
    for (size_t i = 0; i < count; i++)
        for (uint32_t row = 0; row < runs[i]->rows; row++)
            h.rows += run_is_dead(runs[i], row);
    *out = NULL;
    *len = 0;
    if (h.rows == 0)
        return QUIPU_OK;
    int32_t rc = begin_image(&h, model, &at, &image, error);
    if (rc != QUIPU_OK)
        return rc;
    run_dead *dead = (run_dead *)(void *)(image + at.matrix);
    uint32_t filled = 0; /* others may kill meanwhile: those are in the next one */
    for (size_t i = 0; i < count; i++)
        for (uint32_t row = 0; row < runs[i]->rows && filled < h.rows; row++)
            if (run_is_dead(runs[i], row))
                dead[filled++] = (run_dead){ .id = runs[i]->id, .row = row };
    *out = image;
    *len = (size_t)at.end;
    return QUIPU_OK;
}
