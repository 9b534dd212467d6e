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

int64_t text_lines_of_edit(const char *text)
{
    size_t len = strlen(text);
    return len == 0 ? 0 : text_count_lines(text) - (text[len - 1] == '\n');
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
        len = strcspn(text, "\n");
        last = put_line(text, len, out);
        text += len + (text[len] == '\n');
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
