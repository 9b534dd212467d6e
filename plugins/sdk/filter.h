/*
 * filter.h - the filter grammar: JSON to the nodes of plugin_api/quipu/filter.h, and the matching of records.
 *
 * {"a":1,"b":2} is AND of both; {"AND":[...]}, {"OR":[...]}, {"NOT":[...]} nest freely (NOT: none of the listed);
 * "k": v is equal, on list fields contains; "k": "*" is present and not null; "k": {"op": v}, with the operators eq ne gt
 * gte lt lte in nin (also not_in) contains icontains, several of them meaning all of them. Keys: user_id agent_id app_id
 * run_id and user agent session app (scope); id (also memory_ids) kind text category categories key keys tags actor role seq
 * importance head relation tail; scope.*, entity.*, entity_type, entity_id; times created_at updated_at valid_from
 * valid_to expires_at (also timestamp: created_at, expiration_date: expires_at), where a date as upper bound covers its
 * day; metadata.a.b or {"metadata":{...}}; any other key is a metadata key. An unknown operator is INVALID with the field.
 * null equals null and absent. A date (YYYY-MM-DD) stands for its day in UTC: eq within it, gt after it, lte up to its end.
 * categories and keys read as lists: their contains is equal. A list or an object as a plain value is INVALID.
 */
#ifndef SDK_FILTER_H
#define SDK_FILTER_H

#include <cjson/cJSON.h>
#include <quipu/error.h>
#include <quipu/filter.h>
#include <quipu/record.h>

typedef struct filter filter; /* owns the nodes that its view shows */

/* scope: a JSON object {user,agent,session,app} or NULL; expression: the grammar above or NULL. At most 1,000 nodes and 10,000
 * values, QUIPU_DEPTH_MAX levels. Errors: INVALID (field), TOO_LARGE, NO_MEMORY. */
int32_t filter_compile(const cJSON *scope, const cJSON *expression, filter **out, quipu_error *error);
/* The view may be changed by its owner: scope, flags and now. */
quipu_filter *filter_view(filter *f);
void filter_free(filter *f);

/* Checks a filter that crossed the ABI: sizes, operators, children that add up, value types, flags. NULL is fine. */
int32_t filter_check(const quipu_filter *f, quipu_error *error);
/* 1 where the record matches the scope, has not expired by `now` (f->now if that is given) and matches the nodes; 0 where not;
 * or a negative code. f NULL: everything that has not expired. `f` has passed filter_check. */
int32_t filter_match(const quipu_filter *f, const quipu_record *r, int64_t now);

#endif
