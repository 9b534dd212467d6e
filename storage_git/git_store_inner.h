/*
 * git_store_inner.h - what git_store.c and git_merge.c share.
 */
#ifndef STORAGE_GIT_GIT_STORE_INNER_H
#define STORAGE_GIT_GIT_STORE_INNER_H

#include "git_store.h"
#include "late_sync.h"

#include <pthread.h>

struct git_store {
    char *path;
    char *private_folder;
    char *pack_folder;
    objects *objects;
    git_store_options options;
    late_sync *late; /* where options.durable is off; else NULL */
    int lock_fd;
    pthread_mutex_t
        writer;      /* one transaction at a time within the process; the file's lock does it between processes */
    work_tree *tree; /* of commit tree_of; what it loaded is kept for the next transaction */
    object_id tree_of;
    int64_t tree_time; /* committer time of tree_of */
};

struct git_transaction {
    git_store *store;
    pack_writer *pack;
    char *branch;   /* "refs/heads/main": what HEAD named at begin */
    object_id base; /* the branch at begin */
    object_id head;
    int64_t head_time;
    char fetched[PACK_NAME_SIZE]; /* a pack that git_transaction_fetch published, still under its keep; "": none */
};

/* Loads the tree of t->head, unless it is still there from the last transaction. */
int32_t git_transaction_prepare(git_transaction *t, quipu_error *error);
/* Opens the file that processes lock. In a store opened damaged a socket in its place is no error: there is no lock until the repair has
 * set it aside and opens again. */
int32_t git_store_open_lock(git_store *s, quipu_error *error);
/* Takes both locks of a writer, clears what killed ones left; and gives them back. */
int32_t git_store_lock(git_store *s, const quipu_call *call, quipu_error *error);
void git_store_unlock(git_store *s);

#endif
