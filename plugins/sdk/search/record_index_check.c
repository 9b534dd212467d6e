/* record_index_check.c - part of record_index.h: are the vectors those of the texts? A sample is embedded once more and compared. */
#include "passage.h"
#include "record_index_vectors.h"

#include <sdk/vectors.h>
#include <stdlib.h>

enum { SAMPLE = 64 };

#define ALIKE 0.98f /* endpoints answer with a little less than the same */

typedef struct sample {
    uint32_t count;
    uint32_t dimension;
    uint32_t rows[SAMPLE];
    size_t ends[SAMPLE]; /* of the texts, one after the other */
    buffer bytes;
    const vector_view *view;
    uint32_t from; /* the first of the texts that are embedded together */
    uint64_t given;
    uint64_t *wrong;
} sample;

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to check vectors");
}

static int32_t add_text(sample *all, const segment *s, uint32_t document, uint32_t row, quipu_error *error)
{
    record *r;
    buffer scratch = { 0 };
    int32_t rc = segment_record(s, document, &r, error);
    if (rc != QUIPU_OK)
        return rc;
    buffer_append_str(&all->bytes, passage_of(record_view(r), &scratch));
    if (scratch.failed || all->bytes.failed)
        rc = no_memory(error);
    all->rows[all->count] = row;
    all->ends[all->count++] = all->bytes.len;
    buffer_free(&scratch);
    record_free(r);
    return rc;
}

/* Every step-th of the living documents, where it has a vector. */
static int32_t draw(sample *all, const index_snapshot *s, quipu_error *error)
{
    uint64_t living = 0, seen = 0;
    int32_t rc = QUIPU_OK;
    for (size_t i = 0; i < s->count; i++)
        living += bits_total(s->parts[i].alive);
    uint64_t step = living / SAMPLE + 1;
    for (size_t i = 0; i < s->count; i++) {
        const index_part *part = &s->parts[i];
        for (uint32_t d = bits_next(part->alive, 0); d != BITS_NONE && rc == QUIPU_OK && all->count < SAMPLE;
             d = bits_next(part->alive, d + 1)) {
            if (seen++ % step || !segment_has_passage(part->segment, d))
                continue;
            uint32_t row = vector_view_find(all->view, segment_passage(part->segment, d));
            if (row != VECTORS_NONE)
                rc = add_text(all, part->segment, d, row, error);
        }
    }
    return rc;
}

static int32_t compare(void *context, uint64_t index, const float *vector, uint64_t dimension)
{
    sample *all = context;
    index += all->from;
    if (index >= all->count || dimension != all->dimension || !vectors_are_finite(vector, all->dimension))
        return QUIPU_E_PLUGIN;
    float *unit = malloc(all->dimension * sizeof *unit);
    if (!unit)
        return QUIPU_E_NO_MEMORY;
    vectors_normalise(vector, all->dimension, unit);
    const float *stored = vector_view_row(all->view, all->rows[index]);
    float product = 0, square = 0;
    for (uint32_t i = 0; i < all->dimension; i++) {
        product += unit[i] * stored[i];
        square += unit[i] * unit[i];
    }
    *all->wrong += square > 0 && product < ALIKE;
    all->given++;
    free(unit);
    return QUIPU_OK;
}

/* As many at once as the embedder likes. */
static int32_t embed_sample(record_index *ix, sample *all, uint64_t batch, const quipu_call *call, quipu_error *error)
{
    quipu_str texts[SAMPLE];
    int32_t rc = QUIPU_OK;
    for (uint32_t i = 0; i < all->count; i++) {
        size_t from = i ? all->ends[i - 1] : 0;
        texts[i] = str_make(all->bytes.bytes + from, all->ends[i] - from);
    }
    uint32_t most = batch == 0 || batch > SAMPLE ? SAMPLE : (uint32_t)batch;
    for (; rc == QUIPU_OK && all->from < all->count; all->from += most) {
        uint32_t left = all->count - all->from;
        const quipu_array array = { texts + all->from, left < most ? left : most, sizeof texts[0] };
        rc = index_embedder(ix)->embed(ix->host, &array, QUIPU_EMBED_PASSAGE, compare, all, call, error);
    }
    return rc;
}

int32_t record_index_check_vectors(record_index *ix, uint64_t *compared, uint64_t *wrong, char folder[32],
                                   const quipu_call *call, quipu_error *error)
{
    const quipu_embed_service *embedder = index_embedder(ix);
    quipu_model model = { .struct_size = sizeof model };
    model_vectors *vectors;
    index_snapshot *s;
    vector_view *view = NULL;
    *compared = *wrong = 0;
    if (!embedder)
        return fail(error, QUIPU_E_UNSUPPORTED, NULL, "there is no embedder");
    int32_t rc = embedder->model(ix->host, &model, error);
    if (rc == QUIPU_OK)
        rc = embeddings_model(ix->vectors, &model, &vectors, error);
    if (rc == QUIPU_OK)
        rc = index_snapshot_take(ix, &s, error);
    if (rc != QUIPU_OK)
        return rc;
    embeddings_folder(&model, folder);
    sample all = { .dimension = model.dimension, .wrong = wrong };
    rc = vector_index_refresh(vectors->index, error);
    if (rc == QUIPU_OK)
        rc = vector_index_view(vectors->index, &view, error);
    all.view = view;
    if (rc == QUIPU_OK)
        rc = draw(&all, s, error);
    if (rc == QUIPU_OK && all.count)
        rc = embed_sample(ix, &all, model.batch, call, error);
    *compared = all.given;
    vector_view_free(view);
    index_snapshot_free(s);
    buffer_free(&all.bytes);
    return rc;
}
