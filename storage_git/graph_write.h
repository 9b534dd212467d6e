/*
 * graph_write.h - writing the commit-graph (commit_graph.h) of the branch's history, with filters of changed paths.
 */
#ifndef STORAGE_GIT_GRAPH_WRITE_H
#define STORAGE_GIT_GRAPH_WRITE_H

#include "git_store.h"

/* Asked between any two commits: QUIPU_OK to go on, 1 to come to an end soon, else what is returned. */
typedef int32_t (*graph_check_fn)(void *context);

/* Writes the graph of all commits that lead to the branch's head, and of no other, so that it names none that could be gone: unless the
 * one that lies there is just that. What it knows already is not read again. Told to come to an end, it leaves out the filters that
 * are still to be made, or does nothing. Nothing is done either where `memory` (bytes) is too little, or where the history is one that
 * git itself writes no graph of. The caller keeps a second writer out. */
int32_t git_write_graph(git_store *s, uint64_t memory, graph_check_fn check, void *context, quipu_error *error);
/* Takes the graph away where its newest commit is gone: somebody moved the branch back and pruned. Another process may be writing. */
void git_drop_stale_graph(git_store *s);

#endif
