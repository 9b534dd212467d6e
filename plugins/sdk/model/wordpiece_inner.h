/* wordpiece_inner.h - what wordpiece.c (encoding) and wordpiece_open.c (reading a tokenizer) share. */
#ifndef SDK_WORDPIECE_INNER_H
#define SDK_WORDPIECE_INNER_H

#include "wordpiece.h"
#include "wordpiece_normalise.h"

#include <base/buffer.h>

#define WORD_CHARACTERS_MAX 256 /* that a tokenizer may ask for; they ask for 100 */

typedef struct piece {
    uint64_t hash;
    size_t at; /* in `texts`, without "##" */
    uint32_t len;
    uint32_t token;
    bool continues; /* a word, as "##ing" */
} piece;

/* A text that is a token wherever it stands, as "[SEP]". */
typedef struct special_token {
    char *text;
    size_t len;
    uint32_t token;
} special_token;

struct wordpiece {
    normalise_options options;
    uint32_t word_most; /* characters; a longer word is unknown */
    uint32_t unknown;   /* the token */
    uint32_t size;
    buffer texts;
    piece *pieces;
    size_t piece_count, piece_capacity;
    uint32_t *cells; /* number of a piece + 1 */
    size_t cell_count;
    special_token *specials;
    size_t special_count;
    bool special_first[256]; /* bytes that a special token begins with */
};

/* False without memory. */
bool wordpiece_add(wordpiece *w, quipu_str text, uint32_t token);
bool wordpiece_index(wordpiece *w); /* once all are added */

#endif
