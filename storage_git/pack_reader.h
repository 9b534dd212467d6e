/*
 * pack_reader.h - objects out of mapped packs, by libdeflate: for who reads many of them.
 *
 * Nothing in a pack is trusted: what leads out of it is damage. But what an object holds is not compared with its name.
 */
#ifndef STORAGE_GIT_PACK_READER_H
#define STORAGE_GIT_PACK_READER_H

#include "pack_files.h"

typedef struct pack_reader pack_reader; /* for one thread at a time */

/* An entry: which of the packs, and its offset there. */
typedef struct pack_place {
    uint32_t pack;
    uint64_t offset;
} pack_place;

#define PACK_READER_SLOT 8192 /* bytes of the largest object that is kept for others to stand on */

/* packs: mapped, the caller's as long as there is a reader; what is looked for is looked for in the last one first. slots: objects that are
 * kept for others to stand on; a power of two. */
int32_t pack_reader_create(const pack_file *packs, size_t count, unsigned slots, pack_reader **out, quipu_error *error);
void pack_reader_free(pack_reader *r); /* NULL is nothing to do */

/* False where none of the packs tells of it. */
bool pack_reader_find(const pack_reader *r, const object_id *id, pack_place *out);
/* What kind of object it is (object_type). Errors: CORRUPT. */
int32_t pack_reader_type(pack_reader *r, pack_place at, unsigned *type, quipu_error *error);
/* Appends the object's bytes. Errors: CORRUPT, NO_MEMORY. */
int32_t pack_reader_read(pack_reader *r, pack_place at, unsigned *type, buffer *out, quipu_error *error);

#endif
