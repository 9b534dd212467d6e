/* record_normalise.c - see record_normalise.h. One function a field type; the table of record_fields.h says which. */
#include "record_normalise.h"

#include <sdk/json.h>
#include "record_fields.h"

#include <base/fail.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct work {
    cJSON *tree;
    quipu_record *view;
    quipu_str **tags;
    quipu_error *error;
} work;

int32_t fail_unless_memory(bool there, quipu_error *error)
{
    return there ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a record");
}

static int32_t refuse(const work *w, const char *field, const char *what)
{
    return fail(w->error, QUIPU_E_INVALID, field, "%s %s", field, what);
}

static void drop(cJSON *parent, cJSON *item)
{
    cJSON_Delete(cJSON_DetachItemViaPointer(parent, item));
}

static int32_t take_string(work *w, const record_field *f, const cJSON *node)
{
    if (!cJSON_IsString(node))
        return refuse(w, f->name, "must be a string");
    quipu_str s = str_of(node->valuestring);
    if (f->type == FIELD_NAME && s.len == 0)
        return refuse(w, f->name, "must not be empty");
    if (f->offset == offsetof(quipu_record, id) && s.len > QUIPU_ID_MAX)
        return fail(w->error, QUIPU_E_INVALID, f->name, "an id has at most %d bytes, this one %llu", QUIPU_ID_MAX,
                    (unsigned long long)s.len);
    *record_str_at(w->view, f->offset) = s;
    return QUIPU_OK;
}

static int32_t set_text(work *w, cJSON *node, const buffer *text)
{
    char *copy = text->failed ? NULL : cJSON_malloc(text->len + 1);
    if (copy) {
        memcpy(copy, text->bytes, text->len + 1);
        cJSON_free(node->valuestring);
        node->valuestring = copy;
    }
    return fail_unless_memory(copy != NULL, w->error);
}

static int32_t take_time(work *w, const record_field *f, cJSON *node)
{
    int64_t time;
    buffer text = { 0 };
    if (!cJSON_IsString(node))
        return refuse(w, f->name, "must be a string with an RFC 3339 time");
    int32_t code = time_parse(str_of(node->valuestring), f->name, NULL, &time, w->error);
    if (code != QUIPU_OK)
        return code;
    *record_int_at(w->view, f->offset) = time;
    time_print(time, &text);
    if (text.failed || strcmp(text.bytes, node->valuestring) != 0)
        code = set_text(w, node, &text);
    buffer_free(&text);
    return code;
}

static int32_t take_seq(work *w, const cJSON *node)
{
    int64_t seq;
    if (!json_is_int(node, &seq) || seq < 0)
        return refuse(w, "seq", "must be an integer from 0");
    w->view->seq = seq;
    return QUIPU_OK;
}

static int32_t take_importance(work *w, const cJSON *node)
{
    double value;
    if (!json_is_number(node, &value) || value < 0 || value > 1)
        return refuse(w, "importance", "must be a number from 0 to 1");
    w->view->importance = value;
    return QUIPU_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp((*(cJSON *const *)a)->valuestring, (*(cJSON *const *)b)->valuestring);
}

/* Puts the elements back in the order of `items`, without those whose text is that of the one before. */
static size_t relink_set(cJSON *list, cJSON **items, size_t count)
{
    size_t kept = 0;
    list->child = NULL;
    for (size_t i = 0; i < count; i++) {
        items[i]->next = items[i]->prev = NULL;
        if (kept > 0 && strcmp(items[kept - 1]->valuestring, items[i]->valuestring) == 0) {
            cJSON_Delete(items[i]);
            continue;
        }
        items[kept++] = items[i];
        cJSON_AddItemToArray(list, items[i]);
    }
    return kept;
}

static int32_t take_tags(work *w, cJSON *list)
{
    size_t count = 0;
    if (!cJSON_IsArray(list))
        return refuse(w, "tags", "must be a list of strings");
    for (const cJSON *tag = list->child; tag; tag = tag->next, count++) {
        char field[32];
        snprintf(field, sizeof field, "tags[%zu]", count);
        if (!cJSON_IsString(tag))
            return refuse(w, field, "must be a string");
    }
    if (count == 0) {
        drop(w->tree, list);
        return QUIPU_OK;
    }
    cJSON **items = malloc(count * sizeof *items);
    quipu_str *tags = malloc(count * sizeof *tags);
    if (items && tags) {
        count = 0;
        for (cJSON *tag = list->child; tag; tag = tag->next)
            items[count++] = tag;
        qsort(items, count, sizeof(cJSON *), by_text);
        count = relink_set(list, items, count);
        for (size_t i = 0; i < count; i++)
            tags[i] = str_of(items[i]->valuestring);
        w->view->tags = (quipu_array){ tags, count, sizeof *tags };
        *w->tags = tags;
        tags = NULL;
    }
    int32_t code = fail_unless_memory(*w->tags != NULL, w->error);
    free(items);
    free(tags);
    return code;
}

static int32_t take_links(work *w, cJSON *list)
{
    static const char *const names[] = { "rel", "to" };
    size_t index = 0;
    char field[48];
    if (!cJSON_IsArray(list))
        return refuse(w, "links", "must be a list of {\"rel\": string, \"to\": id}");
    for (const cJSON *link = list->child; link; link = link->next, index++) {
        snprintf(field, sizeof field, "links[%zu]", index);
        if (!cJSON_IsObject(link))
            return refuse(w, field, "must be an object with rel and to");
        for (size_t i = 0; i < 2; i++) {
            const cJSON *text = cJSON_GetObjectItemCaseSensitive(link, names[i]);
            snprintf(field, sizeof field, "links[%zu].%s", index, names[i]);
            if (!cJSON_IsString(text) || text->valuestring[0] == '\0')
                return refuse(w, field, "must be a string that is not empty");
        }
    }
    if (index == 0)
        drop(w->tree, list);
    return QUIPU_OK;
}

/* scope and entity: an object whose known members are fields of their own. */
static int32_t take_group(work *w, const char *prefix, cJSON *group)
{
    cJSON *next;
    if (!cJSON_IsObject(group))
        return refuse(w, prefix, "must be an object");
    for (cJSON *member = group->child; member; member = next) {
        char name[32];
        next = member->next;
        int len = snprintf(name, sizeof name, "%s.%s", prefix, member->string);
        const record_field *f = len > 0 && (size_t)len < sizeof name ? record_field_find(name, (size_t)len) : NULL;
        if (!f)
            continue;
        if (cJSON_IsNull(member)) {
            drop(group, member);
            continue;
        }
        int32_t code = take_string(w, f, member);
        if (code != QUIPU_OK)
            return code;
    }
    if (!group->child)
        drop(w->tree, group);
    return QUIPU_OK;
}

static int32_t take_object(work *w, const record_field *f, cJSON *node)
{
    if (!cJSON_IsObject(node))
        return refuse(w, f->name, "must be an object");
    if (!node->child)
        drop(w->tree, node);
    return QUIPU_OK;
}

static int32_t take_format(work *w, cJSON *node)
{
    int64_t format;
    if (!json_is_int(node, &format) || format < 1)
        return refuse(w, "format", "must be an integer from 1");
    if (format > QUIPU_RECORD_FORMAT)
        return fail(w->error, QUIPU_E_FORMAT, "format",
                    "the record has format %lld and this program knows up to %d: update the program", (long long)format,
                    QUIPU_RECORD_FORMAT);
    drop(w->tree, node);
    return QUIPU_OK;
}

static int32_t take_member(work *w, cJSON *node)
{
    const record_field *f = record_member_find(node->string, strlen(node->string));
    if (!f)
        return QUIPU_OK;
    if (cJSON_IsNull(node)) {
        drop(w->tree, node);
        return QUIPU_OK;
    }
    switch (f->type) {
    case FIELD_TEXT:
    case FIELD_NAME:
        return take_string(w, f, node);
    case FIELD_TIME:
        return take_time(w, f, node);
    case FIELD_SEQ:
        return take_seq(w, node);
    case FIELD_WEIGHT:
        return take_importance(w, node);
    case FIELD_TAGS:
        return take_tags(w, node);
    case FIELD_LINKS:
        return take_links(w, node);
    case FIELD_SCOPE:
    case FIELD_ENTITY:
        return take_group(w, f->name, node);
    case FIELD_OBJECT:
        return take_object(w, f, node);
    case FIELD_FORMAT:
        return take_format(w, node);
    case FIELD_VALUE:
    default:
        return QUIPU_OK;
    }
}

/* Adds a string to `parent` and, as a field named `path`, to the view. */
static int32_t add_string(work *w, cJSON *parent, const char *name, const char *path, quipu_str text)
{
    const record_field *f = record_field_find(path, strlen(path));
    int64_t bad = utf8_first_bad(text.ptr, (size_t)text.len);
    if (bad >= 0 || (text.len && memchr(text.ptr, '\0', (size_t)text.len)))
        return refuse(w, path, bad >= 0 ? "is not UTF-8" : "must not hold a NUL");
    cJSON *node = json_string(text);
    if (!node || !cJSON_AddItemToObject(parent, name, node)) {
        cJSON_Delete(node);
        return fail_unless_memory(false, w->error);
    }
    return f->type == FIELD_TIME ? take_time(w, f, node) : take_string(w, f, node);
}

static int32_t default_scope(work *w, const char *name, const char *path, quipu_str text, quipu_str now)
{
    if (!str_present(text) || str_present(now))
        return QUIPU_OK;
    cJSON *scope = cJSON_GetObjectItemCaseSensitive(w->tree, "scope");
    if (!scope)
        scope = cJSON_AddObjectToObject(w->tree, "scope");
    return scope ? add_string(w, scope, name, path, text) : fail_unless_memory(false, w->error);
}

static int32_t default_time(work *w, const char *name, int64_t time, int64_t now)
{
    buffer text = { 0 };
    if (time == QUIPU_TIME_NONE || now != QUIPU_TIME_NONE)
        return QUIPU_OK;
    if (!time_in_range(time))
        return refuse(w, name, "is outside the years 0000 to 9999");
    time_print(time, &text);
    int32_t code = fail_unless_memory(!text.failed, w->error);
    if (code == QUIPU_OK)
        code = add_string(w, w->tree, name, name, str_make(text.bytes, text.len));
    buffer_free(&text);
    return code;
}

static int32_t fill_in(work *w, const record_defaults *d)
{
    const quipu_record *v = w->view;
    int32_t code = QUIPU_OK;
    if (str_present(d->id) && !str_present(v->id))
        code = add_string(w, w->tree, "id", "id", d->id);
    if (code == QUIPU_OK)
        code = default_scope(w, "user", "scope.user", d->user, v->user);
    if (code == QUIPU_OK)
        code = default_scope(w, "agent", "scope.agent", d->agent, v->agent);
    if (code == QUIPU_OK)
        code = default_scope(w, "session", "scope.session", d->session, v->session);
    if (code == QUIPU_OK)
        code = default_scope(w, "app", "scope.app", d->app, v->app);
    if (code == QUIPU_OK)
        code = default_time(w, "created_at", d->created_at, v->created_at);
    if (code == QUIPU_OK)
        code = default_time(w, "updated_at", d->updated_at, v->updated_at);
    return code;
}

void record_view_clear(quipu_record *view)
{
    *view = (quipu_record){ .struct_size = sizeof *view,
                            .seq = QUIPU_INT_NONE,
                            .created_at = QUIPU_TIME_NONE,
                            .updated_at = QUIPU_TIME_NONE,
                            .valid_from = QUIPU_TIME_NONE,
                            .valid_to = QUIPU_TIME_NONE,
                            .expires_at = QUIPU_TIME_NONE,
                            .importance = -1 };
}

int32_t record_normalise(cJSON *tree, const record_defaults *defaults, quipu_record *view, quipu_str **tags,
                         quipu_error *error)
{
    work w = { tree, view, tags, error };
    int32_t code = QUIPU_OK;
    cJSON *next;
    record_view_clear(view);
    if (!cJSON_IsObject(tree))
        return fail(error, QUIPU_E_INVALID, NULL, "a record must be a JSON object");
    for (cJSON *member = tree->child; member && code == QUIPU_OK; member = next) {
        next = member->next;
        code = take_member(&w, member);
    }
    if (code == QUIPU_OK && defaults)
        code = fill_in(&w, defaults);
    if (code != QUIPU_OK)
        return code;
    if (!str_present(view->id))
        return refuse(&w, "id", "must be there: a string of 1 to 255 bytes");
    if (view->valid_from != QUIPU_TIME_NONE && view->valid_to != QUIPU_TIME_NONE && view->valid_from > view->valid_to)
        return refuse(&w, "valid_to", "must not be before valid_from");
    return str_present(view->kind) ? QUIPU_OK : add_string(&w, tree, "kind", "kind", str_of(QUIPU_KIND_MEMORY));
}
