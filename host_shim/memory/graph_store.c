/* graph_store.c - entities and relations as records, and back. */
#include "graph.h"

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/json.h>
#include <sdk/record.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- items ---- */

static void item_free(graph_item *item)
{
    cJSON_Delete(item->tree);
    cJSON_Delete(item->observations);
    free(item->version);
}

void graph_free(graph *g)
{
    for (size_t i = 0; i < g->count; i++)
        item_free(&g->items[i]);
    free(g->items);
    *g = (graph){ 0 };
}

/* Takes tree and observations over, also where it fails. */
static graph_item *add_item(graph *g, cJSON *tree, cJSON *observations)
{
    if (g->count == g->capacity) {
        size_t capacity = g->capacity ? g->capacity * 2 : 64;
        graph_item *items = realloc(g->items, capacity * sizeof *items);
        if (items) {
            g->items = items;
            g->capacity = capacity;
        }
    }
    if (!tree || !observations || g->count == g->capacity) {
        cJSON_Delete(tree);
        cJSON_Delete(observations);
        return NULL;
    }
    graph_item *item = &g->items[g->count++];
    *item = (graph_item){ .tree = tree, .observations = observations };
    return item;
}

static const char *text_of(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

/* Fills what points into the tree; false where the record is neither of the two. */
static bool point_into(graph_item *item)
{
    const char *kind = text_of(item->tree, "kind");
    const cJSON *entity = cJSON_GetObjectItemCaseSensitive(item->tree, "entity");
    item->is_relation = kind && strcmp(kind, QUIPU_KIND_RELATION) == 0;
    item->name = text_of(entity, "id");
    item->type = text_of(entity, "type");
    item->from = text_of(item->tree, "head");
    item->relation = text_of(item->tree, "relation");
    item->to = text_of(item->tree, "tail");
    if (!item->type)
        item->type = "";
    return item->is_relation ? item->from && item->relation && item->to : item->name != NULL;
}

graph_item *graph_find_entity(const graph *g, const char *name, size_t until)
{
    for (size_t i = 0; i < until; i++)
        if (!g->items[i].is_relation && !g->items[i].gone && strcmp(g->items[i].name, name) == 0)
            return &g->items[i];
    return NULL;
}

graph_item *graph_find_relation(const graph *g, const char *from, const char *relation, const char *to, size_t until)
{
    for (size_t i = 0; i < until; i++) {
        graph_item *item = &g->items[i];
        if (item->is_relation && !item->gone && strcmp(item->from, from) == 0 && strcmp(item->to, to) == 0 &&
            strcmp(item->relation, relation) == 0)
            return item;
    }
    return NULL;
}

/* ---- observations and text ---- */

/* A line each. False where lines do not tell the observations apart: then they are kept in `value` too. */
static bool join(const cJSON *observations, buffer *out)
{
    const cJSON *item;
    bool plain = true;
    cJSON_ArrayForEach(item, observations)
    {
        if (item != observations->child)
            buffer_append_char(out, '\n');
        buffer_append_text(out, item->valuestring);
        plain = plain && *item->valuestring && !strchr(item->valuestring, '\n');
    }
    return plain;
}

static bool all_strings(const cJSON *array)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, array)
    {
        if (!cJSON_IsString(item))
            return false;
    }
    return cJSON_IsArray(array);
}

static cJSON *split(const char *text)
{
    cJSON *out = cJSON_CreateArray();
    while (out && text && *text) {
        size_t len = strcspn(text, "\n");
        cJSON *line = json_string(str_make(text, len));
        if (!line || !cJSON_AddItemToArray(out, line)) {
            cJSON_Delete(line);
            cJSON_Delete(out);
            return NULL;
        }
        text += len + (text[len] == '\n');
    }
    return out;
}

/* Those of `value` where they say what the text says; where somebody changed the text, its lines. */
static cJSON *observations_of(const cJSON *tree)
{
    const cJSON *kept =
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(tree, "value"), "observations");
    const char *text = text_of(tree, "text");
    buffer joined = { 0 };
    bool same = false;
    if (all_strings(kept)) {
        join(kept, &joined);
        same = !joined.failed && strcmp(joined.bytes ? joined.bytes : "", text ? text : "") == 0;
    }
    buffer_free(&joined);
    return same ? cJSON_Duplicate(kept, 1) : split(text);
}

/* ---- reading ---- */

static int32_t take_record(void *context, const quipu_hit *hit)
{
    graph *g = context;
    cJSON *tree = NULL;
    int32_t code = json_parse(hit->record->json, &tree, NULL);
    if (code != QUIPU_OK)
        return code == QUIPU_E_NO_MEMORY ? code : QUIPU_E_CORRUPT;
    graph_item *item = add_item(g, tree, observations_of(tree));
    if (!item)
        return QUIPU_E_NO_MEMORY;
    item->version = str_dup(hit->record->version);
    if (!item->version)
        return QUIPU_E_NO_MEMORY;
    if (!point_into(item)) { /* a record of this kind that somebody made by hand, and that is no part of a graph */
        item_free(item);
        g->count--;
    }
    if (hit->record->created_at != QUIPU_TIME_NONE && hit->record->created_at > g->latest)
        g->latest = hit->record->created_at;
    return QUIPU_OK;
}

static void print_scope(const quipu_write_options *o, buffer *out)
{
    static const char *const names[] = { "user", "agent", "session", "app" };
    const quipu_str values[4] = { o ? o->user : (quipu_str){ 0 }, o ? o->agent : (quipu_str){ 0 },
                                  o ? o->session : (quipu_str){ 0 }, o ? o->app : (quipu_str){ 0 } };
    bool first = true;
    buffer_append_char(out, '{');
    for (size_t i = 0; i < 4; i++) {
        if (!str_present(values[i]))
            continue;
        buffer_printf(out, "%s\"%s\":", first ? "" : ",", names[i]);
        json_print_string(values[i], out);
        first = false;
    }
    buffer_append_char(out, '}');
}

int32_t graph_load(graph *g, quipu *q, const quipu_write_options *options, const quipu_call *call, quipu_error *error)
{
    quipu_parsed_filter *filter = NULL;
    buffer scope = { 0 };
    quipu_str kinds = str_of("{\"kind\":{\"in\":[\"" QUIPU_KIND_ENTITY "\",\"" QUIPU_KIND_RELATION "\"]}}");
    *g = (graph){ .options = options };
    print_scope(options, &scope);
    quipu_str scope_text = str_make(scope.bytes, scope.len);
    int32_t code = scope.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted")
                                : quipu_filter_parse(&scope_text, &kinds, &filter, error);
    buffer_free(&scope);
    if (code == QUIPU_OK) {
        quipu_scan query = { .struct_size = sizeof query,
                             .filter = quipu_filter_get(filter),
                             .order = QUIPU_ORDER_OLDEST };
        code = quipu_scan_records(q, &query, take_record, g, call, error);
    }
    quipu_filter_free(filter);
    return code;
}

/* ---- new ones ---- */

/* Follows from what it is about and the scope; `again`: 2 for the second one of the same name, and so on. */
static void make_id(const graph *g, const char *what, const char *const parts[3], unsigned again,
                    char out[QUIPU_ID_MAX])
{
    uint8_t digest[32];
    char digits[33] = "";
    buffer all = { 0 };
    for (size_t i = 0; i < 3 && parts[i]; i++)
        buffer_append(&all, parts[i], strlen(parts[i]) + 1);
    if (g->options && (g->options->user.ptr || g->options->agent.ptr || g->options->session.ptr || g->options->app.ptr))
        print_scope(g->options, &all);
    hash_sha256(all.bytes ? all.bytes : "", all.len, digest);
    hex_encode(digest, 16, digits);
    snprintf(out, QUIPU_ID_MAX, again > 1 ? "%s-%.32s-%u" : "%s-%.32s", what, digits, again);
    buffer_free(&all);
}

/* Those that are gone count, because they go in the same set. */
static bool is_used(const graph *g, const char *id)
{
    for (size_t i = 0; i < g->count; i++) {
        const char *other = text_of(g->items[i].tree, "id");
        if (other && strcmp(other, id) == 0)
            return true;
    }
    return false;
}

static bool put(cJSON *object, const char *name, cJSON *item)
{
    if (item && cJSON_AddItemToObject(object, name, item))
        return true;
    cJSON_Delete(item);
    return false;
}

/* Times that go up keep the order in which things were made. */
static bool put_head(graph *g, cJSON *tree, const char *kind, const char *what, const char *const parts[3])
{
    char id[QUIPU_ID_MAX];
    struct timespec now;
    buffer time = { 0 };
    unsigned again = 1;
    do
        make_id(g, what, parts, again++, id);
    while (is_used(g, id));
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t at = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    g->latest = at > g->latest ? at : g->latest + 1;
    time_print(g->latest, &time);
    bool good = !time.failed && put(tree, "id", json_string(str_of(id))) &&
                put(tree, "kind", json_string(str_of(kind))) &&
                put(tree, "created_at", json_string(str_make(time.bytes, time.len)));
    buffer_free(&time);
    return good;
}

static graph_item *finish_item(graph *g, cJSON *tree, bool good, cJSON *observations)
{
    if (!good) {
        cJSON_Delete(tree);
        tree = NULL;
    }
    graph_item *item = add_item(g, tree, observations);
    if (item)
        point_into(item);
    return item;
}

graph_item *graph_add_entity(graph *g, const char *name, const char *type, const cJSON *observations)
{
    const char *const parts[3] = { name, NULL, NULL };
    cJSON *tree = cJSON_CreateObject(), *entity = cJSON_CreateObject();
    bool good = tree && put(entity, "type", json_string(str_of(type))) &&
                put(entity, "id", json_string(str_of(name))) && put_head(g, tree, QUIPU_KIND_ENTITY, "entity", parts);
    if (!good || !cJSON_AddItemToObject(tree, "entity", entity)) {
        cJSON_Delete(entity);
        good = false;
    }
    return finish_item(g, tree, good, cJSON_Duplicate(observations, 1));
}

graph_item *graph_add_relation(graph *g, const char *from, const char *relation, const char *to,
                               const cJSON *properties)
{
    const char *const parts[3] = { from, relation, to };
    cJSON *tree = cJSON_CreateObject();
    bool good = tree && put_head(g, tree, QUIPU_KIND_RELATION, "relation", parts) &&
                put(tree, "head", json_string(str_of(from))) && put(tree, "relation", json_string(str_of(relation))) &&
                put(tree, "tail", json_string(str_of(to))) &&
                (!properties || put(tree, "value", cJSON_Duplicate(properties, 1)));
    return finish_item(g, tree, good, cJSON_CreateArray());
}

/* ---- writing ---- */

/* Text and value as the observations have them: members of a new record, or of a patch, where null takes a member away. */
static bool print_observations(const graph_item *item, buffer *out)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(item->tree, "value");
    buffer text = { 0 };
    bool plain = join(item->observations, &text);
    buffer_append_text(out, "\"text\":");
    if (text.len > 0 || !item->version)
        json_print_string(str_make(text.bytes ? text.bytes : "", text.len), out);
    else
        buffer_append_text(out, "null");
    if (!plain) {
        buffer_append_text(out, ",\"value\":{\"observations\":");
        json_print_compact(item->observations, out);
        buffer_append_char(out, '}');
    } else if (item->version && cJSON_HasObjectItem(value, "observations")) {
        buffer_append_text(out, value->child->next ? ",\"value\":{\"observations\":null}" : ",\"value\":null");
    }
    bool good = !text.failed && !out->failed;
    buffer_free(&text);
    return good;
}

static bool print_change(const graph_item *item, buffer *out)
{
    if (item->version) {
        buffer_append_char(out, '{');
    } else {
        json_print_compact(item->tree, out);
        if (out->len > 0)
            out->bytes[out->len - 1] = ',';
    }
    if (!item->is_relation)
        print_observations(item, out);
    else if (out->len > 0)
        out->len--;
    buffer_append_char(out, '}');
    return !out->failed;
}

static bool make_step(const graph_item *item, buffer *json, quipu_write *step)
{
    *step = (quipu_write){ .struct_size = sizeof *step, .id = str_of(text_of(item->tree, "id")) };
    if (item->gone) {
        step->op = QUIPU_CHANGE_DELETE;
        return true;
    }
    step->op = item->version ? QUIPU_WRITE_PATCH : QUIPU_CHANGE_PUT;
    step->expect = item->version ? QUIPU_EXPECT_VERSION : QUIPU_EXPECT_ABSENT;
    step->expected_version = str_of(item->version);
    if (!print_change(item, json))
        return false;
    step->json = str_make(json->bytes, json->len);
    return true;
}

static bool needs_writing(const graph_item *item)
{
    return item->version ? item->changed || item->gone : !item->gone;
}

int32_t graph_store(graph *g, quipu *q, const char *operation, const quipu_call *call, quipu_error *error)
{
    quipu_write_options options = { .struct_size = sizeof options };
    quipu_write *steps = calloc(g->count + 1, sizeof *steps);
    buffer *texts = calloc(g->count + 1, sizeof *texts);
    size_t count = 0;
    int32_t code = QUIPU_OK;
    if (g->options)
        options = *g->options;
    if (!str_present(options.operation))
        options.operation = str_of(operation);
    for (size_t i = 0; steps && texts && i < g->count; i++)
        if (needs_writing(&g->items[i])) {
            if (!make_step(&g->items[i], &texts[count], &steps[count]))
                code = QUIPU_E_NO_MEMORY;
            count++;
        }
    quipu_array writes = { steps, count, sizeof *steps };
    if (!steps || !texts || code != QUIPU_OK)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    else if (count > 0)
        code = quipu_write_records(q, &writes, &options, NULL, NULL, NULL, call, error);
    for (size_t i = 0; texts && i < count; i++)
        buffer_free(&texts[i]);
    free(texts);
    free(steps);
    return code;
}

/* ---- showing ---- */

void graph_print_entity(const graph_item *item, buffer *out)
{
    buffer_append_text(out, "{\"name\":");
    json_print_string(str_of(item->name), out);
    buffer_append_text(out, ",\"entityType\":");
    json_print_string(str_of(item->type), out);
    buffer_append_text(out, ",\"observations\":");
    json_print_compact(item->observations, out);
    buffer_append_char(out, '}');
}

void graph_print_relation(const graph_item *item, buffer *out)
{
    const cJSON *properties = cJSON_GetObjectItemCaseSensitive(item->tree, "value");
    buffer_append_text(out, "{\"from\":");
    json_print_string(str_of(item->from), out);
    buffer_append_text(out, ",\"to\":");
    json_print_string(str_of(item->to), out);
    buffer_append_text(out, ",\"relationType\":");
    json_print_string(str_of(item->relation), out);
    if (properties) {
        buffer_append_text(out, ",\"properties\":");
        json_print_compact(properties, out);
    }
    buffer_append_char(out, '}');
}

void graph_print(const graph *g, const bool *shown, buffer *out)
{
    for (int relations = 0; relations < 2; relations++) {
        bool first = true;
        buffer_append_text(out, relations ? ",\"relations\":[" : "{\"entities\":[");
        for (size_t i = 0; i < g->count; i++) {
            const graph_item *item = &g->items[i];
            if (item->gone || item->is_relation != (relations == 1) || (shown && !shown[i]))
                continue;
            buffer_append_text(out, first ? "" : ",");
            if (relations)
                graph_print_relation(item, out);
            else
                graph_print_entity(item, out);
            first = false;
        }
        buffer_append_char(out, ']');
    }
    buffer_append_char(out, '}');
}
