/*
 * account.c - organisations, projects, members and webhooks of mem0's platform, as far as they have a meaning here.
 *
 * One server is one organisation. A project is a set of settings that are kept and given back; they do not divide memories, keys do. A
 * webhook is kept and listed, but nothing is sent to it, and it says so: it is not active.
 */
#include "platform.h"

#include <core/uuid.h>

#include <base/fail.h>
#include <sdk/json.h>
#include <stdio.h>
#include <time.h>

#define NAME_MAX_LEN 128

/* The time now, as the clients have it. */
static void set_now(cJSON *object, const char *name)
{
    struct timespec now;
    buffer text = { 0 };
    clock_gettime(CLOCK_REALTIME, &now);
    mem0_print_time((int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000, &text);
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    if (!text.failed) /* without its quotes */
        cJSON_AddItemToObject(object, name, json_string(str_make(text.bytes + 1, text.len - 2)));
    buffer_free(&text);
}

static void set_text(cJSON *object, const char *name, const char *text)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    cJSON_AddStringToObject(object, name, text);
}

static int32_t fresh_id(char out[UUID_TEXT + 1], quipu_error *error)
{
    uint8_t uuid[16];
    int32_t code = uuid_make(uuid, error);
    if (code == QUIPU_OK)
        uuid_print(uuid, out);
    return code;
}

static int32_t check_name(quipu_str name, quipu_error *error)
{
    if (name.len == 0 || name.len > NAME_MAX_LEN)
        return fail(error, QUIPU_E_INVALID, "id", "a name of 1 to %d bytes is needed", NAME_MAX_LEN);
    return QUIPU_OK;
}

static void setting_id(char out[256], const char *what, quipu_str name)
{
    snprintf(out, 256, "mem0/%s/%.*s", what, (int)name.len, name.ptr);
}

static int32_t answer_value(web_answer *a, cJSON *value, int32_t code, quipu_error *error)
{
    if (code == QUIPU_OK)
        return web_answer_json(a, value, error);
    cJSON_Delete(value);
    return code;
}

/* ---- organisations ---- */

#define ORGANISATION "{\"org_id\":\"local\",\"name\":\"local\",\"description\":null}"

static int32_t orgs(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    (void)s, (void)r, (void)error;
    return mem0_answer(a, "[" ORGANISATION "]");
}

static int32_t org(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    (void)s;
    if (!QUIPU_IS(&r->captures[0], "local"))
        return fail(error, QUIPU_E_NOT_FOUND, "org_id", "Organization not found!");
    return mem0_answer(a, ORGANISATION);
}

/* ---- projects ---- */

static int32_t project_read(serve *s, web_request *r, char id[256], cJSON **out, quipu_error *error)
{
    *out = NULL;
    int32_t code = check_name(r->captures[1], error);
    if (code != QUIPU_OK)
        return code;
    setting_id(id, "project", r->captures[1]);
    code = mem0_setting_read(s, r, id, out, error);
    if (code == QUIPU_OK && !web_member(*out, "project_id")) {
        cJSON_AddItemToObject(*out, "project_id", json_string(r->captures[1]));
        cJSON_AddItemToObject(*out, "name", json_string(r->captures[1]));
        set_text(*out, "org_id", "local");
    }
    return code;
}

static int32_t project_get(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    static const char *const always[] = { "custom_instructions", "custom_categories", "retrieval_criteria",
                                          "enable_graph" };
    char id[256];
    cJSON *project;
    int32_t code = project_read(s, r, id, &project, error);
    for (size_t i = 0; code == QUIPU_OK && i < sizeof always / sizeof always[0]; i++)
        if (!cJSON_GetObjectItemCaseSensitive(project, always[i]))
            cJSON_AddNullToObject(project, always[i]);
    bool some = web_argument(r, "fields").ptr != NULL;
    for (cJSON *next, *one = code == QUIPU_OK && some ? project->child : NULL; one; one = next) {
        bool wanted = false;
        next = one->next;
        for (unsigned i = 0; i < r->argument_count; i++)
            wanted = wanted || (QUIPU_IS(&r->arguments[i].name, "fields") &&
                                str_same(r->arguments[i].value, str_of(one->string)));
        if (!wanted)
            cJSON_Delete(cJSON_DetachItemViaPointer(project, one));
    }
    return answer_value(a, project, code, error);
}

static int32_t project_change(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    static const char *const known[] = { "custom_instructions",
                                         "agent_custom_instructions",
                                         "custom_categories",
                                         "memory_depth",
                                         "usecase_setting",
                                         "multilingual",
                                         "decay",
                                         "name",
                                         "description",
                                         "version",
                                         "enable_graph",
                                         "retrieval_criteria" };
    char id[256];
    cJSON *project;
    int32_t code = project_read(s, r, id, &project, error);
    for (size_t i = 0; code == QUIPU_OK && i < sizeof known / sizeof known[0]; i++) {
        const cJSON *member = cJSON_GetObjectItemCaseSensitive(r->json, known[i]);
        if (!member)
            continue;
        cJSON_DeleteItemFromObjectCaseSensitive(project, known[i]);
        cJSON_AddItemToObject(project, known[i], cJSON_Duplicate(member, 1));
    }
    if (code == QUIPU_OK)
        code = mem0_setting_write(s, r, id, project, error);
    cJSON_Delete(project);
    return code == QUIPU_OK ? mem0_answer(a, "{\"message\":\"Project updated successfully\"}") : code;
}

static int32_t project_delete(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    char id[256];
    int32_t code = check_name(r->captures[1], error);
    if (code != QUIPU_OK)
        return code;
    setting_id(id, "project", r->captures[1]);
    code = mem0_setting_delete(s, r, id, error);
    if (code != QUIPU_OK && code != QUIPU_E_NOT_FOUND)
        return code;
    return mem0_answer(a, "{\"message\":\"Project settings deleted successfully; its memories stay\"}");
}

static void add_to_list(void *context, const cJSON *value)
{
    cJSON_AddItemToArray(context, cJSON_Duplicate(value, 1));
}

static int32_t projects(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    cJSON *list = cJSON_CreateArray();
    int32_t code = mem0_setting_each(s, r, "mem0/project/", add_to_list, list, error);
    return answer_value(a, list, code, error);
}

static int32_t project_create(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    char project_id[UUID_TEXT + 1] = "", id[256];
    quipu_str name;
    int32_t code = web_member_text(r->json, "name", &name, error);
    if (code == QUIPU_OK)
        code = check_name(name, error);
    if (code == QUIPU_OK)
        code = fresh_id(project_id, error);
    cJSON *project = cJSON_CreateObject();
    if (code == QUIPU_OK) {
        const cJSON *description = web_member(r->json, "description");
        set_text(project, "project_id", project_id);
        set_text(project, "org_id", "local");
        cJSON_AddItemToObject(project, "name", json_string(name));
        if (description)
            cJSON_AddItemToObject(project, "description", cJSON_Duplicate(description, 1));
        setting_id(id, "project", str_of(project_id));
        code = mem0_setting_write(s, r, id, project, error);
    }
    cJSON_Delete(project);
    if (code == QUIPU_OK)
        buffer_printf(&a->body, "{\"message\":\"Project created successfully\",\"project_id\":\"%s\"}", project_id);
    return code;
}

/* ---- members of a project ---- */

static cJSON *members_of(cJSON *project)
{
    cJSON *list = cJSON_GetObjectItemCaseSensitive(project, "members");
    return list ? list : cJSON_AddArrayToObject(project, "members");
}

static cJSON *find_member(cJSON *list, quipu_str email)
{
    cJSON *one;
    cJSON_ArrayForEach(one, list)
    {
        const cJSON *name = web_member(one, "username");
        if (cJSON_IsString(name) && str_same(str_of(name->valuestring), email))
            return one;
    }
    return NULL;
}

static int32_t members(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    char id[256];
    cJSON *project;
    int32_t code = project_read(s, r, id, &project, error);
    if (code == QUIPU_OK) {
        buffer_append_text(&a->body, "{\"members\":");
        json_print_compact(members_of(project), &a->body);
        buffer_append_char(&a->body, '}');
    }
    cJSON_Delete(project);
    return code;
}

static int32_t member_set(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    char id[256];
    cJSON *project = NULL;
    quipu_str email, role;
    int32_t code = web_member_text(r->json, "email", &email, error);
    if (code == QUIPU_OK)
        code = check_name(email, error);
    if (code == QUIPU_OK)
        code = web_member_text(r->json, "role", &role, error);
    if (code == QUIPU_OK && !QUIPU_IS(&role, "READER") && !QUIPU_IS(&role, "OWNER"))
        code = fail(error, QUIPU_E_INVALID, "role", "role must be READER or OWNER");
    if (code == QUIPU_OK)
        code = project_read(s, r, id, &project, error);
    if (code == QUIPU_OK) {
        cJSON *list = members_of(project), *one = find_member(list, email);
        if (!one) {
            one = cJSON_CreateObject();
            cJSON_AddItemToObject(one, "username", json_string(email));
            cJSON_AddItemToArray(list, one);
        }
        set_text(one, "role", QUIPU_IS(&role, "OWNER") ? "OWNER" : "READER");
        code = mem0_setting_write(s, r, id, project, error);
    }
    cJSON_Delete(project);
    return code == QUIPU_OK ? mem0_answer(a, "{\"message\":\"Member saved successfully\"}") : code;
}

static int32_t member_remove(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    char id[256];
    cJSON *project;
    int32_t code = project_read(s, r, id, &project, error);
    cJSON *list = code == QUIPU_OK ? members_of(project) : NULL, *one = find_member(list, web_argument(r, "email"));
    if (code == QUIPU_OK && !one)
        code = fail(error, QUIPU_E_NOT_FOUND, "email", "Member not found!");
    if (code == QUIPU_OK) {
        cJSON_Delete(cJSON_DetachItemViaPointer(list, one));
        code = mem0_setting_write(s, r, id, project, error);
    }
    cJSON_Delete(project);
    return code == QUIPU_OK ? mem0_answer(a, "{\"message\":\"Member removed successfully\"}") : code;
}

/* ---- webhooks ---- */

typedef struct hook_list {
    cJSON *list;
    quipu_str project;
} hook_list;

static void add_hook(void *context, const cJSON *value)
{
    hook_list *h = context;
    const cJSON *project = web_member(value, "project");
    if (cJSON_IsString(project) && str_same(str_of(project->valuestring), h->project))
        cJSON_AddItemToArray(h->list, cJSON_Duplicate(value, 1));
}

static int32_t hooks(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    hook_list h = { cJSON_CreateArray(), r->captures[0] };
    int32_t code = mem0_unbound(r, error);
    if (code == QUIPU_OK)
        code = mem0_setting_each(s, r, "mem0/webhook/", add_hook, &h, error);
    return answer_value(a, h.list, code, error);
}

static int32_t take_hook(const cJSON *body, cJSON *hook, quipu_error *error)
{
    const cJSON *types = web_member(body, "event_types");
    quipu_str name = { NULL, 0 }, url = { NULL, 0 };
    int32_t code = web_member_text(body, "name", &name, error);
    if (code == QUIPU_OK)
        code = web_member_text(body, "url", &url, error);
    if (code == QUIPU_OK && types && !cJSON_IsArray(types))
        code = fail(error, QUIPU_E_INVALID, "event_types", "event_types must be a list");
    if (code == QUIPU_OK && name.ptr)
        set_text(hook, "name", name.ptr);
    if (code == QUIPU_OK && url.ptr)
        set_text(hook, "url", url.ptr);
    if (code == QUIPU_OK && types) {
        cJSON_DeleteItemFromObjectCaseSensitive(hook, "event_types");
        cJSON_AddItemToObject(hook, "event_types", cJSON_Duplicate(types, 1));
    }
    set_now(hook, "updated_at");
    return code;
}

static int32_t hook_create(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    char hook_id[UUID_TEXT + 1] = "", id[256];
    cJSON *hook = cJSON_CreateObject();
    int32_t code = fresh_id(hook_id, error);
    if (code == QUIPU_OK)
        code = check_name(r->captures[0], error);
    set_text(hook, "webhook_id", hook_id);
    set_now(hook, "created_at");
    if (code == QUIPU_OK)
        code = take_hook(r->json, hook, error);
    if (code == QUIPU_OK && (!web_member(hook, "url") || !web_member(hook, "event_types")))
        code = fail(error, QUIPU_E_INVALID, "url", "url and event_types are required");
    set_text(hook, "owner", "local");
    cJSON_AddFalseToObject(hook, "is_active");
    cJSON_AddItemToObject(hook, "project", json_string(r->captures[0]));
    setting_id(id, "webhook", str_of(hook_id));
    if (code == QUIPU_OK)
        code = mem0_setting_write(s, r, id, hook, error);
    if (code == QUIPU_OK)
        a->status = 201;
    return answer_value(a, hook, code, error);
}

static int32_t hook_read(serve *s, web_request *r, char id[256], cJSON **out, quipu_error *error)
{
    *out = NULL;
    int32_t code = check_name(r->captures[0], error);
    if (code != QUIPU_OK)
        return code;
    setting_id(id, "webhook", r->captures[0]);
    code = mem0_setting_read(s, r, id, out, error);
    if (code == QUIPU_OK && !web_member(*out, "webhook_id"))
        code = fail(error, QUIPU_E_NOT_FOUND, "webhook_id", "Webhook not found!");
    return code;
}

static int32_t hook_change(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    char id[256];
    cJSON *hook;
    int32_t code = hook_read(s, r, id, &hook, error);
    if (code == QUIPU_OK)
        code = take_hook(r->json, hook, error);
    if (code == QUIPU_OK)
        code = mem0_setting_write(s, r, id, hook, error);
    cJSON_Delete(hook);
    return code == QUIPU_OK ? mem0_answer(a, "{\"message\":\"Webhook updated successfully\"}") : code;
}

static int32_t hook_delete(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    char id[256];
    cJSON *hook;
    int32_t code = hook_read(s, r, id, &hook, error);
    cJSON_Delete(hook);
    if (code == QUIPU_OK)
        code = mem0_setting_delete(s, r, id, error);
    return code == QUIPU_OK ? mem0_answer(a, "{\"message\":\"Webhook deleted successfully\"}") : code;
}

#define WIRE &mem0_platform_wire
#define ORGS "/api/v1/orgs/organizations/"
#define PROJECT ORGS "{org_id}/projects/{project_id}/"
#define PROJECT_BODY                                                                                                   \
    "custom_instructions:any agent_custom_instructions:any custom_categories:any memory_depth:any "                    \
    "usecase_setting:any "                                                                                             \
    "multilingual:any decay:any name:any description:any version:any enable_graph:any retrieval_criteria:any"

extern const route mem0_account_routes[];
const route mem0_account_routes[] = {
    { "GET", ORGS, orgs, ROLE_READ, ROUTE_FAST, WIRE, "Organisations: this server", NULL, NULL },
    { "GET", ORGS "{org_id}/", org, ROLE_READ, ROUTE_FAST, WIRE, "This server", NULL, NULL },
    { "GET", ORGS "{org_id}/projects/", projects, ROLE_READ, 0, WIRE, "Projects", NULL, NULL },
    { "POST", ORGS "{org_id}/projects/", project_create, ROLE_ADMIN, 0, WIRE, "Make a project", NULL,
      "name! description:any" },
    { "GET", PROJECT, project_get, ROLE_READ, 0, WIRE, "A project's settings", "fields", NULL },
    { "PATCH", PROJECT, project_change, ROLE_ADMIN, 0, WIRE, "Change a project's settings", NULL, PROJECT_BODY },
    { "DELETE", PROJECT, project_delete, ROLE_ADMIN, 0, WIRE, "Delete a project's settings", NULL, NULL },
    { "GET", PROJECT "members/", members, ROLE_READ, 0, WIRE, "Members of a project", NULL, NULL },
    { "POST", PROJECT "members/", member_set, ROLE_ADMIN, 0, WIRE, "Add a member", NULL, "email! role!" },
    { "PUT", PROJECT "members/", member_set, ROLE_ADMIN, 0, WIRE, "Change a member's role", NULL, "email! role!" },
    { "DELETE", PROJECT "members/", member_remove, ROLE_ADMIN, 0, WIRE, "Remove a member", "email", NULL },
    { "GET", "/api/v1/webhooks/projects/{project_id}/", hooks, ROLE_ADMIN, 0, WIRE, "Webhooks of a project", NULL,
      NULL },
    { "POST", "/api/v1/webhooks/projects/{project_id}/", hook_create, ROLE_ADMIN, 0, WIRE, "Keep a webhook", NULL,
      "name url! event_types:array!" },
    { "PUT", "/api/v1/webhooks/{webhook_id}/", hook_change, ROLE_ADMIN, 0, WIRE, "Change a webhook", NULL,
      "name url event_types:array" },
    { "DELETE", "/api/v1/webhooks/{webhook_id}/", hook_delete, ROLE_ADMIN, 0, WIRE, "Delete a webhook", NULL, NULL },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL },
};
