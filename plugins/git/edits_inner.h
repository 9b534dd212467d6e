/* edits_inner.h - what the files of edits.h share. All with the lock held. */
#ifndef PLUGINS_GIT_EDITS_INNER_H
#define PLUGINS_GIT_EDITS_INNER_H

#include "edits.h"

enum { EDITS_WORTH_SAVING = 64 /* commits */ };

/* Notes an edit, once. Errors: NO_MEMORY. */
int32_t edits_add(edits *e, const uint8_t version[20], int64_t time, quipu_str id, quipu_error *error);
/* Nothing is known any more. */
void edits_forget(edits *e);
int32_t edits_no_memory(quipu_error *error);

/* ---- edits_file.c ---- */

/* What was kept; nothing where that is damaged. */
void edits_load(edits *e);
/* What cannot be kept is looked for again: nobody's loss. */
void edits_save(edits *e);
/* Fills empty notes from the bytes of the file; false where they are none: what was noted then is to be forgotten. */
bool edits_parse(edits *e, const uint8_t *bytes, size_t len);

#endif
