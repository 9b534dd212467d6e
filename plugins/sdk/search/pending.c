/* pending.c - see pending.h. */
#include "pending.h"

#include "segment.h"
#include <base/fail.h>
#include <stdlib.h>

static quipu_str id_of(const void *owner, uint32_t number)
{
    const pending_set *p = owner;
    return record_view(p->records[number])->id;
}

void pending_begin(pending_set *p, text_language language)
{
    *p = (pending_set){ .language = language };
    str_table_init(&p->by_id, id_of, p);
}

void pending_free(pending_set *p)
{
    for (uint32_t i = 0; i < p->count; i++)
        record_free(p->records[i]);
    free(p->records);
    str_table_free(&p->by_id);
    p->records = NULL;
    p->count = p->capacity = 0;
    p->bytes = 0;
}

record *pending_find(const pending_set *p, quipu_str id)
{
    uint32_t n = str_table_find(&p->by_id, id);
    return n == STR_TABLE_NONE ? NULL : p->records[n];
}

static bool make_room(pending_set *p)
{
    if (p->count == p->capacity) {
        uint32_t capacity = p->capacity ? p->capacity * 2 : 64;
        record **records = realloc(p->records, capacity * sizeof(*records));
        if (!records)
            return false;
        p->records = records;
        p->capacity = capacity;
    }
    return str_table_reserve(&p->by_id);
}

bool pending_put(pending_set *p, record *r, record **before)
{
    quipu_str id = record_view(r)->id;
    uint32_t n = str_table_find(&p->by_id, id);
    *before = NULL;
    if (n != STR_TABLE_NONE) { /* the table finds the number by the new one's id, which is equal */
        *before = p->records[n];
        p->records[n] = record_share(r);
    } else {
        if (!make_room(p))
            return false;
        p->records[p->count] = record_share(r);
        str_table_add(&p->by_id, id, p->count++);
    }
    p->bytes += record_view(r)->json.len;
    return true;
}

record *pending_take(pending_set *p, quipu_str id)
{
    uint32_t n = str_table_find(&p->by_id, id);
    if (n == STR_TABLE_NONE)
        return NULL;
    record *r = p->records[n];
    uint32_t last = p->count - 1;
    str_table_remove(&p->by_id, id);
    if (n != last) { /* the last one moves into its place */
        quipu_str moved = record_view(p->records[last])->id;
        str_table_remove(&p->by_id, moved);
        p->records[n] = p->records[last];
        str_table_add(&p->by_id, moved, n); /* there is room: one was just taken out */
    }
    p->count = last;
    return r;
}

static int compare_ids(const void *left, const void *right)
{
    return str_compare(record_view(*(record *const *)left)->id, record_view(*(record *const *)right)->id);
}

int32_t pending_build(const pending_set *p, buffer *out, quipu_error *error)
{
    record **sorted = malloc(((size_t)p->count + 1) * sizeof(*sorted));
    if (!sorted)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an index");
    if (p->count)
        memcpy(sorted, p->records, p->count * sizeof(*sorted));
    qsort(sorted, p->count, sizeof(*sorted), compare_ids);
    int32_t code = segment_build(sorted, p->count, p->language, out, error);
    free(sorted);
    return code;
}

/* ---- jobs ---- */

static void *run(void *context)
{
    pending_job *job = context;
    job->code = pending_build(&job->set, &job->bytes, &job->error);
    return NULL;
}

pending_job *pending_job_begin(pending_set *from)
{
    pending_job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->error.struct_size = sizeof job->error;
    job->set = *from;
    job->set.by_id.owner = &job->set;
    pending_begin(from, job->set.language);
    job->in_thread = pthread_create(&job->thread, NULL, run, job) == 0;
    if (!job->in_thread)
        run(job);
    return job;
}

void pending_job_wait(pending_job *job)
{
    if (job->in_thread)
        pthread_join(job->thread, NULL);
    job->in_thread = false;
}

void pending_job_free(pending_job *job)
{
    if (!job)
        return;
    pending_job_wait(job);
    pending_free(&job->set);
    buffer_free(&job->bytes);
    free(job);
}
