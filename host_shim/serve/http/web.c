/* web.c - see web.h. */
#include "web.h"

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- memory ---- */

struct web_chunk {
    web_chunk *next;
    size_t used, size;
    max_align_t bytes[];
};

void *web_keep(web_request *r, size_t len)
{
    web_chunk *c = r->memory;
    len = (len + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (!c || c->size - c->used < len) {
        size_t size = len > 2048 ? len : 2048;
        c = malloc(sizeof *c + size);
        if (!c)
            return NULL;
        c->next = r->memory;
        c->used = 0;
        c->size = size;
        r->memory = c;
    }
    void *found = (char *)c->bytes + c->used;
    c->used += len;
    return found;
}

quipu_str web_keep_text(web_request *r, quipu_str text)
{
    char *copy = text.ptr ? web_keep(r, (size_t)text.len + 1) : NULL;
    if (!copy)
        return (quipu_str){ NULL, 0 };
    if (text.len)
        memcpy(copy, text.ptr, (size_t)text.len);
    copy[text.len] = '\0';
    return (quipu_str){ copy, text.len };
}

void web_request_free(web_request *r)
{
    cJSON_Delete(r->json);
    r->json = NULL;
    for (web_chunk *next, *c = r->memory; c; c = next) {
        next = c->next;
        free(c);
    }
    r->memory = NULL;
}

/* ---- path and query ---- */

static int32_t decode(web_request *r, quipu_str raw, bool plus_is_blank, const char *what, quipu_str *out,
                      quipu_error *error)
{
    char *to = web_keep(r, (size_t)raw.len + 1);
    size_t len = 0;
    if (!to)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    for (uint64_t i = 0; i < raw.len; i++) {
        uint8_t byte = (uint8_t)raw.ptr[i];
        if (byte == '%' && (raw.len - i < 3 || hex_decode(raw.ptr + i + 1, 1, &byte) != 0))
            return fail(error, QUIPU_E_INVALID, what, "the %s has a '%%' that two hexadecimal digits do not follow",
                        what);
        if (raw.ptr[i] == '%')
            i += 2;
        else if (byte == '+' && plus_is_blank)
            byte = ' ';
        if (byte == 0)
            return fail(error, QUIPU_E_INVALID, what, "the %s has a NUL byte", what);
        to[len++] = (char)byte;
    }
    to[len] = '\0';
    if (utf8_first_bad(to, len) >= 0)
        return fail(error, QUIPU_E_INVALID, what, "the %s is not UTF-8", what);
    *out = str_make(to, len);
    return QUIPU_OK;
}

/* The bytes before `separator`, or all; *rest becomes what is after it. */
static quipu_str cut(quipu_str *rest, char separator)
{
    const char *end = rest->len ? memchr(rest->ptr, separator, (size_t)rest->len) : NULL;
    quipu_str part = end ? str_make(rest->ptr, (size_t)(end - rest->ptr)) : *rest;
    uint64_t skip = part.len + (end ? 1 : 0);
    rest->ptr += skip;
    rest->len -= skip;
    return part;
}

static int32_t split_path(web_request *r, quipu_error *error)
{
    quipu_str rest = r->path;
    if (rest.len == 0 || rest.ptr[0] != '/')
        return fail(error, QUIPU_E_INVALID, "path", "the path does not begin with '/'");
    rest.ptr++;
    rest.len--;
    r->slash_at_end = r->path.len > 1 && r->path.ptr[r->path.len - 1] == '/';
    while (rest.len > 0) {
        if (r->segment_count == WEB_SEGMENTS_MAX)
            return fail(error, QUIPU_E_TOO_LARGE, "path", "the path has more than %d segments", WEB_SEGMENTS_MAX);
        int32_t code = decode(r, cut(&rest, '/'), false, "path", &r->segments[r->segment_count++], error);
        if (code != QUIPU_OK)
            return code;
    }
    return QUIPU_OK;
}

static int32_t split_query(web_request *r, quipu_error *error)
{
    quipu_str rest = r->query;
    while (rest.len > 0) {
        quipu_str pair = cut(&rest, '&');
        if (pair.len == 0)
            continue;
        if (r->argument_count == WEB_ARGUMENTS_MAX)
            return fail(error, QUIPU_E_TOO_LARGE, "query", "the query has more than %d arguments", WEB_ARGUMENTS_MAX);
        web_pair *argument = &r->arguments[r->argument_count++];
        quipu_str name = cut(&pair, '=');
        int32_t code = decode(r, name, true, "query", &argument->name, error);
        if (code == QUIPU_OK)
            code = decode(r, pair, true, "query", &argument->value, error);
        if (code != QUIPU_OK)
            return code;
    }
    return QUIPU_OK;
}

int32_t web_request_split(web_request *r, quipu_error *error)
{
    int32_t code = split_path(r, error);
    return code == QUIPU_OK ? split_query(r, error) : code;
}

quipu_str web_argument(const web_request *r, const char *name)
{
    for (unsigned i = 0; i < r->argument_count; i++)
        if (quipu_str_equal(&r->arguments[i].name, name, strlen(name)))
            return r->arguments[i].value;
    return (quipu_str){ NULL, 0 };
}

int32_t web_argument_number(const web_request *r, const char *name, int64_t least, int64_t most, int64_t otherwise,
                            int64_t *out, quipu_error *error)
{
    quipu_str text = web_argument(r, name);
    *out = otherwise;
    if (text.len == 0)
        return QUIPU_OK;
    if (!json_integer_value(text, out) || *out < least || *out > most)
        return fail(error, QUIPU_E_INVALID, name, "%s must be a whole number from %lld to %lld", name, (long long)least,
                    (long long)most);
    return QUIPU_OK;
}

int32_t web_argument_flag(const web_request *r, const char *name, bool *out, quipu_error *error)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = { { "true", true },   { "1", true },  { "yes", true }, { "on", true },
                  { "false", false }, { "0", false }, { "no", false }, { "off", false } };
    quipu_str text = web_argument(r, name);
    *out = false;
    if (text.len == 0)
        return QUIPU_OK;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (text.len == strlen(words[i].word) && strncasecmp(text.ptr, words[i].word, (size_t)text.len) == 0) {
            *out = words[i].value;
            return QUIPU_OK;
        }
    return fail(error, QUIPU_E_INVALID, name, "%s must be true or false", name);
}

int32_t web_body(web_request *r, bool may_lack, quipu_error *error)
{
    quipu_str text = r->body;
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    if (text.len == 0 && may_lack) {
        r->json = cJSON_CreateObject();
        return r->json ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    }
    if (text.len == 0)
        return fail(error, QUIPU_E_INVALID, "body", "a body is needed: a JSON object");
    int32_t code = json_parse(text, &r->json, error);
    if (code == QUIPU_OK && !cJSON_IsObject(r->json))
        code = fail(error, QUIPU_E_INVALID, "body", "the body must be a JSON object");
    if (code != QUIPU_OK && error && error->struct_size >= sizeof *error && !error->field[0])
        memcpy(error->field, "body", sizeof "body");
    return code;
}

/* ---- members ---- */

const cJSON *web_member(const cJSON *object, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    return member && !cJSON_IsNull(member) ? member : NULL;
}

int32_t web_member_text(const cJSON *object, const char *name, quipu_str *out, quipu_error *error)
{
    const cJSON *member = web_member(object, name);
    *out = (quipu_str){ NULL, 0 };
    if (!member)
        return QUIPU_OK;
    if (!cJSON_IsString(member))
        return fail(error, QUIPU_E_INVALID, name, "%s must be a string", name);
    *out = str_of(member->valuestring);
    return QUIPU_OK;
}

int32_t web_member_flag(const cJSON *object, const char *name, bool otherwise, bool *out, quipu_error *error)
{
    const cJSON *member = web_member(object, name);
    *out = otherwise;
    if (!member)
        return QUIPU_OK;
    if (!cJSON_IsBool(member))
        return fail(error, QUIPU_E_INVALID, name, "%s must be true or false", name);
    *out = cJSON_IsTrue(member);
    return QUIPU_OK;
}

int32_t web_member_number(const cJSON *object, const char *name, int64_t least, int64_t most, int64_t otherwise,
                          int64_t *out, quipu_error *error)
{
    const cJSON *member = web_member(object, name);
    *out = otherwise;
    if (!member)
        return QUIPU_OK;
    if (!json_is_int(member, out) || *out < least || *out > most)
        return fail(error, QUIPU_E_INVALID, name, "%s must be a whole number from %lld to %lld", name, (long long)least,
                    (long long)most);
    return QUIPU_OK;
}

/* ---- answers ---- */

void web_answer_free(web_answer *a)
{
    buffer_free(&a->body);
    web_stream_close(a->stream);
    a->stream = NULL;
}

void web_answer_header(web_answer *a, const char *name, const char *format, ...)
{
    va_list arguments;
    if (a->header_count == WEB_HEADERS_MAX)
        return;
    char *value = a->headers[a->header_count].value;
    size_t size = sizeof a->headers[0].value;
    va_start(arguments, format);
    int len = vsnprintf(value, size, format, arguments);
    va_end(arguments);
    if (len < 0 || (size_t)len >= size)
        return;
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return;
    a->headers[a->header_count++].name = name;
}

int32_t web_refuse(web_answer *a, quipu_error *error, int status, int32_t code, const char *field, const char *format,
                   ...)
{
    char message[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    a->status = status;
    return fail(error, code, field, "%s", message);
}

int web_status(int32_t code)
{
    switch (code) {
    case QUIPU_OK:
        return 200;
    case QUIPU_E_INVALID:
    case QUIPU_E_FORMAT:
        return 400;
    case QUIPU_E_DENIED:
    case QUIPU_E_SCOPE:
        return 403;
    case QUIPU_E_NOT_FOUND:
        return 404;
    case QUIPU_E_EXISTS:
    case QUIPU_E_CONFLICT:
        return 409;
    case QUIPU_E_TOO_LARGE:
        return 413;
    case QUIPU_E_UNSUPPORTED:
        return 501;
    case QUIPU_E_NETWORK:
        return 502;
    case QUIPU_E_BUSY:
    case QUIPU_E_CANCELLED:
    case QUIPU_E_READ_ONLY:
    case QUIPU_E_MOVED:
        return 503;
    case QUIPU_E_TIMEOUT:
        return 504;
    case QUIPU_E_FULL:
        return 507;
    default:
        return 500;
    }
}

const char *web_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = { { 200, "OK" },
                 { 201, "Created" },
                 { 202, "Accepted" },
                 { 204, "No Content" },
                 { 400, "Bad Request" },
                 { 401, "Unauthorized" },
                 { 403, "Forbidden" },
                 { 404, "Not Found" },
                 { 405, "Method Not Allowed" },
                 { 408, "Request Timeout" },
                 { 409, "Conflict" },
                 { 413, "Content Too Large" },
                 { 422, "Unprocessable Content" },
                 { 429, "Too Many Requests" },
                 { 500, "Internal Server Error" },
                 { 501, "Not Implemented" },
                 { 502, "Bad Gateway" },
                 { 503, "Service Unavailable" },
                 { 504, "Gateway Timeout" },
                 { 507, "Insufficient Storage" } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].status == status)
            return rows[i].text;
    return status < 400 ? "OK" : "Error";
}

int32_t web_answer_json(web_answer *a, cJSON *tree, quipu_error *error)
{
    buffer_clear(&a->body);
    if (tree)
        json_print_compact(tree, &a->body);
    bool good = tree && !a->body.failed;
    cJSON_Delete(tree);
    return good ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}
