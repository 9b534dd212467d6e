/* support.c - see support.h. */
#include "support.h"

#include <base/fail.h>
#include <ctype.h>
#include <sdk/json.h>
#include <string.h>

quipu_str mcp_argument_str(const cJSON *arguments, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(arguments, name);
    return cJSON_IsString(item) ? str_of(item->valuestring) : (quipu_str){ NULL, 0 };
}

bool mcp_argument_true(const cJSON *arguments, const char *name)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(arguments, name));
}

int64_t mcp_argument_int(const cJSON *arguments, const char *name, int64_t otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(arguments, name);
    int64_t value;
    return item && json_is_int(item, &value) ? value : otherwise;
}

/* ---- scope ---- */

typedef struct scope_field {
    const char *name;
    quipu_str bound;
} scope_field;

static void scope_fields(const mcp_server *s, scope_field out[4])
{
    out[0] = (scope_field){ "user", s->user };
    out[1] = (scope_field){ "agent", s->agent };
    out[2] = (scope_field){ "session", s->session };
    out[3] = (scope_field){ "app", s->app };
}

int32_t mcp_scope_print(const mcp_request *r, const cJSON *given, buffer *out, quipu_error *error)
{
    scope_field fields[4];
    bool first = true;
    scope_fields(r->server, fields);
    buffer_append_text(out, "\"scope\":{");
    for (size_t i = 0; i < 4; i++) {
        quipu_str wanted = mcp_argument_str(given, fields[i].name);
        quipu_str value = str_present(fields[i].bound) ? fields[i].bound : wanted;
        if (str_present(wanted) && !str_same(wanted, value))
            return fail(error, QUIPU_E_SCOPE, fields[i].name,
                        "scope.%s: this server is bound to another one; leave it out", fields[i].name);
        if (!str_present(value))
            continue;
        buffer_printf(out, "%s\"%s\":", first ? "" : ",", fields[i].name);
        json_print_string(value, out);
        first = false;
    }
    buffer_append_char(out, '}');
    return QUIPU_OK;
}

int32_t mcp_filter_of(const mcp_request *r, const buffer *expression, quipu_parsed_filter **out, quipu_error *error)
{
    static const char frame[] = "\"scope\":"; /* what stands before the object */
    buffer scope = { 0 };
    int32_t code = mcp_scope_print(r, NULL, &scope, error);
    if (code == QUIPU_OK && (scope.failed || expression->failed))
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK) {
        quipu_str bound = str_make(scope.bytes + sizeof frame - 1, scope.len - (sizeof frame - 1));
        quipu_str asked = str_make(expression->bytes, expression->len);
        code = quipu_filter_parse(&bound, &asked, out, error);
    }
    buffer_free(&scope);
    return code;
}

bool mcp_scope_holds(const mcp_server *server, const quipu_record *record)
{
    scope_field fields[4];
    scope_fields(server, fields);
    for (size_t i = 0; record && i < 4; i++) {
        const quipu_str has[4] = { record->user, record->agent, record->session, record->app };
        if (str_present(fields[i].bound) && !str_same(has[i], fields[i].bound))
            return false;
    }
    return true;
}

bool mcp_scope_bound(const mcp_server *server)
{
    return str_present(server->user) || str_present(server->agent) || str_present(server->session) ||
           str_present(server->app);
}

quipu_write_options mcp_write_options(const mcp_request *r, const char *operation)
{
    bool named = r->server->client_is_author && r->client[0];
    return (quipu_write_options){
        .struct_size = sizeof(quipu_write_options),
        .author = named ? str_of(r->client) : (quipu_str){ NULL, 0 },
        .operation = str_of(operation),
        .user = r->server->user,
        .agent = r->server->agent,
        .session = r->server->session,
        .app = r->server->app,
    };
}

/* ---- questions ---- */

int32_t mcp_collect_bytes(void *context, const void *bytes, uint64_t len)
{
    buffer *out = context;
    buffer_append(out, bytes, (size_t)len);
    return out->failed ? QUIPU_E_NO_MEMORY : QUIPU_OK;
}

int32_t mcp_ask(const mcp_request *r, mcp_ask_fn *fn, const buffer *question, buffer *answer, quipu_error *error)
{
    quipu_str text = str_make(question->bytes, question->len);
    if (question->failed)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    int32_t code = fn(r->server->q, &text, mcp_collect_bytes, answer, r->call, error);
    while (answer->len > 0 && answer->bytes[answer->len - 1] == '\n')
        answer->bytes[--answer->len] = '\0';
    return code;
}

int32_t mcp_ask_tree(const mcp_request *r, mcp_ask_fn *fn, const buffer *question, cJSON **out, quipu_error *error)
{
    buffer answer = { 0 };
    *out = NULL;
    int32_t code = mcp_ask(r, fn, question, &answer, error);
    if (code == QUIPU_OK)
        code = json_parse(str_make(answer.bytes, answer.len), out, error);
    buffer_free(&answer);
    return code;
}

static int32_t get(const mcp_request *r, quipu_str id, quipu_str as_of, bool expired, buffer *answer,
                   quipu_error *error)
{
    buffer question = { 0 };
    buffer_append_text(&question, "{\"id\":");
    json_print_string(id, &question);
    if (str_present(as_of)) {
        buffer_append_text(&question, ",\"as_of\":");
        json_print_string(as_of, &question);
    }
    buffer_append_text(&question, expired ? ",\"include_expired\":true," : ",");
    int32_t code = mcp_scope_print(r, NULL, &question, error);
    buffer_append_char(&question, '}');
    if (code == QUIPU_OK)
        code = mcp_ask(r, quipu_get_json, &question, answer, error);
    buffer_free(&question);
    return code;
}

int32_t mcp_get_record(const mcp_request *r, quipu_str id, quipu_str as_of, buffer *answer, quipu_error *error)
{
    return get(r, id, as_of, false, answer, error);
}

int32_t mcp_check_in_scope(const mcp_request *r, quipu_str id, quipu_error *error)
{
    buffer answer = { 0 };
    int32_t code = mcp_scope_bound(r->server) ? get(r, id, (quipu_str){ NULL, 0 }, true, &answer, error) : QUIPU_OK;
    buffer_free(&answer);
    return code;
}

int32_t mcp_enter_extension(const mcp_request *r, const char *id, quipu_lease *lease, const void **table,
                            quipu_error *error)
{
    quipu_str name = str_of(id);
    *lease = (quipu_lease){ .struct_size = sizeof *lease };
    int32_t code = quipu_enter(r->server->q, lease, error);
    if (code != QUIPU_OK)
        return code;
    *table = lease->api->get_extension(lease->self, &name);
    if (*table)
        return QUIPU_OK;
    quipu_leave(r->server->q, lease);
    return fail(error, QUIPU_E_UNSUPPORTED, "backend",
                "the backend \"%s\" does not have the extension %s; use a backend that has it (git does)",
                quipu_backend_name(r->server->q), id);
}

/* ---- URIs ---- */

void uri_append(buffer *out, quipu_str text)
{
    for (uint64_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~')
            buffer_append_char(out, (char)c);
        else
            buffer_printf(out, "%%%02X", c);
    }
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

bool uri_decode(const char *text, size_t len, buffer *out)
{
    for (size_t i = 0; i < len; i++) {
        int high = text[i] == '%' && len - i > 2 ? digit_of(text[i + 1]) : -1;
        int low = high >= 0 ? digit_of(text[i + 2]) : -1;
        if (text[i] == '%' && (low < 0 || high + low == 0))
            return false;
        buffer_append_char(out, text[i] == '%' ? (char)(high * 16 + low) : text[i]);
        i += text[i] == '%' ? 2 : 0;
    }
    return !out->failed && out->len > 0 && utf8_first_bad(out->bytes, out->len) < 0;
}

/* ---- indented JSON ---- */

static void new_line(size_t depth, buffer *out)
{
    buffer_append_char(out, '\n');
    for (size_t i = 0; i < depth; i++)
        buffer_append_text(out, "  ");
}

/* Depth is bounded by the parser's. */
static void print_indented(const cJSON *node, size_t depth, buffer *out)
{
    bool object = cJSON_IsObject(node);
    if ((!object && !cJSON_IsArray(node)) || !node->child) {
        json_print_compact(node, out);
        return;
    }
    buffer_append_char(out, object ? '{' : '[');
    for (const cJSON *item = node->child; item; item = item->next) {
        new_line(depth + 1, out);
        if (object) {
            json_print_string(str_of(item->string), out);
            buffer_append_text(out, ": ");
        }
        print_indented(item, depth + 1, out);
        buffer_append_text(out, item->next ? "," : "");
    }
    new_line(depth, out);
    buffer_append_char(out, object ? '}' : ']');
}

void mcp_print_indented(const cJSON *node, buffer *out)
{
    print_indented(node, 0, out);
}
