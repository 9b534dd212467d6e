/* test_git_merge.c - the storage engine's merging: common ancestors, three-way by paths, copying history, refs, remotes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage_git/git_store.h>
#include <storage_git/history_split.h>
#include <storage_git/remote.h>
#include <tests/support/scratch.h>
#include <unistd.h>

static char folder[128];
static quipu_error error = { .struct_size = sizeof error };
static const object_id none;
static int64_t now;
static int64_t step = 1000000; /* between two commits */
static char decided[200];      /* what the merge asked about: "path;" */

static int begin(void **state)
{
    (void)state;
    objects_library_begin();
    scratch_make(folder);
    now = 1700000000000000;
    decided[0] = '\0';
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_remove(folder);
    objects_library_end();
    return 0;
}

static void path_of(const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s/%s", folder, name);
}

static git_store *open_store(const char *name)
{
    git_store *s;
    bool made;
    char path[200];
    git_store_options options = { .durable = false };
    path_of(name, path, sizeof path);
    assert_int_equal(git_store_open(path, &options, &s, &made, &error), QUIPU_OK);
    return s;
}

static object_id head_of(git_store *s)
{
    object_id id;
    assert_int_equal(git_store_head(s, &id, &error), QUIPU_OK);
    return id;
}

static int32_t note_decision(void *context, git_transaction *t, const git_merge_file *file)
{
    size_t len = strlen(decided);
    snprintf(decided + len, sizeof decided - len, "%s;", file->path);
    return context && !object_id_is_none(&file->theirs) ? git_transaction_put_blob(t, file->path, &file->theirs, &error)
                                                        : QUIPU_OK;
}

/* merged: a commit to merge first, whose choices win where `take`; path NULL: only that. */
static object_id write_file(git_store *s, const char *path, const char *text, const object_id *merged, bool take)
{
    git_transaction *t;
    git_merge_report report;
    object_id id;
    bool lost;
    commit_words words = { .author = str_of("ana"), .time = now, .committed = now, .message = str_of("x\n") };
    now += step;
    assert_int_equal(git_begin(s, NULL, &t, &error), QUIPU_OK);
    if (merged) {
        words.merged = *merged;
        git_merge_rules rules = { .decide = note_decision, .context = take ? s : NULL };
        assert_int_equal(git_transaction_merge(t, merged, false, &rules, &report, &error), QUIPU_OK);
    }
    if (path && text)
        assert_int_equal(git_transaction_put(t, path, text, strlen(text), &error), QUIPU_OK);
    else if (path)
        assert_int_equal(git_transaction_delete(t, path, &error), QUIPU_OK);
    assert_int_equal(git_transaction_commit(t, &words, &id, &error), QUIPU_OK);
    assert_int_equal(git_publish(t, &lost, &error), QUIPU_OK);
    assert_false(lost);
    return id;
}

static object_id put(git_store *s, const char *path, const char *text)
{
    return write_file(s, path, text, NULL, false);
}

/* Makes another branch at `at`, and switches to it. */
static void go_to(git_store *s, const char *ref, const object_id *at)
{
    bool lost;
    assert_int_equal(git_store_set_ref(s, ref, &none, at, &lost, &error), QUIPU_OK);
    assert_false(lost);
    assert_int_equal(git_store_switch(s, ref, &error), QUIPU_OK);
}

static object_id base_of(git_store *s, const object_id *a, const object_id *b, size_t *only)
{
    history_split split, other;
    objects *o = git_store_objects(s);
    assert_int_equal(history_split_read(o, a, o, b, &split, &error), QUIPU_OK);
    assert_int_equal(history_split_read(o, b, o, a, &other, &error), QUIPU_OK);
    assert_true(object_id_equal(&split.base, &other.base));
    object_id base = split.base;
    *only = split.only_in_b_count;
    history_split_free(&split);
    history_split_free(&other);
    return base;
}

static void assert_holds(git_store *s, const char *path, const char *text)
{
    git_transaction *t;
    object_id blob;
    buffer bytes = { 0 };
    assert_int_equal(git_begin(s, NULL, &t, &error), QUIPU_OK);
    assert_int_equal(git_transaction_read(t, path, &blob, &bytes, &error), QUIPU_OK);
    git_abort(t);
    assert_string_equal(bytes.bytes ? bytes.bytes : "", text);
    buffer_free(&bytes);
}

static void assert_sound(const char *name)
{
    char path[200];
    path_of(name, path, sizeof path);
    assert_int_equal(scratch_fsck(path), 0);
}

static void the_common_ancestor_does_not_depend_on_the_side(void **state)
{
    (void)state;
    size_t only;
    git_store *s = open_store("s");
    object_id root = put(s, "a", "1"), ours = put(s, "a", "2");
    go_to(s, "refs/heads/side", &root);
    object_id one = put(s, "b", "1"), theirs = put(s, "b", "2"), found = base_of(s, &ours, &theirs, &only);
    assert_true(object_id_equal(&found, &root) && only == 2);
    found = base_of(s, &one, &theirs, &only);
    assert_true(object_id_equal(&found, &one) && only == 1);
    found = base_of(s, &theirs, &one, &only);
    assert_true(object_id_equal(&found, &one) && only == 0);
    found = base_of(s, &none, &theirs, &only);
    assert_true(object_id_is_none(&found) && only == 3);
    object_id crossed = write_file(s, NULL, NULL, &ours, false);
    assert_int_equal(git_store_switch(s, "refs/heads/main", &error), QUIPU_OK);
    object_id cross = write_file(s, NULL, NULL, &theirs, false);
    found = base_of(s, &cross, &crossed, &only);
    assert_true(object_id_equal(&found, &theirs) && only == 1); /* of two best ones the later */
    git_store_close(s);
    assert_sound("s");
}

/* Then any of them may be visited first. */
static void commits_of_one_second_are_told_apart(void **state)
{
    (void)state;
    git_store *s = open_store("s");
    step = 0;
    for (int round = 0; round < 24; round++) {
        char ref[40], text[16];
        size_t only;
        snprintf(ref, sizeof ref, "refs/heads/side%d", round);
        snprintf(text, sizeof text, "%d", round);
        object_id root = put(s, "a", text);
        put(s, "b", text);
        go_to(s, ref, &root);
        object_id theirs = put(s, text, text);
        assert_int_equal(git_store_switch(s, "refs/heads/main", &error), QUIPU_OK);
        object_id merge = write_file(s, NULL, NULL, &theirs, false);
        object_id found = base_of(s, &merge, &theirs, &only);
        assert_true(object_id_equal(&found, &theirs));
        assert_int_equal(only, 0);
    }
    step = 1000000;
    git_store_close(s);
    assert_sound("s");
}

static void only_what_both_changed_is_asked_about(void **state)
{
    (void)state;
    git_store *s = open_store("s");
    put(s, "both", "0");
    put(s, "dir/theirs", "0");
    put(s, "gone", "0");
    object_id root = put(s, "same", "0");
    put(s, "same", "1");
    object_id ours = put(s, "both", "ours");
    go_to(s, "refs/heads/side", &root);
    put(s, "dir/theirs", "1");
    put(s, "gone", NULL);
    put(s, "same", "1");
    object_id theirs = put(s, "both", "theirs");
    assert_int_equal(git_store_switch(s, "refs/heads/main", &error), QUIPU_OK);
    object_id merge = write_file(s, NULL, NULL, &theirs, true);
    assert_string_equal(decided, "both;");
    assert_holds(s, "both", "theirs");
    assert_holds(s, "dir/theirs", "1");
    assert_holds(s, "same", "1");
    assert_holds(s, "gone", "");
    commit c;
    assert_int_equal(commit_read(git_store_objects(s), &merge, &c, &error), QUIPU_OK);
    assert_int_equal(c.parent_count, 2);
    assert_true(object_id_equal(&c.parents[0], &ours) && object_id_equal(&c.parents[1], &theirs));
    commit_free(&c);
    git_store_close(s);
    assert_sound("s");
}

static void a_merge_is_not_earlier_than_what_it_merges(void **state)
{
    (void)state;
    git_store *s = open_store("s");
    object_id root = put(s, "a", "1");
    put(s, "a", "2");
    go_to(s, "refs/heads/side", &root);
    now += 3600000000;
    object_id late = put(s, "b", "1");
    now -= 3600000000;
    assert_int_equal(git_store_switch(s, "refs/heads/main", &error), QUIPU_OK);
    object_id merge = write_file(s, NULL, NULL, &late, false);
    commit a, b;
    assert_int_equal(commit_read(git_store_objects(s), &merge, &a, &error), QUIPU_OK);
    assert_int_equal(commit_read(git_store_objects(s), &late, &b, &error), QUIPU_OK);
    assert_true(a.committed >= b.committed);
    commit_free(&a);
    commit_free(&b);
    git_store_close(s);
}

static void a_ref_that_moved_is_not_removed(void **state)
{
    (void)state;
    bool lost;
    git_store *s = open_store("s");
    object_id one = put(s, "a", "1"), two = put(s, "a", "2");
    const char *ref = "refs/heads/inbox/x";
    assert_int_equal(git_store_set_ref(s, ref, &none, &two, &lost, &error), QUIPU_OK);
    assert_int_equal(git_store_set_ref(s, ref, &one, &none, &lost, &error), QUIPU_OK);
    assert_true(lost);
    assert_int_equal(git_store_set_ref(s, ref, &none, &one, &lost, &error), QUIPU_OK);
    assert_true(lost);
    assert_int_equal(git_store_set_ref(s, ref, &two, &none, &lost, &error), QUIPU_OK);
    assert_false(lost);
    assert_int_equal(git_store_resolve(s, str_of("inbox/x"), &one, &error), QUIPU_E_NOT_FOUND);
    git_store_close(s);
    assert_sound("s");
}

static void a_lock_of_stock_git_is_left_alone(void **state)
{
    (void)state;
    bool lost;
    char lock[240];
    git_store *s = open_store("s");
    object_id one = put(s, "a", "1");
    assert_int_equal(git_store_set_ref(s, "refs/heads/x", &none, &one, &lost, &error), QUIPU_OK);
    path_of("s/refs/heads/x.lock", lock, sizeof lock);
    FILE *f = fopen(lock, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(git_store_set_ref(s, "refs/heads/x", &one, &none, &lost, &error), QUIPU_E_BUSY);
    assert_non_null(strstr(error.message, "x.lock"));
    assert_int_equal(access(lock, F_OK), 0);
    git_store_close(s);
}

static void what_the_other_side_does_not_descend_from_is_not_pushed(void **state)
{
    (void)state;
    char path[200];
    bool refused = false;
    remote there;
    remote_call how = { 0 };
    git_store *a = open_store("a"), *b = open_store("b");
    put(b, "a", "of b");
    object_id before = head_of(b), tip = put(a, "a", "of a");
    path_of("b", path, sizeof path);
    assert_int_equal(remote_find(a, str_of(path), &there, &error), QUIPU_OK);
    assert_int_equal(remote_push(a, &there, "refs/heads/main", &tip, &how, &refused, &error), QUIPU_OK);
    assert_true(refused);
    object_id after = head_of(b);
    assert_true(object_id_equal(&before, &after));
    assert_int_equal(remote_push(a, &there, "refs/heads/new/one", &tip, &how, &refused, &error), QUIPU_OK);
    assert_false(refused);
    assert_int_equal(git_store_resolve(b, str_of("new/one"), &after, &error), QUIPU_OK);
    assert_true(object_id_equal(&tip, &after));
    remote_free(&there);
    git_store_close(a);
    git_store_close(b);
    assert_sound("b");
}

static void a_remote_is_remembered_and_its_password_is_not_shown(void **state)
{
    (void)state;
    remote there;
    git_store *s = open_store("s");
    put(s, "a", "1");
    assert_int_equal(remote_remember(s, "bad name", "/tmp", &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "name");
    assert_int_equal(remote_remember(s, "work", "https://me:secret@example.org/m.git", &error), QUIPU_OK);
    assert_int_equal(remote_find(s, str_of("work"), &there, &error), QUIPU_OK);
    assert_string_equal(there.name, "work");
    assert_string_equal(there.shown, "https://example.org/m.git");
    assert_null(there.folder);
    remote_free(&there);
    assert_int_equal(remote_find(s, str_of("nobody"), &there, &error), QUIPU_E_NOT_FOUND);
    assert_string_equal(error.field, "remote");
    assert_int_equal(remote_find(s, str_of("host:path/x.git"), &there, &error), QUIPU_OK);
    assert_null(there.folder);
    remote_free(&there);
    git_store_close(s);
}

static void a_head_that_names_no_branch_of_the_store_is_refused(void **state)
{
    (void)state;
    git_store *s = open_store("s");
    object_id before = put(s, "a", "1");
    assert_int_equal(git_store_switch(s, "refs/heads/nowhere", &error), QUIPU_E_NOT_FOUND);
    object_id after = head_of(s);
    assert_true(object_id_equal(&before, &after));
    git_store_close(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_common_ancestor_does_not_depend_on_the_side),
        TEST(commits_of_one_second_are_told_apart),
        TEST(only_what_both_changed_is_asked_about),
        TEST(a_merge_is_not_earlier_than_what_it_merges),
        TEST(a_ref_that_moved_is_not_removed),
        TEST(a_lock_of_stock_git_is_left_alone),
        TEST(what_the_other_side_does_not_descend_from_is_not_pushed),
        TEST(a_remote_is_remembered_and_its_password_is_not_shown),
        TEST(a_head_that_names_no_branch_of_the_store_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
