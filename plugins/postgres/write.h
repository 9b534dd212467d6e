/* write.h - a batch of change sets while it is planned (plan.c), for the transaction that writes it (write.c). */
#ifndef PLUGINS_POSTGRES_WRITE_H
#define PLUGINS_POSTGRES_WRITE_H

#include "backend.h"

/* The arrays that STATEMENT_WRITE takes, in its order. */
enum {
    ROW_STATE,
    ROW_STATE_REVISION,
    ROW_PREVIOUS,
    ROW_ID,
    ROW_VERSION,
    ROW_JSON,
    ROW_REVISION,
    ROW_NAME,
    ROW_CHANGE_ID,
    ROW_LAST_STATE,
    ROW_RECORDS,
    ROW_TIME,
    ROW_COMMITTED_AT,
    ROW_AUTHOR,
    ROW_OPERATION,
    ROW_SOURCE,
    ROW_SUBJECT,
    PLAN_ARRAYS
};

typedef struct plan_entry plan_entry;

typedef struct plan {
    quipu_backend *self;
    line_revision at; /* the newest revision, with all that was planned so far */
    int64_t now;
    uint64_t written; /* sets that changed something */
    sql_array rows[PLAN_ARRAYS];
    plan_entry *entries; /* an open-addressed table of ids and of revisions' names */
    size_t capacity, count;
} plan;

plan *plan_new(quipu_backend *self, quipu_error *error);
void plan_free(plan *t);
/* Reads the newest revision, and what the batch's change ids and ids stand for. Within the transaction. */
int32_t plan_read(plan *t, connection *c, write_request *batch, quipu_error *error);
/* Checks every set and adds its rows. Fills code, error, flags, changed and revision of each request. */
int32_t plan_make(plan *t, write_request *batch, quipu_error *error);
/* Brings the table `records` up to date with what was planned. */
int32_t plan_send_records(plan *t, connection *c, quipu_error *error);
/* It did not come to be: what it left unchanged may not have come to be either. */
void plan_forget(plan *t);

#endif
