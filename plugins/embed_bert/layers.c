/* layers.c - see bert.h: the network over one packed run of tokens. */
#include "bert.h"
#include "few_rows.h"
#include "kernels.h"

#include <base/fail.h>
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bert_room {
    float *states;   /* [tokens, hidden] */
    float *mixed;    /* [tokens, 3 hidden]: query, key and value side by side */
    float *attended; /* [tokens, hidden] */
    float *inner;    /* [tokens, inner] */
    float *scores;   /* [most, most rounded up to 8] */
    uint32_t score_stride;
};

/* Whole lines of the cache, so that no two threads share one. */
static float *floats(size_t count)
{
    return aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64);
}

bert_room *bert_room_create(const bert *b, uint32_t tokens)
{
    bert_room *room = calloc(1, sizeof *room);
    uint32_t longest = tokens < b->tokens_most ? tokens : b->tokens_most;
    if (!room)
        return NULL;
    room->score_stride = (longest + 7) / 8 * 8;
    room->states = floats((size_t)tokens * b->hidden);
    room->mixed = floats((size_t)tokens * b->hidden * 3);
    room->attended = floats((size_t)tokens * b->hidden);
    room->inner = floats((size_t)tokens * b->inner);
    room->scores = floats((size_t)longest * room->score_stride);
    if (!room->states || !room->mixed || !room->attended || !room->inner || !room->scores) {
        bert_room_free(room);
        return NULL;
    }
    return room;
}

void bert_room_free(bert_room *room)
{
    if (!room)
        return;
    free(room->states);
    free(room->mixed);
    free(room->attended);
    free(room->inner);
    free(room->scores);
    free(room);
}

/* to = from W^T, without the bias; `stride` of the rows of `to`. */
static void multiply(const linear *l, const float *from, uint32_t rows, float *to, uint32_t stride)
{
    few_rows few = { from, l->weight, to, rows, l->in, l->out, stride };
    if (rows <= few_rows_most(false))
        few_rows_multiply(&few, false);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)l->out, (int)l->in, 1.0f, from, (int)l->in,
                    l->weight, (int)l->in, 0.0f, to, (int)stride);
}

static void add_bias(const linear *l, float *to, uint32_t rows, uint32_t stride)
{
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t j = 0; j < l->out; j++)
            to[(size_t)i * stride + j] += l->bias[j];
}

static void embed_tokens(const bert *b, const packed_texts *texts, float *states)
{
    const uint32_t *token = texts->tokens;
    for (uint32_t i = 0; i < texts->count; i++)
        for (uint32_t position = 0; position < texts->lengths[i]; position++, token++) {
            memcpy(states, b->words + (size_t)*token * b->hidden, b->hidden * sizeof *states);
            kernel_norm(states, b->types, b->positions + (size_t)position * b->hidden, b->after_embedding.weight,
                        b->after_embedding.bias, b->epsilon, b->hidden);
            states += b->hidden;
        }
}

/* One head of one text. */
static void attend_head(const bert *b, bert_room *room, const float *query, float *out, uint32_t len)
{
    int size = (int)(b->hidden / b->heads), stride = (int)b->hidden * 3, scores = (int)room->score_stride;
    const float *key = query + b->hidden, *value = key + b->hidden;
    float scale = 1.0f / sqrtf((float)size);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)len, (int)len, size, 1.0f, query, stride, key, stride,
                0.0f, room->scores, scores);
    for (uint32_t i = 0; i < len; i++)
        kernel_softmax(room->scores + (size_t)i * room->score_stride, scale, len);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)len, size, (int)len, 1.0f, room->scores, scores, value,
                stride, 0.0f, out, (int)b->hidden);
}

static void attend(const bert *b, bert_room *room, const packed_texts *texts)
{
    uint32_t size = b->hidden / b->heads;
    size_t row = 0;
    for (uint32_t i = 0; i < texts->count; i++) {
        for (uint32_t head = 0; head < b->heads; head++)
            attend_head(b, room, room->mixed + row * b->hidden * 3 + head * size,
                        room->attended + row * b->hidden + head * size, texts->lengths[i]);
        row += texts->lengths[i];
    }
}

/* states = norm(from W^T + bias + states). */
static void project_and_norm(const bert *b, const linear *l, const layer_norm *n, const float *from, float *room,
                             float *states, uint32_t rows)
{
    multiply(l, from, rows, room, b->hidden);
    for (uint32_t i = 0; i < rows; i++)
        kernel_norm(room + (size_t)i * b->hidden, l->bias, states + (size_t)i * b->hidden, n->weight, n->bias,
                    b->epsilon, b->hidden);
    memcpy(states, room, (size_t)rows * b->hidden * sizeof *states);
}

static void run_layer(const bert *b, const bert_layer *l, bert_room *room, const packed_texts *texts)
{
    const linear *mix[] = { &l->query, &l->key, &l->value };
    uint32_t rows = texts->total;
    for (uint32_t i = 0; i < 3; i++) {
        multiply(mix[i], room->states, rows, room->mixed + i * b->hidden, 3 * b->hidden);
        add_bias(mix[i], room->mixed + i * b->hidden, rows, 3 * b->hidden);
    }
    attend(b, room, texts);
    project_and_norm(b, &l->attended, &l->after_attention, room->attended, room->mixed, room->states, rows);
    multiply(&l->inner, room->states, rows, room->inner, b->inner);
    for (uint32_t i = 0; i < rows; i++)
        kernel_gelu(room->inner + (size_t)i * b->inner, l->inner.bias, b->inner);
    project_and_norm(b, &l->outer, &l->after_feed, room->inner, room->mixed, room->states, rows);
}

const float *bert_run(const bert *b, bert_room *room, const packed_texts *texts, const quipu_call *call,
                      quipu_error *error)
{
    embed_tokens(b, texts, room->states);
    for (uint32_t i = 0; i < b->layer_count; i++) {
        if (call_check(call, error) != QUIPU_OK)
            return NULL;
        run_layer(b, &b->layers[i], room, texts);
    }
    return room->states;
}
