/* test_few_rows.c - the product of a few rows with a matrix, against one in doubles, with each set of instructions that there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../plugins/embed_bert/few_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNTOUCHED 12345.0f

static float value(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(int32_t)*state / 2147483648.0f;
}

static float *floats(size_t count, uint32_t seed)
{
    float *all = malloc(count * sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i < count; i++)
        all[i] = value(&seed);
    return all;
}

static void assert_product(const few_rows *p)
{
    for (uint32_t row = 0; row < p->rows; row++)
        for (uint32_t output = 0; output < p->stride; output++) {
            double expected = 0;
            float found = p->to[(size_t)row * p->stride + output];
            for (uint32_t k = 0; output < p->out && k < p->in; k++)
                expected += (double)p->from[(size_t)row * p->in + k] * (double)p->weight[(size_t)output * p->in + k];
            if (output >= p->out && found != UNTOUCHED)
                fail_msg("%u x %u x %u: float %u of row %u is not the product's, and was written", p->rows, p->in,
                         p->out, output, row);
            if (output < p->out && !(fabs((double)found - expected) < 1e-6 * p->in))
                fail_msg("%u x %u x %u: output %u of row %u is %.7f, it should be %.7f", p->rows, p->in, p->out, output,
                         row, (double)found, expected);
        }
}

static void check_sizes(bool narrow, uint32_t rows_most, uint32_t in, uint32_t out)
{
    for (uint32_t rows = 1; rows <= rows_most; rows += rows < 26 ? 1 : 23) {
        uint32_t stride = out + rows % 3;
        /* The matrices end where their memory does: a sanitizer sees one float too many. */
        float *from = floats((size_t)rows * in, rows), *weight = floats((size_t)out * in, in + out),
              *to = floats((size_t)rows * stride, 1);
        for (size_t i = 0; i < (size_t)rows * stride; i++)
            to[i] = UNTOUCHED;
        few_rows p = { from, weight, to, rows, in, out, stride };
        few_rows_multiply(&p, narrow);
        assert_product(&p);
        free(from);
        free(weight);
        free(to);
    }
}

static void check_instructions(bool narrow)
{
    uint32_t most = few_rows_most(narrow);
    if (most == 0)
        skip();
    check_sizes(narrow, most, 8, 4);
    check_sizes(narrow, most, 24, 8);
    check_sizes(narrow, most, 40, 12);
    check_sizes(narrow, most, 384, 8);
}

static void products_are_those_of_doubles(void **state)
{
    (void)state;
    check_instructions(false);
}

static void products_are_those_of_doubles_with_avx2_alone(void **state)
{
    (void)state;
    check_instructions(true);
}

static void the_narrow_way_takes_no_more_rows(void **state)
{
    (void)state;
    assert_true(few_rows_most(true) <= few_rows_most(false));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(products_are_those_of_doubles),
                                        cmocka_unit_test(products_are_those_of_doubles_with_avx2_alone),
                                        cmocka_unit_test(the_narrow_way_takes_no_more_rows) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
