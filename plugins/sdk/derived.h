/*
 * derived.h - where state lives that can be computed again: one folder of immutable segments and a manifest.
 *
 * Every index is built on this. A segment is a file that is written once and read by mmap. The manifest names the
 * segments and an opaque position (for a git store: the commit) that they reflect, and is replaced by rename. One
 * writer at a time, by lock; readers never wait. Nothing here is synced: what a crash damages is noticed by its
 * checksums and treated as if it were not there, and whoever owns the index builds it again.
 *
 * Invariants:
 *   1. A manifest never names a segment that was not complete before the manifest appeared.
 *   2. A segment file is never changed; it is unlinked only when no manifest names it, and its mapping outlives that.
 *   3. Position and segments of one snapshot belong together.
 */
#ifndef SDK_DERIVED_H
#define SDK_DERIVED_H

#include <quipu/error.h>
#include <stdbool.h>

#define DERIVED_POSITION_MAX 256

typedef struct derived derived;                   /* a folder */
typedef struct derived_snapshot derived_snapshot; /* one manifest and its mapped segments */
typedef struct derived_writer derived_writer;     /* a change under way; holds the lock */

/* Uses or makes the folder `path`/`name` (0700). `format` is the owner's own: a manifest of another one counts as absent. */
int32_t derived_open(const char *path, const char *name, uint32_t format, derived **out, quipu_error *error);
void derived_close(derived *d);

/* The newest good snapshot; never NULL on success: where there is none or it is damaged it has no position and no segments,
 * and *damaged (may be NULL) tells which. */
int32_t derived_read(derived *d, derived_snapshot **out, bool *damaged, quipu_error *error);
quipu_str derived_position(const derived_snapshot *s); /* absent: nothing is there */
uint64_t derived_segments(const derived_snapshot *s);
quipu_str derived_segment(const derived_snapshot *s, uint64_t i); /* oldest first; snapshot's until it is freed */
void derived_snapshot_free(derived_snapshot *s);

/* Begins a change; QUIPU_E_BUSY where another process or thread is at it (then leave it: they do the work). The new state starts
 * as the newest snapshot. */
int32_t derived_begin(derived *d, derived_writer **out, quipu_error *error);
/* The snapshot that the change started from; writer's. */
const derived_snapshot *derived_base(const derived_writer *w);
void derived_drop_all(derived_writer *w); /* the new state begins empty */
/* The base's segment i is not in the new state. A second time is nothing to do. */
void derived_drop(derived_writer *w, uint64_t i);
int32_t derived_add_segment(derived_writer *w, const void *bytes, size_t len, quipu_error *error);
/* Publishes and frees; on failure the old state stays. */
int32_t derived_commit(derived_writer *w, quipu_str position, quipu_error *error);
void derived_abort(derived_writer *w);

#endif
