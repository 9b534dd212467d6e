/* record_index.c - see record_index.h: changes, snapshots, and finding by id. */
#include "record_index_inner.h"

#include <sdk/abi_check.h>
#include <sdk/filter.h>
#include <sdk/query.h>

#include <base/hash.h>
#include <stdlib.h>
#include <time.h>

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an index");
}

/* ---- life ---- */

static int32_t create_with(const quipu_host *host, embeddings *vectors, text_language language, record_index **out,
                           quipu_error *error)
{
    *out = NULL;
    record_index *ix = calloc(1, sizeof *ix);
    if (!ix)
        goto err0;
    ix->host = host;
    ix->vectors = vectors;
    atomic_init(&ix->stale, true); /* there is no snapshot yet */
    pending_begin(&ix->pending, language);
    if (pthread_mutex_init(&ix->write, NULL) != 0)
        goto err1;
    if (pthread_mutex_init(&ix->lock, NULL) != 0)
        goto err2;
    *out = ix;
    return QUIPU_OK;
err2:
    pthread_mutex_destroy(&ix->write);
err1:
    free(ix);
err0:
    embeddings_free(vectors);
    return no_memory(error);
}

int32_t record_index_create(const quipu_host *host, record_index **out, quipu_error *error)
{
    embeddings *vectors;
    *out = NULL;
    int32_t code = embeddings_create(host, &vectors, error);
    return code == QUIPU_OK ? create_with(host, vectors, TEXT_ENGLISH, out, error) : code;
}

int32_t record_index_create_beside(record_index *ix, record_index **out, quipu_error *error)
{
    return create_with(ix->host, embeddings_share(ix->vectors), ix->pending.language, out, error);
}

int32_t record_index_fork(record_index *ix, record_index **out, quipu_error *error)
{
    index_snapshot *s;
    int32_t code = index_snapshot_take(ix, &s, error);
    if (code != QUIPU_OK)
        return code;
    code = create_with(ix->host, embeddings_share(ix->vectors), ix->pending.language, out, error);
    for (size_t i = 0; i < s->count && code == QUIPU_OK; i++) {
        code = index_add_part(*out, segment_share(s->parts[i].segment), bits_share(s->parts[i].alive), s->parts[i].file,
                              error);
        (*out)->count += bits_total(s->parts[i].alive);
    }
    index_snapshot_free(s);
    if (code == QUIPU_OK) {
        (*out)->keep_history = true; /* of a fork nothing is saved, so nothing is merged for its sake */
        return QUIPU_OK;
    }
    record_index_free(*out);
    *out = NULL;
    return code;
}

void record_index_set_language(record_index *ix, text_language language)
{
    ix->pending.language = language;
}

void record_index_free(record_index *ix)
{
    if (!ix)
        return;
    pending_job_free(ix->job);
    pending_free(&ix->pending);
    while (ix->part_count > 0)
        index_drop_part(ix, ix->part_count - 1);
    free(ix->parts);
    index_snapshot_free(ix->current);
    embeddings_free(ix->vectors);
    pthread_mutex_destroy(&ix->lock);
    pthread_mutex_destroy(&ix->write);
    free(ix);
}

void record_index_keep_history(record_index *ix)
{
    ix->keep_history = true;
}

/* ---- locks ---- */

static bool in_own_batch(record_index *ix)
{
    /* The owner is written before the flag is set: who sees another thread's flag sees another owner. */
    return atomic_load(&ix->in_batch) && pthread_equal(atomic_load(&ix->batch_owner), pthread_self());
}

bool index_write_lock(record_index *ix)
{
    if (in_own_batch(ix))
        return false;
    pthread_mutex_lock(&ix->write);
    return true;
}

void index_write_unlock(record_index *ix, bool locked)
{
    if (locked)
        pthread_mutex_unlock(&ix->write);
}

void record_index_begin(record_index *ix)
{
    pthread_mutex_lock(&ix->write);
    atomic_store(&ix->batch_owner, pthread_self());
    atomic_store(&ix->in_batch, true);
}

void record_index_end(record_index *ix)
{
    atomic_store(&ix->stale, true);
    atomic_store(&ix->in_batch, false);
    pthread_mutex_unlock(&ix->write);
}

/* ---- host services ---- */

int64_t index_now(const record_index *ix)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_SERVICE_CLOCK);
    const quipu_clock_service *clock = ix->host ? ix->host->get_service(ix->host, &id) : NULL;
    if (clock)
        return clock->now(ix->host);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void index_log_to(const quipu_host *host, uint32_t level, const char *text)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_SERVICE_LOG), component = QUIPU_STR_INIT("index");
    const quipu_log_service *log = host ? host->get_service(host, &id) : NULL;
    quipu_str message = str_of(text);
    if (log)
        log->write(host, level, &component, &message);
}

void index_log(const record_index *ix, uint32_t level, const char *text)
{
    index_log_to(ix->host, level, text);
}

/* ---- snapshots ---- */

void index_snapshot_free(index_snapshot *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->users, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < s->count; i++) {
        segment_free(s->parts[i].segment);
        bits_free(s->parts[i].alive);
    }
    free(s);
}

/* Of the parts as they are. Under `write`, with nothing pending. */
static index_snapshot *snapshot_of_parts(record_index *ix)
{
    index_snapshot *s = malloc(sizeof *s + ix->part_count * sizeof s->parts[0]);
    if (!s)
        return NULL;
    atomic_init(&s->users, 1);
    s->count = ix->part_count;
    for (size_t i = 0; i < s->count; i++) {
        s->parts[i] = ix->parts[i];
        segment_share(s->parts[i].segment);
        bits_share(s->parts[i].alive);
    }
    return s;
}

static int32_t flush_and_show(record_index *ix, index_snapshot **out, quipu_error *error)
{
    int32_t code = ix->failed ? no_memory(error) : index_flush(ix, error);
    *out = code == QUIPU_OK ? snapshot_of_parts(ix) : NULL;
    return code == QUIPU_OK && !*out ? no_memory(error) : code;
}

static int32_t publish(record_index *ix, quipu_error *error)
{
    index_snapshot *fresh = NULL, *old;
    int32_t code = QUIPU_OK;
    pthread_mutex_lock(&ix->write);
    if (atomic_load(&ix->stale))
        code = flush_and_show(ix, &fresh, error);
    pthread_mutex_lock(&ix->lock);
    old = fresh ? ix->current : NULL;
    if (fresh)
        ix->current = fresh;
    pthread_mutex_unlock(&ix->lock);
    if (fresh)
        atomic_store(&ix->stale, false); /* after it is there: who reads this takes no older one */
    pthread_mutex_unlock(&ix->write);
    index_snapshot_free(old);
    return code;
}

int32_t index_snapshot_take(record_index *ix, index_snapshot **out, quipu_error *error)
{
    *out = NULL;
    if (in_own_batch(ix))
        return flush_and_show(ix, out, error);
    int32_t code = atomic_load(&ix->stale) ? publish(ix, error) : QUIPU_OK;
    if (code != QUIPU_OK)
        return code;
    pthread_mutex_lock(&ix->lock);
    *out = ix->current;
    atomic_fetch_add_explicit(&(*out)->users, 1, memory_order_relaxed);
    pthread_mutex_unlock(&ix->lock);
    return QUIPU_OK;
}

/* ---- changes ---- */

static void changed(record_index *ix)
{
    ix->unsaved++;
    if (!atomic_load(&ix->in_batch))
        atomic_store(&ix->stale, true);
}

/* The living document of this id, over all parts. */
static bool find_in_parts(const record_index *ix, quipu_str id, size_t *part, uint32_t *document)
{
    for (size_t i = ix->part_count; i > 0; i--) {
        *document = segment_find(ix->parts[i - 1].segment, ix->parts[i - 1].alive, id);
        *part = i - 1;
        if (*document != BITS_NONE)
            return true;
    }
    return false;
}

/* Ends the life of what has this id in a part; whether there was anything. */
static bool end_life(record_index *ix, quipu_str id)
{
    size_t part;
    uint32_t document;
    if (!find_in_parts(ix, id, &part, &document))
        return false;
    if (bits_own(&ix->parts[part].alive))
        bits_drop(ix->parts[part].alive, document);
    else
        ix->failed = true;
    return true;
}

/* So that a bulk stays small in memory. */
static bool pending_is_full(const record_index *ix)
{
    return ix->pending.count >= 32768 || ix->pending.bytes >= (uint64_t)32 << 20;
}

/* A job must not hold what is about to change. */
static int32_t leave_job(record_index *ix, quipu_str id, quipu_error *error)
{
    return ix->job && pending_find(&ix->job->set, id) ? index_end_job(ix, error) : QUIPU_OK;
}

int32_t record_index_put(record_index *ix, record *r, quipu_error *error)
{
    quipu_str id = record_view(r)->id;
    record *before = NULL;
    bool locked = index_write_lock(ix);
    int32_t code = pending_is_full(ix) ? index_flush_aside(ix, error) : QUIPU_OK;
    if (code == QUIPU_OK)
        code = leave_job(ix, id, error);
    if (code == QUIPU_OK && !pending_put(&ix->pending, r, &before))
        code = no_memory(error);
    if (code == QUIPU_OK) {
        ix->count += !before && !end_life(ix, id);
        changed(ix);
    }
    index_write_unlock(ix, locked);
    record_free(before);
    return code;
}

/* Ends the life of what has this id, wherever it is; whether there was anything. */
static bool end_life_anywhere(record_index *ix, quipu_str id)
{
    if (leave_job(ix, id, NULL) != QUIPU_OK)
        ix->failed = true;
    record *waiting = pending_take(&ix->pending, id);
    bool was = waiting || end_life(ix, id);
    record_free(waiting);
    return was;
}

void record_index_remove(record_index *ix, quipu_str id)
{
    if (!id.ptr)
        return;
    bool locked = index_write_lock(ix);
    if (end_life_anywhere(ix, id)) {
        ix->count--;
        changed(ix);
    }
    index_write_unlock(ix, locked);
}

bool record_index_revive(record_index *ix, quipu_str id, const uint8_t version[20])
{
    bool locked = index_write_lock(ix), found = false;
    for (size_t i = ix->part_count; i > 0 && !found; i--) {
        index_part *part = &ix->parts[i - 1];
        uint32_t document = segment_find_version(part->segment, version);
        if (document == BITS_NONE || !str_same(segment_id(part->segment, document), id))
            continue;
        ix->count += !end_life_anywhere(ix, id);
        if (bits_own(&part->alive))
            bits_add(part->alive, document);
        else
            ix->failed = true;
        changed(ix);
        found = true;
    }
    index_write_unlock(ix, locked);
    return found;
}

/* ---- finding by id ---- */

int32_t record_index_look(record_index *ix, quipu_str id, record **out, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    size_t part;
    uint32_t document;
    *out = NULL;
    if (!id.ptr)
        return QUIPU_OK;
    bool locked = index_write_lock(ix);
    record *waiting = pending_find(&ix->pending, id);
    if (!waiting && ix->job)
        waiting = pending_find(&ix->job->set, id);
    if (ix->failed)
        code = no_memory(error);
    else if (waiting)
        *out = record_share(waiting);
    else if (find_in_parts(ix, id, &part, &document))
        code = segment_record(ix->parts[part].segment, document, out, error);
    index_write_unlock(ix, locked);
    return code;
}

record *record_index_find(record_index *ix, quipu_str id)
{
    record *r;
    return record_index_look(ix, id, &r, NULL) == QUIPU_OK ? r : NULL;
}

uint64_t record_index_count(record_index *ix)
{
    bool locked = index_write_lock(ix);
    uint64_t count = ix->count;
    index_write_unlock(ix, locked);
    return count;
}

/* As of another time is another index: the backend resolves it. */
static int32_t refuse_as_of(quipu_str as_of, quipu_error *error)
{
    return str_present(as_of) ? fail(error, QUIPU_E_UNSUPPORTED, "as_of", "this backend keeps no history") : QUIPU_OK;
}

int32_t record_index_get(record_index *ix, const quipu_get *q, quipu_hit_fn visit, void *context,
                         const quipu_call *call, quipu_error *error)
{
    record *r = NULL;
    int32_t rc = query_check_get(q, error);
    if (rc == QUIPU_OK)
        rc = refuse_as_of(q->as_of, error);
    if (rc == QUIPU_OK)
        rc = abi_check_call(call, error);
    if (rc == QUIPU_OK)
        rc = record_index_look(ix, q->id, &r, error);
    if (rc != QUIPU_OK)
        return rc;
    int32_t match = r ? filter_match(q->filter, record_view(r), index_now(ix)) : 0;
    if (match == 1) {
        quipu_hit hit = { .struct_size = sizeof hit, .record = record_view(r) };
        bool stop;
        rc = query_answer(visit(context, &hit), &stop, error);
    } else if (match < 0) {
        rc = fail(error, match, "filter", "the filter could not be applied: %s", error_text(match));
    } else {
        rc = fail(error, QUIPU_E_NOT_FOUND, "id", "there is no such record");
        fail_name_record(error, &q->id);
    }
    record_free(r);
    return rc;
}
