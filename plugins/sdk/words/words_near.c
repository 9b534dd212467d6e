/*
 * words_near.c - see words_rank_inner.h: sessions, and the turns beside a turn.
 *
 * A session may lie in several parts. Its order is (seq, created_at, part, document). A turn that is gone has no place in it; one
 * that the filter does not admit has one, and counts nothing.
 */
#include "words_rank_inner.h"

#include <stdlib.h>
#include <string.h>

#define GONE_MAX 64 /* turns that are gone, one after the other, that are stepped over */

/* ---- candidates and sessions by key ---- */

static uint64_t spread(uint64_t h)
{
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 32;
}

static bool grow_table(uint32_t **table, size_t *size, size_t count, bool *again)
{
    *again = false;
    if (*size >= 2 * (count + 1))
        return true;
    size_t larger = *size ? *size * 4 : 2048;
    while (larger < 2 * (count + 1))
        larger *= 2;
    uint32_t *fresh = calloc(larger, sizeof *fresh);
    if (!fresh)
        return false;
    free(*table);
    *table = fresh;
    *size = larger;
    *again = true;
    return true;
}

static size_t candidate_cell(const query *q, uint32_t part, uint32_t document)
{
    size_t at = (size_t)spread((uint64_t)part << 32 | document) & (q->table_size - 1);
    for (; q->table[at]; at = (at + 1) & (q->table_size - 1)) {
        const candidate *c = &q->candidates[q->table[at] - 1];
        if (c->part == part && c->document == document)
            break;
    }
    return at;
}

static uint32_t find_candidate(const query *q, uint32_t part, uint32_t document)
{
    return q->table_size ? q->table[candidate_cell(q, part, document)] - 1 : WORDS_NONE; /* 0 - 1 is NONE */
}

bool query_has_candidate(const query *q, uint32_t part, uint32_t document)
{
    return find_candidate(q, part, document) != WORDS_NONE;
}

candidate *query_add_candidate(query *q, uint32_t part, uint32_t document)
{
    bool again;
    if (q->candidate_count == q->candidate_capacity) {
        size_t capacity = q->candidate_capacity ? q->candidate_capacity * 2 : 512;
        candidate *candidates = realloc(q->candidates, capacity * sizeof *candidates);
        if (!candidates)
            return NULL;
        q->candidates = candidates;
        q->candidate_capacity = capacity;
    }
    if (!grow_table(&q->table, &q->table_size, q->candidate_count, &again))
        return NULL;
    for (size_t i = 0; again && i < q->candidate_count; i++)
        q->table[candidate_cell(q, q->candidates[i].part, q->candidates[i].document)] = (uint32_t)i + 1;
    candidate *c = &q->candidates[q->candidate_count];
    *c = (candidate){ .part = part, .document = document, .talk = WORDS_NONE };
    memset(c->near, 0xff, sizeof c->near);
    q->table[candidate_cell(q, part, document)] = (uint32_t)++q->candidate_count;
    return c;
}

static size_t talk_cell(const query *q, uint64_t key)
{
    size_t at = (size_t)spread(key) & (q->talk_table_size - 1);
    while (q->talk_table[at] && q->talks[q->talk_table[at] - 1].key != key)
        at = (at + 1) & (q->talk_table_size - 1);
    return at;
}

/* Where the session's turns are in each part. */
static void find_ranges(const query *q, uint64_t key, range *ranges)
{
    for (size_t p = 0; p < q->count; p++) {
        const words *w = q->parts[p].words;
        uint32_t session = words_key_find(w->session_keys, (size_t)w->head->sessions, key);
        ranges[p] = (range){ 0, 0 };
        if (session == WORDS_NONE)
            continue;
        range r = { w->session_first[session], w->session_first[session + 1] };
        if (r.first < r.end && r.end <= w->head->turns)
            ranges[p] = r;
    }
}

static bool grow_talks(query *q)
{
    size_t capacity = q->talk_capacity ? q->talk_capacity * 2 : 256;
    talk *talks = realloc(q->talks, capacity * sizeof *talks);
    if (talks)
        q->talks = talks;
    range *ranges = realloc(q->ranges, capacity * q->count * sizeof *ranges);
    if (ranges)
        q->ranges = ranges;
    if (!talks || !ranges)
        return false;
    q->talk_capacity = capacity;
    return true;
}

/* Sets c->talk; false without memory. */
static bool find_talk(query *q, candidate *c)
{
    const words *w = q->parts[c->part].words;
    uint32_t session = w->session[c->document];
    bool again;
    if (session >= w->head->sessions)
        return true;
    uint64_t key = w->session_keys[session];
    if ((q->talk_count == q->talk_capacity && !grow_talks(q)) ||
        !grow_table(&q->talk_table, &q->talk_table_size, q->talk_count, &again))
        return false;
    for (size_t i = 0; again && i < q->talk_count; i++)
        q->talk_table[talk_cell(q, q->talks[i].key)] = (uint32_t)i + 1;
    size_t cell = talk_cell(q, key);
    if (!q->talk_table[cell]) {
        q->talks[q->talk_count] = (talk){ .key = key };
        find_ranges(q, key, q->ranges + q->talk_count * q->count);
        q->talk_table[cell] = (uint32_t)++q->talk_count;
    }
    c->talk = q->talk_table[cell] - 1;
    return true;
}

/* ---- the turns beside one ---- */

typedef struct turn_at {
    uint32_t part, document;
} turn_at;

/* True where turn a comes before turn b. */
static bool comes_before(const query *q, turn_at a, turn_at b)
{
    const words *x = q->parts[a.part].words, *y = q->parts[b.part].words;
    if (x->seq[a.document] != y->seq[b.document])
        return x->seq[a.document] < y->seq[b.document];
    if (x->created[a.document] != y->created[b.document])
        return x->created[a.document] < y->created[b.document];
    return a.part != b.part ? a.part < b.part : a.document < b.document;
}

/* Turn `place` of a part; its document is WORDS_NONE where the block is damaged. */
static turn_at turn_of(const query *q, uint32_t part, uint32_t place)
{
    uint32_t document = q->parts[part].words->turns[place];
    return (turn_at){ part, document < q->parts[part].words->documents ? document : WORDS_NONE };
}

/* The first place in a part's range whose turn does not come before `t`. */
static uint32_t place_in(const query *q, uint32_t part, range r, turn_at t)
{
    if (part == t.part) {
        uint32_t place = q->parts[part].words->place[t.document];
        if (place >= r.first && place < r.end)
            return place;
    }
    while (r.first < r.end) {
        uint32_t middle = r.first + (r.end - r.first) / 2;
        turn_at m = turn_of(q, part, middle);
        if (m.document != WORDS_NONE && comes_before(q, m, t))
            r.first = middle + 1;
        else
            r.end = middle;
    }
    return r.first;
}

/* The next turn before (step -1) or after (step 1) the places; moves the place that it is taken from. */
static turn_at take_next(const query *q, const range *ranges, uint32_t *places, int step)
{
    turn_at found = { 0, WORDS_NONE };
    for (uint32_t p = 0; p < q->count; p++) {
        uint32_t at = step < 0 ? places[p] - 1 : places[p];
        if (ranges[p].first == ranges[p].end || at + 1 < ranges[p].first + 1 || at >= ranges[p].end || at == WORDS_NONE)
            continue;
        turn_at t = turn_of(q, p, at);
        if (t.document == WORDS_NONE)
            continue;
        if (found.document == WORDS_NONE || comes_before(q, t, found) == (step > 0))
            found = t;
    }
    if (found.document != WORDS_NONE)
        places[found.part] += (uint32_t)step;
    return found;
}

/* The two turns before (step -1) or after the candidate, the nearest first. */
static void walk(const query *q, const candidate *c, int step, uint32_t *places, turn_at out[2])
{
    const range *ranges = q->ranges + (size_t)c->talk * q->count;
    turn_at self = { c->part, c->document };
    out[0] = out[1] = (turn_at){ 0, WORDS_NONE };
    for (uint32_t p = 0; p < q->count; p++) {
        places[p] = ranges[p].first == ranges[p].end ? 0 : place_in(q, p, ranges[p], self);
        if (p == c->part && step > 0)
            places[p]++;
    }
    for (int have = 0, gone = 0; have < 2 && gone < GONE_MAX;) {
        turn_at t = take_next(q, ranges, places, step);
        if (t.document == WORDS_NONE)
            return;
        if (query_alive(q, t.part, t.document))
            out[have++] = t;
        else
            gone++;
    }
}

/* Sets near[]; new: makes candidates of those that are admitted and are none yet. */
static bool set_near(query *q, size_t i, uint32_t *places, bool new)
{
    turn_at beside[4];
    if (q->candidates[i].talk == WORDS_NONE)
        return true;
    walk(q, &q->candidates[i], -1, places, beside);
    turn_at other = beside[0]; /* the nearest before stands second */
    beside[0] = beside[1];
    beside[1] = other;
    walk(q, &q->candidates[i], 1, places, beside + 2);
    for (int n = 0; n < 4; n++) {
        turn_at t = beside[n];
        if (t.document == WORDS_NONE || !query_admits(q, t.part, t.document))
            continue;
        uint32_t found = find_candidate(q, t.part, t.document);
        if (found == WORDS_NONE && new) {
            candidate *c = query_add_candidate(q, t.part, t.document);
            if (!c || !find_talk(q, c))
                return false;
            found = (uint32_t)q->candidate_count - 1;
        }
        q->candidates[i].near[n] = found;
    }
    return true;
}

int32_t query_find_near(query *q, quipu_error *error)
{
    uint32_t *places = malloc((q->count + 1) * sizeof *places);
    bool good = places != NULL;
    int32_t rc = QUIPU_OK;
    for (size_t i = 0; good && i < q->hit_count; i++)
        good = find_talk(q, &q->candidates[i]);
    if (!(q->flags & WORDS_NO_NEIGHBOURS)) {
        for (size_t i = 0; good && rc == QUIPU_OK && i < q->candidate_count; i++) {
            good = set_near(q, i, places, i < q->hit_count);
            if (i % 1024 == 1023)
                rc = call_check(q->call, error);
        }
    }
    free(places);
    return good ? rc : query_no_memory(error);
}
