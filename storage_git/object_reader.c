/* object_reader.c - see object_reader.h. */
#include "object_reader.h"

#include "pack_reader.h"

#include <base/hash.h>
#include <base/fail.h>
#include <stdlib.h>

enum {
    WORTH_MAPPING = 256, /* objects: mapping the packs takes about as long as libgit2 needs for them */
    CACHE_SLOTS = 256,
    OFFSET_BITS = 44,
};

struct object_reader {
    objects *objects;
    unsigned reads;
    bool mapped; /* or it was tried */
    bool beside; /* the packs are another reader's */
    pack_list list;
    pack_reader *reader; /* NULL: not mapped */
};

static int smaller_first(const void *a, const void *b)
{
    const pack_file *x = a, *y = b;
    return (x->pack_len > y->pack_len) - (x->pack_len < y->pack_len);
}

/* Leaves the packs that could be mapped, the largest at the end: it is asked first. */
static void map_all(const char *folder, pack_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (pack_file_map(folder, &list->packs[i], NULL) == QUIPU_OK)
            list->packs[kept++] = list->packs[i];
        else
            pack_file_unmap(&list->packs[i]);
    }
    list->count = kept;
    if (kept)
        qsort(list->packs, kept, sizeof *list->packs, smaller_first);
}

/* Whatever fails here is read by libgit2 then. */
static void map_packs(object_reader *r)
{
    buffer folder = { 0 };
    r->mapped = true;
    buffer_printf(&folder, "%s/pack", objects_folder(r->objects));
    if (!folder.failed && pack_list_read(folder.bytes, &r->list, NULL) == QUIPU_OK) {
        map_all(folder.bytes, &r->list);
        (void)pack_reader_create(r->list.packs, r->list.count, CACHE_SLOTS, &r->reader, NULL);
    }
    buffer_free(&folder);
}

int32_t object_reader_create(objects *o, bool at_once, object_reader **out, quipu_error *error)
{
    object_reader *r = calloc(1, sizeof *r);
    *out = r;
    if (!r)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read objects");
    r->objects = o;
    if (at_once)
        map_packs(r);
    return QUIPU_OK;
}

object_reader *object_reader_beside(const object_reader *first)
{
    object_reader *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    *r = (object_reader){ .objects = first->objects, .mapped = true, .beside = true };
    if (first->reader)
        (void)pack_reader_create(first->list.packs, first->list.count, CACHE_SLOTS, &r->reader, NULL);
    return r;
}

void object_reader_free(object_reader *r)
{
    if (!r)
        return;
    pack_reader_free(r->reader);
    if (!r->beside)
        pack_list_free(&r->list);
    free(r);
}

uint64_t object_reader_place(const object_reader *r, const object_id *id)
{
    pack_place at;
    if (!r->reader || !pack_reader_find(r->reader, id, &at) || at.offset >> OFFSET_BITS)
        return OBJECT_NOWHERE;
    return (uint64_t)at.pack << OFFSET_BITS | at.offset;
}

static bool read_mapped(object_reader *r, const object_id *id, uint64_t place, object_type type, bool checked,
                        buffer *out)
{
    pack_place at = { (uint32_t)(place >> OFFSET_BITS), place & (((uint64_t)1 << OFFSET_BITS) - 1) };
    size_t begin = out->len;
    unsigned found = 0;
    object_id name = *id;
    if (!r->reader || place == OBJECT_NOWHERE)
        return false;
    bool good = pack_reader_read(r->reader, at, &found, out, NULL) == QUIPU_OK && found == (unsigned)type;
    if (good && checked)
        hash_git_object(object_type_name(type), out->bytes + begin, out->len - begin, name.bytes);
    if (good && object_id_equal(&name, id))
        return true;
    out->len = begin;
    return false;
}

int32_t object_reader_read_at(object_reader *r, const object_id *id, uint64_t place, object_type type, bool checked,
                              buffer *out, quipu_error *error)
{
    if (read_mapped(r, id, place, type, checked, out))
        return QUIPU_OK;
    return objects_read(r->objects, id, type, out, error);
}

int32_t object_reader_read(object_reader *r, const object_id *id, object_type type, buffer *out, quipu_error *error)
{
    if (!r->mapped && ++r->reads > WORTH_MAPPING)
        map_packs(r);
    return object_reader_read_at(r, id, object_reader_place(r, id), type, true, out, error);
}
