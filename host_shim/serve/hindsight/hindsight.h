/*
 * hindsight.h - what the files of Hindsight's wire share.
 *
 * A bank is the scope's agent; all banks lie in the app "hindsight", or in the one that the caller's key is bound to. What is retained
 * becomes records of kind "memory", a long text several of them, one after the other by `seq`; their document is the record's `key`. What
 * a bank says of itself is a record of kind "bank", what was done asynchronously one of kind "operation".
 */
#ifndef SERVE_HINDSIGHT_H
#define SERVE_HINDSIGHT_H

#include <serve/mem0/mem0.h>

#define HINDSIGHT_ID 48       /* bytes of an id that is made of names, with the NUL byte */
#define HINDSIGHT_PIECE 2000u /* bytes of a record's text: a recall is told how many tokens it may bring */
#define HINDSIGHT_BANK "bank"
#define HINDSIGHT_OPERATION "operation"

extern const wire hindsight_wire;

/* ---- common.c ---- */

quipu_str hindsight_app(const web_request *r);
/* The bank of the path, which is the first capture. Errors: DENIED (the key is bound to another one). */
int32_t hindsight_bank(const web_request *r, web_answer *a, quipu_str *bank, quipu_error *error);
/* An id that a bank, and a name in it, always have. */
void hindsight_id(const web_request *r, const char *head, quipu_str name, uint64_t number, char out[HINDSIGHT_ID]);
/* What the caller may see of records of this kind: in the bank of the path, or in all banks (banks: true). expression: more that has to
 * hold, which is freed in any case; or NULL. For filter_free. */
int32_t hindsight_filter(const web_request *r, web_answer *a, const char *kind, bool banks, cJSON *expression,
                         bool expired, filter **out, quipu_error *error);
/* Tags as the clients match them, for an expression; NULL with QUIPU_OK: any will do. *exact: hits have exactly so many. */
int32_t hindsight_tags(const cJSON *tags, quipu_str match, cJSON **out, int64_t *exact, quipu_error *error);
int32_t hindsight_tag_groups(const cJSON *groups, cJSON **out, quipu_error *error);
/* {"name": value}; takes the value. */
cJSON *hindsight_where(const char *name, cJSON *value);
/* A time as the clients write it, with or without a zone. Errors: INVALID (field). */
int32_t hindsight_time(quipu_str text, const char *field, int64_t *out, quipu_error *error);
int32_t hindsight_scan(serve *s, web_request *r, const filter *which, uint32_t order, quipu_hit_fn visit, void *context,
                       quipu_error *error);
/* The write of one record into the bank. */
int32_t hindsight_put(serve *s, web_request *r, const cJSON *tree, quipu_str bank, quipu_error *error);
/* The `value` of a record; NULL where it has none. For cJSON_Delete. */
cJSON *hindsight_value(const quipu_record *r);
/* Appends ,"name": and a quoted text, or null. */
void hindsight_member(buffer *out, const char *name, quipu_str text);
int32_t hindsight_no_memory(quipu_error *error);

/* ---- unit.c: how a record looks ---- */

/* asked: the type that a record goes by which was never given one. */
void hindsight_print_unit(const quipu_record *r, const char *asked, double score, buffer *out);
bool hindsight_is_type(quipu_str text);

#endif
