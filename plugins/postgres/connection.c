/*
 * connection.c - one connection to the server: how it is made, asked, waited for, given up and made anew.
 *
 * Nothing here blocks without an end: libpq is used in its asynchronous form, and poll(2) waits for the socket, the cancel token's descriptor
 * and the deadline. A statement that is no longer wanted is cancelled on the server (PQcancel); where that brings no answer in time, the
 * connection is dropped. A COMMIT is never cancelled, because it may be a fact already.
 */
#include "backend.h"

#include <base/fail.h>
#include <base/hash.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND ((int64_t)1000000000)
#define SLICE_NS ((int64_t)20000000) /* between two looks at the calls of a batch, or at a token without a descriptor */
#define GRACE_NS (5 * SECOND)        /* for a cancelled statement to end */
#define PAUSE_NS ((int64_t)100000000) /* between two tries to connect */

#define STATEMENT_TEXT(name, sql) { #name, sql },
static const struct {
    const char *name, *sql;
} texts[] = { STATEMENTS(STATEMENT_TEXT) };
#undef STATEMENT_TEXT

bool connection_is_lost(const connection *c)
{
    return !c->pg || PQstatus(c->pg) != CONNECTION_OK;
}

void connection_use(connection *c, const quipu_call *call, write_request *batch)
{
    c->call = call;
    c->batch = batch;
    c->until_ns = monotonic_now() + c->of->set.patience_ns;
}

/* ---- waiting ---- */

static bool has_deadline(const connection *c)
{
    bool deadline = c->call && c->call->deadline_ns;
    for (const write_request *r = c->batch; r && !deadline; r = r->next)
        deadline = !r->late && r->call && r->call->deadline_ns;
    return deadline;
}

/* Whether anybody for whom it waits still wants the answer. */
static bool is_wanted(connection *c)
{
    if (c->committing)
        return monotonic_now() < c->until_ns;
    if (c->batch && write_batch_bounded(c->batch) && !write_batch_drop_late(c->batch))
        return false;
    if (call_check(c->call, NULL) != QUIPU_OK)
        return false;
    return has_deadline(c) || monotonic_now() < c->until_ns;
}

/* Waits for the socket, the token or the time; which of them, the caller finds out. */
static void wait_socket(const connection *c, short events, int64_t until_ns)
{
    const quipu_cancel *token = c->call && !c->committing ? c->call->cancel : NULL;
    struct pollfd fds[2] = { { .fd = PQsocket(c->pg), .events = events },
                             { .fd = token ? token->fd : -1, .events = POLLIN } };
    int64_t now = monotonic_now(), ns = until_ns - now;
    if (c->call && c->call->deadline_ns && c->call->deadline_ns - now < ns)
        ns = c->call->deadline_ns - now;
    if (ns > SLICE_NS && ((c->batch && write_batch_bounded(c->batch)) || (token && token->fd < 0)))
        ns = SLICE_NS;
    if (ns > SECOND)
        ns = SECOND;
    poll(fds, 2, ns > 0 ? (int)((ns + 999999) / 1000000) : 0);
}

static void ask_to_cancel(const connection *c)
{
    char why[256];
    PGcancel *cancel = PQgetCancel(c->pg);
    if (cancel)
        PQcancel(cancel, why, sizeof why);
    PQfreeCancel(cancel);
}

/* What a statement that nobody wants any more ends with. */
static int32_t unwanted(const connection *c, const char *doing, quipu_error *error)
{
    int32_t code = call_check(c->call, error);
    for (const write_request *r = c->batch; r && code == QUIPU_OK; r = r->next)
        code = call_check(r->call, error);
    return code != QUIPU_OK ? code
                            : fail(error, QUIPU_E_BUSY, NULL, "%s: another process holds the store; try again", doing);
}

static void drop(connection *c)
{
    PQfinish(c->pg);
    c->pg = NULL;
    memset(c->prepared, 0, sizeof c->prepared);
    memset(c->shape_prepared, 0, sizeof c->shape_prepared);
}

/* Sees to it that what was sent goes out and what is answered comes in; false where the connection is lost. *given_up: it was cancelled. */
static bool see_through(connection *c, bool *given_up)
{
    int64_t end = 0;
    *given_up = false;
    for (;;) {
        int unsent = PQflush(c->pg);
        if (unsent < 0)
            return false;
        if (unsent == 0 && !PQisBusy(c->pg))
            return true;
        if (!*given_up && !is_wanted(c)) {
            *given_up = true;
            end = monotonic_now() + (c->committing ? 0 : GRACE_NS);
            if (!c->committing)
                ask_to_cancel(c);
        }
        if (*given_up && monotonic_now() >= end)
            return false;
        wait_socket(c, (short)(unsent ? POLLIN | POLLOUT : POLLIN), *given_up ? end : c->until_ns);
        if (!PQconsumeInput(c->pg))
            return false;
    }
}

/* All results of what was sent; the first failure among them, or the last one. */
static int32_t collect(connection *c, PGresult **out, const char *doing, quipu_error *error)
{
    PGresult *last = NULL;
    bool given_up = false, failed = false, lost = false;
    for (;;) {
        bool cancelled = false;
        lost = !see_through(c, &cancelled);
        given_up = given_up || cancelled;
        PGresult *next = lost ? NULL : PQgetResult(c->pg);
        if (!next)
            break;
        if (failed) {
            PQclear(next);
            continue;
        }
        PQclear(last);
        last = next;
        ExecStatusType status = PQresultStatus(last);
        failed = status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK;
    }
    lost = lost || connection_is_lost(c);
    int32_t code = QUIPU_OK;
    if (given_up && (lost || failed))
        code = unwanted(c, doing, error);
    else if (failed)
        code = postgres_fail(c, last, doing, error);
    else if (lost)
        code = fail(error, QUIPU_E_NETWORK, NULL, "%s: the connection was lost; try again", doing);
    else if (!last)
        code = fail(error, QUIPU_E_INTERNAL, NULL, "%s: the server answered nothing", doing);
    if (lost)
        drop(c);
    if (out && code == QUIPU_OK)
        *out = last;
    else
        PQclear(last);
    return code;
}

/* ---- asking ---- */

static int32_t could_not_send(connection *c, const char *doing, quipu_error *error)
{
    if (!connection_is_lost(c))
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "%s: the question could not be sent", doing);
    drop(c);
    return fail(error, QUIPU_E_NETWORK, NULL, "%s: the connection was lost; try again", doing);
}

/* *prepared: under this name, on this connection. */
typedef struct statement {
    const char *name, *sql;
    bool *prepared;
} statement;

static int32_t ask(connection *c, const statement *s, const sql_params *p, PGresult **out, const char *doing,
                   quipu_error *error)
{
    static const sql_params none = { 0 };
    int32_t code = QUIPU_OK;
    if (!p)
        p = &none;
    if (!*s->prepared) {
        code = PQsendPrepare(c->pg, s->name, s->sql, 0, NULL) ? collect(c, NULL, "the store cannot be asked", error)
                                                              : could_not_send(c, doing, error);
        if (code != QUIPU_OK)
            return code;
        *s->prepared = true;
    }
    if (!PQsendQueryPrepared(c->pg, s->name, p->count, p->values, p->lengths, p->formats, 1))
        return could_not_send(c, doing, error);
    return collect(c, out, doing, error);
}

static int32_t run(connection *c, const statement *s, const sql_params *p, PGresult **out, const char *doing,
                   quipu_error *error)
{
    quipu_error why = { .struct_size = sizeof why };
    if (!connection_is_lost(c)) {
        int32_t code = ask(c, s, p, out, doing, &why);
        if (code != QUIPU_OK && error)
            *error = why;
        if (code == QUIPU_OK || c->pg)
            return code;
    }
    if (c->in_transaction) /* what came before is lost with it */
        return fail(error, QUIPU_E_NETWORK, NULL, "%s: the connection was lost; try again", doing);
    int32_t code = call_check(c->call, error);
    if (code == QUIPU_OK)
        code = connection_again(c, error);
    return code == QUIPU_OK ? ask(c, s, p, out, doing, error) : code;
}

int32_t connection_run(connection *c, int name, const sql_params *p, PGresult **out, const char *doing,
                       quipu_error *error)
{
    const statement s = { texts[name].name, texts[name].sql, &c->prepared[name] };
    return run(c, &s, p, out, doing, error);
}

/* Where all places are taken, the statement without a name is prepared each time. */
int32_t connection_query(connection *c, const char *sql, const sql_params *p, PGresult **out, const char *doing,
                         quipu_error *error)
{
    uint64_t hash = hash_table_key(sql, strlen(sql), 0x7368617065ULL) | 1;
    char name[32] = "";
    bool never = false;
    size_t i = 0;
    while (i < SHAPES && c->shapes[i] && c->shapes[i] != hash)
        i++;
    if (i < SHAPES) {
        c->shapes[i] = hash;
        snprintf(name, sizeof name, "SHAPE_%016" PRIx64, hash);
    }
    const statement s = { name, sql, i < SHAPES ? &c->shape_prepared[i] : &never };
    return run(c, &s, p, out, doing, error);
}

int32_t connection_script(connection *c, const char *sql, PGresult **out, const char *doing, quipu_error *error)
{
    if (connection_is_lost(c))
        return fail(error, QUIPU_E_NETWORK, NULL, "%s: the connection was lost; try again", doing);
    if (!PQsendQuery(c->pg, sql))
        return could_not_send(c, doing, error);
    return collect(c, out, doing, error);
}

void connection_rollback(connection *c)
{
    c->committing = false;
    if (!connection_is_lost(c) && PQtransactionStatus(c->pg) != PQTRANS_IDLE &&
        connection_run(c, STATEMENT_ROLLBACK, NULL, NULL, "giving a change up", NULL) != QUIPU_OK && c->pg)
        drop(c);
    c->in_transaction = false;
}

/* ---- life ---- */

static PGconn *start(const settings *set)
{
    const char *names[] = { "fallback_application_name", "client_encoding", "tcp_user_timeout", "dbname", NULL };
    const char *values[] = { "quipu", "UTF8", "30000", set->url ? set->url : "", NULL };
    if (!set->url)
        names[3] = NULL; /* the environment says everything */
    return PQconnectStartParams(names, values, 1);
}

/* Goes on until it is connected or that has failed; until_ns: no longer than this. */
static int32_t connect_until(connection *c, int64_t until_ns, quipu_error *error)
{
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (PQstatus(c->pg) != CONNECTION_BAD && state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
        int32_t code = call_check(c->call, error);
        if (code == QUIPU_OK && monotonic_now() >= until_ns)
            code = fail(error, QUIPU_E_NETWORK, "connect_timeout", "connecting: the server does not answer");
        if (code != QUIPU_OK)
            return code;
        wait_socket(c, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, until_ns);
        struct pollfd fd = { .fd = PQsocket(c->pg), .events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT };
        if (poll(&fd, 1, 0) > 0)
            state = PQconnectPoll(c->pg);
    }
    return PQstatus(c->pg) == CONNECTION_OK ? QUIPU_OK : postgres_fail_connection(c->pg, "connecting", error);
}

/* What every session of this store is set to. The schema's name has no characters that would need quoting but the quotes. pg_temp is named,
 * because it would come first otherwise. A server that is told not to wait for its disk is told otherwise. */
static int32_t configure(connection *c, quipu_error *error)
{
    const quipu_backend *self = c->of;
    int64_t idle_ms = self->set.patience_ns / 1000000 + 60000;
    char sql[700];
    snprintf(sql, sizeof sql,
             "SELECT pg_catalog.set_config('search_path', '\"%s\", pg_temp', false),"
             " pg_catalog.set_config('synchronous_commit', CASE WHEN %s THEN 'off' WHEN"
             " pg_catalog.current_setting('synchronous_commit') = 'off' THEN 'on' ELSE"
             " pg_catalog.current_setting('synchronous_commit') END, false),"
             " pg_catalog.set_config('idle_in_transaction_session_timeout', '%lld', false),"
             " pg_catalog.set_config('client_min_messages', 'error', false),"
             " pg_catalog.set_config('standard_conforming_strings', 'on', false)",
             self->schema, self->set.durable ? "false" : "true", (long long)idle_ms);
    int32_t code = connection_script(c, sql, NULL, "beginning a session", error);
    if (code == QUIPU_OK && PQserverVersion(c->pg) >= 140000) /* a statement ends when whoever asked is gone */
        code = connection_script(c, "SELECT pg_catalog.set_config('client_connection_check_interval', '10s', false)",
                                 NULL, "beginning a session", error);
    if (code == QUIPU_OK && self->vector[0]) /* pgvector's: as many as are asked for, also where a filter leaves few */
        code = connection_script(c,
                                 "SELECT pg_catalog.set_config('hnsw.ef_search', '400', false),"
                                 " pg_catalog.set_config('hnsw.iterative_scan', 'relaxed_order', false)",
                                 NULL, "beginning a session", error);
    return code;
}

static void ignore_notice(void *context, const PGresult *r)
{
    (void)context, (void)r; /* libpq would print it to standard error */
}

static int32_t make(connection *c, int64_t until_ns, quipu_error *error)
{
    c->pg = start(&c->of->set);
    if (!c->pg)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a connection");
    PQsetNoticeReceiver(c->pg, ignore_notice, NULL);
    int32_t code = connect_until(c, until_ns, error);
    if (code == QUIPU_OK && PQsetnonblocking(c->pg, 1) != 0)
        code = fail(error, QUIPU_E_INTERNAL, NULL, "the connection cannot be used without blocking");
    if (code == QUIPU_OK && PQserverVersion(c->pg) < 110000)
        code = fail(error, QUIPU_E_UNSUPPORTED, "url", "the server is older than PostgreSQL 11");
    if (code == QUIPU_OK)
        code = configure(c, error);
    if (code != QUIPU_OK)
        drop(c);
    return code;
}

int32_t connection_again(connection *c, quipu_error *error)
{
    int64_t until = monotonic_now() + c->of->set.connect_ns;
    int32_t code;
    struct timespec pause = { 0, PAUSE_NS };
    drop(c);
    c->in_transaction = c->committing = false;
    do {
        quipu_error why = { .struct_size = sizeof why };
        code = make(c, until, &why);
        if (code != QUIPU_OK && error)
            *error = why;
        if (code == QUIPU_OK || code == QUIPU_E_DENIED || code == QUIPU_E_NO_MEMORY || !is_wanted(c))
            break;
        nanosleep(&pause, NULL); /* it may be starting anew just now */
    } while (monotonic_now() < until);
    return code;
}

int32_t connection_open(quipu_backend *self, const quipu_call *call, connection **out, quipu_error *error)
{
    connection *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    c->of = self;
    connection_use(c, call, NULL);
    int32_t code = make(c, monotonic_now() + self->set.connect_ns, error);
    if (code != QUIPU_OK) {
        connection_close(c);
        return code;
    }
    *out = c;
    return QUIPU_OK;
}

/* In a forked child the session is the parent's: PQfinish would end it there. */
void connection_close(connection *c)
{
    if (!c)
        return;
    if (c->of->base.pid == getpid())
        PQfinish(c->pg);
    else if (c->pg && PQsocket(c->pg) >= 0)
        close(PQsocket(c->pg));
    free(c);
}
