/*
 * ledger.h - which record has which version, and the digest over all of them, kept up to date one by one.
 *
 * The digest is a sum, so that it does not depend on the order and a record can be taken out again: of the SHA-256 of (id, NUL, version),
 * modulo 2^256 (after Bellare and Micciancio, "A New Paradigm for Collision-free Hashing", 1997). It protects from accident, and from
 * whoever cannot choose records freely.
 */
#ifndef CORE_LEDGER_H
#define CORE_LEDGER_H

#include <quipu/base.h>
#include <stdbool.h>

typedef struct digest_sum {
    uint64_t words[4]; /* the lowest first */
} digest_sum;

/* version: 40 hexadecimal digits. */
void digest_add(digest_sum *sum, quipu_str id, quipu_str version);
void digest_subtract(digest_sum *sum, quipu_str id, quipu_str version);
void digest_print(const digest_sum *sum, char out[65]);

/* Zeros are an empty one. 28 bytes a record, at a load of at most 3/4: ids are known by 64 bits of a seeded hash, so that a sum that
 * went wrong by an accident of one in 10^7 is a false alarm, never a false calm. */
typedef struct ledger {
    struct ledger_row *rows;
    uint64_t room, used; /* rows with a key, also of records that are gone */
    uint64_t count;      /* records */
    uint64_t seed;
    digest_sum sum;
} ledger;

/* version absent: there is no such record. False without memory. */
bool ledger_set(ledger *l, quipu_str id, quipu_str version);
void ledger_free(ledger *l);

#endif
