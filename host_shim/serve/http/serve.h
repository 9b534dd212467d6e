/*
 * serve.h - what is served, apart from how bytes come and go: from one request to its answer.
 *
 * web_server.h calls serve_handle from many threads at once; so do the tests and the fuzzer, without a socket.
 */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include "keys.h"
#include "router.h"

#include <quipu.h>
#include <stdatomic.h>

typedef struct limits limits;
typedef struct metrics metrics;

#define SERVE_LOG_NOTHING 0u
#define SERVE_LOG_FAILURES 1u /* requests that were answered with a status of 400 or more */
#define SERVE_LOG_ALL 2u

/* Texts are borrowed until serve_free. */
typedef struct serve_options {
    quipu *q;
    const char *keys_path;               /* NULL: there are none */
    const char *prefix;                  /* all is served below this path; NULL: at the root */
    const char *const *hosts;            /* further names in the Host header, and in Origin; ended by NULL; or NULL */
    const char *const *origins;          /* web pages that may call, as "https://example.org"; ended by NULL; or NULL */
    quipu_str user, agent, session, app; /* everybody is bound to this, besides what their key is bound to */
    bool needs_key;                      /* also where there is none: nobody comes in */
    uint32_t rate;       /* requests a second of one key, or without keys of one address; 0: any number */
    uint32_t log;        /* SERVE_LOG_* */
    int64_t deadline_ms; /* of one request's work; 0: 60,000 */
} serve_options;

struct serve {
    serve_options with;
    quipu *q;
    key_ring *keys;
    router *routes;
    limits *limits;
    metrics *metrics;
    int64_t began_ns;     /* CLOCK_MONOTONIC */
    atomic_bool draining; /* about to end: readyz says so */
    quipu_cancel cancel;  /* of every call; its flag is set when draining takes too long */
    void *wires[4];       /* what the wires keep between requests, by WIRE_STATE_* */
    void (*wires_free[4])(void *state);
    void (*wires_cancel[4])(void *state); /* calls that have a cancel token of their own; or NULL */
};

#define WIRE_STATE_MEM0 0u
#define WIRE_STATE_MCP 3u

/* What the wires need before the first request. Errors: NO_MEMORY. */
int32_t mem0_events_begin(serve *s, quipu_error *error);
int32_t mcp_http_begin(serve *s, quipu_error *error);

/* Errors: those of keys_read, NO_MEMORY. */
int32_t serve_create(const serve_options *options, serve **out, quipu_error *error);
void serve_free(serve *s); /* NULL is nothing to do */

/* A request comes in two steps. First, once its headers are there: it is split, checked (Host, Origin, key, role, rate) and routed. */
typedef enum serve_step {
    SERVE_REFUSED, /* the answer is complete; the body does not matter */
    SERVE_FAST,    /* the second step never waits: the thread that reads may do it */
    SERVE_SLOW,    /* it may wait for the store */
} serve_step;
serve_step serve_begin(serve *s, web_request *r, web_answer *a);
/* Second, with its body: it is handled. The answer is complete in any case. */
void serve_end(serve *s, web_request *r, web_answer *a);
/* Both, for a request that is there as a whole. */
void serve_handle(serve *s, web_request *r, web_answer *a);
/* Cancels calls that are under way; for the end of draining. */
void serve_cancel(serve *s);

/* ---- guard.c: who may ask ---- */

/* Host and Origin: against pages that reach a loopback server by DNS rebinding or across origins. Errors: DENIED. */
int32_t guard_source(const serve *s, const web_request *r, web_answer *a, quipu_error *error);
/* Credentials and role. Errors: DENIED, with a->status 401 or 403. */
int32_t guard_role(serve *s, web_request *r, web_answer *a, unsigned role, quipu_error *error);

/* ---- limits.c: how often one client may ask ---- */

int32_t limits_create(uint32_t rate, limits **out, quipu_error *error);
void limits_free(limits *l);
/* True where the client may go on; *left and *wait_ms tell it how it stands. now_ns: CLOCK_MONOTONIC. */
bool limits_take(limits *l, quipu_str client, int64_t now_ns, uint32_t *left, int64_t *wait_ms);

/* ---- metrics.c: what Prometheus reads ---- */

int32_t metrics_create(size_t routes, metrics **out, quipu_error *error);
void metrics_free(metrics *m);
/* index: of router_row, or more where no row fits. */
void metrics_count(metrics *m, size_t index, int status, int64_t took_ns);
void metrics_print(const metrics *m, const router *routes, quipu *q, buffer *out);

/* ---- openapi.c ---- */

/* The OpenAPI 3.1 document of all rows. Errors: NO_MEMORY. */
int32_t openapi_print(const router *routes, const char *prefix, bool keyed, buffer *out, quipu_error *error);

/* ---- log.c: one line of JSON an event, on standard error ---- */

void serve_log_request(const serve *s, const web_request *r, const web_answer *a, const char *pattern, int64_t took_ns);
/* level: "info", "warning", "error". Members are pairs of name and text, ended by NULL. */
void serve_log_event(const char *level, const char *event, ...) __attribute__((sentinel));

#endif
