/*
 * ext/verify.h - "quipu.verify/1": checks everything that is stored, says what is wrong, and repairs it.
 */
#ifndef QUIPU_EXT_VERIFY_H
#define QUIPU_EXT_VERIFY_H

#include "../backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QUIPU_FINDING_CHECKED 0u  /* nothing is wrong: `count` things of this area were checked */
#define QUIPU_FINDING_WARNING 1u  /* nothing is lost; something should be looked at */
#define QUIPU_FINDING_DAMAGE 2u   /* something is wrong */
#define QUIPU_FINDING_REPAIRED 3u /* something was wrong, and is not any more: the message says what was done */

#define QUIPU_FINDING_PROGRESS 4u /* only with QUIPU_VERIFY_PROGRESS: `count` things of this area so far */

/* Repairs what can be repaired. Nothing is deleted: what is taken out of its place is set aside, with a note of what it is and why.
 * A repair that was cut short can be begun anew. */
#define QUIPU_VERIFY_REPAIR 1u
/* Tells from time to time how far it is. */
#define QUIPU_VERIFY_PROGRESS 2u

/* One finding. Texts are borrowed for the visit. */
typedef struct quipu_finding {
    uint32_t struct_size;
    uint32_t severity; /* QUIPU_FINDING_* */
    quipu_str
        area; /* "objects", "commits", "trees", "blobs", "refs", "records", "aside", "index", "vectors"; of a database "database", "revisions",
                        * "heads" */
    quipu_str subject; /* the id, path or object in question; absent: the area as a whole */
    quipu_str message; /* one line; absent with QUIPU_FINDING_CHECKED */
    uint64_t count;    /* with QUIPU_FINDING_CHECKED and QUIPU_FINDING_PROGRESS: how many */
} quipu_finding;

/* As quipu_hit_fn, for findings. */
typedef int32_t (*quipu_finding_fn)(void *context, const quipu_finding *finding) QUIPU_NOEXCEPT;

typedef struct quipu_verify_api {
    uint32_t struct_size;
    uint32_t flags; /* none defined: 0 */

    /* Checks, and shows every finding; at least one CHECKED for each area. Answers QUIPU_OK when it could check
     * everything, whatever it found. [any-thread] [open] [may-block]
     * May be called on a store that was opened with QUIPU_OPEN_DAMAGED, for which it is the only call.
     * flags: QUIPU_VERIFY_*. A repair needs a store that is not open for reading only; others may use the store meanwhile.
     * Errors: READ_ONLY, BUSY, FULL, IO. */
    int32_t (*verify)(quipu_backend *self, uint32_t flags, quipu_finding_fn visit, void *context,
                      const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;
} quipu_verify_api;

#ifdef __cplusplus
}
#endif
#endif
