/*
 * log.c - one line of JSON an event, on standard error, each written by one call. Neither keys, bodies nor queries are in it: a request is
 * known by its route's pattern.
 */
#include "serve.h"

#include <sdk/json.h>
#include <sdk/record.h>
#include <time.h>
#include <unistd.h>

static void begin(buffer *line, const char *level, const char *event)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    buffer_append_text(line, "{\"time\":\"");
    time_print((int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000, line);
    buffer_printf(line, "\",\"level\":\"%s\",\"event\":\"%s\"", level, event);
}

static void finish(buffer *line)
{
    buffer_append_text(line, "}\n");
    if (!line->failed) {
        ssize_t written = write(STDERR_FILENO, line->bytes, line->len);
        (void)written; /* there is nobody left to tell */
    }
    buffer_free(line);
}

static void member(buffer *line, const char *name, quipu_str text)
{
    buffer_printf(line, ",\"%s\":", name);
    json_print_string(text, line);
}

void serve_log_request(const serve *s, const web_request *r, const web_answer *a, const char *pattern, int64_t took_ns)
{
    buffer line = { 0 };
    if (s->with.log == SERVE_LOG_NOTHING || (s->with.log == SERVE_LOG_FAILURES && a->status < 400))
        return;
    begin(&line, a->status >= 500 ? "error" : a->status >= 400 ? "warning" : "info", "request");
    member(&line, "request_id", str_of(r->id));
    member(&line, "method", str_of(r->method));
    member(&line, "route", str_of(pattern ? pattern : "none"));
    buffer_printf(&line, ",\"status\":%d,\"ms\":%.3f,\"bytes_in\":%llu,\"bytes_out\":%zu", a->status,
                  (double)took_ns * 1e-6, (unsigned long long)r->body.len, a->body.len);
    member(&line, "peer", r->peer.ptr ? r->peer : str_of(""));
    if (r->who.key[0])
        member(&line, "key", str_of(r->who.key));
    finish(&line);
}

void serve_log_event(const char *level, const char *event, ...)
{
    buffer line = { 0 };
    va_list arguments;
    begin(&line, level, event);
    va_start(arguments, event);
    for (const char *name; (name = va_arg(arguments, const char *)) != NULL;) {
        const char *text = va_arg(arguments, const char *);
        member(&line, name, str_of(text ? text : ""));
    }
    va_end(arguments);
    finish(&line);
}
