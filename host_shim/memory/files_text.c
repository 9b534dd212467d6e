/* files_text.c - texts by lines, as the memory tool shows, counts and changes them. */
#include "files.h"

#include <string.h>

void text_number_lines(const char *text, int64_t first, int64_t last, buffer *out)
{
    int64_t number = 1;
    for (bool begun = false;; number++) {
        size_t len = strcspn(text, "\n");
        if (number >= first && number <= last) {
            buffer_printf(out, "%s%6lld\t", begun ? "\n" : "", (long long)number);
            buffer_append(out, text, len);
            begun = true;
        }
        if (!text[len] || number >= last)
            return;
        text += len + 1;
    }
}

int64_t text_count_lines(const char *text)
{
    int64_t count = 1;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        count++;
    return count;
}

/* Bytes of the line end at `at`, by the list of Python's str.splitlines; 0 where there is none. */
static size_t line_end(const char *at)
{
    const unsigned char *b = (const unsigned char *)at;
    if (b[0] == '\r')
        return b[1] == '\n' ? 2 : 1;
    if ((b[0] >= '\n' && b[0] <= '\f') || (b[0] >= 0x1c && b[0] <= 0x1e))
        return 1;
    if (b[0] == 0xc2 && b[1] == 0x85)
        return 2;
    return b[0] == 0xe2 && b[1] == 0x80 && (b[2] == 0xa8 || b[2] == 0xa9) ? 3 : 0;
}

static size_t line_length(const char *text)
{
    size_t len = 0;
    while (text[len] && line_end(text + len) == 0)
        len++;
    return len;
}

int64_t text_split_lines(const char *text)
{
    int64_t count = 0;
    for (; *text; count++) {
        size_t len = line_length(text);
        text += len;
        text += *text ? line_end(text) : 0;
    }
    return count;
}

/* Appends a line; its length. */
static size_t put_line(const char *line, size_t len, buffer *out)
{
    buffer_append(out, line, len);
    buffer_append_char(out, '\n');
    return len;
}

void text_insert_line(const char *text, int64_t after, const char *inserted, buffer *out)
{
    size_t inserted_len = strlen(inserted), len, last = 1;
    int64_t number = 0;
    while (inserted_len > 0 && inserted[inserted_len - 1] == '\n')
        inserted_len--;
    for (;; number++) {
        if (number == after)
            last = put_line(inserted, inserted_len, out);
        if (!*text)
            break;
        len = line_length(text);
        last = put_line(text, len, out);
        text += len;
        text += *text ? line_end(text) : 0;
    }
    /* A last line that is empty is the line end of the one before it. */
    if (last == 0 && number > 0)
        out->bytes[--out->len] = '\0';
}

uint64_t text_count(const char *text, const char *part, uint64_t most)
{
    size_t len = strlen(part);
    uint64_t count = 0;
    if (len == 0)
        return strlen(text) + 1 < most ? strlen(text) + 1 : most;
    for (; count < most && (text = strstr(text, part)) != NULL; text += len)
        count++;
    return count;
}

void text_list_lines(const char *text, const char *part, uint64_t most, buffer *out)
{
    uint64_t line = 1, count = 0;
    const char *counted = text;
    for (const char *at = text; count < most && (at = strstr(at, part)) != NULL; at++, count++) {
        for (; counted < at; counted++)
            line += *counted == '\n';
        buffer_printf(out, "%s%llu", count > 0 ? ", " : "", (unsigned long long)line);
        if (!*at)
            break;
    }
}

void text_print_size(uint64_t bytes, buffer *out)
{
    static const char units[] = "BKMG";
    double size = (double)bytes;
    size_t unit = 0;
    for (; size >= 1024 && unit < sizeof units - 2; unit++)
        size /= 1024;
    if (size == (double)(uint64_t)size)
        buffer_printf(out, "%llu%c", (unsigned long long)size, units[unit]);
    else
        buffer_printf(out, "%.1f%c", size, units[unit]);
}
