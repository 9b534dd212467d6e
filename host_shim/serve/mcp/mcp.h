/*
 * mcp.h - the Model Context Protocol above JSON-RPC: two eras in one server, tools, resources, prompts.
 *
 * Four layers, each of which knows the one below: a transport (stdio.h) carries messages; jsonrpc.h reads and writes them; these
 * files know the protocol; a profile (profile_*.c) is a table of tools, resources and prompts, which uses libquipu.
 *
 * Eras (https://modelcontextprotocol.io/specification): from revision 2026-07-28 on each request stands alone and names its revision in
 * its _meta. Before that a session begins with `initialize`. A request with the modern _meta is answered by the modern rules, any other
 * by those of the revision that its session agreed on.
 */
#ifndef SERVE_MCP_H
#define SERVE_MCP_H

#include "jsonrpc.h"

#include <pthread.h>
#include <quipu.h>

/* In the order in which they were published. */
typedef enum mcp_revision { MCP_NONE, MCP_2024_11, MCP_2025_03, MCP_2025_06, MCP_2025_11, MCP_2026_07 } mcp_revision;
/* The revision of a name, or MCP_NONE; and back. */
mcp_revision mcp_revision_of(const char *name);
const char *mcp_revision_name(mcp_revision r);

typedef struct mcp_request mcp_request;
typedef struct mcp_profile mcp_profile;

/* ---- what a server is; constant while it serves ---- */

typedef struct mcp_server {
    quipu *q;
    const mcp_profile *profile;
    quipu_str user, agent, session, app; /* the scope that binds every request; absent: any */
    bool read_only;                      /* tools that change something are not there */
    bool client_is_author;               /* what a client calls itself becomes the author of its writes */
    /* Tells whoever else has to hear that a resource has changed; NULL: only the client that changed it listens. */
    void (*changed)(const struct mcp_server *server, const char *uri);
    void *context; /* of changed */
} mcp_server;

/* ---- one client ---- */

/* Sends one whole message to the client. [any-thread] */
typedef void mcp_send_fn(void *context, const buffer *message);

#define MCP_WATCHED_MAX 256 /* resources that one client may subscribe to */

/* Somebody who wants to hear of changes to a resource. */
typedef struct mcp_watch {
    char *uri;
    char *listener; /* JSON: the id of the subscriptions/listen that asked; NULL: resources/subscribe did */
    struct mcp_watch *next;
} mcp_watch;

/* What is remembered between two requests of a client of the initialize era; listeners also for the modern one. */
typedef struct mcp_session {
    pthread_mutex_t lock;
    mcp_revision revision; /* agreed by `initialize`; MCP_NONE: not yet */
    int log_level;         /* index into MCP_LOG_LEVELS; -1: none wanted */
    char client[65];       /* its name; "" */
    mcp_watch *watches;
    uint32_t watch_count;
    mcp_send_fn *send;
    void *context; /* of send */
} mcp_session;

void mcp_session_begin(mcp_session *s, mcp_send_fn *send, void *context);
void mcp_session_end(mcp_session *s);
/* The revision that was agreed on. */
mcp_revision mcp_session_revision(mcp_session *s);
/* Adds or takes away what a client wants to hear of. RPC_OK, or a failure. */
int mcp_watch_add(mcp_session *s, const char *uri, const char *listener, rpc_error *error);
void mcp_watch_remove(mcp_session *s, const char *uri);
/* Ends a subscriptions/listen; false where there is none with this id (as JSON). */
bool mcp_listener_end(mcp_session *s, const char *id);
/* Tells this client, where it watches the resource, that it has changed. */
void mcp_session_changed(mcp_session *s, const char *uri);

/* ---- one request ---- */

struct mcp_request {
    const mcp_server *server;
    mcp_session *session;
    mcp_send_fn *send; /* what belongs to this request: progress, log messages */
    void *context;     /* of send */
    const rpc_message *message;
    const quipu_call *call; /* deadline and cancel token */
    mcp_revision revision;
    const cJSON *progress_token; /* or NULL */
    int log_level;               /* of messages that this request may cause; -1: none */
    char client[65];             /* what it calls itself; "" */
    rpc_error error;             /* filled on failure */
};

#define MCP_ANSWERED 0
#define MCP_LISTENING 1 /* no answer comes, only notifications */

/* Answers one request; `out` receives the message to send back (with MCP_LISTENING: nothing). Below 0: it is an error with this code.
 * [any-thread] [may-block] */
int mcp_answer(const mcp_server *server, mcp_session *session, const rpc_message *message, const quipu_call *call,
               buffer *out);
/* The same where progress and log messages of this request go elsewhere than what the client hears otherwise. */
int mcp_answer_through(const mcp_server *server, mcp_session *session, const rpc_message *message,
                       const quipu_call *call, mcp_send_fn *send, void *context, buffer *out);
/* Answers an array of messages, which it empties (revision 2025-03-26): an array, or nothing where no message wants an answer. */
void mcp_answer_batch(const mcp_server *server, mcp_session *session, cJSON *array, const quipu_call *call,
                      buffer *out);
/* True for requests that are answered at once, without the store. */
bool mcp_is_quick(const rpc_message *message);

static inline bool mcp_is_modern(const mcp_request *r)
{
    return r->revision >= MCP_2026_07;
}

/* Progress of a request that asked for it; each call has to tell more than the one before. total 0: not known. */
void mcp_progress(const mcp_request *r, uint64_t done, uint64_t total, const char *message);
/* A resource has changed by this request: those who watch it are told. */
void mcp_resource_changed(const mcp_request *r, const char *uri);
/* A log message, where the client wants it. level: as "info". */
void mcp_log(const mcp_request *r, const char *level, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- profiles ---- */

/* What a tool answers: a text for the model, an object for programs, or both. */
typedef struct mcp_result {
    buffer text;       /* empty: that of `structured` */
    buffer structured; /* JSON of an object that keeps the output schema; empty where the tool has none */
    bool failed;       /* the text says why */
} mcp_result;

#define MCP_READS 1u       /* it changes nothing */
#define MCP_DESTRUCTIVE 2u /* what it changes may be lost to who reads the present state */
#define MCP_IDEMPOTENT 4u  /* doing it twice has the effect of once */

typedef struct mcp_tool {
    const char *name, *title, *description;
    const char *input, *output; /* JSON schemas; output NULL: it only has a text */
    unsigned hints;
    /* arguments: an object that keeps the input schema. A code and `error`, or `out`. */
    int32_t (*run)(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error);
} mcp_tool;

typedef struct mcp_prompt_argument {
    const char *name, *description;
    bool required;
} mcp_prompt_argument;

typedef struct mcp_prompt {
    const char *name, *title, *description;
    const mcp_prompt_argument *arguments; /* ended by a NULL name */
    /* Appends the text that is put before the model. arguments: an object of strings. */
    int32_t (*run)(mcp_request *r, const cJSON *arguments, buffer *out, quipu_error *error);
} mcp_prompt;

/* Resources. Lists are JSON without the brackets around them. */
typedef struct mcp_resources {
    const char *templates; /* JSON array of resource templates */
    bool watched;          /* clients may subscribe */
    /* Appends {"uri","name",...},... of one page; next: receives the cursor of the page after it, or stays empty. cursor: or NULL. */
    int32_t (*list)(mcp_request *r, const char *cursor, buffer *out, buffer *next, quipu_error *error);
    /* Appends {"uri","mimeType","text"},... Errors: NOT_FOUND, and others. */
    int32_t (*read)(mcp_request *r, const char *uri, buffer *out, quipu_error *error);
    /* Appends "value",... for a variable of a template; NULL: nothing is known. */
    int32_t (*complete)(mcp_request *r, const char *variable, const char *typed, buffer *out, quipu_error *error);
} mcp_resources;

struct mcp_profile {
    const char *name, *summary;
    const char *instructions;       /* what the model is told about the tools as a whole */
    const mcp_tool *tools;          /* ended by a NULL name */
    const mcp_prompt *prompts;      /* or NULL; ended by a NULL name */
    const mcp_resources *resources; /* or NULL */
};

/* The profile of a name; NULL where there is none. */
const mcp_profile *mcp_profile_find(const char *name);
/* All of them, ended by NULL. */
extern const mcp_profile *const mcp_profiles[];

/* ---- inside the protocol: one function a method, RPC_OK and the result's JSON, or a failure in r->error ---- */

typedef int mcp_method_fn(mcp_request *r, buffer *result);
mcp_method_fn mcp_list_tools, mcp_call_tool, mcp_list_resources, mcp_list_templates, mcp_read_resource, mcp_subscribe,
    mcp_unsubscribe, mcp_listen, mcp_list_prompts, mcp_get_prompt, mcp_complete, mcp_set_log_level;

/* Ends the object of a result: what every modern result has. ttl_ms below 0: it may not be kept. */
void mcp_result_end(const mcp_request *r, buffer *result, int64_t ttl_ms, bool shared);
/* A string of the params; NULL and a failure where it is not there. */
const char *mcp_param(mcp_request *r, const char *name);

/* Appends {"name","version"} of this server. */
void mcp_print_server_info(const mcp_request *r, buffer *out);
int mcp_log_level_of(const char *name); /* -1: unknown */

#endif
