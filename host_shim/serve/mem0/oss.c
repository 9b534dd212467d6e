/*
 * oss.c - the routes of mem0's self-hosted server.
 *
 * No '/' at the end and no version in the path; a missing id is null with status 200; failures are {"detail"}.
 */
#include "mem0.h"

#include <base/fail.h>
#include <sdk/json.h>

#define TOP_K_MAX 1000
#define TOP_K 20

static void refuse(const web_request *r, web_answer *a, const quipu_error *error)
{
    (void)r;
    if (a->status == 400 && (strcmp(error->field, "body") == 0 || strcmp(error->field, "messages") == 0)) {
        a->status = 422; /* what is not of the right shape */
        buffer_append_text(&a->body, "{\"detail\":[{\"loc\":[\"body\"");
        if (strcmp(error->field, "body") != 0)
            buffer_printf(&a->body, ",\"%s\"", error->field);
        buffer_append_text(&a->body, "],\"msg\":");
        json_print_string(str_of(error->message), &a->body);
        buffer_append_text(&a->body, ",\"type\":\"value_error\"}]}");
        return;
    }
    buffer_append_text(&a->body, "{\"detail\":");
    json_print_string(str_of(error->message), &a->body);
    if (a->status >= 500) {
        buffer_printf(&a->body, ",\"code\":\"datastore_unavailable\",\"request_id\":\"%s\"", r->id);
    }
    buffer_append_char(&a->body, '}');
}

const wire mem0_oss_wire = { "mem0 self-hosted", refuse };

static int32_t answer_text(web_answer *a, const char *text)
{
    buffer_append_text(&a->body, text);
    return QUIPU_OK;
}

static int32_t add(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    bool unavailable = false;
    buffer_append_text(&a->body, "{\"results\":[");
    int32_t code = mem0_add(s, r, a, MEM0_OSS, &a->body, &unavailable, error);
    return code == QUIPU_OK ? answer_text(a, unavailable ? "],\"infer\":\"unavailable\"}" : "]}") : code;
}

static int32_t list(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    mem0_ids ids;
    mem0_page page = { 0 };
    mem0_ids_of_query(r, &ids);
    int32_t code = mem0_ids_bind(r, a, &ids, error);
    bool scoped = mem0_ids_any(&ids);
    if (code == QUIPU_OK && !scoped && r->who.role < ROLE_ADMIN)
        code = web_refuse(a, error, 403, QUIPU_E_DENIED, NULL, "Admin role required to list all memories.");
    if (code == QUIPU_OK)
        code = web_argument_number(r, "top_k", 0, TOP_K_MAX, scoped ? TOP_K : TOP_K_MAX, &page.limit, error);
    if (code == QUIPU_OK)
        code = web_argument_flag(r, "show_expired", &page.expired, error);
    if (!scoped)
        page.expired = true;
    buffer_append_text(&a->body, "{\"results\":[");
    if (code == QUIPU_OK)
        code = mem0_list(s, r, MEM0_OSS, &ids, NULL, &page, &a->body, error);
    return code == QUIPU_OK ? answer_text(a, "]}") : code;
}

static int32_t get(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    record *found = NULL;
    int32_t code = mem0_get(s, r, r->captures[0], &found, error);
    if (code == QUIPU_E_NOT_FOUND)
        return answer_text(a, "null");
    if (code == QUIPU_OK)
        mem0_print(MEM0_OSS, record_view(found), NULL, -1, &a->body);
    record_free(found);
    return code;
}

static int32_t update(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    record *after = NULL;
    int32_t code = mem0_update(s, r, r->captures[0], r->json, &after, error);
    record_free(after);
    return code == QUIPU_OK ? answer_text(a, "{\"message\":\"Memory updated successfully!\"}") : code;
}

static int32_t forget(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    int32_t code = mem0_delete(s, r, r->captures[0], error);
    return code == QUIPU_OK ? answer_text(a, "{\"message\":\"Memory deleted successfully\"}") : code;
}

static int32_t history(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    buffer_append_char(&a->body, '[');
    int32_t code = mem0_history(s, r, MEM0_OSS, r->captures[0], &a->body, error);
    return code == QUIPU_OK ? answer_text(a, "]") : code;
}

static int32_t delete_all(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    mem0_ids ids;
    mem0_ids_of_query(r, &ids);
    if (!mem0_ids_any(&ids)) /* also for a bound key: nothing is deleted by leaving something out */
        return fail(error, QUIPU_E_INVALID, NULL, "At least one identifier is required.");
    int32_t code = mem0_ids_bind(r, a, &ids, error);
    if (code == QUIPU_OK)
        code = mem0_delete_all(s, r, &ids, NULL, NULL, error);
    return code == QUIPU_OK ? answer_text(a, "{\"message\":\"All relevant memories deleted\"}") : code;
}

static int32_t check_query(const cJSON *body, quipu_str *out, quipu_error *error)
{
    int32_t code = web_member_text(body, "query", out, error);
    uint64_t i = 0;
    while (code == QUIPU_OK && i < out->len && strchr(" \t\r\n\v\f", out->ptr[i]))
        i++;
    if (code == QUIPU_OK && i == out->len)
        code = fail(error, QUIPU_E_INVALID, "query", "Invalid query: cannot be empty or whitespace-only.");
    return code;
}

static int32_t threshold_of(const cJSON *body, double *out, quipu_error *error)
{
    const cJSON *member = web_member(body, "threshold");
    if (!member)
        return QUIPU_OK;
    if (!json_is_number(member, out))
        return fail(error, QUIPU_E_INVALID, "threshold", "Invalid threshold: a number is needed.");
    if (!(*out >= 0 && *out <= 1))
        return fail(error, QUIPU_E_INVALID, "threshold", "Invalid threshold: %g. Must be between 0 and 1 (inclusive).",
                    *out);
    return QUIPU_OK;
}

static int32_t search_options(const cJSON *body, mem0_search_options *o, quipu_error *error)
{
    int64_t top_k;
    int32_t code = check_query(body, &o->query, error);
    if (code == QUIPU_OK)
        code = web_member_number(body, "top_k", INT64_MIN, INT64_MAX, TOP_K, &top_k, error);
    if (code == QUIPU_OK && top_k < 0)
        code = fail(error, QUIPU_E_INVALID, "top_k", "Invalid top_k: %lld. Must be a non-negative integer.",
                    (long long)top_k);
    if (code == QUIPU_OK) {
        o->top_k = top_k > TOP_K_MAX ? TOP_K_MAX : top_k;
        code = threshold_of(body, &o->threshold, error);
    }
    return code == QUIPU_OK ? web_member_flag(body, "show_expired", false, &o->expired, error) : code;
}

static int32_t search(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    mem0_ids ids = { 0 };
    mem0_search_options options = { .threshold = 0 };
    bool entity = false;
    const cJSON *filters = web_member(r->json, "filters");
    int32_t code = search_options(r->json, &options, error);
    if (code == QUIPU_OK)
        code = mem0_ids_of(r->json, &ids, error);
    if (code == QUIPU_OK)
        code = mem0_ids_bind(r, a, &ids, error);
    if (code == QUIPU_OK && filters)
        code = mem0_filter_check(filters, &entity, error);
    if (code == QUIPU_OK && !entity && !mem0_ids_any(&ids))
        code = fail(error, QUIPU_E_INVALID, "filters",
                    "filters must contain at least one of: user_id, agent_id, run_id. Example: filters={'user_id': "
                    "'u1'}");
    buffer_append_text(&a->body, "{\"results\":[");
    if (code == QUIPU_OK)
        code = mem0_search(s, r, a, MEM0_OSS, &ids, filters, &options, &a->body, error);
    return code == QUIPU_OK ? answer_text(a, "]}") : code;
}

/* Everything that the key may see: without a bound key the whole store. */
static int32_t reset(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    const mem0_ids none = { 0 };
    int32_t code = mem0_delete_all(s, r, &none, NULL, NULL, error);
    return code == QUIPU_OK ? answer_text(a, "{\"message\":\"All memories reset\"}") : code;
}

static int32_t entities(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    mem0_entities all;
    int32_t code = mem0_entities_read(s, r, &all, error);
    if (code != QUIPU_OK)
        return code;
    buffer_append_char(&a->body, '[');
    unsigned shown = 0;
    for (size_t i = 0; i < all.count; i++) {
        const mem0_entity *e = &all.items[i];
        if (strcmp(e->type, "app") == 0)
            continue; /* this server of theirs knows no apps */
        buffer_append_text(&a->body, shown++ ? ",{\"id\":" : "{\"id\":");
        json_print_string(str_of(e->name), &a->body);
        buffer_printf(&a->body, ",\"type\":\"%s\",\"total_memories\":%llu,\"created_at\":", e->type,
                      (unsigned long long)e->count);
        mem0_print_time(e->created_at, &a->body);
        buffer_append_text(&a->body, ",\"updated_at\":");
        mem0_print_time(e->updated_at, &a->body);
        buffer_append_char(&a->body, '}');
    }
    mem0_entities_free(&all);
    return answer_text(a, "]");
}

static int32_t entity_delete(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    uint64_t count = 0;
    int32_t code = mem0_entity_delete(s, r, a, r->captures[0], r->captures[1], &count, error);
    return code == QUIPU_OK ? answer_text(a, "{\"message\":\"Entity deleted\"}") : code;
}

#define SCOPE_QUERY "user_id agent_id run_id"

extern const route mem0_oss_routes[];
const route mem0_oss_routes[] = {
    { "POST", "/memories", add, ROLE_WRITE, 0, &mem0_oss_wire, "Add memories", NULL,
      "messages:any! user_id agent_id run_id metadata:object expiration_date infer:boolean memory_type prompt" },
    { "GET", "/memories", list, ROLE_READ, 0, &mem0_oss_wire, "List memories, newest first",
      SCOPE_QUERY " top_k:integer show_expired:boolean", NULL },
    { "DELETE", "/memories", delete_all, ROLE_ADMIN, 0, &mem0_oss_wire, "Delete all memories of a user, agent or run",
      SCOPE_QUERY, NULL },
    { "GET", "/memories/{memory_id}", get, ROLE_READ, 0, &mem0_oss_wire, "One memory, or null", NULL, NULL },
    { "PUT", "/memories/{memory_id}", update, ROLE_WRITE, 0, &mem0_oss_wire, "Change a memory", NULL,
      "text metadata:object expiration_date:any" },
    { "DELETE", "/memories/{memory_id}", forget, ROLE_WRITE, 0, &mem0_oss_wire, "Delete a memory", NULL, NULL },
    { "GET", "/memories/{memory_id}/history", history, ROLE_READ, 0, &mem0_oss_wire, "What became of a memory", NULL,
      NULL },
    { "POST", "/search", search, ROLE_READ, 0, &mem0_oss_wire, "Find memories", NULL,
      "query! filters:object top_k:integer threshold:number explain:boolean show_expired:boolean user_id agent_id "
      "run_id" },
    { "POST", "/reset", reset, ROLE_ADMIN, 0, &mem0_oss_wire, "Delete everything", NULL, NULL },
    { "GET", "/entities", entities, ROLE_READ, 0, &mem0_oss_wire, "Users, agents and runs that have memories", NULL,
      NULL },
    { "DELETE", "/entities/{entity_type}/{entity_id}", entity_delete, ROLE_ADMIN, 0, &mem0_oss_wire,
      "Delete all memories of one of them", NULL, NULL },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL },
};
