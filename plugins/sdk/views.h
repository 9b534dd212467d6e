/*
 * views.h - indexes of a store that has a history: one of the present, kept up to date, and a few of the past.
 *
 * A view is a record_index and the position in the history that it reflects. Before each use the present one is compared with the
 * store and caught up, so that it also shows what other processes have written. It is saved as derived state in a folder
 * that all processes share: opening, or catching up beside a busy writer, maps files and reads the few changes since.
 *
 * Lock order: a view's, then that of `views`. Readers of a view hold neither.
 */
#ifndef SDK_VIEWS_H
#define SDK_VIEWS_H

#include <sdk/record_index.h>

/* A place in the history, as the owner writes it: text with a NUL byte at its end. "": before the first change. */
typedef struct view_position {
    char text[96];
} view_position;

typedef struct view view;
typedef struct views views;

/* What the owner of the history does. All of it is called by any thread. */
typedef struct views_owner {
    uint32_t struct_size;
    const char *component; /* for the log, as "sqlite" */
    /* The newest position. */
    int32_t (*head)(void *owner, view_position *out, quipu_error *error);
    /* Makes the index of `v` reflect `to` in place of `from`, by record_index_put, _remove and, where view_is_past, _revive. Tells each change by
     * view_changed. On failure the view is given up. */
    int32_t (*go)(void *owner, view *v, const view_position *from, const view_position *to, quipu_error *error);
    /* True where a is later than b. */
    bool (*is_later)(void *owner, const view_position *a, const view_position *b);
    /* True where the position, which was saved, is one of this store. */
    bool (*is_known)(void *owner, const view_position *p);
    /* What `as_of` stands for, and when that was committed. Errors: NOT_FOUND, INVALID. */
    int32_t (*resolve)(void *owner, quipu_str as_of, view_position *out, int64_t *committed, quipu_error *error);
} views_owner;

/* folder: of the store; what is saved lies in `folder`/catalogue, vectors beside it. Without it (a store that cannot be written) it costs time, not truth.
 * api, owner and host: the caller's until views_close. */
int32_t views_open(const views_owner *api, void *owner, const quipu_host *host, const char *folder, bool read_only,
                   text_language language, views **out, quipu_error *error);
void views_close(views *all); /* NULL is nothing to do. Every view was given back */

/* The view of the present, up to date, or of `as_of` where it is present; to be given back. *moment (may be NULL): as
 * sdk/follow.h has it. */
int32_t views_take(views *all, quipu_str as_of, view **out, int64_t *moment, quipu_error *error);
void view_give(view *v); /* NULL is nothing to do */
record_index *view_index(view *v);
/* True for a view of the past: what it needs may be in its index already. */
bool view_is_past(const view *v);
/* Told by `go` of each change, so that a bulk goes to files on the way. */
void view_changed(view *v);
/* A new view of one position, from the store alone: for verification. */
int32_t views_fresh(views *all, const view_position *at, view **out, quipu_error *error);

/* Told of change sets that were written: now and then the present view is caught up and saved, so that a writer that reads nothing
 * and is killed leaves little to do. */
void views_written(views *all, uint64_t sets);
/* Saves what was learned, where that is worth it: at close. */
void views_save(views *all);
/* An index has shown damage: neither views nor what was saved are used again. */
void views_distrust(views *all);
/* Throws away what was saved, and the views with it. */
int32_t views_forget(views *all, quipu_error *error);

#endif
