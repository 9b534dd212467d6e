/* object_reader.c - see object_reader.h. */
#include "object_reader.h"

#include "pack_table.h"

#include <base/fail.h>
#include <base/hash.h>

#include <libdeflate.h>
#include <stdlib.h>

enum { CACHE_SLOTS = 256, OFFSET_BITS = 44 };

struct object_reader {
    objects *objects;
    const pack_look *look; /* stays as it is, whatever becomes of the packs */
    bool beside;           /* the look is another reader's */
    pack_reader reader;
};

static object_reader *reader_make(objects *o, const pack_look *look, bool beside)
{
    object_reader *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    *r = (object_reader){ .objects = o, .look = look, .beside = beside };
    r->reader =
        (pack_reader){ pack_cache_create(CACHE_SLOTS), libdeflate_alloc_decompressor(), pack_find_in_same, NULL };
    if (r->reader.cache && r->reader.inflater)
        return r;
    r->beside = true; /* the look stays the caller's */
    object_reader_free(r);
    return NULL;
}

int32_t object_reader_create(objects *o, object_reader **out, quipu_error *error)
{
    const pack_look *look = pack_table_take(objects_packs(o));
    *out = reader_make(o, look, false);
    if (*out)
        return QUIPU_OK;
    pack_table_give(objects_packs(o), look);
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read objects");
}

object_reader *object_reader_beside(const object_reader *first)
{
    return reader_make(first->objects, first->look, true);
}

void object_reader_free(object_reader *r)
{
    if (!r)
        return;
    pack_cache_free(r->reader.cache);
    if (r->reader.inflater)
        libdeflate_free_decompressor(r->reader.inflater);
    if (!r->beside)
        pack_table_give(objects_packs(r->objects), r->look);
    free(r);
}

uint64_t object_reader_place(const object_reader *r, const object_id *id)
{
    pack_place at;
    size_t from = 0;
    if (!pack_look_find(r->look, id, &from, &at) || at.offset >> OFFSET_BITS)
        return OBJECT_NOWHERE;
    return (uint64_t)(from - 1) << OFFSET_BITS | at.offset;
}

static bool read_there(object_reader *r, const object_id *id, uint64_t place, object_type type, bool checked,
                       buffer *out)
{
    size_t begin = out->len;
    object_type found;
    object_id name = *id;
    if (place == OBJECT_NOWHERE)
        return false;
    const open_pack *pack = r->look->packs[place >> OFFSET_BITS];
    const pack_place at = { &pack->file, pack->number, place & (((uint64_t)1 << OFFSET_BITS) - 1) };
    bool good = pack_read(&r->reader, &at, &found, out, NULL) == QUIPU_OK && found == type;
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
    if (read_there(r, id, place, type, checked, out))
        return QUIPU_OK;
    return objects_read(r->objects, id, type, out, error);
}

int32_t object_reader_read(object_reader *r, const object_id *id, object_type type, buffer *out, quipu_error *error)
{
    return object_reader_read_at(r, id, object_reader_place(r, id), type, true, out, error);
}
