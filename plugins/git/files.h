/*
 * files.h - a record as it lies in a tree: one file, or for a record of kind "file" two.
 *
 * Such a record is its JSON without `text` at the ordinary path, and its text, byte for byte, at "files/<id>": so `git diff` and an
 * editor read it as what it is. Its id is "<scope>/<path>" (plugin_api/quipu/record.h). Everything that reads or writes
 * records of a tree goes through here, and sees one record, whose version is that of its whole canonical form.
 *
 *   JSON with `text`, no file     one of an older store, or one whose path cannot be: it stays valid
 *   JSON without `text`, no file  a record without text
 *   JSON and file                 the file's bytes are the text
 *   a file alone                  a record made by hand: id and scope from the path, no times
 *
 * A file that is no UTF-8, too large, at a path that no id leads to, or whose id is that of a record of another kind is set aside.
 */
#ifndef PLUGINS_GIT_FILES_H
#define PLUGINS_GIT_FILES_H

#include "backend.h"

#define FILES_FOLDER "files"

/* Appends the path of the text; false where an id cannot have one: it names no file in a folder. */
bool file_path(quipu_str id, buffer *out);
/* Appends the id that the path of a text belongs to; false where it is none that file_path makes. */
bool file_path_id(const char *path, buffer *out);
bool is_file_path(const char *path);
bool record_may_have_file(quipu_str id);
/* Whether a path below records/ may be of a record that has a second file. */
bool may_have_file(const char *record_path);

/* Where records are read: in a commit's tree, or (t) in a transaction as it stands. */
typedef struct record_place {
    objects *objects;
    object_id tree;
    git_transaction *t;
    edits *edits; /* by what time they were changed (edits.h); NULL: as the files have it */
    int64_t time; /* of the commit; INT64_MAX: of the present */
} record_place;

/* What lies under an id. */
typedef struct stored {
    record *record;       /* NULL: none */
    object_id json, text; /* the files; none */
    bool json_bad;        /* there is one, and it is no record of that path */
    bool text_bad;        /* likewise: it is set aside */
} stored;

/* A commit's place, with what is known of edits that lead to it; of none an empty one (view_follow.c). */
int32_t view_place(quipu_backend *self, const object_id *commit_id, record_place *out, quipu_error *error);

int32_t stored_read(const record_place *p, quipu_str id, stored *out, quipu_error *error);
/* The id of the record at a path below records/, by what lies there where a long name is cut. *id: empty before, and afterwards where
 * nothing tells it. */
int32_t stored_id(const record_place *p, const char *path, buffer *id, quipu_error *error);
/* Whether the JSON of a record is the same in two trees, or in neither: then its text alone may have changed. */
int32_t stored_same_json(const record_place *a, const record_place *b, quipu_str id, bool *same, quipu_error *error);
void stored_free(stored *s);

/* ---- changes.c ---- */

/* Told of a record that two places hold differently. The states are the caller's, but a record may be taken out of them. A non-zero
 * answer ends it and is returned. */
typedef int32_t (*record_change_fn)(void *context, quipu_str id, stored *before, stored *after);

typedef struct record_changes {
    record_place from, to; /* of the same objects */
    record_change_fn visit;
    void *context;
    quipu_error *error;
} record_changes;
int32_t record_changes_all(const record_changes *c);
/* Of one id alone. */
int32_t record_changes_one(const record_changes *c, quipu_str id);

/* ---- files.c again ---- */

/* Puts a record, or takes it away, with the files that it has. format.c raises the store's format where it has to. */
int32_t stored_put(git_transaction *t, const quipu_record *r, quipu_error *error);
/* before: what lies there now. */
int32_t stored_delete(git_transaction *t, quipu_str id, const stored *before, quipu_error *error);

#endif
