/*
 * pack_merge.h - keeps packs few: small ones are copied together into a larger one, entry by entry, as they are.
 *
 * Geometric, as `git repack --geometric` has it: sorted by size, each pack that stays is at least twice as large as all
 * the smaller ones together, so that n bytes are copied about log2(n) times in their life. A pack with a `.keep` belongs
 * to somebody and is left alone.
 */
#ifndef STORAGE_GIT_PACK_MERGE_H
#define STORAGE_GIT_PACK_MERGE_H

#include "object_id.h"

#include <quipu/error.h>

typedef struct pack_figures {
    uint64_t packs;
    uint64_t bytes;   /* of packs and indexes */
    uint64_t objects; /* a few may be in two packs */
    uint64_t retired; /* packs that will go soon, and are not counted above: pack_retired.h */
    uint64_t retired_bytes;
} pack_figures;

/* Counts what lies in the folder "objects/pack". */
int32_t pack_count(const char *folder, pack_figures *out, quipu_error *error);

/* Merges where the folder holds more than `most` packs. *merged: whether packs were replaced; they are retired (pack_retired.h). The caller holds the store's lock.
 * On failure every old pack is still there. */
int32_t pack_merge(const char *folder, unsigned most, bool durable, bool *merged, quipu_error *error);

/* Removes keeps and unfinished files that a killed process of ours left behind. The caller holds the store's lock. */
void pack_clear_stale(const char *folder);

/* Refuses an index that leads out of its pack: libgit2 (1.5.1) follows it, and the process dies. Reads the indexes of all packs, not the
 * packs. Errors: CORRUPT, with what to do. */
int32_t pack_check_offsets(const char *folder, quipu_error *error);

#endif
