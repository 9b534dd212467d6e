/*
 * memory.c - the profile `memory`: the nine tools of the Model Context Protocol's own memory server, name by name and text by text
 * (https://github.com/modelcontextprotocol/servers/tree/main/src/memory), on Quipu's knowledge graph.
 */
#include "support.h"
#include "profiles.h"

#include <base/fail.h>
#include <quipu_graph.h>
#include <sdk/json.h>
#include <string.h>

#define GRAPH_URI "memory://knowledge-graph"

#define S_ "{\"type\":\"string\"}"
#define STRINGS_ "{\"type\":\"array\",\"items\":" S_ "}"
#define OBJECT_(properties, required)                                                                                  \
    "{\"type\":\"object\",\"properties\":{" properties "},\"required\":[" required "],\"additionalProperties\":false}"
#define LIST_(item) "{\"type\":\"array\",\"items\":" item "}"
#define ENTITY_                                                                                                        \
    OBJECT_("\"name\":" S_ ",\"entityType\":" S_ ",\"observations\":" STRINGS_,                                        \
            "\"name\",\"entityType\",\"observations\"")
#define RELATION_ OBJECT_("\"from\":" S_ ",\"to\":" S_ ",\"relationType\":" S_, "\"from\",\"to\",\"relationType\"")
#define GRAPH_ OBJECT_("\"entities\":" LIST_(ENTITY_) ",\"relations\":" LIST_(RELATION_), "\"entities\",\"relations\"")
#define DONE_ OBJECT_("\"success\":{\"type\":\"boolean\"},\"message\":" S_, "\"success\",\"message\"")
#define ENTITIES_ OBJECT_("\"entities\":" LIST_(ENTITY_), "\"entities\"")
#define RELATIONS_ OBJECT_("\"relations\":" LIST_(RELATION_), "\"relations\"")
#define ADDITIONS_                                                                                                     \
    OBJECT_("\"observations\":" LIST_(                                                                                 \
                OBJECT_("\"entityName\":" S_ ",\"contents\":" STRINGS_, "\"entityName\",\"contents\"")),               \
            "\"observations\"")
#define ADDED_                                                                                                         \
    OBJECT_("\"results\":" LIST_(OBJECT_("\"entityName\":" S_ ",\"addedObservations\":" STRINGS_,                      \
                                         "\"entityName\",\"addedObservations\"")),                                     \
            "\"results\"")
#define DELETIONS_                                                                                                     \
    OBJECT_("\"deletions\":" LIST_(                                                                                    \
                OBJECT_("\"entityName\":" S_ ",\"observations\":" STRINGS_, "\"entityName\",\"observations\"")),       \
            "\"deletions\"")

/* ---- a step of the graph ---- */

/* `op` with the members of the arguments. */
static int32_t step(mcp_request *r, const char *op, const cJSON *arguments, cJSON **answer, quipu_error *error)
{
    quipu_write_options options = mcp_write_options(r, NULL);
    buffer question = { 0 }, text = { 0 };
    cJSON *relation;
    *answer = NULL;
    buffer_printf(&question, "{\"op\":\"%s\"", op);
    for (const cJSON *item = arguments ? arguments->child : NULL; item; item = item->next) {
        buffer_append_char(&question, ',');
        json_print_string(str_of(item->string), &question);
        buffer_append_char(&question, ':');
        json_print_compact(item, &question);
    }
    buffer_append_char(&question, '}');
    quipu_str asked = str_make(question.bytes, question.len);
    int32_t code = question.failed
                       ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted")
                       : quipu_graph_json(r->server->q, &asked, &options, mcp_collect_bytes, &text, r->call, error);
    if (code == QUIPU_OK)
        code = json_parse(str_make(text.bytes, text.len), answer, error);
    cJSON_ArrayForEach(relation, cJSON_GetObjectItemCaseSensitive(*answer, "relations"))
        cJSON_DeleteItemFromObjectCaseSensitive(relation, "properties"); /* which that server does not have */
    buffer_free(&question);
    buffer_free(&text);
    return code;
}

/* shown: the member of the answer that is the text; NULL: all of it. */
static int32_t run(mcp_request *r, const char *op, const cJSON *arguments, const char *shown, mcp_result *out,
                   quipu_error *error)
{
    cJSON *answer;
    int32_t code = step(r, op, arguments, &answer, error);
    if (code == QUIPU_OK) {
        json_print_compact(answer, &out->structured);
        mcp_print_indented(shown ? cJSON_GetObjectItemCaseSensitive(answer, shown) : answer, &out->text);
        if (shown)
            mcp_resource_changed(r, GRAPH_URI);
    }
    cJSON_Delete(answer);
    return code;
}

static int32_t run_delete(mcp_request *r, const char *op, const cJSON *arguments, const char *message, mcp_result *out,
                          quipu_error *error)
{
    cJSON *answer;
    int32_t code = step(r, op, arguments, &answer, error);
    if (code == QUIPU_OK) {
        buffer_printf(&out->structured, "{\"success\":true,\"message\":\"%s\"}", message);
        buffer_append_text(&out->text, message);
        mcp_resource_changed(r, GRAPH_URI);
    }
    cJSON_Delete(answer);
    return code;
}

#define TOOL_(name, op, shown)                                                                                         \
    static int32_t name(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)                   \
    {                                                                                                                  \
        return run(r, op, arguments, shown, out, error);                                                               \
    }
#define DELETE_(name, message)                                                                                         \
    static int32_t name(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)                   \
    {                                                                                                                  \
        return run_delete(r, #name, arguments, message, out, error);                                                   \
    }

TOOL_(create_entities, "create_entities", "entities")
TOOL_(create_relations, "create_relations", "relations")
TOOL_(add_observations, "add_observations", "results")
DELETE_(delete_entities, "Entities deleted successfully")
DELETE_(delete_observations, "Observations deleted successfully")
DELETE_(delete_relations, "Relations deleted successfully")
TOOL_(read_graph, "read", NULL)
TOOL_(search_nodes, "search", NULL)
TOOL_(open_nodes, "open", NULL)

#define SHRINKS (MCP_DESTRUCTIVE | MCP_IDEMPOTENT)
#define LOOKS (MCP_READS | MCP_IDEMPOTENT)

static const mcp_tool tools[] = {
    { "create_entities", "Create Entities", "Create multiple new entities in the knowledge graph", ENTITIES_, ENTITIES_,
      0, create_entities },
    { "create_relations", "Create Relations",
      "Create multiple new relations between entities in the knowledge graph. Relations should be in active voice",
      RELATIONS_, RELATIONS_, 0, create_relations },
    { "add_observations", "Add Observations", "Add new observations to existing entities in the knowledge graph",
      ADDITIONS_, ADDED_, 0, add_observations },
    { "delete_entities", "Delete Entities",
      "Delete multiple entities and their associated relations from the knowledge graph",
      OBJECT_("\"entityNames\":" STRINGS_, "\"entityNames\""), DONE_, SHRINKS, delete_entities },
    { "delete_observations", "Delete Observations", "Delete specific observations from entities in the knowledge graph",
      DELETIONS_, DONE_, SHRINKS, delete_observations },
    { "delete_relations", "Delete Relations", "Delete multiple relations from the knowledge graph", RELATIONS_, DONE_,
      SHRINKS, delete_relations },
    { "read_graph", "Read Graph", "Read the entire knowledge graph",
      "{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}", GRAPH_, LOOKS, read_graph },
    { "search_nodes", "Search Nodes", "Search for nodes in the knowledge graph based on a query",
      OBJECT_("\"query\":" S_, "\"query\""), GRAPH_, LOOKS, search_nodes },
    { "open_nodes", "Open Nodes", "Open specific nodes in the knowledge graph by their names",
      OBJECT_("\"names\":" STRINGS_, "\"names\""), GRAPH_, LOOKS, open_nodes },
    { NULL, NULL, NULL, NULL, NULL, 0, NULL },
};

/* ---- the graph as a resource ---- */

static int32_t list(mcp_request *r, const char *cursor, buffer *out, buffer *next, quipu_error *error)
{
    (void)r, (void)next;
    if (cursor)
        return fail(error, QUIPU_E_INVALID, "cursor", "there is one page only: leave the cursor out");
    buffer_append_text(out,
                       "{\"uri\":\"" GRAPH_URI "\",\"name\":\"knowledge-graph\",\"description\":\"the whole graph\","
                       "\"mimeType\":\"application/json\"}");
    return QUIPU_OK;
}

static int32_t read(mcp_request *r, const char *uri, buffer *out, quipu_error *error)
{
    buffer text = { 0 };
    cJSON *answer;
    if (strcmp(uri, GRAPH_URI) != 0)
        return fail(error, QUIPU_E_NOT_FOUND, "uri", "there is no such resource");
    int32_t code = step(r, "read", NULL, &answer, error);
    if (code == QUIPU_OK) {
        mcp_print_indented(answer, &text);
        buffer_append_text(out, "{\"uri\":\"" GRAPH_URI "\",\"mimeType\":\"application/json\",\"text\":");
        json_print_string(str_make(text.bytes, text.len), out);
        buffer_append_char(out, '}');
    }
    out->failed = out->failed || text.failed;
    buffer_free(&text);
    cJSON_Delete(answer);
    return code;
}

static const mcp_resources resources = { .templates = "[]", .watched = true, .list = list, .read = read };

const mcp_profile memory_profile = {
    .name = "memory",
    .summary = "the nine tools of the MCP memory server: entities, relations, observations",
    .tools = tools,
    .resources = &resources,
};
