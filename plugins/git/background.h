/*
 * background.h - maintenance beside the writers: a thread that repacks the store when it pays (setting "maintain").
 */
#ifndef PLUGINS_GIT_BACKGROUND_H
#define PLUGINS_GIT_BACKGROUND_H

#include <pthread.h>
#include <quipu/base.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct quipu_backend quipu_backend;

typedef struct background {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    pid_t owner; /* the process that has the thread; 0: it was not started */
    bool ready;  /* lock and changed are there */
    bool asked;  /* somebody should look whether it pays */
    bool stop;
    atomic_uint_fast64_t written; /* change sets since the thread was asked last */
    int64_t bulk_until;           /* monotonic nanoseconds: until then a bulk is taken to be under way */
    uint64_t not_below;           /* bytes that must have come since the last maintenance: more after a failure */
    quipu_cancel cancel;          /* set when the store closes */
} background;

/* At open: nothing where the setting is off, or the store may not be written. */
void background_begin(quipu_backend *self);
/* Told of change sets that were written. Cheap; starts the thread when there is something to look at. */
void background_note(quipu_backend *self, uint64_t sets);
/* The same of a bulk: maintenance waits until no more has come for ten seconds. */
void background_bulk(quipu_backend *self, uint64_t sets);
/* Ends the thread, and what it is doing, soon. */
void background_end(quipu_backend *self);

#endif
