/*
 * bench_storage.c - the git backend against its peers, on the same records, in one run.
 *
 * Filling: one commit a record, and 1,000 records a commit, through migrate/1; beside it `git fast-import` of the same contents
 * under records/xx/yy/, SQLite, libgit2 with loose objects and the `git` command (these two on fewer records).
 * Durable adds: one change set a call, from 1 and 8 threads; beside it a bare loop of the syncs that a commit needs, and SQLite.
 * Then: catching up the catalogue and the lexical index, opening until the first get, bytes on disk. JSON lines, ratios last.
 * Environment: N records with a commit each (10,000), BULK records by 1,000 (ten times N), ADDS durable adds (500), ONLY one part (single,
 * bulk, adds, maintenance, slow), RELAXED=1 for durability "relaxed", MAINTAIN=off, BUILD (build), TMPDIR.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "storage_bench.h"

#include <fcntl.h>
#include <pthread.h>
#include <quipu.h>
#include <sdk/record.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WINDOWS = 10,
    PER_COMMIT = 1000,
    LIBGIT2_MAX = 300,
    COMMAND_MAX = 20,
    THREADS = 8,
    ROUNDS = 3, /* of what is compared in turn */
    PACK_BYTES = 2000,
    INDEX_BYTES = 1350
};

static char folder[128];
static const char *plugins, *mode = "durable";
static const char *maintain = "auto"; /* the setting of stores that are opened */

static long number(const char *name, long otherwise)
{
    const char *text = getenv(name);
    long n = text ? atol(text) : otherwise;
    if (n < WINDOWS)
        bench_stop(name, "at least 10 are needed");
    return n;
}

static quipu *open_store(const char *store)
{
    quipu_error error = { .struct_size = sizeof error };
    quipu *q;
    static char config[80];
    snprintf(config, sizeof config, "{\"durability\":\"%s\",\"maintain\":\"%s\"}",
             getenv("RELAXED") ? "relaxed" : "full", maintain);
    quipu_options options = { .struct_size = sizeof options,
                              .store = { store, strlen(store) },
                              .backend_config = { config, strlen(config) },
                              .plugin_path = { plugins, strlen(plugins) } };
    if (quipu_open(&options, &q, &error) != QUIPU_OK)
        bench_stop("open", error.message);
    return q;
}

/* ---- change sets ---- */

/* Change sets over records from..from+count-1, decoded and ready. */
typedef struct window {
    long count;
    record **records;
    quipu_change *changes;
    quipu_change_set *sets;
    quipu_array array;
} window;

static void window_make(window *w, quipu *q, long from, long count, long per_commit)
{
    quipu_error error = { .struct_size = sizeof error };
    char json[BENCH_JSON_MAX];
    long sets = (count + per_commit - 1) / per_commit;
    w->count = count;
    w->records = calloc((size_t)count, sizeof *w->records);
    w->changes = calloc((size_t)count, sizeof *w->changes);
    w->sets = calloc((size_t)sets, sizeof *w->sets);
    if (!w->records || !w->changes || !w->sets)
        bench_stop("records", "no memory");
    for (long i = 0; i < count; i++) {
        if (record_decode(str_make(json, bench_json(from + i, json)), NULL, &w->records[i], &error) != QUIPU_OK)
            bench_stop("record", error.message);
        const quipu_record *r = record_view(w->records[i]);
        w->changes[i] =
            (quipu_change){ .struct_size = sizeof *w->changes, .op = QUIPU_CHANGE_PUT, .id = r->id, .record = r };
    }
    for (long i = 0; i < sets; i++) {
        long left = count - i * per_commit;
        w->sets[i].struct_size = sizeof *w->sets;
        if (quipu_change_set_begin(q, NULL, &w->sets[i], &error) != QUIPU_OK)
            bench_stop("change set", error.message);
        w->sets[i].operation = str_of("import");
        w->sets[i].changes = (quipu_array){ w->changes + i * per_commit,
                                            (uint64_t)(left < per_commit ? left : per_commit), sizeof *w->changes };
    }
    w->array = (quipu_array){ w->sets, (uint64_t)sets, sizeof *w->sets };
}

static void window_free(window *w)
{
    for (long i = 0; i < w->count; i++)
        record_free(w->records[i]);
    free(w->records);
    free(w->changes);
    free(w->sets);
}

/* ---- filling ---- */

typedef struct filled {
    double rate, rate_with_decoding;
    double processor;      /* records for each second of processor time */
    double tail;           /* rate of the last tenth against the second */
    double tail_processor; /* the same for each second of processor time */
} filled;

static void write_window(quipu *q, const window *w)
{
    static const quipu_str id = { QUIPU_EXT_MIGRATE, sizeof QUIPU_EXT_MIGRATE - 1 };
    quipu_error error = { .struct_size = sizeof error };
    quipu_lease lease = { .struct_size = sizeof lease };
    uint64_t done;
    if (quipu_enter(q, &lease, &error) != QUIPU_OK)
        bench_stop("enter", error.message);
    const quipu_migrate_api *api = lease.api->get_extension(lease.self, &id);
    if (!api || api->write(lease.self, &w->array, NULL, &done, NULL, &error) != QUIPU_OK)
        bench_stop("write", error.message);
    quipu_leave(q, &lease);
}

static filled fill(quipu *q, long n, long per_commit)
{
    double writing = 0, decoding = 0, processor = 0, rates[WINDOWS], by_processor[WINDOWS];
    for (long i = 0; i < WINDOWS; i++) {
        long from = n * i / WINDOWS, count = n * (i + 1) / WINDOWS - from;
        window w;
        double begin = bench_now();
        window_make(&w, q, from, count, per_commit);
        double ready = bench_now(), before = bench_processor();
        write_window(q, &w);
        double end = bench_now();
        decoding += ready - begin;
        writing += end - ready;
        double worked = bench_processor() - before;
        processor += worked;
        by_processor[i] = (double)count / worked;
        rates[i] = (double)count / (end - ready);
        window_free(&w);
    }
    return (filled){ (double)n / writing, (double)n / (writing + decoding), (double)n / processor,
                     rates[WINDOWS - 1] / rates[1], by_processor[WINDOWS - 1] / by_processor[1] };
}

static int32_t see_hit(void *context, const quipu_hit *hit)
{
    (void)hit;
    ++*(long *)context;
    return 0;
}

/* Catches up catalogue and index: the first search builds them, closing saves what it learned. */
static void catch_up(quipu *q, long n, const char *what)
{
    quipu_error error = { .struct_size = sizeof error };
    quipu_search query = {
        .struct_size = sizeof query, .text = str_of("kitchen"), .k = 10, .mode = QUIPU_SEARCH_LEXICAL
    };
    long hits = 0;
    char subject[120];
    double begin = bench_now();
    if (quipu_search_records(q, &query, see_hit, &hits, NULL, &error) != QUIPU_OK || hits == 0)
        bench_stop("search", error.message);
    double searched = bench_now();
    if (quipu_close(q, &error) != QUIPU_OK)
        bench_stop("close", error.message);
    snprintf(subject, sizeof subject, "catching up catalogue and lexical index, %s", what);
    bench_value(subject, (double)n / (searched - begin), "records/s");
    snprintf(subject, sizeof subject, "the same with closing, which saves it, %s", what);
    bench_value(subject, (double)n / (bench_now() - begin), "records/s");
}

static void time_opening(const char *store, const char *what)
{
    quipu_error error = { .struct_size = sizeof error };
    quipu_get query = { .struct_size = sizeof query, .id = str_of("r00000007") };
    char subject[120];
    long hits = 0;
    double begin = bench_now();
    quipu *q = open_store(store);
    if (quipu_get_record(q, &query, see_hit, &hits, NULL, &error) != QUIPU_OK)
        bench_stop("get", error.message);
    snprintf(subject, sizeof subject, "opening until the first get, %s", what);
    bench_value(subject, (bench_now() - begin) * 1000, "ms");
    quipu_close(q, NULL);
}

static void path_of(char out[200], const char *name)
{
    snprintf(out, 200, "%s/%s", folder, name);
}

/* What `quipu maintain` leaves, against `git fast-import` and then `git gc`. */
static void compare_packed(const char *store, const char *other)
{
    static const quipu_str id = { QUIPU_EXT_MAINTAIN, sizeof QUIPU_EXT_MAINTAIN - 1 };
    quipu_error error = { .struct_size = sizeof error };
    quipu_lease lease = { .struct_size = sizeof lease };
    quipu_maintain how = { .struct_size = sizeof how, .flags = QUIPU_MAINTAIN_REPACK | QUIPU_MAINTAIN_FORCE };
    quipu_maintained report = { .struct_size = sizeof report };
    char command[300];
    quipu *q = open_store(store);
    if (quipu_enter(q, &lease, &error) != QUIPU_OK)
        bench_stop("enter", error.message);
    const quipu_maintain_api *api = lease.api->get_extension(lease.self, &id);
    if (!api || api->maintain(lease.self, &how, NULL, NULL, &report, NULL, &error) != QUIPU_OK)
        bench_stop("maintain", error.message);
    quipu_leave(q, &lease);
    quipu_close(q, NULL);
    snprintf(command, sizeof command, "git -C '%s' gc --quiet", other);
    if (system(command) != 0)
        bench_stop(command, "failed");
    snprintf(command, sizeof command, "%s/objects/pack", other);
    double theirs = bench_disk(command);
    bench_value("packs after maintenance", (double)report.bytes_after, "bytes");
    bench_value("packs after git fast-import and git gc", theirs, "bytes");
    bench_ratio("packs after maintenance", "packs after git fast-import and git gc",
                (double)report.bytes_after / theirs);
}

/* Ours and fast-import on the same records; both are removed again. */
static void compare_filling(long n, long per_commit, const char *what)
{
    char store[200], other[200], subject[120], to[120], command[600];
    path_of(store, "store");
    path_of(other, "fast-import");
    quipu *q = open_store(store);
    filled ours = fill(q, n, per_commit);
    double bytes = bench_disk(store);
    snprintf(subject, sizeof subject, "quipu git, %s, %s", mode, what);
    bench_value(subject, ours.rate, "records/s");
    bench_value("the same with decoding the records", ours.rate_with_decoding, "records/s");
    bench_value("on disk", bytes, "bytes");
    catch_up(q, n, what);
    time_opening(store, what);
    double before = bench_processor_of_children();
    double their_tail, theirs = peer_fast_import(other, n, per_commit, &their_tail);
    double processor = (double)n / (bench_processor_of_children() - before);
    snprintf(to, sizeof to, "git fast-import, %s", what);
    bench_value(to, theirs, "records/s");
    bench_value("on disk, git fast-import", bench_disk(other), "bytes");
    bench_ratio(subject, to, ours.rate / theirs);
    bench_ratio("the same for each second of processor time", to, ours.processor / processor);
    bench_ratio("the same with decoding the records", to, ours.rate_with_decoding / theirs);
    bench_ratio("on disk", "on disk, git fast-import", bytes / bench_disk(other));
    snprintf(subject, sizeof subject, "last tenth, %s", what);
    bench_ratio(subject, "second tenth", ours.tail);
    bench_ratio("the same for each second of processor time", "second tenth", ours.tail_processor);
    bench_ratio("last tenth, git fast-import", "second tenth", their_tail);
    if (per_commit == 1)
        compare_packed(store, other);
    snprintf(command, sizeof command, "rm -rf '%s' '%s'", store, other);
    if (system(command) != 0)
        bench_stop(command, "failed");
}

/* ---- durable adds ---- */

static void synced(const char *path, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || fsync(fd) < 0 || close(fd) < 0)
        bench_stop(path, "cannot write and sync");
}

static void sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0 || close(fd) < 0)
        bench_stop(path, "cannot sync");
}

/* The syncs of one durable commit and nothing else: pack, index, their folder, branch, its folder. Seconds. */
static double bare_commit(long i)
{
    static char bytes[PACK_BYTES];
    char packs[200], refs[200], path[260], lock[260];
    path_of(packs, "bare-packs");
    path_of(refs, "bare-refs");
    mkdir(packs, 0700);
    mkdir(refs, 0700);
    double begin = bench_now();
    snprintf(path, sizeof path, "%s/%ld.pack", packs, i);
    synced(path, bytes, PACK_BYTES);
    snprintf(path, sizeof path, "%s/%ld.idx", packs, i);
    synced(path, bytes, INDEX_BYTES);
    sync_folder(packs);
    snprintf(path, sizeof path, "%s/main", refs);
    snprintf(lock, sizeof lock, "%s/main.lock", refs);
    synced(lock, bytes, 41);
    if (rename(lock, path) < 0)
        bench_stop(path, "cannot rename");
    sync_folder(refs);
    return bench_now() - begin;
}

static double add_set(quipu *q, const quipu_change_set *set)
{
    quipu_error error = { .struct_size = sizeof error };
    double begin = bench_now();
    if (quipu_apply_set(q, set, NULL, NULL, &error) != QUIPU_OK)
        bench_stop("add", error.message);
    return bench_now() - begin;
}

typedef struct adder {
    quipu *q;
    const window *w;
    long first;
    pthread_t thread;
} adder;

static void *add_share(void *context)
{
    const adder *a = context;
    for (long i = a->first; i < a->w->count; i += THREADS)
        add_set(a->q, &a->w->sets[i]);
    return NULL;
}

static double adds_of_threads(quipu *q, long from, long n)
{
    window w;
    adder adders[THREADS];
    window_make(&w, q, from, n, 1);
    double begin = bench_now();
    for (int i = 0; i < THREADS; i++) {
        adders[i] = (adder){ q, &w, i, 0 };
        if (pthread_create(&adders[i].thread, NULL, add_share, &adders[i]) != 0)
            bench_stop("thread", "cannot be started");
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(adders[i].thread, NULL);
    double seconds = bench_now() - begin;
    window_free(&w);
    return (double)n / seconds;
}

/* Adds and bare commits take turns, so that both meet the same disk. Answers adds a second. */
static double single_adds(quipu *q, long n)
{
    double *ours = calloc((size_t)n, sizeof *ours), *bare = calloc((size_t)n, sizeof *bare), sum = 0;
    window w;
    if (!ours || !bare)
        bench_stop("adds", "no memory");
    window_make(&w, q, 0, n, 1);
    for (long i = 0; i < n; i++) {
        ours[i] = add_set(q, &w.sets[i]);
        bare[i] = bare_commit(i);
        sum += ours[i];
    }
    window_free(&w);
    qsort(ours, (size_t)n, sizeof *ours, bench_compare);
    qsort(bare, (size_t)n, sizeof *bare, bench_compare);
    bench_value("one add, p50", ours[n / 2] * 1000, "ms");
    bench_value("bare syncs of a commit, p50", bare[n / 2] * 1000, "ms");
    bench_ratio("one add, p50", "bare syncs of a commit, p50", ours[n / 2] / bare[n / 2]);
    free(ours);
    free(bare);
    return (double)n / sum;
}

/* SQLite at so many threads, in a new database; 0 where it is not there. */
static double sqlite_round(long n, int threads, int round)
{
    char at[200], name[40];
    snprintf(name, sizeof name, "sqlite-%d-%d", threads, round);
    path_of(at, name);
    return peer_sqlite(at, n, threads, 1);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, bench_compare);
    return values[count / 2];
}

/* Ours and SQLite take turns, so that both meet the same disk; medians of the rounds. */
static void compare_with_sqlite(quipu *q, long n, double one)
{
    static const int threads[] = { 1, 2, 8 };
    enum { COUNTS = sizeof threads / sizeof threads[0] };
    double ours[ROUNDS], theirs[COUNTS][ROUNDS], ratios[ROUNDS];
    char subject[80];
    for (int r = 0; r < ROUNDS; r++) {
        double best = 0;
        ours[r] = adds_of_threads(q, n * (1 + 4 * r), n * 4);
        for (int i = 0; i < COUNTS; i++) {
            theirs[i][r] = sqlite_round(n * 4, threads[i], r);
            best = theirs[i][r] > best ? theirs[i][r] : best;
        }
        ratios[r] = best > 0 ? ours[r] / best : 0;
    }
    double many = median(ours, ROUNDS);
    bench_value("adds, 8 threads", many, "adds/s");
    bench_ratio("adds, 8 threads", "adds, 1 thread", many / one);
    if (theirs[0][0] == 0) {
        bench_note("SQLite is left out: sqlite3.h is not installed (libsqlite3-dev)");
        return;
    }
    for (int i = 0; i < COUNTS; i++) {
        snprintf(subject, sizeof subject, "SQLite WAL FULL, one row a transaction, %d thread%s", threads[i],
                 threads[i] == 1 ? "" : "s");
        bench_value(subject, median(theirs[i], ROUNDS), "rows/s");
    }
    bench_ratio("adds, 8 threads", "SQLite WAL FULL at its best", median(ratios, ROUNDS));
}

static void compare_adds(long n)
{
    char store[200];
    path_of(store, "adds");
    quipu *q = open_store(store);
    double one = single_adds(q, n);
    bench_value("adds, 1 thread", one, "adds/s");
    adds_of_threads(q, n * (1 + 4 * ROUNDS), n * 3);
    quipu_close(q, NULL);
    bench_value("on disk after single adds (four times ADDS)", bench_disk(store), "bytes");
    q = open_store(store);
    compare_with_sqlite(q, n, one);
    quipu_close(q, NULL);
}

/* Adds from 8 threads into new stores, the setting maintain on and off in turn. */
static void compare_maintenance(long n)
{
    double rates[2][ROUNDS], ratios[ROUNDS];
    char store[200], name[40];
    for (int r = 0; r < ROUNDS; r++) {
        for (int off = 0; off < 2; off++) {
            snprintf(name, sizeof name, "maintained-%d-%d", off, r);
            path_of(store, name);
            maintain = off ? "off" : "auto";
            quipu *q = open_store(store);
            rates[off][r] = adds_of_threads(q, 0, n);
            quipu_close(q, NULL);
        }
        ratios[r] = rates[0][r] / rates[1][r];
    }
    maintain = "auto";
    bench_value("adds, 8 threads, maintenance in the background", median(rates[0], ROUNDS), "adds/s");
    bench_value("adds, 8 threads, no maintenance", median(rates[1], ROUNDS), "adds/s");
    bench_ratio("adds, maintenance in the background", "adds, no maintenance", median(ratios, ROUNDS));
}

/* The peers that are too slow for all of the records. */
static void slow_peers(long n)
{
    char at[200];
    path_of(at, "libgit2");
    bench_value("libgit2, loose objects, synced, a commit a record",
                peer_libgit2(at, n < LIBGIT2_MAX ? n : LIBGIT2_MAX), "records/s");
    path_of(at, "command");
    bench_value("git command, a commit a record", peer_git_command(at, n < COMMAND_MAX ? n : COMMAND_MAX), "records/s");
}

int main(void)
{
    const char *build = getenv("BUILD"), *base = getenv("TMPDIR");
    static char plugin_path[512];
    char command[200];
    long n = number("N", 10000), bulk = number("BULK", n * 10), adds = number("ADDS", 500);
    snprintf(plugin_path, sizeof plugin_path, "%s/plugins", build ? build : "build");
    plugins = plugin_path;
    if (getenv("MAINTAIN"))
        maintain = getenv("MAINTAIN");
    if (getenv("RELAXED"))
        mode = "relaxed";
    snprintf(folder, sizeof folder, "%.90s/quipu-bench-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder))
        bench_stop(folder, "cannot make a folder");
    const char *only = getenv("ONLY");
    if (!only || strcmp(only, "single") == 0)
        compare_filling(n, 1, "a commit a record");
    if (!only || strcmp(only, "bulk") == 0)
        compare_filling(bulk, PER_COMMIT, "1,000 records a commit");
    if (!only || strcmp(only, "adds") == 0)
        compare_adds(adds);
    if (!only || strcmp(only, "maintenance") == 0)
        compare_maintenance(adds * 16);
    if (!only || strcmp(only, "slow") == 0)
        slow_peers(n);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) != 0;
}
