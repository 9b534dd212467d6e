/* read.c - get, scan, search and stats: questions to a view, or for a single record to the tree itself. */
#include "backend.h"

#include <base/fail.h>
#include <sdk/follow.h>
#include <sdk/query.h>
#include <storage_git/commit_links.h>

/* One record straight from the tree: no view is needed, so the first get of a process is quick. */
int32_t git_get(quipu_backend *self, const quipu_get *query, quipu_hit_fn visit, void *context, const quipu_call *call,
                quipu_error *error)
{
    object_id at;
    record *r = NULL;
    int64_t moment = host_now(self->host);
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = query_check_get(query, error);
    if (code == QUIPU_OK)
        code = query->as_of.ptr ? view_resolve_past(self, query->as_of, &at, &moment, error)
                                : git_store_head(self->store, &at, error);
    if (code == QUIPU_OK)
        code = view_record_at(self, &at, query->id, &r, NULL, error);
    return code == QUIPU_OK ? query_show_record(r, query, moment, visit, context, error) : code;
}

static int32_t take_index(quipu_backend *self, quipu_str as_of, record_index **out, void **held, int64_t *moment,
                          quipu_error *error)
{
    view *v;
    int32_t code = view_take(self, as_of, &v, moment, error);
    *out = code == QUIPU_OK ? view_index(v) : NULL;
    *held = v;
    return code;
}

static void give_index(void *held)
{
    view_give(held);
}

static embed_thread *follower(quipu_backend *self)
{
    return self->follower;
}

const index_owner git_views = { take_index, give_index, view_distrust, follower };

int32_t git_scan(quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit, void *context,
                 const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? index_owner_scan(&git_views, self, query, visit, context, call, error) : code;
}

int32_t git_search(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                   const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? index_owner_search(&git_views, self, query, visit, context, call, error) : code;
}

int32_t git_stats(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call, quipu_error *error)
{
    view *v;
    object_id head;
    pack_figures packs;
    uint64_t revisions = 0;
    char digits[OBJECT_ID_HEX + 1];
    buffer maintained = { 0 }, result = { 0 };
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = view_take(self, (quipu_str){ 0 }, &v, NULL, error);
    if (code != QUIPU_OK)
        return code;
    view_commit(v, &head);
    code = git_store_figures(self->store, &packs, error);
    if (code == QUIPU_OK)
        code = commit_count(git_store_objects(self->store), &head, &revisions, error);
    if (code == QUIPU_OK) {
        object_id_print(&head, digits);
        maintenance_read(self, &maintained, &result);
        const quipu_stat figures[] = {
            stat_number("records", (int64_t)record_index_count(view_index(v))),
            stat_number("revisions", (int64_t)revisions),
            stat_number("packs", (int64_t)packs.packs),
            stat_number("objects", (int64_t)packs.objects),
            stat_number("bytes", (int64_t)packs.bytes),
            stat_number("retired_packs", (int64_t)packs.retired),
            stat_number("retired_bytes", (int64_t)packs.retired_bytes),
            stat_number("set_aside", (int64_t)view_aside_count(v)),
            stat_number("index_behind", (int64_t)catalogue_behind(self, &head, revisions)),
            stat_number("persistent", 1),
            stat_words("durability", self->durable ? "full" : "relaxed"),
            stat_words("head", digits),
            stat_words("maintained_at", maintained.bytes ? maintained.bytes : ""),
            stat_words("maintenance", result.bytes ? result.bytes : ""),
        };
        code = query_show_figures(figures, sizeof figures / sizeof figures[0], visit, context, error);
    }
    buffer_free(&maintained);
    buffer_free(&result);
    view_give(v);
    return code;
}

static int32_t git_vectors_state(quipu_backend *self, quipu_vectors_state *out, const quipu_call *call,
                                 quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? index_owner_vectors(&git_views, self, out, call, error) : code;
}

static int32_t git_vectors_embed(quipu_backend *self, quipu_vectors_fn visit, void *context, const quipu_call *call,
                                 quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? index_owner_embed(&git_views, self, visit, context, call, error) : code;
}

const quipu_vectors_api git_vectors = { .struct_size = sizeof(quipu_vectors_api),
                                        .state = git_vectors_state,
                                        .embed = git_vectors_embed };
