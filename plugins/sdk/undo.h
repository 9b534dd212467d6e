/*
 * undo.h - taking changes back, for backends that keep history: what revert and restore of ext/history.h do beside reading the past.
 */
#ifndef SDK_UNDO_H
#define SDK_UNDO_H

#include <quipu/backend.h>
#include <quipu/ext/history.h>
#include <sdk/record.h>

/* Refuses a revision or time that is missing, or no line of text. `name`: of the argument. */
int32_t history_check_spec(const quipu_str *spec, const char *name, quipu_error *error);

/* One record in two states; owned. */
typedef struct difference {
    record *before; /* NULL: there was none */
    record *after;  /* likewise */
} difference;

typedef struct difference_list {
    difference *items;
    size_t count, capacity;
} difference_list;

/* Takes both references over, also on failure. What is nothing on either side is left out. */
int32_t difference_add(difference_list *list, record *before, record *after, quipu_error *error);
void difference_list_free(difference_list *list);
quipu_str difference_id(const difference *d);
/* Shows them ordered by id; the list is sorted in place. */
int32_t difference_show(difference_list *list, quipu_difference_fn visit, void *context, quipu_error *error);

/* Makes changes of a backend's own kind: what it does in apply. */
typedef int32_t (*undo_apply_fn)(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt,
                                 const quipu_call *call, quipu_error *error);

/* Takes every difference back, where nothing came since: CONFLICT names the first that has changed. as: the template of the new
 * revision, with no changes; note: where it has none. */
int32_t undo_differences(quipu_backend *self, const difference_list *list, const char *note, const quipu_change_set *as,
                         undo_apply_fn apply, quipu_receipt *receipt, const quipu_call *call, quipu_error *error);
/* Gives one record the state that it had then (NULL: none); now: what it is (NULL: not there). NOT_FOUND where neither is. */
int32_t undo_restore(quipu_backend *self, const quipu_str *id, const record *then, const record *now,
                     const quipu_change_set *as, undo_apply_fn apply, quipu_receipt *receipt, const quipu_call *call,
                     quipu_error *error);

#endif
