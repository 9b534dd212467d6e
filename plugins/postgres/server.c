/*
 * server.c - scans and searches of the present that the server narrows: filter, order and words in SQL, by the table `records`.
 *
 * The server answers with numbers of states, in one statement and so of one moment. A state never changes: what is shown is fetched by these
 * numbers, page by page, while others write. What SQL cannot say of a filter is asked of each record once more. A search by words ranks
 * the best candidates of the server as the index of the sdk would: in an index of theirs alone, with the turns beside them.
 */
#include "rows.h"
#include "where.h"

#include <base/fail.h>
#include <sdk/filter.h>
#include <sdk/query.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char doing[] = "reading the records";

enum {
    PAGE = 500,
    CANDIDATES = 1000, /* that are ranked, at the least */
    LEADERS = 200      /* of these, whose neighbours are looked at as well */
};

/* ---- numbers of states ---- */

typedef struct numbers {
    int64_t *items;
    size_t count;
} numbers;

/* Runs a statement whose rows are numbers, on a connection of the pool. */
static int32_t ask_numbers(quipu_backend *self, const char *sql, const sql_params *p, const quipu_call *call,
                           numbers *out, quipu_error *error)
{
    connection *c;
    PGresult *r = NULL;
    int32_t code = reader_take(self, call, &c, error);
    *out = (numbers){ 0 };
    if (code != QUIPU_OK)
        return code;
    code = connection_query(c, sql, p, &r, doing, error);
    reader_give(self, c);
    int count = code == QUIPU_OK ? PQntuples(r) : 0;
    if (count > 0 && !(out->items = malloc((size_t)count * sizeof *out->items)))
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the records");
    for (int i = 0; i < count && code == QUIPU_OK; i++)
        out->items[out->count++] = row_int(r, i, 0);
    PQclear(r);
    return code;
}

/* ---- records of states ---- */

static int32_t take_records(const PGresult *r, size_t wanted, record **out, size_t *count, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    *count = 0;
    for (int i = 0; i < PQntuples(r) && code == QUIPU_OK; i++) {
        line_state s = state_of_row(r, i);
        code = line_record(&s, &out[*count], error);
        *count += code == QUIPU_OK;
        if (code == QUIPU_OK && !out[*count - 1])
            code = fail(error, QUIPU_E_CORRUPT, NULL,
                        "the table of records names a state without a record; run `quipu verify`");
    }
    if (code == QUIPU_OK && *count < wanted)
        code = fail(error, QUIPU_E_CORRUPT, NULL,
                    "the table of records names states that are missing; run `quipu verify`");
    return code;
}

/* Fetches up to PAGE records; each is the caller's, also on failure. */
static int32_t fetch(quipu_backend *self, const int64_t *states, size_t wanted, const quipu_call *call, record **out,
                     size_t *count, quipu_error *error)
{
    connection *c;
    PGresult *r = NULL;
    sql_params p = { 0 };
    sql_array list = { 0 };
    *count = 0;
    int32_t code = reader_take(self, call, &c, error);
    if (code != QUIPU_OK)
        return code;
    array_begin(&list, OID_BIGINT);
    for (size_t i = 0; i < wanted; i++)
        array_int(&list, states[i]);
    array_end(&list);
    param_array(&p, &list);
    code = list.bytes.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the records")
                             : connection_run(c, STATEMENT_STATES_AT, &p, &r, doing, error);
    reader_give(self, c);
    if (code == QUIPU_OK)
        code = take_records(r, wanted, out, count, error);
    PQclear(r);
    array_free(&list);
    return code;
}

static void free_records(record **records, size_t count)
{
    for (size_t i = 0; i < count; i++)
        record_free(records[i]);
}

/* 1, 0 or a negative code. */
static int32_t matches(const quipu_backend *self, const quipu_filter *f, const record *r, quipu_error *error)
{
    int32_t match = filter_match(f, record_view(r), host_now(self->host));
    return match < 0 ? fail(error, match, "filter", "the filter could not be applied: %s", error_text(match)) : match;
}

/* ---- scan ---- */

typedef struct scan {
    quipu_backend *self;
    const quipu_scan *q;
    quipu_hit_fn visit;
    void *context;
    const quipu_call *call;
    quipu_error *error;
    uint64_t shown;
    bool stop;
} scan;

/* What is asked; with a limit where the server need not send more than is shown. */
static int32_t build_scan(const scan *s, where *w)
{
    static const char *const orders[] = { " ORDER BY r.id COLLATE \"C\"",
                                          " ORDER BY r.sort_at DESC, r.id COLLATE \"C\" DESC",
                                          " ORDER BY r.sort_at, r.id COLLATE \"C\"" };
    int64_t created_at;
    quipu_str id;
    int32_t code = QUIPU_OK;
    buffer_append_text(&w->sql, "SELECT r.state FROM records r");
    code = where_build(w, s->q->filter, host_now(s->self->host), s->error);
    if (code == QUIPU_OK && s->q->cursor.ptr)
        code = query_parse_cursor(s->q->cursor, s->q->order, &created_at, &id, s->error);
    if (code != QUIPU_OK)
        return code;
    if (s->q->cursor.ptr && s->q->order == QUIPU_ORDER_ID) {
        buffer_printf(&w->sql, " AND r.id COLLATE \"C\" > $%d::text", where_text(w, id));
    } else if (s->q->cursor.ptr) {
        int time = where_int(w, created_at), name = where_text(w, id);
        buffer_printf(&w->sql, " AND (r.sort_at, r.id COLLATE \"C\") %s ($%d::bigint, $%d::text)",
                      s->q->order == QUIPU_ORDER_NEWEST ? "<" : ">", time, name);
    }
    buffer_append_text(&w->sql, orders[s->q->order]);
    if (w->exact && s->q->limit > 0 && s->q->limit < INT64_MAX)
        buffer_printf(&w->sql, " LIMIT $%d::bigint", where_int(w, (int64_t)s->q->limit));
    return w->sql.failed ? fail(s->error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the records") : QUIPU_OK;
}

static int32_t show(scan *s, const record *r)
{
    char cursor[QUERY_CURSOR_MAX];
    int32_t match = matches(s->self, s->q->filter, r, s->error);
    if (match != 1)
        return match;
    quipu_hit hit = { .struct_size = sizeof hit, .record = record_view(r) };
    hit.cursor = str_make(cursor, query_print_cursor(cursor, s->q->order, hit.record));
    s->shown++;
    return query_answer(s->visit(s->context, &hit), &s->stop, s->error);
}

/* A small page first: most visitors want few. */
static int32_t show_all(scan *s, const numbers *states)
{
    record *page[PAGE];
    size_t size = s->q->limit > 0 && s->q->limit < PAGE ? (size_t)s->q->limit : PAGE / 10, count;
    int32_t code = QUIPU_OK;
    for (size_t at = 0; at < states->count && code == QUIPU_OK && !s->stop; size = PAGE) {
        size_t wanted = states->count - at < size ? states->count - at : size;
        code = fetch(s->self, states->items + at, wanted, s->call, page, &count, s->error);
        for (size_t i = 0; i < count && code == QUIPU_OK && !s->stop; i++) {
            code = show(s, page[i]);
            s->stop = s->stop || (s->q->limit > 0 && s->shown == s->q->limit);
        }
        free_records(page, count);
        at += wanted;
        if (code == QUIPU_OK && !s->stop)
            code = call_check(s->call, s->error);
    }
    return code;
}

int32_t server_scan(quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit, void *context,
                    const quipu_call *call, quipu_error *error)
{
    scan s = { self, query, visit, context, call, error, 0, false };
    numbers states = { 0 };
    where *w = calloc(1, sizeof *w);
    if (!w)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the records");
    int32_t code = build_scan(&s, w);
    if (code == QUIPU_OK)
        code = ask_numbers(self, w->sql.bytes, &w->p, call, &states, error);
    if (code == QUIPU_OK)
        code = show_all(&s, &states);
    free(states.items);
    where_free(w);
    free(w);
    return code;
}

/* ---- search by words ---- */

typedef struct search {
    quipu_backend *self;
    const quipu_search *q;
    const quipu_call *call;
    quipu_error *error;
    record_index *ix; /* of the candidates */
    numbers candidates, neighbours;
    uint64_t matching; /* candidates that the filter lets through */
} search;

/* The best by the server's own ranking; equal ones by age. */
static int32_t find_candidates(search *s, uint64_t most)
{
    buffer question = { 0 };
    where *w = calloc(1, sizeof *w);
    free(s->candidates.items);
    s->candidates = (numbers){ 0 };
    if (!w)
        return fail(s->error, QUIPU_E_NO_MEMORY, NULL, "no memory to search with");
    rows_question(s->self->set.language, s->q->text, &question);
    buffer_append_text(&w->sql, "SELECT r.state FROM records r");
    int32_t code = where_build(w, s->q->filter, host_now(s->self->host), s->error);
    if (code == QUIPU_OK && question.len > 0) {
        int words = where_text(w, str_make(question.bytes, question.len));
        buffer_printf(
            &w->sql,
            " AND r.words @@ $%d::text::tsquery ORDER BY ts_rank(r.words, $%d::text::tsquery) DESC, r.state DESC"
            " LIMIT $%d::bigint",
            words, words, where_int(w, (int64_t)most));
        code = w->sql.failed ? fail(s->error, QUIPU_E_NO_MEMORY, NULL, "no memory to search with")
                             : ask_numbers(s->self, w->sql.bytes, &w->p, s->call, &s->candidates, s->error);
    }
    if (code == QUIPU_OK && question.failed)
        code = fail(s->error, QUIPU_E_NO_MEMORY, NULL, "no memory to search with");
    buffer_free(&question);
    where_free(w);
    free(w);
    return code;
}

/* The turns beside the first candidates, which the ranking looks at too. */
static int32_t find_neighbours(search *s)
{
    static const char sql[] =
        "SELECT DISTINCT n.state FROM records r JOIN records n ON n.session_id = r.session_id AND"
        " n.user_id IS NOT DISTINCT FROM r.user_id AND n.agent_id IS NOT DISTINCT FROM r.agent_id AND"
        " n.app_id IS NOT DISTINCT FROM r.app_id AND n.seq BETWEEN r.seq - 1 AND r.seq + 1"
        " WHERE r.state = ANY($1::bigint[]) AND n.state <> ALL($1::bigint[])";
    sql_params p = { 0 };
    sql_array leaders = { 0 };
    array_begin(&leaders, OID_BIGINT);
    for (size_t i = 0; i < s->candidates.count && i < LEADERS; i++)
        array_int(&leaders, s->candidates.items[i]);
    array_end(&leaders);
    param_array(&p, &leaders);
    int32_t code = leaders.bytes.failed ? fail(s->error, QUIPU_E_NO_MEMORY, NULL, "no memory to search with")
                                        : ask_numbers(s->self, sql, &p, s->call, &s->neighbours, s->error);
    array_free(&leaders);
    return code;
}

static int32_t put_all(search *s, const numbers *states)
{
    record *page[PAGE];
    size_t count;
    int32_t code = QUIPU_OK;
    for (size_t at = 0; at < states->count && code == QUIPU_OK; at += count) {
        size_t wanted = states->count - at < PAGE ? states->count - at : PAGE;
        code = fetch(s->self, states->items + at, wanted, s->call, page, &count, s->error);
        for (size_t i = 0; i < count && code == QUIPU_OK; i++) {
            int32_t match = matches(s->self, s->q->filter, page[i], s->error);
            s->matching += match == 1;
            code = match < 0 ? match : record_index_put(s->ix, page[i], s->error);
        }
        free_records(page, count);
        if (code == QUIPU_OK)
            code = call_check(s->call, s->error);
    }
    return code;
}

static int32_t new_index(search *s)
{
    record_index_free(s->ix);
    s->ix = NULL;
    s->matching = 0;
    int32_t code = record_index_create(s->self->host, &s->ix, s->error);
    if (code == QUIPU_OK)
        record_index_set_language(s->ix, s->self->set.language);
    return code;
}

/* Takes more candidates for as long as the filter leaves fewer than are wanted of them, and there are more. */
static int32_t gather(search *s)
{
    uint64_t most = s->q->k * 4 > CANDIDATES ? s->q->k * 4 : CANDIDATES;
    int32_t code;
    bool more;
    do {
        code = new_index(s);
        if (code == QUIPU_OK)
            code = find_candidates(s, most);
        if (code == QUIPU_OK)
            code = put_all(s, &s->candidates);
        more = code == QUIPU_OK && s->matching < s->q->k && s->candidates.count == most;
        most *= 8;
    } while (more);
    return code;
}

int32_t server_search(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                      const quipu_call *call, quipu_error *error)
{
    search s = { .self = self, .q = query, .call = call, .error = error };
    int32_t code = gather(&s);
    if (code == QUIPU_OK && s.candidates.count)
        code = find_neighbours(&s);
    if (code == QUIPU_OK)
        code = put_all(&s, &s.neighbours);
    if (code == QUIPU_OK)
        code = record_index_search(s.ix, query, visit, context, call, error);
    free(s.candidates.items);
    free(s.neighbours.items);
    record_index_free(s.ix);
    return code;
}
