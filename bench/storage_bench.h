/*
 * storage_bench.h - what the parts of bench_storage share: the records, a clock, lines of output, and the peers.
 */
#ifndef BENCH_STORAGE_BENCH_H
#define BENCH_STORAGE_BENCH_H

#include <stddef.h>

enum { BENCH_JSON_MAX = 600, BENCH_PATH_MAX = 64 };

/* The i-th record in its canonical form, about 330 bytes; returns its length. */
size_t bench_json(long i, char out[BENCH_JSON_MAX]);
void bench_id(long i, char out[16]);
/* "records/xx/yy/ID.json" */
void bench_path(long i, char out[BENCH_PATH_MAX]);
/* The message of the commit that adds records from..from+count-1, as long as Quipu's own; returns its length. */
size_t bench_message(long from, long count, char out[BENCH_JSON_MAX]);

double bench_now(void); /* seconds */
/* Seconds of processor time: of this process; of the children that have ended. What a busy machine spoils least. */
double bench_processor(void);
double bench_processor_of_children(void);
/* Ends the program: nothing measured after a failure means anything. */
void bench_stop(const char *what, const char *why) __attribute__((noreturn));
void bench_value(const char *subject, double value, const char *unit);
void bench_ratio(const char *subject, const char *to, double ratio);
void bench_note(const char *text); /* something that could not be measured, and why */
double bench_disk(const char *folder);
int bench_compare(const void *a, const void *b); /* doubles, for qsort */

/* ---- the peers: each works in a new folder `at`, and answers with records a second ---- */

/* *tail: the rate of the last tenth against the second. */
double peer_fast_import(const char *at, long n, long per_commit, double *tail);
double peer_git_command(const char *at, long n);
double peer_libgit2(const char *at, long n);
/* One row a transaction from so many threads; 0 where SQLite is not there. */
double peer_sqlite(const char *at, long n, int threads, long per_transaction);

#endif
