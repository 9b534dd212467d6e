/*
 * bench_index.c - how a git store of many records opens, searches, catches up and looks back, on its saved index.
 *
 * A store of N records, 1,000 to a commit, and one of COMMITS records with a commit each are made first. Each figure is taken in a
 * process of its own, so that memory is what that figure needs. JSON lines: catching up with no index at hand; opening until the
 * first get and until the first search, with the memory after each; searches with and without a filter that keeps 1 record in
 * 10,000; search as of an old commit, the first time and later; and a reader that opens beside a busy writer.
 * Environment: N (100,000), COMMITS (a tenth of N), ROUNDS of the repeated ones (50), BUILD (build), TMPDIR; STORE: a folder
 * that keeps the stores from run to run.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <quipu.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 10000, PER_COMMIT = 1000, JSON_MAX_BYTES = 500, ROUNDS_MAX = 1000, RARE = 10000 };

static char large[200], deep[200], plugins[200];
static long records, commits, rounds;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void stop(const char *what, const char *why)
{
    fprintf(stderr, "bench_index: %s: %s\n", what, why);
    exit(1);
}

static void print(const char *subject, double value, const char *unit)
{
    printf("{\"bench\":\"index\",\"subject\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"}\n", subject, value, unit);
    fflush(stdout);
}

static quipu_str str(const char *text)
{
    return (quipu_str){ text, strlen(text) };
}

static long number(const char *name, long otherwise)
{
    const char *text = getenv(name);
    long n = text ? atol(text) : otherwise;
    if (n < 1)
        stop(name, "it must be at least 1");
    return n;
}

static quipu *open_store(const char *path)
{
    quipu_error error = { .struct_size = sizeof error };
    quipu_options options = { .struct_size = sizeof options,
                              .store = str(path),
                              .backend = str("git"),
                              .backend_config = str("{\"durability\":\"relaxed\"}"),
                              .plugin_path = str(plugins) };
    quipu *q;
    if (quipu_open(&options, &q, &error) != QUIPU_OK)
        stop("open", error.message);
    return q;
}

static void close_store(quipu *q)
{
    quipu_error error = { .struct_size = sizeof error };
    if (quipu_close(q, &error) != QUIPU_OK)
        stop("close", error.message);
}

/* ---- filling ---- */

static const char *const things[] = { "kitchen", "garden",  "bridge", "violin",  "harbour", "meeting",
                                      "orchard", "letter",  "ladder", "lantern", "market",  "river",
                                      "window",  "teacher", "engine", "blanket" };

static const char *thing(long i, unsigned which)
{
    unsigned long x = (unsigned long)i * 2654435761u + which * 40503u;
    return things[(x >> 7) % (sizeof things / sizeof things[0])];
}

static size_t record_json(long i, char out[JSON_MAX_BYTES])
{
    return (size_t)snprintf(out, JSON_MAX_BYTES,
                            "{\"actor\":\"%s\",\"created_at\":\"2026-01-02T%02ld:%02ld:%02ldZ\",\"id\":\"r%08ld\","
                            "\"metadata\":{\"bucket\":%ld},"
                            "\"scope\":{\"session\":\"s%ld\",\"user\":\"ana\"},\"seq\":%ld,\"text\":\"note %ld: the %s "
                            "with the %s was moved to "
                            "the morning, because of the %s and the %s\"}",
                            i % 2 ? "ana" : "ben", i / 3600 % 24, i / 60 % 60, i % 60, i, i % RARE, i / 50, i % 50, i,
                            thing(i, 1), thing(i, 2), thing(i, 3), thing(i, 4));
}

static void write_batch(quipu *q, long from, long count, long per_commit)
{
    static char json[BATCH][JSON_MAX_BYTES];
    static quipu_write writes[BATCH];
    static quipu_array groups[BATCH];
    quipu_error error = { .struct_size = sizeof error };
    uint64_t done, sets = 0;
    for (long i = 0; i < count; i++)
        writes[i] = (quipu_write){ .struct_size = sizeof *writes,
                                   .op = QUIPU_CHANGE_PUT,
                                   .json = { json[i], record_json(from + i, json[i]) } };
    for (long i = 0; i < count; i += per_commit)
        groups[sets++] =
            (quipu_array){ writes + i, (uint64_t)(count - i < per_commit ? count - i : per_commit), sizeof *writes };
    quipu_array all = { groups, sets, sizeof *groups };
    if (quipu_write_sets(q, &all, NULL, NULL, &done, NULL, &error) != QUIPU_OK)
        stop("write", error.message);
}

/* Makes the store unless it is there from another run. */
static void fill(const char *path, long count, long per_commit)
{
    struct stat is;
    if (stat(path, &is) == 0)
        return;
    quipu *q = open_store(path);
    for (long i = 0; i < count; i += BATCH)
        write_batch(q, i, count - i < BATCH ? count - i : BATCH, per_commit);
    close_store(q);
}

static void forget_index(const char *path)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s/quipu/catalogue'", path);
    if (system(command) != 0)
        stop("rm", path);
}

/* ---- asking ---- */

static int32_t take(void *context, const void *bytes, uint64_t len)
{
    (void)bytes;
    *(uint64_t *)context += len;
    return 0;
}

/* Seconds of one call. */
static double ask(quipu *q, const char *request, bool get)
{
    quipu_error error = { .struct_size = sizeof error };
    quipu_str text = str(request);
    uint64_t len = 0;
    double begin = now_s();
    int32_t code = get ? quipu_get_json(q, &text, take, &len, NULL, &error)
                       : quipu_search_json(q, &text, take, &len, NULL, &error);
    if (code != QUIPU_OK)
        stop(request, error.message);
    return now_s() - begin;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, long count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

/* The middle one of several searches with questions that differ; `rest`: more of the request, as ",\"filter\":...". */
static double search_median(quipu *q, const char *rest)
{
    static double times[ROUNDS_MAX];
    char request[400];
    for (long i = 0; i < rounds; i++) {
        snprintf(request, sizeof request, "{\"query\":\"the %s and the %s\",\"mode\":\"lexical\"%s}", thing(i, 7),
                 thing(i, 8), rest);
        times[i] = ask(q, request, false);
    }
    return median(times, rounds);
}

/* Megabytes: of VmRSS, or of what is in no file. */
static double memory(const char *line)
{
    char text[200];
    double kilobytes = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(text, sizeof text, f))
        if (strncmp(text, line, strlen(line)) == 0)
            kilobytes = atof(text + strlen(line));
    if (f)
        fclose(f);
    return kilobytes / 1024;
}

static const char question[] = "{\"query\":\"the violin in the harbour\",\"mode\":\"lexical\"}";

/* ---- each in a process of its own ---- */

/* A program of its own, so that no memory of this one counts. */
static void in_child(const char *task)
{
    fflush(stdout);
    pid_t child = fork();
    int status = 1;
    if (child == 0) {
        execl("/proc/self/exe", "bench_index", task, large, deep, (char *)NULL);
        _exit(1);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        stop(task, "it failed");
}

static void catch_up(void)
{
    quipu *q = open_store(large);
    double seconds = ask(q, question, false);
    print("catching up: records a second", (double)records / seconds, "records/s");
    print("catching up: records for each second of processor time",
          (double)records / ((double)clock() / CLOCKS_PER_SEC), "records/s");
    print("catching up: memory at its end", memory("VmRSS:"), "MB");
    print("catching up: memory in no file", memory("RssAnon:"), "MB");
    double begin = now_s();
    close_store(q);
    print("closing after it", now_s() - begin, "s");
}

static void open_and_get(void)
{
    double begin = now_s();
    quipu *q = open_store(large);
    ask(q, "{\"id\":\"r00000077\"}", true);
    print("opening until the first get", now_s() - begin, "s");
    print("opening until the first get: memory", memory("VmRSS:"), "MB");
    close_store(q);
}

static void open_and_search(void)
{
    double begin = now_s();
    quipu *q = open_store(large);
    ask(q, question, false);
    print("opening until the first search", now_s() - begin, "s");
    print("opening until the first search: memory", memory("VmRSS:"), "MB");
    print("opening until the first search: memory in no file", memory("RssAnon:"), "MB");
    print("search: median", 1e3 * search_median(q, ""), "ms");
    print("search, 1 in 10,000 by filter: median", 1e3 * search_median(q, ",\"filter\":{\"bucket\":77}"), "ms");
    print("search, one session by scope: median", 1e3 * search_median(q, ",\"scope\":{\"session\":\"s7\"}"), "ms");
    print("searches: memory", memory("VmRSS:"), "MB");
    close_store(q);
}

static void open_after_kill(void)
{
    double begin = now_s();
    quipu *q = open_store(deep);
    ask(q, "{\"id\":\"r00000077\"}", true);
    print("opening with all commits behind the index, until the first get", now_s() - begin, "s");
    ask(q, question, false);
    print("opening with all commits behind the index, until the first search", now_s() - begin, "s");
    close_store(q);
}

static void as_of(void)
{
    char request[200];
    double times[8];
    quipu *q = open_store(deep);
    ask(q, question, false);
    for (long i = 0; i < 4; i++) {
        snprintf(request, sizeof request,
                 "{\"query\":\"the violin in the harbour\",\"mode\":\"lexical\",\"as_of\":\"HEAD~%ld\"}",
                 commits * (i + 1) / 5);
        times[i] = ask(q, request, false);
        times[4 + i] = ask(q, request, false);
    }
    print("as of an old commit, first: median", 1e3 * median(times, 4), "ms");
    print("as of an old commit, first: slowest of 4", 1e3 * times[3], "ms"); /* they are sorted now */
    print("as of an old commit, later: median", 1e3 * median(times + 4, 4), "ms");
    close_store(q);
}

/* ---- a reader beside a writer ---- */

static void write_for_ever(void)
{
    quipu *q = open_store(deep);
    char json[JSON_MAX_BYTES] = "";
    for (long i = commits;; i++) {
        quipu_error error = { .struct_size = sizeof error };
        quipu_str text = { json, record_json(i, json) };
        if (quipu_put_json(q, &text, NULL, NULL, NULL, &error) != QUIPU_OK)
            stop("put", error.message);
        if (i % 100 == 0)
            ask(q, question, false); /* as an agent does: it reads, too */
    }
}

static void read_beside_writer(void)
{
    static double times[ROUNDS_MAX];
    pid_t writer = fork();
    if (writer == 0)
        write_for_ever();
    usleep(2000000);
    for (long i = 0; i < rounds; i++) {
        double begin = now_s();
        quipu *q = open_store(deep);
        ask(q, question, false);
        times[i] = now_s() - begin;
        close_store(q);
        usleep(50000);
    }
    kill(writer, SIGKILL);
    waitpid(writer, NULL, 0);
    print("a reader beside a writer, opening until the first search: median", 1e3 * median(times, rounds), "ms");
    print("a reader beside a writer, opening until the first search: 9 of 10", 1e3 * times[rounds * 9 / 10], "ms");
}

static void read_numbers(void)
{
    const char *build = getenv("BUILD");
    records = number("N", 100000);
    commits = number("COMMITS", records / 10 > 0 ? records / 10 : 1);
    rounds = number("ROUNDS", 50);
    rounds = rounds < ROUNDS_MAX ? rounds : ROUNDS_MAX;
    snprintf(plugins, sizeof plugins, "%s/plugins", build ? build : "build");
}

static const struct {
    const char *name;
    void (*work)(void);
} tasks[] = {
    { "catch-up", catch_up },          { "get", open_and_get }, { "search", open_and_search },
    { "after-kill", open_after_kill }, { "as-of", as_of },      { "beside-writer", read_beside_writer },
};

static int run_task(char **arguments)
{
    snprintf(large, sizeof large, "%s", arguments[2]);
    snprintf(deep, sizeof deep, "%s", arguments[3]);
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++)
        if (strcmp(arguments[1], tasks[i].name) == 0)
            tasks[i].work();
    return 0;
}

int main(int count, char **arguments)
{
    const char *temporary = getenv("TMPDIR"), *kept = getenv("STORE");
    char folder[160], command[200];
    read_numbers();
    if (count == 4)
        return run_task(arguments);
    snprintf(folder, sizeof folder, "%s", kept ? kept : "");
    if (!kept) {
        snprintf(folder, sizeof folder, "%s/quipu-bench-XXXXXX", temporary ? temporary : "/tmp");
        if (!mkdtemp(folder))
            stop("mkdtemp", folder);
    }
    snprintf(large, sizeof large, "%s/large", folder);
    snprintf(deep, sizeof deep, "%s/deep", folder);
    fill(large, records, PER_COMMIT);
    fill(deep, commits, 1);
    forget_index(large);
    forget_index(deep);
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++)
        in_child(tasks[i].name);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (!kept && system(command) != 0)
        stop("rm", folder);
    return 0;
}
