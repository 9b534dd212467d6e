/* swaps.c - see swaps.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "swaps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <tests/support/scratch.h>
#include <unistd.h>

char swaps_folder[128];
quipu_error swaps_error = { .struct_size = sizeof swaps_error };

/* What is tested here is the order of things, not the disk: where there is a file system in memory, syncs cost nothing. */
int swaps_begin(void **state)
{
    (void)state;
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
    scratch_make(swaps_folder);
    return 0;
}

int swaps_end(void **state)
{
    (void)state;
    scratch_remove(swaps_folder);
    return 0;
}

static const char *build_folder(void)
{
    const char *build = getenv("BUILD");
    return build ? build : "build";
}

const char *const *swaps_backends(void)
{
    static const char *const all[] = { "git", "memory", "sqlite", "json" };
    static const char *built[5];
    const char *wanted = getenv("SWAPS_BACKENDS");
    size_t n = 0;
    for (size_t i = 0; i < 4; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/plugins/%s.so", build_folder(), all[i]);
        if (access(path, F_OK) == 0 && (!wanted || strstr(wanted, all[i])))
            built[n++] = all[i];
    }
    built[n] = NULL;
    return built;
}

bool swaps_sanitized(void)
{
    const char *name = getenv("SAN");
    return name && *name;
}

bool swaps_pair_wanted(const char *const *from, const char *const *to)
{
    return !swaps_sanitized() || to == from + 1 || (!from[1] && to == swaps_backends());
}

bool swaps_persistent(const char *backend)
{
    return strcmp(backend, "memory") != 0;
}

const char *swaps_path(const char *format, ...)
{
    static char paths[8][400];
    static int next;
    char name[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", swaps_folder, name);
    return path;
}

static void hear_nothing(void *context, uint32_t level, const quipu_str *component, const quipu_str *message)
{
    (void)context, (void)component;
    if (level == QUIPU_LOG_ERROR && getenv("SWAPS_LOG"))
        fprintf(stderr, "%.*s\n", (int)message->len, message->ptr);
}

const char *swaps_plugins(void)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/plugins:%s/mutants/swap", build_folder(), build_folder());
    return path;
}

quipu *swaps_open_with(const char *store, const char *backend, const char *plugins)
{
    quipu *q = NULL;
    quipu_options o = { .struct_size = sizeof o,
                        .store = str_of(store),
                        .backend = str_of(backend),
                        .plugin_path = str_of(plugins ? plugins : swaps_plugins()),
                        .author = str_of("tester"),
                        .source = str_of("test/1"),
                        .log = hear_nothing };
    if (quipu_open(&o, &q, &swaps_error) != QUIPU_OK)
        fail_msg("open %s: %s", store, swaps_error.message);
    return q;
}

quipu *swaps_open(const char *store, const char *backend)
{
    return swaps_open_with(store, backend, NULL);
}

void swaps_close(quipu *q)
{
    if (quipu_close(q, &swaps_error) != QUIPU_OK)
        fail_msg("close: %s", swaps_error.message);
}

/* ---- records ---- */

int32_t swaps_put(quipu *q, const char *id, const char *text)
{
    char json[600];
    quipu_error error = { .struct_size = sizeof error };
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"text\":\"%s\"}", id, text);
    quipu_str given = str_of(json);
    int32_t code = quipu_put_json(q, &given, NULL, NULL, NULL, &error);
    if (code != QUIPU_OK)
        swaps_error = error;
    return code;
}

int32_t swaps_delete(quipu *q, const char *id)
{
    quipu_error error = { .struct_size = sizeof error };
    quipu_write one = { .struct_size = sizeof one, .op = QUIPU_CHANGE_DELETE, .id = str_of(id) };
    quipu_array writes = { &one, 1, sizeof one };
    int32_t code = quipu_write_records(q, &writes, NULL, NULL, NULL, NULL, NULL, &error);
    if (code != QUIPU_OK)
        swaps_error = error;
    return code;
}

static const char *const extras[] = { "", ",\"tags\":[\"x\",\"y\"],\"importance\":0.5", ",\"scope\":{\"user\":\"ana\"}",
                                      ",\"metadata\":{\"n\":1.50}", ",\"expires_at\":\"2001-01-01T00:00:00Z\"" };

void swaps_fill(quipu *q, int count)
{
    enum { TOGETHER = 25 };
    static char json[TOGETHER][300];
    for (int from = 0; from < count; from += TOGETHER) {
        quipu_write steps[TOGETHER];
        int n = count - from < TOGETHER ? count - from : TOGETHER;
        for (int i = 0; i < n; i++) {
            int k = from + i;
            snprintf(json[i], sizeof json[i], "{\"id\":\"seed-%05d\",\"text\":\"word%d knot cord number %d\"%s}", k,
                     k % 97, k, extras[k % 5]);
            steps[i] = (quipu_write){ .struct_size = sizeof steps[i], .op = QUIPU_CHANGE_PUT, .json = str_of(json[i]) };
        }
        quipu_array writes = { steps, (uint64_t)n, sizeof steps[0] };
        if (quipu_write_records(q, &writes, NULL, NULL, NULL, NULL, NULL, &swaps_error) != QUIPU_OK)
            fail_msg("fill: %s", swaps_error.message);
    }
}

static int32_t keep_text(void *context, const quipu_hit *hit)
{
    snprintf(context, 300, "%.*s", (int)hit->record->text.len, hit->record->text.len ? hit->record->text.ptr : "");
    return 0;
}

static const quipu_filter all = { .struct_size = sizeof all, .flags = QUIPU_FILTER_EXPIRED, .now = QUIPU_TIME_NONE };

const char *swaps_text(quipu *q, const char *id)
{
    static _Thread_local char text[300];
    quipu_get query = { .struct_size = sizeof query, .id = str_of(id), .filter = &all };
    text[0] = '\0';
    int32_t code = quipu_get_record(q, &query, keep_text, text, NULL, &swaps_error);
    if (code != QUIPU_OK && code != QUIPU_E_NOT_FOUND)
        fail_msg("get: %s", swaps_error.message);
    return text;
}

swaps_digest swaps_digest_of(quipu *q)
{
    swaps_digest d = { .count = 0 };
    if (quipu_digest(q, d.text, &d.count, NULL, &swaps_error) != QUIPU_OK)
        fail_msg("digest: %s", swaps_error.message);
    return d;
}

void swaps_assert_same(swaps_digest a, swaps_digest b)
{
    assert_string_equal(a.text, b.text);
    assert_int_equal(a.count, b.count);
}

/* ---- swaps ---- */

int32_t swaps_try(quipu *q, const char *backend, const char *store, uint32_t flags, quipu_swap_report *report)
{
    quipu_swap_options o = { .struct_size = sizeof o,
                             .flags = flags | (swaps_persistent(backend) ? 0 : QUIPU_SWAP_VOLATILE),
                             .backend = str_of(backend),
                             .store = str_of(store) };
    *report = (quipu_swap_report){ .struct_size = sizeof *report };
    swaps_error = (quipu_error){ .struct_size = sizeof swaps_error };
    return quipu_swap(q, &o, NULL, NULL, report, NULL, &swaps_error);
}

quipu_swap_report swaps_swap(quipu *q, const char *backend, const char *store, uint32_t flags)
{
    quipu_swap_report report;
    if (swaps_try(q, backend, store, flags, &report) != QUIPU_OK)
        fail_msg("swap from %s to %s: %s [%s] [%s]", quipu_backend_name(q), backend, swaps_error.message,
                 swaps_error.field, swaps_error.id);
    return report;
}

/* ---- load ---- */

typedef struct worker {
    swaps_load *load;
    pthread_t thread;
    int number;
    uint64_t calls;
    int last[SWAPS_IDS]; /* the number in its text; -1: deleted; 0: never written */
    char fault[400];     /* the first */
} worker;

struct swaps_load {
    quipu *q;
    atomic_bool stop;
    int count;
    worker workers[SWAPS_THREADS_MOST];
};

static void note_fault(worker *w, const char *what, int32_t code, const quipu_error *error)
{
    if (!w->fault[0])
        snprintf(w->fault, sizeof w->fault, "%s: %d %s [%s]", what, code, error->message, error->field);
}

static void own_id(const worker *w, int i, char out[32])
{
    snprintf(out, 32, "load-%d-%d", w->number, i);
}

static void write_one(worker *w, int step)
{
    char id[32], json[200];
    quipu_error error = { .struct_size = sizeof error };
    int i = step % SWAPS_IDS;
    bool removal = step % 7 == 3 && w->last[i] > 0;
    own_id(w, i, id);
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"text\":\"load step %d knot\"}", id, step);
    quipu_write one = { .struct_size = sizeof one,
                        .op = removal ? QUIPU_CHANGE_DELETE : QUIPU_CHANGE_PUT,
                        .id = str_of(id),
                        .json = removal ? (quipu_str){ NULL, 0 } : str_of(json) };
    quipu_array writes = { &one, 1, sizeof one };
    int32_t code = quipu_write_records(w->load->q, &writes, NULL, NULL, NULL, NULL, NULL, &error);
    if (code != QUIPU_OK)
        note_fault(w, "write", code, &error);
    else
        w->last[i] = removal ? -1 : step;
    w->calls++;
}

/* What a thread has written it reads. */
static void read_own(worker *w, int step)
{
    char id[32], text[300] = "", expected[64] = "";
    quipu_error error = { .struct_size = sizeof error };
    int i = step % SWAPS_IDS;
    own_id(w, i, id);
    quipu_get query = { .struct_size = sizeof query, .id = str_of(id) };
    int32_t code = quipu_get_record(w->load->q, &query, keep_text, text, NULL, &error);
    if (code != QUIPU_OK && code != QUIPU_E_NOT_FOUND)
        note_fault(w, "get", code, &error);
    if (w->last[i] > 0)
        snprintf(expected, sizeof expected, "load step %d knot", w->last[i]);
    if (strcmp(text, expected) != 0) {
        snprintf(error.message, sizeof error.message, "%s is \"%s\", expected \"%s\"", id, text, expected);
        note_fault(w, "read your writes", QUIPU_E_CONFLICT, &error);
    }
    w->calls++;
}

static int32_t take(void *context, const quipu_hit *hit)
{
    (void)context, (void)hit;
    return 0;
}

static void question(worker *w, int step)
{
    quipu_error error = { .struct_size = sizeof error };
    quipu_search search = { .struct_size = sizeof search, .text = str_of("knot step"), .k = 5 };
    quipu_scan scan = { .struct_size = sizeof scan, .limit = 20, .order = QUIPU_ORDER_NEWEST };
    int32_t code = step % 2 ? quipu_search_records(w->load->q, &search, take, NULL, NULL, &error)
                            : quipu_scan_records(w->load->q, &scan, take, NULL, NULL, &error);
    if (code != QUIPU_OK)
        note_fault(w, step % 2 ? "search" : "scan", code, &error);
    w->calls++;
}

static void *work(void *argument)
{
    worker *w = argument;
    for (int step = 1; !atomic_load(&w->load->stop); step++) {
        write_one(w, step);
        read_own(w, step);
        if (step % 4 == 0)
            question(w, step / 4);
        usleep(300); /* all of them together leave the machine some time for the swap */
    }
    return NULL;
}

swaps_load *swaps_load_start(quipu *q, int threads)
{
    swaps_load *load = calloc(1, sizeof *load);
    assert_non_null(load);
    load->q = q;
    load->count = threads;
    for (int i = 0; i < threads; i++) {
        load->workers[i].load = load;
        load->workers[i].number = i;
        assert_int_equal(pthread_create(&load->workers[i].thread, NULL, work, &load->workers[i]), 0);
    }
    return load;
}

uint64_t swaps_load_stop(swaps_load *load)
{
    uint64_t calls = 0;
    atomic_store(&load->stop, true);
    for (int i = 0; i < load->count; i++)
        pthread_join(load->workers[i].thread, NULL);
    for (int i = 0; i < load->count; i++) {
        worker *w = &load->workers[i];
        for (int k = 0; k < SWAPS_IDS; k++)
            read_own(w, k);
        if (w->fault[0])
            fail_msg("thread %d: %s", i, w->fault);
        calls += w->calls;
    }
    free(load);
    return calls;
}
