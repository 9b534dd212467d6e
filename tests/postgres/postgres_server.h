/*
 * postgres_server.h - a PostgreSQL server of a test's own (tests/postgres/server.sh), SQL on it, and a wire to it that can be cut.
 */
#ifndef TESTS_POSTGRES_POSTGRES_SERVER_H
#define TESTS_POSTGRES_POSTGRES_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts it and points libpq's environment (PGHOST, PGUSER, PGDATABASE) at it. False where there is none to be had: `why` says so. It goes when
 * this process does. */
bool postgres_server_start(char *why, size_t size);
void postgres_server_end(void);
/* At once, as a crash; and up again. */
void postgres_server_stop(void);
void postgres_server_restart(void);
/* What the environment says, as a url. */
const char *postgres_server_url(void);

/* Runs SQL as the owner of everything; the first row's first column, "" for none; until the next call of the thread. */
const char *postgres_sql(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Asks until the answer is this one. */
void postgres_wait_for(const char *answer, const char *sql);

/* ---- a wire in between ---- */

enum {
    WIRE_WHOLE,
    WIRE_SWALLOW_COMMIT, /* the next answer to a COMMIT is not let through, and the connection is cut */
    WIRE_CUT             /* no connection lives, and none is made */
};
/* A socket that leads to the server; its url. One for the process. */
const char *postgres_wire_start(void);
/* then: what it is once a COMMIT was swallowed. */
void postgres_wire_set(int how, int then);
/* How many answers to a COMMIT were swallowed. */
int postgres_wire_swallowed(void);
void postgres_wire_end(void);

#endif
