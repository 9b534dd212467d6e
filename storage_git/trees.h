/*
 * trees.h - a commit's tree as something that can be changed, and the difference between two of them.
 *
 * A work tree loads only the folders that are touched, and writes only those that changed. Paths are relative, parts
 * separated by '/', none empty, none "." or "..".
 */
#ifndef STORAGE_GIT_TREES_H
#define STORAGE_GIT_TREES_H

#include "objects.h"
#include "pack_writer.h"

typedef struct work_tree work_tree;

/* root: a tree, or none for an empty one. */
int32_t work_tree_create(objects *o, const object_id *root, work_tree **out, quipu_error *error);
void work_tree_free(work_tree *t);
/* Bytes that the loaded folders take; the owner drops a tree that grew too large. */
size_t work_tree_size(const work_tree *t);

/* *blob: the file's object, or none where there is no such file. */
int32_t work_tree_find(work_tree *t, const char *path, object_id *blob, quipu_error *error);
int32_t work_tree_put(work_tree *t, const char *path, const object_id *blob, quipu_error *error);
/* Whether a file can be put there: no part of the path before its last is a file, and the whole is no folder. */
int32_t work_tree_fits(work_tree *t, const char *path, bool *fits, quipu_error *error);
/* Takes folders that become empty away with it. What is not there is nothing to do. */
int32_t work_tree_remove(work_tree *t, const char *path, quipu_error *error);
/* Adds every changed folder to the pack, as the difference to its former version where that is in the same pack. */
int32_t work_tree_write(work_tree *t, pack_writer *pack, object_id *root, quipu_error *error);

/* One file that two trees hold differently; none: not there. */
typedef struct tree_change {
    const char *path;
    object_id before;
    object_id after;
} tree_change;

typedef int32_t (*tree_change_fn)(void *context, const tree_change *change);

/* Visits every file below `prefix` ("" for all; else a folder) that differs between two trees (none: empty), in the order of paths. Below a
 * folder submodules are passed over: what they name is in another repository.
 * A non-zero answer of the visitor ends it and is returned. */
int32_t tree_diff(objects *o, const object_id *from, const object_id *to, const char *prefix, tree_change_fn visit,
                  void *context, quipu_error *error);
/* The file or folder at a path of a tree: its object, or none. */
int32_t tree_find(objects *o, const object_id *root, const char *path, object_id *found, quipu_error *error);
/* The same, but a folder counts as nothing. */
int32_t tree_find_file(objects *o, const object_id *root, const char *path, object_id *blob, quipu_error *error);

#endif
