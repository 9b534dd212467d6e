/* states.c - how the tables of revisions and states are read: what sdk/line.h asks of them. */
#include "backend.h"

#include <base/fail.h>
#include <string.h>

static const char doing[] = "reading the history";

static quipu_str column_blob(sqlite3_stmt *s, int column)
{
    const char *bytes = sqlite3_column_blob(s, column);
    if (!bytes && sqlite3_column_type(s, column) == SQLITE_BLOB)
        bytes = "";
    return bytes ? str_make(bytes, (size_t)sqlite3_column_bytes(s, column)) : (quipu_str){ 0 };
}

line_state state_of_row(sqlite3_stmt *s)
{
    return (line_state){ .state = sqlite3_column_int64(s, 0),
                         .revision = sqlite3_column_int64(s, 1),
                         .previous = sqlite3_column_int64(s, 2),
                         .id = column_text(s, 3),
                         .version = column_blob(s, 4),
                         .json = column_text(s, 5) };
}

/* ---- states ---- */

/* Shows what the statement yields. */
static int32_t show_states(connection *c, sqlite3_stmt *s, line_state_fn visit, void *context, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    int rc = SQLITE_DONE;
    while (code == QUIPU_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        line_state row = state_of_row(s);
        code = visit(context, &row, error);
    }
    if (code == QUIPU_OK && rc != SQLITE_DONE)
        code = sqlite_fail(c, rc, doing, error);
    sqlite3_reset(s);
    return code == LINE_ENOUGH ? QUIPU_OK : code;
}

static int32_t show_numbered(connection *c, int64_t number, line_state_fn visit, void *context, quipu_error *error)
{
    sqlite3_stmt *s = connection_statement(c, STATEMENT_STATE, error);
    if (!s)
        return error->code;
    sqlite3_bind_int64(s, 1, number);
    return show_states(c, s, visit, context, error);
}

static int32_t newest_state(connection *c, quipu_str id, int64_t *out, quipu_error *error)
{
    *out = 0;
    sqlite3_stmt *s = connection_statement(c, STATEMENT_HEAD, error);
    if (!s)
        return error->code;
    bind_text(s, 1, id);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(s, 0);
    int32_t code = rc == SQLITE_ROW || rc == SQLITE_DONE ? QUIPU_OK : sqlite_fail(c, rc, doing, error);
    sqlite3_reset(s);
    return code;
}

/* One step of the chain: the state is shown where it is old enough, else *state becomes the one before. */
static int32_t step_back(connection *c, int64_t *state, int64_t last_state, line_state_fn visit, void *context,
                         quipu_error *error)
{
    sqlite3_stmt *s = connection_statement(c, STATEMENT_STATE, error);
    if (!s)
        return error->code;
    sqlite3_bind_int64(s, 1, *state);
    if (*state <= last_state) {
        *state = 0;
        return show_states(c, s, visit, context, error);
    }
    int rc = sqlite3_step(s);
    int64_t previous = rc == SQLITE_ROW ? sqlite3_column_int64(s, 2) : 0;
    int32_t code =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? call_check(c->call, error) : sqlite_fail(c, rc, doing, error);
    if (code == QUIPU_OK && (rc == SQLITE_DONE || previous >= *state))
        code = fail(error, QUIPU_E_CORRUPT, NULL, "the chain of states is broken; run `quipu verify`");
    sqlite3_reset(s);
    *state = previous;
    return code;
}

static int32_t show_state_of(connection *c, quipu_str id, int64_t last_state, line_state_fn visit, void *context,
                             quipu_error *error)
{
    int64_t state;
    if (last_state < 0) {
        sqlite3_stmt *s = connection_statement(c, STATEMENT_PRESENT, error);
        if (!s)
            return error->code;
        bind_text(s, 1, id);
        return show_states(c, s, visit, context, error);
    }
    int32_t code = newest_state(c, id, &state, error);
    while (code == QUIPU_OK && state > 0)
        code = step_back(c, &state, last_state, visit, context, error);
    return code;
}

static int32_t show_range(connection *c, int statement, int64_t from, int64_t to, line_state_fn visit, void *context,
                          quipu_error *error)
{
    sqlite3_stmt *s = connection_statement(c, statement, error);
    if (!s)
        return error->code;
    sqlite3_bind_int64(s, 1, from);
    sqlite3_bind_int64(s, 2, to);
    return show_states(c, s, visit, context, error);
}

static int32_t show_newer(connection *c, int64_t from, int64_t to, line_state_fn visit, void *context,
                          quipu_error *error)
{
    return show_range(c, STATEMENT_NEWER, from, to, visit, context, error);
}

static int32_t show_all(connection *c, int64_t from, int64_t to, line_state_fn visit, void *context, quipu_error *error)
{
    return show_range(c, STATEMENT_REPLAY, from, to, visit, context, error);
}

static int32_t show_older(connection *c, int64_t from, int64_t to, line_state_fn visit, void *context,
                          quipu_error *error)
{
    return show_range(c, STATEMENT_OLDER, from, to, visit, context, error);
}

static int32_t last_state(connection *c, int64_t *out, quipu_error *error)
{
    *out = 0;
    sqlite3_stmt *s = connection_statement(c, STATEMENT_LAST_STATE, error);
    if (!s)
        return error->code;
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(s, 0);
    int32_t code = rc == SQLITE_ROW ? QUIPU_OK : sqlite_fail(c, rc, doing, error);
    sqlite3_reset(s);
    return code;
}

/* ---- revisions ---- */

static void take_name(sqlite3_stmt *s, int column, uint8_t out[LINE_NAME])
{
    const void *name = sqlite3_column_blob(s, column);
    if (name && sqlite3_column_bytes(s, column) == (int)LINE_NAME)
        memcpy(out, name, LINE_NAME);
}

int32_t revision_newest(connection *c, line_revision *out, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    *out = (line_revision){ 0 };
    if (!error)
        error = &own;
    sqlite3_stmt *s = connection_statement(c, STATEMENT_NEWEST, error);
    if (!s)
        return error->code;
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        *out = (line_revision){ .revision = sqlite3_column_int64(s, 0),
                                .last_state = sqlite3_column_int64(s, 1),
                                .committed_at = sqlite3_column_int64(s, 2),
                                .records = sqlite3_column_int64(s, 3) };
        take_name(s, 4, out->name);
    }
    int32_t code = rc == SQLITE_ROW || rc == SQLITE_DONE ? QUIPU_OK : sqlite_fail(c, rc, doing, error);
    sqlite3_reset(s);
    return code;
}

static int32_t show_revision(sqlite3_stmt *s, line_revision_fn visit, void *context, quipu_error *error)
{
    uint8_t parent[LINE_NAME] = { 0 };
    line_revision row = { .revision = sqlite3_column_int64(s, 0),
                          .last_state = sqlite3_column_int64(s, 2),
                          .records = sqlite3_column_int64(s, 3),
                          .committed_at = sqlite3_column_int64(s, 5) };
    quipu_revision texts = { .struct_size = sizeof texts,
                             .time = sqlite3_column_int64(s, 4),
                             .author = column_text(s, 6),
                             .operation = column_text(s, 7),
                             .source = column_text(s, 8),
                             .subject = column_text(s, 9) };
    take_name(s, 1, row.name);
    take_name(s, 10, parent);
    return visit(context, &row, parent, &texts, error);
}

static int32_t show_revisions(connection *c, int64_t from, uint64_t limit, line_revision_fn visit, void *context,
                              quipu_error *error)
{
    int32_t code = QUIPU_OK;
    int rc = SQLITE_DONE;
    sqlite3_stmt *s = connection_statement(c, STATEMENT_REVISIONS, error);
    if (!s)
        return error->code;
    sqlite3_bind_int64(s, 1, from);
    sqlite3_bind_int64(s, 2, limit < INT64_MAX ? (int64_t)limit : INT64_MAX);
    while (code == QUIPU_OK && (rc = sqlite3_step(s)) == SQLITE_ROW)
        code = show_revision(s, visit, context, error);
    if (code == QUIPU_OK && rc != SQLITE_DONE)
        code = sqlite_fail(c, rc, doing, error);
    sqlite3_reset(s);
    return code == LINE_ENOUGH ? QUIPU_OK : code;
}

static int32_t find_named(connection *c, const uint8_t from[LINE_NAME], const uint8_t to[LINE_NAME], int64_t numbers[2],
                          unsigned *count, quipu_error *error)
{
    int rc = SQLITE_DONE;
    *count = 0;
    sqlite3_stmt *s = connection_statement(c, STATEMENT_REVISIONS_NAMED, error);
    if (!s)
        return error->code;
    sqlite3_bind_blob(s, 1, from, (int)LINE_NAME, SQLITE_STATIC);
    sqlite3_bind_blob(s, 2, to, (int)LINE_NAME, SQLITE_STATIC);
    while (*count < 2 && (rc = sqlite3_step(s)) == SQLITE_ROW)
        numbers[(*count)++] = sqlite3_column_int64(s, 0);
    int32_t code = rc == SQLITE_ROW || rc == SQLITE_DONE ? QUIPU_OK : sqlite_fail(c, rc, doing, error);
    sqlite3_reset(s);
    return code;
}

static int32_t begin_snapshot(connection *c, quipu_error *error)
{
    return connection_run(c, STATEMENT_BEGIN_READ, doing, error);
}

const line_api sqlite_line = {
    .struct_size = sizeof(line_api),
    .component = "sqlite",
    .take = reader_take,
    .give = reader_give,
    .snapshot = begin_snapshot,
    .newest = revision_newest,
    .revisions = show_revisions,
    .named = find_named,
    .state = show_numbered,
    .state_of = show_state_of,
    .newer = show_newer,
    .replay = show_all,
    .older = show_older,
    .last_state = last_state,
    .apply = line_apply,
    .may_write = moved_check,
};
