/* wire.c - questions and answers as JSON: search, list, get, and the filter for hosts that ask in structs. */
#include "handle.h"
#include "receipt.h"
#include "request.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <sdk/filter.h>
#include <sdk/json.h>
#include <sdk/record.h>
#include <stdlib.h>

#define DEFAULT_K 10
#define DEFAULT_LIMIT 100
#define LIMIT_MAX 100000

static const choice_row modes[] = { { "auto", QUIPU_SEARCH_AUTO },
                                    { "hybrid", QUIPU_SEARCH_HYBRID },
                                    { "lexical", QUIPU_SEARCH_LEXICAL },
                                    { "vector", QUIPU_SEARCH_VECTOR },
                                    { NULL, 0 } };
static const choice_row orders[] = {
    { "newest", QUIPU_ORDER_NEWEST }, { "oldest", QUIPU_ORDER_OLDEST }, { "id", QUIPU_ORDER_ID }, { NULL, 0 }
};

#define SHARED_ROWS                                                                                                    \
    { "scope", OBJECT, UNUSED, NULL, 0 }, { "filter", OBJECT, UNUSED, NULL, 0 },                                       \
        { "as_of", TEXT, offsetof(request, as_of), NULL, 0 },                                                          \
    {                                                                                                                  \
        "include_expired", FLAG, UNUSED, NULL, 0                                                                       \
    }

static const member_row search_rows[] = { SHARED_ROWS,
                                          { "query", TEXT, offsetof(request, text), NULL, 0 },
                                          { "k", WHOLE, offsetof(request, number), NULL, QUIPU_SEARCH_K_MAX },
                                          { "mode", CHOICE, offsetof(request, choice), modes, 0 },
                                          { "explain", FLAG, offsetof(request, explain), NULL, 0 },
                                          { "wait", FLAG, offsetof(request, wait), NULL, 0 },
                                          { "receipt", FLAG, offsetof(request, receipt), NULL, 0 },
                                          { "now", MOMENT, offsetof(request, now), NULL, 0 },
                                          { "recency", WEIGHT, offsetof(request, recency), NULL, 0 },
                                          { "importance", WEIGHT, offsetof(request, importance), NULL, 0 },
                                          { "half_life_days", DAYS, offsetof(request, half_life), NULL, 0 },
                                          { NULL, TEXT, UNUSED, NULL, 0 } };
static const member_row list_rows[] = { SHARED_ROWS,
                                        { "limit", WHOLE, offsetof(request, number), NULL, LIMIT_MAX },
                                        { "cursor", TEXT, offsetof(request, cursor), NULL, 0 },
                                        { "order", CHOICE, offsetof(request, choice), orders, 0 },
                                        { NULL, TEXT, UNUSED, NULL, 0 } };
static const member_row get_rows[] = { SHARED_ROWS,
                                       { "id", TEXT, offsetof(request, text), NULL, 0 },
                                       { NULL, TEXT, UNUSED, NULL, 0 } };

/* ---- answers ---- */

typedef struct answer {
    buffer text;
    uint64_t shown;
    uint64_t limit; /* of a list: one hit more than this is asked for, to know whether there is more */
    bool scored, explain, more;
    buffer cursor;
    bool with_receipt;
    receipt receipt;
} answer;

static void append_components(const quipu_array *components, buffer *out)
{
    buffer_append_text(out, ",\"components\":{");
    for (uint64_t i = 0; i < components->count; i++) {
        const quipu_component *c = QUIPU_AT(quipu_component, components, i);
        buffer_append_text(out, i ? "," : "");
        json_print_string(c->name, out);
        cJSON *number = json_number_double(c->value);
        buffer_append_char(out, ':');
        if (number)
            json_print_compact(number, out);
        else
            out->failed = true;
        cJSON_Delete(number);
    }
    buffer_append_char(out, '}');
}

/* The record on one line, with what the answer adds to it; members of these names in the record give way. */
static int32_t append_hit(answer *a, const quipu_hit *hit)
{
    cJSON *tree = NULL;
    if (!hit || !hit->record)
        return QUIPU_E_PLUGIN;
    int32_t code = json_parse(hit->record->json, &tree, NULL);
    if (code != QUIPU_OK || !cJSON_IsObject(tree)) {
        cJSON_Delete(tree);
        return code == QUIPU_E_NO_MEMORY ? code : QUIPU_E_CORRUPT;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(tree, "version");
    if (a->scored) {
        cJSON_DeleteItemFromObjectCaseSensitive(tree, "score");
        cJSON_DeleteItemFromObjectCaseSensitive(tree, "components");
    }
    json_print_compact(tree, &a->text);
    cJSON_Delete(tree);
    if (a->text.failed || a->text.len == 0)
        return QUIPU_E_NO_MEMORY;
    a->text.len--; /* the closing brace comes last */
    buffer_append_text(&a->text, ",\"version\":");
    json_print_string(hit->record->version, &a->text);
    if (a->scored) {
        cJSON *score = json_number_double(hit->score);
        buffer_append_text(&a->text, ",\"score\":");
        if (score)
            json_print_compact(score, &a->text);
        else
            a->text.failed = true;
        cJSON_Delete(score);
    }
    if (a->explain)
        append_components(&hit->components, &a->text);
    buffer_append_char(&a->text, '}');
    return a->text.failed ? QUIPU_E_NO_MEMORY : QUIPU_OK;
}

static int32_t take_hit(void *context, const quipu_hit *hit)
{
    answer *a = context;
    if (a->limit && a->shown == a->limit) {
        a->more = true;
        return 1;
    }
    if (a->shown > 0)
        buffer_append_char(&a->text, ',');
    int32_t code = append_hit(a, hit);
    if (code != QUIPU_OK)
        return code;
    a->shown++;
    if (a->with_receipt)
        receipt_add(&a->receipt, hit);
    if (a->limit && a->shown == a->limit)
        buffer_append_str(&a->cursor, hit->cursor);
    return QUIPU_OK;
}

static int32_t take_only_hit(void *context, const quipu_hit *hit)
{
    answer *a = context;
    return a->shown++ ? 1 : append_hit(a, hit);
}

/* Hands the line over, and frees. */
static int32_t answer_end(answer *a, int32_t code, quipu_sink_fn sink, void *context, quipu_error *error)
{
    if (code == QUIPU_OK && (a->text.failed || a->cursor.failed))
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK) {
        code = sink(context, a->text.bytes, a->text.len);
        if (code != QUIPU_OK)
            code = fail(error, code < 0 ? code : QUIPU_E_INVALID, NULL, "the receiver of the answer gave up: %s",
                        error_text(code));
    }
    buffer_free(&a->text);
    buffer_free(&a->cursor);
    receipt_free(&a->receipt);
    return code;
}

static int32_t check_sink(quipu_sink_fn sink, quipu_error *error)
{
    return sink ? QUIPU_OK : fail(error, QUIPU_E_INVALID, "sink", "sink is NULL");
}

/* How many vectors the answer was without, where it was without any. */
static void append_pending(quipu *q, buffer *out, const quipu_call *call)
{
    quipu_vectors_state now = { .struct_size = sizeof now };
    quipu_error ignored = { .struct_size = sizeof ignored };
    if (q->host.embedder_api && quipu_read_vectors(q, &now, call, &ignored) == QUIPU_OK && now.pending > 0)
        buffer_printf(out, ",\"vectors_pending\":%llu", (unsigned long long)now.pending);
}

/* Searches as the request says; the results and, where it was asked for, the receipt go to `a`. */
static int32_t run_search(quipu *q, request *r, answer *a, const quipu_call *call, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    a->explain = r->explain;
    a->with_receipt = r->receipt;
    if (r->receipt) {
        code = receipt_begin(&a->receipt, q, r->as_of, r->choice, r->now, call, error);
        r->as_of = receipt_commit(&a->receipt);
        r->now = a->receipt.now;
    }
    filter_view(r->filter)->now = r->now;
    quipu_search query = { .struct_size = sizeof query,
                           .flags = (r->explain ? QUIPU_SEARCH_EXPLAIN : 0) | (r->wait ? QUIPU_SEARCH_WAIT : 0),
                           .filter = filter_view(r->filter),
                           .as_of = r->as_of,
                           .text = r->text,
                           .k = r->number,
                           .mode = r->choice,
                           .recency = r->recency,
                           .importance = r->importance,
                           .half_life = r->half_life };
    buffer_append_text(&a->text, "{\"results\":[");
    if (code == QUIPU_OK)
        code = quipu_search_records(q, &query, take_hit, a, call, error);
    buffer_append_text(&a->text, "]");
    if (code == QUIPU_OK && r->choice != QUIPU_SEARCH_LEXICAL && !str_present(r->as_of))
        append_pending(q, &a->text, call);
    if (code == QUIPU_OK && r->receipt) {
        buffer_append_text(&a->text, ",\"receipt\":");
        code = receipt_print(&a->receipt, q, r->tree, &a->text, error);
    }
    buffer_append_text(&a->text, "}");
    return code;
}

int32_t quipu_search_json(quipu *q, const quipu_str *json, quipu_sink_fn sink, void *context, const quipu_call *call,
                          quipu_error *error)
{
    request r = { .number = DEFAULT_K, .choice = QUIPU_SEARCH_AUTO, .now = QUIPU_TIME_NONE };
    answer a = { .scored = true };
    int32_t code = check_sink(sink, error);
    if (code == QUIPU_OK)
        code = request_read(json, search_rows, &r, error);
    if (code == QUIPU_OK && !str_present(r.text))
        code = fail(error, QUIPU_E_INVALID, "query", "a search needs a query");
    if (code == QUIPU_OK)
        code = run_search(q, &r, &a, call, error);
    request_free(&r);
    return answer_end(&a, code, sink, context, error);
}

int32_t quipu_list_json(quipu *q, const quipu_str *json, quipu_sink_fn sink, void *context, const quipu_call *call,
                        quipu_error *error)
{
    request r = { .number = DEFAULT_LIMIT, .choice = QUIPU_ORDER_NEWEST };
    answer a = { 0 };
    int32_t code = check_sink(sink, error);
    if (code == QUIPU_OK)
        code = request_read(json, list_rows, &r, error);
    if (code == QUIPU_OK) {
        quipu_scan query = { .struct_size = sizeof query,
                             .filter = filter_view(r.filter),
                             .as_of = r.as_of,
                             .cursor = r.cursor,
                             .limit = r.number + 1,
                             .order = r.choice };
        a.limit = r.number;
        buffer_append_text(&a.text, "{\"results\":[");
        code = quipu_scan_records(q, &query, take_hit, &a, call, error);
        buffer_append_text(&a.text, "]");
        if (a.more) {
            buffer_append_text(&a.text, ",\"cursor\":");
            json_print_string(str_make(a.cursor.bytes, a.cursor.len), &a.text);
        }
        buffer_append_text(&a.text, "}");
    }
    request_free(&r);
    return answer_end(&a, code, sink, context, error);
}

int32_t quipu_get_json(quipu *q, const quipu_str *json, quipu_sink_fn sink, void *context, const quipu_call *call,
                       quipu_error *error)
{
    request r = { 0 };
    answer a = { 0 };
    int32_t code = check_sink(sink, error);
    if (code == QUIPU_OK)
        code = request_read(json, get_rows, &r, error);
    if (code == QUIPU_OK && !str_present(r.text))
        code = fail(error, QUIPU_E_INVALID, "id", "which record? give its id");
    if (code == QUIPU_OK) {
        quipu_get query = {
            .struct_size = sizeof query, .id = r.text, .as_of = r.as_of, .filter = filter_view(r.filter)
        };
        code = quipu_get_record(q, &query, take_only_hit, &a, call, error);
        if (code == QUIPU_OK && a.shown == 0)
            code = fail(error, QUIPU_E_PLUGIN, NULL, "the backend found a record, but did not show it");
    }
    request_free(&r);
    return answer_end(&a, code, sink, context, error);
}

/* ---- filters ---- */

/* A filter under its public name. */
struct quipu_parsed_filter {
    filter *compiled;
};

static int32_t parse_object(const quipu_str *json, const char *field, cJSON **out, quipu_error *error)
{
    if (!json || !json->ptr)
        return QUIPU_OK;
    int32_t code = json_parse(*json, out, error);
    if (code == QUIPU_OK && !cJSON_IsObject(*out))
        code = fail(error, QUIPU_E_INVALID, field, "%s must be a JSON object", field);
    return code;
}

int32_t quipu_filter_parse(const quipu_str *scope, const quipu_str *expression, quipu_parsed_filter **out,
                           quipu_error *error)
{
    cJSON *scope_tree = NULL, *tree = NULL;
    if (!out)
        return fail(error, QUIPU_E_INVALID, "out", "out is NULL");
    *out = NULL;
    quipu_parsed_filter *parsed = calloc(1, sizeof *parsed);
    int32_t code = parsed ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK)
        code = parse_object(scope, "scope", &scope_tree, error);
    if (code == QUIPU_OK)
        code = parse_object(expression, "filter", &tree, error);
    if (code == QUIPU_OK)
        code = filter_compile(scope_tree, tree, &parsed->compiled, error);
    cJSON_Delete(scope_tree);
    cJSON_Delete(tree);
    if (code == QUIPU_OK)
        *out = parsed;
    else
        free(parsed);
    return code;
}

const quipu_filter *quipu_filter_get(const quipu_parsed_filter *parsed)
{
    return parsed ? filter_view(parsed->compiled) : NULL;
}

void quipu_filter_free(quipu_parsed_filter *parsed)
{
    if (!parsed)
        return;
    filter_free(parsed->compiled);
    free(parsed);
}
