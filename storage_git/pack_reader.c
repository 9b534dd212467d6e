/* pack_reader.c - see pack_reader.h. */
#include "pack_reader.h"

#include "delta.h"

#include <base/fail.h>

#include <libdeflate.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    CACHE_LOCKS = 16,
    CHAIN_MOST = 4096, /* git makes none longer than 4095 */
};

#define OBJECT_MOST ((uint64_t)1 << 31) /* bytes of one object */

static int32_t damaged(const pack_place *at, quipu_error *error)
{
    return fail(error, QUIPU_E_CORRUPT, NULL, "%s is damaged; run `quipu verify`", at->file->name);
}

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read packs");
}

/* ---- what was read lately ---- */

typedef struct cached {
    uint32_t number; /* of the pack; 0: free */
    object_type type;
    uint64_t offset;
    buffer bytes;
} cached;

struct pack_cache {
    pthread_mutex_t locks[CACHE_LOCKS]; /* each guards every CACHE_LOCKS-th slot */
    unsigned count;
    cached slots[];
};

pack_cache *pack_cache_create(unsigned slots)
{
    pack_cache *c = calloc(1, sizeof *c + slots * sizeof c->slots[0]);
    if (c)
        c->count = slots;
    for (size_t i = 0; c && i < CACHE_LOCKS; i++)
        pthread_mutex_init(&c->locks[i], NULL);
    return c;
}

void pack_cache_free(pack_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        buffer_free(&c->slots[i].bytes);
    for (size_t i = 0; i < CACHE_LOCKS; i++)
        pthread_mutex_destroy(&c->locks[i]);
    free(c);
}

static size_t cache_slot(const pack_cache *c, const pack_place *at)
{
    uint64_t key = (at->offset + ((uint64_t)at->number << 40)) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(key >> 32) & (c->count - 1);
}

/* Appends what is kept of that place; false: nothing. */
static bool cache_get(pack_cache *c, const pack_place *at, object_type *type, buffer *out)
{
    size_t place = cache_slot(c, at);
    pthread_mutex_t *lock = &c->locks[place % CACHE_LOCKS];
    pthread_mutex_lock(lock);
    const cached *slot = &c->slots[place];
    bool there = slot->number == at->number && slot->offset == at->offset;
    if (there) {
        *type = slot->type;
        buffer_append(out, slot->bytes.bytes, slot->bytes.len);
    }
    pthread_mutex_unlock(lock);
    return there;
}

static void cache_put(pack_cache *c, const pack_place *at, object_type type, const char *bytes, size_t len)
{
    size_t place = cache_slot(c, at);
    pthread_mutex_t *lock = &c->locks[place % CACHE_LOCKS];
    if (len > PACK_CACHE_OBJECT)
        return;
    pthread_mutex_lock(lock);
    cached *slot = &c->slots[place];
    buffer_clear(&slot->bytes);
    buffer_append(&slot->bytes, bytes, len);
    if (slot->bytes.failed) {
        buffer_free(&slot->bytes);
        *slot = (cached){ 0 };
    } else {
        slot->number = at->number;
        slot->offset = at->offset;
        slot->type = type;
    }
    pthread_mutex_unlock(lock);
}

/* ---- entries ---- */

/* An entry of a pack, as its head describes it. */
typedef struct entry_head {
    unsigned type;
    uint64_t size; /* of what is deflated */
    const uint8_t *data;
    size_t left; /* bytes of the pack from there on */
    pack_place base;
} entry_head;

static bool is_difference(const entry_head *h)
{
    return h->type == PACK_OFS_DELTA || h->type == PACK_REF_DELTA;
}

bool pack_find_in_same(void *context, const pack_place *from, const object_id *id, pack_place *out)
{
    uint32_t at;
    pack_entry entry;
    (void)context;
    if (!pack_index_find(&from->file->index, id, &at))
        return false;
    pack_index_entry(&from->file->index, at, &entry);
    *out = (pack_place){ from->file, from->number, entry.offset };
    return true;
}

/* Where the base of a difference is; false where it is not to be had. */
static bool find_base(const pack_reader *r, const pack_place *at, entry_head *h)
{
    uint64_t distance;
    size_t used;
    object_id id;
    if (h->type == PACK_OFS_DELTA) {
        if (!pack_get_base_distance(h->data, h->left, &distance, &used) || distance == 0 || distance > at->offset)
            return false;
        h->base = (pack_place){ at->file, at->number, at->offset - distance };
    } else {
        used = sizeof id.bytes;
        if (h->left < used)
            return false;
        memcpy(id.bytes, h->data, used);
        if (!r->find(r->context, at, &id, &h->base))
            return false;
    }
    h->data += used;
    h->left -= used;
    return true;
}

static bool head_at(const pack_reader *r, const pack_place *at, entry_head *h)
{
    uint64_t end = at->file->pack_len - PACK_TRAILER_SIZE;
    size_t used;
    if (at->offset < PACK_HEADER_SIZE || at->offset >= end)
        return false;
    h->data = at->file->pack + at->offset;
    h->left = (size_t)(end - at->offset);
    if (!pack_get_entry_head(h->data, h->left, &h->type, &h->size, &used) || h->size >= OBJECT_MOST)
        return false;
    h->data += used;
    h->left -= used;
    if (is_difference(h))
        return find_base(r, at, h);
    return h->type >= OBJECT_COMMIT && h->type <= OBJECT_TAG;
}

static int32_t inflate_entry(const pack_reader *r, const pack_place *at, const entry_head *h, buffer *out,
                             quipu_error *error)
{
    size_t used, got;
    /* a damaged head may tell any size: of what deflate makes of these bytes, 1032 times as many is the most */
    if (h->size > (uint64_t)h->left * 1032 + 64)
        return damaged(at, error);
    char *to = buffer_reserve(out, (size_t)h->size);
    if (!to)
        return no_memory(error);
    if (libdeflate_zlib_decompress_ex(r->inflater, h->data, h->left, to, (size_t)h->size, &used, &got) != 0 ||
        got != h->size)
        return damaged(at, error);
    out->len += got;
    return QUIPU_OK;
}

static int32_t read_at(const pack_reader *r, const pack_place *at, unsigned depth, object_type *type, buffer *out,
                       quipu_error *error)
{
    entry_head h;
    buffer base = { 0 }, delta = { 0 };
    size_t before = out->len;
    if (cache_get(r->cache, at, type, out))
        return out->failed ? no_memory(error) : QUIPU_OK;
    if (depth > CHAIN_MOST || !head_at(r, at, &h))
        return damaged(at, error);
    int32_t code = QUIPU_OK;
    if (!is_difference(&h)) {
        *type = (object_type)h.type;
        code = inflate_entry(r, at, &h, out, error);
    } else {
        code = read_at(r, &h.base, depth + 1, type, &base, error);
        if (code == QUIPU_OK)
            code = inflate_entry(r, at, &h, &delta, error);
        if (code == QUIPU_OK && !delta_apply(&base, &delta, out))
            code = out->failed ? no_memory(error) : damaged(at, error);
        buffer_free(&base);
        buffer_free(&delta);
    }
    if (code == QUIPU_OK)
        cache_put(r->cache, at, *type, out->bytes + before, out->len - before);
    return code;
}

int32_t pack_read(const pack_reader *r, const pack_place *at, object_type *type, buffer *out, quipu_error *error)
{
    return read_at(r, at, 0, type, out, error);
}

int32_t pack_read_type(const pack_reader *r, const pack_place *at, object_type *type, quipu_error *error)
{
    pack_place place = *at;
    entry_head h;
    for (unsigned depth = 0; depth <= CHAIN_MOST; depth++) {
        if (!head_at(r, &place, &h))
            break;
        if (!is_difference(&h)) {
            *type = (object_type)h.type;
            return QUIPU_OK;
        }
        place = h.base;
    }
    return damaged(&place, error);
}
