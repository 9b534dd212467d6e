/*
 * network_wait.h - work that waits for another machine, on a thread of its own, so that the caller's deadline, its cancel and its patience
 * hold however silent that machine is.
 *
 * The caller looks about ten times a second. What it gives up is told so at its next step, and gets a moment to end; a work that
 * stays silent is left to itself: it ends when its connection does, changes nothing any more, and frees what is its own.
 */
#ifndef STORAGE_GIT_NETWORK_WAIT_H
#define STORAGE_GIT_NETWORK_WAIT_H

#include <pthread.h>
#include <quipu/error.h>
#include <stdbool.h>

/* Told how far a transfer came; a non-zero answer gives it up. */
typedef int32_t (*remote_progress_fn)(void *context, const char *stage, uint64_t done, uint64_t total);

typedef struct remote_call {
    remote_progress_fn progress; /* or NULL; called by the thread that asked */
    void *context;
    const quipu_call *call;
    int64_t patience_ms; /* as long may the other side say nothing; 0: NETWORK_PATIENCE_MS */
} remote_call;

enum { NETWORK_PATIENCE_MS = 120000 };

/* The head of a job's own struct, made by calloc. Only `work`, `destroy` and `stage` are for the job to set. */
typedef struct network_wait network_wait;
struct network_wait {
    int32_t (*work)(network_wait *w, quipu_error *error); /* borrows nothing from the caller */
    void (*destroy)(network_wait *w);                     /* frees all of the job */
    const char *stage;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    unsigned holders;     /* the caller, the thread */
    uint64_t done, total; /* as network_step was told */
    uint64_t steps;       /* signs of life */
    bool given_up;        /* by the caller */
    bool ended;
    int32_t code;
    quipu_error error;
};

/* Runs it. The caller releases the job afterwards. *left: it was given up and goes on by itself; what became of it is not known. */
int32_t network_run(network_wait *w, const remote_call *how, bool *left, quipu_error *error);
void network_release(network_wait *w);
/* For the work: something came or went; false where it was given up. */
bool network_step(network_wait *w, uint64_t done, uint64_t total);
/* The same of what cannot be counted. */
bool network_alive(network_wait *w);

#endif
