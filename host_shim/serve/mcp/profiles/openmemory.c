/*
 * openmemory.c - the profile `openmemory`: the five tools of mem0's OpenMemory server (https://github.com/mem0ai/mem0, openmemory/).
 *
 * Its user is the server's --user; memories that a client adds get the app that --app names, or else the client's name. As there, what fails is
 * said as a text that begins with "Error".
 */
#include "support.h"
#include "profiles.h"

#include <base/fail.h>
#include <base/hash.h>
#include <quipu_memory.h>
#include <sdk/json.h>
#include <sdk/record.h>
#include <stdlib.h>
#include <string.h>

#define SEARCH_LIMIT 10

/* "Error ...: why", and QUIPU_OK: the failure is the answer. */
static int32_t tell(mcp_result *out, const char *what, const quipu_error *error)
{
    buffer_clear(&out->text);
    buffer_printf(&out->text, "%s: %s", what, error->message[0] ? error->message : error_text(error->code));
    return QUIPU_OK;
}

/* False, with the text that says so, where it is not known who is served. */
static bool is_served(const mcp_request *r, mcp_result *out)
{
    if (!str_present(r->server->user))
        buffer_append_text(&out->text, "Error: user_id not provided");
    else if (!str_present(r->server->app) && !r->client[0])
        buffer_append_text(&out->text, "Error: client_name not provided");
    return out->text.len == 0;
}

static int32_t filter_of(const mcp_request *r, quipu_parsed_filter **out, quipu_error *error)
{
    buffer expression = { 0 };
    buffer_append_text(&expression, "{\"kind\":\"memory\"}");
    int32_t code = mcp_filter_of(r, &expression, out, error);
    buffer_free(&expression);
    return code;
}

/* ---- adding ---- */

static int32_t print_event(void *context, const quipu_memory_event *event)
{
    buffer *out = context;
    if (event->what != QUIPU_MEMORY_ADDED)
        return 0;
    buffer_append_text(out, out->bytes[out->len - 1] == '[' ? "{\"id\":" : ",{\"id\":");
    json_print_string(event->id, out);
    buffer_append_text(out, ",\"memory\":");
    json_print_string(event->after ? event->after->text : str_of(""), out);
    buffer_append_text(out, ",\"event\":\"ADD\"}");
    return out->failed ? QUIPU_E_NO_MEMORY : 0;
}

/* Stored word for word, whatever `infer` says: there is no model here that could make facts of it. */
static int32_t add_memories(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    quipu_write_options options = mcp_write_options(r, NULL);
    quipu_message message = { .struct_size = sizeof message, .content = mcp_argument_str(arguments, "text") };
    quipu_remember what = { .struct_size = sizeof what,
                            .flags = QUIPU_REMEMBER_ONCE,
                            .user = r->server->user,
                            .agent = r->server->agent,
                            .session = r->server->session,
                            .app = str_present(r->server->app) ? r->server->app : str_of(r->client),
                            .messages = { &message, 1, sizeof message },
                            .time = QUIPU_TIME_NONE,
                            .author = options.author };
    if (!is_served(r, out))
        return QUIPU_OK;
    buffer_append_text(&out->text, "{\"results\":[");
    if (quipu_remember_messages(r->server->q, &what, print_event, &out->text, r->call, error) != QUIPU_OK)
        return tell(out, "Error adding to memory", error);
    buffer_append_text(&out->text, "]}");
    return QUIPU_OK;
}

/* ---- looking ---- */

static void print_time(const char *name, int64_t time, buffer *out)
{
    buffer_printf(out, ",\"%s\":", name);
    if (time == QUIPU_TIME_NONE) {
        buffer_append_text(out, "null");
        return;
    }
    buffer_append_char(out, '"');
    time_print(time, out);
    buffer_append_char(out, '"');
}

typedef struct listing {
    buffer json;
    bool scored;
} listing;

static int32_t print_hit(void *context, const quipu_hit *hit)
{
    listing *l = context;
    const quipu_record *r = hit->record;
    uint8_t digest[16];
    char digits[33] = "", score[32];
    hash_md5(r->text.ptr ? r->text.ptr : "", (size_t)r->text.len, digest);
    hex_encode(digest, sizeof digest, digits);
    buffer_append_text(&l->json, l->json.bytes[l->json.len - 1] == '[' ? "{\"id\":" : ",{\"id\":");
    json_print_string(r->id, &l->json);
    buffer_append_text(&l->json, ",\"memory\":");
    json_print_string(r->text.ptr ? r->text : str_of(""), &l->json);
    buffer_printf(&l->json, ",\"hash\":\"%.32s\"", digits);
    print_time("created_at", r->created_at, &l->json);
    print_time("updated_at", r->updated_at, &l->json);
    if (l->scored)
        buffer_printf(&l->json, ",\"score\":%s", json_double_text(hit->score, score) ? score : "0");
    buffer_append_char(&l->json, '}');
    return l->json.failed ? QUIPU_E_NO_MEMORY : 0;
}

static int32_t show(listing *l, mcp_result *out, quipu_error *error)
{
    cJSON *tree = NULL;
    int32_t code = l->json.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted")
                                  : json_parse(str_make(l->json.bytes, l->json.len), &tree, error);
    if (code == QUIPU_OK)
        mcp_print_indented(tree, &out->text);
    cJSON_Delete(tree);
    buffer_free(&l->json);
    return code;
}

static int32_t search_memory(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    quipu_parsed_filter *filter = NULL;
    listing l = { .scored = true };
    if (!is_served(r, out))
        return QUIPU_OK;
    int32_t code = filter_of(r, &filter, error);
    buffer_append_text(&l.json, "{\"results\":[");
    if (code == QUIPU_OK) {
        quipu_search query = { .struct_size = sizeof query,
                               .filter = quipu_filter_get(filter),
                               .text = mcp_argument_str(arguments, "query"),
                               .k = SEARCH_LIMIT };
        code = quipu_search_records(r->server->q, &query, print_hit, &l, r->call, error);
    }
    buffer_append_text(&l.json, "]}");
    quipu_filter_free(filter);
    int32_t shown = show(&l, out, error);
    return code == QUIPU_OK && shown == QUIPU_OK ? QUIPU_OK : tell(out, "Error searching memory", error);
}

static int32_t list_memories(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    quipu_parsed_filter *filter = NULL;
    listing l = { .scored = false };
    (void)arguments;
    if (!is_served(r, out))
        return QUIPU_OK;
    int32_t code = filter_of(r, &filter, error);
    buffer_append_char(&l.json, '[');
    if (code == QUIPU_OK) {
        quipu_scan query = { .struct_size = sizeof query,
                             .filter = quipu_filter_get(filter),
                             .order = QUIPU_ORDER_NEWEST };
        code = quipu_scan_records(r->server->q, &query, print_hit, &l, r->call, error);
    }
    buffer_append_char(&l.json, ']');
    quipu_filter_free(filter);
    int32_t shown = show(&l, out, error);
    return code == QUIPU_OK && shown == QUIPU_OK ? QUIPU_OK : tell(out, "Error getting memories", error);
}

/* ---- forgetting ---- */

static int32_t delete_memories(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    const cJSON *id;
    quipu_parsed_filter *filter = NULL;
    quipu_write_options options = mcp_write_options(r, NULL);
    uint64_t count = 0;
    if (!is_served(r, out))
        return QUIPU_OK;
    int32_t code = filter_of(r, &filter, error);
    cJSON_ArrayForEach(id, cJSON_GetObjectItemCaseSensitive(arguments, "memory_ids"))
    {
        quipu_str one = str_of(id->valuestring);
        if (code == QUIPU_OK)
            code = quipu_memory_delete(r->server->q, &one, quipu_filter_get(filter), &options.author, NULL, NULL,
                                       r->call, error);
        count += code == QUIPU_OK;
        code = code == QUIPU_E_NOT_FOUND || code == QUIPU_E_INVALID
                   ? QUIPU_OK
                   : code; /* those that are not there are passed over */
    }
    quipu_filter_free(filter);
    if (code != QUIPU_OK)
        return tell(out, "Error deleting memories", error);
    if (count == 0)
        buffer_append_text(&out->text, "Error: No accessible memories found with provided IDs");
    else
        buffer_printf(&out->text, "Successfully deleted %llu memories", (unsigned long long)count);
    return QUIPU_OK;
}

static int32_t delete_all_memories(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    quipu_parsed_filter *filter = NULL;
    quipu_write_options options = mcp_write_options(r, NULL);
    (void)arguments;
    if (!is_served(r, out))
        return QUIPU_OK;
    int32_t code = filter_of(r, &filter, error);
    if (code == QUIPU_OK)
        code = quipu_memory_delete_all(r->server->q, quipu_filter_get(filter), &options.author, NULL, NULL, NULL,
                                       r->call, error);
    quipu_filter_free(filter);
    if (code != QUIPU_OK)
        return tell(out, "Error deleting memories", error);
    buffer_append_text(&out->text, "Successfully deleted all memories");
    return QUIPU_OK;
}

#define NOTHING_ "{\"type\":\"object\",\"properties\":{},\"required\":[]}"

static const mcp_tool tools[] = {
    { "add_memories", "Add memories",
      "Keeps what the user says about themselves, what they like, and what they want to be remembered.",
      "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"},\"infer\":{\"type\":\"boolean\",\"default\":"
      "true}},"
      "\"required\":[\"text\"]}",
      NULL, 0, add_memories },
    { "search_memory", "Search memories", "Finds memories by what they say. Use it whenever the user asks something.",
      "{\"type\":\"object\",\"properties\":{\"query\":{\"type\":\"string\"}},\"required\":[\"query\"]}", NULL,
      MCP_READS | MCP_IDEMPOTENT, search_memory },
    { "list_memories", "List memories", "Shows all memories of the user.", NOTHING_, NULL, MCP_READS | MCP_IDEMPOTENT,
      list_memories },
    { "delete_memories", "Delete memories", "Deletes memories by their ids.",
      "{\"type\":\"object\",\"properties\":{\"memory_ids\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}},"
      "\"required\":["
      "\"memory_ids\"]}",
      NULL, MCP_DESTRUCTIVE | MCP_IDEMPOTENT, delete_memories },
    { "delete_all_memories", "Delete all memories", "Deletes all memories of the user.", NOTHING_, NULL,
      MCP_DESTRUCTIVE | MCP_IDEMPOTENT, delete_all_memories },
    { NULL, NULL, NULL, NULL, NULL, 0, NULL },
};

const mcp_profile openmemory_profile = {
    .name = "openmemory",
    .summary = "the five tools of mem0's OpenMemory; needs --user",
    .tools = tools,
};
