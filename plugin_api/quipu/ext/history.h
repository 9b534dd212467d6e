/*
 * ext/history.h - "quipu.history/1": every state that ever was, who made it, and the way back.
 *
 * A revision is one applied change set. Wherever a revision is asked for (`spec`, `as_of`, `from`, `to`) a backend takes
 *   - the full name that a receipt or a log gave, or an unambiguous beginning of at least 4 characters,
 *   - "HEAD" or a branch, with "~N" for the N-th one before it,
 *   - a time: RFC 3339, or a date, which means its end (23:59:59.999999Z). It stands for the last revision made at or before.
 */
#ifndef QUIPU_EXT_HISTORY_H
#define QUIPU_EXT_HISTORY_H

#include "../backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One revision, as shown to a visitor. Texts are borrowed for the visit. */
typedef struct quipu_revision {
    uint32_t struct_size;
    uint32_t flags;       /* QUIPU_REVISION_* */
    quipu_str name;       /* 40 hexadecimal digits in a git store */
    quipu_str parent;     /* the one before; absent for the first */
    quipu_str author;     /* who acted */
    quipu_str subject;    /* one readable line */
    quipu_str operation;  /* as the change set had it; absent where the revision was not made through a change set */
    quipu_str source;     /* likewise */
    quipu_str message;    /* the whole message, as it is stored */
    int64_t time;         /* when the change was made */
    int64_t committed_at; /* when it was stored; never before its parent's */
} quipu_revision;

#define QUIPU_REVISION_FOREIGN 1u /* made by another program, stock git for one */

/* As quipu_hit_fn, for revisions. */
typedef int32_t (*quipu_revision_fn)(void *context, const quipu_revision *revision) QUIPU_NOEXCEPT;

/* One record that two revisions hold differently. */
typedef struct quipu_difference {
    uint32_t struct_size;
    uint32_t reserved;
    quipu_str id;
    const quipu_record *before; /* NULL: added */
    const quipu_record *after;  /* NULL: removed */
} quipu_difference;

/* As quipu_hit_fn, for differences. */
typedef int32_t (*quipu_difference_fn)(void *context, const quipu_difference *difference) QUIPU_NOEXCEPT;

typedef struct quipu_log_query {
    uint32_t struct_size;
    uint32_t flags; /* none defined: 0 */
    quipu_str id;   /* only revisions that changed this record; absent: all */
    quipu_str from; /* begin at this revision and go back; absent: the newest */
    uint64_t limit; /* revisions at the most; 0: no limit */
} quipu_log_query;

typedef struct quipu_history_api {
    uint32_t struct_size;
    uint32_t flags; /* none defined: 0 */

    /* ---- group "read": mandatory ---- */

    /* Shows the one revision that `spec` stands for. [any-thread] [open] [may-block]
     * Errors: NOT_FOUND, INVALID (ambiguous, not a revision). */
    int32_t (*resolve)(quipu_backend *self, const quipu_str *spec, quipu_revision_fn visit, void *context,
                       const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;

    /* Shows revisions, newest first. [any-thread] [open] [may-block]
     * Errors: NOT_FOUND (from; or an id that no revision ever held), IO, CORRUPT. */
    int32_t (*log)(quipu_backend *self, const quipu_log_query *query, quipu_revision_fn visit, void *context,
                   const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;

    /* Shows the records that `to` holds otherwise than `from` does, ordered by id. [any-thread] [open] [may-block]
     * from: absent or NULL: the parent of `to`. id: only this record; absent or NULL: all.
     * Errors: NOT_FOUND, IO, CORRUPT. */
    int32_t (*diff)(quipu_backend *self, const quipu_str *from, const quipu_str *to, const quipu_str *id,
                    quipu_difference_fn visit, void *context, const quipu_call *call,
                    quipu_error *error) QUIPU_NOEXCEPT;

    /* ---- group "undo": both or neither ---- */

    /* Takes back what one revision changed, as a new revision on top. [any-thread] [open] [may-block]
     * spec: the revision. as: author, time, change id, operation, source and note of the new one; its `changes` are empty.
     * Errors: CONFLICT (a record has changed since; id names it, nothing is done), NOT_FOUND, and those of apply. */
    int32_t (*revert)(quipu_backend *self, const quipu_str *spec, const quipu_change_set *as, quipu_receipt *receipt,
                      const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;

    /* Gives one record the state that it had as of a revision or time (also: gone, or back from the dead), as a new
     * revision. [any-thread] [open] [may-block]
     * Errors: NOT_FOUND (revision, or neither then nor now is there such a record), and those of apply. */
    int32_t (*restore)(quipu_backend *self, const quipu_str *id, const quipu_str *as_of, const quipu_change_set *as,
                       quipu_receipt *receipt, const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;
} quipu_history_api;

#ifdef __cplusplus
}
#endif
#endif
