/* lexical_inner.h - what lexical.c (changes) and lexical_query.c (questions) share. */
#ifndef SDK_LEXICAL_INNER_H
#define SDK_LEXICAL_INNER_H

#include <sdk/lexical.h>
#include "str_table.h"
#include <sdk/text.h>

/* One word of one document. */
typedef struct posting {
    uint32_t document;
    uint32_t times; /* how often it is there */
} posting;

/* A stemmed word and where it is; postings are sorted by document. */
typedef struct term {
    char *stem;
    posting *postings;
    uint32_t stem_len;
    uint32_t count; /* of postings: the document frequency */
    uint32_t capacity;
    uint32_t pending; /* how often it is in the document at hand */
} term;

/* Words that were looked up lately, so that few are stemmed and hashed a second time. */
#define RECENT_SIZE 4096u
#define RECENT_WORD_MAX 26
typedef struct recent_word {
    uint32_t term;
    uint8_t len; /* 0: empty */
    uint8_t stop;
    char word[RECENT_WORD_MAX];
} recent_word;

struct lexical {
    term *terms;
    uint32_t term_count, term_capacity;
    str_table by_stem;
    uint32_t *lengths; /* of each document in words that are not stop words */
    uint32_t length_capacity;
    uint64_t documents;
    uint64_t total_length;
    text_stemmer *stemmer;
    recent_word *recent;
    uint32_t *touched; /* terms of the document at hand */
    uint32_t touched_count, touched_capacity;
};

#define BM25_K1 0.9
#define BM25_B 0.4

/* The posting of a document, or where it would stand. */
static inline uint32_t term_position(const term *t, uint32_t document)
{
    uint32_t low = 0, high = t->count;
    if (high > 0 && t->postings[high - 1].document < document)
        return high; /* documents mostly come in order */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->postings[middle].document < document)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

#endif
