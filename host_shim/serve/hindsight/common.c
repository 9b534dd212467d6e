/* common.c - see hindsight.h: banks as scopes, tags as filters, failures as the clients read them. */
#include "hindsight.h"

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/json.h>
#include <stdio.h>

static void refuse(const web_request *r, web_answer *a, const quipu_error *error)
{
    (void)r;
    if (a->status != 400) {
        buffer_append_text(&a->body, "{\"detail\":");
        json_print_string(str_of(error->message), &a->body);
        buffer_append_char(&a->body, '}');
        return;
    }
    a->status = 422;
    buffer_append_text(&a->body, "{\"detail\":[{\"loc\":[\"body\"");
    if (error->field[0] && strcmp(error->field, "body") != 0) {
        buffer_append_char(&a->body, ',');
        json_print_string(str_of(error->field), &a->body);
    }
    buffer_append_text(&a->body, "],\"msg\":");
    json_print_string(str_of(error->message), &a->body);
    buffer_append_text(&a->body, ",\"type\":\"value_error\"}]}");
}

const wire hindsight_wire = { "Hindsight", refuse };

int32_t hindsight_no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

quipu_str hindsight_app(const web_request *r)
{
    return r->who.app.ptr ? r->who.app : str_of("hindsight");
}

int32_t hindsight_bank(const web_request *r, web_answer *a, quipu_str *bank, quipu_error *error)
{
    *bank = r->captures[0];
    if (r->who.agent.ptr && !str_same(r->who.agent, *bank))
        return web_refuse(a, error, 403, QUIPU_E_DENIED, "bank_id", "This key is bound to another bank.");
    return QUIPU_OK;
}

void hindsight_id(const web_request *r, const char *head, quipu_str name, uint64_t number, char out[HINDSIGHT_ID])
{
    const quipu_str parts[] = { hindsight_app(r), r->who.user, r->captures[0], r->who.session, name };
    uint8_t digest[32];
    char digits[33];
    buffer seed = { 0 };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        buffer_printf(&seed, "%llu:", (unsigned long long)parts[i].len);
        buffer_append_str(&seed, parts[i]);
    }
    buffer_printf(&seed, "%llu", (unsigned long long)number);
    hash_sha256(seed.bytes, seed.len, digest);
    buffer_free(&seed);
    hex_encode(digest, 16, digits);
    digits[32] = '\0';
    snprintf(out, HINDSIGHT_ID, "%s-%s", head, digits);
}

cJSON *hindsight_where(const char *name, cJSON *value)
{
    cJSON *object = cJSON_CreateObject();
    if (object && value && cJSON_AddItemToObject(object, name, value))
        return object;
    cJSON_Delete(value);
    cJSON_Delete(object);
    return NULL;
}

int32_t hindsight_filter(const web_request *r, web_answer *a, const char *kind, bool banks, cJSON *expression,
                         bool expired, filter **out, quipu_error *error)
{
    quipu_str bank = r->who.agent;
    cJSON *all = cJSON_CreateArray();
    int32_t code = banks ? QUIPU_OK : hindsight_bank(r, a, &bank, error);
    bool good = cJSON_AddItemToArray(all, hindsight_where("kind", cJSON_CreateString(kind)));
    if (expression)
        good = cJSON_AddItemToArray(all, expression) && good;
    cJSON *whole = hindsight_where("AND", all);
    if (code == QUIPU_OK)
        code = good && whole ? filter_compile(NULL, whole, out, error) : hindsight_no_memory(error);
    cJSON_Delete(whole);
    if (code != QUIPU_OK)
        return code;
    quipu_filter *view = filter_view(*out);
    view->app = hindsight_app(r);
    view->user = r->who.user;
    view->agent = bank;
    view->session = r->who.session;
    if (expired)
        view->flags |= QUIPU_FILTER_EXPIRED;
    return QUIPU_OK;
}

/* ---- tags ---- */

static int32_t check_tags(const cJSON *tags, quipu_error *error)
{
    const cJSON *one;
    if (tags && !cJSON_IsArray(tags))
        return fail(error, QUIPU_E_INVALID, "tags", "tags must be a list of texts");
    cJSON_ArrayForEach(one, tags)
    {
        if (!cJSON_IsString(one))
            return fail(error, QUIPU_E_INVALID, "tags", "tags must be a list of texts");
    }
    return QUIPU_OK;
}

static int64_t count_different(const cJSON *tags)
{
    int64_t count = 0;
    for (const cJSON *one = tags ? tags->child : NULL; one; one = one->next) {
        const cJSON *before = tags->child;
        while (before != one && strcmp(before->valuestring, one->valuestring) != 0)
            before = before->next;
        count += before == one;
    }
    return count;
}

int32_t hindsight_tags(const cJSON *tags, quipu_str match, cJSON **out, int64_t *exact, quipu_error *error)
{
    *out = NULL;
    *exact = -1;
    bool is_exact = QUIPU_IS(&match, "exact");
    bool every = is_exact || QUIPU_IS(&match, "all") || QUIPU_IS(&match, "all_strict");
    bool strict = is_exact || QUIPU_IS(&match, "any_strict") || QUIPU_IS(&match, "all_strict");
    int32_t code = check_tags(tags, error);
    if (code != QUIPU_OK)
        return code;
    if (match.ptr && !every && !strict && !QUIPU_IS(&match, "any"))
        return fail(error, QUIPU_E_INVALID, "tags_match",
                    "tags_match must be any, all, any_strict, all_strict or exact");
    if (cJSON_GetArraySize(tags) == 0) {
        *out = is_exact ? hindsight_where("tags", cJSON_CreateNull()) : NULL;
        return QUIPU_OK;
    }
    if (cJSON_GetArraySize(tags) > 100)
        return fail(error, QUIPU_E_TOO_LARGE, "tags", "at most 100 tags are looked for at once");
    if (is_exact)
        *exact = count_different(tags);
    cJSON *list = cJSON_CreateArray(), *either = cJSON_CreateArray();
    for (const cJSON *one = tags->child; one; one = one->next)
        cJSON_AddItemToArray(list, hindsight_where("tags", cJSON_CreateString(one->valuestring)));
    cJSON_AddItemToArray(either, hindsight_where(every ? "AND" : "OR", list));
    if (!strict)
        cJSON_AddItemToArray(either, hindsight_where("tags", cJSON_CreateNull()));
    *out = hindsight_where("OR", either);
    return *out ? QUIPU_OK : hindsight_no_memory(error);
}

static int32_t one_group(const cJSON *group, cJSON **out, quipu_error *error);

static int32_t group_list(const cJSON *list, const char *name, cJSON **out, quipu_error *error)
{
    const cJSON *one;
    int32_t code = QUIPU_OK;
    cJSON *all = cJSON_CreateArray();
    if (!cJSON_IsArray(list) || !list->child)
        code = fail(error, QUIPU_E_INVALID, "tag_groups", "a group of tags must be a list that is not empty");
    cJSON_ArrayForEach(one, list)
    {
        cJSON *part = NULL;
        if (code == QUIPU_OK)
            code = one_group(one, &part, error);
        if (part)
            cJSON_AddItemToArray(all, part);
    }
    if (code == QUIPU_OK) {
        *out = hindsight_where(name, all);
        return *out ? QUIPU_OK : hindsight_no_memory(error);
    }
    cJSON_Delete(all);
    return code;
}

/* {"tags":[...],"match":...}, {"and":[...]}, {"or":[...]}, {"not":{...}} */
static int32_t one_group(const cJSON *group, cJSON **out, quipu_error *error)
{
    const cJSON *tags = web_member(group, "tags"), *and = web_member(group, "and"), * or = web_member(group, "or"),
                *not = web_member(group, "not");
    if (and)
        return group_list(and, "AND", out, error);
    if (or)
        return group_list(or, "OR", out, error);
    if (not ) {
        cJSON *inner = NULL, *list = cJSON_CreateArray();
        int32_t code = one_group(not, &inner, error);
        if (inner)
            cJSON_AddItemToArray(list, inner);
        *out = code == QUIPU_OK ? hindsight_where("NOT", list) : NULL;
        if (code != QUIPU_OK)
            cJSON_Delete(list);
        return code == QUIPU_OK && !*out ? hindsight_no_memory(error) : code;
    }
    quipu_str match;
    int64_t exact = -1;
    int32_t code = web_member_text(group, "match", &match, error);
    if (code == QUIPU_OK && cJSON_GetArraySize(tags) == 0)
        code = fail(error, QUIPU_E_INVALID, "tag_groups", "a group needs tags, and, or, or not");
    if (code == QUIPU_OK)
        code = hindsight_tags(tags, match.ptr ? match : str_of("any_strict"), out, &exact, error);
    if (code == QUIPU_OK && exact >= 0) {
        cJSON_Delete(*out);
        *out = NULL;
        code = fail(error, QUIPU_E_INVALID, "tag_groups", "exact is for tags_match, not within a group");
    }
    return code;
}

int32_t hindsight_tag_groups(const cJSON *groups, cJSON **out, quipu_error *error)
{
    *out = NULL;
    return !groups || (cJSON_IsArray(groups) && !groups->child) ? QUIPU_OK : group_list(groups, "AND", out, error);
}

/* ---- the rest ---- */

int32_t hindsight_time(quipu_str text, const char *field, int64_t *out, quipu_error *error)
{
    bool date;
    buffer zoned = { 0 };
    if (time_parse(text, field, &date, out, NULL) == QUIPU_OK)
        return QUIPU_OK;
    buffer_append_str(&zoned, text); /* Python writes a time without a zone where it was given none */
    buffer_append_char(&zoned, 'Z');
    int32_t code = time_parse(str_make(zoned.bytes, zoned.len), field, NULL, out, error);
    buffer_free(&zoned);
    return code;
}

int32_t hindsight_scan(serve *s, web_request *r, const filter *which, uint32_t order, quipu_hit_fn visit, void *context,
                       quipu_error *error)
{
    quipu_scan query = { .struct_size = sizeof query,
                         .filter = filter_view((filter *)(uintptr_t)which),
                         .order = order };
    return quipu_scan_records(s->q, &query, visit, context, r->call, error);
}

int32_t hindsight_put(serve *s, web_request *r, const cJSON *tree, quipu_str bank, quipu_error *error)
{
    buffer json = { 0 };
    quipu_write_options options = { .struct_size = sizeof options,
                                    .author = r->who.name,
                                    .user = r->who.user,
                                    .agent = bank,
                                    .session = r->who.session,
                                    .app = hindsight_app(r) };
    json_print_compact(tree, &json);
    quipu_str text = str_make(json.bytes, json.len);
    int32_t code =
        json.failed ? hindsight_no_memory(error) : quipu_put_json(s->q, &text, &options, NULL, r->call, error);
    buffer_free(&json);
    return code;
}

cJSON *hindsight_value(const quipu_record *r)
{
    cJSON *value = NULL;
    quipu_str text = mem0_member(r->json, "value");
    return text.ptr && json_parse(text, &value, NULL) == QUIPU_OK ? value : NULL;
}

void hindsight_member(buffer *out, const char *name, quipu_str text)
{
    buffer_printf(out, ",\"%s\":", name);
    mem0_print_text(text, out);
}
