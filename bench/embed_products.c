/*
 * embed_products.c - see embed_bench.h: one short question beside the bare sequence of its matrix products.
 *
 * The bare sequence is what any encoder on this BLAS has to call for a text of so many tokens, one after the other, on the model's own
 * weights and with the memory that the layers before have touched: for each layer query, key and value, each head's scores and mixture,
 * the projection, and the two of the feed-forward part; nothing between them.
 */
#include "embed_bench.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 60, TOKENS_MOST = 64 };

typedef struct products {
    float *states, *mixed, *attended, *inner, *scores;
} products;

static float *floats(size_t count)
{
    float *all = aligned_alloc(64, (count * sizeof *all + 63) / 64 * 64);
    if (!all)
        bench_stop("memory", "none left");
    for (size_t i = 0; i < count; i++)
        all[i] = 0.01f * (float)(i % 7);
    return all;
}

static void multiply(const linear *l, const float *from, int rows, float *to, int stride)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, (int)l->out, (int)l->in, 1.0f, from, (int)l->in,
                l->weight, (int)l->in, 0.0f, to, stride);
}

static double bare(const bert *b, const products *p, int rows)
{
    int hidden = (int)b->hidden, size = hidden / (int)b->heads, wide = 3 * hidden;
    double begin = bench_processor();
    for (uint32_t i = 0; i < b->layer_count; i++) {
        const bert_layer *l = &b->layers[i];
        multiply(&l->query, p->states, rows, p->mixed, wide);
        multiply(&l->key, p->states, rows, p->mixed + hidden, wide);
        multiply(&l->value, p->states, rows, p->mixed + 2 * hidden, wide);
        for (int head = 0; head < hidden; head += size) {
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, rows, size, 1.0f, p->mixed + head, wide,
                        p->mixed + hidden + head, wide, 0.0f, p->scores, TOKENS_MOST);
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, size, rows, 1.0f, p->scores, TOKENS_MOST,
                        p->mixed + 2 * hidden + head, wide, 0.0f, p->attended + head, hidden);
        }
        multiply(&l->attended, p->attended, rows, p->mixed, hidden);
        multiply(&l->inner, p->states, rows, p->inner, (int)b->inner);
        multiply(&l->outer, p->inner, rows, p->mixed, hidden);
    }
    return bench_processor() - begin;
}

/* The first question of at most 16 tokens, with [CLS] and [SEP]. */
static const quipu_str *short_question(const bert *b, int *tokens)
{
    uint32_t ids[TOKENS_MOST];
    for (int i = 0; i < BENCH_QUESTIONS; i++) {
        *tokens = (int)wordpiece_encode(b->tokenizer, bench_questions[i], ids, TOKENS_MOST) + 2;
        if (*tokens >= 14 && *tokens <= 16)
            return &bench_questions[i];
    }
    bench_stop("questions", "none has 14 to 16 tokens");
}

void bench_beside_products(const bert *b)
{
    int tokens;
    char subject[80];
    const quipu_str *question = short_question(b, &tokens);
    products p = { floats(TOKENS_MOST * (size_t)b->hidden), floats(TOKENS_MOST * (size_t)b->hidden * 3),
                   floats(TOKENS_MOST * (size_t)b->hidden), floats(TOKENS_MOST * (size_t)b->inner),
                   floats(TOKENS_MOST * (size_t)TOKENS_MOST) };
    double ours[ROUNDS], theirs[ROUNDS], ratios[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        double begin = bench_processor();
        bench_embed(b, question, 1, 1, NULL);
        ours[i] = bench_processor() - begin;
        theirs[i] = bare(b, &p, tokens);
        ratios[i] = ours[i] / theirs[i];
    }
    snprintf(subject, sizeof subject, "one question of %d tokens", tokens);
    bench_value(subject, 1e3 * bench_median(ours, ROUNDS), "ms");
    bench_value("the bare sequence of its products", 1e3 * bench_median(theirs, ROUNDS), "ms");
    bench_ratio("time of one question", "the bare sequence of its products", bench_median(ratios, ROUNDS), 1.3);
    free(p.states);
    free(p.mixed);
    free(p.attended);
    free(p.inner);
    free(p.scores);
}
