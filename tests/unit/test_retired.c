/* test_retired.c - packs that were merged away stay for a while, and then go: bounded, and never with what is nowhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage_git/git_store.h>
#include <storage_git/os.h>
#include <storage_git/pack_retired.h>
#include <storage_git/repack.h>
#include <sys/stat.h>
#include <tests/support/scratch.h>
#include <time.h>
#include <unistd.h>

enum { PACKS_MOST = 32, MERGED = 40 /* commits after which packs were merged once */ };

static char folder[128]; /* of the test at hand; the store is in it */
static char store_path[160];
static char packs[200];
static char note[200];
static int written; /* commits so far */
static quipu_error error = { .struct_size = sizeof error };

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static int begin(void **state)
{
    static os_table quick; /* no crash is tested here */
    (void)state;
    quick = os_real;
    quick.fsync = quick.fdatasync = quick.syncfs = no_sync;
    os = &quick;
    objects_library_begin();
    scratch_make(folder);
    snprintf(store_path, sizeof store_path, "%s/store", folder);
    snprintf(packs, sizeof packs, "%s/objects/pack", store_path);
    snprintf(note, sizeof note, "%s/quipu/retired", store_path);
    written = 0;
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
    /* not relaxed: a late sync has a thread of its own, which reads the table of operations */
    git_store_options options = { .durable = true };
    assert_int_equal(git_store_open(store_path, &options, &s, &made, &error), QUIPU_OK);
    return s;
}

static int32_t try_commit(git_store *s)
{
    git_transaction *t;
    bool lost = false;
    object_id id;
    char path[64], text[64];
    commit_words words = { .author = str_of("ana"), .message = str_of("add\n") };
    snprintf(path, sizeof path, "f%d", written % 10);
    snprintf(text, sizeof text, "number %d\n", written++);
    assert_int_equal(git_begin(s, NULL, &t, &error), QUIPU_OK);
    assert_int_equal(git_transaction_put(t, path, text, strlen(text), &error), QUIPU_OK);
    assert_int_equal(git_transaction_commit(t, &words, &id, &error), QUIPU_OK);
    return git_publish(t, &lost, &error);
}

static void commit_some(git_store *s, int count)
{
    while (count-- > 0)
        assert_int_equal(try_commit(s), QUIPU_OK);
}

static pack_figures figures_of(git_store *s)
{
    pack_figures figures;
    assert_int_equal(git_store_figures(s, &figures, &error), QUIPU_OK);
    return figures;
}

static retired_list noted(void)
{
    retired_list list;
    assert_int_equal(retired_read(packs, &list, &error), QUIPU_OK);
    return list;
}

static void write_note(const char *text, size_t len)
{
    FILE *f = fopen(note, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    fclose(f);
}

/* Writes the note anew, as if its packs had been retired then. */
static void date_note(long long since)
{
    retired_list list = noted();
    buffer text = { 0 };
    for (size_t i = 0; i < list.count; i++)
        buffer_printf(&text, "%s %lld\n", list.packs[i].name, since);
    write_note(text.bytes, text.len);
    buffer_free(&text);
    retired_free(&list);
}

static void assert_sound(git_store *s)
{
    object_id id;
    char output[64];
    assert_int_equal(git_store_head(s, &id, &error), QUIPU_OK);
    assert_int_equal(scratch_fsck(store_path), 0);
    assert_int_equal(scratch_git(store_path, output, sizeof output, "rev-list --count main"), 0);
    assert_int_equal(atoi(output), written);
}

static void merged_packs_stay_for_their_time(void **state)
{
    (void)state;
    git_store *s = open_store();
    commit_some(s, MERGED);
    pack_figures figures = figures_of(s);
    assert_true(figures.packs <= PACKS_MOST && figures.retired > 10 && figures.retired_bytes > 0);
    retired_list list = noted();
    assert_int_equal(list.count, figures.retired);
    date_note((long long)time(NULL) - RETIRED_GRACE / 2);
    commit_some(s, 1);
    assert_int_equal(figures_of(s).retired, list.count);
    date_note((long long)time(NULL) - RETIRED_GRACE - 1);
    commit_some(s, 1);
    assert_int_equal(figures_of(s).retired, 0);
    retired_free(&list);
    list = noted();
    assert_int_equal(list.count, 0);
    retired_free(&list);
    assert_sound(s);
    git_store_close(s);
}

static void retired_packs_are_bounded(void **state)
{
    (void)state;
    git_store *s = open_store();
    for (int i = 0; i < 14; i++) {
        commit_some(s, 50);
        pack_figures figures = figures_of(s);
        assert_true(figures.packs <= PACKS_MOST);
        assert_true(figures.retired <= RETIRED_MOST);
    }
    assert_true(figures_of(s).retired > RETIRED_MOST / 2);
    assert_sound(s);
    git_store_close(s);
}

static void a_clock_that_goes_back_begins_their_time_again(void **state)
{
    (void)state;
    git_store *s = open_store();
    commit_some(s, MERGED);
    uint64_t before = figures_of(s).retired;
    date_note(5000000000);
    commit_some(s, MERGED); /* until the next merge, which notes anew */
    retired_list list = noted();
    assert_true(list.count > before);
    for (size_t i = 0; i < list.count; i++)
        assert_true(list.packs[i].since <= (int64_t)time(NULL));
    retired_free(&list);
    git_store_close(s);
}

/* The packs' names without an end, those that are noted left out. */
static void name_of_live_pack(char name[PACK_NAME_SIZE])
{
    retired_list list = noted();
    DIR *dir = opendir(packs);
    struct dirent *entry;
    assert_non_null(dir);
    name[0] = '\0';
    while ((entry = readdir(dir)) != NULL) {
        char *dot = strstr(entry->d_name, ".idx");
        if (!dot)
            continue;
        *dot = '\0';
        if (!retired_find(&list, entry->d_name))
            snprintf(name, PACK_NAME_SIZE, "%.45s", entry->d_name);
    }
    closedir(dir);
    retired_free(&list);
    assert_string_not_equal(name, "");
}

static void what_is_nowhere_else_never_goes(void **state)
{
    (void)state;
    char name[PACK_NAME_SIZE], line[100];
    git_store *s = open_store();
    commit_some(s, 3);
    name_of_live_pack(name);
    snprintf(line, sizeof line, "%s 1\n", name);
    write_note(line, strlen(line));
    git_store_close(s);
    s = open_store();
    assert_int_equal(figures_of(s).packs, 3);
    assert_int_equal(figures_of(s).retired, 0);
    assert_sound(s);
    git_store_close(s);
}

static void a_lost_or_unreadable_note_harms_nothing(void **state)
{
    (void)state;
    static const char garbage[] = "\0\xff pack-\n\npack-zz 1\npack-";
    git_store *s = open_store();
    commit_some(s, MERGED);
    assert_int_equal(unlink(note), 0);
    commit_some(s, 1);
    assert_true(figures_of(s).packs <= PACKS_MOST);
    write_note(garbage, sizeof garbage - 1);
    commit_some(s, MERGED);
    assert_true(figures_of(s).packs <= PACKS_MOST);
    assert_sound(s);
    git_store_close(s);
}

static void where_nothing_can_be_noted_they_go_at_once(void **state)
{
    (void)state;
    git_store *s = open_store();
    assert_int_equal(mkdir(note, 0700), 0);
    commit_some(s, MERGED);
    assert_int_equal(figures_of(s).retired, 0);
    assert_true(figures_of(s).packs <= PACKS_MOST);
    assert_sound(s);
    git_store_close(s);
}

static ssize_t no_room(int fd, const void *bytes, size_t len)
{
    (void)fd, (void)bytes, (void)len;
    errno = ENOSPC;
    return -1;
}

static void a_full_disk_takes_them_away(void **state)
{
    (void)state;
    const os_table *quick = os;
    os_table full = *os;
    git_store *s = open_store();
    commit_some(s, MERGED);
    assert_true(figures_of(s).retired > 0);
    full.write = no_room;
    os = &full;
    assert_int_equal(try_commit(s), QUIPU_E_FULL);
    written--;
    os = quick;
    assert_int_equal(figures_of(s).retired, 0);
    assert_sound(s);
    git_store_close(s);
}

static void maintenance_takes_them_away_unless_it_is_to_give_time(void **state)
{
    (void)state;
    repack_limits limits = { .memory = UINT64_C(1) << 30, .grace = true };
    repack_outcome outcome;
    git_store *s = open_store();
    commit_some(s, MERGED);
    assert_int_equal(git_repack(s, &limits, NULL, NULL, &outcome, NULL, &error), QUIPU_OK);
    assert_int_equal(outcome, REPACK_DONE);
    pack_figures figures = figures_of(s);
    assert_int_equal(figures.packs, 1);
    assert_true(figures.retired > 30);
    limits = (repack_limits){ .memory = UINT64_C(1) << 30, .force = true };
    assert_int_equal(git_repack(s, &limits, NULL, NULL, &outcome, NULL, &error), QUIPU_OK);
    assert_int_equal(figures_of(s).packs, 1);
    assert_int_equal(figures_of(s).retired, 0);
    assert_sound(s);
    git_store_close(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(merged_packs_stay_for_their_time),
        TEST(retired_packs_are_bounded),
        TEST(a_clock_that_goes_back_begins_their_time_again),
        TEST(what_is_nowhere_else_never_goes),
        TEST(a_lost_or_unreadable_note_harms_nothing),
        TEST(where_nothing_can_be_noted_they_go_at_once),
        TEST(a_full_disk_takes_them_away),
        TEST(maintenance_takes_them_away_unless_it_is_to_give_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
