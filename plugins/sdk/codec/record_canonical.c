/*
 * record_canonical.c - see record_canonical.h: the bytes that json_print_canonical makes, read back.
 *
 * What a store holds is canonical nearly always, and reading it is most of the work of building an index. So the form is
 * followed byte by byte, blanks and all, and whatever is otherwise than expected ends it: a key out of order or with an escape, a
 * null, a time in another zone, a long escape, damage. Nothing needs an error here.
 */
#include "record_canonical.h"

#include <sdk/json.h>
#include "record_fields.h"
#include "record_normalise.h"

#include <stdlib.h>

enum { NAME_MAX_LEN = 32 };

typedef struct reader {
    const char *at;
    const char *end;
    size_t len; /* of the whole text */
    quipu_record *view;
    quipu_str **tags;
    buffer *texts; /* never moves: it has room for the whole text from the beginning */
} reader;

/* ---- bytes ---- */

static bool take_char(reader *r, char c)
{
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool take_bytes(reader *r, const char *bytes, size_t len)
{
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, bytes, len) != 0)
        return false;
    r->at += len;
    return true;
}

/* A line end and the indent of `depth`. */
static bool take_line(reader *r, unsigned depth)
{
    static const char blanks[] = "                ";
    size_t left = 2 * (size_t)depth;
    if (!take_char(r, '\n'))
        return false;
    for (; left > sizeof blanks - 1; left -= sizeof blanks - 1)
        if (!take_bytes(r, blanks, sizeof blanks - 1))
            return false;
    return take_bytes(r, blanks, left);
}

/* True where one of eight bytes is no plain one: not ASCII, a control character, a quote, a backslash. */
static bool any_special(const char *bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
    uint64_t found = (word - ones * 0x20) | (quote - ones) | (slash - ones) | word;
    return (found & tops) != 0;
}

/* To the next quote or backslash. */
static bool skip_plain(reader *r)
{
    for (;;) {
        while (r->end - r->at >= 8 && !any_special(r->at))
            r->at += 8;
        if (r->at == r->end)
            return false;
        unsigned char c = (unsigned char)*r->at;
        if (c == '"' || c == '\\')
            return true;
        size_t size = c < 0x20 ? 0 : utf8_sequence(r->at, (size_t)(r->end - r->at));
        if (size == 0)
            return false;
        r->at += size;
    }
}

/* ---- strings ---- */

/* The escape that print_escape writes for a byte, and no other. */
static bool take_escape(reader *r, char *out)
{
    static const char from[] = "\"\\bfnrt", to[] = "\"\\\b\f\n\r\t", digits[] = "0123456789abcdef";
    if (r->end - r->at < 2)
        return false;
    char c = r->at[1];
    const char *found = c ? strchr(from, c) : NULL;
    if (found) {
        *out = to[found - from];
        r->at += 2;
        return true;
    }
    if (r->end - r->at < 6 || memcmp(r->at, "\\u00", 4) != 0)
        return false;
    const char *high = r->at[4] ? strchr(digits, r->at[4]) : NULL, *low = r->at[5] ? strchr(digits, r->at[5]) : NULL;
    int value = high && low ? (int)(high - digits) * 16 + (int)(low - digits) : 0;
    if (value == 0 || value >= 0x20 || strchr(to, value))
        return false;
    *out = (char)value;
    r->at += 6;
    return true;
}

/* The rest of a string that has an escape at the cursor. */
static bool take_escaped(reader *r, const char *begin, quipu_str *out)
{
    buffer *texts = r->texts;
    if (!texts->capacity && !buffer_reserve(texts, r->len))
        return false;
    size_t from = texts->len;
    for (;;) {
        char c;
        buffer_append(texts, begin, (size_t)(r->at - begin));
        if (*r->at == '"')
            break;
        if (!take_escape(r, &c))
            return false;
        buffer_append_char(texts, c);
        begin = r->at;
        if (!skip_plain(r))
            return false;
    }
    r->at++;
    *out = str_make(texts->bytes + from, texts->len - from);
    return true;
}

static bool take_string(reader *r, quipu_str *out)
{
    if (!take_char(r, '"'))
        return false;
    const char *begin = r->at;
    if (!skip_plain(r))
        return false;
    if (*r->at == '\\')
        return take_escaped(r, begin, out);
    *out = str_make(begin, (size_t)(r->at++ - begin));
    return true;
}

static bool take_number(reader *r, quipu_str *out)
{
    double value;
    size_t len = json_number_len(r->at, (size_t)(r->end - r->at));
    *out = str_make(r->at, len);
    r->at += len;
    return len > 0 && json_number_value(*out, &value);
}

/* ---- objects and lists ---- */

typedef enum step { STEP_ITEM, STEP_END, STEP_BAD } step;

/* An object or a list on the way through its items. */
typedef struct items {
    unsigned depth; /* of the items: their indent */
    char close;
    bool any;
    quipu_str key; /* of the member at hand */
} items;

static bool items_begin(reader *r, char open, unsigned depth, items *out)
{
    *out = (items){ .depth = depth + 1, .close = open == '{' ? '}' : ']' };
    return depth < QUIPU_DEPTH_MAX && take_char(r, open);
}

static step next_item(reader *r, items *i)
{
    bool first = !i->any;
    if (first ? take_char(r, i->close) : !take_char(r, ','))
        return first || (take_line(r, i->depth - 1) && take_char(r, i->close)) ? STEP_END : STEP_BAD;
    i->any = true;
    return take_line(r, i->depth) ? STEP_ITEM : STEP_BAD;
}

/* The next member's key; the cursor is at its value then. */
static step next_member(reader *r, items *i)
{
    quipu_str before = i->key;
    step s = next_item(r, i);
    if (s != STEP_ITEM)
        return s;
    if (!take_char(r, '"'))
        return STEP_BAD;
    const char *begin = r->at;
    if (!skip_plain(r) || *r->at != '"')
        return STEP_BAD;
    i->key = str_make(begin, (size_t)(r->at - begin));
    if (before.ptr && str_compare(before, i->key) >= 0)
        return STEP_BAD;
    return take_bytes(r, "\": ", 3) ? STEP_ITEM : STEP_BAD;
}

static bool skip_value(reader *r, unsigned depth);

/* Any object or list; *any: whether it has items. */
static bool skip_items(reader *r, char open, unsigned depth, bool *any)
{
    items i;
    step s = items_begin(r, open, depth, &i) ? STEP_ITEM : STEP_BAD;
    while (s == STEP_ITEM) {
        s = open == '{' ? next_member(r, &i) : next_item(r, &i);
        if (s == STEP_ITEM && !skip_value(r, depth + 1))
            s = STEP_BAD;
    }
    *any = i.any;
    return s == STEP_END;
}

static bool skip_value(reader *r, unsigned depth)
{
    quipu_str unused;
    bool any;
    switch (r->at < r->end ? *r->at : '\0') {
    case '{':
    case '[':
        return skip_items(r, *r->at, depth, &any);
    case '"':
        return take_string(r, &unused);
    case 't':
        return take_bytes(r, "true", 4);
    case 'f':
        return take_bytes(r, "false", 5);
    case 'n':
        return take_bytes(r, "null", 4);
    default:
        return take_number(r, &unused);
    }
}

/* ---- fields ---- */

static bool take_text(reader *r, const record_field *f)
{
    quipu_str *to = record_str_at(r->view, f->offset);
    return take_string(r, to) && (f->type != FIELD_NAME || to->len > 0);
}

static bool take_time(reader *r, const record_field *f)
{
    quipu_str text;
    char bytes[64];
    buffer again = { .bytes = bytes, .capacity = sizeof bytes }; /* no time is longer */
    int64_t *to = record_int_at(r->view, f->offset);
    if (!take_string(r, &text) || text.len > sizeof bytes / 2 || time_parse(text, NULL, NULL, to, NULL) != QUIPU_OK)
        return false;
    time_print(*to, &again);
    return str_same(text, str_make(again.bytes, again.len));
}

static bool take_seq(reader *r)
{
    quipu_str text;
    return take_number(r, &text) && json_integer_value(text, &r->view->seq) && r->view->seq >= 0;
}

static bool take_importance(reader *r)
{
    quipu_str text;
    return take_number(r, &text) && json_number_value(text, &r->view->importance) && r->view->importance >= 0 &&
           r->view->importance <= 1;
}

/* Room for one more tag, at every power of two. */
static bool grow_tags(reader *r, size_t count)
{
    if (count > 0 && (count < 8 || (count & (count - 1)) != 0))
        return true;
    quipu_str *more = realloc(*r->tags, (count ? 2 * count : 8) * sizeof *more);
    if (more)
        *r->tags = more;
    return more != NULL;
}

static bool take_tags(reader *r)
{
    items i;
    size_t count = 0;
    step s = items_begin(r, '[', 1, &i) ? next_item(r, &i) : STEP_BAD;
    for (; s == STEP_ITEM; s = next_item(r, &i), count++)
        if (!grow_tags(r, count) || !take_string(r, *r->tags + count) ||
            (count > 0 && str_compare((*r->tags)[count - 1], (*r->tags)[count]) >= 0))
            return false;
    r->view->tags = (quipu_array){ *r->tags, count, sizeof(quipu_str) };
    return s == STEP_END && count > 0;
}

/* {"rel": ..., "to": ...}, and what else may be there. */
static bool take_link(reader *r)
{
    items i;
    int known = 0;
    step s = items_begin(r, '{', 2, &i) ? next_member(r, &i) : STEP_BAD;
    for (; s == STEP_ITEM; s = next_member(r, &i)) {
        quipu_str text = { 0 };
        bool is_known = str_same(i.key, str_of("rel")) || str_same(i.key, str_of("to"));
        if (is_known ? !take_string(r, &text) || text.len == 0 : !skip_value(r, 3))
            return false;
        known += is_known;
    }
    return s == STEP_END && known == 2;
}

static bool take_links(reader *r)
{
    items i;
    step s = items_begin(r, '[', 1, &i) ? next_item(r, &i) : STEP_BAD;
    for (; s == STEP_ITEM; s = next_item(r, &i))
        if (!take_link(r))
            return false;
    return s == STEP_END && i.any;
}

/* The field "prefix.key", or NULL. */
static const record_field *inner_field(const char *prefix, quipu_str key)
{
    char name[NAME_MAX_LEN];
    size_t len = strlen(prefix);
    if (len + 1 + key.len > sizeof name)
        return NULL;
    memcpy(name, prefix, len);
    name[len] = '.';
    if (key.len)
        memcpy(name + len + 1, key.ptr, (size_t)key.len);
    return record_field_find(name, len + 1 + (size_t)key.len);
}

static bool take_group(reader *r, const char *prefix)
{
    items i;
    step s = items_begin(r, '{', 1, &i) ? next_member(r, &i) : STEP_BAD;
    for (; s == STEP_ITEM; s = next_member(r, &i)) {
        const record_field *f = inner_field(prefix, i.key);
        if (f ? !take_text(r, f) : !skip_value(r, 2))
            return false;
    }
    return s == STEP_END && i.any;
}

static bool take_field(reader *r, const record_field *f)
{
    bool any = false;
    switch (f->type) {
    case FIELD_TEXT:
    case FIELD_NAME:
        return take_text(r, f);
    case FIELD_TIME:
        return take_time(r, f);
    case FIELD_SEQ:
        return take_seq(r);
    case FIELD_WEIGHT:
        return take_importance(r);
    case FIELD_TAGS:
        return take_tags(r);
    case FIELD_LINKS:
        return take_links(r);
    case FIELD_SCOPE:
    case FIELD_ENTITY:
        return take_group(r, f->name);
    case FIELD_OBJECT:
        return skip_items(r, '{', 1, &any) && any;
    case FIELD_VALUE:
        return r->at < r->end && *r->at != 'n' && skip_value(r, 1);
    case FIELD_FORMAT: /* of this format it is not written */
    default:
        return false;
    }
}

static bool is_whole(const quipu_record *v)
{
    bool in_order = v->valid_from == QUIPU_TIME_NONE || v->valid_to == QUIPU_TIME_NONE || v->valid_from <= v->valid_to;
    return v->id.ptr && v->id.len <= QUIPU_ID_MAX && v->kind.ptr && in_order;
}

bool record_read_canonical(quipu_str json, quipu_record *view, quipu_str **tags, buffer *texts)
{
    items i;
    if (!json.ptr || json.len > JSON_TEXT_MAX)
        return false;
    reader r = { json.ptr, json.ptr + json.len, (size_t)json.len, view, tags, texts };
    record_view_clear(view);
    step s = items_begin(&r, '{', 0, &i) ? next_member(&r, &i) : STEP_BAD;
    for (; s == STEP_ITEM; s = next_member(&r, &i)) {
        const record_field *f = record_member_find(i.key.ptr, (size_t)i.key.len);
        if (f ? !take_field(&r, f) : !skip_value(&r, 1))
            return false;
    }
    return s == STEP_END && take_char(&r, '\n') && r.at == r.end && !texts->failed && is_whole(view);
}
