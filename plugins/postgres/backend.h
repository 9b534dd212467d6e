/*
 * backend.h - the parts of the postgres backend and how they hang together. DESIGN.md in this folder tells the why.
 *
 *   plugin.c      entry, table, life cycle          settings.c   configuration
 *   connection.c  one connection: connecting, statements, waiting, cancelling        pool.c   the readers
 *   values.c      parameters and results in the binary form of the wire             faults.c  what the server answers, as errors
 *   schema.c      the tables and their migrations   note.c       the file in the store's folder that says where they are
 *   write.c       batches of changes, the bulk way in      states.c     how the tables are read: the history (sdk/line.h)
 *   rows.c        the table `records`, columns that the server searches   where.c   filters as SQL
 *   nearest.c     vectors in the database, where it has pgvector
 *   server.c      scan and search by these tables   read.c       get, scan, search, stats
 *   maintain.c, verify.c   what the database itself has to do with these extensions; slots and history are the sdk's (sdk/line_backend.h)
 */
#ifndef PLUGINS_POSTGRES_BACKEND_H
#define PLUGINS_POSTGRES_BACKEND_H

#include <libpq-fe.h>
#include <pthread.h>
#include <quipu/backend.h>
#include <quipu/ext/maintain.h>
#include <quipu/ext/migrate.h>
#include <sdk/line_backend.h>
#include <sdk/record.h>

#define NOTE_NAME "postgres.store" /* in the store's folder */
#define SCHEMA_MAX 63              /* bytes of a schema's name, as PostgreSQL has it */

/* The columns that every statement about states shows; the first is what pages go on from. */
#define STATE_COLUMNS "s.state, s.state, s.revision, s.previous, s.id, s.version, s.json"
#define STATES_PAGE "500"
enum { STATES_IN_PAGE = 500 };

/* X(column of the table `records`, type, type in an array). The last ones come as text and are cast. rows.c fills them. */
#define RECORD_COLUMNS(X)                                                                                              \
    X(id, "text", "text")                                                                                              \
    X(state, "bigint", "bigint")                                                                                       \
    X(sort_at, "bigint", "bigint")                                                                                     \
    X(user_id, "text", "text")                                                                                         \
    X(agent_id, "text", "text")                                                                                        \
    X(session_id, "text", "text")                                                                                      \
    X(app_id, "text", "text")                                                                                          \
    X(kind, "text", "text")                                                                                            \
    X(category, "text", "text")                                                                                        \
    X(key, "text", "text")                                                                                             \
    X(actor, "text", "text")                                                                                           \
    X(role, "text", "text")                                                                                            \
    X(entity_type, "text", "text")                                                                                     \
    X(entity_id, "text", "text")                                                                                       \
    X(head, "text", "text")                                                                                            \
    X(relation, "text", "text")                                                                                        \
    X(tail, "text", "text")                                                                                            \
    X(seq, "bigint", "bigint")                                                                                         \
    X(importance, "double precision", "double precision")                                                              \
    X(created_at, "bigint", "bigint")                                                                                  \
    X(updated_at, "bigint", "bigint")                                                                                  \
    X(valid_from, "bigint", "bigint")                                                                                  \
    X(valid_to, "bigint", "bigint")                                                                                    \
    X(expires_at, "bigint", "bigint")                                                                                  \
    X(passage, "bytea", "bytea")                                                                                       \
    X(tags, "text[]", "text")                                                                                          \
    X(terms, "bigint[]", "text")                                                                                       \
    X(words, "tsvector", "text")

/* The statement that puts rows into `records` takes one array for each column, in their order. */
extern const char postgres_put_records[];

/* Every statement that is prepared once for a connection. X(name, SQL). */
#define STATEMENTS(X)                                                                                                  \
    X(COMMIT, "COMMIT")                                                                                                \
    X(ROLLBACK, "ROLLBACK")                                                                                            \
    X(BEGIN_SNAPSHOT, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")                                              \
    X(BEGIN_WRITE, "BEGIN ISOLATION LEVEL READ COMMITTED")                                                             \
    X(LOCK, "SELECT pg_advisory_xact_lock($1::bigint)")                                                                \
    X(HAS_RECORDS, "SELECT (to_regclass('records') IS NOT NULL)::int::bigint")                                         \
    X(DROP_RECORDS, "DELETE FROM records WHERE id = ANY($1::text[])")                                                  \
    X(PUT_RECORDS, postgres_put_records)                                                                               \
    X(STATES_AT, "SELECT " STATE_COLUMNS " FROM unnest($1::bigint[]) WITH ORDINALITY u(state, n)"                      \
                 " JOIN states s ON s.state = u.state ORDER BY u.n")                                                   \
    X(NEWEST,                                                                                                          \
      "SELECT revision, last_state, committed_at, records, name FROM revisions ORDER BY revision DESC LIMIT 1")        \
    X(NAMES, "SELECT name FROM revisions WHERE name = ANY($1::bytea[])")                                               \
    X(PRESENT, "SELECT " STATE_COLUMNS " FROM unnest($1::text[]) AS i(id) CROSS JOIN LATERAL"                          \
               " (SELECT * FROM states t WHERE t.id = i.id ORDER BY t.state DESC LIMIT 1) s")                          \
    X(WRITE,                                                                                                           \
      "WITH changed AS (INSERT INTO states (state, revision, previous, id, version, json)"                             \
      " SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[], $6::text[]))"          \
      " INSERT INTO revisions (revision, name, change_id, last_state, records, time, committed_at, author,"            \
      " operation, source, subject) SELECT * FROM unnest($7::bigint[], $8::bytea[], $9::bytea[], $10::bigint[],"       \
      " $11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::text[], $16::text[], $17::text[])")             \
    X(REVISIONS, "SELECT r.revision, r.name, r.last_state, r.records, r.time, r.committed_at, r.author, r.operation,"  \
                 " r.source, r.subject, p.name FROM revisions r LEFT JOIN revisions p ON p.revision = r.revision - 1"  \
                 " WHERE r.revision <= $1::bigint ORDER BY r.revision DESC LIMIT $2::bigint")                          \
    X(NAMED, "SELECT revision FROM revisions WHERE name BETWEEN $1::bytea AND $2::bytea LIMIT 2")                      \
    X(STATE, "SELECT " STATE_COLUMNS " FROM states s WHERE s.state = $1::bigint")                                      \
    X(STATE_OF, "SELECT " STATE_COLUMNS " FROM states s WHERE s.id = $1::text AND s.state <= $2::bigint"               \
                " ORDER BY s.state DESC LIMIT 1")                                                                      \
    X(NEWER, "SELECT " STATE_COLUMNS " FROM states s WHERE s.state > $1::bigint AND s.state <= $2::bigint AND"         \
             " NOT EXISTS (SELECT 1 FROM states n WHERE n.id = s.id AND n.state > s.state)"                            \
             " ORDER BY s.state LIMIT " STATES_PAGE)                                                                   \
    X(REPLAY, "SELECT " STATE_COLUMNS " FROM states s WHERE s.state > $1::bigint AND s.state <= $2::bigint"            \
              " ORDER BY s.state LIMIT " STATES_PAGE)                                                                  \
    X(OLDER,                                                                                                           \
      "SELECT s.state, coalesce(p.state, CASE WHEN s.previous IS NULL THEN 0 ELSE -1 END), p.revision,"                \
      " p.previous, s.id, p.version, p.json FROM states s LEFT JOIN states p ON p.state = s.previous"                  \
      " WHERE s.state > $1::bigint AND s.state <= $2::bigint AND (s.previous IS NULL OR s.previous <= $3::bigint)"     \
      " ORDER BY s.state LIMIT " STATES_PAGE)                                                                          \
    X(LAST_STATE, "SELECT coalesce(max(state), 0) FROM states")                                                        \
    X(SIZES, "SELECT pg_total_relation_size('revisions')::bigint, pg_total_relation_size('states')::bigint")

enum statement_name {
#define STATEMENT_NAME(name, sql) STATEMENT_##name,
    STATEMENTS(STATEMENT_NAME)
#undef STATEMENT_NAME
        STATEMENT_COUNT
};

enum { SHAPES = 32 }; /* statements made of filters that a connection keeps prepared */

/* One connection to the database; used by one thread at a time. */
typedef struct line_reader {
    quipu_backend *of;
    PGconn *pg;                     /* NULL: lost, and not had again yet */
    bool prepared[STATEMENT_COUNT]; /* on this connection */
    uint64_t shapes[SHAPES];        /* hashes of statements that were made of a filter, 0: free */
    bool shape_prepared[SHAPES];
    bool in_transaction;
    bool committing;          /* what was sent may be a fact already: waiting goes on past any deadline */
    struct line_reader *next; /* in the pool */
    const quipu_call *call;   /* of the thread that uses it */
    write_request *batch;     /* or what it is writing: it waits as long as any of these may */
    int64_t until_ns;         /* CLOCK_MONOTONIC: so long it waits where nobody has a deadline */
} connection;

enum { SEARCH_LEAVE, SEARCH_INDEX, SEARCH_SERVER };

typedef struct settings {
    int search; /* SEARCH_*: by an index of one's own, or by the server; LEAVE: by the server where its table is there */
    char *url;  /* NULL: what libpq's environment says */
    char *schema; /* NULL: one that is made for this store */
    int64_t pool; /* connections for reading */
    int64_t connect_ns, patience_ns;
    bool durable, quote_subjects;
    bool embeds;         /* the setting "embed": in the background */
    uint64_t record_max; /* bytes */
    text_language language;
} settings;

struct quipu_backend {
    line_backend base;
    settings set;
    char schema[SCHEMA_MAX + 1];
    char vector[140];     /* the schema of pgvector, quoted; empty: the database has none */
    bool by_server;       /* scans and searches of the present */
    int64_t lock;         /* the key of the advisory lock that writers of this store take */
    connection *writer;   /* the queue's writer's; NULL where the store is open for reading only */
    pthread_mutex_t pool; /* guards what follows */
    pthread_cond_t given;
    connection *idle;
    int64_t open; /* readers that are idle or taken */
};

/* ---- values.c: parameters and results, in binary form ---- */

enum { PARAMS_MAX = 200 };

typedef struct sql_params {
    int count;
    const char *values[PARAMS_MAX]; /* borrowed */
    int lengths[PARAMS_MAX], formats[PARAMS_MAX];
    uint8_t numbers[PARAMS_MAX][8];
} sql_params;

/* An array parameter on its way. */
typedef struct sql_array {
    buffer bytes;
    uint32_t count;
} sql_array;

#define OID_BYTEA 17u
#define OID_BIGINT 20u
#define OID_TEXT 25u
#define OID_DOUBLE 701u

void param_int(sql_params *p, int64_t value);
void param_text(sql_params *p, quipu_str text); /* absent: NULL; also for bytes */
void param_array(sql_params *p, const sql_array *a);
void array_begin(sql_array *a, uint32_t oid);
void array_int(sql_array *a, int64_t value);
void array_int_or_null(sql_array *a, int64_t value, int64_t null);
void array_text(sql_array *a, quipu_str text); /* absent: NULL; also for bytes */
void array_end(sql_array *a);
void array_free(sql_array *a);

int64_t row_int(const PGresult *r, int row, int column);    /* NULL: 0 */
quipu_str row_text(const PGresult *r, int row, int column); /* the result's; NULL: absent. Also of bytes */

/* ---- faults.c ---- */

/* Fills the error for a result that is one, and returns its code. doing: "reading a record". */
int32_t postgres_fail(connection *c, const PGresult *r, const char *doing, quipu_error *error);
/* The same for a connection that cannot be made or was lost. */
int32_t postgres_fail_connection(const PGconn *pg, const char *doing, quipu_error *error);

/* ---- connection.c ---- */

int32_t connection_open(quipu_backend *self, const quipu_call *call, connection **out, quipu_error *error);
void connection_close(connection *c); /* NULL is nothing to do */
/* From now on it is used for this call, or for this batch. */
void connection_use(connection *c, const quipu_call *call, write_request *batch);
/* Runs a prepared statement. out (may be NULL): the result, for PQclear. Outside of a transaction, a connection that was lost is made
 * anew and asked once more. */
int32_t connection_run(connection *c, int name, const sql_params *p, PGresult **out, const char *doing,
                       quipu_error *error);
/* The same for a statement that was put together; those of one text are prepared once. */
int32_t connection_query(connection *c, const char *sql, const sql_params *p, PGresult **out, const char *doing,
                         quipu_error *error);
/* Statements without parameters, separated by semicolons. */
int32_t connection_script(connection *c, const char *sql, PGresult **out, const char *doing, quipu_error *error);
/* Ends a transaction without a change; what was begun is over in any case. */
void connection_rollback(connection *c);
/* The server has closed it, or nobody knows. */
bool connection_is_lost(const connection *c);
/* Makes it anew, trying again for as long as the setting connect_timeout says. */
int32_t connection_again(connection *c, quipu_error *error);

/* ---- pool.c ---- */

/* A connection for reading, for this thread. Given back in any state. */
int32_t reader_take(quipu_backend *self, const quipu_call *call, connection **out, quipu_error *error);
void reader_give(quipu_backend *self, connection *c);
void readers_close(quipu_backend *self);

/* ---- note.c, schema.c ---- */

typedef struct store_note {
    char schema[SCHEMA_MAX + 1];
    uint8_t id[16]; /* of the store, which its table `store` has too */
} store_note;

/* *found: there is one. Errors: CORRUPT, IO. */
int32_t note_read(const char *folder, store_note *out, bool *found, quipu_error *error);
/* Writes it where there is none; EXISTS where another process was quicker. */
int32_t note_write(const char *folder, const store_note *note, quipu_error *error);
/* True for a folder that holds nothing but what Quipu itself puts there. */
bool note_folder_is_free(const char *folder);

/* Makes the schema and its tables where there are none, brings older ones up to date, refuses what is not ours or is newer. note: `schema` is
 * given; `id` too where `known`, else it becomes the id that the store has. */
int32_t schema_settle(quipu_backend *self, connection *c, store_note *note, bool known, quipu_error *error);
/* Takes back what schema_settle made of a store that nobody will use. */
void schema_drop(connection *c, const char *schema);

/* ---- states.c ---- */

extern const line_api postgres_line;
/* The newest revision; all zeros where there is none. */
int32_t revision_newest(connection *c, line_revision *out, quipu_error *error);
/* The state in a row of STATE_COLUMNS; its texts are the result's. */
line_state state_of_row(const PGresult *r, int row);

/* ---- write.c ---- */

/* Begins a transaction that no other writer of the store is beside. *records: the table `records` is there. */
int32_t store_lock(connection *c, bool *records, quipu_error *error);

/* ---- server.c: the present of a store whose table `records` is there, asked by SQL ---- */

int32_t server_scan(quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit, void *context,
                    const quipu_call *call, quipu_error *error);
int32_t server_search(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                      const quipu_call *call, quipu_error *error);

/* ---- the slots ---- */

void postgres_write_batch(void *context, write_request *batch);
int32_t postgres_scan(quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit, void *context,
                      const quipu_call *call, quipu_error *error);
int32_t postgres_search(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                        const quipu_call *call, quipu_error *error);
int32_t postgres_stats(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call,
                       quipu_error *error);
extern const quipu_maintain_api postgres_maintain;
extern const quipu_migrate_api postgres_migrate;
extern const quipu_vectors_api postgres_vectors;
extern const quipu_verify_api postgres_verify;

/* ---- settings.c ---- */

int32_t settings_take(settings *set, quipu_str config, quipu_error *error);
void settings_free(settings *set);
#endif
