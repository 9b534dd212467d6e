/* read.c - get, scan, search and stats: a single record comes from the tables, all else from the index. */
#include "backend.h"
#include "nearest.h"

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <sdk/filter.h>
#include <sdk/follow.h>
#include <sdk/query.h>
#include <stdio.h>

int32_t postgres_get(quipu_backend *self, const quipu_get *query, quipu_hit_fn visit, void *context,
                     const quipu_call *call, quipu_error *error)
{
    connection *c;
    line_revision at = { .last_state = -1 };
    record *r = NULL;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = query_check_get(query, error);
    if (code == QUIPU_OK)
        code = reader_take(self, call, &c, error);
    if (code != QUIPU_OK)
        return code;
    if (query->as_of.ptr)
        code = line_resolve(&self->line, c, query->as_of, &at, error);
    if (code == QUIPU_OK)
        code = line_record_at(&self->line, c, query->id, at.last_state, &r, error);
    reader_give(self, c);
    if (code != QUIPU_OK)
        return code;
    int32_t matches = r ? filter_match(query->filter, record_view(r), host_now(self->host)) : 0;
    if (matches < 0)
        code = fail(error, matches, "filter", "the filter cannot be applied");
    record_list found = { .items = &r, .count = matches > 0 };
    if (code == QUIPU_OK)
        code = query_show_one(&found, query, visit, context, error);
    record_free(r);
    return code;
}

static int32_t take_index(quipu_backend *self, quipu_str as_of, record_index **out, void **held, quipu_error *error)
{
    view *v;
    int32_t code = views_take(self->views, as_of, &v, error);
    *out = code == QUIPU_OK ? view_index(v) : NULL;
    *held = v;
    return code;
}

static void give_index(void *held)
{
    view_give(held);
}

static void distrust(quipu_backend *self)
{
    views_distrust(self->views);
}

static embed_thread *follower(quipu_backend *self)
{
    return self->follower;
}

const index_owner postgres_indexes = { take_index, give_index, distrust, follower };

int32_t postgres_scan(quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit, void *context,
                      const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = query_check_scan(query, error);
    if (code == QUIPU_OK && !visit)
        code = fail(error, QUIPU_E_INVALID, "visit", "visit is NULL; give a function");
    if (code != QUIPU_OK)
        return code;
    return self->by_server && !query->as_of.ptr
               ? server_scan(self, query, visit, context, call, error)
               : index_owner_scan(&postgres_indexes, self, query, visit, context, call, error);
}

/* By words the server always helps; by vectors where it has pgvector, else they are in the index. */
static bool is_for_server(const quipu_backend *self, const quipu_search *q)
{
    const quipu_str embed = str_of(QUIPU_SERVICE_EMBED);
    bool by_words = q->text.ptr && !q->vector &&
                    (q->mode == QUIPU_SEARCH_LEXICAL ||
                     (q->mode == QUIPU_SEARCH_AUTO && !self->host->get_service(self->host, &embed)));
    return self->by_server && !q->as_of.ptr && (by_words || self->vector[0]);
}

int32_t postgres_search(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                        const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = query_check_search(query, error);
    if (code == QUIPU_OK && !visit)
        code = fail(error, QUIPU_E_INVALID, "visit", "visit is NULL; give a function");
    if (code != QUIPU_OK)
        return code;
    return is_for_server(self, query) ? server_search(self, query, visit, context, call, error)
                                      : index_owner_search(&postgres_indexes, self, query, visit, context, call, error);
}

/* ---- figures ---- */

static quipu_stat number(const char *name, int64_t value)
{
    return (quipu_stat){ .struct_size = sizeof(quipu_stat), .name = str_of(name), .value = value };
}

static quipu_stat words(const char *name, const char *text)
{
    return (quipu_stat){ .struct_size = sizeof(quipu_stat), .name = str_of(name), .text = str_of(text) };
}

/* The newest revision, and how much room the tables take. */
static int32_t measure(connection *c, line_revision *newest, int64_t *bytes, quipu_error *error)
{
    PGresult *r = NULL;
    int32_t code = revision_newest(c, newest, error);
    if (code == QUIPU_OK)
        code = connection_run(c, STATEMENT_SIZES, NULL, &r, "measuring the store", error);
    *bytes = code == QUIPU_OK ? row_int(r, 0, 0) + row_int(r, 0, 1) : 0;
    PQclear(r);
    return code;
}

int32_t postgres_stats(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call,
                       quipu_error *error)
{
    connection *c;
    line_revision newest;
    int64_t bytes;
    char version[32];
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = reader_take(self, call, &c, error);
    if (code != QUIPU_OK)
        return code;
    code = measure(c, &newest, &bytes, error);
    if (code == QUIPU_OK)
        snprintf(version, sizeof version, "%d.%d", PQserverVersion(c->pg) / 10000, PQserverVersion(c->pg) % 10000);
    reader_give(self, c);
    if (code != QUIPU_OK)
        return code;
    const quipu_stat figures[] = {
        number("records", newest.records),
        number("revisions", newest.revision),
        number("states", newest.last_state),
        number("bytes", bytes),
        number("persistent", 1),
        words("durability", self->set.durable ? "full" : "relaxed"),
        words("schema", self->schema),
        words("search", self->by_server ? "server" : "index"),
        words("vectors_by", self->vector[0] ? "server" : "index"),
        words("postgresql", version),
    };
    return query_show_figures(figures, sizeof figures / sizeof figures[0], visit, context, error);
}

static int32_t vectors_of_server(quipu_backend *self, quipu_vectors_state *out, const quipu_call *call,
                                 quipu_error *error)
{
    int32_t code = abi_check_out(out, sizeof *out, "quipu_vectors_state", error);
    return code == QUIPU_OK ? nearest_state(self, out, call, error) : code;
}

static int32_t postgres_vectors_state(quipu_backend *self, quipu_vectors_state *out, const quipu_call *call,
                                      quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK && self->vector[0])
        return vectors_of_server(self, out, call, error);
    return code == QUIPU_OK ? index_owner_vectors(&postgres_indexes, self, out, call, error) : code;
}

static int32_t postgres_vectors_embed(quipu_backend *self, quipu_vectors_fn visit, void *context,
                                      const quipu_call *call, quipu_error *error)
{
    nearest_model m;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK && self->vector[0]) {
        code = nearest_model_of(self, &m, error);
        return code == QUIPU_OK ? nearest_embed(self, &m, visit, context, call, error) : code;
    }
    return code == QUIPU_OK ? index_owner_embed(&postgres_indexes, self, visit, context, call, error) : code;
}

const quipu_vectors_api postgres_vectors = { .struct_size = sizeof(quipu_vectors_api),
                                             .state = postgres_vectors_state,
                                             .embed = postgres_vectors_embed };
