/* files.c - see files.h: the one place where a record's JSON and the file with its text are joined, and where they are split. */
#include "files.h"

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/json.h>
#include <sdk/settings.h>

/* A text fits into a record where the record does. */
#define TEXT_MOST ((size_t)SETTING_RECORD_MAX_MOST)

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a record");
}

/* ---- reading ---- */

static int32_t read_at(const record_place *p, const char *path, object_id *blob, buffer *out, quipu_error *error)
{
    if (p->t)
        return git_transaction_read(p->t, path, blob, out, error);
    int32_t code = tree_find_file(p->objects, &p->tree, path, blob, error);
    return code == QUIPU_OK && !object_id_is_none(blob) ? objects_read(p->objects, blob, OBJECT_BLOB, out, error)
                                                        : code;
}

static bool is_file(const record *r)
{
    return r && str_same(record_view(r)->kind, str_of(QUIPU_KIND_FILE));
}

static bool is_text(const buffer *bytes)
{
    return bytes->len <= TEXT_MOST && (bytes->len == 0 || (!memchr(bytes->bytes, '\0', bytes->len) &&
                                                           utf8_first_bad(bytes->bytes, bytes->len) < 0));
}

/* Gives the tree of a record its text; an error but NO_MEMORY: the two make no record. */
static int32_t with_text(cJSON *tree, const buffer *text, record **out)
{
    static const record_defaults limit = { .created_at = QUIPU_TIME_NONE,
                                           .updated_at = QUIPU_TIME_NONE,
                                           .max_bytes = SETTING_RECORD_MAX_MOST };
    cJSON *node = json_string(str_make(text->bytes ? text->bytes : "", text->len));
    if (!tree || !node) {
        cJSON_Delete(node);
        return QUIPU_E_NO_MEMORY;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(tree, "text");
    cJSON_AddItemToObject(tree, "text", node);
    return record_from_tree(tree, &limit, out, NULL);
}

/* In the place of s->record. */
static int32_t join(const buffer *text, stored *s)
{
    cJSON *tree = NULL;
    record *whole = NULL;
    int32_t code = json_parse(record_view(s->record)->json, &tree, NULL);
    if (code == QUIPU_OK)
        code = with_text(tree, text, &whole);
    cJSON_Delete(tree);
    if (code != QUIPU_OK)
        return code;
    record_free(s->record);
    s->record = whole;
    return QUIPU_OK;
}

/* "user=ruth,app=notes" or "-": what scope the first part of an id tells; none where it is no such list. */
static cJSON *scope_of(quipu_str id)
{
    static const char *const names[] = { "user", "agent", "session", "app" };
    cJSON *scope = cJSON_CreateObject();
    const char *at = id.ptr, *end = memchr(id.ptr, '/', (size_t)id.len);
    for (size_t i = 0; scope && end && i < sizeof names / sizeof names[0] && at < end; i++) {
        size_t len = strlen(names[i]);
        if ((size_t)(end - at) <= len || memcmp(at, names[i], len) != 0 || at[len] != '=')
            continue;
        buffer value = { 0 };
        for (at += len + 1; at < end && *at != ','; at++) {
            uint8_t byte = (uint8_t)*at;
            if (byte == '%' && end - at > 2 && hex_decode(at + 1, 1, &byte) == 0)
                at += 2;
            buffer_append_char(&value, (char)byte);
        }
        if (!value.failed && value.len > 0)
            cJSON_AddStringToObject(scope, names[i], value.bytes);
        buffer_free(&value);
        at += at < end;
    }
    if (scope && at < end) { /* something else stands there */
        cJSON_Delete(scope);
        return cJSON_CreateObject();
    }
    return scope;
}

/* A file without a record: one that was made by hand. */
static int32_t adopt(quipu_str id, const buffer *text, stored *s)
{
    cJSON *tree = cJSON_CreateObject(), *name = json_string(id), *scope = scope_of(id);
    int32_t code = QUIPU_E_NO_MEMORY;
    if (tree && name && scope) {
        cJSON_AddItemToObject(tree, "id", name);
        cJSON_AddItemToObject(tree, "scope", scope);
        name = scope = NULL;
        if (cJSON_AddStringToObject(tree, "kind", QUIPU_KIND_FILE))
            code = with_text(tree, text, &s->record);
    }
    cJSON_Delete(name);
    cJSON_Delete(scope);
    cJSON_Delete(tree);
    return code;
}

/* The second half of a record of this id, where there may be one. */
static int32_t read_text(const record_place *p, quipu_str id, stored *s, quipu_error *error)
{
    buffer path = { 0 }, text = { 0 };
    int32_t code = QUIPU_OK;
    if (file_path(id, &path))
        code = read_at(p, path.bytes, &s->text, &text, error);
    if (code == QUIPU_OK && (path.failed || text.failed))
        code = no_memory(error);
    if (code == QUIPU_OK && !object_id_is_none(&s->text) && !s->json_bad) {
        int32_t joined = !is_text(&text) || (s->record && !is_file(s->record)) ? QUIPU_E_INVALID
                         : s->record                                           ? join(&text, s)
                                                                               : adopt(id, &text, s);
        s->text_bad = joined != QUIPU_OK;
        if (joined == QUIPU_E_NO_MEMORY)
            code = no_memory(error);
    }
    buffer_free(&path);
    buffer_free(&text);
    return code;
}

static int32_t read_json(const record_place *p, const char *path, stored *s, quipu_error *error)
{
    buffer bytes = { 0 };
    int32_t code = read_at(p, path, &s->json, &bytes, error);
    if (code == QUIPU_OK && !object_id_is_none(&s->json)) {
        int32_t read = record_of_file(path, str_make(bytes.bytes, bytes.len), &s->record, NULL);
        s->json_bad = read != QUIPU_OK;
        if (read == QUIPU_E_NO_MEMORY)
            code = no_memory(error);
    }
    buffer_free(&bytes);
    return code;
}

int32_t stored_read(const record_place *p, quipu_str id, stored *out, quipu_error *error)
{
    buffer path = { 0 };
    *out = (stored){ 0 };
    record_path(id, &path);
    int32_t code = path.failed ? no_memory(error) : read_json(p, path.bytes, out, error);
    if (code == QUIPU_OK && record_may_have_file(id))
        code = read_text(p, id, out, error);
    if (code == QUIPU_OK && p->edits)
        code = edits_apply(p->edits, p->time, &out->record, error);
    if (code != QUIPU_OK)
        stored_free(out);
    buffer_free(&path);
    return code;
}

int32_t stored_id(const record_place *p, const char *path, buffer *id, quipu_error *error)
{
    stored there = { 0 };
    int32_t code = QUIPU_OK;
    if (!path_record_id(path, id) && !id->failed) {
        buffer_clear(id);
        code = read_json(p, path, &there, error);
        if (there.record)
            buffer_append_str(id, record_view(there.record)->id);
    }
    stored_free(&there);
    return code == QUIPU_OK && id->failed ? no_memory(error) : code;
}

int32_t stored_same_json(const record_place *a, const record_place *b, quipu_str id, bool *same, quipu_error *error)
{
    object_id first, second;
    buffer path = { 0 };
    record_path(id, &path);
    int32_t code = path.failed ? no_memory(error) : tree_find_file(a->objects, &a->tree, path.bytes, &first, error);
    if (code == QUIPU_OK)
        code = tree_find_file(b->objects, &b->tree, path.bytes, &second, error);
    *same = code == QUIPU_OK && object_id_equal(&first, &second);
    buffer_free(&path);
    return code;
}

void stored_free(stored *s)
{
    record_free(s->record);
    *s = (stored){ 0 };
}

/* ---- writing ---- */

/* The JSON of a record without its text. */
static int32_t print_without_text(const quipu_record *r, buffer *out, quipu_error *error)
{
    cJSON *tree = NULL;
    int32_t code = json_parse(r->json, &tree, error);
    if (code == QUIPU_OK) {
        cJSON_DeleteItemFromObjectCaseSensitive(tree, "text");
        json_print_canonical(tree, out);
        cJSON_Delete(tree);
    }
    return code == QUIPU_OK && out->failed ? no_memory(error) : code;
}

/* Where the path cannot be, because another file stands where it needs a folder, or a folder in its place, the record stays one file. */
static int32_t put_text(git_transaction *t, const quipu_record *r, const char *path, bool *split, quipu_error *error)
{
    int32_t code = git_transaction_fits(t, path, split, error);
    if (code == QUIPU_OK && *split)
        code = format_raise(t, error);
    if (code == QUIPU_OK && *split)
        code = git_transaction_put(t, path, r->text.ptr, (size_t)r->text.len, error);
    return code;
}

static int32_t drop_text(git_transaction *t, quipu_str id, quipu_error *error)
{
    stored now;
    buffer path = { 0 };
    int32_t code = stored_read(&(record_place){ .t = t }, id, &now, error);
    if (code != QUIPU_OK)
        return code;
    if (is_file(now.record) && !object_id_is_none(&now.text) && file_path(id, &path))
        code = git_transaction_delete(t, path.bytes, error);
    stored_free(&now);
    buffer_free(&path);
    return code;
}

int32_t stored_put(git_transaction *t, const quipu_record *r, quipu_error *error)
{
    buffer path = { 0 }, text_path = { 0 }, json = { 0 };
    bool split = false, may = record_may_have_file(r->id);
    int32_t code = QUIPU_OK;
    record_path(r->id, &path);
    if (path.failed)
        code = no_memory(error);
    if (code == QUIPU_OK && may && r->text.ptr && str_same(r->kind, str_of(QUIPU_KIND_FILE)) &&
        file_path(r->id, &text_path))
        code = put_text(t, r, text_path.bytes, &split, error);
    if (code == QUIPU_OK && may && !split)
        code = drop_text(t, r->id, error);
    if (code == QUIPU_OK && split)
        code = print_without_text(r, &json, error);
    if (code == QUIPU_OK)
        code = git_transaction_put(t, path.bytes, split ? json.bytes : r->json.ptr,
                                   split ? json.len : (size_t)r->json.len, error);
    buffer_free(&path);
    buffer_free(&text_path);
    buffer_free(&json);
    return code;
}

int32_t stored_delete(git_transaction *t, quipu_str id, const stored *before, quipu_error *error)
{
    buffer path = { 0 };
    record_path(id, &path);
    int32_t code = path.failed ? no_memory(error) : git_transaction_delete(t, path.bytes, error);
    buffer_clear(&path);
    if (code == QUIPU_OK && is_file(before->record) && !object_id_is_none(&before->text) && file_path(id, &path))
        code = git_transaction_delete(t, path.bytes, error);
    buffer_free(&path);
    return code;
}
