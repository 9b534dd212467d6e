/*
 * ext/migrate.h - "quipu.migrate/1": many changes at once, as a move from one store to another makes them.
 *
 * Through apply every change set waits for its own round of syncs, unless other threads wait beside it. A store that is filled
 * has everything at hand and waits for nothing in between: here it hands over a whole run of change sets, which share their
 * syncs. Each of them is still atomic and still a revision of its own.
 *
 * The group "fence" ends the life of a store that was moved away: every later write, by whichever process, is answered with
 * QUIPU_E_MOVED and the new place. Reading goes on, and the fence can be taken away again, so that there is a way back. What was
 * written before the fence can be carried over in full, because the fence is set by compare-and-swap on the store's position.
 */
#ifndef QUIPU_EXT_MIGRATE_H
#define QUIPU_EXT_MIGRATE_H

#include "../backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QUIPU_POSITION_MAX 127 /* bytes of a position */
#define QUIPU_PLACE_MAX 4352   /* bytes of a place */

#define QUIPU_UNFENCE_ALL 0u  /* everybody may write again */
#define QUIPU_UNFENCE_SELF 1u /* only this instance, until it is closed: to fill it before others come back */

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

    /* ---- group "fence": all or none; appended, to be read through QUIPU_HAS ---- */

    /* Where the store stands: text that is another one after each change that anybody made. [any-thread] [open] [may-block]
     * With history/1 it is the name of the newest revision, "" where there is none. out: receives it with a NUL byte. */
    int32_t (*position)(quipu_backend *self, char out[QUIPU_POSITION_MAX + 1], const quipu_call *call,
                        quipu_error *error) QUIPU_NOEXCEPT;

    /* Sets the fence, where the store still stands at `position`: durable, and seen by every process, when this returns.
     * [any-thread] [open] [may-block]
     * place: where the records are now: one line of 1 to QUIPU_PLACE_MAX bytes, which the messages of QUIPU_E_MOVED tell. as: author,
     * time, change id and source of what is left in the history; its `changes` are empty.
     * Errors: CONFLICT (it stands elsewhere by now; nothing was done), MOVED (there is a fence already), INVALID, READ_ONLY, IO, FULL. */
    int32_t (*fence)(quipu_backend *self, const quipu_str *position, const quipu_str *place, const quipu_change_set *as,
                     const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;

    /* Takes a fence away that names this place. No fence at all is no error. [any-thread] [open] [may-block]
     * scope: QUIPU_UNFENCE_*. Errors: CONFLICT (the fence names another place), INVALID, READ_ONLY, IO. */
    int32_t (*unfence)(quipu_backend *self, const quipu_str *place, uint32_t scope, const quipu_call *call,
                       quipu_error *error) QUIPU_NOEXCEPT;

    /* Tells the place that the fence names to the sink, in one call; where there is no fence the sink is not called.
     * [any-thread] [open] [may-block] Errors: IO, CORRUPT. */
    int32_t (*fenced)(quipu_backend *self, quipu_sink_fn sink, void *context, const quipu_call *call,
                      quipu_error *error) QUIPU_NOEXCEPT;

    /* ---- group "hold": both or neither; with "fence" alone ---- */

    /* Keeps every other writer, of all processes, waiting, so that the last changes can be carried over before the fence: without it the
     * position is another one each time where many write. Reading goes on. Ended by fence where that succeeds, by release, by close,
     * and by the end of the process. The same thread calls hold, fence and release; in between it writes nothing.
     * [any-thread] [open] [may-block] Errors: BUSY and TIMEOUT (others are writing), MOVED, STATE (it is held already), READ_ONLY, IO. */
    int32_t (*hold)(quipu_backend *self, const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;

    /* Lets the other writers go on; nothing is to be done where they are not held. [any-thread] [open] [fast] */
    void (*release)(quipu_backend *self) QUIPU_NOEXCEPT;
} quipu_migrate_api;

#ifdef __cplusplus
}
#endif
#endif
