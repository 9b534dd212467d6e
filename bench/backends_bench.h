/* backends_bench.h - what the parts of bench_backends share: records, clocks, and the peer. */
#ifndef BENCH_BACKENDS_H
#define BENCH_BACKENDS_H

#include <stdbool.h>
#include <stddef.h>

#define BENCH_JSON_MAX 800

/* Canonical JSON of record i (its length), and its id. */
size_t bench_json(long i, char out[BENCH_JSON_MAX]);
void bench_id(long i, char out[16]);
double bench_now(void);       /* seconds */
double bench_processor(void); /* seconds of processor time of this process */
/* Ends the program: nothing measured after a failure means anything. */
void bench_stop(const char *what, const char *why) __attribute__((noreturn));

/* SQLite alone with the rows that the sqlite backend writes, in its tables, with its pragmas; no checks, no records. */
typedef struct peer peer;
peer *peer_open(const char *folder);           /* NULL where this was built without SQLite */
void peer_add(peer *p, long from, long count); /* one transaction */
size_t peer_get(peer *p, const char *id);      /* bytes of the JSON */
long peer_scan(peer *p);                       /* all in the order of their ids; how many */
/* The ten best by FTS5's BM25 for the words of a question, any of which may be there; how many. Its table is filled by the first call. 0 where
 * this SQLite has no FTS5. */
long peer_search(peer *p, const char *words);
void peer_close(peer *p);

/* A PostgreSQL server (tests/postgres/server.sh) that syncs, for the environment of libpq; it goes when this process does. False where none can
 * be had, and says why. */
bool bench_server_start(void);

#endif
