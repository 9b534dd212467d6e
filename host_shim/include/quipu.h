/*
 * quipu.h - libquipu: memory for an agent host, on any backend.
 *
 *     quipu_options options = { .struct_size = sizeof options, .store = { "/tmp/s", 6 } };
 *     quipu_error error = { .struct_size = sizeof error };
 *     quipu *q;
 *     if (quipu_open(&options, &q, &error) != QUIPU_OK) { puts(error.message); return 1; }
 *     quipu_put_json(q, &json, NULL, NULL, NULL, &error);
 *     quipu_search_json(q, &request, sink, NULL, NULL, &error);
 *     quipu_close(q);
 *
 * A handle may be used by any number of threads at once. quipu_close waits for calls that are under way. All structs obey the rules of
 * quipu/base.h; a NULL quipu_error or quipu_call is legal everywhere. Every function marked [may-block] takes a quipu_call.
 *
 * After fork(2) every call on a handle of the parent answers QUIPU_E_FORKED. To go on in the child, quipu_close the old handle
 * (that only frees memory) and quipu_open a new one; where a loaded plugin does not claim QUIPU_PLUGIN_FORK_SAFE, the new
 * open answers QUIPU_E_FORKED as well, and the child has to exec.
 */
#ifndef QUIPU_H
#define QUIPU_H

#include <quipu/backend.h>
#include <quipu/base.h>
#include <quipu/change.h>
#include <quipu/embedder.h>
#include <quipu/error.h>
#include <quipu/ext/branches.h>
#include <quipu/ext/history.h>
#include <quipu/ext/maintain.h>
#include <quipu/ext/migrate.h>
#include <quipu/ext/sync.h>
#include <quipu/ext/vectors.h>
#include <quipu/ext/verify.h>
#include <quipu/extensions.h>
#include <quipu/host.h>
#include <quipu/plugin.h>
#include <quipu/query.h>
#include <quipu/record.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define QUIPU_API __attribute__((visibility("default")))
#else
#define QUIPU_API
#endif

typedef struct quipu quipu; /* a store with its active backend */

/* Called for each line of the log; see quipu_log_service. */
typedef void (*quipu_log_fn)(void *context, uint32_t level, const quipu_str *component,
                             const quipu_str *message) QUIPU_NOEXCEPT;
/* Answers with a service's table by its id (host.h), or NULL to let libquipu answer. */
typedef const void *(*quipu_service_fn)(void *context, const quipu_str *id) QUIPU_NOEXCEPT;

/* Everything is borrowed for the call of quipu_open, save the functions and their context: the caller's until quipu_close. */
typedef struct quipu_options {
    uint32_t struct_size;
    uint32_t flags; /* QUIPU_OPEN_* */
    quipu_str
        store; /* the store's folder; absent: $QUIPU_STORE, else $XDG_DATA_HOME/quipu, else ~/.local/share/quipu */
    quipu_str backend;         /* a backend's name; absent: what the store was made with, else "git" */
    quipu_str backend_config;  /* JSON object for the backend; absent: what the store was made with */
    quipu_str embedder;        /* an embedder's name; "none"; absent: what the store was made with, else none */
    quipu_str embedder_config; /* JSON object for the embedder */
    quipu_str
        plugin_path; /* folders, separated by ':'; absent: $QUIPU_PLUGIN_PATH, then beside the program, then <prefix>/lib/quipu/plugins */
    quipu_str author;          /* who acts, where a call does not say; absent: "quipu" */
    quipu_str source;          /* the program that acts, as "my-agent/1.2"; absent: "libquipu/VERSION" */
    quipu_log_fn log;          /* or NULL: warnings and errors go to stderr */
    quipu_service_fn services; /* or NULL: offers further services to plugins, "quipu.complete/1" for one */
    void *context;             /* for log and services */
} quipu_options;

/* What a write needs to know besides the records. NULL in place of it: all defaults. */
typedef struct quipu_write_options {
    uint32_t struct_size;
    uint32_t flags;      /* QUIPU_WRITE_* */
    quipu_str author;    /* absent: that of quipu_options */
    quipu_str operation; /* absent: "add" where every id is new to the caller, "delete" for deletions, else "update" */
    quipu_str note;
    quipu_str user, agent, session, app; /* scope for records that do not name one, field by field */
    uint8_t change_id[16]; /* all zeros: libquipu makes one. To send again after QUIPU_E_UNCERTAIN, give the same one */
} quipu_write_options;

#define QUIPU_WRITE_UPSERT 1u /* a record that names no id takes the one derived from its scope, category and key */

/* One step of a write. */
typedef struct quipu_write {
    uint32_t struct_size;
    uint32_t op;     /* QUIPU_CHANGE_PUT, QUIPU_CHANGE_DELETE or QUIPU_WRITE_PATCH */
    uint32_t expect; /* QUIPU_EXPECT_* */
    uint32_t reserved;
    quipu_str id;               /* of a delete or patch; of a put: absent, or equal to the JSON's */
    quipu_str expected_version; /* with QUIPU_EXPECT_VERSION */
    quipu_str json; /* of a put: the record; of a patch: a JSON Merge Patch (RFC 7396) to the stored record, which is
                                 * read, changed and put back by compare-and-swap, again where somebody was faster */
} quipu_write;

#define QUIPU_WRITE_PATCH 100u

/* Told about each record that a write stored or deleted, in order; everything is borrowed for the call. record: NULL for a delete. */
typedef void (*quipu_written_fn)(void *context, uint64_t index, const quipu_str *id,
                                 const quipu_record *record) QUIPU_NOEXCEPT;

/* The release of libquipu, as "0.1.0". [any-thread] [fast] */
QUIPU_API const char *quipu_version(void);
/* The name and the text of a code of error.h; never NULL. [any-thread] [fast] */
QUIPU_API const char *quipu_error_name(int32_t code);
QUIPU_API const char *quipu_error_text(int32_t code);

/* ---- a store ---- */

/* Opens a store, or makes it. A store that was swapped away leads to the one that took over, unless `backend` names its own: so the old
 * one can be read, and writing to it is answered with QUIPU_E_MOVED. [any-thread] [may-block]
 * out: handed over, ended with quipu_close; NULL on failure. Errors: NOT_FOUND (no such backend, field "backend"; no such store),
 * PLUGIN and ABI (every fault in the log, the first in the message), and those of the backend's open. */
QUIPU_API int32_t quipu_open(const quipu_options *options, quipu **out, quipu_error *error);
/* Waits for calls under way, makes everything durable, frees. NULL is nothing to do. [any-thread] [may-block]
 * Not from inside a visitor or sink of the same handle: that call would wait for itself. The handle is gone whatever is answered. Errors: IO, FULL. */
QUIPU_API int32_t quipu_close(quipu *q, quipu_error *error);
/* The name of the active backend, and the store's folder; the handle's until quipu_close, also after a swap. [any-thread] [fast] */
QUIPU_API const char *quipu_backend_name(quipu *q);
QUIPU_API const char *quipu_store_path(quipu *q);

/* ---- another backend in its place ---- */

#define QUIPU_SWAP_DROP_HISTORY 1u /* the new backend keeps no history, or not in this way: go on without it */
#define QUIPU_SWAP_VOLATILE 2u /* the new backend keeps nothing on the disk: go on, and set no fence in the old store */
#define QUIPU_SWAP_TRIAL 4u    /* do everything but switch; a later swap to the same place begins with what is there */

typedef struct quipu_swap_options {
    uint32_t struct_size;
    uint32_t flags;           /* QUIPU_SWAP_* */
    quipu_str backend;        /* the new backend's name */
    quipu_str backend_config; /* JSON object with its settings; absent: all defaults */
    quipu_str store;   /* its folder, not there or empty; absent: beside the old one, with ".BACKEND" at its end */
    uint64_t samples;  /* searches to compare; 0: 16; at most 1,000 */
    uint64_t drain_ms; /* how long calls inside the old backend are waited for after the switch; 0: 30,000 */
} quipu_swap_options;

#define QUIPU_SWAPPED_FENCED 1u    /* other processes that write to the old store are told where to go */
#define QUIPU_SWAPPED_HISTORY 2u   /* the history came along, revision by revision */
#define QUIPU_SWAPPED_RELOADED 4u  /* the same store and backend, with the plugin file as it is now */
#define QUIPU_SWAPPED_LINGERS 8u   /* calls are still inside the old backend; it is closed with the handle */
#define QUIPU_SWAPPED_TRIAL 16u    /* nothing was switched */
#define QUIPU_SWAPPED_RETURNED 32u /* the new store is one that had been left for this one: its fence is gone */

/* What became of it. Lent by the caller with struct_size set; filled on success. */
typedef struct quipu_swap_report {
    uint32_t struct_size;
    uint32_t flags;     /* QUIPU_SWAPPED_* */
    uint64_t records;   /* in both, and equal */
    uint64_t revisions; /* that were replayed */
    uint64_t written;   /* records that were copied or deleted in the new store, beside those of revisions */
    uint64_t late;      /* records that were looked at again, because they were written meanwhile */
    uint64_t searches;  /* that were compared */
    uint64_t agreement; /* of their ten best results, how many of a thousand both found */
    int64_t waited_ns;  /* how long writers were held back, in the last attempt */
    int64_t took_ns;    /* all of it */
    char digest[72];    /* as of quipu_digest; 64 digits and a NUL byte */
    quipu_str backend;  /* the new one's name and folder; the handle's until quipu_close */
    quipu_str store;
} quipu_swap_report;

/* How far it came. phase, borrowed for the visit: "testing", "opening", "history", "copying", "catching up", "verifying", "searching",
 * "switching", "draining". total: 0 where it is not known. */
typedef struct quipu_swap_progress {
    uint32_t struct_size;
    uint32_t reserved;
    quipu_str phase;
    uint64_t done;
    uint64_t total;
} quipu_swap_progress;

/* Answers 0 to go on; anything else gives the swap up before it has switched, with QUIPU_E_CANCELLED. Others may be waiting meanwhile: it
 * writes nothing to the store, and waits for nobody who does. */
typedef int32_t (*quipu_swap_fn)(void *context, const quipu_swap_progress *progress) QUIPU_NOEXCEPT;

/* Exchanges the backend while other threads go on calling: tries the new one on a scratch store, copies, carries over what is written
 * meanwhile, compares every record and some searches, sets the fence in the old store, switches. Where anything is in doubt, the old one
 * stays in place, and the error says why. Readers never wait for it; writers do for the last few records. [any-thread] [may-block]
 * The backend that is active already, with `store` absent: the plugin file is looked at anew, and the same store is opened by it.
 * Not from inside a visitor or lease of the same handle, and one at a time. Cursors of the old backend may mean nothing to the new one.
 * progress, report: or NULL. Errors: INVALID; NOT_FOUND (no such backend); EXISTS (field "store": something else is there already);
 * UNSUPPORTED (field "history": the history would stay behind; field "backend": nothing would be kept; see the flags); READ_ONLY;
 * BUSY (another swap, or others write all the time); MOVED; CONFLICT and CORRUPT (the two do not agree; the message says on what);
 * TOO_LARGE (a record does not fit into the new backend); FULL; IO; TIMEOUT; CANCELLED; and those of the new backend's open. */
QUIPU_API int32_t quipu_swap(quipu *q, const quipu_swap_options *options, quipu_swap_fn progress, void *context,
                             quipu_swap_report *report, const quipu_call *call, quipu_error *error);

/* What shadow mode has learned. Lent by the caller with struct_size set. Times are of whole calls, to an eighth. */
typedef struct quipu_shadow_report {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t writes; /* calls that were made to both: of apply, */
    uint64_t gets;
    uint64_t scans; /* without a cursor: that of one backend means nothing to the other */
    uint64_t searches;
    uint64_t apart;     /* of all these, how many were answered otherwise by the second backend */
    uint64_t unsure;    /* reads that were not compared, because a write came in between */
    uint64_t agreement; /* of a thousand results of searches, how many both found */
    int64_t read_p50_ns;
    int64_t read_p99_ns;
    int64_t write_p50_ns;
    int64_t write_p99_ns;
    int64_t shadow_read_p50_ns;
    int64_t shadow_read_p99_ns;
    int64_t shadow_write_p50_ns;
    int64_t shadow_write_p99_ns;
    char first[256]; /* the first call that was answered otherwise, in words; "" */
} quipu_shadow_report;

/* Fills and compares a second backend as quipu_swap does, and then, in place of the switch, makes every call to both: the active one
 * answers, the second one is compared with it. Calls take as long as both together, and writes go one after the other; what the second
 * one does never shows. [any-thread] [may-block]
 * Ended by quipu_shadow_end; a quipu_swap to the same store takes what is there, and copies what differs. Parameters and errors as of
 * quipu_swap; QUIPU_SWAP_TRIAL is refused. */
QUIPU_API int32_t quipu_shadow_begin(quipu *q, const quipu_swap_options *options, quipu_swap_fn progress, void *context,
                                     quipu_swap_report *report, const quipu_call *call, quipu_error *error);
/* What is known so far, and at the end. [any-thread] [may-block] report: of the second one, or NULL. Errors: STATE (it is not on), BUSY. */
QUIPU_API int32_t quipu_shadow_read(quipu *q, quipu_shadow_report *report, quipu_error *error);
QUIPU_API int32_t quipu_shadow_end(quipu *q, quipu_shadow_report *report, quipu_error *error);

/* A digest over the id and version of every record, also of those that have expired: equal for equal stores, whatever the backend. The
 * sum modulo 2^256 of the SHA-256 of (id, a NUL byte, version), as 64 hexadecimal digits and a NUL byte. [any-thread] [may-block]
 * count: receives the number of records; or NULL. */
QUIPU_API int32_t quipu_digest(quipu *q, char digest[72], uint64_t *count, const quipu_call *call, quipu_error *error);

/* ---- calls through the slot, as backend.h has them ---- */

QUIPU_API int32_t quipu_apply_set(quipu *q, const quipu_change_set *set, quipu_receipt *receipt, const quipu_call *call,
                                  quipu_error *error);
QUIPU_API int32_t quipu_get_record(quipu *q, const quipu_get *query, quipu_hit_fn visit, void *context,
                                   const quipu_call *call, quipu_error *error);
QUIPU_API int32_t quipu_scan_records(quipu *q, const quipu_scan *query, quipu_hit_fn visit, void *context,
                                     const quipu_call *call, quipu_error *error);
QUIPU_API int32_t quipu_search_records(quipu *q, const quipu_search *query, quipu_hit_fn visit, void *context,
                                       const quipu_call *call, quipu_error *error);
QUIPU_API int32_t quipu_read_stats(quipu *q, quipu_stat_fn visit, void *context, const quipu_call *call,
                                   quipu_error *error);
/* Vectors that are still to be made (quipu/ext/vectors.h), by the embedder that the handle has. [any-thread] [may-block]
 * Errors: UNSUPPORTED (the backend keeps none, or there is no embedder), and those of the extension. */
QUIPU_API int32_t quipu_read_vectors(quipu *q, quipu_vectors_state *out, const quipu_call *call, quipu_error *error);
QUIPU_API int32_t quipu_embed_pending(quipu *q, quipu_vectors_fn progress, void *context, const quipu_call *call,
                                      quipu_error *error);
/* The model of the embedder that the handle has: id and dimension; its texts are the handle's until quipu_close. [any-thread] [fast]
 * out: lent with struct_size set. Errors: UNSUPPORTED (field "embedder": there is none), and those of the embedder. */
QUIPU_API int32_t quipu_read_model(quipu *q, quipu_model *out, quipu_error *error);
/* Turns texts, an array of quipu_str, into vectors by it; one visit a text, in any order. [any-thread] [may-block]
 * purpose: QUIPU_EMBED_PASSAGE or QUIPU_EMBED_QUERY. Errors: as above, and INVALID, NETWORK, TIMEOUT, CANCELLED. */
QUIPU_API int32_t quipu_embed_texts(quipu *q, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit,
                                    void *context, const quipu_call *call, quipu_error *error);
/* Makes the embedder that the handle was opened with, and its settings, those of the store, which later opens take. [any-thread] [may-block]
 * Until then a store answers by the embedder that it was made with. Errors: READ_ONLY, DENIED, IO, FULL. */
QUIPU_API int32_t quipu_keep_embedder(quipu *q, quipu_error *error);
QUIPU_API int32_t quipu_flush(quipu *q, const quipu_call *call, quipu_error *error);

/* Holds the active backend still while the caller uses it directly (for extensions). Every enter needs its leave, by the same
 * thread, soon: a swap waits for it. [any-thread] [fast] Errors: FORKED, STATE. */
typedef struct quipu_lease {
    uint32_t struct_size;
    uint32_t reserved;
    const quipu_backend_api *api;
    quipu_backend *self;
    void *token;
} quipu_lease;
QUIPU_API int32_t quipu_enter(quipu *q, quipu_lease *lease, quipu_error *error);
QUIPU_API void quipu_leave(quipu *q, quipu_lease *lease);

/* Fills a change set with what every one needs: a fresh change id, the time, author, source of the handle. For revert and restore of
 * history/1, and for own sets. `options` may be NULL. The texts are borrowed from the options and the handle. [any-thread] [fast] */
QUIPU_API int32_t quipu_change_set_begin(quipu *q, const quipu_write_options *options, quipu_change_set *set,
                                         quipu_error *error);

/* ---- records as JSON ---- */

/* Writes several records as one change set: each is checked, made canonical, given id and times where it has none.
 * writes: an array of quipu_write. written: or NULL. receipt: or NULL. [any-thread] [may-block]
 * Errors: INVALID (field, index), and those of the backend's apply. */
QUIPU_API int32_t quipu_write_records(quipu *q, const quipu_array *writes, const quipu_write_options *options,
                                      quipu_written_fn written, void *context, quipu_receipt *receipt,
                                      const quipu_call *call, quipu_error *error);

/* Writes many change sets in order, each atomic and a revision of its own, with one round of syncs for many of them where the backend
 * has migrate/1. Stops at the first that fails. [any-thread] [may-block]
 * groups: an array of quipu_array, each one as `writes` above, without QUIPU_WRITE_PATCH; all are made ready from what is stored
 * when the call begins. options: for each of them; from its change id, where it has one, each set derives its own by its place.
 * receipts: as many of sizeof(quipu_receipt), the first *done are filled; or NULL. done: how many sets are stored, also on
 * failure: the error is that of set *done; its index counts within that set. Errors: as above. */
QUIPU_API int32_t quipu_write_sets(quipu *q, const quipu_array *groups, const quipu_write_options *options,
                                   quipu_receipt *receipts, uint64_t *done, const quipu_call *call, quipu_error *error);

/* The commonest case of it: one record, {"text":"...", ...}. id: receives the id and a NUL byte; or NULL. */
QUIPU_API int32_t quipu_put_json(quipu *q, const quipu_str *json, const quipu_write_options *options,
                                 char id[QUIPU_ID_MAX + 1], const quipu_call *call, quipu_error *error);

/* Questions as JSON objects, answers as one line of JSON to the sink. [any-thread] [may-block]
 * search: {"query","scope","filter","k" (10),"mode","as_of","explain","include_expired","now","receipt",
 *          "recency","importance","half_life_days"} ->
 *         {"results":[{"id","score","text","scope","actor","kind","created_at",...,"version","components"?}],"receipt"?}
 *         recency, importance, half_life_days: weights, as quipu_search has them;
 *         now: the moment (RFC 3339) by which expiry and age are judged; receipt: true adds one, as quipu_replay_json takes it
 * list:   {"scope","filter","limit" (100),"cursor","order" ("newest"),"as_of","include_expired"} ->
 *         {"results":[record + "version"],"cursor"?}
 * get:    {"id","scope","filter","as_of","include_expired"} -> the record + "version"
 * An unknown member is refused by name. */
QUIPU_API int32_t quipu_search_json(quipu *q, const quipu_str *request, quipu_sink_fn sink, void *context,
                                    const quipu_call *call, quipu_error *error);
QUIPU_API int32_t quipu_list_json(quipu *q, const quipu_str *request, quipu_sink_fn sink, void *context,
                                  const quipu_call *call, quipu_error *error);
QUIPU_API int32_t quipu_get_json(quipu *q, const quipu_str *request, quipu_sink_fn sink, void *context,
                                 const quipu_call *call, quipu_error *error);

/* Asks again what a receipt was made for, of the same revision and moment, and compares. [any-thread] [may-block]
 * receipt: the member "receipt" of a search's answer, or that whole answer. query: the question, where the receipt was kept without
 * its request.query; else absent or NULL. The answer:
 *   {"same":true|false,"results":N,"commit":"..."|null,"differences":[{"rank","before":{"id","version","score"}|null,"after":...}]}
 * Scores count as the same within 1e-6. Without history in the backend the present state is searched.
 * Errors: INVALID (not a receipt; another question), FORMAT (of a newer version), NOT_FOUND (the revision is not in this store),
 * UNSUPPORTED (field "model": the vectors are of another model), and those of a search. */
QUIPU_API int32_t quipu_replay_json(quipu *q, const quipu_str *receipt, const quipu_str *query, quipu_sink_fn sink,
                                    void *context, const quipu_call *call, quipu_error *error);

/* The history, where the backend has history/1. [any-thread] [may-block]
 * log:  {"id","from","limit" (100),"scope"} -> {"revisions":[{"revision","parent","author","time","committed_at","operation","subject",
 *       "source","foreign","message"?}]}, newest first; with a scope only revisions that changed a record of it, without message
 * diff: {"from" (the parent of "to"),"to" ("HEAD"),"id","scope"} ->
 *       {"changes":[{"id","change":"added"|"changed"|"removed","fields":[{"field","before"?,"after"?}],"before"?,"after"?}]}
 * undo: {"revision","scope"} takes back what a revision changed; {"id","as_of","scope"} gives one record the state that it had; as a new
 *       revision -> {"revision","changed"}. options: who and why, as for any write; or NULL
 * Errors: UNSUPPORTED (field "backend": it keeps no history), INVALID (an unknown member, by name), SCOPE (the revision also changed
 * records outside of the scope), CONFLICT (a record has changed since), and those of history/1. */
QUIPU_API int32_t quipu_log_json(quipu *q, const quipu_str *request, quipu_sink_fn sink, void *context,
                                 const quipu_call *call, quipu_error *error);
QUIPU_API int32_t quipu_diff_json(quipu *q, const quipu_str *request, quipu_sink_fn sink, void *context,
                                  const quipu_call *call, quipu_error *error);
QUIPU_API int32_t quipu_undo_json(quipu *q, const quipu_str *request, const quipu_write_options *options,
                                  quipu_sink_fn sink, void *context, const quipu_call *call, quipu_error *error);
/* Figures about the store as one JSON object, as `quipu stats --json` shows them; names in the order of the backend. [any-thread] [may-block] */
QUIPU_API int32_t quipu_stats_json(quipu *q, quipu_sink_fn sink, void *context, const quipu_call *call,
                                   quipu_error *error);

/* A filter from its JSON forms (docs/filters.md); either may be absent. [any-thread] [fast]
 * out: handed over, ended with quipu_filter_free. */
typedef struct quipu_parsed_filter quipu_parsed_filter;
QUIPU_API int32_t quipu_filter_parse(const quipu_str *scope, const quipu_str *expression, quipu_parsed_filter **out,
                                     quipu_error *error);
QUIPU_API const quipu_filter *quipu_filter_get(const quipu_parsed_filter *filter);
QUIPU_API void quipu_filter_free(quipu_parsed_filter *filter);

/* ---- plugins ---- */

#define QUIPU_PLUGIN_ACCEPTED 0u
#define QUIPU_PLUGIN_REFUSED 1u

/* One plugin file, as found in a folder. Texts are borrowed for the visit. */
typedef struct quipu_plugin_info {
    uint32_t struct_size;
    uint32_t state; /* QUIPU_PLUGIN_ACCEPTED, QUIPU_PLUGIN_REFUSED */
    quipu_str path;
    quipu_str id; /* from the ELF note or, once loaded, the entry; absent where neither could be read */
    quipu_str version;
    quipu_str licence;
    uint32_t abi_min;
    uint32_t abi_max;
    uint32_t flags; /* as claimed */
    uint32_t reserved;
    quipu_str backends; /* names, separated by ", "; absent where no code was run */
    quipu_str embedders;
    quipu_str faults; /* every fault, one a line; absent where there is none */
} quipu_plugin_info;

typedef int32_t (*quipu_plugin_fn)(void *context, const quipu_plugin_info *info) QUIPU_NOEXCEPT;

/* Shows every plugin of the search path (as quipu_options.plugin_path; NULL: the default). [any-thread] [may-block]
 * load: 0: read the ELF notes only, no code of a plugin runs; 1: load, check everything, and unload where that is allowed. */
QUIPU_API int32_t quipu_list_plugins(const quipu_str *plugin_path, uint32_t load, quipu_plugin_fn visit, void *context,
                                     quipu_error *error);
/* Checks one file as a loader would, and names every fault. As above with load = 1. */
QUIPU_API int32_t quipu_inspect_plugin(const quipu_str *path, quipu_plugin_fn visit, void *context, quipu_error *error);

#ifdef __cplusplus
}
#endif
#endif
