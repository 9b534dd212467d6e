/*
 * bench_backends.c - every backend that is built, on one workload, with SQLite alone beside them in the same run.
 *
 * Durable adds, one record a change set, from 1 and 8 threads; a bulk of 1,000 records a change set through migrate/1 where there is one; get at
 * random; a scan of everything; lexical searches, the first and the rest. Adds take turns with the peer's, so that both meet the same
 * disk. JSON lines, ratios last. Environment: N records of the bulk (20,000), ADDS (500), ASK questions (200), BACKENDS ("git sqlite postgres json memory"),
 * BUILD (build), TMPDIR.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "backends_bench.h"

#include <base/buffer.h>
#include <pthread.h>
#include <quipu.h>
#include <quipu/ext/migrate.h>
#include <sdk/record.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PER_SET = 1000, THREADS = 8, GETS = 2000 };

static char folder[128], plugins[512];
static const char *who; /* the backend at hand */

/* ---- records and lines ---- */

static const char *const words[] = { "kitchen",  "meeting", "garden", "invoice", "train",  "doctor",
                                     "birthday", "printer", "coffee", "holiday", "school", "bicycle",
                                     "piano",    "river",   "market", "letter" };

static const char *word(long i, int place)
{
    return words[(unsigned long)(i * 2654435761L >> (4 + place)) % (sizeof words / sizeof words[0])];
}

void bench_id(long i, char out[16])
{
    snprintf(out, 16, "r%08ld", i);
}

size_t bench_json(long i, char out[BENCH_JSON_MAX])
{
    return (size_t)snprintf(
        out, BENCH_JSON_MAX,
        "{\n  \"actor\": \"ana\",\n  \"created_at\": \"2026-01-02T03:04:05.%06ldZ\",\n  \"id\": "
        "\"r%08ld\",\n  \"kind\": \"memory\",\n  \"scope\": {\n    \"session\": \"s%ld\",\n    "
        "\"user\": \"ana\"\n  },\n  \"text\": \"note %ld: the %s with the %s was moved to the "
        "morning, because of the %s and the %s\",\n  \"updated_at\": \"2026-01-02T03:04:05.%06ldZ\"\n}\n",
        i % 1000000 | 1, i, i / 50, i, word(i, 0), word(i, 5), word(i, 9), word(i, 13), i % 1000000 | 1);
}

static double clock_of(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double bench_now(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

double bench_processor(void)
{
    return clock_of(CLOCK_PROCESS_CPUTIME_ID);
}

void bench_stop(const char *what, const char *why)
{
    fprintf(stderr, "bench_backends: %s: %s: %s\n", who ? who : "-", what, why ? why : "failed");
    exit(1);
}

static void value(const char *subject, double v, const char *unit)
{
    printf("{\"bench\":\"backends\",\"backend\":\"%s\",\"subject\":\"%s\",\"value\":%.5g,\"unit\":\"%s\"}\n", who,
           subject, v, unit);
    fflush(stdout);
}

static void ratio(const char *subject, double v)
{
    printf(
        "{\"bench\":\"backends\",\"backend\":\"%s\",\"subject\":\"%s\",\"ratio_to\":\"SQLite alone\",\"ratio\":%.3f}\n",
        who, subject, v);
    fflush(stdout);
}

static long number(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

/* ---- the store ---- */

static quipu *open_store(const char *store)
{
    quipu_error error = { .struct_size = sizeof error };
    quipu *q;
    quipu_options options = {
        .struct_size = sizeof options, .store = str_of(store), .backend = str_of(who), .plugin_path = str_of(plugins)
    };
    if (quipu_open(&options, &q, &error) != QUIPU_OK)
        bench_stop("open", error.message);
    return q;
}

/* Change sets over records from..from+count-1, decoded and ready. */
typedef struct load {
    long count, sets_count;
    record **records;
    quipu_change *changes;
    quipu_change_set *sets;
} load;

static void load_make(load *w, quipu *q, long from, long count, long per_set)
{
    quipu_error error = { .struct_size = sizeof error };
    char json[BENCH_JSON_MAX];
    w->count = count;
    w->sets_count = (count + per_set - 1) / per_set;
    w->records = calloc((size_t)count, sizeof *w->records);
    w->changes = calloc((size_t)count, sizeof *w->changes);
    w->sets = calloc((size_t)w->sets_count, sizeof *w->sets);
    if (!w->records || !w->changes || !w->sets)
        bench_stop("records", "no memory");
    for (long i = 0; i < count; i++) {
        if (record_decode(str_make(json, bench_json(from + i, json)), NULL, &w->records[i], &error) != QUIPU_OK)
            bench_stop("record", error.message);
        const quipu_record *r = record_view(w->records[i]);
        w->changes[i] =
            (quipu_change){ .struct_size = sizeof *w->changes, .op = QUIPU_CHANGE_PUT, .id = r->id, .record = r };
    }
    for (long i = 0; i < w->sets_count; i++) {
        long left = count - i * per_set;
        w->sets[i].struct_size = sizeof *w->sets;
        if (quipu_change_set_begin(q, NULL, &w->sets[i], &error) != QUIPU_OK)
            bench_stop("change set", error.message);
        w->sets[i].operation = str_of("import");
        w->sets[i].changes =
            (quipu_array){ w->changes + i * per_set, (uint64_t)(left < per_set ? left : per_set), sizeof *w->changes };
    }
}

static void load_free(load *w)
{
    for (long i = 0; i < w->count; i++)
        record_free(w->records[i]);
    free(w->records);
    free(w->changes);
    free(w->sets);
}

static void apply(quipu *q, const quipu_change_set *set)
{
    quipu_error error = { .struct_size = sizeof error };
    if (quipu_apply_set(q, set, NULL, NULL, &error) != QUIPU_OK)
        bench_stop("apply", error.message);
}

/* ---- writing ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *seconds, long n)
{
    qsort(seconds, (size_t)n, sizeof *seconds, compare);
    return seconds[n / 2];
}

/* Adds of ours and of the peer take turns. */
static void bench_adds(quipu *q, peer *p, long n)
{
    double *ours = calloc((size_t)n, sizeof *ours), *theirs = calloc((size_t)n, sizeof *theirs);
    double mine = 0, bare = 0;
    load w;
    if (!ours || !theirs)
        bench_stop("adds", "no memory");
    load_make(&w, q, 0, n, 1);
    for (long i = 0; i < n; i++) {
        double begin = bench_now();
        apply(q, &w.sets[i]);
        double middle = bench_now();
        if (p)
            peer_add(p, i, 1);
        double last = bench_now();
        mine += ours[i] = middle - begin;
        bare += theirs[i] = last - middle;
    }
    load_free(&w);
    value("durable adds, 1 thread", (double)n / mine, "adds/s");
    value("one durable add, p50", median(ours, n) * 1000, "ms");
    if (p) {
        value("SQLite alone, durable adds, 1 thread", (double)n / bare, "adds/s");
        ratio("durable adds, 1 thread", bare / mine);
        ratio("durable adds, 1 thread, by the median", median(theirs, n) / median(ours, n));
    }
    free(ours);
    free(theirs);
}

typedef struct adder {
    quipu *q;
    const load *w;
    long first;
    pthread_t thread;
} adder;

static void *add_share(void *context)
{
    const adder *a = context;
    for (long i = a->first; i < a->w->sets_count; i += THREADS)
        apply(a->q, &a->w->sets[i]);
    return NULL;
}

static void bench_threads(quipu *q, long from, long n)
{
    adder adders[THREADS];
    load w;
    load_make(&w, q, from, n, 1);
    double begin = bench_now();
    for (int i = 0; i < THREADS; i++) {
        adders[i] = (adder){ q, &w, i, 0 };
        if (pthread_create(&adders[i].thread, NULL, add_share, &adders[i]) != 0)
            bench_stop("thread", "cannot be started");
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(adders[i].thread, NULL);
    value("durable adds, 8 threads", (double)n / (bench_now() - begin), "adds/s");
    load_free(&w);
}

static void write_bulk(quipu *q, const load *w)
{
    static const quipu_str id = { QUIPU_EXT_MIGRATE, sizeof QUIPU_EXT_MIGRATE - 1 };
    quipu_error error = { .struct_size = sizeof error };
    quipu_lease lease = { .struct_size = sizeof lease };
    quipu_array sets = { w->sets, (uint64_t)w->sets_count, sizeof *w->sets };
    if (quipu_enter(q, &lease, &error) != QUIPU_OK)
        bench_stop("enter", error.message);
    const quipu_migrate_api *api = lease.api->get_extension(lease.self, &id);
    if (api && api->write(lease.self, &sets, NULL, NULL, NULL, &error) != QUIPU_OK)
        bench_stop("bulk", error.message);
    quipu_leave(q, &lease);
    for (long i = 0; !api && i < w->sets_count; i++)
        apply(q, &w->sets[i]);
}

static void bench_bulk(quipu *q, peer *p, long from, long n)
{
    load w;
    load_make(&w, q, from, n, PER_SET);
    double begin = bench_now(), before = bench_processor();
    write_bulk(q, &w);
    double seconds = bench_now() - begin, processor = bench_processor() - before;
    value("bulk of 1,000 a change set", (double)n / seconds, "records/s");
    load_free(&w);
    if (!p)
        return;
    begin = bench_now();
    before = bench_processor();
    for (long i = 0; i < n; i += PER_SET)
        peer_add(p, from + i, n - i < PER_SET ? n - i : PER_SET);
    double theirs = bench_now() - begin, their_processor = bench_processor() - before;
    value("SQLite alone, bulk of 1,000 a transaction", (double)n / theirs, "records/s");
    ratio("bulk of 1,000 a change set", theirs / seconds);
    ratio("bulk, for each second of processor time", their_processor / processor);
}

/* ---- reading ---- */

static int32_t see_hit(void *context, const quipu_hit *hit)
{
    *(size_t *)context += (size_t)hit->record->json.len;
    return 0;
}

static int32_t count_hit(void *context, const quipu_hit *hit)
{
    (void)hit;
    ++*(long *)context;
    return 0;
}

static void bench_get(quipu *q, peer *p, long all)
{
    quipu_error error = { .struct_size = sizeof error };
    size_t bytes = 0, theirs = 0;
    char id[16];
    double begin = bench_processor();
    for (long i = 0; i < GETS; i++) {
        bench_id((i * 7919) % all, id);
        quipu_get query = { .struct_size = sizeof query, .id = str_of(id) };
        if (quipu_get_record(q, &query, see_hit, &bytes, NULL, &error) != QUIPU_OK)
            bench_stop(id, error.message);
    }
    double ours = bench_processor() - begin;
    value("get, processor time", ours / GETS * 1e6, "us");
    if (!p)
        return;
    begin = bench_processor();
    for (long i = 0; i < GETS; i++) {
        bench_id((i * 7919) % all, id);
        theirs += peer_get(p, id);
    }
    if (theirs != bytes)
        bench_stop("get", "the peer answers otherwise");
    ratio("get", (bench_processor() - begin) / ours);
}

static void bench_scan(quipu *q, peer *p, long all)
{
    quipu_error error = { .struct_size = sizeof error };
    quipu_scan query = { .struct_size = sizeof query };
    long seen = 0;
    double begin = bench_processor();
    if (quipu_scan_records(q, &query, count_hit, &seen, NULL, &error) != QUIPU_OK || seen != all)
        bench_stop("scan", error.message);
    value("the first scan, which builds the index, processor time", (bench_processor() - begin) * 1000, "ms");
    begin = bench_processor();
    seen = 0;
    if (quipu_scan_records(q, &query, count_hit, &seen, NULL, &error) != QUIPU_OK || seen != all)
        bench_stop("scan", error.message);
    double ours = bench_processor() - begin;
    value("scan, records for each second of processor time", (double)all / ours, "records/s");
    begin = bench_processor();
    if (p && peer_scan(p) != all)
        bench_stop("scan", "the peer answers otherwise");
    if (p)
        ratio("scan", (bench_processor() - begin) / ours);
}

static void bench_search(quipu *q, peer *p, long asked)
{
    quipu_error error = { .struct_size = sizeof error };
    double ours = 0, theirs = 0;
    long hits = 0;
    for (long i = 0; i < asked; i++) {
        char text[100];
        snprintf(text, sizeof text, "%s %s %s", word(i * 3, 2), word(i * 3 + 1, 4), word(i * 3 + 2, 6));
        quipu_search query = {
            .struct_size = sizeof query, .text = str_of(text), .k = 10, .mode = QUIPU_SEARCH_LEXICAL
        };
        double begin = bench_processor();
        if (quipu_search_records(q, &query, count_hit, &hits, NULL, &error) != QUIPU_OK)
            bench_stop("search", error.message);
        double middle = bench_processor();
        if (p && i == 0)
            peer_search(p, text); /* fills its table */
        double last = bench_processor();
        if (p)
            peer_search(p, text);
        ours += middle - begin;
        theirs += bench_processor() - last;
    }
    value("lexical search, processor time, mean", ours / (double)asked * 1000, "ms");
    if (p && peer_search(p, "kitchen") > 0)
        ratio("lexical search, against FTS5 alone", theirs / ours);
}

/* ---- one backend ---- */

static double disk_of(const char *path)
{
    char command[400], line[64] = "0";
    snprintf(command, sizeof command, "du -sk '%s'", path);
    FILE *pipe = popen(command, "r");
    if (!pipe || !fgets(line, sizeof line, pipe))
        bench_stop("du", "no answer");
    pclose(pipe);
    return atof(line) * 1024;
}

static void bench_backend(long adds, long n, long asked)
{
    char store[200], other[220];
    quipu_error error = { .struct_size = sizeof error };
    snprintf(store, sizeof store, "%s/%s", folder, who);
    snprintf(other, sizeof other, "%s/peer-of-%s", folder, who);
    peer *p = peer_open(other);
    quipu *q = open_store(store);
    long all = adds;
    bench_adds(q, p, adds);
    bench_bulk(q, p, all, n);
    all += n;
    bench_get(q, p, all);
    bench_scan(q, p, all);
    bench_search(q, p, asked);
    bench_threads(q, all, adds * 4);
    double begin = bench_now();
    if (quipu_close(q, &error) != QUIPU_OK)
        bench_stop("close", error.message);
    value("closing", (bench_now() - begin) * 1000, "ms");
    if (strcmp(who, "memory") != 0)
        value("on disk", disk_of(store), "bytes");
    if (p)
        peer_close(p);
}

int main(void)
{
    const char *build = getenv("BUILD"), *base = getenv("TMPDIR"), *names = getenv("BACKENDS");
    char list[200], path[800], command[200], *rest = NULL;
    long n = number("N", 20000), adds = number("ADDS", 500), asked = number("ASK", 200);
    snprintf(plugins, sizeof plugins, "%s/plugins", build ? build : "build");
    snprintf(folder, sizeof folder, "%.90s/quipu-bench-XXXXXX", base ? base : "/tmp");
    if (n < PER_SET || adds < 10 || asked < 1)
        bench_stop("N, ADDS, ASK", "at least 1000, 10 and 1 are needed");
    if (!mkdtemp(folder))
        bench_stop(folder, "cannot make a folder");
    snprintf(list, sizeof list, "%s", names ? names : "memory git sqlite postgres json");
    for (who = strtok_r(list, " ", &rest); who; who = strtok_r(NULL, " ", &rest)) {
        snprintf(path, sizeof path, "%s/%s.so", plugins, who);
        if (access(path, F_OK) == 0 && (strcmp(who, "postgres") != 0 || bench_server_start()))
            bench_backend(adds, n, asked);
    }
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : 1;
}
