/*
 * faults.c - what the server answers (https://www.postgresql.org/docs/current/errcodes-appendix.html), as an error that says what to do.
 *
 * Only the primary message is told: details may quote what a row holds.
 */
#include "backend.h"

#include <base/fail.h>
#include <string.h>

typedef struct fault {
    const char *state; /* an SQLSTATE or the beginning of some */
    int32_t code;
    const char *what_to_do;
} fault;

static const fault faults[] = {
    { "08", QUIPU_E_NETWORK, "try again" },
    { "57P0", QUIPU_E_NETWORK, "the server is going down or coming up; try again" },
    { "57014", QUIPU_E_BUSY, "the server ended the statement; try again" },
    { "25P03", QUIPU_E_NETWORK, "try again" },
    { "53100", QUIPU_E_FULL, "make room on the server's disk and try again" },
    { "53200", QUIPU_E_NO_MEMORY, "the server's memory is exhausted" },
    { "53300", QUIPU_E_BUSY, "the server has no connection left: lower the setting \"pool\", or try again" },
    { "53", QUIPU_E_FULL, "the server is short of something" },
    { "55P03", QUIPU_E_BUSY, "another process holds the store; try again" },
    { "40", QUIPU_E_BUSY, "try again" },
    { "42501", QUIPU_E_DENIED, "ask the database's owner for the right" },
    { "28", QUIPU_E_DENIED, "look at the user and the password" },
    { "25006", QUIPU_E_READ_ONLY, "this server, or this user, may only read" },
    { "3D", QUIPU_E_NOT_FOUND, "make the database, or name another" },
    { "42P01", QUIPU_E_FORMAT, "a table is missing; run `quipu verify`" },
    { "42", QUIPU_E_FORMAT, "the tables are not those of this version" },
    { "3F", QUIPU_E_FORMAT, "the schema is missing" },
    { "23", QUIPU_E_CORRUPT, "something else has written into the store's tables; run `quipu verify`" },
    { "XX001", QUIPU_E_CORRUPT, "the database is damaged; run `quipu verify`" },
    { "XX002", QUIPU_E_CORRUPT, "the database is damaged; run `quipu verify`" },
    { "54", QUIPU_E_TOO_LARGE, "the server's limit is exceeded" },
};

static const fault *find(const char *state)
{
    for (size_t i = 0; state && i < sizeof faults / sizeof faults[0]; i++)
        if (strncmp(state, faults[i].state, strlen(faults[i].state)) == 0)
            return &faults[i];
    return NULL;
}

int32_t postgres_fail_connection(const PGconn *pg, const char *doing, quipu_error *error)
{
    const char *why = PQerrorMessage(pg);
    int32_t code = QUIPU_E_NETWORK;
    if (!pg)
        why = "the connection was lost";
    else if (PQconnectionNeedsPassword(pg) || PQconnectionUsedPassword(pg))
        code = QUIPU_E_DENIED;
    size_t len = strlen(why);
    while (len > 0 && (why[len - 1] == '\n' || why[len - 1] == ' '))
        len--;
    return fail(error, code, "url", "%s: %.*s", doing, (int)len, len ? why : "the server cannot be reached");
}

int32_t postgres_fail(connection *c, const PGresult *r, const char *doing, quipu_error *error)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *why = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    const fault *f = find(state);
    if (state && strcmp(state, "57014") == 0) {
        int32_t late = call_check(c->call, error); /* most likely it is why */
        if (late != QUIPU_OK)
            return late;
    }
    if (!state && connection_is_lost(c))
        return fail(error, QUIPU_E_NETWORK, NULL, "%s: the connection was lost; try again", doing);
    return fail(error, f ? f->code : QUIPU_E_INTERNAL, NULL, "%s: %s%s%s", doing,
                why ? why : "the server's answer cannot be read", f ? "; " : "", f ? f->what_to_do : "");
}
