/*
 * path.c - where a record lies: "records/x/y/z/w/<name>.json".
 *
 * x, y, z, w are the first four hexadecimal digits of the id's SHA-256: four levels of sixteen, which writes less than
 * two levels of 256 because every commit rewrites the folders on the way. <name> is the percent-encoded id; where that
 * is longer than 180 bytes, its first 100 bytes, '~', and the SHA-256, because a name over 255 bytes cannot be cloned.
 */
#include "backend.h"

#include <base/hash.h>

enum { NAME_WHOLE_MAX = 180, NAME_CUT = 100, LEVELS = 4 };

static const char suffix[] = ".json";

static bool plain(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           (c == '.' && !first);
}

static void encode(quipu_str id, buffer *out)
{
    for (uint64_t i = 0; i < id.len; i++) {
        if (plain(id.ptr[i], i == 0))
            buffer_append_char(out, id.ptr[i]);
        else
            buffer_printf(out, "%%%02X", (unsigned char)id.ptr[i]);
    }
}

void record_path(quipu_str id, buffer *out)
{
    uint8_t digest[32];
    char digits[64];
    buffer name = { 0 };
    hash_sha256(id.ptr, (size_t)id.len, digest);
    hex_encode(digest, sizeof digest, digits);
    encode(id, &name);
    buffer_append_text(out, RECORDS_FOLDER);
    for (int i = 0; i < LEVELS; i++) {
        buffer_append_char(out, '/');
        buffer_append_char(out, digits[i]);
    }
    buffer_append_char(out, '/');
    if (name.len > NAME_WHOLE_MAX) {
        buffer_append(out, name.bytes, NAME_CUT);
        buffer_append_char(out, '~');
        buffer_append(out, digits, sizeof digits);
    } else {
        buffer_append(out, name.bytes, name.len);
    }
    buffer_append_text(out, suffix);
    out->failed = out->failed || name.failed;
    buffer_free(&name);
}

bool path_record_id(const char *path, buffer *out)
{
    const char *name = strrchr(path, '/');
    size_t begin = out->len;
    buffer again = { 0 };
    name = name ? name + 1 : path;
    size_t len = strlen(name);
    if (len <= sizeof suffix - 1 || strcmp(name + len - (sizeof suffix - 1), suffix) != 0)
        return false;
    len -= sizeof suffix - 1;
    for (size_t i = 0; i < len; i++) {
        uint8_t byte;
        if (name[i] != '%') {
            buffer_append_char(out, name[i]);
        } else if (i + 2 < len && hex_decode(name + i + 1, 1, &byte) == 0) {
            buffer_append_char(out, (char)byte);
            i += 2;
        } else {
            return false;
        }
    }
    /* only what record_path would make of the id is a path of ours */
    record_path(str_make(out->bytes + begin, out->len - begin), &again);
    bool same = !again.failed && strcmp(again.bytes, path) == 0;
    buffer_free(&again);
    return same;
}
