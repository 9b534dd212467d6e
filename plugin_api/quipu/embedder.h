/*
 * embedder.h - what turns text into vectors must do: seven functions. The life cycle is that of a backend (backend.h).
 */
#ifndef QUIPU_EMBEDDER_H
#define QUIPU_EMBEDDER_H

#include "base.h"
#include "error.h"
#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An instance. Defined by the plugin; the host only passes the pointer. */
typedef struct quipu_embedder quipu_embedder;

/* Every slot is mandatory. */
typedef struct quipu_embedder_api {
    uint32_t struct_size;
    uint32_t flags; /* none defined: 0 */

    /* Makes an instance in state created. [any-thread] [inited] [fast]
     * host: host's until destroy. out: handed over, ended with destroy. Errors: NO_MEMORY. */
    int32_t (*create)(const quipu_host *host, quipu_embedder **out, quipu_error *error) QUIPU_NOEXCEPT;

    /* Frees the instance, from any state; NULL is nothing to do. [main-thread] [any-state] [may-block] */
    void (*destroy)(quipu_embedder *self) QUIPU_NOEXCEPT;

    /* Loads the model. [main-thread] [created] [may-block]
     * config: a JSON object; absent or NULL: all defaults. Errors: INVALID (field names the setting), NOT_FOUND, FORMAT,
     * IO. */
    int32_t (*open)(quipu_embedder *self, const quipu_str *config, const quipu_call *call,
                    quipu_error *error) QUIPU_NOEXCEPT;

    /* Goes back to created; no other call may be under way. [main-thread] [open] [may-block] */
    int32_t (*close)(quipu_embedder *self, const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;

    /* Describes the model; its texts are the plugin's until close. [any-thread] [open] [fast]
     * out: lent by the caller with struct_size set. Errors: NETWORK (an endpoint that has not answered yet must say the
     * dimension: an embed that succeeds makes it known). */
    int32_t (*model)(quipu_embedder *self, quipu_model *out, quipu_error *error) QUIPU_NOEXCEPT;

    /* Embeds texts, an array of quipu_str; one visit a text, in any order. [any-thread] [open] [may-block]
     * purpose: QUIPU_EMBED_*. Errors: INVALID (a text that is not UTF-8), NETWORK, TIMEOUT, CANCELLED, NO_MEMORY. */
    int32_t (*embed)(quipu_embedder *self, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit,
                     void *context, const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;

    /* As the slot of the same name in backend.h. [any-thread] [open] [fast] */
    const void *(*get_extension)(quipu_embedder *self, const quipu_str *id) QUIPU_NOEXCEPT;
} quipu_embedder_api;

#ifdef __cplusplus
}
#endif
#endif
