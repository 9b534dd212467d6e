/* record_index_nearest.c - see record_index_inner.h: the documents whose vectors are nearest to a question's. */
#include "record_index_vectors.h"

#include <math.h>
#include <stdlib.h>

int32_t index_cosines(const index_snapshot *s, const vector_question *q, vector_match *of, size_t count,
                      const quipu_call *call, quipu_error *error)
{
    uint32_t *rows = calloc(count + 1, sizeof *rows);
    float *scores = malloc((count + 1) * sizeof *scores);
    int32_t code = QUIPU_E_NO_MEMORY;
    if (!rows || !scores) {
        fail(error, code, NULL, "there is no memory to search with");
    } else {
        for (size_t i = 0; i < count; i++) {
            segment *its = s->parts[of[i].part].segment;
            rows[i] = embeddings_row(q->view, its, known_of(its), of[i].document);
        }
        code = vector_view_score(q->view, q->vector, rows, count, scores, call, error);
        for (size_t i = 0; code == QUIPU_OK && i < count; i++)
            of[i].cosine = isfinite(scores[i]) ? scores[i] : 0;
    }
    free(rows);
    free(scores);
    return code;
}

/* The best so far; the worst of them at the top once there are `most`. */
typedef struct nearest {
    const index_snapshot *s;
    vector_match *heap;
    size_t count, most;
} nearest;

static bool worse(const nearest *n, const vector_match *a, const vector_match *b)
{
    if (a->cosine != b->cosine)
        return a->cosine < b->cosine;
    return str_compare(segment_id(n->s->parts[a->part].segment, a->document),
                       segment_id(n->s->parts[b->part].segment, b->document)) > 0;
}

static void sink(nearest *n, size_t at, size_t count)
{
    for (;;) {
        size_t child = 2 * at + 1, lowest = at;
        if (child < count && worse(n, &n->heap[child], &n->heap[lowest]))
            lowest = child;
        if (child + 1 < count && worse(n, &n->heap[child + 1], &n->heap[lowest]))
            lowest = child + 1;
        if (lowest == at)
            return;
        vector_match other = n->heap[at];
        n->heap[at] = n->heap[lowest];
        n->heap[lowest] = other;
        at = lowest;
    }
}

static void offer(nearest *n, vector_match m)
{
    if (n->count < n->most) {
        n->heap[n->count++] = m;
        for (size_t i = n->count == n->most ? n->count / 2 : 0; i > 0; i--)
            sink(n, i - 1, n->count);
    } else if (n->most > 0 && worse(n, &n->heap[0], &m)) {
        n->heap[0] = m;
        sink(n, 0, n->count);
    }
}

static void sort_nearest(nearest *n)
{
    for (size_t i = n->count < n->most ? n->count / 2 : 0; i > 0; i--)
        sink(n, i - 1, n->count);
    for (size_t left = n->count; left > 1; left--) {
        vector_match worst = n->heap[0];
        n->heap[0] = n->heap[left - 1];
        n->heap[left - 1] = worst;
        sink(n, 0, left - 1);
    }
}

/* ---- rows to documents ---- */

static bool is_admitted(const index_snapshot *s, const admitted *which, uint32_t part, uint32_t document)
{
    return bits_has(which[part].set ? which[part].set : s->parts[part].alive, document);
}

/* All admitted documents of a row. */
static void offer_row(nearest *n, const admitted *which, const vector_view *v, vectors_match row)
{
    const uint8_t *key = vector_view_key(v, row.row);
    for (uint32_t i = 0; i < n->s->count; i++) {
        const segment *its = n->s->parts[i].segment;
        uint32_t place = segment_passage_place(its, key), d;
        for (; (d = segment_at_passage(its, place)) != BITS_NONE; place++) {
            if (memcmp(segment_passage(its, d), key, PASSAGE_KEY) != 0)
                break;
            if (is_admitted(n->s, which, i, d))
                offer(n, (vector_match){ row.score, i, d });
        }
    }
}

static uint64_t count_admitted(const index_snapshot *s, const admitted *which)
{
    uint64_t total = 0;
    for (size_t i = 0; i < s->count; i++)
        total += bits_total(which[i].set ? which[i].set : s->parts[i].alive);
    return total;
}

/* A bit for each row that an admitted document has; NULL without memory. */
static uint32_t *admitted_rows(const index_snapshot *s, const admitted *which, const vector_view *v)
{
    uint32_t *rows = calloc(vector_view_rows(v) / 32 + 1, sizeof *rows);
    for (size_t i = 0; rows && i < s->count; i++) {
        const index_part *part = &s->parts[i];
        const bits *set = which[i].set ? which[i].set : part->alive;
        known_vectors *k = known_of(part->segment);
        for (uint32_t d = bits_next(set, 0); d != BITS_NONE; d = bits_next(set, d + 1)) {
            uint32_t row = embeddings_row(v, part->segment, k, d);
            if (row != VECTORS_NONE)
                rows[row / 32] |= 1u << (row % 32);
        }
    }
    return rows;
}

/* The best documents of the best `rows` rows, of those of admitted documents where `only` (may be NULL) says which they are. *all: there
 * are no more rows. */
static int32_t search_rows(nearest *n, const admitted *which, const vector_question *q, uint32_t rows,
                           const uint32_t *only, bool *all, const quipu_call *call, quipu_error *error)
{
    vector_search how = { .k = rows, .admitted = only };
    vectors_match *found = malloc(((size_t)rows + 1) * sizeof *found);
    uint32_t count = 0;
    if (!found)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to search with");
    int32_t code =
        vector_view_search(q->view, q->vector, 1, vector_view_dimension(q->view), &how, found, &count, call, error);
    n->count = 0;
    for (uint32_t i = 0; code == QUIPU_OK && i < count; i++) {
        if (n->count == n->most && n->most > 0 && found[i].score < n->heap[0].cosine)
            break;
        offer_row(n, which, q->view, found[i]);
    }
    *all = count < rows;
    free(found);
    return code;
}

/* ---- the nearest ---- */

/* Where most rows belong to admitted documents, the best of all rows are had without finding out which do: with some more than asked
 * for it is seldom that too few are left. */
static int32_t search_open(nearest *n, const admitted *which, const vector_question *q, uint64_t asked, bool *good,
                           const quipu_call *call, quipu_error *error)
{
    uint32_t most = vector_view_rows(q->view);
    *good = false;
    if (asked < most / 2 || n->most > most / 4)
        return QUIPU_OK;
    int32_t code = search_rows(n, which, q, (uint32_t)(2 * n->most + 32), NULL, good, call, error);
    *good = *good || n->count == n->most;
    return code;
}

int32_t index_nearest(const index_snapshot *s, const admitted *which, const vector_question *q, size_t k,
                      vector_match **out, size_t *count, const quipu_call *call, quipu_error *error)
{
    uint64_t asked = count_admitted(s, which);
    uint32_t rows = vector_view_rows(q->view), *only = NULL;
    nearest n = { .s = s, .most = k < asked ? k : (size_t)asked };
    bool good = false;
    *out = NULL;
    n.heap = malloc((n.most + 1) * sizeof *n.heap);
    int32_t code = n.heap ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to search with");
    if (code == QUIPU_OK)
        code = search_open(&n, which, q, asked, &good, call, error);
    if (code == QUIPU_OK && !good) {
        only = admitted_rows(s, which, q->view);
        code = only ? search_rows(&n, which, q, n.most < rows ? (uint32_t)n.most : rows, only, &good, call, error)
                    : fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to search with");
    }
    free(only);
    if (code != QUIPU_OK) {
        free(n.heap);
        return code;
    }
    sort_nearest(&n);
    *out = n.heap;
    *count = n.count;
    return QUIPU_OK;
}
