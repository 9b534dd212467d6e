/*
 * repair.h - looks for damage in a store, and where it may, repairs it without deleting anything.
 *
 * It goes from the ground up, because each thing is read through what lies below it: what a crash left over, packs and indexes, the
 * files that make a repository, objects and their connections, refs, and last the head's own files. Each step sees the
 * store as the one before has left it. A repair that was killed anywhere can be begun anew: what was set aside is there before it is
 * taken from its place, and what takes its place is synced before that.
 */
#ifndef STORAGE_GIT_REPAIR_H
#define STORAGE_GIT_REPAIR_H

#include "git_store.h"

/* As QUIPU_FINDING_*: what is wrong, and what became of it. */
enum { REPAIR_CHECKED, REPAIR_WARNING, REPAIR_DAMAGE, REPAIR_DONE, REPAIR_PROGRESS };

/* area: "objects", "commits", "trees", "blobs", "refs", "records"; subject: or NULL; count: with REPAIR_CHECKED and
 * REPAIR_PROGRESS (how many so far), message then NULL. A non-zero answer ends the work and is returned. */
typedef int32_t (*repair_fn)(void *context, uint32_t severity, const char *area, const char *subject,
                             const char *message, uint64_t count);

typedef struct repair_options {
    bool repair;             /* else it only looks, and writes nothing */
    quipu_str author;        /* of commits */
    int64_t now;             /* microseconds */
    const char *marker;      /* the file that every commit of such a store has at its root: "quipu.json" */
    const char *marker_text; /* what it holds, where it is lost */
    /* Where folders of the head were lost: told of each blob that no ref leads to, for it may have been in them; or NULL. */
    int32_t (*stray)(void *context, const object_id *id, quipu_str bytes);
    repair_fn visit;
    void *context;
} repair_options;

/* The store was opened `damaged`, or is sound enough to be open as it is. Errors: READ_ONLY, BUSY, IO, FULL, NO_MEMORY, those of
 * the call. */
int32_t git_repair(git_store *s, const repair_options *options, const quipu_call *call, quipu_error *error);

#endif
