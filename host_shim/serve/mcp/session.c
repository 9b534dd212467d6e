/* session.c - what is remembered of a client, and what it is told unasked: progress, log messages, changed resources. */
#include "mcp.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const log_levels[] = { "debug", "info",     "notice", "warning",
                                          "error", "critical", "alert",  "emergency" };

int mcp_log_level_of(const char *name)
{
    for (int i = 0; i < (int)(sizeof log_levels / sizeof log_levels[0]); i++)
        if (strcmp(name, log_levels[i]) == 0)
            return i;
    return -1;
}

void mcp_session_begin(mcp_session *s, mcp_send_fn *send, void *context)
{
    *s = (mcp_session){ .log_level = -1, .send = send, .context = context };
    pthread_mutex_init(&s->lock, NULL);
}

mcp_revision mcp_session_revision(mcp_session *s)
{
    pthread_mutex_lock(&s->lock);
    mcp_revision r = s->revision;
    pthread_mutex_unlock(&s->lock);
    return r;
}

static void watch_free(mcp_watch *w)
{
    free(w->uri);
    free(w->listener);
    free(w);
}

void mcp_session_end(mcp_session *s)
{
    while (s->watches) {
        mcp_watch *next = s->watches->next;
        watch_free(s->watches);
        s->watches = next;
    }
    pthread_mutex_destroy(&s->lock);
}

static bool same_watch(const mcp_watch *w, const char *uri, const char *listener)
{
    bool same = !listener == !w->listener && (!listener || strcmp(listener, w->listener) == 0);
    return same && (!uri || strcmp(uri, w->uri) == 0);
}

/* Takes away what fits; uri NULL: any. True where there was one. */
static bool remove_watches(mcp_session *s, const char *uri, const char *listener)
{
    bool found = false;
    pthread_mutex_lock(&s->lock);
    for (mcp_watch **at = &s->watches; *at;) {
        mcp_watch *w = *at;
        if (!same_watch(w, uri, listener)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        watch_free(w);
        s->watch_count--;
        found = true;
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

int mcp_watch_add(mcp_session *s, const char *uri, const char *listener, rpc_error *error)
{
    int code = RPC_OK;
    remove_watches(s, uri, listener);
    mcp_watch *w = calloc(1, sizeof *w);
    if (w) {
        w->uri = str_dup(str_of(uri));
        w->listener = listener ? str_dup(str_of(listener)) : NULL;
    }
    pthread_mutex_lock(&s->lock);
    if (!w || !w->uri || (listener && !w->listener)) {
        code = rpc_fail(error, RPC_INTERNAL_ERROR, "memory is exhausted");
    } else if (s->watch_count >= MCP_WATCHED_MAX) {
        code = rpc_fail(error, RPC_INVALID_PARAMS, "at most %d resources can be subscribed to; unsubscribe some",
                        MCP_WATCHED_MAX);
    } else {
        w->next = s->watches;
        s->watches = w;
        s->watch_count++;
        w = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    if (w)
        watch_free(w);
    return code;
}

void mcp_watch_remove(mcp_session *s, const char *uri)
{
    remove_watches(s, uri, NULL);
}

bool mcp_listener_end(mcp_session *s, const char *id)
{
    return remove_watches(s, NULL, id);
}

static void send_notification(mcp_send_fn *send, void *context, const char *method, buffer *params)
{
    buffer message = { 0 };
    rpc_print_notification(method, params, &message);
    if (!message.failed)
        send(context, &message);
    buffer_free(&message);
    buffer_free(params);
}

void mcp_session_changed(mcp_session *s, const char *uri)
{
    pthread_mutex_lock(&s->lock);
    for (const mcp_watch *w = s->watches; w; w = w->next) {
        buffer params = { 0 };
        if (strcmp(w->uri, uri) != 0)
            continue;
        buffer_append_text(&params, "{\"uri\":");
        json_print_string(str_of(uri), &params);
        if (w->listener)
            buffer_printf(&params, ",\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":%s}", w->listener);
        buffer_append_char(&params, '}');
        send_notification(s->send, s->context, "notifications/resources/updated", &params);
    }
    pthread_mutex_unlock(&s->lock);
}

void mcp_resource_changed(const mcp_request *r, const char *uri)
{
    if (r->server->changed)
        r->server->changed(r->server, uri);
    else
        mcp_session_changed(r->session, uri);
}

void mcp_progress(const mcp_request *r, uint64_t done, uint64_t total, const char *message)
{
    buffer params = { 0 };
    if (!r->progress_token)
        return;
    buffer_append_text(&params, "{\"progressToken\":");
    json_print_compact(r->progress_token, &params);
    buffer_printf(&params, ",\"progress\":%llu", (unsigned long long)done);
    if (total > 0)
        buffer_printf(&params, ",\"total\":%llu", (unsigned long long)total);
    if (message && r->revision >= MCP_2025_03) {
        buffer_append_text(&params, ",\"message\":");
        json_print_string(str_of(message), &params);
    }
    buffer_append_char(&params, '}');
    send_notification(r->send, r->context, "notifications/progress", &params);
}

void mcp_log(const mcp_request *r, const char *level, const char *format, ...)
{
    quipu_error text = { .struct_size = sizeof text };
    char line[1024];
    buffer params = { 0 };
    va_list arguments;
    if (r->log_level < 0 || mcp_log_level_of(level) < r->log_level)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fail(&text, QUIPU_E_INVALID, NULL, "%s", line); /* cuts at the end of a character, and to one line */
    buffer_printf(&params, "{\"level\":\"%s\",\"logger\":\"quipu\",\"data\":", level);
    json_print_string(str_of(text.message), &params);
    buffer_append_char(&params, '}');
    send_notification(r->send, r->context, "notifications/message", &params);
}

int mcp_set_log_level(mcp_request *r, buffer *result)
{
    const char *level = mcp_param(r, "level");
    int index = level ? mcp_log_level_of(level) : -1;
    if (!level)
        return r->error.code;
    if (index < 0)
        return rpc_fail(&r->error, RPC_INVALID_PARAMS, "Invalid params: \"level\" has to be one of debug to emergency");
    pthread_mutex_lock(&r->session->lock);
    r->session->log_level = index;
    pthread_mutex_unlock(&r->session->lock);
    buffer_append_text(result, "{}");
    return RPC_OK;
}
