/*
 * pack_stream.h - a pack that is written to a file piece by piece, so that its size does not depend on memory.
 */
#ifndef STORAGE_GIT_PACK_STREAM_H
#define STORAGE_GIT_PACK_STREAM_H

#include "pack_writer.h"

#include <base/hash.h>

typedef struct pack_stream {
    char *path; /* of the unfinished file; gone from here once it was given away */
    int fd;
    sha1_stream *hash;
    buffer pending;   /* not yet in the file */
    uint64_t written; /* bytes of the pack, the pending ones included */
} pack_stream;

/* Begins a pack of exactly `count` objects in a file that is not there yet. To be ended with pack_stream_close, also on failure. */
int32_t pack_stream_open(pack_stream *s, const char *path, uint32_t count, quipu_error *error);
int32_t pack_stream_write(pack_stream *s, const void *bytes, size_t len, quipu_error *error);
/* Writes the checksum, and syncs. name: receives "pack-<digits>". */
int32_t pack_stream_finish(pack_stream *s, uint8_t checksum[20], char name[PACK_NAME_SIZE], quipu_error *error);
/* Removes the file, where it is still there. */
void pack_stream_close(pack_stream *s);

#endif
