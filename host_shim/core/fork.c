/* fork.c - see fork.h. Takes the locks in their order (DESIGN.md), so that a child starts with none of them held. */
#include "fork.h"

#include "registry.h"
#include "thread_exit.h"

#include <pthread.h>

atomic_uint fork_epoch;

static void before(void)
{
    registry_lock();
    thread_exit_lock();
}

static void after_in_parent(void)
{
    thread_exit_unlock();
    registry_unlock();
}

/* A recursive lock cannot be released by a child, who has another thread id: both are made anew. */
static void after_in_child(void)
{
    thread_exit_reset();
    registry_reset();
    atomic_fetch_add_explicit(&fork_epoch, 1, memory_order_relaxed);
}

static void install(void)
{
    pthread_atfork(before, after_in_parent, after_in_child);
}

void fork_watch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
}
