/* segment.c - see segment.h: reading. */
#include "segment_inner.h"

#include <base/hash.h>
#include <stdlib.h>

struct segment {
    atomic_uint users;
    uint32_t documents;
    quipu_str bytes;
    quipu_str sections[SEGMENT_SECTIONS];
    uint32_t terms;
    segment_release_fn release;
    void *owner;
    _Atomic(void *) extras[SEGMENT_EXTRAS];
    void (*free_extra[SEGMENT_EXTRAS])(void *);
};

/* ---- life ---- */

/* Bytes of each document in a section, where that is the same for all. */
static const uint8_t widths[SEGMENT_SECTIONS] = { [SEGMENT_ID_ENDS] = 4,
                                                  [SEGMENT_VERSIONS] = SEGMENT_VERSION,
                                                  [SEGMENT_BY_VERSION] = 4,
                                                  [SEGMENT_BY_TIME] = 4,
                                                  [SEGMENT_COLUMNS] = 8 * SEGMENT_COLUMN_COUNT,
                                                  [SEGMENT_TEXTS] = SEGMENT_TEXT_KEY,
                                                  [SEGMENT_PASSAGES] = PASSAGE_KEY,
                                                  [SEGMENT_BY_PASSAGE] = 4,
                                                  [SEGMENT_JSON_ENDS] = 8 };

static bool find_sections(segment *s)
{
    const char *head = s->bytes.ptr;
    if (s->bytes.len < SEGMENT_HEAD || memcmp(head, SEGMENT_MAGIC, 8) != 0 || load_u32(head + 12) != SEGMENT_SECTIONS)
        return false;
    s->documents = load_u32(head + 8);
    if (s->documents == 0 || s->documents > SEGMENT_DOCUMENTS_MAX)
        return false;
    uint64_t behind = SEGMENT_HEAD;
    for (unsigned i = 0; i < SEGMENT_SECTIONS; i++) {
        uint64_t where = load_u64(head + 16 + 16 * i), len = load_u64(head + 24 + 16 * i);
        if (where < behind || where % 8 || where > s->bytes.len || len > s->bytes.len - where)
            return false;
        if (widths[i] && len != (uint64_t)widths[i] * s->documents)
            return false;
        s->sections[i] = (quipu_str){ head + where, len };
        behind = where + len;
    }
    s->terms = (uint32_t)(s->sections[SEGMENT_TERM_HASHES].len / 8);
    return s->sections[SEGMENT_TERM_HASHES].len % 8 == 0 && s->sections[SEGMENT_TERM_HASHES].len / 8 <= UINT32_MAX &&
           s->sections[SEGMENT_TERM_PLACES].len == s->sections[SEGMENT_TERM_HASHES].len;
}

int32_t segment_open(quipu_str bytes, segment_release_fn release, void *owner, segment **out, quipu_error *error)
{
    segment *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an index");
    s->bytes = bytes;
    if (!find_sections(s)) {
        free(s);
        return fail(error, QUIPU_E_CORRUPT, NULL, "a segment of the index is damaged");
    }
    atomic_init(&s->users, 1);
    s->release = release;
    s->owner = owner;
    *out = s;
    return QUIPU_OK;
}

int32_t segment_of_buffer(buffer *bytes, segment **out, quipu_error *error)
{
    int32_t code = segment_open(str_make(bytes->bytes, bytes->len), free, bytes->bytes, out, error);
    if (code == QUIPU_OK)
        *bytes = (buffer){ 0 };
    return code;
}

segment *segment_share(segment *s)
{
    atomic_fetch_add_explicit(&s->users, 1, memory_order_relaxed);
    return s;
}

void segment_free(segment *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->users, 1, memory_order_acq_rel) > 1)
        return;
    for (unsigned i = 0; i < SEGMENT_EXTRAS; i++)
        if (atomic_load(&s->extras[i]))
            s->free_extra[i](atomic_load(&s->extras[i]));
    if (s->release)
        s->release(s->owner);
    free(s);
}

void *segment_extra_get(segment *s, unsigned slot)
{
    return atomic_load_explicit(&s->extras[slot], memory_order_acquire);
}

void *segment_extra_set(segment *s, unsigned slot, segment_extra extra)
{
    void *there = NULL;
    if (!atomic_compare_exchange_strong(&s->extras[slot], &there, extra.thing)) {
        extra.free_thing(extra.thing);
        return there;
    }
    s->free_extra[slot] = extra.free_thing; /* read when the last user goes, which orders it */
    return extra.thing;
}

/* ---- parts ---- */

quipu_str segment_bytes(const segment *s)
{
    return s->bytes;
}

uint64_t segment_checked_bytes(const segment *s)
{
    return (uint64_t)(s->sections[SEGMENT_JSON].ptr - s->bytes.ptr);
}

uint32_t segment_documents(const segment *s)
{
    return s->documents;
}

quipu_str segment_section_bytes(const segment *s, segment_section which)
{
    return s->sections[which];
}

static const char *at(const segment *s, segment_section which, size_t offset)
{
    return s->sections[which].ptr + offset;
}

quipu_str segment_id(const segment *s, uint32_t document)
{
    if (document >= s->documents)
        return (quipu_str){ 0 };
    uint32_t from = document ? load_u32(at(s, SEGMENT_ID_ENDS, 4 * ((size_t)document - 1))) : 0;
    uint32_t end = load_u32(at(s, SEGMENT_ID_ENDS, 4 * (size_t)document));
    if (from >= end || end > s->sections[SEGMENT_IDS].len)
        return (quipu_str){ 0 };
    return (quipu_str){ at(s, SEGMENT_IDS, from), end - from };
}

const uint8_t *segment_version(const segment *s, uint32_t document)
{
    return (const uint8_t *)at(s, SEGMENT_VERSIONS, (size_t)SEGMENT_VERSION * document);
}

const uint8_t *segment_text_key(const segment *s, uint32_t document)
{
    return (const uint8_t *)at(s, SEGMENT_TEXTS, (size_t)SEGMENT_TEXT_KEY * document);
}

const uint8_t *segment_passage(const segment *s, uint32_t document)
{
    return (const uint8_t *)at(s, SEGMENT_PASSAGES, (size_t)PASSAGE_KEY * document);
}

bool segment_has_passage(const segment *s, uint32_t document)
{
    static const uint8_t none[PASSAGE_KEY];
    return memcmp(segment_passage(s, document), none, sizeof none) != 0;
}

int64_t segment_int(const segment *s, segment_column column, uint32_t document)
{
    return (int64_t)load_u64(at(s, SEGMENT_COLUMNS, 8 * ((size_t)column * s->documents + document)));
}

double segment_importance(const segment *s, uint32_t document)
{
    uint64_t bytes = (uint64_t)segment_int(s, COLUMN_IMPORTANCE, document);
    double value;
    memcpy(&value, &bytes, sizeof value);
    return value;
}

quipu_str segment_json(const segment *s, uint32_t document)
{
    if (document >= s->documents)
        return (quipu_str){ 0 };
    uint64_t from = document ? load_u64(at(s, SEGMENT_JSON_ENDS, 8 * ((size_t)document - 1))) : 0;
    uint64_t end = load_u64(at(s, SEGMENT_JSON_ENDS, 8 * (size_t)document));
    if (from >= end || end > s->sections[SEGMENT_JSON].len)
        return (quipu_str){ 0 };
    return (quipu_str){ at(s, SEGMENT_JSON, from), end - from };
}

int32_t segment_record(const segment *s, uint32_t document, record **out, quipu_error *error)
{
    static const record_defaults limit = { .created_at = QUIPU_TIME_NONE,
                                           .updated_at = QUIPU_TIME_NONE,
                                           .max_bytes = UINT64_MAX };
    uint8_t version[SEGMENT_VERSION] = { 0 };
    quipu_str json = segment_json(s, document);
    *out = NULL;
    if (json.ptr)
        hash_git_object("blob", json.ptr, (size_t)json.len, version);
    bool good = json.ptr && memcmp(version, segment_version(s, document), sizeof version) == 0;
    int32_t code = good ? record_decode(json, &limit, out, NULL) : QUIPU_E_CORRUPT;
    if (code == QUIPU_OK || code == QUIPU_E_NO_MEMORY)
        return code == QUIPU_OK ? code : fail(error, code, NULL, "there is no memory for a record");
    return fail(error, QUIPU_E_CORRUPT, NULL, "a record in the index is damaged");
}

/* ---- finding ---- */

uint32_t segment_lower_bound(const segment *s, quipu_str id)
{
    uint32_t low = 0, high = s->documents;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (str_compare(segment_id(s, middle), id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t segment_find(const segment *s, const bits *alive, quipu_str id)
{
    for (uint32_t d = segment_lower_bound(s, id); d < s->documents && str_same(segment_id(s, d), id); d++)
        if (bits_has(alive, d))
            return d;
    return BITS_NONE;
}

uint32_t segment_find_version(const segment *s, const uint8_t version[SEGMENT_VERSION])
{
    uint32_t low = 0, high = s->documents;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t document = load_u32(at(s, SEGMENT_BY_VERSION, 4 * (size_t)middle));
        int order = document < s->documents ? memcmp(segment_version(s, document), version, SEGMENT_VERSION) : 1;
        if (order == 0)
            return document;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return BITS_NONE;
}

uint32_t segment_at_passage(const segment *s, uint32_t place)
{
    uint32_t document = place < s->documents ? load_u32(at(s, SEGMENT_BY_PASSAGE, 4 * (size_t)place)) : BITS_NONE;
    return document < s->documents ? document : BITS_NONE;
}

uint32_t segment_passage_place(const segment *s, const uint8_t key[PASSAGE_KEY])
{
    uint32_t low = 0, high = s->documents;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2, document = segment_at_passage(s, middle);
        if (document != BITS_NONE && memcmp(segment_passage(s, document), key, PASSAGE_KEY) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t segment_at_time(const segment *s, uint32_t place)
{
    uint32_t document = place < s->documents ? load_u32(at(s, SEGMENT_BY_TIME, 4 * (size_t)place)) : BITS_NONE;
    return document < s->documents ? document : BITS_NONE;
}

static void free_words(void *thing)
{
    words_free(thing);
}

int32_t segment_words(segment *s, const words **out, quipu_error *error)
{
    words *w = segment_extra_get(s, SEGMENT_EXTRA_WORDS);
    int32_t code = QUIPU_OK;
    if (!w) {
        code = words_open(s->sections[SEGMENT_WORDS], s->documents, &w, error);
        if (code == QUIPU_OK)
            w = segment_extra_set(s, SEGMENT_EXTRA_WORDS, (segment_extra){ w, free_words });
    }
    *out = w;
    return code;
}

/* ---- terms ---- */

/* Where the term is described, or NULL. */
static const char *find_term(const segment *s, uint64_t hash)
{
    uint32_t low = 0, high = s->terms;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint64_t there = load_u64(at(s, SEGMENT_TERM_HASHES, 8 * (size_t)middle));
        if (there == hash)
            return at(s, SEGMENT_TERM_PLACES, 8 * (size_t)middle);
        if (there < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

uint32_t segment_term_count(const segment *s, uint64_t hash)
{
    const char *place = find_term(s, hash);
    return place ? load_u32(place) : 0;
}

uint32_t segment_term(const segment *s, uint64_t hash, bits *out)
{
    const char *place = find_term(s, hash);
    if (!place)
        return 0;
    uint32_t count = load_u32(place), where = load_u32(place + 4);
    quipu_str postings = s->sections[SEGMENT_POSTINGS];
    uint64_t from = 4 * (uint64_t)where;
    if (count == 1) {
        bits_add(out, where);
        return 1;
    }
    if (count > s->documents / SEGMENT_DENSE) {
        size_t row = bits_words(s->documents);
        if (from > postings.len || row * 8 > postings.len - from)
            return 0;
        for (size_t i = 0; i < row; i++)
            out->words[i] |= load_u64(postings.ptr + from + 8 * i);
        if (s->documents % 64)
            out->words[row - 1] &= ((uint64_t)1 << (s->documents % 64)) - 1;
        return count;
    }
    if (from > postings.len || 4 * (uint64_t)count > postings.len - from)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        bits_add(out, load_u32(postings.ptr + from + 4 * (size_t)i));
    return count;
}
