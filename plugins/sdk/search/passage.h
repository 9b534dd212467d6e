/*
 * passage.h - what of a record is embedded, and the key that its vector has.
 *
 * "actor: text", or the text alone where nobody is named: a question that names a speaker is nearer to what the speaker said. The
 * key is the hash of just these bytes, so that records that say the same share a vector, and a vector outlives the record.
 */
#ifndef SDK_PASSAGE_H
#define SDK_PASSAGE_H

#include <base/buffer.h>
#include <quipu/backend.h>

#define PASSAGE_KEY 32u /* bytes: SHA-256 */

/* Absent where the record has no text; else the record's or in `scratch`, which is cleared. */
quipu_str passage_of(const quipu_record *r, buffer *scratch);
/* All zero where the passage is absent. */
void passage_key(quipu_str passage, uint8_t key[PASSAGE_KEY]);

#endif
