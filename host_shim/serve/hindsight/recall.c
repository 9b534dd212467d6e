/* recall.c - finding what a bank holds, and reflecting on it: without a model to write, that is the texts that were found. */
#include "handlers.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <stdlib.h>

#define BYTES_OF_TOKEN 4 /* a rule of thumb for English; what max_tokens is held against */
#define EXACT_HITS 1000

/* One question, and its answer as it grows. */
typedef struct recall {
    buffer *out, texts, chunks, entities;
    const char *asked; /* the type that records without one go by */
    int64_t left;      /* bytes */
    int64_t exact;     /* tags of a hit; negative: any number */
    int64_t hits;      /* at the most */
    double least;      /* score */
    const cJSON *types;
    quipu_str query;
    unsigned count, named;
    bool full;
} recall;

static const char *const budgets[] = { "low", "mid", "high" };
static const int64_t budget_hits[] = { 20, 50, 100 };

static int32_t read_budget(const cJSON *body, const char *otherwise, int64_t *out, quipu_error *error)
{
    quipu_str budget;
    int32_t code = web_member_text(body, "budget", &budget, error);
    if (code != QUIPU_OK)
        return code;
    if (!budget.ptr)
        budget = str_of(otherwise);
    for (size_t i = 0; i < 3; i++)
        if (str_same(budget, str_of(budgets[i]))) {
            *out = budget_hits[i];
            return QUIPU_OK;
        }
    return fail(error, QUIPU_E_INVALID, "budget", "budget must be low, mid or high");
}

/* What was never given a type is of any. */
static int32_t add_types(const cJSON *types, cJSON *all, const char **asked, quipu_error *error)
{
    const cJSON *one;
    if (!types || (cJSON_IsArray(types) && !types->child))
        return QUIPU_OK;
    cJSON *either = cJSON_CreateArray();
    cJSON_AddItemToArray(either, hindsight_where("category", cJSON_CreateNull()));
    int32_t code =
        cJSON_IsArray(types) && cJSON_GetArraySize(types) <= 3
            ? QUIPU_OK
            : fail(error, QUIPU_E_INVALID, "types", "types must be a list of world, experience, observation");
    cJSON_ArrayForEach(one, types)
    {
        if (code == QUIPU_OK && (!cJSON_IsString(one) || !hindsight_is_type(str_of(one->valuestring))))
            code = fail(error, QUIPU_E_INVALID, "types", "types must be a list of world, experience, observation");
        if (code == QUIPU_OK)
            cJSON_AddItemToArray(either, hindsight_where("category", cJSON_CreateString(one->valuestring)));
    }
    if (code == QUIPU_OK) {
        *asked = types->child->valuestring;
        cJSON_AddItemToArray(all, hindsight_where("OR", either));
        return QUIPU_OK;
    }
    cJSON_Delete(either);
    return code;
}

static int32_t add_window(const cJSON *window, cJSON *all, quipu_error *error)
{
    static const char *const names[] = { "start", "end" }, *const operators[] = { "gte", "lte" };
    if (window && !cJSON_IsObject(window))
        return fail(error, QUIPU_E_INVALID, "temporal_window", "temporal_window must be an object");
    for (int i = 0; i < 2; i++) {
        quipu_str text;
        int64_t time;
        buffer stamp = { 0 };
        int32_t code = web_member_text(window, names[i], &text, error);
        if (code == QUIPU_OK && text.ptr)
            code = hindsight_time(text, "temporal_window", &time, error);
        if (code != QUIPU_OK)
            return code;
        if (!text.ptr)
            continue;
        time_print(time, &stamp);
        cJSON_AddItemToArray(
            all, hindsight_where("created_at",
                                 hindsight_where(operators[i], json_string(str_make(stamp.bytes, stamp.len)))));
        buffer_free(&stamp);
    }
    return QUIPU_OK;
}

static int32_t add_tag_filters(const cJSON *body, cJSON *all, int64_t *exact, quipu_error *error)
{
    quipu_str match;
    cJSON *tags = NULL, *groups = NULL;
    int32_t code = web_member_text(body, "tags_match", &match, error);
    if (code == QUIPU_OK)
        code = hindsight_tags(web_member(body, "tags"), match, &tags, exact, error);
    if (tags)
        cJSON_AddItemToArray(all, tags);
    if (code == QUIPU_OK)
        code = hindsight_tag_groups(web_member(body, "tag_groups"), &groups, error);
    if (groups)
        cJSON_AddItemToArray(all, groups);
    if (code == QUIPU_OK && groups && web_member(body, "tags"))
        code = fail(error, QUIPU_E_INVALID, "tag_groups", "tags and tag_groups exclude each other");
    return code;
}

/* What the body narrows the search to; for hindsight_filter. */
static int32_t expression_of(const cJSON *body, recall *all, cJSON **out, quipu_error *error)
{
    cJSON *list = cJSON_CreateArray();
    cJSON_AddItemToArray(list, hindsight_where("id", cJSON_CreateString("*")));
    int32_t code = list ? add_types(all->types, list, &all->asked, error) : hindsight_no_memory(error);
    if (code == QUIPU_OK)
        code = add_window(web_member(body, "temporal_window"), list, error);
    if (code == QUIPU_OK)
        code = add_tag_filters(body, list, &all->exact, error);
    *out = code == QUIPU_OK ? hindsight_where("AND", list) : NULL;
    if (code != QUIPU_OK)
        cJSON_Delete(list);
    return code == QUIPU_OK && !*out ? hindsight_no_memory(error) : code;
}

/* ---- results ---- */

static void note_entities(recall *all, const quipu_record *r)
{
    cJSON *value = hindsight_value(r);
    const cJSON *one, *entities = web_member(value, "entities");
    cJSON_ArrayForEach(one, entities)
    {
        const cJSON *name = web_member(one, "text");
        buffer head = { 0 };
        if (!cJSON_IsString(name))
            continue;
        json_print_string(str_of(name->valuestring), &head);
        buffer_append_text(&head, ":{");
        buffer_append_char(&head, '\0');
        buffer_append_char(&all->entities, '\0');
        if (!head.failed && !all->entities.failed && !strstr((char *)all->entities.bytes, (char *)head.bytes)) {
            all->entities.len--;
            buffer_append_text(&all->entities, all->named++ ? "," : "");
            buffer_append_text(&all->entities, (char *)head.bytes);
            buffer_append_text(&all->entities, "\"entity_id\":");
            json_print_string(str_of(name->valuestring), &all->entities);
            hindsight_member(&all->entities, "canonical_name", str_of(name->valuestring));
            buffer_append_text(&all->entities, ",\"observations\":[]}");
        } else if (!all->entities.failed) {
            all->entities.len--;
        }
        buffer_free(&head);
    }
    cJSON_Delete(value);
}

static void note_chunk(recall *all, const quipu_record *r)
{
    buffer_append_text(&all->chunks, all->count ? "," : "");
    json_print_string(r->id, &all->chunks);
    buffer_append_text(&all->chunks, ":{\"id\":");
    json_print_string(r->id, &all->chunks);
    hindsight_member(&all->chunks, "text", r->text.ptr ? r->text : str_of(""));
    buffer_printf(&all->chunks, ",\"chunk_index\":%lld,\"truncated\":false}", (long long)(r->seq >= 0 ? r->seq : 0));
}

static int32_t show_hit(void *context, const quipu_hit *hit)
{
    recall *all = context;
    const quipu_record *r = hit->record;
    double score = mem0_score(hit);
    if (all->full || (int64_t)all->count >= all->hits || score < all->least ||
        (all->exact >= 0 && (int64_t)r->tags.count != all->exact))
        return 0;
    if ((int64_t)r->text.len > all->left) {
        all->full = true;
        return 0;
    }
    all->left -= (int64_t)r->text.len;
    note_chunk(all, r);
    note_entities(all, r);
    buffer_append_text(all->out, all->count ? "," : "");
    hindsight_print_unit(r, all->asked, score, all->out);
    buffer_append_text(&all->texts, all->count ? "\n" : "");
    buffer_append_str(&all->texts, r->text);
    all->count++;
    return all->out->failed || all->texts.failed || all->chunks.failed ? QUIPU_E_NO_MEMORY : 0;
}

static int32_t least_score(const cJSON *body, double *out, quipu_error *error)
{
    const cJSON *scores = web_member(body, "min_scores"), *final = web_member(scores, "final");
    *out = -1;
    if ((scores && !cJSON_IsObject(scores)) || (final && !json_is_number(final, out)))
        return fail(error, QUIPU_E_INVALID, "min_scores", "min_scores must be an object of numbers");
    return QUIPU_OK;
}

static int32_t search(serve *s, web_request *r, web_answer *a, recall *all, const char *budget, quipu_error *error)
{
    filter *which = NULL;
    cJSON *expression = NULL;
    int64_t tokens;
    all->exact = -1;
    all->asked = "world";
    int32_t code = web_member_text(r->json, "query", &all->query, error);
    if (code == QUIPU_OK && all->query.len == 0)
        code = fail(error, QUIPU_E_INVALID, "query", "query is needed");
    if (code == QUIPU_OK)
        code = web_member_number(r->json, "max_tokens", 1, 1000000, 4096, &tokens, error);
    if (code == QUIPU_OK)
        code = read_budget(r->json, budget, &all->hits, error);
    if (code == QUIPU_OK)
        code = least_score(r->json, &all->least, error);
    if (code == QUIPU_OK)
        code = expression_of(r->json, all, &expression, error);
    if (code == QUIPU_OK)
        code = hindsight_filter(r, a, QUIPU_KIND_MEMORY, false, expression, false, &which, error);
    if (code != QUIPU_OK)
        return code;
    all->left = tokens * BYTES_OF_TOKEN;
    quipu_search query = { .struct_size = sizeof query,
                           .filter = filter_view(which),
                           .text = all->query,
                           .k = (uint64_t)(all->exact >= 0 ? EXACT_HITS : all->hits) };
    code = quipu_search_records(s->q, &query, show_hit, all, r->call, error);
    filter_free(which);
    return code;
}

static void end(recall *all)
{
    buffer_free(&all->texts);
    buffer_free(&all->chunks);
    buffer_free(&all->entities);
}

static void append_object(buffer *out, const char *name, const buffer *members)
{
    buffer_printf(out, ",\"%s\":{", name);
    buffer_append(out, members->bytes, members->len);
    buffer_append_char(out, '}');
}

int32_t hindsight_recall(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    recall all = { .out = &a->body, .types = web_member(r->json, "types") };
    const cJSON *include = web_member(r->json, "include");
    buffer_append_text(&a->body, "{\"results\":[");
    int32_t code = search(s, r, a, &all, "mid", error);
    buffer_append_char(&a->body, ']');
    if (all.named > 0)
        append_object(&a->body, "entities", &all.entities);
    if (web_member(include, "chunks"))
        append_object(&a->body, "chunks", &all.chunks);
    buffer_append_char(&a->body, '}');
    end(&all);
    return code;
}

int32_t hindsight_reflect(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    buffer found = { 0 };
    recall all = { .out = &found, .types = web_member(r->json, "fact_types") };
    int32_t code = search(s, r, a, &all, "low", error);
    buffer_append_text(&a->body, "{\"text\":");
    json_print_string(str_make(all.texts.bytes ? all.texts.bytes : (const void *)"", all.texts.len), &a->body);
    buffer_append_text(&a->body, ",\"based_on\":{\"memories\":[");
    buffer_append(&a->body, found.bytes, found.len);
    buffer_append_text(&a->body,
                       "],\"mental_models\":[],\"directives\":[]},\"usage\":{\"input_tokens\":0,\"output_tokens\":0,"
                       "\"total_tokens\":0,\"cached_tokens\":0,\"thoughts_tokens\":0}}");
    buffer_free(&found);
    end(&all);
    return code;
}
