/*
 * mcp.c - the lines of the MCP memory server's memory.jsonl (https://github.com/modelcontextprotocol/servers, src/memory):
 *
 *     {"type":"entity","name":"Ana","entityType":"person","observations":["likes tea"],"quipu":{...}}
 *     {"type":"relation","from":"Ana","to":"Acme","relationType":"works at","quipu":{...}}
 *
 * entities first. A record of kind "relation" is a relation, any other an entity whose observations are the lines of its text. What these do
 * not hold is in the member "quipu": the whole record, where that server leaves it. It drops it when it writes; then, or where it has
 * changed the rest of the line, the record is made from the line.
 */
#include "backend.h"

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/json.h>
#include <stdio.h>
#include <string.h>

static bool is_relation(const quipu_record *r)
{
    return r->kind.ptr && QUIPU_IS(&r->kind, QUIPU_KIND_RELATION) && r->head.ptr && r->relation.ptr && r->tail.ptr;
}

/* ---- records to lines ---- */

static void put_member(const char *before, quipu_str text, buffer *out)
{
    buffer_append_text(out, before);
    json_print_string(text, out);
}

static void put_observations(quipu_str text, buffer *out)
{
    buffer_append_text(out, ",\"observations\":[");
    for (bool first = true; text.ptr && text.len > 0; first = false) {
        const char *end = memchr(text.ptr, '\n', (size_t)text.len);
        uint64_t len = end ? (uint64_t)(end - text.ptr) : text.len;
        put_member(first ? "" : ",", (quipu_str){ text.ptr, len }, out);
        text = end ? (quipu_str){ end + 1, text.len - len - 1 } : (quipu_str){ 0 };
    }
    buffer_append_char(out, ']');
}

/* All of a line but the member "quipu" and what ends it. */
static void put_line(const quipu_record *r, buffer *out)
{
    if (is_relation(r)) {
        put_member("{\"type\":\"relation\",\"from\":", r->head, out);
        put_member(",\"to\":", r->tail, out);
        put_member(",\"relationType\":", r->relation, out);
        return;
    }
    put_member("{\"type\":\"entity\",\"name\":", r->entity_id.ptr ? r->entity_id : r->id, out);
    put_member(",\"entityType\":", r->entity_type.ptr ? r->entity_type : r->kind, out);
    put_observations(r->text, out);
}

static void put_record(const quipu_record *r, buffer *out)
{
    cJSON *tree = NULL;
    if (out->len > 0)
        buffer_append_char(out, '\n');
    put_line(r, out);
    buffer_append_text(out, ",\"quipu\":");
    if (json_parse(r->json, &tree, NULL) == QUIPU_OK)
        json_print_compact(tree, out);
    else
        out->failed = true;
    cJSON_Delete(tree);
    buffer_append_char(out, '}');
}

void mcp_print(const record_list *list, buffer *out)
{
    for (int relations = 0; relations < 2; relations++)
        for (size_t i = 0; i < list->count; i++)
            if (is_relation(record_view(list->items[i])) == (relations == 1))
                put_record(record_view(list->items[i]), out);
}

/* ---- and back ---- */

static cJSON *text_of(const cJSON *line, const char *name)
{
    cJSON *item = cJSON_GetObjectItemCaseSensitive(line, name);
    return cJSON_IsString(item) ? item : NULL;
}

/* The record in the member "quipu", where it says what the line says; NULL where not. */
static record *kept_record(const cJSON *line)
{
    const cJSON *kept = cJSON_GetObjectItemCaseSensitive(line, "quipu");
    buffer json = { 0 }, said = { 0 }, would = { 0 };
    record *r = NULL;
    if (!cJSON_IsObject(kept))
        return NULL;
    json_print_compact(kept, &json);
    if (json.failed || record_decode(str_make(json.bytes, json.len), NULL, &r, NULL) != QUIPU_OK) {
        buffer_free(&json);
        return NULL;
    }
    put_line(record_view(r), &would);
    json_print_compact(line, &said);
    if (would.failed || said.failed || said.len <= would.len || memcmp(said.bytes, would.bytes, would.len) != 0) {
        record_free(r);
        r = NULL;
    }
    buffer_free(&json);
    buffer_free(&said);
    buffer_free(&would);
    return r;
}

/* An id that follows from what the line is about. */
static void print_id(const char *what, const char *const *parts, size_t count, buffer *out)
{
    uint8_t digest[32];
    char digits[32];
    buffer all = { 0 };
    for (size_t i = 0; i < count; i++)
        buffer_append(&all, parts[i], strlen(parts[i]) + 1);
    hash_sha256(all.bytes ? all.bytes : "", all.len, digest);
    hex_encode(digest, 16, digits);
    buffer_printf(out, "%s-%.32s", what, digits);
    out->failed = out->failed || all.failed;
    buffer_free(&all);
}

static bool put_text_of(const cJSON *observations, buffer *out)
{
    buffer text = { 0 };
    const cJSON *item;
    cJSON_ArrayForEach(item, observations)
    {
        if (!cJSON_IsString(item)) {
            buffer_free(&text);
            return false;
        }
        if (item != observations->child)
            buffer_append_char(&text, '\n');
        buffer_append_text(&text, item->valuestring);
    }
    put_member(",\"text\":", str_make(text.bytes ? text.bytes : "", text.len), out);
    out->failed = out->failed || text.failed;
    buffer_free(&text);
    return true;
}

/* The JSON of a record that a plain line stands for; false where it is neither of the two. */
static bool print_plain(const cJSON *line, buffer *out)
{
    const cJSON *type = text_of(line, "type"), *from = text_of(line, "from"), *to = text_of(line, "to");
    const cJSON *relation = text_of(line, "relationType"), *name = text_of(line, "name");
    const cJSON *kind = text_of(line, "entityType"),
                *observations = cJSON_GetObjectItemCaseSensitive(line, "observations");
    buffer_append_text(out, "{\"id\":\"");
    if (type && strcmp(type->valuestring, "relation") == 0 && from && to && relation) {
        const char *const parts[] = { from->valuestring, relation->valuestring, to->valuestring };
        print_id("relation", parts, 3, out);
        put_member("\",\"kind\":\"relation\",\"head\":", str_of(from->valuestring), out);
        put_member(",\"relation\":", str_of(relation->valuestring), out);
        put_member(",\"tail\":", str_of(to->valuestring), out);
        buffer_append_char(out, '}');
        return true;
    }
    if (!type || strcmp(type->valuestring, "entity") != 0 || !name || !kind || !cJSON_IsArray(observations))
        return false;
    const char *const parts[] = { name->valuestring };
    print_id("entity", parts, 1, out);
    put_member("\",\"entity\":{\"type\":", str_of(kind->valuestring), out);
    put_member(",\"id\":", str_of(name->valuestring), out);
    buffer_append_char(out, '}');
    bool good = put_text_of(observations, out);
    buffer_append_char(out, '}');
    return good;
}

static int32_t read_line(const char *name, unsigned long number, quipu_str text, record_list *out, quipu_error *error)
{
    quipu_error why = { .struct_size = sizeof why };
    buffer json = { 0 };
    cJSON *line = NULL;
    int32_t code = json_parse(text, &line, &why);
    record *r = code == QUIPU_OK ? kept_record(line) : NULL;
    if (code == QUIPU_OK && !r && !print_plain(line, &json))
        code = fail(&why, QUIPU_E_INVALID, NULL, "it is neither an entity nor a relation");
    if (code == QUIPU_OK && !r)
        code = json.failed ? fail(&why, QUIPU_E_NO_MEMORY, NULL, "no memory")
                           : record_decode(str_make(json.bytes, json.len), NULL, &r, &why);
    buffer_free(&json);
    cJSON_Delete(line);
    if (code == QUIPU_E_NO_MEMORY)
        return fail(error, code, NULL, "no memory to read %s", name);
    return code == QUIPU_OK ? record_list_push(out, r, error) : records_fault(name, number, why.message, error);
}

int32_t mcp_read(const char *name, quipu_str text, record_list *out, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    for (unsigned long number = 1; text.len > 0 && code == QUIPU_OK; number++) {
        const char *end = memchr(text.ptr, '\n', (size_t)text.len);
        uint64_t len = end ? (uint64_t)(end - text.ptr) : text.len;
        uint64_t used = end ? len + 1 : len, blank = 0;
        while (blank < len && (text.ptr[blank] == ' ' || text.ptr[blank] == '\t' || text.ptr[blank] == '\r'))
            blank++;
        if (blank < len)
            code = read_line(name, number, (quipu_str){ text.ptr, len }, out, error);
        text = (quipu_str){ text.ptr + used, text.len - used };
    }
    return code;
}
