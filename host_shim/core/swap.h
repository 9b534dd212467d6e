/*
 * swap.h - the parts of a swap. DESIGN.md in this folder tells how they hang together and why nothing is lost.
 *
 *   swap.c          the steps in their order; switching      swap_target.c   where the new store is, and what it was before
 *   swap_copy.c     pages and single records across          swap_history.c  revisions across; what changed since one
 *   swap_catch_up.c until little is left; slowing writers down
 *   swap_compare.c  both stores side by side, the searches   ledger.c        which records are known to be equal
 */
#ifndef CORE_SWAP_H
#define CORE_SWAP_H

#include "handle.h"
#include "ledger.h"
#include "records.h"

#include <quipu/ext/history.h>
#include <sdk/record.h>

#define LAST_PAGE 32u /* records that writers may have to wait for */
#define PAGE_RECORDS 1000u
#define PAGE_BYTES (8u << 20)
#define REVISION_MAX 64u

/* One of the two backends. */
typedef struct side {
    const quipu_backend_api *api;
    quipu_backend *self;
    const quipu_history_api *history; /* or NULL */
    const quipu_migrate_api *migrate; /* or NULL */
    bool can_fence;
} side;

/* What the target was before. */
typedef enum target_state {
    TARGET_FRESH,  /* nothing */
    TARGET_RESUME, /* an unfinished copy of this store */
    TARGET_BACK,   /* a store that had been left for this one */
    TARGET_SAME,   /* this very store: only the plugin is another one */
} target_state;

/* A search that both sides are to answer. */
typedef struct sample {
    char *id, *text;
    char version[QUIPU_VERSION_LEN + 1];
} sample;

/* How others who write to the old store are slowed down, where they are faster than the swap. */
typedef struct pace {
    bool on;             /* from the first catching up to the switch */
    bool others;         /* more was written than came through the tap */
    bool held;           /* at this moment */
    int64_t slice_ns;    /* they are held for so long at a time; 0: not yet */
    int64_t until;       /* when that ends, or begins */
    int64_t rises_at;    /* when slices become longer */
    int64_t round_began; /* 0: no round is under way */
    uint64_t own_before; /* what had come through the tap when the round began */
} pace;

typedef struct swap {
    quipu *q;
    const quipu_swap_options *options;
    quipu_swap_fn tell;
    void *context;
    const quipu_call *call; /* the caller's; while writers are held back a shorter one */
    quipu_error *error;
    tenant *from, *to;
    side old, new;
    target_state target;
    char *target_path;
    int old_lock, new_lock;  /* descriptors of the stores' folders; -1: none */
    store_settings settings; /* of the new store */
    tap *tap;
    struct shadow *shadow; /* in place of the switch; or NULL */
    bool replays;          /* revisions are carried over */
    bool follows; /* what changed is found by the old one's history; else by what the tap notes, and by comparing */
    char at[REVISION_MAX];                 /* up to which revision that was done */
    char position[QUIPU_POSITION_MAX + 1]; /* where the old store stood before it was last compared */
    pace pace;                             /* of others, whom the tap does not see */
    id_list carry;                         /* records to look at again */
    id_list differing;                     /* that the last comparison found */
    ledger known;
    sample *samples;
    size_t sample_count, sample_room;
    uint64_t seen; /* records that could have become samples */
    quipu_swap_report report;
} swap;

int32_t swap_tell(swap *s, const char *phase, uint64_t done, uint64_t total);
int64_t swap_clock(void); /* CLOCK_MONOTONIC, nanoseconds */

/* ---- swap_target.c ---- */

/* Makes sure that no other process swaps this store, and that none has. Errors: BUSY, MOVED. */
int32_t swap_lock_old(swap *s);
void swap_unlock(swap *s);
/* Chooses the folder and finds out what is there. Errors: INVALID, EXISTS, and those of reading its settings. */
int32_t swap_choose_target(swap *s);
/* Tries the backend on a scratch store, and learns whether it keeps history and whether it keeps anything. */
int32_t swap_try_out(swap *s);
/* Opens the target, and marks it as one that is being filled. */
int32_t swap_open_target(swap *s);
/* After the switch: both stores know of it. What fails is logged; the next open does it again. */
void swap_settle_stores(swap *s);
side side_of(const tenant *t);
/* What stats says of `persistent`; true where it says nothing. */
int32_t side_persistent(const side *x, bool *out, quipu_error *error);

/* ---- swap_copy.c ---- */

/* The record as it is now, or NULL where there is none. */
int32_t side_get(const swap *s, const side *x, quipu_str id, record **out);
/* A change set to fill in; its id is a fresh one. */
int32_t swap_begin_set(swap *s, quipu_change_set *set);

/* Records on their way to the new store. Zeros are an empty one. */
typedef struct batch {
    record **records; /* NULL: the id is to be deleted */
    quipu_change *changes;
    id_list ids;
    size_t count, room;
    uint64_t bytes;
    bool hard; /* what is there is deleted first: a put would be refused, or change nothing */
} batch;
/* Takes one reference of `r` (NULL: deletes `id`); writes where there is enough. */
int32_t batch_add(swap *s, batch *b, record *r, quipu_str id);
int32_t batch_write(swap *s, batch *b);
void batch_free(batch *b);

/* Adds to s->carry what was written since that was last asked. */
int32_t swap_gather(swap *s);
/* Looks at every record again that may have changed, copies what differs, and checks what was copied. strict: nobody writes, so that
 * what still differs is a fault. *count: records that were looked at. Errors: CONFLICT, and those of both sides. */
int32_t swap_carry(swap *s, bool strict, size_t *count);

/* ---- swap_catch_up.c ---- */

/* Carries over what was written meanwhile, until LAST_PAGE records are left or others write all the time. Errors: those of swap_carry. */
int32_t swap_catch_up(swap *s);
/* Around a round, once it is known how many records were written. */
void swap_pace_begin(swap *s, size_t count);
void swap_pace_end(swap *s);
/* Between two records or revisions: it may be time to hold others, or to let them go on. */
void swap_pace(swap *s);
/* Before the switch, and at the end. */
void swap_stop_pacing(swap *s);

/* ---- swap_history.c ---- */

/* The newest revision of the old store; "" where there is none. */
int32_t history_newest(swap *s, char out[REVISION_MAX]);
/* What came after s->at: replays it, where revisions are carried over, and adds the records that changed to s->carry. */
int32_t history_advance(swap *s);
/* Refuses to leave a history behind without being told to. */
int32_t history_consent(swap *s);

/* ---- swap_compare.c ---- */

/* Goes through both stores in the order of ids. What differs is copied and, unless this is the first time, put down in s->differing; what is
 * equal goes into the ledger. */
int32_t swap_compare(swap *s, bool first, const char *phase);
/* The searches. */
int32_t swap_compare_searches(swap *s);
void swap_free_samples(swap *s);

#endif
