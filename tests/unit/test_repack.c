/* test_repack.c - maintenance of packs: the same contents afterwards, whatever happens meanwhile; and the deltas it is made of. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage_git/delta.h>
#include <storage_git/os.h>
#include <storage_git/pack_retired.h>
#include <storage_git/repack.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tests/support/scratch.h>
#include <unistd.h>

enum { COMMITS = 60 };

static char folder[128]; /* of the test at hand; the store is in it */
static char store_path[160];
static char output[4000];
static quipu_error error = { .struct_size = sizeof error };
static const repack_limits no_limits = { .memory = UINT64_C(1) << 30 };

static int begin(void **state)
{
    (void)state;
    objects_library_begin();
    scratch_make(folder);
    snprintf(store_path, sizeof store_path, "%s/store", folder);
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
    int32_t code = git_store_open(store_path, &options, &s, &made, &error);
    if (code != QUIPU_OK)
        print_error("open: %s\n", error.message);
    assert_int_equal(code, QUIPU_OK);
    return s;
}

/* Relaxed: filling a store shall not take long. */
static git_store *open_store(void)
{
    return open_store_as(false);
}

/* One commit with one file. */
static void commit_file(git_store *s, int i)
{
    git_transaction *t;
    bool lost = false;
    object_id id;
    char path[64], text[300];
    commit_words words = { .author = str_of("ana"),
                           .time = 1700000000000000 + i,
                           .committed = 1700000000000000,
                           .message = str_of("add: something that was said\n\nQuipu-Op: add\n") };
    snprintf(path, sizeof path, "records/%x/%x/r%d.json", i % 3, i / 16 % 16, i % 50); /* some come again */
    snprintf(text, sizeof text,
             "{\n  \"id\": \"r%d\",\n  \"text\": \"number %d of many\",\n  \"kind\": \"memory\"\n}\n", i % 50, i);
    assert_int_equal(git_begin(s, NULL, &t, &error), QUIPU_OK);
    assert_int_equal(git_transaction_put(t, path, text, strlen(text), &error), QUIPU_OK);
    if (i % 17 == 16) {
        snprintf(path, sizeof path, "records/%x/%x/r%d.json", (i - 5) % 3, (i - 5) / 16 % 16, (i - 5) % 50);
        assert_int_equal(git_transaction_delete(t, path, &error), QUIPU_OK);
    }
    assert_int_equal(git_transaction_commit(t, &words, &id, &error), QUIPU_OK);
    assert_int_equal(git_publish(t, &lost, &error), QUIPU_OK);
    assert_false(lost);
}

/* Runs a command in the store; what it printed is in `output`. */
static void shell(const char *command)
{
    char line[2000];
    snprintf(
        line, sizeof line,
        "cd '%s' && export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=x GIT_COMMITTER_NAME=x "
        "GIT_AUTHOR_EMAIL=x@x GIT_COMMITTER_EMAIL=x@x && { %s; } 2>&1",
        store_path, command);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    size_t got = fread(output, 1, sizeof output - 1, pipe);
    output[got] = '\0';
    int status = pclose(pipe);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s: %s", command, output);
}

/* A history with a branch of its own, a merge, a tag, and an object that nothing leads to. */
static git_store *filled_store(void)
{
    git_store *s = open_store();
    for (int i = 0; i < COMMITS / 2; i++)
        commit_file(s, i);
    shell("git branch side main~12 && git tag -a -m first v1 main~5");
    shell("git update-ref refs/heads/side $(git commit-tree -m side -p side 'side^{tree}')");
    shell("git update-ref refs/heads/main $(git commit-tree -m merge -p main -p side 'main^{tree}')");
    shell("git commit-tree -m 'nothing leads here' -p main 'main~9^{tree}' | git pack-objects -q objects/pack/pack");
    for (int i = COMMITS / 2; i < COMMITS; i++)
        commit_file(s, i);
    shell("git repack -q && git prune-packed -q");
    return s;
}

/* All objects, and what all refs lead to. That each holds what its name says is for fsck. */
static void digest(char out[128])
{
    shell("git cat-file --batch-all-objects --batch-check | sha1sum && git rev-list --objects --all | sort | sha1sum");
    snprintf(out, 128, "%.120s", output);
}

static void assert_is_still(const char *before)
{
    char now[128];
    digest(now);
    assert_string_equal(now, before);
    assert_int_equal(scratch_fsck(store_path), 0);
}

static int pack_files(void)
{
    shell("git count-objects -v | grep ^packs: | tr -dc 0-9");
    return atoi(output);
}

static repack_outcome repack(git_store *s, const repack_limits *limits)
{
    repack_outcome outcome;
    int32_t code = git_repack(s, limits, NULL, NULL, &outcome, NULL, &error);
    if (code != QUIPU_OK)
        print_error("repack: %s\n", error.message);
    assert_int_equal(code, QUIPU_OK);
    return outcome;
}

/* ---- the same afterwards ---- */

static void every_object_reads_the_same_and_packs_are_one(void **state)
{
    char before[128];
    pack_figures was, is;
    (void)state;
    git_store *s = filled_store();
    digest(before);
    assert_int_equal(git_store_figures(s, &was, &error), QUIPU_OK);
    assert_int_equal(repack(s, &no_limits), REPACK_DONE);
    assert_int_equal(git_store_figures(s, &is, &error), QUIPU_OK);
    assert_int_equal(is.packs, 1);
    assert_true(is.bytes < was.bytes);
    assert_is_still(before);
    shell("git verify-pack -v objects/pack/pack-*.idx | grep -c ' commit\\| tree\\| blob'");
    shell("git verify-pack -v objects/pack/pack-*.idx | sed -n 's/chain length = \\([0-9]*\\).*/\\1/p' | tail -1");
    assert_in_range(atoi(output), 1, 50);
    git_store_close(s);
}

static void what_is_done_is_not_done_again(void **state)
{
    char before[128];
    (void)state;
    git_store *s = filled_store();
    digest(before);
    assert_int_equal(repack(s, &no_limits), REPACK_DONE);
    assert_int_equal(repack(s, &no_limits), REPACK_NOT_NEEDED);
    repack_limits forced = no_limits;
    forced.force = true;
    assert_int_equal(repack(s, &forced), REPACK_DONE); /* and comes out the same */
    assert_int_equal(pack_files(), 1);
    assert_is_still(before);
    commit_file(s, 1000);
    assert_int_equal(repack(s, &no_limits), REPACK_DONE);
    assert_int_equal(pack_files(), 1);
    assert_int_equal(scratch_fsck(store_path), 0);
    git_store_close(s);
}

static void a_limit_that_is_too_tight_changes_nothing(void **state)
{
    char before[128];
    (void)state;
    git_store *s = filled_store();
    int packs = pack_files();
    digest(before);
    assert_int_equal(repack(s, &(repack_limits){ .memory = UINT64_C(1) << 30, .deadline_ns = 1 }), REPACK_NO_TIME);
    assert_int_equal(repack(s, &(repack_limits){ .memory = 1 << 20 }), REPACK_NO_ROOM);
    assert_int_equal(pack_files(), packs);
    assert_is_still(before);
    git_store_close(s);
}

static void packs_with_a_keep_are_left_alone(void **state)
{
    char before[128];
    (void)state;
    git_store *s = filled_store();
    /* somebody is about to need it, though all that it holds is elsewhere as well */
    shell("touch objects/pack/pack-$(git rev-list --objects main~40 | git pack-objects -q objects/pack/pack).keep");
    digest(before);
    int packs = pack_files();
    assert_int_equal(repack(s, &no_limits), REPACK_DONE);
    assert_true(packs > 2);
    assert_int_equal(pack_files(), 2);
    assert_is_still(before);
    git_store_close(s);
}

static void a_multi_pack_index_is_not_left_to_name_what_is_gone(void **state)
{
    char before[128];
    (void)state;
    git_store *s = filled_store();
    shell("git multi-pack-index write");
    digest(before);
    assert_int_equal(repack(s, &no_limits), REPACK_DONE);
    assert_is_still(before);
    git_store_close(s);
}

/* Stock git takes no lock of ours: it may put an index in place just after the packs that it names are gone. */
static void a_multi_pack_index_that_names_what_is_gone_is_taken_away(void **state)
{
    char before[128];
    (void)state;
    git_store *s = filled_store();
    shell("git multi-pack-index write && cp objects/pack/multi-pack-index .");
    digest(before);
    assert_int_equal(repack(s, &no_limits), REPACK_DONE);
    shell("cp multi-pack-index objects/pack/ && ! git multi-pack-index verify && ! git fsck");
    git_store_close(s);
    s = open_store();
    assert_is_still(before);
    shell("printf 'MIDX no more' >objects/pack/multi-pack-index");
    shell("mkdir objects/pack/multi-pack-index.d && touch objects/pack/multi-pack-index.d/multi-pack-index-chain");
    git_store_close(s);
    s = open_store();
    shell(
        "! test -e objects/pack/multi-pack-index && ! test -e objects/pack/multi-pack-index.d/multi-pack-index-chain");
    shell("cp multi-pack-index objects/pack/");
    commit_file(s, 1000);
    assert_int_equal(repack(s, &no_limits), REPACK_DONE);
    shell("! test -e objects/pack/multi-pack-index");
    git_store_close(s);
}

static void a_multi_pack_index_that_is_good_stays(void **state)
{
    (void)state;
    git_store *s = filled_store();
    shell("git multi-pack-index write");
    commit_file(s, 1000);
    git_store_close(s);
    s = open_store();
    shell("test -e objects/pack/multi-pack-index && git multi-pack-index verify && git fsck --strict");
    git_store_close(s);
}

/* ---- damage is not copied ---- */

static void damage_is_reported_and_everything_stays(void **state)
{
    char path[400];
    char byte;
    (void)state;
    git_store *s = filled_store();
    int packs = pack_files();
    shell("ls -S objects/pack/ | grep pack$ | head -1 | tr -d '\\n'");
    snprintf(path, sizeof path, "%s/objects/pack/%.60s", store_path, output);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, 300), 1);
    byte = (char)(byte ^ 0x20);
    assert_int_equal(pwrite(fd, &byte, 1, 300), 1);
    close(fd);
    repack_outcome outcome;
    assert_int_equal(git_repack(s, &no_limits, NULL, NULL, &outcome, NULL, &error), QUIPU_E_CORRUPT);
    assert_non_null(strstr(error.message, "quipu verify"));
    assert_int_equal(pack_files(), packs);
    git_store_close(s);
}

static void an_index_that_names_the_wrong_object_is_noticed(void **state)
{
    char path[400];
    uint8_t count[4], places[8];
    (void)state;
    git_store *s = filled_store();
    shell("ls -S objects/pack/ | grep pack$ | head -1 | sed s/pack$/idx/ | tr -d '\\n'");
    snprintf(path, sizeof path, "%s/objects/pack/%.60s", store_path, output);
    assert_int_equal(chmod(path, 0600), 0);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, count, 4, 8 + 255 * 4), 4);
    off_t at = 8 + 1024 + 24 * (off_t)(count[2] << 8 | count[3]); /* where the first two objects lie: exchanged */
    assert_int_equal(pread(fd, places, 8, at), 8);
    assert_int_equal(pwrite(fd, places + 4, 4, at), 4);
    assert_int_equal(pwrite(fd, places, 4, at + 4), 4);
    close(fd);
    repack_outcome outcome;
    assert_int_equal(git_repack(s, &no_limits, NULL, NULL, &outcome, NULL, &error), QUIPU_E_CORRUPT);
    git_store_close(s);
}

/* ---- beside others ---- */

static void only_one_maintenance_runs_at_a_time(void **state)
{
    char path[300];
    repack_outcome outcome;
    (void)state;
    git_store *s = filled_store();
    snprintf(path, sizeof path, "%s/quipu/maintain.lock", store_path);
    int fd = os->open(path, O_RDWR | O_CREAT, 0600);
    assert_int_equal(os->lock(fd, false), 0);
    assert_int_equal(git_repack(s, &no_limits, NULL, NULL, &outcome, NULL, &error), QUIPU_E_BUSY);
    os->close(fd);
    assert_int_equal(repack(s, &no_limits), REPACK_DONE);
    git_store_close(s);
}

static int32_t count_object(void *context, const object_id *id)
{
    (void)id;
    ++*(int *)context;
    return QUIPU_OK;
}

static int32_t read_commit(void *context, const commit *c)
{
    (void)c;
    ++*(int *)context;
    return QUIPU_OK;
}

typedef struct beside {
    git_store *reader;
    int writer; /* a pipe: a byte for each commit that another process made */
    int steps;
} beside;

/* A reader with an open handle and a writer in another process go on at every step. */
static int32_t go_on_beside(void *context, uint64_t done, uint64_t total)
{
    beside *b = context;
    object_id head;
    char byte;
    int commits = 0;
    (void)done;
    (void)total;
    b->steps++;
    assert_int_equal(git_store_head(b->reader, &head, &error), QUIPU_OK);
    if (b->steps % 4 == 0) {
        assert_int_equal(commit_walk(git_store_objects(b->reader), &head, NULL, NULL, read_commit, &commits, &error),
                         QUIPU_OK);
        assert_true(commits > COMMITS);
    }
    if (b->steps <= 40)
        assert_int_equal(read(b->writer, &byte, 1), 1);
    return QUIPU_OK;
}

static void readers_and_writers_go_on_and_lose_nothing(void **state)
{
    int ends[2], status, objects_seen = 0;
    repack_outcome outcome;
    (void)state;
    git_store *s = filled_store();
    assert_int_equal(pipe(ends), 0);
    pid_t writer = fork();
    assert_true(writer >= 0);
    if (writer)
        close(ends[1]); /* so that a writer that dies is noticed */
    if (writer == 0) {
        for (int i = 0; i < 60; i++) {
            git_store *own = open_store_as(true); /* opening clears up what is unfinished; no thread after a fork */
            commit_file(own, 2000 + i);
            git_store_close(own);
            if (write(ends[1], "", 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    beside b = { .reader = open_store(), .writer = ends[0] };
    assert_int_equal(git_repack(s, &no_limits, go_on_beside, &b, &outcome, NULL, &error), QUIPU_OK);
    assert_int_equal(outcome, REPACK_DONE);
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_int_equal(status, 0);
    close(ends[0]);
    assert_int_equal(objects_each(git_store_objects(b.reader), count_object, &objects_seen, &error), QUIPU_OK);
    assert_int_equal(scratch_fsck(store_path), 0);
    shell("git log --format=%s | grep -c something");
    assert_int_equal(atoi(output), COMMITS + 60);
    git_store_close(b.reader);
    git_store_close(s);
}

/* ---- faults at file operations ---- */

static int fault_at;    /* the operation that fails, counted from 1 */
static int fault_count; /* operations so far */
static int fault_errno; /* 0: the process is killed there */

static bool fails(void)
{
    if (++fault_count != fault_at)
        return false;
    if (fault_errno == 0)
        raise(SIGKILL);
    errno = fault_errno;
    return true;
}

static int faulty_open(const char *path, int flags, mode_t mode)
{
    return fails() ? -1 : os_real.open(path, flags, mode);
}
static ssize_t faulty_write(int fd, const void *bytes, size_t len)
{
    if (fault_count + 1 == fault_at && len > 1)
        (void)!os_real.write(fd, bytes, len / 2); /* a full disk takes a part first; so may a kill */
    return fails() ? -1 : os_real.write(fd, bytes, len);
}
static int faulty_fsync(int fd)
{
    return fails() ? -1 : os_real.fsync(fd);
}
static int faulty_rename(const char *from, const char *to)
{
    return fails() ? -1 : os_real.rename(from, to);
}
static int faulty_unlink(const char *path)
{
    return fails() ? -1 : os_real.unlink(path);
}
static int faulty_lock(int fd, bool wait)
{
    return fails() ? -1 : os_real.lock(fd, wait);
}

static os_table faulty(void)
{
    os_table table = os_real;
    table.open = faulty_open;
    table.write = faulty_write;
    table.fsync = faulty_fsync;
    table.rename = faulty_rename;
    table.unlink = faulty_unlink;
    table.lock = faulty_lock;
    return table;
}

/* A copy of the filled store for each try. */
static void restore_store(void)
{
    char command[700];
    snprintf(command, sizeof command, "rm -rf '%s' && cp -r '%s/full' '%s'", store_path, folder, store_path);
    assert_int_equal(system(command), 0);
}

static void keep_full_store(void)
{
    char command[700], packs[200];
    git_store_close(filled_store());
    snprintf(packs, sizeof packs, "%s/objects/pack", store_path);
    retired_sweep(packs, true); /* fewer packs, fewer operations */
    snprintf(command, sizeof command, "cp -r '%s' '%s/full'", store_path, folder);
    assert_int_equal(system(command), 0);
}

static void fail_operations(int with_errno)
{
    char before[128];
    bool hit = true;
    int faults = 0;
    os_table table = faulty();
    keep_full_store();
    digest(before);
    fault_errno = with_errno;
    for (int k = 1; hit; k += 3) {
        repack_outcome outcome;
        restore_store();
        git_store *s = open_store();
        fault_at = k;
        fault_count = 0;
        os = &table;
        int32_t code = git_repack(s, &no_limits, NULL, NULL, &outcome, NULL, &error);
        os = &os_real;
        hit = fault_count >= fault_at;
        faults += code != QUIPU_OK;
        git_store_close(s);
        git_store_close(open_store());
        assert_is_still(before);
        assert_true(k < 500);
    }
    assert_true(faults >= 3); /* lock, pack, its sync, keep, index and their renames */
}

static void a_full_disk_leaves_all_as_it_was(void **state)
{
    (void)state;
    fail_operations(ENOSPC);
}

static void killed_in_the_middle_it_leaves_a_sound_store(void **state)
{
    char before[128];
    int status = 1, kills = 0;
    os_table table = faulty();
    (void)state;
    keep_full_store();
    digest(before);
    fault_errno = 0;
    for (int k = 1; status != 0; k += 3) {
        restore_store();
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            repack_outcome outcome;
            git_store *s = open_store();
            fault_at = k;
            fault_count = 0;
            os = &table;
            _exit(git_repack(s, &no_limits, NULL, NULL, &outcome, NULL, &error) == QUIPU_OK ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
        kills += status != 0;
        git_store *s = open_store();
        assert_is_still(before);
        if (k % 5 == 1)
            assert_int_not_equal(repack(s, &no_limits), REPACK_NO_ROOM); /* and the next one works */
        git_store_close(s);
        assert_true(k < 500);
    }
    assert_true(kills >= 8);
}

/* ---- deltas ---- */

static uint32_t seed = 1;

static uint32_t some(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static void random_text(buffer *out, size_t len)
{
    static const char *const words[] = { "harbour ", "dawn ", "\"id\": ", "0123456789abcdef", "x", "\n  " };
    while (out->len < len)
        buffer_append_text(out, words[some(6)]);
}

static void what_a_delta_makes_is_what_it_was_made_for(void **state)
{
    delta_maker maker = { 0 };
    (void)state;
    for (int i = 0; i < 2000; i++) {
        buffer from = { 0 }, to = { 0 }, delta = { 0 }, made = { 0 };
        size_t len = i % 100 == 0 ? 200000 : 1 + some(3000);
        random_text(&from, len);
        for (uint32_t pieces = 1 + some(4); pieces > 0; pieces--) {
            size_t at = some((uint32_t)from.len);
            random_text(&to, to.len + some(80));
            buffer_append(&to, from.bytes + at, some((uint32_t)(from.len - at) + 1));
        }
        buffer_append_char(&to, 'z');
        if (delta_make(&maker, &from, &to, SIZE_MAX, &delta)) {
            assert_true(delta_apply(&from, &delta, &made));
            assert_int_equal(made.len, to.len);
            assert_memory_equal(made.bytes, to.bytes, to.len);
        } else {
            fail_msg("no delta was made");
        }
        buffer_free(&from);
        buffer_free(&to);
        buffer_free(&delta);
        buffer_free(&made);
    }
    delta_maker_free(&maker);
}

static void a_damaged_delta_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = { { "", 0 },         { "\4", 1 },         { "\4\4\2ab", 5 },    { "\5\2\2ab", 5 },
                { "\4\2\3ab", 5 }, { "\4\2\x90\5", 4 }, { "\4\2\x91\3", 4 },  { "\4\2\0", 3 },
                { "\4\2\x90", 3 }, { "\4\2\3abc", 6 },  { "\xff\xff\xff", 3 } };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        buffer from = { 0 }, delta = { 0 }, made = { 0 };
        buffer_append_text(&from, "base");
        buffer_append(&delta, bad[i].bytes, bad[i].len);
        assert_false(delta_apply(&from, &delta, &made));
        buffer_free(&from);
        buffer_free(&delta);
        buffer_free(&made);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(every_object_reads_the_same_and_packs_are_one),
        TEST(what_is_done_is_not_done_again),
        TEST(a_limit_that_is_too_tight_changes_nothing),
        TEST(packs_with_a_keep_are_left_alone),
        TEST(a_multi_pack_index_is_not_left_to_name_what_is_gone),
        TEST(a_multi_pack_index_that_names_what_is_gone_is_taken_away),
        TEST(a_multi_pack_index_that_is_good_stays),
        TEST(damage_is_reported_and_everything_stays),
        TEST(an_index_that_names_the_wrong_object_is_noticed),
        TEST(only_one_maintenance_runs_at_a_time),
        TEST(readers_and_writers_go_on_and_lose_nothing),
        TEST(a_full_disk_leaves_all_as_it_was),
        TEST(killed_in_the_middle_it_leaves_a_sound_store),
        TEST(what_a_delta_makes_is_what_it_was_made_for),
        TEST(a_damaged_delta_is_refused),
    };
    return cmocka_run_group_tests_name("repack", tests, NULL, NULL);
}
