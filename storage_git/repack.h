/*
 * repack.h - maintenance: all packs into one, as small as git would make it, beside writers and readers.
 *
 * Every object of the packs is kept, reachable or not. Newer versions are whole and older ones the difference to them, because
 * the newest are read most, and because going back an added record is only the leaving out of an entry. Which objects
 * belong together is known, not searched for: a commit's folders are compared with its parent's.
 *
 * The new pack is built beside the repository with no lock on the store; the lock is held while it is put in place: keep, pack,
 * index, sync, then the old packs go, then the keep. What was written meanwhile lies in other packs and stays.
 */
#ifndef STORAGE_GIT_REPACK_H
#define STORAGE_GIT_REPACK_H

#include "git_store.h"

/* Told from time to time how far it is, in objects; a non-zero answer ends the work and is returned. */
typedef int32_t (*repack_progress_fn)(void *context, uint64_t done, uint64_t total);

typedef struct repack_limits {
    uint64_t memory;     /* bytes of RAM; as many of the smallest packs are taken as fit */
    int64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
    bool force;          /* also where the last maintenance left nothing to do */
    bool grace; /* replaced packs stay for a while (pack_retired.h); else they go at once, with all that lie there */
} repack_limits;

typedef enum repack_outcome {
    REPACK_DONE,
    REPACK_NOT_NEEDED, /* nothing was written since the last time */
    REPACK_NO_TIME,    /* the deadline passed: everything is as it was */
    REPACK_NO_ROOM,    /* not even two packs fit into the memory: likewise */
} repack_outcome;

/* Bytes of the packs that came since the last maintenance, and of the pack that it left. Errors: IO, NO_MEMORY. */
int32_t git_repack_fresh(git_store *s, uint64_t *fresh, uint64_t *settled, quipu_error *error);

/* On failure, and when it ended early, all old packs are as they were. Errors: BUSY (another maintenance is running), CORRUPT, FULL, IO,
 * NO_MEMORY, READ_ONLY, and those of the call. */
int32_t git_repack(git_store *s, const repack_limits *limits, repack_progress_fn progress, void *context,
                   repack_outcome *outcome, const quipu_call *call, quipu_error *error);

#endif
