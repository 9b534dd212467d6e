/*
 * record.c - the owned record: from JSON, by way of record_normalise, or from a view that crossed the ABI.
 */
#include <sdk/record.h>

#include <sdk/json.h>
#include "record_canonical.h"
#include "record_fields.h"
#include "record_normalise.h"

#include <base/fail.h>
#include <base/hash.h>
#include <stdlib.h>

/* One block of memory: this, then the tags, then the bytes of every string, each with a NUL byte behind it. */
struct record {
    uint64_t references;
    quipu_record view;
    quipu_str tags[];
};

void record_version(quipu_str json, char out[QUIPU_VERSION_LEN])
{
    uint8_t hash[20];
    hash_git_object("blob", json.ptr, (size_t)json.len, hash);
    hex_encode(hash, sizeof hash, out);
}

static size_t view_bytes(const quipu_record *v)
{
    size_t bytes = 0;
    for (const size_t *offset = record_str_offsets; *offset != SIZE_MAX; offset++) {
        const quipu_str *s = (const quipu_str *)(const void *)((const char *)v + *offset);
        if (s->ptr)
            bytes += (size_t)s->len + 1;
    }
    for (uint64_t i = 0; i < v->tags.count; i++)
        bytes += (size_t)QUIPU_AT(quipu_str, &v->tags, i)->len + 1;
    return bytes;
}

/* Moves one string into the block and the cursor behind it. */
static void keep(quipu_str *s, char **at)
{
    if (!s->ptr)
        return;
    if (s->len)
        memcpy(*at, s->ptr, (size_t)s->len);
    (*at)[s->len] = '\0';
    s->ptr = *at;
    *at += s->len + 1;
}

/* A record that owns a copy of everything that the view shows. The view has been checked. */
static record *own(const quipu_record *view)
{
    size_t count = (size_t)view->tags.count;
    record *r = malloc(sizeof *r + count * sizeof r->tags[0] + view_bytes(view));
    if (!r)
        return NULL;
    char *at = (char *)(r->tags + count);
    r->references = 1;
    r->view = *view;
    r->view.struct_size = sizeof r->view;
    for (const size_t *offset = record_str_offsets; *offset != SIZE_MAX; offset++)
        keep(record_str_at(&r->view, *offset), &at);
    for (size_t i = 0; i < count; i++) {
        r->tags[i] = *QUIPU_AT(quipu_str, &view->tags, i);
        keep(&r->tags[i], &at);
    }
    r->view.tags = count ? (quipu_array){ r->tags, count, sizeof r->tags[0] } : (quipu_array){ 0 };
    return r;
}

static uint64_t most_bytes(const record_defaults *defaults)
{
    return defaults && defaults->max_bytes ? defaults->max_bytes : QUIPU_RECORD_MAX;
}

/* The record of a view whose strings are elsewhere, and of its canonical form. NULL without memory. */
static record *make(const quipu_record *view, quipu_str json)
{
    char version[QUIPU_VERSION_LEN];
    quipu_record whole = *view;
    record_version(json, version);
    whole.json = json;
    whole.version = str_make(version, sizeof version);
    return own(&whole);
}

/* From a tree whose texts are known to be good. */
static int32_t build(cJSON *tree, const record_defaults *defaults, record **out, quipu_error *error)
{
    quipu_record view;
    quipu_str *tags = NULL;
    buffer json = { 0 };
    uint64_t max = most_bytes(defaults);
    int32_t code = record_normalise(tree, defaults, &view, &tags, error);
    if (code != QUIPU_OK)
        goto end;
    json_print_canonical(tree, &json);
    code = fail_unless_memory(!json.failed, error);
    if (code != QUIPU_OK)
        goto end;
    if (json.len > max) {
        code = fail(error, QUIPU_E_TOO_LARGE, NULL, "the record takes %zu bytes; at most %llu are allowed", json.len,
                    (unsigned long long)max);
        goto end;
    }
    *out = make(&view, str_make(json.bytes, json.len));
    code = fail_unless_memory(*out != NULL, error);
end:
    if (code != QUIPU_OK && view.id.ptr)
        fail_name_record(error, &view.id);
    buffer_free(&json);
    free(tags);
    return code;
}

int32_t record_from_tree(cJSON *tree, const record_defaults *defaults, record **out, quipu_error *error)
{
    *out = NULL;
    int32_t code = json_check_tree(tree, error);
    return code == QUIPU_OK ? build(tree, defaults, out, error) : code;
}

static bool fills_nothing(const record_defaults *d)
{
    return !d || (!d->id.ptr && !d->user.ptr && !d->agent.ptr && !d->session.ptr && !d->app.ptr &&
                  d->created_at == QUIPU_TIME_NONE && d->updated_at == QUIPU_TIME_NONE);
}

/* NULL where it is not in the canonical form, or where the parser has to say what is wrong. */
static record *decode_canonical(quipu_str json, const record_defaults *defaults)
{
    quipu_record view;
    quipu_str *tags = NULL;
    buffer texts = { 0 };
    record *r = NULL;
    if (fills_nothing(defaults) && json.len <= most_bytes(defaults) &&
        record_read_canonical(json, &view, &tags, &texts))
        r = make(&view, json);
    buffer_free(&texts);
    free(tags);
    return r;
}

int32_t record_decode(quipu_str json, const record_defaults *defaults, record **out, quipu_error *error)
{
    cJSON *tree = NULL;
    *out = decode_canonical(json, defaults);
    if (*out)
        return QUIPU_OK;
    int32_t code = json_parse(json, &tree, error);
    if (code == QUIPU_OK)
        code = build(tree, defaults, out, error);
    cJSON_Delete(tree);
    return code;
}

static int32_t refuse_view(const char *field, const char *what, quipu_error *error)
{
    return fail(error, QUIPU_E_INVALID, field, "the record handed over is not valid: %s", what);
}

/* What a backend hands out must at least be readable without a fault. */
static int32_t check_view(const quipu_record *v, quipu_error *error)
{
    if (!v)
        return refuse_view(NULL, "there is none", error);
    if (v->struct_size < sizeof *v)
        return refuse_view("struct_size", "it is shorter than its first version", error);
    for (size_t i = sizeof *v; i < v->struct_size; i++)
        if (((const char *)v)[i] != 0)
            return refuse_view("struct_size", "it has fields that this program does not know", error);
    if (v->flags != 0)
        return refuse_view("flags", "no flag is defined", error);
    if (!v->id.ptr || v->id.len < 1 || v->id.len > QUIPU_ID_MAX)
        return refuse_view("id", "an id has 1 to 255 bytes", error);
    for (const size_t *offset = record_str_offsets; *offset != SIZE_MAX; offset++) {
        const quipu_str *s = (const quipu_str *)(const void *)((const char *)v + *offset);
        if ((!s->ptr && s->len) || s->len > JSON_TEXT_MAX)
            return refuse_view(NULL, "a text has an impossible length", error);
    }
    if (v->tags.count == 0)
        return QUIPU_OK;
    if (!v->tags.ptr || v->tags.stride < sizeof(quipu_str) || v->tags.stride % sizeof(void *) != 0 ||
        v->tags.count > JSON_TEXT_MAX / 4 || v->tags.stride > JSON_TEXT_MAX || (uintptr_t)v->tags.ptr % sizeof(void *))
        return refuse_view("tags", "the list has an impossible size", error);
    for (uint64_t i = 0; i < v->tags.count; i++)
        if (!QUIPU_AT(quipu_str, &v->tags, i)->ptr || QUIPU_AT(quipu_str, &v->tags, i)->len > JSON_TEXT_MAX)
            return refuse_view("tags", "a tag has an impossible length", error);
    return QUIPU_OK;
}

int32_t record_from_view(const quipu_record *view, bool check, record **out, quipu_error *error)
{
    *out = NULL;
    int32_t code = check_view(view, error);
    if (code != QUIPU_OK)
        return code;
    if (!view->json.ptr || (!check && view->version.len != QUIPU_VERSION_LEN))
        return refuse_view(view->json.ptr ? "version" : "json", "it is absent", error);
    if (!check) {
        *out = own(view);
        return fail_unless_memory(*out != NULL, error);
    }
    /* How large a record may be was settled when it was stored. */
    record_defaults defaults = { .created_at = QUIPU_TIME_NONE,
                                 .updated_at = QUIPU_TIME_NONE,
                                 .max_bytes = UINT64_MAX };
    code = record_decode(view->json, &defaults, out, error);
    if (code == QUIPU_OK && !str_same((*out)->view.id, view->id)) {
        record_free(*out);
        *out = NULL;
        code = refuse_view("id", "it is not the id in its JSON", error);
    }
    return code;
}

const quipu_record *record_view(const record *r)
{
    return &r->view;
}

record *record_share(record *r)
{
    __atomic_add_fetch(&r->references, 1, __ATOMIC_RELAXED);
    return r;
}

void record_free(record *r)
{
    if (r && __atomic_sub_fetch(&r->references, 1, __ATOMIC_ACQ_REL) == 0)
        free(r);
}
