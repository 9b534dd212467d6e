/*
 * platform.c - the routes of mem0's platform for memories: v1, v2 and v3 at once.
 *
 * Paths end in '/', a failure is {"detail","error"} with the same words in both, for some clients read the one and some the other. What
 * the versions answer differently is in `list_form`.
 */
#include "platform.h"

#include <base/fail.h>
#include <ctype.h>
#include <sdk/json.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE_SIZE 100
#define PAGE_MAX 1000
#define UNPAGED_MAX 10000
#define TOP_K 10
#define TOP_K_MAX 1000

static void refuse(const web_request *r, web_answer *a, const quipu_error *error)
{
    static const char *const names[] = { "{\"detail\":", ",\"error\":" };
    (void)r;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        buffer_append_text(&a->body, names[i]);
        json_print_string(str_of(error->message), &a->body);
    }
    buffer_append_char(&a->body, '}');
}

const wire mem0_platform_wire = { "mem0 platform", refuse };

int32_t mem0_answer(web_answer *a, const char *text)
{
    buffer_append_text(&a->body, text);
    return QUIPU_OK;
}

static int32_t ping(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    (void)s, (void)r, (void)error;
    return mem0_answer(a, "{\"status\":\"ok\",\"message\":\"pong\",\"org_id\":\"local\",\"project_id\":\"default\"}");
}

/* ---- add ---- */

static bool format_is(const cJSON *body, const char *wanted)
{
    const cJSON *format = web_member(body, "output_format");
    return cJSON_IsString(format) && strcmp(format->valuestring, wanted) == 0;
}

static int32_t add_in(serve *s, web_request *r, web_answer *a, bool bare, quipu_error *error)
{
    bool unavailable = false;
    char event[MEM0_EVENT_ID];
    buffer results = { 0 };
    buffer_append_char(&results, '[');
    int32_t code = mem0_add(s, r, a, MEM0_PLATFORM, &results, &unavailable, error);
    buffer_append_char(&results, ']');
    if (code == QUIPU_OK)
        code = mem0_event_keep(s, r, "ADD", str_make(results.bytes, results.len), event, error);
    if (code == QUIPU_OK && bare) {
        buffer_append(&a->body, results.bytes, results.len);
    } else if (code == QUIPU_OK) {
        buffer_printf(&a->body,
                      "{\"message\":\"Memory processing completed\",\"status\":\"SUCCEEDED\",\"event_id\":\"%s\",",
                      event);
        buffer_append_text(&a->body, unavailable ? "\"infer\":\"unavailable\",\"results\":" : "\"results\":");
        buffer_append(&a->body, results.bytes, results.len);
        buffer_append_text(&a->body, ",\"relations\":[]}");
    }
    buffer_free(&results);
    return code;
}

static int32_t add_v3(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    return add_in(s, r, a, false, error);
}

static int32_t add_v1(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    return add_in(s, r, a, !web_member(r->json, "output_format") || format_is(r->json, "v1.0"), error);
}

/* ---- what is asked for ---- */

/* "*" stands for any: it becomes a condition. */
static bool stars(mem0_ids *ids, cJSON *conditions)
{
    const struct {
        const char *name;
        quipu_str *id;
    } parts[] = {
        { "user_id", &ids->user }, { "agent_id", &ids->agent }, { "app_id", &ids->app }, { "run_id", &ids->run }
    };
    bool any = false;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (QUIPU_IS(parts[i].id, "*")) {
            cJSON *condition = cJSON_CreateObject();
            cJSON_AddStringToObject(condition, parts[i].name, "*");
            cJSON_AddItemToArray(conditions, condition);
            *parts[i].id = (quipu_str){ NULL, 0 };
            any = true;
        }
    return any;
}

static void add_condition(cJSON *conditions, const char *field, const char *operator_, cJSON *value)
{
    cJSON *outer = cJSON_CreateObject(), *inner = operator_ ? cJSON_AddObjectToObject(outer, field) : outer;
    cJSON_AddItemToObject(inner, operator_ ? operator_ : field, value);
    cJSON_AddItemToArray(conditions, outer);
}

/* start_date, end_date, categories, keywords, metadata beside the filters. */
static void add_narrowing(const cJSON *body, cJSON *conditions)
{
    const cJSON *member;
    if (cJSON_IsString(member = web_member(body, "start_date")))
        add_condition(conditions, "created_at", "gte", cJSON_CreateString(member->valuestring));
    if (cJSON_IsString(member = web_member(body, "end_date")))
        add_condition(conditions, "created_at", "lte", cJSON_CreateString(member->valuestring));
    if (cJSON_IsString(member = web_member(body, "keywords")))
        add_condition(conditions, "text", "icontains", cJSON_CreateString(member->valuestring));
    if (cJSON_IsArray(member = web_member(body, "categories")) && member->child)
        add_condition(conditions, "categories", "in", cJSON_Duplicate(member, 1));
    if (cJSON_IsObject(member = web_member(body, "metadata")) && member->child)
        add_condition(conditions, "metadata", NULL, cJSON_Duplicate(member, 1));
}

typedef struct asked {
    mem0_ids ids;
    cJSON *expression; /* {"AND":[...]}, owned */
} asked;

/* ids and conditions of a body. Somebody has to be named: a user, an agent, an app or a run. */
static int32_t asked_of(web_request *r, web_answer *a, const cJSON *body, asked *out, quipu_error *error)
{
    bool entity = false;
    const cJSON *filters = web_member(body, "filters");
    out->expression = cJSON_CreateObject();
    cJSON *conditions = cJSON_AddArrayToObject(out->expression, "AND");
    int32_t code =
        conditions ? mem0_ids_of(body, &out->ids, error) : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK && filters)
        code = mem0_filter_check(filters, &entity, error);
    if (code != QUIPU_OK)
        return code;
    entity = stars(&out->ids, conditions) || entity;
    code = mem0_ids_bind(r, a, &out->ids, error);
    if (code == QUIPU_OK && !entity && !mem0_ids_any(&out->ids))
        code = fail(error, QUIPU_E_INVALID, "filters",
                    "filters must contain at least one of: user_id, agent_id, run_id. Example: filters={'user_id': "
                    "'u1'}");
    if (code == QUIPU_OK && filters)
        cJSON_AddItemToArray(conditions, cJSON_Duplicate(filters, 1));
    add_narrowing(body, conditions);
    return code;
}

static void asked_free(asked *q)
{
    cJSON_Delete(q->expression);
}

/* ---- lists ---- */

typedef enum list_form { LIST_BARE, LIST_RESULTS, LIST_RELATIONS, LIST_PAGED } list_form;

typedef struct paging {
    bool given;
    int64_t page, size;
} paging;

static int32_t number_of(const web_request *r, const char *name, int64_t least, int64_t most, int64_t otherwise,
                         int64_t *out, quipu_error *error)
{
    int32_t code = web_member_number(r->json, name, least, most, otherwise, out, error);
    return code == QUIPU_OK ? web_argument_number(r, name, least, most, *out, out, error) : code;
}

static int32_t paging_of(const web_request *r, paging *out, quipu_error *error)
{
    int32_t code = number_of(r, "page", 1, INT32_MAX, 0, &out->page, error);
    if (code == QUIPU_OK)
        code = number_of(r, "page_size", 1, PAGE_MAX, 0, &out->size, error);
    out->given = out->page > 0 || out->size > 0;
    out->page = out->page > 0 ? out->page : 1;
    out->size = out->size > 0 ? out->size : PAGE_SIZE;
    return code;
}

static void print_link(const web_request *r, const char *name, int64_t page, int64_t size, buffer *out)
{
    quipu_str host = r->header(r->connection, "Host");
    buffer link = { 0 };
    buffer_printf(out, ",\"%s\":", name);
    if (page == 0) {
        buffer_append_text(out, "null");
        return;
    }
    buffer_append_text(&link, "http://");
    buffer_append_str(&link, host.ptr ? host : str_of("localhost"));
    buffer_append_str(&link, r->path);
    buffer_printf(&link, "?page=%lld&page_size=%lld", (long long)page, (long long)size);
    if (!link.failed)
        json_print_string(str_make(link.bytes, link.len), out);
    buffer_free(&link);
}

static void print_page(const web_request *r, const paging *p, uint64_t total, buffer *out)
{
    bool more = (uint64_t)(p->page * p->size) < total;
    buffer_printf(out, "{\"count\":%llu", (unsigned long long)total);
    print_link(r, "next", more ? p->page + 1 : 0, p->size, out);
    print_link(r, "previous", p->page - 1, p->size, out);
    buffer_append_text(out, ",\"results\":[");
}

/* The list as `form` has it; the records are printed first, since the number of all comes before them. */
static int32_t answer_list(serve *s, web_request *r, web_answer *a, asked *q, const paging *p, mem0_page *page,
                           list_form form, quipu_error *error)
{
    buffer records = { 0 };
    uint64_t total = 0;
    page->skip = (p->page - 1) * p->size;
    page->limit = p->size;
    page->total = form == LIST_PAGED ? &total : NULL;
    int32_t code = mem0_list(s, r, MEM0_PLATFORM, &q->ids, q->expression, page, &records, error);
    if (code == QUIPU_OK && records.failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK) {
        if (form == LIST_PAGED)
            print_page(r, p, total, &a->body);
        else
            buffer_append_text(&a->body, form == LIST_BARE ? "[" : "{\"results\":[");
        buffer_append(&a->body, records.bytes, records.len);
        buffer_append_text(&a->body, form == LIST_BARE ? "]" : form == LIST_RELATIONS ? "],\"relations\":[]}" : "]}");
    }
    buffer_free(&records);
    return code;
}

static int32_t list_filtered(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    asked q = { .expression = NULL };
    paging p = { .given = false };
    mem0_page page = { 0 };
    int32_t code = asked_of(r, a, r->json, &q, error);
    if (code == QUIPU_OK)
        code = paging_of(r, &p, error);
    if (code == QUIPU_OK)
        code = web_member_flag(r->json, "show_expired", false, &page.expired, error);
    if (code == QUIPU_OK)
        code = mem0_fields_of(web_member(r->json, "fields"), &page.fields, error);
    if (code == QUIPU_OK)
        code = answer_list(s, r, a, &q, &p, &page, LIST_PAGED, error);
    asked_free(&q);
    return code;
}

/* The query of v1 as the body that the later versions send. */
static int32_t body_of_query(web_request *r, quipu_error *error)
{
    static const char *const texts[] = { "user_id",  "agent_id",   "app_id",   "run_id",
                                         "keywords", "start_date", "end_date", "output_format" };
    quipu_str metadata = web_argument(r, "metadata");
    r->json = cJSON_CreateObject();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        quipu_str value = web_argument(r, texts[i]);
        if (value.ptr)
            cJSON_AddItemToObject(r->json, texts[i], json_string(value));
    }
    cJSON *tree = NULL;
    int32_t code = metadata.len ? json_parse(metadata, &tree, error) : QUIPU_OK;
    if (code == QUIPU_OK && tree && !cJSON_IsObject(tree))
        code = fail(error, QUIPU_E_INVALID, "metadata", "metadata must be an object");
    if (code == QUIPU_OK && tree)
        cJSON_AddItemToObject(r->json, "metadata", tree);
    else
        cJSON_Delete(tree);
    return r->json || code != QUIPU_OK ? code : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

static int32_t list_v1(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    asked q = { .expression = NULL };
    paging p = { .given = false };
    mem0_page page = { 0 };
    int32_t code = body_of_query(r, error);
    if (code == QUIPU_OK)
        code = asked_of(r, a, r->json, &q, error);
    if (code == QUIPU_OK)
        code = paging_of(r, &p, error);
    list_form form = p.given && web_argument(r, "page").ptr ? LIST_PAGED
                     : format_is(r->json, "v1.1")           ? LIST_RELATIONS
                                                            : LIST_BARE;
    if (code == QUIPU_OK && !p.given)
        code = web_argument_number(r, "limit", 1, UNPAGED_MAX, UNPAGED_MAX, &p.size, error);
    if (code == QUIPU_OK)
        code = answer_list(s, r, a, &q, &p, &page, form, error);
    asked_free(&q);
    return code;
}

/* ---- search ---- */

static int32_t search_options(const cJSON *body, mem0_search_options *o, quipu_error *error)
{
    const cJSON *threshold = web_member(body, "threshold");
    int64_t limit;
    int32_t code = web_member_text(body, "query", &o->query, error);
    uint64_t i = 0;
    while (code == QUIPU_OK && i < o->query.len && isspace((unsigned char)o->query.ptr[i]))
        i++;
    if (code == QUIPU_OK && i == o->query.len)
        code = fail(error, QUIPU_E_INVALID, "query", "Invalid query: cannot be empty or whitespace-only.");
    if (code == QUIPU_OK)
        code = web_member_number(body, "limit", 1, TOP_K_MAX, TOP_K, &limit, error);
    if (code == QUIPU_OK)
        code = web_member_number(body, "top_k", 1, TOP_K_MAX, limit, &o->top_k, error);
    if (code == QUIPU_OK && threshold && !json_is_number(threshold, &o->threshold))
        code = fail(error, QUIPU_E_INVALID, "threshold", "threshold must be a number");
    if (code == QUIPU_OK)
        code = web_member_flag(body, "show_expired", false, &o->expired, error);
    return code == QUIPU_OK ? mem0_fields_of(web_member(body, "fields"), &o->fields, error) : code;
}

static int32_t search_in(serve *s, web_request *r, web_answer *a, list_form form, quipu_error *error)
{
    asked q = { .expression = NULL };
    mem0_search_options options = { .threshold = 0 };
    int32_t code = search_options(r->json, &options, error);
    if (code == QUIPU_OK)
        code = asked_of(r, a, r->json, &q, error);
    buffer_append_text(&a->body, form == LIST_BARE ? "[" : "{\"results\":[");
    if (code == QUIPU_OK)
        code = mem0_search(s, r, a, MEM0_PLATFORM, &q.ids, q.expression, &options, &a->body, error);
    asked_free(&q);
    if (code != QUIPU_OK)
        return code;
    return mem0_answer(a, form == LIST_BARE ? "]" : form == LIST_RELATIONS ? "],\"relations\":[]}" : "]}");
}

static int32_t search_filtered(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    return search_in(s, r, a, LIST_RESULTS, error);
}

static int32_t search_v1(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    return search_in(s, r, a, format_is(r->json, "v1.1") ? LIST_RELATIONS : LIST_BARE, error);
}

/* ---- single memories ---- */

static bool is_uuid(quipu_str id)
{
    if (id.len != 36)
        return false;
    for (uint64_t i = 0; i < id.len; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23 ? id.ptr[i] != '-' : !isxdigit((unsigned char)id.ptr[i]))
            return false;
    return true;
}

/* A name of Quipu's own that is no UUID is as good, where there is such a record. */
int32_t mem0_missing(web_answer *a, quipu_str id, quipu_error *error)
{
    if (is_uuid(id))
        return web_refuse(a, error, 404, QUIPU_E_NOT_FOUND, "memory_id", "Memory not found!");
    return web_refuse(a, error, 400, QUIPU_E_INVALID, "memory_id", "memory_id should be a valid UUID");
}

int32_t mem0_get_mutable(serve *s, web_request *r, web_answer *a, quipu_str id, record **out, quipu_error *error)
{
    int32_t code = mem0_get(s, r, id, out, error);
    if (code == QUIPU_E_NOT_FOUND)
        return mem0_missing(a, id, error);
    if (code != QUIPU_OK)
        return code;
    quipu_str value = mem0_member(record_view(*out)->json, "value");
    cJSON *tree = NULL;
    bool immutable = value.ptr && json_parse(value, &tree, NULL) == QUIPU_OK &&
                     cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(tree, "immutable"));
    cJSON_Delete(tree);
    if (!immutable)
        return QUIPU_OK;
    record_free(*out);
    *out = NULL;
    return web_refuse(a, error, 400, QUIPU_E_INVALID, "immutable", "This memory is immutable.");
}

static int32_t get(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    record *found = NULL;
    int32_t code = mem0_get(s, r, r->captures[0], &found, error);
    if (code == QUIPU_E_NOT_FOUND)
        return mem0_missing(a, r->captures[0], error);
    if (code == QUIPU_OK)
        mem0_print(MEM0_PLATFORM, record_view(found), NULL, -1, &a->body);
    record_free(found);
    return code;
}

static int32_t update(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    record *before = NULL, *after = NULL;
    int32_t code = mem0_get_mutable(s, r, a, r->captures[0], &before, error);
    if (code == QUIPU_OK)
        code = mem0_update(s, r, r->captures[0], r->json, &after, error);
    if (code == QUIPU_OK)
        mem0_print(MEM0_PLATFORM, record_view(after ? after : before), NULL, -1, &a->body);
    record_free(before);
    record_free(after);
    return code;
}

static int32_t forget(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    record *before = NULL;
    bool linked;
    int32_t code = web_argument_flag(r, "delete_linked", &linked, error);
    if (code == QUIPU_OK)
        code = mem0_get_mutable(s, r, a, r->captures[0], &before, error);
    if (code == QUIPU_OK)
        code = mem0_delete(s, r, r->captures[0], error);
    record_free(before);
    if (code != QUIPU_OK)
        return code;
    return mem0_answer(a, linked ? "{\"message\":\"Memory deleted successfully!\",\"cascade_count\":0}"
                                 : "{\"message\":\"Memory deleted successfully!\"}");
}

static int32_t history(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    buffer_append_char(&a->body, '[');
    int32_t code = mem0_history(s, r, MEM0_PLATFORM, r->captures[0], &a->body, error);
    return code == QUIPU_OK ? mem0_answer(a, "]") : code;
}

/* Nothing is deleted by leaving something out: somebody has to be named, by a bound key too. */
static int32_t delete_all(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    asked q = { .expression = NULL };
    mem0_ids given;
    mem0_ids_of_query(r, &given);
    if (!mem0_ids_any(&given))
        return fail(error, QUIPU_E_INVALID, NULL, "At least one of user_id, agent_id, app_id, run_id is required.");
    int32_t code = body_of_query(r, error);
    if (code == QUIPU_OK)
        code = asked_of(r, a, r->json, &q, error);
    if (code == QUIPU_OK)
        code = mem0_delete_all(s, r, &q.ids, q.expression, NULL, error);
    asked_free(&q);
    return code == QUIPU_OK ? mem0_answer(a, "{\"message\":\"Memories deleted successfully!\"}") : code;
}

#define WIRE &mem0_platform_wire
#define ADD_BODY                                                                                                       \
    "messages:any! user_id agent_id app_id run_id metadata:object infer:boolean timestamp:integer "                    \
    "expiration_date:any "                                                                                             \
    "immutable:boolean output_format async_mode:boolean version org_id project_id"
#define LIST_BODY                                                                                                      \
    "filters:object user_id agent_id app_id run_id page:integer page_size:integer show_expired:boolean start_date "    \
    "end_date categories:array fields:array keywords metadata:object"
#define SEARCH_BODY                                                                                                    \
    "query! filters:object user_id agent_id app_id run_id top_k:integer limit:integer threshold:number "               \
    "rerank:boolean "                                                                                                  \
    "show_expired:boolean fields:array categories:array metadata:object output_format"
#define SCOPE_QUERY "user_id agent_id app_id run_id metadata"

extern const route mem0_platform_routes[];
const route mem0_platform_routes[] = {
    { "GET", "/v1/ping/", ping, ROLE_READ, ROUTE_FAST, WIRE, "Is the key good?", NULL, NULL },
    { "POST", "/v3/memories/add/", add_v3, ROLE_WRITE, 0, WIRE, "Add memories", NULL, ADD_BODY },
    { "POST", "/v1/memories/", add_v1, ROLE_WRITE, 0, WIRE, "Add memories", NULL, ADD_BODY },
    { "POST", "/v3/memories/", list_filtered, ROLE_READ, 0, WIRE, "List memories, newest first",
      "page:integer page_size:integer", LIST_BODY },
    { "POST", "/v2/memories/", list_filtered, ROLE_READ, 0, WIRE, "List memories, newest first",
      "page:integer page_size:integer", LIST_BODY },
    { "GET", "/v1/memories/", list_v1, ROLE_READ, 0, WIRE, "List memories, newest first",
      SCOPE_QUERY " keywords page:integer page_size:integer limit:integer start_date end_date output_format", NULL },
    { "POST", "/v3/memories/search/", search_filtered, ROLE_READ, 0, WIRE, "Find memories", NULL, SEARCH_BODY },
    { "POST", "/v2/memories/search/", search_filtered, ROLE_READ, 0, WIRE, "Find memories", NULL, SEARCH_BODY },
    { "POST", "/v1/memories/search/", search_v1, ROLE_READ, 0, WIRE, "Find memories", NULL, SEARCH_BODY },
    { "GET", "/v1/memories/{memory_id}/", get, ROLE_READ, 0, WIRE, "One memory", NULL, NULL },
    { "PUT", "/v1/memories/{memory_id}/", update, ROLE_WRITE, 0, WIRE, "Change a memory", NULL,
      "text metadata:object timestamp:integer expiration_date:any" },
    { "DELETE", "/v1/memories/{memory_id}/", forget, ROLE_WRITE, 0, WIRE, "Delete a memory", "delete_linked:boolean",
      NULL },
    { "GET", "/v1/memories/{memory_id}/history/", history, ROLE_READ, 0, WIRE, "What became of a memory", NULL, NULL },
    { "DELETE", "/v1/memories/", delete_all, ROLE_WRITE, 0, WIRE, "Delete all memories of somebody", SCOPE_QUERY,
      NULL },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL },
};
