/* test_git_processes.c - the git backend with many writers: threads, processes, counters, and writers that are killed. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <fcntl.h>
#include <pthread.h>
#include <quipu.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <sys/wait.h>
#include <tests/support/memories.h>
#include <tests/support/scratch.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8, ADDS = 50, PROCESS_ADDS = 15, INCREMENTS = 50, KILLS = 30, ATTEMPTS = 100000 };

static char folder[128]; /* of the test at hand; the store is in it */
static char store[160];

static int begin(void **state)
{
    (void)state;
    memories_time = 0;
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

static int32_t add(quipu *q, const char *id)
{
    return memories_write(q,
                          (quipu_write){ .op = QUIPU_CHANGE_PUT,
                                         .expect = QUIPU_EXPECT_ABSENT,
                                         .id = str_of(id),
                                         .json = str_of("{\"text\":\"one of many\"}") },
                          NULL, NULL);
}

static void assert_sound(quipu *q)
{
    assert_string_equal(memories_faults(q), "");
    assert_int_equal(scratch_fsck(store), 0);
}

/* ---- threads ---- */

typedef struct worker {
    pthread_t thread;
    quipu *q;
    int number;
    int failed;
} worker;

static void *add_many(void *context)
{
    worker *w = context;
    for (int i = 0; i < ADDS; i++) {
        quipu_error error = { .struct_size = sizeof error };
        char json[60];
        snprintf(json, sizeof json, "{\"id\":\"t%d-%d\",\"text\":\"one of many\"}", w->number, i);
        quipu_str text = str_of(json);
        w->failed += quipu_put_json(w->q, &text, NULL, NULL, NULL, &error) != QUIPU_OK;
    }
    return NULL;
}

static void threads_lose_nothing_and_make_a_commit_each(void **state)
{
    worker workers[THREADS];
    (void)state;
    quipu *q = memories_open(store);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){ .q = q, .number = i };
        assert_int_equal(pthread_create(&workers[i].thread, NULL, add_many, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].failed, 0);
    }
    assert_int_equal(memories_count(q), THREADS * ADDS);
    assert_int_equal(memories_figure(q, "revisions"), THREADS * ADDS + 1);
    assert_true(memories_figure(q, "packs") <= 40);
    assert_sound(q);
    memories_close(q);
}

/* ---- the store's lock, held by somebody else ---- */

static int64_t in_ms(int ms)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + ms * (int64_t)1000000;
}

static void *add_patiently(void *context)
{
    worker *w = context;
    quipu_str text = str_of("{\"id\":\"patient\",\"text\":\"waits as long as it takes\"}");
    w->failed = quipu_put_json(w->q, &text, NULL, NULL, NULL, NULL);
    return NULL;
}

/* Each waits in its own time, also where one of them writes for both. */
static void a_deadline_ends_one_wait_and_not_the_others(void **state)
{
    char path[200];
    quipu_error error = { .struct_size = sizeof error };
    quipu_cancel token = { .struct_size = sizeof token, .fd = -1, .flag = 0 };
    quipu_str text = str_of("{\"id\":\"hasty\",\"text\":\"has little time\"}");
    (void)state;
    quipu *q = memories_open(store);
    snprintf(path, sizeof path, "%s/quipu/lock", store);
    int fd = os->open(path, O_RDWR, 0);
    assert_int_equal(os->lock(fd, true), 0);
    worker patient = { .q = q };
    quipu_call call = { .struct_size = sizeof call, .deadline_ns = in_ms(100), .cancel = &token };
    assert_int_equal(quipu_put_json(q, &text, NULL, NULL, &call, &error), QUIPU_E_TIMEOUT);
    assert_int_equal(pthread_create(&patient.thread, NULL, add_patiently, &patient), 0);
    call.deadline_ns = in_ms(200);
    assert_int_equal(quipu_put_json(q, &text, NULL, NULL, &call, &error), QUIPU_E_TIMEOUT);
    token.flag = 1;
    call.deadline_ns = 0;
    assert_int_equal(quipu_put_json(q, &text, NULL, NULL, &call, &error), QUIPU_E_CANCELLED);
    os->close(fd);
    pthread_join(patient.thread, NULL);
    assert_int_equal(patient.failed, QUIPU_OK);
    assert_string_equal(memories_text(q, "hasty", NULL), "");
    assert_string_equal(memories_text(q, "patient", NULL), "waits as long as it takes");
    assert_sound(q);
    memories_close(q);
}

/* ---- processes: what runs in a child answers by its exit status, and calls nothing that could end the test ---- */

typedef int (*child_fn)(quipu *q, int number);

static int run_child(child_fn work, int number)
{
    quipu *q;
    if (memories_try_open(store, NULL, 0, &q) != QUIPU_OK)
        return 1;
    int status = work(q, number);
    return status == 0 && quipu_close(q, NULL) != QUIPU_OK ? 2 : status;
}

static void run_children(child_fn work, int count)
{
    pid_t children[16];
    for (int i = 0; i < count; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            int status = run_child(work, i);
            if (status)
                fprintf(stderr, "child %d: %d: %s\n", i, status, memories_error.message);
            _exit(status);
        }
        assert_true(children[i] > 0);
    }
    int failed = 0;
    for (int i = 0; i < count; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
    assert_int_equal(failed, 0);
}

static int add_some(quipu *q, int number)
{
    for (int i = 0; i < PROCESS_ADDS; i++) {
        char id[40];
        snprintf(id, sizeof id, "p%d-%d", number, i);
        if (add(q, id) != QUIPU_OK)
            return 3;
    }
    return 0;
}

static void processes_add(int count)
{
    run_children(add_some, count); /* they also race for making the store */
    quipu *q = memories_open(store);
    assert_int_equal(memories_count(q), (uint64_t)count * PROCESS_ADDS);
    assert_int_equal(memories_figure(q, "revisions"), count * PROCESS_ADDS + 1);
    assert_sound(q);
    memories_close(q);
}

static void two_processes_lose_nothing(void **state)
{
    (void)state;
    processes_add(2);
}

static void eight_processes_lose_nothing(void **state)
{
    (void)state;
    processes_add(8);
}

typedef struct counter {
    long value;
    char version[QUIPU_VERSION_LEN + 1];
} counter;

static int32_t read_counter(void *context, const quipu_hit *hit)
{
    counter *c = context;
    char digits[20] = "";
    if (hit->record->text.len >= sizeof digits || hit->record->version.len != QUIPU_VERSION_LEN)
        return QUIPU_E_INTERNAL;
    memcpy(digits, hit->record->text.ptr, (size_t)hit->record->text.len);
    memcpy(c->version, hit->record->version.ptr, QUIPU_VERSION_LEN);
    c->value = strtol(digits, NULL, 10);
    return 0;
}

/* 0: done, 1: somebody was faster, 2: failed. */
static int try_increment(quipu *q)
{
    counter c = { 0 };
    char json[60];
    quipu_get query = { .struct_size = sizeof query, .id = str_of("counter") };
    if (quipu_get_record(q, &query, read_counter, &c, NULL, &memories_error) != QUIPU_OK)
        return 2;
    snprintf(json, sizeof json, "{\"text\":\"%ld\"}", c.value + 1);
    int32_t code = memories_write(q,
                                  (quipu_write){ .op = QUIPU_CHANGE_PUT,
                                                 .expect = QUIPU_EXPECT_VERSION,
                                                 .expected_version = str_of(c.version),
                                                 .id = str_of("counter"),
                                                 .json = str_of(json) },
                                  NULL, NULL);
    return code == QUIPU_OK ? 0 : code == QUIPU_E_CONFLICT ? 1 : 2;
}

static int increment(quipu *q, int number)
{
    int done = 0;
    (void)number;
    for (int i = 0; i < ATTEMPTS && done < INCREMENTS; i++) {
        int outcome = try_increment(q);
        if (outcome == 2)
            return 3;
        done += outcome == 0;
    }
    return done == INCREMENTS ? 0 : 4;
}

static void a_counter_incremented_by_compare_and_swap_loses_no_step(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    memories_put(q, "counter", "0");
    memories_close(q); /* a child may open what its parent has closed */
    run_children(increment, 8);
    q = memories_open(store);
    assert_string_equal(memories_text(q, "counter", NULL), "400");
    assert_int_equal(memories_figure(q, "revisions"), 402);
    assert_sound(q);
    memories_close(q);
}

/* ---- killed writers ---- */

static int report; /* a child writes the number of each acknowledged add here */

static int add_until_killed(quipu *q, int number)
{
    for (int i = 0;; i++) {
        char id[40];
        snprintf(id, sizeof id, "k%d-%d", number, i);
        if (add(q, id) != QUIPU_OK || write(report, &i, sizeof i) != sizeof i)
            return 3;
    }
}

/* Lets a child add, and kills it after so long (in odd rounds counted from its first add, so that a slow machine has some as
 * well); how many adds it was told of. */
static int kill_writer(int round, long after_us)
{
    int ends[2], number, acknowledged = 0, status = 0;
    struct timespec pause = { 0, after_us * 1000 };
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        report = ends[1];
        _exit(run_child(add_until_killed, round));
    }
    assert_true(child > 0);
    close(ends[1]);
    if (round % 2 && read(ends[0], &number, sizeof number) == sizeof number)
        acknowledged = number + 1;
    nanosleep(&pause, NULL);
    kill(child, SIGKILL);
    while (read(ends[0], &number, sizeof number) == sizeof number)
        acknowledged = number + 1;
    close(ends[0]);
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status)); /* else it had failed before */
    return acknowledged;
}

static void assert_nothing_left_over(void)
{
    char command[400], line[300] = "";
    snprintf(command, sizeof command, "find '%s' -name '*.keep' -o -name 'tmp_*' -o -name '*.lock' | head -n 1", store);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    if (fgets(line, sizeof line, pipe))
        print_error("left over: %s", line);
    pclose(pipe);
    assert_string_equal(line, "");
}

static void acknowledged_write_survives_kill(void **state)
{
    unsigned seed = 4711;
    int total = 0, acknowledged[KILLS];
    (void)state;
    for (int round = 0; round < KILLS; round++) {
        char id[40];
        seed = seed * 1103515245u + 12345u;
        acknowledged[round] = kill_writer(round, (long)(seed >> 8) % 60000);
        total += acknowledged[round];
        quipu *q = memories_open(store);
        assert_nothing_left_over();
        snprintf(id, sizeof id, "after%d", round);
        memories_put(q, id, "the store is written again");
        for (int i = 0; i < acknowledged[round]; i++) {
            snprintf(id, sizeof id, "k%d-%d", round, i);
            assert_string_equal(memories_text(q, id, NULL), "one of many");
        }
        memories_close(q);
        if (round % 6 == 5)
            assert_int_equal(scratch_fsck(store), 0);
    }
    quipu *q = memories_open(store);
    assert_true(memories_count(q) >= (uint64_t)(total + KILLS));
    assert_true(memories_count(q) <= (uint64_t)(total + 2 * KILLS)); /* each may have made one more than it told */
    assert_true(total > 0);
    assert_sound(q);
    memories_close(q);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(threads_lose_nothing_and_make_a_commit_each),
        FRESH(a_deadline_ends_one_wait_and_not_the_others),
        FRESH(two_processes_lose_nothing),
        FRESH(eight_processes_lose_nothing),
        FRESH(a_counter_incremented_by_compare_and_swap_loses_no_step),
        FRESH(acknowledged_write_survives_kill),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
