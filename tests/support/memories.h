/*
 * memories.h - a store used through libquipu, for the tests of backends: each call is one step of a test, and
 * ends it where the step fails.
 */
#ifndef TESTS_MEMORIES_H
#define TESTS_MEMORIES_H

#include <quipu.h>
#include <stdbool.h>

/* What the clock of the next handles says, in microseconds; 0: the true time. */
extern int64_t memories_time;
/* The backend of the next handles; NULL: what the store was made with, else git. */
extern const char *memories_backend;
extern quipu_error memories_error; /* of the last call that may fail */

quipu *memories_open(const char *store);
/* backend_config: JSON or NULL. The answer of quipu_open; *out is NULL where it failed. */
int32_t memories_try_open(const char *store, const char *backend_config, uint32_t flags, quipu **out);
void memories_close(quipu *q);

/* Put a record with this text. The revision that it made (""), until the next call. */
const char *memories_put(quipu *q, const char *id, const char *text);
const char *memories_delete(quipu *q, const char *id);
/* As quipu_write_records with one step. */
int32_t memories_write(quipu *q, quipu_write step, const quipu_write_options *options, quipu_receipt *receipt);

/* The text of a record, "" where there is none; until the next call. as_of: or NULL. */
const char *memories_text(quipu *q, const char *id, const char *as_of);
/* Its version; until the next call. */
const char *memories_version(quipu *q, const char *id);
/* Ids of what a search or a scan shows, each with a blank behind it; until the next call. */
const char *memories_search(quipu *q, const char *words, const char *as_of);
const char *memories_list(quipu *q, const char *as_of);
uint64_t memories_count(quipu *q);
int64_t memories_figure(quipu *q, const char *name);
/* Areas and subjects of all that verify finds fault with, a line each; until the next call. */
const char *memories_faults(quipu *q);

/* The extension, with a lease that memories_leave gives back. */
const quipu_history_api *memories_history(quipu *q, quipu_lease *lease);

#endif
