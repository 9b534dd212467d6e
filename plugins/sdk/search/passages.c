/* passages.c - see passages.h. */
#include "passages.h"

#include "str_table.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <stdlib.h>

#define UNUSED_KEPT 4096u /* passages without a user that are kept beside as many as are used */

typedef struct passage {
    uint8_t key[PASSAGES_KEY];
    uint32_t row; /* VECTORS_NONE: this place is free */
    uint32_t users;
    uint32_t next_free;
} passage;

struct passages {
    char *model;
    vectors *rows;
    str_table by_key;
    passage *items;
    uint32_t *of_row; /* the passage that each row belongs to */
    uint32_t count, capacity;
    uint32_t free_head;
    uint32_t unused;
};

static quipu_str key_of(const void *owner, uint32_t number)
{
    const passages *p = owner;
    return (quipu_str){ (const char *)p->items[number].key, PASSAGES_KEY };
}

int32_t passages_create(quipu_str model, uint32_t dimension, passages **out, quipu_error *error)
{
    *out = NULL;
    passages *p = calloc(1, sizeof *p);
    if (!p)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for vectors");
    str_table_init(&p->by_key, key_of, p);
    p->free_head = PASSAGES_NONE;
    p->model = str_dup(model);
    int32_t rc = p->model ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for vectors");
    if (rc == QUIPU_OK)
        rc = vectors_create(dimension, &p->rows, error);
    if (rc != QUIPU_OK) {
        passages_free(p);
        return rc;
    }
    *out = p;
    return QUIPU_OK;
}

void passages_free(passages *p)
{
    if (!p)
        return;
    str_table_free(&p->by_key);
    vectors_free(p->rows);
    free(p->items);
    free(p->of_row);
    free(p->model);
    free(p);
}

bool passages_are_of(const passages *p, quipu_str model, uint32_t dimension)
{
    return vectors_dimension(p->rows) == dimension && str_same(str_of(p->model), model);
}

const vectors *passages_vectors(const passages *p)
{
    return p->rows;
}

uint32_t passages_find(const passages *p, const uint8_t key[PASSAGES_KEY])
{
    return str_table_find(&p->by_key, (quipu_str){ (const char *)key, PASSAGES_KEY });
}

static bool grow(passages *p)
{
    uint32_t capacity = p->capacity ? p->capacity * 2 : 256;
    passage *items = realloc(p->items, capacity * sizeof *items);
    if (!items)
        return false;
    p->items = items;
    uint32_t *of_row = realloc(p->of_row, capacity * sizeof *of_row);
    if (!of_row)
        return false;
    p->of_row = of_row;
    p->capacity = capacity;
    return true;
}

int32_t passages_add(passages *p, const uint8_t key[PASSAGES_KEY], const float *vector, uint32_t *number,
                     quipu_error *error)
{
    bool reuse = p->free_head != PASSAGES_NONE;
    uint32_t row = 0;
    if ((!reuse && p->count == p->capacity && !grow(p)) || !str_table_reserve(&p->by_key))
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for %u vectors", p->count + 1);
    int32_t rc = vectors_add(p->rows, vector, &row, error);
    if (rc != QUIPU_OK)
        return rc;
    uint32_t n = reuse ? p->free_head : p->count++;
    if (reuse)
        p->free_head = p->items[n].next_free;
    p->items[n] = (passage){ .row = row };
    memcpy(p->items[n].key, key, PASSAGES_KEY);
    p->of_row[row] = n;
    str_table_add(&p->by_key, key_of(p, n), n);
    p->unused++;
    *number = n;
    return QUIPU_OK;
}

void passages_use(passages *p, uint32_t number)
{
    if (p->items[number].users++ == 0)
        p->unused--;
}

/* Throws away every passage that nobody uses. */
static void sweep(passages *p)
{
    for (uint32_t n = 0; n < p->count; n++) {
        passage *item = &p->items[n];
        if (item->row == VECTORS_NONE || item->users > 0)
            continue;
        str_table_remove(&p->by_key, key_of(p, n));
        uint32_t moved = vectors_remove(p->rows, item->row);
        if (moved != VECTORS_NONE) {
            uint32_t other = p->of_row[moved];
            p->items[other].row = item->row;
            p->of_row[item->row] = other;
        }
        item->row = VECTORS_NONE;
        item->next_free = p->free_head;
        p->free_head = n;
    }
    p->unused = 0;
}

void passages_leave(passages *p, uint32_t number)
{
    if (number == PASSAGES_NONE || --p->items[number].users > 0)
        return;
    p->unused++;
    if (p->unused > UNUSED_KEPT + (vectors_count(p->rows) - p->unused))
        sweep(p);
}

uint32_t passages_row(const passages *p, uint32_t number)
{
    return p->items[number].row;
}
