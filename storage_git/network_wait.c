/* network_wait.c - see network_wait.h. */
#include "network_wait.h"

#include <base/fail.h>

#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum { LOOK_MS = 100, GRACE_MS = 1000 };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void network_release(network_wait *w)
{
    pthread_mutex_lock(&w->lock);
    bool last = --w->holders == 0;
    pthread_mutex_unlock(&w->lock);
    if (!last)
        return;
    pthread_cond_destroy(&w->moved);
    pthread_mutex_destroy(&w->lock);
    w->destroy(w);
}

bool network_step(network_wait *w, uint64_t done, uint64_t total)
{
    pthread_mutex_lock(&w->lock);
    w->done = done;
    w->total = total;
    w->steps++;
    bool go_on = !w->given_up;
    pthread_mutex_unlock(&w->lock);
    return go_on;
}

bool network_alive(network_wait *w)
{
    pthread_mutex_lock(&w->lock);
    w->steps++;
    bool go_on = !w->given_up;
    pthread_mutex_unlock(&w->lock);
    return go_on;
}

static void *run(void *context)
{
    network_wait *w = context;
    quipu_error error = { .struct_size = sizeof error };
    int32_t code = w->work(w, &error);
    pthread_mutex_lock(&w->lock);
    w->code = code;
    w->error = error;
    w->ended = true;
    pthread_cond_signal(&w->moved);
    pthread_mutex_unlock(&w->lock);
    network_release(w);
    return NULL;
}

/* Signals are the host's: none is taken here, and a connection that breaks raises no SIGPIPE that could end it. */
static int start(network_wait *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&w->thread, NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

/* With the lock held. Until the work has ended, or so many milliseconds are over. */
static void wait_a_while(network_wait *w, int64_t milliseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += milliseconds % 1000 * 1000000;
    until.tv_sec += milliseconds / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (!w->ended && pthread_cond_timedwait(&w->moved, &w->lock, &until) == 0)
        ;
}

typedef struct watch {
    uint64_t steps; /* that were told of */
    int64_t heard;  /* when the last one was, in milliseconds */
} watch;

/* Whether to go on, and the caller's word of how far it came. With no lock held. */
static int32_t look(const remote_call *how, const network_wait *seen, watch *last, quipu_error *error)
{
    int64_t patience = how->patience_ms > 0 ? how->patience_ms : NETWORK_PATIENCE_MS;
    int32_t code = call_check(how->call, error);
    if (code != QUIPU_OK)
        return code;
    if (seen->steps == last->steps && now_ms() - last->heard > patience)
        return fail(error, QUIPU_E_NETWORK, "remote",
                    "the other side has said nothing for %lld seconds; the transfer was given up",
                    (long long)(patience / 1000));
    if (seen->steps == last->steps)
        return QUIPU_OK;
    *last = (watch){ seen->steps, now_ms() };
    if (how->progress && how->progress(how->context, seen->stage, seen->done, seen->total) != 0)
        return fail(error, QUIPU_E_CANCELLED, NULL, "the transfer was given up");
    return QUIPU_OK;
}

/* With the lock held. */
static int32_t wait_for_end(network_wait *w, const remote_call *how, quipu_error *error)
{
    watch last = { 0, now_ms() };
    int32_t code = QUIPU_OK;
    while (!w->ended && code == QUIPU_OK) {
        wait_a_while(w, LOOK_MS);
        network_wait seen = { .stage = w->stage, .done = w->done, .total = w->total, .steps = w->steps };
        pthread_mutex_unlock(&w->lock);
        code = look(how, &seen, &last, error);
        pthread_mutex_lock(&w->lock);
    }
    if (code != QUIPU_OK) {
        w->given_up = true;
        wait_a_while(w, GRACE_MS);
    }
    return code;
}

int32_t network_run(network_wait *w, const remote_call *how, bool *left, quipu_error *error)
{
    pthread_condattr_t attributes;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&w->moved, &attributes);
    pthread_condattr_destroy(&attributes);
    w->holders = 2;
    int result = start(w);
    if (result != 0) {
        w->holders = 1;
        *left = false;
        return fail_errno(error, result, "cannot start a thread for the transfer");
    }
    pthread_mutex_lock(&w->lock);
    int32_t code = wait_for_end(w, how, error);
    *left = !w->ended;
    if (w->ended && w->code == QUIPU_OK) {
        code = QUIPU_OK; /* given up, but too late */
    } else if (w->ended && code == QUIPU_OK) {
        code = fail(error, w->code, w->error.field[0] ? w->error.field : NULL, "%s", w->error.message);
    }
    pthread_mutex_unlock(&w->lock);
    if (*left)
        pthread_detach(w->thread);
    else
        pthread_join(w->thread, NULL); /* what libraries keep for the thread is freed before the call returns */
    return code;
}
