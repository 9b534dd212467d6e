/*
 * commits.h - commit objects: their bytes, and the ways through them.
 */
#ifndef STORAGE_GIT_COMMITS_H
#define STORAGE_GIT_COMMITS_H

#include "objects.h"

enum { COMMIT_PARENTS_MAX = 16 };

/* What a new commit says. Names are made harmless: '<', '>', line ends and control characters become blanks. */
typedef struct commit_words {
    quipu_str author;  /* also the committer; empty: "quipu" */
    int64_t time;      /* author time, microseconds; stored to the second */
    int64_t committed; /* committer time; raised to the parent's where it is earlier */
    quipu_str message; /* UTF-8, ends with a newline */
    object_id merged;  /* the second parent of a merge; none */
} commit_words;

/* A commit, read. Texts point into `bytes`. */
typedef struct commit {
    object_id id;
    object_id tree;
    object_id parents[COMMIT_PARENTS_MAX];
    unsigned parent_count;
    quipu_str author;  /* the name alone */
    int64_t time;      /* microseconds */
    int64_t committed; /* microseconds */
    quipu_str message;
    buffer bytes;
} commit;

/* Appends the bytes of a commit object. parent: or none. */
void commit_print(const object_id *tree, const object_id *parent, const commit_words *words, buffer *out);
/* Reads one; to be ended with commit_free. On failure there is nothing to free. Errors: CORRUPT. */
int32_t commit_read(objects *o, const object_id *id, commit *out, quipu_error *error);
void commit_free(commit *c);
/* Fills the rest of a zeroed commit from its `bytes`, which any program may have made; false where they are none. */
bool commit_parse(commit *c);

/* Told about a commit; a non-zero answer ends the walk and is returned. */
typedef int32_t (*commit_fn)(void *context, const commit *c);

/* Visits the commits that lead to `from`, newest first by committer time. path: only those that changed this file or folder
 * against each of their parents, sides of a merge that did not being left out, as `git log -- path` does; NULL: all. also: a second
 * path, or NULL; a commit that changed either of them counts. */
int32_t commit_walk(objects *o, const object_id *from, const char *path, const char *also, commit_fn visit,
                    void *context, quipu_error *error);
/* The newest commit along first parents whose committer time is at or before `time`; NOT_FOUND where all are later. */
int32_t commit_at_time(objects *o, const object_id *from, int64_t time, object_id *out, quipu_error *error);

#endif
