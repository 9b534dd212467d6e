/*
 * fuzz.h - what the fuzz targets share.
 *
 * fuzz_X.c holds one LLVMFuzzerTestOneInput. `make fuzz` links each with libFuzzer; `make test` links each with replay.c,
 * which runs it over corpus/X/. A promise that is not kept ends the program, so that either of them notices.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <base/buffer.h>
#include <quipu/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program where the promise is not kept. */
#define PROMISE(holds)                                                                                                 \
    do {                                                                                                               \
        if (!(holds)) {                                                                                                \
            fprintf(stderr, "%s:%d: not kept: %s\n", __FILE__, __LINE__, #holds);                                      \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* A copy in a block of just its size and a NUL byte, so that the sanitizer sees the first byte that is read too much. */
static inline char *fuzz_copy(const void *bytes, size_t len)
{
    char *copy = malloc(len + 1);
    PROMISE(copy);
    if (len)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

/* Cuts off what comes before the first `separator`; all of it where there is none. */
static inline quipu_str fuzz_part(const uint8_t **data, size_t *size, uint8_t separator)
{
    const uint8_t *end = *size ? memchr(*data, separator, *size) : NULL;
    size_t len = end ? (size_t)(end - *data) : *size;
    quipu_str part = str_make(len ? (const char *)*data : "", len);
    *data += end ? len + 1 : len;
    *size -= end ? len + 1 : len;
    return part;
}

/* A failure says so in all places: a negative code, the same in the error, and a message. */
static inline bool fuzz_failed(int32_t code, const quipu_error *error)
{
    if (code == QUIPU_OK)
        return false;
    PROMISE(code < 0);
    PROMISE(error->code == code);
    PROMISE(error->message[0] != '\0');
    PROMISE(memchr(error->message, '\0', sizeof error->message));
    PROMISE(memchr(error->field, '\0', sizeof error->field));
    return true;
}

#endif
