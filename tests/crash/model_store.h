/*
 * model_store.h - a store, and beside it the model that says what it must hold.
 *
 * The workload is a row of change sets, numbered from 1. What set n does follows from n and from what sets 1 to n - 1
 * left, so the state after any number of them is known to the byte, in every process. A set always changes something:
 * after n sets the store has n commits and the one that made it.
 *
 * The backend is linked into the test and used through its own table, so that it and the test share one `os`. For use in
 * a forked child: what is open here belongs to the process.
 */
#ifndef TESTS_CRASH_MODEL_STORE_H
#define TESTS_CRASH_MODEL_STORE_H

#include <quipu/backend.h>
#include <stdbool.h>

enum { MODEL_IDS = 40, MODEL_PUTS_MAX = 24 };

/* Which set wrote the record of each id; 0: there is none. */
typedef struct model {
    unsigned by[MODEL_IDS];
} model;

void model_after(unsigned sets, model *out);

typedef struct model_store {
    const quipu_backend_api *api;
    quipu_backend *self;
} model_store;

/* What the clock says, in microseconds; 0: the true time. */
extern int64_t model_time;
extern quipu_error model_error; /* of the last call that failed */

/* config: JSON or NULL. */
int32_t model_open(model_store *s, const char *path, const char *config, uint32_t flags);
int32_t model_close(model_store *s);
/* Applies set n, to a store that holds the n - 1 before it, or that holds it already. */
int32_t model_apply(model_store *s, unsigned n, quipu_receipt *receipt);
/* Applies sets first to last by one call of migrate/1. */
int32_t model_apply_together(model_store *s, unsigned first, unsigned last);
/* Exchanges with another store, in a folder. */
int32_t model_exchange(model_store *s, const char *place, bool push);
int32_t model_maintain(model_store *s);
/* Puts one record, of any id, where the stored one is of this version (NULL: any). */
int32_t model_put(model_store *s, const char *id, const char *text, const char *expected_version);

/* After how many sets, of these two numbers, a store holds what it holds; -1: after neither. *why: what is wrong. A scan, and
 * where `each` is set every record by itself as well. */
int model_compare(model_store *s, unsigned from, unsigned to, bool each, char why[300]);
/* False where a scan or a get answers without an error, but otherwise than the model after n sets. */
bool model_answers_rightly(model_store *s, unsigned n, char why[300]);
/* How much damage verify finds; negative: it answered with that error. */
int model_damage(model_store *s);
/* Opens the store as damaged as it is, repairs it and closes it: how much damage remains; negative: an error. */
int model_repair(const char *path);

#endif
