/*
 * pack_writer.h - new objects straight into a pack and its index (gitformat-pack(5), versions 2 and 2).
 *
 * The pack is built in memory. Publishing writes it under a `.keep` file, which tells `git gc` and `git repack` to leave it
 * alone; the caller takes the keep away once a ref leads to the objects. An object is always written, also when another pack
 * holds it: that other pack might belong to a change that never happened.
 */
#ifndef STORAGE_GIT_PACK_WRITER_H
#define STORAGE_GIT_PACK_WRITER_H

#include "object_id.h"

#include <base/buffer.h>
#include <quipu/error.h>

typedef struct pack_writer pack_writer;

/* Room for "pack-", 40 digits, and a NUL byte. */
#define PACK_NAME_SIZE 48

int32_t pack_writer_create(pack_writer **out, quipu_error *error);
void pack_writer_free(pack_writer *w);

/* Adds an object, unless this pack has it; *id receives its name. Errors: NO_MEMORY, TOO_LARGE (a pack over 2 GiB). */
int32_t pack_writer_add(pack_writer *w, object_type type, const void *bytes, size_t len, object_id *id,
                        quipu_error *error);
/* The same for a new version of `base_bytes`, an object that was added to this pack: stored as the difference where that is smaller and the
 * chain is not too long. Both are lists of runs, as trees are: `delta` holds the instructions (gitformat-pack(5)). */
int32_t pack_writer_add_delta(pack_writer *w, object_type type, const void *bytes, size_t len, const object_id *base,
                              const void *delta, size_t delta_len, object_id *id, quipu_error *error);
/* Appends the bytes of an object that is in this pack and was not added as a difference. Errors: NO_MEMORY. */
int32_t pack_writer_read(pack_writer *w, const object_id *id, buffer *out, quipu_error *error);
/* True where the object is in this pack. */
bool pack_writer_has(const pack_writer *w, const object_id *id);
uint32_t pack_writer_count(const pack_writer *w);

/* Writes keep, pack and index into the folder; contents synced, and their names too where `durable`. On failure nothing of it is left.
 * name: receives "pack-<digits>". */
int32_t pack_writer_publish(pack_writer *w, const char *folder, bool durable, char name[PACK_NAME_SIZE],
                            quipu_error *error);
/* Puts a keep beside a pack that is there, or is about to be; one that is there already will do. */
int32_t pack_keep(const char *folder, const char *name, quipu_error *error);
/* Takes the keep away. */
void pack_release(const char *folder, const char *name);
/* Takes away a published pack that no ref leads to, or that another has taken the place of. A keep stands there until it is gone: a pack
 * with our keep and no index is what a crash left of one. */
void pack_withdraw(const char *folder, const char *name);

#endif
