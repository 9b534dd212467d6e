/*
 * hash.c - see hash.h.
 *
 * By libcrypto's oldest functions: the objects of a store are small, and the newer ones (EVP) take half as long again for one of 400
 * bytes, with a context made for each. Neither can fail.
 */
#define OPENSSL_API_COMPAT 10100
#include "hash.h"

#include <openssl/md5.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

struct sha1_stream {
    SHA_CTX context;
};

sha1_stream *sha1_begin(void)
{
    sha1_stream *s = malloc(sizeof *s);
    if (s)
        SHA1_Init(&s->context);
    return s;
}

void sha1_add(sha1_stream *s, const void *bytes, size_t len)
{
    SHA1_Update(&s->context, bytes, len);
}

void sha1_end(sha1_stream *s, uint8_t out[20])
{
    SHA1_Final(out, &s->context);
    free(s);
}

void hash_sha1(const void *bytes, size_t len, uint8_t out[20])
{
    SHA_CTX context;
    SHA1_Init(&context);
    SHA1_Update(&context, bytes, len);
    SHA1_Final(out, &context);
}

void hash_sha256(const void *bytes, size_t len, uint8_t out[32])
{
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, bytes, len);
    SHA256_Final(out, &context);
}

void hash_md5(const void *bytes, size_t len, uint8_t out[16])
{
    MD5_CTX context;
    MD5_Init(&context);
    MD5_Update(&context, bytes, len);
    MD5_Final(out, &context);
}

void hash_git_object(const char *type, const void *bytes, size_t len, uint8_t out[20])
{
    SHA_CTX context;
    char digits[24], *first = digits + sizeof digits - 1;
    size_t left = len;
    *first = '\0';
    do
        *--first = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    SHA1_Init(&context);
    SHA1_Update(&context, type, strlen(type));
    SHA1_Update(&context, " ", 1);
    SHA1_Update(&context, first, (size_t)(digits + sizeof digits - first));
    SHA1_Update(&context, bytes, len);
    SHA1_Final(out, &context);
}

void hex_encode(const uint8_t *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int hex_decode(const char *digits, size_t len, uint8_t *out)
{
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(digits[2 * i]), low = high < 0 ? -1 : hex_digit(digits[2 * i + 1]);
        if (low < 0)
            return -1;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

uint64_t hash_table_key(const void *bytes, size_t len, uint64_t seed)
{
    const unsigned char *p = bytes;
    uint64_t h = 1469598103934665603u ^ seed;
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return h ^ h >> 32;
}
