/* search_vectors.c - see search_bench.h: the vector index, exact and by partitions, beside the bare cblas_sgemv. */
#include "search_bench.h"

#include <cblas.h>
#include <sdk/vector_index.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { K = 10, BATCH = 64, ROUNDS = 5, FILTER_ONE_IN = 10000 };

static void check(const char *what, int32_t rc)
{
    if (rc != QUIPU_OK)
        bench_stop(what, "failed");
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

/* Keys that say which row it is. */
static void key_of(uint32_t i, uint8_t key[VECTOR_KEY])
{
    memset(key, 0, VECTOR_KEY);
    for (int n = 0; n < 4; n++)
        key[n] = (uint8_t)((i * 2654435761u) >> (8 * n)); /* spread, as hashes are */
    memcpy(key + 4, &i, sizeof i);
}

static uint32_t row_number(const vector_view *v, uint32_t row)
{
    uint32_t i;
    memcpy(&i, vector_view_key(v, row) + 4, sizeof i);
    return i;
}

typedef struct answers {
    uint32_t *rows; /* K for each question */
} answers;

/* Seconds a question. got: the rows found, or NULL. */
static double ask(const vector_view *view, const bench_vectors *v, const vector_search *how, uint32_t batch,
                  uint32_t questions, answers *got)
{
    vectors_match found[BATCH * K];
    uint32_t counts[BATCH];
    double spent = 0;
    for (uint32_t i = 0; i + batch <= questions; i += batch) {
        double begin = bench_processor();
        check("search", vector_view_search(view, v->questions + (size_t)i * v->dimension, batch, v->dimension, how,
                                           found, counts, NULL, NULL));
        spent += bench_processor() - begin;
        for (uint32_t n = 0; got && n < batch; n++)
            for (uint32_t k = 0; k < counts[n]; k++)
                got->rows[(size_t)(i + n) * K + k] = row_number(view, found[n * K + k].row);
    }
    uint32_t asked = questions / batch * batch;
    return spent / asked;
}

static double recall_of(const answers *got, const answers *truth, uint32_t questions)
{
    uint32_t hits = 0;
    for (uint32_t q = 0; q < questions; q++)
        for (uint32_t i = 0; i < K; i++)
            for (uint32_t j = 0; j < K; j++)
                hits += got->rows[q * K + i] == truth->rows[q * K + j];
    return (double)hits / ((double)questions * K);
}

/* Seconds of one bare product of the whole matrix with a question. */
static double bare(const bench_vectors *v, uint32_t i, float *scores)
{
    double begin = bench_processor();
    cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)v->count, (int)v->dimension, 1.0f, v->rows, (int)v->dimension,
                v->questions + (size_t)i * v->dimension, 1, 0.0f, scores, 1);
    return bench_processor() - begin;
}

static double measure_exact(const bench_vectors *v, const vector_view *view)
{
    double single[ROUNDS], many[ROUNDS], blas[ROUNDS], ratio[ROUNDS];
    float *scores = malloc(v->count * sizeof *scores);
    vector_search how = { .k = K, .exact = true };
    if (!scores)
        bench_stop("memory", "none left");
    for (uint32_t i = 0; i < ROUNDS; i++) { /* in turns, so that what disturbs one disturbs the other */
        blas[i] = 0;
        for (uint32_t n = 0; n < 5; n++)
            blas[i] += bare(v, n, scores) / 5;
        single[i] = ask(view, v, &how, 1, 5, NULL);
        many[i] = ask(view, v, &how, BATCH, BATCH, NULL);
        ratio[i] = single[i] / blas[i];
    }
    free(scores);
    bench_value("bare cblas_sgemv", 1 / median(blas, ROUNDS), "queries/s", -1);
    bench_value("exact, one", 1 / median(single, ROUNDS), "queries/s", 1);
    bench_value("exact, 64 at once", 1 / median(many, ROUNDS), "queries/s", 1);
    bench_ratio("time of exact, one", "bare cblas_sgemv", median(ratio, ROUNDS), 1.15);
    return median(single, ROUNDS);
}

static void measure_filter(const bench_vectors *v, const vector_view *view, double unfiltered)
{
    uint32_t *admitted = calloc(vector_view_rows(view) / 32 + 1, sizeof *admitted), questions = v->asked;
    answers got = { calloc((size_t)questions * K, sizeof(uint32_t)) },
            truth = { calloc((size_t)questions * K, sizeof(uint32_t)) };
    if (!admitted || !got.rows || !truth.rows)
        bench_stop("memory", "none left");
    for (uint32_t row = 7; row < vector_view_rows(view); row += FILTER_ONE_IN)
        admitted[row / 32] |= 1u << (row % 32);
    vector_search how = { .k = K, .admitted = admitted };
    double spent = ask(view, v, &how, 1, questions, &got);
    how.exact = true;
    ask(view, v, &how, 1, questions < 20 ? questions : 20, &truth);
    double recall = recall_of(&got, &truth, questions < 20 ? questions : 20);
    bench_value("filter that keeps 1 in 10,000", 1 / spent, "queries/s", v->count / FILTER_ONE_IN >= K ? recall : -1);
    bench_ratio("filter that keeps 1 in 10,000", "no filter, speed", unfiltered / spent, 1);
    free(admitted);
    free(got.rows);
    free(truth.rows);
}

static double measure_partitions(const bench_vectors *v, const vector_view *view, double exact)
{
    static const float efforts[] = { 0.25f, 0.5f, 1, 2, 4 };
    answers truth = { calloc((size_t)v->asked * K, sizeof(uint32_t)) },
            got = { calloc((size_t)v->asked * K, sizeof(uint32_t)) };
    vector_search how = { .k = K, .exact = true };
    double usual = 0;
    if (!truth.rows || !got.rows)
        bench_stop("memory", "none left");
    ask(view, v, &how, 1, v->asked, &truth);
    for (size_t i = 0; i < sizeof efforts / sizeof efforts[0]; i++) {
        double spent[ROUNDS];
        char subject[60];
        how = (vector_search){ .k = K, .effort = efforts[i] };
        for (int round = 0; round < ROUNDS; round++)
            spent[round] = ask(view, v, &how, 1, v->asked, &got);
        double middle = median(spent, ROUNDS);
        snprintf(subject, sizeof subject, "partitions, effort %g", (double)efforts[i]);
        bench_value(subject, 1 / middle, "queries/s", recall_of(&got, &truth, v->asked));
        if (efforts[i] == 1) {
            usual = middle;
            bench_ratio("partitions, speed", "exact, one", exact / middle, 50);
        }
    }
    free(got.rows);
    free(truth.rows);
    return usual;
}

/* In RAM where there is no folder; rows a second, training, encoding and writing included. */
static vector_index *fill(const bench_vectors *v, const char *folder, const char *subject)
{
    vector_index *ix = NULL;
    check("open",
          vector_index_open(folder, "vectors", false, (quipu_str){ "bench", 5 }, v->dimension, &ix, NULL, NULL));
    double begin = bench_processor();
    for (uint32_t i = 0; i < v->count; i++) {
        uint8_t key[VECTOR_KEY];
        key_of(i, key);
        check("add", vector_index_add(ix, key, v->rows + (size_t)i * v->dimension, v->dimension, NULL));
    }
    double added = bench_processor();
    check("settle", vector_index_settle(ix, NULL, NULL));
    double settled = bench_processor();
    bench_value(subject, v->count / (settled - begin), "rows/s", -1);
    printf("{\"bench\":\"search\",\"note\":\"adding took %.2f s, settling %.2f s\"}\n", added - begin, settled - added);
    return ix;
}

void bench_search_vectors(const bench_vectors *v, const char *folder)
{
    vector_index_stats stats;
    vector_view *view = NULL;
    vectors_set_threads(1); /* this process is the benchmark's own */
    vector_index *ix = fill(v, folder, "insertion");
    vector_index_describe(ix, &stats);
    printf("{\"bench\":\"search\",\"note\":\"%u rows of %u floats, %llu partitions, kernel %s\"}\n", v->count,
           v->dimension, (unsigned long long)stats.partitions, stats.kernel);
    bench_ratio("memory beyond the floats", "the floats", (double)stats.overhead / (double)stats.floats, 0.35);
    check("view", vector_index_view(ix, &view, NULL));
    double exact = measure_exact(v, view), usual = measure_partitions(v, view, exact);
    measure_filter(v, view, usual);
    vector_view_free(view);
    vector_index_free(ix);
    double begin = bench_processor();
    check("open",
          vector_index_open(folder, "vectors", false, (quipu_str){ "bench", 5 }, v->dimension, &ix, NULL, NULL));
    bench_value("opening again", 1e3 * (bench_processor() - begin), "ms", -1);
    vector_index_free(ix);
}
