/*
 * pack_pool.h - all objects of several packs at once, for whoever writes them anew.
 *
 * The packs are mapped, so they stay readable when somebody takes their files away meanwhile. What an object holds is compared
 * with its name whenever it is read: damage is never copied into a new pack, where it would look sound.
 */
#ifndef STORAGE_GIT_PACK_POOL_H
#define STORAGE_GIT_PACK_POOL_H

#include "object_id.h"
#include "pack_files.h"

typedef struct pooled {
    object_id id;
    uint32_t crc;   /* of the entry in the new pack */
    uint64_t from;  /* offset in its old pack */
    uint64_t to;    /* offset in the new pack; 0: not yet written */
    uint32_t pack;  /* which of the old ones */
    uint8_t chain;  /* deltas below it in the new pack */
    uint8_t type;   /* object_type, once known; 0 before */
    bool has_child; /* of a commit: another one names it as its parent */
    bool listed;    /* of a commit: it has its place in the order */
} pooled;

typedef struct pack_pool pack_pool;

/* Takes the smallest packs that have no keep: all of them, or as many as can be worked on in `memory` bytes.
 * Errors: CORRUPT, IO, NO_MEMORY. */
int32_t pack_pool_open(const char *folder, uint64_t memory, pack_pool **out, quipu_error *error);
void pack_pool_free(pack_pool *p);

/* Objects in the order of their names; none is there twice. The pool's. */
pooled *pack_pool_objects(pack_pool *p, uint32_t *count);
/* The packs: `taken` of them from the beginning of the list. The pool's. */
const pack_list *pack_pool_packs(const pack_pool *p, size_t *taken);
/* NULL where none of the packs holds it. */
pooled *pack_pool_find(pack_pool *p, const object_id *id);
/* Finds out what the object is. Errors: CORRUPT. */
int32_t pack_pool_type(pack_pool *p, pooled *object, quipu_error *error);
/* Replaces `out` by the object's bytes, and sets its type. Errors: CORRUPT, NO_MEMORY. */
int32_t pack_pool_read(pack_pool *p, pooled *object, buffer *out, quipu_error *error);

#endif
