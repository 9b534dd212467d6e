/* storage_records.c - the records of bench_storage, its clock and its lines. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "storage_bench.h"

#include <base/hash.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static const char *const words[] = { "kitchen",  "meeting", "garden", "invoice", "train",  "doctor",
                                     "birthday", "printer", "coffee", "holiday", "school", "bicycle",
                                     "piano",    "river",   "market", "letter" };

static const char *word(long i, int place)
{
    return words[(unsigned long)(i * 2654435761L >> (4 + place)) % (sizeof words / sizeof words[0])];
}

void bench_id(long i, char out[16])
{
    snprintf(out, 16, "r%08ld", i);
}

size_t bench_json(long i, char out[BENCH_JSON_MAX])
{
    return (size_t)snprintf(
        out, BENCH_JSON_MAX,
        "{\n  \"actor\": \"ana\",\n  \"created_at\": \"2026-01-02T03:04:05.%06ldZ\",\n  \"id\": "
        "\"r%08ld\",\n  \"kind\": \"memory\",\n  \"scope\": {\n    \"session\": \"s%ld\",\n    "
        "\"user\": \"ana\"\n  },\n  \"text\": \"note %ld: the %s with the %s was moved to the "
        "morning, because of the %s and the %s\",\n  \"updated_at\": \"2026-01-02T03:04:05.%06ldZ\"\n}\n",
        i % 1000000, i, i / 50, i, word(i, 0), word(i, 5), word(i, 9), word(i, 13), i % 1000000);
}

void bench_path(long i, char out[BENCH_PATH_MAX])
{
    char id[16], digits[4];
    uint8_t digest[32];
    bench_id(i, id);
    hash_sha256(id, strlen(id), digest);
    hex_encode(digest, 2, digits);
    snprintf(out, BENCH_PATH_MAX, "records/%.2s/%.2s/%s.json", digits, digits + 2, id);
}

size_t bench_message(long from, long count, char out[BENCH_JSON_MAX])
{
    int len;
    if (count == 1)
        len = snprintf(out, BENCH_JSON_MAX,
                       "import: note %ld: the %s with the %s was moved\n\nQuipu-Op: import\nQuipu-Id: r%08ld\n"
                       "Quipu-Scope: user=ana; session=s%ld\nQuipu-Source: bench/1\n"
                       "Quipu-Change: 01a1fc299c157a13%016lx\n",
                       from, word(from, 0), word(from, 5), from, from / 50, (unsigned long)from);
    else
        len = snprintf(out, BENCH_JSON_MAX,
                       "import: %ld records\n\nQuipu-Op: import\nQuipu-Count: %ld\nQuipu-Scope: user=ana\n"
                       "Quipu-Source: bench/1\nQuipu-Change: 01a1fc299c157a13%016lx\n",
                       count, count, (unsigned long)from);
    return (size_t)len;
}

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double bench_processor(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double bench_processor_of_children(void)
{
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

void bench_stop(const char *what, const char *why)
{
    fprintf(stderr, "bench_storage: %s: %s\n", what, why);
    exit(1);
}

void bench_value(const char *subject, double value, const char *unit)
{
    printf("{\"bench\":\"storage\",\"subject\":\"%s\",\"value\":%.5g,\"unit\":\"%s\"}\n", subject, value, unit);
    fflush(stdout);
}

void bench_ratio(const char *subject, const char *to, double ratio)
{
    printf("{\"bench\":\"storage\",\"subject\":\"%s\",\"ratio_to\":\"%s\",\"ratio\":%.3f}\n", subject, to, ratio);
    fflush(stdout);
}

void bench_note(const char *text)
{
    printf("{\"bench\":\"storage\",\"note\":\"%s\"}\n", text);
}

double bench_disk(const char *folder)
{
    char command[400], line[64] = "0";
    snprintf(command, sizeof command, "du -sk '%s'", folder);
    FILE *pipe = popen(command, "r");
    if (!pipe || !fgets(line, sizeof line, pipe))
        bench_stop("du", "no answer");
    pclose(pipe);
    return atof(line) * 1024;
}

int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
