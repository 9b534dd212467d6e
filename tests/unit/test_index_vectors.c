/* test_index_vectors.c - what record_index.h promises of vectors: kept over restarts, never made twice, never mixed, filtered first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <dirent.h>
#include <pthread.h>
#include <sdk/record_index.h>
#include <sdk/vector_index.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tests/support/letters.h>
#include <tests/support/scratch.h>
#include <unistd.h>

static char folder[128];

static int begin(void **state)
{
    (void)state;
    scratch_make(folder);
    letters_reset();
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

static record_index *open_in(const char *path, bool read_only)
{
    record_index *ix = NULL;
    assert_int_equal(record_index_create(&letters_host, &ix, NULL), QUIPU_OK);
    if (path)
        assert_int_equal(record_index_vectors_in(ix, path, read_only, NULL), QUIPU_OK);
    return ix;
}

static void put_json(record_index *ix, const char *json)
{
    record *r = NULL;
    assert_int_equal(record_decode(str_of(json), NULL, &r, NULL), QUIPU_OK);
    assert_int_equal(record_index_put(ix, r, NULL), QUIPU_OK);
    record_free(r);
}

static void put(record_index *ix, const char *id, const char *text)
{
    char json[256];
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"text\":\"%s\"}", id, text);
    put_json(ix, json);
}

typedef struct answer {
    char ids[4096];
    int count;
} answer;

static int32_t take(void *context, const quipu_hit *hit)
{
    answer *a = context;
    size_t at = strlen(a->ids);
    snprintf(a->ids + at, sizeof a->ids - at, "%s%.*s", a->count++ ? " " : "", (int)hit->record->id.len,
             hit->record->id.ptr);
    return 0;
}

static void expect(record_index *ix, const char *text, uint64_t k, const quipu_filter *f, const char *ids)
{
    quipu_search q = {
        .struct_size = sizeof q,
        .flags = QUIPU_SEARCH_WAIT, /* however slow the machine is */
        .text = str_of(text),
        .mode = QUIPU_SEARCH_VECTOR,
        .k = k,
        .filter = f,
    };
    answer a = { .count = 0 };
    assert_int_equal(record_index_search(ix, &q, take, &a, NULL, NULL), QUIPU_OK);
    assert_string_equal(a.ids, ids);
}

static void put_some(record_index *ix)
{
    put(ix, "p", "aab");
    put(ix, "q", "cd");
    put(ix, "r", "ffg");
}

/* ---- restarts ---- */

static void nothing_is_embedded_again_after_a_restart(void **state)
{
    (void)state;
    record_index *ix = open_in(folder, false);
    put_some(ix);
    expect(ix, "cd", 1, NULL, "q");
    assert_int_equal(the_letters.passages, 3);
    record_index_free(ix);
    for (int i = 0; i < 2; i++) {
        ix = open_in(folder, i == 1); /* also where nothing may be written */
        put_some(ix);
        expect(ix, "ffg", 2, NULL, "r p");
        record_index_free(ix);
    }
    assert_int_equal(the_letters.passages, 3);
}

/* In all folders below. */
static int count_files(const char *path)
{
    int count = 0;
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char file[512];
        struct stat is;
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.' && stat(file, &is) == 0)
            count += S_ISDIR(is.st_mode) ? count_files(file) : 1;
    }
    closedir(d);
    return count;
}

static void many_restarts_leave_few_files(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        record_index *ix = open_in(folder, false);
        char id[8], text[16];
        for (int j = 0; j <= i; j++) {
            snprintf(id, sizeof id, "r%d", j);
            snprintf(text, sizeof text, "%d ab", j);
            put(ix, id, text);
        }
        assert_int_equal(record_index_embed(ix, NULL, NULL, NULL, NULL), QUIPU_OK);
        record_index_free(ix);
    }
    assert_int_equal(the_letters.passages, 40);
    assert_true(count_files(folder) <= 2 + 6); /* manifest and lock, and about log2 of the rows */
}

static void read_only_writes_nothing(void **state)
{
    (void)state;
    struct stat is;
    char path[256];
    snprintf(path, sizeof path, "%s/new", folder);
    record_index *ix = open_in(path, true);
    put_some(ix);
    expect(ix, "cd", 1, NULL, "q"); /* in RAM */
    record_index_free(ix);
    assert_int_not_equal(stat(path, &is), 0);
}

static void folder_that_cannot_be_had_costs_only_persistence(void **state)
{
    (void)state;
    char path[256];
    snprintf(path, sizeof path, "%s/file", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    record_index *ix = open_in(path, false);
    put_some(ix);
    expect(ix, "cd", 1, NULL, "q");
    record_index_free(ix);
}

static void forks_and_fresh_ones_share_vectors(void **state)
{
    (void)state;
    record_index *ix = open_in(NULL, false), *fork = NULL, *beside = NULL;
    record_index_keep_history(ix);
    put_some(ix);
    expect(ix, "cd", 1, NULL, "q");
    put(ix, "q", "hh");
    assert_int_equal(record_index_fork(ix, &fork, NULL), QUIPU_OK);
    put(fork, "q", "cd"); /* as it was */
    expect(fork, "cd", 1, NULL, "q");
    assert_int_equal(the_letters.passages, 3);
    expect(ix, "hh", 1, NULL, "q");
    assert_int_equal(the_letters.passages, 4);
    assert_int_equal(record_index_create_beside(ix, &beside, NULL), QUIPU_OK);
    put_some(beside);
    expect(beside, "aab", 1, NULL, "p");
    assert_int_equal(the_letters.passages, 4);
    record_index_free(ix);
    expect(beside, "aab", 1, NULL, "p");
    record_index_free(beside);
    record_index_free(fork);
}

/* ---- models and passages ---- */

static void models_lie_side_by_side(void **state)
{
    (void)state;
    static const char *const ids[] = { "letters:8", "other weights:8", "letters:8", "other weights:8" };
    for (int i = 0; i < 4; i++) {
        the_letters.model_id = ids[i];
        record_index *ix = open_in(folder, false);
        put_some(ix);
        expect(ix, "cd", 1, NULL, "q");
        assert_int_equal(the_letters.passages, i == 0 ? 3 : 6);
        record_index_free(ix);
    }
    record_index *ix = open_in(folder, false); /* and in one open index */
    put_some(ix);
    for (int i = 0; i < 4; i++) {
        the_letters.model_id = ids[i];
        expect(ix, "cd", 1, NULL, "q");
    }
    assert_int_equal(the_letters.passages, 6);
    record_index_free(ix);
}

static void embedder_that_never_keeps_its_name_is_refused(void **state)
{
    (void)state;
    record_index *ix = open_in(NULL, false);
    char id[16];
    int32_t code = QUIPU_OK;
    put(ix, "a", "a");
    the_letters.model_id = id;
    for (int i = 0; i < 20 && code == QUIPU_OK; i++) {
        snprintf(id, sizeof id, "m%d", i);
        code = record_index_embed(ix, NULL, NULL, NULL, NULL);
    }
    assert_int_equal(code, QUIPU_E_PLUGIN);
    record_index_free(ix);
}

static void passage_names_who_said_it(void **state)
{
    (void)state;
    record_index *ix = open_in(NULL, false);
    put_json(ix, "{\"id\":\"x\",\"text\":\"zz\",\"actor\":\"bab\"}");
    put_json(ix, "{\"id\":\"y\",\"text\":\"zz\",\"actor\":\"heh\"}");
    put_json(ix, "{\"id\":\"z\",\"text\":\"zz\",\"actor\":\"heh\"}");
    expect(ix, "bab", 3, NULL, "x y z");
    expect(ix, "heh", 3, NULL, "y z x");
    assert_int_equal(the_letters.passages, 2);
    record_index_free(ix);
}

static void what_is_missing_is_told_and_made(void **state)
{
    (void)state;
    record_index *ix = open_in(folder, false);
    record_index_vectors now;
    put_some(ix);
    put(ix, "s", "cd"); /* a text that is there already */
    put_json(ix, "{\"id\":\"none\",\"kind\":\"relation\",\"head\":\"x\",\"relation\":\"y\",\"tail\":\"z\"}");
    assert_int_equal(record_index_vector_state(ix, &now, NULL, NULL), QUIPU_OK);
    assert_true(now.passages == 4 && now.missing == 4 && now.vectors == 0);
    the_letters.no_passages = true;
    assert_int_equal(record_index_embed(ix, NULL, NULL, NULL, NULL), QUIPU_E_NETWORK);
    the_letters.no_passages = false;
    assert_int_equal(record_index_embed(ix, NULL, NULL, NULL, NULL), QUIPU_OK);
    assert_int_equal(record_index_vector_state(ix, &now, NULL, NULL), QUIPU_OK);
    assert_true(now.passages == 4 && now.missing == 0 && now.vectors == 3 && now.model.dimension == 8);
    assert_int_equal(the_letters.passages, 3);
    the_letters.model_id = "letters:8b";
    assert_int_equal(record_index_vector_state(ix, &now, NULL, NULL), QUIPU_OK);
    assert_true(now.missing == 4 && now.vectors == 0);
    record_index_free(ix);
    assert_int_equal(record_index_create(&plain_host, &ix, NULL), QUIPU_OK);
    assert_int_equal(record_index_vector_state(ix, &now, NULL, NULL), QUIPU_E_UNSUPPORTED);
    assert_int_equal(record_index_embed(ix, NULL, NULL, NULL, NULL), QUIPU_E_UNSUPPORTED);
    record_index_free(ix);
}

static void unused_vectors_go_where_there_is_no_history(void **state)
{
    (void)state;
    record_index *ix = open_in(NULL, false);
    record_index_vectors now;
    char text[32];
    put(ix, "stays", "abc");
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 500; i++) {
            char id[16];
            snprintf(id, sizeof id, "r%d", i);
            snprintf(text, sizeof text, "%d %d", round, i);
            put(ix, id, text);
        }
        assert_int_equal(record_index_embed(ix, NULL, NULL, NULL, NULL), QUIPU_OK);
    }
    for (int i = 0; i < 500; i++) {
        char id[16];
        snprintf(id, sizeof id, "r%d", i);
        record_index_remove(ix, str_of(id));
    }
    put(ix, "new", "fgh");
    int before = the_letters.passages;
    expect(ix, "abc", 1, NULL, "stays");
    assert_int_equal(the_letters.passages, before + 1); /* what lives was not embedded again */
    assert_int_equal(record_index_vector_state(ix, &now, NULL, NULL), QUIPU_OK);
    assert_int_equal(now.vectors, 2);
    record_index_free(ix);
}

/* ---- filters ---- */

/* 12,000 records, so that there are partitions; every 100th of user u2, and they are the worst; one in 6,000 of u3. */
static record_index *many(void)
{
    record_index *ix = open_in(folder, false);
    record_index_begin(ix);
    for (int i = 0; i < 12000; i++) {
        char json[256];
        const char *user = i % 6000 == 7 ? "u3" : i % 100 ? "u1" : "u2";
        snprintf(json, sizeof json, "{\"id\":\"r%05d\",\"text\":\"%d %.*s %s\",\"scope\":{\"user\":\"%s\"}}", i, i,
                 i % 11 + 1, "bcdefghbcdefgh", i % 100 && i % 6000 != 7 ? "aaaaaaaaaaaaaaa" : "a", user);
        put_json(ix, json);
    }
    record_index_end(ix);
    return ix;
}

static int count_of(record_index *ix, const quipu_filter *f, uint64_t k)
{
    quipu_search q = {
        .struct_size = sizeof q,
        .flags = QUIPU_SEARCH_WAIT,
        .text = str_of("aaa"),
        .mode = QUIPU_SEARCH_VECTOR,
        .k = k,
        .filter = f,
    };
    answer *a = calloc(1, sizeof *a);
    assert_int_equal(record_index_search(ix, &q, take, a, NULL, NULL), QUIPU_OK);
    int count = a->count;
    free(a);
    return count;
}

static int wanted(int records)
{
    return records < (int)QUIPU_SEARCH_K_MAX ? records : (int)QUIPU_SEARCH_K_MAX;
}

static void k_come_back_whenever_k_match(void **state)
{
    (void)state;
    quipu_filter f = { .struct_size = sizeof f, .now = QUIPU_TIME_NONE };
    record_index *ix = many();
    for (int restart = 0; restart < 2; restart++) {
        f.user = str_of("u2");
        assert_int_equal(count_of(ix, &f, 10), 10);
        assert_int_equal(count_of(ix, &f, 120), 120);
        assert_int_equal(count_of(ix, &f, 500), 120);
        f.user = str_of("u3");
        expect(ix, "aaa", 10, &f, "r06007 r00007");
        f.user = str_of("u1");
        assert_int_equal(count_of(ix, &f, QUIPU_SEARCH_K_MAX), wanted(11878));
        f.user = str_of("nobody");
        assert_int_equal(count_of(ix, &f, 10), 0);
        f.user = (quipu_str){ 0 };
        assert_int_equal(count_of(ix, &f, 10), 10);
        assert_int_equal(count_of(ix, &f, QUIPU_SEARCH_K_MAX), wanted(12000));
        record_index_free(ix);
        ix = restart ? NULL : many();
    }
    assert_int_equal(the_letters.passages, 12000);
}

/* Nearly all rows are of what was removed: the records that are left come nevertheless. */
static void removed_records_take_nobody_s_place(void **state)
{
    (void)state;
    record_index *ix = many();
    record_index_keep_history(ix);
    assert_int_equal(count_of(ix, NULL, 10), 10);
    record_index_begin(ix);
    for (int i = 0; i < 12000; i++) {
        char id[16];
        snprintf(id, sizeof id, "r%05d", i);
        if (i % 1000)
            record_index_remove(ix, str_of(id));
    }
    record_index_end(ix);
    assert_int_equal(count_of(ix, NULL, 100), 12);
    record_index_free(ix);
}

static void equal_texts_all_come(void **state)
{
    (void)state;
    record_index *ix = open_in(NULL, false);
    char id[16];
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "r%03d", i);
        put(ix, id, "same");
    }
    put(ix, "other", "hhh");
    expect(ix, "ae", 3, NULL, "r000 r001 r002");
    assert_int_equal(count_of(ix, NULL, 299), 299);
    assert_int_equal(count_of(ix, NULL, 500), 301);
    assert_int_equal(the_letters.passages, 2);
    record_index_free(ix);
}

/* ---- others ---- */

static void another_process_finds_what_was_embedded(void **state)
{
    (void)state;
    int status = 0;
    record_index_vectors now;
    record_index *ix = open_in(folder, false);
    put_some(ix);
    assert_int_equal(record_index_vector_state(ix, &now, NULL, NULL), QUIPU_OK);
    assert_int_equal(now.missing, 3);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        record_index *its = open_in(folder, false);
        put_some(its);
        int32_t code = record_index_embed(its, NULL, NULL, NULL, NULL);
        record_index_free(its);
        _exit(code == QUIPU_OK && the_letters.passages == 3 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(record_index_vector_state(ix, &now, NULL, NULL), QUIPU_OK);
    assert_int_equal(now.missing, 0);
    expect(ix, "cd", 1, NULL, "q");
    assert_int_equal(the_letters.passages, 0); /* they are the other process's */
    record_index_free(ix);
}

static void damage_every_file(const char *path)
{
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char file[512];
        struct stat is;
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (e->d_name[0] == '.' || stat(file, &is) != 0)
            continue;
        if (S_ISDIR(is.st_mode)) {
            damage_every_file(file);
        } else if (is.st_size > 0) {
            FILE *f = fopen(file, "r+b");
            assert_non_null(f);
            assert_int_equal(fseek(f, is.st_size / 2, SEEK_SET), 0);
            assert_int_equal(fputs("damage", f) < 0, 0);
            assert_int_equal(fclose(f), 0);
        }
    }
    closedir(d);
}

static void damaged_vectors_are_made_again(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        record_index *ix = open_in(folder, false);
        put_some(ix);
        expect(ix, "cd", 1, NULL, "q");
        record_index_free(ix);
        assert_int_equal(the_letters.passages, i < 2 ? 3 : 6);
        if (i == 1)
            damage_every_file(folder);
    }
}

static const char *check_folder(const char *name, uint64_t *rows)
{
    const char *fault;
    *rows = 0;
    assert_int_equal(vector_index_check(folder, name, rows, &fault, NULL, NULL), QUIPU_OK);
    return fault;
}

static void a_check_reads_all_vectors_and_compares_them_with_texts(void **state)
{
    char name[32] = "";
    uint64_t compared, wrong, rows;
    (void)state;
    record_index *ix = open_in(folder, false);
    put_some(ix);
    assert_int_equal(record_index_check_vectors(ix, &compared, &wrong, name, NULL, NULL), QUIPU_OK);
    assert_true(compared == 0 && wrong == 0); /* there are none yet */
    expect(ix, "cd", 1, NULL, "q");
    put(ix, "s", "gh");
    expect(ix, "gh", 1, NULL, "s");
    put(ix, "t", "none yet");
    assert_int_equal(record_index_check_vectors(ix, &compared, &wrong, name, NULL, NULL), QUIPU_OK);
    assert_true(compared == 4 && wrong == 0);
    the_letters.backwards = true;
    assert_int_equal(record_index_check_vectors(ix, &compared, &wrong, name, NULL, NULL), QUIPU_OK);
    assert_true(compared == 4 && wrong > 0);
    the_letters.nan = true;
    assert_int_equal(record_index_check_vectors(ix, &compared, &wrong, name, NULL, NULL), QUIPU_E_PLUGIN);
    record_index_free(ix);
    assert_null(check_folder(name, &rows));
    assert_int_equal(rows, 4);
    damage_every_file(folder);
    assert_non_null(check_folder(name, &rows));
    const char *fault;
    assert_int_equal(vector_index_check(folder, "none", &rows, &fault, NULL, NULL), QUIPU_E_NOT_FOUND);
    assert_int_equal(record_index_create(&plain_host, &ix, NULL), QUIPU_OK);
    assert_int_equal(record_index_check_vectors(ix, &compared, &wrong, name, NULL, NULL), QUIPU_E_UNSUPPORTED);
    record_index_free(ix);
}

static void *search_often(void *context)
{
    record_index *ix = context;
    quipu_search q = {
        .struct_size = sizeof q, .flags = QUIPU_SEARCH_WAIT, .text = str_of("cd"), .mode = QUIPU_SEARCH_VECTOR, .k = 1
    };
    for (int i = 0; i < 200; i++) {
        answer a = { .count = 0 };
        quipu_error error = { .struct_size = sizeof error };
        int32_t rc = record_index_search(ix, &q, take, &a, NULL, &error);
        if (rc != QUIPU_OK || strcmp(a.ids, "q") != 0) {
            print_error("%d: %s, \"%s\"\n", rc, error.message, a.ids);
            return "a search failed";
        }
    }
    return NULL;
}

static void threads_search_while_records_come(void **state)
{
    (void)state;
    pthread_t threads[3];
    record_index *ix = open_in(folder, false);
    put_some(ix);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, search_often, ix), 0);
    for (int i = 0; i < 200; i++) {
        char id[16], text[32];
        snprintf(id, sizeof id, "n%d", i % 50);
        snprintf(text, sizeof text, "h %d", i);
        put(ix, id, text);
    }
    for (int i = 0; i < 3; i++) {
        void *why = NULL;
        pthread_join(threads[i], &why);
        assert_null(why);
    }
    record_index_free(ix);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_embedded_again_after_a_restart),
        TEST(many_restarts_leave_few_files),
        TEST(read_only_writes_nothing),
        TEST(folder_that_cannot_be_had_costs_only_persistence),
        TEST(forks_and_fresh_ones_share_vectors),
        TEST(models_lie_side_by_side),
        TEST(embedder_that_never_keeps_its_name_is_refused),
        TEST(passage_names_who_said_it),
        TEST(what_is_missing_is_told_and_made),
        TEST(unused_vectors_go_where_there_is_no_history),
        TEST(k_come_back_whenever_k_match),
        TEST(removed_records_take_nobody_s_place),
        TEST(equal_texts_all_come),
        TEST(another_process_finds_what_was_embedded),
        TEST(damaged_vectors_are_made_again),
        TEST(a_check_reads_all_vectors_and_compares_them_with_texts),
        TEST(threads_search_while_records_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
