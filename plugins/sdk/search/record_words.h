/*
 * record_words.h - what of a record is searched by words: who said it, its text, a relation's three parts, and strings in its
 * metadata.
 */
#ifndef SDK_RECORD_WORDS_H
#define SDK_RECORD_WORDS_H

#include <base/buffer.h>
#include <quipu/record.h>

#define RECORD_WORDS_PARTS 6

/* Fills `parts`: actor, text, head, relation, tail (each may be absent), and the string values of the metadata's own level, one a
 * line, which are kept in `scratch`. False without memory. The record's JSON is canonical. */
bool record_words(const quipu_record *r, buffer *scratch, quipu_str parts[RECORD_WORDS_PARTS]);

#endif
