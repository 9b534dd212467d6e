/* record_index_embed.c - see record_index_inner.h: who embeds, for a search and apart from one. */
#include "embed_inner.h"

#include <sdk/abi_check.h>
#include <sdk/services.h>
#include <stddef.h>
#include <stdlib.h>

#define PATIENCE_NS ((int64_t)5 * 1000000000) /* that a question waits for the vectors of passages */
#define FOLLOWED_NS ((int64_t)2 * 1000000000) /* the same where a thread makes them */
#define LEAVE_NS ((int64_t)30 * 1000000000)   /* what takes longer is left to a thread that makes it, if there is one */

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for vectors");
}

/* ---- while somebody waits ---- */

bool embed_is_embedders(int32_t code)
{
    static const int32_t codes[] = { QUIPU_E_NETWORK, QUIPU_E_TIMEOUT,   QUIPU_E_DENIED,   QUIPU_E_PLUGIN,
                                     QUIPU_E_INVALID, QUIPU_E_NOT_FOUND, QUIPU_E_TOO_LARGE };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (code == codes[i])
            return true;
    return false;
}

/* The caller's call, ending no later than it is worth waiting. */
static quipu_call hurried(const quipu_call *whole, int64_t patience_ns)
{
    quipu_call soon = { .struct_size = sizeof soon };
    int64_t until = monotonic_now() + patience_ns;
    if (whole)
        soon = *whole;
    if (soon.deadline_ns == 0 || soon.deadline_ns > until)
        soon.deadline_ns = until;
    return soon;
}

/* Where a thread makes vectors, nobody waits for an embedder that fails, or that gives none in time. */
static bool is_left_to_thread(embeddings *e)
{
    int64_t began = atomic_load(&e->batch_began);
    if (!atomic_load(&e->followed))
        return false;
    return embeddings_rests(e, &e->of_passages) > 0 || atomic_load(&e->batch_ns) > FOLLOWED_NS ||
           (began && monotonic_now() - began > FOLLOWED_NS);
}

/* As much of it as somebody who asks a question waits for. */
static int32_t embed_while_asked(embedding *e)
{
    const quipu_call *whole = e->call;
    quipu_error *error = e->error, why = { .struct_size = sizeof why };
    bool followed = atomic_load(&e->ix->vectors->followed);
    quipu_call soon = hurried(whole, followed ? FOLLOWED_NS : PATIENCE_NS);
    if (is_left_to_thread(e->ix->vectors))
        return QUIPU_OK;
    e->leave_ns = followed ? LEAVE_NS : 0;
    e->call = &soon;
    e->error = &why;
    int32_t rc = embed_missing(e);
    e->call = whole;
    e->error = error;
    if (embed_is_embedders(rc) && (rc = call_check(whole, error)) == QUIPU_OK) {
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

/* The question first: without its vector, those of passages are of no use. */
static int32_t embed_for_search(embedding *e, quipu_str question, const float *given, uint64_t dimension,
                                vector_question *out)
{
    int32_t rc = learn_model(e);
    if (rc == QUIPU_OK)
        rc = begin(e);
    if (rc != QUIPU_OK)
        return rc;
    out->vector = malloc(e->model.dimension * sizeof *out->vector);
    return out->vector ? question_vector(e, question, given, dimension, out->vector) : no_memory(e->error);
}

int32_t index_embed(record_index *ix, const index_snapshot *s, quipu_str question, const float *given,
                    uint64_t dimension, index_patience patience, vector_question *out, const quipu_call *call,
                    quipu_error *error)
{
    embeddings *vectors = ix->vectors;
    quipu_error own = { .struct_size = sizeof own };
    quipu_call soon = hurried(call, PATIENCE_NS);
    embedding e = {
        .ix = ix, .s = s, .call = patience == INDEX_OPTIONAL ? &soon : call, .error = error ? error : &own
    };
    if (patience == INDEX_OPTIONAL && atomic_load(&vectors->followed) &&
        embeddings_rests(vectors, &vectors->of_questions) > 0)
        return fail(error, QUIPU_E_BUSY, NULL, "the embedder failed a moment ago");
    int32_t rc = embed_for_search(&e, question, given, dimension, out);
    if (rc == QUIPU_OK && !given)
        embeddings_worked(vectors, &vectors->of_questions);
    else if (!given && embed_is_embedders(rc) && call_check(call, NULL) == QUIPU_OK)
        embeddings_failed(vectors, &vectors->of_questions, e.error->message);
    e.call = call;
    if (rc == QUIPU_OK)
        rc = patience == INDEX_WAITS ? embed_missing(&e) : embed_while_asked(&e);
    return rc == QUIPU_OK ? vector_index_view(e.vectors->index, &out->view, error) : rc;
}

/* ---- apart from a search ---- */

static int32_t count_part(const embedding *e, const vector_view *v, const index_part *part, record_index_vectors *out)
{
    known_vectors *k = known_of(part->segment);
    if (known_all(k, atomic_load(&e->vectors->epoch), part->alive)) {
        out->passages += known_passages(k, part->alive);
        return QUIPU_OK;
    }
    for (uint32_t d = bits_next(part->alive, 0); d != BITS_NONE; d = bits_next(part->alive, d + 1)) {
        if (!segment_has_passage(part->segment, d))
            continue;
        out->passages++;
        out->missing += embeddings_row(v, part->segment, k, d) == VECTORS_NONE;
    }
    return QUIPU_OK;
}

static int32_t count_missing(const embedding *e, const vector_view *v, record_index_vectors *out)
{
    int32_t rc = QUIPU_OK;
    for (size_t i = 0; rc == QUIPU_OK && i < e->s->count; i++) {
        rc = call_check(e->call, e->error);
        if (rc == QUIPU_OK)
            rc = count_part(e, v, &e->s->parts[i], out);
    }
    return rc;
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
        out->failed_at = embeddings_failure(ix->vectors, out->failure);
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

int32_t record_index_follow(record_index *ix, bool *more, const quipu_call *call, quipu_error *error)
{
    index_snapshot *s;
    embedding e = { .ix = ix, .call = call, .error = error };
    atomic_store(&ix->vectors->followed, true);
    *more = false;
    int32_t rc = index_snapshot_take(ix, &s, error);
    if (rc != QUIPU_OK)
        return rc;
    e.s = s;
    rc = learn_model(&e);
    if (rc == QUIPU_OK)
        rc = begin(&e);
    if (embed_is_embedders(rc) && call_check(call, NULL) == QUIPU_OK)
        embeddings_failed(ix->vectors, &ix->vectors->of_passages, error->message);
    if (rc == QUIPU_OK)
        rc = embed_portion(&e, more);
    index_snapshot_free(s);
    return rc;
}

int64_t record_index_rests(record_index *ix)
{
    return embeddings_rests(ix->vectors, &ix->vectors->of_passages);
}

int32_t record_index_show_vectors(record_index *ix, quipu_vectors_state *out, const quipu_call *call,
                                  quipu_error *error)
{
    record_index_vectors now;
    int32_t rc = abi_check_out(out, offsetof(quipu_vectors_state, failed_at), "quipu_vectors_state", error);
    if (rc == QUIPU_OK)
        rc = record_index_vector_state(ix, &now, call, error);
    if (rc != QUIPU_OK)
        return rc;
    out->dimension = now.model.dimension;
    out->model = now.model.id;
    out->passages = now.passages;
    out->pending = now.missing;
    out->vectors = now.vectors;
    if (QUIPU_HAS(out, failure)) {
        out->failed_at = now.failed_at;
        memcpy(out->failure, now.failure, sizeof out->failure);
    }
    return QUIPU_OK;
}
