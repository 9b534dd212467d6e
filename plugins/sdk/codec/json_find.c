/* json_find.c - see json_find.h. */
#include "json_find.h"

#include <sdk/json.h>

static void skip_blanks(quipu_str *s)
{
    while (s->len && (*s->ptr == ' ' || *s->ptr == '\n' || *s->ptr == '\t' || *s->ptr == '\r')) {
        s->ptr++;
        s->len--;
    }
}

static void advance(quipu_str *s, size_t count)
{
    s->ptr += count;
    s->len -= count;
}

/* Bytes of the string at the beginning of `s`, quotes included; 0 where it does not end. A quote ends it unless an odd
 * number of backslashes stands before it. */
static size_t string_len(const char *s, size_t len)
{
    const char *quote = s;
    size_t slashes;
    do {
        quote++;
        quote = memchr(quote, '"', len - (size_t)(quote - s));
        if (!quote)
            return 0;
        for (slashes = 0; quote[-1 - (ptrdiff_t)slashes] == '\\';)
            slashes++;
    } while (slashes % 2 == 1);
    return (size_t)(quote - s) + 1;
}

/* Bytes of the list or object at the beginning of `s`; 0 where it does not end. */
static size_t container_len(const char *s, size_t len)
{
    size_t depth = 0;
    for (size_t at = 0; at < len;) {
        size_t step = 1;
        if (s[at] == '"')
            step = string_len(s + at, len - at);
        else if (s[at] == '{' || s[at] == '[')
            depth++;
        else if (s[at] == '}' || s[at] == ']')
            depth--;
        if (step == 0)
            return 0;
        at += step;
        if (depth == 0)
            return at;
    }
    return 0;
}

static size_t value_len(const char *s, size_t len)
{
    size_t at = 0;
    if (len == 0)
        return 0;
    if (s[0] == '"')
        return string_len(s, len);
    if (s[0] == '{' || s[0] == '[')
        return container_len(s, len);
    while (at < len && s[at] != ',' && s[at] != '}' && s[at] != ']' && s[at] != ' ' && s[at] != '\n' && s[at] != '\t' &&
           s[at] != '\r')
        at++;
    return at;
}

/* Takes the value at the cursor, and the comma behind it. */
static bool take_value(quipu_str *s, quipu_str *value)
{
    skip_blanks(s);
    size_t len = value_len(s->ptr, (size_t)s->len);
    if (len == 0)
        return false;
    *value = str_make(s->ptr, len);
    advance(s, len);
    skip_blanks(s);
    if (s->len && *s->ptr == ',')
        advance(s, 1);
    return true;
}

bool json_next_member(quipu_str *s, quipu_str *key, quipu_str *value)
{
    skip_blanks(s);
    size_t len = s->len && *s->ptr == '"' ? string_len(s->ptr, (size_t)s->len) : 0;
    if (len == 0)
        return false;
    *key = str_make(s->ptr, len);
    advance(s, len);
    skip_blanks(s);
    if (!s->len || *s->ptr != ':')
        return false;
    advance(s, 1);
    return take_value(s, value);
}

/* The part of `path` that the quoted key stands for: its whole length, or up to one of its dots; 0: neither. */
static size_t key_matches(quipu_str quoted, quipu_str path)
{
    buffer decoded = { 0 };
    const char *key = quoted.ptr + 1;
    size_t len = (size_t)quoted.len - 2, matched = 0;
    if (memchr(key, '\\', len)) {
        json_unquote(quoted, &decoded);
        key = decoded.failed ? "" : decoded.bytes;
        len = decoded.len;
    }
    if (len > 0 && len <= path.len && memcmp(key, path.ptr, len) == 0 && (len == path.len || path.ptr[len] == '.'))
        matched = len;
    buffer_free(&decoded);
    return matched;
}

quipu_str json_find(quipu_str object, quipu_str path)
{
    quipu_str key, value, found = { 0 };
    skip_blanks(&object);
    if (!object.len || *object.ptr != '{' || !path.len)
        return found;
    advance(&object, 1);
    while (json_next_member(&object, &key, &value)) {
        size_t matched = key_matches(key, path);
        if (matched == path.len)
            return value;
        if (matched > 0 && !found.ptr)
            found = json_find(value, str_make(path.ptr + matched + 1, (size_t)path.len - matched - 1));
    }
    return found;
}

quipu_str json_elements(quipu_str list)
{
    skip_blanks(&list);
    if (list.len)
        advance(&list, 1);
    return list;
}

bool json_next_element(quipu_str *rest, quipu_str *value)
{
    skip_blanks(rest);
    if (!rest->len || *rest->ptr == ']')
        return false;
    return take_value(rest, value);
}

static uint32_t hex4(const char *s)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t c = (unsigned char)s[i];
        value = value * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value & 0xffff;
}

/* \uXXXX at `s` (the backslash), two of them for a pair. Returns the bytes read. */
static size_t unquote_unicode(const char *s, size_t len, buffer *out)
{
    char bytes[4];
    if (len < 6)
        return len;
    uint32_t point = hex4(s + 2);
    size_t read = 6;
    if (point >= 0xd800 && point < 0xdc00 && len >= 12) {
        point = 0x10000 + ((point - 0xd800) << 10) + ((hex4(s + 8) - 0xdc00) & 0x3ff);
        read = 12;
    }
    buffer_append(out, bytes, utf8_encode(point, bytes));
    return read;
}

void json_unquote(quipu_str quoted, buffer *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    if (quoted.len < 2)
        return;
    const char *s = quoted.ptr + 1;
    size_t len = (size_t)quoted.len - 2;
    buffer_reserve(out, len); /* so that an empty string is not mistaken for none */
    for (size_t at = 0; at < len;) {
        const char *stop = memchr(s + at, '\\', len - at);
        size_t run = stop ? (size_t)(stop - s) - at : len - at;
        buffer_append(out, s + at, run);
        at += run;
        if (!stop || at + 1 >= len)
            return;
        if (s[at + 1] == 'u') {
            at += unquote_unicode(s + at, len - at, out);
            continue;
        }
        const char *found = s[at + 1] ? strchr(from, s[at + 1]) : NULL;
        buffer_append_char(out, found ? to[found - from] : s[at + 1]);
        at += 2;
    }
}
