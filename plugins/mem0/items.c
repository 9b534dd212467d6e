/*
 * items.c - a record as a memory of mem0, and back.
 *
 * mem0 keeps a text, whose it is, and metadata. The whole record goes into one member of the metadata as text, so that it comes back to the byte, its id
 * included; its own metadata goes beside it, for mem0's filters. Where somebody has changed the memory's text at the remote, that text wins.
 */
#include "backend.h"

#include <base/fail.h>
#include <ctype.h>
#include <sdk/json.h>
#include <string.h>

int32_t item_check(const quipu_backend *self, const quipu_record *r, quipu_error *error)
{
    const struct {
        const char *name;
        quipu_str value;
    } ids[] = { { "user", r->user }, { "agent", r->agent }, { "session", r->session }, { "app", r->app } };
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0] && code == QUIPU_OK && self->set.shared; i++)
        for (size_t k = 0; k < ids[i].value.len; k++)
            if (isspace((unsigned char)ids[i].value.ptr[k]))
                code = fail(error, QUIPU_E_INVALID, ids[i].name, "mem0 takes no white space in %s (\"%.*s\")",
                            ids[i].name, (int)(ids[i].value.len < 60 ? ids[i].value.len : 60), ids[i].value.ptr);
    if (code == QUIPU_OK && r->json.len > self->set.record_max)
        code = fail(error, QUIPU_E_TOO_LARGE, "record_max", "the record takes %llu bytes, and %llu are allowed",
                    (unsigned long long)r->json.len, (unsigned long long)self->set.record_max);
    if (code != QUIPU_OK)
        fail_name_record(error, &r->id);
    return code;
}

static bool add_id(cJSON *body, const char *name, quipu_str value)
{
    return !value.ptr || value.len == 0 || cJSON_AddItemToObject(body, name, json_string(value));
}

/* mem0 wants somebody whose memory it is. */
bool item_scope(const quipu_backend *self, const quipu_record *r, cJSON *body)
{
    if (!self->set.shared)
        return add_id(body, "user_id", str_of(self->owner));
    bool own = r->user.ptr && r->user.len > 0;
    const char *user = self->set.user ? self->set.user : r->agent.len || r->session.len ? NULL : "quipu";
    return add_id(body, "user_id", own ? r->user : str_of(user)) && add_id(body, "agent_id", r->agent) &&
           add_id(body, "run_id", r->session) && (!self->set.platform || add_id(body, "app_id", r->app));
}

/* Names by which mem0's own server keeps what is not metadata, beside it. */
static bool is_reserved(const char *name)
{
    static const char *const names[] = {
        KEPT_IN,      "id",         "data",       "memory",          "hash",
        "user_id",    "agent_id",   "run_id",     "app_id",          "actor_id",
        "role",       "created_at", "updated_at", "attributed_to",   "score",
        "categories", "metadata",   "text",       "expiration_date", "text_lemmatized"
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

cJSON *item_metadata(const quipu_record *r)
{
    cJSON *tree = NULL, *metadata = NULL;
    if (json_parse(r->json, &tree, NULL) == QUIPU_OK)
        metadata = cJSON_DetachItemFromObjectCaseSensitive(tree, "metadata");
    bool parsed = tree != NULL;
    cJSON_Delete(tree);
    if (!parsed || (!metadata && !(metadata = cJSON_CreateObject())))
        return NULL;
    for (cJSON *m = metadata->child, *next; m; m = next) {
        next = m->next;
        if (is_reserved(m->string))
            cJSON_Delete(cJSON_DetachItemViaPointer(metadata, m));
    }
    if (cJSON_AddItemToObject(metadata, KEPT_IN, json_string(r->json)))
        return metadata;
    cJSON_Delete(metadata);
    return NULL;
}

quipu_str item_text(const quipu_record *r)
{
    bool blank = true;
    for (size_t i = 0; i < r->text.len && blank; i++)
        blank = isspace((unsigned char)r->text.ptr[i]);
    return blank ? r->id : r->text; /* mem0 takes no memory without words */
}

/* ---- back ---- */

static const char *text_of(const cJSON *item, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, name));
    return text && *text ? text : NULL;
}

static void copy_text(const cJSON *item, const char *from, cJSON *to, const char *name)
{
    if (text_of(item, from))
        cJSON_AddStringToObject(to, name, text_of(item, from));
}

/* A memory that mem0's own programs have made. */
static cJSON *foreign(const cJSON *item)
{
    cJSON *tree = cJSON_CreateObject(), *scope = cJSON_AddObjectToObject(tree, "scope");
    const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(item, "metadata");
    const cJSON *tags = cJSON_GetObjectItemCaseSensitive(item, "categories");
    copy_text(item, "id", tree, "id");
    copy_text(item, "memory", tree, "text");
    copy_text(item, "user_id", scope, "user");
    copy_text(item, "agent_id", scope, "agent");
    copy_text(item, "run_id", scope, "session");
    copy_text(item, "app_id", scope, "app");
    copy_text(item, "actor_id", tree, "actor");
    copy_text(item, "role", tree, "role");
    copy_text(item, "created_at", tree, "created_at");
    copy_text(item, "updated_at", tree, "updated_at");
    copy_text(item, "expiration_date", tree, "expires_at");
    if (cJSON_IsObject(metadata))
        cJSON_AddItemToObject(tree, "metadata", cJSON_Duplicate(metadata, true));
    if (cJSON_IsArray(tags) && cJSON_GetArraySize(tags) > 0)
        cJSON_AddItemToObject(tree, "tags", cJSON_Duplicate(tags, true));
    return tree;
}

/* The text was changed at the remote: it wins, with its time. */
static int32_t take_text(const cJSON *item, record **r, quipu_error *error)
{
    record *changed = NULL;
    cJSON *patch = cJSON_CreateObject();
    copy_text(item, "memory", patch, "text");
    copy_text(item, "updated_at", patch, "updated_at");
    int32_t code = record_patch(record_view(*r), patch, NULL, &changed, error);
    cJSON_Delete(patch);
    record_free(*r);
    *r = changed;
    return code;
}

int32_t item_record(const cJSON *item, record **out, const char **remote, quipu_error *error)
{
    quipu_error why = { .struct_size = sizeof why };
    const char *id = text_of(item, "id"), *memory = text_of(item, "memory");
    const char *kept = text_of(cJSON_GetObjectItemCaseSensitive(item, "metadata"), KEPT_IN);
    *out = NULL;
    *remote = id;
    if (!id || !memory)
        return fail(error, QUIPU_E_PLUGIN, NULL, "the remote lists a memory without id or text (\"%.60s\")",
                    id ? id : "");
    int32_t code;
    if (kept) {
        code = record_decode(str_of(kept), NULL, out, &why);
        if (code == QUIPU_OK && !str_same(item_text(record_view(*out)), str_of(memory)))
            code = take_text(item, out, &why);
    } else {
        cJSON *tree = foreign(item);
        code = record_from_tree(tree, NULL, out, &why);
        cJSON_Delete(tree);
    }
    if (code != QUIPU_OK)
        fail(error, code, why.field, "the memory %.60s of the remote is no record: %.150s", id, why.message);
    return code;
}
