/*
 * schema.c - the tables, how an older store becomes a newer one, and what is refused.
 *
 *   store       one row: how many migrations the store has been through, and its id
 *   revisions   one row for each change set that changed something, in the order in which they were applied
 *   states      every state that any record ever was in. json NULL: the record was gone. `previous` is the state before of the same
 *               id, so that the history of a record is a chain and what a revision changed is its own rows
 *   memories    (a view) the records as they are now, for people and programs that speak SQL
 *
 * revisions and states are only ever added to, and a trigger refuses anything else. Two processes that open a store at once do not
 * migrate at once: an advisory lock on the schema's name is held meanwhile.
 */
#include "backend.h"

#include <base/fail.h>
#include <base/hash.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char doing[] = "making the tables";

static const char *const migrations[] = {
    "CREATE TABLE revisions (revision bigint PRIMARY KEY, name bytea NOT NULL UNIQUE, change_id bytea NOT NULL,"
    " last_state bigint NOT NULL, records bigint NOT NULL, time bigint NOT NULL, committed_at bigint NOT NULL,"
    " author text NOT NULL, operation text NOT NULL, source text, subject text NOT NULL);"
    "CREATE TABLE states (state bigint PRIMARY KEY, revision bigint NOT NULL, previous bigint,"
    " id text COLLATE \"C\" NOT NULL, version bytea NOT NULL, json text);"
    "CREATE UNIQUE INDEX states_of_id ON states (id, state);"
    "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN RAISE EXCEPTION ''% is only ever added to'', TG_TABLE_NAME USING ERRCODE = ''23000''; END';"
    "CREATE TRIGGER revisions_stay BEFORE UPDATE OR DELETE ON revisions FOR EACH ROW EXECUTE FUNCTION refuse_change();"
    "CREATE TRIGGER states_stay BEFORE UPDATE OR DELETE ON states FOR EACH ROW EXECUTE FUNCTION refuse_change();",

    "CREATE VIEW memories AS SELECT s.id, s.json::jsonb ->> 'text' AS text, encode(s.version, 'hex') AS version, "
    "s.revision,"
    " encode(r.name, 'hex') AS revision_name, r.author, 'epoch'::timestamptz + r.committed_at * interval '1 "
    "microsecond' AS"
    " changed_at, s.json FROM states s JOIN revisions r ON r.revision = s.revision WHERE s.json IS NOT NULL AND"
    " NOT EXISTS (SELECT 1 FROM states n WHERE n.id = s.id AND n.state > s.state);",
};

enum { SCHEMA_VERSION = sizeof migrations / sizeof migrations[0] };

static int32_t execute(connection *c, const char *sql, PGresult **out, quipu_error *error)
{
    return connection_script(c, sql, out, doing, error);
}

static bool is_true(const PGresult *r, int column)
{
    return PQntuples(r) == 1 && strcmp(PQgetvalue(r, 0, column), "t") == 0;
}

typedef struct found {
    bool schema, ours;
    int version; /* of the store; 0: there is none */
    uint8_t id[16];
} found;

/* bytea in text form: \x and digits. */
static int32_t read_store(connection *c, found *f, quipu_error *error)
{
    PGresult *r = NULL;
    int32_t code = execute(c, "SELECT format, encode(id, 'hex') FROM store", &r, error);
    f->ours = code == QUIPU_OK && PQntuples(r) == 1 && PQgetlength(r, 0, 1) == 2 * (int)sizeof f->id &&
              hex_decode(PQgetvalue(r, 0, 1), sizeof f->id, f->id) == 0;
    f->version = f->ours ? (int)strtol(PQgetvalue(r, 0, 0), NULL, 10) : 0;
    PQclear(r);
    return code == QUIPU_E_FORMAT ? QUIPU_OK : code; /* a table of that name with other columns */
}

/* What is in the database under the schema's name. */
static int32_t look(connection *c, const char *schema, found *f, quipu_error *error)
{
    char sql[600];
    PGresult *r = NULL;
    *f = (found){ 0 };
    snprintf(
        sql, sizeof sql,
        "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = '%s'),"
        " EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '%s' AND"
        " c.relname = 'store' AND c.relkind = 'r'),"
        " EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '%s')",
        schema, schema, schema);
    int32_t code = execute(c, sql, &r, error);
    if (code != QUIPU_OK)
        return code;
    f->schema = is_true(r, 0);
    bool table = is_true(r, 1), anything = is_true(r, 2);
    PQclear(r);
    if (table)
        code = read_store(c, f, error);
    if (code != QUIPU_OK || !anything)
        return code;
    if (!f->ours || f->version < 1)
        return fail(error, QUIPU_E_FORMAT, "schema",
                    "the schema \"%s\" holds tables of another program; choose another name", schema);
    if (f->version > SCHEMA_VERSION)
        return fail(
            error, QUIPU_E_FORMAT, "schema",
            "the store has tables of version %d, and this Quipu knows up to %d: use the newer one that made them",
            f->version, (int)SCHEMA_VERSION);
    return QUIPU_OK;
}

/* ---- migrating ---- */

static int32_t lock_schema(connection *c, const char *schema, quipu_error *error)
{
    char sql[120];
    uint8_t digest[20];
    uint64_t key = 0;
    hash_sha1(schema, strlen(schema), digest);
    for (int i = 0; i < 8; i++)
        key = key << 8 | digest[i];
    snprintf(sql, sizeof sql, "SELECT pg_advisory_xact_lock(%" PRId64 ")", (int64_t)key);
    return connection_script(c, sql, NULL, "waiting for another process that makes the tables", error);
}

/* A schema that somebody with more rights has made is used as it is. */
static int32_t make_schema(connection *c, const store_note *note, bool schema, quipu_error *error)
{
    char sql[600], digits[33] = "";
    hex_encode(note->id, sizeof note->id, digits);
    snprintf(sql, sizeof sql,
             "%s\"%s\";\n"
             "CREATE TABLE store (one boolean PRIMARY KEY DEFAULT true CHECK (one), format integer NOT NULL, id bytea "
             "NOT NULL,"
             " made_at timestamptz NOT NULL DEFAULT now());"
             "INSERT INTO store (format, id) VALUES (0, decode('%.32s', 'hex'))",
             schema ? "-- " : "CREATE SCHEMA ", note->schema, digits);
    return execute(c, sql, NULL, error);
}

/* What is still to be done, in one transaction; another process may have been quicker. */
static int32_t migrate(connection *c, store_note *note, found *f, bool make, quipu_error *error)
{
    char sql[80];
    int32_t code = connection_run(c, STATEMENT_BEGIN_WRITE, NULL, NULL, doing, error);
    c->in_transaction = true;
    if (code == QUIPU_OK)
        code = lock_schema(c, note->schema, error);
    if (code == QUIPU_OK)
        code = look(c, note->schema, f, error);
    if (code == QUIPU_OK && !f->ours && make)
        code = make_schema(c, note, f->schema, error);
    else if (code == QUIPU_OK && !f->ours)
        code = fail(error, QUIPU_E_NOT_FOUND, "schema", "the database has no store in the schema \"%s\"", note->schema);
    for (int i = f->version; code == QUIPU_OK && i < SCHEMA_VERSION; i++)
        code = execute(c, migrations[i], NULL, error);
    snprintf(sql, sizeof sql, "UPDATE store SET format = %d WHERE format <> %d", (int)SCHEMA_VERSION,
             (int)SCHEMA_VERSION);
    if (code == QUIPU_OK)
        code = execute(c, sql, NULL, error);
    if (code == QUIPU_OK)
        code = connection_run(c, STATEMENT_COMMIT, NULL, NULL, doing, error);
    connection_rollback(c);
    return code;
}

int32_t schema_settle(quipu_backend *self, connection *c, store_note *note, bool known, quipu_error *error)
{
    found f;
    bool make = !known && !(self->base.flags & (QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_DAMAGED));
    int32_t code = look(c, note->schema, &f, error);
    if (code == QUIPU_OK && !(self->base.flags & (QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_DAMAGED)) &&
        f.version < SCHEMA_VERSION)
        code = migrate(c, note, &f, make, error);
    else if (code == QUIPU_OK && !f.ours)
        code = fail(error, QUIPU_E_NOT_FOUND, "schema", "the database has no store in the schema \"%s\"", note->schema);
    else if (code == QUIPU_OK && f.version < SCHEMA_VERSION && self->base.flags & QUIPU_OPEN_READ_ONLY)
        code = fail(error, QUIPU_E_FORMAT, "schema", "the store has older tables; open it for writing once");
    if (code != QUIPU_OK)
        return code;
    if (!known && f.ours)
        memcpy(note->id, f.id, sizeof f.id);
    else if (known && memcmp(note->id, f.id, sizeof f.id) != 0)
        return fail(error, QUIPU_E_FORMAT, "url",
                    "the schema \"%s\" of this database holds another store; look at the url", note->schema);
    return QUIPU_OK;
}

void schema_drop(connection *c, const char *schema)
{
    char sql[120];
    snprintf(sql, sizeof sql, "DROP SCHEMA \"%s\" CASCADE", schema);
    connection_script(c, sql, NULL, "taking a schema back", NULL);
}
