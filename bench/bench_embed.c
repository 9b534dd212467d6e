/*
 * bench_embed.c - the embedder "bert" with all-MiniLM-L6-v2, beside what publishes it and beside the bare BLAS.
 *
 *   make bench-embed      MODEL=FOLDER (that of `make test-models`), N=100000 records of the store that is searched, PYTHON=python3, of a
 *                         venv with sentence-transformers; ONLY="load batch short memory search" for some; STORE=FOLDER keeps the store
 *
 * Prints JSON lines. Whatever is compared takes turns in one run, and its ratio is the median of the turns' ratios.
 */
#include "embed_bench.h"

#include <quipu.h>
#include <sdk/json.h>
#include <sdk/vectors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

quipu_str bench_turns[BENCH_TURNS], bench_questions[BENCH_QUESTIONS];
const char *bench_model;
static char folder[200];

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double bench_now(void)
{
    return seconds(CLOCK_MONOTONIC);
}

double bench_processor(void)
{
    return seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

void bench_stop(const char *what, const char *why)
{
    fprintf(stderr, "bench_embed: %s: %s\n", what, why);
    exit(1);
}

void bench_value(const char *subject, double value, const char *unit)
{
    printf("{\"bench\":\"embed\",\"subject\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"}\n", subject, value, unit);
    fflush(stdout);
}

void bench_ratio(const char *subject, const char *to, double ratio, double wanted)
{
    printf("{\"bench\":\"embed\",\"subject\":\"%s\",\"ratio_to\":\"%s\",\"ratio\":%.3f,\"wanted\":%g}\n", subject, to,
           ratio, wanted);
    fflush(stdout);
}

void bench_note(const char *text)
{
    printf("{\"bench\":\"embed\",\"note\":\"%s\"}\n", text);
    fflush(stdout);
}

/* ---- texts ---- */

/* The member `name` of each line of a file of the sample conversation. */
static void read_texts(const char *file, const char *name, quipu_str *out, uint32_t most)
{
    char path[400], *line = NULL;
    size_t room = 0;
    ssize_t len;
    const char *source = getenv("SOURCE");
    snprintf(path, sizeof path, "%.300s/examples/conversation/%s", source ? source : ".", file);
    FILE *f = fopen(path, "r");
    if (!f)
        bench_stop(path, "cannot be read");
    uint32_t count = 0;
    while (count < most && (len = getline(&line, &room, f)) > 0) {
        cJSON *tree = NULL;
        const cJSON *text;
        if (json_parse((quipu_str){ line, (uint64_t)len }, &tree, NULL) != QUIPU_OK ||
            !cJSON_IsString(text = cJSON_GetObjectItemCaseSensitive(tree, name)))
            bench_stop(path, "is no file of records");
        char *copy = strdup(text->valuestring);
        out[count++] = (quipu_str){ copy, copy ? strlen(copy) : 0 };
        cJSON_Delete(tree);
    }
    free(line);
    fclose(f);
    if (count < most)
        bench_stop(path, "is shorter than it was");
}

/* ---- embedding ---- */

static int32_t take(void *context, uint64_t index, const float *vector, uint64_t dimension)
{
    if (context)
        memcpy((float *)context + index * dimension, vector, dimension * sizeof *vector);
    return 0;
}

double bench_embed(const bert *b, const quipu_str *texts, uint64_t count, uint32_t threads, float *vectors)
{
    quipu_error error = { .struct_size = sizeof error };
    quipu_array array = { texts, count, sizeof *texts };
    double begin = bench_now();
    if (bert_embed(b, &array, QUIPU_EMBED_PASSAGE, threads, take, vectors, NULL, &error) != QUIPU_OK)
        bench_stop("embed", error.message);
    return bench_now() - begin;
}

static bert *load(void)
{
    quipu_error error = { .struct_size = sizeof error };
    bert *b = NULL;
    double took[BENCH_ROUNDS];
    for (int i = 0; i < BENCH_ROUNDS; i++) {
        bert_close(b);
        double begin = bench_now();
        if (bert_open(bench_model, NULL, NULL, &b, &error) != QUIPU_OK)
            bench_stop("MODEL", error.message);
        took[i] = bench_now() - begin;
    }
    bench_value("loading the model", 1e3 * bench_median(took, BENCH_ROUNDS), "ms");
    return b;
}

static void remove_folder(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (folder[0] && system(command) != 0)
        fprintf(stderr, "bench_embed: %s is still there\n", folder);
}

static void choose_model(void)
{
    static char usual[400];
    const char *build = getenv("BUILD");
    snprintf(usual, sizeof usual, "%.300s/models/all-MiniLM-L6-v2", build ? build : "build");
    bench_model = getenv("MODEL") ? getenv("MODEL") : usual;
}

static bool wanted(const char *part)
{
    const char *only = getenv("ONLY");
    return !only || !*only || strstr(only, part);
}

int main(int argc, char **argv)
{
    const char *temporary = getenv("TMPDIR"), *n = getenv("N");
    long records = n && *n ? atol(n) : 100000;
    vectors_set_threads(1); /* this process is the benchmark's own */
    choose_model();
    read_texts("records.jsonl", "text", bench_turns, BENCH_TURNS);
    read_texts("queries.jsonl", "query", bench_questions, BENCH_QUESTIONS);
    if (argc == 3 && strcmp(argv[1], "memory") == 0) {
        bench_memory_child(argv[2]);
        return 0;
    }
    if (records < 100)
        bench_stop("N", "it must be at least 100");
    snprintf(folder, sizeof folder, "%.90s/quipu-bench-XXXXXX", temporary ? temporary : "/tmp");
    if (!mkdtemp(folder))
        bench_stop(folder, "cannot make a folder");
    atexit(remove_folder);
    bert *b = load();
    if (wanted("short"))
        bench_beside_products(b);
    if (wanted("batch"))
        bench_beside_peer(b);
    if (wanted("memory"))
        bench_memory_of_two(folder);
    if (wanted("search"))
        bench_text_to_results(b, folder, records);
    bert_close(b);
    return 0;
}
