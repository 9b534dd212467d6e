/*
 * objects.h - reading git objects: from the packs that we have open (pack_table.h), and what lies elsewhere through libgit2 (object_database.h).
 *
 * Packs come and go while we read: we merge them, other processes merge them, `git gc` replaces them. An object that is
 * not found is therefore looked for again in what lies on the disk by then before anybody believes that it is missing, and
 * never believed to be missing while no descriptor can be had.
 */
#ifndef STORAGE_GIT_OBJECTS_H
#define STORAGE_GIT_OBJECTS_H

#include "object_id.h"

#include <base/buffer.h>
#include <quipu/error.h>

typedef struct objects objects; /* any number of threads may read */

/* folder: the repository's "objects". */
int32_t objects_open(const char *folder, objects **out, quipu_error *error);
/* The same where packs may be damaged: one whose index is not sound is left out, for it could end the process. */
int32_t objects_open_careful(const char *folder, objects **out, quipu_error *error);
/* Refuses an index that leads out of its pack, of the packs that are open. Errors: CORRUPT, with what to do. */
int32_t objects_check_offsets(objects *o, quipu_error *error);
void objects_close(objects *o);
/* The packs that are open (pack_table.h), the objects' until close. */
struct pack_table *objects_packs(const objects *o);

/* Appends the object's bytes to `out`. Errors: CORRUPT (missing, damaged, or of another type), IO, NO_MEMORY. */
int32_t objects_read(objects *o, const object_id *id, object_type type, buffer *out, quipu_error *error);
/* Reads an object of any type and compares its bytes with its name. Errors: CORRUPT, IO, NO_MEMORY. */
int32_t objects_read_any(objects *o, const object_id *id, object_type *type, buffer *out, quipu_error *error);
/* The commit whose name begins with these digits (4..40). Errors: NOT_FOUND, INVALID (several, or not a commit). */
int32_t objects_find_commit(objects *o, const char *digits, size_t len, object_id *out, quipu_error *error);
/* Looks at the packs that lie there now, so that files that were unlinked are let go. */
void objects_forget(objects *o);
/* Takes in a pack that was just written, so that nobody has to look for it. */
void objects_add_pack(objects *o, const char *name);
/* Whether, so far as is known, more than `most` packs lie there, or retired ones (pack_retired.h) have had their time. */
bool objects_are_due(objects *o, size_t most);

/* Told about every object of the database. */
typedef int32_t (*objects_each_fn)(void *context, const object_id *id);
int32_t objects_each(objects *o, objects_each_fn visit, void *context, quipu_error *error);

/* Whether there is any object at all. */
int32_t objects_any(objects *o, bool *any, quipu_error *error);

/* Whether git can read the configuration file of a bare repository, and finds there what a store needs; else `fault` says why not. */
bool objects_config_fits(const char *path, char fault[200]);

/* The commit-graph of the database (commit_graph.h), to be given back; NULL where there is none that can be believed. */
struct commit_graph;
const struct commit_graph *objects_graph_take(objects *o);
void objects_graph_give(objects *o, const struct commit_graph *graph);

/* libgit2 may be used between the first and the last of these; they are counted. */
void objects_library_begin(void);
void objects_library_end(void);
/* Whoever calls libgit2 says so first: it begins with the first of these. */
void objects_library_need(void);

#endif
