/* anthropic.c - the profile `anthropic`: the six commands of Anthropic's memory tool (quipu_files.h) as one tool. */
#include "support.h"
#include "profiles.h"

#include <base/fail.h>
#include <quipu_files.h>
#include <sdk/json.h>

#define TEXT_ "{\"type\":\"string\"}"

static const char input[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"command\":{\"type\":\"string\",\"enum\":[\"view\",\"create\",\"str_replace\",\"insert\",\"delete\",\"rename\"]},"
    "\"path\":{\"type\":\"string\",\"description\":\"/memories or below it; of all commands but rename\"},"
    "\"view_range\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"description\":\"of view: first and last "
    "line, from 1; -1: to "
    "the end\"},"
    "\"file_text\":{\"type\":\"string\",\"description\":\"of create\"},"
    "\"old_str\":{\"type\":\"string\",\"description\":\"of str_replace: what is there once\"},"
    "\"new_str\":{\"type\":\"string\",\"description\":\"of str_replace: what comes in its place; without it nothing\"},"
    "\"insert_line\":{\"type\":\"integer\",\"description\":\"of insert: after this line; 0: at the top\"},"
    "\"insert_text\":{\"type\":\"string\",\"description\":\"of insert\"},"
    "\"old_path\":" TEXT_ ",\"new_path\":" TEXT_ "},\"required\":[\"command\"],\"additionalProperties\":false}";

static int32_t memory(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    quipu_write_options options = mcp_write_options(r, NULL);
    buffer json = { 0 };
    json_print_compact(arguments, &json);
    quipu_str command = str_make(json.bytes, json.len);
    int32_t code = json.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted")
                               : quipu_files_json(r->server->q, &command, 0, &options, mcp_collect_bytes, &out->text,
                                                  r->call, error);
    buffer_free(&json);
    /* What a command could not do is said whole: an error's own message is cut. */
    out->failed = code != QUIPU_OK && out->text.len > 0;
    return out->failed ? QUIPU_OK : code;
}

static const mcp_tool tools[] = {
    { "memory", "Memory",
      "Files below /memories that outlive this conversation: look at them before you begin, and keep there what later "
      "ones need.",
      input, NULL, MCP_DESTRUCTIVE, memory },
    { NULL, NULL, NULL, NULL, NULL, 0, NULL },
};

const mcp_profile anthropic_profile = {
    .name = "anthropic",
    .summary = "the memory tool of Anthropic's models: view, create, str_replace, insert, delete, rename",
    .tools = tools,
};
