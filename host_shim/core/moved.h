/*
 * moved.h - stores that were left for another one: places, and the way from one to the next.
 *
 * A place is what a fence names: "BACKEND:PATH", as "sqlite:/home/ana/memory.sqlite".
 */
#ifndef CORE_MOVED_H
#define CORE_MOVED_H

#include <base/buffer.h>
#include <stdbool.h>

void place_print(quipu_str backend, const char *path, buffer *out);
/* The parts, which lie in `place`; false where it is none. */
bool place_read(quipu_str place, quipu_str *backend, quipu_str *path);

#endif
