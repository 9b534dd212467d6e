/* views_inner.h - the inside of views, shared by views*.c. */
#ifndef SDK_VIEWS_INNER_H
#define SDK_VIEWS_INNER_H

#include <sdk/derived.h>
#include <sdk/views.h>

#include <pthread.h>
#include <stdatomic.h>

/* So many changes are worth a save: while running, and at close. */
enum { SAVE_EVERY = 512, WORTH_SAVING = 64, PAST_VIEWS = 4, SPILL_EVERY = 65536 };

struct view {
    atomic_int references;
    pthread_mutex_t lock; /* held while it is caught up or saved */
    views *all;
    record_index *index;
    view_position at;
    bool past;              /* a fork of the present one: its versions may be in the index already */
    uint64_t changes;       /* of the step under way */
    derived_writer *writer; /* of a bulk: what is indexed goes to files on the way; or NULL */
};

struct views {
    const views_owner *api;
    void *owner;
    const quipu_host *host;
    text_language language;
    char *folder;
    bool read_only;
    bool follows;                 /* what was saved was up to date when the store was opened */
    atomic_uint_fast64_t written; /* change sets since then */
    pthread_mutex_t lock;         /* guards the pointers here, not what they lead to */
    view *present;                /* NULL until it is needed */
    view *past[PAST_VIEWS];       /* the latest first */
    derived *files;               /* NULL: none */
    bool bad;                     /* what was saved is damaged */
};

/* An empty one. beside (may be NULL): an index whose vectors it uses. */
int32_t view_new(views *all, record_index *beside, view **out, quipu_error *error);
/* With v->lock held. After a failure the view may be anywhere between the two: it must be given up. */
int32_t view_go(view *v, const view_position *to, quipu_error *error);

/* ---- views_saved.c ---- */

void saved_open(views *all, const char *folder);
/* A view of what was saved; not QUIPU_OK where there is nothing good. now (may be NULL): the view whose place it takes. */
int32_t saved_load(views *all, view *now, view **out);
/* The position that was saved; false where there is none. */
bool saved_position(views *all, view_position *out);
/* True where another process has saved a state that is newer than this view. */
bool saved_is_nearer(views *all, const view *v);
/* Saves a view, if it has learned as much as `worth` and no other process is at it. With its lock held. False: others have saved what the
 * view does not stand on; one that is loaded anew can be saved. */
bool saved_write(views *all, view *v, uint64_t worth);
/* In the middle of a bulk; at its end. */
void saved_spill(view *v);
void saved_spill_end(view *v, bool good);
int32_t saved_forget(views *all, quipu_error *error);

#endif
