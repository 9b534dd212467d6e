/* test_vectors.c - what vectors.h promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <math.h>
#include <sdk/vectors.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern int openblas_get_num_threads(void) __attribute__((weak));

static int threads_now(void)
{
    return openblas_get_num_threads ? openblas_get_num_threads() : 0;
}

/* In a process of its own: the environment is read once. What was not set leaves the process's number alone. */
static int threads_in_child(const char *setting)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        quipu_error error = { .struct_size = sizeof error };
        if (setting)
            setenv("QUIPU_BLAS_THREADS", setting, 1);
        int before = threads_now();
        int32_t code = vectors_check_blas(&error);
        bool named = code == QUIPU_E_INVALID && strcmp(error.field, "QUIPU_BLAS_THREADS") == 0;
        int now = threads_now();
        _exit(code != QUIPU_OK ? (named ? 100 : 101) : setting || now == before ? now : 102);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void threads_are_chosen_by_the_environment(void **state)
{
    (void)state;
    if (threads_now() == 0)
        skip();
    assert_int_equal(threads_in_child("1"), 1);
    assert_int_equal(threads_in_child("2"), 2);
    assert_int_equal(threads_in_child(NULL), threads_now());
    static const char *const bad[] = { "0", "-1", "257", "many", "2 ", "99999999999999999999" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(threads_in_child(bad[i]), 100);
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

static void vectors_get_unit_length(void **state)
{
    (void)state;
    float v[2] = { 3, 4 }, zero[3] = { 0, 0, 0 }, large[2] = { 3e38f, 0 };
    assert_true(vectors_normalise(v, 2, v));
    assert_true(fabsf(v[0] - 0.6f) < 1e-6f && fabsf(v[1] - 0.8f) < 1e-6f);
    assert_true(vectors_normalise(large, 2, large));
    assert_true(large[0] == 1);
    assert_false(vectors_normalise(zero, 3, zero));
    assert_true(zero[0] == 0);
}

static void bad_vectors_are_named(void **state)
{
    (void)state;
    quipu_error error = { .struct_size = sizeof error };
    float zero[3] = { 0, 0, 0 }, bad[3] = { 1, NAN, 0 }, infinite[3] = { INFINITY, 0, 0 };
    assert_true(vectors_are_finite(zero, 3));
    assert_int_equal(vectors_check(zero, 3, 3, &error), QUIPU_OK);
    assert_false(vectors_are_finite(bad, 3));
    assert_false(vectors_are_finite(infinite, 3));
    assert_int_equal(vectors_check(bad, 3, 3, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "vector");
    assert_int_equal(vectors_check(zero, 3, 4, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "vector");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_are_chosen_by_the_environment), /* first: the others read the environment */
        cmocka_unit_test(blas_multiplies_rightly),
        cmocka_unit_test(vectors_get_unit_length),
        cmocka_unit_test(bad_vectors_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
