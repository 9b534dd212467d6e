/*
 * ext/migrate.h - "quipu.migrate/1": many changes at once, as a move from one store to another makes them.
 *
 * Through apply every change set waits for its own round of syncs, unless other threads wait beside it. A store that is filled
 * has everything at hand and waits for nothing in between: here it hands over a whole run of change sets, which share their
 * syncs. Each of them is still atomic and still a revision of its own.
 *
 * The table will grow at its end by two more groups: "out", which reads all that a store holds with its history, and "fence",
 * which ends the life of the old store so that every later write is answered with QUIPU_E_MOVED.
 */
#ifndef QUIPU_EXT_MIGRATE_H
#define QUIPU_EXT_MIGRATE_H

#include "../backend.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct quipu_migrate_api {
    uint32_t struct_size;
    uint32_t flags; /* none defined: 0 */

    /* ---- group "in": mandatory ---- */

    /* Applies change sets one after the other, as apply would, and stops at the first that fails. [any-thread] [open] [may-block]
     * sets: an array of quipu_change_set. Each sees what those before it did.
     * receipts: one for each set, receipts->struct_size bytes apart, all of that size; or NULL. The first *done are filled.
     * done: receives how many sets were applied and are durable, also on failure: those and no others, but for
     * QUIPU_E_UNCERTAIN. The error is that of set *done; give the same change ids to send the rest again.
     * A deadline or token ends the call between two sets. Other writers may get in between. Errors: those of apply. */
    int32_t (*write)(quipu_backend *self, const quipu_array *sets, quipu_receipt *receipts, uint64_t *done,
                     const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;
} quipu_migrate_api;

#ifdef __cplusplus
}
#endif
#endif
