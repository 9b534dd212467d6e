/*
 * retain.c - keeping what clients hand over, by item and document.
 *
 * A document's records have ids made of its name and their place in it, so that the same document handed over again supersedes itself, and
 * two who add to it at once do not both take one place. All of a request is one change set, the note that an asynchronous one was done
 * among it: so a request that is sent again, with the same operation_id, is done once.
 */
#include "handlers.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <stdio.h>
#include <stdlib.h>

#define ITEMS_MAX 1000
#define RECORDS_MAX 10000u
#define TRIES 8

/* One request on its way. */
typedef struct retained {
    serve *s;
    web_request *r;
    quipu_str bank;
    const cJSON *items;
    const cJSON *tags; /* of all items */
    quipu_write *steps;
    size_t count, room;
    int64_t now;
    cJSON *places; /* document -> how many records of it there will be */
    cJSON *stored; /* document -> how many there are */
} retained;

static int32_t add_step(retained *t, quipu_write step, quipu_error *error)
{
    if (t->count == RECORDS_MAX)
        return fail(error, QUIPU_E_TOO_LARGE, "items", "one request may touch %u records at the most", RECORDS_MAX);
    if (t->count == t->room) {
        size_t room = t->room ? t->room * 2 : 64;
        quipu_write *more = realloc(t->steps, room * sizeof *more);
        if (!more)
            return hindsight_no_memory(error);
        t->steps = more;
        t->room = room;
    }
    step.struct_size = sizeof step;
    t->steps[t->count++] = step;
    return QUIPU_OK;
}

/* Adds a put; the tree is freed. */
static int32_t add_put(retained *t, cJSON *tree, uint32_t expect, quipu_error *error)
{
    buffer json = { 0 };
    json_print_compact(tree, &json);
    cJSON_Delete(tree);
    quipu_str text = json.failed ? (quipu_str){ NULL, 0 } : web_keep_text(t->r, str_make(json.bytes, json.len));
    buffer_free(&json);
    if (!text.ptr)
        return hindsight_no_memory(error);
    return add_step(t, (quipu_write){ .op = QUIPU_CHANGE_PUT, .expect = expect, .json = text }, error);
}

/* ---- what is there of the documents ---- */

static double counted(const cJSON *object, const char *name)
{
    const cJSON *one = cJSON_GetObjectItemCaseSensitive(object, name);
    return one ? one->valuedouble : 0;
}

static void set_count(cJSON *object, const char *name, double count)
{
    cJSON *one = cJSON_GetObjectItemCaseSensitive(object, name);
    if (one)
        one->valuedouble = count;
    else
        cJSON_AddNumberToObject(object, name, count);
}

static int32_t count_stored(void *context, const quipu_hit *hit)
{
    cJSON *stored = context;
    char *name = str_dup(hit->record->key);
    if (!name)
        return QUIPU_E_NO_MEMORY;
    double place = hit->record->seq >= 0 ? (double)hit->record->seq + 1 : 1;
    if (place > counted(stored, name))
        set_count(stored, name, place);
    free(name);
    return 0;
}

static int32_t read_stored(retained *t, web_answer *a, quipu_error *error)
{
    const cJSON *item;
    filter *which = NULL;
    cJSON *names = cJSON_CreateArray();
    cJSON_ArrayForEach(item, t->items)
    {
        const cJSON *name = web_member(item, "document_id");
        if (cJSON_IsString(name))
            cJSON_AddItemToArray(names, cJSON_CreateString(name->valuestring));
    }
    if (!names || !names->child) {
        cJSON_Delete(names);
        return QUIPU_OK;
    }
    cJSON *expression = hindsight_where("key", hindsight_where("in", names));
    int32_t code = expression ? hindsight_filter(t->r, a, QUIPU_KIND_MEMORY, false, expression, true, &which, error)
                              : hindsight_no_memory(error);
    if (code == QUIPU_OK)
        code = hindsight_scan(t->s, t->r, which, QUIPU_ORDER_ID, count_stored, t->stored, error);
    filter_free(which);
    return code;
}

/* ---- one item ---- */

typedef struct item {
    quipu_str content, document;
    const char *document_text;
    bool append, undated;
    int64_t time;
    const cJSON *tree;
} item;

static int32_t check_texts(const cJSON *list, const char *field, quipu_error *error)
{
    if (list && !cJSON_IsArray(list))
        return fail(error, QUIPU_E_INVALID, field, "%s must be a list of texts", field);
    for (const cJSON *one = list ? list->child : NULL; one; one = one->next)
        if (!cJSON_IsString(one))
            return fail(error, QUIPU_E_INVALID, field, "%s must be a list of texts", field);
    return QUIPU_OK;
}

static int32_t check_lists(const cJSON *tree, quipu_error *error)
{
    const cJSON *metadata = web_member(tree, "metadata"), *entities = web_member(tree, "entities"), *one;
    int32_t code = check_texts(web_member(tree, "tags"), "tags", error);
    if (code != QUIPU_OK)
        return code;
    if (metadata && !cJSON_IsObject(metadata))
        return fail(error, QUIPU_E_INVALID, "metadata", "metadata must be an object of texts");
    cJSON_ArrayForEach(one, metadata)
    {
        if (!cJSON_IsString(one))
            return fail(error, QUIPU_E_INVALID, "metadata", "metadata must be an object of texts");
    }
    if (entities && !cJSON_IsArray(entities))
        return fail(error, QUIPU_E_INVALID, "entities", "entities must be a list of objects with a text");
    cJSON_ArrayForEach(one, entities)
    {
        if (!cJSON_IsString(web_member(one, "text")))
            return fail(error, QUIPU_E_INVALID, "entities", "entities must be a list of objects with a text");
    }
    return QUIPU_OK;
}

static int32_t read_item(const retained *t, const cJSON *tree, item *out, quipu_error *error)
{
    quipu_str mode, stamp, context;
    *out = (item){ .tree = tree, .time = t->now };
    if (!cJSON_IsObject(tree))
        return fail(error, QUIPU_E_INVALID, "items", "items must be a list of objects");
    int32_t code = web_member_text(tree, "content", &out->content, error);
    if (code == QUIPU_OK && out->content.len == 0)
        code = fail(error, QUIPU_E_INVALID, "content", "content is needed");
    if (code == QUIPU_OK)
        code = web_member_text(tree, "document_id", &out->document, error);
    if (code == QUIPU_OK)
        code = web_member_text(tree, "context", &context, error);
    if (code == QUIPU_OK)
        code = web_member_text(tree, "update_mode", &mode, error);
    if (code == QUIPU_OK && mode.ptr && !QUIPU_IS(&mode, "append") && !QUIPU_IS(&mode, "replace"))
        code = fail(error, QUIPU_E_INVALID, "update_mode", "update_mode must be replace or append");
    if (code == QUIPU_OK)
        code = web_member_text(tree, "timestamp", &stamp, error);
    if (code == QUIPU_OK)
        code = check_lists(tree, error);
    if (code != QUIPU_OK)
        return code;
    out->append = mode.ptr && QUIPU_IS(&mode, "append");
    out->undated = stamp.ptr && QUIPU_IS(&stamp, "unset");
    if (out->document.len == 0)
        out->document = (quipu_str){ NULL, 0 };
    return stamp.ptr && !out->undated ? hindsight_time(stamp, "timestamp", &out->time, error) : QUIPU_OK;
}

static bool add_copy(cJSON *to, const char *name, const cJSON *from)
{
    cJSON *copy = from ? cJSON_Duplicate(from, 1) : NULL;
    return !from || (copy && cJSON_AddItemToObject(to, name, copy));
}

static bool add_tags(const retained *t, const item *it, cJSON *record_)
{
    const cJSON *lists[] = { web_member(it->tree, "tags"), t->tags };
    cJSON *all = cJSON_CreateArray();
    for (size_t i = 0; i < 2; i++)
        for (const cJSON *one = lists[i] ? lists[i]->child : NULL; one; one = one->next) {
            const cJSON *before = all ? all->child : NULL;
            while (before && strcmp(before->valuestring, one->valuestring) != 0)
                before = before->next;
            if (!before)
                cJSON_AddItemToArray(all, cJSON_CreateString(one->valuestring));
        }
    if (all && all->child)
        return cJSON_AddItemToObject(record_, "tags", all);
    cJSON_Delete(all);
    return all != NULL;
}

static bool add_time(cJSON *record_, int64_t time)
{
    buffer text = { 0 };
    time_print(time, &text);
    bool good =
        !text.failed && cJSON_AddItemToObject(record_, "created_at", json_string(str_make(text.bytes, text.len)));
    buffer_free(&text);
    return good;
}

/* A record of one piece. place: in its document, from 0. first: the item begins here. */
static cJSON *piece_record(const retained *t, const item *it, quipu_str text, uint64_t place, bool first)
{
    char id[HINDSIGHT_ID];
    cJSON *out = cJSON_CreateObject(), *value = cJSON_CreateObject();
    bool good = out && value && cJSON_AddItemToObject(out, "text", json_string(text)) &&
                add_copy(value, "context", web_member(it->tree, "context")) &&
                add_copy(value, "entities", web_member(it->tree, "entities")) &&
                add_copy(out, "metadata", web_member(it->tree, "metadata")) && add_tags(t, it, out) &&
                add_time(out, it->time + (int64_t)place) &&
                cJSON_AddItemToObject(out, "seq", json_number_int((int64_t)place));
    if (good && it->document.ptr) {
        hindsight_id(t->r, "hindsight", it->document, place, id);
        good = cJSON_AddStringToObject(out, "id", id) && cJSON_AddItemToObject(out, "key", json_string(it->document));
    }
    if (good && it->undated)
        good = cJSON_AddTrueToObject(value, "undated");
    if (good && first)
        good = cJSON_AddTrueToObject(value, "begins");
    if (good && value->child)
        good = cJSON_AddItemToObject(out, "value", value);
    else
        cJSON_Delete(value);
    if (good)
        return out;
    cJSON_Delete(out);
    return NULL;
}

/* Bytes of the next piece: up to a line's end, else a blank, else between two characters. */
static size_t piece_len(quipu_str rest)
{
    if (rest.len <= HINDSIGHT_PIECE)
        return (size_t)rest.len;
    for (size_t i = HINDSIGHT_PIECE; i > HINDSIGHT_PIECE / 2; i--)
        if (rest.ptr[i - 1] == '\n')
            return i;
    for (size_t i = HINDSIGHT_PIECE; i > HINDSIGHT_PIECE / 2; i--)
        if (rest.ptr[i - 1] == ' ')
            return i;
    size_t len = HINDSIGHT_PIECE;
    while (((unsigned char)rest.ptr[len] & 0xc0) == 0x80)
        len--;
    return len;
}

static int32_t add_item(retained *t, const cJSON *tree, quipu_error *error)
{
    item it;
    int32_t code = read_item(t, tree, &it, error);
    if (code != QUIPU_OK)
        return code;
    const cJSON *named = web_member(tree, "document_id");
    const char *name = it.document.ptr ? named->valuestring : NULL;
    bool again = name && cJSON_GetObjectItemCaseSensitive(t->places, name);
    double kept = name && it.append ? counted(t->stored, name) : 0;
    uint64_t place = (uint64_t)(again ? counted(t->places, name) : kept);
    quipu_str rest = it.content;
    for (bool first = true; code == QUIPU_OK && rest.len > 0; first = false) {
        size_t len = piece_len(rest);
        cJSON *record_ = piece_record(t, &it, str_make(rest.ptr, len), place, first);
        uint32_t expect =
            name && it.append && (double)place >= counted(t->stored, name) ? QUIPU_EXPECT_ABSENT : QUIPU_EXPECT_ANY;
        code = record_ ? add_put(t, record_, expect, error) : hindsight_no_memory(error);
        rest.ptr += len;
        rest.len -= len;
        place++;
    }
    if (name && code == QUIPU_OK)
        set_count(t->places, name, (double)place);
    return code;
}

/* What a document had more of than it has now. */
static int32_t drop_rest(retained *t, quipu_error *error)
{
    char id[HINDSIGHT_ID];
    int32_t code = QUIPU_OK;
    for (const cJSON *one = t->places->child; code == QUIPU_OK && one; one = one->next)
        for (uint64_t i = (uint64_t)one->valuedouble; code == QUIPU_OK && (double)i < counted(t->stored, one->string);
             i++) {
            hindsight_id(t->r, "hindsight", str_of(one->string), i, id);
            quipu_str kept = web_keep_text(t->r, str_of(id));
            code = kept.ptr ? add_step(t, (quipu_write){ .op = QUIPU_CHANGE_DELETE, .id = kept }, error)
                            : hindsight_no_memory(error);
        }
    return code;
}

/* ---- operations ---- */

static int32_t add_operation(retained *t, quipu_str name, quipu_error *error)
{
    char id[HINDSIGHT_ID];
    hindsight_id(t->r, "hindsight-op", name, 0, id);
    cJSON *out = cJSON_CreateObject(), *value = cJSON_AddObjectToObject(out, "value");
    bool good = cJSON_AddStringToObject(out, "id", id) && cJSON_AddStringToObject(out, "kind", HINDSIGHT_OPERATION) &&
                cJSON_AddItemToObject(out, "key", json_string(name)) &&
                cJSON_AddStringToObject(value, "task_type", "retain") &&
                cJSON_AddItemToObject(value, "items_count", json_number_int(cJSON_GetArraySize(t->items)));
    if (good)
        return add_put(t, out, QUIPU_EXPECT_ABSENT, error);
    cJSON_Delete(out);
    return hindsight_no_memory(error);
}

static int32_t ignore_hit(void *context, const quipu_hit *hit)
{
    (void)context, (void)hit;
    return 0;
}

static int32_t is_done(retained *t, quipu_str name, bool *out, quipu_error *error)
{
    char id[HINDSIGHT_ID];
    hindsight_id(t->r, "hindsight-op", name, 0, id);
    quipu_get query = { .struct_size = sizeof query, .id = str_of(id) };
    int32_t code = quipu_get_record(t->s->q, &query, ignore_hit, NULL, t->r->call, error);
    *out = code == QUIPU_OK;
    return code == QUIPU_E_NOT_FOUND ? QUIPU_OK : code;
}

/* ---- the request ---- */

static void forget_steps(retained *t)
{
    t->count = 0;
    cJSON_Delete(t->places);
    cJSON_Delete(t->stored);
    t->places = cJSON_CreateObject();
    t->stored = cJSON_CreateObject();
}

static int32_t try_once(retained *t, web_answer *a, quipu_str operation, quipu_error *error)
{
    bool done = false;
    const cJSON *one;
    forget_steps(t);
    int32_t code = t->places && t->stored ? QUIPU_OK : hindsight_no_memory(error);
    if (code == QUIPU_OK && operation.ptr)
        code = is_done(t, operation, &done, error);
    if (code != QUIPU_OK || done)
        return code;
    code = read_stored(t, a, error);
    cJSON_ArrayForEach(one, t->items)
    {
        if (code == QUIPU_OK)
            code = add_item(t, one, error);
    }
    if (code == QUIPU_OK)
        code = drop_rest(t, error);
    if (code == QUIPU_OK && operation.ptr)
        code = add_operation(t, operation, error);
    if (code != QUIPU_OK)
        return code;
    quipu_array writes = { t->steps, t->count, sizeof *t->steps };
    quipu_write_options options = { .struct_size = sizeof options,
                                    .author = t->r->who.name,
                                    .user = t->r->who.user,
                                    .agent = t->bank,
                                    .session = t->r->who.session,
                                    .app = hindsight_app(t->r) };
    return quipu_write_records(t->s->q, &writes, &options, NULL, NULL, NULL, t->r->call, error);
}

static int32_t read_request(retained *t, web_answer *a, bool *async, quipu_str *operation, quipu_error *error)
{
    t->items = web_member(t->r->json, "items");
    t->tags = web_member(t->r->json, "document_tags");
    int32_t code = hindsight_bank(t->r, a, &t->bank, error);
    if (code == QUIPU_OK && (!cJSON_IsArray(t->items) || !t->items->child))
        code = fail(error, QUIPU_E_INVALID, "items", "items must be a list of at least one object");
    if (code == QUIPU_OK && cJSON_GetArraySize(t->items) > ITEMS_MAX)
        code = fail(error, QUIPU_E_TOO_LARGE, "items", "at most %d items at once", ITEMS_MAX);
    if (code == QUIPU_OK)
        code = check_texts(t->tags, "document_tags", error);
    if (code == QUIPU_OK)
        code = web_member_flag(t->r->json, "async", false, async, error);
    if (code == QUIPU_OK)
        code = web_member_text(t->r->json, "operation_id", operation, error);
    if (code == QUIPU_OK && operation->len > QUIPU_ID_MAX)
        code = fail(error, QUIPU_E_INVALID, "operation_id", "operation_id is too long");
    return code;
}

/* Without one of the caller's, the request gets an operation of its own. */
static int32_t begin(retained *t, bool async, quipu_str *operation, char made[40], quipu_error *error)
{
    quipu_change_set set = { .struct_size = sizeof set };
    int32_t code = quipu_change_set_begin(t->s->q, NULL, &set, error);
    t->now = set.time;
    if (!async)
        *operation = (quipu_str){ NULL, 0 };
    else if (operation->len == 0) {
        const uint8_t *b = set.change_id;
        snprintf(made, 40, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
                 b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
        *operation = str_of(made);
    }
    return code;
}

int32_t hindsight_retain(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    retained t = { .s = s, .r = r };
    bool async = false;
    char made[40] = "";
    quipu_str operation = { NULL, 0 };
    int32_t code = read_request(&t, a, &async, &operation, error);
    if (code == QUIPU_OK)
        code = begin(&t, async, &operation, made, error);
    if (code == QUIPU_OK) {
        code = QUIPU_E_CONFLICT;
        for (int i = 0; code == QUIPU_E_CONFLICT && i < TRIES; i++)
            code = try_once(&t, a, operation, error);
    }
    if (code == QUIPU_OK) {
        buffer_append_text(&a->body, "{\"success\":true,\"bank_id\":");
        json_print_string(t.bank, &a->body);
        buffer_printf(&a->body, ",\"items_count\":%d,\"async\":%s", cJSON_GetArraySize(t.items),
                      async ? "true" : "false");
        if (operation.ptr)
            hindsight_member(&a->body, "operation_id", operation);
        buffer_append_char(&a->body, '}');
    }
    cJSON_Delete(t.places);
    cJSON_Delete(t.stored);
    free(t.steps);
    return code;
}
