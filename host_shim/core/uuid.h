/*
 * uuid.h - version 7 of RFC 9562: 48 bits of milliseconds, then randomness; the ids of records and change sets.
 */
#ifndef CORE_UUID_H
#define CORE_UUID_H

#include <quipu/error.h>

#define UUID_TEXT 36 /* digits and hyphens */

/* Never smaller than the one before in this process, also when the clock goes back. Errors: IO (no randomness). */
int32_t uuid_make(uint8_t out[16], quipu_error *error);
/* What goes into the first 60 bits for the time `ns`: milliseconds, and 12 bits of fractions; larger than any before of the same
 * `last`, which it follows. */
uint64_t uuid_moment(_Atomic uint64_t *last, uint64_t ns);
/* The index-th one of a family: the same for the same `seed`, with the seed's time where that is a version 7. */
void uuid_derive(const uint8_t seed[16], uint64_t index, uint8_t out[16]);
/* Lower-case text, and a NUL byte. */
void uuid_print(const uint8_t uuid[16], char out[UUID_TEXT + 1]);

#endif
