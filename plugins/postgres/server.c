/*
 * server.c - scans and searches of the present that the server narrows: filter, order and words in SQL, by the table `records`.
 *
 * The server answers with numbers of states, in one statement and so of one moment. A state never changes: what is shown is fetched by these
 * numbers, page by page, while others write. What SQL cannot say of a filter is asked of each record once more. A search by words ranks
 * the best candidates of the server as the index of the sdk would: in an index of theirs alone, with the turns beside them.
 */
#include "nearest.h"
#include "rows.h"
#include "where.h"

#include <base/fail.h>
#include <sdk/filter.h>
#include <sdk/query.h>
#include <sdk/vectors.h>
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
    int32_t match = filter_match(f, record_view(r), host_now(self->base.host));
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
    code = where_build(w, s->q->filter, host_now(s->self->base.host), s->error);
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

/* ---- search ---- */

#define PATIENCE_NS ((int64_t)5 * 1000000000) /* that a question waits for the vectors of passages */

typedef struct search {
    quipu_backend *self;
    const quipu_search *q;
    const quipu_call *call;
    quipu_error *error;
    bool by_words, by_vector;
    nearest_model model; /* of a search by vector */
    float *vector;       /* the question, at unit length */
    buffer printed;      /* the same as text */
    record_index *ix;    /* of the candidates */
    numbers candidates, neighbours;
    bool more;         /* there may be more candidates */
    uint64_t matching; /* candidates that the filter lets through */
} search;

static int32_t no_memory(const search *s)
{
    return fail(s->error, QUIPU_E_NO_MEMORY, NULL, "no memory to search with");
}

/* ---- the question ---- */

static int32_t take_question(void *context, uint64_t index, const float *vector, uint64_t dimension) QUIPU_NOEXCEPT
{
    search *s = context;
    if (index != 0 || s->printed.len || dimension != s->model.model.dimension ||
        !vectors_are_finite(vector, (uint32_t)dimension))
        return QUIPU_E_PLUGIN;
    if (!vectors_normalise(vector, (uint32_t)dimension, s->vector))
        memset(s->vector, 0, (size_t)dimension * sizeof *s->vector);
    nearest_print(s->vector, (uint32_t)dimension, &s->printed);
    return 0;
}

static int32_t embed_question(search *s, quipu_error *error)
{
    const quipu_search *q = s->q;
    const quipu_array texts = { &q->text, 1, sizeof q->text };
    int32_t code = nearest_model_of(s->self, &s->model, error);
    if (code != QUIPU_OK)
        return code;
    code = q->vector ? vectors_check(q->vector, q->dimension, s->model.model.dimension, error) : QUIPU_OK;
    s->vector = calloc(s->model.model.dimension, sizeof *s->vector);
    if (code == QUIPU_OK && !s->vector)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to search with");
    if (code == QUIPU_OK)
        code = q->vector ? take_question(s, 0, q->vector, q->dimension)
                         : s->model.embedder->embed(s->self->base.host, &texts, QUIPU_EMBED_QUERY, take_question, s,
                                                    s->call, error);
    if (code == QUIPU_OK && s->printed.len == 0)
        code = fail(error, QUIPU_E_PLUGIN, NULL, "the embedder answered without a vector");
    return code == QUIPU_OK && s->printed.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to search with")
                                                 : code;
}

/* As much of what is missing as somebody who asks a question waits for; with WAIT all of it. */
static int32_t embed_missing(search *s, quipu_error *error)
{
    quipu_call soon = { .struct_size = sizeof soon };
    int64_t until = monotonic_now() + PATIENCE_NS;
    if (s->q->flags & QUIPU_SEARCH_WAIT)
        return nearest_embed(s->self, &s->model, NULL, NULL, s->call, error);
    if (s->call)
        soon = *s->call;
    soon.struct_size = sizeof soon;
    if (soon.deadline_ns == 0 || soon.deadline_ns > until)
        soon.deadline_ns = until;
    int32_t code = nearest_embed(s->self, &s->model, NULL, NULL, &soon, error);
    if (code == QUIPU_OK || call_check(s->call, error) != QUIPU_OK || code == QUIPU_E_CORRUPT ||
        code == QUIPU_E_NO_MEMORY)
        return code;
    host_log(s->self->base.host, QUIPU_LOG_WARNING, "postgres",
             "searching without the vectors that are still to be made");
    return QUIPU_OK;
}

/* AUTO promises words at the least: an embedder that cannot be reached does not end the search. */
static int32_t choose(search *s)
{
    const quipu_search *q = s->q;
    const quipu_str embed = str_of(QUIPU_SERVICE_EMBED);
    quipu_error why = { .struct_size = sizeof why };
    s->by_words = q->text.ptr && q->mode != QUIPU_SEARCH_VECTOR;
    s->by_vector =
        q->mode == QUIPU_SEARCH_VECTOR || q->mode == QUIPU_SEARCH_HYBRID ||
        (q->mode == QUIPU_SEARCH_AUTO && (q->vector || s->self->base.host->get_service(s->self->base.host, &embed)));
    if (!s->by_vector)
        return s->by_words ? QUIPU_OK : fail(s->error, QUIPU_E_INVALID, "text", "a search by words needs a text");
    int32_t code = embed_question(s, &why);
    if (code == QUIPU_OK)
        code = embed_missing(s, &why);
    if (code == QUIPU_OK)
        return code;
    if (q->mode == QUIPU_SEARCH_AUTO && !q->vector && s->by_words && !(q->flags & QUIPU_SEARCH_WAIT) &&
        call_check(s->call, NULL) == QUIPU_OK && code != QUIPU_E_CORRUPT) {
        host_log(s->self->base.host, QUIPU_LOG_WARNING, "postgres", "searching by words only: %s", why.message);
        s->by_vector = false;
        return QUIPU_OK;
    }
    return fail(s->error, code, why.field[0] ? why.field : NULL, "%s", why.message);
}

/* ---- candidates ---- */

static int32_t add_numbers(search *s, numbers *more)
{
    size_t count = s->candidates.count + more->count;
    int64_t *all = realloc(s->candidates.items, (count ? count : 1) * sizeof *all);
    if (all) {
        s->candidates.items = all;
        if (more->count)
            memcpy(all + s->candidates.count, more->items, more->count * sizeof *all);
        s->candidates.count = count;
    }
    free(more->items);
    *more = (numbers){ 0 };
    return all ? QUIPU_OK : no_memory(s);
}

/* Runs what was built, adds the rows, and notes whether the limit was met. */
static int32_t run_candidates(search *s, where *w, uint64_t most, size_t *count)
{
    numbers found = { 0 };
    buffer_printf(&w->sql, " LIMIT $%d::bigint", where_int(w, (int64_t)most));
    int32_t code = w->sql.failed ? no_memory(s) : ask_numbers(s->self, w->sql.bytes, &w->p, s->call, &found, s->error);
    *count = found.count;
    s->more = s->more || found.count == most;
    return code == QUIPU_OK ? add_numbers(s, &found) : code;
}

/* The best by the server's own ranking; equal ones by age. */
static int32_t find_by_words(search *s, where *w, uint64_t most)
{
    buffer question = { 0 };
    size_t count;
    rows_question(s->self->set.language, s->q->text, &question);
    buffer_append_text(&w->sql, "SELECT r.state FROM records r");
    int32_t code = where_build(w, s->q->filter, host_now(s->self->base.host), s->error);
    if (code == QUIPU_OK && question.failed)
        code = no_memory(s);
    if (code == QUIPU_OK && question.len > 0) {
        int words = where_text(w, str_make(question.bytes, question.len));
        buffer_printf(
            &w->sql,
            " AND r.words @@ $%d::text::tsquery ORDER BY ts_rank(r.words, $%d::text::tsquery) DESC, r.state DESC",
            words, words);
        code = run_candidates(s, w, most, &count);
    }
    buffer_free(&question);
    return code;
}

/* By pgvector's index; where that brings fewer than are wanted, by looking at every vector. */
static int32_t find_by_vector(search *s, where *w, uint64_t most, bool exact, size_t *count)
{
    buffer_append_text(&w->sql, "SELECT r.state FROM records r");
    nearest_join(s->self, &s->model, &w->sql);
    int32_t code = where_build(w, s->q->filter, host_now(s->self->base.host), s->error);
    if (code != QUIPU_OK)
        return code;
    int place = where_text(w, str_make(s->printed.bytes, s->printed.len));
    nearest_order(s->self, &s->model, place, exact, &w->sql);
    return run_candidates(s, w, most, count);
}

/* One list of candidates; way: 0 by words, 1 by the index of vectors, 2 by all vectors. */
static int32_t find_one_way(search *s, int way, uint64_t most, size_t *count)
{
    where *w = calloc(1, sizeof *w);
    if (!w)
        return no_memory(s);
    int32_t code = way == 0 ? find_by_words(s, w, most) : find_by_vector(s, w, most, way == 2, count);
    where_free(w);
    free(w);
    return code;
}

static int compare_numbers(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* No state twice. */
static void unite(numbers *n)
{
    size_t kept = 0;
    if (n->count)
        qsort(n->items, n->count, sizeof *n->items, compare_numbers);
    for (size_t i = 0; i < n->count; i++)
        if (kept == 0 || n->items[kept - 1] != n->items[i])
            n->items[kept++] = n->items[i];
    n->count = kept;
}

static int32_t find_candidates(search *s, uint64_t most)
{
    size_t count = 0;
    int32_t code = QUIPU_OK;
    free(s->candidates.items);
    s->candidates = (numbers){ 0 };
    s->more = false;
    if (s->by_words)
        code = find_one_way(s, 0, most, &count);
    if (code == QUIPU_OK && s->by_vector)
        code = find_one_way(s, 1, most, &count);
    if (code == QUIPU_OK && s->by_vector && count < s->q->k)
        code = find_one_way(s, 2, most, &count);
    return code;
}

/* The turns beside the first candidates, which the ranking looks at too. */
static int32_t find_neighbours(search *s)
{
    static const char sql[] =
        "SELECT DISTINCT n.state FROM records r JOIN records n ON n.session_id = r.session_id AND"
        " n.user_id IS NOT DISTINCT FROM r.user_id AND n.agent_id IS NOT DISTINCT FROM r.agent_id AND"
        " n.app_id IS NOT DISTINCT FROM r.app_id AND n.seq BETWEEN r.seq - 1 AND r.seq + 1"
        " WHERE r.state = ANY($1::bigint[])";
    sql_params p = { 0 };
    sql_array leaders = { 0 };
    array_begin(&leaders, OID_BIGINT);
    for (size_t i = 0; i < s->candidates.count && i < LEADERS; i++)
        array_int(&leaders, s->candidates.items[i]);
    array_end(&leaders);
    param_array(&p, &leaders);
    int32_t code =
        leaders.bytes.failed ? no_memory(s) : ask_numbers(s->self, sql, &p, s->call, &s->neighbours, s->error);
    array_free(&leaders);
    return code == QUIPU_OK ? add_numbers(s, &s->neighbours) : code;
}

/* ---- the index of the candidates ---- */

static int32_t new_index(search *s)
{
    record_index_free(s->ix);
    s->ix = NULL;
    s->matching = 0;
    int32_t code = record_index_create(s->self->base.host, &s->ix, s->error);
    if (code == QUIPU_OK)
        record_index_set_language(s->ix, s->self->set.language);
    return code;
}

static int32_t put_all(search *s)
{
    const numbers *states = &s->candidates;
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
    if (code == QUIPU_OK && s->by_vector)
        code = nearest_fetch(s->self, &s->model, states->items, states->count, s->call, s->ix, s->error);
    return code;
}

/* Takes more candidates for as long as the filter leaves fewer than are wanted of them, and there are more. */
static int32_t gather(search *s)
{
    uint64_t least = s->by_vector ? CANDIDATES / 2 : CANDIDATES, most = s->q->k * 4 > least ? s->q->k * 4 : least;
    int32_t code;
    do {
        code = new_index(s);
        if (code == QUIPU_OK)
            code = find_candidates(s, most);
        if (code == QUIPU_OK && s->by_words && s->candidates.count)
            code = find_neighbours(s);
        unite(&s->candidates);
        if (code == QUIPU_OK)
            code = put_all(s);
        most *= 8;
    } while (code == QUIPU_OK && s->matching < s->q->k && s->more);
    return code;
}

int32_t server_search(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                      const quipu_call *call, quipu_error *error)
{
    search s = { .self = self, .q = query, .call = call, .error = error };
    quipu_search own = *query;
    own.struct_size = sizeof own;
    int32_t code = choose(&s);
    if (code == QUIPU_OK)
        code = gather(&s);
    if (code == QUIPU_OK && s.by_vector) {
        own.vector = s.vector;
        own.dimension = s.model.model.dimension;
    } else {
        own.mode = QUIPU_SEARCH_LEXICAL;
    }
    if (code == QUIPU_OK)
        code = record_index_search(s.ix, &own, visit, context, call, error);
    free(s.candidates.items);
    free(s.neighbours.items);
    free(s.vector);
    buffer_free(&s.printed);
    record_index_free(s.ix);
    return code;
}
