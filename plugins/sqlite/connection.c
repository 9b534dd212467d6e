/*
 * connection.c - connections, their prepared statements, and how they wait.
 *
 * Each is used by one thread at a time, so SQLite's own locks on it are left out (SQLITE_OPEN_NOMUTEX). A connection that waits for another process
 * looks at the deadline and the cancel token of its call in between, and one that computes does so every few thousand steps.
 */
#include "backend.h"

#include <base/fail.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { IDLE_MAX = 8, STEPS = 4000, CACHE_KIB = 8192, SIZE_LIMIT = 64 << 20 };

#define STATEMENT_TEXT(name, sql) static const char text_##name[] = sql;
STATEMENTS(STATEMENT_TEXT)
#undef STATEMENT_TEXT

static const char *const texts[] = {
#define STATEMENT_TEXT(name, sql) text_##name,
    STATEMENTS(STATEMENT_TEXT)
#undef STATEMENT_TEXT
};

/* ---- waiting ---- */

/* As long as any of those for whom it waits has time; where none has a deadline, as long as the setting says. */
static bool may_wait(connection *c)
{
    bool deadline = c->call && c->call->deadline_ns;
    if (c->batch && write_batch_bounded(c->batch) && !write_batch_drop_late(c->batch))
        return false;
    for (const write_request *r = c->batch; r; r = r->next)
        deadline = deadline || (!r->late && r->call && r->call->deadline_ns);
    if (call_check(c->call, NULL) != QUIPU_OK)
        return false;
    return deadline || monotonic_now() < c->until_ns;
}

bool connection_wait(connection *c, int times)
{
    struct timespec pause = { 0, times < 5 ? 200000 : times < 20 ? 1000000 : 5000000 };
    if (!may_wait(c))
        return false;
    nanosleep(&pause, NULL);
    return true;
}

static int wait_busy(void *context, int times)
{
    return connection_wait(context, times);
}

static int look_at_call(void *context)
{
    const connection *c = context;
    return call_check(c->call, NULL) != QUIPU_OK;
}

void connection_use(connection *c, const quipu_call *call, write_request *batch)
{
    c->call = call;
    c->batch = batch;
    c->until_ns = monotonic_now() + c->patience_ns;
}

/* ---- statements ---- */

sqlite3_stmt *connection_statement(connection *c, int name, quipu_error *error)
{
    sqlite3_stmt *s = c->statements[name];
    if (!s) {
        int rc = sqlite3_prepare_v3(c->db, texts[name], -1, SQLITE_PREPARE_PERSISTENT, &s, NULL);
        if (rc != SQLITE_OK) {
            sqlite_fail(c, rc, "the store cannot be asked", error);
            return NULL;
        }
        c->statements[name] = s;
        return s;
    }
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return s;
}

int32_t connection_run(connection *c, int name, const char *doing, quipu_error *error)
{
    quipu_error why = { .struct_size = sizeof why };
    sqlite3_stmt *s = connection_statement(c, name, error ? error : &why);
    if (!s)
        return error ? error->code : why.code;
    int rc = sqlite3_step(s);
    int32_t code = rc == SQLITE_DONE || rc == SQLITE_ROW ? QUIPU_OK : sqlite_fail(c, rc, doing, error);
    sqlite3_reset(s);
    return code;
}

void connection_rollback(connection *c)
{
    if (!sqlite3_get_autocommit(c->db))
        connection_run(c, STATEMENT_ROLLBACK, "giving a change up", NULL);
}

quipu_str column_text(sqlite3_stmt *s, int column)
{
    const char *text = (const char *)sqlite3_column_text(s, column);
    return text ? str_make(text, (size_t)sqlite3_column_bytes(s, column)) : (quipu_str){ 0 };
}

int bind_text(sqlite3_stmt *s, int place, quipu_str text)
{
    return text.ptr ? sqlite3_bind_text64(s, place, text.ptr, text.len, SQLITE_STATIC, SQLITE_UTF8)
                    : sqlite3_bind_null(s, place);
}

/* ---- life ---- */

/* The file's name as a URI, for the one option that cannot be given otherwise. */
static bool print_uri(const char *path, buffer *out)
{
    buffer_append_text(out, "file:");
    for (const char *p = path; *p; p++) {
        unsigned char b = (unsigned char)*p;
        if (b <= ' ' || b == '%' || b == '?' || b == '#' || b > 126)
            buffer_printf(out, "%%%02X", b);
        else
            buffer_append_char(out, (char)b);
    }
    buffer_append_text(out, "?immutable=1");
    return !out->failed;
}

static int32_t open_database(quipu_backend *self, bool writing, connection *c, quipu_error *error)
{
    buffer uri = { 0 };
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE |
                (writing ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | (self->immutable ? SQLITE_OPEN_URI : 0);
    if (self->immutable && !print_uri(self->path, &uri)) {
        buffer_free(&uri);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    }
    int rc = sqlite3_open_v2(self->immutable ? uri.bytes : self->path, &c->db, flags, NULL);
    buffer_free(&uri);
    if (rc == SQLITE_OK)
        return QUIPU_OK;
    return sqlite_fail_plain(rc, c->db ? sqlite3_system_errno(c->db) : 0, sqlite3_errstr(rc), "opening the store",
                             error);
}

static int32_t configure(quipu_backend *self, bool writing, connection *c, quipu_error *error)
{
    char pragmas[256];
    sqlite3_busy_handler(c->db, wait_busy, c);
    sqlite3_progress_handler(c->db, STEPS, look_at_call, c);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_snprintf(sizeof pragmas, pragmas,
                     "PRAGMA cache_size=-%d; PRAGMA temp_store=MEMORY; PRAGMA synchronous=%s; "
                     "PRAGMA journal_size_limit=%d; PRAGMA query_only=%d;",
                     CACHE_KIB, self->durable ? "FULL" : "NORMAL", SIZE_LIMIT, !writing);
    int rc = sqlite3_exec(c->db, pragmas, NULL, NULL, NULL);
    return rc == SQLITE_OK ? QUIPU_OK : sqlite_fail(c, rc, "opening the store", error);
}

int32_t connection_open(quipu_backend *self, bool writing, connection **out, quipu_error *error)
{
    connection *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    c->patience_ns = self->patience_ns;
    connection_use(c, NULL, NULL);
    int32_t code = open_database(self, writing, c, error);
    if (code == QUIPU_OK)
        code = configure(self, writing, c, error);
    if (code != QUIPU_OK) {
        connection_close(c);
        return code;
    }
    *out = c;
    return QUIPU_OK;
}

void connection_close(connection *c)
{
    if (!c)
        return;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(c->statements[i]);
    c->call = NULL;
    sqlite3_close(c->db);
    free(c);
}

/* ---- the pool of readers ---- */

int32_t reader_take(quipu_backend *self, const quipu_call *call, connection **out, quipu_error *error)
{
    pthread_mutex_lock(&self->pool);
    connection *c = self->idle;
    if (c) {
        self->idle = c->next;
        self->idle_count--;
    }
    pthread_mutex_unlock(&self->pool);
    if (!c) {
        int32_t code = connection_open(self, false, &c, error);
        if (code != QUIPU_OK)
            return code;
    }
    connection_use(c, call, NULL);
    *out = c;
    return QUIPU_OK;
}

void reader_give(quipu_backend *self, connection *c)
{
    if (!c)
        return;
    for (int i = 0; i < STATEMENT_COUNT; i++) /* one that was left in its middle would keep its snapshot */
        if (c->statements[i])
            sqlite3_reset(c->statements[i]);
    connection_use(c, NULL, NULL);
    connection_rollback(c);
    pthread_mutex_lock(&self->pool);
    bool keep = self->idle_count < IDLE_MAX;
    if (keep) {
        c->next = self->idle;
        self->idle = c;
        self->idle_count++;
    }
    pthread_mutex_unlock(&self->pool);
    if (!keep)
        connection_close(c);
}

void readers_close(quipu_backend *self)
{
    while (self->idle) {
        connection *next = self->idle->next;
        connection_close(self->idle);
        self->idle = next;
    }
    self->idle_count = 0;
}
