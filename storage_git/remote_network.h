/*
 * remote_network.h - what a remote is; the configuration of remotes, and those that are reached through libgit2. For remote.c, which has
 * the others. It stands apart from git_store.h, because libgit2 has transactions of its own.
 */
#ifndef STORAGE_GIT_REMOTE_NETWORK_H
#define STORAGE_GIT_REMOTE_NETWORK_H

#include "network_wait.h"
#include "object_id.h"

typedef struct remote {
    char *name;     /* NULL: it was given as a place, not by name */
    char *url;      /* as it was given or is configured, but without password, and for http without user */
    char *shown;    /* the same for messages, without user */
    char *user;     /* what the address names; NULL: nobody */
    char *password; /* likewise; "": a token alone, as the user */
    char *folder;   /* the repository's folder; NULL: not on this machine */
} remote;

/* The place that the repository's configuration has under a name, for the caller to free; NULL where it has none. */
int32_t network_url(const char *repository, const char *name, char **out, quipu_error *error);
int32_t network_remember(const char *repository, const char *name, const char *url, quipu_error *error);
/* As remote_fetch and remote_push of remote.h. */
int32_t network_fetch(const char *repository, const remote *r, const char *branch, const remote_call *how,
                      object_id *tip, quipu_error *error);
int32_t network_push(const char *repository, const remote *r, const char *branch, const remote_call *how, bool *refused,
                     quipu_error *error);

#endif
