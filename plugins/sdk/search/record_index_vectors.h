/*
 * record_index_vectors.h - the vectors of an index: which models there are, and which row each document has.
 *
 * A vector is found by the key of its passage (passage.h) among those of its model (vector_index.h), so that any version of any
 * record, of whichever commit, has the vector that was made when its passage was first met. Vectors of several models lie side by
 * side, in folders of their own; only those of the model that the host's embedder names are ever looked at.
 *
 * A vector is missing where a living document has a passage and the model has no row of its key: known_all tells quickly that
 * there is none, embeddings_row tells it of one document.
 */
#ifndef SDK_RECORD_INDEX_VECTORS_H
#define SDK_RECORD_INDEX_VECTORS_H

#include "record_index_inner.h"

#define EMBEDDINGS_MODELS 8u /* that one index uses while it is open */

typedef struct model_vectors {
    vector_index *index;
    _Atomic uint64_t epoch; /* unique in the process; another one once vectors were removed */
} model_vectors;

/* The vectors of an index and of its forks. Lock order: the turn, then `lock`. */
struct embeddings {
    atomic_uint users;
    const quipu_host *host;
    char *path; /* the folder that theirs are made in; NULL: in RAM */
    bool read_only;
    pthread_mutex_t lock; /* guards what follows */
    model_vectors models[EMBEDDINGS_MODELS];
    uint32_t count;

    pthread_mutex_t turn_lock;
    pthread_cond_t turn_free;
    bool turn_taken;

    /* of whoever has the turn */
    pthread_t settler;
    bool settler_began;
    atomic_bool settler_ended;
    vector_index *settled; /* by it */
};

/* Vectors were removed: what is known of documents is known no more. */
void model_vectors_changed(model_vectors *m);
/* The vectors of a model, opened where they are not yet; e's until its end. */
int32_t embeddings_model(embeddings *e, const quipu_model *model, model_vectors **out, quipu_error *error);
/* The name of a model's folder. */
void embeddings_folder(const quipu_model *model, char out[32]);
/* One thread at a time adds vectors, so that no passage is embedded twice; others wait, and may give up. */
int32_t embeddings_take_turn(embeddings *e, const quipu_call *call, quipu_error *error);
void embeddings_give_turn(embeddings *e);
/* What was added goes to disk and into partitions, by a thread of its own: a large merge takes long. With the turn. */
void embeddings_settle(embeddings *e, model_vectors *m);

/* What is known of a segment's vectors: hangs on the segment. */
typedef struct known_vectors {
    _Atomic uint64_t epoch; /* that `has` is of */
    _Atomic uint64_t *has;  /* a bit for each document that has a vector, or nothing to embed; written with the turn */
    _Atomic uint64_t places[]; /* of each document's row (vector_view_place), or 0 */
} known_vectors;

/* NULL without memory. */
known_vectors *known_of(segment *s);
/* True where every document of `alive` is known to have its vector. k may be NULL. */
bool known_all(const known_vectors *k, uint64_t epoch, const bits *alive);
/* Forgets what is of another epoch. With the turn. */
void known_begin(known_vectors *k, uint64_t epoch, uint32_t documents);
static inline bool known_has(const known_vectors *k, uint32_t document)
{
    return atomic_load_explicit(&k->has[document / 64], memory_order_relaxed) >> (document % 64) & 1;
}
static inline void known_add(known_vectors *k, uint32_t document)
{
    atomic_fetch_or_explicit(&k->has[document / 64], (uint64_t)1 << (document % 64), memory_order_relaxed);
}

/* The row of a document, or VECTORS_NONE. k: of the segment, or NULL. */
uint32_t embeddings_row(const vector_view *v, const segment *s, known_vectors *k, uint32_t document);

#endif
