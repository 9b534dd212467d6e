/* difference.c - revisions, and how two states of a record differ, field by field; as JSON. */
#include "difference.h"

#include <sdk/json.h>
#include <sdk/record.h>
#include <string.h>

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

void difference_walk(const quipu_difference *d, field_fn show, void *context)
{
    cJSON *before = parse_record(d->before), *after = parse_record(d->after);
    walk(before, after, "", show, context);
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

void difference_json(const quipu_difference *d, bool states, buffer *out)
{
    cJSON *before = parse_record(d->before), *after = parse_record(d->after);
    field_list list = { out, false };
    buffer_append_text(out, "{\"id\":");
    json_print_string(d->id, out);
    buffer_printf(out, ",\"change\":\"%s\",\"fields\":[", !d->before ? "added" : !d->after ? "removed" : "changed");
    walk(before, after, "", append_field_change, &list);
    buffer_append_char(out, ']');
    if (before && states) {
        buffer_append_text(out, ",\"before\":");
        json_print_compact(before, out);
    }
    if (after && states) {
        buffer_append_text(out, ",\"after\":");
        json_print_compact(after, out);
    }
    buffer_append_char(out, '}');
    cJSON_Delete(before);
    cJSON_Delete(after);
}

/* ---- revisions ---- */

static void append_text_member(buffer *out, const char *name, quipu_str text)
{
    if (!text.ptr)
        return;
    buffer_printf(out, ",\"%s\":", name);
    json_print_string(text, out);
}

static void append_time_member(buffer *out, const char *name, int64_t time)
{
    if (time == QUIPU_TIME_NONE)
        return;
    buffer_printf(out, ",\"%s\":\"", name);
    time_print(time, out);
    buffer_append_char(out, '"');
}

void revision_json(const quipu_revision *r, buffer *out)
{
    buffer_append_text(out, "{\"revision\":");
    json_print_string(r->name, out);
    append_text_member(out, "parent", r->parent);
    append_text_member(out, "author", r->author);
    append_time_member(out, "time", r->time);
    append_time_member(out, "committed_at", r->committed_at);
    append_text_member(out, "operation", r->operation);
    append_text_member(out, "subject", r->subject);
    append_text_member(out, "source", r->source);
    buffer_printf(out, ",\"foreign\":%s", r->flags & QUIPU_REVISION_FOREIGN ? "true" : "false");
}
