/* test_vector_parts.c - what the parts of a vector index promise: rotation, codes, kernels, k-means, the k best, images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <sdk/vectors/blas.h>
#include <sdk/vectors/clusters.h>
#include <sdk/vectors/run.h>
#include <sdk/vectors/scan.h>
#include <stdlib.h>
#include <string.h>
#include <tests/support/some_vectors.h>

static void rotation_keeps_inner_products(void **state)
{
    (void)state;
    const uint32_t dimensions[] = { 1, 2, 3, 8, 24, 100, 384, 1000 };
    for (size_t n = 0; n < sizeof dimensions / sizeof dimensions[0]; n++) {
        uint32_t dimension = dimensions[n];
        some_vectors *from = some_vectors_new(2, dimension, 7);
        rotation *turn = rotation_new(dimension);
        float *a = from->rows, *b = a + dimension, before = blas_dot(a, b, dimension), first = a[0];
        rotation_apply(turn, a);
        rotation_apply(turn, b);
        assert_true(fabsf(blas_dot(a, a, dimension) - 1) < 1e-4f);
        assert_true(fabsf(blas_dot(a, b, dimension) - before) < 1e-4f);
        assert_true(dimension < 8 || fabsf(a[0] - first) > 1e-6f);
        rotation_free(turn);
        some_vectors_free(from);
    }
}

/* No direction of the data stays along an axis: a single 1 is spread over all of them. */
static void rotation_spreads_a_single_float(void **state)
{
    (void)state;
    float v[384] = { 0 };
    rotation *turn = rotation_new(384);
    v[383] = 1;
    rotation_apply(turn, v);
    for (int i = 0; i < 384; i++)
        assert_true(fabsf(v[i]) < 0.4f);
    rotation_free(turn);
}

/* Codes that one machine wrote are asked by another. */
static void rotation_is_the_same_on_every_processor(void **state)
{
    (void)state;
    const uint32_t dimensions[] = { 1, 7, 8, 9, 24, 100, 384, 768, 1000 };
    for (size_t n = 0; n < sizeof dimensions / sizeof dimensions[0]; n++) {
        uint32_t dimension = dimensions[n];
        some_vectors *from = some_vectors_new(2, dimension, 11);
        rotation *turn = rotation_new(dimension);
        float *a = from->rows, *b = a + dimension;
        memcpy(b, a, dimension * sizeof *b);
        rotation_apply(turn, a);
        rotation_apply_plain(turn, b);
        assert_memory_equal(a, b, dimension * sizeof *a);
        rotation_free(turn);
        some_vectors_free(from);
    }
}

static void every_kernel_equals_the_scalar_one(void **state)
{
    (void)state;
    uint32_t random = 3;
    int last = 0;
    while (scan_runnable(last + 1).kernel)
        last++;
    assert_string_equal(scan_runnable(last).name, "scalar");
    print_message("kernels here: %s and %d more\n", scan_best().name, last);
    for (uint32_t groups = 4; groups <= 1024; groups = groups * 3 / 8 * 4 + 4) {
        uint8_t *block = malloc((size_t)groups * 16), *table = malloc((size_t)groups * 16);
        uint32_t most = 65535 / groups < 255 ? 65535 / groups : 255;
        for (int round = 0; round < 20; round++) {
            for (uint32_t i = 0; i < groups * 16; i++) {
                random = random * 1664525u + 1013904223u;
                block[i] = (uint8_t)(random >> 24);
                table[i] = (uint8_t)(round == 0 ? most : (random >> 8) % (most + 1));
            }
            uint16_t expected[CODES_ROWS], sums[CODES_ROWS];
            scan_runnable(last).kernel(block, table, groups, expected);
            for (int i = 0; i < last; i++) {
                scan_runnable(i).kernel(block, table, groups, sums);
                assert_memory_equal(sums, expected, sizeof sums);
            }
            uint32_t naive = 0; /* of row 17: the upper halves of bytes 1 */
            for (uint32_t g = 0; g < groups; g++)
                naive += table[g * 16 + (block[g * 16 + 1] >> 4)];
            assert_int_equal(expected[17], naive);
        }
        free(block);
        free(table);
    }
}

/* Estimates are off by CODES_ERROR standard deviations, as said, and seldom by more than twice that. */
static void estimates_keep_their_bound(void **state)
{
    (void)state;
    enum { DIMENSION = 200, ROWS = 320 };
    some_vectors *v = some_vectors_new(ROWS + 2, DIMENSION, 11);
    rotation *turn = rotation_new(DIMENSION);
    float *centre = v->rows + (size_t)ROWS * DIMENSION, *question = centre + DIMENSION, gap = 0, squares = 0;
    float rotated[DIMENSION], turned_centre[DIMENSION];
    uint8_t *block = aligned_alloc(64, codes_block_bytes(DIMENSION)),
            *table = aligned_alloc(64, codes_block_bytes(DIMENSION));
    codes_question asked;
    for (int i = 0; i < DIMENSION; i++) {
        centre[i] *= 0.5f;
        gap += (question[i] - centre[i]) * (question[i] - centre[i]);
    }
    memcpy(rotated, question, sizeof rotated);
    rotation_apply(turn, rotated);
    memcpy(turned_centre, centre, sizeof turned_centre);
    rotation_apply(turn, turned_centre);
    codes_ask(rotated, DIMENSION, table, &asked);
    for (uint32_t row = 0; row < ROWS; row++) {
        float difference[DIMENSION];
        codes_factors f;
        uint16_t sums[CODES_ROWS];
        memcpy(difference, v->rows + (size_t)row * DIMENSION, sizeof difference);
        rotation_apply(turn, difference);
        for (int i = 0; i < DIMENSION; i++)
            difference[i] -= turned_centre[i];
        memset(block, 0, codes_block_bytes(DIMENSION));
        codes_encode(difference, turned_centre, DIMENSION, block, row % 32, &f);
        scan_best().kernel(block, table, asked.groups, sums);
        float estimate = blas_dot(question, centre, DIMENSION) + f.shift +
                         f.slope * (asked.scale * (float)sums[row % 32] + asked.offset);
        float error = estimate - blas_dot(question, v->rows + (size_t)row * DIMENSION, DIMENSION);
        float deviations = error / (f.slope * sqrtf(gap) * CODES_ERROR);
        assert_true(fabsf(deviations) < 5);
        squares += deviations * deviations;
    }
    assert_true(squares / ROWS > 0.5f && squares / ROWS < 1.5f);
    free(block);
    free(table);
    rotation_free(turn);
    some_vectors_free(v);
}

static const float *row_of(const void *context, uint32_t i)
{
    const some_vectors *v = context;
    return v->rows + (size_t)i * v->dimension;
}

static float distance(const float *a, const float *b, uint32_t dimension)
{
    float sum = 0;
    for (uint32_t i = 0; i < dimension; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

static void rows_go_to_the_nearest_centre(void **state)
{
    (void)state;
    enum { ROWS = 3000, CLUSTERS = 300 }; /* more than one tile of either */
    some_vectors *v = some_vectors_new(ROWS, 20, 5);
    row_source source = { row_of, v, ROWS, 20 };
    float *centres = malloc(sizeof(float) * CLUSTERS * 20), inside = 0, outside = 0;
    uint32_t *nearest = malloc(sizeof *nearest * ROWS);
    assert_int_equal(clusters_train(&source, CLUSTERS, centres, NULL, NULL), QUIPU_OK);
    assert_int_equal(clusters_assign(&source, centres, CLUSTERS, nearest, NULL, NULL), QUIPU_OK);
    for (uint32_t i = 0; i < ROWS; i++) {
        float to = distance(row_of(v, i), centres + (size_t)nearest[i] * 20, 20);
        for (uint32_t c = 0; c < CLUSTERS; c++)
            assert_true(distance(row_of(v, i), centres + (size_t)c * 20, 20) > to - 1e-4f);
        inside += to;
        outside += distance(row_of(v, i), row_of(v, (i * 7 + 1) % ROWS), 20);
    }
    assert_true(inside < outside / 4);
    quipu_call late = { .struct_size = sizeof late, .deadline_ns = 1 };
    assert_int_equal(clusters_train(&source, CLUSTERS, centres, &late, NULL), QUIPU_E_TIMEOUT);
    free(centres);
    free(nearest);
    some_vectors_free(v);
}

/* Rows that are all the same leave centres without rows; nothing divides by nothing. */
static void equal_rows_can_be_divided(void **state)
{
    (void)state;
    some_vectors *v = some_vectors_new(100, 8, 5);
    for (int i = 1; i < 100; i++)
        memcpy(v->rows + (size_t)i * 8, v->rows, 8 * sizeof(float));
    row_source source = { row_of, v, 100, 8 };
    float centres[10 * 8];
    assert_int_equal(clusters_train(&source, 10, centres, NULL, NULL), QUIPU_OK);
    assert_true(vectors_are_finite(centres, 80));
    some_vectors_free(v);
}

static void the_k_best_are_kept_whatever_comes(void **state)
{
    (void)state;
    vectors_match heap[7];
    top_k best;
    top_k_init(&best, heap, 7);
    assert_true(!(NAN > best.threshold) && -1 > best.threshold);
    for (uint32_t i = 0; i < 100; i++) {
        float score = (float)(i * 37 % 20); /* five of each */
        if (score > best.threshold)
            top_k_add(&best, score, i);
    }
    top_k_finish(&best);
    assert_int_equal(best.count, 7);
    for (uint32_t i = 0; i < 5; i++)
        assert_true(heap[i].score == 19 && (i == 0 || heap[i].row > heap[i - 1].row));
    assert_true(heap[5].score == 18 && heap[6].score == 18);
    top_k_init(&best, heap, 0);
    assert_false(1 > best.threshold);
    top_k_finish(&best);
}

static void blas_tiles_add_up(void **state)
{
    (void)state;
    enum { ROWS = 1500, DIMENSION = 70, QUESTIONS = 5 };
    some_vectors *v = some_vectors_new(ROWS + QUESTIONS, DIMENSION, 9);
    const float *questions = v->rows + (size_t)ROWS * DIMENSION;
    float *one = malloc(sizeof *one * ROWS), *many = malloc(sizeof *many * ROWS * QUESTIONS);
    for (int threads = 1; threads <= 2; threads++) { /* tiles of both sizes */
        assert_true(vectors_set_threads(threads));
        blas_scores(v->rows, ROWS, DIMENSION, questions, one);
        blas_scores_many(v->rows, ROWS, DIMENSION, questions, QUESTIONS, many);
        for (uint32_t i = 0; i < ROWS; i++) {
            double naive = 0;
            for (uint32_t j = 0; j < DIMENSION; j++)
                naive += (double)v->rows[i * DIMENSION + j] * questions[j];
            assert_true(fabs(naive - one[i]) < 1e-5 && fabs(naive - many[(size_t)i * QUESTIONS]) < 1e-5);
        }
    }
    vectors_set_threads(1);
    free(one);
    free(many);
    some_vectors_free(v);
}

/* ---- images ---- */

enum { IMAGE_ROWS = 8200, IMAGE_DIMENSION = 20 };

static char *make_image(const some_vectors *v, size_t *len)
{
    run_source *rows = malloc(sizeof *rows * IMAGE_ROWS);
    void *image = NULL;
    for (uint32_t i = 0; i < IMAGE_ROWS; i++)
        rows[i] = (run_source){ row_of(v, i), v->keys + (size_t)i * VECTOR_KEY };
    assert_int_equal(run_build(rows, IMAGE_ROWS, IMAGE_DIMENSION, str_of("m:1"), &image, len, NULL, NULL), QUIPU_OK);
    free(rows);
    return image;
}

static void image_holds_every_row_under_its_key(void **state)
{
    (void)state;
    some_vectors *v = some_vectors_new(IMAGE_ROWS, IMAGE_DIMENSION, 1);
    size_t len;
    int32_t rc;
    char *image = make_image(v, &len);
    run *r = run_open(str_make(image, len), str_of("m:1"), IMAGE_DIMENSION, &rc);
    assert_non_null(r);
    assert_true(r->partitions > 50);
    for (uint32_t i = 0; i < IMAGE_ROWS; i++) {
        uint32_t row = run_find(r, v->keys + (size_t)i * VECTOR_KEY);
        assert_true(row < IMAGE_ROWS);
        assert_memory_equal(run_row(r, row), row_of(v, i), IMAGE_DIMENSION * sizeof(float));
    }
    uint8_t other[VECTOR_KEY] = { 1 };
    assert_int_equal(run_find(r, other), VECTORS_NONE);
    assert_true(run_kill(r, 5));
    assert_false(run_kill(r, 5));
    assert_int_equal(run_find(r, run_key(r, 5)), VECTORS_NONE);
    run_leave(r);
    assert_null(run_open(str_make(image, len), str_of("m:2"), IMAGE_DIMENSION, &rc));
    assert_null(run_open(str_make(image, len), str_of("m:1"), IMAGE_DIMENSION + 1, &rc));
    free(image);
    some_vectors_free(v);
}

/* What a search reads of a damaged image stays within it, whatever the numbers in it say. */
static void search_through(const char *image, size_t len)
{
    int32_t rc;
    run *r = run_open(str_make(image, len), str_of("m:1"), IMAGE_DIMENSION, &rc);
    if (!r)
        return;
    some_vectors *q = some_vectors_new(1, IMAGE_DIMENSION, 2);
    vectors_match heap[10];
    top_k best;
    uint8_t table[512] __attribute__((aligned(64)));
    codes_question asked;
    float *scores = malloc(RUN_TILE * sizeof *scores), rotated[IMAGE_DIMENSION];
    rotation *turn = rotation_new(IMAGE_DIMENSION);
    memcpy(rotated, q->rows, sizeof rotated);
    rotation_apply(turn, rotated);
    codes_ask(rotated, IMAGE_DIMENSION, table, &asked);
    for (int exact = 0; exact < 2; exact++) {
        top_k_init(&best, heap, 10);
        run_search s = { .questions = q->rows,
                         .count = 1,
                         .best = &best,
                         .rows = r->rows,
                         .exact = exact,
                         .effort = 1,
                         .asked = &asked,
                         .scores = scores };
        assert_int_equal(run_search_all(r, &s, NULL), QUIPU_OK);
        top_k_finish(&best);
        for (uint32_t i = 0; i < best.count; i++)
            assert_true(best.heap[i].row < r->rows);
    }
    run_find(r, q->keys);
    rotation_free(turn);
    free(scores);
    run_leave(r);
    some_vectors_free(q);
}

static void damaged_image_leads_nowhere(void **state)
{
    (void)state;
    some_vectors *v = some_vectors_new(IMAGE_ROWS, IMAGE_DIMENSION, 1);
    size_t len;
    int32_t rc;
    char *image = make_image(v, &len);
    run_header h;
    run_layout at;
    memcpy(&h, image, sizeof h);
    assert_true(run_lay_out(&h, &at) && at.end == len);
    const uint64_t sections[] = { at.matrix, at.keys,    at.by_key, at.centres,          at.norms,
                                  at.starts, at.factors, at.codes,  at.starts + 4ul * 7, len - 64 };
    search_through(image, len);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        char kept[64];
        memcpy(kept, image + sections[i], sizeof kept);
        memset(image + sections[i], 0xff, sizeof kept); /* NaNs, rows and partitions that are not there */
        search_through(image, len);
        memcpy(image + sections[i], kept, sizeof kept);
    }
    for (size_t i = 0; i < sizeof h; i++) { /* a header that says something else is refused, or harmless */
        if (i >= offsetof(run_header, id) && i < offsetof(run_header, rows))
            continue;
        image[i] ^= 0x41;
        assert_true(i >= offsetof(run_header, reserved) ||
                    !run_open(str_make(image, len), str_of("m:1"), IMAGE_DIMENSION, &rc));
        image[i] ^= 0x41;
    }
    const size_t lengths[] = { 0, 1, sizeof h, (size_t)at.starts, len - 1 };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        assert_null(run_open(str_make(image, lengths[i]), str_of("m:1"), IMAGE_DIMENSION, &rc));
    free(image);
    some_vectors_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotation_keeps_inner_products),
        cmocka_unit_test(rotation_spreads_a_single_float),
        cmocka_unit_test(rotation_is_the_same_on_every_processor),
        cmocka_unit_test(every_kernel_equals_the_scalar_one),
        cmocka_unit_test(estimates_keep_their_bound),
        cmocka_unit_test(rows_go_to_the_nearest_centre),
        cmocka_unit_test(equal_rows_can_be_divided),
        cmocka_unit_test(the_k_best_are_kept_whatever_comes),
        cmocka_unit_test(blas_tiles_add_up),
        cmocka_unit_test(image_holds_every_row_under_its_key),
        cmocka_unit_test(damaged_image_leads_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
