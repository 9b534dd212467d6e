/*
 * merge_sets.h - three states of a list that stands for a set, merged into one.
 */
#ifndef SDK_MERGE_SETS_H
#define SDK_MERGE_SETS_H

#include <cjson/cJSON.h>

/* A new list, for the caller to delete: what both have, and what one of them has that `base` has not. Ordered by the elements' text, each
 * once. Any of the three may be NULL: empty. NULL without memory. */
cJSON *merge_sets(const cJSON *base, const cJSON *a, const cJSON *b);

#endif
