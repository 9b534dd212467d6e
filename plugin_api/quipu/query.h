/*
 * query.h - what get, scan, search and stats are asked, and what they show to a visitor.
 */
#ifndef QUIPU_QUERY_H
#define QUIPU_QUERY_H

#include "base.h"
#include "filter.h"
#include "record.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct quipu_get {
    uint32_t struct_size;
    uint32_t flags; /* none defined: 0 */
    quipu_str id;
    quipu_str as_of;            /* a revision or a time, as history.h says; absent: now */
    const quipu_filter *filter; /* the record must match it, else NOT_FOUND; NULL: any that has not expired */
} quipu_get;

#define QUIPU_ORDER_ID 0u     /* by the bytes of the id */
#define QUIPU_ORDER_NEWEST 1u /* created_at, latest first; absent last; then by id, descending */
#define QUIPU_ORDER_OLDEST 2u /* created_at, earliest first; absent first; then by id */

/* A scan sees one state of the store from its first result to its last. Between two pages the store may change: what was
 * there all the time is seen exactly once. */
typedef struct quipu_scan {
    uint32_t struct_size;
    uint32_t flags;             /* none defined: 0 */
    const quipu_filter *filter; /* NULL: every record that has not expired */
    quipu_str as_of;            /* as in quipu_get */
    quipu_str cursor;           /* of the hit to go on after, with the same order; absent: from the beginning */
    uint64_t limit;             /* results at the most; 0: no limit */
    uint32_t order;             /* QUIPU_ORDER_* */
    uint32_t reserved;
} quipu_scan;

#define QUIPU_SEARCH_AUTO 0u    /* hybrid where there are vectors, else lexical */
#define QUIPU_SEARCH_HYBRID 1u  /* words and vectors; without an embedder QUIPU_E_UNSUPPORTED */
#define QUIPU_SEARCH_LEXICAL 2u /* words only */
#define QUIPU_SEARCH_VECTOR 3u  /* vectors only; without an embedder or a vector given QUIPU_E_UNSUPPORTED */

#define QUIPU_SEARCH_EXPLAIN 1u /* fill quipu_hit.components */
#define QUIPU_SEARCH_WAIT                                                                                              \
    2u /* make every vector that is pending first, and fail where that fails; else a search makes what it can within a few
        * seconds, and answers by those that are there */

#define QUIPU_SEARCH_K_MAX 10000u /* results at the most; a larger k is refused */

/* The filter narrows first: k results come back whenever k match. Results come best first, equal scores by id. */
typedef struct quipu_search {
    uint32_t struct_size;
    uint32_t flags;             /* QUIPU_SEARCH_* flags: EXPLAIN, WAIT */
    const quipu_filter *filter; /* as in quipu_scan */
    quipu_str as_of;            /* as in quipu_get */
    quipu_str text;             /* the question; absent only where a vector is given */
    const float *vector; /* the question as a vector of the store's model, or NULL: the backend embeds the text */
    uint64_t dimension;  /* floats at `vector` */
    uint64_t k;          /* 1..QUIPU_SEARCH_K_MAX */
    uint32_t mode;       /* QUIPU_SEARCH_AUTO, HYBRID, LEXICAL or VECTOR */
    uint32_t reserved;
    /* Weights, 0 to 100; 0: it does not count. A score becomes
     *     score * (1 + recency * 2^(-age / half_life) + importance * record.importance)
     * age: from created_at to the filter's `now`; a record of the future has age 0; one without the field gets nothing added. After
     * Park et al., "Generative Agents" (2023), where recency and importance join relevance. */
    double recency;
    double importance;
    int64_t half_life; /* microseconds after which recency counts half; 0: 30 days */
} quipu_search;

/* One part of a score, for those who want to know why. */
typedef struct quipu_component {
    uint32_t struct_size;
    uint32_t reserved;
    quipu_str name; /* "bm25", "hybrid", "cosine", "bm25:word", "recency", "importance", ... */
    double value;
} quipu_component;

/* One result. Everything in it is borrowed for the visit. */
typedef struct quipu_hit {
    uint32_t struct_size;
    uint32_t flags; /* none defined: 0 */
    const quipu_record *record;
    quipu_str cursor;       /* of a scan: pass it on to go on after this record; opaque, at most 512 bytes */
    double score;           /* of a search: finite, larger is better; only comparable within one answer */
    quipu_array components; /* of quipu_component, with QUIPU_SEARCH_EXPLAIN */
} quipu_hit;

/* Called once a result, in order, with no lock held that another call to the same backend could need. Answers 0 to go
 * on, a positive number to stop (the call then succeeds), or a negative code of error.h, which the call returns. */
typedef int32_t (*quipu_hit_fn)(void *context, const quipu_hit *hit) QUIPU_NOEXCEPT;

/* One figure about a store. Every backend tells at least "records". */
typedef struct quipu_stat {
    uint32_t struct_size;
    uint32_t reserved;
    quipu_str name; /* lower case with underscores: records, revisions, packs, bytes, ... */
    quipu_str text; /* present: the value is this text, else `value` */
    int64_t value;
} quipu_stat;

/* As quipu_hit_fn, for figures. */
typedef int32_t (*quipu_stat_fn)(void *context, const quipu_stat *stat) QUIPU_NOEXCEPT;

#ifdef __cplusplus
}
#endif
#endif
