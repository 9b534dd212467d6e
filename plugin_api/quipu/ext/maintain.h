/*
 * ext/maintain.h - "quipu.maintain/1": makes a store small and tidy, within limits, beside readers and writers.
 *
 * What is stored is the same afterwards, save records whose expires_at has passed, where their purge was asked for. That is a
 * change like any other: it has revisions of its own (operation "expire"), and reading as of an earlier time still shows them.
 */
#ifndef QUIPU_EXT_MAINTAIN_H
#define QUIPU_EXT_MAINTAIN_H

#include "../backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QUIPU_MAINTAIN_PURGE 1u  /* take expired records away */
#define QUIPU_MAINTAIN_REPACK 2u /* store what is there in as little room as can be */
#define QUIPU_MAINTAIN_FORCE 4u  /* repack also where nothing has changed since the last time */

typedef struct quipu_maintain {
    uint32_t struct_size;
    uint32_t flags;        /* QUIPU_MAINTAIN_*; none of PURGE and REPACK: both */
    uint64_t memory_limit; /* bytes of RAM that repacking may take, about; 0: the backend's choice */
    uint64_t time_limit;   /* milliseconds for all of it; 0: none */
    quipu_str author;      /* who purges; absent: "quipu" */
    quipu_str source;      /* the program that acts; may be absent */
} quipu_maintain;

#define QUIPU_MAINTAINED_UNNEEDED 1u /* nothing was to be repacked */
#define QUIPU_MAINTAINED_NO_TIME 2u  /* the time limit passed; what was unfinished is as it was before */
#define QUIPU_MAINTAINED_NO_ROOM 4u  /* the memory limit is too small for repacking; nothing was repacked */

/* What became of it. Lent by the caller with struct_size set; filled on success. */
typedef struct quipu_maintained {
    uint32_t struct_size;
    uint32_t flags;        /* QUIPU_MAINTAINED_* */
    uint64_t purged;       /* records that were taken away */
    uint64_t packs_before; /* files that hold the store's contents, and their bytes */
    uint64_t packs_after;
    uint64_t bytes_before;
    uint64_t bytes_after;
} quipu_maintained;

/* Told from time to time how far it is; phase: one word, borrowed for the call. As quipu_hit_fn: a non-zero answer ends it, and what
 * was unfinished is as it was before. */
typedef int32_t (*quipu_maintain_fn)(void *context, const quipu_str *phase, uint64_t done,
                                     uint64_t total) QUIPU_NOEXCEPT;

typedef struct quipu_maintain_api {
    uint32_t struct_size;
    uint32_t flags; /* none defined: 0 */

    /* Purges, then repacks. [any-thread] [open] [may-block]
     * visit: or NULL. A failure leaves the store sound and every record readable; records that were purged by then stay so.
     * Errors: BUSY (another maintenance is running), READ_ONLY, CORRUPT (nothing damaged is copied), FULL, IO. */
    int32_t (*maintain)(quipu_backend *self, const quipu_maintain *params, quipu_maintain_fn visit, void *context,
                        quipu_maintained *report, const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;
} quipu_maintain_api;

#ifdef __cplusplus
}
#endif
#endif
