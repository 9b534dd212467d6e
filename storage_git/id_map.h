/*
 * id_map.h - objects that were met, numbered as they came.
 */
#ifndef STORAGE_GIT_ID_MAP_H
#define STORAGE_GIT_ID_MAP_H

#include "object_id.h"

#include <stddef.h>

typedef struct id_map {
    object_id *ids; /* by number */
    uint32_t count;
    uint32_t capacity;
    uint32_t *places; /* open addressing: number + 1; 0: free */
    size_t size;      /* a power of two, or 0 */
} id_map;

/* The number of an object, a new one where it was not met. *known (may be NULL): whether it was. False without memory. */
bool id_map_add(id_map *m, const object_id *id, uint32_t *number, bool *known);
/* Whether it was met. */
bool id_map_has(const id_map *m, const object_id *id);
void id_map_free(id_map *m);

#endif
