/*
 * write.c - apply: change sets to rows, several of them in one transaction.
 *
 * A batch of the queue (sdk/write_queue.h) is one transaction of five questions, however many sets it holds: the lock of the store, the
 * newest revision, which change ids were applied, the newest states of all ids, and one statement that writes every row. Between them each
 * set is checked against what is stored and what those before it did, in memory (plan.c), so that one that fails has written nothing.
 *
 * The commit point is COMMIT. Where its answer is lost, the store's lock is taken on a new connection: then the old transaction is over, and
 * its revisions tell how it ended. Only where the server cannot be reached any more the answer is UNCERTAIN.
 */
#include "write.h"

#include <base/fail.h>
#include <stdlib.h>
#include <string.h>

static const char doing[] = "writing a change";

enum { TRIES = 3 };

/* ---- the transaction ---- */

int32_t store_lock(connection *c, bool *records, quipu_error *error)
{
    sql_params p = { 0 };
    PGresult *r = NULL;
    int32_t code = connection_run(c, STATEMENT_BEGIN_WRITE, NULL, NULL, "waiting for the store", error);
    if (code != QUIPU_OK)
        return code;
    c->in_transaction = true;
    param_int(&p, c->of->lock);
    code = connection_run(c, STATEMENT_LOCK, &p, NULL, "waiting for the store", error);
    if (code == QUIPU_OK)
        code = connection_run(c, STATEMENT_HAS_RECORDS, NULL, &r, "waiting for the store", error);
    *records = code == QUIPU_OK && row_int(r, 0, 0) != 0;
    PQclear(r);
    return code;
}

static int32_t send_rows(connection *c, plan *t, quipu_error *error)
{
    sql_params p = { 0 };
    for (size_t i = 0; i < PLAN_ARRAYS; i++) {
        array_end(&t->rows[i]);
        if (t->rows[i].bytes.failed)
            return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a batch of changes");
        param_array(&p, &t->rows[i]);
    }
    return connection_run(c, STATEMENT_WRITE, &p, NULL, doing, error);
}

static int32_t try_batch(connection *c, plan *t, write_request *batch, quipu_error *error)
{
    connection_use(c, NULL, batch);
    bool records = false;
    int32_t code = store_lock(c, &records, error);
    if (code == QUIPU_OK)
        code = plan_read(t, c, batch, error);
    if (code == QUIPU_OK)
        code = plan_make(t, batch, error);
    if (code != QUIPU_OK || t->written == 0)
        return code;
    code = send_rows(c, t, error);
    if (code == QUIPU_OK && records)
        code = plan_send_records(t, c, error);
    if (code != QUIPU_OK)
        return code;
    connection_use(c, NULL, NULL); /* from here on it is as long as it takes, within reason */
    c->committing = true;
    return connection_run(c, STATEMENT_COMMIT, NULL, NULL, "making a change durable", error);
}

/* What became of a transaction whose COMMIT was not answered. */
static int32_t find_out(connection *c, const plan *t, bool *made, quipu_error *error)
{
    sql_params p = { 0 };
    sql_array names = { 0 };
    PGresult *r = NULL;
    bool records;
    connection_rollback(c);
    connection_use(c, NULL, NULL);
    int32_t code = connection_again(c, error);
    if (code == QUIPU_OK)
        code = store_lock(c, &records, error);
    array_begin(&names, OID_BYTEA);
    array_text(&names, str_make((const char *)t->at.name, LINE_NAME));
    array_end(&names);
    param_array(&p, &names);
    if (code == QUIPU_OK && names.bytes.failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to ask for a change");
    if (code == QUIPU_OK)
        code = connection_run(c, STATEMENT_NAMES, &p, &r, doing, error);
    *made = code == QUIPU_OK && PQntuples(r) > 0;
    PQclear(r);
    array_free(&names);
    connection_rollback(c);
    if (code == QUIPU_OK)
        return code;
    return fail(error, QUIPU_E_UNCERTAIN, NULL,
                "the connection was lost before the server's answer: it is not known whether the change was made; send "
                "it again with the "
                "same change id");
}

/* One try; *again: nothing was done, and trying again may help. */
static int32_t write_once(quipu_backend *self, write_request *batch, bool *again, quipu_error *error)
{
    connection *c = self->writer;
    plan *t = plan_new(self, error);
    bool made = false;
    *again = false;
    if (!t)
        return QUIPU_E_NO_MEMORY;
    int32_t code = try_batch(c, t, batch, error);
    bool unanswered = code != QUIPU_OK && c->committing && connection_is_lost(c);
    if (unanswered) {
        code = find_out(c, t, &made, error);
        *again = code == QUIPU_OK && !made;
    } else {
        *again = code == QUIPU_E_NETWORK && c->in_transaction; /* lost on the way; else it could not be had at all */
        connection_rollback(c);
    }
    connection_use(c, NULL, NULL);
    if (code != QUIPU_OK || *again)
        plan_forget(t);
    plan_free(t);
    return code;
}

void postgres_write_batch(void *context, write_request *batch)
{
    quipu_backend *self = context;
    quipu_error error = { .struct_size = sizeof error };
    bool again = true;
    int32_t code = QUIPU_OK;
    for (int i = 0; i < TRIES && again; i++) {
        error = (quipu_error){ .struct_size = sizeof error };
        code = write_once(self, batch, &again, &error);
    }
    if (code == QUIPU_OK && again)
        code = fail(&error, QUIPU_E_NETWORK, NULL, "%s: the connection is lost again and again; try again", doing);
    if (code != QUIPU_OK)
        write_batch_fail(batch, code, &error);
}

const quipu_migrate_api postgres_migrate = { .struct_size = sizeof(quipu_migrate_api), .write = line_bulk };
