/*
 * message.c - commit messages: a readable subject, and trailers for machines (git-interpret-trailers(1)).
 *
 *     add: prefers morning meetings
 *
 *     Quipu-Op: add
 *     Quipu-Id: 0192f0c1-...
 *     Quipu-Scope: user=ana; session=2
 *     Quipu-Source: quipu-cli/0.1.0
 *     Quipu-Change: 0192f0c1...
 *
 * The last block is always ours, so that text in a subject or note cannot pass for a trailer.
 */
#include "backend.h"

#include <base/hash.h>
#include <sdk/subject.h>

enum { IDS_MAX = 16 };

/* A value on one line: control characters and '%' percent-encoded; `also`: further characters to encode. */
static void put_value(quipu_str value, const char *also, buffer *out)
{
    for (uint64_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c < 0x20 || c == 0x7f || c == '%' || (c && strchr(also, c)))
            buffer_printf(out, "%%%02X", c);
        else
            buffer_append_char(out, (char)c);
    }
}

static quipu_str scope_field(const quipu_record *r, size_t i)
{
    const quipu_str fields[] = { r->user, r->agent, r->session, r->app };
    return fields[i];
}

/* A scope field that all records of the set share; absent where they do not. Deletions carry no record: `told` speaks. */
static quipu_str common_field(const quipu_change_set *set, const quipu_record *told, size_t i)
{
    quipu_str common = scope_field(told, i);
    for (uint64_t j = 0; j < set->changes.count && common.ptr; j++) {
        const quipu_record *r = QUIPU_AT(quipu_change, &set->changes, j)->record;
        if (r && !str_same(scope_field(r, i), common))
            common = (quipu_str){ 0 };
    }
    return common;
}

static void put_scope(const quipu_change_set *set, const quipu_record *told, buffer *out)
{
    static const char *const names[] = { "user", "agent", "session", "app" };
    bool any = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        quipu_str value = common_field(set, told, i);
        if (!value.ptr)
            continue;
        buffer_append_text(out, any ? "; " : "Quipu-Scope: ");
        buffer_printf(out, "%s=", names[i]);
        put_value(value, ";", out);
        any = true;
    }
    if (any)
        buffer_append_char(out, '\n');
}

void message_print(const quipu_change_set *set, const quipu_record *told, uint64_t changed, bool quote, buffer *out)
{
    char digits[32];
    change_subject(set, told, changed, quote, out);
    buffer_append_text(out, "\n\nQuipu-Op: ");
    buffer_append_str(out, set->operation);
    buffer_append_char(out, '\n');
    if (set->changes.count <= IDS_MAX) {
        for (uint64_t i = 0; i < set->changes.count; i++) {
            buffer_append_text(out, "Quipu-Id: ");
            put_value(QUIPU_AT(quipu_change, &set->changes, i)->id, "", out);
            buffer_append_char(out, '\n');
        }
    } else {
        buffer_printf(out, "Quipu-Count: %llu\n", (unsigned long long)changed);
    }
    if (told)
        put_scope(set, told, out);
    if (set->source.ptr && set->source.len) {
        buffer_append_text(out, "Quipu-Source: ");
        put_value(set->source, "", out);
        buffer_append_char(out, '\n');
    }
    hex_encode(set->change_id, sizeof set->change_id, digits);
    buffer_append_text(out, "Quipu-Change: ");
    buffer_append(out, digits, sizeof digits);
    buffer_append_char(out, '\n');
}

/* The last paragraph: what follows the last empty line. */
static quipu_str last_block(quipu_str message)
{
    while (message.len > 0 && message.ptr[message.len - 1] == '\n')
        message.len--;
    for (uint64_t i = message.len; i >= 2; i--)
        if (message.ptr[i - 1] == '\n' && message.ptr[i - 2] == '\n')
            return str_make(message.ptr + i, (size_t)(message.len - i));
    return str_make(message.ptr, 0);
}

static bool take_line(quipu_str *text, quipu_str *line)
{
    if (text->len == 0)
        return false;
    const char *end = memchr(text->ptr, '\n', (size_t)text->len);
    uint64_t len = end ? (uint64_t)(end - text->ptr) : text->len;
    *line = (quipu_str){ text->ptr, len };
    uint64_t used = end ? len + 1 : len;
    *text = (quipu_str){ text->ptr + used, text->len - used };
    return true;
}

/* The value of "key: value". */
static bool trailer(quipu_str line, const char *key, quipu_str *value)
{
    size_t len = strlen(key);
    if (line.len <= len || memcmp(line.ptr, key, len) != 0)
        return false;
    *value = (quipu_str){ line.ptr + len, line.len - len };
    return true;
}

void message_read(quipu_str message, message_facts *out)
{
    quipu_str rest = message, line, value;
    *out = (message_facts){ 0 };
    if (take_line(&rest, &line))
        out->subject = line;
    rest = last_block(message);
    while (take_line(&rest, &line)) {
        if (trailer(line, "Quipu-Op: ", &value))
            out->operation = value;
        else if (trailer(line, "Quipu-Source: ", &value))
            out->source = value;
        else if (trailer(line, "Quipu-Change: ", &value) && value.len == 32)
            out->has_change_id = hex_decode(value.ptr, 16, out->change_id) == 0;
    }
}
