/*
 * pack_table.h - the packs of "objects/pack", open for reading, while packs come and go.
 *
 * A look is what was known at one moment. It never changes, and its packs stay mapped until it is given back, whatever becomes of
 * their files. The next look takes over what this one has open, so a commit costs the opening of its own pack, however many
 * there are. Retired packs (pack_retired.h) are left out: what they hold lies in another one.
 *
 * A look promises nothing about what it does not hold.
 */
#ifndef STORAGE_GIT_PACK_TABLE_H
#define STORAGE_GIT_PACK_TABLE_H

#include "pack_reader.h"

typedef struct open_pack {
    pack_file file;
    uint32_t number; /* never that of another */
    int references;
} open_pack;

/* Sorted by name. */
typedef struct pack_look {
    open_pack **packs;
    size_t count;
    int references;
} pack_look;

typedef struct pack_table pack_table; /* for any number of threads */

/* folder: "objects/pack". careful: packs whose index is not sound are left out. Errors: NO_MEMORY; a folder that cannot be read is empty. */
int32_t pack_table_open(const char *folder, bool careful, pack_table **out, quipu_error *error);
void pack_table_close(pack_table *t);

/* The latest look, to be given back. */
const pack_look *pack_table_take(pack_table *t);
void pack_table_give(pack_table *t, const pack_look *look);

/* Looks at the folder, unless another thread has done so since `seen` was taken. Whether there is a pack that `seen` does not have. */
bool pack_table_renew(pack_table *t, const pack_look *seen);
/* Takes in one pack that was just written. */
void pack_table_add(pack_table *t, const char *name);

/* Whether the last look at the folder had to leave out packs because no file could be opened any more. */
bool pack_table_is_short(pack_table *t);
/* Whether, so far as is known, more than `most` packs lie there, or retired ones have had their time. */
bool pack_table_is_due(pack_table *t, size_t most);

/* Where the next of the look's packs that tell of this object has it; *from: the pack to begin with, moved on. */
bool pack_look_find(const pack_look *look, const object_id *id, size_t *from, pack_place *out);

#endif
