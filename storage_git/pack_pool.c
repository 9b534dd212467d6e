/* pack_pool.c - see pack_pool.h. */
#include "pack_pool.h"

#include "delta.h"

#include <base/fail.h>
#include <base/hash.h>

#include <libdeflate.h>
#include <stdlib.h>

enum {
    CACHE_SLOTS = 4096,
    CACHE_OBJECT_MAX = 8192, /* bytes; larger ones are not kept */
    CHAIN_MOST = 4096,       /* git makes none longer than 4095 */
    OBJECT_COST = 128,       /* bytes of RAM that an object takes until the new pack is written, its index included */
};

#define BASE_COST (CACHE_SLOTS * (uint64_t)CACHE_OBJECT_MAX + (UINT64_C(16) << 20))
#define OBJECT_MOST ((uint64_t)1 << 31) /* bytes of one object */

/* An object that was read lately: the base of others, likely. */
typedef struct cached {
    uint32_t pack; /* plus 1; 0: free */
    unsigned type;
    uint64_t offset;
    buffer bytes;
} cached;

struct pack_pool {
    pack_list list;
    size_t taken;
    pooled *objects;
    uint32_t count;
    uint32_t fanout[257]; /* objects whose name begins with a byte below this one */
    struct libdeflate_decompressor *inflater;
    cached cache[CACHE_SLOTS];
};

/* An entry of a pack, as its head describes it. */
typedef struct entry_head {
    unsigned type;
    uint64_t size; /* of what is deflated */
    const uint8_t *data;
    size_t left; /* bytes of the pack from there on */
    uint32_t base_pack;
    uint64_t base_offset;
} entry_head;

static int32_t damaged(const pack_pool *p, uint32_t pack, quipu_error *error)
{
    return fail(error, QUIPU_E_CORRUPT, NULL, "%s is damaged; run `quipu verify`", p->list.packs[pack].name);
}

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read packs");
}

/* ---- opening ---- */

static int compare_names(const void *a, const void *b)
{
    return memcmp(((const pooled *)a)->id.bytes, ((const pooled *)b)->id.bytes, 20);
}

/* Sorts by name, leaves one of each, and remembers where each first byte begins. */
static void arrange(pack_pool *p)
{
    uint32_t kept = 0;
    qsort(p->objects, p->count, sizeof *p->objects, compare_names);
    for (uint32_t i = 0; i < p->count; i++)
        if (kept == 0 || !object_id_equal(&p->objects[kept - 1].id, &p->objects[i].id))
            p->objects[kept++] = p->objects[i];
    p->count = kept;
    for (uint32_t byte = 0, i = 0; byte < 256; byte++) {
        while (i < kept && p->objects[i].id.bytes[0] < byte)
            i++;
        p->fanout[byte] = i;
    }
    p->fanout[256] = kept;
}

static int32_t gather(pack_pool *p, uint64_t total, quipu_error *error)
{
    if (total >= UINT32_MAX / 4)
        return fail(error, QUIPU_E_TOO_LARGE, NULL, "too many objects for one pack");
    p->objects = calloc((size_t)total + 1, sizeof *p->objects);
    if (!p->objects)
        return no_memory(error);
    for (size_t i = 0; i < p->taken; i++)
        for (uint32_t j = 0; j < p->list.packs[i].index.count; j++) {
            pack_entry entry;
            pack_index_entry(&p->list.packs[i].index, j, &entry);
            p->objects[p->count++] = (pooled){ .id = entry.id, .pack = (uint32_t)i, .from = entry.offset };
        }
    arrange(p);
    return QUIPU_OK;
}

int32_t pack_pool_open(const char *folder, uint64_t memory, pack_pool **out, quipu_error *error)
{
    pack_pool *p = calloc(1, sizeof *p);
    uint64_t total = 0;
    *out = NULL;
    if (p)
        p->inflater = libdeflate_alloc_decompressor();
    int32_t code = p && p->inflater ? pack_list_read(folder, &p->list, error) : no_memory(error);
    for (size_t i = 0; code == QUIPU_OK && i < p->list.mergeable; i++) {
        code = pack_file_map(folder, &p->list.packs[i], error);
        if (code != QUIPU_OK || BASE_COST + (total + p->list.packs[i].index.count) * OBJECT_COST > memory)
            break;
        total += p->list.packs[i].index.count;
        p->taken++;
    }
    if (code == QUIPU_OK)
        code = gather(p, total, error);
    if (code == QUIPU_OK)
        *out = p;
    else
        pack_pool_free(p);
    return code;
}

void pack_pool_free(pack_pool *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < CACHE_SLOTS; i++)
        buffer_free(&p->cache[i].bytes);
    if (p->inflater)
        libdeflate_free_decompressor(p->inflater);
    pack_list_free(&p->list);
    free(p->objects);
    free(p);
}

pooled *pack_pool_objects(pack_pool *p, uint32_t *count)
{
    *count = p->count;
    return p->objects;
}

const pack_list *pack_pool_packs(const pack_pool *p, size_t *taken)
{
    *taken = p->taken;
    return &p->list;
}

pooled *pack_pool_find(pack_pool *p, const object_id *id)
{
    uint32_t low = p->fanout[id->bytes[0]], high = p->fanout[id->bytes[0] + 1];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = memcmp(p->objects[middle].id.bytes, id->bytes, sizeof id->bytes);
        if (order == 0)
            return &p->objects[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- reading ---- */

/* Where the base of a delta is; false where it is not to be had. */
static bool find_base(pack_pool *p, uint32_t pack, uint64_t offset, entry_head *h)
{
    uint64_t distance;
    size_t used;
    object_id id;
    h->base_pack = pack;
    if (h->type == PACK_OFS_DELTA) {
        if (!pack_get_base_distance(h->data, h->left, &distance, &used) || distance == 0 || distance > offset)
            return false;
        h->base_offset = offset - distance;
    } else {
        used = sizeof id.bytes;
        if (h->left < used)
            return false;
        memcpy(id.bytes, h->data, used);
        const pooled *base = pack_pool_find(p, &id);
        if (!base)
            return false;
        h->base_pack = base->pack;
        h->base_offset = base->from;
    }
    h->data += used;
    h->left -= used;
    return true;
}

static bool head_at(pack_pool *p, uint32_t pack, uint64_t offset, entry_head *h)
{
    const pack_file *file = &p->list.packs[pack];
    uint64_t end = file->pack_len - PACK_TRAILER_SIZE;
    size_t used;
    if (offset < PACK_HEADER_SIZE || offset >= end)
        return false;
    h->data = file->pack + offset;
    h->left = (size_t)(end - offset);
    if (!pack_get_entry_head(h->data, h->left, &h->type, &h->size, &used) || h->size >= OBJECT_MOST)
        return false;
    h->data += used;
    h->left -= used;
    if (h->type == PACK_OFS_DELTA || h->type == PACK_REF_DELTA)
        return find_base(p, pack, offset, h);
    return h->type >= OBJECT_COMMIT && h->type <= OBJECT_TAG;
}

static int32_t inflate_entry(pack_pool *p, uint32_t pack, const entry_head *h, buffer *out, quipu_error *error)
{
    size_t used, got;
    char *to = buffer_reserve(out, (size_t)h->size);
    if (!to)
        return no_memory(error);
    if (libdeflate_zlib_decompress_ex(p->inflater, h->data, h->left, to, (size_t)h->size, &used, &got) != 0 ||
        got != h->size)
        return damaged(p, pack, error);
    out->len += got;
    return QUIPU_OK;
}

static cached *cache_slot(pack_pool *p, uint32_t pack, uint64_t offset)
{
    uint64_t key = (offset + ((uint64_t)pack << 40)) * UINT64_C(0x9e3779b97f4a7c15);
    return &p->cache[key >> 52];
}

static void cache_put(pack_pool *p, uint32_t pack, uint64_t offset, unsigned type, const buffer *bytes)
{
    cached *slot = cache_slot(p, pack, offset);
    if (bytes->len > CACHE_OBJECT_MAX)
        return;
    buffer_clear(&slot->bytes);
    buffer_append(&slot->bytes, bytes->bytes, bytes->len);
    slot->pack = slot->bytes.failed ? 0 : pack + 1;
    slot->offset = offset;
    slot->type = type;
}

static int32_t read_at(pack_pool *p, uint32_t pack, uint64_t offset, unsigned depth, unsigned *type, buffer *out,
                       quipu_error *error)
{
    const cached *slot = cache_slot(p, pack, offset);
    entry_head h;
    buffer base = { 0 }, delta = { 0 };
    if (slot->pack == pack + 1 && slot->offset == offset) {
        *type = slot->type;
        buffer_append(out, slot->bytes.bytes, slot->bytes.len);
        return out->failed ? no_memory(error) : QUIPU_OK;
    }
    if (depth > CHAIN_MOST || !head_at(p, pack, offset, &h))
        return damaged(p, pack, error);
    if (h.type != PACK_OFS_DELTA && h.type != PACK_REF_DELTA) {
        *type = h.type;
        int32_t code = inflate_entry(p, pack, &h, out, error);
        if (code == QUIPU_OK)
            cache_put(p, pack, offset, *type, out);
        return code;
    }
    int32_t code = read_at(p, h.base_pack, h.base_offset, depth + 1, type, &base, error);
    if (code == QUIPU_OK)
        code = inflate_entry(p, pack, &h, &delta, error);
    if (code == QUIPU_OK && !delta_apply(&base, &delta, out))
        code = out->failed ? no_memory(error) : damaged(p, pack, error);
    if (code == QUIPU_OK)
        cache_put(p, pack, offset, *type, out);
    buffer_free(&base);
    buffer_free(&delta);
    return code;
}

int32_t pack_pool_type(pack_pool *p, pooled *object, quipu_error *error)
{
    uint32_t pack = object->pack;
    uint64_t offset = object->from;
    entry_head h;
    for (unsigned depth = 0; object->type == 0; depth++) {
        if (depth > CHAIN_MOST || !head_at(p, pack, offset, &h))
            return damaged(p, pack, error);
        if (h.type != PACK_OFS_DELTA && h.type != PACK_REF_DELTA)
            object->type = (uint8_t)h.type;
        pack = h.base_pack;
        offset = h.base_offset;
    }
    return QUIPU_OK;
}

int32_t pack_pool_read(pack_pool *p, pooled *object, buffer *out, quipu_error *error)
{
    unsigned type = 0;
    object_id found;
    buffer_clear(out);
    int32_t code = read_at(p, object->pack, object->from, 0, &type, out, error);
    if (code != QUIPU_OK)
        return code;
    hash_git_object(object_type_name((object_type)type), out->bytes, out->len, found.bytes);
    object->type = (uint8_t)type;
    return object_id_equal(&found, &object->id) ? QUIPU_OK : damaged(p, object->pack, error);
}
