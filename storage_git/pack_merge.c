/* pack_merge.c - see pack_merge.h. */
#include "pack_merge.h"

#include "os.h"
#include "pack_files.h"
#include "pack_format.h"
#include "pack_retired.h"
#include "pack_writer.h"

#include <base/fail.h>
#include <base/hash.h>

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WRITE_CHUNK = 1 << 20 };

/* Where an entry of an old pack begins in the new one; sorted by the old offset. */
typedef struct placed {
    uint64_t old_offset;
    uint64_t new_offset;
} placed;

typedef struct merge {
    const char *folder;
    quipu_error *error;
    char *temporary;
    int fd;
    sha1_stream *hash;
    buffer pending;   /* not yet written */
    uint64_t written; /* bytes of the pack up to here, pending ones included */
    pack_entry *entries;
    uint32_t count, capacity;
    uint32_t *table; /* by name: position in `entries` plus 1 */
    uint32_t table_size;
    placed *places; /* of the pack at hand */
} merge;

static int32_t no_memory(merge *m)
{
    return fail(m->error, QUIPU_E_NO_MEMORY, NULL, "no memory to merge packs");
}

static int32_t merge_flush(merge *m)
{
    if (os_write_all(m->fd, m->pending.bytes, m->pending.len) < 0)
        return fail_errno(m->error, errno, "cannot write %s", m->temporary);
    buffer_clear(&m->pending);
    return QUIPU_OK;
}

static int32_t merge_write(merge *m, const void *bytes, size_t len)
{
    sha1_add(m->hash, bytes, len);
    buffer_append(&m->pending, bytes, len);
    m->written += len;
    if (m->pending.failed)
        return no_memory(m);
    return m->pending.len >= WRITE_CHUNK ? merge_flush(m) : QUIPU_OK;
}

static uint32_t *table_place(merge *m, const object_id *id)
{
    uint32_t at;
    memcpy(&at, id->bytes, sizeof at);
    while (m->table[at & (m->table_size - 1)] &&
           !object_id_equal(&m->entries[m->table[at & (m->table_size - 1)] - 1].id, id))
        at++;
    return &m->table[at & (m->table_size - 1)];
}

static int compare_places(const void *key, const void *element)
{
    uint64_t a = *(const uint64_t *)key, b = ((const placed *)element)->old_offset;
    return (a > b) - (a < b);
}

/* Copies one entry, with the way back to its base set anew. `before`: entries of this pack that have a place. */
static int32_t copy_entry(merge *m, const uint8_t *bytes, size_t len, const pack_entry *old, size_t before)
{
    unsigned type;
    uint64_t size, distance;
    size_t head_len, distance_len, new_len;
    uint8_t head[20];
    pack_entry *entry = &m->entries[m->count];
    *entry = (pack_entry){ old->id, old->crc, m->written };
    /* What is damaged is not copied: the old pack and its index would be gone, and with them what could be saved. */
    if (libdeflate_crc32(0, bytes, len) != old->crc || !pack_get_entry_head(bytes, len, &type, &size, &head_len))
        return fail(m->error, QUIPU_E_CORRUPT, NULL, "a pack is damaged; run `quipu verify`");
    if (type != PACK_OFS_DELTA) {
        m->count++;
        return merge_write(m, bytes, len);
    }
    if (!pack_get_base_distance(bytes + head_len, len - head_len, &distance, &distance_len) || distance > old->offset)
        return fail(m->error, QUIPU_E_CORRUPT, NULL, "a pack is damaged; run `quipu verify`");
    uint64_t base_offset = old->offset - distance;
    const placed *base = bsearch(&base_offset, m->places, before, sizeof *base, compare_places);
    if (!base)
        return fail(m->error, QUIPU_E_CORRUPT, NULL, "a pack is damaged: a delta without its base; run `quipu verify`");
    new_len = pack_put_entry_head(head, type, size);
    new_len += pack_put_base_distance(head + new_len, m->written - base->new_offset);
    const uint8_t *rest = bytes + head_len + distance_len;
    size_t rest_len = len - head_len - distance_len;
    entry->crc = libdeflate_crc32(libdeflate_crc32(0, head, new_len), rest, rest_len);
    m->count++;
    int32_t code = merge_write(m, head, new_len);
    return code == QUIPU_OK ? merge_write(m, rest, rest_len) : code;
}

static int compare_offsets(const void *a, const void *b)
{
    uint64_t x = ((const pack_entry *)a)->offset, y = ((const pack_entry *)b)->offset;
    return (x > y) - (x < y);
}

static int32_t copy_entries(merge *m, const pack_file *pack, const pack_entry *entries)
{
    uint32_t count = pack->index.count;
    uint64_t end = pack->pack_len - PACK_TRAILER_SIZE;
    int32_t code = QUIPU_OK;
    for (uint32_t i = 0; i < count && code == QUIPU_OK; i++) {
        uint64_t stop = i + 1 < count ? entries[i + 1].offset : end;
        if (entries[i].offset < PACK_HEADER_SIZE || stop > end || entries[i].offset >= stop)
            return fail(m->error, QUIPU_E_CORRUPT, NULL, "the index of %s is damaged; run `quipu verify`", pack->name);
        uint32_t *place = table_place(m, &entries[i].id);
        m->places[i] = (placed){ entries[i].offset, *place ? m->entries[*place - 1].offset : m->written };
        if (*place)
            continue;
        code = copy_entry(m, pack->pack + entries[i].offset, (size_t)(stop - entries[i].offset), &entries[i], i);
        *place = m->count;
    }
    return code;
}

static int32_t copy_pack(merge *m, const pack_file *pack)
{
    uint32_t count = pack->index.count;
    pack_entry *entries = malloc(((size_t)count + 1) * sizeof *entries);
    m->places = malloc(((size_t)count + 1) * sizeof *m->places);
    int32_t code = entries && m->places ? QUIPU_OK : no_memory(m);
    for (uint32_t i = 0; i < count && code == QUIPU_OK; i++)
        pack_index_entry(&pack->index, i, &entries[i]);
    if (code == QUIPU_OK) {
        qsort(entries, count, sizeof *entries, compare_offsets);
        code = copy_entries(m, pack, entries);
    }
    free(entries);
    free(m->places);
    m->places = NULL;
    return code;
}

/* The count in the header is only known at the end, and the checksum covers it: so objects are counted first. */
static int32_t count_distinct(merge *m, const pack_file *packs, size_t n)
{
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += packs[i].index.count;
    if (total >= UINT32_MAX / 4)
        return fail(m->error, QUIPU_E_TOO_LARGE, NULL, "too many objects for one pack");
    for (m->table_size = 64; m->table_size < total * 2;)
        m->table_size *= 2;
    m->capacity = (uint32_t)total;
    m->entries = calloc(total + 1, sizeof *m->entries);
    m->table = calloc(m->table_size, sizeof *m->table);
    if (!m->entries || !m->table)
        return no_memory(m);
    for (size_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < packs[i].index.count; j++) {
            pack_index_entry(&packs[i].index, j, &m->entries[m->count]);
            uint32_t *place = table_place(m, &m->entries[m->count].id);
            if (!*place)
                *place = ++m->count;
        }
    return QUIPU_OK;
}

static int32_t merge_begin(merge *m, const pack_file *packs, size_t n)
{
    uint8_t header[PACK_HEADER_SIZE];
    buffer path = { 0 };
    int32_t code = count_distinct(m, packs, n);
    if (code != QUIPU_OK)
        return code;
    pack_put_header(header, m->count);
    m->count = 0;
    memset(m->table, 0, (size_t)m->table_size * sizeof *m->table);
    buffer_printf(&path, "%s/quipu_tmp_%ld_merge", m->folder, (long)getpid());
    m->temporary = path.bytes;
    m->hash = sha1_begin();
    if (path.failed || !m->hash)
        return no_memory(m);
    m->fd = os_make_anew(m->temporary);
    if (m->fd < 0)
        return fail_errno(m->error, errno, "cannot write %s", m->temporary);
    return merge_write(m, header, sizeof header);
}

static int32_t merge_end(merge *m, bool durable, char name[PACK_NAME_SIZE])
{
    uint8_t checksum[20];
    char digits[OBJECT_ID_HEX + 1];
    buffer index = { 0 };
    sha1_end(m->hash, checksum);
    m->hash = NULL;
    buffer_append(&m->pending, checksum, sizeof checksum);
    int32_t code = m->pending.failed ? no_memory(m) : merge_flush(m);
    if (code == QUIPU_OK && durable && os_sync(m->fd) < 0)
        code = fail_errno(m->error, errno, "cannot sync %s", m->temporary);
    pack_put_index(m->entries, m->count, checksum, &index);
    if (code == QUIPU_OK && index.failed)
        code = no_memory(m);
    object_id_print((const object_id *)(const void *)checksum, digits);
    snprintf(name, PACK_NAME_SIZE, "pack-%s", digits);
    if (code == QUIPU_OK)
        code = pack_keep(m->folder, name, m->error); /* until the old ones are gone */
    if (code == QUIPU_OK)
        code = pack_file_publish(m->folder, name, m->temporary, &index, durable, m->error);
    buffer_free(&index);
    return code;
}

static void merge_finish(merge *m)
{
    if (m->hash) {
        uint8_t unused[20];
        sha1_end(m->hash, unused);
    }
    if (m->fd >= 0)
        os->close(m->fd);
    if (m->temporary)
        os->unlink(m->temporary); /* gone already where the merge succeeded */
    free(m->temporary);
    free(m->entries);
    free(m->table);
    buffer_free(&m->pending);
}

/* Retires packs 0..n-1 of the list, save one of that name; on failure the new pack goes instead, so that all is as it was. */
static void settle(const char *folder, const pack_file *packs, size_t n, const char *name, bool merged)
{
    const char *names[RETIRED_MOST];
    size_t count = 0;
    bool among = false;
    for (size_t i = 0; i < n; i++) {
        bool same = strcmp(packs[i].name, name) == 0;
        among = among || same;
        if (merged && !same && count < RETIRED_MOST)
            names[count++] = packs[i].name;
    }
    if (count)
        retired_add(folder, names, count);
    if (merged || among)
        pack_release(folder, name);
    else if (name[0])
        pack_withdraw(folder, name);
}

/* Copies packs 0..n-1 of the list together and takes them away. */
static int32_t merge_packs(const char *folder, pack_file *packs, size_t n, bool durable, quipu_error *error)
{
    merge m = { .folder = folder, .error = error, .fd = -1 };
    char name[PACK_NAME_SIZE] = "";
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < n && code == QUIPU_OK; i++)
        code = pack_file_map(folder, &packs[i], error);
    if (code == QUIPU_OK)
        code = merge_begin(&m, packs, n);
    for (size_t i = n; i > 0 && code == QUIPU_OK; i--) /* the largest first: it is copied in one go */
        code = copy_pack(&m, &packs[i - 1]);
    if (code == QUIPU_OK)
        code = merge_end(&m, durable, name);
    merge_finish(&m);
    settle(folder, packs, n, name, code == QUIPU_OK);
    return code;
}

/* How many of the smallest packs must go together, so that the rest is geometric. Sorted by size, smallest first. */
static size_t choose(const pack_file *packs, size_t n)
{
    uint64_t below = 0;
    size_t together = 0;
    for (size_t i = 0; i < n; i++) {
        if (packs[i].pack_len < 2 * below)
            together = i + 1;
        below += packs[i].pack_len;
    }
    return together > 1 ? together : n > 1 ? 2 : 0;
}

int32_t pack_merge(const char *folder, unsigned most, bool durable, bool *merged, quipu_error *error)
{
    pack_list list = { 0 };
    *merged = false;
    int32_t code = pack_list_read(folder, &list, error);
    if (code == QUIPU_OK && list.count - list.retired > most) {
        size_t together = choose(list.packs, list.mergeable);
        if (together > 1) {
            code = merge_packs(folder, list.packs, together, durable, error);
            *merged = code == QUIPU_OK;
        }
    }
    bool due = *merged || (code == QUIPU_OK && retired_are_due(&list));
    pack_list_free(&list);
    if (due)
        retired_sweep(folder, false);
    return code;
}
