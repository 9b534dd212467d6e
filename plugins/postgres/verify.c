/*
 * verify.c - the extension verify/1: the tables against each other, every state against its version, the table of records and the saved index
 * against the states.
 *
 * The pages below the tables are the server's to check (pg_amcheck, data checksums). What can be computed again is repaired: the
 * table of records, the saved index. A state whose text was damaged cannot be; it is named, and stays readable to SQL.
 */
#include "backend.h"
#include "rows.h"

#include <base/fail.h>
#include <string.h>

enum { PROGRESS_EVERY = 10000 };

typedef struct verification {
    quipu_backend *self;
    connection *c;
    findings told;
    uint64_t states;
    const quipu_call *call;
} verification;

static int32_t tell(verification *v, uint32_t severity, const char *area, quipu_str subject, const char *message,
                    uint64_t count)
{
    return findings_tell(&v->told, severity, area, subject, message, count);
}

static bool repairs(const verification *v)
{
    return findings_repair(&v->told);
}

/* ---- the tables against each other ---- */

typedef struct rule {
    const char *sql; /* shows the numbers of what breaks it, as text */
    const char *message;
} rule;

#define FINDINGS " LIMIT 100"

static const rule rules[] = {
    { "SELECT s.state::text FROM states s WHERE s.previous IS DISTINCT FROM"
      " (SELECT max(p.state) FROM states p WHERE p.id = s.id AND p.state < s.state)" FINDINGS,
      "the state before it is missing, or of another record" },
    { "SELECT r.revision::text FROM revisions r WHERE r.revision > 1 AND NOT EXISTS"
      " (SELECT 1 FROM revisions p WHERE p.revision = r.revision - 1 AND p.last_state < r.last_state"
      "  AND p.committed_at <= r.committed_at)" FINDINGS,
      "the revision before it is missing, or later" },
    { "SELECT s.state::text FROM states s WHERE NOT EXISTS"
      " (SELECT 1 FROM revisions r WHERE r.revision = s.revision AND s.state <= r.last_state)" FINDINGS,
      "its revision is missing" },
    { "SELECT r.revision::text FROM revisions r WHERE NOT EXISTS"
      " (SELECT 1 FROM states s WHERE s.state = r.last_state AND s.revision = r.revision)" FINDINGS,
      "its newest state is missing" },
};

static int32_t verify_rule(verification *v, const rule *r)
{
    PGresult *found = NULL;
    int32_t code = connection_script(v->c, r->sql, &found, "verifying the store", v->told.error);
    for (int i = 0; code == QUIPU_OK && i < PQntuples(found); i++)
        code = tell(v, QUIPU_FINDING_DAMAGE, "revisions", row_text(found, i, 0), r->message, 0);
    PQclear(found);
    return code;
}

static int32_t verify_revisions(verification *v)
{
    line_revision newest = { 0 };
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0] && code == QUIPU_OK; i++)
        code = verify_rule(v, &rules[i]);
    if (code == QUIPU_OK)
        code = revision_newest(v->c, &newest, v->told.error);
    return code == QUIPU_OK
               ? tell(v, QUIPU_FINDING_CHECKED, "revisions", (quipu_str){ 0 }, NULL, (uint64_t)newest.revision)
               : code;
}

/* ---- the table that the server searches ---- */

static const char stray[] =
    "SELECT coalesce(r.id, n.id) FROM records r FULL JOIN (SELECT DISTINCT ON (id) id, state, json FROM states"
    " ORDER BY id, state DESC) n ON n.id = r.id WHERE r.state IS DISTINCT FROM"
    " CASE WHEN n.json IS NOT NULL THEN n.state END" FINDINGS;

static int32_t make_table_again(verification *v)
{
    int32_t code = connection_script(v->c, "DROP TABLE records", NULL, "repairing the table of records", v->told.error);
    if (code == QUIPU_OK)
        code = rows_make_table(v->self, v->c, v->told.error);
    return code == QUIPU_OK ? tell(v, QUIPU_FINDING_REPAIRED, "search", str_of("records"),
                                   "the table was made again from the states", 0)
                            : code;
}

/* It is what the newest states say, in columns: it can be made again. */
static int32_t verify_table(verification *v)
{
    PGresult *r = NULL;
    int32_t code = connection_run(v->c, STATEMENT_HAS_RECORDS, NULL, &r, "verifying the store", v->told.error);
    bool there = code == QUIPU_OK && row_int(r, 0, 0) != 0;
    PQclear(r);
    r = NULL;
    if (!there)
        return code;
    code = connection_script(v->c, stray, &r, "verifying the store", v->told.error);
    int wrong = code == QUIPU_OK ? PQntuples(r) : 0;
    for (int i = 0; i < wrong && code == QUIPU_OK; i++)
        code = tell(v, QUIPU_FINDING_DAMAGE, "search", row_text(r, i, 0),
                    "the table of records does not show what is stored", 0);
    PQclear(r);
    if (code == QUIPU_OK && wrong && repairs(v))
        code = make_table_again(v);
    return code == QUIPU_OK ? tell(v, QUIPU_FINDING_CHECKED, "search", (quipu_str){ 0 }, NULL, 1) : code;
}

/* ---- the states ---- */

static int32_t verify_state(void *context, const line_state *s, quipu_error *error)
{
    verification *v = context;
    record *r;
    int32_t code = QUIPU_OK;
    (void)error;
    if (line_record(s, &r, NULL) == QUIPU_E_CORRUPT)
        code = tell(v, QUIPU_FINDING_DAMAGE, "records", s->id,
                    "its text is not that of its version: bring a copy back, or write the record anew", 0);
    record_free(r);
    if (++v->states % PROGRESS_EVERY == 0 && code == QUIPU_OK)
        code = tell(v, QUIPU_FINDING_PROGRESS, "records", (quipu_str){ 0 }, NULL, v->states);
    return code;
}

static int32_t verify_states(verification *v)
{
    int32_t code = postgres_line.replay(v->c, 0, INT64_MAX, verify_state, v, v->told.error);
    return code == QUIPU_OK ? tell(v, QUIPU_FINDING_CHECKED, "records", (quipu_str){ 0 }, NULL, v->states) : code;
}

/* ---- the saved index ---- */

/* A store that was opened to be verified has no readers of its own. */
static int32_t verify_index(verification *v)
{
    quipu_backend *self = v->self;
    bool lent = !self->base.views;
    int32_t code = line_verify_index(self, self->set.language, &v->told, v->call, v->told.error);
    if (lent)
        readers_close(self);
    return code;
}

/* ---- all of it ---- */

static int32_t verify_all(verification *v)
{
    int32_t code = verify_revisions(v);
    if (code == QUIPU_OK)
        code = verify_states(v);
    uint64_t damaged = v->told.damages;
    if (code == QUIPU_OK && damaged == 0)
        code = verify_table(v);
    return code == QUIPU_OK && damaged == 0 ? verify_index(v) : code;
}

static int32_t verify(quipu_backend *self, uint32_t flags, quipu_finding_fn visit, void *context,
                      const quipu_call *call, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    verification v = { .self = self, .told = { flags, 0, visit, context, error ? error : &own }, .call = call };
    int32_t code = findings_check(self->base.folder, self->base.flags, flags, call, error);
    if (code == QUIPU_OK)
        code = connection_open(self, call, &v.c, v.told.error);
    if (code != QUIPU_OK)
        return code;
    code = verify_all(&v);
    connection_close(v.c);
    if (code == QUIPU_E_FORMAT ||
        code == QUIPU_E_CORRUPT) { /* tables that are missing, pages that the server cannot read */
        quipu_error why = *v.told.error;
        code = tell(&v, QUIPU_FINDING_DAMAGE, "database", str_of(self->schema), why.message, 0) < 0 ? code : QUIPU_OK;
    }
    return code == FINDINGS_ENOUGH ? QUIPU_OK : code;
}

const quipu_verify_api postgres_verify = { .struct_size = sizeof(quipu_verify_api), .verify = verify };
