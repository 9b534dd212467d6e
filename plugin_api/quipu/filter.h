/*
 * filter.h - which records a query may see, as a view.
 *
 * The scope comes first and is typed, because it is what keeps one user's memories from another's: each of the four
 * fields that is present must be equal; one that is absent matches any. The rest is an expression over record fields and
 * metadata paths, stored as an array of nodes in prefix order. The JSON grammar that people write is compiled into this
 * form by the host (AND, OR, NOT; eq ne in nin gt gte lt lte contains icontains; "*" for "present").
 */
#ifndef QUIPU_FILTER_H
#define QUIPU_FILTER_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Types of a quipu_value. */
#define QUIPU_VALUE_NULL 0u
#define QUIPU_VALUE_BOOL 1u   /* integer: 0 or 1 */
#define QUIPU_VALUE_NUMBER 2u /* number, and text: as it was written */
#define QUIPU_VALUE_STRING 3u /* text */
#define QUIPU_VALUE_TIME 4u   /* integer: microseconds, for the fields that are times */

typedef struct quipu_value {
    uint32_t struct_size;
    uint32_t type; /* QUIPU_VALUE_* */
    int64_t integer;
    double number; /* finite */
    quipu_str text;
} quipu_value;

/* Operators of a quipu_filter_node. The first three take `children`, the others `field` and `values`. */
#define QUIPU_OP_AND 1u /* every child matches; none: true */
#define QUIPU_OP_OR 2u  /* at least one child matches; none: false */
#define QUIPU_OP_NOT 3u /* no child matches */
#define QUIPU_OP_EQ 4u  /* one value; on a list field: the list contains it */
#define QUIPU_OP_NE 5u  /* the opposite of EQ: true also where the field is absent */
#define QUIPU_OP_IN 6u  /* EQ with any of the values */
#define QUIPU_OP_NIN 7u /* EQ with none of the values */
#define QUIPU_OP_GT 8u  /* one value; numbers by value, times by time, strings by their bytes; absent: false */
#define QUIPU_OP_GTE 9u
#define QUIPU_OP_LT 10u
#define QUIPU_OP_LTE 11u
#define QUIPU_OP_CONTAINS 12u  /* one string; a substring, or on a list field an equal element */
#define QUIPU_OP_ICONTAINS 13u /* the same without regard to the case of ASCII letters */
#define QUIPU_OP_EXISTS 14u    /* no value; the field is present and not null */

typedef struct quipu_filter_node {
    uint32_t struct_size;
    uint32_t op;        /* QUIPU_OP_* */
    uint64_t children;  /* AND, OR, NOT: how many operands follow, each with all of its own */
    quipu_str field;    /* a record field by its JSON name ("kind", "tags", "scope.user"), or "metadata.a.b" */
    quipu_array values; /* of quipu_value */
} quipu_filter_node;

/* Show records whose expires_at has passed as well. */
#define QUIPU_FILTER_EXPIRED 1u

typedef struct quipu_filter {
    uint32_t struct_size;
    uint32_t flags; /* QUIPU_FILTER_* */
    quipu_str user; /* present: must be equal; absent: any */
    quipu_str agent;
    quipu_str session;
    quipu_str app;
    int64_t
        now; /* the moment by which expires_at is judged; QUIPU_TIME_NONE: the backend's clock, or with as_of the time that
                        * it names, though none that is to come, or of a revision the time when it was committed */
    quipu_array nodes; /* of quipu_filter_node; empty: every record of the scope */
} quipu_filter;

#ifdef __cplusplus
}
#endif
#endif
