/* uuid.c - see uuid.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* getentropy */
#endif
#include "uuid.h"

#include <base/fail.h>
#include <base/hash.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void stamp(uint8_t out[16])
{
    out[6] = (uint8_t)((out[6] & 0x0f) | 0x70); /* version 7 */
    out[8] = (uint8_t)((out[8] & 0x3f) | 0x80); /* the variant of the RFC */
}

/* RFC 9562, section 6.2, method 3: fractions of a millisecond in the place of random bits. */
uint64_t uuid_moment(_Atomic uint64_t *last, uint64_t ns)
{
    uint64_t moment = (ns / 1000000) << 12 | ns % 1000000 * 4096 / 1000000;
    uint64_t before = atomic_load(last), wanted;
    do
        wanted = moment > before ? moment : before + 1;
    while (!atomic_compare_exchange_weak(last, &before, wanted));
    return wanted;
}

int32_t uuid_make(uint8_t out[16], quipu_error *error)
{
    static _Atomic uint64_t last;
    struct timespec now;
    if (getentropy(out + 8, 8) != 0)
        return fail_errno(error, errno, "the system gives no random bytes");
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t moment = uuid_moment(&last, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec), ms = moment >> 12;
    for (int i = 0; i < 6; i++)
        out[i] = (uint8_t)(ms >> (40 - 8 * i));
    out[6] = (uint8_t)(moment >> 8 & 0x0f);
    out[7] = (uint8_t)moment;
    stamp(out);
    return QUIPU_OK;
}

void uuid_derive(const uint8_t seed[16], uint64_t index, uint8_t out[16])
{
    uint8_t input[24], digest[32];
    memcpy(input, seed, 16);
    for (int i = 0; i < 8; i++)
        input[16 + i] = (uint8_t)(index >> (56 - 8 * i));
    hash_sha256(input, sizeof input, digest);
    memcpy(out, seed, 6);
    memcpy(out + 6, digest, 10);
    stamp(out);
}

void uuid_print(const uint8_t uuid[16], char out[UUID_TEXT + 1])
{
    char digits[32], *to = out;
    hex_encode(uuid, 16, digits);
    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *to++ = '-';
        *to++ = digits[i];
    }
    *to = '\0';
}
