/* hash.c - see hash.h. */
#include "hash.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Looking a digest up by name takes longer than hashing a small object, so it is done once. Never freed. */
static EVP_MD *sha1_kind, *sha256_kind;
static pthread_once_t kinds_once = PTHREAD_ONCE_INIT;

static void fetch_kinds(void)
{
    sha1_kind = EVP_MD_fetch(NULL, "SHA1", NULL);
    sha256_kind = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static const EVP_MD *sha1(void)
{
    pthread_once(&kinds_once, fetch_kinds);
    return sha1_kind ? sha1_kind : EVP_sha1();
}

static const EVP_MD *sha256(void)
{
    pthread_once(&kinds_once, fetch_kinds);
    return sha256_kind ? sha256_kind : EVP_sha256();
}

/* A sha1_stream is libcrypto's context under another name. */
sha1_stream *sha1_begin(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context && EVP_DigestInit_ex(context, sha1(), NULL) == 1)
        return (sha1_stream *)(void *)context;
    EVP_MD_CTX_free(context);
    return NULL;
}

void sha1_add(sha1_stream *s, const void *bytes, size_t len)
{
    EVP_DigestUpdate((EVP_MD_CTX *)(void *)s, bytes, len);
}

void sha1_end(sha1_stream *s, uint8_t out[20])
{
    EVP_MD_CTX *context = (EVP_MD_CTX *)(void *)s;
    EVP_DigestFinal_ex(context, out, NULL);
    EVP_MD_CTX_free(context);
}

/* Digest of the two runs of bytes together. */
static void digest(const EVP_MD *kind, const void *first, size_t first_len, const void *rest, size_t rest_len,
                   uint8_t *out)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context || EVP_DigestInit_ex(context, kind, NULL) != 1) {
        /* libcrypto without memory or without its own hash: nothing sound can follow, and this may be within a plugin,
         * which must not write to the host's standard error */
        abort();
    }
    EVP_DigestUpdate(context, first, first_len);
    if (rest_len)
        EVP_DigestUpdate(context, rest, rest_len);
    EVP_DigestFinal_ex(context, out, NULL);
    EVP_MD_CTX_free(context);
}

void hash_sha1(const void *bytes, size_t len, uint8_t out[20])
{
    digest(sha1(), bytes, len, NULL, 0, out);
}

void hash_sha256(const void *bytes, size_t len, uint8_t out[32])
{
    digest(sha256(), bytes, len, NULL, 0, out);
}

void hash_git_object(const char *type, const void *bytes, size_t len, uint8_t out[20])
{
    char head[40];
    int head_len = snprintf(head, sizeof head, "%s %zu", type, len);
    digest(sha1(), head, (size_t)head_len + 1, bytes, len, out);
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
