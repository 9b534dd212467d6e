/*
 * backend.h - what a memory backend must do: eleven functions.
 *
 * Life cycle (one box, one state; an arrow, one call):
 *
 *      create          open             close
 *   o---------> created -----> open ---------> created ---> ...
 *                  |             |
 *                  |   destroy   |  destroy is legal from every state and takes NULL
 *                  +------> o <--+  (from open it gives up what flush has not made durable)
 *
 * After fork(2) the child may only destroy, unless the plugin claims QUIPU_PLUGIN_FORK_SAFE (plugin.h).
 * Extension tables are constant from open to close.
 */
#ifndef QUIPU_BACKEND_H
#define QUIPU_BACKEND_H

#include "base.h"
#include "change.h"
#include "error.h"
#include "host.h"
#include "query.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An instance. Defined by the plugin; the host only passes the pointer. */
typedef struct quipu_backend quipu_backend;

#define QUIPU_OPEN_READ_ONLY 1u /* every change answers QUIPU_E_READ_ONLY; nothing on disk is touched */
#define QUIPU_OPEN_NO_CREATE 2u /* a store that is not there is QUIPU_E_NOT_FOUND, not made */
/* Opens also what is too damaged to be opened, for the extension verify/1 alone: other calls but close answer QUIPU_E_STATE. Nothing
 * is made and nothing changed by opening. A backend without verify/1 refuses it, as any flag that it does not know. */
#define QUIPU_OPEN_DAMAGED 4u

typedef struct quipu_open_params {
    uint32_t struct_size;
    uint32_t flags;   /* QUIPU_OPEN_* */
    quipu_str path;   /* absolute path of the store's folder, without NUL */
    quipu_str config; /* a JSON object with the backend's own settings; absent: all defaults. An unknown setting is
                       * refused by name */
} quipu_open_params;

/* The core. Every slot is mandatory. */
typedef struct quipu_backend_api {
    uint32_t struct_size;
    uint32_t flags; /* none defined: 0 */

    /* Makes an instance in state created. [any-thread] [inited] [fast]
     * host: host's until destroy. out: handed over to the host, who ends it with destroy; NULL on failure.
     * Errors: NO_MEMORY. */
    int32_t (*create)(const quipu_host *host, quipu_backend **out, quipu_error *error) QUIPU_NOEXCEPT;

    /* Frees the instance, from any state; NULL is nothing to do. [main-thread] [any-state] [may-block] */
    void (*destroy)(quipu_backend *self) QUIPU_NOEXCEPT;

    /* Opens a store, or makes it. [main-thread] [created] [may-block]
     * Errors: INVALID (field names the setting), NOT_FOUND, FORMAT, READ_ONLY, DENIED, BUSY, IO, MOVED. */
    int32_t (*open)(quipu_backend *self, const quipu_open_params *params, const quipu_call *call,
                    quipu_error *error) QUIPU_NOEXCEPT;

    /* Makes everything durable and goes back to created. No other call may be under way. [main-thread] [open] [may-block]
     * On failure the instance is in state created all the same. Errors: IO, FULL. */
    int32_t (*close)(quipu_backend *self, const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;

    /* Applies a change set: all of it is visible and durable when this returns QUIPU_OK, or nothing of it is.
     * [any-thread] [open] [may-block]
     * receipt: lent by the caller, or NULL.
     * Errors: INVALID, CONFLICT, EXISTS, NOT_FOUND, SCOPE, TOO_LARGE, READ_ONLY, FULL, IO, BUSY, TIMEOUT, CANCELLED,
     * UNCERTAIN, MOVED. */
    int32_t (*apply)(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt, const quipu_call *call,
                     quipu_error *error) QUIPU_NOEXCEPT;

    /* Shows one record to the visitor. [any-thread] [open] [may-block]
     * Errors: NOT_FOUND, INVALID, UNSUPPORTED (as_of without history), IO, CORRUPT. */
    int32_t (*get)(quipu_backend *self, const quipu_get *query, quipu_hit_fn visit, void *context,
                   const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;

    /* Shows the records that match, in the order asked for. [any-thread] [open] [may-block]
     * Errors: INVALID (cursor, order), UNSUPPORTED, IO, CORRUPT. */
    int32_t (*scan)(quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit, void *context,
                    const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;

    /* Shows the k best records for a question, best first; sees every change that returned before it began.
     * [any-thread] [open] [may-block]
     * Errors: INVALID (k, vector, mode), UNSUPPORTED, IO, CORRUPT. */
    int32_t (*search)(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                      const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;

    /* Shows figures about the store. [any-thread] [open] [may-block] */
    int32_t (*stats)(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call,
                     quipu_error *error) QUIPU_NOEXCEPT;

    /* Makes durable what a relaxed setting had put off. [any-thread] [open] [may-block] */
    int32_t (*flush)(quipu_backend *self, const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;

    /* The table of an extension (extensions.h), plugin's until close; NULL for one that it does not have, for an id with
     * trailing bytes, and for a NULL id. [any-thread] [open] [fast] */
    const void *(*get_extension)(quipu_backend *self, const quipu_str *id) QUIPU_NOEXCEPT;
} quipu_backend_api;

#ifdef __cplusplus
}
#endif
#endif
