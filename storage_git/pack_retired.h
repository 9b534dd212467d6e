/*
 * pack_retired.h - packs whose objects lie in another one by now, and which stay for a while all the same.
 *
 * Stock git lists the packs first and opens them later; `git fsck` and `git repack` fail where one is gone by then. So a pack
 * that was merged away is only noted in "quipu/retired", and goes when its time is over, or when too many lie there. It counts
 * as no pack of ours meanwhile: it is not merged, not repacked, and hardly read.
 *
 * The note is no truth: where it is lost, its packs are packs as all others. Before one goes, each of its objects is looked for in
 * the packs that stay, because stock git may have moved them about; where one is missing the pack is a pack as all others again.
 */
#ifndef STORAGE_GIT_PACK_RETIRED_H
#define STORAGE_GIT_PACK_RETIRED_H

#include "pack_files.h"

#include <sys/stat.h>

enum {
    RETIRED_GRACE = 30,          /* seconds */
    RETIRED_MOST = 256,          /* packs; the oldest go before their time */
    RETIRED_BYTES_MIN = 4 << 20, /* bytes that may always lie there; else as many as the other packs take */
};

typedef struct retired_pack {
    char name[PACK_NAME_SIZE];
    int64_t since; /* seconds since 1970 */
} retired_pack;

/* Sorted by name. */
typedef struct retired_list {
    retired_pack *packs;
    size_t count;
} retired_list;

/* Reads the note's lines, "pack-<digits> <seconds>". What cannot be read is left out; an unreadable note is an empty list. */
int32_t retired_parse(const char *text, size_t len, retired_list *out, quipu_error *error);
/* folder: "objects/pack". */
int32_t retired_read(const char *folder, retired_list *out, quipu_error *error);
const retired_pack *retired_find(const retired_list *list, const char *name);
void retired_free(retired_list *list);

/* The note as it was read last: it is read again only when it is another file. Zeroed to begin with; for one thread at a time. */
typedef struct retired_watch {
    retired_list list;
    struct stat seen;
    int64_t due; /* when the first of them has had its time; then, once that was told, a while later */
} retired_watch;
/* Whether it was another file than before. */
bool retired_watch_look(retired_watch *w, const char *folder);
void retired_watch_end(retired_watch *w);
/* Whether one has had its time; told once, and then not for as long again. */
bool retired_watch_is_due(retired_watch *w);

/* Whether some of the listed packs have to go; puts the retired ones in another order. */
bool retired_are_due(pack_list *list);

/* The caller of these holds the store's lock. */

/* Clears what a killed process left of a note. */
void retired_clear_stale(const char *folder);

/* Notes packs whose objects all lie in another one; where that cannot be noted they go at once. */
void retired_add(const char *folder, const char *const *names, size_t count);
/* Takes away those whose time is over, or that are too many; all: every one. */
void retired_sweep(const char *folder, bool all);

#endif
