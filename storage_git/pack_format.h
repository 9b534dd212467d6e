/*
 * pack_format.h - the byte forms that packs and their indexes are made of (gitformat-pack(5)).
 */
#ifndef STORAGE_GIT_PACK_FORMAT_H
#define STORAGE_GIT_PACK_FORMAT_H

#include "object_id.h"

#include <base/buffer.h>

#define PACK_HEADER_SIZE 12
#define PACK_TRAILER_SIZE 20
#define PACK_OFS_DELTA 6u
#define PACK_REF_DELTA 7u

/* One object of a pack, as its index knows it. */
typedef struct pack_entry {
    object_id id;
    uint32_t crc;    /* CRC-32 of the entry's bytes in the pack */
    uint64_t offset; /* where they begin */
} pack_entry;

/* The 12 bytes that a pack begins with. */
void pack_put_header(uint8_t out[PACK_HEADER_SIZE], uint32_t count);
/* An entry's type (object_type or PACK_*_DELTA) and inflated size; returns the bytes written, at most 10. */
size_t pack_put_entry_head(uint8_t out[10], unsigned type, uint64_t size);
/* How far back the base of an offset delta begins; returns the bytes written, at most 10. */
size_t pack_put_base_distance(uint8_t out[10], uint64_t distance);
/* Reads them back; false where they run over `len`. *used: bytes read. */
bool pack_get_entry_head(const uint8_t *in, size_t len, unsigned *type, uint64_t *size, size_t *used);
bool pack_get_base_distance(const uint8_t *in, size_t len, uint64_t *distance, size_t *used);

/* Appends an index, version 2. Sorts the entries by name. checksum: the pack's last 20 bytes. */
void pack_put_index(pack_entry *entries, uint32_t count, const uint8_t checksum[20], buffer *out);

/* An index, mapped or read, after its sizes were checked. */
typedef struct pack_index {
    const uint8_t *bytes;
    size_t len;
    uint32_t count;
} pack_index;

/* False where it is not an index of version 2 whose tables fit. */
bool pack_index_check(const uint8_t *bytes, size_t len, pack_index *out);
void pack_index_entry(const pack_index *index, uint32_t i, pack_entry *out);
/* Whether each object that the index tells of begins inside its pack, whose length that is. */
bool pack_index_fits(const pack_index *index, uint64_t pack_len);
/* Whether the index tells of this object; *at (may be NULL): its place among the others. */
bool pack_index_find(const pack_index *index, const object_id *id, uint32_t *at);

#endif
