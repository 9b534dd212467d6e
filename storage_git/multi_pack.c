/* multi_pack.c - see multi_pack.h, and gitformat-pack(5) on the format. */
#include "multi_pack.h"

#include "big_endian.h"
#include "os.h"

#include <base/buffer.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { HEADER = 12, ROW = 12, /* of the table of chunks */ MULTI_PACK_MOST = 1 << 30 };

/* One file; or with `git multi-pack-index write --incremental` a chain of them, which is nothing without its list. */
static const char *const files[] = { "multi-pack-index", "multi-pack-index.d/multi-pack-index-chain" };

static bool path_in(const char *folder, const char *name, buffer *out)
{
    buffer_clear(out);
    buffer_printf(out, "%s/%s", folder, name);
    return !out->failed;
}

void multi_pack_remove(const char *folder)
{
    buffer path = { 0 };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (path_in(folder, files[i], &path) && access(path.bytes, F_OK) == 0)
            os->unlink(path.bytes);
    buffer_free(&path);
}

const char *multi_pack_names(const uint8_t *bytes, size_t len, uint32_t *count, const char **end)
{
    if (len < HEADER + ROW || memcmp(bytes, "MIDX\1\1", 6) != 0 || len < HEADER + ROW * ((size_t)bytes[6] + 1))
        return NULL;
    *count = get_u32(bytes + 8);
    for (unsigned i = 0; i < bytes[6]; i++) {
        const uint8_t *row = bytes + HEADER + ROW * (size_t)i;
        uint64_t from = get_u64(row + 4), to = get_u64(row + ROW + 4);
        if (memcmp(row, "PNAM", 4) != 0)
            continue;
        *end = (const char *)bytes + to;
        return from <= to && to <= len ? (const char *)bytes + from : NULL;
    }
    return NULL;
}

/* Are all packs there that the file names? */
static bool names_what_is_there(const char *folder, const buffer *file)
{
    uint32_t count;
    const char *end = NULL;
    const char *name = multi_pack_names((const uint8_t *)file->bytes, file->len, &count, &end);
    buffer path = { 0 };
    bool good = name != NULL;
    for (uint32_t i = 0; good && i < count; i++) {
        const char *zero = memchr(name, '\0', (size_t)(end - name));
        size_t length = zero ? (size_t)(zero - name) : 0;
        good =
            length > 4 && !memchr(name, '/', length) && path_in(folder, name, &path) && access(path.bytes, F_OK) == 0;
        if (good) { /* the index goes before its pack does */
            memcpy(path.bytes + path.len - 4, ".pac", 4);
            buffer_append_char(&path, 'k');
            good = !path.failed && access(path.bytes, F_OK) == 0;
        }
        name = zero ? zero + 1 : end;
    }
    buffer_free(&path);
    return good;
}

void multi_pack_drop_stale(const char *folder)
{
    buffer path = { 0 }, file = { 0 };
    if (!path_in(folder, files[1], &path) || access(path.bytes, F_OK) == 0)
        multi_pack_remove(folder); /* a chain is not looked into */
    if (path_in(folder, files[0], &path) && access(path.bytes, F_OK) == 0 &&
        os_read_file(path.bytes, MULTI_PACK_MOST, &file, NULL) == QUIPU_OK && !names_what_is_there(folder, &file))
        multi_pack_remove(folder);
    buffer_free(&path);
    buffer_free(&file);
}
