/*
 * bench_adds.c - durable single adds into a git store, each a commit of its own: does it stay as fast as it began?
 *
 * One process, one thread, through libquipu. Prints JSON lines: adds a second in each fifth, the last fifth against the
 * first, packs at most, bytes on disk; and beside them the bare floor of a durable commit, a loop that only writes and syncs what
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

enum { FIFTHS = 5, FLOOR_ROUNDS = 200, PACK_BYTES = 2000, INDEX_BYTES = 1350 };

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

/* Seconds that the syncs of one durable commit take at the least. */
static double floor_of_a_commit(void)
{
    static char bytes[PACK_BYTES];
    char packs[160], refs[160], path[200], lock[200];
    snprintf(packs, sizeof packs, "%s/floor-packs", folder);
    snprintf(refs, sizeof refs, "%s/floor-refs", folder);
    if (mkdir(packs, 0700) < 0 || mkdir(refs, 0700) < 0)
        stop(packs, "cannot make a folder");
    double begin = now_s();
    for (int i = 0; i < FLOOR_ROUNDS; i++) {
        snprintf(path, sizeof path, "%s/%d.pack", packs, i);
        synced(path, bytes, PACK_BYTES);
        snprintf(path, sizeof path, "%s/%d.idx", packs, i);
        synced(path, bytes, INDEX_BYTES);
        sync_folder(packs);
        snprintf(path, sizeof path, "%s/main", refs);
        snprintf(lock, sizeof lock, "%s/main.lock", refs);
        synced(lock, bytes, 41);
        if (rename(lock, path) < 0)
            stop(path, "cannot rename");
        sync_folder(refs);
    }
    return (now_s() - begin) / FLOOR_ROUNDS;
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

int main(void)
{
    const char *n_text = getenv("N"), *build = getenv("BUILD"), *base = getenv("TMPDIR");
    long n = n_text ? atol(n_text) : 2000;
    char plugins[512];
    double rates[FIFTHS];
    quipu *q;
    quipu_error error = { .struct_size = sizeof error };
    if (n < FIFTHS)
        stop("N", "at least 5 adds are needed");
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
    const long part = n / FIFTHS;
    for (int f = 0; f < FIFTHS; f++) {
        double begin = now_s();
        for (long i = f * part; i < (f + 1) * part; i++) {
            add(q, i);
            count_packs();
        }
        rates[f] = (double)part / (now_s() - begin);
        char subject[32];
        snprintf(subject, sizeof subject, "fifth %d", f + 1);
        print(subject, rates[f], "adds/s");
    }
    stop_gc();
    quipu_close(q, NULL);
    double bare = floor_of_a_commit();
    print("bare syncs of a commit", 1 / bare, "commits/s");
    printf("{\"bench\":\"adds\",\"subject\":\"last fifth\",\"ratio_to\":\"first fifth\",\"ratio\":%.3f}\n",
           rates[FIFTHS - 1] / rates[0]);
    printf("{\"bench\":\"adds\",\"subject\":\"add\",\"ratio_to\":\"bare syncs of a commit\",\"ratio\":%.3f}\n",
           1 / rates[FIFTHS - 1] / bare);
    print("packs at most", packs_most, "packs");
    print("on disk", disk_bytes(), "bytes");
    char command[200];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) != 0;
}
