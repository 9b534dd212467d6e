/* test_git_store.c - the storage engine against stock git, faults at every file operation, races and leftovers. */
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
#include <stdio.h>
#include <stdlib.h>
#include <storage_git/git_store.h>
#include <storage_git/os.h>
#include <storage_git/refs.h>
#include <tests/support/scratch.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[128]; /* of the test at hand; the store is in it */
static char store_path[160];
static quipu_error error = { .struct_size = sizeof error };

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

static git_store *open_store(void)
{
    git_store *s;
    bool made;
    git_store_options options = { .durable = true };
    int32_t code = git_store_open(store_path, &options, &s, &made, &error);
    if (code != QUIPU_OK)
        print_error("open: %s\n", error.message);
    assert_int_equal(code, QUIPU_OK);
    return s;
}

/* Of a store that is still to be made: there the lock has to be waited for. */
static void opening_waits_for_the_lock_as_long_as_it_may(void **state)
{
    git_store *s;
    bool made;
    char path[300];
    quipu_call call = { .struct_size = sizeof call, .deadline_ns = 1 };
    git_store_options options = { .durable = true, .call = &call };
    (void)state;
    assert_int_equal(mkdir(store_path, 0700), 0);
    snprintf(path, sizeof path, "%s/quipu", store_path);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/quipu/lock", store_path);
    int fd = os->open(path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(os->lock(fd, false), 0);
    assert_int_equal(git_store_open(store_path, &options, &s, &made, &error), QUIPU_E_TIMEOUT);
    assert_non_null(strstr(error.message, path));
    assert_int_equal(os->unlock(fd), 0);
    os->close(fd);
    s = open_store();
    git_store_close(s);
}

static commit_words words_at(int64_t time)
{
    return (commit_words){
        .author = str_of("ana"), .time = time, .committed = time, .message = str_of("add: something\n")
    };
}

/* One commit with one file; QUIPU_OK or what failed. */
static int32_t try_commit(git_store *s, const char *path, const char *text, object_id *out)
{
    git_transaction *t;
    bool lost = false;
    commit_words words = words_at(1700000000000000);
    int32_t code = git_begin(s, NULL, &t, &error);
    if (code != QUIPU_OK)
        return code;
    code = git_transaction_put(t, path, text, strlen(text), &error);
    if (code == QUIPU_OK)
        code = git_transaction_commit(t, &words, out, &error);
    if (code != QUIPU_OK) {
        git_abort(t);
        return code;
    }
    code = git_publish(t, &lost, &error);
    return code == QUIPU_OK && lost ? QUIPU_E_CONFLICT : code;
}

static object_id commit_file(git_store *s, const char *path, const char *text)
{
    object_id id;
    assert_int_equal(try_commit(s, path, text, &id), QUIPU_OK);
    return id;
}

/* The text of a file as of the branch; "" where there is none. */
static void read_head(git_store *s, const char *path, char *out, size_t size)
{
    object_id head, blob;
    commit c;
    buffer bytes = { 0 };
    out[0] = '\0';
    assert_int_equal(git_store_head(s, &head, &error), QUIPU_OK);
    if (object_id_is_none(&head))
        return;
    assert_int_equal(commit_read(git_store_objects(s), &head, &c, &error), QUIPU_OK);
    assert_int_equal(tree_find(git_store_objects(s), &c.tree, path, &blob, &error), QUIPU_OK);
    commit_free(&c);
    if (object_id_is_none(&blob))
        return;
    assert_int_equal(objects_read(git_store_objects(s), &blob, OBJECT_BLOB, &bytes, &error), QUIPU_OK);
    snprintf(out, size, "%s", bytes.bytes ? bytes.bytes : "");
    buffer_free(&bytes);
}

static void assert_head_holds(git_store *s, const char *path, const char *text)
{
    char found[200];
    read_head(s, path, found, sizeof found);
    assert_string_equal(found, text);
}

static void assert_fsck_is_clean(void)
{
    assert_int_equal(scratch_fsck(store_path), 0);
}

/* ---- what stock git sees ---- */

static void stock_git_reads_what_was_written(void **state)
{
    char output[2000];
    (void)state;
    git_store *s = open_store();
    commit_file(s, "records/a/one.json", "first\n");
    commit_file(s, "records/a/two.json", "second\n");
    commit_file(s, "records/a/one.json", "changed\n");
    git_store_close(s);
    assert_fsck_is_clean();
    assert_int_equal(scratch_git(store_path, output, sizeof output, "show HEAD:records/a/one.json"), 0);
    assert_string_equal(output, "changed\n");
    assert_int_equal(scratch_git(store_path, output, sizeof output, "rev-list --count HEAD -- records/a/one.json"), 0);
    assert_string_equal(output, "2\n");
    assert_int_equal(scratch_git(store_path, output, sizeof output, "count-objects"), 0);
    assert_string_equal(output, "0 objects, 0 kilobytes\n");
    assert_int_equal(scratch_git(store_path, output, sizeof output, "log -1 --format=%%an:%%ae:%%s"), 0);
    assert_string_equal(output, "ana:ana@quipu.invalid:add: something\n");
}

static void what_stock_git_pushed_is_read(void **state)
{
    char output[2000];
    (void)state;
    git_store *s = open_store();
    commit_file(s, "records/a/one.json", "first\n");
    assert_int_equal(scratch_git(folder, output, sizeof output, "clone -q store work"), 0);
    char work[200];
    snprintf(work, sizeof work, "%s/work", folder);
    char command[500];
    snprintf(command, sizeof command, "echo edited > '%s/records/a/one.json'", work);
    assert_int_equal(system(command), 0);
    assert_int_equal(scratch_git(work, output, sizeof output, "commit -qam edit"), 0);
    assert_int_equal(scratch_git(work, output, sizeof output, "push -q origin HEAD:main"), 0);
    assert_head_holds(s, "records/a/one.json", "edited\n");
    commit_file(s, "records/b/two.json", "ours on top\n");
    assert_head_holds(s, "records/a/one.json", "edited\n");
    git_store_close(s);
    assert_fsck_is_clean();
}

/* A folder loses its only entry and gets another in one commit, which is known only to the folder that is still to be written. */
static void a_folder_that_was_just_made_outlives_its_sibling(void **state)
{
    git_transaction *t;
    commit_words words = words_at(1700000000000000);
    object_id id;
    bool lost;
    (void)state;
    git_store *s = open_store();
    commit_file(s, "records/a/b/one.json", "first\n");
    assert_int_equal(git_begin(s, NULL, &t, &error), QUIPU_OK);
    assert_int_equal(git_transaction_put(t, "records/a/c/two.json", "second\n", 7, &error), QUIPU_OK);
    assert_int_equal(git_transaction_delete(t, "records/a/b/one.json", &error), QUIPU_OK);
    assert_int_equal(git_transaction_commit(t, &words, &id, &error), QUIPU_OK);
    assert_int_equal(git_publish(t, &lost, &error), QUIPU_OK);
    assert_head_holds(s, "records/a/b/one.json", "");
    assert_head_holds(s, "records/a/c/two.json", "second\n");
    git_store_close(s);
    assert_fsck_is_clean();
}

static void a_transaction_reads_what_it_put(void **state)
{
    static char large[20000];
    git_transaction *t;
    object_id blob;
    buffer bytes = { 0 };
    (void)state;
    memset(large, 'x', sizeof large);
    git_store *s = open_store();
    assert_int_equal(git_begin(s, NULL, &t, &error), QUIPU_OK);
    assert_int_equal(git_transaction_put(t, "small", "text\n", 5, &error), QUIPU_OK);
    assert_int_equal(git_transaction_put(t, "large", large, sizeof large, &error), QUIPU_OK);
    assert_int_equal(git_transaction_read(t, "small", &blob, &bytes, &error), QUIPU_OK);
    assert_string_equal(bytes.bytes, "text\n");
    buffer_clear(&bytes);
    assert_int_equal(git_transaction_read(t, "large", &blob, &bytes, &error), QUIPU_OK);
    assert_int_equal(bytes.len, sizeof large);
    assert_memory_equal(bytes.bytes, large, sizeof large);
    buffer_free(&bytes);
    git_abort(t);
    git_store_close(s);
}

enum { EDITED_FILES = 60 };

static void edited_path(int i, char out[64])
{
    snprintf(out, 64, "records/%x/%x/file-%d", i % 3, i % 5, i);
}

/* Puts and deletes at random, some twice; `texts` holds what each file should be: 0 for none. */
static void edit_at_random(git_transaction *t, int texts[EDITED_FILES])
{
    char path[64], text[24];
    for (int edits = 1 + rand() % 20; edits > 0; edits--) {
        int i = rand() % EDITED_FILES;
        texts[i] = rand() % 3 ? 1 + rand() % 1000 : 0;
        edited_path(i, path);
        snprintf(text, sizeof text, "%d", texts[i]);
        assert_int_equal(texts[i] ? git_transaction_put(t, path, text, strlen(text), &error)
                                  : git_transaction_delete(t, path, &error),
                         QUIPU_OK);
    }
}

static void many_edits_of_many_folders_in_one_commit(void **state)
{
    int texts[EDITED_FILES] = { 0 };
    char path[64], text[24];
    (void)state;
    srand(1);
    git_store *s = open_store();
    for (int round = 0; round < 60; round++) {
        git_transaction *t;
        bool lost;
        object_id id;
        assert_int_equal(git_begin(s, NULL, &t, &error), QUIPU_OK);
        for (int commits = 1 + rand() % 3; commits > 0; commits--) {
            commit_words words = words_at(1700000000000000);
            edit_at_random(t, texts);
            assert_int_equal(git_transaction_commit(t, &words, &id, &error), QUIPU_OK);
        }
        assert_int_equal(git_publish(t, &lost, &error), QUIPU_OK);
        for (int i = 0; i < EDITED_FILES; i++) {
            edited_path(i, path);
            snprintf(text, sizeof text, texts[i] ? "%d" : "", texts[i]);
            assert_head_holds(s, path, text);
        }
    }
    git_store_close(s);
    assert_fsck_is_clean();
}

static void packs_stay_few_and_every_object_readable(void **state)
{
    char path[64], text[64], output[2000];
    pack_figures figures;
    (void)state;
    git_store *s = open_store();
    for (int i = 0; i < 150; i++) {
        snprintf(path, sizeof path, "records/%x/%x/r%d.json", i % 16, i / 16, i);
        snprintf(text, sizeof text, "text %d\n", i);
        commit_file(s, path, text);
        assert_int_equal(git_store_figures(s, &figures, &error), QUIPU_OK);
        assert_true(figures.packs <= 40);
    }
    for (int i = 0; i < 150; i++) {
        snprintf(path, sizeof path, "records/%x/%x/r%d.json", i % 16, i / 16, i);
        snprintf(text, sizeof text, "text %d\n", i);
        assert_head_holds(s, path, text);
    }
    git_store_close(s);
    assert_fsck_is_clean();
    assert_int_equal(scratch_git(store_path, output, sizeof output, "rev-list --count HEAD"), 0);
    assert_string_equal(output, "150\n");
    assert_int_equal(scratch_git(store_path, output, sizeof output, "verify-pack '%s'/objects/pack/*.idx", store_path),
                     0);
}

/* Several commits in one pack: trees are stored as differences, and merging must carry these over. */
static void trees_as_differences_survive_merging(void **state)
{
    char output[2000], path[64], text[64];
    (void)state;
    git_store *s = open_store();
    for (int round = 0; round < 40; round++) {
        git_transaction *t;
        bool lost;
        object_id id;
        assert_int_equal(git_begin(s, NULL, &t, &error), QUIPU_OK);
        for (int i = 0; i < 40; i++) {
            commit_words words = words_at(1700000000000000 + i);
            snprintf(path, sizeof path, "records/%x/%d-%d.json", (round * 7 + i) % 16, round, i);
            snprintf(text, sizeof text, "%d %d\n", round, i);
            assert_int_equal(git_transaction_put(t, path, text, strlen(text), &error), QUIPU_OK);
            assert_int_equal(git_transaction_commit(t, &words, &id, &error), QUIPU_OK);
        }
        assert_int_equal(git_publish(t, &lost, &error), QUIPU_OK);
        assert_false(lost);
    }
    git_store_close(s);
    assert_fsck_is_clean();
    assert_int_equal(scratch_git(store_path, output, sizeof output, "rev-list --count HEAD"), 0);
    assert_string_equal(output, "1600\n");
    assert_int_equal(scratch_git(store_path, output, sizeof output, "ls-tree -r --name-only HEAD | wc -l"), 0);
    assert_int_equal(atoi(output), 1600);
    /* deltas are there at all: without them this test would prove nothing */
    assert_int_equal(scratch_git(store_path, output, sizeof output,
                                 "verify-pack -v '%s'/objects/pack/*.idx | grep -c 'chain length'", store_path),
                     0);
    assert_true(atoi(output) > 0);
}

static void the_committer_time_never_goes_back(void **state)
{
    git_transaction *t;
    bool lost;
    object_id id;
    commit c;
    (void)state;
    git_store *s = open_store();
    commit_file(s, "a", "1");
    commit_words words = words_at(1600000000000000); /* three years earlier */
    assert_int_equal(git_begin(s, NULL, &t, &error), QUIPU_OK);
    assert_int_equal(git_transaction_put(t, "b", "2", 1, &error), QUIPU_OK);
    assert_int_equal(git_transaction_commit(t, &words, &id, &error), QUIPU_OK);
    assert_int_equal(git_publish(t, &lost, &error), QUIPU_OK);
    assert_int_equal(commit_read(git_store_objects(s), &id, &c, &error), QUIPU_OK);
    assert_int_equal(c.time, 1600000000000000);
    assert_int_equal(c.committed, 1700000000000000);
    commit_free(&c);
    git_store_close(s);
}

static void names_cannot_break_a_commit(void **state)
{
    char output[500];
    git_transaction *t;
    bool lost;
    object_id id;
    (void)state;
    git_store *s = open_store();
    commit_words words = words_at(1700000000000000);
    words.author = str_of("Eve <eve@x> 1 +0000\nparent\xc2\x9b"
                          "0000");
    assert_int_equal(git_begin(s, NULL, &t, &error), QUIPU_OK);
    assert_int_equal(git_transaction_put(t, "a", "1", 1, &error), QUIPU_OK);
    assert_int_equal(git_transaction_commit(t, &words, &id, &error), QUIPU_OK);
    assert_int_equal(git_publish(t, &lost, &error), QUIPU_OK);
    git_store_close(s);
    assert_fsck_is_clean();
    assert_int_equal(scratch_git(store_path, output, sizeof output, "log -1 --format=%%an"), 0);
    assert_string_equal(output, "Eve  eve@x  1 +0000 parent 0000\n");
}

/* ---- races ---- */

static void a_lost_race_changes_nothing(void **state)
{
    char output[500];
    git_transaction *t;
    bool lost;
    object_id id;
    commit_words words = words_at(1700000000000000);
    (void)state;
    git_store *s = open_store();
    commit_file(s, "a", "1");
    assert_int_equal(scratch_git(store_path, output, sizeof output, "commit-tree -m x -p HEAD 'HEAD^{tree}'"), 0);
    output[OBJECT_ID_HEX] = '\0';
    assert_int_equal(scratch_git(store_path, NULL, 0, "update-ref refs/heads/other %s", output), 0);
    assert_int_equal(git_begin(s, NULL, &t, &error), QUIPU_OK);
    assert_int_equal(git_transaction_put(t, "b", "2", 1, &error), QUIPU_OK);
    assert_int_equal(git_transaction_commit(t, &words, &id, &error), QUIPU_OK);
    assert_int_equal(scratch_git(store_path, output, sizeof output, "update-ref refs/heads/main refs/heads/other"), 0);
    assert_int_equal(git_publish(t, &lost, &error), QUIPU_OK);
    assert_true(lost);
    assert_head_holds(s, "b", "");
    commit_file(s, "b", "2"); /* and the next try works */
    assert_head_holds(s, "b", "2");
    git_store_close(s);
    assert_fsck_is_clean();
}

static void a_lock_of_stock_git_is_waited_for_and_then_named(void **state)
{
    char path[200];
    object_id id;
    (void)state;
    git_store *s = open_store();
    commit_file(s, "a", "1");
    snprintf(path, sizeof path, "%s/refs/heads/main.lock", store_path);
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    assert_int_equal(try_commit(s, "b", "2", &id), QUIPU_E_BUSY);
    assert_non_null(strstr(error.message, "main.lock"));
    assert_int_equal(unlink(path), 0);
    commit_file(s, "b", "2");
    git_store_close(s);
    assert_fsck_is_clean();
}

/* ---- leftovers of the killed ---- */

/* A killed writer's "quipu_tmp_next", and beside it main.lock: the same file, or one with the same content. */
static void leave_lock(bool same, char lock[200])
{
    char next[200], text[OBJECT_ID_HEX + 2];
    git_store *s = open_store();
    object_id head = commit_file(s, "a", "1");
    git_store_close(s);
    object_id_print(&head, text);
    memcpy(text + OBJECT_ID_HEX, "\n", 2);
    snprintf(next, sizeof next, "%s/objects/pack/quipu_tmp_next", store_path);
    snprintf(lock, 200, "%s/refs/heads/main.lock", store_path);
    assert_int_equal(os_write_new(next, text, strlen(text), false), 0);
    assert_int_equal(same ? link(next, lock) : os_write_new(lock, text, strlen(text), false), 0);
}

static void a_lock_that_a_killed_writer_left_is_removed(void **state)
{
    char path[200];
    (void)state;
    leave_lock(true, path);
    git_store *s = open_store();
    assert_int_equal(access(path, F_OK), -1);
    commit_file(s, "b", "2");
    git_store_close(s);
    assert_fsck_is_clean();
}

static void a_lock_of_somebody_else_is_left_alone(void **state)
{
    char path[200];
    (void)state;
    leave_lock(false, path);
    git_store *s = open_store();
    assert_int_equal(access(path, F_OK), 0);
    git_store_close(s);
}

static void stale_keeps_and_temporary_files_are_cleared_at_open(void **state)
{
    static const char *const names[] = { "pack-1111111111111111111111111111111111111111.keep", "quipu_tmp_1.pack" };
    char path[300];
    (void)state;
    git_store_close(open_store());
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/objects/pack/%s", store_path, names[i]);
        assert_int_equal(os_write_new(path, "quipu: in use\n", 14, false), 0);
    }
    snprintf(path, sizeof path, "%s/objects/pack/pack-2222222222222222222222222222222222222222.keep", store_path);
    assert_int_equal(os_write_new(path, "receive-pack 12 on host\n", 24, false), 0);
    git_store_close(open_store());
    assert_int_equal(access(path, F_OK), 0); /* a push under way keeps its own */
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/objects/pack/%s", store_path, names[i]);
        assert_int_equal(access(path, F_OK), -1);
    }
}

static void a_store_cut_short_while_it_was_made_is_finished(void **state)
{
    char path[200];
    (void)state;
    assert_int_equal(mkdir(store_path, 0700), 0);
    snprintf(path, sizeof path, "%s/objects", store_path);
    assert_int_equal(mkdir(path, 0700), 0);
    git_store *s = open_store();
    commit_file(s, "a", "1");
    git_store_close(s);
    assert_fsck_is_clean();
}

/* ---- faults: each file operation fails once ---- */

static int fault_at;    /* the operation that fails, counted from 1; 0: none */
static int fault_count; /* operations so far */
static int fault_errno;

static bool fails(void)
{
    if (++fault_count != fault_at)
        return false;
    errno = fault_errno;
    return true;
}

static int faulty_open(const char *path, int flags, mode_t mode)
{
    return fails() ? -1 : os_real.open(path, flags, mode);
}
static ssize_t faulty_write(int fd, const void *bytes, size_t len)
{
    /* a full disk takes a part first */
    if (fails()) {
        if (fault_errno == ENOSPC && len > 1)
            return os_real.write(fd, bytes, len / 2) < 0 ? -1 : (errno = ENOSPC, -1);
        return -1;
    }
    return os_real.write(fd, bytes, len);
}
static ssize_t faulty_pread(int fd, void *bytes, size_t len, off_t at)
{
    return fails() ? -1 : os_real.pread(fd, bytes, len, at);
}
static int faulty_fsync(int fd)
{
    return fails() ? -1 : os_real.fsync(fd);
}
static int faulty_ftruncate(int fd, off_t len)
{
    return fails() ? -1 : os_real.ftruncate(fd, len);
}
static int faulty_rename(const char *from, const char *to)
{
    return fails() ? -1 : os_real.rename(from, to);
}
static int faulty_unlink(const char *path)
{
    return fails() ? -1 : os_real.unlink(path);
}
static int faulty_mkdir(const char *path, mode_t mode)
{
    return fails() ? -1 : os_real.mkdir(path, mode);
}
static int faulty_lock(int fd, bool wait)
{
    return fails() ? -1 : os_real.lock(fd, wait);
}

static os_table faulty_table(void)
{
    os_table table = os_real;
    table.open = faulty_open;
    table.write = faulty_write;
    table.pread = faulty_pread;
    table.fsync = faulty_fsync;
    table.ftruncate = faulty_ftruncate;
    table.rename = faulty_rename;
    table.unlink = faulty_unlink;
    table.mkdir = faulty_mkdir;
    table.lock = faulty_lock;
    return table;
}

/* Commits with the k-th operation failing, for every k: what was acknowledged is there, what was refused is not, and the
 * store goes on working. */
static void fail_each_operation(int code_of_system)
{
    os_table table = faulty_table();
    char text[32], found[64], before[64] = "";
    int k = 1, faults = 0;
    git_store *s = open_store();
    commit_file(s, "first", "1");
    for (bool hit = true; hit; k++) {
        object_id id;
        snprintf(text, sizeof text, "value %d", k);
        fault_at = k;
        fault_count = 0;
        fault_errno = code_of_system;
        os = &table;
        int32_t code = try_commit(s, "records/a/value.json", text, &id);
        os = &os_real;
        hit = fault_count >= fault_at;
        faults += code != QUIPU_OK;
        read_head(s, "records/a/value.json", found, sizeof found);
        if (code == QUIPU_OK)
            assert_string_equal(found, text);
        else if (code != QUIPU_E_UNCERTAIN)
            assert_string_equal(found, before);
        snprintf(before, sizeof before, "%s", found);
        assert_true(k < 500);
    }
    assert_true(faults >= 8); /* the pack, the index, the keep, the new value, the lock, the ref and their syncs */
    commit_file(s, "last", "2");
    git_store_close(s);
    git_store_close(open_store());
    assert_fsck_is_clean();
}

static void every_operation_may_fail_with_an_io_error(void **state)
{
    (void)state;
    fail_each_operation(EIO);
}

static void every_operation_may_find_the_disk_full(void **state)
{
    (void)state;
    fail_each_operation(ENOSPC);
}

static void every_operation_may_be_interrupted(void **state)
{
    (void)state;
    fail_each_operation(EINTR);
}

/* ---- what is no store ---- */

static void refuse(int32_t expected)
{
    git_store *s;
    bool made;
    git_store_options options = { .durable = true };
    assert_int_equal(git_store_open(store_path, &options, &s, &made, &error), expected);
    assert_null(s);
}

static void folders_with_something_else_are_refused(void **state)
{
    char path[200];
    (void)state;
    assert_int_equal(mkdir(store_path, 0700), 0);
    snprintf(path, sizeof path, "%s/thesis.txt", store_path);
    assert_int_equal(os_write_new(path, "x", 1, false), 0);
    refuse(QUIPU_E_FORMAT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(scratch_git(store_path, NULL, 0, "init -q"), 0);
    refuse(QUIPU_E_FORMAT);
    assert_non_null(strstr(error.message, "work tree"));
}

static void a_missing_store_is_not_made_when_asked_not_to(void **state)
{
    git_store *s;
    bool made;
    git_store_options options = { .no_create = true };
    (void)state;
    assert_int_equal(git_store_open(store_path, &options, &s, &made, &error), QUIPU_E_NOT_FOUND);
    options = (git_store_options){ .read_only = true };
    assert_int_equal(git_store_open(store_path, &options, &s, &made, &error), QUIPU_E_NOT_FOUND);
    assert_int_equal(access(store_path, F_OK), -1);
}

static void a_read_only_store_refuses_to_begin(void **state)
{
    git_store *s;
    git_transaction *t;
    bool made;
    git_store_options options = { .read_only = true };
    (void)state;
    s = open_store();
    commit_file(s, "a", "1");
    git_store_close(s);
    assert_int_equal(git_store_open(store_path, &options, &s, &made, &error), QUIPU_OK);
    assert_head_holds(s, "a", "1");
    assert_int_equal(git_begin(s, NULL, &t, &error), QUIPU_E_READ_ONLY);
    git_store_close(s);
}

/* ---- names of revisions ---- */

static void revisions_are_found_by_all_their_names(void **state)
{
    char digits[OBJECT_ID_HEX + 1];
    object_id first, second, found;
    (void)state;
    git_store *s = open_store();
    first = commit_file(s, "a", "1");
    second = commit_file(s, "a", "2");
    object_id_print(&first, digits);
    const struct {
        quipu_str spec;
        const object_id *id;
    } good[] = { { str_of("HEAD"), &second },  { str_of("main"), &second }, { str_of("HEAD~1"), &first },
                 { str_of("main~"), &first },  { str_of(digits), &first },  { str_make(digits, 8), &first },
                 { str_of("HEAD~0"), &second } };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(git_store_resolve(s, good[i].spec, &found, &error), QUIPU_OK);
        assert_true(object_id_equal(&found, good[i].id));
    }
    assert_int_equal(git_store_resolve(s, str_of("HEAD~2"), &found, &error), QUIPU_E_NOT_FOUND);
    assert_int_equal(git_store_resolve(s, str_of("HEAD~x"), &found, &error), QUIPU_E_INVALID);
    assert_int_equal(git_store_resolve(s, str_of("ffffffff"), &found, &error), QUIPU_E_NOT_FOUND);
    assert_int_equal(git_store_resolve(s, str_of("../../etc"), &found, &error), QUIPU_E_NOT_FOUND);
    assert_int_equal(git_store_resolve(s, str_of(""), &found, &error), QUIPU_E_NOT_FOUND);
    git_store_close(s);
}

static void a_ref_in_packed_refs_is_read_and_moved(void **state)
{
    char output[300];
    (void)state;
    git_store *s = open_store();
    commit_file(s, "a", "1");
    assert_int_equal(scratch_git(store_path, output, sizeof output, "pack-refs --all"), 0);
    assert_head_holds(s, "a", "1");
    commit_file(s, "a", "2");
    assert_head_holds(s, "a", "2");
    git_store_close(s);
    assert_fsck_is_clean();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(stock_git_reads_what_was_written),
        TEST(what_stock_git_pushed_is_read),
        TEST(a_folder_that_was_just_made_outlives_its_sibling),
        TEST(a_transaction_reads_what_it_put),
        TEST(many_edits_of_many_folders_in_one_commit),
        TEST(packs_stay_few_and_every_object_readable),
        TEST(trees_as_differences_survive_merging),
        TEST(the_committer_time_never_goes_back),
        TEST(names_cannot_break_a_commit),
        TEST(a_lost_race_changes_nothing),
        TEST(a_lock_of_stock_git_is_waited_for_and_then_named),
        TEST(a_lock_that_a_killed_writer_left_is_removed),
        TEST(a_lock_of_somebody_else_is_left_alone),
        TEST(stale_keeps_and_temporary_files_are_cleared_at_open),
        TEST(a_store_cut_short_while_it_was_made_is_finished),
        TEST(every_operation_may_fail_with_an_io_error),
        TEST(every_operation_may_find_the_disk_full),
        TEST(every_operation_may_be_interrupted),
        TEST(folders_with_something_else_are_refused),
        TEST(a_missing_store_is_not_made_when_asked_not_to),
        TEST(opening_waits_for_the_lock_as_long_as_it_may),
        TEST(a_read_only_store_refuses_to_begin),
        TEST(revisions_are_found_by_all_their_names),
        TEST(a_ref_in_packed_refs_is_read_and_moved),
    };
    return cmocka_run_group_tests_name("git_store", tests, NULL, NULL);
}
