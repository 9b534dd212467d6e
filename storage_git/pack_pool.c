/* pack_pool.c - see pack_pool.h. */
#include "pack_pool.h"

#include "pack_reader.h"

#include <base/fail.h>
#include <base/hash.h>

#include <libdeflate.h>
#include <stdlib.h>

enum {
    POOL_CACHE_SLOTS = 4096,
    OBJECT_COST = 128, /* bytes of RAM that an object takes until the new pack is written, its index included */
};

#define BASE_COST (POOL_CACHE_SLOTS * (uint64_t)PACK_CACHE_OBJECT + (UINT64_C(16) << 20))

struct pack_pool {
    pack_list list;
    size_t taken;
    pooled *objects;
    uint32_t count;
    uint32_t fanout[257]; /* objects whose name begins with a byte below this one */
    pack_reader reader;
};

static int32_t damaged(const pack_pool *p, uint32_t pack, quipu_error *error)
{
    return fail(error, QUIPU_E_CORRUPT, NULL, "%s is damaged; run `quipu verify`", p->list.packs[pack].name);
}

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read packs");
}

static bool find_base(void *context, const pack_place *from, const object_id *id, pack_place *out);

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
        p->reader = (pack_reader){ pack_cache_create(POOL_CACHE_SLOTS), libdeflate_alloc_decompressor(), find_base, p };
    int32_t code =
        p && p->reader.cache && p->reader.inflater ? pack_list_read(folder, &p->list, error) : no_memory(error);
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
    pack_cache_free(p->reader.cache);
    if (p->reader.inflater)
        libdeflate_free_decompressor(p->reader.inflater);
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

static pack_place place_of(const pack_pool *p, const pooled *object)
{
    return (pack_place){ &p->list.packs[object->pack], object->pack + 1, object->from };
}

/* The base of a difference may lie in any of the packs. */
static bool find_base(void *context, const pack_place *from, const object_id *id, pack_place *out)
{
    pack_pool *p = context;
    const pooled *base = pack_pool_find(p, id);
    (void)from;
    if (base)
        *out = place_of(p, base);
    return base != NULL;
}

int32_t pack_pool_type(pack_pool *p, pooled *object, quipu_error *error)
{
    pack_place at = place_of(p, object);
    object_type type;
    if (object->type)
        return QUIPU_OK;
    int32_t code = pack_read_type(&p->reader, &at, &type, error);
    if (code == QUIPU_OK)
        object->type = (uint8_t)type;
    return code;
}

int32_t pack_pool_read(pack_pool *p, pooled *object, buffer *out, quipu_error *error)
{
    pack_place at = place_of(p, object);
    object_type type;
    object_id found;
    buffer_clear(out);
    int32_t code = pack_read(&p->reader, &at, &type, out, error);
    if (code != QUIPU_OK)
        return code;
    hash_git_object(object_type_name(type), out->bytes, out->len, found.bytes);
    object->type = (uint8_t)type;
    return object_id_equal(&found, &object->id) ? QUIPU_OK : damaged(p, object->pack, error);
}
