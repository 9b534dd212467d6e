/* record_index_vectors.c - see record_index_vectors.h. */
#include "record_index_vectors.h"

#include <base/hash.h>
#include <sdk/services.h>
#include <stdlib.h>
#include <unistd.h>

#define SETTLE_EVERY 4096u                    /* vectors that a crash may cost */
#define SETTLE_AFTER_NS ((int64_t)1000000000) /* or as old as they are then */

/* ---- life ---- */

int32_t embeddings_create(const quipu_host *host, embeddings **out, quipu_error *error)
{
    embeddings *e = calloc(1, sizeof *e);
    *out = NULL;
    if (!e)
        goto err0;
    atomic_init(&e->users, 1);
    e->host = host;
    e->process = getpid();
    if (pthread_mutex_init(&e->lock, NULL) != 0)
        goto err1;
    if (!embeddings_begin_turn(e))
        goto err2;
    *out = e;
    return QUIPU_OK;
err2:
    pthread_mutex_destroy(&e->lock);
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

static void log_trouble(const embeddings *e, const char *what, const char *why)
{
    buffer line = { 0 };
    buffer_printf(&line, "%s: %s", what, why);
    if (!line.failed)
        index_log_to(e->host, QUIPU_LOG_WARNING, line.bytes);
    buffer_free(&line);
}

static void settle_now(const embeddings *e, vector_index *index)
{
    quipu_error error = { .struct_size = sizeof error };
    if (vector_index_settle(index, NULL, &error) != QUIPU_OK)
        log_trouble(e, "vectors were not written, and will be computed again", error.message);
}

void embeddings_free(embeddings *e)
{
    if (!e || atomic_fetch_sub_explicit(&e->users, 1, memory_order_acq_rel) > 1)
        return;
    bool own = e->process ==
               getpid(); /* else locks may be held by threads that are not there: nothing is waited for or written */
    if (e->settler_began && own)
        pthread_join(e->settler, NULL);
    for (uint32_t i = 0; i < e->count; i++) {
        if (e->path && own)
            settle_now(e, e->models[i].index);
        vector_index_free(e->models[i].index);
    }
    embeddings_end_turn(e);
    if (own)
        pthread_mutex_destroy(&e->lock);
    free(e->path);
    free(e);
}

int32_t record_index_vectors_in(record_index *ix, const char *path, bool read_only, quipu_error *error)
{
    embeddings *e = ix->vectors;
    char *copy = str_dup(str_of(path));
    if (!copy)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an index");
    free(e->path);
    e->path = copy;
    e->read_only = read_only;
    return QUIPU_OK;
}

/* ---- models ---- */

static uint64_t next_epoch(void)
{
    static _Atomic uint64_t epochs;
    return atomic_fetch_add(&epochs, 1) + 1;
}

void model_vectors_changed(model_vectors *m)
{
    atomic_store(&m->epoch, next_epoch());
}

/* The folder of a model: its id may be long, and hold what no file name does. */
void embeddings_folder(const quipu_model *model, char out[32])
{
    buffer text = { 0 };
    uint8_t hash[32] = { 0 };
    buffer_printf(&text, "%u ", model->dimension);
    buffer_append_str(&text, model->id);
    if (!text.failed)
        hash_sha256(text.bytes, text.len, hash);
    buffer_free(&text);
    memcpy(out, "vectors-", 8);
    hex_encode(hash, 8, out + 8);
    out[24] = '\0';
}

static int32_t open_model(const embeddings *e, const quipu_model *model, vector_index **out, quipu_error *error)
{
    char name[32];
    bool rebuilt = false;
    quipu_error why = { .struct_size = sizeof why };
    int32_t rc = QUIPU_E_NOT_FOUND;
    embeddings_folder(model, name);
    if (e->path)
        rc = vector_index_open(e->path, name, e->read_only, model->id, model->dimension, out, &rebuilt, &why);
    if (rc == QUIPU_OK && rebuilt)
        log_trouble(e, "vectors are damaged, and computed again", name);
    if (rc == QUIPU_OK)
        return rc;
    if (e->path && !(e->read_only && rc == QUIPU_E_NOT_FOUND))
        log_trouble(e, "vectors are kept in memory alone", why.message);
    return vector_index_open(NULL, NULL, false, model->id, model->dimension, out, NULL, error);
}

static int32_t add_model(embeddings *e, const quipu_model *model, quipu_error *error)
{
    if (e->count == EMBEDDINGS_MODELS)
        return fail(error, QUIPU_E_PLUGIN, NULL, "the embedder named more than %u models; open the store again",
                    EMBEDDINGS_MODELS);
    int32_t rc = open_model(e, model, &e->models[e->count].index, error);
    if (rc != QUIPU_OK)
        return rc;
    model_vectors_changed(&e->models[e->count++]);
    buffer line = { 0 };
    buffer_printf(&line, "similarity is computed by %s", vectors_blas_name());
    if (!line.failed)
        index_log_to(e->host, QUIPU_LOG_DEBUG, line.bytes);
    buffer_free(&line);
    return QUIPU_OK;
}

int32_t embeddings_model(embeddings *e, const quipu_model *model, model_vectors **out, quipu_error *error)
{
    int32_t rc = QUIPU_OK;
    uint32_t i = 0;
    pthread_mutex_lock(&e->lock);
    while (i < e->count && !vector_index_is_of(e->models[i].index, model->id, model->dimension))
        i++;
    if (i == e->count)
        rc = add_model(e, model, error);
    pthread_mutex_unlock(&e->lock);
    *out = rc == QUIPU_OK ? &e->models[i] : NULL;
    return rc;
}

/* ---- to disk ---- */

/* The turn among processes is held until all is written; what was added meanwhile is written as well where nobody else will do it. */
static void *run_settler(void *context)
{
    embeddings *e = context;
    for (int i = 0; i == 0 || (i < 3 && e->settler_alone && embeddings_last_alone(e) &&
                               vector_index_unsettled(e->settled) > 0 && e->path && !e->read_only);
         i++)
        settle_now(e, e->settled);
    if (e->settler_alone)
        embeddings_not_alone(e);
    atomic_store(&e->settler_ended, true);
    return NULL;
}

void embeddings_settle(embeddings *e, model_vectors *m)
{
    uint64_t unsettled = vector_index_unsettled(m->index);
    /* In RAM partitions alone are gained. */
    if (unsettled == 0 || (!e->path && unsettled < VECTOR_INDEX_PARTITIONED))
        return;
    if (e->settler_began && !atomic_load(&e->settler_ended))
        return; /* the next time, or at the end */
    if (e->settler_began)
        pthread_join(e->settler, NULL);
    e->settled = m->index;
    e->settled_at = monotonic_now();
    e->settler_alone = embeddings_try_alone(e);
    atomic_store(&e->settler_ended, false);
    e->settler_began = pthread_create(&e->settler, NULL, run_settler, e) == 0;
    if (!e->settler_began)
        run_settler(e);
}

void embeddings_settle_now_and_then(embeddings *e, model_vectors *m)
{
    uint64_t unsettled = vector_index_unsettled(m->index);
    if (unsettled >= SETTLE_EVERY || (unsettled > 0 && monotonic_now() - e->settled_at > SETTLE_AFTER_NS))
        embeddings_settle(e, m);
}

/* ---- documents ---- */

known_vectors *known_of(segment *s)
{
    known_vectors *k = segment_extra_get(s, SEGMENT_EXTRA_VECTORS);
    uint32_t documents = segment_documents(s);
    if (k)
        return k;
    size_t places = documents * sizeof k->places[0];
    k = calloc(1, sizeof *k + places + 2 * bits_words(documents) * sizeof *k->has);
    if (!k)
        return NULL;
    k->has = k->places + documents;
    k->none = k->has + bits_words(documents);
    return segment_extra_set(s, SEGMENT_EXTRA_VECTORS, (segment_extra){ k, free });
}

bool known_all(const known_vectors *k, uint64_t epoch, const bits *alive)
{
    if (!k || atomic_load(&k->epoch) != epoch)
        return false;
    for (size_t i = 0; i < bits_words(alive->count); i++)
        if (alive->words[i] & ~atomic_load_explicit(&k->has[i], memory_order_relaxed))
            return false;
    return true;
}

uint64_t known_missing(const known_vectors *k, uint64_t epoch, const bits *alive)
{
    uint64_t count = 0;
    bool any = k && atomic_load(&k->epoch) == epoch;
    for (size_t i = 0; i < bits_words(alive->count); i++)
        count += (uint64_t)__builtin_popcountll(
            alive->words[i] & (any ? ~atomic_load_explicit(&k->has[i], memory_order_relaxed) : UINT64_MAX));
    return count;
}

uint64_t known_passages(const known_vectors *k, const bits *alive)
{
    uint64_t count = 0;
    for (size_t i = 0; i < bits_words(alive->count); i++)
        count +=
            (uint64_t)__builtin_popcountll(alive->words[i] & ~atomic_load_explicit(&k->none[i], memory_order_relaxed));
    return count;
}

void known_begin(known_vectors *k, uint64_t epoch, uint32_t documents)
{
    if (atomic_load(&k->epoch) == epoch)
        return;
    atomic_store(&k->epoch, 0);
    for (size_t i = 0; i < 2 * bits_words(documents); i++) /* `none` lies behind it */
        atomic_store_explicit(&k->has[i], 0, memory_order_relaxed);
    atomic_store(&k->epoch, epoch);
}

uint32_t embeddings_row(const vector_view *v, const segment *s, known_vectors *k, uint32_t document)
{
    uint64_t place = k ? atomic_load_explicit(&k->places[document], memory_order_relaxed) : 0;
    uint32_t row = place ? vector_view_at_place(v, place) : VECTORS_NONE;
    if (row != VECTORS_NONE || !segment_has_passage(s, document))
        return row;
    row = vector_view_find(v, segment_passage(s, document));
    if (k && row != VECTORS_NONE)
        atomic_store_explicit(&k->places[document], vector_view_place(v, row), memory_order_relaxed);
    return row;
}
