/* test_object_reader.c - many objects read from mapped packs are what libgit2 reads one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage_git/git_store.h>
#include <storage_git/object_reader.h>
#include <sys/stat.h>
#include <tests/support/scratch.h>
#include <unistd.h>

enum { COMMITS = 120, OBJECTS_MAX = 4000 };

static char folder[128]; /* the store of the test at hand */
static quipu_error error = { .struct_size = sizeof error };
static object_id ids[OBJECTS_MAX];
static size_t count;

static git_store *open_store(void)
{
    git_store *s;
    bool made;
    git_store_options options = { .durable = false };
    assert_int_equal(git_store_open(folder, &options, &s, &made, &error), QUIPU_OK);
    return s;
}

static void commit_file(git_store *s, int i)
{
    git_transaction *t;
    bool lost = false;
    object_id id;
    char path[64], text[300];
    commit_words words = { .author = str_of("ana"),
                           .time = 1700000000000000 + i,
                           .committed = 1700000000000000,
                           .message = str_of("add: something\n") };
    snprintf(path, sizeof path, "records/%x/r%d.json", i % 3, i % 50);
    snprintf(text, sizeof text, "{\n  \"id\": \"r%d\",\n  \"text\": \"number %d of many of the like\"\n}\n", i % 50, i);
    assert_int_equal(git_begin(s, NULL, &t, &error), QUIPU_OK);
    assert_int_equal(git_transaction_put(t, path, text, strlen(text), &error), QUIPU_OK);
    assert_int_equal(git_transaction_commit(t, &words, &id, &error), QUIPU_OK);
    assert_int_equal(git_publish(t, &lost, &error), QUIPU_OK);
}

static int32_t note_id(void *context, const object_id *id)
{
    (void)context;
    assert_true(count < OBJECTS_MAX);
    ids[count++] = *id;
    return QUIPU_OK;
}

static int begin(void **state)
{
    objects_library_begin();
    scratch_make(folder);
    git_store *s = open_store();
    for (int i = 0; i < COMMITS; i++)
        commit_file(s, i);
    count = 0;
    assert_int_equal(objects_each(git_store_objects(s), note_id, NULL, &error), QUIPU_OK);
    *state = s;
    return 0;
}

static int end(void **state)
{
    git_store_close(*state);
    scratch_remove(folder);
    objects_library_end();
    return 0;
}

/* Every object by the reader and by libgit2; returns how many have a place in a pack. */
static size_t compare_all(objects *o, object_reader *r)
{
    size_t placed = 0;
    for (size_t i = 0; i < count; i++) {
        buffer ours = { 0 }, theirs = { 0 };
        object_type type;
        uint64_t place = object_reader_place(r, &ids[i]);
        placed += place != OBJECT_NOWHERE;
        assert_int_equal(objects_read_any(o, &ids[i], &type, &theirs, &error), QUIPU_OK);
        for (int checked = 0; checked < 2; checked++) {
            buffer_clear(&ours);
            assert_int_equal(object_reader_read_at(r, &ids[i], place, type, checked, &ours, &error), QUIPU_OK);
            assert_int_equal(ours.len, theirs.len);
            assert_memory_equal(ours.bytes, theirs.bytes, ours.len);
        }
        object_type other = type == OBJECT_BLOB ? OBJECT_TREE : OBJECT_BLOB;
        assert_int_equal(object_reader_read_at(r, &ids[i], place, other, false, &ours, &error), QUIPU_E_CORRUPT);
        buffer_free(&ours);
        buffer_free(&theirs);
    }
    return placed;
}

static void compare_in(objects *o, size_t placed)
{
    object_reader *r;
    objects_forget(o);
    assert_int_equal(object_reader_create(o, &r, &error), QUIPU_OK);
    assert_int_equal(compare_all(o, r), placed);
    object_reader_free(r);
}

static void objects_of_all_kinds_of_packs_are_read(void **state)
{
    objects *o = git_store_objects(*state);
    assert_true(count > 400);
    compare_in(o, count);
    assert_int_equal(scratch_git(folder, NULL, 0, "repack -adfq --depth=50"), 0);
    compare_in(o, count);
    assert_int_equal(scratch_git(folder, NULL, 0, "-c repack.useDeltaBaseOffset=false repack -adfq --depth=50"), 0);
    compare_in(o, count);
}

static void loose_objects_are_read_too(void **state)
{
    char command[600];
    snprintf(
        command, sizeof command,
        "cd '%s' && mkdir away && mv objects/pack/* away/ && for p in away/*.pack; do git unpack-objects -q <$p; done",
        folder);
    assert_int_equal(system(command), 0);
    compare_in(git_store_objects(*state), 0);
}

/* What comes after its look, and what is not there at all, is looked for on the disk. */
static void a_reader_reads_what_came_later(void **state)
{
    objects *o = git_store_objects(*state);
    object_reader *r;
    object_id later, none = { { 1 } };
    buffer bytes = { 0 };
    assert_int_equal(object_reader_create(o, &r, &error), QUIPU_OK);
    assert_true(object_reader_place(r, &ids[0]) != OBJECT_NOWHERE);
    commit_file(*state, COMMITS + 1);
    assert_int_equal(git_store_head(*state, &later, &error), QUIPU_OK);
    assert_true(object_reader_place(r, &later) == OBJECT_NOWHERE);
    assert_int_equal(object_reader_read(r, &later, OBJECT_COMMIT, &bytes, &error), QUIPU_OK);
    assert_int_equal(object_reader_read(r, &none, OBJECT_COMMIT, &bytes, &error), QUIPU_E_CORRUPT);
    assert_non_null(strstr(error.message, "is missing"));
    buffer_free(&bytes);
    object_reader_free(r);
}

typedef struct beside {
    objects *objects;
    object_reader *reader;
    size_t placed;
} beside;

static void *run_beside(void *context)
{
    beside *b = context;
    b->placed = 0;
    for (size_t i = 0; i < count; i++) {
        buffer bytes = { 0 };
        object_type type;
        bool read = objects_read_any(b->objects, &ids[i], &type, &bytes, NULL) == QUIPU_OK;
        size_t len = bytes.len;
        uint64_t place = object_reader_place(b->reader, &ids[i]);
        read = read && object_reader_read_at(b->reader, &ids[i], place, type, true, &bytes, NULL) == QUIPU_OK;
        b->placed += read && bytes.len == 2 * len;
        buffer_free(&bytes);
    }
    return NULL;
}

static void several_threads_read_beside_each_other(void **state)
{
    objects *o = git_store_objects(*state);
    object_reader *first;
    beside all[4];
    pthread_t threads[4];
    assert_int_equal(object_reader_create(o, &first, &error), QUIPU_OK);
    for (size_t i = 0; i < 4; i++) {
        all[i] = (beside){ o, i ? object_reader_beside(first) : first, 0 };
        assert_non_null(all[i].reader);
        assert_true(object_reader_place(all[i].reader, &ids[7]) == object_reader_place(first, &ids[7]));
        assert_int_equal(pthread_create(&threads[i], NULL, run_beside, &all[i]), 0);
    }
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 4; i > 0; i--) {
        assert_int_equal(all[i - 1].placed, count);
        object_reader_free(all[i - 1].reader);
    }
}

/* One damaged byte in the pack: each object is as it was, or an error; never something else. */
static void damage_is_never_taken_for_an_object(void **state)
{
    objects *o = git_store_objects(*state);
    char pattern[200];
    glob_t found;
    struct stat st;
    size_t failures = 0;
    assert_int_equal(scratch_git(folder, NULL, 0, "repack -adfq --depth=50"), 0);
    snprintf(pattern, sizeof pattern, "%s/objects/pack/*.pack", folder);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(stat(found.gl_pathv[0], &st), 0);
    assert_int_equal(chmod(found.gl_pathv[0], 0600), 0);
    int fd = open(found.gl_pathv[0], O_RDWR);
    for (off_t at = 12; at < st.st_size - 20; at += st.st_size / 24) {
        unsigned char byte, bad;
        object_reader *r;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        bad = byte ^ 0x10;
        assert_int_equal(pwrite(fd, &bad, 1, at), 1);
        objects_forget(o);
        assert_int_equal(object_reader_create(o, &r, &error), QUIPU_OK);
        for (size_t i = 0; i < count; i++) {
            buffer bytes = { 0 };
            int32_t code = QUIPU_E_CORRUPT;
            for (int type = OBJECT_COMMIT; type <= OBJECT_BLOB && code != QUIPU_OK; type++)
                code = object_reader_read(r, &ids[i], (object_type)type, &bytes, &error);
            assert_true(code == QUIPU_OK || code == QUIPU_E_CORRUPT);
            failures += code != QUIPU_OK;
            buffer_free(&bytes);
        }
        object_reader_free(r);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
    globfree(&found);
    objects_forget(o);
    assert_true(failures > 0);
    compare_in(o, count);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(objects_of_all_kinds_of_packs_are_read), FRESH(loose_objects_are_read_too),
        FRESH(a_reader_reads_what_came_later),         FRESH(several_threads_read_beside_each_other),
        FRESH(damage_is_never_taken_for_an_object),
    };
    return cmocka_run_group_tests_name("object_reader", tests, NULL, NULL);
}
