/*
 * bench_words.c - blocks of words: building, merging, opening, asking; beside SQLite's FTS5 with the same tokens in the same run.
 *
 * JSON lines; ratios last. Environment: N records (100,000), ASK questions (500).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "words_bench.h"

#include <sdk/words.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = 8 };

typedef struct part {
    buffer bytes;
    words *words;
    uint32_t count;
} part;

static long number(const char *name, long otherwise)
{
    const char *text = getenv(name);
    long n = text ? atol(text) : otherwise;
    if (n < 10)
        words_bench_stop(name, "at least 10 are needed");
    return n;
}

static void value(const char *subject, double x, const char *unit)
{
    printf("{\"bench\":\"words\",\"subject\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"}\n", subject, x, unit);
    fflush(stdout);
}

static void ratio(const char *what, double x)
{
    printf("{\"bench\":\"words\",\"subject\":\"%s\",\"ratio_to\":\"fts5\",\"ratio\":%.3g}\n", what, x);
}

static void check(int32_t rc, const quipu_error *error)
{
    if (rc != QUIPU_OK)
        words_bench_stop("words", error->message);
}

static void open_part(part *p)
{
    quipu_error error = { .struct_size = sizeof error };
    check(words_open(str_make(p->bytes.bytes, p->bytes.len), p->count, &p->words, &error), &error);
}

/* Records from..from+count-1, in sessions of 20 turns by four speakers. */
static part build(long from, long count)
{
    static const char *const actors[] = { "Ana", "Ben", "Cleo", "Dora" };
    quipu_error error = { .struct_size = sizeof error };
    words_builder *b;
    part p = { .count = (uint32_t)count };
    char text[BENCH_TEXT_MAX], session[24];
    check(words_builder_create(TEXT_ENGLISH, &b, &error), &error);
    for (long i = 0; i < count; i++) {
        long n = from + i;
        snprintf(session, sizeof session, "s%ld", n / 20);
        quipu_record r = { .struct_size = sizeof r, .user = str_of("ana"), .seq = n, .created_at = n * 60000000 };
        r.text = str_make(text, words_bench_text(n, text));
        r.json = str_of("{}\n");
        r.session = str_of(session);
        r.actor = str_of(actors[n / 20 % 2 * 2 + n % 2]);
        check(words_builder_add(b, (uint32_t)i, &r, &error), &error);
    }
    check(words_builder_finish(b, &p.bytes, &error), &error);
    words_builder_free(b);
    open_part(&p);
    return p;
}

static part merge(const part *parts, uint32_t count)
{
    quipu_error error = { .struct_size = sizeof error };
    part p = { 0 };
    const words *from[PARTS];
    const uint32_t *renumber[PARTS];
    uint32_t *numbers = malloc(count * sizeof *numbers);
    if (!numbers)
        words_bench_stop("merge", "no memory");
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = i;
    for (int i = 0; i < PARTS; i++) {
        from[i] = parts[i].words;
        renumber[i] = numbers + p.count;
        p.count += parts[i].count;
    }
    check(words_merge(from, renumber, PARTS, p.count, &p.bytes, &error), &error);
    free(numbers);
    open_part(&p);
    return p;
}

static void ask(const part *parts, size_t count, uint32_t flags, long n, long questions, double *seconds)
{
    words_part those[PARTS];
    quipu_error error = { .struct_size = sizeof error };
    char text[BENCH_TEXT_MAX] = "";
    uint64_t *alive = malloc(((size_t)n / 64 + 1) * sizeof *alive);
    if (!alive)
        words_bench_stop("ask", "no memory");
    memset(alive, 0xff, ((size_t)n / 64 + 1) * sizeof *alive);
    for (size_t i = 0; i < count; i++)
        those[i] = (words_part){ .words = parts[i].words, .alive = alive, .documents = parts[i].count };
    for (long i = 0; i < questions; i++) {
        words_answer *a;
        double begin = words_bench_now();
        words_question q = { .text = { text, words_bench_question(i, n, text) }, .k = 10, .flags = flags };
        check(words_rank(those, count, &q, &a, NULL, &error), &error);
        words_answer_free(a);
        seconds[i] = words_bench_now() - begin;
    }
    free(alive);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Sorts; prints p50 and p99; gives p50. */
static double show(const char *subject, double *seconds, long count)
{
    char name[64];
    qsort(seconds, (size_t)count, sizeof *seconds, compare);
    snprintf(name, sizeof name, "%s p50", subject);
    value(name, seconds[count / 2] * 1e6, "us");
    snprintf(name, sizeof name, "%s p99", subject);
    value(name, seconds[count * 99 / 100] * 1e6, "us");
    return seconds[count / 2];
}

int main(void)
{
    long n = number("N", 100000) / PARTS * PARTS, questions = number("ASK", 500);
    part parts[PARTS];
    double *seconds = malloc((size_t)questions * sizeof *seconds), peer_build = 0;
    if (!seconds)
        words_bench_stop("bench", "no memory");
    value("records", (double)n, "records");
    double begin = words_bench_now();
    part whole = build(0, n);
    double took = words_bench_now() - begin;
    value("build", (double)n / took, "records/s");
    value("block", (double)whole.bytes.len / (double)n, "bytes/record");
    for (int i = 0; i < PARTS; i++)
        parts[i] = build(n / PARTS * i, n / PARTS);
    begin = words_bench_now();
    part merged = merge(parts, (uint32_t)n);
    value("merge of 8", (double)n / (words_bench_now() - begin), "records/s");
    begin = words_bench_now();
    words_free(merged.words);
    open_part(&merged);
    value("open", (words_bench_now() - begin) * 1e6, "us");
    ask(parts, PARTS, 0, n, questions, seconds);
    show("question, 8 parts", seconds, questions);
    ask(&merged, 1, WORDS_PLAIN, n, questions, seconds);
    show("question, words alone", seconds, questions);
    ask(&merged, 1, 0, n, questions, seconds);
    double own = show("question", seconds, questions);
    if (words_peer_fts5(n, questions, &peer_build, seconds)) {
        value("fts5 build", (double)n / peer_build, "records/s");
        double peer = show("fts5 question", seconds, questions);
        ratio("question p50, time of the peer", peer / own);
        ratio("build, time of the peer", peer_build / took);
    }
    return 0;
}
