/*
 * background.c - see background.h.
 *
 * Every 512 change sets the thread looks at the packs. It repacks where what came since the last maintenance takes 4 MiB and half as much as what
 * had been packed then: so the store is never more than half unpacked, and all that is ever written is copied about log2 of its growth
 * times. One that failed is not tried again before twice as much has come. The thread is one of the batch (sched(7)), which does not push others aside, and takes the store's lock only to
 * put the new pack in its place. While a bulk comes in it waits: what a bulk writes is packed well as it is, and all of it would be copied again
 * with what follows. It writes nothing of its own into the history: expired records go with `quipu maintain`.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* SCHED_BATCH */
#endif
#include "background.h"

#include "backend.h"

#include <base/fail.h>
#include <sched.h>
#include <signal.h>
#include <storage_git/repack.h>

enum { LOOK_EVERY = 512, TIME_LIMIT_S = 600 };

#define BULK_OVER_NS INT64_C(10000000000) /* no bulk for so long: it is over */

#define FRESH_LEAST ((uint64_t)4 << 20)
#define MEMORY_LIMIT ((uint64_t)256 << 20)

static void maintain_once(quipu_backend *self)
{
    background *b = &self->background;
    quipu_error error = { .struct_size = sizeof error };
    quipu_call call = { .struct_size = sizeof call, .cancel = &b->cancel };
    repack_limits limits = { .memory = MEMORY_LIMIT,
                             .deadline_ns = monotonic_now() + (int64_t)TIME_LIMIT_S * 1000000000,
                             .grace = true };
    repack_outcome outcome = REPACK_DONE;
    uint64_t fresh = 0, settled = 0;
    int32_t code = git_repack_fresh(self->store, &fresh, &settled, &error);
    if (code == QUIPU_OK && (fresh < FRESH_LEAST || fresh < settled / 2 || fresh < b->not_below))
        return;
    if (code == QUIPU_OK)
        code = moved_check(self, &error);
    if (code == QUIPU_OK)
        code = git_repack(self->store, &limits, NULL, NULL, &outcome, &call, &error);
    if (code == QUIPU_E_BUSY || code == QUIPU_E_CANCELLED || code == QUIPU_E_MOVED)
        return; /* another process is at it; or the store is being closed; or it is no longer ours */
    b->not_below = code == QUIPU_OK && outcome == REPACK_DONE ? 0 : fresh * 2;
    maintenance_note(self, code, outcome, &error);
}

/* With the lock held: waits until no bulk has come for a while, or the thread shall end. */
static void wait_for_end_of_bulk(background *b)
{
    for (int64_t now = monotonic_now(); !b->stop && now < b->bulk_until; now = monotonic_now()) {
        struct timespec until = { .tv_sec = (time_t)(b->bulk_until / 1000000000),
                                  .tv_nsec = (long)(b->bulk_until % 1000000000) };
        pthread_cond_timedwait(&b->changed, &b->lock, &until);
    }
}

static void *run(void *context)
{
    quipu_backend *self = context;
    background *b = &self->background;
    (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &(struct sched_param){ 0 }); /* this thread's alone */
    pthread_mutex_lock(&b->lock);
    while (!b->stop) {
        if (!b->asked) {
            pthread_cond_wait(&b->changed, &b->lock);
            continue;
        }
        wait_for_end_of_bulk(b);
        if (b->stop)
            break;
        b->asked = false;
        pthread_mutex_unlock(&b->lock);
        maintain_once(self);
        pthread_mutex_lock(&b->lock);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* The thread hears no signal: those are the host's. */
static void start(quipu_backend *self)
{
    background *b = &self->background;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&b->thread, NULL, run, self) == 0)
        b->owner = getpid();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void background_begin(quipu_backend *self)
{
    background *b = &self->background;
    *b = (background){ .cancel = { .struct_size = sizeof b->cancel, .fd = -1 } };
    if (!self->maintains || self->flags & (QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_DAMAGED))
        return;
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, &clock);
    pthread_condattr_destroy(&clock);
    b->ready = true;
}

void background_bulk(quipu_backend *self, uint64_t sets)
{
    background *b = &self->background;
    if (!b->ready)
        return;
    pthread_mutex_lock(&b->lock);
    b->bulk_until = monotonic_now() + BULK_OVER_NS;
    pthread_mutex_unlock(&b->lock);
    background_note(self, sets);
}

void background_note(quipu_backend *self, uint64_t sets)
{
    background *b = &self->background;
    if (!b->ready || sets == 0)
        return;
    uint64_t before = atomic_fetch_add(&b->written, sets);
    if (before / LOOK_EVERY == (before + sets) / LOOK_EVERY)
        return;
    pthread_mutex_lock(&b->lock);
    b->asked = true;
    if (!b->owner)
        start(self);
    pthread_cond_signal(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

void background_end(quipu_backend *self)
{
    background *b = &self->background;
    if (!b->ready)
        return;
    b->ready = false;
    if (b->owner && b->owner != getpid())
        return; /* a child of fork(2): the thread is not there, and nobody gives the lock back */
    if (b->owner) {
        __atomic_store_n(&b->cancel.flag, 1, __ATOMIC_RELEASE);
        pthread_mutex_lock(&b->lock);
        b->stop = true;
        pthread_cond_signal(&b->changed);
        pthread_mutex_unlock(&b->lock);
        pthread_join(b->thread, NULL);
    }
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
}
