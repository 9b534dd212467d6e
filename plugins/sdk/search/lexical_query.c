/* lexical_query.c - see lexical.h: questions. */
#include "lexical_inner.h"

#include <base/fail.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define QUESTION_WORDS_MAX 256 /* different words of a question that are looked at; the rest is left out */
#define STEPS_BETWEEN_CHECKS 65536u

typedef struct asked {
    uint32_t term;
    uint32_t times; /* in the question */
    bool stop;
    double idf;
} asked;

struct lexical_query {
    const lexical *x;
    double mean_length;
    text_stemmer *stemmer; /* its own: questions run side by side */
    size_t count;
    uint32_t reach; /* one more than the largest document of any word */
    asked words[QUESTION_WORDS_MAX];
};

static void ask_word(void *context, const char *word, size_t len)
{
    lexical_query *q = context;
    uint32_t number = str_table_find(&q->x->by_stem, text_stem(q->stemmer, word, len));
    if (number == STR_TABLE_NONE || q->x->terms[number].count == 0)
        return;
    for (size_t i = 0; i < q->count; i++) {
        if (q->words[i].term == number) {
            q->words[i].times++;
            q->words[i].stop = q->words[i].stop && text_is_stop_word(word, len); /* "do" of "doer" and "doing" */
            return;
        }
    }
    if (q->count < QUESTION_WORDS_MAX)
        q->words[q->count++] = (asked){ .term = number, .times = 1, .stop = text_is_stop_word(word, len) };
}

/* Notes whether the question has a word that says something, in the index or not. */
static void note_content_word(void *context, const char *word, size_t len)
{
    bool *content = context;
    *content = *content || !text_is_stop_word(word, len);
}

int32_t lexical_ask(const lexical *x, quipu_str question, lexical_query **out, quipu_error *error)
{
    lexical_query *q = calloc(1, sizeof *q);
    if (!q || !(q->stemmer = text_stemmer_create())) {
        free(q);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to search with");
    }
    q->x = x;
    q->mean_length = x->documents ? (double)x->total_length / (double)x->documents : 0;
    if (q->mean_length < 1e-9)
        q->mean_length = 1e-9;
    bool content = false;
    text_words(question, TEXT_QUESTION, note_content_word, &content);
    text_words(question, TEXT_QUESTION, ask_word, q);
    size_t kept = 0;
    for (size_t i = 0; i < q->count; i++) {
        if (content && q->words[i].stop)
            continue;
        const term *t = &x->terms[q->words[i].term];
        double df = t->count;
        q->words[i].idf = log(1 + ((double)x->documents - df + 0.5) / (df + 0.5));
        if (t->postings[t->count - 1].document >= q->reach)
            q->reach = t->postings[t->count - 1].document + 1;
        q->words[kept++] = q->words[i];
    }
    q->count = kept;
    *out = q;
    return QUIPU_OK;
}

void lexical_query_free(lexical_query *q)
{
    if (!q)
        return;
    text_stemmer_free(q->stemmer);
    free(q);
}

size_t lexical_query_words(const lexical_query *q)
{
    return q->count;
}

quipu_str lexical_query_word(const lexical_query *q, size_t i)
{
    const term *t = &q->x->terms[q->words[i].term];
    return (quipu_str){ t->stem, t->stem_len };
}

static double bm25(const lexical_query *q, const asked *word, const posting *p)
{
    double tf = p->times, length = q->x->lengths[p->document];
    double norm = BM25_K1 * (1 - BM25_B + BM25_B * length / q->mean_length);
    return word->times * word->idf * tf * (BM25_K1 + 1) / (tf + norm);
}

double lexical_explain(const lexical_query *q, size_t i, uint32_t document)
{
    const term *t = &q->x->terms[q->words[i].term];
    uint32_t at = term_position(t, document);
    return at < t->count && t->postings[at].document == document ? bm25(q, &q->words[i], &t->postings[at]) : 0;
}

/* Adds one word's part to every document that has it; documents seen for the first time are noted in `found`. */
static int32_t add_word(const lexical_query *q, const asked *word, double *scores, lexical_match *found, size_t *count,
                        const quipu_call *call, quipu_error *error)
{
    const term *t = &q->x->terms[word->term];
    for (uint32_t i = 0; i < t->count; i++) {
        if (i % STEPS_BETWEEN_CHECKS == 0) {
            int32_t rc = call_check(call, error);
            if (rc != QUIPU_OK)
                return rc;
        }
        const posting *p = &t->postings[i];
        if (scores[p->document] == 0) /* every part is more than 0 */
            found[(*count)++].document = p->document;
        scores[p->document] += bm25(q, word, p);
    }
    return QUIPU_OK;
}

int32_t lexical_score(const lexical_query *q, lexical_match **out, size_t *count, const quipu_call *call,
                      quipu_error *error)
{
    *out = NULL;
    *count = 0;
    if (q->count == 0)
        return QUIPU_OK;
    uint64_t most = 0; /* matches there can be */
    for (size_t i = 0; i < q->count; i++)
        most += q->x->terms[q->words[i].term].count;
    if (most > q->x->documents)
        most = q->x->documents;
    double *scores = calloc(q->reach, sizeof *scores);
    lexical_match *found = malloc((size_t)most * sizeof *found);
    int32_t rc = scores && found ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to search with");
    for (size_t i = 0; rc == QUIPU_OK && i < q->count; i++)
        rc = add_word(q, &q->words[i], scores, found, count, call, error);
    for (size_t i = 0; rc == QUIPU_OK && i < *count; i++)
        found[i].score = scores[found[i].document];
    free(scores);
    if (rc != QUIPU_OK) {
        free(found);
        *count = 0;
        return rc;
    }
    *out = found;
    return QUIPU_OK;
}
