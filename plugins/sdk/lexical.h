/*
 * lexical.h - which documents hold the words of a question: an inverted index in RAM, ranked by BM25.
 *
 * BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009) with k1 = 0.9 and b = 0.4, and the idf
 * ln(1 + (N - df + 0.5) / (df + 0.5)), which is never negative. N, df and the mean length are those of the whole index. Words
 * are stemmed. Stop words are kept but do not count for the length; they are asked for only where a question has no
 * other word.
 *
 * Documents are numbers that the owner chooses; small ones, because room is kept for each up to the largest. Not locked:
 * any number of threads may ask while none changes.
 */
#ifndef SDK_LEXICAL_H
#define SDK_LEXICAL_H

#include <quipu/error.h>
#include <stdbool.h>

typedef struct lexical lexical;

lexical *lexical_create(void); /* NULL without memory */
void lexical_free(lexical *x);

/* Adds a document, which is not there yet. `texts`: its parts. Without memory nothing of it is added. */
int32_t lexical_add(lexical *x, uint32_t document, const quipu_str *texts, size_t count, quipu_error *error);
/* Takes a document out; `texts` are those that it was added with. Cannot fail. */
void lexical_remove(lexical *x, uint32_t document, const quipu_str *texts, size_t count);
uint64_t lexical_documents(const lexical *x);

/* A document with its score. */
typedef struct lexical_match {
    double score;
    uint32_t document;
} lexical_match;

/* A question, bound to the state of the index: free it before the index changes. */
typedef struct lexical_query lexical_query;

int32_t lexical_ask(const lexical *x, quipu_str question, lexical_query **out, quipu_error *error);
void lexical_query_free(lexical_query *q);
/* Every document with at least one word of the question, in no order. *out is the caller's, to be freed; NULL where there is none.
 * Asks `call` for deadline and cancellation. */
int32_t lexical_score(const lexical_query *q, lexical_match **out, size_t *count, const quipu_call *call,
                      quipu_error *error);
/* The words of the question that are in the index (stemmed) and what each adds to a document's score. */
size_t lexical_query_words(const lexical_query *q);
quipu_str lexical_query_word(const lexical_query *q, size_t i); /* the index's */
double lexical_explain(const lexical_query *q, size_t i, uint32_t document);

#endif
