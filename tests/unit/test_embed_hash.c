/* test_embed_hash.c - what the embedder "hash" promises, asked through its entry as a host does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <math.h>
#include <quipu/plugin.h>
#include <stdlib.h>

extern const quipu_plugin quipu_plugin_entry; /* the plugin is linked in */

static const void *no_service(const quipu_host *host, const quipu_str *id)
{
    (void)host;
    (void)id;
    return NULL;
}

static const quipu_host host = { .struct_size = sizeof host, .abi = QUIPU_ABI_VERSION, .get_service = no_service };

static const quipu_embedder_api *api(void)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_EMBEDDERS);
    const quipu_embedder_list *list = quipu_plugin_entry.get_factory(&id);
    assert_non_null(list);
    assert_int_equal(list->items.count, 1);
    return QUIPU_AT(quipu_embedder_desc, &list->items, 0)->api;
}

static int32_t open_with(const char *config, quipu_embedder **out, quipu_error *error)
{
    quipu_str text = str_of(config);
    assert_int_equal(api()->create(&host, out, NULL), QUIPU_OK);
    int32_t rc = api()->open(*out, config ? &text : NULL, NULL, error);
    if (rc != QUIPU_OK) {
        api()->destroy(*out);
        *out = NULL;
    }
    return rc;
}

typedef struct answer {
    uint64_t count;
    uint64_t dimension;
    float vectors[8][4096];
} answer;

static int32_t take(void *context, uint64_t index, const float *vector, uint64_t dimension)
{
    answer *a = context;
    a->count++;
    a->dimension = dimension;
    memcpy(a->vectors[index], vector, (size_t)dimension * sizeof *vector);
    return 0;
}

static double dot(const answer *a, int i, int j)
{
    double sum = 0;
    for (uint64_t k = 0; k < a->dimension; k++)
        sum += (double)a->vectors[i][k] * a->vectors[j][k];
    return sum;
}

static void embed(quipu_embedder *e, const quipu_str *texts, uint64_t count, answer *a)
{
    quipu_array array = { texts, count, sizeof *texts };
    memset(a, 0, sizeof *a);
    assert_int_equal(api()->embed(e, &array, QUIPU_EMBED_PASSAGE, take, a, NULL, NULL), QUIPU_OK);
    assert_int_equal(a->count, count);
}

static void entry_names_plugin_and_embedder(void **state)
{
    (void)state;
    quipu_str wrong = QUIPU_STR_INIT(QUIPU_EMBEDDERS "x"), backends = QUIPU_STR_INIT(QUIPU_BACKENDS);
    assert_int_equal(quipu_plugin_entry.magic, QUIPU_PLUGIN_MAGIC);
    assert_true(QUIPU_IS(&quipu_plugin_entry.id, "quipu.embed_hash"));
    assert_null(quipu_plugin_entry.get_factory(&wrong));
    assert_null(quipu_plugin_entry.get_factory(&backends));
    assert_null(quipu_plugin_entry.get_factory(NULL));
}

static void vectors_have_unit_length_and_like_texts_are_near(void **state)
{
    (void)state;
    static answer a;
    quipu_embedder *e = NULL;
    const quipu_str texts[] = { QUIPU_STR_INIT("She painted a sunrise over the lake"),
                                QUIPU_STR_INIT("Painting of the lake at sunrise"),
                                QUIPU_STR_INIT("The tax office closed early on Monday"),
                                QUIPU_STR_INIT("She painted a sunrise over the lake"),
                                QUIPU_STR_INIT(""),
                                { NULL, 0 },
                                QUIPU_STR_INIT("what is it"),
                                QUIPU_STR_INIT("?!") };
    assert_int_equal(open_with(NULL, &e, NULL), QUIPU_OK);
    embed(e, texts, 8, &a);
    assert_int_equal(a.dimension, 1024);
    for (int i = 0; i < 4; i++)
        assert_true(fabs(dot(&a, i, i) - 1) < 1e-5);
    assert_true(dot(&a, 0, 1) > 0.4);
    assert_true(fabs(dot(&a, 0, 2)) < 0.2);
    assert_memory_equal(a.vectors[0], a.vectors[3], 1024 * sizeof(float));
    assert_true(dot(&a, 4, 4) == 0 && dot(&a, 5, 5) == 0 && dot(&a, 7, 7) == 0);
    assert_true(fabs(dot(&a, 6, 6) - 1) < 1e-5); /* stop words, where there is nothing else */
    assert_int_equal(api()->close(e, NULL, NULL), QUIPU_OK);
    api()->destroy(e);
}

static void misspelt_words_are_near(void **state)
{
    (void)state;
    static answer a;
    quipu_embedder *e = NULL;
    const quipu_str texts[] = { QUIPU_STR_INIT("education"), QUIPU_STR_INIT("educaton"), QUIPU_STR_INIT("umbrella") };
    assert_int_equal(open_with("{\"dimension\":4096}", &e, NULL), QUIPU_OK);
    embed(e, texts, 3, &a);
    assert_int_equal(a.dimension, 4096);
    assert_true(dot(&a, 0, 1) > 0.2);
    assert_true(fabs(dot(&a, 0, 2)) < 0.1);
    api()->destroy(e);
}

/* Stored vectors are compared with new ones for years: the model's id stands for these very numbers. */
static void the_model_never_changes(void **state)
{
    (void)state;
    static answer a;
    quipu_embedder *e = NULL;
    const quipu_str texts[] = { QUIPU_STR_INIT("Knots on cords keep the record") };
    char digits[17] = "";
    assert_int_equal(open_with("{\"dimension\":16}", &e, NULL), QUIPU_OK);
    embed(e, texts, 1, &a);
    for (int i = 0; i < 16; i++)
        digits[i] = (char)('a' + (int)((a.vectors[0][i] + 1) * 12.99f));
    assert_string_equal(digits, "lpremkijrmnmklko");
    api()->destroy(e);
}

static void model_names_its_dimension(void **state)
{
    (void)state;
    quipu_embedder *e = NULL;
    quipu_model model = { .struct_size = sizeof model };
    quipu_model small = { .struct_size = 8 };
    assert_int_equal(open_with("{\"dimension\":64}", &e, NULL), QUIPU_OK);
    assert_int_equal(api()->model(e, &model, NULL), QUIPU_OK);
    assert_int_equal(model.dimension, 64);
    assert_true(QUIPU_IS(&model.id, "hash-v1:64"));
    assert_int_equal(api()->model(e, &small, NULL), QUIPU_E_INVALID);
    api()->destroy(e);
}

static void bad_settings_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *config, *field;
    } cases[] = { { "{\"dim\":4}", "dim" },
                  { "{\"dimension\":15}", "dimension" },
                  { "{\"dimension\":65537}", "dimension" },
                  { "{\"dimension\":1.5}", "dimension" },
                  { "{\"dimension\":\"9\"}", "dimension" },
                  { "[]", "config" } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        quipu_embedder *e = NULL;
        quipu_error error = { .struct_size = sizeof error };
        assert_int_equal(open_with(cases[i].config, &e, &error), QUIPU_E_INVALID);
        assert_string_equal(error.field, cases[i].field);
    }
    quipu_embedder *e = NULL;
    assert_int_equal(open_with("{\"dimension\":", &e, NULL), QUIPU_E_INVALID);
    assert_int_equal(open_with("{}", &e, NULL), QUIPU_OK);
    api()->destroy(e);
}

static int32_t stop_after_first(void *context, uint64_t index, const float *vector, uint64_t dimension)
{
    (void)index;
    (void)vector;
    (void)dimension;
    int *count = context;
    return ++*count, *count > 0;
}

static int32_t refuse(void *context, uint64_t index, const float *vector, uint64_t dimension)
{
    (void)context;
    (void)index;
    (void)vector;
    (void)dimension;
    return QUIPU_E_IO;
}

static void calls_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static answer a;
    quipu_embedder *e = NULL;
    quipu_str good[] = { QUIPU_STR_INIT("a b"), QUIPU_STR_INIT("c d") }, bad[] = { QUIPU_STR_INIT("\xff") };
    quipu_array texts = { good, 2, sizeof good[0] }, broken = { bad, 1, sizeof bad[0] };
    quipu_model model = { .struct_size = sizeof model };
    quipu_cancel token = { .struct_size = sizeof token, .fd = -1, .flag = 1 };
    quipu_call call = { .struct_size = sizeof call, .cancel = &token };
    int count = 0;
    assert_int_equal(api()->create(&host, &e, NULL), QUIPU_OK);
    assert_int_equal(api()->embed(e, &texts, 0, take, &a, NULL, NULL), QUIPU_E_STATE);
    assert_int_equal(api()->model(e, &model, NULL), QUIPU_E_STATE);
    assert_int_equal(api()->close(e, NULL, NULL), QUIPU_E_STATE);
    assert_int_equal(api()->open(e, NULL, NULL, NULL), QUIPU_OK);
    assert_int_equal(api()->open(e, NULL, NULL, NULL), QUIPU_E_STATE);
    assert_int_equal(api()->embed(e, &broken, 0, take, &a, NULL, NULL), QUIPU_E_INVALID);
    assert_int_equal(api()->embed(e, &texts, 7, take, &a, NULL, NULL), QUIPU_E_INVALID);
    assert_int_equal(api()->embed(e, NULL, 0, take, &a, NULL, NULL), QUIPU_E_INVALID);
    assert_int_equal(api()->embed(e, &texts, 0, NULL, &a, NULL, NULL), QUIPU_E_INVALID);
    assert_int_equal(api()->embed(e, &texts, 0, take, &a, &call, NULL), QUIPU_E_CANCELLED);
    assert_int_equal(api()->embed(e, &texts, 0, refuse, NULL, NULL, NULL), QUIPU_E_IO);
    assert_int_equal(api()->embed(e, &texts, 0, stop_after_first, &count, NULL, NULL), QUIPU_OK);
    assert_int_equal(count, 1);
    api()->destroy(e);
    api()->destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entry_names_plugin_and_embedder),
        cmocka_unit_test(vectors_have_unit_length_and_like_texts_are_near),
        cmocka_unit_test(misspelt_words_are_near),
        cmocka_unit_test(the_model_never_changes),
        cmocka_unit_test(model_names_its_dimension),
        cmocka_unit_test(bad_settings_are_refused_by_name),
        cmocka_unit_test(calls_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
