/*
 * text_case.h - characters: UTF-8 in and out, lower case, and which of them make words.
 *
 * By ranges of Unicode blocks, not by a table of all characters: enough to find words by, and nothing to keep up to date.
 */
#ifndef SDK_TEXT_CASE_H
#define SDK_TEXT_CASE_H

#include <stddef.h>
#include <stdint.h>

typedef enum text_class {
    TEXT_CLASS_NONE,     /* separates words */
    TEXT_CLASS_WORD,     /* letter, digit or mark */
    TEXT_CLASS_UNSPACED, /* of a script that is written without blanks */
    TEXT_CLASS_IGNORED,  /* joiners, soft hyphens, variation selectors: as if not there */
} text_class;

/* Reads one character; its bytes, or 0 where there is no UTF-8. */
size_t text_decode(const unsigned char *at, const unsigned char *end, uint32_t *out);
/* Writes at most 4 bytes; how many. */
size_t text_encode(uint32_t c, char *out);
uint32_t text_lower(uint32_t c);
text_class text_classify(uint32_t c);

#endif
