/*
 * fault_os.h - a table of file operations that goes wrong on purpose: for storage_git/os.h's `os`, in a forked child.
 *
 * Counted is every operation that changes the disk: a write, a sync, a rename, an unlink, a link, a folder made, a file
 * made or cut short. Reading and locking go through untouched; syncs are counted and told, but not done.
 */
#ifndef TESTS_CRASH_FAULT_OS_H
#define TESTS_CRASH_FAULT_OS_H

#include <stdbool.h>
#include <stdint.h>

enum { FAULT_POINTS_MAX = 16384 };
enum { FAULT_SORT_NONE, FAULT_SORT_WHOLE, FAULT_SORT_WRITE /* of two bytes or more: it can be cut in half */ };

typedef struct fault_plan {
    uint64_t kill_at; /* the process is killed just before this operation, counted from 1; 0: never */
    bool half;        /* the operation is a write: half of its bytes come first */
    int64_t room;     /* bytes that fit before writes fail with ENOSPC; negative: no end */
    uint8_t *sorts;   /* FAULT_POINTS_MAX places: operation i + 1 puts a FAULT_SORT_* at i; or NULL */
    int journal;      /* every operation is told here, as power_cut.h reads it; -1: not */
} fault_plan;

extern const fault_plan fault_none;

/* Puts the table in force, for this process. */
void fault_install(const fault_plan *plan);
/* From now on the table's clock stands still, also in children: what is old enough to be removed is so in each run of a workload. */
void fault_stop_clock(void);
/* How many operations were counted so far. */
uint64_t fault_count(void);
/* From now on this many bytes fit. */
void fault_set_room(int64_t bytes);
/* Marks in the journal that a change was acknowledged. */
void fault_acknowledge(unsigned number);

/* ---- the journal: a run of these, each followed by `path_len` + `data_len` bytes ---- */

typedef enum fault_op {
    FAULT_MAKE = 1, /* a file was made: path */
    FAULT_WRITE,    /* number: offset; data */
    FAULT_CUT,      /* number: new length */
    FAULT_SYNC,
    FAULT_SYNC_FOLDER,
    FAULT_RENAME, /* path to data */
    FAULT_LINK,   /* path to data */
    FAULT_UNLINK,
    FAULT_MKDIR,
    FAULT_ACKNOWLEDGED /* number: of the change set */
} fault_op;

typedef struct fault_entry {
    uint32_t op;
    uint32_t path_len;
    uint64_t data_len;
    uint64_t number;
} fault_entry;

#endif
