/* schema.c - see schema.h. */
#include "schema.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <sdk/json.h>
#include <stdio.h>
#include <string.h>

typedef struct place {
    const struct place *above;
    const char *name; /* a member; NULL: an element */
    size_t index;
} place;

static void print_place(const place *p, buffer *out)
{
    if (!p)
        return;
    print_place(p->above, out);
    if (p->name)
        buffer_printf(out, "%s%s", out->len > 0 ? "." : "", p->name);
    else
        buffer_printf(out, "[%zu]", p->index);
}

static int32_t refuse(const place *p, quipu_error *error, const char *format, const char *detail)
{
    buffer field = { 0 };
    char text[160];
    print_place(p, &field);
    snprintf(text, sizeof text, format, detail);
    const char *name = field.len > 0 && !field.failed ? field.bytes : "arguments";
    int32_t code = fail(error, QUIPU_E_INVALID, name, "%s: %s", name, text);
    buffer_free(&field);
    return code;
}

static bool has_type(const cJSON *value, const char *type)
{
    double number;
    int64_t whole;
    if (strcmp(type, "object") == 0)
        return cJSON_IsObject(value);
    if (strcmp(type, "array") == 0)
        return cJSON_IsArray(value);
    if (strcmp(type, "string") == 0)
        return cJSON_IsString(value);
    if (strcmp(type, "boolean") == 0)
        return cJSON_IsBool(value);
    if (strcmp(type, "null") == 0)
        return cJSON_IsNull(value);
    if (strcmp(type, "integer") == 0)
        return json_is_int(value, &whole);
    return strcmp(type, "number") == 0 && json_is_number(value, &number);
}

static int32_t check_type(const cJSON *schema, const cJSON *value, const place *p, quipu_error *error)
{
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(schema, "type");
    const cJSON *one = cJSON_IsArray(type) ? type->child : type;
    char wanted[128] = "";
    if (!type)
        return QUIPU_OK;
    for (; one; one = cJSON_IsArray(type) ? one->next : NULL) {
        if (cJSON_IsString(one) && has_type(value, one->valuestring))
            return QUIPU_OK;
        size_t used = strlen(wanted);
        snprintf(wanted + used, sizeof wanted - used, "%s%s", used ? " or " : "",
                 cJSON_IsString(one) ? one->valuestring : "?");
    }
    return refuse(p, error, "it has to be of type %s", wanted);
}

/* A limit of the schema as a number; false where it has none. */
static bool limit_of(const cJSON *schema, const char *name, double *out)
{
    const cJSON *limit = cJSON_GetObjectItemCaseSensitive(schema, name);
    return limit && json_is_number(limit, out);
}

static int32_t check_size(const cJSON *schema, const char *least, const char *most, double size, const place *p,
                          quipu_error *error)
{
    double limit;
    char number[40];
    if (limit_of(schema, least, &limit) && size < limit) {
        snprintf(number, sizeof number, "%.15g", limit);
        return refuse(p, error, strcmp(least, "minimum") == 0 ? "it has to be at least %s" : "it needs at least %s",
                      number);
    }
    if (limit_of(schema, most, &limit) && size > limit) {
        snprintf(number, sizeof number, "%.15g", limit);
        return refuse(p, error, strcmp(most, "maximum") == 0 ? "it has to be at most %s" : "it may have at most %s",
                      number);
    }
    return QUIPU_OK;
}

static int32_t check_choice(const cJSON *schema, const cJSON *value, const place *p, quipu_error *error)
{
    const cJSON *choices = cJSON_GetObjectItemCaseSensitive(schema, "enum"), *one;
    char known[160] = "";
    if (!choices)
        return QUIPU_OK;
    cJSON_ArrayForEach(one, choices)
    {
        size_t used = strlen(known);
        if (cJSON_IsString(value) && cJSON_IsString(one) && strcmp(value->valuestring, one->valuestring) == 0)
            return QUIPU_OK;
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "",
                 cJSON_IsString(one) ? one->valuestring : "?");
    }
    return refuse(p, error, "it has to be one of %s", known);
}

static int32_t check_value(const cJSON *schema, const cJSON *value, const place *p, quipu_error *error);

static int32_t check_object(const cJSON *schema, const cJSON *value, const place *p, quipu_error *error)
{
    const cJSON *properties = cJSON_GetObjectItemCaseSensitive(schema, "properties"), *name;
    const cJSON *others = cJSON_GetObjectItemCaseSensitive(schema, "additionalProperties");
    int32_t code = QUIPU_OK;
    cJSON_ArrayForEach(name, cJSON_GetObjectItemCaseSensitive(schema, "required"))
    {
        place missing = { p, name->valuestring, 0 };
        if (!cJSON_GetObjectItemCaseSensitive(value, name->valuestring))
            return refuse(&missing, error, "%s", "it is missing");
    }
    for (const cJSON *member = value->child; member && code == QUIPU_OK; member = member->next) {
        const cJSON *rule = cJSON_GetObjectItemCaseSensitive(properties, member->string);
        place here = { p, member->string, 0 };
        if (!rule && cJSON_IsFalse(others))
            return refuse(&here, error, "%s", "it is not known here");
        if (!rule && cJSON_IsObject(others))
            rule = others;
        if (rule)
            code = check_value(rule, member, &here, error);
    }
    return code;
}

static int32_t check_array(const cJSON *schema, const cJSON *value, const place *p, quipu_error *error)
{
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(schema, "items");
    place here = { p, NULL, 0 };
    size_t count = 0;
    for (const cJSON *item = value->child; item; item = item->next) {
        here.index = count++;
        int32_t code = items ? check_value(items, item, &here, error) : QUIPU_OK;
        if (code != QUIPU_OK)
            return code;
    }
    return check_size(schema, "minItems", "maxItems", (double)count, p, error);
}

/* Characters, as JSON Schema counts them. */
static double text_length(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return (double)count;
}

/* Depth is bounded by the parser's. */
static int32_t check_value(const cJSON *schema, const cJSON *value, const place *p, quipu_error *error)
{
    double number;
    int32_t code = check_type(schema, value, p, error);
    if (code == QUIPU_OK)
        code = check_choice(schema, value, p, error);
    if (code != QUIPU_OK)
        return code;
    if (cJSON_IsObject(value))
        return check_object(schema, value, p, error);
    if (cJSON_IsArray(value))
        return check_array(schema, value, p, error);
    if (cJSON_IsString(value))
        return check_size(schema, "minLength", "maxLength", text_length(value->valuestring), p, error);
    return json_is_number(value, &number) ? check_size(schema, "minimum", "maximum", number, p, error) : QUIPU_OK;
}

int32_t mcp_schema_check(const cJSON *schema, const cJSON *value, quipu_error *error)
{
    return check_value(schema, value, NULL, error);
}
