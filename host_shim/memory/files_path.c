/* files_path.c - paths of the memory tool: what is below /memories, and nothing else. */
#include "files.h"

#include <sdk/json.h>
#include <string.h>

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* The character that a percent sign stands for, or the one that is there; *len: bytes that it takes. */
static char decoded(const char *at, size_t *len)
{
    int high = at[0] == '%' ? digit_of(at[1]) : -1, low = high >= 0 ? digit_of(at[2]) : -1;
    *len = low >= 0 ? 3 : 1;
    return low >= 0 ? (char)(high * 16 + low) : at[0];
}

/* True where a part is "..", also when it is percent-encoded; and for a backslash, or a NUL that is encoded. */
static bool climbs(const char *path)
{
    size_t dots = 0, others = 0, len;
    for (const char *at = path;; at += len) {
        bool end = !*at;
        char c = decoded(at, &len);
        if (end || c == '/') {
            if (dots == 2 && others == 0)
                return true;
            dots = others = 0;
            if (end)
                return false;
        } else if (c == '\\' || c == '\0') {
            return true;
        } else if (c == '.') {
            dots++;
        } else {
            others++;
        }
    }
}

/* Parts with one slash between them; "." is left out. */
static void normalise(const char *path, buffer *out)
{
    while (*path) {
        size_t len = strcspn(path, "/");
        if (len > 0 && !(len == 1 && path[0] == '.')) {
            if (out->len > 0)
                buffer_append_char(out, '/');
            buffer_append(out, path, len);
        }
        path += len + (path[len] == '/');
    }
}

bool file_path_read(const char *text, file_path *out, buffer *why)
{
    size_t root = strlen(FILES_ROOT), len = strlen(text);
    *out = (file_path){ 0 };
    while (len > root && text[len - 1] == '/')
        len--;
    buffer_append(&out->shown, text, len);
    if (strncmp(text, FILES_ROOT, root) != 0 || (text[root] && text[root] != '/')) {
        buffer_printf(why, "Path must start with " FILES_ROOT ", got: %s", text);
        return false;
    }
    if (climbs(text)) {
        buffer_printf(why, "Path %s would escape " FILES_ROOT " directory", text);
        return false;
    }
    buffer_append_text(&out->below, "");
    normalise(text + root, &out->below);
    return true;
}

void file_path_free(file_path *p)
{
    buffer_free(&p->shown);
    buffer_free(&p->below);
}

/* One value of a scope as quipu/record.h writes it in the id of a file. */
static void append_value(const char *name, quipu_str value, bool first, buffer *out)
{
    buffer_printf(out, "%s%s=", first ? "" : ",", name);
    for (uint64_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '%' || c == ',' || c == '/')
            buffer_printf(out, "%%%02X", (unsigned char)c);
        else
            buffer_append_char(out, c);
    }
}

void file_scope_append(const quipu_write_options *o, buffer *out)
{
    static const char *const names[] = { "user", "agent", "session", "app" };
    bool first = true;
    for (size_t i = 0; o && i < 4; i++) {
        quipu_str value = i == 0 ? o->user : i == 1 ? o->agent : i == 2 ? o->session : o->app;
        if (!str_present(value))
            continue;
        append_value(names[i], value, first, out);
        first = false;
    }
    buffer_append_text(out, first ? "-/" : "/");
}
