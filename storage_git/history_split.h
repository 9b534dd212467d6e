/*
 * history_split.h - two commits: where their histories meet, and what one has that the other has not.
 */
#ifndef STORAGE_GIT_HISTORY_SPLIT_H
#define STORAGE_GIT_HISTORY_SPLIT_H

#include "commits.h"

typedef struct history_split {
    object_id base; /* the latest common ancestor; none where there is no common history */
    /* Where two had merged each other at once there are two latest common ancestors, and neither tells alone what was common: a merge of
     * both, of which each side has one with the same files, stands in for them. Else the same as `base`. */
    object_id common;
    object_id *only_in_b; /* the commits that lead to `b` and not to `a`, newest first */
    size_t only_in_b_count;
} history_split;

/* a, b: none for an empty history. Each side is read from its own database, which may be the same. `base` does not depend on which side is
 * called a. To be ended with history_split_free, also after a failure. Errors: CORRUPT, IO, NO_MEMORY. */
int32_t history_split_read(objects *a_objects, const object_id *a, objects *b_objects, const object_id *b,
                           history_split *out, quipu_error *error);
void history_split_free(history_split *split);

#endif
