/* states.c - revisions and states: which revision is meant, and what a record was then. */
#include "backend.h"

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/json.h>
#include <string.h>

enum { NAME_HEX = 40, PREFIX_LEAST = 4 };

/* ---- records ---- */

static int32_t corrupt(quipu_str id, const char *why, quipu_error *error)
{
    int32_t code = fail(error, QUIPU_E_CORRUPT, NULL, "what is stored is not this record: %s; run `quipu verify`", why);
    fail_name_record(error, &id);
    return code;
}

int32_t record_of_row(sqlite3_stmt *s, int json, int version, quipu_str id, record **out, quipu_error *error)
{
    static const record_defaults limit = { .created_at = QUIPU_TIME_NONE,
                                           .updated_at = QUIPU_TIME_NONE,
                                           .max_bytes = (uint64_t)64 << 20 };
    quipu_error why = { .struct_size = sizeof why };
    char digits[QUIPU_VERSION_LEN];
    quipu_str text = column_text(s, json);
    const void *stored = sqlite3_column_blob(s, version);
    int len = sqlite3_column_bytes(s, version);
    *out = NULL;
    if (!text.ptr) /* what is gone has a version without bytes */
        return len == 0 && sqlite3_column_type(s, version) == SQLITE_BLOB ? QUIPU_OK
                                                                          : corrupt(id, "its text is missing", error);
    int32_t code = record_decode(text, &limit, out, &why);
    if (code == QUIPU_E_NO_MEMORY)
        return fail(error, code, NULL, "no memory for a record");
    if (code == QUIPU_OK && stored && len == QUIPU_VERSION_LEN / 2) {
        hex_encode(stored, QUIPU_VERSION_LEN / 2, digits);
        if (str_same(record_view(*out)->id, id) &&
            str_same(record_view(*out)->version, str_make(digits, sizeof digits)))
            return QUIPU_OK;
    }
    record_free(*out);
    *out = NULL;
    return corrupt(id, code == QUIPU_OK ? "its id or version is another one" : why.message, error);
}

/* Steps a statement that shows one row or none; SQLITE_ROW, SQLITE_DONE, or the failure in *code. */
static int one_row(connection *c, sqlite3_stmt *s, const char *doing, int32_t *code, quipu_error *error)
{
    int rc = sqlite3_step(s);
    *code = rc == SQLITE_ROW || rc == SQLITE_DONE ? QUIPU_OK : sqlite_fail(c, rc, doing, error);
    return rc;
}

static int32_t no_statement(const quipu_error *error)
{
    return error && error->code ? error->code : QUIPU_E_IO;
}

int32_t state_read(connection *c, int64_t state, record **out, int64_t *previous, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    int32_t code;
    *out = NULL;
    if (previous)
        *previous = 0;
    if (!error)
        error = &own;
    sqlite3_stmt *s = connection_statement(c, STATEMENT_STATE, error);
    if (!s)
        return no_statement(error);
    sqlite3_bind_int64(s, 1, state);
    if (one_row(c, s, "reading a record", &code, error) == SQLITE_DONE)
        code = fail(error, QUIPU_E_CORRUPT, NULL, "state %lld is missing; run `quipu verify`", (long long)state);
    if (code == QUIPU_OK) {
        if (previous)
            *previous = sqlite3_column_int64(s, 1);
        code = record_of_row(s, 4, 3, column_text(s, 2), out, error);
    }
    sqlite3_reset(s);
    return code;
}

int32_t state_newest(connection *c, quipu_str id, int64_t *out, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    int32_t code;
    *out = 0;
    if (!error)
        error = &own;
    sqlite3_stmt *s = connection_statement(c, STATEMENT_HEAD, error);
    if (!s)
        return no_statement(error);
    bind_text(s, 1, id);
    if (one_row(c, s, "looking for a record", &code, error) == SQLITE_ROW)
        *out = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return code;
}

/* The state of the id that was the newest when `last_state` was. */
static int32_t state_at(connection *c, quipu_str id, int64_t last_state, int64_t *out, quipu_error *error)
{
    int32_t code = state_newest(c, id, out, error);
    while (code == QUIPU_OK && *out > last_state) {
        sqlite3_stmt *s = connection_statement(c, STATEMENT_STATE, error);
        if (!s)
            return no_statement(error);
        sqlite3_bind_int64(s, 1, *out);
        int64_t previous =
            one_row(c, s, "reading a record", &code, error) == SQLITE_ROW ? sqlite3_column_int64(s, 1) : 0;
        if (previous >= *out)
            code = fail(error, QUIPU_E_CORRUPT, NULL, "the history of a record runs in a circle; run `quipu verify`");
        *out = previous;
        sqlite3_reset(s);
        if (code == QUIPU_OK)
            code = call_check(c->call, error);
    }
    return code;
}

/* The record as it is now, in one question. */
static int32_t record_now(connection *c, quipu_str id, record **out, quipu_error *error)
{
    int32_t code;
    sqlite3_stmt *s = connection_statement(c, STATEMENT_PRESENT, error);
    if (!s)
        return no_statement(error);
    bind_text(s, 1, id);
    if (one_row(c, s, "reading a record", &code, error) == SQLITE_ROW)
        code = record_of_row(s, 1, 2, id, out, error);
    sqlite3_reset(s);
    return code;
}

int32_t record_at(connection *c, quipu_str id, int64_t last_state, record **out, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    int64_t state;
    *out = NULL;
    if (!error)
        error = &own;
    if (last_state < 0)
        return record_now(c, id, out, error);
    int32_t code = state_at(c, id, last_state, &state, error);
    return code == QUIPU_OK && state > 0 ? state_read(c, state, out, NULL, error) : code;
}

/* ---- revisions ---- */

static void take_name(sqlite3_stmt *s, int column, uint8_t out[20])
{
    const void *name = sqlite3_column_blob(s, column);
    if (name && sqlite3_column_bytes(s, column) == 20)
        memcpy(out, name, 20);
}

int32_t revision_newest(connection *c, revision_row *out, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    int32_t code;
    *out = (revision_row){ 0 };
    if (!error)
        error = &own;
    sqlite3_stmt *s = connection_statement(c, STATEMENT_NEWEST, error);
    if (!s)
        return no_statement(error);
    if (one_row(c, s, "looking for the newest revision", &code, error) == SQLITE_ROW) {
        *out = (revision_row){ .revision = sqlite3_column_int64(s, 0),
                               .last_state = sqlite3_column_int64(s, 1),
                               .committed_at = sqlite3_column_int64(s, 2),
                               .records = sqlite3_column_int64(s, 3) };
        take_name(s, 4, out->name);
    }
    sqlite3_reset(s);
    return code;
}

int32_t revision_read(connection *c, int64_t number, revision_row *out, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    int32_t code;
    *out = (revision_row){ 0 };
    if (number == 0)
        return QUIPU_OK;
    if (!error)
        error = &own;
    sqlite3_stmt *s = connection_statement(c, STATEMENT_REVISION, error);
    if (!s)
        return no_statement(error);
    sqlite3_bind_int64(s, 1, number);
    if (one_row(c, s, "reading a revision", &code, error) == SQLITE_ROW) {
        *out = (revision_row){ .revision = number,
                               .last_state = sqlite3_column_int64(s, 2),
                               .committed_at = sqlite3_column_int64(s, 4) };
        take_name(s, 1, out->name);
    } else if (code == QUIPU_OK) {
        code = fail(error, QUIPU_E_NOT_FOUND, "revision", "there is no revision %lld", (long long)number);
    }
    sqlite3_reset(s);
    return code;
}

/* committed_at never falls, so that the last revision made by then is found by halving. */
static int32_t resolve_time(connection *c, int64_t end, revision_row *out, quipu_error *error)
{
    int64_t low = 0, high;
    int32_t code = revision_newest(c, out, error);
    high = out->revision;
    while (code == QUIPU_OK && low < high) {
        int64_t middle = low + (high - low + 1) / 2;
        code = revision_read(c, middle, out, error);
        if (out->committed_at <= end)
            low = middle;
        else
            high = middle - 1;
    }
    if (code == QUIPU_OK && low == 0)
        return fail(error, QUIPU_E_NOT_FOUND, "as_of", "the store has no revision that old");
    return code == QUIPU_OK ? revision_read(c, low, out, error) : code;
}

static int32_t unknown(quipu_str spec, quipu_error *error)
{
    return fail(error, QUIPU_E_NOT_FOUND, "revision", "there is no revision \"%.*s\"; see `quipu log`",
                (int)(spec.len < 100 ? spec.len : 100), spec.ptr);
}

/* The N of "~N" at the end of a spec, which is cut off; "~" alone is one. */
static int32_t take_distance(quipu_str *spec, int64_t *back, quipu_error *error)
{
    const char *tilde = spec->ptr && spec->len ? memchr(spec->ptr, '~', (size_t)spec->len) : NULL;
    *back = 0;
    if (!tilde)
        return QUIPU_OK;
    quipu_str digits = { tilde + 1, spec->len - (uint64_t)(tilde + 1 - spec->ptr) };
    spec->len = (uint64_t)(tilde - spec->ptr);
    *back = 1;
    if (digits.len > 0 && (!json_integer_value(digits, back) || *back < 0))
        return fail(error, QUIPU_E_INVALID, "revision", "behind ~ stands a number of revisions, as in HEAD~2");
    return QUIPU_OK;
}

static int32_t resolve_name(connection *c, quipu_str spec, revision_row *out, quipu_error *error)
{
    char low[NAME_HEX], high[NAME_HEX];
    uint8_t from[20], to[20];
    int64_t number = 0;
    int32_t code;
    memset(low, '0', sizeof low);
    memset(high, 'f', sizeof high);
    if (spec.len < PREFIX_LEAST || spec.len > NAME_HEX)
        return unknown(spec, error);
    memcpy(low, spec.ptr, (size_t)spec.len);
    memcpy(high, spec.ptr, (size_t)spec.len);
    if (hex_decode(low, 20, from) != 0 || hex_decode(high, 20, to) != 0)
        return unknown(spec, error);
    sqlite3_stmt *s = connection_statement(c, STATEMENT_REVISIONS_NAMED, error);
    if (!s)
        return no_statement(error);
    sqlite3_bind_blob(s, 1, from, sizeof from, SQLITE_STATIC);
    sqlite3_bind_blob(s, 2, to, sizeof to, SQLITE_STATIC);
    int rc = one_row(c, s, "looking for a revision", &code, error);
    if (rc == SQLITE_ROW) {
        number = sqlite3_column_int64(s, 0);
        if (one_row(c, s, "looking for a revision", &code, error) == SQLITE_ROW)
            code = fail(error, QUIPU_E_INVALID, "revision", "several revisions begin with %.*s; give more of it",
                        (int)spec.len, spec.ptr);
    } else if (code == QUIPU_OK) {
        code = unknown(spec, error);
    }
    sqlite3_reset(s);
    return code == QUIPU_OK ? revision_read(c, number, out, error) : code;
}

int32_t revision_resolve(connection *c, quipu_str spec, revision_row *out, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    int64_t time = 0;
    bool date = false;
    *out = (revision_row){ 0 };
    if (!error)
        error = &own;
    if (spec.len >= 10 && spec.ptr[4] == '-' && time_parse(spec, "as_of", &date, &time, NULL) == QUIPU_OK)
        return resolve_time(c, date ? time + (int64_t)86400 * 1000000 - 1 : time, out, error);
    quipu_str base = spec;
    int64_t back;
    int32_t code = take_distance(&base, &back, error);
    if (code != QUIPU_OK)
        return code;
    code = QUIPU_IS(&base, "HEAD") ? revision_newest(c, out, error) : resolve_name(c, base, out, error);
    if (code == QUIPU_OK && out->revision <= back)
        return unknown(spec, error);
    return code == QUIPU_OK && back > 0 ? revision_read(c, out->revision - back, out, error) : code;
}
