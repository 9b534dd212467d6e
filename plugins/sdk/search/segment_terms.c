/* segment_terms.c - see segment_terms.h. A term's bytes: the field's name, a NUL byte, a letter for the value's type, the value. */
#include "segment_terms.h"

#include <sdk/codec/json_find.h>
#include <sdk/codec/record_fields.h>
#include <base/hash.h>
#include <sdk/json.h>

enum { PATH_MAX_BYTES = 1024, LEVELS_MAX = QUIPU_DEPTH_MAX };

typedef struct walk {
    buffer *scratch; /* the path of the value at hand; terms are built behind it */
    segment_term_fn visit;
    void *context;
    bool odd;
} walk;

/* Visits the term of the path that stands in scratch, which is as before afterwards. */
static void visit_term(walk *w, char type, quipu_str value)
{
    size_t keep = w->scratch->len;
    buffer_append_char(w->scratch, '\0');
    buffer_append_char(w->scratch, type);
    buffer_append_str(w->scratch, value);
    if (!w->scratch->failed)
        w->visit(w->context, str_make(w->scratch->bytes, w->scratch->len));
    w->scratch->len = w->scratch->failed ? w->scratch->len : keep;
}

static void visit_present(walk *w)
{
    visit_term(w, 'p', (quipu_str){ "", 0 });
}

/* A number's value as bytes; minus zero is zero. */
static quipu_str number_bytes(double value, char out[8])
{
    uint64_t bits;
    value = value == 0 ? 0 : value;
    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 8; i++)
        out[i] = (char)(bits >> (8 * i));
    return str_make(out, 8);
}

static void visit_string(walk *w, quipu_str quoted)
{
    buffer decoded = { 0 };
    quipu_str text = { quoted.ptr + 1, quoted.len - 2 };
    if (memchr(text.ptr, '\\', (size_t)text.len)) {
        json_unquote(quoted, &decoded);
        w->scratch->failed = w->scratch->failed || decoded.failed;
        text = str_make(decoded.failed ? "" : decoded.bytes, decoded.len);
    }
    visit_term(w, 's', text);
    buffer_free(&decoded);
}

/* A value that is no container. */
static void visit_scalar(walk *w, quipu_str json, bool element)
{
    char bytes[8];
    double number;
    switch (json.ptr[0]) {
    case '"':
        visit_string(w, json);
        break;
    case 't':
    case 'f':
        visit_term(w, 'b', (quipu_str){ json.ptr, 1 });
        break;
    case 'n':
        if (element)
            visit_term(w, 'z', (quipu_str){ "", 0 });
        break;
    default:
        if (json_number_value(json, &number))
            visit_term(w, 'n', number_bytes(number, bytes));
        break;
    }
}

static void visit_value(walk *w, quipu_str json, unsigned level);

/* Appends a key to the path; false where it is one that a path cannot name for certain. */
static bool append_key(walk *w, quipu_str quoted)
{
    size_t from = w->scratch->len;
    json_unquote(quoted, w->scratch);
    size_t len = w->scratch->len - from;
    return !w->scratch->failed && len > 0 && !memchr(w->scratch->bytes + from, '.', len) &&
           !memchr(w->scratch->bytes + from, '\0', len) && w->scratch->len <= PATH_MAX_BYTES;
}

static void visit_object(walk *w, quipu_str object, unsigned level)
{
    quipu_str key, value, rest = json_elements(object);
    while (!w->scratch->failed && json_next_member(&rest, &key, &value)) {
        size_t keep = w->scratch->len;
        buffer_append_char(w->scratch, '.');
        if (append_key(w, key) && level < LEVELS_MAX)
            visit_value(w, value, level + 1);
        else
            w->odd = true;
        if (!w->scratch->failed)
            w->scratch->len = keep;
    }
}

static void visit_value(walk *w, quipu_str json, unsigned level)
{
    quipu_str element, rest;
    if (json.ptr[0] != 'n')
        visit_present(w);
    switch (json.ptr[0]) {
    case '{':
        visit_object(w, json, level);
        break;
    case '[':
        rest = json_elements(json);
        while (!w->scratch->failed && json_next_element(&rest, &element))
            if (element.ptr[0] != '{' && element.ptr[0] != '[')
                visit_scalar(w, element, true);
        break;
    default:
        visit_scalar(w, json, false);
        break;
    }
}

static void begin_path(walk *w, quipu_str path)
{
    buffer_clear(w->scratch);
    buffer_append_str(w->scratch, path);
}

static void visit_metadata(walk *w, const quipu_record *r)
{
    const quipu_str metadata = str_of("metadata");
    quipu_str key, value, rest = json_elements(r->json);
    while (!w->scratch->failed && json_next_member(&rest, &key, &value)) {
        if (key.len == metadata.len + 2 && memcmp(key.ptr + 1, metadata.ptr, (size_t)metadata.len) == 0) {
            begin_path(w, metadata);
            visit_value(w, value, 0);
        } else if (memchr(key.ptr, '\\', (size_t)key.len) ||
                   (key.len > metadata.len + 2 && memcmp(key.ptr + 1, "metadata.", (size_t)metadata.len + 1) == 0)) {
            w->odd = true;
        }
    }
}

static void visit_field(walk *w, const char *name, quipu_str value, bool with_value)
{
    if (!str_present(value))
        return;
    begin_path(w, str_of(name));
    visit_present(w);
    if (with_value)
        visit_term(w, 's', value);
}

static const quipu_str *string_at(const quipu_record *r, size_t offset)
{
    return (const quipu_str *)(const void *)((const char *)r + offset);
}

bool segment_terms_each(const quipu_record *r, buffer *scratch, segment_term_fn visit, void *context)
{
    walk w = { .scratch = scratch, .visit = visit, .context = context };
#define VISIT_(name_, type_, member_)                                                                                  \
    if ((type_) == FIELD_TEXT || (type_) == FIELD_NAME)                                                                \
        visit_field(&w, name_, *string_at(r, offsetof(quipu_record, member_)),                                         \
                    strcmp(name_, "text") != 0 && strcmp(name_, "id") != 0);
    RECORD_TYPED_FIELDS(VISIT_)
#undef VISIT_
    for (uint64_t i = 0; i < r->tags.count; i++)
        visit_field(&w, "tags", *QUIPU_AT(quipu_str, &r->tags, i), true);
    if (r->expires_at != QUIPU_TIME_NONE)
        visit_field(&w, "expires_at", str_of(""), false);
    visit_metadata(&w, r);
    if (w.odd) {
        begin_path(&w, str_of("?"));
        visit_present(&w);
    }
    return !scratch->failed;
}

/* ---- hashes ---- */

uint64_t segment_term_hash(quipu_str term)
{
    uint8_t digest[20];
    uint64_t hash = 0;
    hash_sha1(term.ptr, (size_t)term.len, digest);
    for (int i = 0; i < 8; i++)
        hash |= (uint64_t)digest[i] << (8 * i);
    return hash;
}

static uint64_t hash_parts(quipu_str field, char type, quipu_str value)
{
    buffer term = { 0 };
    buffer_append_str(&term, field);
    buffer_append_char(&term, '\0');
    buffer_append_char(&term, type);
    buffer_append_str(&term, value);
    uint64_t hash = term.failed ? 0 : segment_term_hash(str_make(term.bytes, term.len));
    buffer_free(&term);
    return hash;
}

uint64_t segment_term_present(quipu_str field)
{
    return hash_parts(field, 'p', (quipu_str){ "", 0 });
}

uint64_t segment_term_odd(void)
{
    return segment_term_present(str_of("?"));
}

uint64_t segment_term_null_element(quipu_str field)
{
    return hash_parts(field, 'z', (quipu_str){ "", 0 });
}

uint64_t segment_term_string(quipu_str field, quipu_str value)
{
    return hash_parts(field, 's', value);
}

bool segment_term_value(quipu_str field, const quipu_value *value, uint64_t *out)
{
    char bytes[8];
    switch (value->type) {
    case QUIPU_VALUE_STRING:
        *out = segment_term_string(field, value->text);
        return true;
    case QUIPU_VALUE_BOOL:
        *out = hash_parts(field, 'b', str_of(value->integer ? "t" : "f"));
        return true;
    case QUIPU_VALUE_NUMBER:
        *out = hash_parts(field, 'n', number_bytes(value->number, bytes));
        return true;
    default:
        return false;
    }
}
