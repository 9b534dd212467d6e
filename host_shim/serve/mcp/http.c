/*
 * http.c - MCP over Streamable HTTP: /mcp, and /mcp/NAME for a profile by its name.
 *
 * A request is one message. One by the modern revision is answered from what it carries; its headers have to say what its body says.
 * `initialize` of the revisions before begins a session, which the client names afterwards; without one a request is answered by the
 * revision in its header, so that a client which needs no session has none. Where an answer has progress or log messages before it, it
 * comes as events, else as JSON. Streams that stay open are GET of a session, and subscriptions/listen.
 */
#include "http_era.h"
#include "peers.h"

#include <serve/http/serve.h>

#include <base/fail.h>
#include <sdk/json.h>
#include <stdio.h>
#include <string.h>

#define HEADER_SESSION "Mcp-Session-Id"

int32_t mcp_http_begin(serve *s, quipu_error *error)
{
    s->wires[WIRE_STATE_MCP] = peers_create();
    s->wires_free[WIRE_STATE_MCP] = peers_free;
    s->wires_cancel[WIRE_STATE_MCP] = peers_cancel_all;
    return s->wires[WIRE_STATE_MCP] ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

/* A failure that no message is to blame for, as JSON-RPC all the same: clients show its text. */
static void refuse(const web_request *r, web_answer *a, const quipu_error *error)
{
    rpc_message nobody = { 0 };
    rpc_error why = { 0 };
    (void)r;
    rpc_fail(&why, a->status, "%s", error->message);
    rpc_print_error(&nobody, &why, &a->body);
}

static const wire mcp_wire = { "mcp", refuse };

/* ---- who is served by what ---- */

/* /mcp: `quipu`; /mcp/NAME: that one; /mcp/CLIENT/http/USER: OpenMemory's own path. */
static int32_t take_server(serve *s, web_request *r, mcp_server *out, quipu_error *error)
{
    quipu_str name = r->captures[0];
    bool openmemory = r->captures[1].ptr != NULL;
    *out = (mcp_server){ .q = s->q,
                         .user = r->who.user,
                         .agent = r->who.agent,
                         .session = r->who.session,
                         .app = r->who.app,
                         .read_only = r->who.role < ROLE_WRITE,
                         .client_is_author = true,
                         .changed = peers_changed,
                         .context = s->wires[WIRE_STATE_MCP] };
    out->profile = mcp_profile_find(openmemory ? "openmemory" : name.ptr ? name.ptr : "quipu");
    if (!out->profile)
        return fail(error, QUIPU_E_NOT_FOUND, "profile", "there is no profile %.*s", (int)name.len, name.ptr);
    if (!openmemory)
        return QUIPU_OK;
    if ((out->user.ptr && !str_same(out->user, r->captures[1])) || (out->app.ptr && !str_same(out->app, name)))
        return fail(error, QUIPU_E_SCOPE, "path", "this key is bound to another user or client");
    r->who.user = out->user = r->captures[1];
    r->who.app = out->app = name;
    return QUIPU_OK;
}

static quipu_str header(const web_request *r, const char *name)
{
    return r->header(r->connection, name);
}

static int32_t find_session(const mcp_server *server, web_request *r, web_answer *a, peer **out, quipu_error *error)
{
    quipu_str id = header(r, HEADER_SESSION);
    *out = id.ptr ? peers_find(server->context, id, server->profile, &r->who) : NULL;
    if (id.ptr && !*out)
        return web_refuse(a, error, 404, QUIPU_E_NOT_FOUND, HEADER_SESSION, "Session not found: begin with initialize");
    return QUIPU_OK;
}

/* ---- answers ---- */

/* What comes before an answer, as events. */
static void hold_event(void *context, const buffer *message)
{
    buffer *events = context;
    buffer_append_text(events, "event: message\ndata: ");
    buffer_append(events, message->bytes, message->len);
    buffer_append_text(events, "\n\n");
}

/* The answer alone, or behind what came before it. */
static void give(web_answer *a, buffer *events, const buffer *message)
{
    if (events->len == 0) {
        buffer_append(&a->body, message->bytes, message->len);
    } else {
        hold_event(events, message);
        buffer_append(&a->body, events->bytes, events->len);
        a->type = "text/event-stream";
        web_answer_header(a, "X-Accel-Buffering", "no");
    }
    a->body.failed = a->body.failed || events->failed || message->failed;
}

static void give_error(const rpc_message *to, rpc_error *error, int status, web_answer *a)
{
    rpc_print_error(to, error, &a->body);
    a->status = status;
    rpc_error_free(error);
}

/* Codes that HTTP has a status for, in the modern era and where no message could be read. */
static int status_of(int code)
{
    switch (code) {
    case RPC_METHOD_NOT_FOUND:
        return 404;
    case RPC_PARSE_ERROR:
    case RPC_INVALID_REQUEST:
    case RPC_HEADER_MISMATCH:
    case RPC_MISSING_CAPABILITY:
    case RPC_UNSUPPORTED_VERSION:
        return 400;
    default:
        return 200;
    }
}

/* ---- the modern era ---- */

static int32_t listen_to(const mcp_server *server, web_request *r, const rpc_message *m, web_answer *a,
                         quipu_error *error)
{
    peer *p;
    buffer out = { 0 };
    int32_t code = peers_add(server->context, server->profile, &r->who, true, &p, error);
    if (code != QUIPU_OK)
        return code;
    web_stream *stream = peers_open_stream(p);
    int answered = stream ? mcp_answer(server, &p->session, m, r->call, &out) : 0;
    if (answered == MCP_LISTENING) {
        a->stream = stream;
        a->type = "text/event-stream";
        web_answer_header(a, "X-Accel-Buffering", "no");
    } else {
        peers_end(p);
        web_stream_close(stream);
        a->status = status_of(answered);
        buffer_append(&a->body, out.bytes, out.len);
        a->body.failed = out.failed;
    }
    peers_drop(p);
    buffer_free(&out);
    return stream ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

static int32_t answer_modern(const mcp_server *server, web_request *r, const rpc_message *m, web_answer *a,
                             quipu_error *error)
{
    rpc_error why = { 0 };
    mcp_session session;
    buffer events = { 0 }, out = { 0 };
    bool meta_is_bad = false;
    if (era_check(r, m, &meta_is_bad, &why) != RPC_OK) {
        give_error(m, &why, 400, a);
        return QUIPU_OK;
    }
    if (!m->id) {
        a->status = 202;
        return QUIPU_OK;
    }
    if (strcmp(m->method, "subscriptions/listen") == 0)
        return listen_to(server, r, m, a, error);
    mcp_session_begin(&session, hold_event, &events);
    int code = mcp_answer(server, &session, m, r->call, &out);
    a->status = meta_is_bad && code == RPC_INVALID_PARAMS ? 400 : status_of(code);
    give(a, &events, &out);
    mcp_session_end(&session);
    buffer_free(&events);
    buffer_free(&out);
    return QUIPU_OK;
}

/* ---- the initialize era ---- */

static int32_t initialize(const mcp_server *server, web_request *r, const rpc_message *m, web_answer *a,
                          quipu_error *error)
{
    peer *p;
    int32_t code = peers_add(server->context, server->profile, &r->who, false, &p, error);
    if (code != QUIPU_OK)
        return code;
    if (mcp_answer(server, &p->session, m, r->call, &a->body) == MCP_ANSWERED)
        web_answer_header(a, HEADER_SESSION, "%s", p->id);
    else
        peers_end(p);
    peers_drop(p);
    return QUIPU_OK;
}

/* One message of a session, or of nobody's. */
static void answer_one(const mcp_server *server, web_request *r, peer *p, mcp_session *session, const rpc_message *m,
                       web_answer *a)
{
    buffer events = { 0 }, out = { 0 };
    peer_running run;
    quipu_call call = *r->call;
    if (p) {
        peers_begin(p, &run, m->id);
        call.cancel = &run.cancel;
    }
    mcp_answer_through(server, session, m, &call, hold_event, &events, &out);
    if (p && __atomic_load_n(&run.cancel.flag, __ATOMIC_ACQUIRE))
        a->status = 202; /* taken back: nobody waits for it */
    else
        give(a, &events, &out);
    if (p)
        peers_finish(p, &run);
    buffer_free(&events);
    buffer_free(&out);
}

/* A notification, or an answer though nothing was asked. */
static void take_notice(peer *p, const rpc_message *m, web_answer *a)
{
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(m->params, "requestId");
    a->status = 202;
    if (p && id && m->method && strcmp(m->method, "notifications/cancelled") == 0)
        peers_cancel(p, id);
}

static void hear_nothing(void *context, const buffer *message)
{
    (void)context, (void)message;
}

static int32_t answer_legacy(const mcp_server *server, web_request *r, rpc_message *m, bool batch, web_answer *a,
                             quipu_error *error)
{
    peer *p;
    mcp_session nobody;
    mcp_revision revision;
    if (!batch && m->id && m->method && strcmp(m->method, "initialize") == 0)
        return initialize(server, r, m, a, error);
    int32_t code = era_revision(r, &revision, error);
    if (code == QUIPU_OK)
        code = find_session(server, r, a, &p, error);
    if (code != QUIPU_OK)
        return code;
    mcp_session_begin(&nobody, hear_nothing, NULL);
    nobody.revision = revision;
    mcp_session *session = p ? &p->session : &nobody;
    if (batch && mcp_session_revision(session) != MCP_2025_03)
        code = web_refuse(a, error, 400, QUIPU_E_INVALID, "body", "this revision has no arrays of messages");
    else if (batch)
        mcp_answer_batch(server, session, m->tree, r->call, &a->body);
    else if (m->id && m->method)
        answer_one(server, r, p, session, m, a);
    else
        take_notice(p, m, a);
    if (batch && a->body.len == 0 && code == QUIPU_OK)
        a->status = 202;
    mcp_session_end(&nobody);
    if (p)
        peers_drop(p);
    return code;
}

/* ---- routes ---- */

static int32_t post(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    mcp_server server;
    rpc_message m = { 0 };
    rpc_error why = { 0 };
    int32_t code = take_server(s, r, &server, error);
    if (code != QUIPU_OK)
        return code;
    int read = rpc_read(r->body, &m, &why);
    bool batch = read != RPC_OK && cJSON_IsArray(m.tree) && m.tree->child;
    if (read != RPC_OK && !batch)
        give_error(&m, &why, 400, a);
    else if (!batch && era_is_modern(r, &m))
        code = answer_modern(&server, r, &m, a, error);
    else
        code = answer_legacy(&server, r, &m, batch, a, error);
    rpc_error_free(&why);
    rpc_message_free(&m);
    return code;
}

static int32_t refuse_method(web_answer *a, quipu_error *error)
{
    web_answer_header(a, "Allow", "POST");
    return web_refuse(a, error, 405, QUIPU_E_UNSUPPORTED, "method",
                      "Method Not Allowed: only a session of an earlier revision has this");
}

/* The session of a request that only a session can have. */
static int32_t need_session(serve *s, web_request *r, web_answer *a, peer **out, quipu_error *error)
{
    mcp_server server;
    int32_t code = take_server(s, r, &server, error);
    if (code == QUIPU_OK && (!header(r, HEADER_SESSION).ptr || era_header_is_modern(r)))
        return refuse_method(a, error);
    return code == QUIPU_OK ? find_session(&server, r, a, out, error) : code;
}

/* What a session is told unasked. */
static int32_t get(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    peer *p = NULL;
    int32_t code = need_session(s, r, a, &p, error);
    if (code != QUIPU_OK)
        return code;
    if (strcmp(r->method, "HEAD") != 0)
        a->stream = peers_open_stream(p);
    a->type = "text/event-stream";
    web_answer_header(a, "X-Accel-Buffering", "no");
    if (!a->stream && strcmp(r->method, "HEAD") != 0)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    peers_drop(p);
    return code;
}

static int32_t end_session(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    peer *p = NULL;
    int32_t code = need_session(s, r, a, &p, error);
    if (code != QUIPU_OK)
        return code;
    peers_end(p);
    peers_drop(p);
    a->status = 204;
    return QUIPU_OK;
}

#define ROWS(path, what)                                                                                               \
    { "POST", path, post, ROLE_READ, 0, &mcp_wire, "A message of the Model Context Protocol" what, NULL, NULL },       \
        { "GET", path, get, ROLE_READ, 0, &mcp_wire, "What a session is told unasked" what, NULL, NULL },              \
    {                                                                                                                  \
        "DELETE", path, end_session, ROLE_READ, 0, &mcp_wire, "Ends a session" what, NULL, NULL                        \
    }

extern const route mcp_routes[];
const route mcp_routes[] = {
    ROWS("/mcp", ""),
    ROWS("/mcp/{profile}", ", profile by name"),
    ROWS("/mcp/{client}/http/{user}", ", profile openmemory"),
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL },
};
