/*
 * host.h - what a host offers to its plugins: services, each found by id.
 *
 * A plugin must run with none of them but the log. What get_service returns is the host's until deinit.
 */
#ifndef QUIPU_HOST_H
#define QUIPU_HOST_H

#include "base.h"
#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct quipu_host quipu_host;

struct quipu_host {
    uint32_t struct_size;
    uint32_t abi;      /* the version that was agreed on */
    quipu_str name;    /* "quipu", or what the embedding program calls itself */
    quipu_str version; /* of the host */
    void *data;        /* the host's own; plugins leave it alone */

    /* A service's table, or NULL when the host does not have it, for an id with trailing bytes, and for a NULL id.
     * [any-thread] [inited] [fast] */
    const void *(*get_service)(const quipu_host *host, const quipu_str *id) QUIPU_NOEXCEPT;
};

#define QUIPU_SERVICE_LOG "quipu.log/1"
#define QUIPU_SERVICE_CLOCK "quipu.clock/1"
#define QUIPU_SERVICE_RANDOM "quipu.random/1"
#define QUIPU_SERVICE_EMBED "quipu.embed/1"
#define QUIPU_SERVICE_COMPLETE "quipu.complete/1"
#define QUIPU_SERVICE_THREAD_EXIT "quipu.thread-exit/1"

#define QUIPU_LOG_ERROR 1u
#define QUIPU_LOG_WARNING 2u
#define QUIPU_LOG_INFO 3u
#define QUIPU_LOG_DEBUG 4u

typedef struct quipu_log_service {
    uint32_t struct_size;
    uint32_t reserved;

    /* Writes one line; never a secret and never a memory's text. [any-thread] [inited] [fast]
     * level: QUIPU_LOG_*. component: who speaks, as "git". message: UTF-8, no line ends. */
    void (*write)(const quipu_host *host, uint32_t level, const quipu_str *component,
                  const quipu_str *message) QUIPU_NOEXCEPT;
} quipu_log_service;

typedef struct quipu_clock_service {
    uint32_t struct_size;
    uint32_t reserved;

    /* The time of day, microseconds since 1970 UTC; may go back. [any-thread] [inited] [fast] */
    int64_t (*now)(const quipu_host *host) QUIPU_NOEXCEPT;

    /* Nanoseconds on the clock that deadlines are given in; never goes back. [any-thread] [inited] [fast] */
    int64_t (*monotonic)(const quipu_host *host) QUIPU_NOEXCEPT;
} quipu_clock_service;

typedef struct quipu_random_service {
    uint32_t struct_size;
    uint32_t reserved;

    /* Fills `len` bytes at `out` with bytes that nobody can guess. [any-thread] [inited] [fast] */
    int32_t (*fill)(const quipu_host *host, void *out, uint64_t len, quipu_error *error) QUIPU_NOEXCEPT;
} quipu_random_service;

/* What makes two vectors comparable. Texts are the maker's until it closes. */
typedef struct quipu_model {
    uint32_t struct_size;
    uint32_t dimension; /* floats of a vector */
    quipu_str id;       /* unequal for any two models whose vectors must not be mixed, as "hash-v1:1024" */
    uint64_t batch;     /* how many texts at once are best; 0: no preference */
} quipu_model;

#define QUIPU_EMBED_PASSAGE 0u /* the texts are stored */
#define QUIPU_EMBED_QUERY 1u   /* the texts are questions */

/* One vector of unit length (or all zeros for a text with nothing in it), borrowed for the visit; `index` says which text
 * it belongs to. Answers as quipu_hit_fn does. */
typedef int32_t (*quipu_vector_fn)(void *context, uint64_t index, const float *vector,
                                   uint64_t dimension) QUIPU_NOEXCEPT;

/* Absent where no embedder was chosen. */
typedef struct quipu_embed_service {
    uint32_t struct_size;
    uint32_t reserved;

    /* Which model answers. [any-thread] [inited] [fast]
     * out: lent by the caller with struct_size set. */
    int32_t (*model)(const quipu_host *host, quipu_model *out, quipu_error *error) QUIPU_NOEXCEPT;

    /* Embeds texts, an array of quipu_str; one visit a text, in any order. [any-thread] [inited] [may-block]
     * purpose: QUIPU_EMBED_*. Errors: INVALID, NETWORK, TIMEOUT, CANCELLED, PLUGIN. */
    int32_t (*embed)(const quipu_host *host, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit,
                     void *context, const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;
} quipu_embed_service;

typedef struct quipu_completion {
    uint32_t struct_size;
    uint32_t flags;      /* none defined: 0 */
    quipu_str system;    /* what the model is told about its task; may be absent */
    quipu_str prompt;    /* what it is asked */
    quipu_str schema;    /* a JSON Schema that the answer must obey; absent: free text */
    uint64_t max_tokens; /* 0: the host's choice */
} quipu_completion;

/* A language model. Absent where none was configured. */
typedef struct quipu_complete_service {
    uint32_t struct_size;
    uint32_t reserved;

    /* Asks, and hands the answer to the sink. [any-thread] [inited] [may-block]
     * Errors: INVALID, NETWORK, TIMEOUT, CANCELLED, DENIED. */
    int32_t (*complete)(const quipu_host *host, const quipu_completion *request, quipu_sink_fn sink, void *context,
                        const quipu_call *call, quipu_error *error) QUIPU_NOEXCEPT;
} quipu_complete_service;

typedef void (*quipu_thread_exit_fn)(void *context) QUIPU_NOEXCEPT;

/* In place of thread-local destructors, which would keep a plugin from being unloaded. */
typedef struct quipu_thread_exit_service {
    uint32_t struct_size;
    uint32_t reserved;

    /* Calls `notify` when the calling thread ends, or at deinit, whichever is first. [any-thread] [inited] [fast] */
    int32_t (*at_exit)(const quipu_host *host, quipu_thread_exit_fn notify, void *context,
                       quipu_error *error) QUIPU_NOEXCEPT;
} quipu_thread_exit_service;

#ifdef __cplusplus
}
#endif
#endif
