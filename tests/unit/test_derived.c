/* test_derived.c - what derived.h promises: snapshots, one writer, damage counts as absence. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mkdtemp, nftw */
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sdk/derived.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct place {
    char root[64];
    derived *d;
} place;

static int set_up(void **state)
{
    place *p = calloc(1, sizeof *p);
    snprintf(p->root, sizeof p->root, "/tmp/quipu-derived-XXXXXX");
    assert_non_null(mkdtemp(p->root));
    assert_int_equal(derived_open(p->root, "ix", 3, false, &p->d, NULL), QUIPU_OK);
    *state = p;
    return 0;
}

static int remove_one(const char *path, const struct stat *is, int kind, struct FTW *walk)
{
    (void)is;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int tear_down(void **state)
{
    place *p = *state;
    derived_close(p->d);
    os = &os_real;
    nftw(p->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(p);
    return 0;
}

static int32_t commit(derived *d, const char *segment, const char *position)
{
    derived_writer *w = NULL;
    int32_t rc = derived_begin(d, &w, NULL);
    if (rc != QUIPU_OK)
        return rc;
    if (segment && (rc = derived_add_segment(w, segment, strlen(segment), NULL)) != QUIPU_OK) {
        derived_abort(w);
        return rc;
    }
    return derived_commit(w, str_of(position), NULL);
}

/* Position and segments in one line, as "pos: a, b"; "" where nothing is there. */
static void expect_state(derived *d, const char *expected, bool expected_damage)
{
    derived_snapshot *s = NULL;
    bool damaged = !expected_damage;
    buffer out = { 0 };
    assert_int_equal(derived_read(d, &s, &damaged, NULL), QUIPU_OK);
    if (str_present(derived_position(s))) {
        buffer_append_str(&out, derived_position(s));
        buffer_append_char(&out, ':');
    }
    for (uint64_t i = 0; i < derived_segments(s); i++) {
        buffer_append_char(&out, ' ');
        buffer_append_str(&out, derived_segment(s, i));
    }
    assert_string_equal(out.bytes ? out.bytes : "", expected);
    assert_int_equal(damaged, expected_damage);
    buffer_free(&out);
    derived_snapshot_free(s);
}

/* The first file whose name begins with `prefix`; how many there are. */
static int files(const place *p, const char *prefix, char *path, size_t size)
{
    char folder[128];
    int count = 0;
    snprintf(folder, sizeof folder, "%s/ix", p->root);
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));)
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 && count++ == 0 && path)
            snprintf(path, size, "%s/%s", folder, e->d_name);
    closedir(d);
    return count;
}

static void flip_byte(const char *path, long at)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
    int c = fgetc(f);
    fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
    fputc(c ^ 1, f);
    fclose(f);
}

static void nothing_is_there_at_first(void **state)
{
    place *p = *state;
    expect_state(p->d, "", false);
}

static void commits_are_seen_whole_and_in_order(void **state)
{
    place *p = *state;
    assert_int_equal(commit(p->d, "one", "c1"), QUIPU_OK);
    assert_int_equal(commit(p->d, "", "c2"), QUIPU_OK);
    assert_int_equal(commit(p->d, "three", "c3"), QUIPU_OK);
    expect_state(p->d, "c3: one  three", false);
    derived *other = NULL;
    assert_int_equal(derived_open(p->root, "ix", 3, false, &other, NULL), QUIPU_OK);
    expect_state(other, "c3: one  three", false);
    derived_close(other);
    assert_int_equal(commit(p->d, NULL, ""), QUIPU_OK); /* an empty position is one */
    expect_state(p->d, ": one  three", false);
}

static void snapshot_outlives_what_it_shows(void **state)
{
    place *p = *state;
    derived_snapshot *s = NULL;
    derived_writer *w = NULL;
    assert_int_equal(commit(p->d, "one", "c1"), QUIPU_OK);
    assert_int_equal(derived_read(p->d, &s, NULL, NULL), QUIPU_OK);
    assert_int_equal(derived_begin(p->d, &w, NULL), QUIPU_OK);
    assert_true(str_same(derived_position(derived_base(w)), str_of("c1")));
    derived_drop_all(w);
    assert_int_equal(derived_add_segment(w, "new", 3, NULL), QUIPU_OK);
    assert_int_equal(derived_commit(w, str_of("c2"), NULL), QUIPU_OK);
    expect_state(p->d, "c2: new", false);
    assert_int_equal(files(p, "segment-", NULL, 0), 1); /* the old one is gone, and still mapped */
    assert_true(str_same(derived_segment(s, 0), str_of("one")));
    derived_close(p->d); /* a snapshot needs its folder no more */
    p->d = NULL;
    assert_true(str_same(derived_segment(s, 0), str_of("one")));
    derived_snapshot_free(s);
    derived_snapshot_free(NULL);
}

static void single_segments_are_left_out(void **state)
{
    place *p = *state;
    derived_writer *w = NULL;
    assert_int_equal(commit(p->d, "one", "c1"), QUIPU_OK);
    assert_int_equal(commit(p->d, "two", "c2"), QUIPU_OK);
    assert_int_equal(commit(p->d, "three", "c3"), QUIPU_OK);
    expect_state(p->d, "c3: one two three", false);
    assert_int_equal(derived_begin(p->d, &w, NULL), QUIPU_OK);
    assert_int_equal(derived_add_segment(w, "new", 3, NULL), QUIPU_OK);
    derived_drop_segment(w, derived_segment_name(derived_base(w), 1));
    derived_drop_segment(w, derived_segment_name(derived_base(w), 1));
    assert_int_equal(derived_commit(w, str_of("c4"), NULL), QUIPU_OK);
    expect_state(p->d, "c4: one three new", false);
    assert_int_equal(files(p, "segment-", NULL, 0), 3);
}

static void second_writer_is_sent_away(void **state)
{
    place *p = *state;
    derived *other = NULL;
    derived_writer *w = NULL;
    assert_int_equal(derived_open(p->root, "ix", 3, false, &other, NULL), QUIPU_OK);
    assert_int_equal(derived_begin(p->d, &w, NULL), QUIPU_OK);
    assert_int_equal(commit(other, "x", "x"), QUIPU_E_BUSY);
    assert_int_equal(commit(p->d, "x", "x"), QUIPU_E_BUSY);
    expect_state(other, "", false); /* readers do not wait */
    derived_abort(w);
    assert_int_equal(commit(other, "x", "x"), QUIPU_OK);
    derived_close(other);
}

static void aborted_change_leaves_nothing(void **state)
{
    place *p = *state;
    derived_writer *w = NULL;
    assert_int_equal(commit(p->d, "one", "c1"), QUIPU_OK);
    assert_int_equal(derived_begin(p->d, &w, NULL), QUIPU_OK);
    assert_int_equal(derived_add_segment(w, "two", 3, NULL), QUIPU_OK);
    assert_int_equal(files(p, "segment-", NULL, 0), 2);
    derived_abort(w);
    derived_abort(NULL);
    assert_int_equal(files(p, "segment-", NULL, 0), 1);
    expect_state(p->d, "c1: one", false);
}

static void flipped_bit_counts_as_absence(void **state)
{
    place *p = *state;
    char path[512];
    assert_int_equal(commit(p->d, "one", "c1"), QUIPU_OK);
    assert_int_equal(files(p, "segment-", path, sizeof path), 1);
    flip_byte(path, 1);
    expect_state(p->d, "", true);
    assert_int_equal(commit(p->d, "two", "c2"), QUIPU_OK); /* and is built again */
    expect_state(p->d, "c2: two", false);
    assert_int_equal(files(p, "manifest", path, sizeof path), 1);
    struct stat is;
    assert_int_equal(stat(path, &is), 0);
    for (long at = 0; at < is.st_size; at++) { /* not a byte of the manifest may change unnoticed */
        flip_byte(path, at);
        derived_snapshot *s = NULL;
        bool damaged = false;
        assert_int_equal(derived_read(p->d, &s, &damaged, NULL), QUIPU_OK);
        assert_true(damaged && derived_segments(s) == 0);
        derived_snapshot_free(s);
        flip_byte(path, at);
    }
    expect_state(p->d, "c2: two", false);
}

static void cut_or_missing_file_counts_as_absence(void **state)
{
    place *p = *state;
    char path[512];
    assert_int_equal(commit(p->d, "one", "c1"), QUIPU_OK);
    assert_int_equal(files(p, "segment-", path, sizeof path), 1);
    assert_int_equal(truncate(path, 2), 0);
    expect_state(p->d, "", true);
    assert_int_equal(unlink(path), 0);
    expect_state(p->d, "", true);
    assert_int_equal(commit(p->d, "two", "c2"), QUIPU_OK);
    assert_int_equal(files(p, "manifest", path, sizeof path), 1);
    assert_int_equal(truncate(path, 20), 0);
    expect_state(p->d, "", true);
    assert_int_equal(truncate(path, 0), 0);
    expect_state(p->d, "", true);
    assert_int_equal(unlink(path), 0);
    expect_state(p->d, "", false);
}

static void another_format_counts_as_absence(void **state)
{
    place *p = *state;
    derived *other = NULL;
    assert_int_equal(commit(p->d, "one", "c1"), QUIPU_OK);
    assert_int_equal(derived_open(p->root, "ix", 4, false, &other, NULL), QUIPU_OK);
    expect_state(other, "", false);
    derived_close(other);
    derived_close(NULL);
}

static void leftovers_of_a_crash_are_swept(void **state)
{
    place *p = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/ix/segment-00000000deadbeef", p->root);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    snprintf(path, sizeof path, "%s/ix/manifest.tmp-1-1", p->root);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(commit(p->d, "one", "c1"), QUIPU_OK);
    assert_int_equal(files(p, "segment-", NULL, 0), 1);
    assert_int_equal(files(p, "manifest", NULL, 0), 1);
}

static int calls_left;

static bool may_not_go_on(void)
{
    return calls_left-- <= 0;
}

static ssize_t failing_write(int fd, const void *bytes, size_t len)
{
    if (may_not_go_on()) {
        errno = ENOSPC;
        return -1;
    }
    return os_real.write(fd, bytes, len);
}

static int failing_rename(const char *from, const char *to)
{
    if (may_not_go_on()) {
        errno = EIO;
        return -1;
    }
    return os_real.rename(from, to);
}

static int failing_open(const char *path, int flags, mode_t mode)
{
    if ((flags & O_CREAT) && may_not_go_on()) {
        errno = ENOSPC;
        return -1;
    }
    return os_real.open(path, flags, mode);
}

static void failed_change_leaves_the_old_state(void **state)
{
    place *p = *state;
    os_table faulty = os_real;
    faulty.write = failing_write;
    faulty.rename = failing_rename;
    faulty.open = failing_open;
    assert_int_equal(commit(p->d, "one", "c1"), QUIPU_OK);
    bool done = false;
    for (int k = 0; !done && k < 50; k++) {
        calls_left = k;
        os = &faulty;
        int32_t rc = commit(p->d, "two", "c2");
        os = &os_real;
        done = rc == QUIPU_OK;
        assert_true(done || rc == QUIPU_E_FULL || rc == QUIPU_E_IO);
        expect_state(p->d, done ? "c2: one two" : "c1: one", false);
        assert_int_equal(files(p, "segment-", NULL, 0), done ? 2 : 1);
    }
    assert_true(done);
}

static void bad_position_is_refused(void **state)
{
    place *p = *state;
    derived_writer *w = NULL;
    char position[DERIVED_POSITION_MAX + 1] = { 0 };
    quipu_error error = { .struct_size = sizeof error };
    assert_int_equal(derived_begin(p->d, &w, NULL), QUIPU_OK);
    assert_int_equal(derived_commit(w, str_make(position, sizeof position), &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "position");
    assert_int_equal(derived_begin(p->d, &w, NULL), QUIPU_OK);
    assert_int_equal(derived_commit(w, (quipu_str){ NULL, 0 }, NULL), QUIPU_E_INVALID);
    assert_int_equal(derived_begin(p->d, &w, NULL), QUIPU_OK);
    assert_int_equal(derived_commit(w, str_make(position, DERIVED_POSITION_MAX), NULL), QUIPU_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_there_at_first),          TEST(commits_are_seen_whole_and_in_order),
        TEST(snapshot_outlives_what_it_shows),    TEST(single_segments_are_left_out),
        TEST(second_writer_is_sent_away),         TEST(aborted_change_leaves_nothing),
        TEST(flipped_bit_counts_as_absence),      TEST(cut_or_missing_file_counts_as_absence),
        TEST(another_format_counts_as_absence),   TEST(leftovers_of_a_crash_are_swept),
        TEST(failed_change_leaves_the_old_state), TEST(bad_position_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
