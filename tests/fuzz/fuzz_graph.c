/* fuzz_graph.c - a commit-graph of any program's making: nothing outside of it is read, and no walk in it goes in a circle. */
#include "fuzz.h"

#include <storage_git/commit_graph.h>

static void check_commit(const commit_graph *g, uint32_t at, const path_keys *path)
{
    object_id id;
    graph_commit c, parent;
    uint32_t found;
    const uint8_t *filter;
    size_t len;
    commit_graph_id(g, at, &id);
    if (commit_graph_find(g, &id, &found))
        PROMISE(found < g->count);
    if (commit_graph_read(g, at, &c)) {
        PROMISE(c.parent_count <= COMMIT_PARENTS_MAX && c.seconds >= 0);
        for (unsigned i = 0; i < c.parent_count; i++) {
            PROMISE(c.parents[i] < g->count);
            if (commit_graph_read(g, c.parents[i], &parent))
                PROMISE(parent.generation < c.generation);
        }
    }
    if (commit_graph_filter(g, at, &filter, &len)) {
        PROMISE(len > 0 && filter > g->bytes && len < g->len);
        path_filter_may_hold_all(filter, len, path);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    commit_graph g;
    path_keys path;
    uint8_t *bytes = malloc(size ? size : 1); /* of just this size, as a mapping would be */
    PROMISE(bytes);
    if (size)
        memcpy(bytes, data, size);
    path_keys_make("records/0/1/2/3/a.json", &path);
    if (commit_graph_parse(bytes, size, &g)) {
        commit_graph_is_whole(&g);
        for (uint32_t i = 0; i < g.count; i++)
            check_commit(&g, i, &path);
    }
    free(bytes);
    return 0;
}
