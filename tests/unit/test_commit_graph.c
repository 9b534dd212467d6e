/* test_commit_graph.c - the commit-graph: stock git accepts it, walks say the same with and without it, and damage in it is not believed. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage_git/commit_links.h>
#include <storage_git/graph_write.h>
#include <storage_git/os.h>
#include <sys/stat.h>
#include <tests/support/scratch.h>
#include <unistd.h>

enum { COMMITS = 24 };
#define PLENTY (UINT64_C(1) << 30)

static char folder[128]; /* of the test at hand; the store is in it */
static char store_path[160], graph_path[200];
static char output[20000];
static quipu_error error = { .struct_size = sizeof error };

static int begin(void **state)
{
    (void)state;
    objects_library_begin();
    scratch_make(folder);
    snprintf(store_path, sizeof store_path, "%s/store", folder);
    snprintf(graph_path, sizeof graph_path, "%s/objects/info/commit-graph", store_path);
    return 0;
}

static int end(void **state)
{
    (void)state;
    os = &os_real;
    scratch_remove(folder);
    objects_library_end();
    return 0;
}

static git_store *open_store_as(bool durable)
{
    git_store *s;
    bool made;
    git_store_options options = { .durable = durable };
    assert_int_equal(git_store_open(store_path, &options, &s, &made, &error), QUIPU_OK);
    return s;
}

/* Relaxed: filling a store shall not take long. */
static git_store *open_store(void)
{
    return open_store_as(false);
}

/* Runs a command in the store; what it printed is in `output`. */
static int try_shell(const char *command)
{
    char line[3000];
    snprintf(
        line, sizeof line,
        "cd '%s' && export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=x GIT_COMMITTER_NAME=x "
        "GIT_AUTHOR_EMAIL=x@x GIT_COMMITTER_EMAIL=x@x && { %s; } 2>&1",
        store_path, command);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    size_t got = fread(output, 1, sizeof output - 1, pipe);
    output[got] = '\0';
    return pclose(pipe);
}

static void shell(const char *command)
{
    if (try_shell(command) != 0)
        fail_msg("%s: %s", command, output);
}

/* One commit with `files` files, the first of them called by its number. */
static void commit_files(git_store *s, int i, int files)
{
    git_transaction *t;
    bool lost = false;
    object_id id;
    char path[64], text[64];
    commit_words words = { .author = str_of("ana"),
                           .time = 1700000000000000 + i * INT64_C(60000000),
                           .committed = 1700000000000000 + i * INT64_C(60000000),
                           .message = str_of("add: something\n") };
    assert_int_equal(git_begin(s, NULL, &t, &error), QUIPU_OK);
    for (int n = 0; n < files; n++) {
        snprintf(path, sizeof path, n ? "records/many/%d-%d.json" : "records/%d/r%d.json", i % 3, n ? n : i % 7);
        snprintf(text, sizeof text, "{\"id\":\"%d %d\"}\n", i, n);
        assert_int_equal(git_transaction_put(t, path, text, strlen(text), &error), QUIPU_OK);
    }
    assert_int_equal(git_transaction_commit(t, &words, &id, &error), QUIPU_OK);
    assert_int_equal(git_publish(t, &lost, &error), QUIPU_OK);
    assert_false(lost);
}

/* A history with a merge, a merge of four, a commit of 600 files, one of none, a path that is not ASCII, and a branch beside it. */
static git_store *filled_store(void)
{
    git_store *s = open_store();
    for (int i = 0; i < COMMITS / 2; i++)
        commit_files(s, i, 1);
    shell("for i in 1 2 3 4; do git branch side$i main~$i && "
          "git update-ref refs/heads/side$i $(git commit-tree -m side$i -p side$i main~$i^{tree}); done");
    shell("git update-ref refs/heads/main $(git commit-tree -m two -p main -p side1 main^{tree})");
    shell("git update-ref refs/heads/main $(git commit-tree -m five -p main -p side1 -p side2 -p side3 main^{tree})");
    commit_files(s, COMMITS / 2, 600);
    shell("git branch beside && git update-ref refs/heads/beside $(git commit-tree -m beside -p main main~4^{tree})");
    shell("export GIT_INDEX_FILE=$PWD/i && git read-tree main && git update-index --add --cacheinfo "
          "100644,$(echo hello | git hash-object -w --stdin),records/gr\303\274n/x.json && "
          "git update-ref refs/heads/main $(git commit-tree -m green -p main $(git write-tree)) && rm i");
    for (int i = COMMITS / 2 + 1; i < COMMITS; i++)
        commit_files(s, i, 1);
    return s;
}

static int32_t go_on(void *context)
{
    (void)context;
    return QUIPU_OK;
}

static void write_graph(git_store *s)
{
    if (git_write_graph(s, PLENTY, go_on, NULL, &error) != QUIPU_OK)
        fail_msg("%s", error.message);
}

static void assert_git_accepts(void)
{
    shell("git commit-graph verify --no-progress && git fsck --strict --no-progress");
    assert_string_equal(output, "");
}

static uint64_t count(git_store *s)
{
    object_id head;
    uint64_t n;
    assert_int_equal(git_store_head(s, &head, &error), QUIPU_OK);
    assert_int_equal(commit_count(git_store_objects(s), &head, &n, &error), QUIPU_OK);
    return n;
}

static void git_accepts_the_graph_and_finds_the_same_with_it(void **state)
{
    (void)state;
    git_store *s = filled_store();
    write_graph(s);
    assert_git_accepts();
    shell("git -c core.quotePath=false ls-tree -r -t --name-only main | grep -v many/.*[1-9] | while read -r p; do "
          "a=$(git -c core.commitGraph=false log --format=%h main -- \"$p\") && b=$(git log --format=%h main -- "
          "\"$p\") && "
          "[ \"$a\" = \"$b\" ] || echo \"$p: $a, not $b\"; done");
    assert_string_equal(output, "");
    shell("GIT_TRACE2_PERF=1 git log --format=%h main -- records/1/r1.json");
    assert_non_null(strstr(output, "definitely_not"));
    commit_files(s, 100, 1);
    write_graph(s); /* with what the first one knew */
    assert_git_accepts();
    git_store_close(s);
}

/* What the walks say, in one text. */
static int32_t note_commit(void *context, const commit *c)
{
    char digits[OBJECT_ID_HEX + 1];
    object_id_print(&c->id, digits);
    buffer_printf(context, "%.8s ", digits);
    return QUIPU_OK;
}

static void note_walks(git_store *s, buffer *out)
{
    static const char *const paths[] = { "records", "records/1/r1.json", "records/many", "records/gr\303\274n/x.json",
                                         "records/none.json" };
    objects *o = git_store_objects(s);
    object_id head, id;
    char digits[OBJECT_ID_HEX + 1];
    assert_int_equal(git_store_head(s, &head, &error), QUIPU_OK);
    buffer_printf(out, "%d\n", (int)count(s));
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(commit_walk(o, &head, paths[i], NULL, note_commit, out, &error), QUIPU_OK);
        buffer_append_char(out, '\n');
    }
    for (int i = 0; i < COMMITS; i += 5) {
        assert_int_equal(commit_at_time(o, &head, 1700000000000000 + i * INT64_C(60000000), &id, &error), QUIPU_OK);
        object_id_print(&id, digits);
        buffer_printf(out, "%d: %s\n", i, digits);
    }
    assert_int_equal(commit_at_time(o, &head, 1600000000000000, &id, &error), QUIPU_E_NOT_FOUND);
    assert_int_equal(git_store_resolve(s, str_of("HEAD~9"), &id, &error), QUIPU_OK);
    object_id_print(&id, digits);
    buffer_append_text(out, digits);
    assert_int_equal(git_store_resolve(s, str_of("HEAD~900"), &id, &error), QUIPU_E_NOT_FOUND);
}

static void assert_walks_are(git_store *s, const buffer *expected)
{
    buffer now = { 0 };
    note_walks(s, &now);
    assert_string_equal(now.bytes, expected->bytes);
    buffer_free(&now);
}

static void walks_say_the_same_with_and_without_it(void **state)
{
    (void)state;
    buffer before = { 0 };
    git_store *s = filled_store();
    note_walks(s, &before);
    write_graph(s);
    assert_walks_are(s, &before);
    buffer_clear(&before);
    commit_files(s, 100, 1); /* not in it */
    commit_files(s, 101, 2);
    unlink(graph_path);
    note_walks(s, &before);
    shell(
        "git update-ref refs/heads/old main~2 && git commit-graph write --reachable --no-progress"); /* also what is beside it */
    assert_walks_are(s, &before);
    write_graph(s);
    assert_walks_are(s, &before);
    assert_git_accepts();
    buffer_free(&before);
    git_store_close(s);
}

static void what_did_not_change_a_path_is_passed_over(void **state)
{
    (void)state;
    graph_commit c;
    uint32_t at;
    object_id head;
    git_store *s = filled_store();
    write_graph(s);
    assert_int_equal(git_store_head(s, &head, &error), QUIPU_OK);
    const commit_graph *g = objects_graph_take(git_store_objects(s));
    assert_non_null(g);
    assert_int_equal(g->count, count(s));
    assert_true(commit_graph_find(g, &head, &at));
    assert_true(commit_graph_read(g, at, &c));
    path_keys keys;
    commit_links links = { git_store_objects(s), g };
    object_id skipped = head;
    path_keys_make("elsewhere/at/all", &keys);
    commit_links_skip(&links, &keys, 1, &skipped);
    assert_false(object_id_equal(&skipped, &head));
    objects_graph_give(git_store_objects(s), g);
    git_store_close(s);
}

static void damage_in_it_is_not_believed(void **state)
{
    (void)state;
    buffer expected = { 0 }, bytes = { 0 };
    git_store *s = filled_store();
    uint64_t commits = count(s);
    write_graph(s);
    note_walks(s, &expected);
    assert_int_equal(os_read_file(graph_path, 1 << 20, &bytes, &error), QUIPU_OK);
    for (size_t i = 0; i < bytes.len; i += 13) {
        bytes.bytes[i] ^= 0x41;
        assert_int_equal(os_replace_file(graph_path, bytes.bytes, bytes.len, false, &error), QUIPU_OK);
        assert_null(objects_graph_take(git_store_objects(s)));
        assert_int_equal(count(s), commits);
        bytes.bytes[i] ^= 0x41;
    }
    assert_walks_are(s, &expected);
    for (size_t len = 0; len < bytes.len; len += 7) {
        assert_int_equal(os_replace_file(graph_path, bytes.bytes, len, false, &error), QUIPU_OK);
        assert_null(objects_graph_take(git_store_objects(s)));
    }
    write_graph(s); /* what is damaged is written anew */
    assert_git_accepts();
    buffer_free(&bytes);
    buffer_free(&expected);
    git_store_close(s);
}

static void it_names_no_commit_that_is_gone(void **state)
{
    (void)state;
    git_store *s = filled_store();
    write_graph(s);
    shell("git branch -D beside -q && git reflog expire --expire=now --all && git gc -q --prune=now");
    assert_git_accepts();
    write_graph(s);
    assert_git_accepts();
    /* the branch goes back, and what it had is taken away by one who knows of no graph */
    shell("git update-ref refs/heads/main main~3 && git reflog expire --expire=now --all && git repack -adq && git "
          "prune --expire=now");
    assert_true(try_shell("git commit-graph verify --no-progress") != 0);
    git_store_close(s);
    s = open_store();
    assert_int_equal(access(graph_path, F_OK), -1);
    assert_git_accepts();
    write_graph(s);
    assert_git_accepts();
    shell("git update-ref refs/heads/main main~3");
    write_graph(s); /* the head is in the graph that lies there, but other commits too */
    shell("git reflog expire --expire=now --all && git repack -adq && git prune --expire=now");
    assert_git_accepts();
    git_store_close(s);
}

/* ---- limits and faults ---- */

static int left; /* how often go_on_for says yes */

static int32_t go_on_for(void *context)
{
    (void)context;
    return left-- > 0 ? QUIPU_OK : 1;
}

static void told_to_end_it_leaves_out_filters_or_does_nothing(void **state)
{
    (void)state;
    buffer expected = { 0 };
    git_store *s = filled_store();
    note_walks(s, &expected);
    assert_int_equal(git_write_graph(s, 1000, go_on, NULL, &error), QUIPU_OK);
    assert_int_equal(access(graph_path, F_OK), -1);
    for (int most = 0; most < 80; most += 11) {
        left = most;
        assert_int_equal(git_write_graph(s, PLENTY, go_on_for, NULL, &error), QUIPU_OK);
        assert_int_equal(access(graph_path, F_OK), (uint64_t)most >= count(s) ? 0 : -1);
        assert_git_accepts();
        assert_walks_are(s, &expected);
        unlink(graph_path);
    }
    buffer_free(&expected);
    git_store_close(s);
}

static int operations; /* until one fails */

static bool is_up(void)
{
    errno = ENOSPC;
    return operations-- == 0;
}

static ssize_t failing_write(int fd, const void *bytes, size_t len)
{
    return is_up() ? -1 : os_real.write(fd, bytes, len);
}

static int failing_fsync(int fd)
{
    return is_up() ? -1 : os_real.fsync(fd);
}

static int failing_rename(const char *from, const char *to)
{
    return is_up() ? -1 : os_real.rename(from, to);
}

static void a_full_disk_leaves_the_old_graph(void **state)
{
    (void)state;
    int failed = 0;
    git_store *s = filled_store();
    write_graph(s);
    git_store_close(s);
    s = open_store_as(true); /* no thread of its own that would ask the table while it is replaced */
    commit_files(s, 100, 1);
    os_table failing = os_real;
    failing.write = failing_write;
    failing.fsync = failing_fsync;
    failing.rename = failing_rename;
    int32_t code = QUIPU_E_FULL;
    for (int i = 0; code != QUIPU_OK; i++) {
        operations = i;
        os = &failing;
        code = git_write_graph(s, PLENTY, go_on, NULL, &error);
        os = &os_real;
        failed += code == QUIPU_E_FULL;
        assert_git_accepts();
    }
    assert_int_equal(failed, 5); /* the note's write and rename; the graph's write, sync and rename */
    git_store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(git_accepts_the_graph_and_finds_the_same_with_it, begin, end),
        cmocka_unit_test_setup_teardown(walks_say_the_same_with_and_without_it, begin, end),
        cmocka_unit_test_setup_teardown(what_did_not_change_a_path_is_passed_over, begin, end),
        cmocka_unit_test_setup_teardown(damage_in_it_is_not_believed, begin, end),
        cmocka_unit_test_setup_teardown(it_names_no_commit_that_is_gone, begin, end),
        cmocka_unit_test_setup_teardown(told_to_end_it_leaves_out_filters_or_does_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_the_old_graph, begin, end),
    };
    return cmocka_run_group_tests_name("commit-graph", tests, NULL, NULL);
}
