/*
 * backend.h - the parts of the sqlite backend and how they hang together. DESIGN.md in this folder tells the why.
 *
 *   plugin.c      entry, table, life cycle          settings.c   configuration
 *   connection.c  connections, their statements, waiting and cancelling, the pool of readers
 *   faults.c      SQLite's result codes as errors   schema.c     the tables, their migrations, what is refused
 *   write.c       batches of changes, the bulk way in                             states.c   how the tables are read: the history (sdk/line.h)
 *   stats.c, maintain.c, verify.c   what the database itself has to do with it; slots and history are the sdk's (sdk/line_backend.h)
 *   moved.c       the fence of a store that has moved away
 */
#ifndef PLUGINS_SQLITE_BACKEND_H
#define PLUGINS_SQLITE_BACKEND_H

#include <pthread.h>
#include <quipu/backend.h>
#include <quipu/ext/maintain.h>
#include <quipu/ext/migrate.h>
#include <sdk/line_backend.h>
#include <sdk/record.h>
#include <sqlite3.h>
#include <stdatomic.h>

#define DATABASE_NAME "quipu.db"
#define APPLICATION_ID 0x51756970 /* "Quip", in the database's header: what file(1) and we know it by */

/* Every statement that is prepared once for a connection. X(name, SQL). */
#define STATEMENTS(X)                                                                                                  \
    X(BEGIN_READ, "BEGIN")                                                                                             \
    X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                                                  \
    X(COMMIT, "COMMIT")                                                                                                \
    X(ROLLBACK, "ROLLBACK")                                                                                            \
    X(NEWEST,                                                                                                          \
      "SELECT revision, last_state, committed_at, records, name FROM revisions ORDER BY revision DESC LIMIT 1")        \
    X(IS_APPLIED, "SELECT 1 FROM revisions WHERE name = ?1")                                                           \
    X(PRESENT, "SELECT s.state, s.revision, s.previous, s.id, s.version, s.json FROM heads h"                          \
               " JOIN states s ON s.state = h.state WHERE h.id = ?1")                                                  \
    X(PUT_STATE, "INSERT INTO states (state, revision, previous, id, version, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")  \
    X(NEW_HEAD, "INSERT INTO heads (id, state) VALUES (?1, ?2)")                                                       \
    X(MOVE_HEAD, "UPDATE heads SET state = ?2 WHERE id = ?1")                                                          \
    X(PUT_REVISION,                                                                                                    \
      "INSERT INTO revisions (revision, name, change_id, last_state, records, time, committed_at, author,"             \
      " operation, source, subject) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")                            \
    X(REVISIONS, "SELECT r.revision, r.name, r.last_state, r.records, r.time, r.committed_at, r.author, r.operation,"  \
                 " r.source, r.subject, p.name FROM revisions r LEFT JOIN revisions p ON p.revision = r.revision - 1"  \
                 " WHERE r.revision <= ?1 ORDER BY r.revision DESC LIMIT ?2")                                          \
    X(REVISIONS_NAMED, "SELECT revision FROM revisions WHERE name BETWEEN ?1 AND ?2 LIMIT 2")                          \
    X(STATE, "SELECT state, revision, previous, id, version, json FROM states WHERE state = ?1")                       \
    X(HEAD, "SELECT state FROM heads WHERE id = ?1")                                                                   \
    X(NEWER, "SELECT s.state, s.revision, s.previous, s.id, s.version, s.json FROM states s WHERE s.state > ?1"        \
             " AND s.state <= ?2 AND s.state = (SELECT h.state FROM heads h WHERE h.id = s.id) ORDER BY s.state")      \
    X(REPLAY, "SELECT state, revision, previous, id, version, json FROM states WHERE state > ?1 AND state <= ?2"       \
              " ORDER BY state")                                                                                       \
    X(LAST_STATE, "SELECT max(state) FROM states")                                                                     \
    X(HAS_WORDS, "SELECT 1 FROM sqlite_master WHERE name = 'memory_words'")                                            \
    X(DROP_WORDS, "DELETE FROM memory_words WHERE rowid = ?1")                                                         \
    X(PUT_WORDS, "INSERT INTO memory_words (rowid, id, text) VALUES (?1, ?2, ?3)")                                     \
    X(OLDER,                                                                                                           \
      "SELECT coalesce(p.state, CASE WHEN s.previous IS NULL THEN 0 ELSE -1 END), p.revision, p.previous, s.id,"       \
      " p.version, p.json FROM states s LEFT JOIN states p ON p.state = s.previous WHERE s.state > ?1"                 \
      " AND s.state <= ?2 AND (s.previous IS NULL OR s.previous <= ?1) ORDER BY s.state")

enum statement_name {
#define STATEMENT_NAME(name, sql) STATEMENT_##name,
    STATEMENTS(STATEMENT_NAME)
#undef STATEMENT_NAME
        STATEMENT_COUNT
};

/* One connection to the database; used by one thread at a time. */
typedef struct line_reader {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT]; /* NULL until they are needed */
    struct line_reader *next;                  /* in the pool */
    const quipu_call *call;                    /* of the thread that uses it */
    write_request *batch;                      /* or what it is writing: it waits as long as any of these may */
    int64_t patience_ns; /* so long does it wait for another process where nobody has a deadline */
    int64_t until_ns;    /* CLOCK_MONOTONIC */
} connection;

enum { FTS_LEAVE, FTS_MAKE, FTS_DROP };

struct quipu_backend {
    line_backend base;
    char *path; /* of the database */
    bool durable;
    bool quote_subjects;
    bool embeds;         /* the setting "embed": in the background */
    uint64_t record_max; /* bytes */
    int64_t patience_ns;
    text_language language;
    int fts;              /* FTS_*: what becomes of the table of words for SQL programs */
    bool immutable;       /* nobody can write it, and nothing beside it: SQLite needs no files of its own */
    connection *writer;   /* the queue's writer's; NULL where the store is open for reading only */
    pthread_mutex_t pool; /* guards what follows */
    connection *idle;
    unsigned idle_count;
    connection *holder;     /* keeps other writers waiting (moved.c); NULL: nobody does */
    atomic_bool past_fence; /* this instance may write although the store has moved */
};

/* ---- faults.c ---- */

/* Fills the error for what SQLite answered, and returns its code. doing: "reading a record". */
int32_t sqlite_fail(connection *c, int rc, const char *doing, quipu_error *error);
/* The same where there is no connection to ask for more. */
int32_t sqlite_fail_plain(int rc, int system_errno, const char *why, const char *doing, quipu_error *error);

/* ---- connection.c ---- */

int32_t connection_open(quipu_backend *self, bool writing, connection **out, quipu_error *error);
void connection_close(connection *c); /* NULL is nothing to do */
/* From now on it is used for this call, or for this batch. */
void connection_use(connection *c, const quipu_call *call, write_request *batch);
/* A pause before the next attempt, by how many there were; false where nobody has time for one. */
bool connection_wait(connection *c, int times);
/* The statement, reset and without values; NULL and `error` where it cannot be had. */
sqlite3_stmt *connection_statement(connection *c, int name, quipu_error *error);
/* Runs a statement that shows no rows. */
int32_t connection_run(connection *c, int name, const char *doing, quipu_error *error);
/* Ends a transaction without a change; what was begun is over in any case. */
void connection_rollback(connection *c);

/* A connection for reading, for this thread. Given back in any state. */
int32_t reader_take(quipu_backend *self, const quipu_call *call, connection **out, quipu_error *error);
void reader_give(quipu_backend *self, connection *c);
void readers_close(quipu_backend *self);

/* Texts and blobs of a row, and to a statement. An absent text is NULL. */
quipu_str column_text(sqlite3_stmt *s, int column);
int bind_text(sqlite3_stmt *s, int place, quipu_str text);

/* ---- schema.c ---- */

/* Makes the database's file (0600) where there is none; NOT_FOUND where it must not be made. */
int32_t database_make(quipu_backend *self, const char *folder, quipu_error *error);
/* Refuses what is not ours or is newer, and brings what is older up to date. */
int32_t schema_check(quipu_backend *self, connection *c, quipu_error *error);

/* ---- states.c ---- */

extern const line_api sqlite_line;
/* The newest revision; all zeros where there is none. */
int32_t revision_newest(connection *c, line_revision *out, quipu_error *error);
/* The state in a row of one of the statements that show states; its texts are the row's. */
line_state state_of_row(sqlite3_stmt *s);

/* ---- the slots ---- */

void sqlite_write_batch(void *context, write_request *batch);
int32_t sqlite_stats(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call,
                     quipu_error *error);
extern const quipu_maintain_api sqlite_maintain;
extern const quipu_migrate_api sqlite_migrate;
extern const quipu_verify_api sqlite_verify;

/* ---- moved.c ---- */

/* Refuses where the store has moved away. To be asked within a transaction that writes. */
int32_t moved_check(const quipu_backend *self, quipu_error *error);
int32_t moved_position(quipu_backend *self, char out[QUIPU_POSITION_MAX + 1], const quipu_call *call,
                       quipu_error *error);
int32_t moved_fence(quipu_backend *self, const quipu_str *position, const quipu_str *place, const quipu_change_set *as,
                    const quipu_call *call, quipu_error *error);
int32_t moved_unfence(quipu_backend *self, const quipu_str *place, uint32_t scope, const quipu_call *call,
                      quipu_error *error);
int32_t moved_fenced(quipu_backend *self, quipu_sink_fn sink, void *context, const quipu_call *call,
                     quipu_error *error);
int32_t moved_hold(quipu_backend *self, const quipu_call *call, quipu_error *error);
void moved_release(quipu_backend *self);

/* ---- settings.c ---- */

int32_t read_settings(quipu_backend *self, quipu_str config, quipu_error *error);

#endif
