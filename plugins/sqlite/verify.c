/*
 * verify.c - the extension verify/1: the database by SQLite's own check, the tables against each other, every state against its
 * version, the saved index against the tables.
 *
 * What can be computed again is repaired: SQLite's indexes, heads, the saved index. A state whose text was damaged cannot be; it is
 * named, and stays readable to SQL.
 */
#include "backend.h"

#include <base/fail.h>
#include <string.h>

enum { PROGRESS_EVERY = 10000, FINDINGS_MAX = 100 };

typedef struct verification {
    quipu_backend *self;
    connection *c;
    findings told;
    const quipu_call *call;
} verification;

static int32_t tell(verification *v, uint32_t severity, const char *area, const char *subject, const char *message,
                    uint64_t count)
{
    return findings_tell(&v->told, severity, area, str_of(subject), message, count);
}

/* What an area's check ends with: damage that SQLite itself came upon is a finding, and no failure to check. */
static int32_t end_area(verification *v, const char *area, int rc, uint64_t count)
{
    int primary = rc & 0xff;
    if (primary == SQLITE_OK || primary == SQLITE_DONE || primary == SQLITE_ROW)
        return tell(v, QUIPU_FINDING_CHECKED, area, NULL, NULL, count);
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_ERROR)
        return tell(v, QUIPU_FINDING_DAMAGE, area, NULL, sqlite3_errmsg(v->c->db), 0);
    return sqlite_fail(v->c, rc, "verifying the store", v->told.error);
}

static bool repairs(const verification *v)
{
    return findings_repair(&v->told);
}

/* ---- the database ---- */

/* One pass of SQLite's check; its lines are told as findings of this severity. *lines: how many. */
static int32_t check_database(verification *v, bool quiet, uint64_t *lines, int *rc)
{
    sqlite3_stmt *s = NULL;
    int32_t code = QUIPU_OK;
    *lines = 0;
    *rc = sqlite3_prepare_v2(v->c->db, "PRAGMA integrity_check", -1, &s, NULL);
    while (*rc == SQLITE_OK || *rc == SQLITE_ROW) {
        *rc = sqlite3_step(s);
        const char *line = *rc == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
        if (!line || strcmp(line, "ok") == 0)
            continue;
        ++*lines;
        code = quiet ? QUIPU_OK : tell(v, QUIPU_FINDING_DAMAGE, "database", DATABASE_NAME, line, 0);
        if (code != QUIPU_OK)
            break;
    }
    sqlite3_finalize(s);
    return code;
}

static int32_t verify_database(verification *v)
{
    uint64_t lines, left = 0;
    int rc, again;
    int32_t code = check_database(v, false, &lines, &rc);
    if (code == QUIPU_OK && lines > 0 && repairs(v) &&
        sqlite3_exec(v->c->db, "REINDEX", NULL, NULL, NULL) == SQLITE_OK) {
        code = check_database(v, true, &left, &again);
        if (code == QUIPU_OK && left == 0)
            code = tell(v, QUIPU_FINDING_REPAIRED, "database", DATABASE_NAME, "its indexes were built again", 0);
    }
    return code == QUIPU_OK ? end_area(v, "database", rc, 1) : code;
}

/* ---- the tables against each other ---- */

typedef struct rule {
    const char *sql; /* shows the ids or numbers of what breaks it */
    const char *message;
} rule;

static const rule rules[] = {
    { "SELECT s.state FROM states s WHERE s.previous IS NOT NULL AND NOT EXISTS"
      " (SELECT 1 FROM states p WHERE p.state = s.previous AND p.state < s.state AND p.id = s.id)",
      "the state before it is missing, or of another record" },
    { "SELECT r.revision FROM revisions r WHERE r.revision > 1 AND NOT EXISTS"
      " (SELECT 1 FROM revisions p WHERE p.revision = r.revision - 1 AND p.last_state < r.last_state"
      "  AND p.committed_at <= r.committed_at)",
      "the revision before it is missing, or later" },
    { "SELECT s.state FROM states s WHERE NOT EXISTS"
      " (SELECT 1 FROM revisions r WHERE r.revision = s.revision AND s.state <= r.last_state)",
      "its revision is missing" },
};

static int32_t verify_rule(verification *v, const rule *r, int *rc)
{
    sqlite3_stmt *s = NULL;
    int32_t code = QUIPU_OK;
    *rc = sqlite3_prepare_v2(v->c->db, r->sql, -1, &s, NULL);
    for (int told = 0; code == QUIPU_OK && (*rc == SQLITE_OK || *rc == SQLITE_ROW) && told < FINDINGS_MAX; told++) {
        *rc = sqlite3_step(s);
        if (*rc == SQLITE_ROW)
            code = tell(v, QUIPU_FINDING_DAMAGE, "revisions", (const char *)sqlite3_column_text(s, 0), r->message, 0);
    }
    sqlite3_finalize(s);
    return code;
}

static int32_t verify_revisions(verification *v)
{
    line_revision newest = { 0 };
    int32_t code = QUIPU_OK;
    int rc = SQLITE_OK;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0] && code == QUIPU_OK && (rc & 0xff) != SQLITE_CORRUPT; i++)
        code = verify_rule(v, &rules[i], &rc);
    if (code == QUIPU_OK)
        revision_newest(v->c, &newest, NULL);
    return code == QUIPU_OK ? end_area(v, "revisions", rc, (uint64_t)newest.revision) : code;
}

/* heads is what states says, in another order: it can be made again. */
static int32_t verify_heads(verification *v)
{
    static const char wrong[] = "SELECT count(*) FROM (SELECT id, max(state) AS state FROM states GROUP BY id) n"
                                " LEFT JOIN heads h ON h.id = n.id WHERE h.state IS NOT n.state";
    static const char anew[] = "BEGIN IMMEDIATE; DELETE FROM heads; INSERT INTO heads (id, state)"
                               " SELECT id, max(state) FROM states GROUP BY id; COMMIT";
    sqlite3_stmt *s = NULL;
    int64_t count = 0;
    int rc = sqlite3_prepare_v2(v->c->db, wrong, -1, &s, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW)
        count = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    bool bad = count > 0 || (rc & 0xff) == SQLITE_CORRUPT;
    int32_t code = QUIPU_OK;
    if (bad)
        code = tell(v, QUIPU_FINDING_DAMAGE, "heads", NULL, "which state of a record is the newest is not told rightly",
                    0);
    if (code == QUIPU_OK && bad && repairs(v)) {
        rc = sqlite3_exec(v->c->db, anew, NULL, NULL, NULL);
        connection_rollback(v->c);
        if (rc == SQLITE_OK)
            code = tell(v, QUIPU_FINDING_REPAIRED, "heads", NULL, "the table was made again from the states", 0);
    }
    return code == QUIPU_OK ? end_area(v, "heads", rc, 1) : code;
}

/* ---- the states ---- */

static int32_t verify_states(verification *v)
{
    sqlite3_stmt *s = NULL;
    uint64_t count = 0;
    int32_t code = QUIPU_OK;
    int rc = sqlite3_prepare_v2(
        v->c->db, "SELECT state, revision, previous, id, version, json FROM states ORDER BY state", -1, &s, NULL);
    while (code == QUIPU_OK && (rc == SQLITE_OK || rc == SQLITE_ROW)) {
        rc = sqlite3_step(s);
        if (rc != SQLITE_ROW)
            break;
        record *r;
        line_state stored = state_of_row(s);
        if (line_record(&stored, &r, NULL) == QUIPU_E_CORRUPT)
            code = tell(v, QUIPU_FINDING_DAMAGE, "records", stored.id.ptr,
                        "its text is not that of its version: bring a copy back, or write the record anew", 0);
        record_free(r);
        if (++count % PROGRESS_EVERY == 0 && code == QUIPU_OK)
            code = tell(v, QUIPU_FINDING_PROGRESS, "records", NULL, NULL, count);
    }
    if (code == QUIPU_OK)
        code = end_area(v, "records", rc, count);
    sqlite3_finalize(s);
    return code;
}

/* ---- the saved index ---- */

/* A store that was opened to be verified has no readers of its own. */
static int32_t verify_index(verification *v)
{
    quipu_backend *self = v->self;
    bool lent = !self->base.views;
    int32_t code = line_verify_index(self, self->language, &v->told, v->call, v->told.error);
    if (lent)
        readers_close(self);
    return code;
}

/* ---- all of it ---- */

static int32_t verify_all(verification *v)
{
    int32_t code = verify_database(v);
    if (code == QUIPU_OK)
        code = verify_revisions(v);
    if (code == QUIPU_OK)
        code = verify_heads(v);
    if (code == QUIPU_OK)
        code = verify_states(v);
    return code == QUIPU_OK && v->told.damages == 0 ? verify_index(v) : code;
}

static int32_t verify(quipu_backend *self, uint32_t flags, quipu_finding_fn visit, void *context,
                      const quipu_call *call, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    verification v = { .self = self, .told = { flags, 0, visit, context, error ? error : &own }, .call = call };
    int32_t code = findings_check(self->base.folder, self->base.flags, flags, call, error);
    if (code == QUIPU_OK)
        code = connection_open(self, repairs(&v), &v.c, v.told.error);
    if (code == QUIPU_E_FORMAT || code == QUIPU_E_CORRUPT) /* not even its first page can be read */
        return tell(&v, QUIPU_FINDING_DAMAGE, "database", DATABASE_NAME, v.told.error->message, 0) < 0 ? code
                                                                                                       : QUIPU_OK;
    if (code != QUIPU_OK)
        return code;
    connection_use(v.c, call, NULL);
    code = verify_all(&v);
    connection_close(v.c);
    return code == FINDINGS_ENOUGH ? QUIPU_OK : code;
}

const quipu_verify_api sqlite_verify = { .struct_size = sizeof(quipu_verify_api), .verify = verify };
