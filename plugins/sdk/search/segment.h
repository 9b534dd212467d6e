/*
 * segment.h - an immutable run of record versions with everything that finds them, in one position-independent block of bytes.
 *
 * The same bytes lie in the heap of the process that made them and in a mapped file (derived.h) of every process. Documents
 * are numbered 0..n-1, in the order of (id, version); a segment may hold several versions of one id. Which of them are alive
 * is not the segment's affair. All numbers are little-endian.
 *
 *   head      "QUIPUSG1", u32 documents, u32 sections; of each section u64 where, u64 length
 *   sections  each at a multiple of 8, in the order of segment_section; the records' JSON is the last one
 *
 * Nothing in the bytes is trusted: a number that leads out of them is treated as if nothing were there. A record is
 * compared with its version (the hash of its JSON) when it is decoded, so a checksum needs to cover only the rest.
 */
#ifndef SDK_SEGMENT_H
#define SDK_SEGMENT_H

#include "bits.h"
#include "passage.h"
#include <base/buffer.h>
#include <sdk/record.h>
#include <sdk/words.h>

#define SEGMENT_DOCUMENTS_MAX 0x7fffffffu
#define SEGMENT_TEXT_KEY 16 /* bytes: the first of SHA-256 of the text; all zero where there is none */
#define SEGMENT_VERSION 20  /* bytes: the version as a git blob id */

typedef enum segment_section {
    SEGMENT_IDS,         /* bytes, one after the other */
    SEGMENT_ID_ENDS,     /* u32: where each ends */
    SEGMENT_VERSIONS,    /* 20 bytes each */
    SEGMENT_BY_VERSION,  /* u32: documents in the order of their versions */
    SEGMENT_BY_TIME,     /* u32: documents in the order of (created_at, id) */
    SEGMENT_COLUMNS,     /* 8 bytes each, one row of documents after the other: segment_column */
    SEGMENT_TEXTS,       /* SEGMENT_TEXT_KEY bytes each */
    SEGMENT_PASSAGES,    /* PASSAGE_KEY bytes each */
    SEGMENT_BY_PASSAGE,  /* u32: documents in the order of (passage, document) */
    SEGMENT_TERM_HASHES, /* u64, sorted: segment_terms.h */
    SEGMENT_TERM_PLACES, /* u32 count, u32 where: of one document the document itself, else in SEGMENT_POSTINGS in units of 4 bytes */
    SEGMENT_POSTINGS,  /* u32 documents, ascending; of more than 1 in SEGMENT_DENSE a row of bits, at a multiple of 8 */
    SEGMENT_WORDS,     /* words.h */
    SEGMENT_JSON_ENDS, /* u64: where each record ends */
    SEGMENT_JSON,      /* canonical */
    SEGMENT_SECTIONS
} segment_section;

#define SEGMENT_DENSE 32u

typedef enum segment_column {
    COLUMN_CREATED_AT, /* i64 */
    COLUMN_UPDATED_AT,
    COLUMN_VALID_FROM,
    COLUMN_VALID_TO,
    COLUMN_EXPIRES_AT,
    COLUMN_SEQ,
    COLUMN_IMPORTANCE, /* double */
    SEGMENT_COLUMN_COUNT
} segment_column;

typedef struct segment segment;

/* Ends the use of the bytes. */
typedef void (*segment_release_fn)(void *owner);

/* Checks head and sizes. The bytes are the segment's from now on, in success alone: `release` is called with `owner` at its end.
 * Errors: CORRUPT, NO_MEMORY. */
int32_t segment_open(quipu_str bytes, segment_release_fn release, void *owner, segment **out, quipu_error *error);
/* Takes the buffer's memory over (in success alone). */
int32_t segment_of_buffer(buffer *bytes, segment **out, quipu_error *error);
segment *segment_share(segment *s);
void segment_free(segment *s); /* one user less; NULL is nothing to do */

quipu_str segment_bytes(const segment *s);
/* How many of the bytes a checksum has to cover: all before the records' JSON. */
uint64_t segment_checked_bytes(const segment *s);
uint32_t segment_documents(const segment *s);
quipu_str segment_section_bytes(const segment *s, segment_section which);

quipu_str segment_id(const segment *s, uint32_t document);            /* absent where it is damaged */
const uint8_t *segment_version(const segment *s, uint32_t document);  /* SEGMENT_VERSION bytes */
const uint8_t *segment_text_key(const segment *s, uint32_t document); /* SEGMENT_TEXT_KEY bytes */
/* The key of what is embedded (passage.h), PASSAGE_KEY bytes; all zero where there is nothing. */
const uint8_t *segment_passage(const segment *s, uint32_t document);
bool segment_has_passage(const segment *s, uint32_t document);
int64_t segment_int(const segment *s, segment_column column, uint32_t document);
double segment_importance(const segment *s, uint32_t document);
quipu_str segment_json(const segment *s, uint32_t document);
/* The record, for the caller. CORRUPT where the JSON is not that of the version. */
int32_t segment_record(const segment *s, uint32_t document, record **out, quipu_error *error);

/* The first document whose id is not before `id`. */
uint32_t segment_lower_bound(const segment *s, quipu_str id);
/* The document of this id that is in `alive`, or BITS_NONE. */
uint32_t segment_find(const segment *s, const bits *alive, quipu_str id);
/* The document of this version, or BITS_NONE. */
uint32_t segment_find_version(const segment *s, const uint8_t version[SEGMENT_VERSION]);
/* The first place in the order by passages whose passage is not before `key`, and the document at a place, or BITS_NONE. */
uint32_t segment_passage_place(const segment *s, const uint8_t key[PASSAGE_KEY]);
uint32_t segment_at_passage(const segment *s, uint32_t place);
/* The document that stands at `place` in the order by time. */
uint32_t segment_at_time(const segment *s, uint32_t place);

/* Adds the documents of a term to `out`; how many. */
uint32_t segment_term(const segment *s, uint64_t hash, bits *out);
uint32_t segment_term_count(const segment *s, uint64_t hash);

/* What the owner of the index hangs on a segment: opened by whoever needs it first, freed with it. */
typedef struct segment_extra {
    void *thing;
    void (*free_thing)(void *thing);
} segment_extra;
/* The thing that hangs in `slot` (SEGMENT_EXTRA_*), or NULL. */
void *segment_extra_get(segment *s, unsigned slot);
/* Hangs it there unless another thread was quicker; then the new one is freed. What hangs there now. */
void *segment_extra_set(segment *s, unsigned slot, segment_extra extra);
#define SEGMENT_EXTRA_WORDS 0u
#define SEGMENT_EXTRA_VECTORS 1u
#define SEGMENT_EXTRAS 2u

/* The words block, opened by whoever needs it first; the segment's. Errors: CORRUPT, NO_MEMORY. */
int32_t segment_words(segment *s, const words **out, quipu_error *error);

/* ---- making them: segment_build.c ---- */

/* Of records sorted by (id, version), none twice. language: of their words. */
int32_t segment_build(record *const *records, uint32_t count, text_language language, buffer *out, quipu_error *error);

/* What goes into a merge: the documents in `keep`. */
typedef struct segment_source {
    segment *segment;
    const bits *keep;
    const bits *alive;
} segment_source;

/* One segment of several, and which of its documents are alive. A version that is in several is taken once. */
int32_t segment_merge(const segment_source *sources, size_t count, buffer *out, bits **alive, quipu_error *error);

#endif
