/*
 * slot.h - the place in a host where the active backend sits. Entering costs two atomic steps, and never waits.
 *
 * Invariants:
 *   1. `current` leads to the generation that new calls enter; a generation does not change from its publication until it was
 *      drained.
 *   2. A call counts itself in a stripe of the generation, then looks again: where `current` has moved on, it takes its count
 *      back. So, once `current` has moved on and all stripes were seen at zero, no call is inside and none can get in.
 *   3. A generation's memory lives until slot_end, because a late caller may still count itself in it for a moment. One that was
 *      drained is used again for a later generation: who is late finds it current or not, and looks into it only where it is.
 */
#ifndef CORE_SLOT_H
#define CORE_SLOT_H

#include <quipu/backend.h>
#include <stdatomic.h>
#include <stdbool.h>

#define SLOT_STRIPES 64u
#define SLOT_LINE 128u /* two cache lines: the prefetcher fetches them in pairs */

/* How many calls are inside, of the threads that share this stripe. */
typedef struct slot_stripe {
    _Alignas(SLOT_LINE) atomic_uint_fast64_t inside;
    struct slot_generation *of;
} slot_stripe;

typedef struct slot_generation {
    slot_stripe stripes[SLOT_STRIPES];
    const quipu_backend_api *api;
    quipu_backend *self;
    struct tap *tap; /* that calls pass through on their way to a backend (tap.h), or NULL */
    struct slot_generation *older;
    bool spare; /* drained; for the control thread */
} slot_generation;

typedef struct slot {
    _Atomic(slot_generation *) current; /* NULL: nothing may enter */
    slot_generation *all;               /* newest first; changed by the control thread only */
} slot;

extern _Thread_local uint32_t slot_stripe_index __attribute__((tls_model("initial-exec")));
/* Gives the calling thread its stripe. */
uint32_t slot_choose_stripe(void);

/* Counts the caller in, where `g` is still what calls enter; *inside goes to slot_leave. Else false, and nothing is counted. */
static inline bool slot_try(slot *s, slot_generation *g, uint32_t stripe, atomic_uint_fast64_t **inside)
{
    atomic_uint_fast64_t *count = &g->stripes[stripe].inside;
    atomic_fetch_add(count, 1); /* in one order with the exchange in slot_publish */
    if (__builtin_expect(atomic_load(&s->current) == g, 1)) {
        *inside = count;
        return true;
    }
    atomic_fetch_sub_explicit(count, 1, memory_order_release);
    return false;
}

/* The generation that the caller is now inside of, or NULL where the slot is shut. */
static inline const slot_generation *slot_enter(slot *s, atomic_uint_fast64_t **inside)
{
    uint32_t stripe = slot_stripe_index;
    if (__builtin_expect(stripe == 0, 0))
        stripe = slot_choose_stripe();
    slot_generation *g = atomic_load_explicit(&s->current, memory_order_acquire);
    while (g && !slot_try(s, g, stripe - 1, inside))
        g = atomic_load_explicit(&s->current, memory_order_acquire);
    return g;
}

static inline void slot_leave(atomic_uint_fast64_t *inside)
{
    atomic_fetch_sub_explicit(inside, 1, memory_order_release);
}

/* The generation that the caller is inside of, from what slot_enter gave. */
static inline const slot_generation *slot_generation_of(const atomic_uint_fast64_t *inside)
{
    return ((const slot_stripe *)(const void *)inside)->of;
}

/* Those below are for one control thread at a time. */

/* Puts a backend into the slot (api NULL: shuts it) and waits until nobody is inside the one before. *old gets that one, or
 * NULL; NULL in place of `old` is legal. deadline_ns: CLOCK_MONOTONIC; 0: none.
 * Errors: NO_MEMORY (nothing was changed); TIMEOUT: the new one is in place, but calls are still inside the old one, which
 * must not be closed: slot_drain waits again. */
int32_t slot_publish(slot *s, const quipu_backend_api *api, quipu_backend *self, int64_t deadline_ns,
                     slot_generation **old, quipu_error *error);
/* The same in its parts. A generation to fill in, which nobody sees yet; one that is not exchanged stays the slot's. Errors: NO_MEMORY. */
int32_t slot_prepare(slot *s, slot_generation **out, quipu_error *error);
/* Puts it into the slot (NULL: shuts it), and answers with the one before. */
slot_generation *slot_exchange(slot *s, slot_generation *next);
/* Waits until nobody is inside a generation that is no longer current; slot_prepare may give it out again then. Errors: TIMEOUT. */
int32_t slot_drain(slot_generation *g, int64_t deadline_ns, quipu_error *error);
/* The same for all that are not current, without a deadline. */
void slot_drain_all(slot *s);
/* Frees all generations; nothing may enter any more. */
void slot_end(slot *s);

#endif
