/*
 * file_path.c - where the text of a record of kind "file" lies (files.h): "files/<id>", each part of the id as the name of a file.
 *
 * Names stay as they are, so that people can write them: only bytes that some file system or git itself does not take are written "%XX".
 * Exactly one path belongs to an id.
 */
#include "files.h"

#include <base/hash.h>
#include <sdk/json.h>
#include <strings.h>

enum { NAME_MOST = 255 };

bool is_file_path(const char *path)
{
    return strncmp(path, FILES_FOLDER "/", sizeof FILES_FOLDER) == 0;
}

bool record_may_have_file(quipu_str id)
{
    return id.len > 0 && memchr(id.ptr, '/', (size_t)id.len);
}

bool may_have_file(const char *record_path)
{
    return strstr(record_path, "%2F") || strchr(record_path, '~');
}

/* Code points that HFS+ does not see, so that ".g<one of them>it" would be ".git" to it; git refuses such names. */
static bool is_ignored(const unsigned char *s, size_t len)
{
    if (len < 3)
        return false;
    return (s[0] == 0xe2 && s[1] == 0x80 && ((s[2] >= 0x8c && s[2] <= 0x8f) || (s[2] >= 0xaa && s[2] <= 0xae))) ||
           (s[0] == 0xe2 && s[1] == 0x81 && s[2] >= 0xaa && s[2] <= 0xaf) ||
           (s[0] == 0xef && s[1] == 0xbb && s[2] == 0xbf);
}

/* ".", "..", and what begins as git's own names do. */
static bool is_reserved(quipu_str name)
{
    return (name.len == 1 && name.ptr[0] == '.') || (name.len == 2 && memcmp(name.ptr, "..", 2) == 0) ||
           (name.len >= 4 && strncasecmp(name.ptr, ".git", 4) == 0);
}

/* '~' as in "git~1", the short name that Windows gives to ".git". */
static bool is_plain(quipu_str name, uint64_t at)
{
    unsigned char c = (unsigned char)name.ptr[at];
    if (c < ' ' || c == 0x7f || strchr("\"*:<>?\\|%~", c))
        return false;
    if (c == '.' && at == 0 && is_reserved(name))
        return false;
    return (c != ' ' && c != '.') || at + 1 < name.len;
}

static bool append_name(quipu_str name, buffer *out)
{
    size_t begin = out->len;
    if (name.len == 0)
        return false;
    for (uint64_t i = 0, hidden = 0; i<name.len; i++, hidden -= hidden> 0) {
        if (is_ignored((const unsigned char *)name.ptr + i, (size_t)(name.len - i)))
            hidden = 3;
        if (hidden == 0 && is_plain(name, i))
            buffer_append_char(out, name.ptr[i]);
        else
            buffer_printf(out, "%%%02X", (unsigned char)name.ptr[i]);
    }
    return out->len - begin <= NAME_MOST;
}

bool file_path(quipu_str id, buffer *out)
{
    unsigned parts = 0;
    buffer_append_text(out, FILES_FOLDER);
    for (;; parts++) {
        const char *slash = id.len ? memchr(id.ptr, '/', (size_t)id.len) : NULL;
        quipu_str name = str_make(id.ptr, slash ? (size_t)(slash - id.ptr) : (size_t)id.len);
        buffer_append_char(out, '/');
        if (!append_name(name, out))
            return false;
        if (!slash)
            return parts > 0 && !out->failed;
        id.len -= name.len + 1;
        id.ptr = slash + 1;
    }
}

bool file_path_id(const char *path, buffer *out)
{
    buffer again = { 0 };
    size_t begin = out->len;
    if (!is_file_path(path))
        return false;
    for (const char *at = path + sizeof FILES_FOLDER; *at; at++) {
        uint8_t byte = (uint8_t)*at;
        if (byte == '%') {
            if (!at[1] || !at[2] || hex_decode(at + 1, 1, &byte) != 0 || byte == 0)
                return false;
            at += 2;
        }
        buffer_append_char(out, (char)byte);
    }
    quipu_str id = str_make(out->bytes + begin, out->len - begin);
    bool ours = !out->failed && id.len > 0 && id.len <= QUIPU_ID_MAX && utf8_first_bad(id.ptr, (size_t)id.len) < 0 &&
                file_path(id, &again) && strcmp(again.bytes, path) == 0;
    buffer_free(&again);
    return ours;
}
