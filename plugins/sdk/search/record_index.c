/* record_index.c - see record_index.h: what is kept, and finding by id. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* writer-preferring locks */
#endif
#include "record_index_inner.h"

#include <sdk/abi_check.h>
#include <sdk/filter.h>
#include <sdk/query.h>

#include <stdlib.h>
#include <time.h>

static quipu_str id_of(const void *owner, uint32_t number)
{
    const record_index *ix = owner;
    return record_view(ix->slots[number].record)->id;
}

/* Writers first: a flood of searches must not keep a change waiting for ever. */
static int init_lock(pthread_rwlock_t *lock)
{
#ifdef __GLIBC__
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    int rc = pthread_rwlock_init(lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    return rc;
#else
    return pthread_rwlock_init(lock, NULL);
#endif
}

int32_t record_index_create(const quipu_host *host, record_index **out, quipu_error *error)
{
    *out = NULL;
    record_index *ix = calloc(1, sizeof *ix);
    if (!ix)
        goto err0;
    ix->host = host;
    ix->free_head = NO_SLOT;
    ix->by_time.by_time = true;
    str_table_init(&ix->by_id, id_of, ix);
    if (init_lock(&ix->lock) != 0)
        goto err1;
    if (pthread_mutex_init(&ix->build, NULL) != 0)
        goto err2;
    if (pthread_mutex_init(&ix->turn_lock, NULL) != 0)
        goto err3;
    if (pthread_cond_init(&ix->turn_free, NULL) != 0)
        goto err4;
    *out = ix;
    return QUIPU_OK;
err4:
    pthread_mutex_destroy(&ix->turn_lock);
err3:
    pthread_mutex_destroy(&ix->build);
err2:
    pthread_rwlock_destroy(&ix->lock);
err1:
    free(ix);
err0:
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an index");
}

void record_index_free(record_index *ix)
{
    if (!ix)
        return;
    for (uint32_t i = 0; i < ix->slot_count; i++)
        record_free(ix->slots[i].record);
    free(ix->slots);
    str_table_free(&ix->by_id);
    order_free(&ix->by_name);
    order_free(&ix->by_time);
    lexical_free(ix->words);
    passages_free(ix->vectors);
    free(ix->missing);
    pthread_cond_destroy(&ix->turn_free);
    pthread_mutex_destroy(&ix->turn_lock);
    pthread_mutex_destroy(&ix->build);
    pthread_rwlock_destroy(&ix->lock);
    free(ix);
}

/* ---- locks ---- */

static bool in_own_batch(record_index *ix)
{
    /* The owner is written before the flag is set: who sees another thread's flag sees another owner. */
    return atomic_load(&ix->in_batch) && pthread_equal(atomic_load(&ix->batch_owner), pthread_self());
}

bool index_read_lock(record_index *ix)
{
    if (in_own_batch(ix))
        return false;
    pthread_rwlock_rdlock(&ix->lock);
    return true;
}

static bool write_lock(record_index *ix)
{
    if (in_own_batch(ix))
        return false;
    pthread_rwlock_wrlock(&ix->lock);
    return true;
}

void index_unlock(record_index *ix, bool locked)
{
    if (locked)
        pthread_rwlock_unlock(&ix->lock);
}

void record_index_begin(record_index *ix)
{
    pthread_rwlock_wrlock(&ix->lock);
    atomic_store(&ix->batch_owner, pthread_self());
    atomic_store(&ix->in_batch, true);
}

void record_index_end(record_index *ix)
{
    atomic_store(&ix->in_batch, false);
    pthread_rwlock_unlock(&ix->lock);
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

void index_log(const record_index *ix, uint32_t level, const char *text)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_SERVICE_LOG), component = QUIPU_STR_INIT("index");
    const quipu_log_service *log = ix->host ? ix->host->get_service(ix->host, &id) : NULL;
    quipu_str message = str_of(text);
    if (log)
        log->write(ix->host, level, &component, &message);
}

/* ---- changes ---- */

static bool grow_slots(record_index *ix)
{
    if (ix->free_head != NO_SLOT || ix->slot_count < ix->slot_capacity)
        return true;
    if (ix->slot_capacity > NO_SLOT / 2)
        return false;
    uint32_t capacity = ix->slot_capacity ? ix->slot_capacity * 2 : 64;
    index_slot *slots = realloc(ix->slots, capacity * sizeof *slots);
    if (!slots)
        return false;
    ix->slots = slots;
    ix->slot_capacity = capacity;
    return true;
}

static uint32_t take_slot(record_index *ix)
{
    uint32_t n = ix->free_head;
    if (n == NO_SLOT) {
        n = ix->slot_count++;
        ix->slots[n] = (index_slot){ .passage = PASSAGES_NONE, .next_free = NO_SLOT };
    } else {
        ix->free_head = ix->slots[n].next_free;
    }
    return n;
}

/* Everything that finds a record learns of the slot's new one. */
static void announce(record_index *ix, uint32_t n, const record *before)
{
    ix->slots[n].generation++;
    order_put(ix, &ix->by_name, n);
    order_put(ix, &ix->by_time, n);
    index_words_put(ix, n);
    index_vectors_put(ix, n, before);
}

int32_t record_index_put(record_index *ix, record *r, quipu_error *error)
{
    quipu_str id = record_view(r)->id;
    bool locked = write_lock(ix);
    uint32_t n = str_table_find(&ix->by_id, id);
    if (n == STR_TABLE_NONE && (!grow_slots(ix) || !str_table_reserve(&ix->by_id))) {
        index_unlock(ix, locked);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for another record");
    }
    record *before = NULL;
    if (n == STR_TABLE_NONE) {
        n = take_slot(ix);
        ix->slots[n].record = record_share(r);
        str_table_add(&ix->by_id, id, n);
        ix->count++;
    } else {
        index_words_drop(ix, n);
        before = ix->slots[n].record;
        ix->slots[n].record = record_share(r);
        ix->by_name.removed = ix->by_time.removed = true;
    }
    announce(ix, n, before);
    index_unlock(ix, locked);
    record_free(before);
    return QUIPU_OK;
}

void record_index_remove(record_index *ix, quipu_str id)
{
    bool locked = write_lock(ix);
    uint32_t n = id.ptr ? str_table_find(&ix->by_id, id) : STR_TABLE_NONE;
    record *before = NULL;
    if (n != STR_TABLE_NONE) {
        index_slot *slot = &ix->slots[n];
        index_words_drop(ix, n);
        index_vectors_drop(ix, n);
        str_table_remove(&ix->by_id, id);
        before = slot->record;
        slot->record = NULL;
        slot->generation++;
        slot->next_free = ix->free_head;
        ix->free_head = n;
        ix->by_name.removed = ix->by_time.removed = true;
        ix->count--;
    }
    index_unlock(ix, locked);
    record_free(before);
}

/* ---- finding by id ---- */

record *record_index_find(record_index *ix, quipu_str id)
{
    bool locked = index_read_lock(ix);
    uint32_t n = id.ptr ? str_table_find(&ix->by_id, id) : STR_TABLE_NONE;
    record *r = n == STR_TABLE_NONE ? NULL : record_share(ix->slots[n].record);
    index_unlock(ix, locked);
    return r;
}

uint64_t record_index_count(record_index *ix)
{
    bool locked = index_read_lock(ix);
    uint64_t count = ix->count;
    index_unlock(ix, locked);
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
    int32_t rc = query_check_get(q, error);
    if (rc == QUIPU_OK)
        rc = refuse_as_of(q->as_of, error);
    if (rc == QUIPU_OK)
        rc = abi_check_call(call, error);
    if (rc != QUIPU_OK)
        return rc;
    record *r = record_index_find(ix, q->id);
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
