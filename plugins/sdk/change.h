/*
 * change.h - what every backend checks in a change set before it touches anything (plugin_api/quipu/change.h).
 *
 * The order in a backend's apply:
 *   1. change_set_check and receipt_check: the set is well formed; no lock is needed.
 *   2. Under the lock: was this change id applied before? Then answer QUIPU_RECEIPT_DUPLICATE.
 *   3. change_check_expectation for each change, against what is stored; the first failure ends it, nothing was done.
 *   4. change_alters tells which changes leave a trace; those are made, all or none.
 *   5. receipt_fill.
 */
#ifndef SDK_CHANGE_H
#define SDK_CHANGE_H

#include <quipu/change.h>
#include <quipu/error.h>
#include <stdbool.h>

/* Checks structs, flags, change id, time, operation ([a-z][a-z0-9-]{0,31}), texts, and every change: op, expectation,
 * expected version, id, record (id, version over the JSON, texts). No id twice. An empty set is fine. The JSON itself
 * is not parsed: the host has done that (record.h). Errors: INVALID (field, index and id where a change is at fault),
 * NO_MEMORY. */
int32_t change_set_check(const quipu_change_set *set, quipu_error *error);

/* Checks one change against what is stored under its id now (NULL: nothing). A put on a record of another scope is
 * refused first, so that nothing about that record is told. Fills id, version and index of the error.
 * Errors: SCOPE, EXISTS, NOT_FOUND, CONFLICT. */
int32_t change_check_expectation(const quipu_change *change, const quipu_record *stored, size_t index,
                                 quipu_error *error);

/* True where the change leaves another state than `stored` (NULL: nothing): not for a put that differs in nothing but
 * updated_at, nor for the removal of what is not there. */
bool change_alters(const quipu_change *change, const quipu_record *stored);

/* Checks a receipt that was lent; NULL is fine. Errors: INVALID. */
int32_t receipt_check(const quipu_receipt *receipt, quipu_error *error);
/* Fills it, no further than this version knows. `revision`: text of at most 63 bytes, "" or NULL for none. */
void receipt_fill(quipu_receipt *receipt, uint32_t flags, uint64_t changed, const char *revision);

#endif
