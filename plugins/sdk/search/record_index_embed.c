/* record_index_embed.c - see record_index_inner.h: texts become vectors when a search first needs them. */
#include "record_index_inner.h"

#include <base/hash.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCH_DEFAULT 64u
#define BATCH_MAX 512u
#define BATCH_BYTES ((uint64_t)1 << 20) /* of text in one batch, unless a single text is longer */

static bool has_text(const record *r)
{
    return record_view(r)->text.len > 0;
}

/* ---- following the writes; under the write lock ---- */

static void note_missing(record_index *ix, uint32_t slot)
{
    if (ix->missing_all)
        return;
    if (ix->missing_count == ix->missing_capacity) {
        size_t capacity = ix->missing_capacity ? ix->missing_capacity * 2 : 64;
        uint32_t *missing =
            capacity > 2 * (size_t)ix->slot_count + 128 ? NULL : realloc(ix->missing, capacity * sizeof *missing);
        if (!missing) {
            ix->missing_all = true;
            ix->missing_count = 0;
            return;
        }
        ix->missing = missing;
        ix->missing_capacity = capacity;
    }
    ix->missing[ix->missing_count++] = slot;
}

/* Gives the slot the passage of its text, if there is one. */
static bool attach(record_index *ix, uint32_t slot, const uint8_t key[PASSAGES_KEY])
{
    uint32_t number = passages_find(ix->vectors, key);
    if (number == PASSAGES_NONE)
        return false;
    passages_use(ix->vectors, number);
    ix->slots[slot].passage = number;
    return true;
}

void index_vectors_drop(record_index *ix, uint32_t slot)
{
    if (ix->vectors)
        passages_leave(ix->vectors, ix->slots[slot].passage);
    ix->slots[slot].passage = PASSAGES_NONE;
}

void index_vectors_put(record_index *ix, uint32_t slot, const record *before)
{
    const record *r = ix->slots[slot].record;
    uint8_t key[PASSAGES_KEY];
    if (!ix->vectors)
        return;
    if (before && str_same(record_view(before)->text, record_view(r)->text) && ix->slots[slot].passage != PASSAGES_NONE)
        return;
    index_vectors_drop(ix, slot);
    if (!has_text(r))
        return;
    hash_sha256(record_view(r)->text.ptr, (size_t)record_view(r)->text.len, key);
    if (!attach(ix, slot, key))
        note_missing(ix, slot);
}

/* Vectors of another model are worth nothing: begins with none. */
static int32_t begin_model(record_index *ix, const quipu_model *model, quipu_error *error)
{
    if (ix->vectors && passages_are_of(ix->vectors, model->id, model->dimension))
        return QUIPU_OK;
    passages *fresh = NULL;
    int32_t rc = passages_create(model->id, model->dimension, &fresh, error);
    if (rc != QUIPU_OK)
        return rc;
    char line[256];
    snprintf(line, sizeof line, "similarity is computed by %s", vectors_blas_name());
    index_log(ix, QUIPU_LOG_DEBUG, line);
    passages_free(ix->vectors);
    ix->vectors = fresh;
    for (uint32_t n = 0; n < ix->slot_count; n++)
        ix->slots[n].passage = PASSAGES_NONE;
    ix->missing_all = true;
    ix->missing_count = 0;
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
    uint32_t slots[BATCH_MAX];
    quipu_str texts[BATCH_MAX];
    uint8_t keys[BATCH_MAX][PASSAGES_KEY];
    bool seen[BATCH_MAX];
} batch;

static bool in_batch(const batch *b, const uint8_t key[PASSAGES_KEY])
{
    for (uint32_t i = 0; i < b->count; i++)
        if (memcmp(b->keys[i], key, PASSAGES_KEY) == 0)
            return true;
    return false;
}

/* Puts the slot's text into the batch unless its vector is there already. False: its text is in the batch, come again. */
static bool gather_slot(record_index *ix, uint32_t slot, batch *b)
{
    record *r = ix->slots[slot].record;
    if (!r || ix->slots[slot].passage != PASSAGES_NONE || !has_text(r))
        return true;
    uint8_t *key = b->keys[b->count];
    hash_sha256(record_view(r)->text.ptr, (size_t)record_view(r)->text.len, key);
    if (attach(ix, slot, key))
        return true;
    if (in_batch(b, key))
        return false;
    b->records[b->count] = record_share(r);
    b->slots[b->count] = slot;
    b->texts[b->count] = record_view(r)->text;
    b->bytes += record_view(r)->text.len;
    b->count++;
    return true;
}

/* Fills `missing` from all slots. */
static int32_t list_missing(record_index *ix, quipu_error *error)
{
    size_t capacity = ix->slot_count ? ix->slot_count : 1;
    uint32_t *missing = malloc(capacity * sizeof *missing);
    if (!missing)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for vectors");
    free(ix->missing);
    ix->missing = missing;
    ix->missing_capacity = capacity;
    ix->missing_count = 0;
    for (uint32_t n = ix->slot_count; n > 0; n--) /* taken from the end: lowest first */
        if (ix->slots[n - 1].record && ix->slots[n - 1].passage == PASSAGES_NONE && has_text(ix->slots[n - 1].record))
            missing[ix->missing_count++] = n - 1;
    ix->missing_all = false;
    return QUIPU_OK;
}

static int32_t gather(record_index *ix, const quipu_model *model, batch *b, quipu_error *error)
{
    uint64_t most = model->batch == 0 ? BATCH_DEFAULT : model->batch < BATCH_MAX ? model->batch : BATCH_MAX;
    pthread_rwlock_wrlock(&ix->lock);
    int32_t rc = begin_model(ix, model, error);
    if (rc == QUIPU_OK && ix->missing_all)
        rc = list_missing(ix, error);
    size_t left = 0; /* put back: the same text as another of this batch */
    size_t first = ix->missing_count;
    while (rc == QUIPU_OK && first > 0 && b->count < most && b->bytes < BATCH_BYTES && left < BATCH_MAX) {
        uint32_t slot = ix->missing[--first];
        if (!gather_slot(ix, slot, b))
            ix->missing[ix->missing_count - ++left] = slot; /* at or behind where it was read */
    }
    if (left > 0)
        memmove(ix->missing + first, ix->missing + ix->missing_count - left, left * sizeof *ix->missing);
    ix->missing_count = first + left;
    pthread_rwlock_unlock(&ix->lock);
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

/* Keeps the vectors, for those slots that still hold the record they were made for. */
static int32_t keep(record_index *ix, const quipu_model *model, const batch *b, quipu_error *error)
{
    int32_t rc = QUIPU_OK;
    pthread_rwlock_wrlock(&ix->lock);
    if (!ix->vectors || !passages_are_of(ix->vectors, model->id, model->dimension))
        rc = fail(error, QUIPU_E_BUSY, NULL, "the embedder was changed during the search");
    for (uint32_t i = 0; rc == QUIPU_OK && i < b->count; i++) {
        uint32_t number = passages_find(ix->vectors, b->keys[i]);
        index_slot *slot = &ix->slots[b->slots[i]];
        if (number == PASSAGES_NONE)
            rc = passages_add(ix->vectors, b->keys[i], b->vectors + (size_t)i * b->dimension, &number, error);
        if (rc == QUIPU_OK && slot->record == b->records[i] && slot->passage == PASSAGES_NONE)
            attach(ix, b->slots[i], b->keys[i]);
    }
    pthread_rwlock_unlock(&ix->lock);
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
static int32_t embed_batch(record_index *ix, const quipu_embed_service *embedder, const quipu_model *model, bool *more,
                           const quipu_call *call, quipu_error *error)
{
    batch *b = calloc(1, sizeof *b);
    if (!b)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for vectors");
    int32_t rc = gather(ix, model, b, error);
    *more = b->count > 0;
    if (rc == QUIPU_OK && b->count > 0)
        rc = run_embedder(ix, embedder, model, b, QUIPU_EMBED_PASSAGE, call, error);
    if (rc == QUIPU_OK && b->count > 0)
        rc = keep(ix, model, b, error);
    if (rc != QUIPU_OK) {
        pthread_rwlock_wrlock(&ix->lock);
        ix->missing_all = true; /* what the batch had taken out is missing still */
        pthread_rwlock_unlock(&ix->lock);
    }
    batch_free(b);
    return rc;
}

/* ---- the turn: one thread embeds at a time, so that no text is embedded twice; others wait, and may give up ---- */

static int32_t take_turn(record_index *ix, const quipu_call *call, quipu_error *error)
{
    int32_t rc = QUIPU_OK;
    pthread_mutex_lock(&ix->turn_lock);
    while (ix->turn_taken && (rc = call_check(call, error)) == QUIPU_OK) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20000000; /* 20 ms, then it looks at the call's deadline and token */
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&ix->turn_free, &ix->turn_lock, &until);
    }
    if (rc == QUIPU_OK)
        ix->turn_taken = true;
    pthread_mutex_unlock(&ix->turn_lock);
    return rc;
}

static void give_turn(record_index *ix)
{
    pthread_mutex_lock(&ix->turn_lock);
    ix->turn_taken = false;
    pthread_cond_signal(&ix->turn_free);
    pthread_mutex_unlock(&ix->turn_lock);
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

int32_t index_embed(record_index *ix, quipu_str question, const float *given, uint64_t dimension, float **out,
                    buffer *model_id, const quipu_call *call, quipu_error *error)
{
    const quipu_embed_service *embedder = index_embedder(ix);
    quipu_model model = { .struct_size = sizeof model };
    *out = NULL;
    if (!embedder)
        return fail(error, QUIPU_E_UNSUPPORTED, "mode", "there are no vectors: choose an embedder, or search by words");
    int32_t rc = embedder->model(ix->host, &model, error);
    if (rc == QUIPU_OK && (model.dimension == 0 || model.dimension > VECTORS_DIMENSION_MAX || model.id.len == 0))
        rc = fail(error, QUIPU_E_PLUGIN, NULL, "the embedder does not say which model it has");
    if (rc != QUIPU_OK)
        return rc;
    float *vector = malloc(model.dimension * sizeof *vector);
    buffer_append_str(model_id, model.id);
    if (!vector || model_id->failed)
        rc = fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to search with");
    if (rc == QUIPU_OK)
        rc = question_vector(ix, embedder, &model, question, given, dimension, vector, call, error);
    if (rc == QUIPU_OK && (rc = take_turn(ix, call, error)) == QUIPU_OK) {
        for (bool more = true; more && rc == QUIPU_OK;)
            if ((rc = call_check(call, error)) == QUIPU_OK)
                rc = embed_batch(ix, embedder, &model, &more, call, error);
        give_turn(ix);
    }
    if (rc != QUIPU_OK)
        free(vector);
    else
        *out = vector;
    return rc;
}
