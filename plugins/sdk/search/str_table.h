/*
 * str_table.h - finds numbers by byte strings: a hash table that stores only numbers, the keys stay with their owner.
 *
 * The hash is seeded, so that keys from outside cannot be chosen to collide.
 */
#ifndef SDK_STR_TABLE_H
#define SDK_STR_TABLE_H

#include <quipu/base.h>
#include <stdbool.h>

#define STR_TABLE_NONE UINT32_MAX

/* The key of a number that is in the table; owner's as long as it is in it. */
typedef quipu_str (*str_table_key_fn)(const void *owner, uint32_t number);

typedef struct str_table {
    uint64_t *cells; /* upper half: of the hash; lower half: number + 1, 0 for an empty cell */
    size_t size;     /* cells, a power of two, or 0 */
    size_t count;
    uint64_t seed;
    str_table_key_fn key;
    const void *owner;
} str_table;

/* Nothing is allocated before the first key. */
void str_table_init(str_table *t, str_table_key_fn key, const void *owner);
void str_table_free(str_table *t);
uint32_t str_table_find(const str_table *t, quipu_str key);
/* Makes room for one key more; false without memory. After it, one str_table_add cannot fail. */
bool str_table_reserve(str_table *t);
/* The key is not in the table yet. */
bool str_table_add(str_table *t, quipu_str key, uint32_t number);
void str_table_remove(str_table *t, quipu_str key);

#endif
