/* record_index_embed.c - see record_index_inner.h: texts become vectors when a search first needs them. */
#include "record_index_vectors.h"

#include <stdlib.h>
#include <time.h>

#define BATCH_DEFAULT 64u
#define BATCH_MAX 512u
#define BATCH_BYTES ((uint64_t)1 << 20) /* of text in one batch, unless a single text is longer */

#define UNUSED_KEPT 4096u /* vectors of texts that no record has */

/* ---- life ---- */

int32_t embeddings_create(embeddings **out, quipu_error *error)
{
    embeddings *e = calloc(1, sizeof *e);
    *out = NULL;
    if (!e)
        goto err0;
    atomic_init(&e->users, 1);
    if (pthread_rwlock_init(&e->lock, NULL) != 0)
        goto err1;
    if (pthread_mutex_init(&e->turn_lock, NULL) != 0)
        goto err2;
    if (pthread_cond_init(&e->turn_free, NULL) != 0)
        goto err3;
    *out = e;
    return QUIPU_OK;
err3:
    pthread_mutex_destroy(&e->turn_lock);
err2:
    pthread_rwlock_destroy(&e->lock);
err1:
    free(e);
err0:
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an index");
}

embeddings *embeddings_share(embeddings *e)
{
    atomic_fetch_add_explicit(&e->users, 1, memory_order_relaxed);
    return e;
}

void embeddings_free(embeddings *e)
{
    if (!e || atomic_fetch_sub_explicit(&e->users, 1, memory_order_acq_rel) > 1)
        return;
    passages_free(e->rows);
    pthread_cond_destroy(&e->turn_free);
    pthread_mutex_destroy(&e->turn_lock);
    pthread_rwlock_destroy(&e->lock);
    free(e);
}

/* ---- which row ---- */

row_table *embeddings_table(const embeddings *e, segment *s, bool writing)
{
    row_table *t = segment_extra_get(s, SEGMENT_EXTRA_ROWS);
    uint32_t documents = segment_documents(s);
    if (!t) {
        t = malloc(sizeof *t + documents * sizeof t->rows[0]);
        if (!t)
            return NULL;
        atomic_init(&t->generation, e->generation);
        for (uint32_t d = 0; d < documents; d++)
            atomic_init(&t->rows[d], PASSAGES_NONE);
        t = segment_extra_set(s, SEGMENT_EXTRA_ROWS, (segment_extra){ t, free });
    }
    if (writing && atomic_load(&t->generation) != e->generation) {
        for (uint32_t d = 0; d < documents; d++)
            atomic_store_explicit(&t->rows[d], PASSAGES_NONE, memory_order_relaxed);
        atomic_store(&t->generation, e->generation);
    }
    return t;
}

uint32_t embeddings_row(const embeddings *e, const segment *s, row_table *t, uint32_t document)
{
    bool ours = t && atomic_load_explicit(&t->generation, memory_order_relaxed) == e->generation;
    uint32_t row = ours ? atomic_load_explicit(&t->rows[document], memory_order_relaxed) : PASSAGES_NONE;
    if (row != PASSAGES_NONE || !segment_has_text(s, document))
        return row;
    row = passages_find(e->rows, segment_text_key(s, document));
    if (ours && row != PASSAGES_NONE)
        atomic_store_explicit(&t->rows[document], row, memory_order_relaxed);
    return row;
}

static uint64_t next_generation(void)
{
    static _Atomic uint64_t generations;
    return atomic_fetch_add(&generations, 1) + 1;
}

/* Vectors of another model are worth nothing: begins with none. With the lock held for writing. */
static int32_t begin_model(record_index *ix, const quipu_model *model, quipu_error *error)
{
    embeddings *e = ix->vectors;
    passages *fresh = NULL;
    if (e->rows && passages_are_of(e->rows, model->id, model->dimension))
        return QUIPU_OK;
    int32_t rc = passages_create(model->id, model->dimension, &fresh, error);
    if (rc != QUIPU_OK)
        return rc;
    buffer line = { 0 };
    buffer_printf(&line, "similarity is computed by %s", vectors_blas_name());
    if (!line.failed)
        index_log(ix, QUIPU_LOG_DEBUG, line.bytes);
    buffer_free(&line);
    passages_free(e->rows);
    e->rows = fresh;
    e->generation = next_generation();
    return QUIPU_OK;
}

/* Texts that no living record has any more lose their vectors once they are most of all. With the lock held for writing. */
static int32_t sweep(record_index *ix, const index_snapshot *s, const quipu_model *model, quipu_error *error)
{
    embeddings *e = ix->vectors;
    const vectors *old = passages_vectors(e->rows);
    passages *kept = NULL, *all = e->rows;
    uint64_t living = 0;
    uint32_t row;
    for (size_t i = 0; i < s->count; i++)
        living += bits_total(s->parts[i].alive);
    if (vectors_count(old) <= UNUSED_KEPT + 2 * living)
        return QUIPU_OK;
    int32_t rc = passages_create(model->id, model->dimension, &kept, error);
    for (size_t i = 0; i < s->count && rc == QUIPU_OK; i++) {
        const index_part *part = &s->parts[i];
        for (uint32_t d = bits_next(part->alive, 0); d != BITS_NONE && rc == QUIPU_OK;
             d = bits_next(part->alive, d + 1)) {
            const uint8_t *key = segment_text_key(part->segment, d);
            uint32_t from = passages_find(all, key);
            if (from != PASSAGES_NONE && passages_find(kept, key) == PASSAGES_NONE)
                rc = passages_add(kept, key, vectors_row(old, from), &row, error);
        }
    }
    if (rc != QUIPU_OK) {
        passages_free(kept);
        return rc;
    }
    passages_free(all);
    e->rows = kept;
    e->generation = next_generation();
    return QUIPU_OK;
}

/* ---- one batch ---- */

typedef struct batch {
    uint32_t count;
    uint32_t dimension;
    uint64_t bytes;
    uint64_t given; /* vectors that came */
    bool bad;       /* the embedder broke its promise */
    float *vectors;
    record *records[BATCH_MAX];
    quipu_str texts[BATCH_MAX];
    uint8_t keys[BATCH_MAX][PASSAGES_KEY];
    bool seen[BATCH_MAX];
} batch;

/* How far a snapshot has been looked through. */
typedef struct progress {
    size_t part;
    uint32_t document;
} progress;

static bool in_batch(const batch *b, const uint8_t key[PASSAGES_KEY])
{
    for (uint32_t i = 0; i < b->count; i++)
        if (memcmp(b->keys[i], key, PASSAGES_KEY) == 0)
            return true;
    return false;
}

static int32_t add_to_batch(batch *b, const segment *s, uint32_t document, quipu_error *error)
{
    const uint8_t *key = segment_text_key(s, document);
    if (in_batch(b, key))
        return QUIPU_OK;
    int32_t rc = segment_record(s, document, &b->records[b->count], error);
    if (rc != QUIPU_OK)
        return rc;
    memcpy(b->keys[b->count], key, PASSAGES_KEY);
    b->texts[b->count] = record_view(b->records[b->count])->text;
    b->bytes += b->texts[b->count].len;
    b->count++;
    return QUIPU_OK;
}

/* Fills the batch with texts that have no vector yet, from where the last one ended. */
static int32_t gather(record_index *ix, const index_snapshot *s, const quipu_model *model, progress *at, batch *b,
                      quipu_error *error)
{
    embeddings *e = ix->vectors;
    uint64_t most = model->batch == 0 ? BATCH_DEFAULT : model->batch < BATCH_MAX ? model->batch : BATCH_MAX;
    pthread_rwlock_wrlock(&e->lock);
    int32_t rc = begin_model(ix, model, error);
    if (rc == QUIPU_OK && at->part == 0 && at->document == 0)
        rc = sweep(ix, s, model, error);
    for (; rc == QUIPU_OK && at->part < s->count; at->part++, at->document = 0) {
        const index_part *part = &s->parts[at->part];
        row_table *t = embeddings_table(e, part->segment, true);
        uint32_t d = bits_next(part->alive, at->document);
        for (; rc == QUIPU_OK && d != BITS_NONE && b->count < most && b->bytes < BATCH_BYTES;
             d = bits_next(part->alive, d + 1))
            if (embeddings_row(e, part->segment, t, d) == PASSAGES_NONE && segment_has_text(part->segment, d))
                rc = add_to_batch(b, part->segment, d, error);
        at->document = d;
        if (d != BITS_NONE)
            break;
    }
    pthread_rwlock_unlock(&e->lock);
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
static int32_t run_embedder(record_index *ix, const quipu_embed_service *embedder, const quipu_model *model, batch *b,
                            uint32_t purpose, const quipu_call *call, quipu_error *error)
{
    quipu_array texts = { b->texts, b->count, sizeof b->texts[0] };
    b->dimension = model->dimension;
    b->vectors = malloc((size_t)b->count * model->dimension * sizeof *b->vectors);
    if (!b->vectors)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for vectors");
    int32_t rc = embedder->embed(ix->host, &texts, purpose, take_vector, b, call, error);
    if (b->bad || (rc == QUIPU_OK && b->given != b->count))
        return fail(error, QUIPU_E_PLUGIN, NULL,
                    "the embedder %.*s did not answer with one finite vector of %u floats a text",
                    (int)(model->id.len < 64 ? model->id.len : 64), model->id.ptr, model->dimension);
    return rc;
}

/* Keeps the vectors. */
static int32_t keep(record_index *ix, const quipu_model *model, const batch *b, quipu_error *error)
{
    embeddings *e = ix->vectors;
    int32_t rc = QUIPU_OK;
    uint32_t row;
    pthread_rwlock_wrlock(&e->lock);
    if (!e->rows || !passages_are_of(e->rows, model->id, model->dimension))
        rc = fail(error, QUIPU_E_BUSY, NULL, "the embedder was changed during the search");
    for (uint32_t i = 0; rc == QUIPU_OK && i < b->count; i++)
        if (passages_find(e->rows, b->keys[i]) == PASSAGES_NONE)
            rc = passages_add(e->rows, b->keys[i], b->vectors + (size_t)i * b->dimension, &row, error);
    pthread_rwlock_unlock(&e->lock);
    return rc;
}

static void batch_free(batch *b)
{
    for (uint32_t i = 0; b && i < b->count; i++)
        record_free(b->records[i]);
    if (b)
        free(b->vectors);
    free(b);
}

/* One batch; *more is false when nothing was missing. */
static int32_t embed_batch(record_index *ix, const index_snapshot *s, const quipu_embed_service *embedder,
                           const quipu_model *model, progress *at, bool *more, const quipu_call *call,
                           quipu_error *error)
{
    batch *b = calloc(1, sizeof *b);
    if (!b)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for vectors");
    int32_t rc = gather(ix, s, model, at, b, error);
    *more = b->count > 0;
    if (rc == QUIPU_OK && b->count > 0)
        rc = run_embedder(ix, embedder, model, b, QUIPU_EMBED_PASSAGE, call, error);
    if (rc == QUIPU_OK && b->count > 0)
        rc = keep(ix, model, b, error);
    batch_free(b);
    return rc;
}

/* ---- the turn: one thread embeds at a time, so that no text is embedded twice; others wait, and may give up ---- */

static int32_t take_turn(embeddings *e, const quipu_call *call, quipu_error *error)
{
    int32_t rc = QUIPU_OK;
    pthread_mutex_lock(&e->turn_lock);
    while (e->turn_taken && (rc = call_check(call, error)) == QUIPU_OK) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20000000; /* 20 ms, then it looks at the call's deadline and token */
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&e->turn_free, &e->turn_lock, &until);
    }
    if (rc == QUIPU_OK)
        e->turn_taken = true;
    pthread_mutex_unlock(&e->turn_lock);
    return rc;
}

static void give_turn(embeddings *e)
{
    pthread_mutex_lock(&e->turn_lock);
    e->turn_taken = false;
    pthread_cond_signal(&e->turn_free);
    pthread_mutex_unlock(&e->turn_lock);
}

/* ---- for a search ---- */

const quipu_embed_service *index_embedder(const record_index *ix)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_SERVICE_EMBED);
    return ix->host ? ix->host->get_service(ix->host, &id) : NULL;
}

static int32_t embed_question(record_index *ix, const quipu_embed_service *embedder, const quipu_model *model,
                              quipu_str question, float *out, const quipu_call *call, quipu_error *error)
{
    batch *b = calloc(1, sizeof *b);
    if (!b)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to search with");
    b->texts[0] = question;
    b->count = 1; /* no record: records[0] is NULL */
    int32_t rc = run_embedder(ix, embedder, model, b, QUIPU_EMBED_QUERY, call, error);
    if (rc == QUIPU_OK)
        vectors_normalise(b->vectors, model->dimension, out);
    batch_free(b);
    return rc;
}

static int32_t question_vector(record_index *ix, const quipu_embed_service *embedder, const quipu_model *model,
                               quipu_str question, const float *given, uint64_t dimension, float *out,
                               const quipu_call *call, quipu_error *error)
{
    if (!given)
        return embed_question(ix, embedder, model, question, out, call, error);
    if (dimension != model->dimension)
        return fail(error, QUIPU_E_INVALID, "vector", "the vector has %llu floats, but the store's model %.*s has %u",
                    (unsigned long long)dimension, (int)(model->id.len < 64 ? model->id.len : 64), model->id.ptr,
                    model->dimension);
    if (!vectors_are_finite(given, model->dimension))
        return fail(error, QUIPU_E_INVALID, "vector", "the vector holds a number that is not finite");
    vectors_normalise(given, model->dimension, out);
    return QUIPU_OK;
}

void vector_question_free(vector_question *q)
{
    free(q->vector);
    buffer_free(&q->model);
}

/* Embeds all that has no vector yet, while other threads wait for their turn. */
static int32_t embed_missing(record_index *ix, const index_snapshot *s, const quipu_embed_service *embedder,
                             const quipu_model *model, const quipu_call *call, quipu_error *error)
{
    progress at = { 0 };
    int32_t rc = take_turn(ix->vectors, call, error);
    if (rc != QUIPU_OK)
        return rc;
    for (bool more = true; more && rc == QUIPU_OK;)
        if ((rc = call_check(call, error)) == QUIPU_OK)
            rc = embed_batch(ix, s, embedder, model, &at, &more, call, error);
    give_turn(ix->vectors);
    return rc;
}

int32_t index_embed(record_index *ix, const index_snapshot *s, quipu_str question, const float *given,
                    uint64_t dimension, vector_question *out, const quipu_call *call, quipu_error *error)
{
    const quipu_embed_service *embedder = index_embedder(ix);
    quipu_model model = { .struct_size = sizeof model };
    if (!embedder)
        return fail(error, QUIPU_E_UNSUPPORTED, "mode", "there are no vectors: choose an embedder, or search by words");
    int32_t rc = embedder->model(ix->host, &model, error);
    if (rc == QUIPU_OK && (model.dimension == 0 || model.dimension > VECTORS_DIMENSION_MAX || model.id.len == 0))
        rc = fail(error, QUIPU_E_PLUGIN, NULL, "the embedder does not say which model it has");
    if (rc != QUIPU_OK)
        return rc;
    out->vector = malloc(model.dimension * sizeof *out->vector);
    buffer_append_str(&out->model, model.id);
    if (!out->vector || out->model.failed)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to search with");
    rc = question_vector(ix, embedder, &model, question, given, dimension, out->vector, call, error);
    return rc == QUIPU_OK ? embed_missing(ix, s, embedder, &model, call, error) : rc;
}
