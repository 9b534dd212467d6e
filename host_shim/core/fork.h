/*
 * fork.h - notices fork(2), and keeps the process-wide locks sane over it.
 *
 * A handle remembers the epoch in which it was opened. In a child the epoch is another one: a comparison of two numbers
 * per call finds out.
 */
#ifndef CORE_FORK_H
#define CORE_FORK_H

#include <stdatomic.h>
#include <stdint.h>

/* How many forks lie between the first process that used libquipu and this one. */
extern atomic_uint fork_epoch;

static inline uint32_t fork_epoch_now(void)
{
    return atomic_load_explicit(&fork_epoch, memory_order_relaxed);
}

/* Installs the handlers, once a process; called before the first lock is taken. */
void fork_watch(void);

#endif
