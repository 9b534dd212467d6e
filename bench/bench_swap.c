/*
 * bench_swap.c - calls beside live swaps: reads and writes of several threads, before and while the backend is exchanged.
 *
 * A store of N records is swapped from backend to backend while threads read (get, and every eighth time search) and write records of
 * their own, each with a short pause between two calls. Reads before the first swap and reads during the swaps are of the same run.
 * Environment: N (10,000), THREADS (8), SWAPS (6), BACKENDS ("git memory"), BUILD (build), STORE: a folder for the stores (a new one in
 * /tmp). Prints JSON lines; exits with 1 where a call failed or took more than 250 ms, a record was lost or doubled, digests differ, or the
 * p99.9 of reads during swaps is more than twice that before.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <quipu.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MOST = 64, OWN = 50, KEPT = 1 << 20, PAUSE_US = 300 };
enum phase { BEFORE, DURING, PHASES };
#define LONGEST_NS 250000000

typedef struct sample_list {
    int64_t *ns;
    size_t count;
} sample_list;

typedef struct worker {
    pthread_t thread;
    int number;
    sample_list reads[PHASES], writes[PHASES];
    int last[OWN]; /* the step that wrote the record; 0: none */
    uint64_t failed, wrong;
} worker;

static quipu *q;
static long records;
static atomic_int phase = -1; /* -1: getting warm, nothing is kept */
static atomic_bool stop;

static quipu_str text_of(const char *text)
{
    return (quipu_str){ text, strlen(text) };
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* lists: one for each phase. */
static void keep(sample_list *lists, int at, int64_t began)
{
    sample_list *l = &lists[at < 0 ? 0 : at];
    if (at >= 0 && l->count < KEPT)
        l->ns[l->count++] = now_ns() - began;
}

static long setting(const char *name, long otherwise, long most)
{
    const char *text = getenv(name);
    long value = text ? strtol(text, NULL, 10) : otherwise;
    return value < 1 ? 1 : value > most ? most : value;
}

/* ---- the calls ---- */

static int32_t keep_text(void *context, const quipu_hit *hit)
{
    snprintf(context, 80, "%.*s", (int)hit->record->text.len, hit->record->text.ptr ? hit->record->text.ptr : "");
    return 0;
}

static int32_t take(void *context, const quipu_hit *hit)
{
    (void)context, (void)hit;
    return 0;
}

static void read_one(worker *w, uint64_t *random)
{
    char id[32], text[80] = "", expected[80];
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    long i = (long)(*random >> 33) % records;
    int at = atomic_load(&phase);
    int64_t began = now_ns();
    int32_t code;
    if ((*random >> 20) % 8 == 0) {
        snprintf(text, sizeof text, "knot word%ld", i % 997);
        quipu_search search = { .struct_size = sizeof search, .text = text_of(text), .k = 5 };
        code = quipu_search_records(q, &search, take, NULL, NULL, NULL);
    } else {
        snprintf(id, sizeof id, "seed-%ld", i);
        snprintf(expected, sizeof expected, "knot word%ld of cord %ld", i % 997, i);
        quipu_get get = { .struct_size = sizeof get, .id = text_of(id) };
        code = quipu_get_record(q, &get, keep_text, text, NULL, NULL);
        w->wrong += code == QUIPU_OK && strcmp(text, expected) != 0;
    }
    keep(w->reads, at, began);
    w->failed += code != QUIPU_OK;
}

static void write_one(worker *w, int step)
{
    char json[120];
    int i = step % OWN, at = atomic_load(&phase);
    snprintf(json, sizeof json, "{\"id\":\"own-%d-%d\",\"text\":\"step %d\"}", w->number, i, step);
    quipu_str given = text_of(json);
    int64_t began = now_ns();
    int32_t code = quipu_put_json(q, &given, NULL, NULL, NULL, NULL);
    keep(w->writes, at, began);
    w->failed += code != QUIPU_OK;
    if (code == QUIPU_OK)
        w->last[i] = step;
}

static void *work(void *argument)
{
    worker *w = argument;
    uint64_t random = (uint64_t)w->number + 1;
    for (int step = 1; !atomic_load(&stop); step++) {
        if (step % 16 == 0)
            write_one(w, step);
        else
            read_one(w, &random);
        usleep(PAUSE_US);
    }
    return NULL;
}

/* ---- the run ---- */

static int fill(void)
{
    enum { TOGETHER = 500 };
    static char json[TOGETHER][120];
    static quipu_write steps[TOGETHER];
    for (long from = 0; from < records; from += TOGETHER) {
        long n = records - from < TOGETHER ? records - from : TOGETHER;
        for (long i = 0; i < n; i++) {
            snprintf(json[i], sizeof json[i], "{\"id\":\"seed-%ld\",\"text\":\"knot word%ld of cord %ld\"}", from + i,
                     (from + i) % 997, from + i);
            steps[i] =
                (quipu_write){ .struct_size = sizeof steps[i], .op = QUIPU_CHANGE_PUT, .json = text_of(json[i]) };
        }
        quipu_array writes = { steps, (uint64_t)n, sizeof steps[0] };
        if (quipu_write_records(q, &writes, NULL, NULL, NULL, NULL, NULL, NULL) != QUIPU_OK)
            return -1;
    }
    return 0;
}

static int swap_once(const char *folder, int number, const char *backend, int64_t *waited)
{
    char store[600];
    quipu_error error = { .struct_size = sizeof error };
    quipu_swap_report report = { .struct_size = sizeof report };
    snprintf(store, sizeof store, "%s/swap-%d", folder, number);
    quipu_swap_options o = { .struct_size = sizeof o,
                             .flags = QUIPU_SWAP_DROP_HISTORY | QUIPU_SWAP_VOLATILE,
                             .backend = text_of(backend),
                             .store = text_of(store) };
    char from[40];
    snprintf(from, sizeof from, "%s", quipu_backend_name(q));
    if (quipu_swap(q, &o, NULL, NULL, &report, NULL, &error) != QUIPU_OK) {
        fprintf(stderr, "bench_swap: from %s to %s: %s\n", from, backend, error.message);
        return -1;
    }
    printf("{\"bench\":\"swap\",\"from\":\"%s\",\"to\":\"%s\",\"records\":%llu,\"ms\":%.1f,\"writers_held_ms\":%.1f,"
           "\"late\":%llu}\n",
           from, backend, (unsigned long long)report.records, (double)report.took_ns / 1e6,
           (double)report.waited_ns / 1e6, (unsigned long long)report.late);
    *waited = report.waited_ns > *waited ? report.waited_ns : *waited;
    return 0;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* All threads' samples of one sort; prints them, and answers with the p99.9 and the longest. */
static int64_t tell(worker *workers, long threads, int at, int reads, int64_t *longest)
{
    size_t count = 0;
    for (long i = 0; i < threads; i++)
        count += (reads ? workers[i].reads : workers[i].writes)[at].count;
    int64_t *all = malloc((count + 1) * sizeof *all);
    if (!all || count == 0) {
        free(all);
        return 0;
    }
    count = 0;
    for (long i = 0; i < threads; i++) {
        const sample_list *l = &(reads ? workers[i].reads : workers[i].writes)[at];
        memcpy(all + count, l->ns, l->count * sizeof *all);
        count += l->count;
    }
    qsort(all, count, sizeof *all, by_value);
    size_t rare = count / 1000, few = count / 100, half = count / 2;
    int64_t p999 = all[count - 1 - rare];
    printf("{\"bench\":\"swap\",\"calls\":\"%s\",\"when\":\"%s\",\"count\":%zu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_"
           "us\":%.1f,"
           "\"longest_ms\":%.1f}\n",
           reads ? "read" : "write", at == BEFORE ? "before" : "during", count, (double)all[half] / 1e3,
           (double)all[count - 1 - few] / 1e3, (double)p999 / 1e3, (double)all[count - 1] / 1e6);
    if (at == DURING && all[count - 1] > *longest)
        *longest = all[count - 1];
    free(all);
    return p999;
}

/* Records of the threads that are not as they were left. */
static uint64_t count_lost(const worker *workers, long threads, uint64_t *own)
{
    uint64_t lost = 0;
    for (long i = 0; i < threads; i++)
        for (int k = 0; k < OWN; k++) {
            char id[40], text[80] = "", expected[80];
            snprintf(id, sizeof id, "own-%ld-%d", i, k);
            quipu_get get = { .struct_size = sizeof get, .id = text_of(id) };
            (void)quipu_get_record(q, &get, keep_text, text, NULL, NULL);
            snprintf(expected, sizeof expected, "step %d", workers[i].last[k]);
            lost += workers[i].last[k] && strcmp(text, expected) != 0;
            *own += workers[i].last[k] != 0;
        }
    return lost;
}

static int judge(worker *workers, long threads)
{
    uint64_t failed = 0, wrong = 0, own = 0, count = 0, again = 0;
    char digest[72], other[72];
    int64_t longest = 0, before = tell(workers, threads, BEFORE, 1, &longest);
    int64_t during = tell(workers, threads, DURING, 1, &longest);
    tell(workers, threads, BEFORE, 0, &longest);
    tell(workers, threads, DURING, 0, &longest);
    for (long i = 0; i < threads; i++) {
        failed += workers[i].failed;
        wrong += workers[i].wrong;
    }
    uint64_t lost = count_lost(workers, threads, &own) + wrong;
    /* once more, with nobody there: what both stores hold is the same */
    quipu_swap_report report = { .struct_size = sizeof report };
    quipu_swap_options o = { .struct_size = sizeof o,
                             .flags = QUIPU_SWAP_DROP_HISTORY | QUIPU_SWAP_VOLATILE,
                             .backend = text_of("memory") };
    int bad = quipu_digest(q, digest, &count, NULL, NULL) != QUIPU_OK ||
              quipu_swap(q, &o, NULL, NULL, &report, NULL, NULL) != QUIPU_OK ||
              quipu_digest(q, other, &again, NULL, NULL) != QUIPU_OK;
    int equal = !bad && strcmp(digest, other) == 0 && strcmp(digest, report.digest) == 0 && count == again;
    int64_t doubled = (int64_t)count - records - (int64_t)own;
    double ratio = before ? (double)during / (double)before : 0;
    printf("{\"bench\":\"swap\",\"failed_calls\":%llu,\"lost\":%llu,\"doubled\":%lld,\"digests_equal\":%s,"
           "\"p999_ratio\":%.2f,\"longest_ms\":%.1f}\n",
           (unsigned long long)failed, (unsigned long long)lost, (long long)doubled, equal ? "true" : "false", ratio,
           (double)longest / 1e6);
    return failed || lost || doubled || !equal || ratio > 2 || longest > LONGEST_NS;
}

static int make_room(worker *workers, long threads)
{
    for (long i = 0; i < threads; i++)
        for (int at = 0; at < PHASES; at++) {
            workers[i].number = (int)i;
            workers[i].reads[at].ns = malloc(KEPT * sizeof(int64_t));
            workers[i].writes[at].ns = malloc(KEPT * sizeof(int64_t));
            if (!workers[i].reads[at].ns || !workers[i].writes[at].ns)
                return -1;
        }
    return 0;
}

static int run(const char *folder, worker *workers, long threads, long swaps)
{
    char names[200];
    const char *backends[8];
    size_t kinds = 0;
    int64_t waited = 0;
    int failed = 0;
    const char *wanted = getenv("BACKENDS");
    snprintf(names, sizeof names, "%s", wanted ? wanted : "git memory");
    for (char *name = strtok(names, " "); name && kinds < 8; name = strtok(NULL, " "))
        backends[kinds++] = name;
    if (kinds == 0 || fill() != 0 || make_room(workers, threads) != 0)
        return -1;
    for (long i = 0; i < threads; i++)
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            return -1;
    sleep(2);
    atomic_store(&phase, BEFORE);
    sleep(4);
    for (long i = 0; i < swaps && !failed; i++) {
        atomic_store(&phase, DURING);
        failed = swap_once(folder, (int)i, backends[(size_t)(i + 1) % kinds], &waited);
    }
    atomic_store(&stop, true);
    for (long i = 0; i < threads; i++)
        pthread_join(workers[i].thread, NULL);
    return failed ? -1 : judge(workers, threads);
}

int main(void)
{
    static worker workers[THREADS_MOST];
    char folder[] = "/tmp/quipu-bench-swap-XXXXXX", store[700], plugins[600], command[700];
    const char *build = getenv("BUILD"), *given = getenv("STORE"), *wanted = getenv("BACKENDS");
    quipu_error error = { .struct_size = sizeof error };
    char first[40];
    records = setting("N", 10000, 10000000);
    if (!given && !mkdtemp(folder))
        return 2;
    snprintf(first, sizeof first, "%.*s", wanted ? (int)strcspn(wanted, " ") : 3, wanted ? wanted : "git");
    snprintf(store, sizeof store, "%s/first", given ? given : folder);
    snprintf(plugins, sizeof plugins, "%s/plugins", build ? build : "build");
    quipu_options o = {
        .struct_size = sizeof o, .store = text_of(store), .backend = text_of(first), .plugin_path = text_of(plugins)
    };
    if (quipu_open(&o, &q, &error) != QUIPU_OK) {
        fprintf(stderr, "bench_swap: %s\n", error.message);
        return 2;
    }
    int status = run(given ? given : folder, workers, setting("THREADS", 8, THREADS_MOST), setting("SWAPS", 6, 1000));
    quipu_close(q, NULL);
    for (int i = 0; i < THREADS_MOST; i++)
        for (int at = 0; at < PHASES; at++) {
            free(workers[i].reads[at].ns);
            free(workers[i].writes[at].ns);
        }
    if (!given) {
        snprintf(command, sizeof command, "rm -rf '%s'", folder);
        if (system(command) != 0)
            status = 2;
    }
    return status < 0 ? 2 : status;
}
