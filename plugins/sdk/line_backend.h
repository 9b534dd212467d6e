/*
 * line_backend.h - a backend whose history is one line in the tables of a database (line.h): what of it is the same whatever the database.
 *
 * Its `struct quipu_backend` begins with a line_backend, named `base`. The database is reached through line_api alone; the functions here are the
 * slots of backend.h and the extensions history/1, vectors/1, and the writing of migrate/1, or steps of them. Answers come from the
 * index of views.h, one record straight from the tables.
 *
 * Life: line_backend_create; line_backend_begin, then what is the database's own, then line_backend_views; ...; line_backend_save,
 * line_backend_stop, the database's own again, line_backend_let_go; line_backend_free. From _stop on each is fine in any state.
 */
#ifndef SDK_LINE_BACKEND_H
#define SDK_LINE_BACKEND_H

#include <quipu/ext/migrate.h>
#include <quipu/ext/vectors.h>
#include <sdk/embed_thread.h>
#include <sdk/findings.h>
#include <sdk/follow.h>
#include <sdk/line.h>
#include <sdk/recent_ids.h>
#include <sdk/services.h>
#include <sdk/text.h>
#include <sdk/write_queue.h>
#include <sys/types.h>

typedef struct line_backend {
    const quipu_host *host;
    char *folder; /* of the store; NULL: created, not open */
    pid_t pid;    /* that opened it: in a forked child the connections are the parent's */
    uint32_t flags;
    write_queue queue;
    recent_ids unchanged; /* change ids whose sets left everything as it was: under the queue */
    line_store line;      /* the history */
    views *views;
    embed_thread *follower; /* makes vectors; or NULL */
} line_backend;

/* ---- life cycle ---- */

/* An instance of `size` bytes, zeros behind its base. write: is called with the instance. */
int32_t line_backend_create(const quipu_host *host, size_t size, const line_api *api, write_batch_fn write,
                            quipu_backend **out, quipu_error *error);
/* Checks what open was given and remembers it; on failure the instance is as before. */
int32_t line_backend_begin(quipu_backend *self, const quipu_open_params *params, const quipu_call *call,
                           quipu_error *error);
/* The indexes, and where `embeds` and the store may be written the thread that makes vectors. */
int32_t line_backend_views(quipu_backend *self, text_language language, bool embeds, quipu_error *error);
/* What close does first: STATE where nothing is open; saves what was learned. */
int32_t line_backend_save(quipu_backend *self, quipu_error *error);
void line_backend_stop(quipu_backend *self);   /* ends the thread, closes the indexes */
void line_backend_let_go(quipu_backend *self); /* it is not open any more */
void line_backend_free(quipu_backend *self);

/* Struct, state and deadline: what is asked of every call on an open store. */
int32_t line_check_entry(const quipu_backend *self, const quipu_call *call, quipu_error *error);
/* The same of every call that changes something; asks line_api.may_write last. */
int32_t line_check_writable(const quipu_backend *self, const quipu_call *call, quipu_error *error);

/* ---- slots ---- */

int32_t line_apply(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt, const quipu_call *call,
                   quipu_error *error);
int32_t line_get(quipu_backend *self, const quipu_get *query, quipu_hit_fn visit, void *context, const quipu_call *call,
                 quipu_error *error);
int32_t line_scan(quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit, void *context,
                  const quipu_call *call, quipu_error *error);
int32_t line_search(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                    const quipu_call *call, quipu_error *error);

/* The indexes that answer, for what a backend asks of them itself. */
extern const index_owner line_indexes;

/* ---- extensions ---- */

extern const quipu_history_api line_history;
extern const quipu_vectors_api line_vectors;
/* The slot `write` of migrate/1. */
int32_t line_bulk(quipu_backend *self, const quipu_array *sets, quipu_receipt *receipts, uint64_t *done,
                  const quipu_call *call, quipu_error *error);
/* For verify/1: the index against the tables; thrown away where it is wrong and `f` repairs. A store that was opened to be verified gets views for as
 * long: the caller closes the readers that they leave. FINDINGS_ENOUGH as findings_tell. */
int32_t line_verify_index(quipu_backend *self, text_language language, findings *f, const quipu_call *call,
                          quipu_error *error);

#endif
