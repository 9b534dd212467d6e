/* workers.c - see workers.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_setname_np */
#endif
#include "workers.h"

#include <base/fail.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct workers {
    work_fn *work;
    pthread_mutex_t lock;
    pthread_cond_t some;
    void **ring;
    size_t first, waiting, room;
    bool ending;
    size_t count;
    pthread_t threads[];
};

static void *serve_queue(void *context)
{
    workers *all = context;
    for (;;) {
        pthread_mutex_lock(&all->lock);
        while (all->waiting == 0 && !all->ending)
            pthread_cond_wait(&all->some, &all->lock);
        if (all->waiting == 0) {
            pthread_mutex_unlock(&all->lock);
            return NULL;
        }
        void *item = all->ring[all->first];
        all->first = (all->first + 1) % all->room;
        all->waiting--;
        pthread_mutex_unlock(&all->lock);
        all->work(item);
    }
}

/* Signals are for the thread that started us. */
static bool start_thread(workers *all)
{
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    bool started = pthread_create(&all->threads[all->count], NULL, serve_queue, all) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        pthread_setname_np(all->threads[all->count++], "quipu-work");
    return started;
}

int32_t workers_start(size_t threads, size_t queue, work_fn *work, workers **out, quipu_error *error)
{
    workers *all = calloc(1, sizeof *all + threads * sizeof all->threads[0]);
    *out = NULL;
    if (!all)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    all->work = work;
    all->room = queue;
    all->ring = calloc(queue, sizeof *all->ring);
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->some, NULL);
    bool good = all->ring != NULL;
    while (good && all->count < threads)
        good = start_thread(all);
    if (!good) {
        workers_stop(all);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "not enough memory, or threads, for %zu workers", threads);
    }
    *out = all;
    return QUIPU_OK;
}

bool workers_give(workers *all, void *item)
{
    pthread_mutex_lock(&all->lock);
    bool room = all->waiting < all->room && !all->ending;
    if (room)
        all->ring[(all->first + all->waiting++) % all->room] = item;
    pthread_mutex_unlock(&all->lock);
    if (room)
        pthread_cond_signal(&all->some);
    return room;
}

void workers_stop(workers *all)
{
    if (!all)
        return;
    pthread_mutex_lock(&all->lock);
    all->ending = true;
    pthread_mutex_unlock(&all->lock);
    pthread_cond_broadcast(&all->some);
    for (size_t i = 0; i < all->count; i++)
        pthread_join(all->threads[i], NULL);
    pthread_mutex_destroy(&all->lock);
    pthread_cond_destroy(&all->some);
    free(all->ring);
    free(all);
}
