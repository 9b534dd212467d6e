/*
 * delta.h - one object as the difference to another (gitformat-pack(5), "Deltified representation").
 *
 * What both begin and end with is copied; in what lies between, runs of the base are found by a table of its blocks. So one
 * changed entry of a tree becomes a copy, the 20 bytes that changed, and a copy.
 */
#ifndef STORAGE_GIT_DELTA_H
#define STORAGE_GIT_DELTA_H

#include <base/buffer.h>
#include <stdint.h>

/* Keeps its table between calls; not for two threads at once. */
typedef struct delta_maker {
    uint32_t *table; /* position in the base plus 1, by the hash of the block that begins there */
    size_t size;
} delta_maker;

void delta_maker_free(delta_maker *m);

/* Replaces `out` by instructions that make `to` out of `from`. False where they would take `most` bytes or more, or memory is short. */
bool delta_make(delta_maker *m, const buffer *from, const buffer *to, size_t most, buffer *out);
/* Appends what the instructions make of `from`. False where they are damaged or memory is short. */
bool delta_apply(const buffer *from, const buffer *delta, buffer *out);

/* The parts of a delta, for callers who know what to copy. The sizes of `from` and `to` come first. */
void delta_put_size(buffer *out, size_t size);
void delta_put_copy(buffer *out, size_t offset, size_t len);
void delta_put_literal(buffer *out, const char *bytes, size_t len);

#endif
