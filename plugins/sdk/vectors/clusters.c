/* clusters.c - see clusters.h. */
#include "clusters.h"

#include "blas.h"

#include <base/fail.h>
#include <stdlib.h>
#include <string.h>

enum {
    EARLY = 4,      /* iterations on a quarter of the sample: the centres' first steps are large, and need no more */
    LATE = 3,       /* on all of it */
    SAMPLE = 64,    /* rows of the sample for each cluster */
    ROWS_TILE = 256 /* rows that one product is of; its other side is a tile of centres */
};
#define CENTRES_TILE 256u

typedef struct assigner {
    const row_source *rows;
    uint32_t clusters;
    float *halves;   /* |c|^2 / 2 of each centre */
    float *tile;     /* ROWS_TILE rows, together */
    float *products; /* of a tile of centres with a tile of rows */
} assigner;

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to divide vectors into partitions");
}

static void assigner_finish(assigner *t)
{
    free(t->halves);
    free(t->tile);
    free(t->products);
}

static int32_t assigner_init(assigner *t, const row_source *rows, uint32_t clusters, quipu_error *error)
{
    *t = (assigner){ .rows = rows, .clusters = clusters };
    t->halves = malloc(clusters * sizeof *t->halves);
    t->tile = malloc((size_t)ROWS_TILE * rows->dimension * sizeof *t->tile);
    t->products = malloc((size_t)ROWS_TILE * CENTRES_TILE * sizeof *t->products);
    if (t->halves && t->tile && t->products)
        return QUIPU_OK;
    assigner_finish(t);
    return no_memory(error);
}

static void measure_centres(assigner *t, const float *centres)
{
    uint32_t dimension = t->rows->dimension;
    for (uint32_t c = 0; c < t->clusters; c++) {
        const float *centre = centres + (size_t)c * dimension;
        t->halves[c] = blas_dot(centre, centre, dimension) / 2;
    }
}

/* The nearest centre of each row of the tile. */
static void assign_tile(assigner *t, const float *centres, uint32_t count, uint32_t *nearest)
{
    float best[ROWS_TILE];
    uint32_t dimension = t->rows->dimension;
    for (uint32_t first = 0; first < t->clusters; first += CENTRES_TILE) {
        uint32_t some = t->clusters - first < CENTRES_TILE ? t->clusters - first : CENTRES_TILE;
        blas_scores_many(t->tile, count, dimension, centres + (size_t)first * dimension, some, t->products);
        for (uint32_t i = 0; i < count; i++) {
            const float *products = t->products + (size_t)i * some;
            float high = first ? best[i] : -3e38f;
            uint32_t at = first ? nearest[i] : 0;
            for (uint32_t c = 0; c < some; c++)
                if (products[c] - t->halves[first + c] > high) {
                    high = products[c] - t->halves[first + c];
                    at = first + c;
                }
            best[i] = high;
            nearest[i] = at;
        }
    }
}

static int32_t assign_all(assigner *t, const float *centres, uint32_t *nearest, const quipu_call *call,
                          quipu_error *error)
{
    const row_source *rows = t->rows;
    measure_centres(t, centres);
    for (uint32_t first = 0; first < rows->count; first += ROWS_TILE) {
        uint32_t count = rows->count - first < ROWS_TILE ? rows->count - first : ROWS_TILE;
        int32_t rc = call_check(call, error);
        if (rc != QUIPU_OK)
            return rc;
        for (uint32_t i = 0; i < count; i++)
            memcpy(t->tile + (size_t)i * rows->dimension, rows->row(rows->context, first + i),
                   rows->dimension * sizeof(float));
        assign_tile(t, centres, count, nearest + first);
    }
    return QUIPU_OK;
}

int32_t clusters_assign(const row_source *rows, const float *centres, uint32_t clusters, uint32_t *nearest,
                        const quipu_call *call, quipu_error *error)
{
    assigner t;
    int32_t rc = assigner_init(&t, rows, clusters, error);
    if (rc != QUIPU_OK)
        return rc;
    rc = assign_all(&t, centres, nearest, call, error);
    assigner_finish(&t);
    return rc;
}

/* ---- training ---- */

typedef struct sample {
    const row_source *all;
    uint32_t count;
} sample;

static const float *sample_row(const void *context, uint32_t i)
{
    const sample *s = context;
    uint64_t of = s->count ? s->count : 1;
    return s->all->row(s->all->context, (uint32_t)((uint64_t)i * s->all->count / of));
}

static void add_row(float *sum, const float *row, uint32_t dimension)
{
    for (uint32_t i = 0; i < dimension; i++)
        sum[i] += row[i];
}

/* Centres become the means of their rows. One without rows takes half of the largest: a copy, moved a little. */
static void move_centres(const row_source *rows, const uint32_t *nearest, uint32_t clusters, float *centres,
                         uint32_t *sizes)
{
    uint32_t dimension = rows->dimension;
    memset(sizes, 0, clusters * sizeof *sizes);
    memset(centres, 0, (size_t)clusters * dimension * sizeof *centres);
    for (uint32_t i = 0; i < rows->count; i++) {
        sizes[nearest[i]]++;
        add_row(centres + (size_t)nearest[i] * dimension, rows->row(rows->context, i), dimension);
    }
    for (uint32_t c = 0; c < clusters; c++)
        for (uint32_t i = 0; sizes[c] && i < dimension; i++)
            centres[(size_t)c * dimension + i] /= (float)sizes[c];
    for (uint32_t c = 0; c < clusters; c++) {
        uint32_t largest = 0;
        for (uint32_t o = 0; sizes[c] == 0 && o < clusters; o++)
            largest = sizes[o] > sizes[largest] ? o : largest;
        if (sizes[c] > 0 || sizes[largest] < 2)
            continue;
        for (uint32_t i = 0; i < dimension; i++) {
            float *from = centres + (size_t)largest * dimension + i, by = i % 2 ? 1.0f / 1024 : -1.0f / 1024;
            centres[(size_t)c * dimension + i] = *from * (1 + by);
            *from *= 1 - by;
        }
        sizes[c] = sizes[largest] / 2;
        sizes[largest] -= sizes[c];
    }
}

/* One iteration on `count` rows. */
static int32_t train_on(const row_source *rows, uint32_t count, uint32_t clusters, float *centres, uint32_t *nearest,
                        uint32_t *sizes, const quipu_call *call, quipu_error *error)
{
    sample s = { rows, count };
    row_source sampled = { sample_row, &s, count, rows->dimension };
    int32_t rc = clusters_assign(&sampled, centres, clusters, nearest, call, error);
    if (rc == QUIPU_OK)
        move_centres(&sampled, nearest, clusters, centres, sizes);
    return rc;
}

int32_t clusters_train(const row_source *rows, uint32_t clusters, float *centres, const quipu_call *call,
                       quipu_error *error)
{
    if (clusters == 0)
        return QUIPU_OK;
    sample s = { rows, rows->count / SAMPLE > clusters ? clusters * SAMPLE : rows->count };
    uint32_t few = s.count / 4 / 8 >= clusters ? s.count / 4 : s.count; /* a mean of fewer than eight says little */
    uint32_t *nearest = malloc((s.count ? s.count : 1) * sizeof *nearest);
    uint32_t *sizes = malloc(clusters * sizeof *sizes);
    int32_t rc = nearest && sizes ? QUIPU_OK : no_memory(error);
    for (uint32_t c = 0; rc == QUIPU_OK && c < clusters; c++)
        memcpy(centres + (size_t)c * rows->dimension, sample_row(&s, (uint32_t)((uint64_t)c * s.count / clusters)),
               rows->dimension * sizeof(float));
    for (int i = 0; rc == QUIPU_OK && i < EARLY + LATE; i++)
        rc = train_on(rows, i < EARLY ? few : s.count, clusters, centres, nearest, sizes, call, error);
    free(nearest);
    free(sizes);
    return rc;
}
