/*
 * git_layout.h - the folder of a bare repository: telling what a folder is, and making a new one.
 */
#ifndef STORAGE_GIT_GIT_LAYOUT_H
#define STORAGE_GIT_GIT_LAYOUT_H

#include <quipu/error.h>
#include <stdbool.h>

typedef enum git_layout_state {
    GIT_LAYOUT_MISSING,    /* there is no such folder */
    GIT_LAYOUT_EMPTY,      /* an empty folder, or one in which making a store was cut short */
    GIT_LAYOUT_REPOSITORY, /* a bare repository */
} git_layout_state;

/* Errors: FORMAT (something else is in it: a work tree, other files, a repository of a format that we cannot read), IO. */
int32_t git_layout_inspect(const char *path, git_layout_state *out, quipu_error *error);
/* Makes what is missing of a bare repository; HEAD comes last. A complete one is left as it is. */
int32_t git_layout_make(const char *path, quipu_error *error);
/* The branch that HEAD names, as "refs/heads/main", for the caller to free. Errors: FORMAT (a detached HEAD). */
int32_t git_layout_branch(const char *path, char **out, quipu_error *error);
/* Whether the repository was made by git_layout_make, as its config says, and has no branch yet. Where HEAD names a branch without a
 * commit beside others that have some, HEAD is damaged: it is not new. */
int32_t git_layout_is_ours(const char *path, bool *out, quipu_error *error);

/* Whether the config says that Quipu made it. */
bool git_layout_was_made_by_us(const char *path);
/* Whether there is enough of a repository to look for damage in it: its folder of objects. */
bool git_layout_has_objects(const char *path);
/* The folders that a repository cannot be without; NULL ends the list. */
extern const char *const git_layout_needed[];
/* The config of a new store, in the place of what is there. */
int32_t git_layout_write_config(const char *path, quipu_error *error);

#endif
