/* graph.c - what can be done with a knowledge graph (quipu_graph.h): one request, tried again where somebody else wrote meanwhile. */
#include "graph.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define TRIES 64
#define DEPTH_MAX 16

/* One step on a loaded graph; `out` receives the answer. */
typedef int32_t step_fn(graph *g, const cJSON *request, buffer *out, quipu_error *error);

static int32_t out_of_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

/* ---- what a request has to hold ---- */

/* *out: NULL on failure. */
static int32_t need_array(const cJSON *object, const char *name, bool strings, const cJSON **out, quipu_error *error)
{
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(object, name), *item;
    *out = NULL;
    if (!cJSON_IsArray(array))
        return fail(error, QUIPU_E_INVALID, name, "%s has to be an array", name);
    cJSON_ArrayForEach(item, array)
    {
        if (strings ? !cJSON_IsString(item) : !cJSON_IsObject(item))
            return fail(error, QUIPU_E_INVALID, name, "%s has to hold %s", name, strings ? "strings" : "objects");
    }
    *out = array;
    return QUIPU_OK;
}

/* Strings of an object, by name; the list ends with NULL. */
static int32_t need_strings(const cJSON *object, const char *const *names, const char **out, quipu_error *error)
{
    for (; *names; names++, out++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, *names);
        if (!cJSON_IsString(item))
            return fail(error, QUIPU_E_INVALID, *names, "%s has to be a string", *names);
        *out = item->valuestring;
    }
    return QUIPU_OK;
}

static const char *const entity_names[] = { "name", "entityType", NULL };
static const char *const relation_names[] = { "from", "relationType", "to", NULL };
static const char *const of_entity[] = { "entityName", NULL };

static bool contains(const cJSON *strings, const char *text)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, strings)
    {
        if (strcmp(item->valuestring, text) == 0)
            return true;
    }
    return false;
}

/* ---- growing ---- */

static int32_t create_entities(graph *g, const cJSON *request, buffer *out, quipu_error *error)
{
    const cJSON *entities, *entity, *observations;
    size_t before = g->count;
    const char *text[2];
    int32_t code = need_array(request, "entities", false, &entities, error);
    buffer_append_text(out, "{\"entities\":[");
    cJSON_ArrayForEach(entity, entities)
    {
        code = need_strings(entity, entity_names, text, error);
        if (code == QUIPU_OK)
            code = need_array(entity, "observations", true, &observations, error);
        if (code != QUIPU_OK)
            return code;
        if (graph_find_entity(g, text[0],
                              before)) /* only what is stored counts: two of a name in one request are two */
            continue;
        buffer_append_text(out, g->count > before ? "," : "");
        graph_item *item = graph_add_entity(g, text[0], text[1], observations);
        if (!item)
            return out_of_memory(error);
        graph_print_entity(item, out);
    }
    buffer_append_text(out, "]}");
    return code;
}

static int32_t create_relations(graph *g, const cJSON *request, buffer *out, quipu_error *error)
{
    const cJSON *relations, *relation;
    size_t before = g->count;
    const char *text[3];
    int32_t code = need_array(request, "relations", false, &relations, error);
    buffer_append_text(out, "{\"relations\":[");
    cJSON_ArrayForEach(relation, relations)
    {
        const cJSON *properties = cJSON_GetObjectItemCaseSensitive(relation, "properties");
        code = need_strings(relation, relation_names, text, error);
        if (code == QUIPU_OK && properties && !cJSON_IsObject(properties))
            code = fail(error, QUIPU_E_INVALID, "properties", "properties has to be an object");
        if (code != QUIPU_OK)
            return code;
        if (graph_find_relation(g, text[0], text[1], text[2], before))
            continue;
        buffer_append_text(out, g->count > before ? "," : "");
        graph_item *item = graph_add_relation(g, text[0], text[1], text[2], properties);
        if (!item)
            return out_of_memory(error);
        graph_print_relation(item, out);
    }
    buffer_append_text(out, "]}");
    return code;
}

/* Adds what was not there before; `added` receives it. */
static bool add_contents(graph_item *item, const cJSON *contents, cJSON *added)
{
    const cJSON *text;
    cJSON_ArrayForEach(text, contents)
    {
        if (contains(item->observations, text->valuestring))
            continue;
        cJSON *copy = cJSON_Duplicate(text, 1);
        if (!copy || !cJSON_AddItemToArray(added, copy))
            return false;
    }
    cJSON_ArrayForEach(text, added)
    {
        cJSON *copy = cJSON_Duplicate(text, 1);
        if (!copy || !cJSON_AddItemToArray(item->observations, copy))
            return false;
    }
    item->changed = item->changed || added->child;
    return true;
}

static int32_t add_to_entity(graph *g, const cJSON *one, buffer *out, quipu_error *error)
{
    const cJSON *contents;
    const char *name;
    int32_t code = need_strings(one, of_entity, &name, error);
    if (code == QUIPU_OK)
        code = need_array(one, "contents", true, &contents, error);
    if (code != QUIPU_OK)
        return code;
    graph_item *item = graph_find_entity(g, name, g->count);
    if (!item)
        return fail(error, QUIPU_E_NOT_FOUND, NULL, "Entity with name %s not found", name);
    cJSON *added = cJSON_CreateArray();
    if (!added || !add_contents(item, contents, added)) {
        cJSON_Delete(added);
        return out_of_memory(error);
    }
    buffer_append_text(out, "{\"entityName\":");
    json_print_string(str_of(name), out);
    buffer_append_text(out, ",\"addedObservations\":");
    json_print_compact(added, out);
    buffer_append_char(out, '}');
    cJSON_Delete(added);
    return QUIPU_OK;
}

static int32_t add_observations(graph *g, const cJSON *request, buffer *out, quipu_error *error)
{
    const cJSON *all, *one;
    int32_t code = need_array(request, "observations", false, &all, error);
    buffer_append_text(out, "{\"results\":[");
    cJSON_ArrayForEach(one, all)
    {
        buffer_append_text(out, one == all->child ? "" : ",");
        code = add_to_entity(g, one, out, error);
        if (code != QUIPU_OK)
            return code;
    }
    buffer_append_text(out, "]}");
    return code;
}

/* ---- shrinking ---- */

static int32_t delete_entities(graph *g, const cJSON *request, buffer *out, quipu_error *error)
{
    const cJSON *names;
    uint64_t count = 0;
    int32_t code = need_array(request, "entityNames", true, &names, error);
    for (size_t i = 0; code == QUIPU_OK && i < g->count; i++) {
        graph_item *item = &g->items[i];
        item->gone =
            item->is_relation ? contains(names, item->from) || contains(names, item->to) : contains(names, item->name);
        count += item->gone;
    }
    buffer_printf(out, "{\"deleted\":%llu}", (unsigned long long)count);
    return code;
}

static int32_t delete_observations(graph *g, const cJSON *request, buffer *out, quipu_error *error)
{
    const cJSON *deletions, *one, *texts;
    uint64_t count = 0;
    const char *name;
    int32_t code = need_array(request, "deletions", false, &deletions, error);
    cJSON_ArrayForEach(one, deletions)
    {
        code = need_strings(one, of_entity, &name, error);
        if (code == QUIPU_OK)
            code = need_array(one, "observations", true, &texts, error);
        if (code != QUIPU_OK)
            return code;
        graph_item *item = graph_find_entity(g, name, g->count);
        for (cJSON *text = item ? item->observations->child : NULL, *next; text; text = next) {
            next = text->next;
            if (!contains(texts, text->valuestring))
                continue;
            cJSON_Delete(cJSON_DetachItemViaPointer(item->observations, text));
            item->changed = true;
            count++;
        }
    }
    buffer_printf(out, "{\"deleted\":%llu}", (unsigned long long)count);
    return code;
}

static int32_t delete_relations(graph *g, const cJSON *request, buffer *out, quipu_error *error)
{
    const cJSON *relations, *relation;
    uint64_t count = 0;
    const char *text[3];
    graph_item *item;
    int32_t code = need_array(request, "relations", false, &relations, error);
    cJSON_ArrayForEach(relation, relations)
    {
        code = need_strings(relation, relation_names, text, error);
        if (code != QUIPU_OK)
            return code;
        for (; (item = graph_find_relation(g, text[0], text[1], text[2], g->count)) != NULL; count++)
            item->gone = true;
    }
    buffer_printf(out, "{\"deleted\":%llu}", (unsigned long long)count);
    return code;
}

/* ---- looking ---- */

static int32_t read_all(graph *g, const cJSON *request, buffer *out, quipu_error *error)
{
    (void)request;
    (void)error;
    graph_print(g, NULL, out);
    return QUIPU_OK;
}

static bool is_shown(const graph *g, const bool *shown, const char *name)
{
    for (size_t i = 0; i < g->count; i++)
        if (shown[i] && !g->items[i].is_relation && strcmp(g->items[i].name, name) == 0)
            return true;
    return false;
}

/* With the relations that have an end among the entities that are marked. */
static void print_marked(const graph *g, bool *shown, buffer *out)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->items[i].is_relation)
            shown[i] = is_shown(g, shown, g->items[i].from) || is_shown(g, shown, g->items[i].to);
    graph_print(g, shown, out);
}

static void lower(const char *text, buffer *out)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    utf8proc_int32_t point;
    utf8proc_uint8_t bytes[4];
    for (utf8proc_ssize_t n; *at && (n = utf8proc_iterate(at, -1, &point)) > 0; at += n)
        buffer_append(out, bytes, (size_t)utf8proc_encode_char(utf8proc_tolower(point), bytes));
}

/* words: in lower case. */
static bool has_words(const char *text, const char *words, buffer *scratch)
{
    buffer_clear(scratch);
    lower(text, scratch);
    return strstr(scratch->bytes ? scratch->bytes : "", words) != NULL || !*words;
}

static bool entity_has_words(const graph_item *item, const char *words, buffer *scratch)
{
    const cJSON *text;
    if (has_words(item->name, words, scratch) || has_words(item->type, words, scratch))
        return true;
    cJSON_ArrayForEach(text, item->observations)
    {
        if (has_words(text->valuestring, words, scratch))
            return true;
    }
    return false;
}

static int32_t search(graph *g, const cJSON *request, buffer *out, quipu_error *error)
{
    static const char *const names[] = { "query", NULL };
    buffer words = { 0 }, scratch = { 0 };
    const char *query;
    int32_t code = need_strings(request, names, &query, error);
    if (code != QUIPU_OK)
        return code;
    bool *shown = calloc(g->count + 1, sizeof *shown);
    lower(query, &words);
    for (size_t i = 0; shown && i < g->count; i++)
        shown[i] = !g->items[i].is_relation && entity_has_words(&g->items[i], words.bytes ? words.bytes : "", &scratch);
    if (shown && !words.failed && !scratch.failed)
        print_marked(g, shown, out);
    else
        code = out_of_memory(error);
    buffer_free(&words);
    buffer_free(&scratch);
    free(shown);
    return code;
}

/* Marks the entities at the other end of relations of those that are marked. */
static void mark_next(const graph *g, bool *shown, bool *next)
{
    for (size_t i = 0; i < g->count; i++) {
        const graph_item *r = &g->items[i];
        if (!r->is_relation || (!is_shown(g, shown, r->from) && !is_shown(g, shown, r->to)))
            continue;
        for (size_t k = 0; k < g->count; k++)
            if (!g->items[k].is_relation &&
                (strcmp(g->items[k].name, r->from) == 0 || strcmp(g->items[k].name, r->to) == 0))
                next[k] = true;
    }
    memcpy(shown, next, g->count * sizeof *shown);
}

/* depth 0: only the names themselves. */
static int32_t open_to(graph *g, const cJSON *request, int64_t depth, buffer *out, quipu_error *error)
{
    const cJSON *names;
    int32_t code = need_array(request, "names", true, &names, error);
    if (code != QUIPU_OK)
        return code;
    bool *shown = calloc(g->count + 1, sizeof *shown), *next = calloc(g->count + 1, sizeof *next);
    for (size_t i = 0; shown && next && i < g->count; i++)
        shown[i] = next[i] = !g->items[i].is_relation && contains(names, g->items[i].name);
    for (; shown && next && depth > 0; depth--)
        mark_next(g, shown, next);
    if (shown && next)
        print_marked(g, shown, out);
    else
        code = out_of_memory(error);
    free(shown);
    free(next);
    return code;
}

static int32_t open_names(graph *g, const cJSON *request, buffer *out, quipu_error *error)
{
    return open_to(g, request, 0, out, error);
}

static int32_t neighbours(graph *g, const cJSON *request, buffer *out, quipu_error *error)
{
    const cJSON *depth = cJSON_GetObjectItemCaseSensitive(request, "depth");
    int64_t steps = 1;
    if (depth && (!json_is_int(depth, &steps) || steps < 1 || steps > DEPTH_MAX))
        return fail(error, QUIPU_E_INVALID, "depth", "depth has to be a whole number from 1 to %d", DEPTH_MAX);
    return open_to(g, request, steps, out, error);
}

/* ---- which one ---- */

typedef struct step_row {
    const char *name;
    step_fn *run;
    const char *operation; /* of the change set; NULL: it changes nothing */
} step_row;

static const step_row steps[] = {
    { "create_entities", create_entities, "add" },
    { "create_relations", create_relations, "add" },
    { "add_observations", add_observations, "update" },
    { "delete_entities", delete_entities, "delete" },
    { "delete_observations", delete_observations, "update" },
    { "delete_relations", delete_relations, "delete" },
    { "read", read_all, NULL },
    { "search", search, NULL },
    { "open", open_names, NULL },
    { "neighbours", neighbours, NULL },
};

static const step_row *find_step(const cJSON *request)
{
    const cJSON *op = cJSON_GetObjectItemCaseSensitive(request, "op");
    for (size_t i = 0; cJSON_IsString(op) && i < sizeof steps / sizeof steps[0]; i++)
        if (strcmp(steps[i].name, op->valuestring) == 0)
            return &steps[i];
    return NULL;
}

static int32_t run_step(quipu *q, const step_row *step, const cJSON *request, const quipu_write_options *options,
                        const quipu_call *call, buffer *out, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    for (int i = 0; i < TRIES; i++) {
        graph g;
        buffer_clear(out);
        code = graph_load(&g, q, options, call, error);
        if (code == QUIPU_OK)
            code = step->run(&g, request, out, error);
        bool loaded = code == QUIPU_OK;
        if (loaded && step->operation)
            code = graph_store(&g, q, step->operation, call, error);
        graph_free(&g);
        if (!loaded || (code != QUIPU_E_CONFLICT && code != QUIPU_E_EXISTS && code != QUIPU_E_NOT_FOUND))
            break;
    }
    return code == QUIPU_OK && out->failed ? out_of_memory(error) : code;
}

int32_t quipu_graph_json(quipu *q, const quipu_str *request, const quipu_write_options *options, quipu_sink_fn sink,
                         void *context, const quipu_call *call, quipu_error *error)
{
    buffer answer = { 0 };
    cJSON *tree = NULL;
    if (!request || !request->ptr)
        return fail(error, QUIPU_E_INVALID, "request", "there is no request");
    if (!sink)
        return fail(error, QUIPU_E_INVALID, "sink", "sink is NULL");
    int32_t code = json_parse(*request, &tree, error);
    const step_row *step = find_step(tree);
    if (code == QUIPU_OK && !step)
        code = fail(error, QUIPU_E_INVALID, "op",
                    "op has to be one of create_entities, create_relations, add_observations, delete_entities, "
                    "delete_observations, delete_relations, read, search, open, neighbours");
    if (code == QUIPU_OK)
        code = run_step(q, step, tree, options, call, &answer, error);
    if (code == QUIPU_OK) {
        code = sink(context, answer.bytes, answer.len);
        if (code != QUIPU_OK)
            code = fail(error, code < 0 ? code : QUIPU_E_INVALID, NULL, "the receiver of the answer gave up");
    }
    cJSON_Delete(tree);
    buffer_free(&answer);
    return code;
}
