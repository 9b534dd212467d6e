/* test_vectors.c - what vectors.h and passages.h promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <math.h>
#include <sdk/search/passages.h>
#include <sdk/vectors.h>
#include <stdlib.h>

enum { DIMENSION = 24, ROWS = 700 };

static float next_float(uint32_t *random)
{
    *random = *random * 1664525u + 1013904223u;
    return (float)(*random >> 8) / (float)(1u << 23) - 1;
}

static void fill(float *out, uint32_t *random)
{
    for (int i = 0; i < DIMENSION; i++)
        out[i] = next_float(random);
}

static void blas_multiplies_rightly(void **state)
{
    (void)state;
    quipu_error error = { .struct_size = sizeof error };
    assert_int_equal(vectors_check_blas(&error), QUIPU_OK);
    assert_non_null(vectors_blas_name());
    assert_true(vectors_set_threads(1));
    assert_false(vectors_set_threads(0));
}

static void scores_are_cosines(void **state)
{
    (void)state;
    vectors *v = NULL;
    uint32_t random = 1, row;
    float raw[ROWS][DIMENSION], question[DIMENSION], scores[ROWS];
    assert_int_equal(vectors_create(DIMENSION, &v, NULL), QUIPU_OK);
    assert_int_equal(vectors_score(v, question, scores, NULL, NULL), QUIPU_OK); /* of none */
    for (uint32_t i = 0; i < ROWS; i++) {
        fill(raw[i], &random);
        assert_int_equal(vectors_add(v, raw[i], &row, NULL), QUIPU_OK);
        assert_int_equal(row, i);
    }
    fill(question, &random);
    assert_true(vectors_normalise(question, DIMENSION, question));
    assert_int_equal(vectors_score(v, question, scores, NULL, NULL), QUIPU_OK);
    for (int i = 0; i < ROWS; i++) {
        double dot = 0, norm = 0;
        for (int j = 0; j < DIMENSION; j++) {
            dot += (double)raw[i][j] * question[j];
            norm += (double)raw[i][j] * raw[i][j];
        }
        assert_true(fabs(dot / sqrt(norm) - scores[i]) < 1e-5);
    }
    vectors_free(v);
}

static int compare_matches(const void *a, const void *b)
{
    const vectors_match *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

static void top_is_what_sorting_gives(void **state)
{
    (void)state;
    vectors *v = NULL;
    uint32_t random = 5, row, count;
    float vector[DIMENSION], question[DIMENSION], scores[ROWS];
    static vectors_match all[ROWS], top[ROWS + 10];
    assert_int_equal(vectors_create(DIMENSION, &v, NULL), QUIPU_OK);
    for (int i = 0; i < ROWS; i++) {
        if (i % 3 != 1) /* some rows are equal, for ties */
            fill(vector, &random);
        assert_int_equal(vectors_add(v, vector, &row, NULL), QUIPU_OK);
    }
    fill(question, &random);
    vectors_normalise(question, DIMENSION, question);
    assert_int_equal(vectors_score(v, question, scores, NULL, NULL), QUIPU_OK);
    for (uint32_t i = 0; i < ROWS; i++)
        all[i] = (vectors_match){ scores[i], i };
    qsort(all, ROWS, sizeof all[0], compare_matches);
    const uint32_t ks[] = { 0, 1, 2, 10, ROWS - 1, ROWS, ROWS + 10 };
    for (size_t i = 0; i < sizeof ks / sizeof ks[0]; i++) {
        assert_int_equal(vectors_top(v, question, ks[i], top, &count, NULL, NULL), QUIPU_OK);
        assert_int_equal(count, ks[i] < ROWS ? ks[i] : ROWS);
        for (uint32_t j = 0; j < count; j++)
            assert_int_equal(top[j].row, all[j].row);
    }
    vectors_free(v);
}

static void removed_row_is_filled_with_the_last(void **state)
{
    (void)state;
    enum { WIDE = 1 << 16 }; /* 16 rows a block, so that blocks come and go */
    vectors *v = NULL;
    uint32_t row;
    float *vector = calloc(WIDE, sizeof *vector);
    assert_non_null(vector);
    assert_int_equal(vectors_create(WIDE, &v, NULL), QUIPU_OK);
    for (uint32_t i = 0; i < 40; i++) {
        memset(vector, 0, WIDE * sizeof *vector);
        vector[i] = 2;
        assert_int_equal(vectors_add(v, vector, &row, NULL), QUIPU_OK);
    }
    float scores[40];
    for (uint32_t i = 0; i < 40; i += 13) { /* in every block */
        assert_int_equal(vectors_score(v, vectors_row(v, i), scores, NULL, NULL), QUIPU_OK);
        for (uint32_t j = 0; j < 40; j++)
            assert_true(scores[j] == (j == i ? 1 : 0));
    }
    assert_int_equal(vectors_remove(v, 3), 39);
    assert_true(vectors_row(v, 3)[39] == 1);
    assert_int_equal(vectors_remove(v, 38), VECTORS_NONE);
    while (vectors_count(v) > 1)
        vectors_remove(v, vectors_count(v) - 1);
    assert_true(vectors_row(v, 0)[0] == 1);
    assert_int_equal(vectors_remove(v, 0), VECTORS_NONE);
    assert_int_equal(vectors_add(v, vector, &row, NULL), QUIPU_OK);
    assert_int_equal(row, 0);
    vectors_free(v);
    free(vector);
}

static void bad_arguments_are_named(void **state)
{
    (void)state;
    vectors *v = NULL;
    quipu_error error = { .struct_size = sizeof error };
    float zero[3] = { 0, 0, 0 }, bad[3] = { 1, NAN, 0 }, infinite[3] = { INFINITY, 0, 0 };
    assert_int_equal(vectors_create(0, &v, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "dimension");
    assert_int_equal(vectors_create(VECTORS_DIMENSION_MAX + 1, &v, &error), QUIPU_E_INVALID);
    assert_null(v);
    assert_true(vectors_are_finite(zero, 3));
    assert_false(vectors_are_finite(bad, 3));
    assert_false(vectors_are_finite(infinite, 3));
    assert_false(vectors_normalise(zero, 3, zero));
    vectors_free(NULL);
}

static void late_search_stops(void **state)
{
    (void)state;
    vectors *v = NULL;
    uint32_t row, count;
    float vector[DIMENSION] = { 1 };
    vectors_match top[1];
    quipu_call call = { .struct_size = sizeof call, .deadline_ns = 1 };
    assert_int_equal(vectors_create(DIMENSION, &v, NULL), QUIPU_OK);
    assert_int_equal(vectors_add(v, vector, &row, NULL), QUIPU_OK);
    assert_int_equal(vectors_top(v, vector, 1, top, &count, &call, NULL), QUIPU_E_TIMEOUT);
    assert_int_equal(count, 0);
    vectors_free(v);
}

static void make_key(uint32_t n, uint8_t key[PASSAGES_KEY])
{
    memset(key, 0, PASSAGES_KEY);
    memcpy(key, &n, sizeof n);
}

static void passages_are_found_by_their_texts(void **state)
{
    (void)state;
    passages *p = NULL;
    uint8_t key[PASSAGES_KEY];
    uint32_t row;
    assert_int_equal(passages_create(str_of("m:8"), 8, &p, NULL), QUIPU_OK);
    assert_true(passages_are_of(p, str_of("m:8"), 8));
    assert_false(passages_are_of(p, str_of("n:8"), 8));
    assert_false(passages_are_of(p, str_of("m:8"), 4));
    for (uint32_t i = 0; i < 10000; i++) {
        float vector[8] = { 0 };
        vector[i % 8] = 1;
        make_key(i, key);
        assert_int_equal(passages_find(p, key), PASSAGES_NONE);
        assert_int_equal(passages_add(p, key, vector, &row, NULL), QUIPU_OK);
        assert_int_equal(passages_find(p, key), row);
    }
    for (uint32_t i = 0; i < 10000; i += 10) {
        make_key(i, key);
        row = passages_find(p, key);
        assert_int_not_equal(row, PASSAGES_NONE);
        assert_true(vectors_row(passages_vectors(p), row)[i % 8] == 1);
    }
    passages_free(p);
    passages_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blas_multiplies_rightly),           cmocka_unit_test(scores_are_cosines),
        cmocka_unit_test(top_is_what_sorting_gives),         cmocka_unit_test(removed_row_is_filled_with_the_last),
        cmocka_unit_test(bad_arguments_are_named),           cmocka_unit_test(late_search_stops),
        cmocka_unit_test(passages_are_found_by_their_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
