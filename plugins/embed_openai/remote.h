/*
 * remote.h - vectors from an endpoint: OpenAI's POST /embeddings, which many servers speak, and Ollama's POST /api/embed.
 *
 *   embed_openai.c  the two embedders and their settings       request.c  texts to requests: batches, what to do where one fails
 *   answer.c        an answer to vectors, or to what is wrong with it
 */
#ifndef EMBED_OPENAI_REMOTE_H
#define EMBED_OPENAI_REMOTE_H

#include <quipu/embedder.h>
#include <pthread.h>
#include <sdk/http.h>
#include <sdk/key.h>
#include <stdatomic.h>
#include <stdbool.h>

#define REMOTE_DIMENSION_MAX 65536u
#define REMOTE_BATCH_MAX 2048u

typedef struct remote {
    bool ollama;
    char *url; /* whole, with /embeddings or /api/embed */
    char *model;
    char *key_from; /* where the key is from, for messages; NULL: no key */
    char *query_prefix, *passage_prefix;
    bool ask_dimension; /* the request says how long the vectors are to be */
    uint32_t batch, attempts;
    uint64_t dimension_given; /* by the settings or the list of known models; 0: the endpoint says */
    atomic_uint dimension;    /* 0: not known yet */
    char *id;                 /* without the dimension */
    char id_text[192];        /* with it, once `dimension` is set */
    pthread_mutex_t lock;     /* of learning the dimension */
    http_client *http;
} remote;

/* The vectors of texts [0, count), unit length each; a text with nothing in it gets zeros without being sent. As
 * quipu_embedder_api.embed. */
int32_t remote_embed(remote *r, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit, void *context,
                     const quipu_call *call, quipu_error *error);
/* Asks for one vector, so that the dimension is known. */
int32_t remote_learn(remote *r, uint32_t attempts, const quipu_call *call, quipu_error *error);
/* Notes the dimension of a vector that came, or refuses one of another length. */
int32_t remote_dimension(remote *r, uint64_t found, quipu_error *error);

/* ---- answer.c ---- */

/* What an answer holds: `count` vectors of `dimension` floats, in the order of the texts, at unit length. */
typedef struct remote_vectors {
    uint64_t dimension;
    float *floats;
} remote_vectors;

/* Reads an answer of status 200 that must hold `count` vectors. Errors: PLUGIN (what is wrong with it), NO_MEMORY. */
int32_t answer_read(const remote *r, const http_answer *answer, uint32_t count, remote_vectors *out,
                    quipu_error *error);
/* The error for any other status, with what the endpoint says about it. */
int32_t answer_fault(const remote *r, const http_answer *answer, quipu_error *error);

#endif
