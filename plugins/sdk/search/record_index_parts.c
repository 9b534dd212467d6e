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

static int compare_pending(const void *left, const void *right)
{
    return str_compare(record_view(*(record *const *)left)->id, record_view(*(record *const *)right)->id);
}

static void forget_pending(record_index *ix)
{
    for (uint32_t i = 0; i < ix->pending_count; i++)
        record_free(ix->pending[i]);
    ix->pending_count = 0;
    ix->pending_bytes = 0;
    str_table_free(&ix->pending_by_id);
}

static int32_t build_pending(record_index *ix, quipu_error *error)
{
    buffer bytes = { 0 };
    segment *s = NULL;
    bits *alive = bits_create(ix->pending_count, true);
    /* Another order of the same records: what the table says of their places is wrong until they are forgotten. */
    record **sorted = malloc(ix->pending_count * sizeof(*sorted));
    int32_t code = alive && sorted ? QUIPU_OK : no_memory(error);
    if (code == QUIPU_OK) {
        memcpy(sorted, ix->pending, ix->pending_count * sizeof(*sorted));
        qsort(sorted, ix->pending_count, sizeof(*sorted), compare_pending);
        code = segment_build(sorted, ix->pending_count, &bytes, error);
    }
    if (code == QUIPU_OK)
        code = segment_of_buffer(&bytes, &s, error);
    if (code == QUIPU_OK) {
        code = index_add_part(ix, s, alive, "", error);
        alive = NULL;
    }
    free(sorted);
    buffer_free(&bytes);
    bits_free(alive);
    return code;
}

int32_t index_flush(record_index *ix, quipu_error *error)
{
    if (ix->pending_count == 0)
        return QUIPU_OK;
    int32_t code = build_pending(ix, error);
    if (code != QUIPU_OK)
        return code;
    forget_pending(ix);
    return merge_newest(ix, error);
}
