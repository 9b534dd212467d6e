/* passages.c - see passages.h. */
#include "passages.h"

#include "str_table.h"
#include <base/buffer.h>
#include <base/fail.h>
#include <stdlib.h>
#include <string.h>

struct passages {
    char *model;
    vectors *rows;
    str_table by_key;
    uint8_t (*keys)[PASSAGES_KEY]; /* of each row */
    uint32_t capacity;
};

static quipu_str key_of(const void *owner, uint32_t row)
{
    const passages *p = owner;
    return (quipu_str){ (const char *)p->keys[row], PASSAGES_KEY };
}

int32_t passages_create(quipu_str model, uint32_t dimension, passages **out, quipu_error *error)
{
    *out = NULL;
    passages *p = calloc(1, sizeof *p);
    if (!p)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for vectors");
    str_table_init(&p->by_key, key_of, p);
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
    free(p->keys);
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
    void *keys = realloc(p->keys, capacity * sizeof p->keys[0]);
    if (!keys)
        return false;
    p->keys = keys;
    p->capacity = capacity;
    return true;
}

int32_t passages_add(passages *p, const uint8_t key[PASSAGES_KEY], const float *vector, uint32_t *row,
                     quipu_error *error)
{
    uint32_t count = vectors_count(p->rows);
    if ((count == p->capacity && !grow(p)) || !str_table_reserve(&p->by_key))
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for %u vectors", count + 1);
    int32_t rc = vectors_add(p->rows, vector, row, error);
    if (rc != QUIPU_OK)
        return rc;
    memcpy(p->keys[*row], key, PASSAGES_KEY);
    str_table_add(&p->by_key, key_of(p, *row), *row);
    return QUIPU_OK;
}
