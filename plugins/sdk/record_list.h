/*
 * record_list.h - a plain array of shared records, for backends without an index and for what a query collects.
 *
 * A record never changes and is counted (record.h), so that a list can be copied cheaply: a writer changes a copy and
 * exchanges it for the original, a reader keeps what it has. Not locked. In no order. A list of zeros is empty.
 */
#ifndef SDK_RECORD_LIST_H
#define SDK_RECORD_LIST_H

#include <sdk/record.h>
#include <quipu/filter.h>

typedef struct record_list {
    record **items;
    size_t count;
    size_t capacity;
} record_list;

void record_list_free(record_list *list); /* leaves an empty one */

/* The record of this id as a view, the list's; or NULL. */
const quipu_record *record_list_find(const record_list *list, quipu_str id);
/* Takes a copy of the view, in place of what has the same id. */
int32_t record_list_put(record_list *list, const quipu_record *view, quipu_error *error);
/* Behind all others, without a look for its id. Takes the reference, also on failure. */
int32_t record_list_push(record_list *list, record *r, quipu_error *error);
/* Content that is not there is nothing to do. */
void record_list_remove(record_list *list, quipu_str id);
/* Makes all of the changes (of quipu_change, checked by change_set_check), or none of them where one does not find what it
 * expects. Adds to *changed how many left another state. Errors: those of change_check_expectation, NO_MEMORY. */
int32_t record_list_apply(record_list *list, const quipu_array *changes, uint64_t *changed, quipu_error *error);
/* *out becomes another list of the same records. */
int32_t record_list_copy(const record_list *list, record_list *out, quipu_error *error);
/* *out becomes the list of those that match: of this id (NULL: any), `which` (as filter_match), not expired. */
int32_t record_list_match(const record_list *list, const quipu_str *id, const quipu_filter *which, record_list *out,
                          quipu_error *error);

#endif
