/*
 * remember.c - what was said becomes records, verbatim: one a message, all of them one change set.
 *
 * With QUIPU_REMEMBER_ONCE a record's id is derived from its scope and text, and it may only be put where nothing is: so the backend's
 * own check finds the duplicate, whoever else writes the same at the same moment. Where the id is taken by another text (the record was
 * changed since) or by one that has expired, the message gets an id of its own.
 */
#include "../core/handle.h"
#include "../core/records.h"
#include "../core/uuid.h"

#include <base/fail.h>
#include <base/hash.h>
#include <quipu_memory.h>
#include <sdk/json.h>
#include <sdk/record.h>
#include <stdlib.h>

#define MESSAGES_MAX 10000u

/* One message that is kept. */
typedef struct kept {
    uint64_t index; /* of the message */
    char id[UUID_TEXT + 1];
    bool same; /* is there already */
    buffer json;
    record *stored; /* what was written */
} kept;

typedef struct remembering {
    quipu *q;
    const quipu_remember *what;
    const quipu_call *call;
    cJSON *fields; /* or NULL */
    kept *items;
    uint64_t count;
    int64_t now;
} remembering;

static const quipu_message *message_at(const remembering *r, uint64_t i)
{
    return QUIPU_AT(quipu_message, &r->what->messages, i);
}

static bool is_kept(const remembering *r, const quipu_message *m)
{
    if (m->content.len == 0)
        return false;
    if (QUIPU_IS(&m->role, "system"))
        return false;
    return !QUIPU_IS(&m->role, "tool") || (r->what->flags & QUIPU_REMEMBER_TOOL);
}

/* ---- ids ---- */

static void add_part(buffer *seed, quipu_str part)
{
    buffer_printf(seed, "%lld:", part.ptr ? (long long)part.len : -1LL);
    buffer_append_str(seed, part);
}

/* Version 8 of RFC 9562: ours to define. */
static int32_t derive_id(const remembering *r, quipu_str text, char out[UUID_TEXT + 1], quipu_error *error)
{
    uint8_t digest[32];
    buffer seed = { 0 };
    add_part(&seed, str_of("quipu.remember"));
    add_part(&seed, r->what->user);
    add_part(&seed, r->what->agent);
    add_part(&seed, r->what->session);
    add_part(&seed, r->what->app);
    add_part(&seed, text);
    if (seed.failed) {
        buffer_free(&seed);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    }
    hash_sha256(seed.bytes, seed.len, digest);
    buffer_free(&seed);
    digest[6] = (uint8_t)((digest[6] & 0x0f) | 0x80);
    digest[8] = (uint8_t)((digest[8] & 0x3f) | 0x80);
    uuid_print(digest, out);
    return QUIPU_OK;
}

static int32_t fresh_id(char out[UUID_TEXT + 1], quipu_error *error)
{
    uint8_t uuid[16];
    int32_t code = uuid_make(uuid, error);
    if (code == QUIPU_OK)
        uuid_print(uuid, out);
    return code;
}

/* ---- records ---- */

static bool set_text(cJSON *tree, const char *name, quipu_str text)
{
    if (!text.ptr)
        return true;
    cJSON_DeleteItemFromObjectCaseSensitive(tree, name);
    return cJSON_AddItemToObject(tree, name, json_string(text));
}

static bool set_time(cJSON *tree, const char *name, int64_t time)
{
    buffer text = { 0 };
    time_print(time, &text);
    bool done = !text.failed && set_text(tree, name, str_make(text.bytes, text.len));
    buffer_free(&text);
    return done;
}

static int32_t check_message(const quipu_message *m, uint64_t index, quipu_error *error)
{
    const struct {
        const char *name;
        quipu_str text;
    } parts[] = { { "role", m->role }, { "content", m->content }, { "name", m->name } };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].text.ptr && (utf8_first_bad(parts[i].text.ptr, (size_t)parts[i].text.len) >= 0 ||
                                  memchr(parts[i].text.ptr, '\0', (size_t)parts[i].text.len))) {
            fail(error, QUIPU_E_INVALID, parts[i].name, "%s of message %llu is not UTF-8 without NUL bytes",
                 parts[i].name, (unsigned long long)index);
            if (error && error->struct_size >= sizeof *error)
                error->index = index;
            return QUIPU_E_INVALID;
        }
    return QUIPU_OK;
}

static int32_t build(const remembering *r, kept *k, const quipu_message *m, quipu_error *error)
{
    cJSON *tree = r->fields ? cJSON_Duplicate(r->fields, 1) : cJSON_CreateObject();
    int64_t time = r->what->time != QUIPU_TIME_NONE ? r->what->time : r->now;
    bool good = tree && set_text(tree, "text", m->content) &&
                set_text(tree, "role", m->role.len ? m->role : str_of("user")) &&
                (m->name.len == 0 || set_text(tree, "actor", m->name)) &&
                set_time(tree, "created_at", time + (int64_t)k->index) &&
                set_time(tree, "updated_at", time + (int64_t)k->index);
    if (good) {
        cJSON_DeleteItemFromObjectCaseSensitive(tree, "id");
        cJSON_DeleteItemFromObjectCaseSensitive(tree, "scope");
        json_print_compact(tree, &k->json);
    }
    cJSON_Delete(tree);
    if (!good || k->json.failed)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    return QUIPU_OK;
}

/* The same text twice in one call is one record. */
static bool occurs_before(const remembering *r, const kept *k)
{
    for (const kept *other = r->items; other < k; other++)
        if (!other->same && strcmp(other->id, k->id) == 0)
            return true;
    return false;
}

static int32_t collect(remembering *r, quipu_error *error)
{
    const quipu_array *messages = &r->what->messages;
    int32_t code = QUIPU_OK;
    r->items = calloc((size_t)messages->count + 1, sizeof *r->items);
    if (!r->items)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    for (uint64_t i = 0; code == QUIPU_OK && i < messages->count; i++) {
        const quipu_message *m = message_at(r, i);
        kept *k = &r->items[r->count];
        code = check_message(m, i, error);
        if (code != QUIPU_OK || !is_kept(r, m))
            continue;
        k->index = i;
        r->count++;
        code = build(r, k, m, error);
        if (code == QUIPU_OK && (r->what->flags & QUIPU_REMEMBER_ONCE))
            code = derive_id(r, m->content, k->id, error);
        else if (code == QUIPU_OK)
            code = fresh_id(k->id, error);
        k->same = code == QUIPU_OK && occurs_before(r, k);
    }
    return code;
}

/* ---- writing ---- */

static void keep_written(void *context, uint64_t index, const quipu_str *id, const quipu_record *stored)
{
    remembering *r = context;
    (void)id;
    for (uint64_t i = 0; i < r->count; i++)
        if (!r->items[i].same && index-- == 0) {
            record_from_view(stored, false, &r->items[i].stored, NULL);
            return;
        }
}

static int32_t write_all(remembering *r, quipu_error *error)
{
    quipu_write *steps = calloc((size_t)r->count + 1, sizeof *steps);
    quipu_array writes = { steps, 0, sizeof *steps };
    quipu_write_options options = { .struct_size = sizeof options,
                                    .author = r->what->author,
                                    .operation = str_of("add"),
                                    .user = r->what->user,
                                    .agent = r->what->agent,
                                    .session = r->what->session,
                                    .app = r->what->app };
    if (!steps)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    for (uint64_t i = 0; i < r->count; i++)
        if (!r->items[i].same)
            steps[writes.count++] = (quipu_write){ .struct_size = sizeof *steps,
                                                   .op = QUIPU_CHANGE_PUT,
                                                   .expect = QUIPU_EXPECT_ABSENT,
                                                   .id = str_of(r->items[i].id),
                                                   .json = str_make(r->items[i].json.bytes, r->items[i].json.len) };
    int32_t code = QUIPU_OK;
    if (writes.count > 0)
        code = quipu_write_records(r->q, &writes, &options, keep_written, r, NULL, r->call, error);
    free(steps);
    return code;
}

/* The id of one is taken: by the same text, which is then not written again, or by something else. */
static int32_t resolve_taken(remembering *r, const quipu_error *why, quipu_error *error)
{
    for (uint64_t i = 0; i < r->count; i++) {
        kept *k = &r->items[i];
        record *stored = NULL;
        if (k->same || strcmp(k->id, why->id) != 0)
            continue;
        int32_t code = record_stored(r->q, str_of(k->id), &stored, r->call, error);
        if (code != QUIPU_OK && code != QUIPU_E_NOT_FOUND)
            return code;
        k->same = code == QUIPU_OK && str_same(record_view(stored)->text, message_at(r, k->index)->content);
        record_free(stored);
        return k->same ? QUIPU_OK : fresh_id(k->id, error);
    }
    return fail(error, QUIPU_E_EXISTS, "id", "the backend says that an id exists, but not which");
}

static int32_t write_once(remembering *r, quipu_error *error)
{
    for (uint64_t attempt = 0;; attempt++) {
        quipu_error why = { .struct_size = sizeof why };
        int32_t code = write_all(r, &why);
        if (code != QUIPU_E_EXISTS || attempt > r->count)
            return error_hand_over(&why, error, code);
        code = resolve_taken(r, &why, error);
        if (code != QUIPU_OK)
            return code;
    }
}

/* ---- all of it ---- */

static int32_t tell(const remembering *r, quipu_memory_fn visit, void *context)
{
    for (uint64_t i = 0; visit && i < r->count; i++) {
        const kept *k = &r->items[i];
        quipu_memory_event event = { .struct_size = sizeof event,
                                     .what = k->same ? QUIPU_MEMORY_SAME : QUIPU_MEMORY_ADDED,
                                     .index = k->index,
                                     .id = str_of(k->id),
                                     .after = k->stored ? record_view(k->stored) : NULL,
                                     .time = r->now,
                                     .author = r->what->author };
        int32_t answer = visit(context, &event);
        if (answer != 0)
            return answer < 0 ? answer : QUIPU_OK;
    }
    return QUIPU_OK;
}

static int32_t check(const quipu_remember *what, quipu_error *error)
{
    int32_t code = check_struct(what, sizeof *what, "what", error);
    if (code != QUIPU_OK)
        return code;
    if (what->flags & ~(QUIPU_REMEMBER_ONCE | QUIPU_REMEMBER_TOOL))
        return fail(error, QUIPU_E_INVALID, "flags", "unknown flags: %u", what->flags);
    if (what->messages.count > MESSAGES_MAX)
        return fail(error, QUIPU_E_TOO_LARGE, "messages", "%llu messages are too many; %u go at once",
                    (unsigned long long)what->messages.count, MESSAGES_MAX);
    if (what->messages.count &&
        (!what->messages.ptr || what->messages.stride < sizeof(quipu_message) || what->messages.stride % 8))
        return fail(error, QUIPU_E_INVALID, "messages", "messages: no array of quipu_message");
    return QUIPU_OK;
}

static int32_t parse_fields(remembering *r, quipu_error *error)
{
    if (!r->what->fields.ptr)
        return QUIPU_OK;
    int32_t code = json_parse(r->what->fields, &r->fields, error);
    if (code == QUIPU_OK && !cJSON_IsObject(r->fields))
        code = fail(error, QUIPU_E_INVALID, "fields", "fields must be a JSON object");
    return code;
}

int32_t quipu_remember_messages(quipu *q, const quipu_remember *what, quipu_memory_fn visit, void *context,
                                const quipu_call *call, quipu_error *error)
{
    remembering r = { .q = q, .what = what, .call = call };
    quipu_change_set now = { .struct_size = sizeof now };
    int32_t code = check(what, error);
    if (code == QUIPU_OK)
        code = quipu_change_set_begin(q, NULL, &now, error);
    r.now = now.time;
    if (code == QUIPU_OK)
        code = parse_fields(&r, error);
    if (code == QUIPU_OK)
        code = collect(&r, error);
    if (code == QUIPU_OK)
        code = write_once(&r, error);
    if (code == QUIPU_OK)
        code = tell(&r, visit, context);
    for (uint64_t i = 0; r.items && i <= what->messages.count; i++) {
        buffer_free(&r.items[i].json);
        record_free(r.items[i].stored);
    }
    free(r.items);
    cJSON_Delete(r.fields);
    return code;
}
