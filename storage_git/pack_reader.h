/*
 * pack_reader.h - objects out of mapped packs (gitformat-pack(5)): inflated, and put together where they are differences.
 *
 * Nothing is followed out of its pack. Whether the bytes are what the object's name says is for the caller to compare.
 */
#ifndef STORAGE_GIT_PACK_READER_H
#define STORAGE_GIT_PACK_READER_H

#include "pack_files.h"

/* What was read lately, because it is likely the base of others; for any number of threads. */
typedef struct pack_cache pack_cache;

#define PACK_CACHE_OBJECT 8192 /* bytes of the largest object that is kept */

/* slots: objects that are kept; a power of two, 16 at least. NULL without memory. */
pack_cache *pack_cache_create(unsigned slots);
void pack_cache_free(pack_cache *c);

/* Where an object's entry begins. */
typedef struct pack_place {
    const pack_file *file; /* mapped */
    uint32_t number;       /* the pack's in the cache: not 0, and never that of another */
    uint64_t offset;
} pack_place;

/* Finds by its name the base of a difference that lies in the pack of `from`; false: there is none. */
typedef bool (*pack_find_fn)(void *context, const pack_place *from, const object_id *id, pack_place *out);
/* The one for packs that stand each for itself, as all that lie in a repository do. */
bool pack_find_in_same(void *context, const pack_place *from, const object_id *id, pack_place *out);

struct libdeflate_decompressor;

/* For one thread; but several may share a cache. */
typedef struct pack_reader {
    pack_cache *cache;
    struct libdeflate_decompressor *inflater;
    pack_find_fn find;
    void *context;
} pack_reader;

/* Appends the object's bytes to `out`. Errors: CORRUPT, NO_MEMORY. */
int32_t pack_read(const pack_reader *r, const pack_place *at, object_type *type, buffer *out, quipu_error *error);
/* Only what it is. Errors: CORRUPT. */
int32_t pack_read_type(const pack_reader *r, const pack_place *at, object_type *type, quipu_error *error);

#endif
