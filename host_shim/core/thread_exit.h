/*
 * thread_exit.h - tells plugins that a thread ends, in place of thread-local destructors, which would pin their code.
 *
 * Notifications run with the one lock of this module held, so that after thread_exit_end none can be under way. The lock is
 * recursive: a notification may ask for another one.
 */
#ifndef CORE_THREAD_EXIT_H
#define CORE_THREAD_EXIT_H

#include <quipu/host.h>

/* As quipu_thread_exit_service.at_exit. */
int32_t thread_exit_add(const quipu_host *host, quipu_thread_exit_fn notify, void *context, quipu_error *error);
/* Calls what is still registered for this host, from whatever thread; the host is about to go. */
void thread_exit_end(const quipu_host *host);
/* Forgets what is registered for it without calling: in the child after fork. */
void thread_exit_forget(const quipu_host *host);

void thread_exit_lock(void);
void thread_exit_unlock(void);
void thread_exit_reset(void); /* in the child after fork */

#endif
