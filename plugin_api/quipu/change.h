/*
 * change.h - a change set: puts and deletes that happen together or not at all.
 */
#ifndef QUIPU_CHANGE_H
#define QUIPU_CHANGE_H

#include "base.h"
#include "record.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QUIPU_CHANGE_PUT 1u    /* `record` becomes the state of its id */
#define QUIPU_CHANGE_DELETE 2u /* `id` is gone afterwards */

/* What must be stored under the id before the change. One mismatch fails the whole set with QUIPU_E_CONFLICT (EXISTS
 * for ABSENT, NOT_FOUND for PRESENT), the id and the version found. */
#define QUIPU_EXPECT_ANY 0u     /* anything; deleting what is not there is no error and no change */
#define QUIPU_EXPECT_ABSENT 1u  /* nothing */
#define QUIPU_EXPECT_PRESENT 2u /* something */
#define QUIPU_EXPECT_VERSION 3u /* exactly `expected_version` */

typedef struct quipu_change {
    uint32_t struct_size;
    uint32_t op;                /* QUIPU_CHANGE_* */
    uint32_t expect;            /* QUIPU_EXPECT_* */
    uint32_t flags;             /* none defined: 0 */
    quipu_str id;               /* of the record; for a put equal to record->id */
    quipu_str expected_version; /* with QUIPU_EXPECT_VERSION: 40 hexadecimal digits */
    const quipu_record *record; /* of a put; NULL for a delete. Canonical, as record.h says */
} quipu_change;

/* A put on an id that is stored with another scope is refused with QUIPU_E_SCOPE. A put whose record differs from the
 * stored one only in updated_at changes nothing. A set in which nothing changes makes no revision. An id may occur once
 * in a set, else QUIPU_E_INVALID. */
typedef struct quipu_change_set {
    uint32_t struct_size;
    uint32_t flags;        /* none defined: 0 */
    uint8_t change_id[16]; /* applying the same one twice has the effect of once. A UUIDv7 (RFC 9562) is looked up
                            * fastest; all zeros is refused */
    int64_t time;          /* when the change was made; becomes the author time of a revision */
    quipu_str author;      /* the acting agent or user; absent: "quipu" */
    quipu_str operation;   /* one lower-case word: add, update, delete, import, revert, restore, ... */
    quipu_str source;      /* the program that acts, as "quipu-cli/0.1"; may be absent */
    quipu_str note;        /* one line of why; may be absent */
    quipu_array changes;   /* of quipu_change */
} quipu_change_set;

#define QUIPU_RECEIPT_DUPLICATE 1u /* this change id had been applied before; nothing was done now */
#define QUIPU_RECEIPT_UNCHANGED 2u /* every change left its record as it was; there is no new revision */

/* What became of it. Lent by the caller with struct_size set; filled on success. */
typedef struct quipu_receipt {
    uint32_t struct_size;
    uint32_t flags;    /* QUIPU_RECEIPT_* */
    uint64_t changed;  /* records whose state is now another one */
    char revision[64]; /* the revision that holds the change, NUL-terminated; "" where the backend has none */
} quipu_receipt;

#ifdef __cplusplus
}
#endif
#endif
