/* id_map.c - see id_map.h. */
#include "id_map.h"

#include <stdlib.h>

static uint32_t *place_of(const id_map *m, uint32_t *places, size_t size, const object_id *id)
{
    uint32_t hash;
    memcpy(&hash, id->bytes, sizeof hash); /* names are evenly spread already */
    size_t at = hash & (size - 1);
    while (places[at] && !object_id_equal(&m->ids[places[at] - 1], id))
        at = (at + 1) & (size - 1);
    return &places[at];
}

static bool grow_places(id_map *m)
{
    size_t size = m->size ? m->size * 2 : 256;
    uint32_t *places = calloc(size, sizeof *places);
    if (!places)
        return false;
    for (uint32_t i = 0; i < m->count; i++)
        *place_of(m, places, size, &m->ids[i]) = i + 1;
    free(m->places);
    m->places = places;
    m->size = size;
    return true;
}

static bool grow_ids(id_map *m)
{
    uint32_t capacity = m->capacity ? m->capacity * 2 : 64;
    object_id *ids = capacity > m->capacity ? realloc(m->ids, capacity * sizeof *ids) : NULL;
    if (!ids)
        return false;
    m->ids = ids;
    m->capacity = capacity;
    return true;
}

bool id_map_add(id_map *m, const object_id *id, uint32_t *number, bool *known)
{
    if (((size_t)m->count + 1) * 2 > m->size && !grow_places(m))
        return false;
    uint32_t *place = place_of(m, m->places, m->size, id);
    if (known)
        *known = *place != 0;
    if (*place) {
        *number = *place - 1;
        return true;
    }
    if (m->count == m->capacity && !grow_ids(m))
        return false;
    m->ids[m->count] = *id;
    *number = m->count++;
    *place = m->count;
    return true;
}

bool id_map_has(const id_map *m, const object_id *id)
{
    return m->size && *place_of(m, m->places, m->size, id) != 0;
}

void id_map_free(id_map *m)
{
    free(m->ids);
    free(m->places);
    *m = (id_map){ 0 };
}
