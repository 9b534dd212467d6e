/* states.c - how the tables of revisions and states are read: what sdk/line.h asks of them. Many rows come in pages. */
#include "backend.h"

#include <base/fail.h>
#include <string.h>

static const char doing[] = "reading the history";

line_state state_of_row(const PGresult *r, int row)
{
    return (line_state){ .state = row_int(r, row, 1),
                         .revision = row_int(r, row, 2),
                         .previous = row_int(r, row, 3),
                         .id = row_text(r, row, 4),
                         .version = row_text(r, row, 5),
                         .json = row_text(r, row, 6) };
}

/* ---- states ---- */

/* Shows one result; *from becomes the number that the next page begins behind. */
static int32_t show_rows(const PGresult *r, int64_t *from, line_state_fn visit, void *context, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    for (int i = 0; i < PQntuples(r) && code == QUIPU_OK; i++) {
        line_state s = state_of_row(r, i);
        *from = row_int(r, i, 0);
        code = visit(context, &s, error);
    }
    return code;
}

static int32_t show_one(connection *c, int name, const sql_params *p, line_state_fn visit, void *context,
                        quipu_error *error)
{
    PGresult *r = NULL;
    int64_t from = 0;
    int32_t code = connection_run(c, name, p, &r, doing, error);
    if (code == QUIPU_OK)
        code = show_rows(r, &from, visit, context, error);
    PQclear(r);
    return code == LINE_ENOUGH ? QUIPU_OK : code;
}

static int32_t show_numbered(connection *c, int64_t number, line_state_fn visit, void *context, quipu_error *error)
{
    sql_params p = { 0 };
    param_int(&p, number);
    return show_one(c, STATEMENT_STATE, &p, visit, context, error);
}

static int32_t show_state_of(connection *c, quipu_str id, int64_t last_state, line_state_fn visit, void *context,
                             quipu_error *error)
{
    sql_params p = { 0 };
    param_text(&p, id);
    param_int(&p, last_state < 0 ? INT64_MAX : last_state);
    return show_one(c, STATEMENT_STATE_OF, &p, visit, context, error);
}

static int32_t show_pages(connection *c, int name, int64_t from, int64_t to, line_state_fn visit, void *context,
                          quipu_error *error)
{
    int64_t begin = from;
    int32_t code = QUIPU_OK;
    int count;
    do {
        sql_params p = { 0 };
        PGresult *r = NULL;
        param_int(&p, from);
        param_int(&p, to);
        if (name == STATEMENT_OLDER)
            param_int(&p, begin);
        code = connection_run(c, name, &p, &r, doing, error);
        count = code == QUIPU_OK ? PQntuples(r) : 0;
        if (code == QUIPU_OK)
            code = show_rows(r, &from, visit, context, error);
        PQclear(r);
        if (code == QUIPU_OK)
            code = call_check(c->call, error);
    } while (code == QUIPU_OK && count == STATES_IN_PAGE && from < to);
    return code == LINE_ENOUGH ? QUIPU_OK : code;
}

static int32_t show_newer(connection *c, int64_t from, int64_t to, line_state_fn visit, void *context,
                          quipu_error *error)
{
    return show_pages(c, STATEMENT_NEWER, from, to, visit, context, error);
}

static int32_t show_all(connection *c, int64_t from, int64_t to, line_state_fn visit, void *context, quipu_error *error)
{
    return show_pages(c, STATEMENT_REPLAY, from, to, visit, context, error);
}

static int32_t show_older(connection *c, int64_t from, int64_t to, line_state_fn visit, void *context,
                          quipu_error *error)
{
    return show_pages(c, STATEMENT_OLDER, from, to, visit, context, error);
}

static int32_t last_state(connection *c, int64_t *out, quipu_error *error)
{
    PGresult *r = NULL;
    *out = 0;
    int32_t code = connection_run(c, STATEMENT_LAST_STATE, NULL, &r, doing, error);
    if (code == QUIPU_OK)
        *out = row_int(r, 0, 0);
    PQclear(r);
    return code;
}

/* ---- revisions ---- */

static void take_name(const PGresult *r, int row, int column, uint8_t out[LINE_NAME])
{
    quipu_str name = row_text(r, row, column);
    if (name.ptr && name.len == LINE_NAME)
        memcpy(out, name.ptr, LINE_NAME);
}

int32_t revision_newest(connection *c, line_revision *out, quipu_error *error)
{
    PGresult *r = NULL;
    *out = (line_revision){ 0 };
    int32_t code = connection_run(c, STATEMENT_NEWEST, NULL, &r, doing, error);
    if (code == QUIPU_OK && PQntuples(r) > 0) {
        *out = (line_revision){ .revision = row_int(r, 0, 0),
                                .last_state = row_int(r, 0, 1),
                                .committed_at = row_int(r, 0, 2),
                                .records = row_int(r, 0, 3) };
        take_name(r, 0, 4, out->name);
    }
    PQclear(r);
    return code;
}

static int32_t show_revision(const PGresult *r, int i, line_revision_fn visit, void *context, quipu_error *error)
{
    uint8_t parent[LINE_NAME] = { 0 };
    line_revision row = { .revision = row_int(r, i, 0),
                          .last_state = row_int(r, i, 2),
                          .records = row_int(r, i, 3),
                          .committed_at = row_int(r, i, 5) };
    quipu_revision texts = { .struct_size = sizeof texts,
                             .time = row_int(r, i, 4),
                             .author = row_text(r, i, 6),
                             .operation = row_text(r, i, 7),
                             .source = row_text(r, i, 8),
                             .subject = row_text(r, i, 9) };
    take_name(r, i, 1, row.name);
    take_name(r, i, 10, parent);
    return visit(context, &row, parent, &texts, error);
}

static int32_t show_revisions(connection *c, int64_t from, uint64_t limit, line_revision_fn visit, void *context,
                              quipu_error *error)
{
    sql_params p = { 0 };
    PGresult *r = NULL;
    param_int(&p, from);
    param_int(&p, limit < INT64_MAX ? (int64_t)limit : INT64_MAX);
    int32_t code = connection_run(c, STATEMENT_REVISIONS, &p, &r, doing, error);
    for (int i = 0; code == QUIPU_OK && i < PQntuples(r); i++)
        code = show_revision(r, i, visit, context, error);
    PQclear(r);
    return code == LINE_ENOUGH ? QUIPU_OK : code;
}

static int32_t find_named(connection *c, const uint8_t from[LINE_NAME], const uint8_t to[LINE_NAME], int64_t numbers[2],
                          unsigned *count, quipu_error *error)
{
    sql_params p = { 0 };
    PGresult *r = NULL;
    *count = 0;
    param_text(&p, str_make((const char *)from, LINE_NAME));
    param_text(&p, str_make((const char *)to, LINE_NAME));
    int32_t code = connection_run(c, STATEMENT_NAMED, &p, &r, doing, error);
    for (int i = 0; code == QUIPU_OK && i < PQntuples(r) && *count < 2; i++)
        numbers[(*count)++] = row_int(r, i, 0);
    PQclear(r);
    return code;
}

static int32_t begin_snapshot(connection *c, quipu_error *error)
{
    int32_t code = connection_run(c, STATEMENT_BEGIN_SNAPSHOT, NULL, NULL, doing, error);
    c->in_transaction = code == QUIPU_OK;
    return code;
}

const line_api postgres_line = {
    .struct_size = sizeof(line_api),
    .component = "postgres",
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
};
