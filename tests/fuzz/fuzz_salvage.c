/* fuzz_salvage.c - what is saved of a pack, with and without an index. The first two bytes tell how many bytes of the rest are the index. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif
#include "fuzz.h"

#include <libdeflate.h>
#include <storage_git/pack_salvage.h>
#include <sys/mman.h>
#include <unistd.h>

/* A file in RAM with these bytes; `path` leads to it. */
static int file_of(const uint8_t *bytes, size_t len, char path[64])
{
    int fd = memfd_create("salvage", MFD_CLOEXEC);
    PROMISE(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

/* What counts as found lies in the pack, in order, and on what lies there. */
static void check_entries(const pack_salvage *s)
{
    uint32_t found = 0;
    PROMISE(s->found <= s->count);
    for (uint32_t i = 0; i < s->count; i++) {
        const salvaged *e = &s->entries[i], *base = NULL;
        PROMISE(i == 0 || s->entries[i - 1].offset <= e->offset);
        if (!e->type)
            continue;
        found++;
        PROMISE(e->type <= OBJECT_TAG && e->len > 0);
        PROMISE(e->offset >= PACK_HEADER_SIZE && e->offset + e->len + PACK_TRAILER_SIZE <= s->len);
        PROMISE(libdeflate_crc32(0, s->pack + e->offset, (size_t)e->len) == e->crc);
        for (uint32_t j = 0; e->base && j < i && !base; j++)
            base = s->entries[j].offset == e->base && s->entries[j].type ? &s->entries[j] : NULL;
        PROMISE(!e->base || base);
    }
    PROMISE(found == s->found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char pack_path[64], index_path[64];
    pack_salvage s;
    quipu_error error = { .struct_size = sizeof error };
    if (size < 2)
        return 0;
    size_t index_len = (size_t)data[0] << 8 | data[1];
    data += 2;
    size -= 2;
    index_len = index_len < size ? index_len : size;
    int index = file_of(data, index_len, index_path);
    int pack = file_of(data + index_len, size - index_len, pack_path);
    if (!fuzz_failed(pack_salvage_read(pack_path, index_path, &s, NULL, &error), &error)) {
        check_entries(&s);
        pack_salvage_free(&s);
    }
    close(index);
    close(pack);
    return 0;
}
