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

#include <sys/types.h>

#define EMBEDDINGS_MODELS 8u /* that one index uses while it is open */

typedef struct model_vectors {
    vector_index *index;
    _Atomic uint64_t epoch; /* unique in the process; another one once vectors were removed */
} model_vectors;

/* Tries that failed, one after the other. Under `lock`. */
typedef struct embed_failure {
    uint32_t times; /* 0: the last one went well */
    int64_t until;  /* until then nobody tries who need not: monotonic_now */
} embed_failure;

/* The vectors of an index and of its forks. Lock order: the turn, then `lock`. */
struct embeddings {
    atomic_uint users;
    const quipu_host *host;
    char *path; /* the folder that theirs are made in; NULL: in RAM */
    bool read_only;
    pid_t process;        /* that made it: in a child of fork(2) no thread of it is there */
    pthread_mutex_t lock; /* guards what follows */
    model_vectors models[EMBEDDINGS_MODELS];
    uint32_t count;
    embed_failure of_questions, of_passages;
    int64_t failed_at; /* of passages, microseconds since 1970; 0: the last try went well */
    char failure[256];
    bool note_gone; /* what was noted of it before this was made */

    _Atomic int64_t batch_ns;    /* that the last batch took */
    _Atomic int64_t batch_began; /* the one under way: monotonic_now; 0: there is none */
    atomic_bool followed;        /* a thread makes what is missing (embed_thread.h): a search need not */

    pthread_mutex_t turn_lock; /* guards what follows */
    pthread_cond_t turn_free;
    bool turn_taken;
    uint32_t turn_wanted; /* by threads that go before the one in the background */
    int file;             /* whose lock is the turn among processes; -1: not opened yet */
    uint32_t holders;     /* of it, in this process */

    /* of whoever has the turn */
    pthread_t settler;
    bool settler_began;
    atomic_bool settler_ended;
    bool settler_alone;    /* it holds the turn among processes */
    int64_t settled_at;    /* monotonic_now when it began */
    vector_index *settled; /* by it */
};

/* Vectors were removed: what is known of documents is known no more. */
void model_vectors_changed(model_vectors *m);
/* The vectors of a model, opened where they are not yet; e's until its end. */
int32_t embeddings_model(embeddings *e, const quipu_model *model, model_vectors **out, quipu_error *error);
/* The name of a model's folder. */
void embeddings_folder(const quipu_model *model, char out[32]);
/* What was added goes to disk and into partitions, by a thread of its own: a large merge takes long. With the turn. */
void embeddings_settle(embeddings *e, model_vectors *m);
/* The same where much was added, or some a second ago: what a crash may cost. */
void embeddings_settle_now_and_then(embeddings *e, model_vectors *m);

/* ---- embed_turn.c: who embeds ---- */

bool embeddings_begin_turn(embeddings *e);
void embeddings_end_turn(embeddings *e);
/* One thread at a time adds vectors, so that no passage is embedded twice; others wait, and may give up. `last`: behind all that wait
 * without it. */
int32_t embeddings_take_turn(embeddings *e, bool last, const quipu_call *call, quipu_error *error);
void embeddings_give_turn(embeddings *e);
/* The same among processes, for more than a batch. It is held until as many have let it go as have got it, so that what was made is on
 * disk before another process looks. True where it was to be had at once; also where locks are not to be had at all. */
bool embeddings_try_alone(embeddings *e);
/* Waits for it. */
int32_t embeddings_be_alone(embeddings *e, const quipu_call *call, quipu_error *error);
void embeddings_not_alone(embeddings *e);
/* True where nobody else in this process holds it. */
bool embeddings_last_alone(embeddings *e);

/* ---- embed_failure.c: an embedder that fails rests, longer each time ---- */

void embeddings_failed(embeddings *e, embed_failure *f, const char *why);
void embeddings_worked(embeddings *e, embed_failure *f);
/* How long it rests still, in nanoseconds; 0: it may be tried. */
int64_t embeddings_rests(embeddings *e, const embed_failure *f);
/* When and why making vectors failed last, here or in another process; 0 where the last try went well. */
int64_t embeddings_failure(embeddings *e, char out[256]);

/* What is known of a segment's vectors: hangs on the segment. */
typedef struct known_vectors {
    _Atomic uint64_t epoch; /* that `has` is of */
    _Atomic uint64_t *has;  /* a bit for each document that has a vector, or nothing to embed; written with the turn */
    _Atomic uint64_t *none; /* a bit for each that has nothing to embed; likewise */
    _Atomic uint64_t places[]; /* of each document's row (vector_view_place), or 0 */
} known_vectors;

/* NULL without memory. */
known_vectors *known_of(segment *s);
/* True where every document of `alive` is known to have its vector. k may be NULL. */
bool known_all(const known_vectors *k, uint64_t epoch, const bits *alive);
/* How many documents of `alive` are not known to have one. */
uint64_t known_missing(const known_vectors *k, uint64_t epoch, const bits *alive);
/* How many documents of `alive` have something to embed, where known_all is true. */
uint64_t known_passages(const known_vectors *k, const bits *alive);
/* Forgets what is of another epoch. With the turn. */
void known_begin(known_vectors *k, uint64_t epoch, uint32_t documents);
static inline bool known_has(const known_vectors *k, uint32_t document)
{
    return atomic_load_explicit(&k->has[document / 64], memory_order_relaxed) >> (document % 64) & 1;
}
static inline void known_add(known_vectors *k, uint32_t document, bool none)
{
    if (none)
        atomic_fetch_or_explicit(&k->none[document / 64], (uint64_t)1 << (document % 64), memory_order_relaxed);
    atomic_fetch_or_explicit(&k->has[document / 64], (uint64_t)1 << (document % 64), memory_order_relaxed);
}

/* The row of a document, or VECTORS_NONE. k: of the segment, or NULL. */
uint32_t embeddings_row(const vector_view *v, const segment *s, known_vectors *k, uint32_t document);

#endif
