/* read.c - get, scan, search and stats: a single record comes from the tables, all else from the index. */
#include "backend.h"

#include <base/fail.h>
#include <sdk/filter.h>
#include <sdk/follow.h>
#include <sdk/query.h>
#include <sys/stat.h>

int32_t sqlite_get(quipu_backend *self, const quipu_get *query, quipu_hit_fn visit, void *context,
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

const index_owner sqlite_indexes = { take_index, give_index, distrust, follower };

int32_t sqlite_scan(quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit, void *context,
                    const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? index_owner_scan(&sqlite_indexes, self, query, visit, context, call, error) : code;
}

int32_t sqlite_search(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                      const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? index_owner_search(&sqlite_indexes, self, query, visit, context, call, error) : code;
}

/* ---- figures ---- */

static int64_t file_size(const char *path, const char *suffix)
{
    struct stat s;
    buffer name = { 0 };
    buffer_printf(&name, "%s%s", path, suffix);
    int64_t size = !name.failed && stat(name.bytes, &s) == 0 ? (int64_t)s.st_size : 0;
    buffer_free(&name);
    return size;
}

static quipu_stat number(const char *name, int64_t value)
{
    return (quipu_stat){ .struct_size = sizeof(quipu_stat), .name = str_of(name), .value = value };
}

static quipu_stat words(const char *name, const char *text)
{
    return (quipu_stat){ .struct_size = sizeof(quipu_stat), .name = str_of(name), .text = str_of(text) };
}

int32_t sqlite_stats(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call,
                     quipu_error *error)
{
    connection *c;
    line_revision newest;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = reader_take(self, call, &c, error);
    if (code != QUIPU_OK)
        return code;
    code = revision_newest(c, &newest, error);
    reader_give(self, c);
    if (code != QUIPU_OK)
        return code;
    const quipu_stat figures[] = {
        number("records", newest.records),
        number("revisions", newest.revision),
        number("states", newest.last_state),
        number("bytes", file_size(self->path, "")),
        number("log_bytes", file_size(self->path, "-wal")),
        number("persistent", 1),
        words("durability", self->durable ? "full" : "relaxed"),
        words("sqlite", sqlite3_libversion()),
    };
    return query_show_figures(figures, sizeof figures / sizeof figures[0], visit, context, error);
}

static int32_t sqlite_vectors_state(quipu_backend *self, quipu_vectors_state *out, const quipu_call *call,
                                    quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? index_owner_vectors(&sqlite_indexes, self, out, call, error) : code;
}

static int32_t sqlite_vectors_embed(quipu_backend *self, quipu_vectors_fn visit, void *context, const quipu_call *call,
                                    quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? index_owner_embed(&sqlite_indexes, self, visit, context, call, error) : code;
}

const quipu_vectors_api sqlite_vectors = { .struct_size = sizeof(quipu_vectors_api),
                                           .state = sqlite_vectors_state,
                                           .embed = sqlite_vectors_embed };
