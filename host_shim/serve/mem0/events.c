/*
 * events.c - what was done, for clients that ask later whether it is done; exports, which are events too.
 *
 * Everything is done by the time that it is answered, so an event is a receipt. The newest ones are kept in memory; a restart forgets
 * them. An event is shown to keys that are bound to the same scope as the one that caused it, and to keys that are not bound.
 */
#include "platform.h"

#include <core/uuid.h>

#include <base/fail.h>
#include <pthread.h>
#include <sdk/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define EVENTS_MAX 1000u
#define EVENT_BYTES_MAX (256u << 10) /* results that are longer are left out */

typedef struct event {
    char id[MEM0_EVENT_ID];
    char *scope; /* of the key that caused it */
    char *json;
    bool export;
} event;

typedef struct event_ring {
    pthread_mutex_t lock;
    event items[EVENTS_MAX];
    uint64_t count; /* ever */
} event_ring;

static void ring_free(void *state)
{
    event_ring *ring = state;
    for (size_t i = 0; i < EVENTS_MAX; i++) {
        free(ring->items[i].scope);
        free(ring->items[i].json);
    }
    pthread_mutex_destroy(&ring->lock);
    free(ring);
}

int32_t mem0_events_begin(serve *s, quipu_error *error)
{
    event_ring *ring = calloc(1, sizeof *ring);
    if (!ring)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    pthread_mutex_init(&ring->lock, NULL);
    s->wires[WIRE_STATE_MEM0] = ring;
    s->wires_free[WIRE_STATE_MEM0] = ring_free;
    return QUIPU_OK;
}

/* What a key is bound to, as one text; "" for nothing. */
static char *scope_text(const principal *who)
{
    const quipu_str parts[] = { who->user, who->agent, who->session, who->app };
    buffer text = { 0 };
    buffer_append_text(&text, "");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].ptr) {
            buffer_printf(&text, "%zu:%llu:", i, (unsigned long long)parts[i].len);
            buffer_append_str(&text, parts[i]);
        }
    if (!text.failed)
        return text.bytes;
    buffer_free(&text);
    return NULL;
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int32_t keep(serve *s, web_request *r, const char *type, quipu_str results, bool export, char id[MEM0_EVENT_ID],
                    quipu_error *error)
{
    event_ring *ring = s->wires[WIRE_STATE_MEM0];
    uint8_t uuid[16];
    buffer json = { 0 };
    int32_t code = uuid_make(uuid, error);
    if (code != QUIPU_OK)
        return code;
    event fresh = { .scope = scope_text(&r->who), .export = export };
    uuid_print(uuid, fresh.id);
    memcpy(id, fresh.id, sizeof fresh.id);
    if (results.len > EVENT_BYTES_MAX)
        results = str_of("[]");
    buffer_printf(&json,
                  "{\"id\":\"%s\",\"event_type\":\"%s\",\"status\":\"SUCCEEDED\",\"payload\":{},\"metadata\":{},"
                  "\"results\":",
                  fresh.id, type);
    buffer_append_str(&json, results);
    static const char *const times[] = { "created_at", "updated_at", "started_at", "completed_at" };
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        buffer_printf(&json, ",\"%s\":", times[i]);
        mem0_print_time(now_us(), &json);
    }
    buffer_append_text(&json, ",\"latency\":0}");
    if (!fresh.scope || json.failed) {
        free(fresh.scope);
        buffer_free(&json);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    }
    fresh.json = json.bytes;
    pthread_mutex_lock(&ring->lock);
    event old = ring->items[ring->count % EVENTS_MAX];
    ring->items[ring->count++ % EVENTS_MAX] = fresh;
    pthread_mutex_unlock(&ring->lock);
    free(old.scope);
    free(old.json);
    return QUIPU_OK;
}

int32_t mem0_event_keep(serve *s, web_request *r, const char *type, quipu_str results, char id[MEM0_EVENT_ID],
                        quipu_error *error)
{
    return keep(s, r, type, results, false, id, error);
}

/* Appends the event's JSON, or of an export what it holds; false where there is none, or none that the key may see. id absent: the newest. */
static bool show(serve *s, const web_request *r, quipu_str id, bool export, buffer *out)
{
    event_ring *ring = s->wires[WIRE_STATE_MEM0];
    char *scope = scope_text(&r->who);
    bool found = false;
    pthread_mutex_lock(&ring->lock);
    uint64_t kept = ring->count < EVENTS_MAX ? ring->count : EVENTS_MAX;
    for (uint64_t i = 0; scope && !found && i < kept; i++) {
        const event *e = &ring->items[(ring->count - 1 - i) % EVENTS_MAX];
        found = e->export == export && (!id.ptr || str_same(str_of(e->id), id)) &&
                (!*scope || strcmp(scope, e->scope) == 0);
        if (found)
            buffer_append_text(out, e->json);
    }
    pthread_mutex_unlock(&ring->lock);
    free(scope);
    return found;
}

static int32_t event_get(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    if (show(s, r, r->captures[0], false, &a->body))
        return QUIPU_OK;
    return fail(error, QUIPU_E_NOT_FOUND, "event_id", "Event not found");
}

static int32_t event_list(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    event_ring *ring = s->wires[WIRE_STATE_MEM0];
    char *scope = scope_text(&r->who);
    buffer results = { 0 };
    uint64_t count = 0;
    if (!scope)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    pthread_mutex_lock(&ring->lock);
    uint64_t kept = ring->count < EVENTS_MAX ? ring->count : EVENTS_MAX;
    for (uint64_t i = 0; i < kept && count < 100; i++) {
        const event *e = &ring->items[(ring->count - 1 - i) % EVENTS_MAX];
        if (e->export || (*scope && strcmp(scope, e->scope) != 0))
            continue;
        buffer_append_text(&results, count++ ? "," : "");
        buffer_append_text(&results, e->json);
    }
    pthread_mutex_unlock(&ring->lock);
    free(scope);
    buffer_printf(&a->body, "{\"count\":%llu,\"next\":null,\"previous\":null,\"results\":[", (unsigned long long)count);
    buffer_append(&a->body, results.bytes ? results.bytes : "", results.len);
    buffer_append_text(&a->body, "]}");
    bool failed = results.failed;
    buffer_free(&results);
    return failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted") : QUIPU_OK;
}

/* ---- exports ---- */

static int32_t print_memories(serve *s, web_request *r, web_answer *a, buffer *out, quipu_error *error)
{
    mem0_ids ids;
    bool entity = false;
    const cJSON *filters = web_member(r->json, "filters");
    mem0_page page = { .limit = 10000 };
    int32_t code = mem0_ids_of(r->json, &ids, error);
    if (code == QUIPU_OK)
        code = mem0_ids_bind(r, a, &ids, error);
    if (code == QUIPU_OK && filters)
        code = mem0_filter_check(filters, &entity, error);
    buffer_append_char(out, '[');
    if (code == QUIPU_OK)
        code = mem0_list(s, r, MEM0_PLATFORM, &ids, filters, &page, out, error);
    buffer_append_char(out, ']');
    return code;
}

/* What is there now is what is exported; a schema would need a language model, and is given back as it came. */
static int32_t export_create(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    char id[MEM0_EVENT_ID];
    buffer memories = { 0 };
    int32_t code = print_memories(s, r, a, &memories, error);
    if (code == QUIPU_OK && memories.len > EVENT_BYTES_MAX)
        code = fail(error, QUIPU_E_TOO_LARGE, NULL, "that is too much for one export: narrow it with filters");
    if (code == QUIPU_OK)
        code = keep(s, r, "EXPORT", str_make(memories.bytes, memories.len), true, id, error);
    buffer_free(&memories);
    if (code != QUIPU_OK)
        return code;
    a->status = 201;
    buffer_printf(&a->body,
                  "{\"message\":\"Memory export request received. The export will be ready in a few "
                  "seconds.\",\"id\":\"%s\"}",
                  id);
    return QUIPU_OK;
}

static int32_t export_get(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    quipu_str id = { NULL, 0 };
    int32_t code = r->json ? web_member_text(r->json, "memory_export_id", &id, error) : QUIPU_OK;
    if (!id.ptr)
        id = web_argument(r, "memory_export_id");
    if (code == QUIPU_OK && !show(s, r, id, true, &a->body))
        code = fail(error, QUIPU_E_NOT_FOUND, "memory_export_id", "No memory export found");
    return code;
}

/* Without a language model a summary is what was said last. */
static int32_t summary(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    buffer memories = { 0 };
    int32_t code = print_memories(s, r, a, &memories, error);
    cJSON *list = NULL;
    if (code == QUIPU_OK)
        code = json_parse(str_make(memories.bytes, memories.len), &list, error);
    buffer text = { 0 };
    const cJSON *one;
    unsigned lines = 0;
    cJSON_ArrayForEach(one, list)
    {
        const cJSON *memory = cJSON_GetObjectItemCaseSensitive(one, "memory");
        if (cJSON_IsString(memory) && lines++ < 20)
            buffer_printf(&text, "%s%s", lines > 1 ? "\n" : "", memory->valuestring);
    }
    if (code == QUIPU_OK) {
        buffer_append_text(&a->body, "{\"summary\":");
        json_print_string(str_make(text.bytes ? text.bytes : "", text.len), &a->body);
        buffer_printf(&a->body, ",\"total_memories\":%u}", lines);
    }
    cJSON_Delete(list);
    buffer_free(&text);
    buffer_free(&memories);
    return code;
}

#define WIRE &mem0_platform_wire

extern const route mem0_event_routes[];
const route mem0_event_routes[] = {
    { "GET", "/v1/events/", event_list, ROLE_READ, 0, WIRE, "What was done lately", NULL, NULL },
    { "GET", "/v1/event/{event_id}/", event_get, ROLE_READ, 0, WIRE, "One of these", NULL, NULL },
    { "POST", "/v1/exports/", export_create, ROLE_READ, 0, WIRE, "Export memories", NULL,
      "schema:any! filters:object" },
    { "POST", "/v1/exports/get/", export_get, ROLE_READ, ROUTE_MAY_LACK, WIRE, "An export", NULL,
      "memory_export_id filters:object" },
    { "GET", "/v1/exports/", export_get, ROLE_READ, 0, WIRE, "An export", "memory_export_id", NULL },
    { "POST", "/v1/summary/", summary, ROLE_READ, ROUTE_MAY_LACK, WIRE, "The newest memories as one text", NULL,
      "filters:object" },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL },
};
