/* record_index_nearest.c - see record_index_inner.h: the documents whose vectors are nearest to a question's. */
#include "record_index_vectors.h"

#include <stdlib.h>

/* With the lock held for reading where it answers QUIPU_OK. */
static int32_t begin_scoring(embeddings *e, const vector_question *q, quipu_error *error)
{
    pthread_rwlock_rdlock(&e->lock);
    if (e->rows &&
        passages_are_of(e->rows, str_make(q->model.bytes, q->model.len), vectors_dimension(passages_vectors(e->rows))))
        return QUIPU_OK;
    pthread_rwlock_unlock(&e->lock);
    return fail(error, QUIPU_E_BUSY, NULL, "the embedder was changed during the search; try again");
}

int32_t index_cosines(record_index *ix, const index_snapshot *s, const vector_question *q, vector_match *of,
                      size_t count, quipu_error *error)
{
    embeddings *e = ix->vectors;
    int32_t code = begin_scoring(e, q, error);
    if (code != QUIPU_OK)
        return code;
    for (size_t i = 0; i < count; i++) {
        segment *its = s->parts[of[i].part].segment;
        uint32_t row = embeddings_row(e, its, segment_extra_get(its, SEGMENT_EXTRA_ROWS), of[i].document);
        of[i].cosine = row == PASSAGES_NONE ? 0 : vectors_cosine(passages_vectors(e->rows), row, q->vector);
    }
    pthread_rwlock_unlock(&e->lock);
    return QUIPU_OK;
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

static size_t count_admitted(const index_snapshot *s, const admitted *which)
{
    size_t total = 0;
    for (size_t i = 0; i < s->count; i++)
        total += bits_total(which[i].set ? which[i].set : s->parts[i].alive);
    return total;
}

/* All rows at once where many are asked for; else only those. */
static int32_t score_parts(const embeddings *e, nearest *n, const admitted *which, const vector_question *q,
                           const float *all, const quipu_call *call, quipu_error *error)
{
    const vectors *rows = passages_vectors(e->rows);
    for (uint32_t i = 0; i < n->s->count; i++) {
        const index_part *part = &n->s->parts[i];
        const bits *set = which[i].set ? which[i].set : part->alive;
        row_table *t = embeddings_table(e, part->segment, false);
        int32_t code = call_check(call, error);
        if (code != QUIPU_OK)
            return code;
        for (uint32_t d = bits_next(set, 0); d != BITS_NONE; d = bits_next(set, d + 1)) {
            uint32_t row = embeddings_row(e, part->segment, t, d);
            if (row != PASSAGES_NONE)
                offer(n, (vector_match){ all ? all[row] : vectors_cosine(rows, row, q->vector), i, d });
        }
    }
    return QUIPU_OK;
}

int32_t index_nearest(record_index *ix, const index_snapshot *s, const admitted *which, const vector_question *q,
                      size_t k, vector_match **out, size_t *count, const quipu_call *call, quipu_error *error)
{
    embeddings *e = ix->vectors;
    float *all = NULL;
    *out = NULL;
    int32_t code = begin_scoring(e, q, error);
    if (code != QUIPU_OK)
        return code;
    const vectors *rows = passages_vectors(e->rows);
    size_t asked = count_admitted(s, which);
    nearest n = { .s = s, .most = k < asked ? k : asked };
    n.heap = malloc((n.most + 1) * sizeof *n.heap);
    bool good = n.heap != NULL;
    if (good && asked > vectors_count(rows) / 4) {
        all = malloc(((size_t)vectors_count(rows) + 1) * sizeof *all);
        good = all != NULL;
    }
    if (!good)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to search with");
    if (code == QUIPU_OK && all)
        code = vectors_score(rows, q->vector, all, call, error);
    if (code == QUIPU_OK)
        code = score_parts(e, &n, which, q, all, call, error);
    pthread_rwlock_unlock(&e->lock);
    free(all);
    if (code != QUIPU_OK) {
        free(n.heap);
        return code;
    }
    sort_nearest(&n);
    *out = n.heap;
    *count = n.count;
    return QUIPU_OK;
}
