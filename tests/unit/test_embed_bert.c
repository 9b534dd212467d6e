/* test_embed_bert.c - what the embedder "bert" promises, on a model small enough to be computed by hand. */
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
#include <unistd.h>

extern const quipu_plugin quipu_plugin_entry; /* the plugin is linked in */

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

static int begin(void **state)
{
    (void)state;
    scratch_make(folder);
    tiny_model(folder, NULL, false);
    fault = (quipu_error){ .struct_size = sizeof fault };
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

/* settings: members after "model", as ",\"threads\":2". */
static int32_t open_with(const char *settings, quipu_embedder **out)
{
    char config[512];
    snprintf(config, sizeof config, "{\"model\":\"%s\"%s}", folder, settings);
    quipu_str text = str_of(config);
    assert_int_equal(api()->create(&host, out, NULL), QUIPU_OK);
    int32_t code = api()->open(*out, &text, NULL, &fault);
    if (code != QUIPU_OK) {
        api()->destroy(*out);
        *out = NULL;
    }
    return code;
}

typedef struct answer {
    uint64_t count, stop_after;
    int32_t refusal;
    float vectors[600][TINY_HIDDEN];
} answer;

static int32_t take(void *context, uint64_t index, const float *vector, uint64_t dimension)
{
    answer *a = context;
    assert_int_equal(dimension, TINY_HIDDEN);
    assert_int_equal(index, a->count);
    memcpy(a->vectors[index], vector, sizeof a->vectors[index]);
    a->count++;
    return a->refusal ? a->refusal : a->stop_after && a->count == a->stop_after;
}

static void embed(quipu_embedder *e, const char *const *texts, uint64_t count, uint32_t purpose, answer *a)
{
    quipu_str *list = calloc(count, sizeof *list);
    memset(a, 0, sizeof *a);
    assert_non_null(list);
    for (uint64_t i = 0; i < count; i++)
        list[i] = str_of(texts[i]);
    quipu_array array = { list, count, sizeof *list };
    assert_int_equal(api()->embed(e, &array, purpose, take, a, NULL, &fault), QUIPU_OK);
    assert_int_equal(a->count, count);
    free(list);
}

static void assert_near(const float *vector, const double *expected)
{
    for (int i = 0; i < TINY_HIDDEN; i++)
        if (!(fabs((double)vector[i] - expected[i]) < 2e-6))
            fail_msg("component %d is %.8f, by hand it is %.8f", i, (double)vector[i], expected[i]);
}

/* "The cats sat on the mat." with [CLS] and [SEP]. */
static const char *const sentence = "The cats sat on the mat.";
static const uint32_t sentence_tokens[] = { 2, 4, 5, 7, 6, 8, 4, 9, 10, 3 };

static void vectors_are_those_computed_by_hand(void **state)
{
    quipu_embedder *e;
    answer a;
    double expected[TINY_HIDDEN];
    static const uint32_t nothing[] = { 2, 3 };
    const char *const texts[] = { sentence, "", "." };
    (void)state;
    assert_int_equal(open_with("", &e), QUIPU_OK);
    embed(e, texts, 3, QUIPU_EMBED_PASSAGE, &a);
    tiny_reference(sentence_tokens, 10, false, expected);
    assert_near(a.vectors[0], expected);
    tiny_reference(nothing, 2, false, expected);
    assert_near(a.vectors[1], expected);
    api()->destroy(e);
}

static void the_first_token_is_taken_where_the_model_says_so(void **state)
{
    quipu_embedder *e;
    answer a;
    double expected[TINY_HIDDEN];
    (void)state;
    tiny_text(folder, "1_Pooling/config.json", "{\"pooling_mode_mean_tokens\":false,\"pooling_mode_cls_token\":true}");
    assert_int_equal(open_with("", &e), QUIPU_OK);
    embed(e, &sentence, 1, QUIPU_EMBED_PASSAGE, &a);
    tiny_reference(sentence_tokens, 10, true, expected);
    assert_near(a.vectors[0], expected);
    api()->destroy(e);
}

static void half_precision_weights_give_the_same(void **state)
{
    quipu_embedder *e;
    answer a;
    double expected[TINY_HIDDEN];
    (void)state;
    tiny_model(folder, NULL, true);
    assert_int_equal(open_with("", &e), QUIPU_OK);
    embed(e, &sentence, 1, QUIPU_EMBED_PASSAGE, &a);
    tiny_reference(sentence_tokens, 10, false, expected);
    assert_near(a.vectors[0], expected); /* its values are exact as halves */
    api()->destroy(e);
}

static void a_text_longer_than_the_model_takes_is_cut(void **state)
{
    quipu_embedder *e;
    answer a;
    double expected[TINY_HIDDEN];
    const char *const texts[] = { "the the the the the the the the the the the the the the the" };
    uint32_t tokens[TINY_POSITIONS];
    (void)state;
    for (uint32_t i = 0; i < TINY_POSITIONS; i++)
        tokens[i] = i == 0 ? 2 : i == TINY_POSITIONS - 1 ? 3 : 4;
    assert_int_equal(open_with("", &e), QUIPU_OK);
    embed(e, texts, 1, QUIPU_EMBED_PASSAGE, &a);
    tiny_reference(tokens, TINY_POSITIONS, false, expected);
    assert_near(a.vectors[0], expected);
    api()->destroy(e);
    tiny_text(folder, "sentence_bert_config.json", "{\"max_seq_length\":4}");
    tokens[3] = 3;
    assert_int_equal(open_with("", &e), QUIPU_OK);
    embed(e, texts, 1, QUIPU_EMBED_PASSAGE, &a);
    tiny_reference(tokens, 4, false, expected);
    assert_near(a.vectors[0], expected);
    api()->destroy(e);
}

static void prefixes_go_before_questions_and_passages(void **state)
{
    quipu_embedder *e;
    answer a;
    double expected[TINY_HIDDEN];
    static const uint32_t asked[] = { 2, 11, 12, 5, 3 }, stored[] = { 2, 5, 3 };
    const char *const texts[] = { "cat" };
    (void)state;
    assert_int_equal(open_with(",\"query_prefix\":\"query: \"", &e), QUIPU_OK);
    embed(e, texts, 1, QUIPU_EMBED_QUERY, &a);
    tiny_reference(asked, 5, false, expected);
    assert_near(a.vectors[0], expected);
    embed(e, texts, 1, QUIPU_EMBED_PASSAGE, &a);
    tiny_reference(stored, 3, false, expected);
    assert_near(a.vectors[0], expected);
    api()->destroy(e);
    tiny_text(folder, "config_sentence_transformers.json", "{\"prompts\":{\"query\":\"query:\"}}");
    assert_int_equal(open_with("", &e), QUIPU_OK);
    embed(e, texts, 1, QUIPU_EMBED_QUERY, &a);
    tiny_reference(asked, 5, false, expected);
    assert_near(a.vectors[0], expected);
    api()->destroy(e);
}

/* Several windows and runs, several threads: each text as if it were alone. */
static void neighbours_in_a_batch_do_not_matter(void **state)
{
    enum { COUNT = 600 };
    static const char *texts[COUNT];
    static answer together, alone;
    static const char *const some[] = { "the cat", "sat on the mat", "", "cats cats cats cats", "unknown words", "." };
    quipu_embedder *e;
    (void)state;
    for (int i = 0; i < COUNT; i++)
        texts[i] = some[(i * 7 + i / 6) % 6];
    assert_int_equal(open_with(",\"threads\":3", &e), QUIPU_OK);
    embed(e, texts, COUNT, QUIPU_EMBED_PASSAGE, &together);
    for (int i = 0; i < COUNT; i += 37) {
        embed(e, &texts[i], 1, QUIPU_EMBED_PASSAGE, &alone);
        for (int j = 0; j < TINY_HIDDEN; j++)
            assert_true(fabsf(alone.vectors[0][j] - together.vectors[i][j]) < 1e-6f);
    }
    api()->destroy(e);
}

static void model_of(const char *settings, char out[200])
{
    quipu_embedder *e;
    quipu_model model = { .struct_size = sizeof model };
    assert_int_equal(open_with(settings, &e), QUIPU_OK);
    assert_int_equal(api()->model(e, &model, NULL), QUIPU_OK);
    assert_int_equal(model.dimension, TINY_HIDDEN);
    snprintf(out, 200, "%.*s", (int)model.id.len, model.id.ptr);
    api()->destroy(e);
}

static void what_changes_the_vectors_changes_the_models_id(void **state)
{
    char first[200], again[200], prefixed[200], halved[200];
    (void)state;
    model_of("", first);
    model_of(",\"threads\":2", again);
    model_of(",\"query_prefix\":\"query: \"", prefixed);
    tiny_model(folder, NULL, true);
    model_of("", halved);
    assert_string_equal(first, again);
    assert_string_not_equal(first, prefixed);
    assert_string_not_equal(first, halved);
}

static void what_is_no_such_model_is_refused_by_name(void **state)
{
    static const struct {
        const char *file, *text;
        int32_t code;
        const char *said;
    } rows[] = {
        { "config.json", "{\"model_type\":\"roberta\"}", QUIPU_E_UNSUPPORTED, "roberta" },
        { "config.json", "{\"hidden_act\":\"relu\"}", QUIPU_E_UNSUPPORTED, "relu" },
        { "config.json", "{}", QUIPU_E_CORRUPT, "hidden_size" },
        { "config.json", "[", QUIPU_E_CORRUPT, "config.json" },
        { "config.json",
          "{\"hidden_size\":12,\"intermediate_size\":16,\"num_attention_heads\":2,\"num_hidden_layers\":2,"
          "\"max_position_embeddings\":12,\"vocab_size\":13}",
          QUIPU_E_UNSUPPORTED, "multiples of 8" },
        { "config.json",
          "{\"hidden_size\":16,\"intermediate_size\":16,\"num_attention_heads\":2,\"num_hidden_layers\":2,"
          "\"max_position_embeddings\":12,\"vocab_size\":13}",
          QUIPU_E_CORRUPT, "shape" },
        { "1_Pooling/config.json", "{\"pooling_mode_max_tokens\":true}", QUIPU_E_UNSUPPORTED, "mean" },
        { "modules.json", "[{\"path\":\"2_Dense\",\"type\":\"sentence_transformers.models.Dense\"}]",
          QUIPU_E_UNSUPPORTED, "Dense" },
        { "sentence_bert_config.json", "{\"max_seq_length\":1}", QUIPU_E_CORRUPT, "no text" },
        { "vocab.txt", "[PAD]\n[UNK]\n", QUIPU_E_CORRUPT, "[CLS]" },
        { "vocab.txt", "the\n", QUIPU_E_CORRUPT, "[UNK]" },
        { "vocab.txt", "[UNK]\n[CLS]\n[SEP]\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n", QUIPU_E_CORRUPT, "more tokens" },
        { "model.safetensors", "short", QUIPU_E_CORRUPT, "too short" },
        { "model.safetensors", "\377\377\377\377\377\377\377\177 and more", QUIPU_E_CORRUPT, "header" },
        { "model.safetensors", "\002\001\001\001", QUIPU_E_CORRUPT, "too short" },
    };
    quipu_embedder *e;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tiny_model(folder, NULL, false);
        tiny_text(folder, "sentence_bert_config.json", "{}");
        tiny_text(folder, rows[i].file, rows[i].text);
        int32_t code = open_with("", &e);
        if (code != rows[i].code || !strstr(fault.message, rows[i].said))
            fail_msg("row %zu: code %d, \"%s\"", i, code, fault.message);
    }
}

static void a_missing_tensor_is_named(void **state)
{
    quipu_embedder *e;
    (void)state;
    tiny_model(folder, "encoder.layer.1.output.dense.bias", false);
    assert_int_equal(open_with("", &e), QUIPU_E_NOT_FOUND);
    assert_non_null(strstr(fault.message, "encoder.layer.1.output.dense.bias"));
}

static void bad_settings_are_refused_by_name(void **state)
{
    static const struct {
        const char *settings, *field;
    } rows[] = { { ",\"threads\":0", "threads" },
                 { ",\"threads\":65", "threads" },
                 { ",\"threads\":\"2\"", "threads" },
                 { ",\"query_prefix\":1", "query_prefix" },
                 { ",\"colour\":1", "colour" } };
    quipu_embedder *e;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(open_with(rows[i].settings, &e), QUIPU_E_INVALID);
        assert_string_equal(fault.field, rows[i].field);
    }
}

static void a_model_that_is_not_there_says_where_was_looked(void **state)
{
    quipu_embedder *e;
    quipu_str config = QUIPU_STR_INIT("{\"model\":\"no-such-model\"}"), sly = QUIPU_STR_INIT("{\"model\":\"../x\"}");
    (void)state;
    setenv("QUIPU_MODELS", "/nowhere-at-all", 1);
    assert_int_equal(api()->create(&host, &e, NULL), QUIPU_OK);
    assert_int_equal(api()->open(e, &config, NULL, &fault), QUIPU_E_NOT_FOUND);
    assert_non_null(strstr(fault.message, "/nowhere-at-all"));
    assert_int_equal(api()->open(e, &sly, NULL, &fault), QUIPU_E_NOT_FOUND);
    api()->destroy(e);
}

static void models_are_found_by_name(void **state)
{
    quipu_embedder *e;
    char path[256], config[300];
    const char *slash = strrchr(folder, '/');
    (void)state;
    snprintf(path, sizeof path, "/nowhere:%.*s", (int)(slash - folder), folder);
    setenv("QUIPU_MODELS", path, 1);
    snprintf(config, sizeof config, "{\"model\":\"%s\"}", slash + 1);
    quipu_str text = str_of(config);
    assert_int_equal(api()->create(&host, &e, NULL), QUIPU_OK);
    assert_int_equal(api()->open(e, &text, NULL, &fault), QUIPU_OK);
    api()->destroy(e);
    unsetenv("QUIPU_MODELS");
}

static void calls_end_where_the_caller_wants(void **state)
{
    quipu_embedder *e;
    static answer a;
    quipu_str texts[] = { QUIPU_STR_INIT("cat"), QUIPU_STR_INIT("mat"), QUIPU_STR_INIT("sat") };
    quipu_array array = { texts, 3, sizeof texts[0] };
    quipu_call late = { .struct_size = sizeof late, .deadline_ns = 1 };
    (void)state;
    assert_int_equal(open_with("", &e), QUIPU_OK);
    a = (answer){ .stop_after = 2 };
    assert_int_equal(api()->embed(e, &array, 0, take, &a, NULL, &fault), QUIPU_OK);
    assert_int_equal(a.count, 2);
    a = (answer){ .refusal = QUIPU_E_FULL };
    assert_int_equal(api()->embed(e, &array, 0, take, &a, NULL, &fault), QUIPU_E_FULL);
    a = (answer){ 0 };
    assert_int_equal(api()->embed(e, &array, 0, take, &a, &late, &fault), QUIPU_E_TIMEOUT);
    assert_int_equal(a.count, 0);
    array.count = 0;
    assert_int_equal(api()->embed(e, &array, 0, take, &a, NULL, &fault), QUIPU_OK);
    api()->destroy(e);
}

static void calls_out_of_order_are_refused(void **state)
{
    quipu_embedder *e;
    quipu_model model = { .struct_size = sizeof model };
    quipu_array none = { 0 };
    (void)state;
    assert_int_equal(api()->create(&host, NULL, &fault), QUIPU_E_INVALID);
    assert_int_equal(api()->create(&host, &e, NULL), QUIPU_OK);
    assert_int_equal(api()->model(e, &model, &fault), QUIPU_E_STATE);
    assert_int_equal(api()->embed(e, &none, 0, take, NULL, NULL, &fault), QUIPU_E_STATE);
    assert_int_equal(api()->close(e, NULL, &fault), QUIPU_E_STATE);
    api()->destroy(e);
    api()->destroy(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_are_those_computed_by_hand),
        TEST(the_first_token_is_taken_where_the_model_says_so),
        TEST(half_precision_weights_give_the_same),
        TEST(a_text_longer_than_the_model_takes_is_cut),
        TEST(prefixes_go_before_questions_and_passages),
        TEST(neighbours_in_a_batch_do_not_matter),
        TEST(what_changes_the_vectors_changes_the_models_id),
        TEST(what_is_no_such_model_is_refused_by_name),
        TEST(a_missing_tensor_is_named),
        TEST(bad_settings_are_refused_by_name),
        TEST(a_model_that_is_not_there_says_where_was_looked),
        TEST(models_are_found_by_name),
        TEST(calls_end_where_the_caller_wants),
        TEST(calls_out_of_order_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
