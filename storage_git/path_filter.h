/*
 * path_filter.h - which files and folders a commit changed, as a Bloom filter of git's commit-graph (gitformat-commit-graph(5), "BDAT",
 * version 1: 7 hashes, 10 bits a path). It tells "not changed" for certain, "changed" perhaps.
 */
#ifndef STORAGE_GIT_PATH_FILTER_H
#define STORAGE_GIT_PATH_FILTER_H

#include <base/buffer.h>
#include <stdint.h>

enum {
    PATH_FILTER_HASHES = 7,
    PATH_FILTER_BITS = 10,
    PATH_FILTER_MOST = 512 /* paths; where more changed all are "perhaps" */
};

typedef struct path_key {
    uint32_t hashes[PATH_FILTER_HASHES];
    bool any; /* a path that filters know nothing of */
} path_key;

/* len > 0, no '/' at the end. */
void path_key_make(const char *path, size_t len, path_key *out);
/* False: the commit of this filter did not change the path. */
bool path_filter_may_hold(const uint8_t *filter, size_t len, const path_key *key);

/* A path and the folders that it is in, the outermost of them where it lies deep: each must have changed, so "perhaps" is rarely wrong. */
typedef struct path_keys {
    path_key keys[16];
    unsigned count;
} path_keys;

void path_keys_make(const char *path, path_keys *out);
bool path_filter_may_hold_all(const uint8_t *filter, size_t len, const path_keys *keys);

/* The paths that one commit changed. */
typedef struct changed_paths {
    path_key *keys;
    size_t count, capacity;
    buffer last; /* the path before, whose folders are among the keys */
    bool many;   /* more than PATH_FILTER_MOST, or one that filters know nothing of */
    bool failed; /* no memory */
} changed_paths;

/* Adds a file with the folders that it is in. Files come in the order of paths. */
void changed_paths_add(changed_paths *p, const char *path);
/* Appends the filter of what was added, and begins again. */
void changed_paths_finish(changed_paths *p, buffer *out);
void changed_paths_free(changed_paths *p);

#endif
