/*
 * workers.h - a fixed number of threads and a bounded queue of things for them to do, first come, first served.
 */
#ifndef SERVE_WORKERS_H
#define SERVE_WORKERS_H

#include <quipu/error.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct workers workers;
typedef void work_fn(void *item);

/* Errors: NO_MEMORY (also: no more threads). */
int32_t workers_start(size_t threads, size_t queue, work_fn *work, workers **out, quipu_error *error);
/* False where the queue is full. */
bool workers_give(workers *all, void *item);
/* Does what is queued, ends the threads, frees. NULL is nothing to do. */
void workers_stop(workers *all);

#endif
