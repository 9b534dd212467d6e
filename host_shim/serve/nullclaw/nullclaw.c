/*
 * nullclaw.c - what nullclaw asks of a memory over HTTP (its backend "api"), below /nullclaw/v1.
 *
 * An entry is known by its key alone, so its record's id is made of that, and its session and category are fields that may change. A
 * message of a session is a record of kind "message". All of it lies in the app "nullclaw", or in the one that the caller's key is bound to.
 * Only status 200 counts as success there, and timestamps have to be texts.
 */
#include <serve/mem0/mem0.h>

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/json.h>
#include <stdio.h>
#include <stdlib.h>

#define APP "nullclaw"
#define LIMIT_MAX 1000
#define ID_LEN 48

static quipu_str app_of(const web_request *r)
{
    return r->who.app.ptr ? r->who.app : str_of(APP);
}

/* One key in two scopes is two entries. */
static void entry_id(const web_request *r, quipu_str name, char out[ID_LEN])
{
    const quipu_str parts[] = { app_of(r), r->who.user, r->who.agent, r->who.session, name };
    uint8_t digest[32];
    buffer seed = { 0 };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        buffer_printf(&seed, "%llu:", (unsigned long long)parts[i].len);
        buffer_append_str(&seed, parts[i]);
    }
    hash_sha256(seed.bytes, seed.len, digest);
    buffer_free(&seed);
    memcpy(out, "nullclaw-", 9);
    hex_encode(digest, 16, out + 9);
    out[41] = '\0';
}

/* The caller's part of the store, narrowed by kind and what else is given; for filter_free. */
static int32_t narrow(const web_request *r, const char *kind, const char *field, quipu_str value, const char *session,
                      quipu_str sid, filter **out, quipu_error *error)
{
    cJSON *expression = cJSON_CreateObject();
    cJSON_AddStringToObject(expression, "kind", kind);
    if (value.ptr)
        cJSON_AddItemToObject(expression, field, json_string(value));
    if (sid.len)
        cJSON_AddItemToObject(expression, session, json_string(sid));
    int32_t code = expression ? filter_compile(NULL, expression, out, error)
                              : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    cJSON_Delete(expression);
    if (code != QUIPU_OK)
        return code;
    quipu_filter *view = filter_view(*out);
    view->app = app_of(r);
    view->user = r->who.user;
    view->agent = r->who.agent;
    view->session = r->who.session;
    return QUIPU_OK;
}

static int32_t entries(const web_request *r, quipu_str category, quipu_str session, filter **out, quipu_error *error)
{
    return narrow(r, QUIPU_KIND_MEMORY, "category", category, "metadata.session_id", session, out, error);
}

static const quipu_str none = { NULL, 0 };

/* ---- writing ---- */

static bool set(cJSON *object, const char *name, quipu_str text)
{
    return !text.ptr || cJSON_AddItemToObject(object, name, json_string(text));
}

static int32_t put(serve *s, web_request *r, cJSON *record_, quipu_str session, quipu_error *error)
{
    buffer json = { 0 };
    quipu_write_options options = { .struct_size = sizeof options,
                                    .author = r->who.name,
                                    .user = r->who.user,
                                    .agent = r->who.agent,
                                    .session = session,
                                    .app = app_of(r) };
    json_print_compact(record_, &json);
    quipu_str text = str_make(json.bytes, json.len);
    int32_t code = json.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted")
                               : quipu_put_json(s->q, &text, &options, NULL, r->call, error);
    buffer_free(&json);
    return code;
}

static int32_t store(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    char id[ID_LEN];
    quipu_str content, category = none, session = none;
    int32_t code = web_member_text(r->json, "content", &content, error);
    if (code == QUIPU_OK && !content.ptr)
        code = fail(error, QUIPU_E_INVALID, "content", "content is needed");
    if (code == QUIPU_OK)
        code = web_member_text(r->json, "category", &category, error);
    if (code == QUIPU_OK)
        code = web_member_text(r->json, "session_id", &session, error);
    if (code != QUIPU_OK)
        return code;
    entry_id(r, r->captures[0], id);
    cJSON *entry = cJSON_CreateObject();
    bool good = set(entry, "id", str_of(id)) && set(entry, "key", r->captures[0]) && set(entry, "text", content) &&
                set(entry, "category", category.len ? category : str_of("core"));
    if (good && session.len)
        good = set(cJSON_AddObjectToObject(entry, "metadata"), "session_id", session);
    code = good ? put(s, r, entry, r->who.session, error) : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    cJSON_Delete(entry);
    buffer_append_text(&a->body, "{\"stored\":true}");
    return code;
}

static int32_t forget(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    char id[ID_LEN];
    filter *which = NULL;
    entry_id(r, r->captures[0], id);
    quipu_str name = str_of(id), author = r->who.name;
    int32_t code = entries(r, none, none, &which, error);
    if (code == QUIPU_OK)
        code = quipu_memory_delete(s->q, &name, filter_view(which), author.ptr ? &author : NULL, NULL, NULL, r->call,
                                   error);
    filter_free(which);
    buffer_append_text(&a->body, "{\"deleted\":true}");
    return code;
}

/* ---- reading ---- */

typedef struct shown {
    buffer *out;
    unsigned count;
    bool scored;
} shown;

static void print_entry(const quipu_record *r, double score, buffer *out)
{
    cJSON *metadata = NULL;
    quipu_str text = mem0_member(r->json, "metadata");
    if (text.ptr && json_parse(text, &metadata, NULL) != QUIPU_OK)
        metadata = NULL;
    const cJSON *session = web_member(metadata, "session_id");
    buffer_append_text(out, "{\"id\":");
    json_print_string(r->id, out);
    buffer_append_text(out, ",\"key\":");
    json_print_string(r->key.ptr ? r->key : r->id, out);
    buffer_append_text(out, ",\"content\":");
    json_print_string(r->text.ptr ? r->text : str_of(""), out);
    buffer_append_text(out, ",\"timestamp\":");
    mem0_print_time(r->updated_at, out);
    buffer_append_text(out, ",\"category\":");
    json_print_string(r->category.ptr ? r->category : str_of("core"), out);
    buffer_append_text(out, ",\"session_id\":");
    mem0_print_text(cJSON_IsString(session) ? str_of(session->valuestring) : none, out);
    if (score >= 0) {
        char digits[32];
        buffer_printf(out, ",\"score\":%s", json_double_text(score, digits) ? digits : "0");
    }
    buffer_append_char(out, '}');
    cJSON_Delete(metadata);
}

static int32_t show_entry(void *context, const quipu_hit *hit)
{
    shown *sh = context;
    if (sh->count++)
        buffer_append_char(sh->out, ',');
    print_entry(hit->record, sh->scored ? mem0_score(hit) : -1, sh->out);
    return sh->out->failed ? QUIPU_E_NO_MEMORY : 0;
}

static int32_t get(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    char id[ID_LEN];
    filter *which = NULL;
    shown sh = { .out = &a->body };
    entry_id(r, r->captures[0], id);
    int32_t code = entries(r, none, none, &which, error);
    buffer_append_text(&a->body, "{\"entry\":");
    if (code == QUIPU_OK) {
        quipu_get query = { .struct_size = sizeof query, .id = str_of(id), .filter = filter_view(which) };
        code = quipu_get_record(s->q, &query, show_entry, &sh, r->call, error);
    }
    buffer_append_char(&a->body, '}');
    filter_free(which);
    return code;
}

static int32_t recall(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    filter *which = NULL;
    shown sh = { .out = &a->body, .scored = true };
    quipu_str query, session = none;
    int64_t limit = 0;
    int32_t code = web_member_text(r->json, "query", &query, error);
    if (code == QUIPU_OK)
        code = web_member_text(r->json, "session_id", &session, error);
    if (code == QUIPU_OK)
        code = web_member_number(r->json, "limit", INT64_MIN, INT64_MAX, 10, &limit, error);
    if (code == QUIPU_OK)
        code = entries(r, none, session, &which, error);
    buffer_append_text(&a->body, "{\"entries\":[");
    if (code == QUIPU_OK && limit > 0 && query.len > 0) {
        quipu_search search = { .struct_size = sizeof search,
                                .filter = filter_view(which),
                                .text = query,
                                .k = (uint64_t)(limit > LIMIT_MAX ? LIMIT_MAX : limit) };
        code = quipu_search_records(s->q, &search, show_entry, &sh, r->call, error);
    }
    buffer_append_text(&a->body, "]}");
    filter_free(which);
    return code;
}

static int32_t scan(serve *s, web_request *r, const filter *which, uint32_t order, quipu_hit_fn visit, void *context,
                    quipu_error *error)
{
    quipu_scan query = { .struct_size = sizeof query,
                         .filter = filter_view((filter *)(uintptr_t)which),
                         .order = order };
    return quipu_scan_records(s->q, &query, visit, context, r->call, error);
}

static int32_t list(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    filter *which = NULL;
    shown sh = { .out = &a->body };
    quipu_str category = web_argument(r, "category");
    int32_t code = entries(r, category.len ? category : none, web_argument(r, "session_id"), &which, error);
    buffer_append_text(&a->body, "{\"entries\":[");
    if (code == QUIPU_OK)
        code = scan(s, r, which, QUIPU_ORDER_NEWEST, show_entry, &sh, error);
    buffer_append_text(&a->body, "]}");
    filter_free(which);
    return code;
}

static int32_t count_hit(void *context, const quipu_hit *hit)
{
    (void)hit;
    ++*(uint64_t *)context;
    return 0;
}

static int32_t count(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    filter *which = NULL;
    uint64_t found = 0;
    int32_t code = entries(r, none, none, &which, error);
    if (code == QUIPU_OK)
        code = scan(s, r, which, QUIPU_ORDER_ID, count_hit, &found, error);
    buffer_printf(&a->body, "{\"count\":%llu}", (unsigned long long)found);
    filter_free(which);
    return code;
}

static int32_t health(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    (void)s, (void)r, (void)error;
    buffer_append_text(&a->body, "{\"status\":\"ok\"}");
    return QUIPU_OK;
}

/* ---- messages of a session ---- */

/* A key that is bound to a session has no other. */
static int32_t messages(const web_request *r, web_answer *a, filter **out, quipu_error *error)
{
    if (r->who.session.ptr && !str_same(r->who.session, r->captures[0]))
        return web_refuse(a, error, 403, QUIPU_E_DENIED, "session_id", "This key is bound to another session.");
    return narrow(r, QUIPU_KIND_MESSAGE, "kind", none, "scope.session", r->captures[0], out, error);
}

static int32_t message_add(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    filter *which = NULL;
    quipu_str role = none, content = none;
    int32_t code = messages(r, a, &which, error);
    if (code == QUIPU_OK)
        code = web_member_text(r->json, "role", &role, error);
    if (code == QUIPU_OK)
        code = web_member_text(r->json, "content", &content, error);
    if (code == QUIPU_OK && (!role.ptr || !content.ptr))
        code = fail(error, QUIPU_E_INVALID, "role", "role and content are needed");
    cJSON *message = cJSON_CreateObject();
    if (code == QUIPU_OK && (!set(message, "kind", str_of(QUIPU_KIND_MESSAGE)) || !set(message, "role", role) ||
                             !set(message, "text", content)))
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK)
        code = put(s, r, message, r->captures[0], error);
    cJSON_Delete(message);
    filter_free(which);
    buffer_append_text(&a->body, "{\"saved\":true}");
    return code;
}

static int32_t show_message(void *context, const quipu_hit *hit)
{
    shown *sh = context;
    buffer_append_text(sh->out, sh->count++ ? ",{\"role\":" : "{\"role\":");
    json_print_string(hit->record->role.ptr ? hit->record->role : str_of("user"), sh->out);
    buffer_append_text(sh->out, ",\"content\":");
    json_print_string(hit->record->text.ptr ? hit->record->text : str_of(""), sh->out);
    buffer_append_char(sh->out, '}');
    return sh->out->failed ? QUIPU_E_NO_MEMORY : 0;
}

static int32_t message_list(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    filter *which = NULL;
    shown sh = { .out = &a->body };
    int32_t code = messages(r, a, &which, error);
    buffer_append_text(&a->body, "{\"messages\":[");
    if (code == QUIPU_OK)
        code = scan(s, r, which, QUIPU_ORDER_OLDEST, show_message, &sh, error);
    buffer_append_text(&a->body, "]}");
    filter_free(which);
    return code;
}

static int32_t message_clear(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    filter *which = NULL;
    quipu_str author = r->who.name;
    int32_t code = messages(r, a, &which, error);
    if (code == QUIPU_OK)
        code = quipu_memory_delete_all(s->q, filter_view(which), author.ptr ? &author : NULL, NULL, NULL, NULL, r->call,
                                       error);
    filter_free(which);
    buffer_append_text(&a->body, "{\"cleared\":true}");
    return code;
}

/* ---- entries that the host saved by itself ---- */

typedef struct names {
    char **ids;
    size_t count, room;
} names;

static bool begins_with(quipu_str text, const char *head)
{
    return text.len >= strlen(head) && memcmp(text.ptr, head, strlen(head)) == 0;
}

static int32_t note_saved(void *context, const quipu_hit *hit)
{
    names *n = context;
    quipu_str own = hit->record->key;
    if (!own.ptr || (!begins_with(own, "autosave_user_") && !begins_with(own, "autosave_assistant_")))
        return 0;
    if (n->count == n->room) {
        size_t room = n->room ? n->room * 2 : 64;
        char **more = realloc(n->ids, room * sizeof(char *));
        if (!more)
            return QUIPU_E_NO_MEMORY;
        n->ids = more;
        n->room = room;
    }
    n->ids[n->count] = str_dup(hit->record->id);
    return n->ids[n->count++] ? 0 : QUIPU_E_NO_MEMORY;
}

static int32_t saved_clear(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    filter *which = NULL;
    names n = { NULL, 0, 0 };
    int32_t code = entries(r, none, web_argument(r, "session_id"), &which, error);
    if (code == QUIPU_OK)
        code = scan(s, r, which, QUIPU_ORDER_ID, note_saved, &n, error);
    quipu_write *steps = code == QUIPU_OK && n.count ? calloc(n.count, sizeof *steps) : NULL;
    if (code == QUIPU_OK && n.count && !steps)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    for (size_t i = 0; steps && i < n.count; i++)
        steps[i] = (quipu_write){ .struct_size = sizeof *steps, .op = QUIPU_CHANGE_DELETE, .id = str_of(n.ids[i]) };
    if (steps) {
        quipu_array writes = { steps, n.count, sizeof *steps };
        quipu_write_options options = { .struct_size = sizeof options, .author = r->who.name };
        code = quipu_write_records(s->q, &writes, &options, NULL, NULL, NULL, r->call, error);
    }
    for (size_t i = 0; i < n.count; i++)
        free(n.ids[i]);
    free(n.ids);
    free(steps);
    filter_free(which);
    buffer_append_text(&a->body, "{\"cleared\":true}");
    return code;
}

static const wire nullclaw_wire = { "nullclaw", NULL };

#define BASE "/nullclaw/v1"
#define WIRE &nullclaw_wire

extern const route nullclaw_routes[];
const route nullclaw_routes[] = {
    { "GET", BASE "/health", health, ROLE_READ, ROUTE_FAST, WIRE, "Is the key good?", NULL, NULL },
    { "PUT", BASE "/memories/{key}", store, ROLE_WRITE, 0, WIRE, "Keep an entry", NULL,
      "content! category session_id:any" },
    { "GET", BASE "/memories/{key}", get, ROLE_READ, 0, WIRE, "An entry", NULL, NULL },
    { "DELETE", BASE "/memories/{key}", forget, ROLE_WRITE, 0, WIRE, "Forget an entry", NULL, NULL },
    { "POST", BASE "/memories/search", recall, ROLE_READ, 0, WIRE, "Find entries", NULL,
      "query! limit:integer session_id:any" },
    { "GET", BASE "/memories", list, ROLE_READ, 0, WIRE, "List entries", "category session_id", NULL },
    { "GET", BASE "/memories/count", count, ROLE_READ, 0, WIRE, "How many entries there are", NULL, NULL },
    { "POST", BASE "/sessions/{session_id}/messages", message_add, ROLE_WRITE, 0, WIRE, "Save a message", NULL,
      "role! content!" },
    { "GET", BASE "/sessions/{session_id}/messages", message_list, ROLE_READ, 0, WIRE, "Messages, oldest first", NULL,
      NULL },
    { "DELETE", BASE "/sessions/{session_id}/messages", message_clear, ROLE_WRITE, 0, WIRE,
      "Clear a session's messages", NULL, NULL },
    { "DELETE", BASE "/sessions/auto-saved", saved_clear, ROLE_WRITE, 0, WIRE, "Clear what was saved by itself",
      "session_id", NULL },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL },
};
