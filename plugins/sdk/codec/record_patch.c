/* record_patch.c - merge patches, comparisons of two records, and the id of an upsert. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include <sdk/record.h>

#include <sdk/json.h>
#include "record_normalise.h"

#include <base/fail.h>
#include <base/hash.h>

/* Applies the sorted patch to the sorted target, both RFC 7396 objects; both are taken, the result is the caller's, with
 * the key of the patch. NULL without memory. */
static cJSON *merge_patch(cJSON *target, cJSON *patch);

/* What becomes of one member: `old` (or NULL) and the patch's are taken. */
static bool merge_member(cJSON *result, cJSON *old, cJSON *change)
{
    if (cJSON_IsNull(change)) {
        cJSON_Delete(old);
        cJSON_Delete(change);
        return true;
    }
    cJSON *merged = merge_patch(old, change);
    if (merged)
        cJSON_AddItemToArray(result, merged);
    return merged != NULL;
}

static cJSON *merge_patch(cJSON *target, cJSON *patch)
{
    if (!cJSON_IsObject(patch)) {
        cJSON_Delete(target);
        return patch;
    }
    cJSON *result = cJSON_CreateObject();
    bool good = result != NULL;
    if (good) {
        result->string = patch->string;
        patch->string = NULL;
    }
    if (target && !cJSON_IsObject(target)) {
        cJSON_Delete(target);
        target = NULL;
    }
    if (target)
        json_sort_object(target);
    json_sort_object(patch);
    while (good && ((target && target->child) || patch->child)) {
        cJSON *old = target ? target->child : NULL;
        int order = !old ? 1 : !patch->child ? -1 : strcmp(old->string, patch->child->string);
        old = order <= 0 ? cJSON_DetachItemViaPointer(target, old) : NULL;
        if (order < 0)
            cJSON_AddItemToArray(result, old);
        else
            good = merge_member(result, old, cJSON_DetachItemViaPointer(patch, patch->child));
    }
    cJSON_Delete(target);
    cJSON_Delete(patch);
    if (!good) {
        cJSON_Delete(result);
        return NULL;
    }
    return result;
}

int32_t record_patch(const quipu_record *base, const cJSON *patch, const record_defaults *defaults, record **out,
                     quipu_error *error)
{
    cJSON *tree = NULL;
    *out = NULL;
    if (!cJSON_IsObject(patch))
        return fail(error, QUIPU_E_INVALID, NULL, "a patch must be a JSON object");
    int32_t code = json_check_tree(patch, error);
    if (code == QUIPU_OK)
        code = json_parse(base->json, &tree, error);
    if (code != QUIPU_OK)
        return code;
    cJSON *copy = cJSON_Duplicate(patch, 1);
    if (copy)
        tree = merge_patch(tree, copy);
    code = fail_unless_memory(copy && tree, error);
    if (code == QUIPU_OK)
        code = record_from_tree(tree, defaults, out, error);
    cJSON_Delete(tree);
    return code;
}

/* The canonical JSON without the line of updated_at, as two pieces. A line break and two blanks before a key occur at the
 * top level only, and never inside a string. */
static void without_updated(quipu_str json, quipu_str pieces[2])
{
    static const char mark[] = "\n  \"updated_at\": \"";
    pieces[0] = json.ptr ? json : str_make("", 0);
    pieces[1] = str_make("", 0);
    char *begin = json.len ? memmem(json.ptr, (size_t)json.len, mark, sizeof mark - 1) : NULL;
    if (!begin)
        return;
    const char *end = json.ptr + json.len;
    const char *value = begin + sizeof mark - 1;
    const char *rest = memchr(value, '"', (size_t)(end - value));
    if (!rest)
        return;
    rest++;
    if (rest < end && *rest == ',')
        rest++;
    else if (begin > json.ptr && begin[-1] == ',')
        begin--;
    pieces[0] = str_make(json.ptr, (size_t)(begin - json.ptr));
    pieces[1] = str_make(rest, (size_t)(end - rest));
}

bool record_same_but_updated(const quipu_record *a, const quipu_record *b)
{
    quipu_str x[2], y[2];
    if (str_same(a->json, b->json))
        return true;
    without_updated(a->json, x);
    without_updated(b->json, y);
    if (x[0].len + x[1].len != y[0].len + y[1].len)
        return false;
    if (x[0].len > y[0].len) { /* make x the one whose first piece is shorter */
        quipu_str swap[2] = { x[0], x[1] };
        memcpy(x, y, sizeof x);
        memcpy(y, swap, sizeof y);
    }
    size_t first = (size_t)x[0].len, middle = (size_t)(y[0].len - x[0].len);
    return memcmp(x[0].ptr, y[0].ptr, first) == 0 && memcmp(x[1].ptr, y[0].ptr + first, middle) == 0 &&
           memcmp(x[1].ptr + middle, y[1].ptr, (size_t)y[1].len) == 0;
}

bool record_same_scope(const quipu_record *a, const quipu_record *b)
{
    return str_same(a->user, b->user) && str_same(a->agent, b->agent) && str_same(a->session, b->session) &&
           str_same(a->app, b->app);
}

void record_upsert_id(const quipu_record *r, buffer *out)
{
    const quipu_str parts[] = { r->user, r->agent, r->session, r->app, r->category, r->key };
    buffer all = { 0 };
    uint8_t hash[32];
    char digits[32];
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (str_present(parts[i]))
            buffer_printf(&all, "%llu:", (unsigned long long)parts[i].len);
        else
            buffer_append_char(&all, '-');
        buffer_append_str(&all, parts[i]);
    }
    if (all.failed) {
        out->failed = true;
    } else {
        hash_sha256(all.bytes, all.len, hash);
        hex_encode(hash, sizeof hash / 2, digits);
        buffer_append_text(out, "k-");
        buffer_append(out, digits, sizeof digits);
    }
    buffer_free(&all);
}
