/* banks.c - what a bank says of itself, and what was done in it. A bank that nobody described has the defaults; it comes with its first use. */
#include "handlers.h"
#include "tally.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <stdlib.h>

static const char *const traits[] = { "skepticism", "literalism", "empathy" };
#define TRAITS 3
#define TRAIT_MIDDLE 3

/* ---- the record of a bank ---- */

static int32_t keep_value(void *context, const quipu_hit *hit)
{
    cJSON **out = context;
    cJSON_Delete(*out);
    *out = hindsight_value(hit->record);
    return 0;
}

/* {"name","mission","background","disposition","config"}, each as far as it was set. */
static int32_t read_bank(serve *s, web_request *r, web_answer *a, cJSON **out, quipu_error *error)
{
    char id[HINDSIGHT_ID];
    quipu_str bank;
    *out = NULL;
    int32_t code = hindsight_bank(r, a, &bank, error);
    if (code != QUIPU_OK)
        return code;
    hindsight_id(r, "hindsight-bank", (quipu_str){ NULL, 0 }, 0, id);
    quipu_get query = { .struct_size = sizeof query, .id = str_of(id) };
    code = quipu_get_record(s->q, &query, keep_value, out, r->call, error);
    if (code != QUIPU_OK && code != QUIPU_E_NOT_FOUND)
        return code;
    if (!*out)
        *out = cJSON_CreateObject();
    return *out ? QUIPU_OK : hindsight_no_memory(error);
}

/* Takes the value. */
static int32_t write_bank(serve *s, web_request *r, cJSON *value, quipu_error *error)
{
    char id[HINDSIGHT_ID];
    hindsight_id(r, "hindsight-bank", (quipu_str){ NULL, 0 }, 0, id);
    cJSON *tree = hindsight_where("value", value);
    bool good =
        tree && cJSON_AddStringToObject(tree, "id", id) && cJSON_AddStringToObject(tree, "kind", HINDSIGHT_BANK);
    int32_t code = good ? hindsight_put(s, r, tree, r->captures[0], error) : hindsight_no_memory(error);
    cJSON_Delete(tree);
    return code;
}

static void print_disposition(const cJSON *value, buffer *out)
{
    const cJSON *disposition = web_member(value, "disposition");
    buffer_append_text(out, "\"disposition\":{");
    for (int i = 0; i < TRAITS; i++) {
        int64_t level = TRAIT_MIDDLE;
        const cJSON *one = web_member(disposition, traits[i]);
        if (!one || !json_is_int(one, &level))
            level = TRAIT_MIDDLE;
        buffer_printf(out, "%s\"%s\":%lld", i ? "," : "", traits[i], (long long)level);
    }
    buffer_append_char(out, '}');
}

static quipu_str text_of(const cJSON *value, const char *name, quipu_str otherwise)
{
    const cJSON *one = web_member(value, name);
    return cJSON_IsString(one) ? str_of(one->valuestring) : otherwise;
}

static void print_profile(const web_request *r, const cJSON *value, buffer *out)
{
    buffer_append_text(out, "{\"bank_id\":");
    json_print_string(r->captures[0], out);
    hindsight_member(out, "name", text_of(value, "name", r->captures[0]));
    hindsight_member(out, "mission", text_of(value, "mission", str_of("")));
    hindsight_member(out, "background", text_of(value, "background", str_of("")));
    buffer_append_char(out, ',');
    print_disposition(value, out);
    buffer_append_char(out, '}');
}

int32_t hindsight_profile(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    cJSON *value;
    int32_t code = read_bank(s, r, a, &value, error);
    print_profile(r, value, &a->body);
    cJSON_Delete(value);
    return code;
}

/* ---- changing it ---- */

static int32_t put_member(cJSON *object, const char *name, cJSON *value, quipu_error *error)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    return value && cJSON_AddItemToObject(object, name, value) ? QUIPU_OK : hindsight_no_memory(error);
}

static int32_t put_trait(cJSON *value, const char *name, const cJSON *level, quipu_error *error)
{
    double number;
    cJSON *disposition = cJSON_GetObjectItemCaseSensitive(value, "disposition");
    if (!json_is_number(level, &number) || number < 1 || number > 5)
        return fail(error, QUIPU_E_INVALID, "disposition", "%s must be a number from 1 to 5", name);
    if (!disposition)
        disposition = cJSON_AddObjectToObject(value, "disposition");
    return put_member(disposition, name, json_number_int((int64_t)(number + 0.5)), error);
}

static int32_t put_traits(const cJSON *body, cJSON *value, quipu_error *error)
{
    const cJSON *disposition = web_member(body, "disposition");
    int32_t code = disposition && !cJSON_IsObject(disposition)
                       ? fail(error, QUIPU_E_INVALID, "disposition", "disposition must be an object")
                       : QUIPU_OK;
    for (int i = 0; code == QUIPU_OK && i < TRAITS; i++) {
        static const char *const flat[] = { "disposition_skepticism", "disposition_literalism", "disposition_empathy" };
        const cJSON *level = web_member(body, flat[i]) ? web_member(body, flat[i]) : web_member(disposition, traits[i]);
        if (level)
            code = put_trait(value, traits[i], level, error);
    }
    return code;
}

static bool is_profile(const char *name)
{
    static const char *const own[] = { "name", "mission", "background", "disposition" };
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strcmp(name, own[i]) == 0)
            return true;
    return strncmp(name, "disposition_", 12) == 0;
}

static int32_t put_settings(const cJSON *from, cJSON *value, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    cJSON *config = cJSON_GetObjectItemCaseSensitive(value, "config");
    if (!config)
        config = cJSON_AddObjectToObject(value, "config");
    for (const cJSON *one = from->child; code == QUIPU_OK && one; one = one->next) {
        if (is_profile(one->string))
            continue;
        if (cJSON_IsNull(one))
            cJSON_DeleteItemFromObjectCaseSensitive(config, one->string);
        else
            code = put_member(config, one->string, cJSON_Duplicate(one, 1), error);
    }
    return code;
}

int32_t hindsight_profile_set(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    static const char *const texts[] = { "name", "mission", "background" };
    cJSON *value = NULL;
    int32_t code = read_bank(s, r, a, &value, error);
    for (size_t i = 0; code == QUIPU_OK && i < sizeof texts / sizeof texts[0]; i++) {
        quipu_str text;
        code = web_member_text(r->json, texts[i], &text, error);
        if (code == QUIPU_OK && text.ptr)
            code = put_member(value, texts[i], json_string(text), error);
    }
    if (code == QUIPU_OK)
        code = put_traits(r->json, value, error);
    if (code == QUIPU_OK)
        code = put_settings(r->json, value, error);
    if (code == QUIPU_OK) {
        print_profile(r, value, &a->body);
        code = write_bank(s, r, value, error);
    } else {
        cJSON_Delete(value);
    }
    return code;
}

static void print_config(const web_request *r, const cJSON *value, buffer *out)
{
    const cJSON *config = web_member(value, "config");
    buffer_append_text(out, "{\"bank_id\":");
    json_print_string(r->captures[0], out);
    for (int i = 0; i < 2; i++) {
        buffer_append_text(out, i ? ",\"overrides\":" : ",\"config\":");
        if (config)
            json_print_compact(config, out);
        else
            buffer_append_text(out, "{}");
    }
    buffer_append_char(out, '}');
}

int32_t hindsight_config(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    cJSON *value;
    int32_t code = read_bank(s, r, a, &value, error);
    print_config(r, value, &a->body);
    cJSON_Delete(value);
    return code;
}

/* PATCH changes what it names, DELETE all of it. */
int32_t hindsight_config_set(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    cJSON *value = NULL;
    const cJSON *updates = web_member(r->json, "updates");
    int32_t code = read_bank(s, r, a, &value, error);
    if (code == QUIPU_OK && strcmp(r->method, "DELETE") == 0)
        cJSON_DeleteItemFromObjectCaseSensitive(value, "config");
    else if (code == QUIPU_OK)
        code = cJSON_IsObject(updates) ? put_settings(updates, value, error)
                                       : fail(error, QUIPU_E_INVALID, "updates", "updates must be an object");
    if (code == QUIPU_OK) {
        print_config(r, value, &a->body);
        code = write_bank(s, r, value, error);
    } else {
        cJSON_Delete(value);
    }
    return code;
}

/* ---- all banks ---- */

static int32_t count_bank(void *context, const quipu_hit *hit)
{
    return !hit->record->agent.ptr || tally_add(context, hit->record->agent, hit->record) ? 0 : QUIPU_E_NO_MEMORY;
}

static int32_t name_bank(void *context, const quipu_hit *hit)
{
    return !hit->record->agent.ptr || tally_add(context, hit->record->agent, NULL) ? 0 : QUIPU_E_NO_MEMORY;
}

static int32_t read_banks(serve *s, web_request *r, web_answer *a, tally *all, quipu_error *error)
{
    static const struct {
        const char *kind;
        quipu_hit_fn visit;
    } passes[] = { { QUIPU_KIND_MEMORY, count_bank }, { HINDSIGHT_BANK, name_bank } };
    int32_t code = QUIPU_OK;
    for (size_t i = 0; code == QUIPU_OK && i < 2; i++) {
        filter *which = NULL;
        code = hindsight_filter(r, a, passes[i].kind, true, NULL, false, &which, error);
        if (code == QUIPU_OK)
            code = hindsight_scan(s, r, which, QUIPU_ORDER_ID, passes[i].visit, all, error);
        filter_free(which);
    }
    return code;
}

static int32_t print_bank(serve *s, web_request *r, web_answer *a, const tally_row *row, quipu_error *error)
{
    cJSON *value = NULL;
    r->captures[0] = str_of(row->name);
    int32_t code = read_bank(s, r, a, &value, error);
    buffer_append_text(&a->body, "{\"bank_id\":");
    json_print_string(r->captures[0], &a->body);
    hindsight_member(&a->body, "name", text_of(value, "name", r->captures[0]));
    hindsight_member(&a->body, "mission", text_of(value, "mission", str_of("")));
    buffer_append_char(&a->body, ',');
    print_disposition(value, &a->body);
    buffer_printf(&a->body, ",\"fact_count\":%llu,\"created_at\":", (unsigned long long)row->count);
    mem0_print_time(row->first, &a->body);
    buffer_append_text(&a->body, ",\"updated_at\":");
    mem0_print_time(row->last, &a->body);
    buffer_append_char(&a->body, '}');
    cJSON_Delete(value);
    return code;
}

int32_t hindsight_banks(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    tally all = { 0 };
    int64_t limit = 0, offset = 0, total = 0, shown = 0;
    quipu_str q = web_argument(r, "q");
    int32_t code = web_argument_number(r, "limit", 1, 1000, 100, &limit, error);
    if (code == QUIPU_OK)
        code = web_argument_number(r, "offset", 0, INT32_MAX, 0, &offset, error);
    if (code == QUIPU_OK)
        code = read_banks(s, r, a, &all, error);
    buffer_append_text(&a->body, "{\"banks\":[");
    for (size_t i = 0; code == QUIPU_OK && i < all.count; i++) {
        if (q.len && !strstr(all.rows[i].name, q.ptr))
            continue;
        if (total++ < offset || shown >= limit)
            continue;
        buffer_append_text(&a->body, shown++ ? "," : "");
        code = print_bank(s, r, a, &all.rows[i], error);
    }
    buffer_printf(&a->body, "],\"total\":%lld,\"limit\":%lld,\"offset\":%lld}", (long long)total, (long long)limit,
                  (long long)offset);
    tally_free(&all);
    return code;
}

int32_t hindsight_bank_drop(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    static const char *const kinds[] = { QUIPU_KIND_MEMORY, HINDSIGHT_OPERATION, HINDSIGHT_BANK };
    quipu_str author = r->who.name;
    uint64_t total = 0;
    int32_t code = QUIPU_OK;
    for (size_t i = 0; code == QUIPU_OK && i < 3; i++) {
        filter *which = NULL;
        uint64_t count = 0;
        code = hindsight_filter(r, a, kinds[i], false, NULL, true, &which, error);
        if (code == QUIPU_OK)
            code = quipu_memory_delete_all(s->q, filter_view(which), author.ptr ? &author : NULL, NULL, NULL, &count,
                                           r->call, error);
        filter_free(which);
        total += i == 0 ? count : 0;
    }
    buffer_printf(&a->body, "{\"success\":true,\"message\":\"deleted\",\"deleted_count\":%llu}",
                  (unsigned long long)total);
    return code;
}

/* ---- figures and operations ---- */

static int32_t count_document(void *context, const quipu_hit *hit)
{
    return tally_add(context, hit->record->key.ptr ? hit->record->key : str_of(""), hit->record) ? 0
                                                                                                 : QUIPU_E_NO_MEMORY;
}

int32_t hindsight_stats(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    tally all = { 0 };
    filter *which = NULL;
    uint64_t records = 0, documents = 0;
    int32_t code = hindsight_filter(r, a, QUIPU_KIND_MEMORY, false, NULL, false, &which, error);
    if (code == QUIPU_OK)
        code = hindsight_scan(s, r, which, QUIPU_ORDER_ID, count_document, &all, error);
    for (size_t i = 0; i < all.count; i++) {
        records += all.rows[i].count;
        documents += all.rows[i].name[0] != '\0';
    }
    buffer_append_text(&a->body, "{\"bank_id\":");
    json_print_string(r->captures[0], &a->body);
    buffer_printf(
        &a->body,
        ",\"total_nodes\":%llu,\"total_links\":0,\"total_documents\":%llu,\"nodes_by_fact_type\":{\"world\":%llu},"
        "\"links_by_link_type\":{},\"links_by_fact_type\":{},\"links_breakdown\":{},\"pending_operations\":0,"
        "\"failed_operations\":0}",
        (unsigned long long)records, (unsigned long long)documents, (unsigned long long)records);
    filter_free(which);
    tally_free(&all);
    return code;
}

typedef struct shown {
    buffer *out;
    int64_t limit, offset, total, count;
} shown;

static int32_t show_operation(void *context, const quipu_hit *hit)
{
    shown *sh = context;
    int64_t items = 0;
    if (sh->total++ < sh->offset || sh->count >= sh->limit)
        return 0;
    cJSON *value = hindsight_value(hit->record);
    const cJSON *number = web_member(value, "items_count");
    if (number && !json_is_int(number, &items))
        items = 0;
    buffer_append_text(sh->out, sh->count++ ? ",{\"id\":" : "{\"id\":");
    json_print_string(hit->record->key.ptr ? hit->record->key : hit->record->id, sh->out);
    buffer_printf(sh->out, ",\"task_type\":\"retain\",\"items_count\":%lld,\"created_at\":", (long long)items);
    mem0_print_time(hit->record->created_at, sh->out);
    buffer_append_text(sh->out, ",\"status\":\"completed\",\"error_message\":null}");
    cJSON_Delete(value);
    return sh->out->failed ? QUIPU_E_NO_MEMORY : 0;
}

int32_t hindsight_operations(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    shown sh = { .out = &a->body };
    filter *which = NULL;
    quipu_str status = web_argument(r, "status");
    int32_t code = web_argument_number(r, "limit", 1, 1000, 20, &sh.limit, error);
    if (code == QUIPU_OK)
        code = web_argument_number(r, "offset", 0, INT32_MAX, 0, &sh.offset, error);
    if (code == QUIPU_OK)
        code = hindsight_filter(r, a, HINDSIGHT_OPERATION, false, NULL, false, &which, error);
    buffer_append_text(&a->body, "{\"bank_id\":");
    json_print_string(r->captures[0], &a->body);
    buffer_append_text(&a->body, ",\"operations\":[");
    if (code == QUIPU_OK &&
        (!status.len || QUIPU_IS(&status, "completed"))) /* an operation is done when it is answered */
        code = hindsight_scan(s, r, which, QUIPU_ORDER_NEWEST, show_operation, &sh, error);
    buffer_printf(&a->body, "],\"total\":%lld,\"limit\":%lld,\"offset\":%lld}", (long long)sh.total,
                  (long long)sh.limit, (long long)sh.offset);
    filter_free(which);
    return code;
}

static int32_t ignore_hit(void *context, const quipu_hit *hit)
{
    (void)context, (void)hit;
    return 0;
}

int32_t hindsight_operation(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    char id[HINDSIGHT_ID];
    filter *which = NULL;
    hindsight_id(r, "hindsight-op", r->captures[1], 0, id);
    int32_t code = hindsight_filter(r, a, HINDSIGHT_OPERATION, false, NULL, false, &which, error);
    if (code != QUIPU_OK)
        return code;
    quipu_get query = { .struct_size = sizeof query, .id = str_of(id), .filter = filter_view(which) };
    code = quipu_get_record(s->q, &query, ignore_hit, NULL, r->call, error);
    filter_free(which);
    bool found = code == QUIPU_OK;
    if (code != QUIPU_OK && code != QUIPU_E_NOT_FOUND)
        return code;
    buffer_append_text(&a->body, "{\"operation_id\":");
    json_print_string(r->captures[1], &a->body);
    buffer_printf(&a->body, ",\"status\":\"%s\"}", found ? "completed" : "not_found");
    return QUIPU_OK;
}
