/* serve.c - see serve.h. */
#include "serve.h"

#include <base/fail.h>
#include <stdlib.h>
#include <time.h>

#define DEADLINE_MS 60000

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int32_t serve_create(const serve_options *options, serve **out, quipu_error *error)
{
    serve *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    s->with = *options;
    s->began_ns = now_ns();
    s->q = options->q;
    s->cancel = (quipu_cancel){ .struct_size = sizeof s->cancel, .fd = -1 };
    if (!s->with.deadline_ms)
        s->with.deadline_ms = DEADLINE_MS;
    int32_t code = key_ring_open(options->keys_path, &s->keys, error);
    if (code == QUIPU_OK)
        code = router_create(options->prefix, &s->routes, error);
    if (code == QUIPU_OK)
        code = limits_create(options->rate, &s->limits, error);
    if (code == QUIPU_OK)
        code = metrics_create(router_count(s->routes) + 1, &s->metrics, error);
    if (code == QUIPU_OK)
        code = mem0_events_begin(s, error);
    if (code == QUIPU_OK)
        code = mcp_http_begin(s, error);
    if (code == QUIPU_OK)
        *out = s;
    else
        serve_free(s);
    return code;
}

void serve_free(serve *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < sizeof s->wires / sizeof s->wires[0]; i++)
        if (s->wires[i])
            s->wires_free[i](s->wires[i]);
    metrics_free(s->metrics);
    limits_free(s->limits);
    router_free(s->routes);
    key_ring_close(s->keys);
    free(s);
}

void serve_cancel(serve *s)
{
    __atomic_store_n(&s->cancel.flag, 1, __ATOMIC_RELEASE);
    for (size_t i = 0; i < sizeof s->wires / sizeof s->wires[0]; i++)
        if (s->wires_cancel[i])
            s->wires_cancel[i](s->wires[i]);
}

/* Clients of one key count together; without keys those of one address. */
static int32_t take_turn(serve *s, const web_request *r, web_answer *a, quipu_error *error)
{
    uint32_t left;
    int64_t wait_ms;
    if (!s->with.rate)
        return QUIPU_OK;
    quipu_str client = r->who.key[0] ? str_of(r->who.key) : r->peer;
    bool may = limits_take(s->limits, client, now_ns(), &left, &wait_ms);
    web_answer_header(a, "X-RateLimit-Limit", "%u", s->with.rate);
    web_answer_header(a, "X-RateLimit-Remaining", "%u", left);
    web_answer_header(a, "X-RateLimit-Reset", "%lld", (long long)(wait_ms + 999) / 1000);
    if (may)
        return QUIPU_OK;
    web_answer_header(a, "Retry-After", "%lld", (long long)(wait_ms + 999) / 1000);
    return web_refuse(a, error, 429, QUIPU_E_BUSY, NULL, "too many requests: at most %u a second", s->with.rate);
}

static int32_t find(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    char allowed[64];
    int32_t code = router_find(s->routes, r, &r->route, allowed, error);
    if (code == QUIPU_E_UNSUPPORTED) {
        web_answer_header(a, "Allow", "%s", allowed);
        a->status = 405;
    }
    return code;
}

static const route *row_of(const serve *s, const web_request *r)
{
    return r->route < router_count(s->routes) ? router_row(s->routes, r->route) : NULL;
}

static void complete(serve *s, web_request *r, web_answer *a, int32_t code, quipu_error *error)
{
    const route *row = row_of(s, r);
    if (code != QUIPU_OK) {
        error->code = code;
        if (!a->status)
            a->status = web_status(code);
        if (!error->message[0])
            fail(error, code, NULL, "%s", quipu_error_text(code));
        buffer_clear(&a->body);
        a->type = NULL;
        (row && row->wire->refuse ? row->wire : &own_wire)->refuse(r, a, error);
    }
    if (!a->status)
        a->status = 200;
    if (a->body.failed) {
        buffer_free(&a->body);
        a->status = 500;
    }
    web_answer_header(a, "X-Request-ID", "%s", r->id);
    int64_t took = now_ns() - r->began_ns;
    metrics_count(s->metrics, r->route, a->status, took);
    serve_log_request(s, r, a, row ? row->pattern : NULL, took);
}

serve_step serve_begin(serve *s, web_request *r, web_answer *a)
{
    quipu_error error = { .struct_size = sizeof error };
    r->began_ns = now_ns();
    r->route = SIZE_MAX;
    int32_t code = web_request_split(r, &error);
    if (code == QUIPU_OK)
        code = guard_source(s, r, a, &error);
    if (code == QUIPU_OK)
        code = find(s, r, a, &error);
    const route *row = row_of(s, r);
    if (code == QUIPU_OK)
        code = guard_role(s, r, a, row->role, &error);
    if (code == QUIPU_OK && row->role != ROLE_NONE)
        code = take_turn(s, r, a, &error);
    if (code == QUIPU_OK)
        return row->flags & ROUTE_FAST ? SERVE_FAST : SERVE_SLOW;
    complete(s, r, a, code, &error);
    return SERVE_REFUSED;
}

void serve_end(serve *s, web_request *r, web_answer *a)
{
    quipu_error error = { .struct_size = sizeof error };
    const route *row = row_of(s, r);
    quipu_call call = { .struct_size = sizeof call,
                        .deadline_ns = now_ns() + s->with.deadline_ms * 1000000,
                        .cancel = &s->cancel };
    int32_t code = QUIPU_OK;
    r->call = &call;
    if (row->body)
        code = web_body(r, (row->flags & ROUTE_MAY_LACK) != 0, &error);
    if (code == QUIPU_OK)
        code = row->handle(s, r, a, &error);
    r->call = NULL;
    complete(s, r, a, code, &error);
}

void serve_handle(serve *s, web_request *r, web_answer *a)
{
    if (serve_begin(s, r, a) != SERVE_REFUSED)
        serve_end(s, r, a);
}
