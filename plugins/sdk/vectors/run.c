/* run.c - see run.h: the life of a run, its keys and its dead. */
#include "run.h"

#include <stdlib.h>
#include <string.h>

#define TAIL_BYTES ((uint32_t)4 << 20) /* of floats in one piece of the tail */

static uint32_t words_of(uint32_t rows)
{
    return rows / 32 + 1;
}

/* After 2^32 runs the numbers begin anew. */
static uint32_t next_serial(void)
{
    static _Atomic uint32_t last;
    uint32_t serial = atomic_fetch_add(&last, 1) + 1;
    return serial ? serial : next_serial();
}

run *run_new(uint32_t dimension)
{
    uint32_t capacity = TAIL_BYTES / (dimension * (uint32_t)sizeof(float)) / 32 * 32;
    run *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    capacity = capacity ? capacity : 32;
    atomic_init(&r->users, 1);
    r->serial = next_serial();
    r->dimension = dimension;
    r->capacity = capacity;
    r->owned = r->matrix = malloc((size_t)capacity * dimension * sizeof(float));
    r->keys = malloc((size_t)capacity * VECTOR_KEY);
    r->dead = calloc(words_of(capacity), sizeof(*r->dead));
    r->cell_mask = 63;
    while (r->cell_mask < 2 * capacity)
        r->cell_mask = 2 * r->cell_mask + 1;
    r->cells = calloc(r->cell_mask + 1, sizeof(*r->cells));
    if (r->matrix && r->keys && r->dead && r->cells)
        return r;
    run_leave(r);
    return NULL;
}

run *run_share(run *r)
{
    atomic_fetch_add(&r->users, 1);
    return r;
}

void run_mapping_leave(run_mapping *m)
{
    if (!m || atomic_fetch_sub(&m->users, 1) != 1)
        return;
    derived_snapshot_free(m->snapshot);
    free(m);
}

void run_leave(run *r)
{
    if (!r || atomic_fetch_sub(&r->users, 1) != 1)
        return;
    if (!r->by_key)
        free(r->keys); /* of an image they are part of it */
    free(r->cells);
    free(r->dead);
    free(r->owned);
    run_mapping_leave(r->mapping);
    free(r);
}

bool run_is_dead(const run *r, uint32_t row)
{
    return atomic_load_explicit(&r->dead[row / 32], memory_order_relaxed) >> (row % 32) & 1;
}

bool run_kill(run *r, uint32_t row)
{
    if (atomic_fetch_or(&r->dead[row / 32], 1u << (row % 32)) >> (row % 32) & 1)
        return false;
    atomic_fetch_add(&r->dead_count, 1);
    return true;
}

/* ---- keys ---- */

/* A key is a hash already. Whoever makes colliding ones gains a longer walk through one piece of the tail. */
static uint32_t cell_of(const run *r, const uint8_t *key)
{
    uint32_t cell;
    memcpy(&cell, key, sizeof cell);
    return cell & r->cell_mask;
}

static uint32_t find_in_tail(const run *r, const uint8_t *key)
{
    for (uint32_t cell = cell_of(r, key);; cell = (cell + 1) & r->cell_mask) {
        uint32_t row = atomic_load_explicit(&r->cells[cell], memory_order_acquire);
        if (row == 0)
            return VECTORS_NONE;
        if (memcmp(run_key(r, row - 1), key, VECTOR_KEY) == 0 && !run_is_dead(r, row - 1))
            return row - 1;
    }
}

static uint32_t find_in_image(const run *r, const uint8_t *key)
{
    uint32_t low = 0, high = r->rows;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2, row = r->by_key[middle];
        if (row >= r->rows) /* damaged */
            return VECTORS_NONE;
        int order = memcmp(run_key(r, row), key, VECTOR_KEY);
        if (order == 0)
            return run_is_dead(r, row) ? VECTORS_NONE : row;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return VECTORS_NONE;
}

uint32_t run_find(const run *r, const uint8_t *key)
{
    return r->cells ? find_in_tail(r, key) : find_in_image(r, key);
}

void run_append(run *r, const uint8_t *key, const float *vector)
{
    uint32_t row = atomic_load(&r->rows), cell = cell_of(r, key);
    vectors_normalise(vector, r->dimension, r->matrix + (size_t)row * r->dimension);
    memcpy(r->keys + (size_t)row * VECTOR_KEY, key, VECTOR_KEY);
    while (atomic_load(&r->cells[cell]) != 0)
        cell = (cell + 1) & r->cell_mask;
    atomic_store_explicit(&r->cells[cell], row + 1, memory_order_release);
    atomic_store(&r->rows, row + 1);
}

/* ---- images ---- */

static uint64_t aligned(uint64_t at)
{
    return (at + 63) & ~(uint64_t)63;
}

/* No sum overflows: there are at most 2^31 rows of at most 2^18 bytes. */
bool run_lay_out(const run_header *h, run_layout *out)
{
    uint64_t rows = h->rows, row_bytes = (uint64_t)h->dimension * sizeof(float), partitions = h->partitions;
    if (h->dimension == 0 || h->dimension > VECTORS_DIMENSION_MAX || rows == 0 || rows > VECTOR_ROWS_MAX ||
        h->model_len > VECTOR_MODEL_MAX || partitions > rows || (partitions && h->dimension > CODES_DIMENSION_MAX))
        return false;
    out->model = sizeof *h;
    out->matrix = aligned(out->model + h->model_len);
    if (h->kind == RUN_KIND_DEAD) {
        out->end = out->matrix + rows * sizeof(run_dead);
        return true;
    }
    out->keys = aligned(out->matrix + rows * row_bytes);
    out->by_key = aligned(out->keys + rows * VECTOR_KEY);
    out->end = out->centres = aligned(out->by_key + rows * sizeof(uint32_t));
    if (partitions == 0)
        return true;
    out->norms = aligned(out->centres + partitions * row_bytes);
    out->starts = aligned(out->norms + partitions * sizeof(float));
    out->factors = aligned(out->starts + (partitions + 1) * sizeof(uint32_t));
    /* The last block's factors are there in full, so that 32 can be read at a time. */
    out->codes = aligned(out->factors + (rows + 31) / 32 * 32 * sizeof(codes_factors));
    out->end = out->codes + (rows + 31) / 32 * codes_block_bytes(h->dimension);
    return true;
}

static bool read_header(quipu_str image, uint32_t kind, quipu_str model, uint32_t dimension, run_header *h,
                        run_layout *at)
{
    if (image.len < sizeof *h)
        return false;
    memcpy(h, image.ptr, sizeof *h);
    return memcmp(h->magic, "quipuV1", sizeof h->magic) == 0 && h->kind == kind && h->dimension == dimension &&
           h->model_len == model.len && run_lay_out(h, at) && at->end == image.len &&
           memcmp(image.ptr + at->model, model.ptr, (size_t)model.len) == 0;
}

static bool starts_ascend(const uint32_t *starts, uint32_t partitions, uint32_t rows)
{
    if (starts[0] != 0 || starts[partitions] != rows)
        return false;
    for (uint32_t i = 0; i < partitions; i++)
        if (starts[i] > starts[i + 1])
            return false;
    return true;
}

run *run_open(quipu_str image, quipu_str model, uint32_t dimension, int32_t *rc)
{
    run_header h;
    run_layout at;
    *rc = QUIPU_OK;
    if (!read_header(image, RUN_KIND_ROWS, model, dimension, &h, &at) ||
        (h.partitions && !starts_ascend((const uint32_t *)(const void *)(image.ptr + at.starts), h.partitions, h.rows)))
        return NULL;
    run *r = calloc(1, sizeof *r);
    *rc = QUIPU_E_NO_MEMORY;
    if (!r || !(r->dead = calloc(words_of(h.rows), sizeof(*r->dead)))) {
        free(r);
        return NULL;
    }
    *rc = QUIPU_OK;
    const char *bytes = image.ptr;
    atomic_init(&r->users, 1);
    r->id = h.id;
    r->serial = next_serial();
    r->dimension = dimension;
    r->rows = r->capacity = h.rows;
    r->partitions = h.partitions;
    r->image = image;
    r->matrix = (float *)(uintptr_t)(bytes + at.matrix); /* never written through */
    r->keys = (uint8_t *)(uintptr_t)(bytes + at.keys);
    r->by_key = (const uint32_t *)(const void *)(bytes + at.by_key);
    if (h.partitions) {
        r->centres = (const float *)(const void *)(bytes + at.centres);
        r->norms = (const float *)(const void *)(bytes + at.norms);
        r->starts = (const uint32_t *)(const void *)(bytes + at.starts);
        r->factors = (const codes_factors *)(const void *)(bytes + at.factors);
        r->codes = (const uint8_t *)bytes + at.codes;
    }
    return r;
}

const run_dead *run_removals(quipu_str image, quipu_str model, uint32_t dimension, uint32_t *count)
{
    run_header h;
    run_layout at;
    if (!read_header(image, RUN_KIND_DEAD, model, dimension, &h, &at))
        return NULL;
    *count = h.rows;
    return (const run_dead *)(const void *)(image.ptr + at.matrix);
}
