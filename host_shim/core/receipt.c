/* receipt.c - see receipt.h: making one. */
#include "receipt.h"

#include "handle.h"

#include <base/fail.h>
#include <base/hash.h>
#include <quipu/ext/history.h>
#include <quipu/extensions.h>
#include <sdk/json.h>
#include <sdk/record.h>

static int32_t keep_name(void *context, const quipu_revision *revision) QUIPU_NOEXCEPT
{
    buffer_append_str(context, revision->name);
    return 1;
}

/* The revision that will be searched, so that no write between now and then can slip in. */
static int32_t pin_commit(receipt *r, quipu *q, quipu_str as_of, const quipu_call *call, quipu_error *error)
{
    static const quipu_str history_id = QUIPU_STR_INIT(QUIPU_EXT_HISTORY), newest = QUIPU_STR_INIT("HEAD");
    quipu_lease lease = { .struct_size = sizeof lease };
    int32_t code = quipu_enter(q, &lease, error);
    if (code != QUIPU_OK)
        return code;
    const quipu_history_api *history = lease.api->get_extension(lease.self, &history_id);
    if (history)
        code = history->resolve(lease.self, str_present(as_of) ? &as_of : &newest, keep_name, &r->commit, call, error);
    quipu_leave(q, &lease);
    return code == QUIPU_OK && r->commit.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted") : code;
}

static int32_t note_model(receipt *r, quipu *q, quipu_error *error)
{
    quipu_model model = { .struct_size = sizeof model };
    const host *h = &q->host;
    if (!h->embedder_api)
        return QUIPU_OK;
    int32_t code = h->embedder_api->model(h->embedder, &model, error);
    if (code == QUIPU_OK)
        buffer_append_str(&r->model, model.id);
    return code == QUIPU_OK && r->model.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted") : code;
}

int32_t receipt_begin(receipt *r, quipu *q, quipu_str as_of, uint32_t mode, int64_t now, const quipu_call *call,
                      quipu_error *error)
{
    r->now = now == QUIPU_TIME_NONE ? host_time() : now;
    int32_t code = pin_commit(r, q, as_of, call, error);
    return code == QUIPU_OK && mode != QUIPU_SEARCH_LEXICAL ? note_model(r, q, error) : code;
}

quipu_str receipt_commit(const receipt *r)
{
    return r->commit.len ? str_make(r->commit.bytes, r->commit.len) : (quipu_str){ 0 };
}

static void append_number(double value, buffer *out)
{
    char text[32];
    buffer_append_text(out, json_double_text(value, text) ? text : "null");
}

void receipt_add(receipt *r, const quipu_hit *hit)
{
    buffer *out = &r->results;
    buffer_append_text(out, r->count++ ? ",{\"id\":" : "{\"id\":");
    json_print_string(hit->record->id, out);
    buffer_append_text(out, ",\"version\":");
    json_print_string(hit->record->version, out);
    buffer_append_text(out, ",\"score\":");
    append_number(hit->score, out);
    buffer_append_char(out, '}');
}

void receipt_print_hash(quipu_str query, buffer *out)
{
    uint8_t hash[32];
    char digits[64];
    hash_sha256(query.ptr, (size_t)query.len, hash);
    hex_encode(hash, sizeof hash, digits);
    buffer_append_text(out, "sha256:");
    buffer_append(out, digits, sizeof digits);
}

static void print_text_or_null(const buffer *text, buffer *out)
{
    if (text->len)
        json_print_string(str_make(text->bytes, text->len), out);
    else
        buffer_append_text(out, "null");
}

static void print_time(int64_t time, buffer *out)
{
    buffer_append_char(out, '"');
    time_print(time, out);
    buffer_append_char(out, '"');
}

bool receipt_set_text(cJSON *object, const char *name, quipu_str text)
{
    cJSON *item = json_string(text);
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    if (item && cJSON_AddItemToObject(object, name, item))
        return true;
    cJSON_Delete(item);
    return false;
}

/* What has to be asked to be answered the same again. */
static bool complete_request(const receipt *r, cJSON *request)
{
    buffer now = { 0 };
    time_print(r->now, &now);
    bool good = !now.failed && receipt_set_text(request, "now", str_make(now.bytes, now.len));
    if (good && r->commit.len)
        good = receipt_set_text(request, "as_of", receipt_commit(r));
    buffer_free(&now);
    cJSON_DeleteItemFromObjectCaseSensitive(request, "receipt");
    cJSON_DeleteItemFromObjectCaseSensitive(request, "explain");
    return good;
}

int32_t receipt_print(const receipt *r, quipu *q, cJSON *request, buffer *out, quipu_error *error)
{
    if (r->results.failed || !complete_request(r, request))
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    buffer_printf(out, "{\"form\":%d,\"made_at\":", RECEIPT_FORM);
    print_time(host_time(), out);
    buffer_append_text(out, ",\"backend\":");
    json_print_string(str_of(quipu_backend_name(q)), out);
    buffer_append_text(out, ",\"commit\":");
    print_text_or_null(&r->commit, out);
    buffer_append_text(out, ",\"model\":");
    print_text_or_null(&r->model, out);
    buffer_append_text(out, ",\"query_hash\":\"");
    receipt_print_hash(str_of(cJSON_GetObjectItemCaseSensitive(request, "query")->valuestring), out);
    buffer_append_text(out, "\",\"request\":");
    json_print_compact(request, out);
    buffer_append_text(out, ",\"results\":[");
    buffer_append(out, r->results.bytes ? r->results.bytes : "", r->results.len);
    buffer_append_text(out, "]}");
    return out->failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted") : QUIPU_OK;
}

void receipt_free(receipt *r)
{
    buffer_free(&r->commit);
    buffer_free(&r->model);
    buffer_free(&r->results);
}
