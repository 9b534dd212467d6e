/*
 * record_index_vectors.h - the vectors of an index: what record_index_embed.c fills and record_index_nearest.c scores. The seam behind
 * which vectors are kept and searched.
 */
#ifndef SDK_RECORD_INDEX_VECTORS_H
#define SDK_RECORD_INDEX_VECTORS_H

#include "passages.h"
#include "record_index_inner.h"

/* The vectors of an index and of its forks. Lock order: the turn, then `lock`. */
struct embeddings {
    atomic_uint users;
    pthread_rwlock_t lock; /* guards what follows */
    passages *rows;        /* or NULL */
    uint64_t generation;   /* of `rows`, unique in the process */

    pthread_mutex_t turn_lock;
    pthread_cond_t turn_free;
    bool turn_taken;
};

/* Which row each document of a segment has: hangs on the segment. */
typedef struct row_table {
    _Atomic uint64_t generation; /* of the rows that are meant; changed with `lock` held for writing */
    _Atomic uint32_t rows[];
} row_table;

/* The table of a segment for the rows that there are now; NULL without memory. Its entries may be filled with the lock held for
 * reading. `writing`: the lock is held for writing, so that a table of other rows can be begun anew. */
row_table *embeddings_table(const embeddings *e, segment *s, bool writing);
/* The row of a document, or PASSAGES_NONE. With the lock held. t: the segment's table, or NULL. */
uint32_t embeddings_row(const embeddings *e, const segment *s, row_table *t, uint32_t document);

#endif
