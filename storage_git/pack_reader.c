/* pack_reader.c - see pack_reader.h. */
#include "pack_reader.h"

#include "delta.h"

#include <base/fail.h>

#include <libdeflate.h>
#include <stdlib.h>

enum { CHAIN_MOST = 4096 /* git makes none longer than 4095 */ };

#define OBJECT_MOST ((uint64_t)1 << 31) /* bytes of one object */

/* An object that was read lately: the base of others, likely. */
typedef struct cached {
    uint32_t pack; /* plus 1; 0: free */
    unsigned type;
    uint64_t offset;
    buffer bytes;
} cached;

struct pack_reader {
    const pack_file *packs;
    size_t count;
    struct libdeflate_decompressor *inflater;
    unsigned slots;
    cached cache[];
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

static int32_t damaged(const pack_reader *r, uint32_t pack, quipu_error *error)
{
    return fail(error, QUIPU_E_CORRUPT, NULL, "%s is damaged; run `quipu verify`", r->packs[pack].name);
}

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read packs");
}

int32_t pack_reader_create(const pack_file *packs, size_t count, unsigned slots, pack_reader **out, quipu_error *error)
{
    pack_reader *r = calloc(1, sizeof *r + slots * sizeof r->cache[0]);
    *out = NULL;
    if (!r)
        return no_memory(error);
    r->packs = packs;
    r->count = count;
    r->slots = slots;
    r->inflater = libdeflate_alloc_decompressor();
    if (!r->inflater) {
        free(r);
        return no_memory(error);
    }
    *out = r;
    return QUIPU_OK;
}

void pack_reader_free(pack_reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->slots; i++)
        buffer_free(&r->cache[i].bytes);
    libdeflate_free_decompressor(r->inflater);
    free(r);
}

bool pack_reader_find(const pack_reader *r, const object_id *id, pack_place *out)
{
    for (size_t i = r->count; i > 0; i--) {
        uint32_t number;
        pack_entry entry;
        if (!pack_index_find(&r->packs[i - 1].index, id, &number))
            continue;
        pack_index_entry(&r->packs[i - 1].index, number, &entry);
        *out = (pack_place){ (uint32_t)(i - 1), entry.offset };
        return true;
    }
    return false;
}

/* Where the base of a delta is; false where it is not to be had. */
static bool find_base(const pack_reader *r, uint32_t pack, uint64_t offset, entry_head *h)
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
        pack_place base;
        if (!pack_reader_find(r, &id, &base))
            return false;
        h->base_pack = base.pack;
        h->base_offset = base.offset;
    }
    h->data += used;
    h->left -= used;
    return true;
}

static bool head_at(const pack_reader *r, uint32_t pack, uint64_t offset, entry_head *h)
{
    const pack_file *file = &r->packs[pack];
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
        return find_base(r, pack, offset, h);
    return h->type >= OBJECT_COMMIT && h->type <= OBJECT_TAG;
}

static int32_t inflate_entry(pack_reader *r, uint32_t pack, const entry_head *h, buffer *out, quipu_error *error)
{
    size_t used, got;
    char *to = buffer_reserve(out, (size_t)h->size);
    if (!to)
        return no_memory(error);
    if (libdeflate_zlib_decompress_ex(r->inflater, h->data, h->left, to, (size_t)h->size, &used, &got) != 0 ||
        got != h->size)
        return damaged(r, pack, error);
    out->len += got;
    return QUIPU_OK;
}

static cached *cache_slot(pack_reader *r, uint32_t pack, uint64_t offset)
{
    uint64_t key = (offset + ((uint64_t)pack << 40)) * UINT64_C(0x9e3779b97f4a7c15);
    return &r->cache[key >> 32 & (r->slots - 1)];
}

static void cache_put(pack_reader *r, uint32_t pack, uint64_t offset, unsigned type, const buffer *bytes)
{
    cached *slot = cache_slot(r, pack, offset);
    if (bytes->len > PACK_READER_SLOT)
        return;
    buffer_clear(&slot->bytes);
    buffer_append(&slot->bytes, bytes->bytes, bytes->len);
    slot->pack = slot->bytes.failed ? 0 : pack + 1;
    slot->offset = offset;
    slot->type = type;
}

static int32_t read_at(pack_reader *r, uint32_t pack, uint64_t offset, unsigned depth, unsigned *type, buffer *out,
                       quipu_error *error)
{
    const cached *slot = cache_slot(r, pack, offset);
    entry_head h;
    buffer base = { 0 }, delta = { 0 };
    if (slot->pack == pack + 1 && slot->offset == offset) {
        *type = slot->type;
        buffer_append(out, slot->bytes.bytes, slot->bytes.len);
        return out->failed ? no_memory(error) : QUIPU_OK;
    }
    if (depth > CHAIN_MOST || !head_at(r, pack, offset, &h))
        return damaged(r, pack, error);
    if (h.type != PACK_OFS_DELTA && h.type != PACK_REF_DELTA) {
        *type = h.type;
        int32_t code = inflate_entry(r, pack, &h, out, error);
        if (code == QUIPU_OK)
            cache_put(r, pack, offset, *type, out);
        return code;
    }
    int32_t code = read_at(r, h.base_pack, h.base_offset, depth + 1, type, &base, error);
    if (code == QUIPU_OK)
        code = inflate_entry(r, pack, &h, &delta, error);
    if (code == QUIPU_OK && !delta_apply(&base, &delta, out))
        code = out->failed ? no_memory(error) : damaged(r, pack, error);
    if (code == QUIPU_OK)
        cache_put(r, pack, offset, *type, out);
    buffer_free(&base);
    buffer_free(&delta);
    return code;
}

int32_t pack_reader_type(pack_reader *r, pack_place at, unsigned *type, quipu_error *error)
{
    entry_head h;
    for (unsigned depth = 0;; depth++) {
        if (depth > CHAIN_MOST || !head_at(r, at.pack, at.offset, &h))
            return damaged(r, at.pack, error);
        if (h.type != PACK_OFS_DELTA && h.type != PACK_REF_DELTA)
            break;
        at = (pack_place){ h.base_pack, h.base_offset };
    }
    *type = h.type;
    return QUIPU_OK;
}

int32_t pack_reader_read(pack_reader *r, pack_place at, unsigned *type, buffer *out, quipu_error *error)
{
    return read_at(r, at.pack, at.offset, 0, type, out, error);
}
