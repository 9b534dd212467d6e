/* test_many_writers.c - processes that write one store at once, with clocks that go back, killed at any moment, and with stock git collecting
 * garbage beside them: nothing acknowledged is lost, and a counter counts right. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trial.h"

#include <base/buffer.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <tests/support/scratch.h>
#include <time.h>
#include <unistd.h>

enum { WRITERS_MAX = 32, LIMIT = 600, RECORD_TEXT = 40, ATTEMPTS = 1000000 };

static char store[TRIAL_PATH];

/* Shared with the children: how many puts of each writer were acknowledged. */
static unsigned *acknowledged;

static int begin(void **state)
{
    (void)state;
    trial_path("store", store);
    acknowledged =
        mmap(NULL, WRITERS_MAX * sizeof *acknowledged, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return acknowledged == MAP_FAILED;
}

static int end(void **state)
{
    (void)state;
    munmap(acknowledged, WRITERS_MAX * sizeof *acknowledged);
    trial_remove(store);
    return 0;
}

/* ---- writers ---- */

typedef struct writer {
    unsigned number;
    unsigned puts;
    int64_t clock_step; /* microseconds that the clock moves by, after each put; 0: the true time */
} writer;

static void put_many(void *context, char why[TRIAL_WHY])
{
    const writer *w = context;
    model_store s;
    if (w->clock_step)
        model_time = 1790000000000000 + (int64_t)w->number * 86400000000;
    if (model_open(&s, store, NULL, 0) != QUIPU_OK) {
        snprintf(why, TRIAL_WHY, "writer %u, open: %s", w->number, model_error.message);
        return;
    }
    for (unsigned i = acknowledged[w->number]; i < w->puts && !why[0]; i++) {
        char id[40], text[RECORD_TEXT];
        snprintf(id, sizeof id, "z%u-%u", w->number, i);
        snprintf(text, sizeof text, "put %u of writer %u", i, w->number);
        if (model_put(&s, id, text, NULL) != QUIPU_OK)
            snprintf(why, TRIAL_WHY, "writer %u, put %u: %s", w->number, i, model_error.message);
        else
            acknowledged[w->number] = i + 1;
        model_time += w->clock_step;
    }
    if (model_close(&s) != QUIPU_OK && !why[0])
        snprintf(why, TRIAL_WHY, "writer %u, close: %s", w->number, model_error.message);
}

static pid_t start(const writer *w)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        char why[TRIAL_WHY] = "";
        alarm(LIMIT);
        fault_install(&fault_none);
        put_many((void *)(uintptr_t)w, why);
        if (why[0])
            fprintf(stderr, "%s\n", why);
        _exit(why[0] != '\0');
    }
    assert_true(child > 0);
    return child;
}

/* ---- what must hold ---- */

typedef struct seen {
    const char *text;
    bool right;
} seen;

static int32_t see(void *context, const quipu_hit *hit)
{
    seen *s = context;
    s->right = str_same(hit->record->text, str_of(s->text));
    return 0;
}

static void check_everything(void *context, char why[TRIAL_WHY])
{
    unsigned writers = *(unsigned *)context;
    model_store s;
    if (model_open(&s, store, NULL, 0) != QUIPU_OK) {
        snprintf(why, TRIAL_WHY, "open: %s", model_error.message);
        return;
    }
    for (unsigned w = 0; w < writers; w++)
        for (unsigned i = 0; i < acknowledged[w] && !why[0]; i++) {
            char id[40], text[RECORD_TEXT];
            snprintf(id, sizeof id, "z%u-%u", w, i);
            snprintf(text, sizeof text, "put %u of writer %u", i, w);
            seen found = { text, false };
            quipu_get query = { .struct_size = sizeof query, .id = str_of(id) };
            if (s.api->get(s.self, &query, see, &found, NULL, &model_error) != QUIPU_OK || !found.right)
                snprintf(why, TRIAL_WHY, "%s was acknowledged, and is not there", id);
        }
    int damage = why[0] ? 0 : model_damage(&s);
    if (damage)
        snprintf(why, TRIAL_WHY, "verify: %d", damage);
    model_close(&s);
}

/* Committer times never go back along the history. */
static void assert_times_in_order(void)
{
    char command[400];
    snprintf(command, sizeof command,
             "git -c safe.directory='*' -C '%s' log --first-parent --format=%%ct | sort -nrc 2>&1", store);
    assert_int_equal(system(command), 0);
}

static void assert_sound(unsigned writers)
{
    char why[TRIAL_WHY];
    trial_child(check_everything, &writers, LIMIT, why);
    assert_string_equal(why, "");
    assert_int_equal(scratch_fsck(store), 0);
    assert_times_in_order();
}

/* ---- killed writers ---- */

static void wait_for_a_while(unsigned milliseconds)
{
    struct timespec pause = { milliseconds / 1000, (long)(milliseconds % 1000) * 1000000 };
    nanosleep(&pause, NULL);
}

/* All write; again and again one of them, drawn at random, is killed and another takes its place. */
static void kill_some(unsigned writers, unsigned kills)
{
    writer list[WRITERS_MAX];
    pid_t children[WRITERS_MAX];
    unsigned seed = trial_seed(), total = 0, failed = 0;
    for (unsigned i = 0; i < writers; i++) {
        list[i] = (writer){ i, 1000000, i % 2 ? -7000000 * (int64_t)(i + 1) : 0 };
        children[i] = start(&list[i]);
    }
    for (unsigned k = 0; k < kills + writers; k++) {
        unsigned victim = k < kills ? (seed >> 8) % writers : k - kills;
        int status = 0;
        seed = seed * 1103515245u + 12345u;
        wait_for_a_while(k < kills ? (seed >> 8) % 60 : 0);
        kill(children[victim], SIGKILL);
        waitpid(children[victim], &status, 0);
        failed += !WIFSIGNALED(status); /* else it had failed before */
        if (k < kills)
            children[victim] = start(&list[victim]);
    }
    for (unsigned i = 0; i < writers; i++)
        total += acknowledged[i];
    print_message("# %u writers, %u killed, %u puts acknowledged\n", writers, kills + writers, total);
    assert_int_equal(failed, 0);
    assert_true(total > 0);
    assert_sound(writers);
}

static void two_writers_that_are_killed_lose_nothing(void **state)
{
    (void)state;
    kill_some(2, trial_long() ? 100 : 12);
}

static void eight_writers_that_are_killed_lose_nothing(void **state)
{
    (void)state;
    kill_some(8, trial_long() ? 200 : 16);
}

static void thirty_two_writers_that_are_killed_lose_nothing(void **state)
{
    (void)state;
    kill_some(32, trial_long() ? 200 : 8);
}

/* ---- two that begin one store ---- */

static os_table late;

/* The branch is made between the first look at it and the next: what opens then sees no branch, then a store's packs. */
static int open_before_the_branch(const char *path, int flags, mode_t mode)
{
    static bool looked;
    const char *branch = strstr(path, "/refs/heads/main");
    if (!branch || branch[16] || looked)
        return os_real.open(path, flags, mode);
    looked = true;
    errno = ENOENT;
    return -1;
}

static void open_late(void *context, char why[TRIAL_WHY])
{
    model_store s;
    (void)context;
    late = os_real;
    late.open = open_before_the_branch;
    os = &late;
    if (model_open(&s, store, NULL, 0) != QUIPU_OK)
        snprintf(why, TRIAL_WHY, "open: %s", model_error.message);
    else
        model_close(&s);
}

static void a_store_begun_while_it_is_opened_is_no_damage(void **state)
{
    char why[TRIAL_WHY];
    int status = 0;
    writer w = { 0, 5, 0 };
    (void)state;
    waitpid(start(&w), &status, 0);
    trial_child(open_late, NULL, LIMIT, why);
    assert_string_equal(why, "");
    assert_sound(1);
}

/* ---- clocks ---- */

static void clocks_that_go_back_hide_nothing(void **state)
{
    int status = 0;
    unsigned failed = 0;
    (void)state;
    for (unsigned i = 0; i < 4; i++) { /* each begins a day before the one that wrote last, and goes back further */
        writer w = { 3 - i, 5, -3600000000 };
        pid_t child = start(&w);
        waitpid(child, &status, 0);
        failed += status != 0;
    }
    assert_int_equal(failed, 0);
    assert_sound(4);
}

/* ---- a counter ---- */

typedef struct counter {
    unsigned long value;
    char version[QUIPU_VERSION_LEN + 1];
} counter;

static int32_t read_counter(void *context, const quipu_hit *hit)
{
    counter *c = context;
    char digits[20] = "";
    memcpy(digits, hit->record->text.ptr, hit->record->text.len < 19 ? (size_t)hit->record->text.len : 19);
    memcpy(c->version, hit->record->version.ptr, QUIPU_VERSION_LEN);
    c->value = strtoul(digits, NULL, 10);
    return 0;
}

static int32_t read_and_increment(model_store *s)
{
    counter c = { 0 };
    char text[20];
    quipu_get query = { .struct_size = sizeof query, .id = str_of("zcounter") };
    int32_t code = s->api->get(s->self, &query, read_counter, &c, NULL, &model_error);
    if (code != QUIPU_OK)
        return code;
    snprintf(text, sizeof text, "%lu", c.value + 1);
    return model_put(s, "zcounter", text, c.version);
}

static void increment_many(void *context, char why[TRIAL_WHY])
{
    unsigned steps = *(unsigned *)context, done = 0;
    model_store s;
    int32_t code = model_open(&s, store, NULL, 0);
    for (unsigned i = 0; i < ATTEMPTS && done < steps && (code == QUIPU_OK || code == QUIPU_E_CONFLICT); i++) {
        code = read_and_increment(&s);
        done += code == QUIPU_OK;
    }
    if (done < steps)
        snprintf(why, TRIAL_WHY, "%u steps of %u, then %d: %s", done, steps, code, model_error.message);
    if (s.self)
        model_close(&s);
}

static void make_counter(void *context, char why[TRIAL_WHY])
{
    model_store s;
    (void)context;
    if (model_open(&s, store, NULL, 0) != QUIPU_OK || model_put(&s, "zcounter", "0", NULL) != QUIPU_OK ||
        model_close(&s) != QUIPU_OK)
        snprintf(why, TRIAL_WHY, "%s", model_error.message);
}

static void tell_counter(void *context, char why[TRIAL_WHY])
{
    counter c = { 0 };
    model_store s;
    quipu_get query = { .struct_size = sizeof query, .id = str_of("zcounter") };
    (void)context;
    if (model_open(&s, store, NULL, 0) == QUIPU_OK) {
        s.api->get(s.self, &query, read_counter, &c, NULL, &model_error);
        model_close(&s);
    }
    snprintf(why, TRIAL_WHY, "%lu", c.value);
}

static void a_counter_of_eight_processes_counts_each_step(void **state)
{
    enum { PROCESSES = 8 };
    pid_t children[PROCESSES];
    unsigned steps = trial_long() ? 500 : 25, failed = 0;
    char why[TRIAL_WHY], expected[20];
    (void)state;
    trial_child(make_counter, NULL, LIMIT, why);
    assert_string_equal(why, "");
    fflush(NULL);
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            char said[TRIAL_WHY] = "";
            alarm(LIMIT);
            fault_install(&fault_none);
            increment_many(&steps, said);
            if (said[0])
                fprintf(stderr, "%s\n", said);
            _exit(said[0] != '\0');
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = 1;
        waitpid(children[i], &status, 0);
        failed += status != 0;
    }
    assert_int_equal(failed, 0);
    snprintf(expected, sizeof expected, "%u", PROCESSES * steps);
    trial_child(tell_counter, NULL, LIMIT, why);
    assert_string_equal(why, expected);
    assert_sound(0);
}

/* ---- stock git beside them ---- */

static bool run_git(const char *command)
{
    char output[2000];
    if (scratch_git(store, output, sizeof output, "%s", command) == 0)
        return true;
    print_error("git %s: %s\n", command, output);
    return false;
}

/* Each command succeeds, though the packs that it listed are merged away while it works. */
static void git_at_work_beside_writers(unsigned writers, unsigned puts)
{
    static const char *const commands[] = { "gc -q --prune=now", "repack -adq",
                                            "fsck --strict --no-dangling --no-progress", "repack -dq --geometric=2",
                                            "pack-refs --all" };
    unsigned rounds = 0, failed = 0;
    int status = 0, running = (int)writers;
    writer list[WRITERS_MAX];
    list[0] = (writer){ 0, 1, 0 };
    waitpid(start(&list[0]), &status, 0); /* so that there is a repository */
    for (unsigned i = 0; i < writers; i++) {
        list[i] = (writer){ i, puts, 0 };
        start(&list[i]);
    }
    for (; running > 0; rounds++) {
        failed += !run_git(commands[rounds % (sizeof commands / sizeof commands[0])]);
        while (running > 0 && waitpid(-1, &status, WNOHANG) > 0) {
            running--;
            failed += status != 0;
        }
    }
    print_message("# %u git commands beside %u puts of %u writers\n", rounds, writers * puts, writers);
    assert_int_equal(failed, 0);
    for (unsigned i = 0; i < writers; i++)
        assert_int_equal(acknowledged[i], puts);
    assert_sound(writers);
}

static void git_collects_garbage_beside_two_writers(void **state)
{
    (void)state;
    git_at_work_beside_writers(2, trial_long() ? 3000 : 150);
}

static void git_collects_garbage_beside_four_writers(void **state)
{
    (void)state;
    git_at_work_beside_writers(4, trial_long() ? 400 : 40);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(two_writers_that_are_killed_lose_nothing),
        FRESH(eight_writers_that_are_killed_lose_nothing),
        FRESH(thirty_two_writers_that_are_killed_lose_nothing),
        FRESH(a_store_begun_while_it_is_opened_is_no_damage),
        FRESH(clocks_that_go_back_hide_nothing),
        FRESH(a_counter_of_eight_processes_counts_each_step),
        FRESH(git_collects_garbage_beside_two_writers),
        FRESH(git_collects_garbage_beside_four_writers),
    };
    return cmocka_run_group_tests(tests, trial_begin, trial_end);
}
