/*
 * pack_salvage.h - what can still be read of a pack that is damaged, or has no sound index.
 *
 * With a sound index each object has its place and the CRC-32 of its bytes; where that tells of one flipped bit, the bit is
 * flipped back. Without one the pack is read from its beginning, and after damage the next object is looked for byte by byte.
 * An object counts as found where its bytes give its name (with an index), or are what its kind must be (without). The file is only
 * read: what is mended is mended in memory.
 */
#ifndef STORAGE_GIT_PACK_SALVAGE_H
#define STORAGE_GIT_PACK_SALVAGE_H

#include "pack_format.h"

#include <quipu/error.h>

typedef struct salvaged {
    object_id id;
    uint64_t offset, len; /* in the old pack */
    uint64_t base;        /* of an offset delta: where its base begins; else 0 */
    uint32_t crc;
    uint8_t type;  /* object_type; 0: lost */
    uint8_t known; /* the id was given by an index, and the bytes must fit it */
} salvaged;

typedef struct pack_salvage {
    uint8_t *pack; /* mapped for this process alone */
    uint64_t len;
    salvaged *entries; /* by offset; those of type 0 are lost */
    uint32_t count, found;
    uint32_t lost;   /* of those that the index, or the pack's own head, tells of */
    uint32_t mended; /* bits that were flipped back */
} pack_salvage;

/* pack, index: paths; an index that is missing or not sound is not used. Errors: IO, NO_MEMORY. */
int32_t pack_salvage_read(const char *pack, const char *index, pack_salvage *out, const quipu_call *call,
                          quipu_error *error);
void pack_salvage_free(pack_salvage *s);

/* Flips the bit of `bytes` that makes their CRC-32 right; false where it is not one bit. */
bool crc_mend(uint8_t *bytes, size_t len, uint32_t crc);

#endif
