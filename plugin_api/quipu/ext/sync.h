/*
 * ext/sync.h - "quipu.sync/1": exchanging changes with another store, so that two that both wrote end equal.
 *
 * A remote is the place of another store: a name that the store remembers ("origin"), a folder, or an address. What both sides
 * changed is merged record by record, field by field; what cannot be merged is kept as a record of kind "conflict".
 */
#ifndef QUIPU_EXT_SYNC_H
#define QUIPU_EXT_SYNC_H

#include "../backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What came of it. Lent by the caller with struct_size set; filled on success. branches/1 fills it too. */
typedef struct quipu_merge_report {
    uint32_t struct_size;
    uint32_t flags;     /* QUIPU_MERGE_* */
    uint64_t revisions; /* of the other side that were new here */
    uint64_t records;   /* whose state is now another one */
    uint64_t conflicts; /* that a record of kind "conflict" stands for now */
    char revision[64];  /* the newest one here afterwards, NUL-terminated */
} quipu_merge_report;

#define QUIPU_MERGE_NOTHING 1u /* everything of theirs was here already */
#define QUIPU_MERGE_FORWARD 2u /* nothing of ours was new to them: their revision is now ours */
#define QUIPU_MERGE_SENT 4u    /* of push: the other side has our newest revision now */

/* How far a transfer came. Texts are borrowed for the visit. */
typedef struct quipu_progress {
    uint32_t struct_size;
    uint32_t reserved;
    quipu_str stage; /* "receiving", "merging", "sending" */
    uint64_t done;
    uint64_t total; /* 0: not known */
} quipu_progress;

/* Answers 0 to go on; anything else gives the transfer up, with QUIPU_E_CANCELLED. */
typedef int32_t (*quipu_progress_fn)(void *context, const quipu_progress *progress) QUIPU_NOEXCEPT;

typedef struct quipu_sync_api {
    uint32_t struct_size;
    uint32_t flags; /* none defined: 0 */

    /* Takes in what the other side has, merged with what is here. [any-thread] [open] [may-block]
     * remote: NULL or absent: "origin". as: author, time, change id, operation and source of the revision that a merge needs; its
     * `changes` are empty. progress, report: or NULL. A store in which nothing was written yet becomes a copy of the other.
     * Errors: NOT_FOUND (no such remote), FORMAT (it is no store, or a newer one), DENIED, IO, BUSY, TIMEOUT, CANCELLED, READ_ONLY. */
    int32_t (*pull)(quipu_backend *self, const quipu_str *remote, const quipu_change_set *as,
                    quipu_progress_fn progress, void *context, quipu_merge_report *report, const quipu_call *call,
                    quipu_error *error) QUIPU_NOEXCEPT;

    /* Gives the other side what is here. Where it has something new, that is pulled first, and again where it was faster.
     * [any-thread] [open] [may-block] Parameters and errors as of pull. */
    int32_t (*push)(quipu_backend *self, const quipu_str *remote, const quipu_change_set *as,
                    quipu_progress_fn progress, void *context, quipu_merge_report *report, const quipu_call *call,
                    quipu_error *error) QUIPU_NOEXCEPT;

    /* Remembers the place of a remote under a name, in place of what that name stood for. [any-thread] [open] [may-block]
     * Errors: INVALID (field "name" or "remote"), READ_ONLY, IO. */
    int32_t (*remember)(quipu_backend *self, const quipu_str *name, const quipu_str *remote, const quipu_call *call,
                        quipu_error *error) QUIPU_NOEXCEPT;
} quipu_sync_api;

#ifdef __cplusplus
}
#endif
#endif
