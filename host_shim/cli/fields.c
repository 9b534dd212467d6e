/*
 * fields.c - the record that the field options of `add` and `update` describe.
 *
 * For an update it is a JSON Merge Patch (RFC 7396): an empty value becomes null, which takes the field away.
 */
#include "cli.h"

#include <sdk/json.h>
#include <sdk/record.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct field_row {
    const char *option;
    const char *field;
    enum { FIELD_TEXT, FIELD_NUMBER, FIELD_JSON, FIELD_TIME, FIELD_EXPIRES } type;
} field_row;

static const field_row rows[] = {
    { "id", "id", FIELD_TEXT },
    { "kind", "kind", FIELD_TEXT },
    { "category", "category", FIELD_TEXT },
    { "key", "key", FIELD_TEXT },
    { "actor", "actor", FIELD_TEXT },
    { "role", "role", FIELD_TEXT },
    { "seq", "seq", FIELD_NUMBER },
    { "importance", "importance", FIELD_NUMBER },
    { "created-at", "created_at", FIELD_TIME },
    { "expires", "expires_at", FIELD_EXPIRES },
    { "value", "value", FIELD_JSON },
};

/* "30d", "12h": microseconds; 0 where it is no duration. */
static int64_t duration(const char *text)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 }, { 'y', 31536000 } };
    char *end;
    if (text[0] < '0' || text[0] > '9' || strlen(text) > 10)
        return 0;
    int64_t count = strtoll(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (end[0] == units[i].unit && end[1] == '\0' && count <= 315360000000 / units[i].seconds)
            return count * units[i].seconds * 1000000;
    return 0;
}

/* A time as canonical JSON text; a date is the day's first moment, or with `last` its last one. */
static cJSON *time_node(cli *c, const field_row *row, const char *text, bool last)
{
    quipu_error error = error_none();
    bool date = false;
    int64_t time_us = 0, ahead = last ? duration(text) : 0;
    buffer out = { 0 };
    cJSON *node = NULL;
    char what[64];
    if (ahead > 0) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        time_us = (int64_t)now.tv_sec * 1000000 + ahead;
    } else if (time_parse(str_of(text), row->field, &date, &time_us, &error) != QUIPU_OK) {
        snprintf(what, sizeof what, "--%s%s", row->option,
                 last ? " (a time, a date, or a duration like 30d or 12h)" : "");
        report(c, what, &error);
        return NULL;
    }
    if (date && last)
        time_us += INT64_C(86400) * 1000000 - 1;
    time_print(time_us, &out);
    if (!out.failed)
        node = json_string(str_make(out.bytes, out.len));
    buffer_free(&out);
    if (!node)
        out_of_memory(c);
    return node;
}

static cJSON *number_node(cli *c, const field_row *row, const char *text)
{
    char label[64];
    double value;
    snprintf(label, sizeof label, "--%s", row->option);
    cJSON *node = option_json(c, label, text);
    if (node && !json_is_number(node, &value)) {
        report_fault(c, QUIPU_E_INVALID, row->option, "--%s %s: a number is needed", row->option, text);
        cJSON_Delete(node);
        return NULL;
    }
    return node;
}

static cJSON *field_node(cli *c, const field_row *row, const char *text, bool patch)
{
    if (patch && !*text)
        return cJSON_CreateNull();
    switch (row->type) {
    case FIELD_NUMBER:
        return number_node(c, row, text);
    case FIELD_JSON:
        return option_json(c, "--value", text);
    case FIELD_TIME:
        return time_node(c, row, text, false);
    case FIELD_EXPIRES:
        return time_node(c, row, text, true);
    case FIELD_TEXT:
        break;
    }
    cJSON *node = json_string(str_of(text));
    if (!node)
        out_of_memory(c);
    return node;
}

/* --tag T: of an update the new set in place of the old one; an empty T alone empties it. */
static int add_tags(cli *c, bool patch, cJSON *tree)
{
    const char *tag;
    size_t at = 0;
    if (!option_given(c, "tag"))
        return STATUS_DONE;
    cJSON *tags = cJSON_CreateArray();
    while (tags && (tag = option_each(c, "tag", &at)))
        if (*tag && !cJSON_AddItemToArray(tags, json_string(str_of(tag)))) {
            cJSON_Delete(tags);
            return out_of_memory(c);
        }
    if (tags && patch && !tags->child) {
        cJSON_Delete(tags);
        tags = cJSON_CreateNull();
    }
    return object_set(tree, "tags", tags) ? STATUS_DONE : out_of_memory(c);
}

/* NAME=VALUE or NAME:=JSON into `object`; `json` makes "=" take JSON as well. */
static int add_pair(cli *c, const char *option, const char *text, bool json, bool patch, cJSON *object)
{
    const char *equals = strchr(text, '=');
    char name[256], label[300];
    if (!equals || equals == text)
        return report_fault(c, QUIPU_E_INVALID, option, "--%s %s: NAME=VALUE is needed", option, text);
    size_t len = (size_t)(equals - text);
    if (!json && text[len - 1] == ':' && len > 1) {
        json = true;
        len--;
    }
    if (len >= sizeof name)
        return report_fault(c, QUIPU_E_INVALID, option, "--%s: a name of more than 255 bytes", option);
    snprintf(name, sizeof name, "%.*s", (int)len, text);
    snprintf(label, sizeof label, "--%s %s", option, name);
    cJSON *node;
    if (!equals[1] && patch)
        node = cJSON_CreateNull();
    else
        node = json ? option_json(c, label, equals + 1) : json_string(str_of(equals + 1));
    if (!node)
        return json ? STATUS_USAGE : out_of_memory(c);
    return object_set(object, name, node) ? STATUS_DONE : out_of_memory(c);
}

static int add_pairs(cli *c, const char *option, bool json, bool patch, cJSON *object)
{
    const char *text;
    size_t at = 0;
    int status = STATUS_DONE;
    while (status == STATUS_DONE && (text = option_each(c, option, &at)))
        status = add_pair(c, option, text, json, patch, object);
    return status;
}

static int add_fields(cli *c, bool patch, cJSON *tree)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *value = option_text(c, rows[i].option);
        if (!value)
            continue;
        cJSON *node = field_node(c, &rows[i], value, patch);
        if (!node)
            return STATUS_USAGE;
        if (!object_set(tree, rows[i].field, node))
            return out_of_memory(c);
    }
    int status = add_tags(c, patch, tree);
    if (status == STATUS_DONE && option_given(c, "meta")) {
        cJSON *metadata = cJSON_CreateObject();
        if (!object_set(tree, "metadata", metadata))
            return out_of_memory(c);
        status = add_pairs(c, "meta", false, patch, metadata);
    }
    return status == STATUS_DONE ? add_pairs(c, "field", true, patch, tree) : status;
}

int fields_build(cli *c, const char *text, bool patch, cJSON **out)
{
    buffer bytes = { 0 };
    int status = STATUS_DONE;
    cJSON *tree = cJSON_CreateObject();
    if (!tree)
        return out_of_memory(c);
    if (text) {
        status = argument_text(c, "text", text, &bytes);
        if (status == STATUS_DONE) {
            cJSON *node = patch && bytes.len == 0 ? cJSON_CreateNull()
                                                  : json_string(str_make(bytes.bytes ? bytes.bytes : "", bytes.len));
            if (!object_set(tree, "text", node))
                status = out_of_memory(c);
        }
    }
    if (status == STATUS_DONE)
        status = add_fields(c, patch, tree);
    if (status == STATUS_DONE && text && bytes.len == 0 && !patch && !tree->child->next)
        status = report_fault(c, QUIPU_E_INVALID, "text",
                              "nothing to keep: the text is empty; give a text, or fields such as --value");
    buffer_free(&bytes);
    if (status == STATUS_DONE)
        *out = tree;
    else
        cJSON_Delete(tree);
    return status;
}
