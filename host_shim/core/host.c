/* host.c - see host.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* getentropy */
#endif
#include "host.h"

#include "thread_exit.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const host *host_of(const quipu_host *table)
{
    return table->data;
}

int64_t host_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* One write, so that lines of several threads do not mix. */
static void log_to_stderr(uint32_t level, quipu_str component, quipu_str message)
{
    char line[1200];
    int len = snprintf(line, sizeof line - 1, "quipu: %s: %.*s: %.*s", level == QUIPU_LOG_ERROR ? "error" : "warning",
                       (int)(component.len > 60 ? 60 : component.len), component.ptr ? component.ptr : "",
                       (int)(message.len > 1000 ? 1000 : message.len), message.ptr ? message.ptr : "");
    for (int i = 0; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = ' ';
    line[len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, (size_t)len);
    (void)written; /* a log that cannot be written has nobody to tell */
}

void host_log_to(const host *h, uint32_t level, const quipu_str *component, const quipu_str *message)
{
    static const quipu_str none = { "", 0 };
    component = component && component->ptr ? component : &none;
    message = message && message->ptr ? message : &none;
    if (h->log)
        h->log(h->context, level, component, message);
    else if (level == QUIPU_LOG_ERROR || level == QUIPU_LOG_WARNING)
        log_to_stderr(level, *component, *message);
}

static void log_write(const quipu_host *table, uint32_t level, const quipu_str *component, const quipu_str *message)
{
    host_log_to(host_of(table), level, component, message);
}

void host_write_log(const host *h, uint32_t level, const char *component, quipu_str message)
{
    quipu_str who = str_of(component);
    host_log_to(h, level, &who, &message);
}

static int64_t clock_now(const quipu_host *table)
{
    (void)table;
    return host_time();
}

static int64_t clock_monotonic(const quipu_host *table)
{
    struct timespec now;
    (void)table;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int32_t random_fill(const quipu_host *table, void *out, uint64_t len, quipu_error *error)
{
    (void)table;
    for (uint64_t done = 0; done < len;) {
        size_t step = len - done < 256 ? (size_t)(len - done) : 256; /* getentropy gives no more at once */
        if (getentropy((char *)out + done, step) != 0)
            return fail_errno(error, errno, "the system gives no random bytes");
        done += step;
    }
    return QUIPU_OK;
}

static int32_t embed_model(const quipu_host *table, quipu_model *out, quipu_error *error)
{
    const host *h = host_of(table);
    return h->embedder_api->model(h->embedder, out, error);
}

static int32_t embed_embed(const quipu_host *table, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit,
                           void *context, const quipu_call *call, quipu_error *error)
{
    const host *h = host_of(table);
    return h->embedder_api->embed(h->embedder, texts, purpose, visit, context, call, error);
}

static const quipu_log_service log_service = { sizeof(quipu_log_service), 0, log_write };
static const quipu_clock_service clock_service = { sizeof(quipu_clock_service), 0, clock_now, clock_monotonic };
static const quipu_random_service random_service = { sizeof(quipu_random_service), 0, random_fill };
static const quipu_embed_service embed_service = { sizeof(quipu_embed_service), 0, embed_model, embed_embed };
static const quipu_thread_exit_service thread_exit_service = { sizeof(quipu_thread_exit_service), 0, thread_exit_add };

/* The embedding program answers first; a language model is only ever its own. */
static const void *get_service(const quipu_host *table, const quipu_str *id)
{
    const host *h = host_of(table);
    if (!id || !id->ptr)
        return NULL;
    const void *own = h->services ? h->services(h->context, id) : NULL;
    if (own)
        return own;
    if (QUIPU_IS(id, QUIPU_SERVICE_LOG))
        return &log_service;
    if (QUIPU_IS(id, QUIPU_SERVICE_CLOCK))
        return &clock_service;
    if (QUIPU_IS(id, QUIPU_SERVICE_RANDOM))
        return &random_service;
    if (QUIPU_IS(id, QUIPU_SERVICE_EMBED))
        return h->embedder_api ? &embed_service : NULL;
    if (QUIPU_IS(id, QUIPU_SERVICE_THREAD_EXIT))
        return &thread_exit_service;
    return NULL;
}

void host_begin(host *h, quipu_log_fn log, quipu_service_fn services, void *context)
{
    *h = (host){ .table = { .struct_size = sizeof h->table,
                            .abi = QUIPU_ABI_VERSION,
                            .name = QUIPU_STR_INIT("quipu"),
                            .version = QUIPU_STR_INIT(QUIPU_VERSION),
                            .data = h,
                            .get_service = get_service },
                 .log = log,
                 .services = services,
                 .context = context };
}

void host_end(host *h, bool call)
{
    if (call)
        thread_exit_end(&h->table);
    else
        thread_exit_forget(&h->table);
}
