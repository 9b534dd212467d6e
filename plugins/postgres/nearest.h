/* nearest.h - vectors in the database, where it has pgvector (nearest.c). */
#ifndef PLUGINS_POSTGRES_NEAREST_H
#define PLUGINS_POSTGRES_NEAREST_H

#include "backend.h"

/* Looks whether the database has the extension, installs it where it can be, and makes the tables. Without it self->vector stays empty, and the index
 * has the vectors. c: outside of a transaction. */
int32_t nearest_open(quipu_backend *self, connection *c, quipu_error *error);

/* The embedder's model as the database knows it. */
typedef struct nearest_model {
    const quipu_embed_service *embedder;
    quipu_model model;
    char digits[41]; /* of the hash of its id and dimension */
} nearest_model;

/* Errors: UNSUPPORTED where there is no embedder, the embedder's. */
int32_t nearest_model_of(quipu_backend *self, nearest_model *out, quipu_error *error);
/* Makes the vectors that are missing, as long as `call` says; telling `visit` (or NULL) after each batch. */
int32_t nearest_embed(quipu_backend *self, const nearest_model *m, quipu_vectors_fn visit, void *context,
                      const quipu_call *call, quipu_error *error);
/* Appends what a statement needs to order `records r` by their likeness to the vector in parameter `place` (a text): a join, and the order. With `exact`
 * every vector is looked at. */
void nearest_join(const quipu_backend *self, const nearest_model *m, buffer *sql);
void nearest_order(const quipu_backend *self, const nearest_model *m, int place, bool exact, buffer *sql);
/* The text form of a vector. */
void nearest_print(const float *vector, uint32_t dimension, buffer *out);
/* Adds the vectors of these states' records to an index. */
int32_t nearest_fetch(quipu_backend *self, const nearest_model *m, const int64_t *states, size_t count,
                      const quipu_call *call, record_index *into, quipu_error *error);

/* As ext/vectors.h. */
int32_t nearest_state(quipu_backend *self, quipu_vectors_state *out, const quipu_call *call, quipu_error *error);

#endif
