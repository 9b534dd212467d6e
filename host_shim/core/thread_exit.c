/* thread_exit.c - see thread_exit.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP */
#endif
#include "thread_exit.h"

#include <base/fail.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

/* One registration, in one list for the whole process: there are few. */
typedef struct waiting {
    struct waiting *next;
    pthread_t thread;
    const quipu_host *host;
    quipu_thread_exit_fn notify;
    void *context;
} waiting;

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* not NULL in a thread that has registrations: its destructor is the moment */
static bool key_made;
static waiting *all;

void thread_exit_lock(void)
{
    pthread_mutex_lock(&lock);
}

void thread_exit_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void thread_exit_reset(void)
{
    pthread_mutex_t fresh = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    lock = fresh;
}

/* Takes the first registration of this thread (host NULL) or of this host out of the list. */
static waiting *take(const quipu_host *host)
{
    for (waiting **at = &all; *at; at = &(*at)->next)
        if (host ? (*at)->host == host : pthread_equal((*at)->thread, pthread_self())) {
            waiting *found = *at;
            *at = found->next;
            return found;
        }
    return NULL;
}

static void run(const quipu_host *host, bool call)
{
    thread_exit_lock();
    for (waiting *w; (w = take(host));) {
        if (call)
            w->notify(w->context);
        free(w);
    }
    thread_exit_unlock();
}

static void thread_ends(void *unused)
{
    (void)unused;
    run(NULL, true);
}

static void make_key(void)
{
    key_made = pthread_key_create(&key, thread_ends) == 0;
}

int32_t thread_exit_add(const quipu_host *host, quipu_thread_exit_fn notify, void *context, quipu_error *error)
{
    if (!notify)
        return fail(error, QUIPU_E_INVALID, "notify", "thread-exit: notify is NULL");
    pthread_once(&once, make_key);
    waiting *w = malloc(sizeof *w);
    if (!key_made || !w || pthread_setspecific(key, &key) != 0) {
        free(w);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "thread-exit: memory is exhausted");
    }
    *w = (waiting){ .thread = pthread_self(), .host = host, .notify = notify, .context = context };
    thread_exit_lock();
    w->next = all;
    all = w;
    thread_exit_unlock();
    return QUIPU_OK;
}

void thread_exit_end(const quipu_host *host)
{
    run(host, true);
}

void thread_exit_forget(const quipu_host *host)
{
    run(host, false);
}
