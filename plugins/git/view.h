/* view.h - the inside of a view, shared by view*.c and catalogue.c. */
#ifndef PLUGINS_GIT_VIEW_H
#define PLUGINS_GIT_VIEW_H

#include "files.h"

#include <storage_git/object_reader.h>

/* So many changes are worth a save: while running, and at close. */
enum { SAVE_EVERY = 512, WORTH_SAVING = 64 };

struct view {
    int references;
    pthread_mutex_t lock; /* held while it is caught up or saved */
    record_index *index;
    object_id at;
    char **aside; /* paths */
    size_t aside_count;
    bool past; /* a fork of the present one: its versions may be in the index already */
};

/* An empty one. beside (may be NULL): an index whose vectors it uses. */
int32_t view_new(quipu_backend *self, record_index *beside, view **out, quipu_error *error);
view *view_hold(view *v);
/* One that holds the same and becomes a view of the past. With from->lock held. */
int32_t view_fork(view *from, view **out, quipu_error *error);
/* Puts another view (or none) in the place of the present one, if that is `old` still. */
void view_replace(quipu_backend *self, view *old, view *fresh);

/* ---- view_follow.c ---- */

/* With v->lock held. After a failure the view may be anywhere between the two: it must be given up. */
int32_t view_go_to(quipu_backend *self, view *v, const object_id *to, quipu_error *error);
/* The tree of a commit; none of none. */
int32_t view_tree(quipu_backend *self, const object_id *commit_id, object_id *out, quipu_error *error);

/* ---- view_files.c ---- */

/* A file that two trees hold differently. */
typedef struct view_file {
    const char *path;
    object_id before, after; /* none: not there */
    uint64_t place;          /* of what is there after (object_reader.h) */
    record *record;          /* what that is; NULL: no record of this path */
} view_file;

/* Reads records, as they count in `in`, on several threads: of the first files, until they take much memory; *done: how many. The records are the caller's, in
 * failure too. Errors: as objects_read, NO_MEMORY. */
int32_t view_read_files(object_reader *reader, const record_place *in, view_file *files, size_t count, size_t *done,
                        quipu_error *error);
/* Reads one; *out: NULL where the blob is no record of that path. bytes: room to read it in. */
int32_t view_read_blob(object_reader *reader, const object_id *blob, uint64_t place, const char *path, buffer *bytes,
                       record **out, quipu_error *error);

/* ---- view_pairs.c ---- */

/* The way of records that may be two files from one tree to another. */
typedef struct pair_follow {
    view *view;
    record_place from, to;
    bool any; /* either tree has a folder of files: set by pair_follow_begin */
    quipu_error *error;
} pair_follow;

int32_t pair_follow_begin(pair_follow *f);
/* *done: the JSON file that changed is of such a record, which was followed as a whole. */
int32_t pair_follow_json(const pair_follow *f, const tree_change *change, bool *done);
/* What lies under an id in the tree that is gone to. */
int32_t pair_follow_id(const pair_follow *f, quipu_str id);
/* Those of which the text alone changed. */
int32_t pair_follow_texts(pair_follow *f);

/* ---- catalogue.c ---- */

/* A view of what was saved; not QUIPU_OK where there is nothing good. now (may be NULL): the view whose place it takes. */
int32_t catalogue_load(quipu_backend *self, view *now, view **out);
bool catalogue_is_there(quipu_backend *self);
/* True where another process has saved a state that is newer than this view. */
bool catalogue_is_nearer(quipu_backend *self, const view *v);
/* Saves a view, if it has learned as much as `worth` and no other process is at it. With its lock held. False: others have saved what the
 * view does not stand on; one that is loaded anew can be saved. */
bool catalogue_save(quipu_backend *self, view *v, uint64_t worth);
/* What was saved is not to be used again. */
void catalogue_drop(quipu_backend *self);
/* In the middle of a bulk: writes what is in memory to files. *writer: NULL at first; kept until catalogue_spill_end. */
void catalogue_spill(quipu_backend *self, view *v, derived_writer **writer);
void catalogue_spill_end(quipu_backend *self, view *v, bool good, derived_writer *writer);

#endif
