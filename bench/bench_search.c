/*
 * bench_search.c - searching beside its peers, in one run on the same data.
 *
 *   make bench-search     N=100000 rows, DIM=384 floats, ASKED=200 questions; BASE=FILE QUERIES=FILE: these vectors (raw float32);
 *                         PEERS="faiss hnswlib usearch sqlite-vec" or "" for none; PYTHON=python3, of a venv where they are
 *
 * Prints JSON lines. Figures are of one thread, in processor time.
 */
#include "search_bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static FILE *lines; /* what the peers' script reads */
static char folder[200];

double bench_processor(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void remove_folder(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (folder[0] && system(command) != 0)
        fprintf(stderr, "bench_search: %s is still there\n", folder);
}

void bench_stop(const char *what, const char *why)
{
    fprintf(stderr, "bench_search: %s: %s\n", what, why);
    exit(1);
}

static void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void print(const char *format, ...)
{
    char line[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    printf("%s\n", line);
    fflush(stdout);
    if (lines)
        fprintf(lines, "%s\n", line);
}

void bench_value(const char *subject, double value, const char *unit, double recall)
{
    char more[40] = "";
    if (recall >= 0)
        snprintf(more, sizeof more, ",\"recall\":%.4f", recall);
    print("{\"bench\":\"search\",\"subject\":\"%s\",\"value\":%.5g,\"unit\":\"%s\"%s}", subject, value, unit, more);
}

void bench_ratio(const char *subject, const char *to, double ratio, double wanted)
{
    print("{\"bench\":\"search\",\"subject\":\"%s\",\"ratio_to\":\"%s\",\"ratio\":%.3f,\"wanted\":%g}", subject, to,
          ratio, wanted);
}

void bench_lines_to(const char *at)
{
    char path[300];
    snprintf(path, sizeof path, "%s/ours.jsonl", at);
    lines = fopen(path, "w");
    if (!lines)
        bench_stop(path, "cannot be written");
}

static uint32_t number(const char *name, uint32_t usual)
{
    const char *text = getenv(name);
    long value = text && *text ? atol(text) : (long)usual;
    if (value < 64 || value > 100000000)
        bench_stop(name, "a number from 64 to 100,000,000 is needed");
    return (uint32_t)value;
}

static void run_peers(const bench_vectors *v)
{
    char command[700];
    const char *peers = getenv("PEERS"), *python = getenv("PYTHON"), *source = getenv("SOURCE");
    if (peers && !*peers)
        return;
    fclose(lines);
    lines = NULL;
    bench_write(folder, "base.f32", v->rows, (size_t)v->count * v->dimension * sizeof(float));
    bench_write(folder, "questions.f32", v->questions, (size_t)v->asked * v->dimension * sizeof(float));
    snprintf(command, sizeof command,
             "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 '%.100s' '%.150s/bench/search_peers.py' '%s' %u '%.100s'",
             python ? python : "python3", source ? source : ".", folder, v->dimension,
             peers ? peers : "faiss hnswlib usearch sqlite-vec");
    fflush(stdout);
    if (system(command) != 0)
        bench_stop("search_peers.py", "failed");
}

int main(void)
{
    bench_vectors v;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.90s/quipu-bench-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder))
        bench_stop(folder, "cannot make a folder");
    atexit(remove_folder);
    bench_lines_to(folder);
    bench_vectors_make(&v, number("N", 100000), number("ASKED", 200), number("DIM", 384));
    bench_search_vectors(&v, folder);
    run_peers(&v);
    free(v.rows);
    free(v.questions);
    return 0;
}
