/*
 * vector_index_inner.h - the inside of a vector index and of its views.
 *
 * `lock` is held for short: never while anything is trained, written, or searched. Invariants, whenever it is free:
 *   1. A living key is in one run, and there in one living row.
 *   2. `removed` holds the keys removed since the removals that are on disk; images that come from disk are cleaned of them.
 *   3. Only the last piece of the tail has room.
 */
#ifndef SDK_VECTORS_INDEX_INNER_H
#define SDK_VECTORS_INDEX_INNER_H

#include "run.h"

#include <pthread.h>

#define VECTOR_DISK_FORMAT 1u

typedef struct run_list {
    run **items;
    size_t count, capacity;
} run_list;

struct vector_index {
    char *model;
    quipu_str model_id;
    uint32_t dimension;
    derived *folder; /* or NULL */
    bool read_only;  /* nothing is written there */
    pthread_mutex_t lock;
    bool settling;
    run_list images, tail;
    uint8_t *removed; /* keys, one after the other */
    size_t removed_count, removed_capacity;
};

typedef struct view_run {
    run *run;
    uint32_t first; /* the number of its row 0: a multiple of 32 */
    uint32_t rows;
} view_run;

struct vector_view {
    uint32_t dimension;
    uint32_t rows;
    size_t count;
    view_run *runs;
};

int32_t vector_no_memory(quipu_error *error);
/* Takes over the reference; without memory leaves it and answers false. */
bool run_list_add(run_list *list, run *r);
void run_list_clear(run_list *list);

/* Maps what is new on disk and checks it, without the lock: to read it once more under the lock takes no time then. */
int32_t vector_index_look(const vector_index *ix, quipu_error *error);
/* What the snapshot holds, with the dead that it names: images that are mapped already are shared. Takes over the snapshot. *good:
 * all of it could be used. Under the lock. */
int32_t vector_index_read(vector_index *ix, derived_snapshot *s, run_list *out, bool *good, quipu_error *error);
/* These become the images, without what was removed meanwhile, and what the tail has as well goes from there: not from the pieces that views
 * have. Takes the list over. Under the lock. */
void vector_index_adopt(vector_index *ix, run_list *images);

#endif
