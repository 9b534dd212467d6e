/* calls.c - what both mem0 wires do with records: add, search, list, get, update, delete, history. */
#include "mem0.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <stdlib.h>

#define MESSAGES_MAX 1000

static quipu_str author_of(const web_request *r)
{
    return r->who.name;
}

/* ---- add ---- */

/* A text, or the texts of a list of parts, one after the other. */
static int32_t content_text(web_request *r, const cJSON *content, quipu_str *out, quipu_error *error)
{
    buffer text = { 0 };
    const cJSON *piece;
    *out = (quipu_str){ NULL, 0 };
    if (!content || cJSON_IsNull(content))
        return QUIPU_OK;
    if (cJSON_IsString(content)) {
        *out = str_of(content->valuestring);
        return QUIPU_OK;
    }
    if (!cJSON_IsArray(content))
        return fail(error, QUIPU_E_INVALID, "messages", "content must be a string, or a list of parts");
    cJSON_ArrayForEach(piece, content)
    {
        const cJSON *words = cJSON_IsString(piece) ? piece : web_member(piece, "text");
        if (!cJSON_IsString(words))
            continue; /* a picture, for one */
        if (text.len > 0)
            buffer_append_char(&text, '\n');
        buffer_append_text(&text, words->valuestring);
    }
    *out = web_keep_text(r, str_make(text.bytes ? text.bytes : "", text.len));
    bool failed = text.failed || !out->ptr;
    buffer_free(&text);
    return failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted") : QUIPU_OK;
}

static int32_t message_of(web_request *r, const cJSON *one, quipu_message *out, quipu_error *error)
{
    *out = (quipu_message){ .struct_size = sizeof *out };
    if (cJSON_IsString(one)) {
        out->content = str_of(one->valuestring);
        return QUIPU_OK;
    }
    if (!cJSON_IsObject(one))
        return fail(error, QUIPU_E_INVALID, "messages", "messages must be str, dict, or list[dict]");
    int32_t code = web_member_text(one, "role", &out->role, error);
    if (code == QUIPU_OK)
        code = web_member_text(one, "name", &out->name, error);
    return code == QUIPU_OK ? content_text(r, web_member(one, "content"), &out->content, error) : code;
}

static int32_t messages_of(web_request *r, const cJSON *member, quipu_array *out, quipu_error *error)
{
    bool list = cJSON_IsArray(member);
    int count = list ? cJSON_GetArraySize(member) : member ? 1 : 0;
    if (count == 0)
        return fail(error, QUIPU_E_INVALID, "messages", "messages: there is nothing to add");
    if (count > MESSAGES_MAX)
        return fail(error, QUIPU_E_TOO_LARGE, "messages", "at most %d messages at once", MESSAGES_MAX);
    quipu_message *messages = web_keep(r, (size_t)count * sizeof *messages);
    if (!messages)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    const cJSON *one = list ? member->child : member;
    *out = (quipu_array){ messages, (uint64_t)count, sizeof *messages };
    for (int i = 0; i < count; i++, one = one->next) {
        int32_t code = message_of(r, one, &messages[i], error);
        if (code != QUIPU_OK)
            return code;
    }
    return QUIPU_OK;
}

static bool add_time(cJSON *object, const char *name, int64_t time)
{
    buffer text = { 0 };
    time_print(time, &text);
    bool good = !text.failed && cJSON_AddItemToObject(object, name, json_string(str_make(text.bytes, text.len)));
    buffer_free(&text);
    return good;
}

/* metadata as the clients send it, without the names by which a scope could be smuggled in. */
static int32_t clean_metadata(const cJSON *member, cJSON **out, quipu_error *error)
{
    static const char *const identity[] = { "user_id", "agent_id", "run_id", "app_id", "actor_id" };
    if (!cJSON_IsObject(member))
        return fail(error, QUIPU_E_INVALID, "metadata", "metadata must be an object");
    *out = cJSON_Duplicate(member, 1);
    for (size_t i = 0; i < sizeof identity / sizeof identity[0]; i++)
        cJSON_DeleteItemFromObjectCaseSensitive(*out, identity[i]);
    return *out ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

static int32_t add_metadata(cJSON *fields, const cJSON *body, quipu_error *error)
{
    const cJSON *member = web_member(body, "metadata");
    cJSON *metadata = NULL;
    int32_t code = member ? clean_metadata(member, &metadata, error) : QUIPU_OK;
    if (metadata && !cJSON_AddItemToObject(fields, "metadata", metadata)) {
        cJSON_Delete(metadata);
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    }
    return code;
}

/* expiration_date of a body. *given: it is there; *out is QUIPU_TIME_NONE where it is null. */
static int32_t expiration_of(const cJSON *body, bool *given, int64_t *out, quipu_error *error)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(body, "expiration_date");
    *given = member != NULL;
    *out = QUIPU_TIME_NONE;
    if (!member || cJSON_IsNull(member))
        return QUIPU_OK;
    return mem0_date(cJSON_IsString(member) ? str_of(member->valuestring) : str_of(""), out, error);
}

/* Seconds since 1970. */
static int32_t timestamp_of(const cJSON *body, int64_t *out, quipu_error *error)
{
    int64_t seconds;
    *out = QUIPU_TIME_NONE;
    int32_t code = web_member_number(body, "timestamp", -62135596800, 253402300799, INT64_MIN, &seconds, error);
    if (code == QUIPU_OK && seconds != INT64_MIN)
        *out = seconds * 1000000;
    return code;
}

static int32_t fields_of(const cJSON *body, buffer *out, quipu_error *error)
{
    bool given, immutable;
    int64_t expires;
    cJSON *fields = cJSON_CreateObject();
    int32_t code =
        fields ? add_metadata(fields, body, error) : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK)
        code = expiration_of(body, &given, &expires, error);
    if (code == QUIPU_OK && expires != QUIPU_TIME_NONE && !add_time(fields, "expires_at", expires))
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK)
        code = web_member_flag(body, "immutable", false, &immutable, error);
    if (code == QUIPU_OK && immutable)
        cJSON_AddTrueToObject(cJSON_AddObjectToObject(fields, "value"), "immutable");
    if (code == QUIPU_OK)
        json_print_compact(fields, out);
    cJSON_Delete(fields);
    return code;
}

typedef struct added {
    buffer *out;
    const quipu_array *messages;
    mem0_dialect dialect;
    bool verbatim; /* the client asked for that: it is told who said it */
    unsigned shown;
} added;

static int32_t show_added(void *context, const quipu_memory_event *event)
{
    added *a = context;
    const quipu_message *m = QUIPU_AT(quipu_message, a->messages, event->index);
    if (event->what != QUIPU_MEMORY_ADDED)
        return 0;
    buffer_append_text(a->out, a->shown++ ? ",{\"id\":" : "{\"id\":");
    json_print_string(event->id, a->out);
    buffer_append_text(a->out, ",\"memory\":");
    json_print_string(m->content, a->out);
    if (a->dialect == MEM0_PLATFORM) {
        buffer_append_text(a->out, ",\"data\":{\"memory\":");
        json_print_string(m->content, a->out);
        buffer_append_char(a->out, '}');
    }
    buffer_append_text(a->out, ",\"event\":\"ADD\"");
    if (a->verbatim) {
        buffer_append_text(a->out, ",\"actor_id\":");
        mem0_print_text(m->name, a->out);
        buffer_append_text(a->out, ",\"role\":");
        json_print_string(m->role.len ? m->role : str_of("user"), a->out);
    }
    buffer_append_char(a->out, '}');
    return 0;
}

static int32_t check_memory_type(const cJSON *body, quipu_error *error)
{
    quipu_str type;
    int32_t code = web_member_text(body, "memory_type", &type, error);
    if (code == QUIPU_OK && type.ptr && !QUIPU_IS(&type, "procedural_memory"))
        code = fail(error, QUIPU_E_INVALID, "memory_type",
                    "Invalid 'memory_type'. Please pass procedural_memory to create procedural memories.");
    return code;
}

int32_t mem0_add(serve *s, web_request *r, web_answer *a, mem0_dialect dialect, buffer *results, bool *unavailable,
                 quipu_error *error)
{
    mem0_ids ids;
    quipu_array messages = { NULL, 0, 0 };
    buffer fields = { 0 };
    bool infer = true;
    int64_t time = QUIPU_TIME_NONE;
    int32_t code = mem0_ids_of(r->json, &ids, error);
    if (code == QUIPU_OK)
        code = mem0_ids_bind(r, a, &ids, error);
    if (code == QUIPU_OK && !mem0_ids_any(&ids))
        code = fail(error, QUIPU_E_INVALID, "user_id",
                    dialect == MEM0_OSS ? "At least one identifier (user_id, agent_id, run_id) is required."
                                        : "At least one of user_id, agent_id, app_id, run_id is required.");
    if (code == QUIPU_OK)
        code = web_member_flag(r->json, "infer", true, &infer, error);
    if (code == QUIPU_OK)
        code = check_memory_type(r->json, error);
    if (code == QUIPU_OK)
        code = messages_of(r, web_member(r->json, "messages"), &messages, error);
    if (code == QUIPU_OK)
        code = timestamp_of(r->json, &time, error);
    if (code == QUIPU_OK)
        code = fields_of(r->json, &fields, error);
    if (code == QUIPU_OK) {
        quipu_remember what = { .struct_size = sizeof what,
                                .flags = QUIPU_REMEMBER_TOOL | (infer ? QUIPU_REMEMBER_ONCE : 0),
                                .user = ids.user,
                                .agent = ids.agent,
                                .session = ids.run,
                                .app = ids.app,
                                .messages = messages,
                                .fields = str_make(fields.bytes, fields.len),
                                .time = time,
                                .author = author_of(r) };
        added shown = { .out = results, .messages = &messages, .dialect = dialect, .verbatim = !infer };
        code = quipu_remember_messages(s->q, &what, show_added, &shown, r->call, error);
    }
    *unavailable = infer;
    buffer_free(&fields);
    return code;
}

/* ---- search and list ---- */

typedef struct shown {
    mem0_dialect dialect;
    const mem0_fields *fields;
    buffer *out;
    double threshold, last;
    int64_t skip, limit;
    uint64_t count, printed;
    bool all; /* go on counting past the limit */
} shown;

static void print_one(shown *sh, const quipu_record *r, double score)
{
    if (sh->printed++ > 0)
        buffer_append_char(sh->out, ',');
    mem0_print(sh->dialect, r, sh->fields, score, sh->out);
}

static int32_t show_hit(void *context, const quipu_hit *hit)
{
    shown *sh = context;
    double score = mem0_score(hit);
    if (score < sh->threshold)
        return 0;
    print_one(sh, hit->record, score);
    return sh->out->failed ? QUIPU_E_NO_MEMORY : 0;
}

int32_t mem0_search(serve *s, web_request *r, web_answer *a, mem0_dialect dialect, const mem0_ids *ids,
                    const cJSON *expression, const mem0_search_options *options, buffer *out, quipu_error *error)
{
    filter *which = NULL;
    shown sh = { .dialect = dialect, .fields = &options->fields, .out = out, .threshold = options->threshold };
    (void)a;
    int32_t code = mem0_filter(r, ids, expression, options->expired, &which, error);
    if (code == QUIPU_OK && options->top_k > 0) {
        quipu_search query = { .struct_size = sizeof query,
                               .filter = filter_view(which),
                               .text = options->query,
                               .k = (uint64_t)options->top_k,
                               .mode = QUIPU_SEARCH_AUTO };
        code = quipu_search_records(s->q, &query, show_hit, &sh, r->call, error);
    }
    filter_free(which);
    return code;
}

static int32_t show_listed(void *context, const quipu_hit *hit)
{
    shown *sh = context;
    int64_t place = (int64_t)sh->count++;
    if (place >= sh->skip && place < sh->skip + sh->limit)
        print_one(sh, hit->record, -1);
    if (sh->out->failed)
        return QUIPU_E_NO_MEMORY;
    return !sh->all && place + 1 >= sh->skip + sh->limit;
}

int32_t mem0_list(serve *s, web_request *r, mem0_dialect dialect, const mem0_ids *ids, const cJSON *expression,
                  const mem0_page *page, buffer *out, quipu_error *error)
{
    filter *which = NULL;
    shown sh = { .dialect = dialect,
                 .fields = &page->fields,
                 .out = out,
                 .skip = page->skip,
                 .limit = page->limit,
                 .all = page->total != NULL };
    int32_t code = mem0_filter(r, ids, expression, page->expired, &which, error);
    if (code == QUIPU_OK && (page->limit > 0 || page->total)) {
        quipu_scan query = { .struct_size = sizeof query,
                             .filter = filter_view(which),
                             .order = QUIPU_ORDER_NEWEST,
                             .limit = page->total ? 0 : (uint64_t)(page->skip + page->limit) };
        code = quipu_scan_records(s->q, &query, show_listed, &sh, r->call, error);
    }
    if (page->total)
        *page->total = sh.count;
    filter_free(which);
    return code;
}

/* ---- single records ---- */

static int32_t keep_one(void *context, const quipu_hit *hit)
{
    record **out = context;
    return *out ? 1 : record_from_view(hit->record, false, out, NULL);
}

static int32_t not_found(const char *format, quipu_str id, quipu_error *error)
{
    return fail(error, QUIPU_E_NOT_FOUND, "memory_id", format, (int)(id.len > 100 ? 100 : id.len), id.ptr);
}

int32_t mem0_get(serve *s, web_request *r, quipu_str id, record **out, quipu_error *error)
{
    filter *which = NULL;
    *out = NULL;
    int32_t code = mem0_filter_own(r, &which, error);
    if (code == QUIPU_OK) {
        quipu_get query = { .struct_size = sizeof query, .id = id, .filter = filter_view(which) };
        code = quipu_get_record(s->q, &query, keep_one, out, r->call, error);
    }
    if (code == QUIPU_OK && !*out)
        code = fail(error, QUIPU_E_PLUGIN, NULL, "the backend found a record, but did not show it");
    filter_free(which);
    return code;
}

/* null takes the expiry away. */
static int32_t patch_expiry(cJSON *patch, const cJSON *body, bool *any, quipu_error *error)
{
    bool given;
    int64_t expires;
    int32_t code = expiration_of(body, &given, &expires, error);
    if (code != QUIPU_OK || !given)
        return code;
    *any = true;
    bool good = expires == QUIPU_TIME_NONE ? cJSON_AddNullToObject(patch, "expires_at") != NULL
                                           : add_time(patch, "expires_at", expires);
    return good ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

static int32_t patch_of(const cJSON *body, cJSON *patch, quipu_error *error)
{
    quipu_str text;
    int64_t time;
    bool any = false;
    int32_t code = web_member_text(body, "text", &text, error);
    if (code == QUIPU_OK && !text.ptr)
        code = web_member_text(body, "data", &text, error);
    if (code == QUIPU_OK && text.ptr)
        any = cJSON_AddItemToObject(patch, "text", json_string(text));
    if (code == QUIPU_OK && web_member(body, "metadata")) {
        any = true;
        code = add_metadata(patch, body, error);
    }
    if (code == QUIPU_OK)
        code = patch_expiry(patch, body, &any, error);
    if (code == QUIPU_OK)
        code = timestamp_of(body, &time, error);
    if (code == QUIPU_OK && time != QUIPU_TIME_NONE)
        any = add_time(patch, "created_at", time);
    if (code == QUIPU_OK && !any)
        code =
            fail(error, QUIPU_E_INVALID, NULL, "At least one of text, metadata, or expiration_date must be provided.");
    return code;
}

static int32_t keep_after(void *context, const quipu_memory_event *event)
{
    return event->after ? record_from_view(event->after, false, context, NULL) : 0;
}

int32_t mem0_update(serve *s, web_request *r, quipu_str id, const cJSON *body, record **after, quipu_error *error)
{
    filter *which = NULL;
    buffer text = { 0 };
    cJSON *patch = cJSON_CreateObject();
    quipu_str author = author_of(r);
    *after = NULL;
    int32_t code = patch ? patch_of(body, patch, error) : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK) {
        json_print_compact(patch, &text);
        code = text.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted")
                           : mem0_filter_own(r, &which, error);
    }
    if (code == QUIPU_OK) {
        quipu_str json = str_make(text.bytes, text.len);
        code = quipu_memory_update(s->q, &id, filter_view(which), &json, author.ptr ? &author : NULL, keep_after, after,
                                   r->call, error);
    }
    if (code == QUIPU_E_NOT_FOUND)
        code = not_found("Memory with id %.*s not found. Please provide a valid 'memory_id'", id, error);
    filter_free(which);
    buffer_free(&text);
    cJSON_Delete(patch);
    return code;
}

int32_t mem0_delete(serve *s, web_request *r, quipu_str id, quipu_error *error)
{
    filter *which = NULL;
    quipu_str author = author_of(r);
    int32_t code = mem0_filter_own(r, &which, error);
    if (code == QUIPU_OK)
        code =
            quipu_memory_delete(s->q, &id, filter_view(which), author.ptr ? &author : NULL, NULL, NULL, r->call, error);
    if (code == QUIPU_E_NOT_FOUND)
        code = not_found("Memory with id %.*s not found", id, error);
    filter_free(which);
    return code;
}

int32_t mem0_delete_all(serve *s, web_request *r, const mem0_ids *ids, const cJSON *expression, uint64_t *count,
                        quipu_error *error)
{
    filter *which = NULL;
    quipu_str author = author_of(r);
    int32_t code = mem0_filter(r, ids, expression, true, &which, error);
    if (code == QUIPU_OK)
        code = quipu_memory_delete_all(s->q, filter_view(which), author.ptr ? &author : NULL, NULL, NULL, count,
                                       r->call, error);
    filter_free(which);
    return code;
}
