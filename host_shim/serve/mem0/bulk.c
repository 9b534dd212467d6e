/* bulk.c - many memories at once, the entities that have them, and feedback: the rest of the platform's routes about memories. */
#include "platform.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH_MAX 1000

/* ---- batches: all of it or nothing ---- */

typedef struct batch {
    quipu_write *steps;
    record **before;
    buffer *patches;
    size_t count;
} batch;

static void batch_free(batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        if (b->before)
            record_free(b->before[i]);
        if (b->patches)
            buffer_free(&b->patches[i]);
    }
    free(b->steps);
    free(b->before);
    free(b->patches);
}

static int32_t patch_text(const cJSON *one, buffer *out, quipu_error *error)
{
    cJSON *patch = cJSON_CreateObject();
    quipu_str text;
    const cJSON *metadata = web_member(one, "metadata");
    int32_t code = web_member_text(one, "text", &text, error);
    if (code == QUIPU_OK && metadata && !cJSON_IsObject(metadata))
        code = fail(error, QUIPU_E_INVALID, "metadata", "metadata must be an object");
    if (code == QUIPU_OK && !text.ptr && !metadata)
        code = fail(error, QUIPU_E_INVALID, "memories", "each memory needs text or metadata");
    if (code == QUIPU_OK && text.ptr)
        cJSON_AddItemToObject(patch, "text", json_string(text));
    if (code == QUIPU_OK && metadata)
        cJSON_AddItemToObject(patch, "metadata", cJSON_Duplicate(metadata, 1));
    if (code == QUIPU_OK)
        json_print_compact(patch, out);
    cJSON_Delete(patch);
    if (code == QUIPU_OK && out->failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    return code;
}

static int32_t batch_step(serve *s, web_request *r, web_answer *a, batch *b, const cJSON *one, bool deletes,
                          quipu_error *error)
{
    size_t i = b->count++;
    quipu_str id;
    int32_t code = web_member_text(one, "memory_id", &id, error);
    if (code == QUIPU_OK && !id.ptr)
        code = fail(error, QUIPU_E_INVALID, "memory_id", "each memory needs its memory_id");
    if (code == QUIPU_OK)
        code = mem0_get_mutable(s, r, a, id, &b->before[i], error);
    if (code == QUIPU_OK && !deletes)
        code = patch_text(one, &b->patches[i], error);
    if (code == QUIPU_OK)
        b->steps[i] = (quipu_write){ .struct_size = sizeof b->steps[i],
                                     .op = deletes ? QUIPU_CHANGE_DELETE : QUIPU_WRITE_PATCH,
                                     .expect = QUIPU_EXPECT_VERSION,
                                     .id = id,
                                     .expected_version = record_view(b->before[i])->version,
                                     .json = str_make(b->patches[i].bytes, b->patches[i].len) };
    return code;
}

static int32_t batch_run(serve *s, web_request *r, web_answer *a, bool deletes, quipu_error *error)
{
    const cJSON *list = web_member(r->json, "memories"), *one;
    int count = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    batch b = { .count = 0 };
    if (count < 1 || count > BATCH_MAX)
        return fail(error, QUIPU_E_INVALID, "memories", "memories must be a list of 1 to %d memories", BATCH_MAX);
    b.steps = calloc((size_t)count, sizeof *b.steps);
    b.before = calloc((size_t)count, sizeof(record *));
    b.patches = calloc((size_t)count, sizeof *b.patches);
    int32_t code =
        b.steps && b.before && b.patches ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    cJSON_ArrayForEach(one, list)
    {
        if (code == QUIPU_OK)
            code = batch_step(s, r, a, &b, one, deletes, error);
    }
    if (code == QUIPU_OK) {
        quipu_array writes = { b.steps, b.count, sizeof *b.steps };
        quipu_write_options options = { .struct_size = sizeof options, .author = r->who.name };
        code = quipu_write_records(s->q, &writes, &options, NULL, NULL, NULL, r->call, error);
    }
    if (code == QUIPU_OK)
        buffer_printf(&a->body, "{\"message\":\"Successfully %s %d memories\"}", deletes ? "deleted" : "updated",
                      count);
    batch_free(&b);
    return code;
}

static int32_t batch_update(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    return batch_run(s, r, a, false, error);
}

static int32_t batch_delete(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    return batch_run(s, r, a, true, error);
}

/* ---- feedback ---- */

static int32_t feedback(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    static const char *const words[] = { "POSITIVE", "NEGATIVE", "VERY_NEGATIVE" };
    quipu_str id = { NULL, 0 }, word = { NULL, 0 }, reason = { NULL, 0 };
    record *before = NULL;
    int32_t code = web_member_text(r->json, "memory_id", &id, error);
    if (code == QUIPU_OK && !id.ptr)
        code = fail(error, QUIPU_E_INVALID, "memory_id", "memory_id is required");
    if (code == QUIPU_OK)
        code = web_member_text(r->json, "feedback", &word, error);
    bool known = code == QUIPU_OK && !word.ptr;
    for (size_t i = 0; code == QUIPU_OK && word.ptr && i < sizeof words / sizeof words[0]; i++)
        known = known || quipu_str_equal(&word, words[i], strlen(words[i]));
    if (code == QUIPU_OK && !known)
        code = fail(error, QUIPU_E_INVALID, "feedback", "feedback must be POSITIVE, NEGATIVE, VERY_NEGATIVE or null");
    if (code == QUIPU_OK)
        code = web_member_text(r->json, "feedback_reason", &reason, error);
    if (code == QUIPU_OK && (code = mem0_get(s, r, id, &before, error)) == QUIPU_E_NOT_FOUND)
        code = mem0_missing(a, id, error);
    if (code == QUIPU_OK)
        code = mem0_note_feedback(s, r, id, word, reason, error);
    if (code == QUIPU_OK) {
        buffer_append_text(&a->body, "{\"id\":");
        json_print_string(id, &a->body);
        buffer_append_text(&a->body, ",\"feedback\":");
        mem0_print_text(word, &a->body);
        buffer_append_text(&a->body, ",\"feedback_reason\":");
        mem0_print_text(reason, &a->body);
        buffer_append_char(&a->body, '}');
    }
    record_free(before);
    return code;
}

/* ---- entities ---- */

static void print_entity(const mem0_entity *e, buffer *out)
{
    buffer_append_text(out, "{\"id\":");
    json_print_string(str_of(e->name), out);
    buffer_append_text(out, ",\"name\":");
    json_print_string(str_of(e->name), out);
    buffer_printf(out, ",\"type\":\"%s\",\"owner\":\"local\",\"metadata\":null,\"total_memories\":%llu,\"created_at\":",
                  e->type, (unsigned long long)e->count);
    mem0_print_time(e->created_at, out);
    buffer_append_text(out, ",\"updated_at\":");
    mem0_print_time(e->updated_at, out);
    buffer_append_char(out, '}');
}

static uint64_t count_type(const mem0_entities *all, const char *type)
{
    uint64_t count = 0;
    for (size_t i = 0; i < all->count; i++)
        count += strcmp(all->items[i].type, type) == 0;
    return count;
}

/* Without a page all of them: reset() of the clients deletes what this lists. */
static int32_t entities(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    mem0_entities all;
    int64_t page = 1, size = 0;
    int32_t code = web_argument_number(r, "page", 1, INT32_MAX, 1, &page, error);
    if (code == QUIPU_OK)
        code = web_argument_number(r, "page_size", 1, 100000, web_argument(r, "page").ptr ? 100 : 0, &size, error);
    if (code == QUIPU_OK)
        code = mem0_entities_read(s, r, &all, error);
    if (code != QUIPU_OK)
        return code;
    size_t first = size ? (size_t)((page - 1) * size) : 0, end = size ? first + (size_t)size : all.count;
    buffer_printf(&a->body, "{\"count\":%zu,\"next\":null,\"previous\":null,\"results\":[", all.count);
    for (size_t i = first; i < all.count && i < end; i++) {
        buffer_append_text(&a->body, i > first ? "," : "");
        print_entity(&all.items[i], &a->body);
    }
    buffer_printf(&a->body, "],\"total_users\":%llu,\"total_agents\":%llu,\"total_apps\":%llu,\"total_runs\":%llu}",
                  (unsigned long long)count_type(&all, "user"), (unsigned long long)count_type(&all, "agent"),
                  (unsigned long long)count_type(&all, "app"), (unsigned long long)count_type(&all, "run"));
    mem0_entities_free(&all);
    return QUIPU_OK;
}

static int32_t entity_get(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    mem0_entities all;
    int32_t code = mem0_entities_read(s, r, &all, error);
    if (code != QUIPU_OK)
        return code;
    for (size_t i = 0; i < all.count && a->body.len == 0; i++)
        if (str_same(str_of(all.items[i].type), r->captures[0]) && str_same(str_of(all.items[i].name), r->captures[1]))
            print_entity(&all.items[i], &a->body);
    mem0_entities_free(&all);
    return a->body.len ? QUIPU_OK : fail(error, QUIPU_E_NOT_FOUND, "entity_id", "Entity not found!");
}

static int32_t entity_delete(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    uint64_t count = 0;
    int32_t code = mem0_entity_delete(s, r, a, r->captures[0], r->captures[1], &count, error);
    if (code == QUIPU_OK && count == 0)
        code = fail(error, QUIPU_E_NOT_FOUND, "entity_id", "Entity not found!");
    return code == QUIPU_OK ? mem0_answer(a, "{\"message\":\"Entity deleted successfully!\"}") : code;
}

#define WIRE &mem0_platform_wire

extern const route mem0_bulk_routes[];
const route mem0_bulk_routes[] = {
    { "PUT", "/v1/batch/", batch_update, ROLE_WRITE, 0, WIRE, "Change many memories", NULL, "memories:array!" },
    { "DELETE", "/v1/batch/", batch_delete, ROLE_WRITE, 0, WIRE, "Delete many memories", NULL, "memories:array!" },
    { "POST", "/v1/feedback/", feedback, ROLE_WRITE, 0, WIRE, "Say whether a memory was of use", NULL,
      "memory_id! feedback:any feedback_reason:any" },
    { "GET", "/v1/entities/", entities, ROLE_READ, 0, WIRE, "Who has memories", "page:integer page_size:integer",
      NULL },
    { "GET", "/v2/entities/{entity_type}/{entity_id}/", entity_get, ROLE_READ, 0, WIRE, "One of them", NULL, NULL },
    { "DELETE", "/v2/entities/{entity_type}/{entity_id}/", entity_delete, ROLE_WRITE, 0, WIRE,
      "Delete all memories of one of them", NULL, NULL },
    { "DELETE", "/v1/entities/{entity_type}/{entity_id}/", entity_delete, ROLE_WRITE, 0, WIRE,
      "Delete all memories of one of them", NULL, NULL },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL },
};
