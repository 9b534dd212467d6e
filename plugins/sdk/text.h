/*
 * text.h - from text to the words that are indexed, asked for and hashed.
 *
 * A word is a run of letters, digits and marks, lower-cased (Latin, Greek, Cyrillic, Armenian, full-width ASCII). "x's" is
 * "x", any other word with one apostrophe inside is joined: "don't" is "dont" (U+2019 is an apostrophe). Scripts that are
 * written without blanks (Han, kana, Hangul, Thai, Lao, Khmer, Burmese) become pairs of neighbouring characters. Accents are
 * kept, composed and decomposed forms are not made equal. Bytes that are not UTF-8 separate words.
 */
#ifndef SDK_TEXT_H
#define SDK_TEXT_H

#include <quipu/base.h>
#include <stdbool.h>

#define TEXT_WORD_MAX 96 /* bytes of a word; the rest of a longer one is left out */

#define TEXT_STORED 0u   /* of unspaced scripts also the single characters, so that one character can be asked for */
#define TEXT_QUESTION 1u /* single characters only where one stands alone */

/* Receives one word; `word` is borrowed for the call. */
typedef void (*text_word_fn)(void *context, const char *word, size_t len);

/* Calls `visit` for each word of the text, in order. purpose: TEXT_STORED or TEXT_QUESTION. */
void text_words(quipu_str text, uint32_t purpose, text_word_fn visit, void *context);

/* True for an English function word, in the form that text_words gives ("dont"). */
bool text_is_stop_word(const char *word, size_t len);

/* What words of Latin letters are taken for: English, or another language that libstemmer (Snowball) has. */
typedef uint32_t text_language;
#define TEXT_ENGLISH 0u
/* The language of an English name, as "german"; false where there is none of that name. */
bool text_language_find(quipu_str name, text_language *out);
/* Every name, separated by blanks. */
const char *text_language_names(void);

#define TEXT_STEM_ENGLISH 0u /* words of a to z, as English ones */
#define TEXT_STEM_SCRIPTS                                                                                              \
    1u /* and those of scripts that tell the language: Cyrillic as Russian, Greek, Armenian, Arabic, Devanagari as Hindi,
                              * Tamil; as far as libstemmer has them */

/* Snowball stemmers (Porter, "Snowball: A language for stemming algorithms", 2001); used by one thread at a time. Other words come back as
 * they are. NULL without memory. */
typedef struct text_stemmer text_stemmer;
/* latin: with TEXT_STEM_SCRIPTS; English knows a to z alone, other languages every Latin letter. */
text_stemmer *text_stemmer_create(uint32_t which, text_language latin);
void text_stemmer_free(text_stemmer *s);
/* The stem is the stemmer's until the next call. */
quipu_str text_stem(text_stemmer *s, const char *word, size_t len);

#endif
