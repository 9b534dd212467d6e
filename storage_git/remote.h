/*
 * remote.h - the place of another repository: a folder of this machine, or an address that libgit2 can reach.
 *
 * A folder is read and written by our own means, under the locks of a store. Addresses: https:// and http:// with what credentials.h
 * finds, or the address itself names; git://; ssh:// and host:path likewise, where ~/.ssh/known_hosts has the host's key. Certificates
 * are checked against the system's authorities, or those in the file that GIT_SSL_CAINFO or SSL_CERT_FILE names.
 */
#ifndef STORAGE_GIT_REMOTE_H
#define STORAGE_GIT_REMOTE_H

#include "git_store.h"
#include "remote_network.h"

/* Finds out what `spec` stands for: a name that the configuration knows, else a place. Errors: NOT_FOUND, FORMAT. */
int32_t remote_find(git_store *s, quipu_str spec, remote *out, quipu_error *error);
void remote_free(remote *r);
/* Writes the place into the store's configuration, without password. Errors: INVALID (field "name"), IO. */
int32_t remote_remember(git_store *s, const char *name, const char *url, quipu_error *error);

/* Where a branch of the other repository stands (none: it has no such branch). Of one that is not on this machine, its commits lie in the
 * store afterwards, kept by refs/remotes/. *from: the database to copy them from, for the caller to close, or NULL. */
int32_t remote_fetch(git_store *s, const remote *r, const char *branch, const remote_call *how, objects **from,
                     object_id *tip, quipu_error *error);
/* Lets the other branch lead to `tip`, where that descends from what is there; *refused: it does not. */
int32_t remote_push(git_store *s, const remote *r, const char *branch, const object_id *tip, const remote_call *how,
                    bool *refused, quipu_error *error);

#endif
