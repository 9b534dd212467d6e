/*
 * words_rank_inner.h - a question under way, shared by words_question.c, words_count.c, words_score.c, words_near.c and words_rank.c.
 */
#ifndef SDK_WORDS_RANK_INNER_H
#define SDK_WORDS_RANK_INNER_H

#include "words_inner.h"

/* Up to so many admitted documents the statistics are those of exactly these, and each that holds a word is scored; above, they
 * are those of all that are alive, and what cannot be among the best is skipped. */
#define EXACT_MAX 32768u
/* So many of the best by words alone are looked at with their surroundings. */
#define DEPTH 200u

#define TOKENS_MAX 1024u /* words of a question that are looked at */
#define TERMS_MAX 256u   /* different words and pairs that are asked for */
#define NORMS 1024u
#define DATES_MAX 8u

/* A word or pair that is asked for. */
typedef struct asked {
    uint64_t key;
    uint32_t times; /* in the question */
    bool pair;
    uint16_t first, second; /* tokens, for its name */
    uint64_t frequency;     /* documents that have it */
    double weight;          /* what a posting of endless frequency adds to a score */
} asked;

typedef struct asked_token {
    uint64_t key;
    uint32_t stem, stem_len; /* in query.names */
    uint32_t raw, raw_len;
    bool stop, pairs, name;
} asked_token;

typedef struct asked_date {
    int32_t year, month, day; /* 0: not given; month 1..12 */
} asked_date;

/* A document that may be a result, and what its score is made of. */
typedef struct candidate {
    uint32_t part, document;
    double words; /* by words alone */
    double like;  /* what likeness adds; both are the base score */
    double score;
    double asks, neighbours, session, speaker, date, time_words;
    uint32_t near[4]; /* candidates: two before, one before, one after, two after; WORDS_NONE */
    uint32_t talk;    /* its session among query.talks; WORDS_NONE */
} candidate;

/* A session that candidates are of. */
typedef struct talk {
    uint64_t key;
    double best; /* base score */
} talk;

typedef struct range {
    uint32_t first, end; /* in turns[] */
} range;

/* What admits the documents of a part. */
typedef struct admission {
    uint32_t documents; /* that can be admitted: those of the block and the bitmaps both */
    uint32_t count;     /* that are */
    uint32_t first;     /* of them among all parts' */
    uint32_t *before;   /* exact: admitted ones before each 64 documents */
} admission;

typedef struct query {
    const words_part *parts;
    size_t count;
    uint32_t flags;
    text_language language;
    uint64_t k;
    const quipu_call *call;
    const words_likeness *likeness;

    asked terms[TERMS_MAX];
    size_t term_count;
    asked_token *tokens;
    size_t token_count;
    buffer names;
    asked_date dates[DATES_MAX];
    size_t date_count;
    bool asks_time;
    uint64_t speaker; /* key of the only one that is named; 0: none */

    bool exact;
    admission *admissions;
    uint64_t admitted; /* documents, of all parts */
    uint32_t *list;    /* exact: them, part after part */
    double *scores;    /* exact: of each of them */

    double documents, mean_length; /* the statistics */
    float norms[NORMS];

    candidate *candidates;
    size_t candidate_count, candidate_capacity;
    size_t scored_count, hit_count; /* found by words; by words or likeness: the others are there as neighbours */
    uint32_t *table;                /* candidates by (part, document): numbers plus one */
    size_t table_size;
    talk *talks;
    range *ranges; /* query.count for each talk */
    size_t talk_count, talk_capacity;
    uint32_t *talk_table;
    size_t talk_table_size;
} query;

#define BM25_K1 0.5
#define BM25_B 0.4

static inline double query_norm(const query *q, uint32_t length)
{
    return length < NORMS ? (double)q->norms[length]
                          : BM25_K1 * (1 - BM25_B + BM25_B * (double)length / q->mean_length);
}

/* What a posting adds to a score. Rounded to float, so that sums do not depend on the order of their parts. */
static inline double query_part(const query *q, const asked *a, uint32_t times, uint32_t length)
{
    return (double)(float)(a->weight * times / (times + query_norm(q, length)));
}

static inline bool bit_of(const uint64_t *bits, uint32_t document)
{
    return bits[document / 64] >> document % 64 & 1;
}
static inline bool query_alive(const query *q, uint32_t part, uint32_t document)
{
    return document < q->parts[part].documents && bit_of(q->parts[part].alive, document);
}
static inline bool query_admits(const query *q, uint32_t part, uint32_t document)
{
    const words_part *p = &q->parts[part];
    return query_alive(q, part, document) && (!p->admitted || bit_of(p->admitted, document));
}

static inline int32_t query_no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to search with");
}

/* words_admit.c: counts what is admitted; decides `exact` and fills `list`. */
int32_t query_admit(query *q, quipu_error *error);
/* Place of an admitted document in `list`. Only where exact. */
uint32_t query_place(const query *q, uint32_t part, uint32_t document);

/* words_question.c: fills terms, dates, asks_time and speaker. */
int32_t query_read(query *q, quipu_str text, quipu_error *error);
/* words_rank.c: frees what it holds. */
void query_end(query *q);
/* words_dates.c: the dates in the question's words; how well a time (QUIPU_TIME_NONE: none) fits them, 0..1. */
void query_read_dates(query *q);
double query_date_match(const query *q, int64_t created);

/* words_count.c: the statistics where not exact: `documents`, `mean_length` and the terms' frequencies. */
int32_t query_count(query *q, quipu_error *error);

/* words_score.c: the best `most` by base score become the first candidates. */
int32_t query_score(query *q, size_t most, quipu_error *error);
/* Fills `words` of the candidates that were not found by them. */
int32_t query_score_rest(query *q, quipu_error *error);

/* words_likeness.c: the nearest join the hits. */
int32_t query_add_nearest(query *q, quipu_error *error);
/* Fills `like` of all candidates. */
int32_t query_add_likeness(query *q, quipu_error *error);

/* words_near.c: adds the neighbours of the hits to the candidates, and fills near and talk of all of them. */
int32_t query_find_near(query *q, quipu_error *error);
bool query_has_candidate(const query *q, uint32_t part, uint32_t document);
/* A new candidate at the end, or NULL without memory. */
candidate *query_add_candidate(query *q, uint32_t part, uint32_t document);

/* words_best.c: the best of many, in a heap whose top is the worst of them. */
typedef struct best {
    words_match *matches;
    size_t count, capacity, most;
} best;
bool best_worse(const words_match *a, const words_match *b);
/* False without memory. */
bool best_put(best *b, words_match m);
/* What a further match must be above; below 0 as long as there is room. */
static inline double best_threshold(const best *b)
{
    return b->count < b->most ? -1 : b->count ? b->matches[0].score : 1e308;
}
void best_sort(best *b); /* best first; no heap any more */

#endif
