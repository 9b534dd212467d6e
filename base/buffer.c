/* buffer.c - see buffer.h. */
#include "buffer.h"

#include <stdio.h>
#include <stdlib.h>

char *buffer_reserve(buffer *b, size_t len)
{
    if (b->failed || len > SIZE_MAX / 4 - b->len) {
        b->failed = true;
        return NULL;
    }
    if (b->len + len + 1 > b->capacity) {
        size_t capacity = b->capacity ? b->capacity * 2 : 256;
        while (capacity < b->len + len + 1)
            capacity *= 2;
        char *bytes = realloc(b->bytes, capacity);
        if (!bytes) {
            b->failed = true;
            return NULL;
        }
        b->bytes = bytes;
        b->capacity = capacity;
    }
    b->bytes[b->len + len] = '\0';
    return b->bytes + b->len;
}

void buffer_append(buffer *b, const void *bytes, size_t len)
{
    char *to = buffer_reserve(b, len);
    if (!to)
        return;
    if (len > 0)
        memcpy(to, bytes, len);
    b->len += len;
}

void buffer_append_str(buffer *b, quipu_str text)
{
    buffer_append(b, text.ptr, (size_t)text.len);
}

void buffer_append_text(buffer *b, const char *text)
{
    buffer_append(b, text, strlen(text));
}

void buffer_append_char(buffer *b, char c)
{
    buffer_append(b, &c, 1);
}

void buffer_printf(buffer *b, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *to = len < 0 ? NULL : buffer_reserve(b, (size_t)len);
    if (!to) {
        b->failed = true;
        return;
    }
    va_start(arguments, format);
    vsnprintf(to, (size_t)len + 1, format, arguments);
    va_end(arguments);
    b->len += (size_t)len;
}

void buffer_clear(buffer *b)
{
    b->len = 0;
    b->failed = false;
    if (b->bytes)
        b->bytes[0] = '\0';
}

void buffer_free(buffer *b)
{
    free(b->bytes);
    *b = (buffer){ 0 };
}

int str_compare(quipu_str a, quipu_str b)
{
    size_t shorter = (size_t)(a.len < b.len ? a.len : b.len);
    int order = shorter ? memcmp(a.ptr, b.ptr, shorter) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

char *str_dup(quipu_str s)
{
    char *copy = malloc((size_t)s.len + 1);
    if (!copy)
        return NULL;
    if (s.len)
        memcpy(copy, s.ptr, (size_t)s.len);
    copy[s.len] = '\0';
    return copy;
}
