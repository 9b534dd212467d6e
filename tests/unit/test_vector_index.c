/* test_vector_index.c - what vector_index.h promises: results, filters, removals, restarts, other processes, damage. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <sdk/vector_index.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tests/support/scratch.h>
#include <tests/support/some_vectors.h>
#include <unistd.h>

enum { DIMENSION = 40, ROWS = 20000, QUESTIONS = 70, K = 10 };

static some_vectors *all, *asked; /* rows with their keys; questions */
static char folder[128];

static int begin_all(void **state)
{
    (void)state;
    all = some_vectors_new(ROWS, DIMENSION, 1);
    asked = some_vectors_new(QUESTIONS, DIMENSION, 2);
    return 0;
}

static int end_all(void **state)
{
    (void)state;
    some_vectors_free(all);
    some_vectors_free(asked);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    scratch_make(folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

static const uint8_t *key_of(uint32_t i)
{
    return all->keys + (size_t)i * VECTOR_KEY;
}

static float *row_of(uint32_t i)
{
    return all->rows + (size_t)i * DIMENSION;
}

static const float *question(uint32_t i)
{
    return asked->rows + (size_t)i * DIMENSION;
}

static vector_index *open_in(const char *path)
{
    vector_index *ix = NULL;
    assert_int_equal(vector_index_open(path, "vectors", false, str_of("model:1"), DIMENSION, &ix, NULL, NULL),
                     QUIPU_OK);
    return ix;
}

static void add_rows(vector_index *ix, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        assert_int_equal(vector_index_add(ix, key_of(i), row_of(i), DIMENSION, NULL), QUIPU_OK);
}

static void settle(vector_index *ix)
{
    assert_int_equal(vector_index_settle(ix, NULL, NULL), QUIPU_OK);
    assert_int_equal(vector_index_unsettled(ix), 0);
}

static vector_view *view(vector_index *ix)
{
    vector_view *v = NULL;
    assert_int_equal(vector_index_view(ix, &v, NULL), QUIPU_OK);
    return v;
}

static uint64_t count_rows(vector_index *ix)
{
    vector_index_stats stats;
    vector_index_describe(ix, &stats);
    return stats.rows;
}

/* The numbers of all rows in a view. */
static uint32_t *numbers(const vector_view *v, uint32_t from, uint32_t to)
{
    uint32_t *rows = malloc((to - from) * sizeof *rows);
    for (uint32_t i = from; i < to; i++)
        rows[i - from] = vector_view_find(v, key_of(i));
    return rows;
}

/* The share of what a loop over all rows finds in what the search finds; the search's scores are true. admitted: as in vector_search.
 * Rows [from, to) are in the index. */
static double recall(const vector_view *v, uint32_t from, uint32_t to, const vector_search *how)
{
    uint32_t rows = vector_view_rows(v), k = how->k < rows ? how->k : rows, *number = numbers(v, from, to);
    vectors_match *found = calloc((size_t)QUESTIONS * k + 1, sizeof *found);
    uint32_t counts[QUESTIONS], wanted = 0, hit = 0;
    assert_int_equal(vector_view_search(v, asked->rows, QUESTIONS, DIMENSION, how, found, counts, NULL, NULL),
                     QUIPU_OK);
    for (uint32_t q = 0; q < QUESTIONS; q++) {
        const vectors_match *mine = found + (size_t)q * k;
        float worst = counts[q] ? mine[counts[q] - 1].score : INFINITY;
        uint32_t better = 0, passing = 0;
        for (uint32_t i = from; i < to; i++) {
            double score = 0;
            if (number[i - from] == VECTORS_NONE ||
                (how->admitted && !(how->admitted[number[i - from] / 32] >> (number[i - from] % 32) & 1)))
                continue;
            for (uint32_t j = 0; j < DIMENSION; j++)
                score += (double)row_of(i)[j] * question(q)[j];
            passing++;
            better += score > worst + 1e-5;
        }
        assert_int_equal(counts[q], passing < k ? passing : k);
        for (uint32_t i = 0; i < counts[q]; i++) {
            uint32_t row = mine[i].row;
            float score;
            assert_non_null(vector_view_key(v, row));
            assert_true(!how->admitted || how->admitted[row / 32] >> (row % 32) & 1);
            assert_int_equal(vector_view_score(v, question(q), &row, 1, &score, NULL, NULL), QUIPU_OK);
            assert_true(fabsf(score - mine[i].score) < 1e-5f);
            assert_true(i == 0 || mine[i - 1].score >= mine[i].score);
            better -= better > 0 && mine[i].score > worst + 1e-5f;
        }
        wanted += counts[q];
        hit += better < counts[q] ? counts[q] - better : 0;
    }
    free(found);
    free(number);
    return wanted ? (double)hit / wanted : 1;
}

static void exact_search_is_what_a_loop_finds(void **state)
{
    (void)state;
    vector_index *ix = open_in(NULL);
    vector_search how = { .k = K };
    vector_view *empty = view(ix);
    assert_true(recall(empty, 0, 0, &how) == 1);
    vector_view_free(empty);
    add_rows(ix, 0, 3000); /* in the tail */
    const uint32_t ks[] = { 0, 1, K, 2999, 3000, 10000000 };
    for (size_t i = 0; i < sizeof ks / sizeof ks[0]; i++) {
        vector_view *v = view(ix);
        how.k = ks[i];
        assert_true(recall(v, 0, 3000, &how) == 1);
        vector_view_free(v);
    }
    settle(ix);
    add_rows(ix, 3000, ROWS);
    settle(ix);
    how = (vector_search){ .k = K, .exact = true };
    vector_view *v = view(ix);
    assert_true(recall(v, 0, ROWS, &how) == 1); /* over images */
    vector_view_free(v);
    vector_index_free(ix);
}

static void partitions_find_nearly_all(void **state)
{
    (void)state;
    vector_index *ix = open_in(NULL);
    vector_index_stats stats;
    add_rows(ix, 0, ROWS);
    settle(ix);
    vector_index_describe(ix, &stats);
    assert_int_equal(stats.rows, ROWS);
    assert_int_equal(stats.tail, 0);
    assert_true(stats.partitions > 100);
    vector_view *v = view(ix);
    vector_search how = { .k = K };
    assert_true(recall(v, 0, ROWS, &how) > 0.98);
    how.k = 100;
    assert_true(recall(v, 0, ROWS, &how) > 0.98);
    how = (vector_search){ .k = K, .effort = 0.02f };
    double hasty = recall(v, 0, ROWS, &how);
    assert_true(hasty > 0.3 && hasty < 0.98);
    how = (vector_search){ .k = 10000000 }; /* all of them, in order */
    assert_true(recall(v, 0, ROWS, &how) == 1);
    vector_view_free(v);
    vector_index_free(ix);
}

/* At any selectivity: k results come whenever there are k, and none that is not admitted. */
static void filter_comes_before_the_ranking(void **state)
{
    (void)state;
    vector_index *ix = open_in(NULL);
    add_rows(ix, 0, ROWS - 500);
    settle(ix);
    add_rows(ix, ROWS - 500, ROWS);
    vector_view *v = view(ix);
    uint32_t *number = numbers(v, 0, ROWS);
    const uint32_t shares[] = { ROWS, 4000, 100, 7, 2 };
    for (size_t n = 0; n < sizeof shares / sizeof shares[0]; n++) {
        uint32_t *admitted = calloc(vector_view_rows(v) / 32 + 1, sizeof *admitted);
        for (uint32_t i = 3; i < ROWS; i += shares[n])
            admitted[number[i] / 32] |= 1u << (number[i] % 32);
        vector_search how = { .k = K, .admitted = admitted };
        double share = recall(v, 0, ROWS, &how);
        assert_true(share == 1 || (shares[n] < 64 && share > 0.97));
        free(admitted);
    }
    free(number);
    vector_view_free(v);
    vector_index_free(ix);
}

static void removed_rows_never_come_back(void **state)
{
    (void)state;
    vector_index *ix = open_in(folder);
    vector_search how = { .k = K };
    add_rows(ix, 0, 9000);
    settle(ix);
    add_rows(ix, 9000, 9500);
    for (uint32_t i = 0; i < 9500; i += 10) /* of the image and of the tail */
        assert_int_equal(vector_index_remove(ix, key_of(i), NULL), QUIPU_OK);
    assert_int_equal(vector_index_remove(ix, key_of(0), NULL), QUIPU_E_NOT_FOUND);
    assert_int_equal(vector_index_add(ix, key_of(20), row_of(20), DIMENSION, NULL), QUIPU_OK); /* but for this one */
    for (int round = 0; round < 4; round++) {
        vector_view *v = view(ix);
        assert_int_equal(count_rows(ix), 8551);
        for (uint32_t i = 0; i < 9500; i++)
            assert_int_equal(vector_index_has(ix, key_of(i)), i % 10 != 0 || i == 20);
        assert_int_equal(vector_view_find(v, key_of(10)), VECTORS_NONE);
        assert_true(recall(v, 0, 9500, &how) > 0.97);
        vector_view_free(v);
        if (round == 0 || round == 2)
            settle(ix); /* removals are written; then everything is merged */
        if (round == 1) {
            vector_index_free(ix);
            ix = open_in(folder);
            add_rows(ix, 9501, 9502);
            assert_int_equal(vector_index_remove(ix, key_of(9501), NULL), QUIPU_OK);
        }
    }
    vector_index_free(ix);
}

static void view_stays_as_it_was(void **state)
{
    (void)state;
    vector_index *ix = open_in(folder);
    vector_search how = { .k = K };
    add_rows(ix, 0, 9000);
    vector_view *v = view(ix), *late;
    uint32_t row = vector_view_find(v, key_of(77));
    settle(ix);
    add_rows(ix, 9000, 9100);
    assert_int_equal(vector_view_find(v, key_of(77)), row);
    assert_int_equal(vector_view_find(v, key_of(9001)), VECTORS_NONE);
    assert_memory_equal(vector_view_key(v, row), key_of(77), VECTOR_KEY);
    assert_true(recall(v, 0, 9000, &how) == 1);
    late = view(ix);
    settle(ix);
    vector_index_free(ix);
    assert_true(recall(v, 0, 9000, &how) == 1);
    assert_true(recall(late, 0, 9100, &how) > 0.98); /* its file is gone, its mapping is not */
    vector_view_free(late);
    assert_null(vector_view_row(v, vector_view_rows(v)));
    vector_view_free(v);
    vector_view_free(NULL);
}

static void rows_survive_a_restart(void **state)
{
    (void)state;
    vector_index *ix = open_in(folder);
    vector_search how = { .k = K };
    bool rebuilt = true;
    for (uint32_t i = 0; i < 10; i++) {
        add_rows(ix, i * 1000, (i + 1) * 1000);
        settle(ix);
    }
    vector_index_stats stats;
    vector_index_describe(ix, &stats);
    assert_true(stats.runs <= 5);
    add_rows(ix, 10000, 10001); /* not settled: lost */
    vector_index_free(ix);
    assert_int_equal(vector_index_open(folder, "vectors", false, str_of("model:1"), DIMENSION, &ix, &rebuilt, NULL),
                     QUIPU_OK);
    assert_false(rebuilt);
    assert_int_equal(count_rows(ix), 10000);
    assert_false(vector_index_has(ix, key_of(10000)));
    vector_view *v = view(ix);
    uint32_t row = vector_view_find(v, key_of(4321));
    assert_memory_equal(vector_view_row(v, row), row_of(4321), sizeof(float) * DIMENSION / 2);
    assert_true(recall(v, 0, 10000, &how) > 0.98);
    vector_view_free(v);
    vector_index_free(ix);
}

static void another_model_begins_anew(void **state)
{
    (void)state;
    vector_index *ix = open_in(folder);
    bool rebuilt = false;
    add_rows(ix, 0, 100);
    settle(ix);
    vector_index_free(ix);
    assert_int_equal(vector_index_open(folder, "vectors", false, str_of("model:2"), DIMENSION, &ix, &rebuilt, NULL),
                     QUIPU_OK);
    assert_true(rebuilt);
    assert_true(vector_index_is_of(ix, str_of("model:2"), DIMENSION));
    assert_false(vector_index_is_of(ix, str_of("model:1"), DIMENSION));
    assert_int_equal(count_rows(ix), 0);
    add_rows(ix, 100, 120);
    settle(ix);
    vector_index_free(ix);
    ix = open_in(folder); /* the first model's are gone */
    assert_int_equal(count_rows(ix), 0);
    vector_index_free(ix);
}

/* ---- damage ---- */

static void first_segment(char *path, size_t size)
{
    char place[200];
    snprintf(place, sizeof place, "%s/vectors", folder);
    DIR *d = opendir(place);
    path[0] = '\0';
    for (struct dirent *e; (e = readdir(d));)
        if (strncmp(e->d_name, "segment-", 8) == 0)
            snprintf(path, size, "%s/%s", place, e->d_name);
    closedir(d);
    assert_true(path[0] != '\0');
}

static void damage_is_noticed_and_mended(void **state)
{
    (void)state;
    for (int place = 0; place < 20; place++) {
        char path[600];
        bool rebuilt = false;
        vector_index *ix = open_in(folder);
        add_rows(ix, 0, 8300);
        settle(ix);
        vector_index_free(ix);
        first_segment(path, sizeof path);
        struct stat is;
        assert_int_equal(stat(path, &is), 0);
        FILE *f = fopen(path, "r+b");
        fseek(f, (long)((double)is.st_size * place / 20), SEEK_SET);
        int byte = fgetc(f);
        fseek(f, -1, SEEK_CUR);
        fputc(byte ^ 0x10, f);
        fclose(f);
        assert_int_equal(vector_index_open(folder, "vectors", false, str_of("model:1"), DIMENSION, &ix, &rebuilt, NULL),
                         QUIPU_OK);
        assert_true(rebuilt);
        assert_int_equal(count_rows(ix), 0);
        add_rows(ix, 0, 10);
        settle(ix);
        vector_index_free(ix);
        ix = open_in(folder);
        assert_int_equal(count_rows(ix), 10);
        vector_index_free(ix);
    }
}

/* ---- others ---- */

/* A child adds, removes and settles; what it did is seen after a refresh, and both together lose nothing. */
static void processes_share_what_is_settled(void **state)
{
    (void)state;
    vector_index *ix = open_in(folder);
    add_rows(ix, 0, 300);
    settle(ix);
    add_rows(ix, 300, 400); /* in the tail, while the other one works */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        vector_index *own = NULL;
        int32_t rc = vector_index_open(folder, "vectors", false, str_of("model:1"), DIMENSION, &own, NULL, NULL);
        for (uint32_t i = 350; rc == QUIPU_OK && i < 500; i++)
            rc = vector_index_add(own, key_of(i), row_of(i), DIMENSION, NULL);
        if (rc == QUIPU_OK)
            rc = vector_index_remove(own, key_of(5), NULL);
        if (rc == QUIPU_OK)
            rc = vector_index_settle(own, NULL, NULL);
        vector_index_free(own);
        _exit(rc == QUIPU_OK ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_true(vector_index_has(ix, key_of(5)));
    assert_int_equal(vector_index_refresh(ix, NULL), QUIPU_OK);
    assert_false(vector_index_has(ix, key_of(5)));
    assert_int_equal(count_rows(ix), 499);
    assert_int_equal(vector_index_remove(ix, key_of(6), NULL), QUIPU_OK);
    assert_int_equal(vector_index_refresh(ix, NULL), QUIPU_OK); /* a removal that is not settled holds */
    assert_false(vector_index_has(ix, key_of(6)));
    settle(ix);
    assert_int_equal(count_rows(ix), 498);
    vector_index_free(ix);
    ix = open_in(folder);
    assert_int_equal(count_rows(ix), 498);
    vector_index_free(ix);
}

static atomic_bool stop;

/* Rows that are taken up from the disk leave the tail; a view of before, which has not got them from there, keeps them. */
static void view_keeps_what_others_settled_as_well(void **state)
{
    (void)state;
    vector_view *before, *after;
    vector_index *ix = open_in(folder), *other = open_in(folder);
    add_rows(ix, 0, 40);
    assert_int_equal(vector_index_view(ix, &before, NULL), QUIPU_OK);
    add_rows(other, 10, 30);
    settle(other);
    assert_int_equal(vector_index_refresh(ix, NULL), QUIPU_OK);
    assert_int_equal(vector_index_view(ix, &after, NULL), QUIPU_OK);
    for (uint32_t i = 0; i < 40; i++) {
        assert_int_not_equal(vector_view_find(before, key_of(i)), VECTORS_NONE);
        assert_int_not_equal(vector_view_find(after, key_of(i)), VECTORS_NONE);
    }
    vector_index_stats now;
    vector_index_describe(ix, &now);
    assert_int_equal(now.rows, 40); /* none of them twice */
    assert_int_equal(now.tail, 20);
    vector_view_free(before);
    vector_view_free(after);
    vector_index_free(other);
    vector_index_free(ix);
}

static void *search_on(void *context)
{
    vector_index *ix = context;
    while (!atomic_load(&stop)) {
        vectors_match found[K];
        uint32_t count;
        vector_view *v = view(ix);
        vector_search how = { .k = K };
        assert_int_equal(vector_view_search(v, question(3), 1, DIMENSION, &how, found, &count, NULL, NULL), QUIPU_OK);
        assert_int_equal(count, K);
        for (uint32_t i = 0; i < count; i++)
            assert_memory_not_equal(vector_view_key(v, found[i].row), key_of(0), VECTOR_KEY);
        vector_view_free(v);
    }
    return NULL;
}

static void *settle_on(void *context)
{
    while (!atomic_load(&stop))
        assert_int_equal(vector_index_settle(context, NULL, NULL), QUIPU_OK);
    return NULL;
}

static void readers_go_on_while_rows_change(void **state)
{
    (void)state;
    vector_index *ix = open_in(folder);
    pthread_t readers[2], settler;
    add_rows(ix, 0, 1000);
    assert_int_equal(vector_index_remove(ix, key_of(0), NULL), QUIPU_OK);
    atomic_store(&stop, false);
    for (int i = 0; i < 2; i++)
        pthread_create(&readers[i], NULL, search_on, ix);
    pthread_create(&settler, NULL, settle_on, ix);
    for (uint32_t i = 1000; i < 10000; i++) {
        add_rows(ix, i, i + 1);
        if (i % 3 == 0)
            assert_int_equal(vector_index_remove(ix, key_of(i - 500), NULL), QUIPU_OK);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
    pthread_join(settler, NULL);
    settle(ix);
    for (uint32_t i = 1; i < 10000; i++)
        assert_int_equal(vector_index_has(ix, key_of(i)), !(i >= 500 && i < 9500 && (i + 500) % 3 == 0));
    vector_index_free(ix);
}

/* ---- bad input ---- */

static void bad_input_is_named(void **state)
{
    (void)state;
    quipu_error error = { .struct_size = sizeof error };
    vector_index *ix = NULL;
    assert_int_equal(vector_index_open(NULL, NULL, false, str_of("m"), 0, &ix, NULL, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "dimension");
    assert_int_equal(vector_index_open(NULL, NULL, false, str_of(""), 3, &ix, NULL, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "model");
    assert_null(ix);
    ix = open_in(NULL);
    add_rows(ix, 0, 10);
    vector_view *v = view(ix);
    float bad[DIMENSION] = { 0, NAN };
    vectors_match found[K];
    uint32_t count = 5;
    vector_search how = { .k = K };
    assert_int_equal(vector_index_add(ix, key_of(20), bad, DIMENSION, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "vector");
    bad[1] = INFINITY;
    assert_int_equal(vector_view_search(v, bad, 1, DIMENSION, &how, found, &count, NULL, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "vector");
    assert_int_equal(count, 0);
    assert_int_equal(vector_index_add(ix, key_of(20), row_of(20), DIMENSION - 1, &error), QUIPU_E_INVALID);
    assert_int_equal(vector_view_search(v, question(0), 1, DIMENSION + 1, &how, found, &count, NULL, &error),
                     QUIPU_E_INVALID);
    assert_string_equal(error.field, "vector");
    const float efforts[] = { -1, NAN, 0.001f, 1001 };
    for (int i = 0; i < 4; i++) {
        how.effort = efforts[i];
        assert_int_equal(vector_view_search(v, question(0), 1, DIMENSION, &how, found, &count, NULL, &error),
                         QUIPU_E_INVALID);
        assert_string_equal(error.field, "effort");
    }
    float score;
    const uint32_t nowhere = 4000000;
    assert_int_equal(vector_view_score(v, question(0), &nowhere, 1, &score, NULL, NULL), QUIPU_OK);
    assert_true(score == -INFINITY);
    vector_view_free(v);
    vector_index_free(ix);
    vector_index_free(NULL);
}

static void late_calls_stop_and_lose_nothing(void **state)
{
    (void)state;
    quipu_call late = { .struct_size = sizeof late, .deadline_ns = 1 };
    vector_index *ix = open_in(folder);
    vectors_match found[K];
    uint32_t count;
    float score;
    const uint32_t row = 0;
    vector_search how = { .k = K };
    add_rows(ix, 0, 9000);
    assert_int_equal(vector_index_settle(ix, &late, NULL), QUIPU_E_TIMEOUT);
    assert_int_equal(vector_index_unsettled(ix), 9000);
    for (int settled = 0; settled < 2; settled++) {
        vector_view *v = view(ix);
        assert_int_equal(vector_view_search(v, question(0), 1, DIMENSION, &how, found, &count, &late, NULL),
                         QUIPU_E_TIMEOUT);
        assert_int_equal(vector_view_score(v, question(0), &row, 1, &score, &late, NULL), QUIPU_E_TIMEOUT);
        vector_view_free(v);
        settle(ix);
    }
    vector_index_free(ix);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(exact_search_is_what_a_loop_finds),
        TEST(partitions_find_nearly_all),
        TEST(filter_comes_before_the_ranking),
        TEST(removed_rows_never_come_back),
        TEST(view_stays_as_it_was),
        TEST(rows_survive_a_restart),
        TEST(another_model_begins_anew),
        TEST(damage_is_noticed_and_mended),
        TEST(processes_share_what_is_settled),
        TEST(view_keeps_what_others_settled_as_well),
        TEST(readers_go_on_while_rows_change),
        TEST(bad_input_is_named),
        TEST(late_calls_stop_and_lose_nothing),
    };
    return cmocka_run_group_tests(tests, begin_all, end_all);
}
