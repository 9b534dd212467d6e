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
#define DERIVED_NAME_LEN 24u /* of a segment: "segment-" and 16 hexadecimal digits, never used a second time */

typedef struct derived derived;                   /* a folder */
typedef struct derived_snapshot derived_snapshot; /* one manifest and its mapped segments */
typedef struct derived_writer derived_writer;     /* a change under way; holds the lock */

/* Uses or makes the folder `path`/`name` (0700). With `read_only` nothing is made: where there is no folder, NOT_FOUND. `format` is the owner's own: a manifest of another one counts as absent. */
int32_t derived_open(const char *path, const char *name, uint32_t format, bool read_only, derived **out,
                     quipu_error *error);
void derived_close(derived *d);

/* The newest good snapshot; never NULL on success: where there is none or it is damaged it has no position and no segments,
 * and *damaged (may be NULL) tells which. */
int32_t derived_read(derived *d, derived_snapshot **out, bool *damaged, quipu_error *error);
/* The newest position alone, without a look at the segments: its bytes in `out`; how many, 0 where nothing good is there. */
size_t derived_peek(derived *d, char out[DERIVED_POSITION_MAX]);
quipu_str derived_position(const derived_snapshot *s); /* absent: nothing is there */
uint64_t derived_segments(const derived_snapshot *s);
quipu_str derived_segment(const derived_snapshot *s, uint64_t i); /* oldest first; snapshot's until it is freed */
const char *derived_segment_name(const derived_snapshot *s, uint64_t i); /* likewise */
/* Keeps a segment mapped when the snapshot is freed, until derived_segment_release(what this answers). */
void *derived_segment_hold(const derived_snapshot *s, uint64_t i);
void derived_segment_release(void *held);
void derived_snapshot_free(derived_snapshot *s);

/* Begins a change; QUIPU_E_BUSY where another process or thread is at it (then leave it: they do the work). The new state starts
 * as the newest snapshot. */
int32_t derived_begin(derived *d, derived_writer **out, quipu_error *error);
/* The snapshot that the change started from; writer's. */
const derived_snapshot *derived_base(const derived_writer *w);
void derived_drop_all(derived_writer *w); /* the new state begins empty */
/* The segment of this name is not in the new state; a name that is not there is nothing to do. */
void derived_drop_segment(derived_writer *w, const char *name);
bool derived_has_segment(const derived_writer *w, const char *name);
int32_t derived_add_segment(derived_writer *w, const void *bytes, size_t len, quipu_error *error);
/* The same where only the first `checked` bytes get a checksum, which every process compares once: the owner notices itself
 * when the rest is damaged. name (may be NULL): what the segment is called. */
int32_t derived_add_checked(derived_writer *w, const void *bytes, size_t len, size_t checked,
                            char name[DERIVED_NAME_LEN + 1], quipu_error *error);
/* Maps a segment that was just added, so that its bytes need not stay in memory: as derived_segment_hold. */
int32_t derived_hold_new(derived_writer *w, const char *name, void **held, quipu_str *bytes, quipu_error *error);
/* Publishes and frees; on failure the old state stays. */
int32_t derived_commit(derived_writer *w, quipu_str position, quipu_error *error);
void derived_abort(derived_writer *w);

#endif
