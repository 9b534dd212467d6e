/* test_late_sync.c - the setting "relaxed": synced soon, synced when asked, and a failed sync is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <storage_git/git_store.h>
#include <storage_git/late_sync.h>
#include <storage_git/os.h>
#include <stdio.h>
#include <sys/wait.h>
#include <tests/support/scratch.h>
#include <time.h>
#include <unistd.h>

static char folder[128];
static quipu_error error = { .struct_size = sizeof error };
static int syncs;     /* of the whole file system */
static int fail_next; /* errno of the next one; 0: it works */

static int counted_syncfs(int fd)
{
    int failing = __atomic_exchange_n(&fail_next, 0, __ATOMIC_SEQ_CST);
    (void)fd;
    __atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST);
    errno = failing;
    return failing ? -1 : 0;
}

static os_table counting;

static int begin(void **state)
{
    (void)state;
    counting = os_real;
    counting.syncfs = counted_syncfs;
    os = &counting;
    syncs = fail_next = 0;
    scratch_make(folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    os = &os_real;
    scratch_remove(folder);
    return 0;
}

static int syncs_now(void)
{
    return __atomic_load_n(&syncs, __ATOMIC_SEQ_CST);
}

/* Waits until so many syncs were made; gives up after ten seconds. */
static void wait_for_syncs(int wanted)
{
    for (int i = 0; i < 1000 && syncs_now() < wanted; i++) {
        struct timespec pause = { 0, 10 * 1000000L };
        nanosleep(&pause, NULL);
    }
    assert_true(syncs_now() >= wanted);
}

static void what_was_noted_is_synced_by_itself(void **state)
{
    late_sync *l;
    (void)state;
    assert_int_equal(late_sync_create(folder, &l, &error), QUIPU_OK);
    assert_int_equal(late_sync_note(l, &error), QUIPU_OK);
    wait_for_syncs(1);
    assert_int_equal(late_sync_note(l, &error), QUIPU_OK);
    wait_for_syncs(2);
    late_sync_free(l);
}

static void many_changes_share_one_sync(void **state)
{
    late_sync *l;
    (void)state;
    assert_int_equal(late_sync_create(folder, &l, &error), QUIPU_OK);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(late_sync_note(l, &error), QUIPU_OK);
    late_sync_free(l);
    assert_true(syncs_now() >= 1);
    assert_true(syncs_now() < 500);
}

static void nothing_is_synced_where_nothing_was_written(void **state)
{
    late_sync *l;
    (void)state;
    assert_int_equal(late_sync_create(folder, &l, &error), QUIPU_OK);
    late_sync_free(l);
    late_sync_free(NULL);
    assert_int_equal(syncs_now(), 0);
}

static void closing_and_flushing_sync_at_once(void **state)
{
    late_sync *l;
    (void)state;
    assert_int_equal(late_sync_create(folder, &l, &error), QUIPU_OK);
    assert_int_equal(late_sync_note(l, &error), QUIPU_OK);
    assert_int_equal(late_sync_now(l, &error), QUIPU_OK);
    assert_true(syncs_now() >= 1);
    int before = syncs_now();
    assert_int_equal(late_sync_note(l, &error), QUIPU_OK);
    late_sync_free(l);
    assert_true(syncs_now() > before);
}

static void a_failed_sync_is_told_once_and_tried_again(void **state)
{
    late_sync *l;
    (void)state;
    assert_int_equal(late_sync_create(folder, &l, &error), QUIPU_OK);
    fail_next = EIO;
    assert_int_equal(late_sync_now(l, &error), QUIPU_E_IO);
    assert_non_null(strstr(error.message, "may not be on the disk"));
    assert_int_equal(late_sync_now(l, &error), QUIPU_OK);
    fail_next = ENOSPC;
    assert_int_equal(late_sync_note(l, &error), QUIPU_OK);
    wait_for_syncs(4); /* the one that failed, and the next */
    assert_int_equal(late_sync_note(l, &error), QUIPU_E_FULL);
    late_sync_free(l);
}

static void a_forked_child_only_frees(void **state)
{
    late_sync *l;
    int status;
    (void)state;
    assert_int_equal(late_sync_create(folder, &l, &error), QUIPU_OK);
    assert_int_equal(late_sync_note(l, &error), QUIPU_OK);
    pid_t child = fork();
    if (child == 0) {
        late_sync_free(l);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    late_sync_free(l);
}

/* A relaxed store syncs contents before it answers, and the names soon after. */
static void a_relaxed_store_is_sound_and_synced_soon(void **state)
{
    char path[160];
    git_store *s;
    git_transaction *t;
    bool made, lost;
    object_id id;
    git_store_options options = { .durable = false };
    commit_words words = { .author = { "ana", 3 }, .message = { "add: one\n", 9 } };
    (void)state;
    objects_library_begin();
    snprintf(path, sizeof path, "%s/store", folder);
    assert_int_equal(git_store_open(path, &options, &s, &made, &error), QUIPU_OK);
    assert_int_equal(git_begin(s, NULL, &t, &error), QUIPU_OK);
    assert_int_equal(git_transaction_put(t, "a", "1", 1, &error), QUIPU_OK);
    assert_int_equal(git_transaction_commit(t, &words, &id, &error), QUIPU_OK);
    assert_int_equal(git_publish(t, &lost, &error), QUIPU_OK);
    wait_for_syncs(1);
    assert_int_equal(git_store_flush(s, &error), QUIPU_OK);
    git_store_close(s);
    assert_int_equal(scratch_fsck(path), 0);
    objects_library_end();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(what_was_noted_is_synced_by_itself),          TEST(many_changes_share_one_sync),
        TEST(nothing_is_synced_where_nothing_was_written), TEST(closing_and_flushing_sync_at_once),
        TEST(a_failed_sync_is_told_once_and_tried_again),  TEST(a_forked_child_only_frees),
        TEST(a_relaxed_store_is_sound_and_synced_soon),
    };
    return cmocka_run_group_tests_name("late_sync", tests, NULL, NULL);
}
