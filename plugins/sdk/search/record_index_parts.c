/* record_index_parts.c - see record_index_inner.h: what is pending becomes a segment, many small segments become one. */
#include "record_index_inner.h"

#include <stdlib.h>

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an index");
}

int32_t index_add_part(record_index *ix, segment *s, bits *alive, const char *file, quipu_error *error)
{
    if (ix->part_count == ix->part_capacity) {
        size_t capacity = ix->part_capacity ? ix->part_capacity * 2 : 8;
        index_part *parts = realloc(ix->parts, capacity * sizeof *parts);
        if (!parts) {
            segment_free(s);
            bits_free(alive);
            return no_memory(error);
        }
        ix->parts = parts;
        ix->part_capacity = capacity;
    }
    index_part *part = &ix->parts[ix->part_count++];
    *part = (index_part){ .segment = s, .alive = alive };
    memcpy(part->file, file, strlen(file) + 1);
    return QUIPU_OK;
}

void index_drop_part(record_index *ix, size_t i)
{
    segment_free(ix->parts[i].segment);
    bits_free(ix->parts[i].alive);
    memmove(&ix->parts[i], &ix->parts[i + 1], (--ix->part_count - i) * sizeof ix->parts[0]);
}

/* ---- merging ---- */

/* Old versions go where they are more than half of what is merged, or nobody asks for them. */
static bool dead_go(const record_index *ix, const size_t *which, size_t count)
{
    uint64_t documents = 0, alive = 0;
    for (size_t i = 0; i < count; i++) {
        documents += segment_documents(ix->parts[which[i]].segment);
        alive += bits_total(ix->parts[which[i]].alive);
    }
    return !ix->keep_history || alive * 2 < documents;
}

/* Drops the parts of these places, which ascend. */
static void drop_parts(record_index *ix, const size_t *which, size_t count)
{
    for (size_t i = count; i > 0; i--)
        index_drop_part(ix, which[i - 1]);
}

int32_t index_merge_parts(record_index *ix, const size_t *which, size_t count, quipu_error *error)
{
    bool without_dead = dead_go(ix, which, count);
    segment_source *sources = calloc(count, sizeof *sources);
    buffer bytes = { 0 };
    bits *alive = NULL;
    segment *merged = NULL;
    uint64_t kept = 0;
    int32_t code = sources ? QUIPU_OK : no_memory(error);
    for (size_t i = 0; i < count && code == QUIPU_OK; i++) {
        index_part *part = &ix->parts[which[i]];
        bits *keep = without_dead ? bits_share(part->alive) : bits_create(segment_documents(part->segment), true);
        sources[i] = (segment_source){ part->segment, keep, part->alive };
        code = keep ? QUIPU_OK : no_memory(error);
        kept += keep ? bits_total(keep) : 0;
    }
    if (code == QUIPU_OK && kept > 0)
        code = segment_merge(sources, count, &bytes, &alive, error);
    if (code == QUIPU_OK && kept > 0)
        code = segment_of_buffer(&bytes, &merged, error);
    if (code == QUIPU_OK && merged) {
        code = index_add_part(ix, merged, alive, "", error);
        alive = NULL;
    }
    if (code == QUIPU_OK)
        drop_parts(ix, which, count); /* they stand before the new one */
    for (size_t i = 0; sources && i < count; i++)
        bits_free((bits *)(uintptr_t)sources[i].keep);
    free(sources);
    buffer_free(&bytes);
    bits_free(alive);
    return code;
}

/* ---- what is pending ---- */

/* Records of one merge within a reader's call, in an index that is saved: the rest is the saver's work. */
enum { MERGE_AT_ONCE = 16384, RUN_MAX = 64 };

/* Merges the newest parts as long as the next older one is not much larger than they are together. */
static int32_t merge_newest(record_index *ix, quipu_error *error)
{
    size_t which[RUN_MAX], count = 0;
    uint64_t documents = 0;
    size_t first = ix->part_count;
    while (first > 0 && count < RUN_MAX && !ix->parts[first - 1].file[0]) {
        uint32_t next = segment_documents(ix->parts[first - 1].segment);
        if (count > 0 && (next >= 2 * documents || (ix->keep_history && documents + next > MERGE_AT_ONCE)))
            break;
        documents += next;
        count++;
        first--;
    }
    for (size_t i = 0; i < count; i++)
        which[i] = first + i;
    return count > 1 ? index_merge_parts(ix, which, count, error) : QUIPU_OK;
}

static int32_t add_segment(record_index *ix, buffer *bytes, quipu_error *error)
{
    segment *s = NULL;
    int32_t code = segment_of_buffer(bytes, &s, error);
    if (code != QUIPU_OK)
        return code;
    bits *alive = bits_create(segment_documents(s), true);
    if (!alive) {
        segment_free(s);
        return no_memory(error);
    }
    return index_add_part(ix, s, alive, "", error);
}

int32_t index_end_job(record_index *ix, quipu_error *error)
{
    pending_job *job = ix->job;
    if (!job)
        return QUIPU_OK;
    pending_job_wait(job);
    int32_t code = job->code == QUIPU_OK ? add_segment(ix, &job->bytes, error)
                                         : fail(error, job->code, NULL, "%s", job->error.message);
    ix->failed = ix->failed || code != QUIPU_OK;
    ix->job = NULL;
    pending_job_free(job);
    return code == QUIPU_OK ? merge_newest(ix, error) : code;
}

int32_t index_flush_aside(record_index *ix, quipu_error *error)
{
    int32_t code = index_end_job(ix, error);
    if (code != QUIPU_OK)
        return code;
    ix->job = pending_job_begin(&ix->pending);
    return ix->job ? QUIPU_OK : no_memory(error);
}

int32_t index_flush(record_index *ix, quipu_error *error)
{
    buffer bytes = { 0 };
    int32_t code = index_end_job(ix, error);
    if (code != QUIPU_OK || ix->pending.count == 0)
        return code;
    code = pending_build(&ix->pending, &bytes, error);
    if (code == QUIPU_OK)
        code = add_segment(ix, &bytes, error);
    buffer_free(&bytes);
    if (code != QUIPU_OK)
        return code;
    pending_free(&ix->pending);
    return merge_newest(ix, error);
}
