/* embed_missing.c - see embed_inner.h: all that is missing becomes vectors, and what nobody needs any more goes. */
#include "embed_inner.h"

#include <sdk/services.h>
#include <stdlib.h>

#define UNUSED_KEPT 4096u /* vectors of texts that no record has, where no earlier version is asked for */
#define PORTION_NS ((int64_t)1000000000)

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for vectors");
}

bool embed_nothing_missing(const embedding *e)
{
    uint64_t epoch = atomic_load(&e->vectors->epoch);
    for (size_t i = 0; i < e->s->count; i++)
        if (!known_all(segment_extra_get(e->s->parts[i].segment, SEGMENT_EXTRA_VECTORS), epoch, e->s->parts[i].alive))
            return false;
    return true;
}

uint64_t embed_not_known(const embedding *e)
{
    uint64_t epoch = atomic_load(&e->vectors->epoch), count = 0;
    for (size_t i = 0; i < e->s->count; i++) {
        const index_part *part = &e->s->parts[i];
        const known_vectors *k = segment_extra_get(part->segment, SEGMENT_EXTRA_VECTORS);
        count += known_missing(k, epoch, part->alive);
    }
    return count;
}

/* ---- what nobody needs ---- */

/* Marks the rows of the snapshot's living documents; how many there are. */
static uint32_t mark_living(const embedding *e, const vector_view *v, uint32_t *marks)
{
    uint32_t count = 0;
    for (size_t i = 0; i < e->s->count; i++) {
        const index_part *part = &e->s->parts[i];
        known_vectors *k = known_of(part->segment);
        for (uint32_t d = bits_next(part->alive, 0); d != BITS_NONE; d = bits_next(part->alive, d + 1)) {
            uint32_t row = embeddings_row(v, part->segment, k, d);
            if (row != VECTORS_NONE && !(marks[row / 32] >> (row % 32) & 1)) {
                marks[row / 32] |= 1u << (row % 32);
                count++;
            }
        }
    }
    return count;
}

static int32_t remove_unmarked(const embedding *e, const vector_view *v, const uint32_t *marks)
{
    for (uint32_t row = 0; row < vector_view_rows(v); row++) {
        const uint8_t *key = marks[row / 32] >> (row % 32) & 1 ? NULL : vector_view_key(v, row);
        int32_t rc = key ? vector_index_remove(e->vectors->index, key, e->error) : QUIPU_OK;
        if (rc != QUIPU_OK && rc != QUIPU_E_NOT_FOUND) /* dead already */
            return rc;
    }
    return QUIPU_OK;
}

/* Where nobody asks for earlier versions, texts that no record has any more lose their vectors once they are most of all. */
static int32_t sweep(const embedding *e)
{
    uint64_t living = 0;
    vector_index_stats stats;
    vector_view *v;
    if (e->ix->keep_history)
        return QUIPU_OK;
    for (size_t i = 0; i < e->s->count; i++)
        living += bits_total(e->s->parts[i].alive);
    vector_index_describe(e->vectors->index, &stats);
    if (stats.rows <= UNUSED_KEPT + 2 * living)
        return QUIPU_OK;
    int32_t rc = vector_index_view(e->vectors->index, &v, e->error);
    if (rc != QUIPU_OK)
        return rc;
    uint32_t *marks = calloc(vector_view_rows(v) / 32 + 1, sizeof *marks);
    rc = marks ? QUIPU_OK : no_memory(e->error);
    if (rc == QUIPU_OK)
        mark_living(e, v, marks);
    if (rc == QUIPU_OK)
        rc = remove_unmarked(e, v, marks);
    free(marks);
    vector_view_free(v);
    model_vectors_changed(e->vectors);
    return rc == QUIPU_OK ? vector_index_settle(e->vectors->index, e->call, e->error) : rc;
}

/* ---- rounds ---- */

/* What is left would take so long, as what was done tells, that who waits for it gains nothing. */
static bool takes_too_long(const embedding *e, int64_t began)
{
    if (e->leave_ns == 0 || e->done == 0)
        return false;
    double each = (double)(monotonic_now() - began) / (double)e->done;
    return each * (double)embed_not_known(e) > (double)e->leave_ns;
}

/* From the beginning; *any: something was missing. More than a batch is for one process at a time. */
static int32_t embed_round(embedding *e, bool *any)
{
    int32_t rc = QUIPU_OK;
    int64_t began = monotonic_now();
    e->part = 0;
    e->document = 0;
    *any = false;
    for (bool more = true; more && rc == QUIPU_OK && !e->enough; *any = *any || more) {
        rc = call_check(e->call, e->error);
        if (rc == QUIPU_OK && *any && !e->alone) {
            rc = embeddings_be_alone(e->ix->vectors, e->call, e->error);
            e->alone = rc == QUIPU_OK;
        }
        if (rc == QUIPU_OK)
            rc = embed_batch(e, &more);
        if (rc == QUIPU_OK && more && takes_too_long(e, began))
            e->enough = true;
        embeddings_settle_now_and_then(e->ix->vectors, e->vectors);
    }
    return rc;
}

/* Failures of the embedder are remembered; not what the caller ended. */
static void note_failure(const embedding *e, int32_t rc)
{
    if (!embed_is_embedders(rc) || call_check(e->call, NULL) != QUIPU_OK)
        return;
    embeddings_failed(e->ix->vectors, &e->ix->vectors->of_passages,
                      e->error && e->error->message[0] ? e->error->message : error_text(rc));
}

static void end_turn(embedding *e)
{
    embeddings_settle(e->ix->vectors, e->vectors);
    if (e->alone)
        embeddings_not_alone(e->ix->vectors); /* another process waits until what is settled is written */
    e->alone = false;
    embeddings_give_turn(e->ix->vectors);
}

int32_t embed_missing(embedding *e)
{
    bool any;
    if (embed_nothing_missing(e))
        return QUIPU_OK;
    int32_t rc = embeddings_take_turn(e->ix->vectors, false, e->call, e->error);
    if (rc != QUIPU_OK)
        return rc;
    rc = sweep(e);
    if (rc == QUIPU_OK)
        rc = embed_round(e, &any);
    if (rc == QUIPU_OK && any && !e->enough)
        rc = embed_round(e, &any); /* sees that all is there, so that the next search need not */
    note_failure(e, rc);
    end_turn(e);
    return rc;
}

/* A batch in a turn of its own. */
static int32_t embed_one(embedding *e, bool *more)
{
    int32_t rc = embeddings_take_turn(e->ix->vectors, true, e->call, e->error);
    if (rc != QUIPU_OK)
        return rc;
    rc = sweep(e);
    if (rc == QUIPU_OK)
        rc = embed_batch(e, more);
    embeddings_settle_now_and_then(e->ix->vectors, e->vectors);
    if (!*more || rc != QUIPU_OK)
        embeddings_settle(e->ix->vectors, e->vectors);
    embeddings_give_turn(e->ix->vectors);
    return rc;
}

int32_t embed_portion(embedding *e, bool *more)
{
    int32_t rc = QUIPU_OK;
    int64_t until = monotonic_now() + PORTION_NS;
    *more = false;
    if (embed_nothing_missing(e))
        return QUIPU_OK;
    if (!embeddings_try_alone(e->ix->vectors))
        return fail(e->error, QUIPU_E_BUSY, NULL, "another process makes vectors of this store");
    do
        rc = embed_one(e, more);
    while (rc == QUIPU_OK && *more && monotonic_now() < until);
    if (rc == QUIPU_OK && !*more && e->done > 0) {
        e->part = 0;
        e->document = 0;
        rc = embed_one(e, more); /* sees that all is there */
    }
    note_failure(e, rc);
    embeddings_not_alone(e->ix->vectors);
    return rc;
}
