/* http_era.c - see http_era.h. */
#include "http_era.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <string.h>
#include <strings.h>

#define META "io.modelcontextprotocol/"
#define HEADER_VERSION "MCP-Protocol-Version"

static quipu_str header(const web_request *r, const char *name)
{
    return r->header(r->connection, name);
}

static const cJSON *meta_of(const rpc_message *m)
{
    return cJSON_GetObjectItemCaseSensitive(m->params, "_meta");
}

static mcp_revision revision_of(quipu_str version)
{
    char name[16] = "";
    if (version.len < sizeof name)
        memcpy(name, version.ptr, (size_t)version.len);
    return mcp_revision_of(name[0] ? name : "unknown");
}

bool era_header_is_modern(const web_request *r)
{
    quipu_str version = header(r, HEADER_VERSION);
    return version.ptr && revision_of(version) >= MCP_2026_07;
}

bool era_is_modern(const web_request *r, const rpc_message *m)
{
    const cJSON *meta = meta_of(m);
    return cJSON_HasObjectItem(meta, META "protocolVersion") || cJSON_HasObjectItem(meta, META "clientCapabilities") ||
           era_header_is_modern(r);
}

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* False where it is no base64. */
static bool decode_base64(quipu_str text, buffer *out)
{
    uint32_t bits = 0;
    unsigned count = 0;
    while (text.len > 0 && text.ptr[text.len - 1] == '=')
        text.len--;
    for (uint64_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.ptr[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            buffer_append_char(out, (char)(bits >> count & 0xff));
        }
    }
    return !out->failed;
}

/* A value that is no plain ASCII comes as "=?base64?...?=". */
static bool header_says(quipu_str value, const char *expected)
{
    static const char begin[] = "=?base64?", end[] = "?=";
    size_t frame = sizeof begin - 1 + sizeof end - 1;
    if (value.len < frame || strncmp(value.ptr, begin, sizeof begin - 1) != 0 ||
        strncmp(value.ptr + value.len - 2, end, 2) != 0)
        return value.ptr && quipu_str_equal(&value, expected, strlen(expected));
    buffer plain = { 0 };
    bool same = decode_base64(str_make(value.ptr + sizeof begin - 1, (size_t)value.len - frame), &plain) &&
                plain.len == strlen(expected) && (plain.len == 0 || memcmp(plain.bytes, expected, plain.len) == 0);
    buffer_free(&plain);
    return same;
}

static int check_header(const web_request *r, const char *name, const char *expected, rpc_error *why)
{
    quipu_str value = header(r, name);
    if (!value.ptr)
        return rpc_fail(why, RPC_HEADER_MISMATCH, "Header mismatch: %s is missing; the body says %s", name, expected);
    if (!header_says(value, expected))
        return rpc_fail(why, RPC_HEADER_MISMATCH, "Header mismatch: %s is %.*s, but the body says %s", name,
                        value.len > 64 ? 64 : (int)value.len, value.ptr, expected);
    return RPC_OK;
}

/* The member of params that Mcp-Name repeats; NULL: none. */
static const char *name_of(const rpc_message *m)
{
    static const struct {
        const char *method, *member;
    } rows[] = { { "tools/call", "name" }, { "prompts/get", "name" }, { "resources/read", "uri" } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(m->method, rows[i].method) == 0)
            return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(m->params, rows[i].member));
    return NULL;
}

int era_check(const web_request *r, const rpc_message *m, bool *meta_is_bad, rpc_error *why)
{
    const cJSON *meta = meta_of(m), *version = cJSON_GetObjectItemCaseSensitive(meta, META "protocolVersion");
    const cJSON *level = cJSON_GetObjectItemCaseSensitive(meta, META "logLevel");
    const char *name = m->method ? name_of(m) : NULL;
    if (!m->method || !m->id) /* an answer or a notification: nothing comes of it */
        return RPC_OK;
    *meta_is_bad = !cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(meta, META "clientCapabilities")) ||
                   !cJSON_IsString(version) || level;
    if (!meta)
        return rpc_fail(why, RPC_INVALID_PARAMS,
                        "Invalid params: %s needs _meta with " META "protocolVersion and " META "clientCapabilities",
                        m->method);
    if (!cJSON_IsString(version))
        return rpc_fail(why, RPC_INVALID_PARAMS,
                        "Invalid params: _meta[\"" META "protocolVersion\"] has to be a string, as \"2026-07-28\"");
    int code = check_header(r, HEADER_VERSION, version->valuestring, why);
    if (code == RPC_OK && mcp_revision_of(version->valuestring) >= MCP_2026_07)
        code = check_header(r, "Mcp-Method", m->method, why);
    if (code == RPC_OK && name && mcp_revision_of(version->valuestring) >= MCP_2026_07)
        code = check_header(r, "Mcp-Name", name, why);
    return code;
}

int32_t era_revision(const web_request *r, mcp_revision *out, quipu_error *error)
{
    quipu_str version = header(r, HEADER_VERSION);
    *out = version.ptr ? revision_of(version) : MCP_2025_03;
    if (*out == MCP_NONE)
        return fail(error, QUIPU_E_INVALID, HEADER_VERSION,
                    "Unsupported protocol version in " HEADER_VERSION ": %.*s; known are 2024-11-05 to 2026-07-28",
                    version.len > 32 ? 32 : (int)version.len, version.ptr);
    return QUIPU_OK;
}
