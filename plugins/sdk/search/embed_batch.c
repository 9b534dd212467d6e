/* embed_batch.c - see embed_inner.h: one batch of passages, or a question, through the host's embedder. */
#include "embed_inner.h"

#include <sdk/services.h>
#include <stdlib.h>

#define BATCH_DEFAULT 64u
#define BATCH_BYTES ((uint64_t)1 << 20) /* of text in one batch, unless a single text is longer */

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for vectors");
}

typedef struct batch {
    uint32_t count;
    uint32_t dimension;
    uint64_t given; /* vectors that came */
    bool bad;       /* the embedder broke its promise */
    float *vectors;
    buffer bytes; /* of the texts, one after the other */
    quipu_str texts[EMBED_BATCH_MAX];
    uint8_t keys[EMBED_BATCH_MAX][PASSAGE_KEY];
    bool seen[EMBED_BATCH_MAX];
} batch;

static void batch_free(batch *b)
{
    if (!b)
        return;
    free(b->vectors);
    buffer_free(&b->bytes);
    free(b);
}

static bool in_batch(const batch *b, const uint8_t key[PASSAGE_KEY])
{
    for (uint32_t i = 0; i < b->count; i++)
        if (memcmp(b->keys[i], key, PASSAGE_KEY) == 0)
            return true;
    return false;
}

/* Where the text lies is settled when all are there. */
static int32_t add_to_batch(batch *b, const segment *s, uint32_t document, quipu_error *error)
{
    const uint8_t *key = segment_passage(s, document);
    buffer scratch = { 0 };
    record *r;
    if (in_batch(b, key))
        return QUIPU_OK;
    int32_t rc = segment_record(s, document, &r, error);
    if (rc != QUIPU_OK)
        return rc;
    quipu_str text = passage_of(record_view(r), &scratch);
    buffer_append_str(&b->bytes, text);
    memcpy(b->keys[b->count], key, PASSAGE_KEY);
    b->texts[b->count++].len = text.len;
    if (scratch.failed || b->bytes.failed)
        rc = no_memory(error);
    buffer_free(&scratch);
    record_free(r);
    return rc;
}

static uint64_t next_missing_word(const index_part *part, const known_vectors *k, size_t word)
{
    return part->alive->words[word] & ~atomic_load_explicit(&k->has[word], memory_order_relaxed);
}

/* Documents of one part without a vector, from e->document on; *full: there may be more. */
static int32_t gather_part(embedding *e, const vector_view *v, uint64_t most, batch *b, bool *full)
{
    const index_part *part = &e->s->parts[e->part];
    known_vectors *k = known_of(part->segment);
    if (!k)
        return no_memory(e->error);
    known_begin(k, atomic_load(&e->vectors->epoch), segment_documents(part->segment));
    for (size_t word = e->document / 64; word < bits_words(part->alive->count); word++) {
        uint64_t left = next_missing_word(part, k, word);
        for (; left; left &= left - 1) {
            uint32_t d = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(left);
            if (d < e->document)
                continue;
            bool none = !segment_has_passage(part->segment, d);
            if (none || embeddings_row(v, part->segment, k, d) != VECTORS_NONE) {
                known_add(k, d, none);
                continue;
            }
            if (b->count == most || b->bytes.len >= BATCH_BYTES) {
                e->document = d;
                *full = true;
                return QUIPU_OK;
            }
            int32_t rc = add_to_batch(b, part->segment, d, e->error);
            if (rc != QUIPU_OK)
                return rc;
        }
    }
    return QUIPU_OK;
}

/* Fills the batch with passages that have no vector yet, from where the last one ended. */
static int32_t gather(embedding *e, batch *b)
{
    uint64_t most = e->model.batch == 0                ? BATCH_DEFAULT
                    : e->model.batch < EMBED_BATCH_MAX ? e->model.batch
                                                       : EMBED_BATCH_MAX;
    vector_view *v = NULL;
    bool full = false;
    /* What another process has embedded meanwhile. */
    int32_t rc = vector_index_refresh(e->vectors->index, e->error);
    if (rc == QUIPU_OK)
        rc = vector_index_view(e->vectors->index, &v, e->error);
    while (rc == QUIPU_OK && e->part < e->s->count) {
        rc = gather_part(e, v, most, b, &full);
        if (full)
            break;
        e->part++;
        e->document = 0;
    }
    vector_view_free(v);
    size_t at = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        b->texts[i].ptr = b->bytes.bytes + at;
        at += (size_t)b->texts[i].len;
    }
    return rc;
}

static int32_t take_vector(void *context, uint64_t index, const float *vector, uint64_t dimension)
{
    batch *b = context;
    if (index >= b->count || b->seen[index] || dimension != b->dimension || !vector ||
        !vectors_are_finite(vector, b->dimension)) {
        b->bad = true;
        return QUIPU_E_PLUGIN;
    }
    b->seen[index] = true;
    b->given++;
    memcpy(b->vectors + (size_t)index * b->dimension, vector, b->dimension * sizeof *vector);
    return QUIPU_OK;
}

/* Embeds the batch's texts into b->vectors. No lock is held. */
static int32_t run_embedder(const embedding *e, batch *b, uint32_t purpose)
{
    const quipu_model *model = &e->model;
    quipu_array texts = { b->texts, b->count, sizeof b->texts[0] };
    b->dimension = model->dimension;
    b->vectors = malloc((size_t)b->count * model->dimension * sizeof *b->vectors);
    if (!b->vectors)
        return no_memory(e->error);
    int32_t rc = e->embedder->embed(e->ix->host, &texts, purpose, take_vector, b, e->call, e->error);
    if (b->bad || (rc == QUIPU_OK && b->given != b->count))
        return fail(e->error, QUIPU_E_PLUGIN, NULL,
                    "the embedder %.*s did not answer with one finite vector of %u floats a text",
                    (int)(model->id.len < 64 ? model->id.len : 64), model->id.ptr, model->dimension);
    return rc;
}

static int32_t tell(embedding *e, uint32_t count)
{
    e->done += count;
    if (!e->visit)
        return QUIPU_OK;
    int32_t answer = e->visit(e->context, e->done, e->total > e->done ? e->total : e->done);
    e->enough = answer > 0;
    return answer < 0 ? fail(e->error, answer, NULL, "the visitor ended the call: %s", error_text(answer)) : QUIPU_OK;
}

int32_t embed_batch(embedding *e, bool *more)
{
    batch *b = calloc(1, sizeof *b);
    if (!b)
        return no_memory(e->error);
    int32_t rc = gather(e, b);
    int64_t began = monotonic_now();
    *more = b->count > 0;
    if (rc == QUIPU_OK && b->count > 0) {
        atomic_store(&e->ix->vectors->batch_began, began);
        rc = run_embedder(e, b, QUIPU_EMBED_PASSAGE);
        atomic_store(&e->ix->vectors->batch_ns, monotonic_now() - began);
        atomic_store(&e->ix->vectors->batch_began, 0);
    }
    for (uint32_t i = 0; rc == QUIPU_OK && i < b->count; i++)
        rc = vector_index_add(e->vectors->index, b->keys[i], b->vectors + (size_t)i * b->dimension, b->dimension,
                              e->error);
    if (rc == QUIPU_OK && b->count > 0) {
        embeddings_worked(e->ix->vectors, &e->ix->vectors->of_passages);
        rc = tell(e, b->count);
    }
    batch_free(b);
    return rc;
}

int32_t embed_question(const embedding *e, quipu_str question, float *out)
{
    batch *b = calloc(1, sizeof *b);
    if (!b)
        return no_memory(e->error);
    b->texts[0] = question;
    b->count = 1;
    int32_t rc = run_embedder(e, b, QUIPU_EMBED_QUERY);
    if (rc == QUIPU_OK)
        vectors_normalise(b->vectors, e->model.dimension, out);
    batch_free(b);
    return rc;
}
