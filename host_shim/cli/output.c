/* output.c - how the program speaks: errors, JSON lines, cells and colour. */
#include "cli.h"

#include <base/fail.h>
#include <ctype.h>
#include <errno.h>
#include <sdk/json.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool may_color(const cli *c, int fd)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    return isatty(fd) && !c->json && !option_given(c, "no-color") && !(no_color && *no_color) && term && *term &&
           strcmp(term, "dumb") != 0;
}

void output_begin(cli *c)
{
    c->quiet = option_given(c, "quiet");
    c->color = may_color(c, STDOUT_FILENO);
    c->error_color = may_color(c, STDERR_FILENO);
}

int output_end(cli *c, int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno == EPIPE) /* SIGPIPE was ignored when we were started: as quiet as it would have been */
        return STATUS_SIGNAL + SIGPIPE;
    return report_fault(c, QUIPU_E_IO, NULL, "cannot write the output: %s", strerror(errno ? errno : EIO));
}

quipu_error error_none(void)
{
    return (quipu_error){ .struct_size = sizeof(quipu_error), .index = UINT64_MAX };
}

int status_of(int32_t code)
{
    switch (code) {
    case QUIPU_OK:
        return STATUS_DONE;
    case QUIPU_E_NOT_FOUND:
    case QUIPU_E_EXISTS:
    case QUIPU_E_CONFLICT:
    case QUIPU_E_SCOPE:
        return STATUS_CHECK;
    case QUIPU_E_INVALID:
    case QUIPU_E_TOO_LARGE:
        return STATUS_USAGE;
    default:
        return STATUS_TROUBLE;
    }
}

static void append_member(buffer *out, const char *name, const char *text)
{
    buffer_printf(out, ",\"%s\":", name);
    json_print_string(str_of(text), out);
}

/* {"error":{...}} on one line. Names of codes are in lower case. */
static void append_error_json(const cli *c, buffer *out, const char *what, const quipu_error *e)
{
    buffer message = { 0 };
    buffer_append_text(out, "{\"error\":{\"code\":\"");
    for (const char *name = error_name(e->code); *name; name++)
        buffer_append_char(out, (char)tolower((unsigned char)*name));
    buffer_printf(&message, "%s%s%s", what ? what : "", what ? ": " : "",
                  e->message[0] ? e->message : error_text(e->code));
    buffer_append_text(out, "\"");
    append_member(out, "message", message.failed ? e->message : message.bytes);
    append_member(out, "field", e->field);
    if (e->id[0])
        append_member(out, "id", e->id);
    if (e->version[0])
        append_member(out, "version", e->version);
    if (c->line)
        buffer_printf(out, ",\"line\":%llu", (unsigned long long)c->line);
    buffer_append_text(out, "}}");
    buffer_free(&message);
}

/* What the library says is followed by the field and the record where it does not name them itself. */
static void append_error_text(const cli *c, buffer *out, const char *what, const quipu_error *e)
{
    buffer_append_text(out, c->error_color ? "\x1b[1;31mquipu:\x1b[0m " : "quipu: ");
    if (what) {
        safe_append(out, str_of(what), true);
        buffer_append_text(out, ": ");
    }
    safe_append(out, str_of(e->message[0] ? e->message : error_text(e->code)), true);
    if (what && e->field[0] && !strstr(e->message, e->field) && !(e->id[0] && strcmp(e->field, "id") == 0)) {
        buffer_append_text(out, " [field ");
        safe_append(out, str_of(e->field), true);
        buffer_append_text(out, "]");
    }
    if (e->id[0] && !strstr(e->message, e->id)) {
        buffer_append_text(out, " [record ");
        safe_append(out, str_of(e->id), true);
        buffer_append_text(out, "]");
    }
}

int report(const cli *c, const char *what, const quipu_error *e)
{
    buffer line = { 0 };
    fflush(stdout);
    if (c->json)
        append_error_json(c, &line, what, e);
    else
        append_error_text(c, &line, what, e);
    fprintf(stderr, "%s\n", line.failed || !line.bytes ? "quipu: memory is exhausted" : line.bytes);
    buffer_free(&line);
    return status_of(e->code);
}

int report_fault(const cli *c, int32_t code, const char *field, const char *format, ...)
{
    quipu_error error = error_none();
    va_list arguments;
    error.code = code;
    snprintf(error.field, sizeof error.field, "%s", field ? field : "");
    va_start(arguments, format);
    vsnprintf(error.message, sizeof error.message, format, arguments);
    va_end(arguments);
    return report(c, NULL, &error);
}

int out_of_memory(const cli *c)
{
    return report_fault(c, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

void remark(const cli *c, const char *format, ...)
{
    char text[1024];
    buffer line = { 0 };
    va_list arguments;
    if (c->quiet || c->json)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    safe_append(&line, str_of(text), true);
    if (!line.failed && line.bytes)
        fprintf(stderr, "%s\n", line.bytes);
    buffer_free(&line);
}

int print_json(const cli *c, buffer *json)
{
    while (json->len > 0 && json->bytes[json->len - 1] == '\n')
        json->bytes[--json->len] = '\0';
    if (json->failed)
        return out_of_memory(c);
    if (isatty(STDOUT_FILENO)) {
        buffer safe = { 0 };
        safe_append_json(&safe, json->bytes, json->len);
        if (safe.failed)
            return out_of_memory(c);
        fwrite(safe.bytes, 1, safe.len, stdout);
        buffer_free(&safe);
    } else {
        fwrite(json->bytes, 1, json->len, stdout);
    }
    putchar('\n');
    return STATUS_DONE;
}

const char *paint_on(const cli *c, paint p)
{
    static const char *const codes[] = { "\x1b[36m", "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[1m", "" };
    return c->color ? codes[p] : "";
}

const char *paint_off(const cli *c)
{
    return c->color ? "\x1b[0m" : "";
}

size_t terminal_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO))
        return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        return size.ws_col;
    return 80;
}

void print_cell(const cli *c, paint p, quipu_str text, size_t width, size_t most)
{
    buffer safe = { 0 };
    safe_append(&safe, text, true);
    quipu_str shown = str_make(safe.bytes, safe.len);
    size_t columns = text_width(shown);
    bool cut = most > 1 && isatty(STDOUT_FILENO) && columns > most;
    if (cut) {
        shown.len = text_fit(shown, most - 1);
        columns = text_width(shown) + 1;
    }
    printf("%s%.*s%s%s", paint_on(c, p), (int)shown.len, shown.len ? shown.ptr : "", cut ? "\xe2\x80\xa6" : "",
           p == PAINT_PLAIN ? "" : paint_off(c));
    for (; columns < width; columns++)
        putchar(' ');
    buffer_free(&safe);
}

void print_text(quipu_str text, const char *indent)
{
    buffer safe = { 0 };
    safe_append(&safe, text, false);
    const char *at = safe.bytes ? safe.bytes : "", *end = at + safe.len;
    do {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            stop = end;
        printf("%s%.*s\n", stop > at ? indent : "", (int)(stop - at), at);
        at = stop + 1;
    } while (at < end);
    buffer_free(&safe);
}
