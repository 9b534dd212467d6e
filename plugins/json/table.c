/* table.c - see table.h: open addressing, and a removal closes the gap. */
#include "table.h"

#include <stdlib.h>

static size_t home_of(const table *t, quipu_str id)
{
    uint64_t h = 14695981039346656037u;
    for (uint64_t i = 0; i < id.len; i++)
        h = (h ^ (unsigned char)id.ptr[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 32) & (t->room - 1);
}

static quipu_str id_of(const table_row *h)
{
    return record_view(h->r)->id;
}

void table_free(table *t)
{
    for (size_t i = 0; i < t->room; i++)
        record_free(t->slots[i].r);
    free(t->slots);
    *t = (table){ NULL, 0, 0 };
}

/* Its slot, or the free one where it belongs. The table is not empty. */
static table_row *slot_of(const table *t, quipu_str id)
{
    size_t at = home_of(t, id);
    while (t->slots[at].r && !str_same(id_of(&t->slots[at]), id))
        at = (at + 1) & (t->room - 1);
    return &t->slots[at];
}

table_row *table_find(const table *t, quipu_str id)
{
    table_row *h = t->room ? slot_of(t, id) : NULL;
    return h && h->r ? h : NULL;
}

bool table_reserve(table *t, size_t more)
{
    table wide = { .room = t->room ? t->room : 64, .count = t->count };
    while (wide.room / 2 < t->count + more)
        wide.room *= 2;
    if (wide.room == t->room)
        return true;
    wide.slots = calloc(wide.room, sizeof *wide.slots);
    if (!wide.slots)
        return false;
    for (size_t i = 0; i < t->room; i++)
        if (t->slots[i].r)
            *slot_of(&wide, id_of(&t->slots[i])) = t->slots[i];
    free(t->slots);
    *t = wide;
    return true;
}

table_row *table_put(table *t, record *r)
{
    table_row *h = slot_of(t, record_view(r)->id);
    t->count += !h->r;
    record_free(h->r);
    h->r = r;
    return h;
}

void table_remove(table *t, table_row *h)
{
    size_t gap = (size_t)(h - t->slots);
    record_free(h->r);
    t->count--;
    for (size_t at = (gap + 1) & (t->room - 1); t->slots[at].r; at = (at + 1) & (t->room - 1)) {
        size_t home = home_of(t, id_of(&t->slots[at]));
        if (((at - home) & (t->room - 1)) >= ((at - gap) & (t->room - 1))) { /* it may stand in the gap */
            t->slots[gap] = t->slots[at];
            gap = at;
        }
    }
    t->slots[gap] = (table_row){ 0 };
}
