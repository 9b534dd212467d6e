/*
 * query.h - the reading side of a backend without an index: checks of what get, scan and search are asked, and the
 * showing of records that were collected by looking at each one.
 *
 * A backend collects what filter_match lets through, under its lock, with a reference to each record; lets the lock go; and
 * hands the array to query_show_page or query_show_best. Backends with many records use record_index.h.
 */
#ifndef SDK_QUERY_H
#define SDK_QUERY_H

#include <sdk/record_list.h>
#include <quipu/query.h>

/* Structs, flags, ids, order, k, mode, filter and texts, as plugin_api/quipu/query.h has them. Errors: INVALID. */
int32_t query_check_get(const quipu_get *q, quipu_error *error);
int32_t query_check_scan(const quipu_scan *q, quipu_error *error);
int32_t query_check_search(const quipu_search *q, quipu_error *error);

#define QUERY_CURSOR_MAX 320 /* bytes */
/* The cursor behind a record in an order, without a NUL byte; its length. It needs no state, and stays good whatever is written between two pages. */
size_t query_print_cursor(char out[QUERY_CURSOR_MAX], uint32_t order, const quipu_record *r);
/* The created_at and the id (borrowed of the cursor) that it goes on behind. Errors: INVALID. */
int32_t query_parse_cursor(quipu_str cursor, uint32_t order, int64_t *created_at, quipu_str *id, quipu_error *error);

/* Puts the records into the order that `q` asks for, leaves out those up to its cursor, and shows `limit` of them, each with
 * its cursor. The list is sorted in place and stays the caller's. Errors: INVALID (cursor), those of the visitor. */
int32_t query_show_page(record_list *records, const quipu_scan *q, quipu_hit_fn visit, void *context,
                        const quipu_call *call, quipu_error *error);

/* Shows the one record that get found; of an empty list NOT_FOUND, naming the id. */
int32_t query_show_one(const record_list *records, const quipu_get *q, quipu_hit_fn visit, void *context,
                       quipu_error *error);

/* How well a record answers; 0 or less: not at all. */
typedef double (*query_score_fn)(const quipu_search *q, const quipu_record *r);

/* A score for beginners: how many words of the question the text holds, without regard to case. */
double query_words_in_common(const quipu_search *q, const quipu_record *r);

/* What recency and importance add to a score, in parts of it (quipu_search says how). created_at: QUIPU_TIME_NONE for none;
 * importance: below 0 for none. Both are 0 where nothing was asked for. */
typedef struct query_weights {
    double recency, importance;
} query_weights;
query_weights query_weigh(const quipu_search *q, int64_t created_at, double importance, int64_t now);

/* The moment that the filter (or NULL) gives, else the system's. Microseconds since 1970. */
int64_t query_now(const quipu_filter *f);

/* True where what as_of names is a time: its last microsecond, which for a date is that of its day (UTC). */
bool query_as_of_time(quipu_str as_of, int64_t *end);
/* The moment by which a question as of then judges expires_at and age: a time that was asked for, though none that is to come; of a
 * revision the time when it was committed. */
int64_t query_moment(quipu_str as_of, int64_t committed, int64_t now);
/* The filter (or NULL) with that moment where it gives none itself: in *out, or as it is. QUIPU_TIME_NONE: the present is asked for. */
const quipu_filter *query_filter_then(const quipu_filter *f, int64_t moment, quipu_filter *out);

/* Shows the k best of the records that have a score, best first, equal scores by id; with QUIPU_SEARCH_EXPLAIN the score as
 * one component of the name given. */
int32_t query_show_best(const record_list *records, query_score_fn score, const char *component, const quipu_search *q,
                        quipu_hit_fn visit, void *context, const quipu_call *call, quipu_error *error);

/* What get shows of `r` (NULL: there is none; it is freed here): the record where the filter lets it through, else NOT_FOUND. now: of the host. */
int32_t query_show_record(record *r, const quipu_get *q, int64_t now, quipu_hit_fn visit, void *context,
                          quipu_error *error);

quipu_stat stat_number(const char *name, int64_t value);
quipu_stat stat_words(const char *name, const char *text);
/* Shows figures until the visitor stops. */
int32_t query_show_figures(const quipu_stat *figures, size_t count, quipu_stat_fn visit, void *context,
                           quipu_error *error);

/* What a visitor's answer means for the call: QUIPU_OK to go on, and *stop set where it wants no more; else its code, with
 * `error` filled. */
int32_t query_answer(int32_t answer, bool *stop, quipu_error *error);

#endif
