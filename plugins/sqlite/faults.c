/* faults.c - what SQLite answers (https://sqlite.org/rescode.html), as an error that says what to do. */
#include "backend.h"

#include <base/fail.h>
#include <errno.h>

static int32_t say(quipu_error *error, int32_t code, const char *doing, const char *why)
{
    return fail(error, code, NULL, "%s: %s", doing, why);
}

static int32_t fail_io(int system_errno, const char *why, const char *doing, quipu_error *error)
{
    if (system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EROFS || system_errno == EACCES ||
        system_errno == EPERM)
        return fail_errno(error, system_errno, "%s", doing);
    int32_t code = say(error, QUIPU_E_IO, doing, why);
    if (error && error->struct_size >= sizeof *error)
        error->sys_errno = system_errno;
    return code;
}

int32_t sqlite_fail_plain(int rc, int system_errno, const char *why, const char *doing, quipu_error *error)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return say(error, QUIPU_E_BUSY, doing, "another process holds the store; try again");
    case SQLITE_FULL:
        return say(error, QUIPU_E_FULL, doing, "the disk is full; make room and try again");
    case SQLITE_IOERR:
    case SQLITE_NOLFS:
    case SQLITE_PROTOCOL:
        return rc == SQLITE_IOERR_NOMEM ? say(error, QUIPU_E_NO_MEMORY, doing, "memory is exhausted")
                                        : fail_io(system_errno, why, doing, error);
    case SQLITE_CANTOPEN:
        return system_errno ? fail_errno(error, system_errno, "%s", doing) : say(error, QUIPU_E_IO, doing, why);
    case SQLITE_CORRUPT:
        return say(error, QUIPU_E_CORRUPT, doing, "the database is damaged; run `quipu verify`");
    case SQLITE_NOTADB:
        return say(error, QUIPU_E_FORMAT, doing, "the file is no SQLite database");
    case SQLITE_READONLY:
        return say(error, QUIPU_E_READ_ONLY, doing, "the database cannot be written");
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return say(error, QUIPU_E_DENIED, doing, why);
    case SQLITE_NOMEM:
        return say(error, QUIPU_E_NO_MEMORY, doing, "memory is exhausted");
    case SQLITE_TOOBIG:
        return say(error, QUIPU_E_TOO_LARGE, doing, why);
    case SQLITE_CONSTRAINT: /* two rows where the schema wants one: something else has written into our tables */
        return say(error, QUIPU_E_CORRUPT, doing, why);
    case SQLITE_ERROR: /* a table that is missing, a module that this SQLite does not have */
    case SQLITE_SCHEMA:
        return say(error, QUIPU_E_FORMAT, doing, why);
    default:
        return say(error, QUIPU_E_INTERNAL, doing, why);
    }
}

int32_t sqlite_fail(connection *c, int rc, const char *doing, quipu_error *error)
{
    int primary = rc & 0xff;
    if (primary == SQLITE_INTERRUPT || primary == SQLITE_BUSY || primary == SQLITE_LOCKED) {
        int32_t late = call_check(c->call, error); /* most likely it is why */
        if (late != QUIPU_OK)
            return late;
    }
    return sqlite_fail_plain(rc, sqlite3_system_errno(c->db), sqlite3_errmsg(c->db), doing, error);
}
