/* replay.c - a receipt asked again: the same question, of the same state and moment, and what is answered otherwise. */
#include "handle.h"
#include "receipt.h"

#include <base/fail.h>
#include <math.h>
#include <sdk/json.h>

/* Scores are sums of a few hundred terms: what another order of adding them may change, relative to the score. */
#define SCORE_TOLERANCE 1e-6

/* A receipt that is asked again. Texts are the trees'. */
typedef struct replay {
    cJSON *tree;         /* the receipt, or an answer of a search that holds one */
    const cJSON *before; /* the receipt in it */
    cJSON *after_tree;   /* the answer of now */
    const cJSON *after;  /* the receipt in that */
    uint64_t differences;
    buffer told; /* the differences, a JSON object each */
} replay;

static quipu_str text_in(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(item) ? str_of(item->valuestring) : (quipu_str){ 0 };
}

static int32_t check_results(const cJSON *results, quipu_error *error)
{
    const cJSON *item;
    double score;
    if (!cJSON_IsArray(results))
        return fail(error, QUIPU_E_INVALID, "results", "the receipt has no list of results");
    cJSON_ArrayForEach(item, results)
    {
        if (!text_in(item, "id").ptr || !text_in(item, "version").ptr ||
            !json_is_number(cJSON_GetObjectItemCaseSensitive(item, "score"), &score))
            return fail(error, QUIPU_E_INVALID, "results",
                        "each result of a receipt needs an id, a version and a score");
    }
    return QUIPU_OK;
}

/* Fills in a question that the receipt was kept without, and compares it with its hash. */
static int32_t check_question(replay *p, quipu_str query, quipu_error *error)
{
    buffer hash = { 0 };
    cJSON *request = cJSON_GetObjectItemCaseSensitive(p->before, "request");
    quipu_str wanted = text_in(p->before, "query_hash");
    if (!cJSON_IsObject(request))
        return fail(error, QUIPU_E_INVALID, "request", "the receipt has no request");
    if (!text_in(request, "query").ptr && !query.ptr)
        return fail(error, QUIPU_E_INVALID, "query", "the receipt was kept without its question: give it");
    if (query.ptr && !receipt_set_text(request, "query", query))
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    receipt_print_hash(text_in(request, "query"), &hash);
    int32_t code = QUIPU_OK;
    if (hash.failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    else if (!str_same(str_make(hash.bytes, hash.len), wanted))
        code = fail(error, QUIPU_E_INVALID, "query_hash",
                    "the question is not the one that the receipt was made for: its hash is another");
    buffer_free(&hash);
    return code;
}

static int32_t read_receipt(replay *p, const quipu_str *json, quipu_error *error)
{
    int64_t form;
    if (!json || !json->ptr)
        return fail(error, QUIPU_E_INVALID, "receipt", "there is no receipt");
    int32_t code = json_parse(*json, &p->tree, error);
    if (code != QUIPU_OK)
        return code;
    const cJSON *inside = cJSON_GetObjectItemCaseSensitive(p->tree, "receipt");
    p->before = inside ? inside : p->tree;
    if (!json_is_int(cJSON_GetObjectItemCaseSensitive(p->before, "form"), &form))
        return fail(error, QUIPU_E_INVALID, "form",
                    "this is not a receipt: it is what a search gives that was asked for one");
    if (form != RECEIPT_FORM)
        return fail(error, QUIPU_E_FORMAT, "form", "the receipt has form %lld, this version knows form %d",
                    (long long)form, RECEIPT_FORM);
    return check_results(cJSON_GetObjectItemCaseSensitive(p->before, "results"), error);
}

static int32_t take_bytes(void *context, const void *bytes, uint64_t len) QUIPU_NOEXCEPT
{
    buffer_append(context, bytes, (size_t)len);
    return ((buffer *)context)->failed ? QUIPU_E_NO_MEMORY : QUIPU_OK;
}

static int32_t ask_again(replay *p, quipu *q, const quipu_call *call, quipu_error *error)
{
    buffer question = { 0 }, answer = { 0 };
    cJSON *request = cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(p->before, "request"), 1);
    int32_t code = request && cJSON_AddTrueToObject(request, "receipt")
                       ? QUIPU_OK
                       : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK) {
        json_print_compact(request, &question);
        quipu_str asked = str_make(question.bytes, question.len);
        code = question.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted")
                               : quipu_search_json(q, &asked, take_bytes, &answer, call, error);
    }
    if (code == QUIPU_OK)
        code = json_parse(str_make(answer.bytes, answer.len), &p->after_tree, error);
    p->after = cJSON_GetObjectItemCaseSensitive(p->after_tree, "receipt");
    cJSON_Delete(request);
    buffer_free(&question);
    buffer_free(&answer);
    return code;
}

static bool same_result(const cJSON *a, const cJSON *b)
{
    double before = 0, after = 0;
    json_is_number(cJSON_GetObjectItemCaseSensitive(a, "score"), &before);
    json_is_number(cJSON_GetObjectItemCaseSensitive(b, "score"), &after);
    return str_same(text_in(a, "id"), text_in(b, "id")) && str_same(text_in(a, "version"), text_in(b, "version")) &&
           fabs(before - after) <= SCORE_TOLERANCE * fmax(1, fmax(fabs(before), fabs(after)));
}

static void tell_side(const char *name, const cJSON *result, buffer *out)
{
    buffer_printf(out, ",\"%s\":", name);
    if (result)
        json_print_compact(result, out);
    else
        buffer_append_text(out, "null");
}

static void compare_results(replay *p)
{
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(p->before, "results")->child;
    const cJSON *b = cJSON_GetObjectItemCaseSensitive(p->after, "results")->child;
    for (uint64_t rank = 1; a || b; rank++) {
        if (!a || !b || !same_result(a, b)) {
            buffer_printf(&p->told, "%s{\"rank\":%llu", p->differences++ ? "," : "", (unsigned long long)rank);
            tell_side("before", a, &p->told);
            tell_side("after", b, &p->told);
            buffer_append_char(&p->told, '}');
        }
        a = a ? a->next : NULL;
        b = b ? b->next : NULL;
    }
}

/* Another model answers otherwise by right: that is not a difference but a replay that cannot be done. */
static int32_t check_model(const replay *p, quipu_error *error)
{
    quipu_str before = text_in(p->before, "model"), after = text_in(p->after, "model");
    if (str_same(before, after))
        return QUIPU_OK;
    return fail(error, QUIPU_E_UNSUPPORTED, "model",
                "the receipt was made with the model %s and this store is opened with %s; open it with the embedder of "
                "the receipt",
                before.ptr ? before.ptr : "none", after.ptr ? after.ptr : "none");
}

static int32_t hand_over(const replay *p, quipu_sink_fn sink, void *context, quipu_error *error)
{
    buffer out = { 0 };
    quipu_str commit = text_in(p->after, "commit");
    buffer_printf(&out, "{\"same\":%s,\"results\":%d,\"commit\":", p->differences ? "false" : "true",
                  cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(p->after, "results")));
    if (commit.ptr)
        json_print_string(commit, &out);
    else
        buffer_append_text(&out, "null");
    buffer_append_text(&out, ",\"differences\":[");
    buffer_append(&out, p->told.bytes ? p->told.bytes : "", p->told.len);
    buffer_append_text(&out, "]}");
    int32_t code = QUIPU_OK;
    if (out.failed || p->told.failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    else if ((code = sink(context, out.bytes, out.len)) != QUIPU_OK)
        code = fail(error, code < 0 ? code : QUIPU_E_INVALID, NULL, "the receiver of the answer gave up: %s",
                    error_text(code));
    buffer_free(&out);
    return code;
}

int32_t quipu_replay_json(quipu *q, const quipu_str *receipt_json, const quipu_str *query, quipu_sink_fn sink,
                          void *context, const quipu_call *call, quipu_error *error)
{
    replay p = { 0 };
    int32_t code = sink ? QUIPU_OK : fail(error, QUIPU_E_INVALID, "sink", "sink is NULL");
    if (code == QUIPU_OK)
        code = read_receipt(&p, receipt_json, error);
    if (code == QUIPU_OK)
        code = check_question(&p, query ? *query : (quipu_str){ 0 }, error);
    if (code == QUIPU_OK)
        code = ask_again(&p, q, call, error);
    if (code == QUIPU_OK)
        code = check_model(&p, error);
    if (code == QUIPU_OK) {
        compare_results(&p);
        code = hand_over(&p, sink, context, error);
    }
    cJSON_Delete(p.tree);
    cJSON_Delete(p.after_tree);
    buffer_free(&p.told);
    return code;
}
