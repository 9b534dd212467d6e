/* checks_threads.c - what [any-thread] promises. */
#include "check_table.h"

#include <base/fail.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 8
#define WRITES 20

typedef struct worker {
    probe p; /* a copy: random numbers are each thread's own */
    unsigned number;
} worker;

static void start(probe *p, void *(*run)(void *))
{
    pthread_t threads[THREADS];
    worker workers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (worker){ *p, i };
        workers[i].p.random_state = probe_random(p);
        if (pthread_create(&threads[i], NULL, run, &workers[i]) != 0)
            probe_skip(p, "a thread could not be started");
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void *write_and_read(void *context)
{
    worker *w = context;
    for (unsigned i = 0; i < WRITES; i++) {
        quipu_error error = probe_error();
        char id[32];
        seen s = { 0 };
        snprintf(id, sizeof id, "t%u-%u", w->number, i);
        probe_store(&w->p, id, "u", "an apple of a thread", "");
        probe_want(&w->p, probe_get(&w->p, id, NULL, &s, &error), QUIPU_OK, &error, "get of what this thread stored");
        probe_want(&w->p, probe_search(&w->p, "apple", NULL, 3, &s, &error), QUIPU_OK, &error, "search");
        probe_want(&w->p, probe_scan(&w->p, QUIPU_ORDER_NEWEST, NULL, 5, &s, &error), QUIPU_OK, &error, "scan");
        seen_free(&s);
    }
    return NULL;
}

void check_threads(probe *p)
{
    start(p, write_and_read);
    probe_want_count(p, THREADS * WRITES, "after all threads have written");
}

/* Adds 1 to the number in the record's text, again where another thread was faster. */
static void *count_up(void *context)
{
    worker *w = context;
    for (unsigned i = 0; i < WRITES / 4;) {
        quipu_error error = probe_error();
        seen s = { 0 };
        char text[32];
        probe_want(&w->p, probe_get(&w->p, "counter", NULL, &s, &error), QUIPU_OK, &error, "get");
        buffer_append_char(&s.json, '\0');
        const char *at = strstr(s.json.bytes, "\"n");
        snprintf(text, sizeof text, "n%d", at ? (int)strtol(at + 2, NULL, 10) + 1 : -1);
        record *r = probe_record(&w->p, "counter", "u", text, "");
        const quipu_change change = probe_put(r, QUIPU_EXPECT_VERSION, s.versions[0]);
        int32_t code = probe_apply(&w->p, &change, 1, NULL, &error);
        if (code == QUIPU_OK)
            i++;
        else
            probe_want(&w->p, code, QUIPU_E_CONFLICT, &error, "put");
        record_free(r);
        seen_free(&s);
    }
    return NULL;
}

void check_threads_compare(probe *p)
{
    char wanted[32];
    quipu_error error = probe_error();
    seen s = { 0 };
    probe_store(p, "counter", "u", "n0", "");
    start(p, count_up);
    probe_want(p, probe_get(p, "counter", NULL, &s, &error), QUIPU_OK, &error, "get");
    snprintf(wanted, sizeof wanted, "\"n%d\"", THREADS * (WRITES / 4));
    buffer_append_char(&s.json, '\0');
    if (!strstr(s.json.bytes, wanted))
        probe_fail(p, "%d threads added 1 to a number %d times each, and updates were lost", THREADS, WRITES / 4);
    seen_free(&s);
}
