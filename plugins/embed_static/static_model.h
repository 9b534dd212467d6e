/*
 * static_model.h - static embeddings: a vector for each token, and of a text their mean at unit length.
 *
 * Folders as model2vec publishes them (potion and others; tensor "embeddings", and where they are there "weights" and "mapping";
 * unknown tokens do not count), and as sentence-transformers publish a StaticEmbedding (0_StaticEmbedding/, tensor "embedding.weight";
 * unknown tokens count). The table is mapped and read where it lies, whatever it is stored as.
 */
#ifndef EMBED_STATIC_STATIC_MODEL_H
#define EMBED_STATIC_STATIC_MODEL_H

#include <quipu/embedder.h>
#include <sdk/model/safetensors.h>
#include <sdk/model/wordpiece.h>
#include <stdbool.h>

typedef struct static_model {
    safetensors *file;
    wordpiece *tokenizer;
    tensor table;   /* [rows, dimension] */
    float *weights; /* of each token; NULL: all are 1 */
    int64_t *rows;  /* of each token, in the table; NULL: its own number */
    uint32_t dimension, tokens, tokens_most;
    bool keep_unknown;
    char *id; /* as quipu_model wants it */
} static_model;

/* Loads the model of a folder. Errors: NOT_FOUND, CORRUPT, UNSUPPORTED (another tokenizer), NO_MEMORY. */
int32_t static_model_open(const char *folder, static_model **out, quipu_error *error);
void static_model_close(static_model *m); /* NULL is nothing to do */

/* The vector of a text: unit length, or zeros where it has no token. room: of tokens_most numbers; row: of dimension floats. */
void static_model_vector(const static_model *m, quipu_str text, uint32_t *room, float *row, float *out);

#endif
