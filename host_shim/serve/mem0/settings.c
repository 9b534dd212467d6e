/* settings.c - small JSON objects that are kept in the store, as records of kind "setting": their history is the store's. */
#include "platform.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <stdlib.h>

#define KIND "setting"

static int32_t keep_value(void *context, const quipu_hit *hit)
{
    cJSON **out = context;
    quipu_str value = mem0_member(hit->record->json, "value");
    return value.ptr && !*out ? json_parse(value, out, NULL) : 0;
}

int32_t mem0_setting_read(serve *s, web_request *r, const char *id, cJSON **out, quipu_error *error)
{
    quipu_get query = { .struct_size = sizeof query, .id = str_of(id) };
    *out = NULL;
    int32_t code = quipu_get_record(s->q, &query, keep_value, out, r->call, error);
    if (code != QUIPU_OK && code != QUIPU_E_NOT_FOUND)
        return code;
    if (!*out)
        *out = cJSON_CreateObject();
    return *out ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

/* Settings are everybody's: who sees a part of the store does not change them. */
int32_t mem0_unbound(const web_request *r, quipu_error *error)
{
    if (r->who.user.ptr || r->who.agent.ptr || r->who.session.ptr || r->who.app.ptr)
        return fail(error, QUIPU_E_DENIED, NULL, "This key is bound to a scope; settings need one that is not.");
    return QUIPU_OK;
}

int32_t mem0_setting_write(serve *s, web_request *r, const char *id, const cJSON *value, quipu_error *error)
{
    buffer json = { 0 };
    quipu_write_options options = { .struct_size = sizeof options, .author = r->who.name };
    buffer_append_text(&json, "{\"kind\":\"" KIND "\",\"id\":");
    json_print_string(str_of(id), &json);
    buffer_append_text(&json, ",\"value\":");
    json_print_compact(value, &json);
    buffer_append_char(&json, '}');
    quipu_str text = str_make(json.bytes, json.len);
    int32_t code = json.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted") : mem0_unbound(r, error);
    if (code == QUIPU_OK)
        code = quipu_put_json(s->q, &text, &options, NULL, r->call, error);
    buffer_free(&json);
    return code;
}

int32_t mem0_setting_delete(serve *s, web_request *r, const char *id, quipu_error *error)
{
    quipu_str name = str_of(id), author = r->who.name;
    int32_t code = mem0_unbound(r, error);
    if (code != QUIPU_OK)
        return code;
    return quipu_memory_delete(s->q, &name, NULL, author.ptr ? &author : NULL, NULL, NULL, r->call, error);
}

typedef struct each {
    const char *prefix;
    void (*visit)(void *context, const cJSON *value);
    void *context;
} each;

static int32_t show_each(void *context, const quipu_hit *hit)
{
    const each *e = context;
    cJSON *value = NULL;
    size_t len = strlen(e->prefix);
    if (hit->record->id.len < len || memcmp(hit->record->id.ptr, e->prefix, len) != 0)
        return 0;
    quipu_str text = mem0_member(hit->record->json, "value");
    if (text.ptr && json_parse(text, &value, NULL) == QUIPU_OK)
        e->visit(e->context, value);
    cJSON_Delete(value);
    return 0;
}

int32_t mem0_setting_each(serve *s, web_request *r, const char *prefix,
                          void (*visit)(void *context, const cJSON *value), void *context, quipu_error *error)
{
    each e = { prefix, visit, context };
    filter *which = NULL;
    cJSON *kind = cJSON_CreateObject();
    cJSON_AddStringToObject(kind, "kind", KIND);
    int32_t code = filter_compile(NULL, kind, &which, error);
    cJSON_Delete(kind);
    if (code == QUIPU_OK) {
        quipu_scan query = { .struct_size = sizeof query, .filter = filter_view(which), .order = QUIPU_ORDER_ID };
        code = quipu_scan_records(s->q, &query, show_each, &e, r->call, error);
    }
    filter_free(which);
    return code;
}

int32_t mem0_note_feedback(serve *s, web_request *r, quipu_str id, quipu_str word, quipu_str reason, quipu_error *error)
{
    filter *which = NULL;
    buffer patch = { 0 };
    quipu_str author = r->who.name;
    buffer_append_text(&patch, "{\"value\":{\"feedback\":");
    mem0_print_text(word, &patch);
    buffer_append_text(&patch, ",\"feedback_reason\":");
    mem0_print_text(reason, &patch);
    buffer_append_text(&patch, "}}");
    quipu_str text = str_make(patch.bytes, patch.len);
    int32_t code =
        patch.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted") : mem0_filter_own(r, &which, error);
    if (code == QUIPU_OK)
        code = quipu_memory_update(s->q, &id, filter_view(which), &text, author.ptr ? &author : NULL, NULL, NULL,
                                   r->call, error);
    filter_free(which);
    buffer_free(&patch);
    return code;
}
