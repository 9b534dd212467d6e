/* probe.c - see probe.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include "probe.h"

#include "../core/check.h"
#include "../core/loader.h"

#include <base/fail.h>
#include <quipu_validate.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define TIME_BASE 1700000000000000 /* microseconds: when the records of checks were made */

/* ---- ends ---- */

_Noreturn void probe_end(probe *p, uint32_t outcome, const char *reason)
{
    char message[1024];
    int len = snprintf(message, sizeof message, "%c%s", (char)('0' + outcome), reason);
    size_t size = len < 0 ? 0 : (size_t)len < sizeof message ? (size_t)len : sizeof message - 1;
    if (write(p->result, message, size) < 0)
        _exit(99);
    _exit(0);
}

#define REASON_MAX 1000

static void word_reason(const probe *p, char out[REASON_MAX], const char *format, va_list arguments)
{
    int len = snprintf(out, REASON_MAX, "%s%s", p->subject, p->subject[0] ? ": " : "");
    vsnprintf(out + len, REASON_MAX - (size_t)len, format, arguments);
}

_Noreturn void probe_fail(probe *p, const char *format, ...)
{
    char reason[REASON_MAX];
    va_list arguments;
    va_start(arguments, format);
    word_reason(p, reason, format, arguments);
    va_end(arguments);
    probe_end(p, QUIPU_OUTCOME_FAIL, reason);
}

_Noreturn void probe_warn(probe *p, const char *format, ...)
{
    char reason[REASON_MAX];
    va_list arguments;
    va_start(arguments, format);
    word_reason(p, reason, format, arguments);
    va_end(arguments);
    probe_end(p, QUIPU_OUTCOME_WARN, reason);
}

_Noreturn void probe_skip(probe *p, const char *format, ...)
{
    char reason[REASON_MAX];
    va_list arguments;
    va_start(arguments, format);
    word_reason(p, reason, format, arguments);
    va_end(arguments);
    probe_end(p, QUIPU_OUTCOME_SKIP, reason);
}

void probe_want(probe *p, int32_t code, int32_t wanted, const quipu_error *error, const char *what)
{
    if (code != wanted)
        probe_fail(p, "%s answered %s instead of %s%s%.200s", what, error_name(code), error_name(wanted),
                   code && error && error->message[0] ? ": " : "", code && error ? error->message : "");
}

uint64_t probe_random(probe *p) /* splitmix64: https://prng.di.unimi.it/splitmix64.c describes it */
{
    uint64_t z = (p->random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t probe_below(probe *p, uint32_t bound)
{
    return (uint32_t)(probe_random(p) % bound);
}

quipu_error probe_error(void)
{
    return (quipu_error){ .struct_size = sizeof(quipu_error) };
}

/* ---- the host ---- */

static void log_nothing(const quipu_host *host, uint32_t level, const quipu_str *component, const quipu_str *message)
{
    (void)host, (void)level, (void)component, (void)message;
}

static int64_t clock_read(clockid_t which, int64_t parts)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (int64_t)now.tv_sec * parts + now.tv_nsec / (1000000000 / parts);
}

static int64_t clock_now(const quipu_host *host)
{
    const probe *p = host->data;
    return clock_read(CLOCK_REALTIME, 1000000) + p->ahead;
}

static int64_t clock_monotonic(const quipu_host *host)
{
    (void)host;
    return clock_read(CLOCK_MONOTONIC, 1000000000);
}

static int32_t random_fill(const quipu_host *host, void *out, uint64_t len, quipu_error *error)
{
    (void)error;
    for (uint64_t i = 0; i < len; i++)
        ((uint8_t *)out)[i] = (uint8_t)probe_random(host->data);
    return QUIPU_OK;
}

static const void *get_service(const quipu_host *host, const quipu_str *id)
{
    static const quipu_log_service log = { sizeof log, 0, log_nothing };
    static const quipu_clock_service clock = { sizeof clock, 0, clock_now, clock_monotonic };
    static const quipu_random_service random = { sizeof random, 0, random_fill };
    const probe *p = host->data;
    if (!id)
        return NULL;
    if (QUIPU_IS(id, QUIPU_SERVICE_LOG))
        return &log;
    if ((p->services & PROBE_CLOCK) && QUIPU_IS(id, QUIPU_SERVICE_CLOCK))
        return &clock;
    if ((p->services & PROBE_RANDOM) && QUIPU_IS(id, QUIPU_SERVICE_RANDOM))
        return &random;
    return NULL;
}

void probe_host(quipu_host *host, probe *p)
{
    *host = (quipu_host){ .struct_size = sizeof *host,
                          .abi = HOST_ABI_MAX,
                          .name = QUIPU_STR_INIT("quipu-validate"),
                          .version = QUIPU_STR_INIT(QUIPU_VERSION),
                          .data = p,
                          .get_service = get_service };
}

/* ---- the plugin ---- */

void probe_map(probe *p)
{
    faults f = { 0 };
    uint64_t size = 0;
    p->handle = loader_open(p->path, &f);
    p->entry = p->handle ? loader_entry(p->handle, &size, &f) : NULL;
    if (!p->entry)
        probe_fail(p, "it cannot be loaded: %s", f.lines.bytes ? f.lines.bytes : "no reason given");
}

void probe_init(probe *p)
{
    quipu_error error = probe_error();
    uint32_t chosen = 0;
    probe_host(&p->host, p);
    int32_t code = p->entry->init(&p->host, HOST_ABI_MIN, HOST_ABI_MAX, &chosen, &error);
    probe_want(p, code, QUIPU_OK, &error, "init");
    if (chosen < HOST_ABI_MIN || chosen > HOST_ABI_MAX)
        probe_fail(p, "init chose ABI 0x%x, which the host does not speak", chosen);
}

quipu_backend *probe_create(probe *p)
{
    quipu_error error = probe_error();
    quipu_backend *self = NULL;
    probe_want(p, p->api->create(&p->host, &self, &error), QUIPU_OK, &error, "create");
    if (!self)
        probe_fail(p, "create answered OK without an instance");
    return self;
}

int32_t probe_try_open(probe *p, quipu_backend *self, const char *name, uint32_t flags, quipu_str config,
                       quipu_error *error)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", p->scratch, name);
    quipu_open_params params = { .struct_size = sizeof params, .flags = flags, .path = str_of(path), .config = config };
    return p->api->open(self, &params, NULL, error);
}

quipu_backend *probe_open(probe *p, const char *name, uint32_t flags)
{
    quipu_error error = probe_error();
    quipu_backend *self = probe_create(p);
    probe_want(p, probe_try_open(p, self, name, flags, p->config, &error), QUIPU_OK, &error, "open");
    return self;
}

void probe_close(probe *p, quipu_backend *self)
{
    quipu_error error = probe_error();
    probe_want(p, p->api->close(self, NULL, &error), QUIPU_OK, &error, "close");
    p->api->destroy(self);
}

/* ---- records and changes ---- */

record *probe_record(probe *p, const char *id, const char *user, const char *text, const char *more)
{
    char json[2048], scope[128] = "";
    record_defaults defaults = { .created_at = TIME_BASE, .updated_at = TIME_BASE };
    quipu_error error = probe_error();
    record *r = NULL;
    if (user)
        snprintf(scope, sizeof scope, ",\"scope\":{\"user\":\"%s\"}", user);
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"text\":\"%s\"%s%s}", id, text, scope, more);
    int32_t code = record_decode(str_of(json), &defaults, &r, &error);
    if (code != QUIPU_OK)
        probe_end(p, QUIPU_OUTCOME_SKIP, "the validator made a bad record");
    return r;
}

quipu_change probe_put(const record *r, uint32_t expect, const char *version)
{
    return (quipu_change){ .struct_size = sizeof(quipu_change),
                           .op = QUIPU_CHANGE_PUT,
                           .expect = expect,
                           .id = record_view(r)->id,
                           .expected_version = str_of(version),
                           .record = record_view(r) };
}

quipu_change probe_delete(const char *id, uint32_t expect, const char *version)
{
    return (quipu_change){ .struct_size = sizeof(quipu_change),
                           .op = QUIPU_CHANGE_DELETE,
                           .expect = expect,
                           .id = str_of(id),
                           .expected_version = str_of(version) };
}

quipu_change_set probe_set(probe *p, const quipu_change *changes, size_t count)
{
    quipu_change_set set = { .struct_size = sizeof set,
                             .time = TIME_BASE,
                             .author = QUIPU_STR_INIT("validator"),
                             .operation = QUIPU_STR_INIT("update"),
                             .source = QUIPU_STR_INIT("quipu-validate"),
                             .changes = { changes, count, sizeof *changes } };
    for (size_t i = 0; i < 2; i++) {
        uint64_t random = probe_random(p) | 1;
        memcpy(set.change_id + 8 * i, &random, 8);
    }
    return set;
}

int32_t probe_apply(probe *p, const quipu_change *changes, size_t count, quipu_receipt *receipt, quipu_error *error)
{
    quipu_change_set set = probe_set(p, changes, count);
    return p->api->apply(p->self, &set, receipt, NULL, error);
}

void probe_store(probe *p, const char *id, const char *user, const char *text, const char *more)
{
    quipu_error error = probe_error();
    record *r = probe_record(p, id, user, text, more);
    quipu_change change = probe_put(r, QUIPU_EXPECT_ANY, NULL);
    probe_want(p, probe_apply(p, &change, 1, NULL, &error), QUIPU_OK, &error, "apply of one put");
    record_free(r);
}

void probe_fill(probe *p, uint32_t n)
{
    quipu_error error = probe_error();
    quipu_change changes[100] = { 0 };
    record *records[100];
    n = n < 100 ? n : 100;
    for (uint32_t i = 0; i < n; i++) {
        char id[16], text[64];
        snprintf(id, sizeof id, "r%03u", i);
        snprintf(text, sizeof text, "apple number %u", i);
        records[i] = probe_record(p, id, "u", text, "");
        changes[i] = probe_put(records[i], QUIPU_EXPECT_ANY, NULL);
    }
    probe_want(p, probe_apply(p, changes, n, NULL, &error), QUIPU_OK, &error, "apply of several puts");
    for (uint32_t i = 0; i < n; i++)
        record_free(records[i]);
}

/* ---- questions ---- */

static void copy_text(char *out, size_t size, quipu_str text)
{
    size_t len = text.ptr && text.len < size ? (size_t)text.len : 0;
    if (len)
        memcpy(out, text.ptr, len);
    out[len] = '\0';
}

int32_t seen_visit(void *context, const quipu_hit *hit)
{
    seen *s = context;
    if (s->count % 64 == 0) {
        s->ids = realloc(s->ids, (s->count + 64) * sizeof *s->ids);
        s->versions = realloc(s->versions, (s->count + 64) * sizeof *s->versions);
        if (!s->ids || !s->versions)
            abort();
    }
    copy_text(s->ids[s->count], sizeof *s->ids, hit->record->id);
    copy_text(s->versions[s->count], sizeof *s->versions, hit->record->version);
    copy_text(s->cursor, sizeof s->cursor, hit->cursor);
    s->cursor_len = hit->cursor.ptr && hit->cursor.len < sizeof s->cursor ? (size_t)hit->cursor.len : 0;
    buffer_clear(&s->json);
    buffer_append_str(&s->json, hit->record->json);
    s->count++;
    return s->stop_after && s->count >= s->stop_after ? (s->answer ? s->answer : 1) : 0;
}

void seen_free(seen *s)
{
    free(s->ids);
    free(s->versions);
    buffer_free(&s->json);
    *s = (seen){ 0 };
}

bool seen_has(const seen *s, const char *id)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->ids[i], id) == 0)
            return true;
    return false;
}

quipu_filter probe_filter(const char *user)
{
    return (quipu_filter){ .struct_size = sizeof(quipu_filter), .user = str_of(user), .now = QUIPU_TIME_NONE };
}

int32_t probe_get(probe *p, const char *id, const quipu_filter *filter, seen *s, quipu_error *error)
{
    quipu_get query = { .struct_size = sizeof query, .id = str_of(id), .filter = filter };
    return p->api->get(p->self, &query, seen_visit, s, NULL, error);
}

int32_t probe_scan(probe *p, uint32_t order, const quipu_filter *filter, uint64_t limit, seen *s, quipu_error *error)
{
    quipu_scan query = { .struct_size = sizeof query, .order = order, .filter = filter, .limit = limit };
    return p->api->scan(p->self, &query, seen_visit, s, NULL, error);
}

int32_t probe_search(probe *p, const char *text, const quipu_filter *filter, uint64_t k, seen *s, quipu_error *error)
{
    quipu_search query = {
        .struct_size = sizeof query, .text = str_of(text), .filter = filter, .k = k, .mode = QUIPU_SEARCH_LEXICAL
    };
    return p->api->search(p->self, &query, seen_visit, s, NULL, error);
}

typedef struct figure {
    quipu_str name;
    int64_t value;
} figure;

static int32_t find_figure(void *context, const quipu_stat *stat)
{
    figure *f = context;
    if (str_same(stat->name, f->name) && !stat->text.ptr)
        f->value = stat->value;
    return 0;
}

int64_t probe_figure(probe *p, const char *name)
{
    quipu_error error = probe_error();
    figure f = { str_of(name), -1 };
    probe_want(p, p->api->stats(p->self, find_figure, &f, NULL, &error), QUIPU_OK, &error, "stats");
    return f.value;
}

void probe_want_count(probe *p, size_t count, const char *when)
{
    quipu_error error = probe_error();
    seen s = { 0 };
    probe_want(p, probe_scan(p, QUIPU_ORDER_ID, NULL, 0, &s, &error), QUIPU_OK, &error, "scan");
    if (s.count != count)
        probe_fail(p, "%s there are %zu records instead of %zu", when, s.count, count);
    seen_free(&s);
}

void *probe_guarded(probe *p, const void *bytes, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (len + page - 1) / page * page;
    char *map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + room, page, PROT_NONE) != 0)
        probe_skip(p, "no memory for a guard page");
    memcpy(map + room - len, bytes, len);
    return map + room - len;
}
