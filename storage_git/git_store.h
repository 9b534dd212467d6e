/*
 * git_store.h - a bare git repository as a store of files: the whole of what the rest of Quipu sees of git.
 *
 * It knows paths, bytes, commits and one branch; it knows nothing of records. Reading goes through any number of threads;
 * writing through one transaction at a time, over all threads and processes. Stock git may read, push, pack and collect
 * garbage meanwhile.
 *
 * HEAD may be moved to another branch by anybody; each call looks.
 *
 * A transaction, and why a crash at any point loses nothing and shows no half:
 *   begin    takes the store's lock (OFD, dropped by the kernel when the process dies) and reads the branch
 *   commit   builds blobs, trees and a commit in memory; several may follow each other
 *   publish  keep -> pack -> index -> sync of their folder: nothing points at it yet, `git gc` leaves it alone
 *            new value written and synced -> branch moved by compare-and-swap -> sync: the commit point
 *            keep taken away; packs merged where they have become many
 */
#ifndef STORAGE_GIT_GIT_STORE_H
#define STORAGE_GIT_GIT_STORE_H

#include "commits.h"
#include "objects.h"
#include "pack_merge.h"
#include "trees.h"

typedef struct git_store git_store;
typedef struct git_transaction git_transaction;

typedef struct git_store_options {
    bool read_only; /* nothing on the disk is touched */
    bool no_create; /* a missing store is QUIPU_E_NOT_FOUND */
    bool damaged;   /* for git_repair alone: whatever is there is opened, nothing is made, and nothing tidied */
    bool durable;   /* names are synced before an answer, as contents always are; else within 100 ms (late_sync.h) */
    const quipu_call
        *call; /* bounds what opening waits for the store's lock, the caller's until it is open; NULL: 30 seconds */
    const char
        *branch; /* "refs/heads/...", the caller's until close; NULL: the one that HEAD names, whenever it is asked */
} git_store_options;

/* Opens a bare repository, or makes one in a folder that is missing or empty. *made: whether it has no commit yet and was made by Quipu,
 * so that the caller has its first commit to write. Errors: FORMAT (a folder with something else in it), NOT_FOUND, READ_ONLY, IO,
 * CORRUPT (objects of a store, and its branch has no commit), BUSY (the lock was not to be had), TIMEOUT, CANCELLED. */
int32_t git_store_open(const char *path, const git_store_options *options, git_store **out, bool *made,
                       quipu_error *error);
void git_store_close(git_store *s);

objects *git_store_objects(git_store *s);
const char *git_store_path(const git_store *s);
/* The folder for what is derived or private: "<path>/quipu". */
const char *git_store_private(const git_store *s);
/* "refs/heads/main", for the caller to free. Errors: FORMAT (HEAD names no branch). */
int32_t git_store_branch(git_store *s, char **out, quipu_error *error);
/* The commit that the branch is at now, in the view of all processes; none: no commit yet. */
int32_t git_store_head(git_store *s, object_id *out, quipu_error *error);
/* Full or shortened digits, "HEAD", a branch or tag; "~N" after any of them. Errors: NOT_FOUND, INVALID. */
int32_t git_store_resolve(git_store *s, quipu_str spec, object_id *out, quipu_error *error);
/* Syncs what a store that is not durable has put off. */
int32_t git_store_flush(git_store *s, quipu_error *error);
int32_t git_store_figures(git_store *s, pack_figures *out, quipu_error *error);

/* Waits for the other writers; `call` bounds that. Errors: BUSY, TIMEOUT, CANCELLED, READ_ONLY, IO. */
int32_t git_begin(git_store *s, const quipu_call *call, git_transaction **out, quipu_error *error);
/* The commit on which the next one will stand; none: there is none. */
const object_id *git_transaction_head(const git_transaction *t);
/* The commit on which the first one stands: what the branch was at. */
const object_id *git_transaction_base(const git_transaction *t);
/* Reads a file as the transaction has it; *blob: none where there is none, and nothing is appended. */
int32_t git_transaction_read(git_transaction *t, const char *path, object_id *blob, buffer *out, quipu_error *error);
/* Whether a file can be put there: no folder stands in its place, nor a file in the place of a folder that it is in. */
int32_t git_transaction_fits(git_transaction *t, const char *path, bool *fits, quipu_error *error);
int32_t git_transaction_put(git_transaction *t, const char *path, const void *bytes, size_t len, quipu_error *error);
int32_t git_transaction_delete(git_transaction *t, const char *path, quipu_error *error);
/* Makes a commit of what was put and deleted since the last one. */
int32_t git_transaction_commit(git_transaction *t, const commit_words *words, object_id *out, quipu_error *error);

/* ---- what comes from elsewhere: git_merge.c ---- */

/* Copies the commits that lead to `tip` and not to the branch from another repository, and publishes them under a keep, so that the
 * transaction can read them. *count: commits copied. Errors: CORRUPT, IO, TOO_LARGE, TIMEOUT, CANCELLED. */
int32_t git_transaction_fetch(git_transaction *t, objects *from, const object_id *tip, const quipu_call *call,
                              size_t *count, quipu_error *error);
/* Lets the branch lead to a commit that lies in the store. The caller has made sure that it descends from the head. */
int32_t git_transaction_forward(git_transaction *t, const object_id *to, quipu_error *error);
/* Puts a file whose object lies in the store already. */
int32_t git_transaction_put_blob(git_transaction *t, const char *path, const object_id *blob, quipu_error *error);

/* A file that has to be decided about; none: it is not there. */
typedef struct git_merge_file {
    const char *path;
    object_id base, ours, theirs;    /* its three states; ours as the transaction has it */
    object_id base_tree, their_tree; /* for files that belong together */
} git_merge_file;

typedef struct git_merge_rules {
    /* Decides about a file that both sides changed, each to something else: puts or deletes what should be there, or leaves `ours`. */
    int32_t (*decide)(void *context, git_transaction *t, const git_merge_file *file);
    /* Whether `decide` is to be asked about every change that they made to this path, because it may belong together with another; NULL:
     * never. */
    bool (*grouped)(void *context, const char *path);
    void *context;
} git_merge_rules;

typedef enum git_merge_outcome {
    GIT_MERGE_NOTHING, /* the head leads to `theirs` already */
    GIT_MERGE_FORWARD, /* the head stands at `theirs` now; no commit is needed */
    GIT_MERGE_TREES,   /* the files are merged; a commit with `merged` = theirs is to follow */
} git_merge_outcome;

typedef struct git_merge_report {
    git_merge_outcome outcome;
    uint64_t commits; /* of theirs that were new */
    uint64_t files;   /* that are now otherwise than they were, save those that `decide` was asked about */
} git_merge_report;

/* Merges a commit that lies in the store: what only they changed is taken; the rules are asked about the rest. give_up_ours: ours has nothing
 * in it that anybody needs, and where the two have no common history it gives way. */
int32_t git_transaction_merge(git_transaction *t, const object_id *theirs, bool give_up_ours,
                              const git_merge_rules *rules, git_merge_report *out, quipu_error *error);

/* Told about a ref: its whole name. */
typedef int32_t (*git_ref_fn)(void *context, const char *name, const object_id *id);
/* Visits the refs below a prefix as "refs/heads/inbox/", sorted by name. */
int32_t git_store_refs(git_store *s, const char *prefix, git_ref_fn visit, void *context, quipu_error *error);
/* Sets a ref that is at `expected` (none: it must not exist), or with `to` none removes it. *lost: it was not at `expected`. */
int32_t git_store_set_ref(git_store *s, const char *name, const object_id *expected, const object_id *to, bool *lost,
                          quipu_error *error);
/* Lets HEAD name another branch, which must exist. */
int32_t git_store_switch(git_store *s, const char *branch, quipu_error *error);

/* Publishes the commits and ends the transaction. *lost: another program moved the branch meanwhile; nothing was changed, begin
 * again. An error after the commit point is QUIPU_E_UNCERTAIN. */
int32_t git_publish(git_transaction *t, bool *lost, quipu_error *error);
/* Ends it without a trace; NULL is nothing to do. */
void git_abort(git_transaction *t);

#endif
