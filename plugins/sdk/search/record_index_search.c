/* record_index_search.c - see record_index.h: the best records for a question. */
#include "record_index_inner.h"

#include <sdk/abi_check.h>
#include <sdk/filter.h>
#include <sdk/query.h>
#include "record_words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What the two add to a hybrid score: the words measured against the best match by words that passes the filter (so that
 * nothing outside of the scope sets the scale), the cosine as it is. With hashed vectors 0.1 finds a little more than words
 * alone, from 0.3 on it finds less. */
#define HYBRID_WORDS 0.9
#define HYBRID_COSINE 0.1

/* ---- words follow the writes ---- */

static bool words_of(record_index *ix, uint32_t slot, buffer *scratch, quipu_str parts[RECORD_WORDS_PARTS])
{
    return record_words(record_view(ix->slots[slot].record), scratch, parts);
}

static void forget_words(record_index *ix)
{
    lexical_free(ix->words);
    ix->words = NULL;
}

void index_words_put(record_index *ix, uint32_t slot)
{
    buffer scratch = { 0 };
    quipu_str parts[RECORD_WORDS_PARTS];
    if (ix->words && (!words_of(ix, slot, &scratch, parts) ||
                      lexical_add(ix->words, slot, parts, RECORD_WORDS_PARTS, NULL) != QUIPU_OK))
        forget_words(ix);
    buffer_free(&scratch);
}

void index_words_drop(record_index *ix, uint32_t slot)
{
    buffer scratch = { 0 };
    quipu_str parts[RECORD_WORDS_PARTS];
    if (ix->words && words_of(ix, slot, &scratch, parts))
        lexical_remove(ix->words, slot, parts, RECORD_WORDS_PARTS);
    else if (ix->words)
        forget_words(ix);
    buffer_free(&scratch);
}

int32_t index_words_build(record_index *ix, const quipu_call *call, quipu_error *error)
{
    int32_t rc = QUIPU_OK;
    buffer scratch = { 0 };
    pthread_mutex_lock(&ix->build);
    lexical *fresh = ix->words ? NULL : lexical_create();
    if (!ix->words && !fresh)
        rc = fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an index of words");
    for (uint32_t n = 0; fresh && rc == QUIPU_OK && n < ix->slot_count; n++) {
        quipu_str parts[RECORD_WORDS_PARTS];
        if (n % 1024 == 0)
            rc = call_check(call, error);
        if (rc != QUIPU_OK || !ix->slots[n].record)
            continue;
        if (!words_of(ix, n, &scratch, parts))
            rc = fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an index of words");
        else
            rc = lexical_add(fresh, n, parts, RECORD_WORDS_PARTS, error);
    }
    if (fresh && rc == QUIPU_OK)
        ix->words = fresh;
    else
        lexical_free(fresh);
    pthread_mutex_unlock(&ix->build);
    buffer_free(&scratch);
    return rc;
}

/* ---- a search under way ---- */

typedef struct candidate {
    double score;
    double words;  /* its part of the score before weighing */
    double cosine; /* likewise */
    uint32_t slot;
} candidate;

typedef struct search {
    record_index *ix;
    const quipu_search *q;
    const quipu_call *call;
    quipu_error *error;
    bool by_words, by_vector;
    float *question; /* at unit length, or NULL */
    buffer model;    /* that the question's vector is of */
    lexical_query *asked;
    candidate *heap;
    size_t count;
    record **found; /* the answer, best first, with a reference each */
    candidate *best;
    size_t found_count;
    size_t word_count;
    int64_t now;
    size_t steps;  /* candidates that were looked at */
    buffer names;  /* EXPLAIN: "bm25:<word>" of each word, one after the other, each with a NUL byte */
    double *parts; /* EXPLAIN: word_count values for each of `found` */
} search;

static int32_t no_memory(search *s)
{
    return fail(s->error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to search with");
}

/* What to search by; embeds what has to be embedded. Without any lock. */
static int32_t choose(search *s)
{
    const quipu_search *q = s->q;
    quipu_error why = { .struct_size = sizeof why };
    bool text = str_present(q->text);
    if (q->mode == QUIPU_SEARCH_LEXICAL && !text)
        return fail(s->error, QUIPU_E_INVALID, "text", "a search by words needs a text");
    s->by_words = text && q->mode != QUIPU_SEARCH_VECTOR;
    s->by_vector = q->mode == QUIPU_SEARCH_VECTOR || q->mode == QUIPU_SEARCH_HYBRID || q->vector ||
                   (q->mode == QUIPU_SEARCH_AUTO && index_embedder(s->ix));
    if (q->mode == QUIPU_SEARCH_LEXICAL)
        s->by_vector = false;
    if (!s->by_vector)
        return QUIPU_OK;
    int32_t rc = index_embed(s->ix, q->text, q->vector, q->dimension, &s->question, &s->model, s->call, &why);
    if (rc == QUIPU_OK)
        return QUIPU_OK;
    /* AUTO promises words at the least: an embedder that cannot be reached does not end the search. */
    if (q->mode == QUIPU_SEARCH_AUTO && !q->vector && rc != QUIPU_E_TIMEOUT && rc != QUIPU_E_CANCELLED) {
        index_log(s->ix, QUIPU_LOG_WARNING, "searching by words only, because the embedder failed");
        index_log(s->ix, QUIPU_LOG_WARNING, why.message);
        s->by_vector = false;
        return QUIPU_OK;
    }
    if (s->error && s->error->struct_size >= sizeof why) {
        uint32_t size = s->error->struct_size;
        memcpy(s->error, &why, sizeof why);
        s->error->struct_size = size;
    }
    return rc;
}

/* True where a is a worse answer than b; equal scores by id. */
static bool worse(const search *s, const candidate *a, const candidate *b)
{
    if (a->score != b->score)
        return a->score < b->score;
    return str_compare(record_view(s->ix->slots[a->slot].record)->id, record_view(s->ix->slots[b->slot].record)->id) >
           0;
}

/* The best candidate stands at the top of the heap; lets the one at `at` sink. */
static void sink(search *s, size_t at)
{
    candidate *heap = s->heap;
    for (;;) {
        size_t child = 2 * at + 1, best = at;
        if (child < s->count && worse(s, &heap[best], &heap[child]))
            best = child;
        if (child + 1 < s->count && worse(s, &heap[best], &heap[child + 1]))
            best = child + 1;
        if (best == at)
            return;
        candidate other = heap[at];
        heap[at] = heap[best];
        heap[best] = other;
        at = best;
    }
}

static void make_heap(search *s)
{
    for (size_t i = s->count / 2; i > 0; i--)
        sink(s, i - 1);
}

static void drop_top(search *s)
{
    s->heap[0] = s->heap[--s->count];
    sink(s, 0);
}

/* Takes candidates that do not pass the filter off the heap until its top is one that does, or it is empty. What does
 * not pass costs nothing but its look-up, and k results come whenever there are k. */
static int32_t settle_top(search *s)
{
    for (; s->count > 0; s->steps++) {
        int32_t rc = s->steps % 4096 == 4095 ? call_check(s->call, s->error) : QUIPU_OK;
        if (rc != QUIPU_OK)
            return rc;
        int32_t match = filter_match(s->q->filter, record_view(s->ix->slots[s->heap[0].slot].record), s->now);
        if (match < 0)
            return fail(s->error, match, "filter", "the filter could not be applied: %s", error_text(match));
        if (match == 1)
            return QUIPU_OK;
        drop_top(s);
    }
    return QUIPU_OK;
}

/* The matches by words become the candidates. */
static int32_t score_words(search *s)
{
    lexical_match *matches = NULL;
    size_t count = 0;
    int32_t rc = index_words_build(s->ix, s->call, s->error);
    if (rc == QUIPU_OK)
        rc = lexical_ask(s->ix->words, s->q->text, &s->asked, s->error);
    if (rc == QUIPU_OK)
        rc = lexical_score(s->asked, &matches, &count, s->call, s->error);
    if (rc == QUIPU_OK && count > 0) {
        s->heap = malloc(count * sizeof *s->heap);
        if (!s->heap)
            rc = no_memory(s);
    }
    for (size_t i = 0; rc == QUIPU_OK && i < count; i++)
        s->heap[s->count++] =
            (candidate){ .score = matches[i].score, .words = matches[i].score, .slot = matches[i].document };
    free(matches);
    return rc;
}

/* Makes a candidate of every record that has a vector or was found by words; words of those found already are kept. */
static int32_t widen(search *s)
{
    record_index *ix = s->ix;
    double *words = calloc(ix->slot_count ? ix->slot_count : 1, sizeof *words);
    candidate *all = malloc((ix->slot_count ? ix->slot_count : 1) * sizeof *all);
    if (!words || !all) {
        free(words);
        free(all);
        return no_memory(s);
    }
    for (size_t i = 0; i < s->count; i++)
        words[s->heap[i].slot] = s->heap[i].words;
    s->count = 0;
    for (uint32_t n = 0; n < ix->slot_count; n++)
        if (ix->slots[n].record && (words[n] > 0 || ix->slots[n].passage != PASSAGES_NONE))
            all[s->count++] = (candidate){ .words = words[n], .slot = n };
    free(words);
    free(s->heap);
    s->heap = all;
    return QUIPU_OK;
}

static int32_t score_vectors(search *s)
{
    record_index *ix = s->ix;
    const vectors *rows = ix->vectors ? passages_vectors(ix->vectors) : NULL;
    if (!rows || !passages_are_of(ix->vectors, str_make(s->model.bytes, s->model.len), vectors_dimension(rows)))
        return fail(s->error, QUIPU_E_BUSY, NULL, "the embedder was changed during the search; try again");
    float *cosine = malloc((vectors_count(rows) ? vectors_count(rows) : 1) * sizeof *cosine);
    int32_t rc = cosine ? vectors_score(rows, s->question, cosine, s->call, s->error) : no_memory(s);
    make_heap(s);
    if (rc == QUIPU_OK)
        rc = settle_top(s);
    double most = s->count > 0 ? s->heap[0].words : 0;
    if (rc == QUIPU_OK)
        rc = widen(s);
    for (size_t i = 0; rc == QUIPU_OK && i < s->count; i++) {
        candidate *c = &s->heap[i];
        if (ix->slots[c->slot].passage != PASSAGES_NONE)
            c->cosine = cosine[passages_row(ix->vectors, ix->slots[c->slot].passage)];
        c->score =
            !s->by_words ? c->cosine : HYBRID_WORDS * (most > 0 ? c->words / most : 0) + HYBRID_COSINE * c->cosine;
    }
    free(cosine);
    return rc;
}

static int32_t select_best(search *s)
{
    size_t most = s->count < s->q->k ? s->count : (size_t)s->q->k;
    s->found = calloc(most ? most : 1, sizeof(*s->found));
    s->best = malloc((most ? most : 1) * sizeof *s->best);
    if (!s->found || !s->best)
        return no_memory(s);
    make_heap(s);
    int32_t rc = QUIPU_OK;
    while (s->found_count < most && (rc = settle_top(s)) == QUIPU_OK && s->count > 0) {
        s->best[s->found_count] = s->heap[0];
        s->found[s->found_count++] = record_share(s->ix->slots[s->heap[0].slot].record);
        drop_top(s);
    }
    return rc;
}

/* What each word added to each result, while the index stands still. */
static int32_t explain(search *s)
{
    s->word_count = s->asked ? lexical_query_words(s->asked) : 0;
    for (size_t w = 0; w < s->word_count; w++) {
        buffer_append_text(&s->names, "bm25:");
        buffer_append_str(&s->names, lexical_query_word(s->asked, w));
        buffer_append_char(&s->names, '\0');
    }
    s->parts = malloc((s->found_count * s->word_count + 1) * sizeof *s->parts);
    if (!s->parts || s->names.failed)
        return no_memory(s);
    for (size_t i = 0; i < s->found_count; i++)
        for (size_t w = 0; w < s->word_count; w++)
            s->parts[i * s->word_count + w] = lexical_explain(s->asked, w, s->best[i].slot);
    return QUIPU_OK;
}

static int32_t find(search *s)
{
    bool locked = index_read_lock(s->ix);
    s->now = index_now(s->ix);
    int32_t rc = s->by_words ? score_words(s) : QUIPU_OK;
    if (rc == QUIPU_OK && s->by_vector)
        rc = score_vectors(s);
    if (rc == QUIPU_OK)
        rc = select_best(s);
    if (rc == QUIPU_OK && s->q->flags & QUIPU_SEARCH_EXPLAIN)
        rc = explain(s);
    lexical_query_free(s->asked); /* bound to the state that is about to change */
    s->asked = NULL;
    index_unlock(s->ix, locked);
    return rc;
}

/* ---- showing ---- */

/* Fills `out` (word_count + 2 of them) with the parts of result i; how many. */
static size_t components(const search *s, size_t i, quipu_component *out)
{
    size_t count = 0;
    const char *name = s->names.bytes;
    if (s->by_words)
        out[count++] = (quipu_component){ sizeof *out, 0, str_of("bm25"), s->best[i].words };
    for (size_t w = 0; w < s->word_count; w++) {
        double value = s->parts[i * s->word_count + w];
        if (value > 0)
            out[count++] = (quipu_component){ sizeof *out, 0, str_of(name), value };
        name += strlen(name) + 1;
    }
    if (s->by_vector)
        out[count++] = (quipu_component){ sizeof *out, 0, str_of("cosine"), s->best[i].cosine };
    return count;
}

static int32_t show(search *s, quipu_hit_fn visit, void *context)
{
    bool explained = (s->q->flags & QUIPU_SEARCH_EXPLAIN) != 0, stop = false;
    quipu_component *parts = explained ? calloc(s->word_count + 2, sizeof *parts) : NULL;
    int32_t rc = explained && !parts ? no_memory(s) : QUIPU_OK;
    for (size_t i = 0; rc == QUIPU_OK && !stop && i < s->found_count; i++) {
        quipu_hit hit = { .struct_size = sizeof hit, .record = record_view(s->found[i]), .score = s->best[i].score };
        if (explained)
            hit.components = (quipu_array){ parts, components(s, i, parts), sizeof *parts };
        rc = query_answer(visit(context, &hit), &stop, s->error);
    }
    free(parts);
    return rc;
}

int32_t record_index_search(record_index *ix, const quipu_search *q, quipu_hit_fn visit, void *context,
                            const quipu_call *call, quipu_error *error)
{
    search s = { .ix = ix, .q = q, .call = call, .error = error };
    int32_t rc = query_check_search(q, error);
    if (rc == QUIPU_OK && str_present(q->as_of))
        rc = fail(error, QUIPU_E_UNSUPPORTED, "as_of", "this backend keeps no history");
    if (rc == QUIPU_OK)
        rc = abi_check_call(call, error);
    if (rc != QUIPU_OK)
        return rc;
    rc = choose(&s);
    if (rc == QUIPU_OK)
        rc = find(&s);
    if (rc == QUIPU_OK)
        rc = show(&s, visit, context);
    for (size_t i = 0; i < s.found_count; i++)
        record_free(s.found[i]);
    free(s.found);
    free(s.best);
    free(s.heap);
    free(s.parts);
    free(s.question);
    buffer_free(&s.names);
    buffer_free(&s.model);
    return rc;
}
