/*
 * tree_entries.h - the bytes of one git tree object: a sorted run of "<mode> <name>\0<20-byte id>".
 */
#ifndef STORAGE_GIT_TREE_ENTRIES_H
#define STORAGE_GIT_TREE_ENTRIES_H

#include "object_id.h"

#include <base/buffer.h>

typedef struct tree_entry {
    const char *name; /* NUL-terminated, within the tree's bytes */
    size_t name_len;
    const uint8_t *id;
    size_t offset; /* of the entry in the tree */
    size_t len;    /* of the entry */
    bool folder;   /* a tree; else a file, a link or a submodule */
    bool submodule;
} tree_entry;

/* The entry at *offset, which moves past it. False at the end; *damaged is set where the bytes are not a tree. */
bool tree_next(const buffer *tree, size_t *offset, tree_entry *out, bool *damaged);
/* Git's order: by the bytes of the name, a folder's as if it ended with '/'. */
int tree_order(const char *a, size_t a_len, bool a_folder, const char *b, size_t b_len, bool b_folder);
/* The entry of that name; false where there is none. */
bool tree_entry_find(const buffer *tree, const char *name, size_t len, tree_entry *out, bool *damaged);

/* What several edits of a tree left as it was: bytes at its beginning and at its end. All that was edited lies between them. */
typedef struct tree_edits {
    size_t old_len; /* bytes before the first edit */
    size_t head, tail;
} tree_edits;

tree_edits tree_edits_begin(const buffer *tree);
/* Puts an entry in its place, in place of one of the same name; modes 100644 and 40000. edits: NULL where nobody asks for them. */
void tree_entry_put(buffer *tree, const char *name, size_t len, bool folder, const object_id *id, tree_edits *edits);
void tree_entry_remove(buffer *tree, const char *name, size_t len, tree_edits *edits);

/* The length that all entries have, where they have one length and one mode and are in order; else 0. Ids that a clock makes all have one length, and then a
 * name is found by halving, not by a look at each. */
size_t tree_even(const buffer *tree);
/* As tree_entry_find and tree_entry_put. even: what tree_even would tell, or 0 for "not known"; a put keeps it right, a removal does not change it. */
bool tree_even_find(const buffer *tree, size_t even, const char *name, size_t len, tree_entry *out, bool *damaged);
void tree_even_put(buffer *tree, size_t *even, const char *name, size_t len, bool folder, const object_id *id,
                   tree_edits *edits);

/* Appends the instructions (gitformat-pack(5), "Deltified representation") that make `to` out of what it was before the edits. */
void tree_edits_delta(const tree_edits *edits, const buffer *to, buffer *out);
/* The same for two trees of which nothing else is known: entries that both hold are copied. */
void tree_delta(const buffer *from, const buffer *to, buffer *out);

#endif
