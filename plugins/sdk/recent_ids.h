/*
 * recent_ids.h - remembers which change ids were applied, with bounded memory: at least the last RECENT_IDS of them.
 *
 * Two generations. When the younger one holds RECENT_IDS, it becomes the older one and the older one is forgotten; so between
 * RECENT_IDS and twice as many are known. Not thread-safe: its owner locks.
 */
#ifndef SDK_RECENT_IDS_H
#define SDK_RECENT_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECENT_IDS 65536u

/* An open-addressed table; a slot of all zeros is free, because no change id is all zeros. */
typedef struct recent_table {
    uint8_t (*slots)[16];
    size_t capacity; /* a power of two, or 0 */
    size_t count;    /* at most half of the capacity */
} recent_table;

typedef struct recent_ids {
    recent_table young, old;
    uint64_t seed;
} recent_ids;

void recent_ids_begin(recent_ids *ids, uint64_t seed);
void recent_ids_free(recent_ids *ids);
bool recent_ids_has(const recent_ids *ids, const uint8_t id[16]);
/* Makes room for one more, so that recent_ids_add cannot fail afterwards; false without memory. */
bool recent_ids_reserve(recent_ids *ids);
void recent_ids_add(recent_ids *ids, const uint8_t id[16]);

#endif
