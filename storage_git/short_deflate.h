/*
 * short_deflate.h - zlib streams (RFC 1950) of short inputs, in a sixth of the time that a general compressor takes.
 *
 * A record, a folder or a commit is a few hundred bytes. For those a general compressor spends nearly all its time on clearing its
 * tables and on building a code that is used for a few hundred symbols. Here nothing is cleared, and the code is the fixed one
 * of RFC 1951, 3.2.6. That costs a quarter more room, until maintenance writes everything again.
 */
#ifndef STORAGE_GIT_SHORT_DEFLATE_H
#define STORAGE_GIT_SHORT_DEFLATE_H

#include <stddef.h>

enum { SHORT_DEFLATE_MAX = 8192 /* bytes of one input */ };

typedef struct short_deflate short_deflate; /* for one thread at a time */

/* NULL without memory. */
short_deflate *short_deflate_create(void);
void short_deflate_free(short_deflate *d);
/* Bytes that the stream of an input of `len` may need while it is made. */
size_t short_deflate_bound(size_t len);
/* Writes the stream of up to SHORT_DEFLATE_MAX bytes; returns its length. It is never longer than len + 11. */
size_t short_deflate_zlib(short_deflate *d, const void *bytes, size_t len, void *to);
/* The same for the bytes of a tree, in half the time and one part in a hundred longer: what they repeat is known. Any other bytes come back too. There must be a
 * short_deflate. */
size_t short_deflate_tree(const void *bytes, size_t len, void *to);

#endif
