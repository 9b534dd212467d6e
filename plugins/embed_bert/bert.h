/*
 * bert.h - a BERT sentence encoder: the model in a folder as sentence-transformers publishes it, and texts through it.
 *
 * The network is that of Devlin et al., "BERT" (2018): learned positions, layers of self-attention and feed-forward, a layer
 * norm after each sum, GELU in its erf form. A text's vector is the mean of its tokens' last states, or the first token's, at unit
 * length (Reimers and Gurevych, "Sentence-BERT", 2019).
 *
 *   model.c    the folder: configuration, weights, tokenizer      encode.c   texts to vectors: packing, pooling, threads
 *   layers.c   the network over one packed run of tokens          kernels.c  what is not a matrix product
 *   few_rows.c the matrix products of a short text, where sgemm is slower
 */
#ifndef EMBED_BERT_BERT_H
#define EMBED_BERT_BERT_H

#include <quipu/embedder.h>
#include <sdk/model/safetensors.h>
#include <sdk/model/wordpiece.h>
#include <stdbool.h>
#include <stddef.h>

/* y = x W^T + b, with W of [out, in]. */
typedef struct linear {
    const float *weight, *bias;
    uint32_t in, out;
} linear;

typedef struct layer_norm {
    const float *weight, *bias;
} layer_norm;

typedef struct bert_layer {
    linear query, key, value, attended, inner, outer;
    layer_norm after_attention, after_feed;
} bert_layer;

typedef struct bert {
    safetensors *file;
    wordpiece *tokenizer;
    float **converted; /* tensors that were not stored as F32 */
    size_t converted_count;

    uint32_t hidden, inner, heads, layer_count;
    uint32_t tokens_most; /* of a text, with the two special ones */
    float epsilon;        /* of the layer norms */
    bool first_token;     /* pooling: the first token's state, not the mean */
    uint32_t begin_token, end_token;
    uint32_t vocabulary;

    const float *words, *positions, *types;
    layer_norm after_embedding;
    bert_layer *layers;

    char *query_prefix, *passage_prefix; /* "" for none */
    char *id;                            /* as quipu_model wants it */
} bert;

/* Loads the model of a folder. Errors: NOT_FOUND, CORRUPT, UNSUPPORTED (another architecture; the message says what),
 * NO_MEMORY. query_prefix, passage_prefix: NULL for what the model's own files say. */
int32_t bert_open(const char *folder, const char *query_prefix, const char *passage_prefix, bert **out,
                  quipu_error *error);
void bert_close(bert *b);

/* Texts to vectors of unit length, as quipu_embedder_api.embed; `threads` of them at once at the most. */
int32_t bert_embed(const bert *b, const quipu_array *texts, uint32_t purpose, uint32_t threads, quipu_vector_fn visit,
                   void *context, const quipu_call *call, quipu_error *error);

/* ---- layers.c ---- */

/* Room for one run of the network. */
typedef struct bert_room bert_room;
bert_room *bert_room_create(const bert *b, uint32_t tokens); /* tokens: of a run at the most; NULL without memory */
void bert_room_free(bert_room *room);

/* Several texts packed into one matrix, token by token. */
typedef struct packed_texts {
    const uint32_t *tokens;
    const uint32_t *lengths; /* of each text, in tokens */
    uint32_t count;          /* texts */
    uint32_t total;          /* tokens */
} packed_texts;

/* The last states, [total, hidden], in the room; or NULL when `call` ended it. */
const float *bert_run(const bert *b, bert_room *room, const packed_texts *texts, const quipu_call *call,
                      quipu_error *error);

#endif
