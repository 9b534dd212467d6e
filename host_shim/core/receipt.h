/*
 * receipt.h - what a search was asked, of which state, and what it answered: enough to ask again and compare.
 *
 *     {"form":1,"made_at":"...","backend":"git","commit":"<revision>"|null,"model":"<model>"|null,
 *      "query_hash":"sha256:<64 digits>","request":{...},"results":[{"id","version","score"}, ...]}
 *
 * `request` is the question as it was asked, with `as_of` and `now` filled in, so that sending it again is the replay.
 * A receipt may be kept without `request.query`; then whoever replays it has to know the question, and query_hash tells
 * whether it is the one.
 */
#ifndef CORE_RECEIPT_H
#define CORE_RECEIPT_H

#include <base/buffer.h>
#include <cjson/cJSON.h>
#include <quipu.h>

#define RECEIPT_FORM 1

/* One receipt in the making; all zeros before receipt_begin, ended with receipt_free. */
typedef struct receipt {
    buffer commit; /* the state that is searched; empty where the backend keeps no history */
    buffer model;  /* of the vectors that take part; empty: none */
    buffer results;
    int64_t now;
    uint64_t count;
} receipt;

/* Pins the state and the moment. as_of: as the request has it; where it is absent, the newest revision. mode:
 * QUIPU_SEARCH_*. now: as the request has it, or QUIPU_TIME_NONE. */
int32_t receipt_begin(receipt *r, quipu *q, quipu_str as_of, uint32_t mode, int64_t now, const quipu_call *call,
                      quipu_error *error);
/* The revision to search; absent where there is no history. */
quipu_str receipt_commit(const receipt *r);
void receipt_add(receipt *r, const quipu_hit *hit);
/* Appends the receipt's object. request: the question's tree, which gets `as_of` and `now`. */
int32_t receipt_print(const receipt *r, quipu *q, cJSON *request, buffer *out, quipu_error *error);
void receipt_free(receipt *r);

/* Shared with replay.c: appends "sha256:" and 64 digits; sets a string member, false without memory. */
void receipt_print_hash(quipu_str query, buffer *out);
bool receipt_set_text(cJSON *object, const char *name, quipu_str text);

#endif
