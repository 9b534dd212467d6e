/* http.c - see http.h: clients, waiting, trying again. */
#include "http_inner.h"

#include <base/fail.h>
#include <errno.h>
#include <poll.h>
#include <sdk/services.h>
#include <stdlib.h>
#include <strings.h>

#define SLICE_MS 20 /* how long a cancel without a file descriptor may go unseen */

/* ---- addresses ---- */

/* The host of a URL, with its port; false where it is no http or https URL. */
static bool split_url(const char *url, bool *encrypted, quipu_str *host)
{
    const char *rest;
    *encrypted = strncasecmp(url, "https://", 8) == 0;
    if (!*encrypted && strncasecmp(url, "http://", 7) != 0)
        return false;
    rest = url + (*encrypted ? 8 : 7);
    *host = str_make(rest, strcspn(rest, "/?#"));
    return host->len > 0;
}

int32_t http_check_url(const char *url, const char *field, quipu_error *error)
{
    bool encrypted;
    quipu_str host;
    for (const char *c = url; *c; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
            return fail(error, QUIPU_E_INVALID, field,
                        "%s has a blank or a character that no URL has; write it as %%XX", field);
    if (!split_url(url, &encrypted, &host))
        return fail(error, QUIPU_E_INVALID, field, "%s must begin with https:// or http:// and name a host", field);
    if (memchr(host.ptr, '@', (size_t)host.len))
        return fail(error, QUIPU_E_INVALID, field, "%s has a user or password in it; a secret does not belong there",
                    field);
    if (strpbrk(url, "?#"))
        return fail(error, QUIPU_E_INVALID, field, "%s has a query or fragment; it must end with a path", field);
    return QUIPU_OK;
}

bool http_url_is_private(const char *url)
{
    static const char *const here[] = { "localhost", "127.0.0.1", "[::1]" };
    bool encrypted;
    quipu_str host;
    if (!split_url(url, &encrypted, &host))
        return false;
    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++) {
        size_t len = strlen(here[i]);
        if (host.len >= len && strncasecmp(host.ptr, here[i], len) == 0 && (host.len == len || host.ptr[len] == ':'))
            return true;
    }
    return encrypted;
}

/* ---- clients ---- */

static void wipe(char *secret)
{
    volatile char *bytes = secret;
    for (size_t i = 0, len = secret ? strlen(secret) : 0; i < len; i++)
        bytes[i] = 0;
    free(secret);
}

static int32_t fill_client(http_client *c, const http_options *o, quipu_error *error)
{
    buffer header = { 0 };
    if (o->connect_ms > 0)
        c->options.connect_ms = o->connect_ms;
    if (o->attempt_ms > 0)
        c->options.attempt_ms = o->attempt_ms;
    if (o->wait_first_ms > 0)
        c->options.wait_first_ms = o->wait_first_ms;
    if (o->wait_most_ms > 0)
        c->options.wait_most_ms = o->wait_most_ms;
    if (o->answer_most > 0)
        c->options.answer_most = o->answer_most;
    if (o->key) {
        buffer_printf(&header, "%s%s", o->key_header ? o->key_header : "Authorization: Bearer ", o->key);
        c->header = header.bytes;
    }
    c->options.user_agent = str_dup(str_of(o->user_agent ? o->user_agent : "quipu"));
    c->options.authorities = o->authorities ? str_dup(str_of(o->authorities)) : NULL;
    if (header.failed || !c->options.user_agent || (o->authorities && !c->options.authorities))
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a client");
    return QUIPU_OK;
}

int32_t http_client_create(const http_options *options, http_client **out, quipu_error *error)
{
    http_client *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a client");
    c->options = (http_options){ .connect_ms = 5000,
                                 .attempt_ms = 60000,
                                 .wait_first_ms = 500,
                                 .wait_most_ms = 30000,
                                 .answer_most = (uint64_t)64 << 20 };
    pthread_mutex_init(&c->lock, NULL);
    int32_t code = http_curl_begin(error);
    if (code == QUIPU_OK)
        code = fill_client(c, options, error);
    if (code == QUIPU_OK)
        *out = c;
    else
        http_client_free(c);
    return code;
}

void http_client_free(http_client *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; i < c->idle_count; i++)
        http_line_free(c->idle[i]);
    free((char *)(uintptr_t)c->options.user_agent);
    free((char *)(uintptr_t)c->options.authorities);
    wipe(c->header);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static http_line *take_line(http_client *c)
{
    http_line *line = NULL;
    pthread_mutex_lock(&c->lock);
    if (c->idle_count > 0)
        line = c->idle[--c->idle_count];
    pthread_mutex_unlock(&c->lock);
    return line ? line : http_line_create();
}

static void give_line(http_client *c, http_line *line)
{
    pthread_mutex_lock(&c->lock);
    bool kept = c->idle_count < HTTP_LINES_KEPT;
    if (kept)
        c->idle[c->idle_count++] = line;
    pthread_mutex_unlock(&c->lock);
    if (!kept)
        http_line_free(line);
}

/* ---- waiting ---- */

int64_t http_left_ms(const quipu_call *call, int64_t most)
{
    if (!call || !call->deadline_ns)
        return most;
    int64_t left = (call->deadline_ns - monotonic_now()) / 1000000 + 1;
    return left < 1 ? 1 : left < most ? left : most;
}

int32_t http_wait(int64_t milliseconds, const quipu_call *call, quipu_error *error)
{
    int64_t until = monotonic_now() + milliseconds * 1000000;
    int32_t code;
    while ((code = call_check(call, error)) == QUIPU_OK) {
        int64_t left = (until - monotonic_now()) / 1000000;
        if (left <= 0)
            return QUIPU_OK;
        left = http_left_ms(call, left);
        bool token = call && call->cancel;
        struct pollfd watched = { .fd = token ? call->cancel->fd : -1, .events = POLLIN };
        poll(&watched, 1, (int)(token && watched.fd < 0 && left > SLICE_MS ? SLICE_MS : left));
    }
    return code;
}

/* How long before attempt number `tried` + 1; -1 where that is longer than one is ready to wait. */
static int64_t pause_before(const http_client *c, const http_answer *answer, uint32_t tried, const quipu_call *call)
{
    int64_t most = c->options.wait_most_ms, wait = c->options.wait_first_ms;
    for (uint32_t i = 1; i < tried && wait < most; i++)
        wait *= 2;
    wait = wait < most ? wait : most;
    wait = wait / 2 + (int64_t)((uint64_t)monotonic_now() / 1000 % (uint64_t)(wait / 2 + 1));
    if (answer->retry_ms > wait)
        wait = answer->retry_ms;
    return wait > most || http_left_ms(call, wait + 1) <= wait ? -1 : wait;
}

/* ---- asking ---- */

int32_t http_send(http_client *c, const http_request *request, http_answer *answer, const quipu_call *call,
                  quipu_error *error)
{
    int32_t code = call_check(call, error);
    http_line *line = code == QUIPU_OK ? take_line(c) : NULL;
    if (code == QUIPU_OK && !line)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a request");
    while (code == QUIPU_OK) {
        bool again = false;
        quipu_error why = { .struct_size = sizeof why };
        buffer_clear(&answer->body);
        answer->status = 0;
        answer->retry_ms = 0;
        answer->tried++;
        int32_t outcome = http_attempt(c, line, request, answer, &again, call, &why);
        int64_t wait = again && answer->tried < request->attempts ? pause_before(c, answer, answer->tried, call) : -1;
        if (wait >= 0) {
            code = http_wait(wait, call, error);
            continue;
        }
        if (outcome != QUIPU_OK)
            code = fail(error, outcome, why.field[0] ? why.field : NULL, "%s", why.message);
        break;
    }
    if (line)
        give_line(c, line);
    return code;
}

void http_answer_free(http_answer *answer)
{
    buffer_free(&answer->body);
    *answer = (http_answer){ 0 };
}
