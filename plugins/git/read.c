/* read.c - get, scan, search and stats: questions to a view, or for a single record to the tree itself. */
#include "backend.h"

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <sdk/filter.h>
#include <sdk/query.h>
#include <storage_git/commit_links.h>

/* One record straight from the tree: no view is needed, so the first get of a process is quick. */
int32_t git_get(quipu_backend *self, const quipu_get *query, quipu_hit_fn visit, void *context, const quipu_call *call,
                quipu_error *error)
{
    object_id at;
    record *r = NULL;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = query_check_get(query, error);
    if (code == QUIPU_OK)
        code =
            query->as_of.ptr ? view_resolve(self, query->as_of, &at, error) : git_store_head(self->store, &at, error);
    if (code == QUIPU_OK)
        code = view_record_at(self, &at, query->id, &r, NULL, error);
    if (code != QUIPU_OK)
        return code;
    int32_t matches = r ? filter_match(query->filter, record_view(r), clock_now(self->host)) : 0;
    if (matches < 0)
        code = fail(error, matches, "filter", "the filter cannot be applied");
    record_list found = { .items = &r, .count = matches > 0 };
    if (code == QUIPU_OK)
        code = query_show_one(&found, query, visit, context, error);
    record_free(r);
    return code;
}

/*
 * Where the index shows damage it is built again, and the answer goes on behind the last hit that was shown: once. A search, whose hits
 * have no cursor, only begins anew, where nothing was shown.
 */
typedef struct counted {
    quipu_hit_fn visit;
    void *context;
    uint64_t shown;
    bool tried, refused;
    char cursor[QUIPU_ID_MAX + 32]; /* of the last hit; longer than any that an index gives */
    quipu_str last;                 /* in it; empty: the hit had none */
} counted;

static int32_t count_hit(void *context, const quipu_hit *hit)
{
    counted *c = context;
    c->last = (quipu_str){ 0 };
    if (str_present(hit->cursor) && hit->cursor.len <= sizeof c->cursor)
        c->last = str_make(memcpy(c->cursor, hit->cursor.ptr, (size_t)hit->cursor.len), (size_t)hit->cursor.len);
    c->shown++;
    int32_t answer = c->visit(c->context, hit);
    c->refused = answer < 0;
    return answer;
}

static bool damage_is_past(quipu_backend *self, int32_t code, counted *c)
{
    bool first = !c->tried;
    if (code != QUIPU_E_CORRUPT || c->refused)
        return false;
    view_distrust(self);
    c->tried = true;
    return first && (c->shown == 0 || str_present(c->last));
}

int32_t git_scan(quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit, void *context,
                 const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = query_check_scan(query, error);
    if (code != QUIPU_OK)
        return code;
    quipu_scan present = *query;
    present.as_of = (quipu_str){ 0 };
    present.struct_size = sizeof present;
    counted seen = { .visit = visit, .context = context };
    bool again;
    do {
        view *v;
        code = view_take(self, query->as_of, &v, error);
        if (code != QUIPU_OK)
            return code;
        if (seen.shown > 0) {
            present.cursor = seen.last;
            present.limit -= query->limit ? seen.shown : 0;
        }
        code = record_index_scan(view_index(v), &present, count_hit, &seen, call, error);
        view_give(v);
        again = damage_is_past(self, code, &seen);
    } while (again);
    return code;
}

int32_t git_search(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                   const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = query_check_search(query, error);
    if (code != QUIPU_OK)
        return code;
    quipu_search present = *query;
    present.as_of = (quipu_str){ 0 };
    present.struct_size = sizeof present;
    counted seen = { .visit = visit, .context = context };
    bool again;
    do {
        view *v;
        code = view_take(self, query->as_of, &v, error);
        if (code != QUIPU_OK)
            return code;
        code = record_index_search(view_index(v), &present, count_hit, &seen, call, error);
        view_give(v);
        again = damage_is_past(self, code, &seen);
    } while (again);
    return code;
}

static quipu_stat number(const char *name, int64_t value)
{
    return (quipu_stat){ .struct_size = sizeof(quipu_stat), .name = str_of(name), .value = value };
}

static quipu_stat words(const char *name, const char *text)
{
    return (quipu_stat){ .struct_size = sizeof(quipu_stat), .name = str_of(name), .text = str_of(text) };
}

int32_t git_stats(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call, quipu_error *error)
{
    view *v;
    object_id head;
    pack_figures packs;
    uint64_t revisions = 0;
    char digits[OBJECT_ID_HEX + 1];
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = view_take(self, (quipu_str){ 0 }, &v, error);
    if (code != QUIPU_OK)
        return code;
    view_commit(v, &head);
    code = git_store_figures(self->store, &packs, error);
    if (code == QUIPU_OK)
        code = commit_count(git_store_objects(self->store), &head, &revisions, error);
    if (code == QUIPU_OK) {
        object_id_print(&head, digits);
        const quipu_stat figures[] = {
            number("records", (int64_t)record_index_count(view_index(v))),
            number("revisions", (int64_t)revisions),
            number("packs", (int64_t)packs.packs),
            number("objects", (int64_t)packs.objects),
            number("bytes", (int64_t)packs.bytes),
            number("retired_packs", (int64_t)packs.retired),
            number("retired_bytes", (int64_t)packs.retired_bytes),
            number("set_aside", (int64_t)view_aside_count(v)),
            number("persistent", 1),
            words("durability", self->durable ? "full" : "relaxed"),
            words("head", digits),
        };
        code = query_show_figures(figures, sizeof figures / sizeof figures[0], visit, context, error);
    }
    view_give(v);
    return code;
}
