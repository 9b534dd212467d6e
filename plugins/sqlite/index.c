/* index.c - what sdk/views.h asks of the history: positions, and the way from one to another, which is a run of states. */
#include "backend.h"

#include <base/fail.h>
#include <base/hash.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- positions: "REVISION STATE NAME" ---- */

static void print_position(const revision_row *at, view_position *out)
{
    char digits[41] = "";
    memset(out, 0, sizeof *out);
    if (at->revision == 0)
        return;
    hex_encode(at->name, sizeof at->name, digits);
    snprintf(out->text, sizeof out->text, "%" PRId64 " %" PRId64 " %.40s", at->revision, at->last_state, digits);
}

static bool read_position(const view_position *p, revision_row *out)
{
    const char *text = p->text;
    char *end;
    *out = (revision_row){ 0 };
    if (!text[0])
        return true;
    out->revision = strtoll(text, &end, 10);
    if (*end != ' ' || out->revision < 1)
        return false;
    out->last_state = strtoll(end + 1, &end, 10);
    return *end == ' ' && out->last_state >= 1 && strlen(end + 1) == 40 && hex_decode(end + 1, 20, out->name) == 0;
}

static int32_t find_head(void *owner, view_position *out, quipu_error *error)
{
    quipu_backend *self = owner;
    connection *c;
    revision_row newest;
    int32_t code = reader_take(self, NULL, &c, error);
    if (code != QUIPU_OK)
        return code;
    code = revision_newest(c, &newest, error);
    reader_give(self, c);
    print_position(&newest, out);
    return code;
}

static bool is_later(void *owner, const view_position *a, const view_position *b)
{
    revision_row x, y;
    (void)owner;
    return read_position(a, &x) && read_position(b, &y) && x.revision > y.revision;
}

/* A database that was put back from a copy has other revisions than what was saved beside it, or fewer. */
static bool is_known(void *owner, const view_position *p)
{
    quipu_backend *self = owner;
    connection *c;
    revision_row saved, stored = { 0 };
    if (!read_position(p, &saved) || reader_take(self, NULL, &c, NULL) != QUIPU_OK)
        return false;
    int32_t code = revision_read(c, saved.revision, &stored, NULL);
    reader_give(self, c);
    return code == QUIPU_OK && stored.last_state == saved.last_state && memcmp(stored.name, saved.name, 20) == 0;
}

static int32_t resolve(void *owner, quipu_str as_of, view_position *out, quipu_error *error)
{
    quipu_backend *self = owner;
    connection *c;
    revision_row at;
    int32_t code = reader_take(self, NULL, &c, error);
    if (code != QUIPU_OK)
        return code;
    code = revision_resolve(c, as_of, &at, error);
    reader_give(self, c);
    print_position(&at, out);
    return code;
}

/* ---- from one position to another ---- */

/* One row of (json, version) becomes a put or a removal. */
static int32_t take_state(view *v, sqlite3_stmt *s, int json, int version, quipu_str id, quipu_error *error)
{
    record *r;
    view_changed(v);
    int32_t code = record_of_row(s, json, version, id, &r, error);
    if (code == QUIPU_OK && r)
        code = record_index_put(view_index(v), r, error);
    else if (code == QUIPU_OK)
        record_index_remove(view_index(v), id);
    record_free(r);
    return code;
}

static int32_t forward(connection *c, view *v, int statement, int64_t from, int64_t to, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    int rc = SQLITE_DONE;
    sqlite3_stmt *s = connection_statement(c, statement, error);
    if (!s)
        return error->code;
    sqlite3_bind_int64(s, 1, from);
    sqlite3_bind_int64(s, 2, to);
    while (code == QUIPU_OK && (rc = sqlite3_step(s)) == SQLITE_ROW)
        code = take_state(v, s, 1, 2, column_text(s, 0), error);
    if (code == QUIPU_OK && rc != SQLITE_DONE)
        code = sqlite_fail(c, rc, "reading the records", error);
    sqlite3_reset(s);
    return code;
}

/* What was there before the first change of an id since then: its version is in the index, as a rule. */
static int32_t take_older(connection *c, view *v, quipu_str id, int64_t previous, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    sqlite3_stmt *s = previous ? connection_statement(c, STATEMENT_STATE, error) : NULL;
    if (!previous) {
        record_index_remove(view_index(v), id);
        return QUIPU_OK;
    }
    if (!s)
        return error->code;
    sqlite3_bind_int64(s, 1, previous);
    int rc = sqlite3_step(s);
    const void *version = rc == SQLITE_ROW ? sqlite3_column_blob(s, 3) : NULL;
    bool known = version && sqlite3_column_bytes(s, 3) == 20 && record_index_revive(view_index(v), id, version);
    if (rc != SQLITE_ROW)
        code = rc == SQLITE_DONE ? fail(error, QUIPU_E_CORRUPT, NULL, "state %lld is missing; run `quipu verify`",
                                        (long long)previous)
                                 : sqlite_fail(c, rc, "reading the records", error);
    else if (!known)
        code = take_state(v, s, 4, 3, id, error);
    sqlite3_reset(s);
    return code;
}

static int32_t backward(connection *c, view *v, int64_t from, int64_t to, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    int rc = SQLITE_DONE;
    sqlite3_stmt *s = connection_statement(c, STATEMENT_OLDER, error);
    if (!s)
        return error->code;
    sqlite3_bind_int64(s, 1, to);
    sqlite3_bind_int64(s, 2, from);
    while (code == QUIPU_OK && (rc = sqlite3_step(s)) == SQLITE_ROW)
        code = take_older(c, v, column_text(s, 0), sqlite3_column_int64(s, 1), error);
    if (code == QUIPU_OK && rc != SQLITE_DONE)
        code = sqlite_fail(c, rc, "reading the records", error);
    sqlite3_reset(s);
    return code;
}

/* Damage may hide rows: what the newest revision says of states and records must be so. */
static int32_t check_counts(connection *c, view *v, const revision_row *newest, quipu_error *error)
{
    sqlite3_stmt *s = connection_statement(c, STATEMENT_LAST_STATE, error);
    if (!s)
        return error->code;
    int rc = sqlite3_step(s);
    bool good = rc == SQLITE_ROW && sqlite3_column_int64(s, 0) == newest->last_state &&
                record_index_count(view_index(v)) == (uint64_t)newest->records;
    int32_t code = rc == SQLITE_ROW ? QUIPU_OK : sqlite_fail(c, rc, "reading the records", error);
    sqlite3_reset(s);
    return code == QUIPU_OK && !good
               ? fail(error, QUIPU_E_CORRUPT, NULL, "records are missing or too many; run `quipu verify`")
               : code;
}

/* One snapshot of the database is read, so that heads and states belong together: where `to` is the newest revision of it, only the
 * newest state of each id is looked at. */
static int32_t go(void *owner, view *v, const view_position *from, const view_position *to, quipu_error *error)
{
    quipu_backend *self = owner;
    quipu_error own = { .struct_size = sizeof own };
    connection *c;
    revision_row a, b, newest;
    if (!error)
        error = &own;
    if (!read_position(from, &a) || !read_position(to, &b))
        return fail(error, QUIPU_E_INTERNAL, NULL, "a position cannot be read");
    int32_t code = reader_take(self, NULL, &c, error);
    if (code != QUIPU_OK)
        return code;
    code = connection_run(c, STATEMENT_BEGIN_READ, "reading the records", error);
    if (code == QUIPU_OK)
        code = revision_newest(c, &newest, error);
    if (code == QUIPU_OK && b.last_state < a.last_state)
        code = backward(c, v, a.last_state, b.last_state, error);
    else if (code == QUIPU_OK)
        code = forward(c, v, newest.revision == b.revision ? STATEMENT_NEWER : STATEMENT_REPLAY, a.last_state,
                       b.last_state, error);
    if (code == QUIPU_OK && newest.revision == b.revision)
        code = check_counts(c, v, &newest, error);
    reader_give(self, c);
    return code;
}

const views_owner sqlite_views = {
    .struct_size = sizeof(views_owner),
    .component = "sqlite",
    .head = find_head,
    .go = go,
    .is_later = is_later,
    .is_known = is_known,
    .resolve = resolve,
};
