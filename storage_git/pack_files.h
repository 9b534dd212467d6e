/*
 * pack_files.h - the packs that lie in a repository's folder "objects/pack".
 */
#ifndef STORAGE_GIT_PACK_FILES_H
#define STORAGE_GIT_PACK_FILES_H

#include "pack_format.h"
#include "pack_merge.h"
#include "pack_writer.h"

typedef struct pack_file {
    char name[PACK_NAME_SIZE]; /* "pack-<digits>" */
    uint64_t pack_len;
    uint64_t index_len;
    bool kept;
    bool retired;          /* its objects lie in another one: pack_retired.h */
    int64_t retired_since; /* seconds since 1970 */
    const uint8_t *pack;   /* mapped, or NULL */
    const uint8_t *index_bytes;
    pack_index index; /* once mapped */
} pack_file;

typedef struct pack_list {
    pack_file *
        packs; /* first those that may be merged, then the retired, then those with a keep; each sorted by size, smallest first */
    size_t count;
    size_t mergeable; /* how many are neither retired nor kept */
    size_t retired;
} pack_list;

/* Tells the name of each pack that has an index: one look at the folder, none at the files. Ends with the first answer that is not QUIPU_OK.
 * Errors: IO, and what `visit` answers. A folder that is not there has no packs. */
typedef int32_t (*pack_name_fn)(void *context, const char *name);
int32_t pack_each_name(const char *folder, pack_name_fn visit, void *context);
/* Whether no file can be opened, because there are too many: then "not found" means little. */
bool pack_files_run_out(const char *folder);
/* Packs that have both files. */
int32_t pack_list_read(const char *folder, pack_list *out, quipu_error *error);
void pack_list_free(pack_list *list);

/* Maps a pack and its index into memory; pack_list_free takes the mappings away. Errors: CORRUPT, NOT_FOUND, IO. */
int32_t pack_file_map(const char *folder, pack_file *pack, quipu_error *error);

/* Whether a pack, by its own head, holds more objects than that. */
bool pack_any_larger(const char *folder, uint32_t objects);

/* Takes the mappings of one pack away. */
void pack_file_unmap(pack_file *pack);

typedef enum pack_fault { PACK_SOUND, PACK_INDEX_FAULT, PACK_FAULT } pack_fault;

/* Reads a pack and its index through: pack_check.c. A pack is sound where it matches its checksum; an index where it does, belongs to
 * its pack and leads nowhere else. `why` receives what is wrong; `pack`, of which the name is set, is mapped in vain. */
pack_fault pack_examine(const char *folder, pack_file *pack, quipu_error *why);
/* Whether the index of a mapped pack is as it was written, and leads nowhere but into the pack: libgit2 (1.5.1) follows what leads out. */
bool pack_index_is_sound(const pack_file *pack);

/* Gives a finished pack (a temporary file) its name and writes its index beside it; synced where `durable`. */
int32_t pack_file_publish(const char *folder, const char *name, const char *temporary, const buffer *index,
                          bool durable, quipu_error *error);
/* Takes an old pack away with all that git keeps beside it. A multi-pack index goes first: it would name a pack that is gone. */
void pack_remove(const char *folder, const char *name);

#endif
