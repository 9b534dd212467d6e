/*
 * line.h - a history that is one line, as a database keeps it: what history/1, as_of and sdk/views.h need of it.
 *
 * Revisions are numbered from 1 without gaps, states from 1. Each revision made a run of states; a state is one id's, and names the state before
 * it of the same id. A revision's name is a hash, so that a few digits tell it from the others. A backend says how its tables are
 * read (line_api); all else is here: what a revision or time stands for, the record as of then, log, diff, revert and restore, and the way
 * of an index from one revision to another.
 *
 * No reader is held while a visitor runs, so that a bounded pool of them is enough for any number of nested calls.
 */
#ifndef SDK_LINE_H
#define SDK_LINE_H

#include <quipu/backend.h>
#include <quipu/ext/history.h>
#include <sdk/record.h>
#include <sdk/undo.h>
#include <sdk/views.h>

#define LINE_NAME 20u /* bytes of a revision's name */

typedef struct line_reader line_reader; /* the backend's: one connection, used by one thread at a time */

typedef struct line_revision {
    int64_t revision;   /* 0: before the first */
    int64_t last_state; /* the newest state that is of it or of an earlier one */
    int64_t committed_at;
    int64_t records; /* that are there then */
    uint8_t name[LINE_NAME];
} line_revision;

/* A row, borrowed for the visit. */
typedef struct line_state {
    int64_t state; /* 0: the id was never there (line_api.older alone) */
    int64_t revision;
    int64_t previous; /* 0: none */
    quipu_str id;
    quipu_str version; /* its bytes: 20, or none (with a pointer) where the record is gone */
    quipu_str json;    /* absent: the record is gone */
} line_state;

/* Answers QUIPU_OK to go on, LINE_ENOUGH to stop, or a code that the call ends with. `error` is never NULL. */
typedef int32_t (*line_state_fn)(void *context, const line_state *s, quipu_error *error);
/* texts: name and parent are left to the caller. parent: the name of the revision before; all zeros for the first. */
typedef int32_t (*line_revision_fn)(void *context, const line_revision *r, const uint8_t parent[LINE_NAME],
                                    const quipu_revision *texts, quipu_error *error);
enum { LINE_ENOUGH = 1 };

/* How the tables are read. `error` is never NULL. A visitor may call the other functions on the same reader. */
typedef struct line_api {
    uint32_t struct_size;
    const char *component; /* for the log, as "sqlite" */
    int32_t (*take)(quipu_backend *self, const quipu_call *call, line_reader **out, quipu_error *error);
    void (*give)(quipu_backend *self, line_reader *r);
    /* Until it is given back, all that is read is of one moment. */
    int32_t (*snapshot)(line_reader *r, quipu_error *error);
    /* Zeros where there is none. */
    int32_t (*newest)(line_reader *r, line_revision *out, quipu_error *error);
    /* From number `from` down, at most `limit`. */
    int32_t (*revisions)(line_reader *r, int64_t from, uint64_t limit, line_revision_fn visit, void *context,
                         quipu_error *error);
    /* Up to two numbers of revisions whose names lie between the two; *count of them. */
    int32_t (*named)(line_reader *r, const uint8_t from[LINE_NAME], const uint8_t to[LINE_NAME], int64_t numbers[2],
                     unsigned *count, quipu_error *error);
    /* The state of this number; nothing is shown where there is none. */
    int32_t (*state)(line_reader *r, int64_t number, line_state_fn visit, void *context, quipu_error *error);
    /* The newest state of an id that is not past `last_state` (-1: of all), if there is one. */
    int32_t (*state_of)(line_reader *r, quipu_str id, int64_t last_state, line_state_fn visit, void *context,
                        quipu_error *error);
    /* Of the states behind `from` up to `to`: those that are the newest of their id; all of them, in order; for each id with any,
     * the state before the first of them. `newer` may leave out states that are not the newest of all. */
    int32_t (*newer)(line_reader *r, int64_t from, int64_t to, line_state_fn visit, void *context, quipu_error *error);
    int32_t (*replay)(line_reader *r, int64_t from, int64_t to, line_state_fn visit, void *context, quipu_error *error);
    int32_t (*older)(line_reader *r, int64_t from, int64_t to, line_state_fn visit, void *context, quipu_error *error);
    /* The largest number of a state, 0 for none. */
    int32_t (*last_state)(line_reader *r, int64_t *out, quipu_error *error);
    /* The backend's apply. */
    undo_apply_fn apply;
    /* The last word before anything is changed: MOVED. May be NULL. */
    int32_t (*may_write)(const quipu_backend *self, quipu_error *error);
} line_api;

/* A store's; lies in the backend. */
typedef struct line_store {
    const line_api *api;
    quipu_backend *self;
} line_store;

/* A revision's name follows from its change id: looking for one is looking for the other. */
void line_name_of(const uint8_t change_id[16], uint8_t out[LINE_NAME]);

/* The record of a state; NULL where it is gone. What is not the record of its id and version is CORRUPT. */
int32_t line_record(const line_state *s, record **out, quipu_error *error);

/* ---- with a reader ---- */

/* The revision of this number; 0 is the empty one. NOT_FOUND where there is none. */
int32_t line_read(const line_store *l, line_reader *r, int64_t number, line_revision *out, quipu_error *error);
/* What a revision or time stands for (ext/history.h). */
int32_t line_resolve(const line_store *l, line_reader *r, quipu_str spec, line_revision *out, quipu_error *error);
/* The record that was there when `last_state` was the newest one; NULL: none. last_state < 0: now. */
int32_t line_record_at(const line_store *l, line_reader *r, quipu_str id, int64_t last_state, record **out,
                       quipu_error *error);

/* ---- the functions of history/1, once the backend has checked that a store is open (and `call`) ---- */

int32_t line_show(const line_store *l, const quipu_str *spec, quipu_revision_fn visit, void *context,
                  const quipu_call *call, quipu_error *error);
int32_t line_log(const line_store *l, const quipu_log_query *query, quipu_revision_fn visit, void *context,
                 const quipu_call *call, quipu_error *error);
int32_t line_diff(const line_store *l, const quipu_str *from, const quipu_str *to, const quipu_str *id,
                  quipu_difference_fn visit, void *context, const quipu_call *call, quipu_error *error);
int32_t line_revert(const line_store *l, const quipu_str *spec, const quipu_change_set *as, quipu_receipt *receipt,
                    const quipu_call *call, quipu_error *error);
int32_t line_restore(const line_store *l, const quipu_str *id, const quipu_str *as_of, const quipu_change_set *as,
                     quipu_receipt *receipt, const quipu_call *call, quipu_error *error);

/* ---- for views_open: the owner is a `line_store` ---- */

extern const views_owner line_views;

#endif
