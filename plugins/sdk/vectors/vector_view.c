/* vector_view.c - see vector_index.h: what a search sees, and the search. */
#include "blas.h"
#include "vector_index_inner.h"

#include <base/fail.h>
#include <math.h>
#include <stdlib.h>

static size_t add_runs(const run_list *list, vector_view *v)
{
    for (size_t i = 0; i < list->count; i++) {
        uint32_t rows = list->items[i]->rows;
        v->runs[v->count++] = (view_run){ run_share(list->items[i]), v->rows, rows };
        v->rows += (rows + 31) / 32 * 32;
    }
    return list->count;
}

int32_t vector_index_view(vector_index *ix, vector_view **out, quipu_error *error)
{
    *out = NULL;
    pthread_mutex_lock(&ix->lock);
    size_t count = ix->images.count + ix->tail.count;
    vector_view *v = calloc(1, sizeof *v);
    if (v && (v->runs = calloc(count ? count : 1, sizeof *v->runs)) != NULL) {
        v->dimension = ix->dimension;
        add_runs(&ix->images, v);
        add_runs(&ix->tail, v);
    }
    pthread_mutex_unlock(&ix->lock);
    if (v && v->runs) {
        *out = v;
        return QUIPU_OK;
    }
    free(v);
    return vector_no_memory(error);
}

void vector_view_free(vector_view *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->count; i++)
        run_leave(v->runs[i].run);
    free(v->runs);
    free(v);
}

uint32_t vector_view_dimension(const vector_view *v)
{
    return v->dimension;
}

uint32_t vector_view_rows(const vector_view *v)
{
    return v->rows;
}

uint32_t vector_view_find(const vector_view *v, const uint8_t key[VECTOR_KEY])
{
    for (size_t i = v->count; i > 0; i--) {
        uint32_t row = run_find(v->runs[i - 1].run, key);
        if (row != VECTORS_NONE && row < v->runs[i - 1].rows) /* the tail may have grown since */
            return v->runs[i - 1].first + row;
    }
    return VECTORS_NONE;
}

/* The run that a row is in, or NULL. */
static const view_run *run_of(const vector_view *v, uint32_t row)
{
    size_t low = 0, high = v->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (v->runs[middle].first > row)
            high = middle;
        else
            low = middle + 1;
    }
    const view_run *r = low ? &v->runs[low - 1] : NULL;
    return r && row - r->first < r->rows ? r : NULL;
}

uint64_t vector_view_place(const vector_view *v, uint32_t row)
{
    const view_run *r = run_of(v, row);
    return r ? (uint64_t)r->run->serial << 32 | (row - r->first) : 0;
}

uint32_t vector_view_at_place(const vector_view *v, uint64_t place)
{
    uint32_t serial = (uint32_t)(place >> 32), row = (uint32_t)place;
    for (size_t i = 0; serial && i < v->count; i++)
        if (v->runs[i].run->serial == serial)
            return row < v->runs[i].rows && !run_is_dead(v->runs[i].run, row) ? v->runs[i].first + row : VECTORS_NONE;
    return VECTORS_NONE;
}

const float *vector_view_row(const vector_view *v, uint32_t row)
{
    const view_run *r = run_of(v, row);
    return r ? run_row(r->run, row - r->first) : NULL;
}

const uint8_t *vector_view_key(const vector_view *v, uint32_t row)
{
    const view_run *r = run_of(v, row);
    return r ? run_key(r->run, row - r->first) : NULL;
}

int32_t vector_view_score(const vector_view *v, const float *question, const uint32_t *rows, uint64_t count, float *out,
                          const quipu_call *call, quipu_error *error)
{
    for (uint64_t i = 0; i < count; i++) {
        const float *row = vector_view_row(v, rows[i]);
        int32_t rc = i % 4096 == 0 ? call_check(call, error) : QUIPU_OK;
        if (rc != QUIPU_OK)
            return rc;
        out[i] = row ? blas_dot(row, question, v->dimension) : -INFINITY;
    }
    return QUIPU_OK;
}

/* ---- searching ---- */

/* What a search needs beside the view, for up to RUN_QUESTIONS questions. */
typedef struct workplace {
    top_k best[RUN_QUESTIONS];
    codes_question asked[RUN_QUESTIONS];
    rotation *turn;  /* NULL: no run has codes */
    uint8_t *tables; /* of `asked` */
    float *rotated;
    float *scores;
} workplace;

static bool has_codes(const vector_view *v)
{
    for (size_t i = 0; i < v->count; i++)
        if (v->runs[i].run->partitions)
            return true;
    return false;
}

static void workplace_free(workplace *w)
{
    if (!w)
        return;
    rotation_free(w->turn);
    free(w->tables);
    free(w->rotated);
    free(w->scores);
    free(w);
}

static workplace *workplace_new(const vector_view *v, uint32_t questions, bool exact)
{
    workplace *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    void *tables = NULL;
    questions = questions < RUN_QUESTIONS ? questions : RUN_QUESTIONS;
    w->scores = malloc((size_t)RUN_TILE * questions * sizeof *w->scores);
    bool good = w->scores != NULL;
    if (good && !exact && has_codes(v)) {
        good = posix_memalign(&tables, 64, codes_block_bytes(v->dimension) * questions) == 0;
        w->tables = tables;
        w->turn = rotation_new(v->dimension);
        w->rotated = malloc(v->dimension * sizeof *w->rotated);
        good = good && w->turn && w->rotated;
    }
    if (good)
        return w;
    workplace_free(w);
    return NULL;
}

static void ask(workplace *w, const vector_view *v, const float *questions, uint32_t count)
{
    for (uint32_t i = 0; w->turn && i < count; i++) {
        memcpy(w->rotated, questions + (size_t)i * v->dimension, v->dimension * sizeof *w->rotated);
        rotation_apply(w->turn, w->rotated);
        codes_ask(w->rotated, v->dimension, w->tables + codes_block_bytes(v->dimension) * i, &w->asked[i]);
    }
}

/* Up to RUN_QUESTIONS questions over all runs; a run found much in makes the threshold for the next. */
static int32_t search_some(const vector_view *v, workplace *w, const float *questions, uint32_t count,
                           const vector_search *how, const quipu_call *call, quipu_error *error)
{
    int32_t rc = QUIPU_OK;
    ask(w, v, questions, count);
    for (size_t i = 0; rc == QUIPU_OK && i < v->count; i++) {
        const view_run *r = &v->runs[i];
        run_search s = { .questions = questions,
                         .count = count,
                         .best = w->best,
                         .admitted = how->admitted ? how->admitted + r->first / 32 : NULL,
                         .first = r->first,
                         .rows = r->rows,
                         .exact = how->exact,
                         .effort = how->effort > 0 ? how->effort : 1,
                         .asked = w->asked,
                         .scores = w->scores,
                         .call = call };
        rc = run_search_all(r->run, &s, error);
    }
    return rc;
}

static int32_t check_search(const vector_view *v, const float *questions, uint32_t count, uint64_t dimension,
                            const vector_search *how, quipu_error *error)
{
    int32_t rc = QUIPU_OK;
    for (uint32_t i = 0; rc == QUIPU_OK && i < count; i++)
        rc = vectors_check(questions + (size_t)i * v->dimension, dimension, v->dimension, error);
    if (rc == QUIPU_OK && how->effort != 0 && !(how->effort >= 0.01f && how->effort <= 1000))
        rc = fail(error, QUIPU_E_INVALID, "effort", "the effort of a search lies between 0.01 and 1000");
    return rc;
}

int32_t vector_view_search(const vector_view *v, const float *questions, uint32_t count, uint64_t dimension,
                           const vector_search *how, vectors_match *out, uint32_t *found, const quipu_call *call,
                           quipu_error *error)
{
    uint32_t k = how->k < v->rows ? how->k : v->rows;
    for (uint32_t i = 0; i < count; i++)
        found[i] = 0;
    int32_t rc = check_search(v, questions, count, dimension, how, error);
    if (rc != QUIPU_OK || k == 0 || count == 0)
        return rc;
    workplace *w = workplace_new(v, count, how->exact);
    if (!w)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to search with");
    for (uint32_t done = 0, some; rc == QUIPU_OK && done < count; done += some) {
        some = count - done < RUN_QUESTIONS ? count - done : RUN_QUESTIONS;
        for (uint32_t i = 0; i < some; i++)
            top_k_init(&w->best[i], out + (size_t)(done + i) * k, k);
        rc = search_some(v, w, questions + (size_t)done * v->dimension, some, how, call, error);
        for (uint32_t i = 0; rc == QUIPU_OK && i < some; i++) {
            top_k_finish(&w->best[i]);
            found[done + i] = w->best[i].count;
        }
    }
    workplace_free(w);
    return rc;
}
