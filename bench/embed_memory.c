/*
 * embed_memory.c - see embed_bench.h: what two processes that have the model loaded cost beyond what they share.
 *
 * Each opens a store with this embedder through libquipu, as hosts do, embeds a batch of 64 turns and waits; then both are looked at.
 */
#include "embed_bench.h"

#include <quipu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

quipu *bench_open_store(const char *path, const char *threads)
{
    static char settings[600], plugins[400];
    const char *build = getenv("BUILD");
    quipu_error error = { .struct_size = sizeof error };
    snprintf(settings, sizeof settings, "{\"model\":\"%.500s\",\"threads\":%s}", bench_model, threads);
    snprintf(plugins, sizeof plugins, "%.300s/plugins", build ? build : "build");
    quipu_options options = { .struct_size = sizeof options,
                              .store = { path, strlen(path) },
                              .backend = QUIPU_STR_INIT("git"),
                              .backend_config = QUIPU_STR_INIT("{\"durability\":\"relaxed\"}"),
                              .embedder = QUIPU_STR_INIT("bert"),
                              .embedder_config = { settings, strlen(settings) },
                              .plugin_path = { plugins, strlen(plugins) } };
    quipu *q;
    if (quipu_open(&options, &q, &error) != QUIPU_OK)
        bench_stop("open", error.message);
    return q;
}

void bench_write_texts(quipu *q, const char *texts, long count, size_t stride, long first)
{
    enum { MOST = 1000 };
    static char json[MOST][BENCH_TEXT_MAX];
    static quipu_write writes[MOST];
    quipu_error error = { .struct_size = sizeof error };
    for (long i = 0; i < count && i < MOST; i++) {
        int len = snprintf(json[i], sizeof json[i], "{\"id\":\"r%07ld\",\"text\":\"%s\"}", first + i,
                           texts + (size_t)i * stride);
        writes[i] =
            (quipu_write){ .struct_size = sizeof *writes, .op = QUIPU_CHANGE_PUT, .json = { json[i], (uint64_t)len } };
    }
    quipu_array set = { writes, (uint64_t)(count < MOST ? count : MOST), sizeof *writes };
    quipu_array all = { &set, 1, sizeof set };
    uint64_t done;
    if (quipu_write_sets(q, &all, NULL, NULL, &done, NULL, &error) != QUIPU_OK)
        bench_stop("write", error.message);
}

void bench_memory_child(const char *store)
{
    static char texts[BENCH_BATCH][BENCH_TEXT_MAX / 2];
    char wait;
    quipu_error error = { .struct_size = sizeof error };
    quipu *q = bench_open_store(store, "1");
    for (int i = 0; i < BENCH_BATCH; i++) {
        size_t len = 0;
        for (uint64_t n = 0; n < bench_turns[i].len && len + 1 < sizeof texts[i]; n++)
            if (bench_turns[i].ptr[n] != '"' && bench_turns[i].ptr[n] != '\\')
                texts[i][len++] = bench_turns[i].ptr[n];
    }
    bench_write_texts(q, texts[0], BENCH_BATCH, sizeof texts[0], 0);
    if (quipu_embed_pending(q, NULL, NULL, NULL, &error) != QUIPU_OK)
        bench_stop("embed", error.message);
    if (write(STDOUT_FILENO, "r", 1) != 1 || read(STDIN_FILENO, &wait, 1) < 0)
        bench_stop("memory", "cannot wait");
    quipu_close(q, NULL);
}

typedef struct child {
    pid_t process;
    int to, from;
} child;

static void start(child *c, const char *folder, int number)
{
    char store[300];
    int in[2], out[2];
    snprintf(store, sizeof store, "%.200s/memory-%d", folder, number);
    fflush(stdout);
    if (pipe(in) != 0 || pipe(out) != 0 || (c->process = fork()) < 0)
        bench_stop("memory", "no second process");
    if (c->process == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[0]), close(in[1]), close(out[0]), close(out[1]);
        execl("/proc/self/exe", "bench_embed", "memory", store, (char *)NULL);
        _exit(1);
    }
    close(in[0]);
    close(out[1]);
    c->to = in[1];
    c->from = out[0];
}

/* Megabytes that /proc says under this name. */
static double rollup(pid_t process, const char *name)
{
    char path[60], line[200];
    double kilobytes = 0;
    snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", (long)process);
    FILE *f = fopen(path, "r");
    if (!f)
        bench_stop(path, "cannot be read");
    while (fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0)
            kilobytes += atof(line + strlen(name));
    fclose(f);
    return kilobytes / 1024;
}

void bench_memory_of_two(const char *folder)
{
    child both[2];
    char ready;
    for (int i = 0; i < 2; i++)
        start(&both[i], folder, i);
    for (int i = 0; i < 2; i++)
        if (read(both[i].from, &ready, 1) != 1)
            bench_stop("memory", "a process ended early");
    bench_value("two processes, resident in each", rollup(both[0].process, "Rss:"), "MB");
    bench_value("two processes, resident and private in the first",
                rollup(both[0].process, "Private_Clean:") + rollup(both[0].process, "Private_Dirty:"), "MB");
    bench_value("two processes, resident and private in the second",
                rollup(both[1].process, "Private_Clean:") + rollup(both[1].process, "Private_Dirty:"), "MB");
    for (int i = 0; i < 2;
         i++) { /* the second process inherited the first one's pipes: all are closed before any is waited for */
        close(both[i].to);
        close(both[i].from);
    }
    for (int i = 1; i >= 0; i--)
        waitpid(both[i].process, NULL, 0);
}
