/* memories.c - a bank's units one by one, and summed up: lists, documents, tags, entities. */
#include "handlers.h"
#include "tally.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <stdlib.h>

/* ---- pages ---- */

typedef struct page {
    buffer *out;
    int64_t limit, offset, seen, shown, exact;
    const char *asked;
} page;

static int32_t read_page(const web_request *r, page *p, quipu_error *error)
{
    int32_t code = web_argument_number(r, "limit", 1, 1000, 100, &p->limit, error);
    return code == QUIPU_OK ? web_argument_number(r, "offset", 0, INT32_MAX, 0, &p->offset, error) : code;
}

static bool on_page(page *p)
{
    bool here = p->seen >= p->offset && p->shown < p->limit;
    p->seen++;
    if (here && p->shown++ > 0)
        buffer_append_char(p->out, ',');
    return here;
}

static void end_page(page *p)
{
    buffer_printf(p->out, "],\"total\":%lld,\"limit\":%lld,\"offset\":%lld}", (long long)p->seen, (long long)p->limit,
                  (long long)p->offset);
}

static int32_t show_unit(void *context, const quipu_hit *hit)
{
    page *p = context;
    if (p->exact >= 0 && (int64_t)hit->record->tags.count != p->exact)
        return 0;
    if (on_page(p))
        hindsight_print_unit(hit->record, p->asked, -1, p->out);
    return p->out->failed ? QUIPU_E_NO_MEMORY : 0;
}

static int32_t tags_of_query(const web_request *r, cJSON *all, page *p, quipu_error *error)
{
    cJSON *tags = cJSON_CreateArray(), *expression = NULL;
    for (unsigned i = 0; i < r->argument_count; i++)
        if (QUIPU_IS(&r->arguments[i].name, "tags"))
            cJSON_AddItemToArray(tags, json_string(r->arguments[i].value));
    quipu_str match = web_argument(r, "tags_match");
    int32_t code = hindsight_tags(tags, match, &expression, &p->exact, error);
    if (expression)
        cJSON_AddItemToArray(all, expression);
    cJSON_Delete(tags);
    return code;
}

static int32_t list_expression(const web_request *r, page *p, cJSON **out, quipu_error *error)
{
    quipu_str type = web_argument(r, "type"), q = web_argument(r, "q"), document = web_argument(r, "document_id");
    cJSON *all = cJSON_CreateArray(), *either = NULL;
    cJSON_AddItemToArray(all, hindsight_where("id", cJSON_CreateString("*")));
    p->exact = -1;
    p->asked = "world";
    int32_t code = all ? tags_of_query(r, all, p, error) : hindsight_no_memory(error);
    if (code == QUIPU_OK && type.len && !hindsight_is_type(type))
        code = fail(error, QUIPU_E_INVALID, "type", "type must be world, experience or observation");
    if (code == QUIPU_OK && type.len) {
        p->asked = QUIPU_IS(&type, "observation") ? "observation" : QUIPU_IS(&type, "world") ? "world" : "experience";
        either = cJSON_CreateArray();
        cJSON_AddItemToArray(either, hindsight_where("category", json_string(type)));
        cJSON_AddItemToArray(either, hindsight_where("category", cJSON_CreateNull()));
        cJSON_AddItemToArray(all, hindsight_where("OR", either));
    }
    if (code == QUIPU_OK && q.len)
        cJSON_AddItemToArray(all, hindsight_where("text", hindsight_where("icontains", json_string(q))));
    if (code == QUIPU_OK && document.len)
        cJSON_AddItemToArray(all, hindsight_where("key", json_string(document)));
    *out = code == QUIPU_OK ? hindsight_where("AND", all) : NULL;
    if (code != QUIPU_OK)
        cJSON_Delete(all);
    return code == QUIPU_OK && !*out ? hindsight_no_memory(error) : code;
}

int32_t hindsight_list(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    page p = { .out = &a->body };
    cJSON *expression = NULL;
    filter *which = NULL;
    quipu_str state = web_argument(r, "state");
    int32_t code = read_page(r, &p, error);
    if (code == QUIPU_OK)
        code = list_expression(r, &p, &expression, error);
    bool invalid = state.ptr && QUIPU_IS(&state, "invalidated");
    if (code == QUIPU_OK && invalid) {
        cJSON *both = cJSON_CreateArray();
        cJSON_AddItemToArray(both, expression);
        cJSON_AddItemToArray(both, hindsight_where("expires_at", cJSON_CreateString("*")));
        expression = hindsight_where("AND", both);
    }
    if (code == QUIPU_OK)
        code = hindsight_filter(r, a, QUIPU_KIND_MEMORY, false, expression, invalid, &which, error);
    buffer_append_text(&a->body, "{\"items\":[");
    if (code == QUIPU_OK)
        code = hindsight_scan(s, r, which, QUIPU_ORDER_NEWEST, show_unit, &p, error);
    filter_free(which);
    end_page(&p);
    return code;
}

/* ---- one ---- */

static int32_t show_one(void *context, const quipu_hit *hit)
{
    hindsight_print_unit(hit->record, "world", -1, context);
    return 0;
}

int32_t hindsight_get(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    filter *which = NULL;
    int32_t code = hindsight_filter(r, a, QUIPU_KIND_MEMORY, false, NULL, true, &which, error);
    if (code == QUIPU_OK) {
        quipu_get query = { .struct_size = sizeof query, .id = r->captures[1], .filter = filter_view(which) };
        code = quipu_get_record(s->q, &query, show_one, &a->body, r->call, error);
    }
    filter_free(which);
    return code;
}

static int32_t add_text(const cJSON *body, const char *from, cJSON *to, const char *name, quipu_error *error)
{
    quipu_str text;
    int32_t code = web_member_text(body, from, &text, error);
    if (code == QUIPU_OK && text.ptr && !cJSON_AddItemToObject(to, name, json_string(text)))
        code = hindsight_no_memory(error);
    return code;
}

static int32_t add_stamp(const cJSON *body, const char *from, cJSON *to, const char *name, quipu_error *error)
{
    quipu_str text;
    int64_t time;
    buffer stamp = { 0 };
    int32_t code = web_member_text(body, from, &text, error);
    if (code != QUIPU_OK || !text.ptr)
        return code;
    code = hindsight_time(text, from, &time, error);
    if (code == QUIPU_OK) {
        time_print(time, &stamp);
        cJSON_AddItemToObject(to, name, json_string(str_make(stamp.bytes, stamp.len)));
    }
    buffer_free(&stamp);
    return code;
}

/* What is invalidated has expired: it is kept, and found no more. */
static int32_t add_state(serve *s, const cJSON *body, cJSON *to, quipu_error *error)
{
    quipu_str state;
    buffer stamp = { 0 };
    quipu_change_set set = { .struct_size = sizeof set };
    int32_t code = web_member_text(body, "state", &state, error);
    if (code != QUIPU_OK || !state.ptr)
        return code;
    if (QUIPU_IS(&state, "valid"))
        return cJSON_AddNullToObject(to, "expires_at") ? QUIPU_OK : hindsight_no_memory(error);
    if (!QUIPU_IS(&state, "invalidated"))
        return fail(error, QUIPU_E_INVALID, "state", "state must be valid or invalidated");
    code = quipu_change_set_begin(s->q, NULL, &set, error);
    if (code == QUIPU_OK) {
        time_print(set.time, &stamp);
        cJSON_AddItemToObject(to, "expires_at", json_string(str_make(stamp.bytes, stamp.len)));
    }
    buffer_free(&stamp);
    return code;
}

static int32_t patch_of(serve *s, const cJSON *body, cJSON *patch, quipu_error *error)
{
    quipu_str type;
    cJSON *value = cJSON_AddObjectToObject(patch, "value");
    int32_t code = add_text(body, "text", patch, "text", error);
    if (code == QUIPU_OK)
        code = web_member_text(body, "fact_type", &type, error);
    if (code == QUIPU_OK && type.ptr && !hindsight_is_type(type))
        code = fail(error, QUIPU_E_INVALID, "fact_type", "fact_type must be world, experience or observation");
    if (code == QUIPU_OK)
        code = add_text(body, "fact_type", patch, "category", error);
    if (code == QUIPU_OK)
        code = add_text(body, "context", value, "context", error);
    if (code == QUIPU_OK)
        code = add_text(body, "reason", value, "reason", error);
    if (code == QUIPU_OK)
        code = add_stamp(body, "occurred_start", patch, "valid_from", error);
    if (code == QUIPU_OK)
        code = add_stamp(body, "occurred_end", patch, "valid_to", error);
    if (code == QUIPU_OK)
        code = add_state(s, body, patch, error);
    if (value && !value->child)
        cJSON_Delete(cJSON_DetachItemFromObject(patch, "value"));
    return code;
}

int32_t hindsight_change(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    filter *which = NULL;
    buffer json = { 0 };
    quipu_str author = r->who.name;
    cJSON *patch = cJSON_CreateObject();
    int32_t code = patch ? patch_of(s, r->json, patch, error) : hindsight_no_memory(error);
    json_print_compact(patch, &json);
    cJSON_Delete(patch);
    quipu_str text = str_make(json.bytes, json.len);
    if (code == QUIPU_OK)
        code = hindsight_filter(r, a, QUIPU_KIND_MEMORY, false, NULL, true, &which, error);
    if (code == QUIPU_OK && !json.failed)
        code = quipu_memory_update(s->q, &r->captures[1], filter_view(which), &text, author.ptr ? &author : NULL, NULL,
                                   NULL, r->call, error);
    filter_free(which);
    buffer_free(&json);
    return code == QUIPU_OK ? hindsight_get(s, r, a, error) : code;
}

/* Deletes what has this text in the field `name`; NULL: the whole bank. */
static int32_t drop(serve *s, web_request *r, web_answer *a, const char *name, quipu_str text, uint64_t *count,
                    quipu_error *error)
{
    filter *which = NULL;
    quipu_str author = r->who.name;
    cJSON *expression = name ? hindsight_where(name, json_string(text)) : NULL;
    if (name && !expression) /* without it everything would go */
        return hindsight_no_memory(error);
    int32_t code = hindsight_filter(r, a, QUIPU_KIND_MEMORY, false, expression, true, &which, error);
    if (code == QUIPU_OK)
        code = quipu_memory_delete_all(s->q, filter_view(which), author.ptr ? &author : NULL, NULL, NULL, count,
                                       r->call, error);
    filter_free(which);
    return code;
}

int32_t hindsight_clear(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    uint64_t count = 0;
    quipu_str type = web_argument(r, "type");
    if (type.len && !hindsight_is_type(type))
        return fail(error, QUIPU_E_INVALID, "type", "type must be world, experience or observation");
    int32_t code = drop(s, r, a, type.len ? "category" : NULL, type, &count, error);
    buffer_printf(&a->body, "{\"success\":true,\"message\":\"deleted\",\"deleted_count\":%llu}",
                  (unsigned long long)count);
    return code;
}

/* ---- documents ---- */

static int32_t tally_document(void *context, const quipu_hit *hit)
{
    return tally_add(context, hit->record->key, hit->record) ? 0 : QUIPU_E_NO_MEMORY;
}

static void print_stamps(const tally_row *row, buffer *out)
{
    buffer_append_text(out, ",\"created_at\":");
    mem0_print_time(row->first, out);
    buffer_append_text(out, ",\"updated_at\":");
    mem0_print_time(row->last, out);
}

static int32_t read_tally(serve *s, web_request *r, web_answer *a, cJSON *expression, quipu_hit_fn visit, tally *all,
                          quipu_error *error)
{
    filter *which = NULL;
    int32_t code = hindsight_filter(r, a, QUIPU_KIND_MEMORY, false, expression, false, &which, error);
    if (code == QUIPU_OK)
        code = hindsight_scan(s, r, which, QUIPU_ORDER_OLDEST, visit, all, error);
    filter_free(which);
    return code;
}

int32_t hindsight_documents(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    tally all = { 0 };
    page p = { .out = &a->body };
    quipu_str bank = r->captures[0];
    int32_t code = read_page(r, &p, error);
    if (code == QUIPU_OK)
        code = read_tally(s, r, a, hindsight_where("key", cJSON_CreateString("*")), tally_document, &all, error);
    buffer_append_text(&a->body, "{\"items\":[");
    for (size_t i = 0; code == QUIPU_OK && i < all.count; i++) {
        if (!on_page(&p))
            continue;
        buffer_append_text(p.out, "{\"id\":");
        json_print_string(str_of(all.rows[i].name), p.out);
        hindsight_member(p.out, "bank_id", bank);
        print_stamps(&all.rows[i], p.out);
        buffer_printf(p.out, ",\"text_length\":%llu,\"memory_unit_count\":%llu}", (unsigned long long)all.rows[i].bytes,
                      (unsigned long long)all.rows[i].count);
    }
    end_page(&p);
    tally_free(&all);
    return code;
}

typedef struct whole {
    buffer text;
    tally sums;
} whole;

static int32_t add_piece(void *context, const quipu_hit *hit)
{
    whole *w = context;
    cJSON *value = hindsight_value(hit->record);
    if (w->sums.count > 0 && cJSON_IsTrue(web_member(value, "begins")))
        buffer_append_char(&w->text, '\n');
    cJSON_Delete(value);
    buffer_append_str(&w->text, hit->record->text);
    return !w->text.failed && tally_add(&w->sums, hit->record->key, hit->record) ? 0 : QUIPU_E_NO_MEMORY;
}

int32_t hindsight_document(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    whole w = { 0 };
    filter *which = NULL;
    char hash[HINDSIGHT_ID];
    cJSON *expression = hindsight_where("key", json_string(r->captures[1]));
    if (!expression)
        return hindsight_no_memory(error);
    int32_t code = hindsight_filter(r, a, QUIPU_KIND_MEMORY, false, expression, false, &which, error);
    if (code == QUIPU_OK)
        code = hindsight_scan(s, r, which, QUIPU_ORDER_OLDEST, add_piece, &w, error);
    if (code == QUIPU_OK && w.sums.count == 0)
        code = fail(error, QUIPU_E_NOT_FOUND, "document_id", "Document not found");
    if (code == QUIPU_OK) {
        quipu_str text = str_make(w.text.bytes, w.text.len);
        hindsight_id(r, "text", text, 0, hash);
        buffer_append_text(&a->body, "{\"id\":");
        json_print_string(r->captures[1], &a->body);
        hindsight_member(&a->body, "bank_id", r->captures[0]);
        hindsight_member(&a->body, "original_text", text);
        hindsight_member(&a->body, "content_hash", str_of(hash));
        print_stamps(&w.sums.rows[0], &a->body);
        buffer_printf(&a->body, ",\"memory_unit_count\":%llu,\"tags\":[]}", (unsigned long long)w.sums.rows[0].count);
    }
    filter_free(which);
    buffer_free(&w.text);
    tally_free(&w.sums);
    return code;
}

int32_t hindsight_document_drop(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    uint64_t count = 0;
    int32_t code = drop(s, r, a, "key", r->captures[1], &count, error);
    if (code == QUIPU_OK && count == 0)
        code = fail(error, QUIPU_E_NOT_FOUND, "document_id", "Document not found");
    buffer_append_text(&a->body, "{\"success\":true,\"message\":\"deleted\"");
    hindsight_member(&a->body, "document_id", r->captures[1]);
    buffer_printf(&a->body, ",\"memory_units_deleted\":%llu}", (unsigned long long)count);
    return code;
}

/* ---- tags and entities ---- */

static int32_t tally_tags(void *context, const quipu_hit *hit)
{
    for (uint64_t i = 0; i < hit->record->tags.count; i++)
        if (!tally_add(context, *QUIPU_AT(quipu_str, &hit->record->tags, i), hit->record))
            return QUIPU_E_NO_MEMORY;
    return 0;
}

static int32_t tally_entities(void *context, const quipu_hit *hit)
{
    bool good = true;
    cJSON *value = hindsight_value(hit->record);
    const cJSON *one, *entities = web_member(value, "entities");
    cJSON_ArrayForEach(one, entities)
    {
        const cJSON *name = web_member(one, "text");
        good = good && (!cJSON_IsString(name) || tally_add(context, str_of(name->valuestring), hit->record));
    }
    cJSON_Delete(value);
    return good ? 0 : QUIPU_E_NO_MEMORY;
}

int32_t hindsight_tag_list(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    tally all = { 0 };
    page p = { .out = &a->body };
    int32_t code = read_page(r, &p, error);
    if (code == QUIPU_OK)
        code = read_tally(s, r, a, NULL, tally_tags, &all, error);
    buffer_append_text(&a->body, "{\"items\":[");
    for (size_t i = 0; code == QUIPU_OK && i < all.count; i++) {
        if (!on_page(&p))
            continue;
        buffer_append_text(p.out, "{\"tag\":");
        json_print_string(str_of(all.rows[i].name), p.out);
        buffer_printf(p.out, ",\"count\":%llu}", (unsigned long long)all.rows[i].count);
    }
    end_page(&p);
    tally_free(&all);
    return code;
}

int32_t hindsight_entities(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    tally all = { 0 };
    page p = { .out = &a->body };
    int32_t code = read_page(r, &p, error);
    if (code == QUIPU_OK)
        code = read_tally(s, r, a, NULL, tally_entities, &all, error);
    buffer_append_text(&a->body, "{\"items\":[");
    for (size_t i = 0; code == QUIPU_OK && i < all.count; i++) {
        if (!on_page(&p))
            continue;
        buffer_append_text(p.out, "{\"id\":");
        json_print_string(str_of(all.rows[i].name), p.out);
        hindsight_member(p.out, "canonical_name", str_of(all.rows[i].name));
        buffer_printf(p.out, ",\"mention_count\":%llu,\"first_seen\":", (unsigned long long)all.rows[i].count);
        mem0_print_time(all.rows[i].first, p.out);
        buffer_append_text(p.out, ",\"last_seen\":");
        mem0_print_time(all.rows[i].last, p.out);
        buffer_append_char(p.out, '}');
    }
    end_page(&p);
    tally_free(&all);
    return code;
}
