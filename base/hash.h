/*
 * hash.h - the hashes that Quipu uses, from OpenSSL's libcrypto.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct sha1_stream sha1_stream;

/* SHA-1 in pieces. sha1_begin returns NULL without memory; sha1_end frees. */
sha1_stream *sha1_begin(void);
void sha1_add(sha1_stream *s, const void *bytes, size_t len);
void sha1_end(sha1_stream *s, uint8_t out[20]);

void hash_sha1(const void *bytes, size_t len, uint8_t out[20]);
void hash_sha256(const void *bytes, size_t len, uint8_t out[32]);
/* MD5, where a foreign format wants it; it protects nothing. */
void hash_md5(const void *bytes, size_t len, uint8_t out[16]);

/* The id of a git object: SHA-1 over "<type> <len>\0" and the bytes. type: "blob", "tree", "commit", "tag". */
void hash_git_object(const char *type, const void *bytes, size_t len, uint8_t out[20]);

/* A checksum against accident (not against an attacker), as fast as memory: any change of one bit gives another sum. Fed in pieces, of
 * which all but the last are a multiple of QUICK_SUM_STEP. */
#define QUICK_SUM_STEP 64u
#define QUICK_SUM_LEN 16u
typedef struct quick_sum {
    uint64_t lanes[8];
    uint64_t len;
} quick_sum;

void quick_sum_begin(quick_sum *c);
void quick_sum_add(quick_sum *c, const void *bytes, size_t len);
void quick_sum_end(const quick_sum *c, uint8_t out[QUICK_SUM_LEN]);

/* 2*len lower-case digits, no NUL byte. */
void hex_encode(const uint8_t *bytes, size_t len, char *out);
/* Reads 2*len digits of either case; 0, or -1 where one is not a digit. */
int hex_decode(const char *digits, size_t len, uint8_t *out);

/* FNV-1a over the bytes, for hash tables in RAM only (not against an attacker: tables that hold outside keys are
 * seeded with `seed`). */
uint64_t hash_table_key(const void *bytes, size_t len, uint64_t seed);

#endif
