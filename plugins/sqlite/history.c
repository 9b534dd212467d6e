/* history.c - the extension history/1 (plugin_api/quipu/ext/history.h), over the tables of revisions and states. */
#include "backend.h"

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/abi_check.h>
#include <sdk/query.h>
#include <sdk/undo.h>
#include <string.h>

static const char doing[] = "reading the history";

/* ---- showing revisions ---- */

typedef struct log_walk {
    connection *c;
    quipu_revision_fn visit;
    void *context;
    const quipu_call *call;
    quipu_error *error;
    uint64_t left; /* revisions that may still be shown */
    uint64_t shown;
    bool stop;
} log_walk;

/* The name of a revision in digits; empty where there is none. */
static int32_t name_of_revision(connection *c, int64_t number, char out[41], quipu_error *error)
{
    revision_row row;
    memset(out, 0, 41);
    if (number < 1)
        return QUIPU_OK;
    int32_t code = revision_read(c, number, &row, error);
    if (code == QUIPU_OK)
        hex_encode(row.name, sizeof row.name, out);
    return code;
}

static int32_t show_revision(log_walk *walk, int64_t number)
{
    char name[41], parent[41];
    int32_t code = name_of_revision(walk->c, number, name, walk->error);
    if (code == QUIPU_OK)
        code = name_of_revision(walk->c, number - 1, parent, walk->error);
    sqlite3_stmt *s = code == QUIPU_OK ? connection_statement(walk->c, STATEMENT_REVISION, walk->error) : NULL;
    if (!s)
        return code != QUIPU_OK ? code : walk->error->code;
    sqlite3_bind_int64(s, 1, number);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        quipu_revision r = { .struct_size = sizeof r,
                             .name = str_make(name, 40),
                             .author = column_text(s, 5),
                             .subject = column_text(s, 8),
                             .operation = column_text(s, 6),
                             .source = column_text(s, 7),
                             .message = column_text(s, 8),
                             .time = sqlite3_column_int64(s, 3),
                             .committed_at = sqlite3_column_int64(s, 4) };
        if (parent[0])
            r.parent = str_make(parent, 40);
        code = query_answer(walk->visit(walk->context, &r), &walk->stop, walk->error);
    } else {
        code = rc == SQLITE_DONE ? fail(walk->error, QUIPU_E_NOT_FOUND, "revision", "there is no such revision")
                                 : sqlite_fail(walk->c, rc, doing, walk->error);
    }
    sqlite3_reset(s);
    walk->shown++;
    walk->stop = walk->stop || --walk->left == 0;
    return code != QUIPU_OK ? code : call_check(walk->call, walk->error);
}

/* The revisions that changed one record: its chain of states, from the newest that is not past `at` on. */
static int32_t walk_record(log_walk *walk, quipu_str id, const revision_row *at)
{
    int64_t state;
    int32_t code = state_newest(walk->c, id, &state, walk->error);
    while (code == QUIPU_OK && state > 0 && !walk->stop) {
        sqlite3_stmt *s = connection_statement(walk->c, STATEMENT_STATE, walk->error);
        if (!s)
            return walk->error->code;
        sqlite3_bind_int64(s, 1, state);
        int rc = sqlite3_step(s);
        int64_t revision = sqlite3_column_int64(s, 0), previous = sqlite3_column_int64(s, 1);
        if (rc != SQLITE_ROW || previous >= state)
            code = rc == SQLITE_ROW || rc == SQLITE_DONE
                       ? fail(walk->error, QUIPU_E_CORRUPT, NULL, "the chain of states is broken; run `quipu verify`")
                       : sqlite_fail(walk->c, rc, doing, walk->error);
        sqlite3_reset(s);
        if (code == QUIPU_OK && state <= at->last_state)
            code = show_revision(walk, revision);
        state = previous;
    }
    if (code == QUIPU_OK && walk->shown == 0) {
        code = fail(walk->error, QUIPU_E_NOT_FOUND, "id", "no revision ever held a record of this id");
        fail_name_record(walk->error, &id);
    }
    return code;
}

/* A visitor may call the backend again: a reader is held, but no lock. */
static int32_t history_log(quipu_backend *self, const quipu_log_query *query, quipu_revision_fn visit, void *context,
                           const quipu_call *call, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    log_walk walk = { .visit = visit, .context = context, .call = call, .error = error ? error : &own };
    revision_row from;
    int32_t code = check_entry(self, call, walk.error);
    if (code == QUIPU_OK)
        code = abi_check_struct(query, sizeof *query, "quipu_log_query", walk.error);
    if (code == QUIPU_OK)
        code = abi_check_flags(query->flags, 0, "flags", walk.error);
    if (code == QUIPU_OK && query->id.ptr)
        code = abi_check_id(query->id, walk.error);
    if (code == QUIPU_OK)
        code = reader_take(self, call, &walk.c, walk.error);
    if (code != QUIPU_OK)
        return code;
    walk.left = query->limit ? query->limit : UINT64_MAX;
    code = query->from.ptr ? revision_resolve(walk.c, query->from, &from, walk.error)
                           : revision_newest(walk.c, &from, walk.error);
    if (code == QUIPU_OK && query->id.ptr)
        code = walk_record(&walk, query->id, &from);
    for (int64_t i = from.revision; code == QUIPU_OK && !query->id.ptr && i > 0 && !walk.stop; i--)
        code = show_revision(&walk, i);
    reader_give(self, walk.c);
    return code;
}

static int32_t history_resolve(quipu_backend *self, const quipu_str *spec, quipu_revision_fn visit, void *context,
                               const quipu_call *call, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    log_walk walk = { .visit = visit, .context = context, .call = call, .error = error ? error : &own, .left = 1 };
    revision_row at;
    int32_t code = check_entry(self, call, walk.error);
    if (code == QUIPU_OK)
        code = history_check_spec(spec, "revision", walk.error);
    if (code == QUIPU_OK)
        code = reader_take(self, call, &walk.c, walk.error);
    if (code != QUIPU_OK)
        return code;
    code = revision_resolve(walk.c, *spec, &at, walk.error);
    if (code == QUIPU_OK)
        code = show_revision(&walk, at.revision);
    reader_give(self, walk.c);
    return code;
}

/* ---- differences ---- */

/* What the id was then and later; equal states are no difference. */
static int32_t compare_one(connection *c, quipu_str id, int64_t from, int64_t to, difference_list *list,
                           quipu_error *error)
{
    record *before = NULL, *after = NULL;
    int32_t code = record_at(c, id, from, &before, error);
    if (code == QUIPU_OK)
        code = record_at(c, id, to, &after, error);
    bool same = before && after && str_same(record_view(before)->version, record_view(after)->version);
    if (code == QUIPU_OK && !same)
        return difference_add(list, before, after, error);
    record_free(before);
    record_free(after);
    return code;
}

/* Every id with a state between the two is compared: each is met once, at its first. */
static int32_t compare_all(connection *c, int64_t low, int64_t high, bool back, difference_list *list,
                           quipu_error *error)
{
    int32_t code = QUIPU_OK;
    int rc = SQLITE_DONE;
    sqlite3_stmt *s = connection_statement(c, STATEMENT_OLDER, error);
    if (!s)
        return error->code;
    sqlite3_bind_int64(s, 1, low);
    sqlite3_bind_int64(s, 2, high);
    while (code == QUIPU_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        code = compare_one(c, column_text(s, 0), back ? high : low, back ? low : high, list, error);
        if (code == QUIPU_OK)
            code = call_check(c->call, error);
    }
    if (code == QUIPU_OK && rc != SQLITE_DONE)
        code = sqlite_fail(c, rc, doing, error);
    sqlite3_reset(s);
    return code;
}

/* from: absent or NULL: the revision before `to`. */
static int32_t find_ends(connection *c, const quipu_str *from, const quipu_str *to, revision_row *a, revision_row *b,
                         quipu_error *error)
{
    int32_t code = history_check_spec(to, "to", error);
    if (code == QUIPU_OK)
        code = revision_resolve(c, *to, b, error);
    if (code != QUIPU_OK)
        return code;
    if (!from || !from->ptr)
        return revision_read(c, b->revision - 1, a, error);
    code = history_check_spec(from, "from", error);
    return code == QUIPU_OK ? revision_resolve(c, *from, a, error) : code;
}

static int32_t differences(connection *c, const quipu_str *from, const quipu_str *to, const quipu_str *id,
                           difference_list *list, quipu_error *error)
{
    revision_row a, b;
    int32_t code = find_ends(c, from, to, &a, &b, error);
    if (code != QUIPU_OK)
        return code;
    if (id && id->ptr)
        return compare_one(c, *id, a.last_state, b.last_state, list, error);
    bool back = a.last_state > b.last_state;
    return compare_all(c, back ? b.last_state : a.last_state, back ? a.last_state : b.last_state, back, list, error);
}

static int32_t history_diff(quipu_backend *self, const quipu_str *from, const quipu_str *to, const quipu_str *id,
                            quipu_difference_fn visit, void *context, const quipu_call *call, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    difference_list list = { 0 };
    connection *c;
    if (!error)
        error = &own;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK && id && id->ptr)
        code = abi_check_id(*id, error);
    if (code == QUIPU_OK)
        code = reader_take(self, call, &c, error);
    if (code != QUIPU_OK)
        return code;
    code = differences(c, from, to, id, &list, error);
    reader_give(self, c);
    if (code == QUIPU_OK)
        code = difference_show(&list, visit, context, error);
    difference_list_free(&list);
    return code;
}

/* ---- undoing ---- */

static int32_t note_subject(void *context, const quipu_revision *r)
{
    buffer *out = context;
    buffer_printf(out, "%.10s ", r->name.ptr);
    buffer_append_str(out, r->subject);
    return 0;
}

static int32_t history_revert(quipu_backend *self, const quipu_str *spec, const quipu_change_set *as,
                              quipu_receipt *receipt, const quipu_call *call, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    difference_list list = { 0 };
    buffer note = { 0 };
    connection *c;
    if (!error)
        error = &own;
    int32_t code = history_resolve(self, spec, note_subject, &note, call, error);
    if (code == QUIPU_OK && note.failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to revert");
    if (code == QUIPU_OK)
        code = reader_take(self, call, &c, error);
    if (code == QUIPU_OK) {
        code = differences(c, NULL, spec, NULL, &list, error);
        reader_give(self, c);
    }
    if (code == QUIPU_OK)
        code = undo_differences(self, &list, note.bytes, as, sqlite_apply, receipt, call, error);
    difference_list_free(&list);
    buffer_free(&note);
    return code;
}

static int32_t history_restore(quipu_backend *self, const quipu_str *id, const quipu_str *as_of,
                               const quipu_change_set *as, quipu_receipt *receipt, const quipu_call *call,
                               quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    revision_row at;
    record *then = NULL, *now = NULL;
    connection *c;
    if (!error)
        error = &own;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK && !id)
        code = fail(error, QUIPU_E_INVALID, "id", "the id is missing");
    if (code == QUIPU_OK)
        code = abi_check_id(*id, error);
    if (code == QUIPU_OK)
        code = history_check_spec(as_of, "as_of", error);
    if (code == QUIPU_OK)
        code = reader_take(self, call, &c, error);
    if (code != QUIPU_OK)
        return code;
    code = revision_resolve(c, *as_of, &at, error);
    if (code == QUIPU_OK)
        code = record_at(c, *id, at.last_state, &then, error);
    if (code == QUIPU_OK)
        code = record_at(c, *id, -1, &now, error);
    reader_give(self, c);
    if (code == QUIPU_OK)
        code = undo_restore(self, id, then, now, as, sqlite_apply, receipt, call, error);
    record_free(then);
    record_free(now);
    return code;
}

const quipu_history_api sqlite_history = {
    .struct_size = sizeof(quipu_history_api),
    .resolve = history_resolve,
    .log = history_log,
    .diff = history_diff,
    .revert = history_revert,
    .restore = history_restore,
};
