/*
 * text.c - the file of a scope: records in their canonical form, ordered by id, so that it reads and compares well.
 *
 *     {
 *       "checksum": "...",
 *       "records": [ {...}, {...} ]
 *     }
 *
 * The checksum is over the versions of the records: layout does not matter. It tells damage from an edit: who edits takes the line out.
 */
#include "backend.h"

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MOST = 180, CHECKSUM_LEN = 40 };

/* ---- names ---- */

static void put_field(const char *name, quipu_str value, buffer *out)
{
    if (!value.ptr)
        return;
    if (out->len > 0)
        buffer_append_char(out, ',');
    buffer_printf(out, "%s=", name);
    for (uint64_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
        buffer_printf(out, plain ? "%c" : "%%%02X", c);
    }
}

void file_name_of(const quipu_backend *self, const quipu_record *r, buffer *out)
{
    uint8_t digest[32];
    char digits[64];
    if (self->mcp) {
        buffer_append_text(out, MCP_FILE);
        return;
    }
    put_field("user", r->user, out);
    put_field("agent", r->agent, out);
    put_field("session", r->session, out);
    put_field("app", r->app, out);
    if (out->len > NAME_MOST) { /* longer than a file's name may be */
        hash_sha256(out->bytes, out->len, digest);
        hex_encode(digest, sizeof digest, digits);
        buffer_clear(out);
        buffer_printf(out, "scope-%.40s", digits);
    }
    buffer_append_text(out, out->len > 0 ? ".json" : "unscoped.json");
}

/* ---- records to text ---- */

static int by_id(const void *a, const void *b)
{
    return str_compare(record_view(*(record *const *)a)->id, record_view(*(record *const *)b)->id);
}

static void sort(record_list *list)
{
    if (list->count > 1)
        qsort(list->items, list->count, sizeof *list->items, by_id);
}

/* Of a sorted list; false without memory. */
static bool checksum_of(const record_list *list, char out[CHECKSUM_LEN + 1])
{
    buffer all = { 0 };
    uint8_t digest[20];
    for (size_t i = 0; i < list->count; i++)
        buffer_append_str(&all, record_view(list->items[i])->version);
    hash_sha1(all.bytes ? all.bytes : "", all.len, digest);
    hex_encode(digest, sizeof digest, out);
    bool good = !all.failed;
    buffer_free(&all);
    return good;
}

void records_print(const quipu_backend *self, record_list *list, buffer *out)
{
    sort(list);
    if (self->mcp) {
        mcp_print(list, out);
        return;
    }
    char digits[CHECKSUM_LEN + 1] = "";
    if (!checksum_of(list, digits))
        out->failed = true;
    buffer_printf(out, "{\n\"checksum\": \"%s\",\n\"records\": [", digits);
    for (size_t i = 0; i < list->count; i++) {
        quipu_str json = record_view(list->items[i])->json;
        buffer_append_text(out, i ? ",\n" : "\n");
        buffer_append(out, json.ptr, (size_t)json.len - 1); /* without its final newline */
    }
    buffer_append_text(out, "\n]}\n");
}

/* ---- and back ---- */

int32_t records_fault(const char *name, unsigned long line, const char *why, quipu_error *error)
{
    if (line == 0)
        return fail(error, QUIPU_E_CORRUPT, "file", "%s: %s; mend it, or bring a backup back", name, why);
    return fail(error, QUIPU_E_CORRUPT, "file", "%s, line %lu: %s; mend it, or bring a backup back", name, line, why);
}

/* Of a sorted list. */
static int32_t check_twice(const record_list *list, const char *name, quipu_error *error)
{
    char why[400];
    for (size_t i = 1; i < list->count; i++) {
        quipu_str id = record_view(list->items[i])->id;
        if (!str_same(record_view(list->items[i - 1])->id, id))
            continue;
        snprintf(why, sizeof why, "the record %.*s is there twice", (int)id.len, id.ptr);
        return records_fault(name, 0, why, error);
    }
    return QUIPU_OK;
}

/* The line of byte `at`. */
static unsigned long line_of(quipu_str text, unsigned long at)
{
    unsigned long line = 1;
    for (uint64_t i = 0; i < text.len && i < at; i++)
        line += text.ptr[i] == '\n';
    return line;
}

/* The byte that a message of json.h names, as a line; 0 where it names none. */
static unsigned long line_in(quipu_str text, const char *message)
{
    const char *at = strstr(message, "byte ");
    return at ? line_of(text, strtoul(at + 5, NULL, 10)) : 0;
}

static int32_t take_record(const quipu_backend *self, const char *name, cJSON *item, record_list *out,
                           quipu_error *error)
{
    static const record_defaults limit = { .created_at = QUIPU_TIME_NONE,
                                           .updated_at = QUIPU_TIME_NONE,
                                           .max_bytes = (uint64_t)64 << 20 };
    quipu_error why = { .struct_size = sizeof why };
    char text[400];
    record *r = NULL;
    buffer own = { 0 };
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(item, "id");
    const char *named = cJSON_GetStringValue(id);
    int32_t code = record_from_tree(item, &limit, &r, &why);
    if (code == QUIPU_E_NO_MEMORY)
        return fail(error, code, NULL, "no memory for a record");
    if (code != QUIPU_OK) {
        snprintf(text, sizeof text, "the record %.80s: %.280s", named ? named : "without an id", why.message);
        return records_fault(name, 0, text, error);
    }
    file_name_of(self, record_view(r), &own);
    if (own.failed || strcmp(own.bytes, name) != 0) {
        snprintf(text, sizeof text, "a record of another scope, which belongs in %.200s", own.bytes ? own.bytes : "");
        code = own.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a record")
                          : records_fault(name, 0, text, error);
        record_free(r);
    } else {
        code = record_list_push(out, r, error);
    }
    buffer_free(&own);
    return code;
}

/* The records of a tree: a plain array, or an object whose checksum fits where it has one. */
static int32_t take_tree(const quipu_backend *self, const char *name, cJSON *tree, record_list *out, quipu_error *error)
{
    char digits[CHECKSUM_LEN + 1] = "";
    const char *checksum = NULL;
    cJSON *records = cJSON_IsArray(tree) ? tree : NULL;
    for (cJSON *member = cJSON_IsObject(tree) ? tree->child : NULL; member; member = member->next) {
        if (strcmp(member->string, "records") == 0 && cJSON_IsArray(member))
            records = member;
        else if (strcmp(member->string, "checksum") == 0 && cJSON_IsString(member))
            checksum = member->valuestring;
        else
            return records_fault(name, 0, "beside an array \"records\" and a text \"checksum\" nothing is known",
                                 error);
    }
    if (!records)
        return records_fault(name, 1, "there is no array of records", error);
    for (cJSON *item = records->child, *next; item; item = next) {
        next = item->next;
        int32_t code = take_record(self, name, item, out, error);
        if (code != QUIPU_OK)
            return code;
    }
    sort(out);
    int32_t code = check_twice(out, name, error);
    if (code != QUIPU_OK)
        return code;
    if (!checksum_of(out, digits))
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read %s", name);
    if (checksum && strcmp(checksum, digits) != 0)
        return records_fault(name, 0,
                             "the records are not those of its checksum: where that is an edit of yours, take the line "
                             "\"checksum\" out",
                             error);
    return QUIPU_OK;
}

int32_t records_read(const quipu_backend *self, const char *name, quipu_str text, record_list *out, quipu_error *error)
{
    quipu_error why = { .struct_size = sizeof why };
    cJSON *tree = NULL;
    *out = (record_list){ 0 };
    int32_t code = QUIPU_OK;
    if (self->mcp)
        code = mcp_read(name, text, out, error);
    else if ((code = json_parse(text, &tree, &why)) == QUIPU_E_NO_MEMORY)
        code = fail(error, code, NULL, "no memory to read %s", name);
    else if (code != QUIPU_OK)
        code = records_fault(name, line_in(text, why.message), why.message, error);
    else
        code = take_tree(self, name, tree, out, error);
    cJSON_Delete(tree);
    sort(out);
    if (code == QUIPU_OK)
        code = check_twice(out, name, error);
    if (code != QUIPU_OK)
        record_list_free(out);
    return code;
}
