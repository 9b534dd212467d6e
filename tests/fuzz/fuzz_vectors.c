/*
 * fuzz_vectors.c - an image of vectors whose bytes are damaged. The input: triples of two bytes of place and one of value, put
 * into a good image with partitions, and into one without. Whatever is read stays within it, and rows that are found exist.
 */
#include "fuzz.h"

#include <sdk/vectors/run.h>
#include <sdk/vectors/scan.h>
#include <string.h>

enum { ROWS = 8192, DIMENSION = 4, K = 5 };

static char *images[2];
static size_t lens[2];

static void make_image(int which, uint32_t count)
{
    static float rows[ROWS][DIMENSION];
    static uint8_t keys[ROWS][VECTOR_KEY];
    static run_source source[ROWS];
    uint32_t random = 1;
    for (uint32_t i = 0; i < count; i++) {
        for (int j = 0; j < DIMENSION; j++) {
            random = random * 1664525u + 1013904223u;
            rows[i][j] = (float)(random >> 8) / (float)(1u << 23) - 1;
        }
        vectors_normalise(rows[i], DIMENSION, rows[i]);
        memcpy(keys[i], &random, sizeof random);
        source[i] = (run_source){ rows[i], keys[i] };
    }
    void *image = NULL;
    PROMISE(run_build(source, count, DIMENSION, str_of("m"), &image, &lens[which], NULL, NULL) == QUIPU_OK);
    images[which] = image;
}

static void search_run(const run *r, bool exact)
{
    static const float question[DIMENSION] = { 0.5f, -0.5f, 0.5f, 0.5f };
    static float scores[RUN_TILE];
    static uint8_t table[64] __attribute__((aligned(64)));
    vectors_match heap[K];
    top_k best;
    codes_question asked;
    codes_ask(question, DIMENSION, table, &asked);
    top_k_init(&best, heap, K);
    run_search s = { .questions = question,
                     .count = 1,
                     .best = &best,
                     .rows = r->rows,
                     .exact = exact,
                     .effort = 1,
                     .asked = &asked,
                     .scores = scores };
    PROMISE(run_search_all(r, &s, NULL) == QUIPU_OK);
    top_k_finish(&best);
    for (uint32_t i = 0; i < best.count; i++)
        PROMISE(best.heap[i].row < r->rows);
}

static void read_image(const char *image, size_t len)
{
    int32_t rc;
    uint32_t count;
    uint8_t key[VECTOR_KEY] = { 0x80 };
    quipu_str bytes = str_make(image, len);
    run *r = run_open(bytes, str_of("m"), DIMENSION, &rc);
    const run_dead *dead = run_removals(bytes, str_of("m"), DIMENSION, &count);
    PROMISE(!dead || count * sizeof *dead <= len);
    if (!r)
        return;
    search_run(r, true);
    search_run(r, false);
    uint32_t row = run_find(r, key);
    PROMISE(row == VECTORS_NONE || row < r->rows);
    run_leave(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!images[0]) {
        make_image(0, ROWS);
        make_image(1, 40);
    }
    for (int which = 0; which < 2; which++) {
        size_t len = size % 3 && lens[which] > data[size - 1] ? lens[which] - data[size - 1] : lens[which];
        char *copy = aligned_alloc(64, (lens[which] + 63) / 64 * 64);
        PROMISE(copy);
        memcpy(copy, images[which], lens[which]);
        for (size_t i = 0; i + 3 <= size; i += 3) /* the first bytes most of all, then all over it */
            copy[(data[i] | (size_t)data[i + 1] << 8) % (i % 2 ? 256 : lens[which])] = (char)data[i + 2];
        read_image(copy, len);
        free(copy);
    }
    return 0;
}
