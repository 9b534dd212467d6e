/* vector_index.c - see vector_index.h: rows come and go. */
#include "vector_index_inner.h"

#include "scan.h"

#include <base/fail.h>
#include <stdlib.h>
#include <string.h>

int32_t vector_no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for vectors");
}

bool run_list_add(run_list *list, run *r)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 8;
        run **items = realloc(list->items, capacity * sizeof(*items));
        if (!items) {
            run_leave(r);
            return false;
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = r;
    return true;
}

void run_list_clear(run_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        run_leave(list->items[i]);
    free(list->items);
    *list = (run_list){ 0 };
}

/* ---- what is on disk ---- */

/* An image that is open already, or NULL: mappings are shared between snapshots of one folder. */
static run *known_image(const vector_index *ix, quipu_str image)
{
    for (size_t i = 0; i < ix->images.count; i++)
        if (ix->images.items[i]->image.ptr == image.ptr && ix->images.items[i]->image.len == image.len)
            return run_share(ix->images.items[i]);
    return NULL;
}

static void apply_removals(const run_list *images, const run_dead *dead, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        for (size_t n = 0; n < images->count; n++)
            if (images->items[n]->id == dead[i].id && dead[i].row < images->items[n]->rows)
                run_kill(images->items[n], dead[i].row);
}

/* Of the snapshot, which stays mapped for as long as one of the runs is in use; what an older one kept mapped is let go. */
static int32_t read_images(const vector_index *ix, run_mapping *mapping, run_list *out, bool *good)
{
    int32_t rc = QUIPU_OK;
    for (uint64_t i = 0; rc == QUIPU_OK && i < derived_segments(mapping->snapshot); i++) {
        quipu_str image = derived_segment(mapping->snapshot, i);
        uint32_t count;
        run *r = known_image(ix, image);
        if (!r)
            r = run_open(image, ix->model_id, ix->dimension, &rc);
        if (!r) {
            *good = *good && run_removals(image, ix->model_id, ix->dimension, &count);
            continue;
        }
        run_mapping_leave(r->mapping);
        r->mapping = mapping;
        atomic_fetch_add(&mapping->users, 1);
        if (!run_list_add(out, r))
            rc = QUIPU_E_NO_MEMORY;
    }
    return rc;
}

int32_t vector_index_read(vector_index *ix, derived_snapshot *s, run_list *out, bool *good, quipu_error *error)
{
    *out = (run_list){ 0 };
    *good = true;
    run_mapping *mapping = malloc(sizeof *mapping);
    if (!mapping) {
        derived_snapshot_free(s);
        return vector_no_memory(error);
    }
    atomic_init(&mapping->users, 1);
    mapping->snapshot = s;
    int32_t rc = read_images(ix, mapping, out, good);
    for (uint64_t i = 0; rc == QUIPU_OK && i < derived_segments(s); i++) {
        uint32_t count;
        const run_dead *dead = run_removals(derived_segment(s, i), ix->model_id, ix->dimension, &count);
        if (dead)
            apply_removals(out, dead, count);
    }
    run_mapping_leave(mapping);
    if (rc == QUIPU_OK)
        return QUIPU_OK;
    run_list_clear(out);
    return vector_no_memory(error);
}

static run *find_in(const run_list *list, const uint8_t *key, uint32_t *row)
{
    for (size_t i = list->count; i > 0; i--)
        if ((*row = run_find(list->items[i - 1], key)) != VECTORS_NONE)
            return list->items[i - 1];
    return NULL;
}

static bool is_doubled(const run *piece, uint32_t row, const run_list *images)
{
    uint32_t at;
    return !run_is_dead(piece, row) && find_in(images, run_key(piece, row), &at);
}

/* What of a piece of the tail is not in these images. Views that have the piece keep it whole: they do not have the images. Without
 * memory it is dead in the piece itself. */
static run *without_doubled(run *piece, uint32_t doubled, const run_list *images)
{
    uint32_t rows = piece->rows;
    run *rest = doubled + piece->dead_count < rows ? run_new(piece->dimension) : NULL;
    if (!rest && doubled + piece->dead_count < rows) {
        for (uint32_t n = 0; n < rows; n++)
            if (is_doubled(piece, n, images))
                run_kill(piece, n);
        return piece;
    }
    for (uint32_t n = 0; rest && n < rows; n++)
        if (!run_is_dead(piece, n) && !is_doubled(piece, n, images))
            run_append(rest, run_key(piece, n), run_row(piece, n));
    run_leave(piece);
    return rest;
}

static void thin_tail(run_list *tail, const run_list *images)
{
    size_t kept = 0;
    for (size_t i = 0; i < tail->count; i++) {
        run *piece = tail->items[i];
        uint32_t doubled = 0;
        for (uint32_t n = 0; n < piece->rows; n++)
            doubled += is_doubled(piece, n, images);
        if (doubled)
            piece = without_doubled(piece, doubled, images);
        if (piece)
            tail->items[kept++] = piece;
    }
    tail->count = kept;
}

void vector_index_adopt(vector_index *ix, run_list *images)
{
    uint32_t row;
    run *r;
    for (size_t i = 0; i < ix->removed_count; i++)
        if ((r = find_in(images, ix->removed + i * VECTOR_KEY, &row)) != NULL)
            run_kill(r, row);
    thin_tail(&ix->tail, images);
    run_list_clear(&ix->images);
    ix->images = *images;
    *images = (run_list){ 0 };
}

int32_t vector_index_look(const vector_index *ix, quipu_error *error)
{
    derived_snapshot *s = NULL;
    int32_t rc = ix->folder ? derived_read(ix->folder, &s, NULL, error) : QUIPU_OK;
    derived_snapshot_free(s);
    return rc;
}

int32_t vector_index_refresh(vector_index *ix, quipu_error *error)
{
    derived_snapshot *s = NULL;
    run_list images;
    bool good;
    int32_t rc = vector_index_look(ix, error);
    if (rc != QUIPU_OK || !ix->folder)
        return rc;
    pthread_mutex_lock(&ix->lock);
    /* Under the lock, so that of two that read at once the later one does not put back what the earlier one saw. */
    rc = derived_read(ix->folder, &s, NULL, error);
    if (rc == QUIPU_OK)
        rc = vector_index_read(ix, s, &images, &good, error);
    if (rc == QUIPU_OK)
        vector_index_adopt(ix, &images);
    pthread_mutex_unlock(&ix->lock);
    return rc;
}

/* ---- opening ---- */

static int32_t check_model(quipu_str model, uint32_t dimension, quipu_error *error)
{
    if (dimension == 0 || dimension > VECTORS_DIMENSION_MAX)
        return fail(error, QUIPU_E_INVALID, "dimension", "a vector has 1 to %u floats, not %u", VECTORS_DIMENSION_MAX,
                    dimension);
    if (!str_present(model) || model.len == 0 || model.len > VECTOR_MODEL_MAX)
        return fail(error, QUIPU_E_INVALID, "model", "a model's id has 1 to %u bytes", VECTOR_MODEL_MAX);
    return vectors_check_blas(error);
}

static int32_t open_folder(vector_index *ix, const char *path, const char *name, bool *rebuilt, quipu_error *error)
{
    derived_snapshot *s = NULL;
    bool damaged = false, good = true;
    int32_t rc = derived_open(path, name, VECTOR_DISK_FORMAT, ix->read_only, &ix->folder, error);
    if (rc == QUIPU_OK)
        rc = derived_read(ix->folder, &s, &damaged, error);
    if (rc == QUIPU_OK)
        rc = vector_index_read(ix, s, &ix->images, &good, error);
    *rebuilt = damaged || !good;
    return rc;
}

int32_t vector_index_open(const char *path, const char *name, bool read_only, quipu_str model, uint32_t dimension,
                          vector_index **out, bool *rebuilt, quipu_error *error)
{
    bool anew = false;
    *out = NULL;
    int32_t rc = check_model(model, dimension, error);
    if (rc != QUIPU_OK)
        return rc;
    vector_index *ix = calloc(1, sizeof *ix);
    if (!ix)
        return vector_no_memory(error);
    ix->dimension = dimension;
    ix->read_only = read_only;
    ix->model = str_dup(model);
    ix->model_id = str_make(ix->model, (size_t)model.len);
    if (!ix->model || pthread_mutex_init(&ix->lock, NULL) != 0) {
        free(ix->model);
        free(ix);
        return vector_no_memory(error);
    }
    if (path)
        rc = open_folder(ix, path, name, &anew, error);
    if (rc != QUIPU_OK) {
        vector_index_free(ix);
        return rc;
    }
    if (rebuilt)
        *rebuilt = anew;
    *out = ix;
    return QUIPU_OK;
}

void vector_index_free(vector_index *ix)
{
    if (!ix)
        return;
    run_list_clear(&ix->images);
    run_list_clear(&ix->tail);
    derived_close(ix->folder);
    pthread_mutex_destroy(&ix->lock);
    free(ix->removed);
    free(ix->model);
    free(ix);
}

bool vector_index_is_of(const vector_index *ix, quipu_str model, uint32_t dimension)
{
    return ix->dimension == dimension && str_same(ix->model_id, model);
}

/* ---- rows ---- */

static run *locate(const vector_index *ix, const uint8_t *key, uint32_t *row)
{
    run *r = find_in(&ix->tail, key, row);
    return r ? r : find_in(&ix->images, key, row);
}

/* The last piece of the tail, with room for a row; NULL without memory. */
static run *piece_with_room(vector_index *ix)
{
    run *last = ix->tail.count ? ix->tail.items[ix->tail.count - 1] : NULL;
    if (last && last->rows < last->capacity)
        return last;
    last = run_new(ix->dimension);
    return last && run_list_add(&ix->tail, last) ? last : NULL;
}

static uint64_t rows_of(const run_list *list)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < list->count; i++)
        rows += list->items[i]->rows - list->items[i]->dead_count;
    return rows;
}

int32_t vector_index_add(vector_index *ix, const uint8_t key[VECTOR_KEY], const float *vector, uint64_t dimension,
                         quipu_error *error)
{
    uint32_t row;
    int32_t rc = vectors_check(vector, dimension, ix->dimension, error);
    if (rc != QUIPU_OK)
        return rc;
    pthread_mutex_lock(&ix->lock);
    if (!locate(ix, key, &row)) {
        run *piece = NULL;
        if (rows_of(&ix->images) + rows_of(&ix->tail) >= VECTOR_ROWS_MAX)
            rc = fail(error, QUIPU_E_TOO_LARGE, NULL, "an index holds at most %u vectors", VECTOR_ROWS_MAX);
        else if (!(piece = piece_with_room(ix)))
            rc = vector_no_memory(error);
        else
            run_append(piece, key, vector);
    }
    pthread_mutex_unlock(&ix->lock);
    return rc;
}

/* Remembers a removed key until the removal is on disk. */
static bool note_removed(vector_index *ix, const uint8_t *key)
{
    if (ix->removed_count == ix->removed_capacity) {
        size_t capacity = ix->removed_capacity ? ix->removed_capacity * 2 : 64;
        uint8_t *removed = realloc(ix->removed, capacity * VECTOR_KEY);
        if (!removed)
            return false;
        ix->removed = removed;
        ix->removed_capacity = capacity;
    }
    memcpy(ix->removed + ix->removed_count++ * VECTOR_KEY, key, VECTOR_KEY);
    return true;
}

int32_t vector_index_remove(vector_index *ix, const uint8_t key[VECTOR_KEY], quipu_error *error)
{
    uint32_t row;
    int32_t rc = QUIPU_OK;
    pthread_mutex_lock(&ix->lock);
    run *r = locate(ix, key, &row);
    if (!r)
        rc = fail(error, QUIPU_E_NOT_FOUND, NULL, "there is no vector for this key");
    else if (!note_removed(ix, key))
        rc = vector_no_memory(error);
    else
        run_kill(r, row);
    pthread_mutex_unlock(&ix->lock);
    return rc;
}

bool vector_index_has(vector_index *ix, const uint8_t key[VECTOR_KEY])
{
    uint32_t row;
    pthread_mutex_lock(&ix->lock);
    bool has = locate(ix, key, &row) != NULL;
    pthread_mutex_unlock(&ix->lock);
    return has;
}

uint64_t vector_index_unsettled(vector_index *ix)
{
    pthread_mutex_lock(&ix->lock);
    uint64_t unsettled = rows_of(&ix->tail) + ix->removed_count;
    pthread_mutex_unlock(&ix->lock);
    return unsettled;
}

void vector_index_describe(vector_index *ix, vector_index_stats *out)
{
    uint64_t row_bytes = (uint64_t)ix->dimension * sizeof(float), allocated = 0;
    pthread_mutex_lock(&ix->lock);
    *out = (vector_index_stats){ .tail = rows_of(&ix->tail), .runs = ix->images.count, .kernel = scan_best().name };
    out->rows = rows_of(&ix->images) + out->tail;
    for (size_t i = 0; i < ix->images.count; i++) {
        const run *r = ix->images.items[i];
        out->partitions += r->partitions;
        allocated += r->image.len + r->rows / 8;
    }
    for (size_t i = 0; i < ix->tail.count; i++) {
        const run *r = ix->tail.items[i];
        allocated += r->capacity * (row_bytes + VECTOR_KEY) + (r->cell_mask + 1) * sizeof(*r->cells);
    }
    out->floats = out->rows * row_bytes;
    out->overhead = allocated - out->floats;
    pthread_mutex_unlock(&ix->lock);
}
