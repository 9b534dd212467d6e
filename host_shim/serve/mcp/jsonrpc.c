/* jsonrpc.c - see jsonrpc.h. */
#include "jsonrpc.h"

#include <base/fail.h>
#include <math.h>
#include <sdk/json.h>
#include <stdarg.h>
#include <stdio.h>

int rpc_fail(rpc_error *error, int code, const char *format, ...)
{
    quipu_error cut = { .struct_size = sizeof cut };
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fail(&cut, QUIPU_E_INVALID, NULL, "%s", text); /* cuts at the end of a character, and to one line */
    memcpy(error->message, cut.message, sizeof error->message);
    error->code = code;
    return code;
}

int rpc_fail_as(rpc_error *error, const quipu_error *from)
{
    bool theirs = from->code == QUIPU_E_INVALID || from->code == QUIPU_E_NOT_FOUND || from->code == QUIPU_E_TOO_LARGE ||
                  from->code == QUIPU_E_UNSUPPORTED;
    return rpc_fail(error, theirs ? RPC_INVALID_PARAMS : RPC_INTERNAL_ERROR, "%s",
                    from->message[0] ? from->message : error_text(from->code));
}

void rpc_error_free(rpc_error *error)
{
    buffer_free(&error->data);
}

static bool is_id(const cJSON *node)
{
    double number;
    return cJSON_IsString(node) || json_is_number(node, &number);
}

/* The id of a text that is JSON for cJSON only: with a key twice, or a NUL in a string. */
static int salvage(quipu_str text, const quipu_error *why, rpc_message *out, rpc_error *error)
{
    cJSON *tree = cJSON_ParseWithLength(text.ptr, (size_t)text.len);
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(tree, "id");
    bool json = tree != NULL;
    if (cJSON_IsString(id) && utf8_first_bad(id->valuestring, strlen(id->valuestring)) < 0)
        json_print_string(str_of(id->valuestring), &out->spare_id);
    else if (cJSON_IsNumber(id) && id->valuedouble == floor(id->valuedouble) && fabs(id->valuedouble) < 9e15)
        buffer_printf(&out->spare_id, "%.0f", id->valuedouble);
    cJSON_Delete(tree);
    return rpc_fail(error, json ? RPC_INVALID_REQUEST : RPC_PARSE_ERROR, "%s: %s",
                    json ? "Invalid request" : "Parse error", why->message);
}

int rpc_read(quipu_str text, rpc_message *out, rpc_error *error)
{
    quipu_error why = { .struct_size = sizeof why };
    cJSON *tree = NULL;
    *out = (rpc_message){ 0 };
    if (text.len > RPC_MESSAGE_MAX)
        return rpc_fail(error, RPC_INVALID_REQUEST, "Invalid request: a message may have %u bytes", RPC_MESSAGE_MAX);
    if (json_parse(text, &tree, &why) != QUIPU_OK)
        return salvage(text, &why, out, error);
    return rpc_read_tree(tree, out, error);
}

int rpc_read_tree(cJSON *tree, rpc_message *out, rpc_error *error)
{
    *out = (rpc_message){ .tree = tree };
    if (!cJSON_IsObject(tree))
        return rpc_fail(error, RPC_INVALID_REQUEST, "Invalid request: a message is a JSON object");
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(tree, "id");
    const cJSON *method = cJSON_GetObjectItemCaseSensitive(tree, "method");
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(tree, "jsonrpc");
    out->params = cJSON_GetObjectItemCaseSensitive(tree, "params");
    if (id && !is_id(id))
        return rpc_fail(error, RPC_INVALID_REQUEST, "Invalid request: \"id\" has to be a string or a number");
    out->id = id;
    if (!cJSON_IsString(version) || strcmp(version->valuestring, "2.0") != 0)
        return rpc_fail(error, RPC_INVALID_REQUEST, "Invalid request: \"jsonrpc\" has to be \"2.0\"");
    if (method && !cJSON_IsString(method))
        return rpc_fail(error, RPC_INVALID_REQUEST, "Invalid request: \"method\" has to be a string");
    if (!method && !cJSON_HasObjectItem(tree, "result") && !cJSON_HasObjectItem(tree, "error"))
        return rpc_fail(error, RPC_INVALID_REQUEST, "Invalid request: there is neither a method nor a result");
    out->method = method ? method->valuestring : NULL;
    if (out->params && !cJSON_IsObject(out->params))
        return rpc_fail(error, RPC_INVALID_PARAMS, "Invalid params: \"params\" has to be an object");
    return RPC_OK;
}

void rpc_message_free(rpc_message *m)
{
    cJSON_Delete(m->tree);
    buffer_free(&m->spare_id);
    *m = (rpc_message){ 0 };
}

static void print_head(const rpc_message *to, buffer *out)
{
    buffer_append_text(out, "{\"jsonrpc\":\"2.0\",\"id\":");
    if (to->id)
        json_print_compact(to->id, out);
    else if (to->spare_id.len > 0)
        buffer_append(out, to->spare_id.bytes, to->spare_id.len);
    else
        buffer_append_text(out, "null");
}

void rpc_print_result(const rpc_message *to, const buffer *result, buffer *out)
{
    print_head(to, out);
    buffer_append_text(out, ",\"result\":");
    buffer_append(out, result->bytes, result->len);
    buffer_append_char(out, '}');
    out->failed = out->failed || result->failed;
}

void rpc_print_error(const rpc_message *to, const rpc_error *error, buffer *out)
{
    print_head(to, out);
    buffer_printf(out, ",\"error\":{\"code\":%d,\"message\":", error->code);
    json_print_string(str_of(error->message), out);
    if (error->data.len > 0 && !error->data.failed) {
        buffer_append_text(out, ",\"data\":");
        buffer_append(out, error->data.bytes, error->data.len);
    }
    buffer_append_text(out, "}}");
}

void rpc_print_notification(const char *method, const buffer *params, buffer *out)
{
    buffer_append_text(out, "{\"jsonrpc\":\"2.0\",\"method\":");
    json_print_string(str_of(method), out);
    buffer_append_text(out, ",\"params\":");
    buffer_append(out, params->bytes, params->len);
    buffer_append_char(out, '}');
    out->failed = out->failed || params->failed;
}
