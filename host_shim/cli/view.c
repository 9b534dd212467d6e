/* view.c - records for people. */
#include "cli.h"

#include <sdk/json.h>
#include <string.h>

quipu_str field_of(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(item) ? str_of(item->valuestring) : (quipu_str){ NULL, 0 };
}

quipu_str value_text(const cJSON *node, buffer *scratch)
{
    if (cJSON_IsString(node))
        return str_of(node->valuestring);
    buffer_clear(scratch);
    json_print_compact(node, scratch);
    return str_make(scratch->bytes, scratch->len);
}

void view_time(const cJSON *record, const char *field, char out[17])
{
    quipu_str time = field_of(record, field);
    out[0] = '\0';
    if (time.len >= 16) {
        memcpy(out, time.ptr, 16);
        out[10] = ' ';
        out[16] = '\0';
    }
}

static void print_field(const cli *c, const char *name, quipu_str value, paint p)
{
    print_cell(c, PAINT_DIM, str_of(name), 12, 0);
    putchar(' ');
    print_cell(c, p, value, 0, 0);
    putchar('\n');
}

/* {"user":"u","session":"s"} as "user=u session=s". */
static void print_scope(const cli *c, const cJSON *scope)
{
    buffer text = { 0 }, scratch = { 0 };
    for (const cJSON *item = scope->child; item; item = item->next) {
        buffer_printf(&text, "%s%s=", text.len ? " " : "", item->string);
        buffer_append_str(&text, value_text(item, &scratch));
    }
    if (!text.failed && text.len)
        print_field(c, "scope", str_make(text.bytes, text.len), PAINT_PLAIN);
    buffer_free(&text);
    buffer_free(&scratch);
}

static void print_tags(const cli *c, const cJSON *tags)
{
    buffer text = { 0 }, scratch = { 0 };
    for (const cJSON *item = tags->child; item; item = item->next) {
        buffer_append_text(&text, text.len ? ", " : "");
        buffer_append_str(&text, value_text(item, &scratch));
    }
    if (!text.failed && text.len)
        print_field(c, "tags", str_make(text.bytes, text.len), PAINT_GOOD);
    buffer_free(&text);
    buffer_free(&scratch);
}

void view_record(const cli *c, const cJSON *record)
{
    static const char *const first[] = { "id", "version", "kind" };
    buffer scratch = { 0 };
    for (size_t i = 0; i < 3; i++)
        if (field_of(record, first[i]).ptr)
            print_field(c, first[i], field_of(record, first[i]), i == 0 ? PAINT_ID : PAINT_DIM);
    for (const cJSON *item = record->child; item; item = item->next) {
        if (strcmp(item->string, "text") == 0 || strcmp(item->string, "id") == 0 ||
            strcmp(item->string, "version") == 0 || strcmp(item->string, "kind") == 0)
            continue;
        if (strcmp(item->string, "scope") == 0 && cJSON_IsObject(item))
            print_scope(c, item);
        else if (strcmp(item->string, "tags") == 0 && cJSON_IsArray(item))
            print_tags(c, item);
        else
            print_field(c, item->string, value_text(item, &scratch), PAINT_PLAIN);
    }
    buffer_free(&scratch);
    if (field_of(record, "text").ptr) {
        putchar('\n');
        print_text(field_of(record, "text"), "");
    }
}

int view_text(const cli *c, buffer *json, void (*show)(const cli *c, const cJSON *tree))
{
    quipu_error error = error_none();
    cJSON *tree = NULL;
    if (json->failed)
        return out_of_memory(c);
    if (json_parse(str_make(json->bytes, json->len), &tree, &error) != QUIPU_OK) {
        report(c, "the answer cannot be read", &error);
        return STATUS_TROUBLE;
    }
    show(c, tree);
    cJSON_Delete(tree);
    return STATUS_DONE;
}
