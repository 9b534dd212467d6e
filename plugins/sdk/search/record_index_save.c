/*
 * record_index_save.c - see record_index.h: an index as files.
 *
 * One file for each part, and behind them the state, which says what of them is alive; it is small and written anew each time:
 *
 *   "QUIPUST1", u32 parts, u32 zero; of each part u32 documents, u32 1 where bits follow (else all are alive), their u64;
 *   u64 length of what the owner added, its bytes
 */
#include "record_index_inner.h"
#include "segment_inner.h"

#include <stdlib.h>

#define STATE_MAGIC "QUIPUST1"

/* ---- loading ---- */

static bool take(quipu_str *from, size_t len, const char **at)
{
    if (from->len < len)
        return false;
    *at = from->ptr;
    *from = (quipu_str){ from->ptr + len, from->len - len };
    return true;
}

/* The living documents of the next part; NULL where it is damaged, or without memory. */
static bits *take_bits(quipu_str *state, uint32_t documents)
{
    const char *head, *row;
    size_t count = bits_words(documents);
    if (!take(state, 8, &head) || load_u32(head) != documents)
        return NULL;
    if (load_u32(head + 4) == 0)
        return bits_create(documents, true);
    if (!take(state, 8 * count, &row))
        return NULL;
    bits *b = bits_create(documents, false);
    for (size_t i = 0; b && i < count; i++)
        b->words[i] = load_u64(row + 8 * i);
    if (b && documents % 64)
        b->words[count - 1] &= ((uint64_t)1 << (documents % 64)) - 1;
    return b;
}

static int32_t damaged(quipu_error *error)
{
    return fail(error, QUIPU_E_CORRUPT, NULL, "the saved index is damaged");
}

static int32_t load_part(record_index *ix, const derived_snapshot *from, uint64_t i, quipu_str *state,
                         quipu_error *error)
{
    segment *s = NULL;
    void *held = derived_segment_hold(from, i);
    int32_t code = segment_open(derived_segment(from, i), derived_segment_release, held, &s, error);
    if (code != QUIPU_OK) {
        derived_segment_release(held);
        return code;
    }
    bits *alive = take_bits(state, segment_documents(s));
    if (!alive) {
        segment_free(s);
        return damaged(error);
    }
    ix->count += bits_total(alive);
    return index_add_part(ix, s, alive, derived_segment_name(from, i), error);
}

int32_t record_index_load(record_index *ix, const derived_snapshot *from, quipu_str *extra, quipu_error *error)
{
    const char *head, *bytes = NULL;
    uint64_t count = derived_segments(from);
    if (extra)
        *extra = (quipu_str){ 0 };
    if (count == 0)
        return QUIPU_OK;
    quipu_str state = derived_segment(from, count - 1);
    if (!take(&state, 16, &head) || memcmp(head, STATE_MAGIC, 8) != 0 || load_u32(head + 8) != count - 1)
        return damaged(error);
    bool locked = index_write_lock(ix);
    int32_t code = QUIPU_OK;
    for (uint64_t i = 0; i + 1 < count && code == QUIPU_OK; i++)
        code = load_part(ix, from, i, &state, error);
    if (code == QUIPU_OK && (!take(&state, 8, &head) || !take(&state, (size_t)load_u64(head), &bytes)))
        code = damaged(error);
    if (code == QUIPU_OK) {
        if (extra)
            *extra = str_make(bytes, (size_t)load_u64(head));
        memcpy(ix->state_file, derived_segment_name(from, count - 1), sizeof ix->state_file);
        atomic_store(&ix->stale, true);
    }
    index_write_unlock(ix, locked);
    return code;
}

bool record_index_stands_on(record_index *ix, const derived_snapshot *base)
{
    bool locked = index_write_lock(ix), same = true;
    uint64_t count = derived_segments(base), i = 0;
    for (; i < ix->part_count && ix->parts[i].file[0] && same; i++)
        same = i + 1 < count && strcmp(ix->parts[i].file, derived_segment_name(base, i)) == 0;
    if (count == 0)
        same = same && !ix->state_file[0];
    else
        same = same && i == count - 1 && strcmp(ix->state_file, derived_segment_name(base, i)) == 0;
    index_write_unlock(ix, locked);
    return same;
}

uint64_t record_index_unsaved(record_index *ix)
{
    bool locked = index_write_lock(ix);
    uint64_t unsaved = ix->unsaved;
    index_write_unlock(ix, locked);
    return unsaved;
}

/* ---- fewer parts ---- */

enum { TIER_LEAST = 4096, TIER_FACTOR = 8, TOGETHER = 8, TIERS = 8, PARTS_MAX = 64 };

#define MERGE_BYTES_MAX ((uint64_t)128 << 20) /* of the parts that one merge reads: it makes the new one in memory */

static unsigned tier_of(const index_part *part)
{
    unsigned tier = 0;
    for (uint64_t most = TIER_LEAST; segment_documents(part->segment) > most && tier < TIERS - 1; tier++)
        most *= TIER_FACTOR;
    return tier;
}

/* Parts of one tier that are worth a merge. */
static size_t choose_parts(const record_index *ix, unsigned tier, size_t which[PARTS_MAX])
{
    size_t count = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < ix->part_count && count < PARTS_MAX; i++) {
        const index_part *part = &ix->parts[i];
        uint64_t its = segment_bytes(part->segment).len;
        if (tier_of(part) != tier || bytes + its > MERGE_BYTES_MAX)
            continue;
        bytes += its;
        which[count++] = i;
    }
    return count >= TOGETHER ? count : 0;
}

/* A part most of which is dead, alone. */
static size_t choose_dead(const record_index *ix, size_t which[PARTS_MAX])
{
    for (size_t i = 0; i < ix->part_count; i++)
        if ((uint64_t)bits_total(ix->parts[i].alive) * 4 < segment_documents(ix->parts[i].segment) &&
            segment_bytes(ix->parts[i].segment).len <= MERGE_BYTES_MAX) {
            which[0] = i;
            return 1;
        }
    return 0;
}

static int32_t merge_tiers(record_index *ix, quipu_error *error)
{
    size_t which[PARTS_MAX], count;
    int32_t code = QUIPU_OK;
    while (code == QUIPU_OK && (count = choose_dead(ix, which)) > 0)
        code = index_merge_parts(ix, which, count, error);
    for (unsigned tier = 0; tier < TIERS && code == QUIPU_OK; tier++)
        if ((count = choose_parts(ix, tier, which)) > 0)
            code = index_merge_parts(ix, which, count, error);
    return code;
}

/* ---- saving ---- */

static int32_t write_part(index_part *part, derived_writer *to, quipu_error *error)
{
    quipu_str bytes = segment_bytes(part->segment);
    return derived_add_checked(to, bytes.ptr, (size_t)bytes.len, (size_t)segment_checked_bytes(part->segment),
                               part->file, error);
}

static int32_t write_state(record_index *ix, derived_writer *to, quipu_str extra, quipu_error *error)
{
    buffer state = { 0 };
    char name[DERIVED_NAME_LEN + 1] = "";
    buffer_append(&state, STATE_MAGIC, 8);
    put_u32(&state, (uint32_t)ix->part_count);
    put_u32(&state, 0);
    for (size_t i = 0; i < ix->part_count; i++) {
        const bits *alive = ix->parts[i].alive;
        bool some_dead = bits_total(alive) < alive->count;
        put_u32(&state, alive->count);
        put_u32(&state, some_dead);
        for (size_t w = 0; some_dead && w < bits_words(alive->count); w++)
            put_u64(&state, alive->words[w]);
    }
    put_u64(&state, extra.len);
    buffer_append_str(&state, extra);
    int32_t code = state.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to save an index")
                                : derived_add_checked(to, state.bytes, state.len, state.len, name, error);
    buffer_free(&state);
    if (code == QUIPU_OK)
        memcpy(ix->state_file, name, sizeof name);
    return code;
}

/* What the base had and no part uses any more. */
static void drop_unused(const record_index *ix, derived_writer *to)
{
    const derived_snapshot *base = derived_base(to);
    for (uint64_t i = 0; i < derived_segments(base); i++) {
        const char *name = derived_segment_name(base, i);
        bool used = false;
        for (size_t j = 0; j < ix->part_count && !used; j++)
            used = strcmp(ix->parts[j].file, name) == 0;
        if (!used)
            derived_drop_segment(to, name);
    }
}

int32_t record_index_save(record_index *ix, derived_writer *to, quipu_str extra, quipu_error *error)
{
    bool locked = index_write_lock(ix);
    int32_t code =
        ix->failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "there was no memory for an index") : index_flush(ix, error);
    if (code == QUIPU_OK)
        code = merge_tiers(ix, error);
    if (code == QUIPU_OK)
        drop_unused(ix, to);
    for (size_t i = 0; i < ix->part_count && code == QUIPU_OK; i++)
        if (!derived_has_segment(to, ix->parts[i].file))
            code = write_part(&ix->parts[i], to, error);
    if (code == QUIPU_OK)
        code = write_state(ix, to, extra, error);
    if (code == QUIPU_OK)
        ix->unsaved = 0;
    atomic_store(&ix->stale, true);
    index_write_unlock(ix, locked);
    return code;
}

/* ---- from the heap to the file ---- */

/* The same bytes elsewhere; `held` is released where that fails. */
static void exchange(index_part *part, quipu_str bytes, void *held)
{
    segment *mapped = NULL;
    if (bytes.len == segment_bytes(part->segment).len &&
        segment_open(bytes, derived_segment_release, held, &mapped, NULL) == QUIPU_OK) {
        segment_free(part->segment);
        part->segment = mapped;
    } else {
        derived_segment_release(held);
    }
}

void record_index_saved(record_index *ix, const derived_snapshot *now)
{
    bool locked = index_write_lock(ix);
    for (size_t i = 0; i < ix->part_count; i++)
        for (uint64_t j = 0; j < derived_segments(now); j++)
            if (strcmp(ix->parts[i].file, derived_segment_name(now, j)) == 0 &&
                derived_segment(now, j).ptr != segment_bytes(ix->parts[i].segment).ptr)
                exchange(&ix->parts[i], derived_segment(now, j), derived_segment_hold(now, j));
    atomic_store(&ix->stale, true);
    index_write_unlock(ix, locked);
}

void record_index_spill(record_index *ix, derived_writer *to)
{
    bool locked = index_write_lock(ix);
    for (size_t i = 0; i < ix->part_count; i++) { /* a job under way goes the next time */
        index_part *part = &ix->parts[i];
        quipu_str bytes;
        void *held;
        if (part->file[0] || segment_documents(part->segment) < TIER_LEAST || write_part(part, to, NULL) != QUIPU_OK)
            continue;
        if (derived_hold_new(to, part->file, &held, &bytes, NULL) == QUIPU_OK)
            exchange(part, bytes, held);
    }
    index_write_unlock(ix, locked);
}
