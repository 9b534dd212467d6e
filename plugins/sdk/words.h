/*
 * words.h - which documents answer a question by their words: immutable blocks, and ranking over several of them.
 *
 * A block is a run of bytes, in the heap or in a mapped file: postings of words and of pairs of neighbouring words, and of each
 * document what the ranking needs of a conversation (who said it, its place in its session, when, whether it asks or names a
 * time). It is written once; documents that are gone are told by the caller's bitmap, and words_merge leaves them out.
 *
 * What is opened or built is read by any number of threads at once.
 */
#ifndef SDK_WORDS_H
#define SDK_WORDS_H

#include <base/buffer.h>
#include <quipu/error.h>
#include <quipu/record.h>
#include <sdk/text.h>

#define WORDS_DOCUMENTS_MAX (1u << 30) /* in a block */

/* ---- building ---- */

typedef struct words_builder words_builder;

/* language: of what is written in Latin letters. Blocks that are merged or searched together are of one language, and questions too. */
int32_t words_builder_create(text_language language, words_builder **out, quipu_error *error);
/* Documents in ascending order of their numbers; a number left out is a document without words. */
int32_t words_builder_add(words_builder *b, uint32_t document, const quipu_record *r, quipu_error *error);
/* Appends the block, which has as many documents as the last number added says, to `out`, where it must stand at a place that
 * can be divided by 8. Nothing can be added after it. */
int32_t words_builder_finish(words_builder *b, buffer *out, quipu_error *error);
void words_builder_free(words_builder *b);

/* ---- an opened block ---- */

typedef struct words words;

/* Borrows the bytes (8-byte aligned) until words_free. Reads no more than the head; what is damaged further in is noticed where
 * it is used: QUIPU_E_CORRUPT from there. `documents`: as many as the block may have at most; those past the block's own have no
 * words. */
int32_t words_open(quipu_str bytes, uint32_t documents, words **out, quipu_error *error);
void words_free(words *w);

/* One block of several, without reading a text again: document d of block i becomes renumber[i][d] (ascending within a block,
 * no two alike, below `documents`), or is left out where that is UINT32_MAX. Appends to `out` as words_builder_finish does. */
int32_t words_merge(const words *const *from, const uint32_t *const *renumber, size_t count, uint32_t documents,
                    buffer *out, quipu_error *error);

/* ---- ranking ---- */

/* Bitmaps have (documents + 63) / 64 elements, document 0 is the lowest bit of the first. */
typedef struct words_part {
    const words *words;
    const uint64_t *alive;
    const uint64_t *admitted; /* by the filter, or NULL: all that are alive; dead ones do not count, whatever it says */
    uint32_t documents;       /* of the bitmaps */
} words_part;

typedef struct words_match {
    double score; /* above 0 */
    uint32_t part, document;
} words_match;

/* Flags: leave an ingredient of the ranking out. */
#define WORDS_NO_NEIGHBOURS 1u
#define WORDS_NO_SESSION 2u
#define WORDS_NO_SPEAKER 4u
#define WORDS_NO_DATE 8u
#define WORDS_NO_TIME_WORDS 16u
#define WORDS_NO_PAIRS 32u
#define WORDS_PLAIN 63u /* all of it: BM25 alone */

/* Likeness to the question by other means than words, from -1 to 1: it counts like words do, with all that surrounds a turn. */
typedef struct words_likeness {
    const words_match *
        nearest; /* documents that may be results without a word of the question, with their likeness as score, best first */
    size_t count;
    /* Fills in the likeness of some more, as their scores. */
    int32_t (*of)(void *context, words_match *matches, size_t count, quipu_error *error);
    void *context;
} words_likeness;

typedef struct words_question {
    quipu_str text;
    uint64_t k; /* how many are wanted; memory is taken for what there is */
    uint32_t flags;
    text_language language;         /* that the blocks were built with */
    const words_likeness *likeness; /* or NULL: by words alone */
} words_question;

typedef struct words_answer words_answer;

/* The best matches, best first, equal scores by (part, document): k of them whenever k admitted documents hold a word of the
 * question or are among the nearest. The parts and what they point to are borrowed until words_answer_free. Errors: CORRUPT, NO_MEMORY, TIMEOUT, CANCELLED. */
int32_t words_rank(const words_part *parts, size_t count, const words_question *question, words_answer **out,
                   const quipu_call *call, quipu_error *error);
/* Appends the question to `out` without the words that name who speaks in what is admitted, with single blanks; whole where it says nothing
 * else. Of `question` the text and the language count. */
int32_t words_without_names(const words_part *parts, size_t count, const words_question *question, buffer *out,
                            quipu_error *error);
size_t words_answer_count(const words_answer *a);
const words_match *words_answer_matches(const words_answer *a);
void words_answer_free(words_answer *a);

/* Receives one component of a score; `name` is borrowed for the call. */
typedef void (*words_component_fn)(void *context, quipu_str name, double value);
/* The components of match i; they add up to its score: "bm25:<word>" (or "bm25:<word> <word>") for each word that it holds, then
 * "likeness", "question" (it is one itself: below 0), "neighbours", "session", "speaker", "date", "time_words". */
int32_t words_explain(const words_answer *a, size_t i, words_component_fn visit, void *context, quipu_error *error);

#endif
