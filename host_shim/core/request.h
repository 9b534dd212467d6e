/*
 * request.h - questions that arrive as one JSON object: a table says which members there may be, and of what sort; an unknown one is
 * refused by name.
 */
#ifndef CORE_REQUEST_H
#define CORE_REQUEST_H

#include <cjson/cJSON.h>
#include <quipu/base.h>
#include <quipu/error.h>
#include <sdk/filter.h>
#include <stdbool.h>

/* A request, read. Texts are the tree's. */
typedef struct request {
    cJSON *tree;
    filter *filter;
    quipu_str text; /* query or id */
    quipu_str as_of;
    quipu_str cursor;
    quipu_str from, to; /* revisions */
    uint64_t number;    /* k or limit */
    uint32_t choice;    /* mode or order */
    int64_t now;        /* by which expiry is judged; QUIPU_TIME_NONE: that of the call */
    bool explain, receipt, wait;
    double recency, importance;
    int64_t half_life; /* microseconds */
} request;

/* What a member of a request may be. */
typedef enum member_sort { TEXT, WHOLE, FLAG, OBJECT, CHOICE, MOMENT, WEIGHT, DAYS } member_sort;

typedef struct choice_row {
    const char *name;
    uint32_t value;
} choice_row;

typedef struct member_row {
    const char *name;
    member_sort sort;
    size_t offset;             /* in request; of an OBJECT and "include_expired": not used */
    const choice_row *choices; /* of a CHOICE, ended by a NULL name */
    uint64_t most;             /* of a WHOLE: 1 to this */
} member_row;

#define UNUSED SIZE_MAX

/* Reads all of it into `r`, which begins at its defaults. "scope", "filter" and "include_expired" become r->filter. Ends with
 * request_free, also on failure. */
int32_t request_read(const quipu_str *json, const member_row *rows, request *r, quipu_error *error);
void request_free(request *r);

#endif
