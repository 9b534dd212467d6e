/* pack_writer.c - see pack_writer.h. */
#include "pack_writer.h"

#include "os.h"
#include "pack_format.h"

#include <base/fail.h>
#include <base/hash.h>

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    COMPRESSION = 1,  /* fast: maintenance compresses better later */
    PLAIN_MAX = 4096, /* bytes of a tree that is not compressed */
    CHAIN_MAX = 30,   /* deltas on deltas; git's own limit is 50 */
};

#define PACK_MAX ((size_t)1 << 31)

typedef struct packed {
    pack_entry entry;
    uint32_t chain; /* deltas below this one */
} packed;

struct pack_writer {
    buffer bytes; /* the pack, its header to be filled in at the end */
    packed *objects;
    uint32_t count, capacity;
    uint32_t *table; /* open addressing by name: position in `objects` plus 1; 0: free */
    uint32_t table_size;
    struct libdeflate_compressor *compressor;
    struct libdeflate_compressor *storer; /* for trees: half of their bytes are hashes, which do not shrink */
};

int32_t pack_writer_create(pack_writer **out, quipu_error *error)
{
    pack_writer *w = calloc(1, sizeof *w);
    if (w) {
        w->compressor = libdeflate_alloc_compressor(COMPRESSION);
        w->storer = libdeflate_alloc_compressor(0);
        w->table_size = 64;
        w->table = calloc(w->table_size, sizeof *w->table);
    }
    if (!w || !w->compressor || !w->storer || !w->table) {
        pack_writer_free(w);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a new pack");
    }
    uint8_t header[PACK_HEADER_SIZE];
    pack_put_header(header, 0);
    buffer_append(&w->bytes, header, sizeof header);
    *out = w;
    return QUIPU_OK;
}

void pack_writer_free(pack_writer *w)
{
    if (!w)
        return;
    if (w->compressor)
        libdeflate_free_compressor(w->compressor);
    if (w->storer)
        libdeflate_free_compressor(w->storer);
    buffer_free(&w->bytes);
    free(w->objects);
    free(w->table);
    free(w);
}

uint32_t pack_writer_count(const pack_writer *w)
{
    return w->count;
}

/* The table's place for this name: of the object itself, or free. */
static uint32_t *table_place(const pack_writer *w, const object_id *id)
{
    uint32_t at;
    memcpy(&at, id->bytes, sizeof at);
    for (;; at++) {
        uint32_t *place = &w->table[at & (w->table_size - 1)];
        if (*place == 0 || object_id_equal(&w->objects[*place - 1].entry.id, id))
            return place;
    }
}

bool pack_writer_has(const pack_writer *w, const object_id *id)
{
    return *table_place(w, id) != 0;
}

static bool grow(pack_writer *w)
{
    if (w->count == w->capacity) {
        uint32_t capacity = w->capacity ? w->capacity * 2 : 32;
        packed *objects_ = realloc(w->objects, capacity * sizeof *objects_);
        if (!objects_)
            return false;
        w->objects = objects_;
        w->capacity = capacity;
    }
    if ((w->count + 1) * 2 > w->table_size) {
        uint32_t *table = calloc((size_t)w->table_size * 2, sizeof *table);
        if (!table)
            return false;
        free(w->table);
        w->table = table;
        w->table_size *= 2;
        for (uint32_t i = 0; i < w->count; i++)
            *table_place(w, &w->objects[i].entry.id) = i + 1;
    }
    return true;
}

/* Appends one entry: head, for a delta the way back to its base, and the deflated bytes. */
static int32_t append_entry(pack_writer *w, const object_id *id, unsigned type, uint64_t distance, const void *bytes,
                            size_t len, uint32_t chain, quipu_error *error)
{
    uint8_t head[20];
    size_t begin = w->bytes.len;
    size_t head_len = pack_put_entry_head(head, type, len);
    if (type == PACK_OFS_DELTA)
        head_len += pack_put_base_distance(head + head_len, distance);
    /* Deflating begins with clearing a table of 128 KiB, which takes longer than all else that is done with a small tree. */
    bool plain = type == OBJECT_TREE || type == PACK_OFS_DELTA;
    struct libdeflate_compressor *compressor = plain && len <= PLAIN_MAX ? w->storer : w->compressor;
    size_t bound = libdeflate_zlib_compress_bound(compressor, len);
    if (begin + head_len + bound > PACK_MAX)
        return fail(error, QUIPU_E_TOO_LARGE, NULL, "the change set is larger than 2 GiB; split it");
    buffer_append(&w->bytes, head, head_len);
    char *to = buffer_reserve(&w->bytes, bound);
    if (!to || !grow(w)) {
        w->bytes.len = begin;
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a new pack");
    }
    w->bytes.len += libdeflate_zlib_compress(compressor, bytes, len, to, bound);
    packed *p = &w->objects[w->count++];
    p->entry.id = *id;
    p->entry.offset = begin;
    p->entry.crc = libdeflate_crc32(0, w->bytes.bytes + begin, w->bytes.len - begin);
    p->chain = chain;
    *table_place(w, id) = w->count;
    return QUIPU_OK;
}

int32_t pack_writer_add(pack_writer *w, object_type type, const void *bytes, size_t len, object_id *id,
                        quipu_error *error)
{
    hash_git_object(object_type_name(type), bytes, len, id->bytes);
    if (pack_writer_has(w, id))
        return QUIPU_OK;
    return append_entry(w, id, type, 0, bytes, len, 0, error);
}

int32_t pack_writer_add_delta(pack_writer *w, object_type type, const void *bytes, size_t len, const object_id *base,
                              const void *delta, size_t delta_len, object_id *id, quipu_error *error)
{
    hash_git_object(object_type_name(type), bytes, len, id->bytes);
    if (pack_writer_has(w, id))
        return QUIPU_OK;
    uint32_t place = *table_place(w, base);
    if (place == 0 || w->objects[place - 1].chain >= CHAIN_MAX || delta_len >= len)
        return append_entry(w, id, type, 0, bytes, len, 0, error);
    const packed *below = &w->objects[place - 1];
    return append_entry(w, id, PACK_OFS_DELTA, w->bytes.len - below->entry.offset, delta, delta_len, below->chain + 1,
                        error);
}

static int32_t build_index(pack_writer *w, const uint8_t checksum[20], buffer *out, quipu_error *error)
{
    pack_entry *entries = malloc(w->count * sizeof *entries);
    if (entries) {
        for (uint32_t i = 0; i < w->count; i++)
            entries[i] = w->objects[i].entry;
        pack_put_index(entries, w->count, checksum, out);
        free(entries);
    }
    if (!entries || out->failed)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a pack's index");
    return QUIPU_OK;
}

static void pack_path(const char *folder, const char *name, const char *suffix, buffer *out)
{
    buffer_clear(out);
    buffer_printf(out, "%s/%s%s", folder, name, suffix);
}

int32_t pack_keep(const char *folder, const char *name, quipu_error *error)
{
    static const char text[] = "quipu: in use until the ref has moved\n";
    buffer path = { 0 };
    int32_t code = QUIPU_OK;
    pack_path(folder, name, ".keep", &path);
    if (path.failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to write a pack");
    else if (os_write_new(path.bytes, text, sizeof text - 1, false) < 0 && errno != EEXIST)
        code = fail_errno(error, errno, "cannot write %s", path.bytes);
    buffer_free(&path);
    return code;
}

void pack_release(const char *folder, const char *name)
{
    buffer path = { 0 };
    pack_path(folder, name, ".keep", &path);
    if (!path.failed)
        os->unlink(path.bytes);
    buffer_free(&path);
}

void pack_withdraw(const char *folder, const char *name)
{
    static const char *const suffixes[] = { ".idx", ".pack", ".keep" };
    buffer path = { 0 };
    pack_keep(folder, name, NULL); /* a pack that is half gone is known by it */
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        pack_path(folder, name, suffixes[i], &path);
        if (!path.failed)
            os->unlink(path.bytes);
    }
    buffer_free(&path);
}

/* A file on its way to its name. */
typedef struct unnamed {
    buffer temporary, path;
    int fd;
} unnamed;

/* Writes a file under a name that git does not know. Measured: `git gc --prune=now` removes what begins with "tmp_", and what
 * ends with ".idx" and has no pack beside it. */
static int32_t unnamed_write(unnamed *u, const char *folder, const char *name, const char *suffix, const buffer *bytes,
                             quipu_error *error)
{
    buffer_printf(&u->temporary, "%s/quipu_tmp_%ld_%s", folder, (long)getpid(), suffix + 1);
    pack_path(folder, name, suffix, &u->path);
    if (u->temporary.failed || u->path.failed)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to write a pack");
    os->unlink(u->temporary.bytes);
    u->fd = os->open(u->temporary.bytes, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (u->fd < 0 || os_write_all(u->fd, bytes->bytes, bytes->len) < 0)
        return fail_errno(error, errno, "cannot write %s", u->temporary.bytes);
    os_begin_sync(u->fd);
    return QUIPU_OK;
}

/* Syncs it and gives it its own name. */
static int32_t unnamed_finish(unnamed *u, quipu_error *error)
{
    int synced = os_sync(u->fd), saved = errno;
    int closed = os->close(u->fd);
    u->fd = -1;
    if (synced < 0 || closed < 0)
        return fail_errno(error, synced < 0 ? saved : errno, "cannot write %s", u->temporary.bytes);
    if (os->rename(u->temporary.bytes, u->path.bytes) < 0)
        return fail_errno(error, errno, "cannot name %s", u->path.bytes);
    buffer_clear(&u->temporary);
    return QUIPU_OK;
}

/* Takes away what was not given its name. */
static void unnamed_end(unnamed *u)
{
    if (u->fd >= 0)
        os->close(u->fd);
    if (u->temporary.len && !u->temporary.failed)
        os->unlink(u->temporary.bytes);
    buffer_free(&u->temporary);
    buffer_free(&u->path);
}

/* Both files are written before either is synced: the second sync finds most of its work done by the first. */
static int32_t publish_files(const char *folder, const char *name, const buffer *pack, const buffer *index,
                             bool durable, quipu_error *error)
{
    unnamed pack_file = { .fd = -1 }, index_file = { .fd = -1 };
    int32_t code = unnamed_write(&pack_file, folder, name, ".pack", pack, error);
    if (code == QUIPU_OK)
        code = unnamed_write(&index_file, folder, name, ".idx", index, error);
    if (code == QUIPU_OK)
        code = unnamed_finish(&pack_file, error);
    if (code == QUIPU_OK)
        code = unnamed_finish(&index_file, error);
    unnamed_end(&pack_file);
    unnamed_end(&index_file);
    if (code == QUIPU_OK && durable && os_sync_folder(folder) < 0)
        code = fail_errno(error, errno, "cannot sync %s", folder);
    return code;
}

int32_t pack_writer_publish(pack_writer *w, const char *folder, bool durable, char name[PACK_NAME_SIZE],
                            quipu_error *error)
{
    buffer index = { 0 };
    uint8_t checksum[20];
    char digits[OBJECT_ID_HEX + 1];
    pack_put_header((uint8_t *)w->bytes.bytes, w->count);
    hash_sha1(w->bytes.bytes, w->bytes.len, checksum);
    object_id_print((const object_id *)(const void *)checksum, digits);
    snprintf(name, PACK_NAME_SIZE, "pack-%s", digits);
    size_t body = w->bytes.len;
    buffer_append(&w->bytes, checksum, sizeof checksum);
    int32_t code = w->bytes.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a new pack")
                                   : build_index(w, checksum, &index, error);
    if (code == QUIPU_OK)
        code = pack_keep(folder, name, error);
    if (code == QUIPU_OK)
        code = publish_files(folder, name, &w->bytes, &index, durable, error);
    if (code != QUIPU_OK)
        pack_withdraw(folder, name);
    w->bytes.len = body;
    buffer_free(&index);
    return code;
}
