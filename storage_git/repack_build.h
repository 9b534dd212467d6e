/*
 * repack_build.h - writes all objects of a pool into one pack, as differences where that is smaller.
 */
#ifndef STORAGE_GIT_REPACK_BUILD_H
#define STORAGE_GIT_REPACK_BUILD_H

#include "pack_pool.h"
#include "pack_stream.h"

/* Asked after every few objects; a non-zero answer ends the work and is returned. */
typedef int32_t (*repack_step_fn)(void *context, uint64_t done, uint64_t total);

/* head: the commit whose history is walked first; it stays whole. Afterwards every object of the pool has its place, its CRC-32
 * and its chain. Errors: CORRUPT, IO, FULL, NO_MEMORY. */
int32_t repack_build(pack_pool *pool, pack_stream *out, const object_id *head, repack_step_fn step, void *context,
                     quipu_error *error);

#endif
