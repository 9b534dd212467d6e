/*
 * embed_search.c - see embed_bench.h: a question's text to its results, in a store whose records all have their vectors.
 *
 * The records are made of halves of turns of the sample conversation, each pair once. One thread: the embedder's, and the BLAS's.
 */
#include "embed_bench.h"

#include <quipu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOME = 1000, ROUNDS = 5 };

/* The first half of one turn and the second of another, without what JSON would have to escape. */
static void text_of(long i, char *out, size_t room)
{
    const quipu_str *a = &bench_turns[i % BENCH_TURNS], *b = &bench_turns[(i / BENCH_TURNS + i) % BENCH_TURNS];
    uint64_t from = b->len / 2, to = a->len / 2;
    while (to < a->len && a->ptr[to] != ' ')
        to++;
    while (from > 0 && b->ptr[from] != ' ')
        from--;
    size_t len = (size_t)snprintf(out, room, "%.*s%.*s (%ld)", (int)to, a->ptr, (int)(b->len - from), b->ptr + from,
                                  i / BENCH_TURNS);
    for (size_t n = 0; n < len && n < room; n++)
        if (out[n] == '"' || out[n] == '\\')
            out[n] = '\'';
}

static int32_t progress(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    if (isatty(2))
        fprintf(stderr, "\r%llu of %llu vectors", (unsigned long long)done, (unsigned long long)total);
    return 0;
}

static void fill(const char *path, long records)
{
    static char texts[SOME][BENCH_TEXT_MAX / 2];
    quipu_error error = { .struct_size = sizeof error };
    char threads[12];
    snprintf(threads, sizeof threads, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    quipu *q = bench_open_store(path, threads);
    for (long first = 0; first < records; first += SOME) {
        long count = records - first < SOME ? records - first : SOME;
        for (long i = 0; i < count; i++)
            text_of(first + i, texts[i], sizeof texts[i]);
        bench_write_texts(q, texts[0], count, sizeof texts[0], first);
    }
    double begin = bench_now();
    if (quipu_embed_pending(q, progress, NULL, NULL, &error) != QUIPU_OK)
        bench_stop("embed", error.message);
    bench_value("embedding the store's records, every core", (double)records / (bench_now() - begin), "records/s");
    if (quipu_close(q, &error) != QUIPU_OK)
        bench_stop("close", error.message);
}

static int32_t count_bytes(void *context, const void *bytes, uint64_t len)
{
    (void)bytes;
    *(uint64_t *)context += len;
    return 0;
}

static double search(quipu *q, const quipu_str *question, const char *mode)
{
    char request[BENCH_TEXT_MAX];
    uint64_t len = 0;
    quipu_error error = { .struct_size = sizeof error };
    snprintf(request, sizeof request, "{\"query\":\"%.*s\",\"k\":10,\"mode\":\"%s\"}", (int)question->len,
             question->ptr, mode);
    quipu_str text = { request, strlen(request) };
    double begin = bench_now();
    if (quipu_search_json(q, &text, count_bytes, &len, NULL, &error) != QUIPU_OK)
        bench_stop("search", error.message);
    return bench_now() - begin;
}

void bench_text_to_results(const bert *b, const char *folder, long records)
{
    char path[400];
    struct stat is;
    double hybrid[ROUNDS * BENCH_QUESTIONS], words[ROUNDS * BENCH_QUESTIONS], embedding[ROUNDS * BENCH_QUESTIONS];
    double processor[ROUNDS * BENCH_QUESTIONS]; /* what a busy machine spoils least */
    const char *kept = getenv("STORE");
    snprintf(path, sizeof path, "%.300s/store", kept && *kept ? kept : folder);
    if (stat(path, &is) != 0)
        fill(path, records);
    quipu *q = bench_open_store(path, "1");
    search(q, &bench_questions[0], "hybrid");
    for (int i = 0; i < ROUNDS * BENCH_QUESTIONS; i++) {
        const quipu_str *question = &bench_questions[i % BENCH_QUESTIONS];
        embedding[i] = bench_embed(b, question, 1, 1, NULL);
        words[i] = search(q, question, "lexical");
        double begin = bench_processor();
        hybrid[i] = search(q, question, "hybrid");
        processor[i] = bench_processor() - begin;
    }
    bench_value("a question to its results, hybrid, one thread: median",
                1e3 * bench_median(hybrid, ROUNDS * BENCH_QUESTIONS), "ms");
    bench_value("a question to its results, hybrid, one thread: 9 of 10",
                1e3 * hybrid[ROUNDS * BENCH_QUESTIONS * 9 / 10], "ms");
    bench_value("the same in processor time: median", 1e3 * bench_median(processor, ROUNDS * BENCH_QUESTIONS), "ms");
    bench_value("of which its embedding alone: median", 1e3 * bench_median(embedding, ROUNDS * BENCH_QUESTIONS), "ms");
    bench_value("the same by words alone: median", 1e3 * bench_median(words, ROUNDS * BENCH_QUESTIONS), "ms");
    quipu_close(q, NULL);
}
