/*
 * words_inner.h - the form of a block of words, and what the files of this folder share.
 *
 * A block (numbers as this machine has them: derived state does not travel):
 *   head          struct words_head, with the place of each section, counted from the head
 *   postings      lists of more than one posting, each 8-byte aligned: struct words_list, its struct words_run, then the packed
 *                 numbers of each run: the distances of the documents, then the frequencies less one
 *   keys, places  of each term, sorted by key: 64 bits of hash; where its list stands, or its only posting itself
 *   lengths, marks, actor, session, place, seq, created   one of each a document
 *   session_keys, session_first, turns   the sessions by key, and their documents in the order (seq, created_at, document)
 *   actor_keys    of each speaker, sorted: 64 bits of hash
 *   name_keys, name_actors   the words of the speakers' names, sorted by (key, actor)
 *
 * A run holds up to 128 postings and a bound: no posting in it has a frequency above `most` or stands in a document of fewer
 * than `least` words. That bounds a BM25 score under any mean length (Ding and Suel, "Faster Top-k Document Retrieval Using
 * Block-Max Indexes", 2011), so that blocks stay as they are when the statistics of what is searched change.
 *
 * Terms are known by hash alone. Two that collide count as one: one pair in 2^64 by accident; who makes them collide on purpose
 * gets his own documents found by a word more.
 */
#ifndef SDK_WORDS_INNER_H
#define SDK_WORDS_INNER_H

#include <sdk/words.h>

#include <base/fail.h>
#include <sdk/text.h>
#include <stdbool.h>

#define WORDS_MAGIC UINT64_C(0x3130736472577571) /* "quWrds01" */
#define WORDS_NONE UINT32_MAX
#define WORDS_RUN 128u /* postings of a run */
#define WORDS_TIMES_MAX UINT16_MAX
#define WORDS_SINGLE (UINT64_C(1) << 63) /* in places[]: document in the lower half, frequency above it */
#define WORDS_PADDING 8u                 /* bytes behind the postings, so that eight can be read at any of them */

/* In the order in which they are written. */
enum {
    SECTION_POSTINGS,
    SECTION_KEYS,
    SECTION_PLACES,
    SECTION_SEQ,
    SECTION_CREATED,
    SECTION_LENGTHS,
    SECTION_MARKS,
    SECTION_SESSION_KEYS,
    SECTION_SESSION_FIRST,
    SECTION_TURNS,
    SECTION_SESSION,
    SECTION_PLACE,
    SECTION_ACTOR_KEYS,
    SECTION_NAME_KEYS,
    SECTION_ACTOR,
    SECTION_NAME_ACTORS,
    SECTIONS
};

typedef struct words_head {
    uint64_t magic;
    uint64_t size; /* of the whole block */
    uint64_t documents;
    uint64_t worded;  /* documents with a word */
    uint64_t lengths; /* of all documents together */
    uint64_t terms, sessions, turns, actors, names;
    uint64_t at[SECTIONS];
} words_head;

typedef struct words_list {
    uint32_t count;
    uint16_t most, least; /* of all runs */
} words_list;

typedef struct words_run {
    uint32_t last; /* document */
    uint32_t at;   /* of the packed numbers, in units of 4 bytes from the list */
    uint16_t most, least;
    uint8_t distance_bits, times_bits;
    uint16_t reserved;
} words_run;

/* Of marks[]. */
#define MARK_ASKS 1u /* ends with a question mark */
#define MARK_TIME 2u /* has a temporal expression */

struct words {
    const words_head *head;
    const unsigned char *bytes;
    const uint64_t *keys, *places;
    const int64_t *seq, *created;
    const uint64_t *session_keys, *actor_keys, *name_keys;
    const uint32_t *session_first, *turns;
    const uint32_t *actor, *session, *place, *name_actors;
    const uint16_t *lengths;
    const uint8_t *marks;
    uint32_t documents; /* of the block */
};

int32_t words_damaged(quipu_error *error);

/* The first of `count` sorted keys that is not below `key`. Keys are hashes, evenly spread: a few steps. */
size_t words_key_place(const uint64_t *keys, size_t count, uint64_t key);
/* Number of the term, session or actor, or WORDS_NONE. */
uint32_t words_key_find(const uint64_t *keys, size_t count, uint64_t key);

/* ---- keys (words_read.c) ---- */

uint64_t words_key(quipu_str text);
/* Of two keys in this order. */
uint64_t words_key_pair(uint64_t first, uint64_t second);
/* Of a word as a part of a speaker's name. */
uint64_t words_key_spoken(uint64_t word);
/* The record's session within its whole scope; 0: it has none. */
uint64_t words_key_session(const quipu_record *r);

/* A word that was read. */
typedef struct words_token {
    uint64_t key;    /* of its stem */
    const char *raw; /* as text_words gives it; borrowed */
    size_t raw_len;
    quipu_str stem; /* only of a reader that does not remember; borrowed */
    bool stop;      /* a function word */
    bool pairs;     /* makes pairs with its neighbours: not of a script without blanks */
    uint8_t time;   /* TIME_... */
} words_token;

#define TIME_WORD 1u  /* a temporal expression of its own */
#define TIME_THIS 2u  /* one together with the next */
#define TIME_AFTER 4u /* one together with "this" before it */

typedef void (*words_token_fn)(void *context, const words_token *t);

/* Reads texts, by one thread. One that remembers stems few words twice: for many texts. */
typedef struct words_reader words_reader;
words_reader *words_reader_create(bool remember, text_language language);
void words_reader_free(words_reader *r);
void words_read(words_reader *r, quipu_str text, uint32_t purpose, words_token_fn visit, void *context);

/* ---- postings (words_cursor.c) ---- */

/* Goes through one list. `damaged` ends it. */
typedef struct words_cursor {
    const words *w;
    const unsigned char *list;
    const words_run *runs;
    words_run only; /* of a single posting */
    uint32_t count, run_count;
    uint32_t run;        /* that is unpacked, or WORDS_NONE */
    uint32_t at, loaded; /* in documents[] */
    bool damaged;
    uint32_t documents[WORDS_RUN];
    uint16_t times[WORDS_RUN];
} words_cursor;

/* False where no document has the term. */
bool words_cursor_open(words_cursor *c, const words *w, uint64_t key);
void words_cursor_open_term(words_cursor *c, const words *w, uint32_t term);
void words_cursor_rewind(words_cursor *c);
/* Forward to the first document that is not below `document`; it, or WORDS_NONE at the end. */
uint32_t words_cursor_seek(words_cursor *c, uint32_t document);
static inline uint16_t words_cursor_times(const words_cursor *c)
{
    return c->times[c->at];
}
/* How many documents have the term; `alive`: only those of them whose bit is set, or NULL. *damaged is set where that cannot be
 * told. */
uint32_t words_frequency(const words *w, uint64_t key, const uint64_t *alive, bool *damaged);

/* ---- writing (words_write.c) ---- */

typedef struct words_name {
    uint64_t key, actor; /* of a word of the name, of the speaker */
} words_name;

/* What a block is made of beside the postings; one of each a document. */
typedef struct words_sheet {
    uint32_t documents;
    uint32_t capacity;
    uint16_t *lengths;
    uint8_t *marks;
    int64_t *seq, *created;
    uint64_t *session, *actor; /* keys; 0: none */
    words_name *names;
    size_t name_count, name_capacity;
} words_sheet;

/* Room for documents up to `documents`, the new ones empty; false without memory. */
bool words_sheet_grow(words_sheet *s, uint32_t documents);
bool words_sheet_add_name(words_sheet *s, uint64_t key, uint64_t actor);
void words_sheet_free(words_sheet *s);

typedef struct words_writer {
    buffer *out;
    size_t begin; /* of the block in `out` */
    const uint16_t *lengths;
    buffer keys, places;
    words_head head;
} words_writer;

void words_writer_begin(words_writer *w, const words_sheet *s, buffer *out);
/* Terms by ascending key; documents ascending. */
void words_writer_term(words_writer *w, uint64_t key, const uint32_t *documents, const uint16_t *times, uint32_t count);
/* Ends the block. Sorts the sheet's names. On failure `out` is as it was. */
int32_t words_writer_end(words_writer *w, words_sheet *s, quipu_error *error);

#endif
