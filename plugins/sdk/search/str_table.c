/* str_table.c - see str_table.h. Open addressing with linear probing, at most two thirds full. */
#define _GNU_SOURCE /* getentropy */
#include "str_table.h"

#include <base/buffer.h>
#include <base/hash.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void str_table_init(str_table *t, str_table_key_fn key, const void *owner)
{
    *t = (str_table){ .key = key, .owner = owner };
    if (getentropy(&t->seed, sizeof t->seed) != 0)
        t->seed = (uint64_t)time(NULL) * 0x9e3779b97f4a7c15u ^ (uint64_t)(uintptr_t)t;
}

void str_table_free(str_table *t)
{
    free(t->cells);
    t->cells = NULL;
    t->size = t->count = 0;
}

static uint64_t hash_of(const str_table *t, quipu_str key)
{
    uint64_t h = hash_table_key(key.ptr, (size_t)key.len, t->seed);
    return h * 0x9e3779b97f4a7c15u >> 32; /* 32 bits, well mixed */
}

/* Where the key is, or the empty cell where it would be. */
static size_t probe(const str_table *t, quipu_str key, uint64_t hash)
{
    size_t at = (size_t)hash & (t->size - 1);
    for (; t->cells[at]; at = (at + 1) & (t->size - 1)) {
        if (t->cells[at] >> 32 != hash)
            continue;
        if (str_same(t->key(t->owner, (uint32_t)t->cells[at] - 1), key))
            break;
    }
    return at;
}

uint32_t str_table_find(const str_table *t, quipu_str key)
{
    if (t->count == 0)
        return STR_TABLE_NONE;
    return (uint32_t)t->cells[probe(t, key, hash_of(t, key))] - 1; /* 0 - 1 is NONE */
}

bool str_table_reserve(str_table *t)
{
    if (t->size && (t->count + 1) * 3 <= t->size * 2)
        return true;
    size_t size = t->size ? t->size * 2 : 64;
    if (size > (size_t)1 << 31) /* the kept half of the hash would not reach all cells */
        return false;
    uint64_t *cells = calloc(size, sizeof *cells);
    if (!cells)
        return false;
    for (size_t i = 0; i < t->size; i++) {
        if (!t->cells[i])
            continue;
        size_t at = (size_t)(t->cells[i] >> 32) & (size - 1);
        while (cells[at])
            at = (at + 1) & (size - 1);
        cells[at] = t->cells[i];
    }
    free(t->cells);
    t->cells = cells;
    t->size = size;
    return true;
}

bool str_table_add(str_table *t, quipu_str key, uint32_t number)
{
    if (number == STR_TABLE_NONE || !str_table_reserve(t))
        return false;
    uint64_t hash = hash_of(t, key);
    t->cells[probe(t, key, hash)] = hash << 32 | (number + 1);
    t->count++;
    return true;
}

void str_table_remove(str_table *t, quipu_str key)
{
    if (t->count == 0)
        return;
    size_t mask = t->size - 1, hole = probe(t, key, hash_of(t, key));
    if (!t->cells[hole])
        return;
    t->count--;
    /* Close the hole: a later cell may move into it unless its home lies behind the hole. */
    for (size_t at = (hole + 1) & mask; t->cells[at]; at = (at + 1) & mask) {
        size_t home = (size_t)(t->cells[at] >> 32) & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        t->cells[hole] = t->cells[at];
        hole = at;
    }
    t->cells[hole] = 0;
}
