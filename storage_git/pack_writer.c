/* pack_writer.c - see pack_writer.h. */
#include "pack_writer.h"

#include "os.h"
#include "pack_format.h"
#include "short_deflate.h"

#include <base/fail.h>
#include <base/hash.h>

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    COMPRESSION = 1, /* fast: maintenance compresses better later */
    CHAIN_MAX = 30,  /* deltas on deltas; git's own limit is 50 */
};

#define PACK_MAX ((size_t)1 << 31)

typedef struct packed {
    pack_entry entry;
    uint32_t chain; /* deltas below this one */
} packed;

/* The key tells most names apart without a look at the object. */
typedef struct place {
    uint32_t key;
    uint32_t position; /* in `objects`, plus 1; 0: free */
} place;

struct pack_writer {
    buffer bytes; /* the pack, its header to be filled in at the end */
    packed *objects;
    uint32_t count, capacity;
    place *table; /* open addressing by name */
    uint32_t table_size;
    short_deflate *shorter;                   /* for up to SHORT_DEFLATE_MAX bytes, as nearly everything is */
    struct libdeflate_compressor *compressor; /* for the rest; NULL until it is needed */
};

int32_t pack_writer_create(pack_writer **out, quipu_error *error)
{
    pack_writer *w = calloc(1, sizeof *w);
    if (w) {
        w->shorter = short_deflate_create();
        w->table_size = 64;
        w->table = calloc(w->table_size, sizeof *w->table);
    }
    if (!w || !w->shorter || !w->table) {
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
    short_deflate_free(w->shorter);
    buffer_free(&w->bytes);
    free(w->objects);
    free(w->table);
    free(w);
}

uint32_t pack_writer_count(const pack_writer *w)
{
    return w->count;
}

static uint32_t key_of(const object_id *id)
{
    uint32_t key;
    memcpy(&key, id->bytes, sizeof key);
    return key;
}

/* The table's place for this name: of the object itself, or free. */
static place *table_place(const pack_writer *w, const object_id *id)
{
    uint32_t key = key_of(id);
    for (uint32_t at = key;; at++) {
        place *p = &w->table[at & (w->table_size - 1)];
        if (p->position == 0 || (p->key == key && object_id_equal(&w->objects[p->position - 1].entry.id, id)))
            return p;
    }
}

bool pack_writer_has(const pack_writer *w, const object_id *id)
{
    return table_place(w, id)->position != 0;
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
        place *table = calloc((size_t)w->table_size * 2, sizeof *table);
        if (!table)
            return false;
        free(w->table);
        w->table = table;
        w->table_size *= 2;
        for (uint32_t i = 0; i < w->count; i++)
            *table_place(w, &w->objects[i].entry.id) = (place){ key_of(&w->objects[i].entry.id), i + 1 };
    }
    return true;
}

/* Writes what is to be deflated, of which `room` bytes are there; 0 without memory. */
static size_t deflate_entry(pack_writer *w, unsigned type, const void *bytes, size_t len, char *to, size_t room)
{
    if (type == OBJECT_TREE && len <= SHORT_DEFLATE_MAX)
        return short_deflate_tree(bytes, len, to);
    if (len <= SHORT_DEFLATE_MAX)
        return short_deflate_zlib(w->shorter, bytes, len, to);
    return libdeflate_zlib_compress(w->compressor, bytes, len, to, room);
}

/* Room that deflating may need; 0 without memory. */
static size_t deflate_bound(pack_writer *w, size_t len)
{
    if (len <= SHORT_DEFLATE_MAX)
        return short_deflate_bound(len);
    if (!w->compressor)
        w->compressor = libdeflate_alloc_compressor(COMPRESSION);
    return w->compressor ? libdeflate_zlib_compress_bound(w->compressor, len) : 0;
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
    size_t bound = deflate_bound(w, len);
    if (begin + head_len + bound > PACK_MAX)
        return fail(error, QUIPU_E_TOO_LARGE, NULL, "the change set is larger than 2 GiB; split it");
    buffer_append(&w->bytes, head, head_len);
    char *to = bound ? buffer_reserve(&w->bytes, bound) : NULL;
    if (!to || !grow(w)) {
        w->bytes.len = begin;
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a new pack");
    }
    w->bytes.len += deflate_entry(w, type, bytes, len, to, bound);
    packed *p = &w->objects[w->count++];
    p->entry.id = *id;
    p->entry.offset = begin;
    p->entry.crc = libdeflate_crc32(0, w->bytes.bytes + begin, w->bytes.len - begin);
    p->chain = chain;
    *table_place(w, id) = (place){ key_of(id), w->count };
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
    uint32_t position = table_place(w, base)->position;
    if (position == 0 || w->objects[position - 1].chain >= CHAIN_MAX || delta_len >= len)
        return append_entry(w, id, type, 0, bytes, len, 0, error);
    const packed *below = &w->objects[position - 1];
    return append_entry(w, id, PACK_OFS_DELTA, w->bytes.len - below->entry.offset, delta, delta_len, below->chain + 1,
                        error);
}

int32_t pack_writer_read(pack_writer *w, const object_id *id, buffer *out, quipu_error *error)
{
    const packed *p = &w->objects[table_place(w, id)->position - 1];
    const uint8_t *at = (const uint8_t *)w->bytes.bytes + p->entry.offset;
    size_t left = w->bytes.len - (size_t)p->entry.offset, head;
    unsigned type;
    uint64_t size;
    struct libdeflate_decompressor *inflater = libdeflate_alloc_decompressor();
    pack_get_entry_head(at, left, &type, &size, &head);
    char *to = inflater ? buffer_reserve(out, (size_t)size) : NULL;
    bool read =
        to && libdeflate_zlib_decompress_ex(inflater, at + head, left - head, to, (size_t)size, NULL, NULL) == 0;
    if (read)
        out->len += (size_t)size;
    if (inflater)
        libdeflate_free_decompressor(inflater);
    return read ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read a record");
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

/* Of the path of a folder of packs, REPOSITORY/objects/pack. */
static int length_of_repository(const char *folder)
{
    size_t len = strlen(folder);
    for (int i = 0; i < 2; i++)
        while (len > 0 && folder[--len] != '/')
            continue;
    return (int)len;
}

/* A keep is a second name of one file that stays: a new file for each would cost the file system an inode, and a block, each time (ext4 does
 * not reuse an inode that was removed lately, and looks at each of those for every one that it makes). */
int32_t pack_keep(const char *folder, const char *name, quipu_error *error)
{
    static const char text[] = "quipu: in use until the ref has moved\n";
    buffer path = { 0 }, source = { 0 };
    int32_t code = QUIPU_OK;
    pack_path(folder, name, ".keep", &path);
    buffer_printf(&source, "%.*s/quipu/keep", length_of_repository(folder), folder);
    if (path.failed || source.failed) {
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to write a pack");
    } else if (os->link(source.bytes, path.bytes) < 0 && errno != EEXIST) {
        if (errno == ENOENT && os_write_new(source.bytes, text, sizeof text - 1, false) == 0)
            errno = os->link(source.bytes, path.bytes) < 0 ? errno : EEXIST;
        if (errno != EEXIST && os_write_new(path.bytes, text, sizeof text - 1, false) < 0 && errno != EEXIST)
            code = fail_errno(error, errno, "cannot write %s", path.bytes);
    }
    buffer_free(&path);
    buffer_free(&source);
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
    u->fd = os_make_anew(u->temporary.bytes);
    if (u->fd < 0 || os_write_all(u->fd, bytes->bytes, bytes->len) < 0)
        return fail_errno(error, errno, "cannot write %s", u->temporary.bytes);
    os_begin_sync(u->fd);
    return QUIPU_OK;
}

static int32_t unnamed_sync(unnamed *u, quipu_error *error)
{
    int synced = os_sync(u->fd), saved = errno;
    int closed = os->close(u->fd);
    u->fd = -1;
    if (synced < 0 || closed < 0)
        return fail_errno(error, synced < 0 ? saved : errno, "cannot write %s", u->temporary.bytes);
    return QUIPU_OK;
}

static int32_t unnamed_name(unnamed *u, quipu_error *error)
{
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

/* Both files are written before either is synced, and both synced before either is named: the second sync finds most of its work done by
 * the first, the folder among it. */
static int32_t publish_files(const char *folder, const char *name, const buffer *pack, const buffer *index,
                             bool durable, quipu_error *error)
{
    unnamed pack_file = { .fd = -1 }, index_file = { .fd = -1 };
    int32_t code = unnamed_write(&pack_file, folder, name, ".pack", pack, error);
    if (code == QUIPU_OK)
        code = unnamed_write(&index_file, folder, name, ".idx", index, error);
    if (code == QUIPU_OK)
        code = unnamed_sync(&pack_file, error);
    if (code == QUIPU_OK)
        code = unnamed_sync(&index_file, error);
    if (code == QUIPU_OK)
        code = unnamed_name(&pack_file, error);
    if (code == QUIPU_OK)
        code = unnamed_name(&index_file, error);
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
