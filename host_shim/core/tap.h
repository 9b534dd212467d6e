/*
 * tap.h - what calls pass through while a second backend stands beside the active one.
 *
 * During a swap it notes which records are written, and can hold writers back for the moment in which the last of them are carried
 * over. In shadow mode it makes the same calls to the second backend (shadow.h). Outside of both there is none, and calls cost nothing
 * more.
 *
 * Invariants:
 *   1. A generation with a tap has the tap's table as its api: whoever passes the slot passes the tap. A lease gives out the old
 *      backend's own table, because its extensions cannot be passed through; leases are counted like writes.
 *   2. In state TAP_SHUT, once `inside` is zero, nobody writes to the old backend through this handle.
 *   3. An id is noted before its write is counted out, so that what was noted when `inside` is zero is all there is.
 *   4. States go THROUGH <-> SHUT -> SWITCHED or BOTH; a tap is freed when its generation was drained.
 */
#ifndef CORE_TAP_H
#define CORE_TAP_H

#include "id_list.h"

#include <pthread.h>
#include <quipu/ext/migrate.h>
#include <stdatomic.h>

typedef enum tap_state {
    TAP_THROUGH,  /* calls go to the old backend */
    TAP_SHUT,     /* reads do; writers and leases wait */
    TAP_SWITCHED, /* calls go to the new one */
    TAP_BOTH,     /* calls go to the old one, and are repeated on the new one */
} tap_state;

typedef struct tap_end {
    const quipu_backend_api *api;
    quipu_backend *self;
    const quipu_migrate_api *migrate; /* or NULL */
} tap_end;

typedef struct tap {
    tap_end old, next;
    _Atomic(tap_state) state; /* changed under `lock` */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t inside;              /* writes and leases in the old backend */
    atomic_uint_fast64_t written; /* changes that were sent this way, whatever became of them */
    bool notes;                   /* ids are wanted */
    id_list noted;
    atomic_long brake_ns;  /* each write waits so long first, where the new backend would never catch up */
    struct shadow *shadow; /* in state TAP_BOTH */
} tap;

extern const quipu_backend_api tap_api;
quipu_backend *tap_self(tap *t);

/* NULL without memory. */
tap *tap_new(const tap_end *old, const tap_end *next, bool notes);
void tap_free(tap *t);

/* Holds new writers and leases back and waits for those inside, no longer than until `deadline_ns` (CLOCK_MONOTONIC); false: it was opened again. */
bool tap_shut(tap *t, int64_t deadline_ns);
/* Lets everybody go on, in this state. */
void tap_let_go(tap *t, tap_state state);
/* Moves what was noted to the end of `out`. */
void tap_take_noted(tap *t, id_list *out);

/* A lease is about to be given out, or was given back. TAP_SWITCHED: it was not counted, and the slot has to be entered again. */
tap_state tap_lease_begin(tap *t);
void tap_lease_end(tap *t);

#endif
