/*
 * graph_build.h - the commits of a history, gathered and printed as a commit-graph. graph_write.h is its only user.
 */
#ifndef STORAGE_GIT_GRAPH_BUILD_H
#define STORAGE_GIT_GRAPH_BUILD_H

#include "commit_graph.h"
#include "commit_links.h"
#include "id_map.h"

/* A commit of the history; its number is its place. */
typedef struct gathered {
    object_id tree;
    int64_t seconds;
    size_t parents_at; /* in `parents` */
    uint32_t parent_count;
    uint32_t generation; /* 0: not known yet */
    size_t filter_at;    /* in `filters` */
    size_t filter_len;
} gathered;

typedef struct graph_history {
    id_map map; /* names to numbers */
    gathered *commits;
    uint32_t count; /* gathered so far */
    uint32_t *parents;
    size_t parents_count, parents_size;
    buffer filters;
} graph_history;

enum { GRAPH_BYTES_EACH = 300 /* of memory, about, for each commit */ };

/* Orders the commits by name and appends the file's bytes; false without memory, or where the file's numbers have no room for it. Fills in
 * the generations. */
bool graph_print(graph_history *h, buffer *out);

#endif
