/* test_embed_static.c - what the embedder "static" promises, on tables small enough to be computed by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/scratch.h"
#include "../support/tiny_model.h"

#include <base/buffer.h>
#include <math.h>
#include <quipu/embedder.h>
#include <quipu/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

extern const quipu_plugin quipu_plugin_entry; /* the plugin is linked in */

#define DIMENSION 3

static char folder[128];
static quipu_error fault;

static const void *no_service(const quipu_host *host, const quipu_str *id)
{
    (void)host, (void)id;
    return NULL;
}

static const quipu_host host = { .struct_size = sizeof host, .abi = QUIPU_ABI_VERSION, .get_service = no_service };

static const quipu_embedder_api *api(void)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_EMBEDDERS);
    const quipu_embedder_list *list = quipu_plugin_entry.get_factory(&id);
    return QUIPU_AT(quipu_embedder_desc, &list->items, 0)->api;
}

/* Tokens: [PAD] [UNK] cat sat mat; rows (i, 1, -i) / 4. */

static void write_table(const char *where, const char *name, const char *type, const char *extra, const void *more,
                        size_t more_len)
{
    static const int8_t rows[5][DIMENSION] = { { 0, 1, 0 }, { 1, 1, -1 }, { 2, 1, -2 }, { 3, 1, -3 }, { 4, 1, -4 } };
    static const uint16_t halves[] = { 0, 0x3c00, 0x4000, 0x4200, 0x4400 }; /* 0 to 4 */
    buffer header = { 0 }, all = { 0 }, data = { 0 };
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < DIMENSION; j++) {
            float wide = (float)rows[i][j];
            uint16_t half = (uint16_t)(halves[abs(rows[i][j])] | (rows[i][j] < 0 ? 0x8000u : 0));
            if (strcmp(type, "F32") == 0)
                buffer_append(&data, &wide, sizeof wide);
            else if (strcmp(type, "F16") == 0)
                buffer_append(&data, &half, sizeof half);
            else
                buffer_append(&data, &rows[i][j], 1);
        }
    size_t table_len = data.len;
    while (data.len % 8)
        buffer_append_char(&data, '\0');
    buffer_printf(&header, "{\"%s\":{\"dtype\":\"%s\",\"shape\":[5,3],\"data_offsets\":[0,%zu]}", name, type,
                  table_len);
    if (extra)
        buffer_printf(&header, ",%s,\"data_offsets\":[%zu,%zu]}", extra, data.len, data.len + more_len);
    buffer_append_char(&header, '}');
    while (header.len % 8)
        buffer_append_char(&header, ' ');
    buffer_append(&data, more, more_len);
    uint64_t len = header.len;
    buffer_append(&all, &len, sizeof len);
    buffer_append(&all, header.bytes, header.len);
    buffer_append(&all, data.bytes, data.len);
    tiny_write(where, "model.safetensors", all.bytes, all.len);
    buffer_free(&header);
    buffer_free(&data);
    buffer_free(&all);
}

static int begin(void **state)
{
    (void)state;
    scratch_make(folder);
    tiny_text(folder, "vocab.txt", "[PAD]\n[UNK]\ncat\nsat\nmat\n");
    write_table(folder, "embeddings", "F32", NULL, NULL, 0);
    fault = (quipu_error){ .struct_size = sizeof fault };
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

static int32_t open_model(quipu_embedder **out)
{
    char config[256];
    snprintf(config, sizeof config, "{\"model\":\"%s\"}", folder);
    quipu_str text = str_of(config);
    fault = (quipu_error){ .struct_size = sizeof fault };
    assert_int_equal(api()->create(&host, out, NULL), QUIPU_OK);
    int32_t code = api()->open(*out, &text, NULL, &fault);
    if (code != QUIPU_OK)
        api()->destroy(*out);
    return code;
}

static int32_t take(void *context, uint64_t index, const float *vector, uint64_t dimension)
{
    (void)index;
    assert_int_equal(dimension, DIMENSION);
    memcpy(context, vector, DIMENSION * sizeof *vector);
    return 0;
}

/* The vector of a text is the sum x, y, z at unit length. */
static void assert_text(quipu_embedder *e, const char *text, double x, double y, double z)
{
    float got[DIMENSION];
    quipu_str one = str_of(text);
    quipu_array texts = { &one, 1, sizeof one };
    double length = sqrt(x * x + y * y + z * z), expected[] = { x, y, z };
    assert_int_equal(api()->embed(e, &texts, QUIPU_EMBED_PASSAGE, take, got, NULL, &fault), QUIPU_OK);
    for (int i = 0; i < DIMENSION; i++)
        if (!(fabs((double)got[i] - (length > 0 ? expected[i] / length : 0)) < 1e-6))
            fail_msg("\"%s\": component %d is %.7f", text, i, (double)got[i]);
}

static void vectors_are_means_whatever_the_table_is_stored_as(void **state)
{
    static const char *const types[] = { "F32", "F16", "I8" };
    quipu_embedder *e;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        write_table(folder, "embeddings", types[i], NULL, NULL, 0);
        assert_int_equal(open_model(&e), QUIPU_OK);
        assert_text(e, "Cat", 2, 1, -2);
        assert_text(e, "cat sat cat", 7, 3, -7);
        assert_text(e, "cat dog", 2, 1, -2); /* what is unknown does not count */
        assert_text(e, "dog", 0, 0, 0);
        assert_text(e, "", 0, 0, 0);
        api()->destroy(e);
    }
}

static void weights_and_mapping_count(void **state)
{
    static const float weights[] = { 1, 1, 1, 10, 1 };
    static const int64_t mapping[] = { 0, 1, 4, 3, 4 }, outside[] = { 0, 1, 5, 3, 4 };
    quipu_embedder *e;
    (void)state;
    write_table(folder, "embeddings", "F32", "\"weights\":{\"dtype\":\"F32\",\"shape\":[5]", weights, sizeof weights);
    assert_int_equal(open_model(&e), QUIPU_OK);
    assert_text(e, "cat sat", 32, 11, -32);
    api()->destroy(e);
    write_table(folder, "embeddings", "F32", "\"mapping\":{\"dtype\":\"I64\",\"shape\":[5]", mapping, sizeof mapping);
    assert_int_equal(open_model(&e), QUIPU_OK);
    assert_text(e, "cat sat", 7, 2, -7);
    api()->destroy(e);
    write_table(folder, "embeddings", "F32", "\"mapping\":{\"dtype\":\"I64\",\"shape\":[5]", outside, sizeof outside);
    assert_int_equal(open_model(&e), QUIPU_E_CORRUPT);
    assert_string_equal(fault.field, "mapping");
    write_table(folder, "embeddings", "F32", "\"weights\":{\"dtype\":\"F32\",\"shape\":[4]", weights, 16);
    assert_int_equal(open_model(&e), QUIPU_E_CORRUPT);
    assert_string_equal(fault.field, "weights");
}

static void folders_of_sentence_transformers_are_read(void **state)
{
    char inside[160], path[192];
    quipu_embedder *e;
    (void)state;
    snprintf(inside, sizeof inside, "%s/0_StaticEmbedding", folder);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    assert_int_equal(remove(path), 0);
    assert_int_equal(mkdir(inside, 0700), 0);
    tiny_text(inside, "vocab.txt", "[PAD]\n[UNK]\ncat\nsat\nmat\n");
    write_table(inside, "embedding.weight", "F32", NULL, NULL, 0);
    assert_int_equal(open_model(&e), QUIPU_OK);
    assert_text(e, "cat dog", 3, 2, -3); /* there, what is unknown counts */
    api()->destroy(e);
}

static void long_texts_end_where_the_configuration_says(void **state)
{
    quipu_embedder *e;
    (void)state;
    tiny_text(folder, "config.json", "{\"max_length\":2}");
    assert_int_equal(open_model(&e), QUIPU_OK);
    assert_text(e, "cat cat mat", 2, 1, -2);
    api()->destroy(e);
    tiny_text(folder, "config.json", "{\"max_length\":0}");
    assert_int_equal(open_model(&e), QUIPU_E_CORRUPT);
    assert_string_equal(fault.field, "max_length");
}

static void what_is_no_static_model_is_refused(void **state)
{
    quipu_embedder *e;
    (void)state;
    write_table(folder, "embeddings.word_embeddings.weight", "F32", NULL, NULL, 0);
    assert_int_equal(open_model(&e), QUIPU_E_UNSUPPORTED);
    assert_non_null(strstr(fault.message, "\"bert\""));
    write_table(folder, "embeddings", "F32", NULL, NULL, 0);
    tiny_text(folder, "vocab.txt", "[PAD]\n[UNK]\ncat\nsat\nmat\none\ntoo\nmany\n");
    assert_int_equal(open_model(&e), QUIPU_E_CORRUPT);
    tiny_text(folder, "tokenizer.json", "{\"model\":{\"type\":\"Unigram\"}}");
    assert_int_equal(open_model(&e), QUIPU_E_UNSUPPORTED);
    assert_non_null(strstr(fault.message, "Unigram"));
    quipu_str config = QUIPU_STR_INIT("{\"model\":\"no-such-model\"}"), wrong = QUIPU_STR_INIT("{\"threads\":1}");
    assert_int_equal(api()->create(&host, &e, NULL), QUIPU_OK);
    assert_int_equal(api()->open(e, &config, NULL, &fault), QUIPU_E_NOT_FOUND);
    assert_int_equal(api()->open(e, &wrong, NULL, &fault), QUIPU_E_INVALID);
    api()->destroy(e);
}

static void the_id_tells_tables_apart(void **state)
{
    quipu_embedder *e;
    quipu_model model = { .struct_size = sizeof model };
    char first[128];
    (void)state;
    assert_int_equal(open_model(&e), QUIPU_OK);
    assert_int_equal(api()->model(e, &model, NULL), QUIPU_OK);
    assert_int_equal(model.dimension, DIMENSION);
    snprintf(first, sizeof first, "%.*s", (int)model.id.len, model.id.ptr);
    api()->destroy(e);
    write_table(folder, "embeddings", "F16", NULL, NULL, 0);
    assert_int_equal(open_model(&e), QUIPU_OK);
    assert_int_equal(api()->model(e, &model, NULL), QUIPU_OK);
    assert_false(model.id.len == strlen(first) && memcmp(first, model.id.ptr, model.id.len) == 0);
    api()->destroy(e);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_are_means_whatever_the_table_is_stored_as),
        TEST(weights_and_mapping_count),
        TEST(folders_of_sentence_transformers_are_read),
        TEST(long_texts_end_where_the_configuration_says),
        TEST(what_is_no_static_model_is_refused),
        TEST(the_id_tells_tables_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
