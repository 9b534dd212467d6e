/*
 * search_data.c - see search_bench.h: seeded vectors that are as hard to search as embeddings of short texts.
 *
 * A vector is the middle of its cluster, plus a way within the cluster's own space of 48 directions, plus a little noise in all. The
 * middles lie in a space of 64 directions that all share, so clusters overlap; a few clusters are large and most are small.
 */
#include "search_bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SHARED = 64, OWN = 48, SPACES = 256, ROWS_PER_CLUSTER = 5000, CLUSTERS_LEAST = 16 };

static uint64_t random_state = 1;

/* splitmix64 */
static uint64_t next_random(void)
{
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double uniform(void)
{
    return ((double)(next_random() >> 11) + 0.5) / 9007199254740992.0;
}

/* Normally distributed, by Marsaglia's polar method. */
static float normal(void)
{
    double x, y, s;
    do {
        x = 2 * uniform() - 1;
        y = 2 * uniform() - 1;
        s = x * x + y * y;
    } while (s >= 1 || s == 0);
    return (float)(x * sqrt(-2 * log(s) / s));
}

static void *need(size_t bytes)
{
    void *memory = calloc(1, bytes ? bytes : 1);
    if (!memory)
        bench_stop("memory", "none left");
    return memory;
}

typedef struct mixture {
    uint32_t dimension, clusters;
    float *middles;  /* of each cluster */
    float *spaces;   /* OWN directions, SPACES times */
    double *reaches; /* the share of all rows in this cluster and those before it */
} mixture;

/* Directions of about unit length, one after the other. */
static float *directions(size_t count, uint32_t dimension)
{
    float *all = need(count * dimension * sizeof *all), scale = 1 / sqrtf((float)dimension);
    for (size_t i = 0; i < count * dimension; i++)
        all[i] = normal() * scale;
    return all;
}

static void add_scaled(float *to, const float *direction, float by, uint32_t dimension)
{
    for (uint32_t i = 0; i < dimension; i++)
        to[i] += by * direction[i];
}

static mixture make_mixture(uint32_t rows, uint32_t dimension)
{
    mixture m = { .dimension = dimension, .clusters = rows / ROWS_PER_CLUSTER };
    if (m.clusters < CLUSTERS_LEAST)
        m.clusters = CLUSTERS_LEAST;
    float *shared = directions(SHARED, dimension);
    double sum = 0;
    m.spaces = directions((size_t)SPACES * OWN, dimension);
    m.middles = need((size_t)m.clusters * dimension * sizeof *m.middles);
    m.reaches = need(m.clusters * sizeof *m.reaches);
    for (uint32_t c = 0; c < m.clusters; c++) {
        float *middle = m.middles + (size_t)c * dimension;
        for (uint32_t k = 0; k < SHARED; k++)
            add_scaled(middle, shared + (size_t)k * dimension, 0.5f * normal() / sqrtf(1 + 0.1f * (float)k), dimension);
        for (uint32_t i = 0; i < dimension; i++)
            middle[i] += 0.15f / sqrtf((float)dimension) * normal();
        m.reaches[c] = sum += pow(c + 1, -0.6);
    }
    for (uint32_t c = 0; c < m.clusters; c++)
        m.reaches[c] /= sum;
    free(shared);
    return m;
}

static void draw(const mixture *m, float *out)
{
    double at = uniform(), length = 0;
    uint32_t c = 0;
    while (c + 1 < m->clusters && m->reaches[c] < at)
        c++;
    memcpy(out, m->middles + (size_t)c * m->dimension, m->dimension * sizeof *out);
    const float *space = m->spaces + (size_t)(c % SPACES) * OWN * m->dimension;
    for (uint32_t k = 0; k < OWN; k++)
        add_scaled(out, space + (size_t)k * m->dimension, 0.9f * normal() / sqrtf(1 + 0.15f * (float)k), m->dimension);
    for (uint32_t i = 0; i < m->dimension; i++) {
        out[i] += 0.9f / sqrtf((float)m->dimension) * normal();
        length += (double)out[i] * out[i];
    }
    for (uint32_t i = 0; i < m->dimension; i++)
        out[i] = (float)(out[i] / sqrt(length));
}

static uint32_t read_rows(const char *path, float *out, uint32_t count, uint32_t dimension)
{
    FILE *f = fopen(path, "rb");
    size_t rows = f ? fread(out, dimension * sizeof *out, count, f) : 0;
    if (f)
        fclose(f);
    if (rows == 0)
        bench_stop(path, "no vectors can be read");
    return (uint32_t)rows;
}

void bench_vectors_make(bench_vectors *v, uint32_t count, uint32_t asked, uint32_t dimension)
{
    const char *base = getenv("BASE"), *queries = getenv("QUERIES");
    *v = (bench_vectors){ .count = count, .asked = asked, .dimension = dimension };
    v->rows = need((size_t)count * dimension * sizeof *v->rows);
    v->questions = need((size_t)asked * dimension * sizeof *v->questions);
    if (base && queries) {
        v->count = read_rows(base, v->rows, count, dimension);
        v->asked = read_rows(queries, v->questions, asked, dimension);
        return;
    }
    mixture m = make_mixture(count, dimension);
    for (uint32_t i = 0; i < count; i++)
        draw(&m, v->rows + (size_t)i * dimension);
    for (uint32_t i = 0; i < asked; i++)
        draw(&m, v->questions + (size_t)i * dimension);
    free(m.middles);
    free(m.spaces);
    free(m.reaches);
}

void bench_write(const char *folder, const char *name, const void *bytes, size_t len)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, len, f) != len || fclose(f) != 0)
        bench_stop(path, "cannot be written");
}
