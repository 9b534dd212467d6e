/* moved.c - see moved.h. */
#include "moved.h"

void place_print(quipu_str backend, const char *path, buffer *out)
{
    buffer_append_str(out, backend);
    buffer_append_char(out, ':');
    buffer_append_text(out, path);
}

bool place_read(quipu_str place, quipu_str *backend, quipu_str *path)
{
    const char *colon = place.len ? memchr(place.ptr, ':', (size_t)place.len) : NULL;
    if (!colon || colon == place.ptr || colon[1] != '/')
        return false;
    size_t len = (size_t)(colon - place.ptr);
    *backend = str_make(place.ptr, len);
    *path = str_make(colon + 1, (size_t)place.len - len - 1);
    return memchr(path->ptr, '\0', (size_t)path->len) == NULL;
}
