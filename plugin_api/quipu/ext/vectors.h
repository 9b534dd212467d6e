/*
 * ext/vectors.h - "quipu.vectors/1": which vectors a store has, and making those that are still to be made.
 *
 * A write needs no vector: it is durable, and found by its words, at once. Its vector is pending until the embedder that the host
 * offers has made it, which a backend does in the background, a search as far as it can, and embed to the end. Vectors are kept for each model
 * apart, so that those of another model stay whole while new ones are made, and what was made is not made again after an interruption. What is
 * pending follows from what is stored, so that it outlives restarts.
 */
#ifndef QUIPU_EXT_VECTORS_H
#define QUIPU_EXT_VECTORS_H

#include "../backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Lent by the caller with struct_size set; filled on success. */
typedef struct quipu_vectors_state {
    uint32_t struct_size;
    uint32_t dimension; /* floats of a vector */
    quipu_str model;    /* the id of the embedder's model; the embedder's until it closes */
    uint64_t passages;  /* records that have a text */
    uint64_t pending;   /* of these, whose vector by this model is still to be made */
    uint64_t vectors;   /* of this model, those of earlier texts among them */
    int64_t failed_at;  /* when making them failed last, microseconds since 1970; 0: the last try went well */
    char failure[256];  /* why, UTF-8, ended by a NUL; "" where failed_at is 0 */
} quipu_vectors_state;

/* Told after each batch: `done` of `total` vectors are made. As quipu_hit_fn: a positive answer ends the call, which then succeeds. */
typedef int32_t (*quipu_vectors_fn)(void *context, uint64_t done, uint64_t total) QUIPU_NOEXCEPT;

typedef struct quipu_vectors_api {
    uint32_t struct_size;
    uint32_t flags; /* none defined: 0 */

    /* What there is, by the model of the host's embedder. [any-thread] [open] [may-block]
     * Errors: UNSUPPORTED (there is no embedder), NETWORK (it does not know its dimension yet), CORRUPT, IO. */
    int32_t (*state)(quipu_backend *self, quipu_vectors_state *out, const quipu_call *call,
                     quipu_error *error) QUIPU_NOEXCEPT;

    /* Makes what is pending; vectors that came before a failure or an end are kept. [any-thread] [open] [may-block]
     * visit: or NULL. Errors: UNSUPPORTED, CORRUPT, IO, FULL, and the embedder's. */
    int32_t (*embed)(quipu_backend *self, quipu_vectors_fn visit, void *context, const quipu_call *call,
                     quipu_error *error) QUIPU_NOEXCEPT;
} quipu_vectors_api;

#ifdef __cplusplus
}
#endif
#endif
