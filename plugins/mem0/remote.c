/* remote.c - requests to mem0: its self-hosted server, and its platform (v3 to add and list, v1 for one memory). */
#include "backend.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <stdlib.h>
#include <string.h>

/* What a refusal says of itself: "detail" or "error", else nothing. */
static const char *reason(const cJSON *answer)
{
    const char *detail = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "detail"));
    const char *plain = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "error"));
    return detail ? detail : plain ? plain : "it does not say why";
}

static int32_t refused(const quipu_backend *self, int status, const cJSON *answer, quipu_error *error)
{
    const char *why = reason(answer);
    if (status == 401 || status == 403)
        return fail(error, QUIPU_E_DENIED, self->set.key_env || self->set.key_file ? "key" : "key_env",
                    "%s refuses the key (%d): %.150s", self->set.url, status, why);
    if (status == 413)
        return fail(error, QUIPU_E_TOO_LARGE, NULL, "%s takes no request of this size: %.150s", self->set.url, why);
    if (status == 408 || status == 429 || status >= 500)
        return fail(error, QUIPU_E_NETWORK, NULL, "%s cannot answer now (%d): %.150s", self->set.url, status, why);
    return fail(error, QUIPU_E_INVALID, NULL, "%s refuses the request (%d): %.150s", self->set.url, status, why);
}

static int32_t read_answer(const quipu_backend *self, http_answer *answer, cJSON **out, bool *missing,
                           quipu_error *error)
{
    quipu_error why = { .struct_size = sizeof why };
    bool good = answer->status >= 200 && answer->status < 300;
    cJSON *tree = NULL;
    int32_t code = QUIPU_OK;
    if (answer->body.len > 0)
        code = json_parse(str_make(answer->body.bytes, answer->body.len), &tree, &why);
    *missing = answer->status == 404;
    if (!good)
        code = *missing ? QUIPU_OK : refused(self, answer->status, tree, error);
    else if (code == QUIPU_E_NO_MEMORY)
        fail(error, code, NULL, "no memory for an answer");
    else if (code != QUIPU_OK)
        code = fail(error, QUIPU_E_PLUGIN, NULL, "the answer of %s is no JSON (%.120s); is it mem0's address?",
                    self->set.url, why.message);
    if (code == QUIPU_OK && good && out)
        *out = tree;
    else
        cJSON_Delete(tree);
    return code;
}

int32_t remote_ask(quipu_backend *self, const char *method, const char *path, cJSON *body, cJSON **out, bool *missing,
                   const quipu_call *call, quipu_error *error)
{
    buffer url = { 0 }, text = { 0 };
    http_answer answer = { 0 };
    bool gone = false;
    if (out)
        *out = NULL;
    buffer_printf(&url, "%s%s", self->set.url, path);
    if (body)
        json_print_compact(body, &text);
    http_request request = { .url = url.bytes,
                             .type = body ? "application/json" : NULL,
                             .body = str_make(text.bytes, text.len),
                             .attempts = (uint32_t)self->set.attempts,
                             .method = method };
    int32_t code = url.failed || text.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a request")
                                             : http_send(self->http, &request, &answer, call, error);
    if (code == QUIPU_OK)
        code = read_answer(self, &answer, out, missing ? missing : &gone, error);
    if (code == QUIPU_OK && gone)
        code = fail(error, QUIPU_E_PLUGIN, NULL, "%s does not know %s; is it mem0's address, and \"api\" right?",
                    self->set.url, path);
    cJSON_Delete(body);
    buffer_free(&url);
    buffer_free(&text);
    http_answer_free(&answer);
    return code;
}

/* ---- listing ---- */

static void append_quoted(buffer *out, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    for (; *text; text++)
        if (strchr(plain, *text))
            buffer_append_char(out, *text);
        else
            buffer_printf(out, "%%%02X", (unsigned char)*text);
}

/* Whose memories are listed; NULL: everybody's. */
static const char *whose(const quipu_backend *self)
{
    return self->set.shared ? self->set.user : self->owner;
}

static cJSON *filters(const quipu_backend *self)
{
    static const char *const ids[] = { "user_id", "agent_id", "app_id", "run_id" };
    cJSON *body = cJSON_CreateObject(), *of = cJSON_AddObjectToObject(body, "filters");
    cJSON_AddTrueToObject(body, "show_expired");
    if (whose(self)) {
        cJSON_AddStringToObject(of, "user_id", whose(self));
        return body;
    }
    cJSON *any = cJSON_AddArrayToObject(of, "OR");
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, ids[i], "*");
        cJSON_AddItemToArray(any, one);
    }
    return body;
}

static int32_t check_list(const quipu_backend *self, const cJSON *tree, const cJSON **out, bool *more,
                          quipu_error *error)
{
    const cJSON *next = cJSON_GetObjectItemCaseSensitive(tree, "next");
    *out = cJSON_IsArray(tree) ? tree : cJSON_GetObjectItemCaseSensitive(tree, "results");
    *more = self->set.platform && cJSON_IsString(next);
    if (!cJSON_IsArray(*out))
        return fail(error, QUIPU_E_PLUGIN, NULL, "the list of memories of %s is no list; is it mem0's address?",
                    self->set.url);
    if (!self->set.platform && cJSON_GetArraySize(*out) >= OSS_MOST)
        return fail(
            error, QUIPU_E_TOO_LARGE, "user",
            "%s lists %d memories at most, and has no more pages: nobody can tell whether these are all; take one "
            "user's with the setting user",
            self->set.url, OSS_MOST);
    return QUIPU_OK;
}

int32_t remote_list(quipu_backend *self, unsigned page, cJSON **tree, const cJSON **out, bool *more,
                    const quipu_call *call, quipu_error *error)
{
    buffer path = { 0 };
    if (self->set.platform)
        buffer_printf(&path, "/v3/memories/?page=%u&page_size=%d", page, PAGE);
    else
        buffer_printf(&path, "/memories?top_k=%d&show_expired=true", OSS_MOST);
    if (!self->set.platform && whose(self)) {
        buffer_append_text(&path, "&user_id=");
        append_quoted(&path, whose(self));
    }
    *tree = NULL;
    int32_t code = path.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a request")
                               : remote_ask(self, self->set.platform ? "POST" : "GET", path.bytes,
                                            self->set.platform ? filters(self) : NULL, tree, NULL, call, error);
    buffer_free(&path);
    return code == QUIPU_OK ? check_list(self, *tree, out, more, error) : code;
}

/* ---- one memory ---- */

static void add_text(cJSON *to, const char *name, quipu_str text)
{
    cJSON_AddItemToObject(to, name, json_string(text));
}

int32_t remote_add(quipu_backend *self, const quipu_record *r, char **remote, const quipu_call *call,
                   quipu_error *error)
{
    cJSON *body = cJSON_CreateObject(), *messages = cJSON_AddArrayToObject(body, "messages"), *answer = NULL;
    cJSON *one = cJSON_CreateObject(), *metadata = item_metadata(r);
    *remote = NULL;
    bool scoped = body && item_scope(self, r, body);
    cJSON_AddStringToObject(one, "role", str_same(r->role, str_of("assistant")) ? "assistant" : "user");
    add_text(one, "content", item_text(r));
    cJSON_AddItemToArray(messages, one);
    cJSON_AddFalseToObject(body, "infer");
    if (self->set.platform)
        cJSON_AddFalseToObject(body, "async_mode");
    cJSON_AddItemToObject(body, "metadata", metadata);
    if (!scoped || !messages || !metadata) {
        cJSON_Delete(body);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a request");
    }
    int32_t code = remote_ask(self, "POST", self->set.platform ? "/v3/memories/add/" : "/memories", body, &answer, NULL,
                              call, error);
    const cJSON *results = cJSON_IsArray(answer) ? answer : cJSON_GetObjectItemCaseSensitive(answer, "results");
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(results, 0), "id"));
    if (code == QUIPU_OK && id && !(*remote = str_dup(str_of(id))))
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a memory's id");
    cJSON_Delete(answer);
    return code;
}

static int32_t one_path(const quipu_backend *self, const char *remote, buffer *out, quipu_error *error)
{
    buffer_append_text(out, self->set.platform ? "/v1/memories/" : "/memories/");
    append_quoted(out, remote);
    if (self->set.platform)
        buffer_append_char(out, '/');
    return out->failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a request") : QUIPU_OK;
}

int32_t remote_update(quipu_backend *self, const char *remote, const quipu_record *r, const quipu_call *call,
                      quipu_error *error)
{
    buffer path = { 0 };
    bool missing = false;
    cJSON *body = cJSON_CreateObject(), *metadata = item_metadata(r);
    add_text(body, "text", item_text(r));
    cJSON_AddItemToObject(body, "metadata", metadata);
    int32_t code = metadata ? one_path(self, remote, &path, error)
                            : fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a request");
    if (code == QUIPU_OK)
        code = remote_ask(self, "PUT", path.bytes, body, NULL, &missing, call, error);
    else
        cJSON_Delete(body);
    if (code == QUIPU_OK && missing)
        code = fail(error, QUIPU_E_BUSY, NULL, "somebody has just removed the memory at %s; try again", self->set.url);
    buffer_free(&path);
    return code;
}

int32_t remote_delete(quipu_backend *self, const char *remote, const quipu_call *call, quipu_error *error)
{
    buffer path = { 0 };
    bool missing = false;
    int32_t code = one_path(self, remote, &path, error);
    if (code == QUIPU_OK)
        code = remote_ask(self, "DELETE", path.bytes, NULL, NULL, &missing, call, error);
    buffer_free(&path);
    return code;
}
