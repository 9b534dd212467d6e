/*
 * multi_pack.h - git's multi-pack-index: we write none, and leave none that names a pack which is gone.
 *
 * With one that does, `git fsck` and `git multi-pack-index verify` fail, though every object is there. So it goes before a pack that it
 * may name. Stock git takes no lock of ours, and may put one in place just after that: so it is also looked at afterwards.
 */
#ifndef STORAGE_GIT_MULTI_PACK_H
#define STORAGE_GIT_MULTI_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes it away, if there is one. */
void multi_pack_remove(const char *folder);
/* The same, where it names a pack that is not there, or cannot be read. */
void multi_pack_drop_stale(const char *folder);

/* The names of packs in its bytes ("pack-X.idx", each with a NUL byte behind it), *end behind the last; NULL: it is none. */
const char *multi_pack_names(const uint8_t *bytes, size_t len, uint32_t *count, const char **end);

#endif
