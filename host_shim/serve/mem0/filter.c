/* filter.c - ids and filters of mem0's clients, made into what libquipu filters by. */
#include "mem0.h"

#include <base/fail.h>
#include <ctype.h>
#include <sdk/json.h>
#include <stdlib.h>

static const struct {
    const char *id, *scope;
} names[] = { { "user_id", "user" }, { "agent_id", "agent" }, { "run_id", "session" }, { "app_id", "app" } };
#define NAMES (sizeof names / sizeof names[0])

static quipu_str *part(mem0_ids *ids, size_t i)
{
    quipu_str *const parts[NAMES] = { &ids->user, &ids->agent, &ids->run, &ids->app };
    return parts[i];
}

static quipu_str bound(const principal *who, size_t i)
{
    const quipu_str parts[NAMES] = { who->user, who->agent, who->session, who->app };
    return parts[i];
}

/* ---- ids ---- */

static int32_t check_id(const char *name, quipu_str *id, quipu_error *error)
{
    while (id->len > 0 && isspace((unsigned char)id->ptr[0])) {
        id->ptr++;
        id->len--;
    }
    while (id->len > 0 && isspace((unsigned char)id->ptr[id->len - 1]))
        id->len--;
    if (id->len == 0)
        return fail(error, QUIPU_E_INVALID, name,
                    "Invalid %s: cannot be empty or whitespace-only. Provide a valid identifier.", name);
    for (uint64_t i = 0; i < id->len; i++)
        if (isspace((unsigned char)id->ptr[i]))
            return fail(error, QUIPU_E_INVALID, name,
                        "Invalid %s: cannot contain whitespace. Provide a valid identifier without spaces.", name);
    return QUIPU_OK;
}

int32_t mem0_ids_of(const cJSON *object, mem0_ids *out, quipu_error *error)
{
    *out = (mem0_ids){ 0 };
    for (size_t i = 0; i < NAMES; i++) {
        int32_t code = web_member_text(object, names[i].id, part(out, i), error);
        if (code != QUIPU_OK)
            return code;
    }
    return QUIPU_OK;
}

void mem0_ids_of_query(const web_request *r, mem0_ids *out)
{
    for (size_t i = 0; i < NAMES; i++)
        *part(out, i) = web_argument(r, names[i].id);
}

bool mem0_ids_any(const mem0_ids *ids)
{
    return ids->user.ptr || ids->agent.ptr || ids->run.ptr || ids->app.ptr;
}

int32_t mem0_ids_bind(web_request *r, web_answer *a, mem0_ids *ids, quipu_error *error)
{
    for (size_t i = 0; i < NAMES; i++) {
        quipu_str *id = part(ids, i), own = bound(&r->who, i);
        int32_t code = id->ptr ? check_id(names[i].id, id, error) : QUIPU_OK;
        if (code != QUIPU_OK)
            return code;
        if (own.ptr && id->ptr && !str_same(own, *id))
            return web_refuse(a, error, 403, QUIPU_E_DENIED, names[i].id, "This key is bound to another %s.",
                              names[i].id);
        if (own.ptr)
            *id = own;
    }
    return QUIPU_OK;
}

/* ---- expressions ---- */

static bool is_operator(const char *name)
{
    static const char *const operators[] = { "eq", "ne",  "gt",     "gte",      "lt",       "lte",
                                             "in", "nin", "not_in", "contains", "icontains" };
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
        if (strcmp(operators[i], name) == 0)
            return true;
    return false;
}

static int32_t check_operators(const cJSON *condition, quipu_error *error)
{
    for (const cJSON *op = condition->child; op; op = op->next)
        if (!is_operator(op->string))
            return fail(error, QUIPU_E_INVALID, "filters", "Unsupported metadata filter operator: %s", op->string);
    return QUIPU_OK;
}

static int32_t check_list(const cJSON *list, bool *entity, quipu_error *error)
{
    bool is_and = strcmp(list->string, "AND") == 0;
    if (!cJSON_IsArray(list) || (!is_and && !list->child))
        return fail(error, QUIPU_E_INVALID, "filters", "%s operator requires a %slist of conditions", list->string,
                    is_and ? "" : "non-empty ");
    for (const cJSON *one = list->child; one; one = one->next) {
        int32_t code = mem0_filter_check(one, entity, error);
        if (code != QUIPU_OK)
            return code;
    }
    return QUIPU_OK;
}

int32_t mem0_filter_check(const cJSON *expression, bool *entity, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    if (!cJSON_IsObject(expression))
        return fail(error, QUIPU_E_INVALID, "filters", "filters must be an object");
    for (const cJSON *one = expression->child; code == QUIPU_OK && one; one = one->next) {
        for (size_t i = 0; i < NAMES; i++)
            if (strcmp(one->string, names[i].id) == 0 && !cJSON_IsNull(one))
                *entity = true;
        if (strcmp(one->string, "AND") == 0 || strcmp(one->string, "OR") == 0 || strcmp(one->string, "NOT") == 0)
            code = check_list(one, entity, error);
        else if (cJSON_IsObject(one) && strcmp(one->string, "metadata") != 0)
            code = check_operators(one, error);
    }
    return code;
}

/* Memories, and what was imported as messages; not the records of other parts of Quipu. */
static cJSON *kinds(void)
{
    static const char *const seen[] = { QUIPU_KIND_MEMORY, QUIPU_KIND_MESSAGE, QUIPU_KIND_SUMMARY };
    cJSON *filter_ = cJSON_CreateObject(), *kind = cJSON_AddObjectToObject(filter_, "kind");
    cJSON_AddItemToObject(kind, "in", cJSON_CreateStringArray(seen, (int)(sizeof seen / sizeof seen[0])));
    return filter_;
}

/* A null among the members of an object stands for nothing said; org_id and project_id are the client's own business. */
static cJSON *without_noise(const cJSON *expression)
{
    cJSON *copy = cJSON_Duplicate(expression, 1);
    for (cJSON *next, *one = copy ? copy->child : NULL; one; one = next) {
        next = one->next;
        if (cJSON_IsNull(one) || strcmp(one->string, "org_id") == 0 || strcmp(one->string, "project_id") == 0)
            cJSON_Delete(cJSON_DetachItemViaPointer(copy, one));
    }
    return copy;
}

static cJSON *whole_expression(const cJSON *expression)
{
    cJSON *whole = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(whole, "AND");
    bool good = list && cJSON_AddItemToArray(list, kinds());
    if (good && expression)
        good = cJSON_AddItemToArray(list, without_noise(expression));
    if (good)
        return whole;
    cJSON_Delete(whole);
    return NULL;
}

static int32_t compile(const cJSON *expression, bool expired, filter **out, quipu_error *error)
{
    int32_t code = filter_compile(NULL, expression, out, error);
    if (code == QUIPU_OK && expired)
        filter_view(*out)->flags |= QUIPU_FILTER_EXPIRED;
    return code;
}

int32_t mem0_filter(web_request *r, const mem0_ids *ids, const cJSON *expression, bool expired, filter **out,
                    quipu_error *error)
{
    const mem0_ids none = { 0 };
    mem0_ids given = ids ? *ids : none;
    cJSON *whole = whole_expression(expression);
    int32_t code =
        whole ? compile(whole, expired, out, error) : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    cJSON_Delete(whole);
    if (code != QUIPU_OK)
        return code;
    quipu_filter *view = filter_view(*out);
    quipu_str *const to[NAMES] = { &view->user, &view->agent, &view->session, &view->app };
    for (size_t i = 0; i < NAMES; i++) /* the key's scope last: nothing that was asked for widens it */
        *to[i] = bound(&r->who, i).ptr ? bound(&r->who, i) : *part(&given, i);
    return QUIPU_OK;
}

int32_t mem0_filter_own(web_request *r, filter **out, quipu_error *error)
{
    return mem0_filter(r, NULL, NULL, true, out, error);
}
