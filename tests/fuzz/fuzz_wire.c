/*
 * fuzz_wire.c - questions as JSON to a store with a few records. The first byte chooses replay, search, list or get; the answer is
 * JSON, or the failure says what is wrong. $BUILD/plugins holds the backend.
 */
#include "fuzz.h"

#include <quipu.h>
#include <sdk/json.h>
#include <unistd.h>

static const char *const texts[] = {
    "{\"id\":\"a\",\"text\":\"Rye bread\"}",
    "{\"id\":\"b\",\"text\":\"x\",\"scope\":{\"user\":\"u\",\"session\":\"s\"},\"tags\":[\"t\",\"v\"],\"seq\":3,"
    "\"created_at\":\"2025-05-01T10:00:00Z\",\"importance\":0.5}",
    "{\"id\":\"c\",\"kind\":\"relation\",\"head\":\"h\",\"relation\":\"r\",\"tail\":\"l\",\"score\":1,\"version\":"
    "\"mine\"}",
    "{\"id\":\"d\",\"text\":\"bread "
    "again\",\"expires_at\":\"2001-01-01T00:00:00Z\",\"metadata\":{\"a\":{\"b\":[1,null]}}}",
};

static quipu *store;
static char folder[64] = "/tmp/quipu-fuzz-XXXXXX";

static void hear_nothing(void *context, uint32_t level, const quipu_str *component, const quipu_str *message)
{
    (void)context, (void)level, (void)component, (void)message;
}

static void close_store(void)
{
    quipu_close(store, NULL);
    rmdir(folder);
}

static void open_store(void)
{
    char plugins[1024], path[80];
    const char *build = getenv("BUILD");
    quipu_error error = { .struct_size = sizeof error };
    PROMISE(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s", folder);
    snprintf(plugins, sizeof plugins, "%s/plugins", build ? build : "build");
    quipu_options o = { .struct_size = sizeof o,
                        .store = str_of(path),
                        .backend = str_of("memory"),
                        .embedder = str_of("none"),
                        .plugin_path = str_of(plugins),
                        .log = hear_nothing };
    int32_t code = quipu_open(&o, &store, &error);
    if (code != QUIPU_OK)
        fprintf(stderr, "fuzz_wire: %s\n", error.message);
    PROMISE(code == QUIPU_OK);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        quipu_str json = str_of(texts[i]);
        PROMISE(quipu_put_json(store, &json, NULL, NULL, NULL, NULL) == QUIPU_OK);
    }
    atexit(close_store);
}

static int32_t collect(void *context, const void *bytes, uint64_t len)
{
    buffer_append(context, bytes, (size_t)len);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (!store)
        open_store();
    buffer answer = { 0 };
    cJSON *tree = NULL;
    quipu_error error = { .struct_size = sizeof error };
    char *text = fuzz_copy(data + 1, size - 1);
    quipu_str request = str_make(text, size - 1);
    int32_t code = data[0] == 'r'     ? quipu_replay_json(store, &request, NULL, collect, &answer, NULL, &error)
                   : data[0] % 3 == 0 ? quipu_search_json(store, &request, collect, &answer, NULL, &error)
                   : data[0] % 3 == 1 ? quipu_list_json(store, &request, collect, &answer, NULL, &error)
                                      : quipu_get_json(store, &request, collect, &answer, NULL, &error);
    if (fuzz_failed(code, &error)) {
        PROMISE(answer.len == 0);
    } else {
        PROMISE(!answer.failed && json_parse(str_make(answer.bytes, answer.len), &tree, NULL) == QUIPU_OK);
        const char *end = memchr(answer.bytes, '\n', answer.len);
        PROMISE(!end || end + 1 == answer.bytes + answer.len);
    }
    cJSON_Delete(tree);
    buffer_free(&answer);
    free(text);
    return 0;
}
