/*
 * fuzz_mcp.c - messages to the MCP server, each line one, on a store with a few records. The first byte chooses the profile. Whatever comes, each
 * request is answered by one message of JSON that has its id. $BUILD/plugins holds the backend.
 */
#include "fuzz.h"

#include <host_shim/serve/mcp/mcp.h>
#include <quipu.h>
#include <sdk/json.h>
#include <unistd.h>

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
        fprintf(stderr, "fuzz_mcp: %s\n", error.message);
    PROMISE(code == QUIPU_OK);
    quipu_str json = str_of("{\"id\":\"a\",\"text\":\"Rye bread\",\"tags\":[\"t\"]}");
    PROMISE(quipu_put_json(store, &json, NULL, NULL, NULL, NULL) == QUIPU_OK);
    atexit(close_store);
}

/* What is sent is one JSON object on one line. */
static void check_message(const buffer *message, const rpc_message *to)
{
    cJSON *tree = NULL;
    quipu_error error = { .struct_size = sizeof error };
    PROMISE(!message->failed && !memchr(message->bytes, '\n', message->len));
    if (json_parse(str_make(message->bytes, message->len), &tree, &error) != QUIPU_OK)
        fprintf(stderr, "%s\n%.*s\n", error.message, (int)message->len, message->bytes);
    PROMISE(cJSON_IsObject(tree));
    if (to) {
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(tree, "id");
        PROMISE(id && cJSON_Compare(id, to->id ? to->id : id, 1));
        PROMISE(cJSON_HasObjectItem(tree, "result") != cJSON_HasObjectItem(tree, "error"));
    }
    cJSON_Delete(tree);
}

static void hear(void *context, const buffer *message)
{
    (void)context;
    check_message(message, NULL);
}

static void say(const mcp_server *server, mcp_session *session, quipu_str line)
{
    rpc_message message;
    rpc_error error = { 0 };
    buffer answer = { 0 };
    int code = MCP_ANSWERED;
    if (rpc_read(line, &message, &error) != RPC_OK)
        rpc_print_error(&message, &error, &answer);
    else if (message.id && message.method)
        code = mcp_answer(server, session, &message, NULL, &answer);
    PROMISE(code <= MCP_ANSWERED || answer.len == 0);
    if (answer.len > 0)
        check_message(&answer, &message);
    else
        PROMISE(code == MCP_LISTENING || !message.id || !message.method);
    buffer_free(&answer);
    rpc_error_free(&error);
    rpc_message_free(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mcp_session session;
    size_t profiles = 1;
    if (size == 0)
        return 0;
    if (!store)
        open_store();
    while (mcp_profiles[profiles])
        profiles++;
    mcp_server server = { .q = store, .profile = mcp_profiles[data[0] % profiles] };
    if (data[0] & 0x80)
        server.user = str_of("u");
    mcp_session_begin(&session, hear, NULL);
    data++;
    size--;
    while (size > 0) {
        quipu_str line = fuzz_part(&data, &size, '\n');
        char *copy = fuzz_copy(line.ptr, (size_t)line.len);
        say(&server, &session, str_make(copy, (size_t)line.len));
        free(copy);
    }
    mcp_session_end(&session);
    return 0;
}
