/*
 * refs.h - what a branch points at, and moving it by compare-and-swap (gitrepository-layout(5), git-update-ref(1)).
 */
#ifndef STORAGE_GIT_REFS_H
#define STORAGE_GIT_REFS_H

#include "object_id.h"

#include <quipu/error.h>

/* Reads "refs/heads/..." from its own file or from packed-refs. *out: none where there is no such ref. */
int32_t ref_read(const char *repository, const char *name, object_id *out, quipu_error *error);

typedef enum ref_outcome {
    REF_UNTOUCHED, /* nothing happened */
    REF_LOST,      /* the ref was not at `expected`: somebody was faster */
    REF_MOVED,     /* it is at `to` now, for everybody to see */
} ref_outcome;

/* Moves the ref from `expected` (none: it must not exist) to `to`, under git's own lock file NAME.lock. That file is made as a second
 * name (link(2)) of "objects/pack/quipu_tmp_next", which is written and synced before: so a lock that a crash left is known to be ours. Waits up to
 * two seconds for somebody else's lock. *outcome tells what happened also where an error is returned: REF_MOVED with an error
 * means that it is visible but perhaps not durable. The content is always synced, the name where `durable`. The caller holds the store's lock. Errors: BUSY (the lock file stays; the
 * message names it), IO, FULL. */
int32_t ref_swap(const char *repository, const char *name, const object_id *expected, const object_id *to, bool durable,
                 ref_outcome *outcome, quipu_error *error);

/* The same in two steps, for who has other files to sync: with all of them written before the first is synced, a file system with a
 * journal writes that once for all. *next_fd: the open file, or -1; ref_swap_next and ref_next_drop close it. */
int32_t ref_next_write(const char *repository, const object_id *to, int *next_fd, quipu_error *error);
int32_t ref_swap_next(const char *repository, const char *name, const object_id *expected, const object_id *to,
                      int next_fd, bool durable, ref_outcome *outcome, quipu_error *error);
void ref_next_drop(const char *repository, int next_fd);

/* Removes the ref where it is at `expected`: from packed-refs, then its own file, then its log. The lock files that it makes say whose they
 * are, so that the next caller takes away those that a killed one left; the caller holds the store's lock. Errors: as ref_swap. */
int32_t ref_delete(const char *repository, const char *name, const object_id *expected, bool durable,
                   ref_outcome *outcome, quipu_error *error);

/* Makes the folders above a ref's file, as "refs/heads/a" for "refs/heads/a/b". */
void ref_make_folders(const char *file);

/* Told about a ref; a non-zero answer ends the walk and is returned. */
typedef int32_t (*ref_fn)(void *context, const char *name, const object_id *id);
/* Visits the refs whose names begin with `prefix` ("refs/heads/inbox/"), sorted by name. */
int32_t ref_each(const char *repository, const char *prefix, ref_fn visit, void *context, quipu_error *error);

/* A ref as it stands on the disk, whatever that is. */
typedef struct ref_told {
    const char *name;
    object_id id;      /* none where there is a fault */
    const char *fault; /* NULL: none */
    bool symbolic;     /* it names another ref; id and fault are not set */
} ref_told;

/* As ref_each, but those that do not hold a commit's name are told too. */
typedef int32_t (*ref_told_fn)(void *context, const ref_told *ref);
int32_t ref_each_told(const char *repository, const char *prefix, ref_told_fn visit, void *context, quipu_error *error);

/* Removes the locks of refs that a process of ours left: those that are the same file as "objects/pack/quipu_tmp_next". The caller holds the store's
 * lock. */
void ref_clear_stale_locks(const char *repository);

#endif
