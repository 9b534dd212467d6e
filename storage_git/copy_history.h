/*
 * copy_history.h - commits of one repository, with all that they hold, into a pack for another.
 */
#ifndef STORAGE_GIT_COPY_HISTORY_H
#define STORAGE_GIT_COPY_HISTORY_H

#include "history_split.h"
#include "pack_writer.h"

/* Adds the commits of split->only_in_b, read from `from`, to the pack; what their first parents hold already is left out. `call` may end it.
 * Errors: CORRUPT, IO, NO_MEMORY, TOO_LARGE, TIMEOUT, CANCELLED. */
int32_t copy_history(objects *from, const history_split *split, pack_writer *pack, const quipu_call *call,
                     quipu_error *error);

#endif
