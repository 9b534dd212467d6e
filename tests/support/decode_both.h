/*
 * decode_both.h - a text read by record_decode, which knows the canonical form at sight, and by the parser and a tree: there must be no
 * difference. For a unit test and a fuzz target.
 */
#ifndef TESTS_DECODE_BOTH_H
#define TESTS_DECODE_BOTH_H

#include <sdk/json.h>
#include <sdk/record.h>

/* Every byte that the views show, as text. */
static inline void show_view(const quipu_record *v, buffer *out)
{
    const quipu_str texts[] = { v->id,      v->version,     v->json,      v->kind,     v->user,     v->agent,
                                v->session, v->app,         v->text,      v->category, v->key,      v->actor,
                                v->role,    v->entity_type, v->entity_id, v->head,     v->relation, v->tail };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        buffer_printf(out, "%d %llu ", texts[i].ptr != NULL, (unsigned long long)texts[i].len);
        if (texts[i].ptr)
            buffer_append(out, texts[i].ptr, (size_t)texts[i].len + 1); /* with the NUL byte behind it */
    }
    for (uint64_t i = 0; i < v->tags.count; i++)
        buffer_append(out, QUIPU_AT(quipu_str, &v->tags, i)->ptr, (size_t)QUIPU_AT(quipu_str, &v->tags, i)->len + 1);
    buffer_printf(out, "%llu %lld %lld %lld %lld %lld %lld %.17g", (unsigned long long)v->tags.count, (long long)v->seq,
                  (long long)v->created_at, (long long)v->updated_at, (long long)v->valid_from, (long long)v->valid_to,
                  (long long)v->expires_at, v->importance);
}

/* What record_decode did before it knew the canonical form. */
static inline int32_t decode_by_tree(quipu_str json, record **out, quipu_error *error)
{
    cJSON *tree = NULL;
    *out = NULL;
    int32_t code = json_parse(json, &tree, error);
    if (code == QUIPU_OK)
        code = record_from_tree(tree, NULL, out, error);
    cJSON_Delete(tree);
    return code;
}

static inline bool decodes_alike(quipu_str json)
{
    record *a = NULL, *b = NULL;
    buffer shown_a = { 0 }, shown_b = { 0 };
    quipu_error ours = { .struct_size = sizeof ours }, theirs = { .struct_size = sizeof theirs };
    int32_t code = record_decode(json, NULL, &a, &ours);
    bool alike = decode_by_tree(json, &b, &theirs) == code;
    if (alike && code == QUIPU_OK) {
        show_view(record_view(a), &shown_a);
        show_view(record_view(b), &shown_b);
        alike = shown_a.len == shown_b.len && memcmp(shown_a.bytes, shown_b.bytes, shown_a.len) == 0;
    } else if (alike) {
        alike = !a && !b && strcmp(ours.message, theirs.message) == 0 && strcmp(ours.field, theirs.field) == 0;
    }
    buffer_free(&shown_a);
    buffer_free(&shown_b);
    record_free(a);
    record_free(b);
    return alike;
}

#endif
