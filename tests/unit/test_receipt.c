/* test_receipt.c - receipts of a backend that keeps no history: what can be promised is what is there now. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <quipu.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/quipu-receipt-XXXXXX";
static quipu *store;
static quipu_error fault;

static void put(const char *json)
{
    quipu_str record = str_of(json);
    assert_int_equal(quipu_put_json(store, &record, NULL, NULL, NULL, NULL), QUIPU_OK);
}

static int begin(void **state)
{
    char plugins[1024], path[80];
    const char *build = getenv("BUILD");
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/s", folder);
    snprintf(plugins, sizeof plugins, "%s/plugins", build ? build : "build");
    quipu_options o = { .struct_size = sizeof o,
                        .store = str_of(path),
                        .backend = str_of("memory"),
                        .embedder = str_of("none"),
                        .plugin_path = str_of(plugins) };
    fault = (quipu_error){ .struct_size = sizeof fault };
    return quipu_open(&o, &store, NULL) == QUIPU_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    quipu_close(store, NULL);
    rmdir(folder);
    return 0;
}

static int32_t collect(void *context, const void *bytes, uint64_t len)
{
    buffer_append(context, bytes, (size_t)len);
    return 0;
}

static int32_t refuse(void *context, const void *bytes, uint64_t len)
{
    (void)context, (void)bytes, (void)len;
    return QUIPU_E_FULL;
}

static quipu_str search(buffer *answer)
{
    quipu_str question = QUIPU_STR_INIT("{\"query\":\"bread\",\"receipt\":true}");
    assert_int_equal(quipu_search_json(store, &question, collect, answer, NULL, NULL), QUIPU_OK);
    return str_make(answer->bytes, answer->len);
}

static void without_history_the_present_is_compared(void **state)
{
    buffer answer = { 0 }, again = { 0 };
    (void)state;
    put("{\"id\":\"a\",\"text\":\"rye bread\"}");
    quipu_str receipt = search(&answer);
    assert_non_null(strstr(answer.bytes, "\"backend\":\"memory\",\"commit\":null"));
    assert_int_equal(quipu_replay_json(store, &receipt, NULL, collect, &again, NULL, NULL), QUIPU_OK);
    assert_non_null(strstr(again.bytes, "{\"same\":true,\"results\":1,\"commit\":null,\"differences\":[]}"));
    put("{\"id\":\"b\",\"text\":\"bread bread\"}");
    buffer_clear(&again);
    assert_int_equal(quipu_replay_json(store, &receipt, NULL, collect, &again, NULL, NULL), QUIPU_OK);
    assert_non_null(strstr(again.bytes, "{\"same\":false,\"results\":2"));
    buffer_free(&answer);
    buffer_free(&again);
}

static void a_sink_that_refuses_or_is_missing_ends_it(void **state)
{
    buffer answer = { 0 };
    (void)state;
    put("{\"id\":\"a\",\"text\":\"rye bread\"}");
    quipu_str receipt = search(&answer);
    assert_int_equal(quipu_replay_json(store, &receipt, NULL, NULL, NULL, NULL, &fault), QUIPU_E_INVALID);
    assert_string_equal(fault.field, "sink");
    assert_int_equal(quipu_replay_json(store, &receipt, NULL, refuse, NULL, NULL, &fault), QUIPU_E_FULL);
    assert_int_equal(quipu_replay_json(store, NULL, NULL, collect, &answer, NULL, &fault), QUIPU_E_INVALID);
    assert_string_equal(fault.field, "receipt");
    buffer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_history_the_present_is_compared),
        cmocka_unit_test(a_sink_that_refuses_or_is_missing_ends_it),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
