/*
 * record_index_inner.h - the inside of a record index, shared by record_index*.c.
 *
 * Locks, outer first: `embedding` (a turn, not a mutex: whoever embeds holds no lock meanwhile), `lock`, `build`.
 *
 * Invariants, whenever `lock` is free or held for reading:
 *   1. A slot with a record is in `by_id`; one without is in the free list.
 *   2. `words`, where it is not NULL, holds exactly the records of all slots under their slots' numbers.
 *   3. An item of an order is alive when its generation is its slot's. Each record has exactly one living item in an order
 *      that is built, in `items` or in `pending`; `items` is sorted.
 *   4. A slot's passage has counted that slot as a user. A record with text and without passage is found through `missing`,
 *      or `missing_all` is set.
 * A reader may build lazily (`words`, orders): it holds `lock` for reading and `build`; what is built then does not change
 * before the next writer.
 */
#ifndef SDK_RECORD_INDEX_INNER_H
#define SDK_RECORD_INDEX_INNER_H

#include <sdk/lexical.h>
#include "passages.h"
#include <sdk/record_index.h>
#include "str_table.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <pthread.h>
#include <quipu/plugin.h>
#include <stdatomic.h>

#define NO_SLOT UINT32_MAX

typedef struct index_slot {
    record *record;      /* NULL: free */
    uint32_t generation; /* goes up with each change of the slot */
    uint32_t passage;    /* or PASSAGES_NONE */
    uint32_t next_free;
} index_slot;

/* The id's bytes belong to the slot's record as long as the item is alive; before that is known they are not touched. */
typedef struct order_item {
    int64_t created_at; /* 0 in the order by id */
    const char *id;
    uint32_t id_len;
    uint32_t slot;
    uint32_t generation;
    uint32_t reserved;
} order_item;

typedef struct order {
    bool by_time;
    bool built;
    bool removed; /* some of `items` may be dead */
    order_item *items, *pending;
    size_t count, pending_count, pending_capacity;
} order;

struct record_index {
    const quipu_host *host;
    pthread_rwlock_t lock;
    pthread_mutex_t build;
    atomic_bool in_batch;
    _Atomic(pthread_t) batch_owner;

    index_slot *slots;
    uint32_t slot_count, slot_capacity, free_head;
    uint64_t count; /* records */
    str_table by_id;
    order by_name, by_time;
    lexical *words;    /* or NULL: not built */
    passages *vectors; /* or NULL */
    uint32_t *missing; /* slots to be embedded; some may have a passage by now */
    size_t missing_count, missing_capacity;
    bool missing_all; /* look at every slot instead */

    pthread_mutex_t turn_lock;
    pthread_cond_t turn_free;
    bool turn_taken;
};

/* Read lock, unless this thread is in a batch, which has more already; index_unlock(ix, what this answered). */
bool index_read_lock(record_index *ix);
void index_unlock(record_index *ix, bool locked);

int64_t index_now(const record_index *ix);
void index_log(const record_index *ix, uint32_t level, const char *text);

/* Orders. order_put: the slot has its new record and generation. order_ready: all of `items` alive and sorted; under the read
 * lock. */
void order_put(const record_index *ix, order *o, uint32_t slot);
void order_free(order *o); /* not built any more */
int32_t order_ready(record_index *ix, order *o, quipu_error *error);

/* Words. Nothing to do where they are not built; without memory they are thrown away, to be built again. */
void index_words_put(record_index *ix, uint32_t slot);
void index_words_drop(record_index *ix, uint32_t slot);
int32_t index_words_build(record_index *ix, const quipu_call *call, quipu_error *error);

/* Vectors; likewise. */
/* before: what the slot held until now, or NULL. */
void index_vectors_put(record_index *ix, uint32_t slot, const record *before);
void index_vectors_drop(record_index *ix, uint32_t slot);
/* The host's embedder, or NULL. */
const quipu_embed_service *index_embedder(const record_index *ix);
/* Embeds what is missing, and gives the question's vector at unit length (the caller's, to be freed) with its model.
 * given: the question as a vector, or NULL. Called without any lock. */
int32_t index_embed(record_index *ix, quipu_str question, const float *given, uint64_t dimension, float **out,
                    buffer *model, const quipu_call *call, quipu_error *error);

#endif
