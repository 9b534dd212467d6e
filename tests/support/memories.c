/* memories.c - see memories.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "memories.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int64_t memories_time;
const char *memories_backend;
quipu_error memories_error = { .struct_size = sizeof memories_error };

/* ---- opening ---- */

static int64_t tell_time(const quipu_host *host)
{
    struct timespec now;
    (void)host;
    if (memories_time)
        return memories_time;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t tell_monotonic(const quipu_host *host)
{
    struct timespec now;
    (void)host;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static const void *offer_clock(void *context, const quipu_str *id)
{
    static const quipu_clock_service clock = { sizeof clock, 0, tell_time, tell_monotonic };
    (void)context;
    return QUIPU_IS(id, QUIPU_SERVICE_CLOCK) ? &clock : NULL;
}

static void hear_nothing(void *context, uint32_t level, const quipu_str *component, const quipu_str *message)
{
    (void)context, (void)level, (void)component, (void)message;
}

int32_t memories_try_open(const char *store, const char *backend_config, uint32_t flags, quipu **out)
{
    char plugins[512];
    const char *build = getenv("BUILD");
    snprintf(plugins, sizeof plugins, "%s/plugins", build ? build : "build");
    quipu_options o = { .struct_size = sizeof o,
                        .flags = flags,
                        .store = str_of(store),
                        .backend = str_of(memories_backend),
                        .backend_config = str_of(backend_config),
                        .plugin_path = str_of(plugins),
                        .author = str_of("tester"),
                        .source = str_of("test/1"),
                        .log = hear_nothing,
                        .services = offer_clock };
    return quipu_open(&o, out, &memories_error);
}

quipu *memories_open(const char *store)
{
    quipu *q = NULL;
    if (memories_try_open(store, NULL, 0, &q) != QUIPU_OK)
        fail_msg("open: %s", memories_error.message);
    return q;
}

void memories_close(quipu *q)
{
    if (quipu_close(q, &memories_error) != QUIPU_OK)
        fail_msg("close: %s", memories_error.message);
}

/* ---- writing ---- */

int32_t memories_write(quipu *q, quipu_write step, const quipu_write_options *options, quipu_receipt *receipt)
{
    step.struct_size = sizeof step;
    quipu_array writes = { &step, 1, sizeof step };
    return quipu_write_records(q, &writes, options, NULL, NULL, receipt, NULL, &memories_error);
}

static const char *write_or_fail(quipu *q, quipu_write step)
{
    static _Thread_local char revision[64];
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    if (memories_write(q, step, NULL, &receipt) != QUIPU_OK)
        fail_msg("write of %.*s: %s", (int)step.id.len, step.id.ptr, memories_error.message);
    memcpy(revision, receipt.revision, sizeof revision);
    return revision;
}

const char *memories_put(quipu *q, const char *id, const char *text)
{
    char json[2000];
    snprintf(json, sizeof json, "{\"text\":\"%s\"}", text);
    return write_or_fail(q, (quipu_write){ .op = QUIPU_CHANGE_PUT, .id = str_of(id), .json = str_of(json) });
}

const char *memories_delete(quipu *q, const char *id)
{
    return write_or_fail(q, (quipu_write){ .op = QUIPU_CHANGE_DELETE, .id = str_of(id) });
}

/* ---- reading ---- */

typedef struct seen {
    char text[4000];
    size_t len;
    uint64_t count;
} seen;

static void append(seen *s, quipu_str text, const char *behind)
{
    int n =
        snprintf(s->text + s->len, sizeof s->text - s->len, "%.*s%s", (int)text.len, text.ptr ? text.ptr : "", behind);
    assert_true(n >= 0 && s->len + (size_t)n < sizeof s->text);
    s->len += (size_t)n;
}

static int32_t see_text(void *context, const quipu_hit *hit)
{
    append(context, hit->record->text, "");
    return 0;
}

static int32_t see_version(void *context, const quipu_hit *hit)
{
    append(context, hit->record->version, "");
    return 0;
}

static int32_t see_id(void *context, const quipu_hit *hit)
{
    append(context, hit->record->id, " ");
    return 0;
}

static int32_t see_one_more(void *context, const quipu_hit *hit)
{
    (void)hit;
    ((seen *)context)->count++;
    return 0;
}

static void check(int32_t code, const char *what)
{
    if (code != QUIPU_OK)
        fail_msg("%s: %s", what, memories_error.message);
}

static const char *get(quipu *q, const char *id, const char *as_of, quipu_hit_fn visit)
{
    static seen s;
    quipu_get query = { .struct_size = sizeof query, .id = str_of(id), .as_of = str_of(as_of) };
    s = (seen){ 0 };
    int32_t code = quipu_get_record(q, &query, visit, &s, NULL, &memories_error);
    if (code != QUIPU_E_NOT_FOUND)
        check(code, id);
    return s.text;
}

const char *memories_text(quipu *q, const char *id, const char *as_of)
{
    return get(q, id, as_of, see_text);
}

const char *memories_version(quipu *q, const char *id)
{
    return get(q, id, NULL, see_version);
}

const char *memories_search(quipu *q, const char *words, const char *as_of)
{
    static seen s;
    quipu_search query = { .struct_size = sizeof query,
                           .text = str_of(words),
                           .as_of = str_of(as_of),
                           .k = 20,
                           .mode = QUIPU_SEARCH_LEXICAL };
    s = (seen){ 0 };
    check(quipu_search_records(q, &query, see_id, &s, NULL, &memories_error), words);
    return s.text;
}

const char *memories_list(quipu *q, const char *as_of)
{
    static seen s;
    quipu_scan query = { .struct_size = sizeof query, .as_of = str_of(as_of) };
    s = (seen){ 0 };
    check(quipu_scan_records(q, &query, see_id, &s, NULL, &memories_error), "scan");
    return s.text;
}

uint64_t memories_count(quipu *q)
{
    seen s = { .count = 0 };
    quipu_scan query = { .struct_size = sizeof query };
    check(quipu_scan_records(q, &query, see_one_more, &s, NULL, &memories_error), "scan");
    return s.count;
}

typedef struct wanted {
    const char *name;
    int64_t value;
} wanted;

static int32_t pick(void *context, const quipu_stat *stat)
{
    wanted *w = context;
    if (str_same(stat->name, str_of(w->name)))
        w->value = stat->value;
    return 0;
}

int64_t memories_figure(quipu *q, const char *name)
{
    wanted w = { name, INT64_MIN };
    check(quipu_read_stats(q, pick, &w, NULL, &memories_error), "stats");
    return w.value;
}

/* ---- extensions ---- */

static int32_t see_finding(void *context, const quipu_finding *finding)
{
    if (finding->severity == QUIPU_FINDING_CHECKED)
        return 0;
    append(context, finding->area, " ");
    append(context, finding->subject, "\n");
    return ((seen *)context)->len > 2000; /* that is fault enough */
}

const char *memories_faults(quipu *q)
{
    static seen s;
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_EXT_VERIFY);
    quipu_lease lease = { .struct_size = sizeof lease };
    s = (seen){ 0 };
    check(quipu_enter(q, &lease, &memories_error), "enter");
    const quipu_verify_api *api = lease.api->get_extension(lease.self, &id);
    assert_non_null(api);
    int32_t code = api->verify(lease.self, 0, see_finding, &s, NULL, &memories_error);
    quipu_leave(q, &lease);
    check(code, "verify");
    return s.text;
}

const quipu_history_api *memories_history(quipu *q, quipu_lease *lease)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_EXT_HISTORY);
    *lease = (quipu_lease){ .struct_size = sizeof *lease };
    check(quipu_enter(q, lease, &memories_error), "enter");
    const quipu_history_api *api = lease->api->get_extension(lease->self, &id);
    assert_non_null(api);
    return api;
}
