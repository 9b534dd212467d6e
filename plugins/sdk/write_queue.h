/*
 * write_queue.h - change sets on their way to a store that writes one batch at a time.
 *
 * A thread that arrives while another is writing waits in the queue; the writer takes all that wait at once, so that they share one
 * round of syncs. What a batch means, the owner's `write` says: it gets a list of requests and fills code, error, flags, changed and
 * revision of each.
 */
#ifndef SDK_WRITE_QUEUE_H
#define SDK_WRITE_QUEUE_H

#include <pthread.h>
#include <quipu/change.h>
#include <quipu/error.h>
#include <stdbool.h>

typedef struct write_request {
    const quipu_change_set *set; /* checked */
    const quipu_call *call;
    const struct write_request
        *after; /* is only begun with where that one succeeded, and fails as it did; NULL: stands alone */
    quipu_error error;
    struct write_request *next; /* in the batch */
    int32_t code;
    bool taken; /* by the writer */
    bool done;
    bool bulk; /* of write_queue_bulk: stored as of the set's own time */
    bool late; /* its deadline passed, or it was cancelled, while the store's lock was waited for: `code` says which */
    uint32_t flags;    /* of the receipt */
    uint64_t changed;  /* likewise */
    char revision[64]; /* likewise; "": nothing was written */
} write_request;

/* Writes a batch. By one thread at a time. */
typedef void (*write_batch_fn)(void *context, write_request *batch);

typedef struct write_queue {
    pthread_mutex_t lock;
    pthread_cond_t done;
    pthread_cond_t arrived;
    write_request *first, *last;
    unsigned waiting;  /* between them */
    unsigned together; /* as many were written together the last time */
    bool busy;         /* a thread is writing, or gathers what it will write */
    write_batch_fn write;
    void *context;
} write_queue;

void write_queue_begin(write_queue *q, write_batch_fn write, void *context);
void write_queue_end(write_queue *q);

/* ---- for who has something to write ---- */

/* What is asked of a set before it is queued: set and receipt are well formed. */
int32_t write_request_check(const quipu_change_set *set, const quipu_receipt *receipt, quipu_error *error);
/* Sees the request through: writes a batch that it is in, or waits until another thread has. */
void write_queue_run(write_queue *q, write_request *r);
/* Fills receipt or error from a request that is done; answers with its code. Both may be NULL. */
int32_t write_request_answer(const write_request *r, quipu_receipt *receipt, quipu_error *error);
/* The slot `write` of ext/migrate.h, on a store that is open for writing: the run is cut into pieces, each one batch, so that what is
 * under way stays small in memory and other writers get their turn between two. */
int32_t write_queue_bulk(write_queue *q, const quipu_array *sets, quipu_receipt *receipts, uint64_t *done,
                         const quipu_call *call, quipu_error *error);

/* ---- for who writes a batch ---- */

/* Whether any request has a deadline or a token, so that the store's lock must not be waited for blindly. */
bool write_batch_bounded(const write_request *batch);
/* Gives up the requests whose own time has passed; whether any is left. */
bool write_batch_drop_late(write_request *batch);
/* All that are not yet failed fail with this. */
void write_batch_fail(write_request *batch, int32_t code, const quipu_error *error);

#endif
