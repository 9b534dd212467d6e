/*
 * merge.c - see merge.h. Once the two sides are put in an order that does not depend on who merges (kept, other), all that follows
 * is a function of (base, kept, other), and therefore symmetric.
 */
#include <sdk/merge.h>

#include "merge_sets.h"

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/json.h>

#include <stdlib.h>

typedef struct sides {
    const quipu_record *base, *kept, *other; /* base, other: may be NULL */
} sides;

/* One merge: the trees of the three states, and what is found to be open. */
typedef struct work {
    cJSON *base, *kept, *other; /* NULL where the state is */
    cJSON *merged;
    cJSON *fields;       /* JSON Pointers */
    buffer path;         /* the pointer of the object at hand */
    bool other_is_older; /* by created_at */
    bool no_memory;
} work;

typedef enum rule { RULE_WHOLE, RULE_SET, RULE_KEYS } rule;

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to merge a record");
}

/* All trees here come from canonical JSON: the members of an object are sorted. */
static bool same_node(const cJSON *a, const cJSON *b)
{
    if (!a || !b || (a->type & 0xff) != (b->type & 0xff))
        return a == b;
    if (a->valuestring && b->valuestring && strcmp(a->valuestring, b->valuestring) != 0)
        return false;
    const cJSON *x = a->child, *y = b->child;
    for (; x && y; x = x->next, y = y->next)
        if ((x->string && y->string && strcmp(x->string, y->string) != 0) || !same_node(x, y))
            return false;
    return x == y;
}

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

/* Adds a copy; NULL adds nothing. */
static void add_copy(work *w, cJSON *into, const char *name, const cJSON *node)
{
    cJSON *copy = node ? cJSON_Duplicate(node, true) : NULL;
    if (node && (!copy || !cJSON_AddItemToObject(into, name, copy))) {
        cJSON_Delete(copy);
        w->no_memory = true;
    }
}

/* "/metadata/a~1b", RFC 6901: '~' is "~0", '/' is "~1". */
static void append_step(buffer *path, const char *name)
{
    buffer_append_char(path, '/');
    for (; *name; name++) {
        if (*name == '~' || *name == '/')
            buffer_append_text(path, *name == '~' ? "~0" : "~1");
        else
            buffer_append_char(path, *name);
    }
}

static void note_field(work *w, const char *pointer)
{
    cJSON *text = pointer ? json_string(str_of(pointer)) : NULL;
    if (!text || !cJSON_AddItemToArray(w->fields, text)) {
        cJSON_Delete(text);
        w->no_memory = true;
    }
}

static void merge_member(work *w, const char *name, rule how, const cJSON *base, const cJSON *kept, const cJSON *other,
                         cJSON *into);

/* The member of this name, for names that come in ascending order; *at is where the last one was found. */
static const cJSON *next_named(const cJSON **at, const char *name)
{
    while (*at && strcmp((*at)->string, name) < 0)
        *at = (*at)->next;
    return *at && strcmp((*at)->string, name) == 0 ? *at : NULL;
}

/* Told about each member that one of the two sides has. */
typedef void (*member_fn)(work *w, const char *name, const cJSON *base, const cJSON *kept, const cJSON *other,
                          cJSON *into);

/* What only `base` has, both sides removed. */
static void each_member(work *w, const cJSON *base, const cJSON *kept, const cJSON *other, member_fn visit, cJSON *into)
{
    const cJSON *b = base ? base->child : NULL, *k = kept->child, *o = other->child;
    while (k || o) {
        const char *name = !o || (k && strcmp(k->string, o->string) <= 0) ? k->string : o->string;
        const cJSON *in_kept = next_named(&k, name), *in_other = next_named(&o, name);
        visit(w, name, next_named(&b, name), in_kept, in_other, into);
        k = in_kept ? in_kept->next : k;
        o = in_other ? in_other->next : o;
    }
}

static void merge_key(work *w, const char *name, const cJSON *base, const cJSON *kept, const cJSON *other, cJSON *into)
{
    merge_member(w, name, RULE_KEYS, base, kept, other, into);
}

static void merge_objects(work *w, const char *name, const cJSON *base, const cJSON *kept, const cJSON *other,
                          cJSON *into)
{
    cJSON *object = cJSON_CreateObject();
    if (!object || !cJSON_AddItemToObject(into, name, object)) {
        cJSON_Delete(object);
        w->no_memory = true;
        return;
    }
    each_member(w, cJSON_IsObject(base) ? base : NULL, kept, other, merge_key, object);
}

static void merge_member(work *w, const char *name, rule how, const cJSON *base, const cJSON *kept, const cJSON *other,
                         cJSON *into)
{
    size_t before = w->path.len;
    append_step(&w->path, name);
    if (same_node(kept, other) || same_node(base, other)) {
        add_copy(w, into, name, kept);
    } else if (same_node(base, kept)) {
        add_copy(w, into, name, other);
    } else if (how == RULE_SET) {
        cJSON *set = merge_sets(base, kept, other);
        if (!set || !cJSON_AddItemToObject(into, name, set)) {
            cJSON_Delete(set);
            w->no_memory = true;
        }
    } else if (how == RULE_KEYS && cJSON_IsObject(kept) && cJSON_IsObject(other)) {
        merge_objects(w, name, base, kept, other, into);
    } else {
        add_copy(w, into, name, kept);
        note_field(w, w->path.failed ? NULL : w->path.bytes);
    }
    w->path.len = before;
    if (w->path.bytes)
        w->path.bytes[before] = '\0';
}

/* ---- the members of a record ---- */

/* Empty tags, links and metadata are left out of a record, so there an absent one is an empty one. */
static const cJSON *or_empty(const cJSON *node, const cJSON *empty)
{
    return node ? node : empty;
}

static void merge_field(work *w, const char *name, const cJSON *base, const cJSON *kept, const cJSON *other,
                        cJSON *into)
{
    if (strcmp(name, "created_at") == 0) {
        add_copy(w, into, name, !kept || (other && w->other_is_older) ? other : kept);
    } else if (strcmp(name, "updated_at") == 0) {
        add_copy(w, into, name, kept ? kept : other);
    } else if (strcmp(name, "tags") == 0 || strcmp(name, "links") == 0) {
        merge_member(w, name, RULE_SET, base, kept, other, into);
    } else if (strcmp(name, "metadata") == 0) {
        cJSON empty = { .type = cJSON_Object };
        merge_member(w, name, RULE_KEYS, or_empty(base, &empty), or_empty(kept, &empty), or_empty(other, &empty), into);
    } else {
        merge_member(w, name, strcmp(name, "value") == 0 ? RULE_KEYS : RULE_WHOLE, base, kept, other, into);
    }
}

/* ---- the conflict record ---- */

static bool add_text(cJSON *object, const char *name, quipu_str text)
{
    cJSON *node = json_string(text);
    if (node && cJSON_AddItemToObject(object, name, node))
        return true;
    cJSON_Delete(node);
    return false;
}

static void append_version(buffer *out, const quipu_record *r)
{
    buffer_append_char(out, '\n');
    if (r)
        buffer_append_str(out, r->version);
}

/* Follows from the id and the three versions, so that both stores give it the same. */
static bool add_id(const sides *s, cJSON *tree)
{
    buffer source = { 0 };
    uint8_t digest[32];
    char id[] = "conflict-00000000000000000000000000000000";
    buffer_append_str(&source, s->kept->id);
    append_version(&source, s->base);
    append_version(&source, s->kept);
    append_version(&source, s->other);
    if (!source.failed)
        hash_sha256(source.bytes, source.len, digest);
    bool good = !source.failed;
    buffer_free(&source);
    if (good)
        hex_encode(digest, 16, id + strlen("conflict-"));
    return good && add_text(tree, "id", str_of(id));
}

/* A few words for people: "open: text, metadata/a". */
static bool add_summary(const work *w, cJSON *tree)
{
    buffer text = { 0 };
    const char *between = "";
    buffer_append_text(&text, "open: ");
    for (const cJSON *field = w->fields->child; field; field = field->next) {
        buffer_append_text(&text, between);
        buffer_append_text(&text, field->valuestring[0] ? field->valuestring + 1 : "the whole record");
        between = ", ";
    }
    bool good = !text.failed && add_text(tree, "text", str_make(text.bytes, text.len));
    buffer_free(&text);
    return good;
}

static bool add_link(const sides *s, cJSON *tree)
{
    cJSON *links = cJSON_AddArrayToObject(tree, "links");
    cJSON *link = links ? cJSON_CreateObject() : NULL;
    if (link && !cJSON_AddItemToArray(links, link)) {
        cJSON_Delete(link);
        return false;
    }
    return link && add_text(link, "rel", str_of(MERGE_LINK_REL)) && add_text(link, "to", s->kept->id);
}

/* as_text: a state that is nested too deep to stand in another record is kept as the text of its JSON. */
static void add_state(work *w, cJSON *value, const char *name, const cJSON *tree, const quipu_record *r, bool as_text)
{
    if (!r)
        return;
    if (!as_text)
        add_copy(w, value, name, tree);
    else if (!add_text(value, name, r->json))
        w->no_memory = true;
}

static cJSON *conflict_tree(const sides *s, work *w, bool as_text)
{
    bool shared = !s->other || record_same_scope(s->kept, s->other);
    const cJSON *owner = shared ? w->kept : w->other;
    cJSON *tree = cJSON_CreateObject(), *value = tree ? cJSON_AddObjectToObject(tree, "value") : NULL;
    if (!value || !add_id(s, tree) || !add_text(tree, "kind", str_of(QUIPU_KIND_CONFLICT)) || !add_summary(w, tree) ||
        !add_link(s, tree) || !add_text(value, "record", s->kept->id))
        w->no_memory = true;
    if (!w->no_memory) {
        const char *time = member(w->kept, "updated_at") ? "updated_at" : "created_at";
        add_copy(w, tree, "created_at", member(w->kept, time));
        add_copy(w, tree, "updated_at", member(w->kept, time));
        add_copy(w, tree, "scope", member(owner, "scope"));
        add_copy(w, value, "fields", w->fields);
        if (shared || (s->base && record_same_scope(s->base, s->other)))
            add_state(w, value, "base", w->base, s->base, as_text);
        if (shared)
            add_state(w, value, "ours", w->kept, s->kept, as_text);
        add_state(w, value, "theirs", w->other, s->other, as_text);
    }
    if (w->no_memory) {
        cJSON_Delete(tree);
        return NULL;
    }
    return tree;
}

static const record_defaults no_limits = { .created_at = QUIPU_TIME_NONE,
                                           .updated_at = QUIPU_TIME_NONE,
                                           .max_bytes = UINT64_MAX };

static int32_t make_conflict(const sides *s, work *w, merged_record *out, quipu_error *error)
{
    int32_t code = QUIPU_E_INVALID;
    if (cJSON_GetArraySize(w->fields) == 0 || str_same(s->kept->kind, str_of(QUIPU_KIND_CONFLICT)))
        return QUIPU_OK;
    for (int as_text = 0; as_text < 2 && code != QUIPU_OK; as_text++) {
        cJSON *tree = conflict_tree(s, w, as_text);
        code = tree ? record_from_tree(tree, &no_limits, &out->conflict, error) : no_memory(error);
        cJSON_Delete(tree);
        if (code == QUIPU_E_NO_MEMORY)
            return code;
    }
    return code;
}

/* ---- the whole ---- */

static int32_t parse(const quipu_record *r, cJSON **out, quipu_error *error)
{
    return r ? json_parse(r->json, out, error) : QUIPU_OK;
}

static void work_free(work *w)
{
    cJSON_Delete(w->base);
    cJSON_Delete(w->kept);
    cJSON_Delete(w->other);
    cJSON_Delete(w->merged);
    cJSON_Delete(w->fields);
    buffer_free(&w->path);
}

/* The kept side as it is; all of the record is open. */
static int32_t keep_whole(const sides *s, work *w, merged_record *out, quipu_error *error)
{
    cJSON_Delete(w->fields);
    w->fields = cJSON_CreateArray();
    if (w->fields)
        note_field(w, "");
    if (!w->fields || w->no_memory)
        return no_memory(error);
    return record_from_view(s->kept, false, &out->result, error);
}

static int32_t merge_both(const sides *s, merged_record *out, quipu_error *error)
{
    work w = { .merged = cJSON_CreateObject(), .fields = cJSON_CreateArray() };
    int32_t code = w.merged && w.fields ? QUIPU_OK : no_memory(error);
    if (code == QUIPU_OK)
        code = parse(s->base, &w.base, error);
    if (code == QUIPU_OK)
        code = parse(s->kept, &w.kept, error);
    if (code == QUIPU_OK)
        code = parse(s->other, &w.other, error);
    if (code == QUIPU_OK && s->other) {
        w.other_is_older = s->other->created_at < s->kept->created_at;
        each_member(&w, w.base, w.kept, w.other, merge_field, w.merged);
        code = w.no_memory ? no_memory(error) : record_from_tree(w.merged, &no_limits, &out->result, NULL);
    }
    /* deleted on the other side, or two sound halves that make no sound whole */
    if ((code == QUIPU_OK && !s->other) || (code != QUIPU_OK && code != QUIPU_E_NO_MEMORY))
        code = keep_whole(s, &w, out, error);
    if (code == QUIPU_OK)
        code = make_conflict(s, &w, out, error);
    work_free(&w);
    return code;
}

static bool first_is_kept(const quipu_record *a, const quipu_record *b)
{
    if (!a || !b)
        return a != NULL;
    if (a->updated_at != b->updated_at)
        return a->updated_at > b->updated_at;
    return str_compare(a->json, b->json) >= 0;
}

int32_t record_merge(const quipu_record *base, const quipu_record *ours, const quipu_record *theirs, merged_record *out,
                     quipu_error *error)
{
    bool first = first_is_kept(ours, theirs);
    sides s = { base, first ? ours : theirs, first ? theirs : ours };
    *out = (merged_record){ 0 };
    if (!s.kept || (!s.other && base && record_same_but_updated(base, s.kept)))
        return QUIPU_OK;
    if (s.other ? str_same(s.kept->version, s.other->version) : !base)
        return record_from_view(s.kept, false, &out->result, error);
    return merge_both(&s, out, error);
}

void merged_record_free(merged_record *m)
{
    record_free(m->result);
    record_free(m->conflict);
    *m = (merged_record){ 0 };
}
