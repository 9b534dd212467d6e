/* commit_graph.c - see commit_graph.h: finding the tables of a graph, and reading them. */
#include "commit_graph.h"

#include "big_endian.h"

#include <base/hash.h>

enum { HEADER = 8, CHUNK_ENTRY = 12, FANOUT = 256 * 4, EACH = 36, FILTERS_HEADER = 12, CHUNKS_MOST = 64 };

#define CHUNK(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

typedef struct chunk {
    const uint8_t *bytes; /* NULL: not there */
    size_t len;
} chunk;

/* The table's entry i tells where a chunk begins, the next one where it ends. */
static bool chunk_at(const commit_graph *g, unsigned i, uint32_t *id, chunk *out)
{
    const uint8_t *entry = g->bytes + HEADER + (size_t)i * CHUNK_ENTRY;
    uint64_t begin = get_u64(entry + 4), end = get_u64(entry + CHUNK_ENTRY + 4);
    *id = get_u32(entry);
    *out = (chunk){ NULL, 0 };
    if (begin > end || end > g->len - 20)
        return false;
    *out = (chunk){ g->bytes + begin, (size_t)(end - begin) };
    return true;
}

static bool fanout_is_sound(commit_graph *g)
{
    uint32_t before = 0;
    for (int i = 0; i < 256; i++) {
        uint32_t here = get_u32(g->fanout + (size_t)i * 4);
        if (here < before)
            return false;
        before = here;
    }
    g->count = before;
    return before < GRAPH_NO_PARENT;
}

/* Filters are of use only with the settings that path_filter.h knows. */
static void take_filters(commit_graph *g, chunk ends, chunk filters)
{
    if (!ends.bytes || ends.len / 4 < g->count || filters.len < FILTERS_HEADER || get_u32(filters.bytes) != 1 ||
        get_u32(filters.bytes + 4) != PATH_FILTER_HASHES || get_u32(filters.bytes + 8) != PATH_FILTER_BITS)
        return;
    g->filter_ends = ends.bytes;
    g->filters = filters.bytes + FILTERS_HEADER;
    g->filters_len = filters.len - FILTERS_HEADER;
}

bool commit_graph_parse(const uint8_t *bytes, size_t len, commit_graph *out)
{
    chunk fanout = { 0 }, names = { 0 }, data = { 0 }, edges = { 0 }, ends = { 0 }, filters = { 0 }, c;
    commit_graph g = { .bytes = bytes, .len = len };
    if (len < HEADER + CHUNK_ENTRY + 20 || memcmp(bytes, "CGPH\1\1", 6) != 0 || bytes[7] != 0)
        return false; /* the last: part of a chain of graphs */
    unsigned chunks = bytes[6];
    if (chunks > CHUNKS_MOST || len < HEADER + (chunks + 1u) * CHUNK_ENTRY + 20)
        return false;
    for (unsigned i = 0; i < chunks; i++) {
        uint32_t id;
        if (!chunk_at(&g, i, &id, &c))
            return false;
        chunk *place = id == CHUNK('O', 'I', 'D', 'F')   ? &fanout
                       : id == CHUNK('O', 'I', 'D', 'L') ? &names
                       : id == CHUNK('C', 'D', 'A', 'T') ? &data
                       : id == CHUNK('E', 'D', 'G', 'E') ? &edges
                       : id == CHUNK('B', 'I', 'D', 'X') ? &ends
                       : id == CHUNK('B', 'D', 'A', 'T') ? &filters
                                                         : &c;
        *place = c;
    }
    g.fanout = fanout.bytes;
    g.names = names.bytes;
    g.data = data.bytes;
    g.edges = edges.bytes;
    g.edge_count = edges.len / 4;
    if (fanout.len != FANOUT || !names.bytes || !data.bytes || !fanout_is_sound(&g) || names.len / 20 != g.count ||
        data.len / EACH != g.count)
        return false;
    take_filters(&g, ends, filters);
    *out = g;
    return true;
}

bool commit_graph_is_whole(const commit_graph *g)
{
    uint8_t found[20];
    hash_sha1(g->bytes, g->len - 20, found);
    return memcmp(found, g->bytes + g->len - 20, 20) == 0;
}

bool commit_graph_find(const commit_graph *g, const object_id *id, uint32_t *at)
{
    uint32_t low = id->bytes[0] ? get_u32(g->fanout + (size_t)(id->bytes[0] - 1) * 4) : 0;
    uint32_t high = get_u32(g->fanout + (size_t)id->bytes[0] * 4);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = memcmp(g->names + (size_t)middle * 20, id->bytes, 20);
        if (order == 0) {
            *at = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

void commit_graph_id(const commit_graph *g, uint32_t at, object_id *out)
{
    memcpy(out->bytes, g->names + (size_t)at * 20, 20);
}

static uint32_t generation_of(const commit_graph *g, uint32_t at)
{
    return get_u32(g->data + (size_t)at * EACH + 28) >> 2;
}

/* A parent is in the graph, and its generation is lower: so no walk goes in a circle. */
static bool add_parent(const commit_graph *g, uint32_t parent, graph_commit *out)
{
    if (parent >= g->count || out->parent_count == COMMIT_PARENTS_MAX || generation_of(g, parent) >= out->generation)
        return false;
    out->parents[out->parent_count++] = parent;
    return true;
}

bool commit_graph_read(const commit_graph *g, uint32_t at, graph_commit *out)
{
    const uint8_t *data = g->data + (size_t)at * EACH;
    uint32_t first = get_u32(data + 20), second = get_u32(data + 24), times = get_u32(data + 28);
    memcpy(out->tree.bytes, data, 20);
    out->generation = times >> 2;
    out->seconds = (int64_t)(times & 3) << 32 | get_u32(data + 32);
    out->parent_count = 0;
    if (first == GRAPH_NO_PARENT)
        return second == GRAPH_NO_PARENT && out->generation > 0;
    if (!add_parent(g, first, out) || second == GRAPH_NO_PARENT)
        return out->parent_count == 1;
    if (!(second & GRAPH_MORE_PARENTS))
        return add_parent(g, second, out);
    for (size_t i = second & ~GRAPH_MORE_PARENTS; i < g->edge_count; i++) {
        uint32_t more = get_u32(g->edges + i * 4);
        if (!add_parent(g, more & ~GRAPH_MORE_PARENTS, out))
            return false;
        if (more & GRAPH_MORE_PARENTS)
            return true;
    }
    return false;
}

bool commit_graph_filter(const commit_graph *g, uint32_t at, const uint8_t **filter, size_t *len)
{
    if (!g->filter_ends)
        return false;
    uint32_t begin = at ? get_u32(g->filter_ends + (size_t)(at - 1) * 4) : 0;
    uint32_t end = get_u32(g->filter_ends + (size_t)at * 4);
    if (begin >= end || end > g->filters_len)
        return false;
    *filter = g->filters + begin;
    *len = end - begin;
    return true;
}
