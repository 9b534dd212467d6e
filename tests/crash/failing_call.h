/*
 * failing_call.h - a table of file operations in which one single call goes wrong, of every kind that storage_git/os.h has: also those that
 * read, lock and close. It lies over the table that is in force.
 */
#ifndef TESTS_CRASH_FAILING_CALL_H
#define TESTS_CRASH_FAILING_CALL_H

#include <stdbool.h>
#include <stdint.h>

typedef enum call_sort {
    CALL_NONE,
    CALL_OPEN, /* of a file that is there */
    CALL_MAKE, /* open, which makes a file */
    CALL_WRITE,
    CALL_PREAD,
    CALL_SYNC, /* fsync, fdatasync, syncfs */
    CALL_FTRUNCATE,
    CALL_CLOSE,
    CALL_RENAME,
    CALL_LINK,
    CALL_UNLINK,
    CALL_MKDIR,
    CALL_LOCK,
    CALL_UNLOCK,
    CALL_SORTS
} call_sort;

typedef enum call_fault { FAULT_EIO, FAULT_ENOSPC, FAULT_EINTR, FAULT_SHORT, CALL_FAULTS } call_fault;

enum { CALLS_MAX = 16384 };

/* Whether such a call can fail like that. */
bool failing_call_can(call_sort sort, call_fault fault);
/* Puts it in force, for this process. at: the call that fails, counted from 1; 0: none. sorts: CALLS_MAX places, where call i + 1 puts its
 * call_sort at i; or NULL. *happened (shared, or NULL): is set when it failed. */
void failing_call_install(unsigned at, call_fault fault, uint8_t *sorts, bool *happened);

#endif
