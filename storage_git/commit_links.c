/* commit_links.c - see commit_links.h. */
#include "commit_links.h"

#include "id_map.h"

#include <base/fail.h>

#include <stdlib.h>

void commit_links_begin(commit_links *links, objects *o)
{
    *links = (commit_links){ o, objects_graph_take(o) };
}

void commit_links_end(commit_links *links)
{
    objects_graph_give(links->objects, links->graph);
    links->graph = NULL;
}

static void link_of_graph(const commit_graph *g, const graph_commit *c, commit_link *out)
{
    out->tree = c->tree;
    out->committed = c->seconds * 1000000;
    out->parent_count = c->parent_count;
    for (unsigned i = 0; i < c->parent_count; i++)
        commit_graph_id(g, c->parents[i], &out->parents[i]);
}

int32_t commit_link_read(const commit_links *links, const object_id *id, commit_link *out, quipu_error *error)
{
    uint32_t at;
    graph_commit known;
    commit c;
    if (links->graph && commit_graph_find(links->graph, id, &at) && commit_graph_read(links->graph, at, &known)) {
        link_of_graph(links->graph, &known, out);
        return QUIPU_OK;
    }
    int32_t code = commit_read(links->objects, id, &c, error);
    if (code != QUIPU_OK)
        return code;
    out->tree = c.tree;
    out->committed = c.committed;
    out->parent_count = c.parent_count;
    memcpy(out->parents, c.parents, sizeof out->parents);
    commit_free(&c);
    return QUIPU_OK;
}

static bool may_hold_any(const uint8_t *filter, size_t len, const path_keys *paths, unsigned count)
{
    bool any = false;
    for (unsigned i = 0; i < count && !any; i++)
        any = path_filter_may_hold_all(filter, len, &paths[i]);
    return any;
}

void commit_links_skip(const commit_links *links, const path_keys *paths, unsigned count, object_id *id)
{
    uint32_t at;
    graph_commit c;
    const uint8_t *filter;
    size_t len;
    const commit_graph *g = links->graph;
    if (!g || !commit_graph_find(g, id, &at))
        return;
    while (commit_graph_filter(g, at, &filter, &len) && !may_hold_any(filter, len, paths, count) &&
           commit_graph_read(g, at, &c) && c.parent_count > 0)
        at = c.parents[0];
    commit_graph_id(g, at, id);
}

/* ---- counting ---- */

typedef struct count_walk {
    commit_links links;
    id_map outside;   /* commits that are not in the graph, or cannot be read there */
    uint8_t *counted; /* a bit for each of the graph */
    uint32_t *stack;  /* of the graph's that were counted and not looked at */
    size_t stack_count, stack_size;
    uint64_t total;
    quipu_error *error;
} count_walk;

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to count the history");
}

static int32_t count_inside(count_walk *w, uint32_t at)
{
    if (w->counted[at / 8] & 1u << at % 8)
        return QUIPU_OK;
    if (w->stack_count == w->stack_size) {
        size_t size = w->stack_size ? w->stack_size * 2 : 64;
        uint32_t *stack = realloc(w->stack, size * sizeof *stack);
        if (!stack)
            return no_memory(w->error);
        w->stack = stack;
        w->stack_size = size;
    }
    w->counted[at / 8] |= (uint8_t)(1u << at % 8);
    w->total++;
    w->stack[w->stack_count++] = at;
    return QUIPU_OK;
}

/* A commit by its name: where the graph knows it, there; else it waits among those outside. */
static int32_t count_one(count_walk *w, const object_id *id)
{
    uint32_t at;
    graph_commit c;
    bool known;
    if (w->links.graph && commit_graph_find(w->links.graph, id, &at) && commit_graph_read(w->links.graph, at, &c))
        return count_inside(w, at);
    if (!id_map_add(&w->outside, id, &at, &known))
        return no_memory(w->error);
    w->total += !known;
    return QUIPU_OK;
}

/* Looks at all that wait in the graph. */
static int32_t drain(count_walk *w)
{
    int32_t code = QUIPU_OK;
    while (code == QUIPU_OK && w->stack_count > 0) {
        graph_commit c;
        object_id id;
        commit_graph_read(w->links.graph, w->stack[--w->stack_count], &c); /* count_one has tried it */
        for (unsigned i = 0; i < c.parent_count && code == QUIPU_OK; i++) {
            commit_graph_id(w->links.graph, c.parents[i], &id);
            code = count_one(w, &id);
        }
    }
    return code;
}

static int32_t count_all(count_walk *w, const object_id *from)
{
    int32_t code = count_one(w, from);
    if (code == QUIPU_OK)
        code = drain(w);
    for (uint32_t next = 0; code == QUIPU_OK && next < w->outside.count; next++) {
        commit_link link = { .parent_count = 0 };
        object_id id = w->outside.ids[next];
        code = commit_link_read(&w->links, &id, &link, w->error);
        for (unsigned i = 0; i < link.parent_count && code == QUIPU_OK; i++)
            code = count_one(w, &link.parents[i]);
        if (code == QUIPU_OK)
            code = drain(w);
    }
    return code;
}

int32_t commit_count(objects *o, const object_id *from, uint64_t *out, quipu_error *error)
{
    count_walk w = { .error = error };
    *out = 0;
    if (object_id_is_none(from))
        return QUIPU_OK;
    commit_links_begin(&w.links, o);
    if (w.links.graph)
        w.counted = calloc(w.links.graph->count / 8 + 1, 1);
    int32_t code = w.links.graph && !w.counted ? no_memory(error) : count_all(&w, from);
    commit_links_end(&w.links);
    *out = w.total;
    id_map_free(&w.outside);
    free(w.counted);
    free(w.stack);
    return code;
}
