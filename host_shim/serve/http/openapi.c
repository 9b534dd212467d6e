/* openapi.c - the OpenAPI 3.1 document, made from the rows of the router (https://spec.openapis.org/oas/v3.1.0). */
#include "serve.h"

#include <base/fail.h>
#include <ctype.h>
#include <sdk/json.h>
#include <stdio.h>

typedef struct member_spec {
    char name[64];
    char type[16];
    bool required;
} member_spec;

/* The next of "name name:type name:type!"; false at the end. */
static bool next_member(const char **rest, member_spec *out)
{
    while (**rest == ' ')
        (*rest)++;
    size_t len = strcspn(*rest, " ");
    if (len == 0)
        return false;
    const char *colon = memchr(*rest, ':', len);
    size_t name_len = colon ? (size_t)(colon - *rest) : len;
    const char *type = colon ? colon + 1 : "string";
    size_t type_len = colon ? len - name_len - 1 : strlen(type);
    out->required = (*rest)[len - 1] == '!';
    if (out->required && colon)
        type_len--;
    else if (out->required)
        name_len--;
    snprintf(out->name, sizeof out->name, "%.*s", (int)name_len, *rest);
    snprintf(out->type, sizeof out->type, "%.*s", (int)type_len, type);
    *rest += len;
    return true;
}

static cJSON *object_in(cJSON *parent, const char *name)
{
    cJSON *found = cJSON_GetObjectItemCaseSensitive(parent, name);
    return found ? found : cJSON_AddObjectToObject(parent, name);
}

static void add_schema(cJSON *owner, const char *type)
{
    cJSON *schema = cJSON_AddObjectToObject(owner, "schema");
    if (strcmp(type, "any") != 0)
        cJSON_AddStringToObject(schema, "type", type);
    if (strcmp(type, "array") == 0)
        cJSON_AddObjectToObject(schema, "items");
}

static void add_parameter(cJSON *parameters, const char *name, size_t len, const char *in, const char *type,
                          bool required)
{
    char text[64];
    cJSON *parameter = cJSON_CreateObject();
    snprintf(text, sizeof text, "%.*s", (int)len, name);
    cJSON_AddStringToObject(parameter, "name", text);
    cJSON_AddStringToObject(parameter, "in", in);
    cJSON_AddBoolToObject(parameter, "required", required);
    add_schema(parameter, type);
    cJSON_AddItemToArray(parameters, parameter);
}

static void add_parameters(cJSON *operation, const route *row)
{
    cJSON *parameters = cJSON_AddArrayToObject(operation, "parameters");
    member_spec member;
    for (const char *at = strchr(row->pattern, '{'); at; at = strchr(at + 1, '{'))
        add_parameter(parameters, at + 1, strcspn(at + 1, "}"), "path", "string", true);
    for (const char *rest = row->query ? row->query : ""; next_member(&rest, &member);)
        add_parameter(parameters, member.name, strlen(member.name), "query", member.type, member.required);
}

static void add_body(cJSON *operation, const route *row)
{
    member_spec member;
    cJSON *body = cJSON_AddObjectToObject(operation, "requestBody");
    cJSON_AddBoolToObject(body, "required", !(row->flags & ROUTE_MAY_LACK));
    cJSON *json = object_in(object_in(body, "content"), "application/json");
    cJSON *schema = cJSON_AddObjectToObject(json, "schema");
    cJSON_AddStringToObject(schema, "type", "object");
    cJSON *properties = cJSON_AddObjectToObject(schema, "properties"), *required = cJSON_CreateArray();
    for (const char *rest = row->body; next_member(&rest, &member);) {
        cJSON *property = cJSON_AddObjectToObject(properties, member.name);
        if (strcmp(member.type, "any") != 0)
            cJSON_AddStringToObject(property, "type", member.type);
        if (strcmp(member.type, "array") == 0)
            cJSON_AddObjectToObject(property, "items");
        if (member.required)
            cJSON_AddItemToArray(required, cJSON_CreateString(member.name));
    }
    if (required && required->child)
        cJSON_AddItemToObject(schema, "required", required);
    else
        cJSON_Delete(required);
}

static void add_responses(cJSON *operation, const route *row)
{
    cJSON *responses = cJSON_AddObjectToObject(operation, "responses");
    cJSON *good = cJSON_AddObjectToObject(responses, "200"), *other = cJSON_AddObjectToObject(responses, "default");
    cJSON_AddStringToObject(good, "description", "Done");
    cJSON_AddStringToObject(other, "description", "What went wrong, in the form of this family of clients");
    const char *type = strcmp(row->pattern, "/metrics") == 0 ? "text/plain" : "application/json";
    object_in(object_in(good, "content"), type);
    object_in(object_in(other, "content"), "application/json");
}

/* "GET /v1/memories/{id}/" becomes "get_v1_memories_id". */
static void operation_id(const route *row, char *out, size_t size)
{
    size_t len = 0;
    for (const char *c = row->method; *c && len + 1 < size; c++)
        out[len++] = (char)tolower((unsigned char)*c);
    for (const char *c = row->pattern; *c && len + 1 < size; c++)
        if (isalnum((unsigned char)*c) || *c == '_')
            out[len++] = *c;
        else if (len > 0 && out[len - 1] != '_' && c[1])
            out[len++] = '_';
    out[len] = '\0';
}

static void add_operation(cJSON *paths, const route *row, const char *prefix, bool keyed)
{
    char path[256], method[16] = "", id[256];
    snprintf(path, sizeof path, "%s%s", prefix ? prefix : "", row->pattern);
    for (size_t i = 0; row->method[i] && i + 1 < sizeof method; i++)
        method[i] = (char)tolower((unsigned char)row->method[i]);
    operation_id(row, id, sizeof id);
    cJSON *operation = cJSON_AddObjectToObject(object_in(paths, path), method);
    cJSON_AddStringToObject(operation, "operationId", id);
    cJSON_AddStringToObject(operation, "summary", row->summary);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(operation, "tags"), cJSON_CreateString(row->wire->name));
    add_parameters(operation, row);
    if (row->body)
        add_body(operation, row);
    add_responses(operation, row);
    if (row->role == ROLE_NONE || !keyed)
        return;
    cJSON *security = cJSON_AddArrayToObject(operation, "security");
    static const char *const schemes[] = { "bearer", "key" };
    for (int i = 0; i < 2; i++) {
        cJSON *choice = cJSON_CreateObject();
        cJSON_AddArrayToObject(choice, schemes[i]);
        cJSON_AddItemToArray(security, choice);
    }
}

int32_t openapi_print(const router *routes, const char *prefix, bool keyed, buffer *out, quipu_error *error)
{
    cJSON *tree = cJSON_CreateObject();
    cJSON_AddStringToObject(tree, "openapi", "3.1.0");
    cJSON *info = cJSON_AddObjectToObject(tree, "info");
    cJSON_AddStringToObject(info, "title", "Quipu");
    cJSON_AddStringToObject(info, "version", quipu_version());
    cJSON *paths = cJSON_AddObjectToObject(tree, "paths");
    for (size_t i = 0; i < router_count(routes); i++)
        add_operation(paths, router_row(routes, i), prefix, keyed);
    cJSON *schemes = object_in(object_in(tree, "components"), "securitySchemes");
    cJSON *bearer = cJSON_AddObjectToObject(schemes, "bearer"), *header = cJSON_AddObjectToObject(schemes, "key");
    cJSON_AddStringToObject(bearer, "type", "http");
    cJSON_AddStringToObject(bearer, "scheme", "bearer");
    cJSON_AddStringToObject(header, "type", "apiKey");
    cJSON_AddStringToObject(header, "in", "header");
    cJSON_AddStringToObject(header, "name", "X-API-Key");
    if (tree && header)
        json_print_compact(tree, out);
    bool good = tree && header && !out->failed;
    cJSON_Delete(tree);
    return good ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}
