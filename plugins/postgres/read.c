/* read.c - scan, search and stats: by the server where it can, else from the index. */
#include "backend.h"
#include "nearest.h"

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <sdk/follow.h>
#include <sdk/query.h>
#include <stdio.h>

int32_t postgres_scan(quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit, void *context,
                      const quipu_call *call, quipu_error *error)
{
    int32_t code = line_check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = query_check_scan(query, error);
    if (code == QUIPU_OK && !visit)
        code = fail(error, QUIPU_E_INVALID, "visit", "visit is NULL; give a function");
    if (code != QUIPU_OK)
        return code;
    return self->by_server && !query->as_of.ptr
               ? server_scan(self, query, visit, context, call, error)
               : index_owner_scan(&line_indexes, self, query, visit, context, call, error);
}

/* By words the server always helps; by vectors where it has pgvector, else they are in the index. */
static bool is_for_server(const quipu_backend *self, const quipu_search *q)
{
    const quipu_str embed = str_of(QUIPU_SERVICE_EMBED);
    bool by_words = q->text.ptr && !q->vector &&
                    (q->mode == QUIPU_SEARCH_LEXICAL ||
                     (q->mode == QUIPU_SEARCH_AUTO && !self->base.host->get_service(self->base.host, &embed)));
    return self->by_server && !q->as_of.ptr && (by_words || self->vector[0]);
}

int32_t postgres_search(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                        const quipu_call *call, quipu_error *error)
{
    int32_t code = line_check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = query_check_search(query, error);
    if (code == QUIPU_OK && !visit)
        code = fail(error, QUIPU_E_INVALID, "visit", "visit is NULL; give a function");
    if (code != QUIPU_OK)
        return code;
    return is_for_server(self, query) ? server_search(self, query, visit, context, call, error)
                                      : index_owner_search(&line_indexes, self, query, visit, context, call, error);
}

/* ---- figures ---- */

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
    int32_t code = line_check_entry(self, call, error);
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
        stat_number("records", newest.records),
        stat_number("revisions", newest.revision),
        stat_number("states", newest.last_state),
        stat_number("bytes", bytes),
        stat_number("persistent", 1),
        stat_words("durability", self->set.durable ? "full" : "relaxed"),
        stat_words("schema", self->schema),
        stat_words("search", self->by_server ? "server" : "index"),
        stat_words("vectors_by", self->vector[0] ? "server" : "index"),
        stat_words("postgresql", version),
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
    int32_t code = line_check_entry(self, call, error);
    if (code != QUIPU_OK)
        return code;
    return self->vector[0] ? vectors_of_server(self, out, call, error) : line_vectors.state(self, out, call, error);
}

static int32_t postgres_vectors_embed(quipu_backend *self, quipu_vectors_fn visit, void *context,
                                      const quipu_call *call, quipu_error *error)
{
    nearest_model m;
    int32_t code = line_check_entry(self, call, error);
    if (code != QUIPU_OK || !self->vector[0])
        return code == QUIPU_OK ? line_vectors.embed(self, visit, context, call, error) : code;
    code = nearest_model_of(self, &m, error);
    return code == QUIPU_OK ? nearest_embed(self, &m, visit, context, call, error) : code;
}

const quipu_vectors_api postgres_vectors = { .struct_size = sizeof(quipu_vectors_api),
                                             .state = postgres_vectors_state,
                                             .embed = postgres_vectors_embed };
