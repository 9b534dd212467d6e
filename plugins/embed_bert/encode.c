/*
 * encode.c - see bert.h: texts to vectors.
 *
 * A window of texts is tokenised, packed without padding into runs of about RUN_TOKENS tokens (one matrix product then does
 * the work of all texts in it), and the runs are taken by as many threads as are allowed. A thread multiplies alone: two
 * runs side by side keep two cores busier than one product that is split.
 */
#include "bert.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <pthread.h>
#include <sdk/embedder.h>
#include <sdk/vectors.h>
#include <stdatomic.h>
#include <stdlib.h>

#define WINDOW_TEXTS 256u
#define RUN_TOKENS 768u
#define THREADS_MAX 64u

typedef struct window {
    const bert *b;
    const quipu_call *call;
    uint32_t *tokens;  /* WINDOW_TEXTS * tokens_most at the most, one text after the other */
    uint32_t *lengths; /* of each text */
    size_t *begins;    /* of each text, in `tokens` */
    uint32_t *runs;    /* the first text of each run, and the end */
    uint32_t run_count;
    float *vectors; /* [texts, hidden] */
    atomic_uint next;
    pthread_mutex_t lock;
    int32_t code; /* of the first run that failed */
    quipu_error error;
} window;

/* ---- tokens ---- */

static void tokenise(window *w, const quipu_array *texts, uint64_t first, uint32_t count, uint32_t purpose)
{
    const bert *b = w->b;
    const char *prefix = purpose == QUIPU_EMBED_QUERY ? b->query_prefix : b->passage_prefix;
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t *tokens = w->tokens + at, room = b->tokens_most - 2, length = 0;
        w->begins[i] = at;
        tokens[length++] = b->begin_token;
        length += wordpiece_encode(b->tokenizer, str_of(prefix), tokens + length, room);
        length += wordpiece_encode(b->tokenizer, *QUIPU_AT(quipu_str, texts, first + i), tokens + length,
                                   room - (length - 1));
        tokens[length++] = b->end_token;
        w->lengths[i] = length;
        at += length;
    }
}

static void plan_runs(window *w, uint32_t count)
{
    uint32_t total = 0;
    w->run_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (total == 0 || total + w->lengths[i] > RUN_TOKENS) {
            w->runs[w->run_count++] = i;
            total = 0;
        }
        total += w->lengths[i];
    }
    w->runs[w->run_count] = count;
}

/* ---- runs ---- */

static void pool(const bert *b, const float *states, uint32_t length, float *vector)
{
    uint32_t rows = b->first_token ? 1 : length;
    memcpy(vector, states, b->hidden * sizeof *vector);
    for (uint32_t row = 1; row < rows; row++)
        for (uint32_t i = 0; i < b->hidden; i++)
            vector[i] += states[(size_t)row * b->hidden + i];
    vectors_normalise(vector, b->hidden, vector);
}

static void do_run(window *w, bert_room *room, uint32_t run)
{
    quipu_error why = { .struct_size = sizeof why };
    uint32_t first = w->runs[run], end = w->runs[run + 1], hidden = w->b->hidden;
    packed_texts texts = { .tokens = w->tokens + w->begins[first],
                           .lengths = w->lengths + first,
                           .count = end - first };
    for (uint32_t i = 0; i < texts.count; i++)
        texts.total += texts.lengths[i];
    const float *states = bert_run(w->b, room, &texts, w->call, &why);
    if (!states) {
        pthread_mutex_lock(&w->lock);
        if (w->code == QUIPU_OK) {
            w->code = why.code;
            w->error = why;
        }
        pthread_mutex_unlock(&w->lock);
        atomic_store(&w->next, w->run_count); /* nobody begins another */
        return;
    }
    for (uint32_t i = first; i < end; i++) {
        pool(w->b, states, w->lengths[i], w->vectors + (size_t)i * hidden);
        states += (size_t)w->lengths[i] * hidden;
    }
}

static uint32_t longest_run(const window *w)
{
    uint32_t longest = 0;
    for (uint32_t run = 0; run < w->run_count; run++) {
        uint32_t total = 0;
        for (uint32_t i = w->runs[run]; i < w->runs[run + 1]; i++)
            total += w->lengths[i];
        longest = total > longest ? total : longest;
    }
    return longest;
}

/* A worker that gets no memory leaves the runs to the others; the caller's own thread is the last of them. */
static void *work(void *context)
{
    window *w = context;
    bert_room *room = bert_room_create(w->b, longest_run(w));
    uint32_t run;
    while (room && (run = atomic_fetch_add(&w->next, 1)) < w->run_count)
        do_run(w, room, run);
    bert_room_free(room);
    return room ? w : NULL;
}

static int32_t run_all(window *w, uint32_t threads, quipu_error *error)
{
    pthread_t helpers[THREADS_MAX];
    uint32_t wanted = threads < w->run_count ? threads : w->run_count, started = 0;
    atomic_store(&w->next, 0);
    while (started + 1 < wanted && started < THREADS_MAX && pthread_create(&helpers[started], NULL, work, w) == 0)
        started++;
    bool worked = work(w) != NULL;
    for (uint32_t i = 0; i < started; i++)
        pthread_join(helpers[i], NULL);
    if (w->code != QUIPU_OK)
        return fail(error, w->code, w->error.field, "%s", w->error.message);
    return worked ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to embed with");
}

/* ---- windows ---- */

static int32_t window_begin(window *w, uint32_t texts, quipu_error *error)
{
    const bert *b = w->b;
    w->tokens = malloc((size_t)texts * b->tokens_most * sizeof *w->tokens);
    w->lengths = malloc(texts * sizeof *w->lengths);
    w->begins = malloc(texts * sizeof *w->begins);
    w->runs = malloc((texts + 1) * sizeof *w->runs);
    w->vectors = malloc((size_t)texts * b->hidden * sizeof *w->vectors);
    pthread_mutex_init(&w->lock, NULL);
    return w->tokens && w->lengths && w->begins && w->runs && w->vectors
               ? QUIPU_OK
               : fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to embed with");
}

static void window_end(window *w)
{
    free(w->tokens);
    free(w->lengths);
    free(w->begins);
    free(w->runs);
    free(w->vectors);
    pthread_mutex_destroy(&w->lock);
}

int32_t bert_embed(const bert *b, const quipu_array *texts, uint32_t purpose, uint32_t threads, quipu_vector_fn visit,
                   void *context, const quipu_call *call, quipu_error *error)
{
    window w = { .b = b, .call = call, .error = { .struct_size = sizeof w.error } };
    uint32_t most = texts->count < WINDOW_TEXTS ? (uint32_t)texts->count : WINDOW_TEXTS;
    bool more = true;
    int32_t code = window_begin(&w, most, error);
    for (uint64_t first = 0; code == QUIPU_OK && more && first < texts->count; first += most) {
        uint32_t count = texts->count - first < most ? (uint32_t)(texts->count - first) : most;
        tokenise(&w, texts, first, count, purpose);
        plan_runs(&w, count);
        code = run_all(&w, threads, error);
        for (uint32_t i = 0; code == QUIPU_OK && more && i < count; i++)
            more = embedder_give(visit, context, first + i, w.vectors + (size_t)i * b->hidden, b->hidden, &code, error);
    }
    window_end(&w);
    return code;
}
