/* segment_inner.h - numbers in a segment's bytes, for segment*.c. */
#ifndef SDK_SEGMENT_INNER_H
#define SDK_SEGMENT_INNER_H

#include "segment.h"

#include <base/fail.h>
#include <string.h>

#define SEGMENT_MAGIC "QUIPUSG1"
#define SEGMENT_HEAD (8u + 4u + 4u + 16u * SEGMENT_SECTIONS)

static inline uint32_t load_u32(const void *at)
{
    const unsigned char *b = at;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}
static inline uint64_t load_u64(const void *at)
{
    return load_u32(at) | (uint64_t)load_u32((const unsigned char *)at + 4) << 32;
}
static inline void store_u32(void *at, uint32_t value)
{
    unsigned char *b = at;
    for (int i = 0; i < 4; i++)
        b[i] = (unsigned char)(value >> (8 * i));
}
static inline void store_u64(void *at, uint64_t value)
{
    store_u32(at, (uint32_t)value);
    store_u32((unsigned char *)at + 4, (uint32_t)(value >> 32));
}
static inline void put_u32(buffer *out, uint32_t value)
{
    char *to = buffer_reserve(out, 4);
    if (to) {
        store_u32(to, value);
        out->len += 4;
    }
}
static inline void put_u64(buffer *out, uint64_t value)
{
    char *to = buffer_reserve(out, 8);
    if (to) {
        store_u64(to, value);
        out->len += 8;
    }
}

int32_t segment_no_memory(quipu_error *error);
/* Puts head and sections together; frees the sections on the way. */
int32_t segment_join(buffer sections[SEGMENT_SECTIONS], uint32_t documents, buffer *out, quipu_error *error);
void segment_sections_free(buffer sections[SEGMENT_SECTIONS]);
/* Fills SEGMENT_BY_VERSION, SEGMENT_BY_PASSAGE and SEGMENT_BY_TIME from the versions, the passages, the columns and the order of ids. */
int32_t segment_sort(buffer sections[SEGMENT_SECTIONS], uint32_t documents, quipu_error *error);
/* Appends a term's documents, ascending, to postings and places. */
void segment_put_term(buffer sections[SEGMENT_SECTIONS], uint64_t hash, const uint32_t *list, uint32_t count,
                      uint32_t documents);

#endif
