/*
 * embed_inner.h - passages become vectors: what record_index_embed.c, embed_missing.c and embed_batch.c share.
 */
#ifndef SDK_EMBED_INNER_H
#define SDK_EMBED_INNER_H

#include "record_index_vectors.h"

#define EMBED_BATCH_MAX 512u /* texts */

/* What is embedded, and for whom. */
typedef struct embedding {
    record_index *ix;
    const index_snapshot *s;
    const quipu_embed_service *embedder;
    quipu_model model;
    model_vectors *vectors;
    const quipu_call *call;
    quipu_error *error;
    size_t part; /* how far the snapshot was looked through */
    uint32_t document;
    quipu_vectors_fn visit; /* or NULL */
    void *context;
    uint64_t done, total; /* that it is told of */
    bool enough;          /* it answered so, or what is left takes too long */
    int64_t leave_ns;     /* what would take longer than this is left to the thread in the background; 0: nothing */
    bool alone;           /* it has the turn among processes */
} embedding;

/* ---- embed_batch.c ---- */

/* One batch of what is missing, from where the last one ended; *more is false when nothing was missing. With the turn. */
int32_t embed_batch(embedding *e, bool *more);
/* The vector of a question, of unit length. */
int32_t embed_question(const embedding *e, quipu_str question, float *out);

/* ---- embed_missing.c ---- */

/* True where every living document is known to have its vector. */
bool embed_nothing_missing(const embedding *e);
/* How many of the living documents are not known to have one: it may be there all the same. */
uint64_t embed_not_known(const embedding *e);
/* Embeds all that has no vector yet, while other threads wait for their turn. What came is kept, whatever follows. */
int32_t embed_missing(embedding *e);
/* A failure of the embedder, or of waiting for it. */
bool embed_is_embedders(int32_t code);
/* For a thread in the background: about a second's work, other threads first. *more: there is more to do. BUSY: another process is at it. */
int32_t embed_portion(embedding *e, bool *more);

#endif
