/*
 * ext/branches.h - "quipu.branches/1": several lines of history in one store, one of which is read and written.
 *
 * Switching is for everybody who uses the store: every open handle reads and writes the other branch from its next call on.
 */
#ifndef QUIPU_EXT_BRANCHES_H
#define QUIPU_EXT_BRANCHES_H

#include "../backend.h"
#include "sync.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QUIPU_BRANCH_CURRENT 1u /* the one that is read and written */

/* One branch. Texts are borrowed for the visit. */
typedef struct quipu_branch {
    uint32_t struct_size;
    uint32_t flags;     /* QUIPU_BRANCH_* */
    quipu_str name;     /* "main" */
    quipu_str revision; /* its newest */
} quipu_branch;

/* As quipu_hit_fn, for branches. */
typedef int32_t (*quipu_branch_fn)(void *context, const quipu_branch *branch) QUIPU_NOEXCEPT;

typedef struct quipu_branches_api {
    uint32_t struct_size;
    uint32_t flags; /* none defined: 0 */

    /* Shows every branch, ordered by name. [any-thread] [open] [may-block] */
    int32_t (*list)(quipu_backend *self, quipu_branch_fn visit, void *context, const quipu_call *call,
                    quipu_error *error) QUIPU_NOEXCEPT;

    /* Makes a branch that begins at a revision; from: NULL or absent: where the current one stands. [any-thread] [open] [may-block]
     * Errors: INVALID (field "branch": a name that cannot be one), EXISTS, NOT_FOUND (from), READ_ONLY. */
    int32_t (*create)(quipu_backend *self, const quipu_str *name, const quipu_str *from, const quipu_call *call,
                      quipu_error *error) QUIPU_NOEXCEPT;

    /* Makes it the current one. [any-thread] [open] [may-block] Errors: NOT_FOUND, INVALID, READ_ONLY. */
    int32_t (*switch_to)(quipu_backend *self, const quipu_str *name, const quipu_call *call,
                         quipu_error *error) QUIPU_NOEXCEPT;

    /* Merges a branch into the current one, by record, as pull does. as, report: likewise. [any-thread] [open] [may-block]
     * Errors: NOT_FOUND, INVALID, and those of pull. */
    int32_t (*merge)(quipu_backend *self, const quipu_str *name, const quipu_change_set *as, quipu_merge_report *report,
                     const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;

    /* Takes the name away; the revisions stay where another branch leads to them. [any-thread] [open] [may-block]
     * Errors: NOT_FOUND, INVALID (the current one), BUSY (it moved meanwhile), READ_ONLY. */
    int32_t (*remove)(quipu_backend *self, const quipu_str *name, const quipu_call *call,
                      quipu_error *error) QUIPU_NOEXCEPT;
} quipu_branches_api;

#ifdef __cplusplus
}
#endif
#endif
