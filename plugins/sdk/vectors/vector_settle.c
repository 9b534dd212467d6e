/*
 * vector_settle.c - see vector_index.h: the tail is sealed, smaller images are merged into larger ones, removals are written.
 *
 * The tail's rows become a new image together with every image that is not more than twice as large as what it is merged with, so
 * that sizes fall by half at the least and a row is copied about log2 of the rows times; and with every one of which a quarter is dead.
 * Built without the lock; what was added or removed meanwhile stays in the tail, or is removed from the new image.
 */
#include "vector_index_inner.h"

#include <base/fail.h>
#include <stdio.h>
#include <stdlib.h>

#define SWALLOWED 2u /* times as large as what swallows it */
#define DEAD_SHARE 4u

typedef struct settling {
    vector_index *ix;
    derived_writer *writer; /* or NULL: in RAM */
    run_list images;        /* when it began */
    run_list tail;
    run_list kept, merged; /* the images, by what becomes of them */
    size_t removed;        /* keys removed before it began */
    void *image;           /* the new one, or NULL */
    size_t image_len;
    void *removals;
    size_t removals_len;
} settling;

static uint64_t living(const run *r)
{
    return r->rows - r->dead_count;
}

static int32_t copy_list(const run_list *from, run_list *to, quipu_error *error)
{
    for (size_t i = 0; i < from->count; i++)
        if (!run_list_add(to, run_share(from->items[i])))
            return vector_no_memory(error);
    return QUIPU_OK;
}

/* What others have settled comes first; from here on new rows go into new pieces of the tail. Under the lock. */
static int32_t freeze(settling *s, quipu_error *error)
{
    vector_index *ix = s->ix;
    run_list images = { 0 };
    derived_snapshot *base = NULL;
    bool good;
    int32_t rc = QUIPU_OK;
    if (s->writer) {
        rc = derived_read(ix->folder, &base, NULL, error); /* the writer's base: nobody else changes it */
        if (rc == QUIPU_OK)
            rc = vector_index_read(ix, base, &images, &good, error);
        if (rc == QUIPU_OK)
            vector_index_adopt(ix, &images);
    }
    if (rc == QUIPU_OK)
        rc = copy_list(&ix->images, &s->images, error);
    if (rc == QUIPU_OK)
        rc = copy_list(&ix->tail, &s->tail, error);
    run *fresh = rc == QUIPU_OK && s->tail.count ? run_new(ix->dimension) : NULL;
    if (rc == QUIPU_OK && s->tail.count && (!fresh || !run_list_add(&ix->tail, fresh)))
        rc = vector_no_memory(error);
    s->removed = ix->removed_count;
    return rc;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = living(*(run *const *)a), y = living(*(run *const *)b);
    return (x > y) - (x < y);
}

/* Chooses what is merged; *rows: with the tail. */
static int32_t choose(settling *s, uint64_t *rows, quipu_error *error)
{
    *rows = 0;
    for (size_t i = 0; i < s->tail.count; i++)
        *rows += living(s->tail.items[i]);
    if (s->images.count)
        qsort(s->images.items, s->images.count, sizeof(*s->images.items), by_size);
    for (size_t i = 0; i < s->images.count; i++) {
        run *r = s->images.items[i];
        bool merge = r->dead_count > r->rows / DEAD_SHARE || (*rows > 0 && living(r) <= SWALLOWED * *rows);
        if (merge)
            *rows += living(r);
        if (!run_list_add(merge ? &s->merged : &s->kept, run_share(r)))
            return vector_no_memory(error);
    }
    return QUIPU_OK;
}

static size_t gather(const run_list *list, run_source *out, size_t count, size_t most)
{
    for (size_t i = 0; i < list->count; i++)
        for (uint32_t row = 0; row < list->items[i]->rows && count < most; row++)
            if (!run_is_dead(list->items[i], row))
                out[count++] = (run_source){ run_row(list->items[i], row), run_key(list->items[i], row) };
    return count;
}

static int32_t build(settling *s, uint64_t rows, const quipu_call *call, quipu_error *error)
{
    vector_index *ix = s->ix;
    run_source *source = malloc((rows ? rows : 1) * sizeof *source);
    int32_t rc = source ? QUIPU_OK : vector_no_memory(error);
    size_t count = 0;
    if (rc == QUIPU_OK) {
        count = gather(&s->merged, source, count, rows);
        count = gather(&s->tail, source, count, rows);
    }
    if (rc == QUIPU_OK && count > 0)
        rc = run_build(source, (uint32_t)count, ix->dimension, ix->model_id, &s->image, &s->image_len, call, error);
    if (rc == QUIPU_OK && s->writer)
        rc = run_build_removals(s->kept.items, s->kept.count, ix->dimension, ix->model_id, &s->removals,
                                &s->removals_len, error);
    free(source);
    return rc;
}

static bool is_kept(const settling *s, quipu_str segment)
{
    for (size_t i = 0; i < s->kept.count; i++)
        if (s->kept.items[i]->image.ptr == segment.ptr)
            return true;
    return false;
}

/* Everything of the base goes but what is kept: what was merged, older removals, what could not be read. */
static int32_t write_images(settling *s, quipu_error *error)
{
    char position[40];
    const derived_snapshot *base = derived_base(s->writer);
    for (uint64_t i = 0; i < derived_segments(base); i++)
        if (!is_kept(s, derived_segment(base, i)))
            derived_drop_segment(s->writer, derived_segment_name(base, i));
    int32_t rc = QUIPU_OK;
    if (s->image)
        rc = derived_add_segment(s->writer, s->image, s->image_len, error);
    if (rc == QUIPU_OK && s->removals)
        rc = derived_add_segment(s->writer, s->removals, s->removals_len, error);
    if (rc != QUIPU_OK)
        return rc;
    snprintf(position, sizeof position, "%zu", s->kept.count + (s->image != NULL));
    rc = derived_commit(s->writer, str_of(position), error);
    s->writer = NULL;
    return rc;
}

/* The list of images after it, in RAM. */
static int32_t list_images(settling *s, run_list *out, quipu_error *error)
{
    int32_t rc = copy_list(&s->kept, out, error);
    if (rc != QUIPU_OK || !s->image)
        return rc;
    run *fresh = run_open(str_make(s->image, s->image_len), s->ix->model_id, s->ix->dimension, &rc);
    if (!fresh)
        return vector_no_memory(error);
    fresh->owned = s->image;
    s->image = NULL;
    return run_list_add(out, fresh) ? QUIPU_OK : vector_no_memory(error);
}

/* Of the tail the sealed pieces go, where a refresh has not taken them already; a row of theirs that was removed meanwhile is among the
 * removed keys. */
static void drop_sealed(run_list *tail, const run_list *sealed)
{
    size_t kept = 0;
    for (size_t i = 0; i < tail->count; i++) {
        bool is_sealed = false;
        for (size_t n = 0; n < sealed->count; n++)
            is_sealed = is_sealed || sealed->items[n] == tail->items[i];
        if (is_sealed)
            run_leave(tail->items[i]);
        else
            tail->items[kept++] = tail->items[i];
    }
    tail->count = kept;
}

/* The new images are seen from now on. */
static int32_t publish(settling *s, quipu_error *error)
{
    vector_index *ix = s->ix;
    run_list images = { 0 };
    derived_snapshot *now = NULL;
    bool good;
    int32_t rc = vector_index_look(ix, error);
    if (rc != QUIPU_OK)
        return rc;
    pthread_mutex_lock(&ix->lock);
    rc = ix->folder ? derived_read(ix->folder, &now, NULL, error) : list_images(s, &images, error);
    if (rc == QUIPU_OK && ix->folder)
        rc = vector_index_read(ix, now, &images, &good, error);
    if (rc == QUIPU_OK) {
        drop_sealed(&ix->tail, &s->tail);
        /* Keys that were removed before are not in the new image, or were added again. */
        ix->removed_count -= s->removed;
        if (ix->removed_count)
            memmove(ix->removed, ix->removed + s->removed * VECTOR_KEY, ix->removed_count * VECTOR_KEY);
        vector_index_adopt(ix, &images);
    }
    pthread_mutex_unlock(&ix->lock);
    run_list_clear(&images);
    return rc;
}

static void settling_finish(settling *s)
{
    derived_abort(s->writer);
    run_list_clear(&s->images);
    run_list_clear(&s->tail);
    run_list_clear(&s->kept);
    run_list_clear(&s->merged);
    free(s->image);
    free(s->removals);
}

static int32_t settle(settling *s, const quipu_call *call, quipu_error *error)
{
    uint64_t rows = 0;
    pthread_mutex_lock(&s->ix->lock);
    int32_t rc = freeze(s, error);
    pthread_mutex_unlock(&s->ix->lock);
    if (rc == QUIPU_OK)
        rc = choose(s, &rows, error);
    if (rc == QUIPU_OK)
        rc = build(s, rows, call, error);
    if (rc == QUIPU_OK && s->writer)
        rc = write_images(s, error);
    if (rc == QUIPU_OK)
        rc = publish(s, error);
    return rc;
}

static bool take_turn(vector_index *ix)
{
    pthread_mutex_lock(&ix->lock);
    bool mine = !ix->settling;
    ix->settling = true;
    pthread_mutex_unlock(&ix->lock);
    return mine;
}

int32_t vector_index_settle(vector_index *ix, const quipu_call *call, quipu_error *error)
{
    settling s = { .ix = ix };
    if (vector_index_unsettled(ix) == 0 || (ix->folder && ix->read_only) || !take_turn(ix))
        return QUIPU_OK;
    int32_t rc = ix->folder ? derived_begin(ix->folder, &s.writer, error) : QUIPU_OK;
    bool busy = rc == QUIPU_E_BUSY;
    if (rc == QUIPU_OK)
        rc = settle(&s, call, error);
    settling_finish(&s);
    pthread_mutex_lock(&ix->lock);
    ix->settling = false;
    pthread_mutex_unlock(&ix->lock);
    return busy ? QUIPU_OK : rc;
}
