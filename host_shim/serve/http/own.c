/* own.c - the server's own routes: is it alive, is it ready, how is it doing, what does it serve. */
#include "serve.h"

#include <base/fail.h>
#include <sdk/json.h>

static int32_t answer_alive(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    (void)s, (void)r, (void)error;
    buffer_append_text(&a->body, "{\"status\":\"ok\"}");
    return QUIPU_OK;
}

static int32_t ignore_stat(void *context, const quipu_stat *stat)
{
    (void)context, (void)stat;
    return 1;
}

static int32_t answer_ready(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    if (atomic_load(&s->draining))
        return web_refuse(a, error, 503, QUIPU_E_BUSY, NULL, "about to end");
    if (quipu_read_stats(s->q, ignore_stat, NULL, r->call, error) != QUIPU_OK)
        return web_refuse(a, error, 503, QUIPU_E_BUSY, NULL, "the store does not answer"); /* no more to strangers */
    buffer_append_text(&a->body, "{\"status\":\"ready\"}");
    return QUIPU_OK;
}

static int32_t answer_root(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    (void)s, (void)r, (void)error;
    buffer_printf(&a->body,
                  "{\"name\":\"quipu\",\"version\":\"%s\",\"documents\":{\"openapi\":\"/openapi.json\",\"health\":\"/"
                  "healthz\",\"ready\":\"/readyz\",\"metrics\":\"/metrics\"}}",
                  quipu_version());
    return QUIPU_OK;
}

static int32_t answer_metrics(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    (void)r, (void)error;
    a->type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_print(s->metrics, s->routes, s->q, &a->body);
    return QUIPU_OK;
}

static int32_t answer_openapi(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    (void)r;
    return openapi_print(s->routes, s->with.prefix, s->with.needs_key || key_ring_any(s->keys), &a->body, error);
}

extern const route own_routes[];
const route own_routes[] = {
    { "GET", "/", answer_root, ROLE_NONE, ROUTE_FAST, &own_wire, "What this is", NULL, NULL },
    { "GET", "/healthz", answer_alive, ROLE_NONE, ROUTE_FAST, &own_wire, "Is the server alive?", NULL, NULL },
    { "GET", "/health", answer_alive, ROLE_NONE, ROUTE_FAST, &own_wire, "The same", NULL, NULL },
    { "GET", "/readyz", answer_ready, ROLE_NONE, 0, &own_wire, "Does its store answer?", NULL, NULL },
    { "GET", "/metrics", answer_metrics, ROLE_READ, 0, &own_wire, "Figures for Prometheus", NULL, NULL },
    { "GET", "/openapi.json", answer_openapi, ROLE_NONE, ROUTE_FAST, &own_wire, "This document", NULL, NULL },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL },
};
