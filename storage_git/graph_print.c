/* graph_print.c - see graph_build.h: generations, order, and the chunks of the file. */
#include "big_endian.h"
#include "graph_build.h"

#include <base/hash.h>

#include <stdlib.h>

enum { CHUNKS = 6, HEADER = 8, CHUNK_ENTRY = 12 };

/* ---- generations ---- */

/* One more than the highest of its parents, or 0 and *missing: the first parent whose own is not known. */
static uint32_t generation_of(const graph_history *h, const gathered *c, uint32_t *missing)
{
    uint32_t highest = 0;
    for (uint32_t i = 0; i < c->parent_count; i++) {
        uint32_t parent = h->parents[c->parents_at + i];
        if (h->commits[parent].generation == 0) {
            *missing = parent;
            return 0;
        }
        if (h->commits[parent].generation > highest)
            highest = h->commits[parent].generation;
    }
    return highest + 1;
}

/* Down to what has no parent, and up again. stack: room for all commits. */
static void find_generations(graph_history *h, uint32_t *stack)
{
    for (uint32_t i = 0; i < h->count; i++) {
        size_t depth = 0;
        stack[depth++] = i;
        while (depth > 0) {
            gathered *c = &h->commits[stack[depth - 1]];
            uint32_t missing = 0;
            if (c->generation == 0)
                c->generation = generation_of(h, c, &missing);
            if (c->generation)
                depth--;
            else
                stack[depth++] = missing;
        }
    }
}

/* ---- order ---- */

typedef struct place {
    object_id id;
    uint32_t number;
} place;

static int by_name(const void *a, const void *b)
{
    return memcmp(((const place *)a)->id.bytes, ((const place *)b)->id.bytes, 20);
}

typedef struct printing {
    graph_history *history;
    uint32_t *order;  /* numbers, by name */
    uint32_t *places; /* of numbers */
    buffer edges;
    buffer *out;
} printing;

static bool find_order(printing *p)
{
    uint32_t count = p->history->count;
    place *places = malloc(((size_t)count + 1) * sizeof *places);
    if (!places)
        return false;
    for (uint32_t i = 0; i < count; i++)
        places[i] = (place){ p->history->map.ids[i], i };
    qsort(places, count, sizeof *places, by_name);
    for (uint32_t i = 0; i < count; i++) {
        p->order[i] = places[i].number;
        p->places[places[i].number] = i;
    }
    free(places);
    return true;
}

/* ---- chunks ---- */

static uint32_t parent_place(const printing *p, const gathered *c, uint32_t i)
{
    return p->places[p->history->parents[c->parents_at + i]];
}

/* Where it has more than two, all but the first go to the list. */
static uint32_t second_parent(printing *p, const gathered *c)
{
    if (c->parent_count < 2)
        return GRAPH_NO_PARENT;
    if (c->parent_count == 2)
        return parent_place(p, c, 1);
    uint32_t at = (uint32_t)(p->edges.len / 4);
    for (uint32_t i = 1; i < c->parent_count; i++)
        append_u32(&p->edges, parent_place(p, c, i) | (i + 1 == c->parent_count ? GRAPH_MORE_PARENTS : 0));
    return at | GRAPH_MORE_PARENTS;
}

static void put_commits(printing *p)
{
    for (uint32_t i = 0; i < p->history->count; i++) {
        const gathered *c = &p->history->commits[p->order[i]];
        uint32_t generation = c->generation < GRAPH_GENERATION_MAX ? c->generation : GRAPH_GENERATION_MAX;
        buffer_append(p->out, c->tree.bytes, 20);
        append_u32(p->out, c->parent_count ? parent_place(p, c, 0) : GRAPH_NO_PARENT);
        append_u32(p->out, second_parent(p, c));
        append_u32(p->out, generation << 2 | (uint32_t)(c->seconds >> 32));
        append_u32(p->out, (uint32_t)c->seconds);
    }
}

static void put_names(printing *p)
{
    const object_id *ids = p->history->map.ids;
    uint32_t count = p->history->count;
    for (uint32_t byte = 0, i = 0; byte < 256; byte++) {
        while (i < count && ids[p->order[i]].bytes[0] <= byte)
            i++;
        append_u32(p->out, i);
    }
    for (uint32_t i = 0; i < count; i++)
        buffer_append(p->out, ids[p->order[i]].bytes, 20);
}

static void put_filters(printing *p)
{
    const graph_history *h = p->history;
    uint32_t end = 0;
    for (uint32_t i = 0; i < h->count; i++) {
        end += (uint32_t)h->commits[p->order[i]].filter_len;
        append_u32(p->out, end);
    }
    append_u32(p->out, 1); /* the way of hashing */
    append_u32(p->out, PATH_FILTER_HASHES);
    append_u32(p->out, PATH_FILTER_BITS);
    for (uint32_t i = 0; i < h->count; i++) {
        const gathered *c = &h->commits[p->order[i]];
        if (c->filter_len)
            buffer_append(p->out, h->filters.bytes + c->filter_at, c->filter_len);
    }
}

static void append_u64(buffer *out, uint64_t value)
{
    append_u32(out, (uint32_t)(value >> 32));
    append_u32(out, (uint32_t)value);
}

/* The table of chunks comes first, so how many further parents there are is counted beforehand. */
static void put_table(printing *p, uint64_t edges)
{
    uint64_t count = p->history->count, at = HEADER + (CHUNKS + 1) * CHUNK_ENTRY;
    const struct {
        const char *name;
        uint64_t len;
    } chunks[CHUNKS] = {
        { "OIDF", 1024 },      { "OIDL", count * 20 }, { "CDAT", count * 36 },
        { "EDGE", edges * 4 }, { "BIDX", count * 4 },  { "BDAT", 12 + p->history->filters.len },
    };
    char header[HEADER] = "CGPH\1\1";
    header[6] = edges ? CHUNKS : CHUNKS - 1;
    at -= edges ? 0 : CHUNK_ENTRY;
    buffer_append(p->out, header, sizeof header);
    for (unsigned i = 0; i < CHUNKS; i++) {
        if (chunks[i].len == 0 && strcmp(chunks[i].name, "EDGE") == 0)
            continue;
        buffer_append_text(p->out, chunks[i].name);
        append_u64(p->out, at);
        at += chunks[i].len;
    }
    append_u32(p->out, 0);
    append_u64(p->out, at);
}

static uint64_t count_edges(const graph_history *h)
{
    uint64_t edges = 0;
    for (uint32_t i = 0; i < h->count; i++)
        edges += h->commits[i].parent_count > 2 ? h->commits[i].parent_count - 1 : 0;
    return edges;
}

bool graph_print(graph_history *h, buffer *out)
{
    printing p = { .history = h, .out = out };
    uint8_t checksum[20];
    if (h->filters.failed || h->filters.len > UINT32_MAX || h->count >= GRAPH_NO_PARENT)
        return false;
    p.order = malloc(((size_t)h->count + 1) * sizeof *p.order);
    p.places = malloc(((size_t)h->count + 1) * sizeof *p.places);
    bool done = p.order && p.places;
    if (done) {
        find_generations(h, p.order);
        done = find_order(&p);
    }
    if (done) {
        put_table(&p, count_edges(h));
        put_names(&p);
        put_commits(&p);
        buffer_append(out, p.edges.len ? p.edges.bytes : "", p.edges.len);
        put_filters(&p);
        done = !out->failed && !p.edges.failed;
    }
    if (done) {
        hash_sha1(out->bytes, out->len, checksum);
        buffer_append(out, checksum, sizeof checksum);
    }
    free(p.order);
    free(p.places);
    buffer_free(&p.edges);
    return done && !out->failed;
}
