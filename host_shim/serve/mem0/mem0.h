/*
 * mem0.h - what the two mem0 wires share: ids, messages, filters, and how a record looks to their clients.
 *
 * user_id, agent_id, run_id and app_id are the scope's user, agent, session and app. A key that is bound to a scope fills in what a request
 * leaves out, and whatever a filter says, nothing outside of it is seen.
 */
#ifndef SERVE_MEM0_H
#define SERVE_MEM0_H

#include <serve/http/serve.h>

#include <quipu_memory.h>
#include <sdk/filter.h>
#include <sdk/record.h>

extern const wire mem0_platform_wire, mem0_oss_wire;

/* Which of the two is spoken. */
typedef enum mem0_dialect { MEM0_PLATFORM, MEM0_OSS } mem0_dialect;

typedef struct mem0_ids {
    quipu_str user, agent, run, app; /* absent: not given */
} mem0_ids;

/* From the members of an object (body or filters), or from the query; then checked, trimmed, and bound to the key. Errors: INVALID
 * (white space in an id), DENIED (not the key's scope). */
int32_t mem0_ids_of(const cJSON *object, mem0_ids *out, quipu_error *error);
void mem0_ids_of_query(const web_request *r, mem0_ids *out);
int32_t mem0_ids_bind(web_request *r, web_answer *a, mem0_ids *ids, quipu_error *error);
bool mem0_ids_any(const mem0_ids *ids);

/* ---- filter.c ---- */

/* Checks an expression as the clients know it; *entity: it names a user, agent, run or app somewhere. Errors: INVALID. */
int32_t mem0_filter_check(const cJSON *expression, bool *entity, quipu_error *error);
/* What the caller may see of memories: ids, expression (or NULL), the key's scope, no records of other kinds. For filter_free. */
int32_t mem0_filter(web_request *r, const mem0_ids *ids, const cJSON *expression, bool expired, filter **out,
                    quipu_error *error);
/* The key's scope alone, also what has expired: for single records. */
int32_t mem0_filter_own(web_request *r, filter **out, quipu_error *error);

/* ---- view.c ---- */

/* Names of members to show besides id and memory; count 0: all. */
typedef struct mem0_fields {
    quipu_str names[32];
    unsigned count;
} mem0_fields;
int32_t mem0_fields_of(const cJSON *list, mem0_fields *out, quipu_error *error);

/* Appends the record as one JSON object. score: below 0 for none. */
void mem0_print(mem0_dialect dialect, const quipu_record *r, const mem0_fields *fields, double score, buffer *out);
/* The raw text of a top-level member of a canonical record; absent where there is none. */
quipu_str mem0_member(quipu_str canonical, const char *name);
/* Appends it on one line, or null. */
void mem0_print_raw(quipu_str member, buffer *out);
/* Appends a quoted time as "2026-01-15T10:30:00.123456+00:00", or null. */
void mem0_print_time(int64_t time, buffer *out);
void mem0_print_text(quipu_str text, buffer *out); /* quoted, or null where it is absent */
/* A score of the backend as one from 0 to 1 that orders the same. */
double mem0_score(const quipu_hit *hit);

/* "YYYY-MM-DD" is stored as the end of that day. Errors: INVALID. */
int32_t mem0_date(quipu_str text, int64_t *out, quipu_error *error);

/* ---- calls.c: what both wires do ---- */

/* Adds what the body says, and appends the answer's "results" array to `results`; *unavailable: it was to be inferred, and is stored
 * word for word. */
int32_t mem0_add(serve *s, web_request *r, web_answer *a, mem0_dialect dialect, buffer *results, bool *unavailable,
                 quipu_error *error);
/* Appends the results of a search as array members' text, without brackets. */
typedef struct mem0_search_options {
    quipu_str query;
    int64_t top_k;
    double threshold;
    bool expired;
    mem0_fields fields;
} mem0_search_options;
int32_t mem0_search(serve *s, web_request *r, web_answer *a, mem0_dialect dialect, const mem0_ids *ids,
                    const cJSON *expression, const mem0_search_options *options, buffer *out, quipu_error *error);
/* Appends one page of records, newest first; *total: how many match, where it is asked for. */
typedef struct mem0_page {
    int64_t skip, limit;
    bool expired;
    mem0_fields fields;
    uint64_t *total; /* or NULL: not counted */
} mem0_page;
int32_t mem0_list(serve *s, web_request *r, mem0_dialect dialect, const mem0_ids *ids, const cJSON *expression,
                  const mem0_page *page, buffer *out, quipu_error *error);
/* A copy of the record, for record_free, where the key may see it. Errors: NOT_FOUND. */
int32_t mem0_get(serve *s, web_request *r, quipu_str id, record **out, quipu_error *error);
/* text, metadata, expiration_date, timestamp of `body`, as far as they are there. Errors: NOT_FOUND, INVALID. */
int32_t mem0_update(serve *s, web_request *r, quipu_str id, const cJSON *body, record **after, quipu_error *error);
int32_t mem0_delete(serve *s, web_request *r, quipu_str id, quipu_error *error);
int32_t mem0_delete_all(serve *s, web_request *r, const mem0_ids *ids, const cJSON *expression, uint64_t *count,
                        quipu_error *error);
/* Appends the members of the history's list. */
int32_t mem0_history(serve *s, web_request *r, mem0_dialect dialect, quipu_str id, buffer *out, quipu_error *error);

/* What a user, agent, app or run has. */
typedef struct mem0_entity {
    const char *type; /* "user", "agent", "app", "run" */
    char *name;
    uint64_t count;
    int64_t created_at, updated_at;
} mem0_entity;
typedef struct mem0_entities {
    mem0_entity *items;
    size_t count, room;
} mem0_entities;
/* Everything that the key may see, by type and name. */
int32_t mem0_entities_read(serve *s, web_request *r, mem0_entities *out, quipu_error *error);
void mem0_entities_free(mem0_entities *all);
/* Deletes what belongs to one of them. Errors: INVALID (type). */
int32_t mem0_entity_delete(serve *s, web_request *r, web_answer *a, quipu_str type, quipu_str name, uint64_t *count,
                           quipu_error *error);

#endif
