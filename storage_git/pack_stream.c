/* pack_stream.c - see pack_stream.h. */
#include "pack_stream.h"

#include "os.h"
#include "pack_format.h"

#include <base/fail.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum { WRITE_CHUNK = 1 << 20 };

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to write a pack");
}

static int32_t flush(pack_stream *s, quipu_error *error)
{
    if (os_write_all(s->fd, s->pending.bytes, s->pending.len) < 0)
        return fail_errno(error, errno, "cannot write %s", s->path);
    buffer_clear(&s->pending);
    return QUIPU_OK;
}

int32_t pack_stream_open(pack_stream *s, const char *path, uint32_t count, quipu_error *error)
{
    uint8_t header[PACK_HEADER_SIZE];
    *s = (pack_stream){ .fd = -1 };
    s->path = str_dup(str_of(path));
    s->hash = sha1_begin();
    if (!s->path || !s->hash)
        return no_memory(error);
    os->unlink(path);
    s->fd = os->open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (s->fd < 0)
        return fail_errno(error, errno, "cannot write %s", path);
    pack_put_header(header, count);
    return pack_stream_write(s, header, sizeof header, error);
}

int32_t pack_stream_write(pack_stream *s, const void *bytes, size_t len, quipu_error *error)
{
    sha1_add(s->hash, bytes, len);
    buffer_append(&s->pending, bytes, len);
    s->written += len;
    if (s->pending.failed)
        return no_memory(error);
    return s->pending.len >= WRITE_CHUNK ? flush(s, error) : QUIPU_OK;
}

int32_t pack_stream_finish(pack_stream *s, uint8_t checksum[20], char name[PACK_NAME_SIZE], quipu_error *error)
{
    char digits[OBJECT_ID_HEX + 1];
    sha1_end(s->hash, checksum);
    s->hash = NULL;
    buffer_append(&s->pending, checksum, 20);
    int32_t code = s->pending.failed ? no_memory(error) : flush(s, error);
    if (code == QUIPU_OK && os_sync(s->fd) < 0)
        code = fail_errno(error, errno, "cannot sync %s", s->path);
    object_id_print((const object_id *)(const void *)checksum, digits);
    snprintf(name, PACK_NAME_SIZE, "pack-%s", digits);
    return code;
}

void pack_stream_close(pack_stream *s)
{
    uint8_t unused[20];
    if (s->hash)
        sha1_end(s->hash, unused);
    if (s->fd >= 0) {
        os->close(s->fd);
        os->unlink(s->path); /* gone already where the pack got its name */
    }
    free(s->path);
    buffer_free(&s->pending);
    *s = (pack_stream){ .fd = -1 };
}
