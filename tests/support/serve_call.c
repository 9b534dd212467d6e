/* serve_call.c - see serve_call.h. */
#include "serve_call.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <quipu.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

serve_reply serve_reply_last;
static quipu_str given_headers;

static void forget(void)
{
    cJSON_Delete(serve_reply_last.json);
    web_answer_free(&serve_reply_last.answer);
    serve_reply_last = (serve_reply){ 0 };
}

serve *serve_call_open(const serve_options *options, const char *backend, const char *store)
{
    char plugins[512];
    const char *build = getenv("BUILD");
    quipu_error error = { .struct_size = sizeof error };
    serve_options with = options ? *options : (serve_options){ .q = NULL };
    serve *s = NULL;
    snprintf(plugins, sizeof plugins, "%s/plugins", build ? build : "build");
    quipu_options o = { .struct_size = sizeof o,
                        .store =
                            str_of(store ? store : "/tmp/quipu-serve-test"), /* the memory backend makes no folder */
                        .backend = str_of(backend ? backend : "memory"),
                        .plugin_path = str_of(plugins),
                        .author = str_of("tester") };
    if (quipu_open(&o, &with.q, &error) != QUIPU_OK || serve_create(&with, &s, &error) != QUIPU_OK)
        fail_msg("%s", error.message);
    return s;
}

void serve_call_close(serve *s)
{
    quipu *q = s->q;
    forget();
    serve_free(s);
    assert_int_equal(quipu_close(q, NULL), QUIPU_OK);
}

static quipu_str find_header(void *connection, const char *name)
{
    const char *line = given_headers.ptr;
    size_t len = strlen(name);
    (void)connection;
    while (line && *line) {
        size_t whole = strcspn(line, "\n");
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            size_t skip = len + 1 + strspn(line + len + 1, " ");
            return str_make(line + skip, whole - skip);
        }
        line += whole + (line[whole] == '\n');
    }
    return (quipu_str){ NULL, 0 };
}

int serve_call(serve *s, const char *method, const char *target, const char *headers, const char *body)
{
    const char *query = strchr(target, '?');
    web_request r = { .method = method,
                      .path = str_make(target, query ? (size_t)(query - target) : strlen(target)),
                      .query = query ? str_of(query + 1) : str_of(""),
                      .body = body ? str_of(body) : str_of(""),
                      .peer = str_of("127.0.0.1"),
                      .header = find_header,
                      .id = "0123456789abcdef" };
    forget();
    given_headers = str_of(headers);
    serve_handle(s, &r, &serve_reply_last.answer);
    web_request_free(&r);
    buffer *out = &serve_reply_last.answer.body;
    buffer_append(out, "", 0);
    serve_reply_last.status = serve_reply_last.answer.status;
    serve_reply_last.body = out->bytes;
    serve_reply_last.json = cJSON_Parse(out->bytes);
    return serve_reply_last.status;
}

const char *serve_reply_header(const char *name)
{
    const web_answer *a = &serve_reply_last.answer;
    for (unsigned i = 0; i < a->header_count; i++)
        if (strcasecmp(a->headers[i].name, name) == 0)
            return a->headers[i].value;
    return NULL;
}

const cJSON *serve_reply_node(const char *path)
{
    char step[128];
    const cJSON *node = serve_reply_last.json;
    while (node && *path) {
        size_t len = strcspn(path, ".");
        snprintf(step, sizeof step, "%.*s", (int)len, path);
        node =
            cJSON_IsArray(node) ? cJSON_GetArrayItem(node, atoi(step)) : cJSON_GetObjectItemCaseSensitive(node, step);
        path += len + (path[len] == '.');
    }
    return node;
}

const char *serve_reply_text(const char *path)
{
    const cJSON *node = serve_reply_node(path);
    return cJSON_IsString(node) ? node->valuestring : NULL;
}

int serve_reply_count(const char *path)
{
    const cJSON *node = serve_reply_node(path);
    return cJSON_IsArray(node) ? cJSON_GetArraySize(node) : -1;
}
