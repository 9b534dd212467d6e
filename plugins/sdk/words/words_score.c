/*
 * words_score.c - see words_rank_inner.h: base scores, BM25 of the question's words and pairs.
 *
 * A small admitted set is scored whole, with its own statistics. Of a large one the best are found by MaxScore (Turtle and Flood,
 * "Query Evaluation: Strategies and Optimizations", 1995) over windows of documents, with the bounds of the runs that reach into
 * a window (Ding and Suel 2011): terms that together cannot lift a document above the worst of the best so far are looked up
 * only for documents that have another term.
 */
#include "words_rank_inner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 4096u /* documents */
#define PAIR_WEIGHT 0.3
#define IDF_POWER 1.2

static void set_norms(query *q)
{
    if (q->mean_length < 1e-9)
        q->mean_length = 1e-9;
    for (uint32_t i = 0; i < NORMS; i++)
        q->norms[i] = (float)(BM25_K1 * (1 - BM25_B + BM25_B * i / q->mean_length));
}

static void set_weight(const query *q, asked *a)
{
    double df = (double)a->frequency < q->documents ? (double)a->frequency : q->documents;
    double idf = log(1 + (q->documents - df + 0.5) / (df + 0.5));
    a->weight = (a->pair ? PAIR_WEIGHT : 1) * a->times * pow(idf, IDF_POWER) * (BM25_K1 + 1);
}

/* ---- small sets ---- */

typedef struct entry {
    uint32_t place; /* in the list of admitted documents */
    uint16_t times, length;
} entry;

typedef struct entries {
    entry *all;
    size_t count, capacity;
} entries;

static bool add_entry(entries *e, entry x)
{
    if (e->count == e->capacity) {
        size_t capacity = e->capacity ? e->capacity * 2 : 4096;
        entry *all = realloc(e->all, capacity * sizeof *all);
        if (!all)
            return false;
        e->all = all;
        e->capacity = capacity;
    }
    e->all[e->count++] = x;
    return true;
}

/* The first of the ascending documents from `from` on that is not below `document`. */
static uint32_t gallop(const uint32_t *list, uint32_t from, uint32_t count, uint32_t document)
{
    uint32_t step = 1, low = from, high = from;
    while (high < count && list[high] < document) {
        low = high + 1;
        high = count - high > step ? high + step : count;
        step *= 2;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (list[middle] < document)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The term's postings of one part's admitted documents. */
static int32_t gather(const query *q, size_t part, uint64_t key, entries *e, words_cursor *c, quipu_error *error)
{
    const words *w = q->parts[part].words;
    const admission *a = &q->admissions[part];
    const uint32_t *list = q->list + a->first;
    if (a->count == 0 || !words_cursor_open(c, w, key))
        return QUIPU_OK;
    for (uint32_t i = 0; i < a->count;) {
        uint32_t document = words_cursor_seek(c, list[i]);
        if (document == WORDS_NONE)
            break;
        i = gallop(list, i, a->count, document);
        if (i == a->count || list[i] != document)
            continue;
        if (!add_entry(e, (entry){ a->first + i, words_cursor_times(c), w->lengths[document] }))
            return query_no_memory(error);
        i++;
    }
    return c->damaged ? words_damaged(error) : QUIPU_OK;
}

static double mean_admitted_length(const query *q)
{
    uint64_t sum = 0;
    for (size_t p = 0; p < q->count; p++)
        for (uint32_t i = 0; i < q->admissions[p].count; i++)
            sum += q->parts[p].words->lengths[q->list[q->admissions[p].first + i]];
    return q->admitted ? (double)sum / (double)q->admitted : 0;
}

static int32_t best_of_exact(query *q, best *b, quipu_error *error)
{
    for (uint32_t p = 0; p < q->count; p++) {
        const admission *a = &q->admissions[p];
        for (uint32_t i = a->first; i < a->first + a->count; i++)
            if (q->scores[i] > 0 && q->scores[i] > best_threshold(b) &&
                !best_put(b, (words_match){ q->scores[i], p, q->list[i] }))
                return query_no_memory(error);
    }
    return QUIPU_OK;
}

static int32_t score_exact(query *q, best *b, quipu_error *error)
{
    entries e = { 0 };
    size_t begins[TERMS_MAX + 1];
    words_cursor *c = malloc(sizeof *c);
    q->scores = calloc((size_t)q->admitted + 1, sizeof *q->scores);
    int32_t rc = q->scores && c ? QUIPU_OK : query_no_memory(error);
    q->documents = (double)q->admitted;
    q->mean_length = mean_admitted_length(q);
    set_norms(q);
    for (size_t t = 0; rc == QUIPU_OK && t < q->term_count; t++) {
        begins[t] = e.count;
        for (size_t p = 0; rc == QUIPU_OK && p < q->count; p++)
            rc = gather(q, p, q->terms[t].key, &e, c, error);
        q->terms[t].frequency = e.count - begins[t];
        set_weight(q, &q->terms[t]);
        if (rc == QUIPU_OK)
            rc = call_check(q->call, error);
        for (size_t i = begins[t]; rc == QUIPU_OK && i < e.count; i++)
            q->scores[e.all[i].place] += query_part(q, &q->terms[t], e.all[i].times, e.all[i].length);
    }
    if (rc == QUIPU_OK)
        rc = best_of_exact(q, b, error);
    free(e.all);
    free(c);
    return rc;
}

/* ---- large sets ---- */

/* A term's postings within the part at hand. */
typedef struct lane {
    words_cursor cursor;
    const asked *term;
    uint32_t run; /* the first that reaches into the window or beyond */
    double bound; /* on what the term adds in the window */
    double below; /* sum of this bound and all smaller ones */
} lane;

typedef struct scan {
    query *q;
    const words *w;
    uint32_t part;
    lane *lanes;     /* of the part's terms */
    lane **by_bound; /* ascending */
    size_t count;
    double *sums; /* one for each document of the window */
    uint64_t touched[WINDOW / 64];
    best *b;
} scan;

static const words_run *lane_runs(const lane *l)
{
    return l->cursor.list ? l->cursor.runs : &l->cursor.only;
}

/* The most that a posting of the lane in documents first..end-1 can add. */
static double lane_bound(const query *q, lane *l, uint32_t first, uint32_t end)
{
    const words_run *runs = lane_runs(l);
    double most = 0;
    while (l->run < l->cursor.run_count && runs[l->run].last < first)
        l->run++;
    for (uint32_t r = l->run; r < l->cursor.run_count; r++) {
        double part = query_part(q, l->term, runs[r].most, runs[r].least);
        most = part > most ? part : most;
        if (runs[r].last >= end - 1)
            break;
    }
    return most;
}

/* Sorts the lanes by their bounds; how many of them cannot lift a document above the threshold even together. */
static size_t rank_lanes(scan *s, uint32_t first, uint32_t end)
{
    double sum = 0, threshold = best_threshold(s->b);
    size_t idle = 0;
    for (size_t i = 0; i < s->count; i++) {
        lane *l = &s->lanes[i];
        size_t at = i;
        l->bound = lane_bound(s->q, l, first, end);
        for (; at > 0 && s->by_bound[at - 1]->bound > l->bound; at--)
            s->by_bound[at] = s->by_bound[at - 1];
        s->by_bound[at] = l;
    }
    for (size_t i = 0; i < s->count; i++) {
        sum += s->by_bound[i]->bound;
        s->by_bound[i]->below = sum;
        if (sum <= threshold || sum == 0)
            idle = i + 1;
    }
    return idle;
}

static void add_lane(scan *s, lane *l, uint32_t first, uint32_t end)
{
    words_cursor *c = &l->cursor;
    const uint16_t *lengths = s->w->lengths;
    for (uint32_t d = words_cursor_seek(c, first); d < end; d = words_cursor_seek(c, d + 1)) {
        /* What is unpacked and lies in the window, without asking the cursor each time. */
        uint32_t at = c->at;
        for (; at < c->loaded && c->documents[at] < end; at++) {
            d = c->documents[at];
            s->sums[d - first] += query_part(s->q, l->term, c->times[at], lengths[d]);
            s->touched[(d - first) / 64] |= UINT64_C(1) << (d - first) % 64;
        }
        c->at = at < c->loaded ? at : at - 1;
    }
}

/* A document that an active lane has: looks it up in the idle ones as long as it can be among the best. */
static bool offer(scan *s, uint32_t document, double sum, size_t idle)
{
    double threshold = best_threshold(s->b);
    for (size_t i = idle; i > 0; i--) {
        lane *l = s->by_bound[i - 1];
        if (sum + l->below <= threshold)
            return true;
        if (words_cursor_seek(&l->cursor, document) == document)
            sum += query_part(s->q, l->term, words_cursor_times(&l->cursor), s->w->lengths[document]);
    }
    return sum <= threshold || best_put(s->b, (words_match){ sum, s->part, document });
}

static bool window_admits_any(const scan *s, uint32_t first, uint32_t end)
{
    const words_part *p = &s->q->parts[s->part];
    for (uint32_t i = first / 64; i * 64 < end; i++)
        if (p->alive[i] & (p->admitted ? p->admitted[i] : ~UINT64_C(0)))
            return true;
    return false;
}

static bool scan_window(scan *s, uint32_t first, uint32_t end)
{
    const words_part *p = &s->q->parts[s->part];
    size_t idle = rank_lanes(s, first, end);
    if (idle == s->count || !window_admits_any(s, first, end))
        return true;
    for (size_t i = idle; i < s->count; i++)
        add_lane(s, s->by_bound[i], first, end);
    bool good = true;
    for (uint32_t i = 0; i < WINDOW / 64; i++) {
        uint64_t touched = s->touched[i], word = first / 64 + i;
        s->touched[i] = 0;
        for (uint64_t bits = touched; bits; bits &= bits - 1) {
            uint32_t at = i * 64 + (uint32_t)__builtin_ctzll(bits);
            double sum = s->sums[at];
            s->sums[at] = 0;
            if (good && p->alive[word] & (p->admitted ? p->admitted[word] : ~UINT64_C(0)) & (bits & -bits))
                good = offer(s, first + at, sum, idle);
        }
    }
    return good;
}

static int32_t open_lanes(scan *s, quipu_error *error)
{
    s->count = 0;
    for (size_t t = 0; t < s->q->term_count; t++) {
        lane *l = &s->lanes[s->count];
        if (!words_cursor_open(&l->cursor, s->w, s->q->terms[t].key))
            continue;
        if (l->cursor.damaged)
            return words_damaged(error);
        l->term = &s->q->terms[t];
        l->run = 0;
        s->count++;
    }
    return QUIPU_OK;
}

static int32_t scan_part(scan *s, quipu_error *error)
{
    uint32_t documents = s->q->admissions[s->part].documents;
    int32_t rc = open_lanes(s, error);
    for (uint32_t first = 0; rc == QUIPU_OK && s->count > 0 && first < documents; first += WINDOW) {
        uint32_t end = documents - first < WINDOW ? documents : first + WINDOW;
        rc = call_check(s->q->call, error);
        if (rc == QUIPU_OK && !scan_window(s, first, end))
            rc = query_no_memory(error);
        for (size_t i = 0; rc == QUIPU_OK && i < s->count; i++)
            if (s->lanes[i].cursor.damaged)
                rc = words_damaged(error);
    }
    return rc;
}

static int32_t score_parts(query *q, best *b, quipu_error *error)
{
    scan s = { .q = q, .b = b };
    s.lanes = malloc((q->term_count + 1) * sizeof *s.lanes);
    s.by_bound = malloc((q->term_count + 1) * sizeof(*s.by_bound));
    s.sums = calloc(WINDOW, sizeof *s.sums);
    int32_t rc = s.lanes && s.by_bound && s.sums ? QUIPU_OK : query_no_memory(error);
    if (rc == QUIPU_OK)
        rc = query_count(q, error);
    set_norms(q);
    for (size_t t = 0; t < q->term_count; t++)
        set_weight(q, &q->terms[t]);
    for (uint32_t p = 0; rc == QUIPU_OK && p < q->count; p++) {
        s.part = p;
        s.w = q->parts[p].words;
        rc = scan_part(&s, error);
    }
    free(s.lanes);
    free(s.by_bound);
    free(s.sums);
    return rc;
}

int32_t query_score(query *q, size_t most, quipu_error *error)
{
    best b = { .most = most };
    int32_t rc = q->exact ? score_exact(q, &b, error) : score_parts(q, &b, error);
    best_sort(&b);
    for (size_t i = 0; rc == QUIPU_OK && i < b.count; i++) {
        candidate *c = query_add_candidate(q, b.matches[i].part, b.matches[i].document);
        if (c)
            c->words = b.matches[i].score;
        else
            rc = query_no_memory(error);
    }
    q->scored_count = q->hit_count = q->candidate_count;
    free(b.matches);
    return rc;
}

/* ---- single documents ---- */

typedef struct place_of {
    uint32_t part, document, candidate;
} place_of;

static int compare_places(const void *a, const void *b)
{
    const place_of *x = a, *y = b;
    if (x->part != y->part)
        return x->part < y->part ? -1 : 1;
    return x->document < y->document ? -1 : x->document > y->document;
}

/* Adds the terms of one part to its candidates, which come in the order of their documents. */
static int32_t look_up(query *q, const place_of *places, size_t count, words_cursor *c, quipu_error *error)
{
    const words *w = q->parts[places[0].part].words;
    for (size_t t = 0; t < q->term_count; t++) {
        if (!words_cursor_open(c, w, q->terms[t].key))
            continue;
        for (size_t i = 0; i < count; i++) {
            uint32_t d = places[i].document;
            uint32_t found = words_cursor_seek(c, d);
            if (found == WORDS_NONE)
                break;
            if (found == d)
                q->candidates[places[i].candidate].words +=
                    query_part(q, &q->terms[t], words_cursor_times(c), w->lengths[d]);
        }
        if (c->damaged)
            return words_damaged(error);
    }
    return QUIPU_OK;
}

static int32_t look_up_all(query *q, quipu_error *error)
{
    size_t count = q->candidate_count - q->scored_count;
    place_of *places = malloc((count + 1) * sizeof *places);
    words_cursor *c = malloc(sizeof *c);
    int32_t rc = places && c ? QUIPU_OK : query_no_memory(error);
    for (size_t i = 0; rc == QUIPU_OK && i < count; i++) {
        const candidate *x = &q->candidates[q->scored_count + i];
        places[i] = (place_of){ x->part, x->document, (uint32_t)(q->scored_count + i) };
    }
    if (rc == QUIPU_OK)
        qsort(places, count, sizeof *places, compare_places);
    for (size_t i = 0, end; rc == QUIPU_OK && i < count; i = end) {
        for (end = i + 1; end < count && places[end].part == places[i].part;)
            end++;
        rc = look_up(q, places + i, end - i, c, error);
        if (rc == QUIPU_OK)
            rc = call_check(q->call, error);
    }
    free(places);
    free(c);
    return rc;
}

int32_t query_score_rest(query *q, quipu_error *error)
{
    if (!q->exact)
        return look_up_all(q, error);
    for (size_t i = q->scored_count; i < q->candidate_count; i++) {
        candidate *c = &q->candidates[i];
        c->words = q->scores[query_place(q, c->part, c->document)];
    }
    return QUIPU_OK;
}
