/* faults.c - see faults.h. */
#include "faults.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <stdio.h>

static void make_printable(char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?';
    for (int64_t bad; (bad = utf8_first_bad(text, len)) >= 0;)
        text[bad] = '?';
}

void faults_add(faults *f, const char *format, ...)
{
    char text[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    make_printable(text);
    if (f->count > 0)
        buffer_append_char(&f->lines, '\n');
    buffer_append_text(&f->lines, text);
    f->count++;
}

int32_t faults_fail(const faults *f, const char *subject, quipu_error *error)
{
    if (f->count == 0)
        return QUIPU_OK;
    int32_t code = f->abi && f->count == 1 ? QUIPU_E_ABI : QUIPU_E_PLUGIN;
    const char *first = f->lines.bytes ? f->lines.bytes : "memory is exhausted";
    int len = (int)strcspn(first, "\n");
    if (f->count == 1)
        return fail(error, code, "plugin", "%s refused: %.*s", subject, len, first);
    char more[64];
    int more_len = snprintf(more, sizeof more, " (and %llu more, see the log)", (unsigned long long)f->count - 1);
    int room = (int)sizeof error->message - 1 - more_len - (int)strlen(subject) - (int)strlen(" refused: ");
    if (room > 0 && len > room)
        len = room;
    return fail(error, code, "plugin", "%s refused: %.*s%s", subject, len, first, more);
}

void faults_free(faults *f)
{
    buffer_free(&f->lines);
    *f = (faults){ 0 };
}
