/* record_index_embed.c - see record_index_inner.h: passages become vectors when a search first needs them. */
#include "record_index_vectors.h"

#include <sdk/abi_check.h>
#include <sdk/services.h>
#include <stdlib.h>

#define BATCH_DEFAULT 64u
#define BATCH_MAX 512u
#define BATCH_BYTES ((uint64_t)1 << 20)       /* of text in one batch, unless a single text is longer */
#define PATIENCE_NS ((int64_t)5 * 1000000000) /* that a question waits for the vectors of passages */
#define SETTLE_EVERY 4096u                    /* vectors that a crash may cost in the middle of a bulk */
#define UNUSED_KEPT 4096u /* vectors of texts that no record has, where no earlier version is asked for */

/* What is embedded, and for whom. */
typedef struct embedding {
    record_index *ix;
    const index_snapshot *s;
    const quipu_embed_service *embedder;
    quipu_model model;
    model_vectors *vectors;
    const quipu_call *call;
    quipu_error *error;
    size_t part; /* how far the snapshot was looked through */
    uint32_t document;
    quipu_vectors_fn visit; /* or NULL */
    void *context;
    uint64_t done, total; /* that it is told of */
    bool enough;          /* it answered so */
} embedding;

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for vectors");
}

/* ---- one batch ---- */

typedef struct batch {
    uint32_t count;
    uint32_t dimension;
    uint64_t given; /* vectors that came */
    bool bad;       /* the embedder broke its promise */
    float *vectors;
    buffer bytes; /* of the texts, one after the other */
    quipu_str texts[BATCH_MAX];
    uint8_t keys[BATCH_MAX][PASSAGE_KEY];
    bool seen[BATCH_MAX];
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
            if (!segment_has_passage(part->segment, d) || embeddings_row(v, part->segment, k, d) != VECTORS_NONE) {
                known_add(k, d);
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
    uint64_t most = e->model.batch == 0 ? BATCH_DEFAULT : e->model.batch < BATCH_MAX ? e->model.batch : BATCH_MAX;
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

/* One batch; *more is false when nothing was missing. */
static int32_t embed_batch(embedding *e, bool *more)
{
    batch *b = calloc(1, sizeof *b);
    if (!b)
        return no_memory(e->error);
    int32_t rc = gather(e, b);
    *more = b->count > 0;
    if (rc == QUIPU_OK && b->count > 0)
        rc = run_embedder(e, b, QUIPU_EMBED_PASSAGE);
    for (uint32_t i = 0; rc == QUIPU_OK && i < b->count; i++)
        rc = vector_index_add(e->vectors->index, b->keys[i], b->vectors + (size_t)i * b->dimension, b->dimension,
                              e->error);
    if (rc == QUIPU_OK && b->count > 0)
        rc = tell(e, b->count);
    batch_free(b);
    return rc;
}

/* ---- all that is missing ---- */

static bool nothing_missing(const embedding *e)
{
    uint64_t epoch = atomic_load(&e->vectors->epoch);
    for (size_t i = 0; i < e->s->count; i++)
        if (!known_all(segment_extra_get(e->s->parts[i].segment, SEGMENT_EXTRA_VECTORS), epoch, e->s->parts[i].alive))
            return false;
    return true;
}

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

/* From the beginning; *any: something was missing. */
static int32_t embed_round(embedding *e, bool *any)
{
    int32_t rc = QUIPU_OK;
    e->part = 0;
    e->document = 0;
    *any = false;
    for (bool more = true; more && rc == QUIPU_OK && !e->enough; *any = *any || more) {
        rc = call_check(e->call, e->error);
        if (rc == QUIPU_OK)
            rc = embed_batch(e, &more);
        if (vector_index_unsettled(e->vectors->index) >= SETTLE_EVERY)
            embeddings_settle(e->ix->vectors, e->vectors);
    }
    return rc;
}

/* Embeds all that has no vector yet, while other threads wait for their turn. What came is kept, whatever follows. */
static int32_t embed_missing(embedding *e)
{
    bool any;
    if (nothing_missing(e))
        return QUIPU_OK;
    int32_t rc = embeddings_take_turn(e->ix->vectors, e->call, e->error);
    if (rc != QUIPU_OK)
        return rc;
    rc = sweep(e);
    if (rc == QUIPU_OK)
        rc = embed_round(e, &any);
    if (rc == QUIPU_OK && any && !e->enough)
        rc = embed_round(e, &any); /* sees that all is there, so that the next search need not */
    embeddings_settle(e->ix->vectors, e->vectors);
    embeddings_give_turn(e->ix->vectors);
    return rc;
}

/* Failures of the embedder, or of waiting for it: what is there is searched all the same. */
static bool is_embedders(int32_t code)
{
    static const int32_t codes[] = { QUIPU_E_NETWORK, QUIPU_E_TIMEOUT,   QUIPU_E_DENIED,   QUIPU_E_PLUGIN,
                                     QUIPU_E_INVALID, QUIPU_E_NOT_FOUND, QUIPU_E_TOO_LARGE };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (code == codes[i])
            return true;
    return false;
}

/* As much of it as somebody who asks a question waits for. */
static int32_t embed_while_asked(embedding *e)
{
    const quipu_call *whole = e->call;
    quipu_error *error = e->error, why = { .struct_size = sizeof why };
    quipu_call soon = { .struct_size = sizeof soon };
    int64_t until = monotonic_now() + PATIENCE_NS;
    if (whole)
        soon = *whole;
    if (soon.deadline_ns == 0 || soon.deadline_ns > until)
        soon.deadline_ns = until;
    e->call = &soon;
    e->error = &why;
    int32_t rc = embed_missing(e);
    e->call = whole;
    e->error = error;
    if (is_embedders(rc) && (rc = call_check(whole, error)) == QUIPU_OK) {
        index_log(e->ix, QUIPU_LOG_WARNING, "searching without the vectors that are still to be made");
        index_log(e->ix, QUIPU_LOG_WARNING, why.message);
        return QUIPU_OK;
    }
    return rc == QUIPU_OK || rc == QUIPU_E_TIMEOUT
               ? rc
               : fail(error, rc, why.field[0] ? why.field : NULL, "%s", why.message);
}

/* ---- who embeds ---- */

const quipu_embed_service *index_embedder(const record_index *ix)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_SERVICE_EMBED);
    return ix->host ? ix->host->get_service(ix->host, &id) : NULL;
}

static int32_t begin(embedding *e)
{
    e->embedder = index_embedder(e->ix);
    e->model.struct_size = sizeof e->model;
    if (!e->embedder)
        return fail(e->error, QUIPU_E_UNSUPPORTED, "mode",
                    "there are no vectors: choose an embedder, or search by words");
    int32_t rc = e->embedder->model(e->ix->host, &e->model, e->error);
    if (rc == QUIPU_OK && (e->model.dimension == 0 || e->model.dimension > VECTORS_DIMENSION_MAX ||
                           e->model.id.len == 0 || e->model.id.len > VECTOR_MODEL_MAX))
        rc = fail(e->error, QUIPU_E_PLUGIN, NULL, "the embedder does not say which model it has");
    return rc == QUIPU_OK ? embeddings_model(e->ix->vectors, &e->model, &e->vectors, e->error) : rc;
}

static int32_t ignore_vector(void *context, uint64_t index, const float *vector, uint64_t dimension)
{
    (void)context, (void)index, (void)vector, (void)dimension;
    return 0;
}

/* An endpoint that was away when it was opened says its dimension with the first vector. */
static int32_t learn_model(const embedding *e)
{
    static const quipu_str word = { "dimension", 9 };
    const quipu_embed_service *embedder = index_embedder(e->ix);
    const quipu_array texts = { &word, 1, sizeof word };
    quipu_model model = { .struct_size = sizeof model };
    quipu_error why = { .struct_size = sizeof why };
    if (!embedder || embedder->model(e->ix->host, &model, &why) != QUIPU_E_NETWORK)
        return QUIPU_OK; /* begin says what is wrong */
    return embedder->embed(e->ix->host, &texts, QUIPU_EMBED_QUERY, ignore_vector, NULL, e->call, e->error);
}

/* ---- for a search ---- */

static int32_t embed_question(const embedding *e, quipu_str question, float *out)
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

static int32_t question_vector(const embedding *e, quipu_str question, const float *given, uint64_t dimension,
                               float *out)
{
    const quipu_model *model = &e->model;
    if (!given)
        return embed_question(e, question, out);
    if (dimension != model->dimension)
        return fail(e->error, QUIPU_E_INVALID, "vector",
                    "the vector has %llu floats, but the store's model %.*s has %u", (unsigned long long)dimension,
                    (int)(model->id.len < 64 ? model->id.len : 64), model->id.ptr, model->dimension);
    if (!vectors_are_finite(given, model->dimension))
        return fail(e->error, QUIPU_E_INVALID, "vector", "the vector holds a number that is not finite");
    vectors_normalise(given, model->dimension, out);
    return QUIPU_OK;
}

void vector_question_free(vector_question *q)
{
    free(q->vector);
    vector_view_free(q->view);
}

int32_t index_embed(record_index *ix, const index_snapshot *s, quipu_str question, const float *given,
                    uint64_t dimension, bool wait, vector_question *out, const quipu_call *call, quipu_error *error)
{
    embedding e = { .ix = ix, .s = s, .call = call, .error = error };
    int32_t rc = learn_model(&e);
    if (rc == QUIPU_OK)
        rc = begin(&e);
    if (rc != QUIPU_OK)
        return rc;
    out->vector = malloc(e.model.dimension * sizeof *out->vector);
    if (!out->vector)
        return no_memory(error);
    rc = question_vector(&e, question, given, dimension, out->vector);
    if (rc == QUIPU_OK)
        rc = wait ? embed_missing(&e) : embed_while_asked(&e);
    return rc == QUIPU_OK ? vector_index_view(e.vectors->index, &out->view, error) : rc;
}

/* ---- apart from a search ---- */

static int32_t count_missing(const embedding *e, const vector_view *v, record_index_vectors *out)
{
    bool all = nothing_missing(e);
    for (size_t i = 0; i < e->s->count; i++) {
        const index_part *part = &e->s->parts[i];
        known_vectors *k = known_of(part->segment);
        int32_t rc = call_check(e->call, e->error);
        if (rc != QUIPU_OK)
            return rc;
        for (uint32_t d = bits_next(part->alive, 0); d != BITS_NONE; d = bits_next(part->alive, d + 1)) {
            out->passages += segment_has_passage(part->segment, d);
            out->missing +=
                !all && segment_has_passage(part->segment, d) && embeddings_row(v, part->segment, k, d) == VECTORS_NONE;
        }
    }
    return QUIPU_OK;
}

int32_t record_index_vector_state(record_index *ix, record_index_vectors *out, const quipu_call *call,
                                  quipu_error *error)
{
    index_snapshot *s;
    vector_view *v = NULL;
    vector_index_stats stats;
    *out = (record_index_vectors){ 0 };
    int32_t rc = index_snapshot_take(ix, &s, error);
    if (rc != QUIPU_OK)
        return rc;
    embedding e = { .ix = ix, .s = s, .call = call, .error = error };
    rc = begin(&e);
    if (rc == QUIPU_OK)
        rc = vector_index_refresh(e.vectors->index, error);
    if (rc == QUIPU_OK)
        rc = vector_index_view(e.vectors->index, &v, error);
    if (rc == QUIPU_OK) {
        out->model = e.model;
        vector_index_describe(e.vectors->index, &stats);
        out->vectors = stats.rows;
        rc = count_missing(&e, v, out);
    }
    vector_view_free(v);
    index_snapshot_free(s);
    return rc;
}

int32_t record_index_embed(record_index *ix, quipu_vectors_fn visit, void *context, const quipu_call *call,
                           quipu_error *error)
{
    index_snapshot *s;
    record_index_vectors before = { 0 };
    embedding e = { .ix = ix, .call = call, .error = error, .visit = visit, .context = context };
    int32_t rc = learn_model(&e);
    if (rc == QUIPU_OK && visit)
        rc = record_index_vector_state(ix, &before, call, error);
    if (rc == QUIPU_OK)
        rc = index_snapshot_take(ix, &s, error);
    if (rc != QUIPU_OK)
        return rc;
    e.s = s;
    e.total = before.missing;
    rc = begin(&e);
    if (rc == QUIPU_OK)
        rc = embed_missing(&e);
    index_snapshot_free(s);
    return rc;
}

int32_t record_index_add_vector(record_index *ix, const uint8_t *key, const float *vector, uint64_t dimension,
                                quipu_error *error)
{
    embedding e = { .ix = ix, .error = error };
    int32_t rc = begin(&e);
    return rc == QUIPU_OK ? vector_index_add(e.vectors->index, key, vector, dimension, error) : rc;
}

int32_t record_index_show_vectors(record_index *ix, quipu_vectors_state *out, const quipu_call *call,
                                  quipu_error *error)
{
    record_index_vectors now;
    int32_t rc = abi_check_out(out, sizeof *out, "quipu_vectors_state", error);
    if (rc == QUIPU_OK)
        rc = record_index_vector_state(ix, &now, call, error);
    if (rc != QUIPU_OK)
        return rc;
    out->dimension = now.model.dimension;
    out->model = now.model.id;
    out->passages = now.passages;
    out->pending = now.missing;
    out->vectors = now.vectors;
    return QUIPU_OK;
}
