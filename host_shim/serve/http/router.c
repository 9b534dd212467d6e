/* router.c - see router.h. */
#include "router.h"

#include <base/fail.h>
#include <ctype.h>
#include <sdk/json.h>
#include <stdio.h>
#include <stdlib.h>

extern const route own_routes[], mem0_oss_routes[], mem0_platform_routes[], mem0_bulk_routes[], mem0_event_routes[],
    mem0_account_routes[], nullclaw_routes[], hindsight_routes[], mcp_routes[];

/* A new wire is one name more here. */
static const route *const tables[] = { own_routes,       mem0_oss_routes,   mem0_platform_routes,
                                       mem0_bulk_routes, mem0_event_routes, mem0_account_routes,
                                       nullclaw_routes,  hindsight_routes,  mcp_routes };

#define SEGMENTS_MAX 12

typedef struct compiled {
    const route *row;
    quipu_str segments[SEGMENTS_MAX]; /* absent where it is captured */
    unsigned count;
    unsigned literal; /* a bit for each segment that has to be equal, the first one highest */
} compiled;

struct router {
    compiled *rows;
    size_t count;
    quipu_str prefix[SEGMENTS_MAX];
    unsigned prefix_count;
    char *prefix_text;
};

static unsigned split(const char *path, quipu_str *out)
{
    unsigned count = 0;
    while (*path && count < SEGMENTS_MAX) {
        size_t len = strcspn(path, "/");
        if (len > 0)
            out[count++] = str_make(path, len);
        path += len + (path[len] == '/');
    }
    return count;
}

static void compile(const route *row, compiled *out)
{
    out->row = row;
    out->count = split(row->pattern, out->segments);
    for (unsigned i = 0; i < out->count; i++)
        if (out->segments[i].ptr[0] == '{')
            out->segments[i] = (quipu_str){ NULL, 0 };
        else
            out->literal |= 1u << (31 - i);
}

static bool same_place(const compiled *a, const compiled *b)
{
    if (a->count != b->count || strcmp(a->row->method, b->row->method) != 0)
        return false;
    for (unsigned i = 0; i < a->count; i++)
        if (!str_same(a->segments[i], b->segments[i]))
            return false;
    return true;
}

int32_t router_create(const char *prefix, router **out, quipu_error *error)
{
    router *all = calloc(1, sizeof *all);
    size_t room = 0;
    *out = NULL;
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (const route *row = tables[t]; row->method; row++)
            room++;
    if (all) {
        all->rows = calloc(room + 1, sizeof *all->rows);
        all->prefix_text = str_dup(str_of(prefix ? prefix : ""));
    }
    if (!all || !all->rows || !all->prefix_text) {
        router_free(all);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    }
    all->prefix_count = split(all->prefix_text, all->prefix);
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (const route *row = tables[t]; row->method; row++) {
            compiled *c = &all->rows[all->count++];
            compile(row, c);
            for (const compiled *other = all->rows; other < c; other++)
                if (same_place(other, c)) {
                    int32_t code =
                        fail(error, QUIPU_E_INTERNAL, NULL, "two routes for %s %s", row->method, row->pattern);
                    router_free(all);
                    return code;
                }
        }
    *out = all;
    return QUIPU_OK;
}

void router_free(router *all)
{
    if (!all)
        return;
    free(all->rows);
    free(all->prefix_text);
    free(all);
}

size_t router_count(const router *all)
{
    return all->count;
}

const route *router_row(const router *all, size_t i)
{
    return all->rows[i].row;
}

static bool fits(const compiled *c, const quipu_str *segments, unsigned count)
{
    if (c->count != count)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (c->segments[i].ptr ? !str_same(c->segments[i], segments[i]) : segments[i].len == 0)
            return false;
    return true;
}

static void add_method(char allowed[64], const char *method)
{
    size_t len = strlen(allowed);
    if (!strstr(allowed, method))
        snprintf(allowed + len, 64 - len, "%s%s", len ? ", " : "", method);
}

static bool below_prefix(const router *all, const web_request *r)
{
    if (r->segment_count < all->prefix_count)
        return false;
    for (unsigned i = 0; i < all->prefix_count; i++)
        if (!str_same(all->prefix[i], r->segments[i]))
            return false;
    return true;
}

int32_t router_find(const router *all, web_request *r, size_t *index, char allowed[64], quipu_error *error)
{
    const char *method = strcmp(r->method, "HEAD") == 0 ? "GET" : r->method;
    const compiled *best = NULL;
    allowed[0] = '\0';
    if (!below_prefix(all, r))
        return fail(error, QUIPU_E_NOT_FOUND, "path", "Not Found");
    const quipu_str *segments = r->segments + all->prefix_count;
    unsigned count = r->segment_count - all->prefix_count;
    for (const compiled *c = all->rows; c < all->rows + all->count; c++) {
        if (!fits(c, segments, count))
            continue;
        if (strcmp(c->row->method, method) == 0) {
            if (!best || c->literal > best->literal)
                best = c;
        } else {
            add_method(allowed, c->row->method);
        }
    }
    if (!best && !allowed[0])
        return fail(error, QUIPU_E_NOT_FOUND, "path", "Not Found");
    if (!best)
        return fail(error, QUIPU_E_UNSUPPORTED, "method", "Method Not Allowed");
    unsigned captured = 0;
    for (unsigned i = 0; i < count; i++)
        if (!best->segments[i].ptr && captured < sizeof r->captures / sizeof r->captures[0])
            r->captures[captured++] = segments[i];
    *index = (size_t)(best - all->rows);
    return QUIPU_OK;
}

static void refuse_own(const web_request *r, web_answer *a, const quipu_error *error)
{
    (void)r;
    buffer_append_text(&a->body, "{\"error\":{\"code\":\"");
    for (const char *name = error_name(error->code); *name; name++)
        buffer_append_char(&a->body, (char)tolower((unsigned char)*name));
    buffer_append_text(&a->body, "\",\"message\":");
    json_print_string(str_of(error->message), &a->body);
    if (error->field[0]) {
        buffer_append_text(&a->body, ",\"field\":");
        json_print_string(str_of(error->field), &a->body);
    }
    buffer_append_text(&a->body, "}}");
}

const wire own_wire = { "quipu", refuse_own };
