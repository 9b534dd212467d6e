/*
 * key.h - the key of a service: from the environment, or from a file that nobody else can read. It is in no message.
 */
#ifndef SDK_KEY_H
#define SDK_KEY_H

#include <quipu/error.h>

/* The key in the environment variable `name` or, where `path` is given, in that file, which nobody else may read; *out is NULL where the
 * variable is not set. To be wiped and freed with key_free. Errors: INVALID, DENIED, IO, NO_MEMORY. */
int32_t key_read(const char *name, const char *path, char **out, quipu_error *error);
void key_free(char *key);

#endif
