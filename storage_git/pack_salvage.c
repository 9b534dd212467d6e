/* pack_salvage.c - see pack_salvage.h. */
#include "pack_salvage.h"

#include "commits.h"
#include "delta.h"
#include "os.h"
#include "tree_entries.h"

#include <base/fail.h>
#include <base/hash.h>

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { CHAIN_MOST = 4096, CACHE_SLOTS = 1024, CACHE_OBJECT_MAX = 1 << 16, ASK_EVERY = 256 };

#define OBJECT_MOST ((uint64_t)1 << 31)
#define CRC_POLYNOMIAL 0xedb88320u

/* An object that was read lately: the base of others, likely. */
typedef struct cached {
    uint64_t offset; /* 0: free */
    unsigned type;
    buffer bytes;
} cached;

typedef struct named {
    object_id id;
    uint64_t offset;
} named;

typedef struct reading {
    pack_salvage *s;
    uint64_t end; /* objects lie before it */
    named *names; /* found entries by name, for deltas that name their base */
    uint32_t name_count;
    struct libdeflate_decompressor *inflater;
    const quipu_call *call;
    quipu_error *error;
    cached cache[CACHE_SLOTS];
} reading;

/* An entry, as its head describes it. */
typedef struct entry_head {
    unsigned type;
    uint64_t size;     /* of what is deflated */
    uint64_t base;     /* offset; 0: none */
    object_id base_id; /* PACK_REF_DELTA */
    const uint8_t *data;
    size_t left;
} entry_head;

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read a damaged pack");
}

/* The CRC is linear: a flipped bit changes it by what depends on its distance from the end alone. */
bool crc_mend(uint8_t *bytes, size_t len, uint32_t crc)
{
    uint32_t wanted = libdeflate_crc32(0, bytes, len) ^ crc, change = CRC_POLYNOMIAL;
    for (size_t bit = len * 8; bit > 0 && wanted; bit--) {
        if (change == wanted) {
            bytes[(bit - 1) / 8] ^= (uint8_t)(1u << (bit - 1) % 8);
            return true;
        }
        change = change & 1 ? change >> 1 ^ CRC_POLYNOMIAL : change >> 1;
    }
    return false;
}

/* ---- one entry ---- */

static bool head_at(const reading *r, uint64_t offset, entry_head *h)
{
    size_t used;
    uint64_t distance;
    if (offset < PACK_HEADER_SIZE || offset >= r->end)
        return false;
    h->data = r->s->pack + offset;
    h->left = (size_t)(r->end - offset);
    h->base = 0;
    if (!pack_get_entry_head(h->data, h->left, &h->type, &h->size, &used) || h->size >= OBJECT_MOST)
        return false;
    h->data += used;
    h->left -= used;
    if (h->type == PACK_OFS_DELTA) {
        if (!pack_get_base_distance(h->data, h->left, &distance, &used) || distance == 0 || distance >= offset)
            return false;
        h->base = offset - distance;
    } else if (h->type == PACK_REF_DELTA) {
        used = sizeof h->base_id.bytes;
        if (h->left < used)
            return false;
        memcpy(h->base_id.bytes, h->data, used);
    } else {
        used = 0;
        if (h->type < OBJECT_COMMIT || h->type > OBJECT_TAG)
            return false;
    }
    h->data += used;
    h->left -= used;
    return h->left > 2 && (h->data[0] & 0x0f) == 8 && (h->data[0] << 8 | h->data[1]) % 31 == 0; /* RFC 1950 */
}

/* Appends what is deflated; *used: bytes of the pack that it took. */
static bool inflate(const reading *r, const entry_head *h, buffer *out, size_t *used)
{
    size_t got;
    if (h->size / 1100 > h->left) /* deflate makes nothing smaller than by 1032 */
        return false;
    char *to = buffer_reserve(out, (size_t)h->size + 1);
    if (!to || libdeflate_zlib_decompress_ex(r->inflater, h->data, h->left, to, (size_t)h->size, used, &got) != 0 ||
        got != h->size)
        return false;
    to[got] = '\0';
    out->len += got;
    return true;
}

static salvaged *entry_at(const pack_salvage *s, uint64_t offset)
{
    uint32_t low = 0, high = s->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->entries[middle].offset == offset)
            return &s->entries[middle];
        if (s->entries[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- what an entry holds ---- */

static int compare_names(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(object_id)); /* a name begins with its id */
}

static uint64_t offset_named(const reading *r, const object_id *id)
{
    const named *found = r->name_count ? bsearch(id, r->names, r->name_count, sizeof *r->names, compare_names) : NULL;
    return found ? found->offset : 0;
}

static cached *cache_slot(reading *r, uint64_t offset)
{
    return &r->cache[offset * UINT64_C(0x9e3779b97f4a7c15) >> 54];
}

static void cache_put(reading *r, uint64_t offset, unsigned type, const buffer *bytes)
{
    cached *slot = cache_slot(r, offset);
    if (bytes->len > CACHE_OBJECT_MAX)
        return;
    buffer_clear(&slot->bytes);
    buffer_append(&slot->bytes, bytes->bytes ? bytes->bytes : "", bytes->len);
    slot->offset = slot->bytes.failed ? 0 : offset;
    slot->type = type;
}

static bool contents_at(reading *r, uint64_t offset, unsigned depth, unsigned *type, buffer *out)
{
    const cached *slot = cache_slot(r, offset);
    entry_head h;
    buffer base = { 0 }, delta = { 0 };
    size_t used;
    if (slot->offset == offset) {
        *type = slot->type;
        buffer_append(out, slot->bytes.bytes, slot->bytes.len);
        return !out->failed;
    }
    if (depth > CHAIN_MOST || !head_at(r, offset, &h))
        return false;
    if (h.type == PACK_REF_DELTA)
        h.base = offset_named(r, &h.base_id);
    bool fine;
    if (h.type != PACK_OFS_DELTA && h.type != PACK_REF_DELTA) {
        *type = h.type;
        fine = inflate(r, &h, out, &used);
    } else {
        fine = h.base && entry_at(r->s, h.base) && contents_at(r, h.base, depth + 1, type, &base) &&
               inflate(r, &h, &delta, &used) && delta_apply(&base, &delta, out);
    }
    if (fine)
        cache_put(r, offset, *type, out);
    buffer_free(&base);
    buffer_free(&delta);
    return fine;
}

/* Where no index says which object it is: is it one of its kind at all? */
static bool is_of_its_kind(unsigned type, buffer *bytes)
{
    tree_entry entry;
    size_t at = 0;
    bool damaged = false;
    if (type == OBJECT_COMMIT) {
        commit c = { .bytes = *bytes };
        return commit_parse(&c);
    }
    while (type == OBJECT_TREE && tree_next(bytes, &at, &entry, &damaged))
        continue;
    return !damaged;
}

static void judge_entry(reading *r, salvaged *e)
{
    buffer bytes = { 0 };
    unsigned type = 0;
    object_id id;
    bool fine = contents_at(r, e->offset, 0, &type, &bytes);
    if (fine) {
        hash_git_object(object_type_name((object_type)type), bytes.bytes ? bytes.bytes : "", bytes.len, id.bytes);
        fine = e->known ? object_id_equal(&id, &e->id) : is_of_its_kind(type, &bytes);
    }
    if (fine) {
        e->id = id;
        e->type = (uint8_t)type;
        r->s->found++;
    }
    buffer_free(&bytes);
}

/* A difference is copied as it is, so its base has to be among what is saved. Bases come before. */
static void drop_baseless(pack_salvage *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        salvaged *e = &s->entries[i];
        const salvaged *base = e->type && e->base ? entry_at(s, e->base) : NULL;
        if (e->type && e->base && (!base || !base->type)) {
            e->type = 0;
            s->found--;
        }
    }
}

/* Judges all that are not found yet. Deltas that name their base may have to wait for it: as many rounds as bring something. */
static int32_t judge_entries(reading *r)
{
    pack_salvage *s = r->s;
    for (uint32_t before = UINT32_MAX; before != s->found;) {
        before = s->found;
        for (uint32_t i = 0; i < s->count; i++) {
            int32_t code = i % ASK_EVERY == 0 ? call_check(r->call, r->error) : QUIPU_OK;
            if (code != QUIPU_OK)
                return code;
            if (!s->entries[i].type && s->entries[i].len)
                judge_entry(r, &s->entries[i]);
        }
        if (s->found == s->count)
            break;
        free(r->names);
        r->name_count = 0;
        r->names = malloc(((size_t)s->found + 1) * sizeof *r->names);
        if (!r->names)
            return no_memory(r->error);
        for (uint32_t i = 0; i < s->count; i++)
            if (s->entries[i].type)
                r->names[r->name_count++] = (named){ s->entries[i].id, s->entries[i].offset };
        qsort(r->names, r->name_count, sizeof *r->names, compare_names);
    }
    drop_baseless(s);
    return QUIPU_OK;
}

/* ---- where the entries are ---- */

static int32_t add_entry(reading *r, const salvaged *e)
{
    pack_salvage *s = r->s;
    if ((s->count & (s->count - 1)) == 0) {
        salvaged *entries = realloc(s->entries, (s->count ? (size_t)s->count * 2 : 1) * sizeof *entries);
        if (!entries)
            return no_memory(r->error);
        s->entries = entries;
    }
    s->entries[s->count++] = *e;
    return QUIPU_OK;
}

/* Looks for objects from the beginning on. */
static int32_t scan(reading *r)
{
    pack_salvage *s = r->s;
    buffer bytes = { 0 };
    int32_t code = QUIPU_OK;
    for (uint64_t at = PACK_HEADER_SIZE; at < r->end && code == QUIPU_OK;) {
        entry_head h;
        size_t used;
        buffer_clear(&bytes);
        if (!head_at(r, at, &h) || !inflate(r, &h, &bytes, &used)) {
            at++;
            code = at % (1 << 16) == 0 ? call_check(r->call, r->error) : QUIPU_OK;
            continue;
        }
        salvaged e = { .offset = at, .len = (uint64_t)(h.data - (s->pack + at)) + used, .base = h.base };
        e.crc = libdeflate_crc32(0, s->pack + at, (size_t)e.len);
        code = s->count % ASK_EVERY == 0 ? call_check(r->call, r->error) : QUIPU_OK;
        if (code == QUIPU_OK)
            code = add_entry(r, &e);
        at += e.len;
    }
    buffer_free(&bytes);
    return code;
}

static int compare_offsets(const void *a, const void *b)
{
    uint64_t x = ((const salvaged *)a)->offset, y = ((const salvaged *)b)->offset;
    return (x > y) - (x < y);
}

/* The entry ends where what is deflated does; false where there is none. */
static bool measure_anew(const reading *r, salvaged *e)
{
    entry_head h;
    buffer bytes = { 0 };
    size_t used = 0;
    bool fine = head_at(r, e->offset, &h) && inflate(r, &h, &bytes, &used);
    if (fine) {
        e->len = (uint64_t)(h.data - (r->s->pack + e->offset)) + used;
        e->crc = libdeflate_crc32(0, r->s->pack + e->offset, (size_t)e->len);
    }
    buffer_free(&bytes);
    return fine;
}

/* Where the entry's bytes are not those that the index knows, one bit may be mended; or the index is wrong. Without a length it is lost. */
static void measure_entry(reading *r, salvaged *e, uint64_t stop)
{
    entry_head h;
    if (e->offset < PACK_HEADER_SIZE || stop > r->end || e->offset >= stop)
        return;
    e->len = stop - e->offset;
    uint8_t *bytes = r->s->pack + e->offset;
    if (libdeflate_crc32(0, bytes, (size_t)e->len) != e->crc) {
        if (crc_mend(bytes, (size_t)e->len, e->crc)) {
            r->s->mended++;
        } else if (!measure_anew(r, e) || e->len > stop - e->offset) {
            e->len = 0;
            return;
        }
    }
    if (head_at(r, e->offset, &h))
        e->base = h.base;
}

static int32_t take_from_index(reading *r, const pack_index *index)
{
    pack_salvage *s = r->s;
    s->entries = calloc((size_t)index->count + 1, sizeof *s->entries);
    if (!s->entries)
        return no_memory(r->error);
    for (uint32_t i = 0; i < index->count; i++) {
        pack_entry entry;
        pack_index_entry(index, i, &entry);
        s->entries[i] = (salvaged){ .id = entry.id, .offset = entry.offset, .crc = entry.crc, .known = 1 };
    }
    s->count = index->count;
    qsort(s->entries, s->count, sizeof *s->entries, compare_offsets);
    for (uint32_t i = 0; i < s->count; i++)
        measure_entry(r, &s->entries[i], i + 1 < s->count ? s->entries[i + 1].offset : r->end);
    return QUIPU_OK;
}

static bool index_is_sound(const buffer *bytes, pack_index *out)
{
    uint8_t sum[PACK_TRAILER_SIZE];
    if (!pack_index_check((const uint8_t *)bytes->bytes, bytes->len, out))
        return false;
    hash_sha1(bytes->bytes, bytes->len - sizeof sum, sum);
    return memcmp(sum, bytes->bytes + bytes->len - sizeof sum, sizeof sum) == 0;
}

static int32_t find_entries(reading *r, const char *index_path)
{
    buffer bytes = { 0 };
    pack_index index;
    int32_t code = QUIPU_OK;
    bool known = os_read_file(index_path, (size_t)1 << 40, &bytes, NULL) == QUIPU_OK && bytes.len > 0 &&
                 index_is_sound(&bytes, &index);
    if (known) {
        code = take_from_index(r, &index);
        if (code == QUIPU_OK)
            code = judge_entries(r);
    }
    if (code == QUIPU_OK && r->s->found == 0) { /* no index, or that of another pack */
        free(r->s->entries);
        r->s->entries = NULL;
        r->s->count = r->s->mended = 0;
        code = scan(r);
        if (code == QUIPU_OK)
            code = judge_entries(r);
        known = false;
    }
    const uint8_t *head = r->s->pack;
    uint32_t told = (uint32_t)head[8] << 24 | (uint32_t)head[9] << 16 | (uint32_t)head[10] << 8 | head[11];
    if (known || told > r->s->len || told < r->s->count) /* a head that cannot be true */
        told = r->s->count;
    r->s->lost = told - r->s->found;
    buffer_free(&bytes);
    return code;
}

static int32_t map_pack(const char *path, pack_salvage *out, quipu_error *error)
{
    struct stat st;
    void *bytes = MAP_FAILED;
    int fd = os->open(path, O_RDONLY, 0);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
        out->len = (uint64_t)st.st_size;
        bytes = mmap(NULL, (size_t)out->len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    }
    int saved = errno;
    if (fd >= 0)
        os->close(fd);
    if (fd >= 0 && bytes == MAP_FAILED && out->len == 0)
        return QUIPU_OK; /* empty: there is nothing in it */
    if (bytes == MAP_FAILED)
        return fail_errno(error, saved, "cannot read %s", path);
    out->pack = bytes;
    return QUIPU_OK;
}

int32_t pack_salvage_read(const char *pack, const char *index, pack_salvage *out, const quipu_call *call,
                          quipu_error *error)
{
    *out = (pack_salvage){ 0 };
    reading *r = calloc(1, sizeof *r);
    if (r)
        *r = (reading){ .s = out, .call = call, .error = error, .inflater = libdeflate_alloc_decompressor() };
    int32_t code = r && r->inflater ? map_pack(pack, out, error) : no_memory(error);
    if (code == QUIPU_OK && out->len > PACK_HEADER_SIZE + PACK_TRAILER_SIZE) {
        r->end = out->len - PACK_TRAILER_SIZE; /* of a pack that was cut short, the last object is lost anyway */
        code = find_entries(r, index);
    }
    if (r) {
        for (size_t i = 0; i < CACHE_SLOTS; i++)
            buffer_free(&r->cache[i].bytes);
        if (r->inflater)
            libdeflate_free_decompressor(r->inflater);
        free(r->names);
        free(r);
    }
    if (code != QUIPU_OK)
        pack_salvage_free(out);
    return code;
}

void pack_salvage_free(pack_salvage *s)
{
    if (s->pack)
        munmap(s->pack, (size_t)s->len);
    free(s->entries);
    *s = (pack_salvage){ 0 };
}
