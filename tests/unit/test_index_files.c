/* test_index_files.c - what record_index.h promises of an index as files: shared, saved in steps, damaged, forked. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mkdtemp */
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <dirent.h>
#include <fcntl.h>
#include <sdk/record_index.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct place {
    char root[64];
    derived *d;
    record_index *ix;
} place;

static int begin(void **state)
{
    place *p = calloc(1, sizeof *p);
    snprintf(p->root, sizeof p->root, "/tmp/quipu-index-XXXXXX");
    assert_non_null(mkdtemp(p->root));
    assert_int_equal(derived_open(p->root, "ix", RECORD_INDEX_FORMAT, false, &p->d, NULL), QUIPU_OK);
    assert_int_equal(record_index_create(NULL, &p->ix, NULL), QUIPU_OK);
    record_index_keep_history(p->ix);
    *state = p;
    return 0;
}

static int end(void **state)
{
    place *p = *state;
    char command[100];
    os = &os_real;
    record_index_free(p->ix);
    derived_close(p->d);
    snprintf(command, sizeof command, "rm -rf '%s'", p->root);
    assert_int_equal(system(command), 0);
    free(p);
    return 0;
}

/* ---- helpers ---- */

static record *make(const char *id, const char *text)
{
    char json[300];
    record *r = NULL;
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"text\":\"%s\",\"tags\":[\"t%zu\"]}", id, text, strlen(text) % 3);
    assert_int_equal(record_decode(str_of(json), NULL, &r, NULL), QUIPU_OK);
    return r;
}

static void put(record_index *ix, const char *id, const char *text)
{
    record *r = make(id, text);
    assert_int_equal(record_index_put(ix, r, NULL), QUIPU_OK);
    record_free(r);
}

static void put_many(record_index *ix, int from, int to, const char *text)
{
    char id[16], words[100];
    for (int i = from; i < to; i++) {
        snprintf(id, sizeof id, "r%05d", i);
        snprintf(words, sizeof words, "%s number %d", text, i);
        put(ix, id, words);
    }
}

static int32_t append(void *context, const quipu_hit *hit)
{
    buffer *out = context;
    buffer_append_str(out, hit->record->id);
    buffer_append_char(out, '=');
    buffer_append_str(out, hit->record->text);
    buffer_append_char(out, '\n');
    return 0;
}

/* Everything in the index, and what a search finds; NULL where it fails. For the caller. */
static char *tell(record_index *ix)
{
    buffer out = { 0 };
    quipu_scan scan = { .struct_size = sizeof scan };
    quipu_search search = {
        .struct_size = sizeof search, .text = str_of("fox number 7"), .k = 20, .mode = QUIPU_SEARCH_LEXICAL
    };
    buffer_printf(&out, "%llu\n", (unsigned long long)record_index_count(ix));
    if (record_index_scan(ix, &scan, append, &out, NULL, NULL) == QUIPU_OK) {
        scan.order = QUIPU_ORDER_NEWEST;
        if (record_index_scan(ix, &scan, append, &out, NULL, NULL) == QUIPU_OK &&
            record_index_search(ix, &search, append, &out, NULL, NULL) == QUIPU_OK)
            return out.bytes;
    }
    buffer_free(&out);
    return NULL;
}

static void expect_same(record_index *a, record_index *b)
{
    char *one = tell(a), *other = tell(b);
    assert_non_null(one);
    assert_non_null(other);
    assert_string_equal(one, other);
    free(one);
    free(other);
}

static bool alone = true; /* no other process saves as well: what was saved just now is still the newest */

static int32_t save(place *p, record_index *ix, const char *position)
{
    derived_writer *w;
    derived_snapshot *now;
    int32_t code = derived_begin(p->d, &w, NULL);
    if (code != QUIPU_OK)
        return code;
    if (!record_index_stands_on(ix, derived_base(w)))
        derived_drop_all(w);
    code = record_index_save(ix, w, str_of("extra"), NULL);
    if (code != QUIPU_OK) {
        derived_abort(w);
        return code;
    }
    code = derived_commit(w, str_of(position), NULL);
    if (code == QUIPU_OK && derived_read(p->d, &now, NULL, NULL) == QUIPU_OK) {
        record_index_saved(ix, now);
        assert_true(!alone || record_index_stands_on(ix, now));
        derived_snapshot_free(now);
    }
    return code;
}

/* What is saved, in an index of its own; NULL where it is damaged. */
static record_index *load(derived *d)
{
    derived_snapshot *s;
    record_index *ix = NULL;
    quipu_str extra;
    bool damaged = false;
    assert_int_equal(derived_read(d, &s, &damaged, NULL), QUIPU_OK);
    assert_int_equal(record_index_create(NULL, &ix, NULL), QUIPU_OK);
    if (damaged || record_index_load(ix, s, &extra, NULL) != QUIPU_OK) {
        record_index_free(ix);
        ix = NULL;
    } else if (derived_segments(s) > 0) {
        assert_true(str_same(extra, str_of("extra")));
    }
    derived_snapshot_free(s);
    return ix;
}

/* ---- saving and loading ---- */

static void what_was_saved_is_loaded(void **state)
{
    place *p = *state;
    put_many(p->ix, 0, 100, "fox");
    assert_int_equal(save(p, p->ix, "one"), QUIPU_OK);
    assert_int_equal(record_index_unsaved(p->ix), 0);
    record_index *other = load(p->d);
    expect_same(p->ix, other);
    put(p->ix, "r00003", "dog number 7");
    record_index_remove(p->ix, str_of("r00007"));
    put_many(p->ix, 100, 130, "fox and dog");
    assert_int_equal(record_index_count(other), 100); /* goes its own way */
    assert_int_equal(save(p, p->ix, "two"), QUIPU_OK);
    record_index_free(other);
    other = load(p->d);
    expect_same(p->ix, other);
    assert_int_equal(record_index_count(other), 129);
    assert_null(record_index_find(other, str_of("r00007")));
    record_index_free(other);
}

static int count_files(const place *p)
{
    char folder[100];
    int count = 0;
    snprintf(folder, sizeof folder, "%s/ix", p->root);
    DIR *dir = opendir(folder);
    for (struct dirent *e; (e = readdir(dir));)
        count += strncmp(e->d_name, "segment-", 8) == 0;
    closedir(dir);
    return count;
}

static void many_saves_leave_few_files(void **state)
{
    place *p = *state;
    for (int i = 0; i < 60; i++) {
        put_many(p->ix, i * 20, i * 20 + 20, "fox");
        put_many(p->ix, i, i + 3, "dog"); /* and older ones change */
        assert_int_equal(save(p, p->ix, "position"), QUIPU_OK);
        assert_true(count_files(p) < 12);
    }
    record_index *other = load(p->d), *fresh = NULL;
    expect_same(p->ix, other);
    assert_int_equal(record_index_create(NULL, &fresh, NULL), QUIPU_OK);
    for (int i = 0; i < 60; i++) {
        put_many(fresh, i * 20, i * 20 + 20, "fox");
        put_many(fresh, i, i + 3, "dog");
    }
    expect_same(p->ix, fresh);
    record_index_free(other);
    record_index_free(fresh);
}

static void another_saver_is_noticed(void **state)
{
    place *p = *state;
    derived_snapshot *s;
    put_many(p->ix, 0, 50, "fox");
    assert_int_equal(save(p, p->ix, "one"), QUIPU_OK);
    record_index *other = load(p->d);
    record_index_remove(other, str_of("r00001")); /* only the state changes */
    assert_int_equal(save(p, other, "two"), QUIPU_OK);
    assert_int_equal(derived_read(p->d, &s, NULL, NULL), QUIPU_OK);
    assert_true(record_index_stands_on(other, s));
    assert_false(record_index_stands_on(p->ix, s));
    derived_snapshot_free(s);
    put(p->ix, "new", "fox");
    assert_int_equal(save(p, p->ix, "three"), QUIPU_OK); /* writes all of it anew */
    record_index *third = load(p->d);
    expect_same(p->ix, third);
    assert_int_equal(record_index_count(other), 49); /* its files are mapped still */
    put(other, "r00002", "dog");
    char *told = tell(other);
    assert_non_null(told);
    free(told);
    record_index_free(other);
    record_index_free(third);
}

static void a_bulk_goes_to_files_on_the_way(void **state)
{
    place *p = *state;
    derived_writer *w;
    derived_snapshot *now;
    assert_int_equal(derived_begin(p->d, &w, NULL), QUIPU_OK);
    record_index_begin(p->ix);
    for (int i = 0; i < 3; i++) {
        char *told;
        put_many(p->ix, i * 5000, i * 5000 + 5000, "fox");
        told = tell(p->ix); /* makes a segment of what is pending */
        assert_non_null(told);
        free(told);
        record_index_spill(p->ix, w);
    }
    record_index_end(p->ix);
    put_many(p->ix, 20000, 20010, "dog");
    assert_int_equal(record_index_save(p->ix, w, str_of("extra"), NULL), QUIPU_OK);
    assert_int_equal(derived_commit(w, str_of("one"), NULL), QUIPU_OK);
    assert_int_equal(derived_read(p->d, &now, NULL, NULL), QUIPU_OK);
    record_index_saved(p->ix, now);
    assert_true(record_index_stands_on(p->ix, now));
    derived_snapshot_free(now);
    record_index *other = load(p->d);
    expect_same(p->ix, other);
    record_index_free(other);
}

/* More than what is built at once: what comes next may replace or remove what is just being built. */
static void a_bulk_is_built_beside_the_puts(void **state)
{
    enum { MANY = 33000 };
    place *p = *state;
    record_index_begin(p->ix);
    put_many(p->ix, 0, MANY, "fox");
    record *there = record_index_find(p->ix, str_of("r00005"));
    assert_non_null(there);
    record_free(there);
    put(p->ix, "r00005", "dog");
    record_index_remove(p->ix, str_of("r00006"));
    record_index_end(p->ix);
    assert_int_equal(record_index_count(p->ix), MANY - 1);
    assert_null(record_index_find(p->ix, str_of("r00006")));
    there = record_index_find(p->ix, str_of("r00005"));
    assert_true(str_same(record_view(there)->text, str_of("dog")));
    record_free(there);
    char *told = tell(p->ix);
    assert_non_null(told);
    assert_non_null(strstr(told, "\nr00005=dog\n"));
    assert_null(strstr(told, "\nr00005=fox"));
    assert_null(strstr(told, "\nr00006="));
    free(told);
    put_many(p->ix, 0, MANY, "cat"); /* freed in the middle of it */
}

/* ---- versions ---- */

static void a_replaced_version_can_be_revived_in_a_fork(void **state)
{
    place *p = *state;
    uint8_t version[20], unknown[20] = { 1 };
    record_index *past = NULL;
    record *r = make("a", "the old text");
    assert_int_equal(record_index_put(p->ix, r, NULL), QUIPU_OK);
    for (int i = 0; i < 20; i++)
        assert_int_equal(sscanf(record_view(r)->version.ptr + 2 * (size_t)i, "%2hhx", &version[i]), 1);
    record_free(r);
    put(p->ix, "b", "stays");
    put(p->ix, "d", "stays");
    assert_int_equal(save(p, p->ix, "one"), QUIPU_OK);
    put(p->ix, "a", "the new text");
    put(p->ix, "c", "came later");
    assert_int_equal(record_index_fork(p->ix, &past, NULL), QUIPU_OK);
    record_index_remove(past, str_of("c"));
    assert_false(record_index_revive(past, str_of("a"), unknown));
    assert_false(record_index_revive(past, str_of("b"), version)); /* of another record */
    assert_true(record_index_revive(past, str_of("a"), version));
    assert_int_equal(record_index_count(past), 3);
    assert_int_equal(record_index_count(p->ix), 4);
    record *then = record_index_find(past, str_of("a")), *now = record_index_find(p->ix, str_of("a"));
    assert_true(str_same(record_view(then)->text, str_of("the old text")));
    assert_true(str_same(record_view(now)->text, str_of("the new text")));
    record_free(then);
    record_free(now);
    record_index_free(past);
}

/* ---- damage ---- */

static void change_byte(const char *path, long at)
{
    unsigned char byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x20;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* With one byte changed, the index is refused or a question fails or the answer is right. */
static void try_damage(const place *p, const char *path, long at, const char *right)
{
    derived *d = NULL;
    change_byte(path, at);
    assert_int_equal(derived_open(p->root, "ix", RECORD_INDEX_FORMAT, true, &d, NULL), QUIPU_OK);
    record_index *ix = load(d);
    if (ix) {
        char *told = tell(ix);
        if (told)
            assert_string_equal(told, right);
        free(told);
    }
    record_index_free(ix);
    derived_close(d);
    change_byte(path, at);
}

static void damage_is_told_or_does_no_harm(void **state)
{
    place *p = *state;
    char folder[100], path[400];
    put_many(p->ix, 0, 60, "fox");
    assert_int_equal(save(p, p->ix, "one"), QUIPU_OK);
    put_many(p->ix, 50, 80, "dog");
    assert_int_equal(save(p, p->ix, "two"), QUIPU_OK);
    char *right = tell(p->ix);
    snprintf(folder, sizeof folder, "%s/ix", p->root);
    DIR *dir = opendir(folder);
    for (struct dirent *e; (e = readdir(dir));) {
        struct stat is;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] == '.' || stat(path, &is) != 0 || is.st_size == 0)
            continue;
        for (long at = 0; at < is.st_size; at += 1 + is.st_size / 150)
            try_damage(p, path, at, right);
    }
    closedir(dir);
    free(right);
}

/* ---- crashes ---- */

static int writes_left;

static ssize_t write_until(int fd, const void *bytes, size_t len)
{
    if (writes_left-- <= 0) {
        if (len > 1)
            (void)!os_real.write(fd, bytes, len / 2);
        raise(SIGKILL);
    }
    return os_real.write(fd, bytes, len);
}

static void a_saver_that_is_killed_leaves_the_old_state(void **state)
{
    place *p = *state;
    int killed = 0;
    put_many(p->ix, 0, 40, "fox");
    assert_int_equal(save(p, p->ix, "one"), QUIPU_OK);
    record_index *before = load(p->d);
    put_many(p->ix, 30, 60, "dog");
    for (int left = 0; left < 8; left++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            os_table table = os_real;
            table.write = write_until;
            os = &table;
            writes_left = left;
            _exit(save(p, p->ix, "two") == QUIPU_OK ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        record_index *now = load(p->d);
        assert_non_null(now);
        if (WIFSIGNALED(status)) {
            expect_same(before, now);
            killed++;
        } else {
            expect_same(p->ix, now);
        }
        record_index_free(now);
    }
    assert_true(killed > 1 && killed < 8);
    record_index_free(before);
}

static void several_processes_save_in_turn(void **state)
{
    place *p = *state;
    put_many(p->ix, 0, 50, "fox");
    assert_int_equal(save(p, p->ix, "one"), QUIPU_OK);
    for (int i = 0; i < 4; i++)
        if (fork() == 0) {
            alone = false;
            for (int round = 0; round < 20; round++) {
                record_index *ix = load(p->d);
                if (!ix)
                    _exit(1);
                put_many(ix, 100 * (i + 1) + round, 100 * (i + 1) + round + 1, "dog");
                int32_t code = save(p, ix, "more");
                if (code != QUIPU_OK && code != QUIPU_E_BUSY)
                    _exit(2);
                record_index_free(ix);
            }
            _exit(0);
        }
    for (int i = 0, status; i < 4; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    record_index *ix = load(p->d);
    assert_non_null(ix);
    char *told = tell(ix);
    assert_non_null(told);
    assert_true(record_index_count(ix) > 50);
    free(told);
    record_index_free(ix);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_saved_is_loaded),        TEST(many_saves_leave_few_files),
        TEST(another_saver_is_noticed),        TEST(a_bulk_goes_to_files_on_the_way),
        TEST(a_bulk_is_built_beside_the_puts), TEST(a_replaced_version_can_be_revived_in_a_fork),
        TEST(damage_is_told_or_does_no_harm),  TEST(a_saver_that_is_killed_leaves_the_old_state),
        TEST(several_processes_save_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
