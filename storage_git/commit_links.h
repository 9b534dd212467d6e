/*
 * commit_links.h - what walks through history need of commits: from the commit-graph where it has them, else from the commits.
 */
#ifndef STORAGE_GIT_COMMIT_LINKS_H
#define STORAGE_GIT_COMMIT_LINKS_H

#include "commit_graph.h"

typedef struct commit_links {
    objects *objects;
    const commit_graph *graph; /* NULL: there is none */
} commit_links;

typedef struct commit_link {
    object_id tree;
    object_id parents[COMMIT_PARENTS_MAX];
    unsigned parent_count;
    int64_t committed; /* microseconds */
} commit_link;

void commit_links_begin(commit_links *links, objects *o);
void commit_links_end(commit_links *links);
/* Errors: CORRUPT, IO, NO_MEMORY. */
int32_t commit_link_read(const commit_links *links, const object_id *id, commit_link *out, quipu_error *error);
/* Goes from a commit back along first parents to the next one that may have changed one of the paths against its first parent, or has
 * none. Without filters that is the commit itself. */
void commit_links_skip(const commit_links *links, const path_keys *paths, unsigned count, object_id *id);
/* How many commits lead to this one, itself among them. */
int32_t commit_count(objects *o, const object_id *from, uint64_t *out, quipu_error *error);

#endif
