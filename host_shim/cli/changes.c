/* changes.c - how two states of a record differ, field by field. */
#include "cli.h"
#include "linediff.h"

#include <sdk/json.h>
#include <string.h>

typedef void (*field_fn)(void *context, const char *path, const cJSON *before, const cJSON *after);

static bool same_value(const cJSON *a, const cJSON *b)
{
    buffer x = { 0 }, y = { 0 };
    json_print_compact(a, &x);
    json_print_compact(b, &y);
    bool same = !x.failed && !y.failed && x.len == y.len && memcmp(x.bytes, y.bytes, x.len) == 0;
    buffer_free(&x);
    buffer_free(&y);
    return same;
}

static void walk(const cJSON *before, const cJSON *after, const char *prefix, field_fn show, void *context);

static void walk_field(const cJSON *before, const cJSON *after, const char *prefix, field_fn show, void *context)
{
    buffer path = { 0 };
    const char *name = before ? before->string : after->string;
    buffer_printf(&path, "%s%s%s", prefix, *prefix ? "." : "", name);
    if (path.failed || (before && after && same_value(before, after))) {
        buffer_free(&path);
        return;
    }
    if ((!before || cJSON_IsObject(before)) && (!after || cJSON_IsObject(after)) && (!before || before->child) &&
        (!after || after->child))
        walk(before, after, path.bytes, show, context);
    else
        show(context, path.bytes, before, after);
    buffer_free(&path);
}

/* Either may be NULL. Depth is bounded by the parser's. */
static void walk(const cJSON *before, const cJSON *after, const char *prefix, field_fn show, void *context)
{
    for (const cJSON *item = before ? before->child : NULL; item; item = item->next)
        walk_field(item, after ? cJSON_GetObjectItemCaseSensitive(after, item->string) : NULL, prefix, show, context);
    for (const cJSON *item = after ? after->child : NULL; item; item = item->next)
        if (!before || !cJSON_GetObjectItemCaseSensitive(before, item->string))
            walk_field(NULL, item, prefix, show, context);
}

static cJSON *parse_record(const quipu_record *r)
{
    cJSON *tree = NULL;
    if (r && json_parse(r->json, &tree, NULL) != QUIPU_OK)
        return NULL;
    return tree;
}

static void print_line(void *context, char mark, quipu_str line)
{
    const cli *c = context;
    paint p = mark == '-' ? PAINT_BAD : mark == '+' ? PAINT_GOOD : PAINT_DIM;
    if (mark == 'g') {
        printf("      ...\n");
        return;
    }
    printf("    %s%c%s ", paint_on(c, p), mark, paint_off(c));
    print_cell(c, p, line, 0, 0);
    putchar('\n');
}

/* A field that came or went, where it fits on a line. */
static void print_one_sided(const cli *c, const char *path, char mark, quipu_str value)
{
    printf("  %s%c%s ", paint_on(c, mark == '-' ? PAINT_BAD : PAINT_GOOD), mark, paint_off(c));
    print_cell(c, PAINT_BOLD, str_of(path), 12, 0);
    printf(" ");
    print_cell(c, mark == '-' ? PAINT_BAD : PAINT_GOOD, value, 0, 0);
    putchar('\n');
}

static void print_field_change(void *context, const char *path, const cJSON *before, const cJSON *after)
{
    const cli *c = context;
    buffer a = { 0 }, b = { 0 };
    quipu_str was = before ? value_text(before, &a) : (quipu_str){ "", 0 };
    quipu_str is = after ? value_text(after, &b) : (quipu_str){ "", 0 };
    if ((!before || !after) && !memchr(was.ptr, '\n', (size_t)was.len) && !memchr(is.ptr, '\n', (size_t)is.len)) {
        print_one_sided(c, path, before ? '-' : '+', before ? was : is);
        buffer_free(&a);
        buffer_free(&b);
        return;
    }
    printf("  ");
    print_cell(c, PAINT_BOLD, str_of(path), 0, 0);
    putchar('\n');
    if (before && was.len == 0)
        print_line(context, '-', str_of("(empty)"));
    if (linediff(was, is, 2, print_line, context) != 0)
        out_of_memory(c);
    if (after && is.len == 0)
        print_line(context, '+', str_of("(empty)"));
    buffer_free(&a);
    buffer_free(&b);
}

void changes_print(const cli *c, const quipu_difference *d)
{
    cJSON *before = parse_record(d->before), *after = parse_record(d->after);
    const char *word = !d->before ? "added" : !d->after ? "removed" : "changed";
    paint p = !d->before ? PAINT_GOOD : !d->after ? PAINT_BAD : PAINT_WARN;
    printf("%s%s%s ", paint_on(c, p), word, paint_off(c));
    print_cell(c, PAINT_ID, d->id, 0, 0);
    putchar('\n');
    walk(before, after, "", print_field_change, (void *)(uintptr_t)c);
    cJSON_Delete(before);
    cJSON_Delete(after);
}

typedef struct field_list {
    buffer *out;
    bool begun;
} field_list;

static void append_field_change(void *context, const char *path, const cJSON *before, const cJSON *after)
{
    field_list *list = context;
    buffer_append_text(list->out, list->begun ? ",{\"field\":" : "{\"field\":");
    list->begun = true;
    json_print_string(str_of(path), list->out);
    if (before) {
        buffer_append_text(list->out, ",\"before\":");
        json_print_compact(before, list->out);
    }
    if (after) {
        buffer_append_text(list->out, ",\"after\":");
        json_print_compact(after, list->out);
    }
    buffer_append_char(list->out, '}');
}

void changes_json(const quipu_difference *d, buffer *out)
{
    cJSON *before = parse_record(d->before), *after = parse_record(d->after);
    field_list list = { out, false };
    buffer_append_text(out, "{\"id\":");
    json_print_string(d->id, out);
    buffer_printf(out, ",\"change\":\"%s\",\"fields\":[", !d->before ? "added" : !d->after ? "removed" : "changed");
    walk(before, after, "", append_field_change, &list);
    buffer_append_char(out, ']');
    if (before) {
        buffer_append_text(out, ",\"before\":");
        json_print_compact(before, out);
    }
    if (after) {
        buffer_append_text(out, ",\"after\":");
        json_print_compact(after, out);
    }
    buffer_append_char(out, '}');
    cJSON_Delete(before);
    cJSON_Delete(after);
}
