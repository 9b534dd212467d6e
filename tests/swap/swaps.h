/*
 * swaps.h - what the tests of swaps share: every backend that is built, stores of each, and threads that write and read meanwhile and
 * keep account.
 */
#ifndef TESTS_SWAP_SWAPS_H
#define TESTS_SWAP_SWAPS_H

#include <quipu.h>
#include <stdbool.h>
#include <stddef.h>

extern char swaps_folder[128]; /* of the test at hand */
extern quipu_error swaps_error;

int swaps_begin(void **state);
int swaps_end(void **state);

/* Names of the backends among git, memory, sqlite and json that are built; NULL behind the last. SWAPS_BACKENDS in the environment: of these. */
const char *const *swaps_backends(void);
/* Under a sanitizer everything takes ten times as long: then only one pair of each backend with load, and fewer rounds. */
bool swaps_sanitized(void);
bool swaps_pair_wanted(const char *const *from, const char *const *to);
/* Whether its store is on the disk. */
bool swaps_persistent(const char *backend);
/* A path in the test's folder; until the next but seven calls. */
const char *swaps_path(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *swaps_plugins(void); /* those that are built, and the mutants */
/* plugins: NULL: swaps_plugins. */
quipu *swaps_open_with(const char *store, const char *backend, const char *plugins);
quipu *swaps_open(const char *store, const char *backend);
void swaps_close(quipu *q);

int32_t swaps_put(quipu *q, const char *id, const char *text);
int32_t swaps_delete(quipu *q, const char *id);
/* Puts records "seed-00000" and so on, several in a set, some with other fields. */
void swaps_fill(quipu *q, int count);
/* The text of a record, "" where there is none; until the next call of the thread. */
const char *swaps_text(quipu *q, const char *id);

typedef struct swaps_digest {
    char text[72];
    uint64_t count;
} swaps_digest;
swaps_digest swaps_digest_of(quipu *q);
void swaps_assert_same(swaps_digest a, swaps_digest b);

/* Swaps; the code, with the error in swaps_error. store: NULL: the default. flags: besides those that the backend needs. */
int32_t swaps_try(quipu *q, const char *backend, const char *store, uint32_t flags, quipu_swap_report *report);
/* The same, which must succeed. */
quipu_swap_report swaps_swap(quipu *q, const char *backend, const char *store, uint32_t flags);

/* ---- load ---- */

enum { SWAPS_THREADS_MOST = 16, SWAPS_IDS = 40 };

typedef struct swaps_load swaps_load;

/* Threads that write records of their own one after the other, search, list and get, until they are stopped. */
swaps_load *swaps_load_start(quipu *q, int threads);
/* Stops them, and checks: no call failed, and each record is as its thread left it. Answers how many calls there were. */
uint64_t swaps_load_stop(swaps_load *load);

#endif
