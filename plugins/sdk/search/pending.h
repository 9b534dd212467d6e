/*
 * pending.h - records that were put and are in no segment yet, found by their ids; and the thread that makes a segment of many of
 * them while the next ones come in.
 */
#ifndef SDK_PENDING_H
#define SDK_PENDING_H

#include "str_table.h"
#include <base/buffer.h>
#include <pthread.h>
#include <sdk/record.h>
#include <sdk/text.h>

/* Stays where it is once it was begun: the table knows its address. */
typedef struct pending_set {
    record **records;
    uint32_t count, capacity;
    uint64_t bytes; /* of what was put, more or less */
    str_table by_id;
    text_language language; /* of a segment's words */
} pending_set;

void pending_begin(pending_set *p, text_language language);
/* Leaves an empty one. */
void pending_free(pending_set *p);
/* The record of this id, the set's; or NULL. */
record *pending_find(const pending_set *p, quipu_str id);
/* Takes its own reference; *before: what had this id, for the caller, or NULL. False without memory. */
bool pending_put(pending_set *p, record *r, record **before);
/* Takes a record out, for the caller; or NULL. */
record *pending_take(pending_set *p, quipu_str id);
/* The bytes of a segment of all of them, in the order of ids. */
int32_t pending_build(const pending_set *p, buffer *out, quipu_error *error);

/* A set on its way to become a segment. */
typedef struct pending_job {
    pending_set set; /* may be looked at meanwhile */
    buffer bytes;
    int32_t code;
    quipu_error error;
    pthread_t thread;
    bool in_thread;
} pending_job;

/* Moves everything out of `from` into a job and begins with it; where no thread is to be had it is done when this returns. NULL without
 * memory, then `from` is as it was. */
pending_job *pending_job_begin(pending_set *from);
/* Waits for it: the segment's bytes are in job->bytes, or job->code says why not. */
void pending_job_wait(pending_job *job);
void pending_job_free(pending_job *job); /* waits; NULL is nothing to do */

#endif
