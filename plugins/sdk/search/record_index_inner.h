/*
 * record_index_inner.h - the inside of a record index, shared by record_index*.c.
 *
 * Locks, outer first: `write`, `lock`. Whoever embeds holds neither.
 *
 * Invariants, whenever `write` is free:
 *   1. Each id is alive in at most one document of all parts, and not in any where it is pending or in the job.
 *   2. Parts that stand on files come first, in the order of the manifest that they were loaded from or saved in.
 *   3. `current` shows all but what is pending and what a batch has changed; `stale` tells that there is more.
 * Bits are shared with snapshots: they are copied before they are changed.
 */
#ifndef SDK_RECORD_INDEX_INNER_H
#define SDK_RECORD_INDEX_INNER_H

#include "pending.h"
#include "segment.h"
#include <sdk/record_index.h>
#include <sdk/vector_index.h>
#include <sdk/words.h>

#include <base/buffer.h>
#include <base/fail.h>
#include <pthread.h>
#include <quipu/plugin.h>
#include <stdatomic.h>

typedef struct embeddings embeddings;

typedef struct index_part {
    segment *segment;
    bits *alive;
    char file[DERIVED_NAME_LEN + 1]; /* "": in the heap alone */
} index_part;

/* What a reader sees; never changed. */
typedef struct index_snapshot {
    atomic_uint users;
    size_t count;
    index_part parts[];
} index_snapshot;

struct record_index {
    const quipu_host *host;
    pthread_mutex_t write;
    pthread_mutex_t lock; /* guards `current` */
    atomic_bool in_batch;
    _Atomic(pthread_t) batch_owner;
    atomic_bool stale;
    index_snapshot *current;
    embeddings *vectors; /* shared by forks */

    /* under `write` */
    index_part *parts;
    size_t part_count, part_capacity;
    pending_set pending;
    pending_job *job;                      /* of a bulk: what was pending before, or NULL */
    uint64_t count;                        /* records */
    uint64_t unsaved;                      /* puts and removals since it was saved */
    char state_file[DERIVED_NAME_LEN + 1]; /* of the snapshot that the parts stand on; "": of none */
    bool keep_history;
    bool failed; /* a removal found no memory: nothing is right any more */
};

/* For this thread alone: not locked where it is in a batch, which has the lock already. */
bool index_write_lock(record_index *ix);
void index_write_unlock(record_index *ix, bool locked);

/* What this thread may see now. */
int32_t index_snapshot_take(record_index *ix, index_snapshot **out, quipu_error *error);
void index_snapshot_free(index_snapshot *s);

/* Under `write`: what is pending becomes a segment. */
int32_t index_flush(record_index *ix, quipu_error *error);
/* The same by another thread, while more comes in. */
int32_t index_flush_aside(record_index *ix, quipu_error *error);
/* Takes the segment of the job in, if there is one: before anything is changed that is in it. */
int32_t index_end_job(record_index *ix, quipu_error *error);
/* Under `write`: parts `from`..`from + count - 1` become one at the end. */
int32_t index_merge_parts(record_index *ix, const size_t *which, size_t count, quipu_error *error);
/* Under `write`: takes over the segment and the bits, also where it fails. */
int32_t index_add_part(record_index *ix, segment *s, bits *alive, const char *file, quipu_error *error);
void index_drop_part(record_index *ix, size_t i);

int64_t index_now(const record_index *ix);
void index_log(const record_index *ix, uint32_t level, const char *text);
void index_log_to(const quipu_host *host, uint32_t level, const char *text); /* host may be NULL */

/* ---- filters: record_index_filter.c ---- */

/* Which documents of a part may match a filter. */
typedef struct admitted {
    bits *set;  /* of the living ones; NULL: all that are alive */
    bool exact; /* else each has to be compared with the filter */
} admitted;

int32_t index_admit(const index_part *part, const quipu_filter *f, int64_t now, admitted *out, quipu_error *error);

/* ---- vectors: record_index_vectors.c, embed_*.c, record_index_embed.c, record_index_nearest.c ---- */

int32_t embeddings_create(const quipu_host *host, embeddings **out, quipu_error *error);
embeddings *embeddings_share(embeddings *e);
/* One user less; the last one waits until what was added is on disk. */
void embeddings_free(embeddings *e);
/* The host's embedder, or NULL. */
const quipu_embed_service *index_embedder(const record_index *ix);

/* A question by vector, and the vectors that it is compared with. */
typedef struct vector_question {
    float *vector; /* of unit length */
    vector_view *view;
} vector_question;

void vector_question_free(vector_question *q);
/* How long a question waits for the embedder. */
typedef enum index_patience {
    INDEX_OPTIONAL, /* a few seconds, and without it the words will do */
    INDEX_HURRIES,  /* for its own vector as long as it takes, for those of passages a few seconds */
    INDEX_WAITS     /* until all is there */
} index_patience;

/* The question's vector; `given`: as a vector already, or NULL. Embeds what of the snapshot has no vector yet, as far as the patience
 * goes. No lock is held. BUSY, where it is optional: the embedder failed a moment ago. */
int32_t index_embed(record_index *ix, const index_snapshot *s, quipu_str question, const float *given,
                    uint64_t dimension, index_patience patience, vector_question *out, const quipu_call *call,
                    quipu_error *error);

typedef struct vector_match {
    double cosine;
    uint32_t part, document;
} vector_match;

/* The k best of the admitted documents of all parts, best first, equal ones by id; which of several that are as good as the last
 * one are among them is open. */
int32_t index_nearest(const index_snapshot *s, const admitted *which, const vector_question *q, size_t k,
                      vector_match **out, size_t *count, const quipu_call *call, quipu_error *error);
/* The cosines of some documents; 0 for one without a vector. */
int32_t index_cosines(const index_snapshot *s, const vector_question *q, vector_match *of, size_t count,
                      const quipu_call *call, quipu_error *error);

#endif
