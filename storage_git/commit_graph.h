/*
 * commit_graph.h - the file "objects/info/commit-graph": what walks through history ask of commits, without opening these
 * (gitformat-commit-graph(5), version 1). Maintenance writes it (graph_write.h), `git gc` too; commits that came later are not in it.
 *
 * It is derived, and not believed blindly: its checksum is compared when it is opened, and nothing in it is followed out of its bounds.
 */
#ifndef STORAGE_GIT_COMMIT_GRAPH_H
#define STORAGE_GIT_COMMIT_GRAPH_H

#include "commits.h"
#include "path_filter.h"

#define GRAPH_NO_PARENT 0x70000000u
#define GRAPH_MORE_PARENTS                                                                                             \
    0x80000000u /* the second parent is a place in the list of further ones; there: the last of a commit's */
#define GRAPH_GENERATION_MAX 0x3fffffffu

typedef struct commit_graph {
    const uint8_t *bytes;
    size_t len;
    uint32_t count;       /* commits, in the order of their names */
    const uint8_t *names; /* 20 bytes each */
    const uint8_t *data;  /* 36 bytes each */
    const uint8_t *fanout;
    const uint8_t *edges; /* further parents of merges of more than two */
    size_t edge_count;
    const uint8_t *filter_ends; /* NULL: no filters of paths */
    const uint8_t *filters;
    size_t filters_len;
} commit_graph;

typedef struct graph_commit {
    object_id tree;
    int64_t seconds;     /* the committer's time, since 1970 */
    uint32_t generation; /* more than that of each parent; 0: not known */
    uint32_t parents[COMMIT_PARENTS_MAX];
    unsigned parent_count;
} graph_commit;

/* False where it is not a graph of version 1 whose tables fit. The checksum is not looked at. */
bool commit_graph_parse(const uint8_t *bytes, size_t len, commit_graph *out);
bool commit_graph_is_whole(const commit_graph *g);
/* Whether the graph knows a commit, and its place. */
bool commit_graph_find(const commit_graph *g, const object_id *id, uint32_t *at);
void commit_graph_id(const commit_graph *g, uint32_t at, object_id *out);
/* False where what is written there cannot be. */
bool commit_graph_read(const commit_graph *g, uint32_t at, graph_commit *out);
/* The filter of the paths that differ from the first parent; false where there is none. */
bool commit_graph_filter(const commit_graph *g, uint32_t at, const uint8_t **filter, size_t *len);

/* ---- the file ---- */

typedef struct graph_file
    graph_file; /* the one of a database, opened again when it was replaced; for any number of threads */

/* folder: the repository's "objects". NULL without memory. */
graph_file *graph_file_create(const char *folder);
void graph_file_free(graph_file *f);
/* The graph as it is now, to be given back; NULL where there is none that can be believed. */
const commit_graph *graph_file_take(graph_file *f);
void graph_file_give(graph_file *f, const commit_graph *g);

#endif
