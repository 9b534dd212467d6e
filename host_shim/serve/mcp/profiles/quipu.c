/* quipu.c - the profile `quipu`: Quipu's own tools. Here: what writes and reads records. */
#include "quipu_profile.h"
#include "support.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_ "{\"type\":\"string\"}"
#define OPTIONAL_ "{\"type\":[\"string\",\"null\"]}"
#define SCOPE_                                                                                                         \
    "\"scope\":{\"type\":\"object\",\"description\":\"whom it belongs to\",\"properties\":{\"user\":" TEXT_            \
    ",\"agent\":" TEXT_ ",\"session\":" TEXT_ ",\"app\":" TEXT_ "},\"additionalProperties\":false}"
#define AS_OF_                                                                                                         \
    "\"as_of\":{\"type\":\"string\",\"description\":\"as it was then: a revision, HEAD~N, a time (RFC 3339) or a "     \
    "date\"}"
#define WRITTEN_                                                                                                       \
    "{\"type\":\"object\",\"properties\":{\"id\":" TEXT_ ",\"version\":" TEXT_ ",\"revision\":" TEXT_                  \
    ",\"changed\":{\"type\":\"boolean\"}},\"required\":[\"id\",\"version\",\"revision\",\"changed\"]}"
#define FIELDS_                                                                                                        \
    "\"tags\":{\"type\":\"array\",\"items\":" TEXT_ ",\"maxItems\":1000},"                                             \
    "\"category\":" OPTIONAL_ ","                                                                                      \
    "\"key\":{\"type\":[\"string\",\"null\"],\"description\":\"a name to look it up by\"},"                            \
    "\"importance\":{\"type\":[\"number\",\"null\"],\"minimum\":0,\"maximum\":1},"                                     \
    "\"expires_at\":{\"type\":[\"string\",\"null\"],\"description\":\"hidden afterwards (RFC 3339)\"},"                \
    "\"metadata\":{\"type\":[\"object\",\"null\"],\"description\":\"anything, to filter by\"},"                        \
    "\"value\":{\"description\":\"a payload of any shape\"}"

static const char remember_in[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"text\":{\"type\":\"string\",\"minLength\":1,\"description\":\"what to remember, in a sentence that can be "
    "understood by itself\"},"
    "\"id\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":255,\"description\":\"else a new one is made\"},"
    "\"upsert\":{\"type\":\"boolean\",\"description\":\"replace what is there under the id, or under the same scope, "
    "category and key\"},"
    "\"kind\":{\"type\":\"string\",\"description\":\"memory (default), message, relation, summary, or a word of your "
    "own\"},"
    "\"actor\":{\"type\":\"string\",\"description\":\"who said it\"}," FIELDS_ "," SCOPE_
    "},\"required\":[\"text\"],\"additionalProperties\":false}";

static const char recall_in[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"query\":{\"type\":\"string\",\"description\":\"a question or some words; without it the newest come\"},"
    "\"k\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100,\"description\":\"results at the most (10)\"},"
    "\"filter\":{\"type\":\"object\",\"description\":\"only records that match, as {\\\"tags\\\":\\\"work\\\"} or "
    "{\\\"created_at\\\":{\\\"gte\\\":\\\"2025-01-01\\\"}}\"},"
    "\"mode\":{\"type\":\"string\",\"enum\":[\"auto\",\"hybrid\",\"lexical\",\"vector\"]},"
    "\"explain\":{\"type\":\"boolean\",\"description\":\"say what each score is made of\"},"
    "\"wait\":{\"type\":\"boolean\",\"description\":\"make all vectors that are pending first\"}," AS_OF_ "," SCOPE_
    "},\"additionalProperties\":false}";
static const char recall_out[] =
    "{\"type\":\"object\",\"properties\":{\"results\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
    "\"properties\":{\"id\":" TEXT_ ",\"text\":" TEXT_ ",\"score\":{\"type\":\"number\"},\"version\":" TEXT_
    "},\"required\":[\"id\",\"version\"]}}},\"required\":[\"results\"]}";

static const char get_in[] = "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\",\"minLength\":1}," AS_OF_
                             "},\"required\":[\"id\"],\"additionalProperties\":false}";
static const char get_out[] = "{\"type\":\"object\",\"properties\":{\"id\":" TEXT_ ",\"text\":" TEXT_
                              ",\"version\":" TEXT_ "},\"required\":[\"id\",\"version\"]}";

static const char update_in[] =
    "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\",\"minLength\":1},"
    "\"text\":{\"type\":\"string\",\"description\":\"the new text\"},"
    "\"if_version\":{\"type\":\"string\",\"description\":\"change it only while it is still this version\"}," FIELDS_
    "},\"required\":[\"id\"],\"additionalProperties\":false}";

static const char forget_in[] =
    "{\"type\":\"object\",\"properties\":{\"ids\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"minLength\":1},"
    "\"minItems\":1,\"maxItems\":1000},"
    "\"if_version\":{\"type\":\"string\",\"description\":\"of the one id: forget it only while it is still this "
    "version\"}"
    "},\"required\":[\"ids\"],\"additionalProperties\":false}";
static const char forget_out[] = "{\"type\":\"object\",\"properties\":{\"deleted\":{\"type\":\"array\",\"items\":" TEXT_
                                 "},\"revision\":" TEXT_ "},\"required\":[\"deleted\",\"revision\"]}";

/* ---- writing ---- */

typedef struct written {
    mcp_request *request;
    char id[QUIPU_ID_MAX + 1], version[QUIPU_VERSION_LEN + 1];
} written;

static void keep_written(void *context, uint64_t index, const quipu_str *id, const quipu_record *record)
{
    written *w = context;
    (void)index;
    snprintf(w->id, sizeof w->id, "%.*s", (int)id->len, id->ptr);
    if (record)
        snprintf(w->version, sizeof w->version, "%.*s", (int)record->version.len, record->version.ptr);
}

/* One put or patch, and what became of it. */
static int32_t write_one(mcp_request *r, quipu_write *step, const cJSON *tree, const char *operation, uint32_t flags,
                         mcp_result *out, quipu_error *error)
{
    buffer json = { 0 };
    written w = { .request = r };
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    quipu_write_options options = mcp_write_options(r, operation);
    quipu_array writes = { step, 1, sizeof *step };
    options.flags = flags;
    json_print_compact(tree, &json);
    step->struct_size = sizeof *step;
    step->json = str_make(json.bytes, json.len);
    int32_t code =
        json.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted")
                    : quipu_write_records(r->server->q, &writes, &options, keep_written, &w, &receipt, r->call, error);
    buffer_free(&json);
    if (code != QUIPU_OK)
        return code;
    buffer_append_text(&out->structured, "{\"id\":");
    json_print_string(str_of(w.id), &out->structured);
    buffer_printf(&out->structured, ",\"version\":\"%s\",\"revision\":", w.version);
    json_print_string(str_of(receipt.revision), &out->structured);
    buffer_printf(&out->structured, ",\"changed\":%s}", receipt.changed ? "true" : "false");
    if (receipt.changed)
        quipu_record_changed(r, str_of(w.id));
    return QUIPU_OK;
}

static int32_t remember(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    bool upsert = mcp_argument_true(arguments, "upsert"), named = str_present(mcp_argument_str(arguments, "id"));
    quipu_write step = { .op = QUIPU_CHANGE_PUT, .expect = named && !upsert ? QUIPU_EXPECT_ABSENT : QUIPU_EXPECT_ANY };
    buffer scope = { 0 };
    if (upsert && !named && !str_present(mcp_argument_str(arguments, "key")))
        return fail(error, QUIPU_E_INVALID, "upsert",
                    "upsert needs to know what to replace: give an id, or a key (and a category)");
    int32_t code = mcp_scope_print(r, cJSON_GetObjectItemCaseSensitive(arguments, "scope"), &scope, error);
    buffer_free(&scope);
    if (code != QUIPU_OK)
        return code;
    cJSON *record = cJSON_Duplicate(arguments, 1);
    if (!record)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    cJSON_DeleteItemFromObjectCaseSensitive(record, "upsert");
    code = write_one(r, &step, record, upsert ? NULL : "add", upsert && !named ? QUIPU_WRITE_UPSERT : 0, out, error);
    cJSON_Delete(record);
    return code;
}

static int32_t update(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    quipu_str id = mcp_argument_str(arguments, "id"), version = mcp_argument_str(arguments, "if_version");
    quipu_write step = { .op = QUIPU_WRITE_PATCH,
                         .expect = str_present(version) ? QUIPU_EXPECT_VERSION : QUIPU_EXPECT_PRESENT,
                         .id = id,
                         .expected_version = version };
    int32_t code = mcp_check_in_scope(r, id, error);
    if (code != QUIPU_OK)
        return code;
    cJSON *patch = cJSON_Duplicate(arguments, 1);
    if (!patch)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    cJSON_DeleteItemFromObjectCaseSensitive(patch, "id");
    cJSON_DeleteItemFromObjectCaseSensitive(patch, "if_version");
    code = patch->child ? write_one(r, &step, patch, "update", 0, out, error)
                        : fail(error, QUIPU_E_INVALID, "arguments", "nothing to change: give a text, or other fields");
    cJSON_Delete(patch);
    return code;
}

static void print_deleted(const cJSON *ids, const quipu_receipt *receipt, buffer *out)
{
    buffer_append_text(out, "{\"deleted\":");
    json_print_compact(ids, out);
    buffer_append_text(out, ",\"revision\":");
    json_print_string(str_of(receipt->revision), out);
    buffer_append_char(out, '}');
}

static int32_t forget(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    const cJSON *ids = cJSON_GetObjectItemCaseSensitive(arguments, "ids"), *id;
    quipu_str version = mcp_argument_str(arguments, "if_version");
    quipu_write_options options = mcp_write_options(r, "delete");
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    size_t count = (size_t)cJSON_GetArraySize(ids), i = 0;
    int32_t code = QUIPU_OK;
    if (str_present(version) && count > 1)
        return fail(error, QUIPU_E_INVALID, "if_version", "if_version is the version of one record: name one id");
    quipu_write *steps = calloc(count, sizeof *steps);
    if (!steps)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    cJSON_ArrayForEach(id, ids)
    {
        steps[i++] = (quipu_write){ .struct_size = sizeof *steps,
                                    .op = QUIPU_CHANGE_DELETE,
                                    .expect = str_present(version) ? QUIPU_EXPECT_VERSION : QUIPU_EXPECT_PRESENT,
                                    .id = str_of(id->valuestring),
                                    .expected_version = version };
        if (code == QUIPU_OK)
            code = mcp_check_in_scope(r, str_of(id->valuestring), error);
    }
    quipu_array writes = { steps, count, sizeof *steps };
    if (code == QUIPU_OK)
        code = quipu_write_records(r->server->q, &writes, &options, NULL, NULL, &receipt, r->call, error);
    if (code == QUIPU_OK)
        print_deleted(ids, &receipt, &out->structured);
    for (i = 0; code == QUIPU_OK && i < count; i++)
        quipu_record_changed(r, steps[i].id);
    free(steps);
    return code;
}

/* ---- reading ---- */

static int32_t show_embedding(void *context, uint64_t done, uint64_t total)
{
    mcp_progress(context, done, total, "making vectors");
    return 0;
}

/* Makes the vectors that are pending, and says how far it is. Without an embedder there is nothing to do. */
static int32_t embed_first(mcp_request *r, quipu_error *error)
{
    quipu_vectors_state state = { .struct_size = sizeof state };
    int32_t code = quipu_read_vectors(r->server->q, &state, r->call, error);
    if (code == QUIPU_OK && state.pending > 0)
        code = quipu_embed_pending(r->server->q, show_embedding, r, r->call, error);
    return code == QUIPU_E_UNSUPPORTED ? QUIPU_OK : code;
}

static int32_t recall(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    static const char *const copied[] = { "filter", "as_of" }, *const of_search[] = { "query", "mode", "explain" };
    bool search = str_present(mcp_argument_str(arguments, "query"));
    buffer question = { 0 };
    int32_t code = QUIPU_OK;
    if (mcp_argument_true(arguments, "wait"))
        code = embed_first(r, error);
    buffer_printf(&question, "{\"%s\":%lld,", search ? "k" : "limit", (long long)mcp_argument_int(arguments, "k", 10));
    if (code == QUIPU_OK)
        code = mcp_scope_print(r, cJSON_GetObjectItemCaseSensitive(arguments, "scope"), &question, error);
    for (size_t i = 0; i < 2 + (search ? 3 : 0); i++) {
        const char *name = i < 2 ? copied[i] : of_search[i - 2];
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(arguments, name);
        if (!item)
            continue;
        buffer_printf(&question, ",\"%s\":", name);
        json_print_compact(item, &question);
    }
    buffer_append_char(&question, '}');
    if (code == QUIPU_OK)
        code = mcp_ask(r, search ? quipu_search_json : quipu_list_json, &question, &out->structured, error);
    buffer_free(&question);
    return code;
}

static int32_t get(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    return mcp_get_record(r, mcp_argument_str(arguments, "id"), mcp_argument_str(arguments, "as_of"), &out->structured,
                          error);
}

static const mcp_tool tools[] = {
    { "remember", "Remember", "Keeps one memory and answers with its id. When the answer comes, it is stored for good.",
      remember_in, WRITTEN_, 0, remember },
    { "recall", "Recall", "Finds memories by what they say, best first; without a query shows the newest.", recall_in,
      recall_out, MCP_READS | MCP_IDEMPOTENT, recall },
    { "get", "Get one memory", "Shows one memory with all its fields, also as it was at an earlier time.", get_in,
      get_out, MCP_READS | MCP_IDEMPOTENT, get },
    { "update", "Update a memory",
      "Changes the fields that are given and leaves the others alone; null removes a field. What was there before "
      "stays in the "
      "history.",
      update_in, WRITTEN_, MCP_DESTRUCTIVE | MCP_IDEMPOTENT, update },
    { "forget", "Forget memories",
      "Deletes memories: all that are named or, where one is missing, none. `revert` brings them back.", forget_in,
      forget_out, MCP_DESTRUCTIVE, forget },
    { "history", "History",
      "Shows the revisions of the store, or of one memory, newest first: who changed what, and when.", quipu_history_in,
      quipu_history_out, MCP_READS | MCP_IDEMPOTENT, tool_history },
    { "diff", "Compare revisions", "Shows which memories differ between two revisions, field by field.", quipu_diff_in,
      quipu_diff_out, MCP_READS | MCP_IDEMPOTENT, tool_diff },
    { "revert", "Take back",
      "Takes one revision back, or gives one memory the state that it had at an earlier time; always as a new "
      "revision.",
      quipu_revert_in, quipu_revert_out, MCP_DESTRUCTIVE, tool_revert },
    { "branch", "Branches",
      "Lists, makes, switches, merges or deletes branches. Switching is for everybody who uses the store.",
      quipu_branch_in, quipu_branch_out, MCP_DESTRUCTIVE, tool_branch },
    { NULL, NULL, NULL, NULL, NULL, 0, NULL },
};

const mcp_profile quipu_profile = {
    .name = "quipu",
    .summary = "remember, recall, get, update, forget, history, diff, revert, branch",
    .instructions =
        "Long-term memory that keeps every state it ever had. Recall before you answer what may depend on earlier "
        "conversations; "
        "remember what should outlive this one: a fact a memory, in a sentence that can be understood by itself. "
        "Update a memory "
        "that has changed instead of adding a second one. history, diff and revert show what was changed, and undo it.",
    .tools = tools,
    .prompts = quipu_prompts,
    .resources = &quipu_resources,
};
