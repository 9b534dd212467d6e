/*
 * fuzz_serve.c - requests to what `quipu serve` serves, bound to one user of two. The first byte chooses the method, the bytes up to the
 * first line end are path and query, the next line is the key or the Host (its first byte says which), the rest is the body. No answer is
 * a failure of the server's own, each is JSON, and what the other user has never shows. $BUILD/plugins holds the backend.
 */
#include "fuzz.h"

#include <host_shim/serve/http/serve.h>
#include <quipu.h>
#include <sdk/json.h>
#include <unistd.h>

#define SECRET "knot-of-ben"

static const char *const texts[] = {
    "{\"id\":\"00000000-0000-4000-8000-000000000001\",\"text\":\"rye "
    "bread\",\"scope\":{\"user\":\"ana\",\"session\":\"s\"},"
    "\"metadata\":{\"n\":1,\"s\":\"x\"},\"role\":\"user\",\"created_at\":\"2025-05-01T10:00:00Z\"}",
    "{\"id\":\"00000000-0000-4000-8000-000000000002\",\"text\":\"bread "
    "again\",\"scope\":{\"user\":\"ana\",\"agent\":\"a\"},"
    "\"expires_at\":\"2001-01-01T00:00:00Z\",\"value\":{\"immutable\":true},\"category\":\"food\"}",
    "{\"id\":\"00000000-0000-4000-8000-000000000003\",\"text\":\"" SECRET " bread\",\"scope\":{\"user\":\"ben\"},"
    "\"metadata\":{\"n\":1}}",
};

static quipu *store;
static serve *served;
static char folder[64] = "/tmp/quipu-fuzz-XXXXXX";
static unsigned since;

static void hear_nothing(void *context, uint32_t level, const quipu_str *component, const quipu_str *message)
{
    (void)context, (void)level, (void)component, (void)message;
}

static void close_store(void)
{
    serve_free(served);
    quipu_close(store, NULL);
    served = NULL;
}

static void remove_folder(void)
{
    close_store();
    rmdir(folder);
}

static void open_store(void)
{
    char plugins[1024], path[80];
    const char *build = getenv("BUILD");
    quipu_error error = { .struct_size = sizeof error };
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
        fprintf(stderr, "fuzz_serve: %s\n", error.message);
    PROMISE(code == QUIPU_OK);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        quipu_str json = str_of(texts[i]);
        PROMISE(quipu_put_json(store, &json, NULL, NULL, NULL, NULL) == QUIPU_OK);
    }
    const serve_options options = { .q = store, .user = { "ana", 3 } };
    PROMISE(serve_create(&options, &served, &error) == QUIPU_OK);
}

static quipu_str header_line;

static quipu_str find_header(void *connection, const char *name)
{
    const char *wanted = connection;
    return strcmp(name, wanted) == 0 ? header_line : (quipu_str){ NULL, 0 };
}

/* The bytes up to the next line end; *rest goes behind it. */
static quipu_str take_line(quipu_str *rest)
{
    const char *end = rest->len ? memchr(rest->ptr, '\n', (size_t)rest->len) : NULL;
    size_t len = end ? (size_t)(end - rest->ptr) : (size_t)rest->len;
    quipu_str line = str_make(rest->ptr, len);
    rest->ptr += len + (end ? 1 : 0);
    rest->len -= len + (end ? 1 : 0);
    return line;
}

static bool holds_secret(const void *bytes, size_t len)
{
    for (size_t i = 0; i + sizeof SECRET - 1 <= len; i++)
        if (memcmp((const char *)bytes + i, SECRET, sizeof SECRET - 1) == 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = { "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW" };
    static const char *const headers[] = { "Host", "Origin", "Authorization", "X-API-Key" };
    if (size == 0 || holds_secret(data, size)) /* what is said to us may be said back */
        return 0;
    if (!store) {
        PROMISE(mkdtemp(folder));
        open_store();
        atexit(remove_folder);
    } else if (++since % 500 == 0) { /* what was added is not to pile up */
        close_store();
        open_store();
    }
    char *text = fuzz_copy(data + 1, size - 1);
    quipu_str rest = str_make(text, size - 1), target = take_line(&rest);
    const char *query = target.len ? memchr(target.ptr, '?', (size_t)target.len) : NULL;
    header_line = take_line(&rest);
    const char *name = headers[header_line.len ? (unsigned char)header_line.ptr[0] % 4 : 3];
    if (header_line.len) {
        header_line.ptr++;
        header_line.len--;
    } else {
        header_line = (quipu_str){ NULL, 0 };
    }
    web_request r = { .method = methods[data[0] % 8],
                      .path = query ? str_make(target.ptr, (size_t)(query - target.ptr)) : target,
                      .query = query ? str_make(query + 1, (size_t)(target.ptr + target.len - query) - 1) : str_of(""),
                      .body = rest,
                      .peer = str_of("127.0.0.1"),
                      .header = find_header,
                      .connection = (void *)(uintptr_t)name,
                      .id = "0123456789abcdef" };
    web_answer a = { 0 };
    serve_handle(served, &r, &a);
    PROMISE(a.status >= 200 && a.status < 600 && a.status != 500 && a.status != 502);
    PROMISE(a.body.len > 0 && !holds_secret(a.body.bytes, a.body.len));
    if (!a.type) {
        cJSON *tree = NULL;
        PROMISE(json_parse(str_make(a.body.bytes, a.body.len), &tree, NULL) == QUIPU_OK);
        cJSON_Delete(tree);
    }
    web_request_free(&r);
    web_answer_free(&a);
    free(text);
    return 0;
}
