/*
 * edits.h - what was changed without a word about when: a commit by stock git that leaves a record's updated_at as it was counts as
 * the time of the change.
 *
 * Such a commit is told by its message, which has no Quipu-Op, and so each is looked at once: what it changed, is noted. The record that it
 * made (a version, which its id is part of) has the commit's time for its updated_at from then on, wherever it is read: for get, scan and search, for
 * differences, merges and expected versions. It is a record like any other, with the version and digest of that form; no file is changed.
 *
 * A state of the past is not touched by what came after it: an edit counts from its own time on.
 *
 * The notes lie in quipu/edits, and are derived: damaged or missing, they are made anew from the history.
 */
#ifndef PLUGINS_GIT_EDITS_H
#define PLUGINS_GIT_EDITS_H

#include <base/buffer.h>
#include <pthread.h>
#include <quipu/error.h>
#include <sdk/record.h>
#include <stdatomic.h>
#include <storage_git/commits.h>
#include <storage_git/id_map.h>

enum { EDITS_COVERED = 8 };

/* A record that such a commit made. */
typedef struct edits_entry {
    uint8_t version[20]; /* as its file has it */
    int64_t time;        /* of the commit */
    size_t id;           /* where its id begins in `ids` */
    size_t id_len;
} edits_entry;

typedef struct edits {
    pthread_mutex_t lock; /* guards all that follows */
    objects *objects;     /* NULL: not begun */
    char *path;           /* of the file; NULL: nothing is kept there */
    bool loaded;
    object_id tip;                    /* all commits that lead to it were looked at; none: none was */
    object_id covered[EDITS_COVERED]; /* likewise */
    unsigned next_covered;
    id_map behind;  /* what leads to a tip, gone through once where an older commit was asked for */
    buffer pending; /* object_id: of these, those whose parents were not gone through yet */
    size_t unsaved; /* commits of our own since the notes were saved */
    edits_entry *list;
    size_t count, capacity;
    atomic_size_t known; /* count, for who does not hold the lock */
    uint32_t *table;     /* by version: places in the list, plus 1 */
    size_t table_size;   /* a power of two; 0: none yet */
    buffer ids;
} edits;

void edits_init(edits *e);
/* folder: of what is derived; NULL: nothing is written. Errors: NO_MEMORY. */
int32_t edits_begin(edits *e, objects *o, const char *folder, quipu_error *error);
void edits_end(edits *e);
void edits_destroy(edits *e);

/* Looks at the commits that lead to this one and were not looked at yet. What is too damaged to be read counts as no edit. */
int32_t edits_cover(edits *e, const object_id *commit_id, quipu_error *error);
/* Told that commits of our own lead from `base` to `head`, so that nobody has to look at them. */
void edits_pass(edits *e, const object_id *base, const object_id *head, size_t commits);

/* Exchanges a record, as its file has it, for the one that it counts as in a commit of this time. Errors: NO_MEMORY. */
int32_t edits_apply(edits *e, int64_t time, record **r, quipu_error *error);
/* Whether the record of a file with this version may count as another one. */
bool edits_know(edits *e, const uint8_t version[20]);
/* Appends the ids of what was edited after one time and up to another, each with a NUL byte behind it. */
void edits_between(edits *e, int64_t after, int64_t until, buffer *ids);

#endif
