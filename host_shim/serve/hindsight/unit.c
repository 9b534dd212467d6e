/* unit.c - how a record looks to Hindsight's clients: a unit of memory. */
#include "hindsight.h"

#include <sdk/json.h>

bool hindsight_is_type(quipu_str text)
{
    return QUIPU_IS(&text, "world") || QUIPU_IS(&text, "experience") || QUIPU_IS(&text, "observation");
}

/* The values are texts to the clients, whatever others have put there. */
static void print_metadata(const quipu_record *r, buffer *out)
{
    cJSON *metadata = NULL;
    unsigned count = 0;
    quipu_str text = mem0_member(r->json, "metadata");
    if (text.ptr && json_parse(text, &metadata, NULL) != QUIPU_OK)
        metadata = NULL;
    buffer_append_text(out, ",\"metadata\":{");
    for (const cJSON *one = metadata ? metadata->child : NULL; one; one = one->next) {
        buffer raw = { 0 };
        buffer_append_text(out, count++ ? "," : "");
        json_print_string(str_of(one->string), out);
        buffer_append_char(out, ':');
        if (!cJSON_IsString(one))
            json_print_compact(one, &raw);
        json_print_string(cJSON_IsString(one) ? str_of(one->valuestring) : str_make(raw.bytes, raw.len), out);
        buffer_free(&raw);
    }
    buffer_append_char(out, '}');
    cJSON_Delete(metadata);
}

static void print_entities(const cJSON *entities, buffer *out)
{
    const cJSON *one;
    unsigned count = 0;
    buffer_append_text(out, ",\"entities\":[");
    cJSON_ArrayForEach(one, entities)
    {
        const cJSON *text = web_member(one, "text");
        if (!cJSON_IsString(text))
            continue;
        buffer_append_text(out, count++ ? "," : "");
        json_print_string(str_of(text->valuestring), out);
    }
    buffer_append_char(out, ']');
}

static void print_tags(const quipu_record *r, buffer *out)
{
    buffer_append_text(out, ",\"tags\":[");
    for (uint64_t i = 0; i < r->tags.count; i++) {
        buffer_append_text(out, i ? "," : "");
        json_print_string(*QUIPU_AT(quipu_str, &r->tags, i), out);
    }
    buffer_append_char(out, ']');
}

static void print_when(const quipu_record *r, bool undated, buffer *out)
{
    buffer_append_text(out, ",\"mentioned_at\":");
    mem0_print_time(undated ? QUIPU_TIME_NONE : r->created_at, out);
    buffer_append_text(out, ",\"date\":");
    mem0_print_time(undated ? QUIPU_TIME_NONE : r->created_at, out);
    buffer_append_text(out, ",\"occurred_start\":");
    mem0_print_time(r->valid_from, out);
    buffer_append_text(out, ",\"occurred_end\":");
    mem0_print_time(r->valid_to, out);
}

void hindsight_print_unit(const quipu_record *r, const char *asked, double score, buffer *out)
{
    char digits[32];
    cJSON *value = hindsight_value(r);
    const cJSON *context = web_member(value, "context");
    buffer_append_text(out, "{\"id\":");
    json_print_string(r->id, out);
    hindsight_member(out, "text", r->text.ptr ? r->text : str_of(""));
    hindsight_member(out, "type", hindsight_is_type(r->category) ? r->category : str_of(asked));
    hindsight_member(out, "context", cJSON_IsString(context) ? str_of(context->valuestring) : (quipu_str){ NULL, 0 });
    hindsight_member(out, "document_id", r->key);
    hindsight_member(out, "chunk_id", r->id);
    print_when(r, cJSON_IsTrue(web_member(value, "undated")), out);
    print_metadata(r, out);
    print_entities(web_member(value, "entities"), out);
    print_tags(r, out);
    if (score >= 0 && json_double_text(score, digits))
        buffer_printf(out, ",\"scores\":{\"final\":%s,\"semantic\":null,\"keyword\":null,\"reranker\":null}", digits);
    else
        hindsight_member(out, "state", str_of(r->expires_at == QUIPU_TIME_NONE ? "valid" : "invalidated"));
    buffer_append_char(out, '}');
    cJSON_Delete(value);
}
