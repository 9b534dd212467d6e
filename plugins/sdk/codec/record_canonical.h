/*
 * record_canonical.h - a record that is stored in the canonical form, recognised in one pass and without a tree.
 */
#ifndef SDK_RECORD_CANONICAL_H
#define SDK_RECORD_CANONICAL_H

#include <sdk/record.h>

/* True where the text is the canonical form of a sound record: then `view` is what record_normalise would make of it. Its strings point
 * into the text, or into `texts` where they were written with escapes; its tags to `*tags`, which the caller frees. False says
 * nothing about the text: the parser of json.h is to be asked. */
bool record_read_canonical(quipu_str json, quipu_record *view, quipu_str **tags, buffer *texts);

#endif
