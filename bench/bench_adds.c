/*
 * bench_adds.c - durable single adds into a git store, each a commit of its own: does it stay as fast as it began?
 *
 * One process, one thread, through libquipu. Prints JSON lines: adds a second in each fifth, the last fifth against the
 * first, packs at most, bytes on disk; and, between the adds, the bare floor of a durable commit, which only writes and syncs what
 * every one needs (a pack, an index, their folder, the branch, its folder).
 * Environment: N adds (2,000), BUILD (build), TMPDIR. An outside `git gc` may run beside it: GC=1 starts one in a loop.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <fcntl.h>
#include <quipu.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FIFTHS = 5, BARE_EVERY = 4, PACK_BYTES = 2000, INDEX_BYTES = 1350 };

static char folder[128];
static char store[160];
static int packs_most;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static pid_t gc; /* the shell that runs `git gc` in a loop, in a process group of its own; 0: none */

static void stop_gc(void)
{
    if (gc > 0) {
        kill(-gc, SIGKILL);
        waitpid(gc, NULL, 0);
    }
    gc = 0;
}

static void stop(const char *what, const char *why)
{
    stop_gc();
    fprintf(stderr, "bench_adds: %s: %s\n", what, why);
    exit(1);
}

static void print(const char *subject, double value, const char *unit)
{
    printf("{\"bench\":\"adds\",\"subject\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"}\n", subject, value, unit);
}

static void count_packs(void)
{
    char path[200];
    int packs = 0;
    snprintf(path, sizeof path, "%s/objects/pack", store);
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL)
        packs += strstr(entry->d_name, ".pack") != NULL && strncmp(entry->d_name, "pack-", 5) == 0;
    if (dir)
        closedir(dir);
    packs_most = packs > packs_most ? packs : packs_most;
}

static void add(quipu *q, long i)
{
    quipu_error error = { .struct_size = sizeof error };
    char json[400];
    int len =
        snprintf(json, sizeof json,
                 "{\"text\":\"note %ld: the meeting about the new kitchen was moved to the morning\",\"actor\":\"ana\","
                 "\"tags\":[\"kitchen\",\"meeting\"],\"scope\":{\"user\":\"ana\",\"session\":\"s%ld\"},"
                 "\"metadata\":{\"source\":\"bench\",\"number\":%ld}}",
                 i, i / 50, i);
    quipu_str text = { json, (uint64_t)len };
    if (quipu_put_json(q, &text, NULL, NULL, NULL, &error) != QUIPU_OK)
        stop("add", error.message);
}

static void synced(const char *path, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || fsync(fd) < 0 || close(fd) < 0)
        stop(path, "cannot write and sync");
}

static void sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0 || fsync(fd) < 0 || close(fd) < 0)
        stop(path, "cannot sync");
}

static char floor_packs[160], floor_refs[160];

static void make_floor(void)
{
    snprintf(floor_packs, sizeof floor_packs, "%s/floor-packs", folder);
    snprintf(floor_refs, sizeof floor_refs, "%s/floor-refs", folder);
    if (mkdir(floor_packs, 0700) < 0 || mkdir(floor_refs, 0700) < 0)
        stop(folder, "cannot make a folder");
}

/* What the syncs of one durable commit need at the least; in seconds. */
static double floor_of_a_commit(long number)
{
    static char bytes[PACK_BYTES];
    char path[200], lock[200];
    double begin = now_s();
    snprintf(path, sizeof path, "%s/%ld.pack", floor_packs, number);
    synced(path, bytes, PACK_BYTES);
    snprintf(path, sizeof path, "%s/%ld.idx", floor_packs, number);
    synced(path, bytes, INDEX_BYTES);
    sync_folder(floor_packs);
    snprintf(path, sizeof path, "%s/main", floor_refs);
    snprintf(lock, sizeof lock, "%s/main.lock", floor_refs);
    synced(lock, bytes, 41);
    if (rename(lock, path) < 0)
        stop(path, "cannot rename");
    sync_folder(floor_refs);
    return now_s() - begin;
}

static void start_gc(void)
{
    if (!getenv("GC"))
        return;
    gc = fork();
    if (gc == 0) {
        setpgid(0, 0);
        execl("/bin/sh", "sh", "-c",
              "while :; do git -c safe.directory='*' -C \"$0\" gc -q --prune=now 2>/dev/null; done", store,
              (char *)NULL);
        _exit(127);
    }
    setpgid(gc, gc);
}

static double disk_bytes(void)
{
    char command[200], line[64] = "0";
    snprintf(command, sizeof command, "du -sk '%s'", store);
    FILE *pipe = popen(command, "r");
    if (!pipe || !fgets(line, sizeof line, pipe))
        stop("du", "no answer");
    pclose(pipe);
    return atof(line) * 1024;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, long count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

static void print_ratio(const char *subject, const char *to, double ratio)
{
    printf("{\"bench\":\"adds\",\"subject\":\"%s\",\"ratio_to\":\"%s\",\"ratio\":%.3f}\n", subject, to, ratio);
}

/* Means of one fifth of the run, in seconds. */
typedef struct fifth {
    double add;
    double bare;
} fifth;

static double *adds, *bares; /* each one's seconds */
static long bare_count;

/* Between the adds, every so often, a bare commit: the disk is shared, and may be slower in one fifth than in another. */
static void run_fifth(quipu *q, int number, long part, fifth *out)
{
    char subject[32];
    long bare_before = bare_count;
    double bare_sum = 0, add_sum = 0;
    for (long i = number * part; i < (number + 1) * part; i++) {
        double begin = now_s();
        add(q, i);
        adds[i] = now_s() - begin;
        add_sum += adds[i];
        count_packs();
        if (i % BARE_EVERY == 0) {
            bares[bare_count] = floor_of_a_commit(i);
            bare_sum += bares[bare_count++];
        }
    }
    out->add = add_sum / (double)part;
    out->bare = bare_sum / (double)(bare_count - bare_before);
    snprintf(subject, sizeof subject, "fifth %d", number + 1);
    print(subject, 1 / out->add, "adds/s");
    snprintf(subject, sizeof subject, "bare, fifth %d", number + 1);
    print(subject, 1 / out->bare, "commits/s");
}

int main(void)
{
    const char *n_text = getenv("N"), *build = getenv("BUILD"), *base = getenv("TMPDIR");
    long n = n_text ? atol(n_text) : 2000;
    char plugins[512];
    fifth fifths[FIFTHS];
    quipu *q;
    quipu_error error = { .struct_size = sizeof error };
    if (n < FIFTHS * BARE_EVERY)
        stop("N", "at least 20 adds are needed");
    adds = calloc((size_t)n, sizeof *adds);
    bares = calloc((size_t)n, sizeof *bares);
    if (!adds || !bares)
        stop("memory", "none left");
    snprintf(folder, sizeof folder, "%.90s/quipu-bench-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder))
        stop(folder, "cannot make a folder");
    snprintf(store, sizeof store, "%s/store", folder);
    snprintf(plugins, sizeof plugins, "%s/plugins", build ? build : "build");
    quipu_options options = { .struct_size = sizeof options,
                              .store = { store, strlen(store) },
                              .plugin_path = { plugins, strlen(plugins) } };
    if (quipu_open(&options, &q, &error) != QUIPU_OK)
        stop("open", error.message);
    start_gc();
    make_floor();
    const long part = n / FIFTHS;
    for (int f = 0; f < FIFTHS; f++)
        run_fifth(q, f, part, &fifths[f]);
    stop_gc();
    quipu_close(q, NULL);
    const fifth *first = &fifths[0], *last = &fifths[FIFTHS - 1];
    print_ratio("last fifth", "first fifth", first->add / last->add);
    print_ratio("last fifth, in bare commits of its time", "first fifth",
                first->add / first->bare / (last->add / last->bare));
    print_ratio("add, last fifth", "bare commit", last->add / last->bare);
    print_ratio("add, median", "bare commit, median", median(adds, part * FIFTHS) / median(bares, bare_count));
    print("packs at most", packs_most, "packs");
    print("on disk", disk_bytes(), "bytes");
    char command[200];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) != 0;
}
