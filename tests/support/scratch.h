/*
 * scratch.h - a folder for one test, and stock git run in it.
 */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include <stddef.h>

/* Makes an empty folder below $TMPDIR or /tmp; `path` receives its name. */
void scratch_make(char path[128]);
/* Removes it with all it holds. */
void scratch_remove(const char *path);
/* Runs `git -C folder ARGUMENTS`, without the user's settings; its exit status. `output` (or NULL) receives what it printed to
 * stdout and stderr, cut to `size` bytes with a NUL byte. */
int scratch_git(const char *folder, char *output, size_t size, const char *arguments, ...)
    __attribute__((format(printf, 4, 5)));
/* 0 when `git fsck --strict` finds nothing to say. */
int scratch_fsck(const char *folder);

#endif
