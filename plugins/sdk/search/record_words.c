/* record_words.c - see record_words.h. */
#include "record_words.h"

/* The length of the canonical line at `at`, without its line end. */
static size_t line_length(const char *at, const char *end)
{
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    return (size_t)((stop ? stop : end) - at);
}

/* Where the fields of the top-level "metadata" begin, or NULL. A string in JSON holds no line end, and two blanks are
 * the indent of the top level alone, so a search for the line cannot find a text that looks like it. */
static const char *metadata_begin(const char *json, const char *end)
{
    static const char wanted[] = "  \"metadata\": {";
    for (const char *at = json; at < end; at++) {
        size_t len = line_length(at, end);
        if (len == sizeof wanted - 1 && memcmp(at, wanted, len) == 0)
            return at + len + 1 <= end ? at + len + 1 : NULL;
        at += len;
    }
    return NULL;
}

static char unescaped(char c)
{
    switch (c) {
    case '"':
    case '\\':
        return c;
    default: /* \n, \t and the other control characters separate words, all alike */
        return ' ';
    }
}

/* Appends the content of a JSON string whose opening quote was read. */
static void append_string(const char *at, const char *end, buffer *out)
{
    while (at < end && *at != '"') {
        const char *plain = at;
        while (at < end && *at != '"' && *at != '\\')
            at++;
        buffer_append(out, plain, (size_t)(at - plain));
        if (at < end && *at == '\\' && end - at >= 2) {
            buffer_append_char(out, unescaped(at[1]));
            at += at[1] == 'u' ? 6 : 2;
        }
    }
    buffer_append_char(out, '\n');
}

/* Of a line `    "key": "value",` the value. */
static void append_value(const char *line, size_t len, buffer *out)
{
    const char *end = line + len, *at = line + 5;
    if (len < 9 || memcmp(line, "    \"", 5) != 0)
        return; /* deeper, or the end of an object or list */
    while (at < end && *at != '"')
        at += *at == '\\' ? 2 : 1;
    if (end - at > 3 && memcmp(at, "\": \"", 4) == 0)
        append_string(at + 4, end, out);
}

bool record_words(const quipu_record *r, buffer *scratch, quipu_str parts[RECORD_WORDS_PARTS])
{
    const char *end = r->json.ptr + r->json.len;
    buffer_clear(scratch);
    for (const char *at = metadata_begin(r->json.ptr, end); at && at < end;) {
        size_t len = line_length(at, end);
        if (len >= 3 && memcmp(at, "  }", 3) == 0)
            break;
        append_value(at, len, scratch);
        at += len + 1;
    }
    parts[0] = r->actor;
    parts[1] = r->text;
    parts[2] = r->head;
    parts[3] = r->relation;
    parts[4] = r->tail;
    parts[5] = (quipu_str){ scratch->bytes, scratch->len };
    return !scratch->failed;
}
