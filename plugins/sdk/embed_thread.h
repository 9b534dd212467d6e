/*
 * embed_thread.h - vectors that follow the writes: a thread of a store that makes what is missing, beside all calls.
 *
 * What is missing follows from what is stored, so that there is no queue to keep: after a restart the thread goes on. It waits until writes pause
 * for a moment (a batch is cheaper than its texts one by one), makes way for searches, leaves the work to another process that is at it,
 * and lets an embedder that fails rest, up to five minutes. What it is doing when the store closes ends soon.
 */
#ifndef SDK_EMBED_THREAD_H
#define SDK_EMBED_THREAD_H

#include <sdk/follow.h>

typedef struct embed_thread embed_thread;

/* At open, of a store that may be written. NULL where the host has no embedder, or no thread is to be had: then searches make the vectors, as far as
 * somebody waits for them. owner, self and host: the caller's until embed_thread_end. */
embed_thread *embed_thread_begin(const index_owner *owner, quipu_backend *self, const quipu_host *host);
/* There may be something to do: told after writes, and by index_owner_search after searches, which see what others wrote. Cheap. NULL is fine. */
void embed_thread_wake(embed_thread *t);
/* Ends it, and what it is doing, soon; before the index goes. In a child of fork(2), where there is no thread, it only frees. NULL is fine. */
void embed_thread_end(embed_thread *t);

#endif
