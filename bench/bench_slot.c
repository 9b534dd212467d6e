/*
 * bench_slot.c - what a call through libquipu's slot costs beyond a direct call of the same function.
 *
 * Both sides call the memory backend's flush, which does next to nothing: directly through its table, and with quipu_flush.
 * With one thread, and with one for every core. Each figure is the median of several rounds in which the two take turns,
 * in processor time of the calling thread.
 * Environment: N calls a round and thread (2,000,000), ROUNDS (9), BUILD (build), BACKEND (memory). Prints JSON lines;
 * exits with 1 when the overhead is over the limit.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include <pthread.h>
#include <quipu.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 256
#define ROUNDS_MAX 99
#define LIMIT_ONE 20.0 /* ns */
#define LIMIT_ALL 60.0

typedef struct work {
    quipu *q;
    const quipu_backend_api *api;
    quipu_backend *self;
    long calls;
    int through_slot;
    pthread_barrier_t *start;
    double ns; /* a call */
} work;

/* The thread's own time: neither side ever waits, and what else runs on the machine is not to be measured. */
static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *run(void *context)
{
    work *w = context;
    int32_t failed = 0;
    pthread_barrier_wait(w->start);
    double begin = now_ns();
    if (w->through_slot)
        for (long i = 0; i < w->calls; i++)
            failed |= quipu_flush(w->q, NULL, NULL);
    else
        for (long i = 0; i < w->calls; i++)
            failed |= w->api->flush(w->self, NULL, NULL);
    w->ns = (now_ns() - begin) / (double)w->calls;
    if (failed)
        fputs("bench_slot: a call failed\n", stderr);
    return NULL;
}

/* The mean over the threads, in ns a call. */
static double measure(const work *model, int threads, int through_slot)
{
    pthread_t ids[THREADS_MAX];
    static work works[THREADS_MAX];
    pthread_barrier_t start;
    double sum = 0;
    pthread_barrier_init(&start, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) {
        works[i] = *model;
        works[i].through_slot = through_slot;
        works[i].start = &start;
        if (pthread_create(&ids[i], NULL, run, &works[i]) != 0)
            exit(3);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        sum += works[i].ns;
    }
    pthread_barrier_destroy(&start);
    return sum / threads;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

static void print(const char *subject, int threads, double value)
{
    printf("{\"bench\":\"slot\",\"subject\":\"%s\",\"threads\":%d,\"value\":%.2f,\"unit\":\"ns\"}\n", subject, threads,
           value);
}

static int compare_sides(const work *model, int threads, int rounds, double limit)
{
    double direct[ROUNDS_MAX], slot[ROUNDS_MAX], over[ROUNDS_MAX];
    for (int i = 0; i < rounds; i++) {
        direct[i] = measure(model, threads, 0);
        slot[i] = measure(model, threads, 1);
        over[i] = slot[i] - direct[i];
    }
    double d = median(direct, rounds), s = median(slot, rounds), o = median(over, rounds);
    print("direct", threads, d);
    print("slot", threads, s);
    print("overhead", threads, o);
    printf("{\"bench\":\"slot\",\"subject\":\"ratio\",\"threads\":%d,\"value\":%.2f,\"unit\":\"slot/direct\"}\n",
           threads, d > 0 ? s / d : 0);
    printf("{\"bench\":\"slot\",\"subject\":\"limit\",\"threads\":%d,\"value\":%.0f,\"unit\":\"ns\",\"kept\":%s}\n",
           threads, limit, o <= limit ? "true" : "false");
    return o <= limit ? 0 : 1;
}

static long from_environment(const char *name, long standard, long most)
{
    const char *text = getenv(name);
    long value = text ? strtol(text, NULL, 10) : standard;
    return value < 1 ? 1 : value > most ? most : value;
}

int main(void)
{
    const char *build = getenv("BUILD"), *backend = getenv("BACKEND");
    char plugins[4096], store[] = "/tmp/quipu-bench-XXXXXX";
    quipu *q;
    cpu_set_t cores;
    quipu_error error = { .struct_size = sizeof error };
    quipu_lease lease = { .struct_size = sizeof lease };
    snprintf(plugins, sizeof plugins, "%s/plugins", build ? build : "build");
    backend = backend ? backend : "memory";
    if (!mkdtemp(store))
        return 3;
    quipu_options options = { .struct_size = sizeof options,
                              .store = { store, strlen(store) },
                              .backend = { backend, strlen(backend) },
                              .plugin_path = { plugins, strlen(plugins) } };
    if (quipu_open(&options, &q, &error) != QUIPU_OK || quipu_enter(q, &lease, &error) != QUIPU_OK) {
        fprintf(stderr, "bench_slot: %s\n", error.message);
        return 3;
    }
    work model = { .q = q, .api = lease.api, .self = lease.self, .calls = from_environment("N", 2000000, 1000000000) };
    quipu_leave(q, &lease);
    int rounds = (int)from_environment("ROUNDS", 9, ROUNDS_MAX);
    int threads = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
    int over = compare_sides(&model, 1, rounds, LIMIT_ONE);
    over |= compare_sides(&model, threads > THREADS_MAX ? THREADS_MAX : threads, rounds, LIMIT_ALL);
    quipu_close(q, NULL);
    char settings[64];
    snprintf(settings, sizeof settings, "%s/quipu-store.json", store);
    unlink(settings);
    rmdir(store);
    return over;
}
