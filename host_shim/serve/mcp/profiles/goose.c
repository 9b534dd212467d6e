/*
 * goose.c - the profile `goose`: the four tools of goose's built-in memory extension (https://github.com/block/goose), which it can
 * take the place of.
 *
 * What goose keeps in a file a category, for all projects or for one, are records here: the category is the record's, and metadata.goose is
 * "global" or the folder of the project, which a request's _meta names ("agent-working-dir"), or else that the server was started in.
 */
#include "support.h"
#include "profiles.h"

#include <base/fail.h>
#include <quipu_memory.h>
#include <sdk/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_ "{\"type\":\"string\"}"
#define PLACE_ "\"is_global\":{\"type\":\"boolean\",\"description\":\"for all projects, or for this one\"}"
#define CATEGORY_ "\"category\":{\"type\":\"string\",\"description\":\"\\\"*\\\" for all\"}"
#define INPUT_(members, required)                                                                                      \
    "{\"type\":\"object\",\"properties\":{" members "," PLACE_ "},\"required\":[" required "\"is_global\"]}"

/* Where it belongs, as metadata.goose has it. */
static void print_place(const mcp_request *r, const cJSON *arguments, buffer *out)
{
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(r->message->params, "_meta");
    quipu_str folder = mcp_argument_str(meta, "agent-working-dir");
    char *here = folder.len > 0 || mcp_argument_true(arguments, "is_global") ? NULL : getcwd(NULL, 0);
    if (mcp_argument_true(arguments, "is_global"))
        folder = str_of("global");
    else if (here && utf8_first_bad(here, strlen(here)) < 0)
        folder = str_of(here);
    json_print_string(folder.len > 0 ? folder : str_of("."), out);
    free(here);
}

static bool is_all(const cJSON *arguments)
{
    quipu_str category = mcp_argument_str(arguments, "category");
    return QUIPU_IS(&category, "*");
}

static int32_t check_category(const cJSON *arguments, quipu_error *error)
{
    quipu_str category = mcp_argument_str(arguments, "category");
    if (category.len == 0 || is_all(arguments))
        return fail(error, QUIPU_E_INVALID, "category",
                    "the category has to have a name; \"*\" stands for all of them");
    return QUIPU_OK;
}

static int32_t remember(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    quipu_str category = mcp_argument_str(arguments, "category"), data = mcp_argument_str(arguments, "data");
    const cJSON *tags = cJSON_GetObjectItemCaseSensitive(arguments, "tags");
    quipu_write_options options = mcp_write_options(r, "add");
    buffer json = { 0 };
    int32_t code = check_category(arguments, error);
    if (code != QUIPU_OK)
        return code;
    buffer_append_text(&json, "{\"text\":");
    json_print_string(data, &json);
    buffer_append_text(&json, ",\"category\":");
    json_print_string(category, &json);
    if (tags) {
        buffer_append_text(&json, ",\"tags\":");
        json_print_compact(tags, &json);
    }
    buffer_append_text(&json, ",\"metadata\":{\"goose\":");
    print_place(r, arguments, &json);
    buffer_append_text(&json, "}}");
    quipu_str asked = str_make(json.bytes, json.len);
    code = json.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted")
                       : quipu_put_json(r->server->q, &asked, &options, NULL, r->call, error);
    buffer_free(&json);
    buffer_append_text(&out->text, "Stored memory in category: ");
    buffer_append_str(&out->text, category);
    return code;
}

/* Which records are meant. part: of their text, or absent. */
static int32_t filter_of(const mcp_request *r, const cJSON *arguments, quipu_str part, quipu_parsed_filter **out,
                         quipu_error *error)
{
    buffer expression = { 0 };
    buffer_append_text(&expression, "{\"kind\":\"memory\",\"metadata.goose\":");
    print_place(r, arguments, &expression);
    if (!is_all(arguments)) {
        buffer_append_text(&expression, ",\"category\":");
        json_print_string(mcp_argument_str(arguments, "category"), &expression);
    }
    if (str_present(part)) {
        buffer_append_text(&expression, ",\"text\":{\"contains\":");
        json_print_string(part, &expression);
        buffer_append_char(&expression, '}');
    }
    buffer_append_char(&expression, '}');
    int32_t code = mcp_filter_of(r, &expression, out, error);
    buffer_free(&expression);
    return code;
}

typedef struct gathering {
    bool by_category; /* else by tags */
    cJSON *lists;     /* object of arrays of lines */
} gathering;

static cJSON *list_of(gathering *g, const char *name)
{
    cJSON *list = cJSON_GetObjectItemCaseSensitive(g->lists, name);
    if (list)
        return list;
    list = cJSON_CreateArray();
    if (list && cJSON_AddItemToObject(g->lists, name, list))
        return list;
    cJSON_Delete(list);
    return NULL;
}

static void print_tags(const quipu_record *record, buffer *out)
{
    for (uint64_t i = 0; i < record->tags.count; i++) {
        buffer_append_text(out, i ? " " : "");
        buffer_append_str(out, *QUIPU_AT(quipu_str, &record->tags, i));
    }
}

/* Lines of the text, under the category or the tags. */
static int32_t gather(void *context, const quipu_hit *hit)
{
    gathering *g = context;
    buffer name = { 0 };
    quipu_str text = hit->record->text;
    if (g->by_category)
        buffer_append_str(&name, hit->record->category);
    else
        print_tags(hit->record, &name);
    if (name.len == 0)
        buffer_append_text(&name, "untagged");
    cJSON *list = name.failed ? NULL : list_of(g, name.bytes);
    buffer_free(&name);
    while (list && text.len > 0) {
        const char *end = memchr(text.ptr, '\n', (size_t)text.len);
        uint64_t len = end ? (uint64_t)(end - text.ptr) : text.len;
        cJSON *line = json_string((quipu_str){ text.ptr, len });
        if (!line || !cJSON_AddItemToArray(list, line))
            return QUIPU_E_NO_MEMORY;
        text = (quipu_str){ text.ptr + len + (end != NULL), text.len - len - (end != NULL) };
    }
    return list ? QUIPU_OK : QUIPU_E_NO_MEMORY;
}

static int32_t retrieve(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    quipu_parsed_filter *filter = NULL;
    gathering g = { .by_category = is_all(arguments), .lists = cJSON_CreateObject() };
    int32_t code = filter_of(r, arguments, (quipu_str){ NULL, 0 }, &filter, error);
    if (code == QUIPU_OK) {
        quipu_scan query = { .struct_size = sizeof query,
                             .filter = quipu_filter_get(filter),
                             .order = QUIPU_ORDER_OLDEST };
        code = g.lists ? quipu_scan_records(r->server->q, &query, gather, &g, r->call, error) : QUIPU_E_NO_MEMORY;
    }
    buffer_append_text(&out->text, "Retrieved memories: ");
    if (code == QUIPU_OK)
        json_print_compact(g.lists, &out->text);
    cJSON_Delete(g.lists);
    quipu_filter_free(filter);
    return code;
}

static int32_t remove_some(mcp_request *r, const cJSON *arguments, quipu_str part, quipu_error *error)
{
    quipu_parsed_filter *filter = NULL;
    quipu_write_options options = mcp_write_options(r, NULL);
    int32_t code = filter_of(r, arguments, part, &filter, error);
    if (code == QUIPU_OK)
        code = quipu_memory_delete_all(r->server->q, quipu_filter_get(filter), &options.author, NULL, NULL, NULL,
                                       r->call, error);
    quipu_filter_free(filter);
    return code;
}

static int32_t remove_category(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    if (is_all(arguments)) {
        buffer_printf(&out->text, "Cleared all memory %s categories",
                      mcp_argument_true(arguments, "is_global") ? "global" : "local");
    } else {
        buffer_append_text(&out->text, "Cleared memories in category: ");
        buffer_append_str(&out->text, mcp_argument_str(arguments, "category"));
    }
    return remove_some(r, arguments, (quipu_str){ NULL, 0 }, error);
}

static int32_t remove_specific(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    int32_t code = check_category(arguments, error);
    buffer_append_text(&out->text, "Removed specific memory from category: ");
    buffer_append_str(&out->text, mcp_argument_str(arguments, "category"));
    return code == QUIPU_OK ? remove_some(r, arguments, mcp_argument_str(arguments, "memory_content"), error) : code;
}

static const mcp_tool tools[] = {
    { "remember_memory", "Remember", "Keeps a memory in a category, with tags where there are any",
      INPUT_("\"category\":" TEXT_
             ",\"data\":{\"type\":\"string\",\"minLength\":1},\"tags\":{\"type\":\"array\",\"items\":" TEXT_ "}",
             "\"category\",\"data\","),
      NULL, 0, remember },
    { "retrieve_memories", "Retrieve", "Shows the memories of a category", INPUT_(CATEGORY_, "\"category\","), NULL,
      MCP_READS | MCP_IDEMPOTENT, retrieve },
    { "remove_memory_category", "Remove a category", "Removes all memories of a category",
      INPUT_(CATEGORY_, "\"category\","), NULL, MCP_DESTRUCTIVE | MCP_IDEMPOTENT, remove_category },
    { "remove_specific_memory", "Remove a memory", "Removes the memories of a category that hold a text",
      INPUT_("\"category\":" TEXT_ ",\"memory_content\":{\"type\":\"string\",\"minLength\":1}",
             "\"category\",\"memory_content\","),
      NULL, MCP_DESTRUCTIVE | MCP_IDEMPOTENT, remove_specific },
    { NULL, NULL, NULL, NULL, NULL, 0, NULL },
};

const mcp_profile goose_profile = {
    .name = "goose",
    .summary = "the four tools of goose's memory extension: categories, for one project or for all",
    .instructions = "Memories in categories, with tags, for this project or for all (is_global). Keep what the user "
                    "will want to be "
                    "remembered: preferences, how the project is built, commands that come again; ask before. \"*\" is "
                    "every category.",
    .tools = tools,
};
