/* recent_ids.c - see recent_ids.h. */
#include <sdk/recent_ids.h>

#include <base/hash.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t free_slot[16];

void recent_ids_begin(recent_ids *ids, uint64_t seed)
{
    memset(ids, 0, sizeof *ids);
    ids->seed = seed;
}

void recent_ids_free(recent_ids *ids)
{
    free(ids->young.slots);
    free(ids->old.slots);
    memset(ids, 0, sizeof *ids);
}

/* The slot that holds the id, or the free one where it belongs. The table is never full. */
static size_t find_slot(const recent_table *t, const uint8_t id[16], uint64_t seed)
{
    size_t at = (size_t)hash_table_key(id, 16, seed) & (t->capacity - 1);
    while (memcmp(t->slots[at], free_slot, 16) != 0 && memcmp(t->slots[at], id, 16) != 0)
        at = (at + 1) & (t->capacity - 1);
    return at;
}

static bool table_has(const recent_table *t, const uint8_t id[16], uint64_t seed)
{
    return t->capacity && memcmp(t->slots[find_slot(t, id, seed)], id, 16) == 0;
}

bool recent_ids_has(const recent_ids *ids, const uint8_t id[16])
{
    return table_has(&ids->young, id, ids->seed) || table_has(&ids->old, id, ids->seed);
}

bool recent_ids_reserve(recent_ids *ids)
{
    recent_table larger = { NULL, 0, 0 };
    if (ids->young.count >= RECENT_IDS) {
        free(ids->old.slots);
        ids->old = ids->young;
        ids->young = larger;
    }
    if (ids->young.count < ids->young.capacity / 2)
        return true;
    larger.capacity = ids->young.capacity ? 2 * ids->young.capacity : 64;
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < ids->young.capacity; i++)
        if (memcmp(ids->young.slots[i], free_slot, 16) != 0)
            memcpy(larger.slots[find_slot(&larger, ids->young.slots[i], ids->seed)], ids->young.slots[i], 16);
    larger.count = ids->young.count;
    free(ids->young.slots);
    ids->young = larger;
    return true;
}

void recent_ids_add(recent_ids *ids, const uint8_t id[16])
{
    size_t at = find_slot(&ids->young, id, ids->seed);
    if (memcmp(ids->young.slots[at], id, 16) == 0)
        return;
    memcpy(ids->young.slots[at], id, 16);
    ids->young.count++;
}
