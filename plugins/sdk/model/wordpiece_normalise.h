/*
 * wordpiece_normalise.h - one character of a text as a BERT tokenizer sees it.
 */
#ifndef SDK_WORDPIECE_NORMALISE_H
#define SDK_WORDPIECE_NORMALISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct normalise_options {
    bool clean_text; /* control characters go, white space becomes a blank */
    bool ideographs; /* blanks around CJK ideographs */
    bool strip_accents;
    bool lower_case;
} normalise_options;

#define NORMALISED_MAX 18 /* characters that one may become: the longest canonical decomposition, and room */

/* How many characters `c` becomes, in `out`. *alone: blanks belong around it. */
size_t normalise_character(const normalise_options *o, uint32_t c, uint32_t out[NORMALISED_MAX], bool *alone);

bool character_is_white(uint32_t c);       /* the property White_Space */
bool character_is_punctuation(uint32_t c); /* ASCII punctuation and signs, and the categories P */

#endif
