/*
 * buffer.h - a growing run of bytes, and small helpers for quipu_str.
 *
 * A failed allocation is remembered in `failed`, so that a builder checks once at its end. `bytes` always has a NUL byte
 * after its last byte (not counted in `len`) once anything was appended.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <quipu/base.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct buffer {
    char *bytes;
    size_t len;
    size_t capacity;
    bool failed;
} buffer;

void buffer_append(buffer *b, const void *bytes, size_t len);
void buffer_append_str(buffer *b, quipu_str text);
void buffer_append_text(buffer *b, const char *text);
void buffer_append_char(buffer *b, char c);
void buffer_printf(buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Makes room for `len` bytes more and returns where they go (the caller adds to b->len), or NULL. */
char *buffer_reserve(buffer *b, size_t len);
void buffer_clear(buffer *b); /* empties it, keeps the memory */
void buffer_free(buffer *b);  /* leaves a usable empty buffer */

static inline quipu_str str_of(const char *text)
{
    return (quipu_str){ text, text ? (uint64_t)strlen(text) : 0 };
}
static inline quipu_str str_make(const char *bytes, size_t len)
{
    return (quipu_str){ bytes, (uint64_t)len };
}
static inline bool str_present(quipu_str s)
{
    return s.ptr != NULL;
}
/* Equal bytes; two absent strings are equal, absent and empty are not. */
static inline bool str_same(quipu_str a, quipu_str b)
{
    return !a.ptr == !b.ptr && a.len == b.len && (!a.ptr || a.len == 0 || memcmp(a.ptr, b.ptr, (size_t)a.len) == 0);
}
/* As strcmp, by bytes. */
int str_compare(quipu_str a, quipu_str b);
/* A NUL-terminated copy for the caller to free, or NULL. */
char *str_dup(quipu_str s);

#endif
