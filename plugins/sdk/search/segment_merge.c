/* segment_merge.c - see segment.h: several segments become one; nothing is parsed or split into words again. */
#include "segment_inner.h"

#include <sdk/words.h>
#include <stdlib.h>

/* One source while it is read. */
typedef struct reader {
    segment *s;
    const bits *keep, *alive;
    uint32_t at;        /* the next document to take, or BITS_NONE */
    quipu_str id;       /* its id */
    uint32_t term;      /* the next term */
    uint32_t *renumber; /* new number of each document; BITS_NONE: left out, or taken from another */
} reader;

/* Where each document of the result comes from. */
typedef struct origin {
    uint32_t reader;
    uint32_t document;
} origin;

typedef struct merger {
    reader *readers;
    size_t count;
    origin *origins;
    uint32_t documents;
    bits *alive;
    buffer sections[SEGMENT_SECTIONS];
} merger;

/* ---- documents ---- */

static void go_on(reader *r, uint32_t from)
{
    r->at = bits_next(r->keep, from);
    r->id = segment_id(r->s, r->at); /* absent behind the last */
}

static int compare_readers(const reader *a, const reader *b)
{
    int order = str_compare(a->id, b->id);
    return order ? order : memcmp(segment_version(a->s, a->at), segment_version(b->s, b->at), SEGMENT_VERSION);
}

static int32_t open_readers(merger *m, const segment_source *sources, quipu_error *error)
{
    uint64_t total = 0;
    m->readers = calloc(m->count, sizeof *m->readers);
    if (!m->readers)
        return segment_no_memory(error);
    for (size_t i = 0; i < m->count; i++) {
        reader *r = &m->readers[i];
        *r = (reader){ .s = sources[i].segment, .keep = sources[i].keep, .alive = sources[i].alive };
        r->renumber = malloc(segment_documents(r->s) * sizeof *r->renumber);
        if (!r->renumber)
            return segment_no_memory(error);
        memset(r->renumber, 0xff, segment_documents(r->s) * sizeof *r->renumber);
        total += bits_total(r->keep);
        go_on(r, 0);
    }
    if (total > SEGMENT_DOCUMENTS_MAX)
        return fail(error, QUIPU_E_TOO_LARGE, NULL, "too many records for one segment of the index");
    m->origins = malloc((size_t)(total + 1) * sizeof *m->origins);
    m->alive = bits_create((uint32_t)total, false);
    return m->origins && m->alive ? QUIPU_OK : segment_no_memory(error);
}

/* Puts all documents into one order, those of the same version together. */
static void number_documents(merger *m)
{
    const reader *last = NULL;
    uint32_t last_document = 0;
    for (;;) {
        reader *least = NULL;
        for (size_t i = 0; i < m->count; i++)
            if (m->readers[i].at != BITS_NONE && (!least || compare_readers(&m->readers[i], least) < 0))
                least = &m->readers[i];
        if (!least)
            return;
        bool same = last && memcmp(segment_version(last->s, last_document), segment_version(least->s, least->at),
                                   SEGMENT_VERSION) == 0;
        if (!same) {
            least->renumber[least->at] = m->documents;
            m->origins[m->documents++] = (origin){ (uint32_t)(least - m->readers), least->at };
        }
        if (bits_has(least->alive, least->at))
            bits_add(m->alive, m->documents - 1);
        last = least;
        last_document = least->at;
        go_on(least, least->at + 1);
    }
}

static void copy_document(merger *m, const segment *s, uint32_t document)
{
    buffer *sections = m->sections;
    buffer_append_str(&sections[SEGMENT_IDS], segment_id(s, document));
    put_u32(&sections[SEGMENT_ID_ENDS], (uint32_t)sections[SEGMENT_IDS].len);
    buffer_append(&sections[SEGMENT_VERSIONS], segment_version(s, document), SEGMENT_VERSION);
    buffer_append(&sections[SEGMENT_TEXTS], segment_text_key(s, document), SEGMENT_TEXT_KEY);
    buffer_append(&sections[SEGMENT_PASSAGES], segment_passage(s, document), PASSAGE_KEY);
    buffer_append_str(&sections[SEGMENT_JSON], segment_json(s, document));
    put_u64(&sections[SEGMENT_JSON_ENDS], sections[SEGMENT_JSON].len);
}

static int32_t copy_documents(merger *m, quipu_error *error)
{
    for (uint32_t d = 0; d < m->documents; d++)
        copy_document(m, m->readers[m->origins[d].reader].s, m->origins[d].document);
    for (unsigned column = 0; column < SEGMENT_COLUMN_COUNT; column++)
        for (uint32_t d = 0; d < m->documents; d++)
            put_u64(&m->sections[SEGMENT_COLUMNS],
                    (uint64_t)segment_int(m->readers[m->origins[d].reader].s, (segment_column)column,
                                          m->origins[d].document));
    if (m->sections[SEGMENT_IDS].len > UINT32_MAX)
        return fail(error, QUIPU_E_TOO_LARGE, NULL, "too much for one segment of the index");
    return segment_sort(m->sections, m->documents, error);
}

/* ---- terms ---- */

static bool next_hash(const reader *r, uint64_t *hash)
{
    quipu_str hashes = segment_section_bytes(r->s, SEGMENT_TERM_HASHES);
    if (8 * ((uint64_t)r->term + 1) > hashes.len)
        return false;
    *hash = load_u64(hashes.ptr + 8 * (size_t)r->term);
    return true;
}

/* Adds the documents of the reader's term at hand under their new numbers. */
static void add_renumbered(const reader *r, uint64_t hash, bits *scratch, bits *out)
{
    uint32_t count = segment_term(r->s, hash, scratch);
    for (uint32_t d = count ? bits_next(scratch, 0) : BITS_NONE; d != BITS_NONE; d = bits_next(scratch, d + 1)) {
        bits_add(out, r->renumber[d]);
        bits_drop(scratch, d);
    }
}

/* A term of one document, which most are. */
static bool add_single(const reader *r, uint32_t *list, uint32_t *count)
{
    const char *place = segment_section_bytes(r->s, SEGMENT_TERM_PLACES).ptr + 8 * (size_t)r->term;
    uint32_t document = load_u32(place + 4);
    if (load_u32(place) != 1)
        return false;
    if (document < segment_documents(r->s) && r->renumber[document] != BITS_NONE)
        list[(*count)++] = r->renumber[document];
    return true;
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t without_repeats(uint32_t *list, uint32_t count)
{
    uint32_t kept = 0;
    qsort(list, count, sizeof *list, compare_numbers);
    for (uint32_t i = 0; i < count; i++)
        if (kept == 0 || list[kept - 1] != list[i])
            list[kept++] = list[i];
    return kept;
}

/* All postings of one reader's term in the list: without a pass over bits where they are few. */
static bool add_list(const reader *r, uint32_t *list, uint32_t *count, uint32_t room)
{
    const char *place = segment_section_bytes(r->s, SEGMENT_TERM_PLACES).ptr + 8 * (size_t)r->term;
    quipu_str postings = segment_section_bytes(r->s, SEGMENT_POSTINGS);
    uint32_t documents = segment_documents(r->s), n = load_u32(place);
    uint64_t from = 4 * (uint64_t)load_u32(place + 4);
    if (add_single(r, list, count))
        return true;
    if (n > documents / SEGMENT_DENSE || n > room - *count || from > postings.len ||
        4 * (uint64_t)n > postings.len - from)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t document = load_u32(postings.ptr + from + 4 * (size_t)i);
        if (document < documents && r->renumber[document] != BITS_NONE)
            list[(*count)++] = r->renumber[document];
    }
    return true;
}

/* One term of all readers that have it. `set` and `scratch` are empty before and after. */
static void merge_term(merger *m, uint64_t hash, uint32_t *list, bits *set, bits *const *scratch)
{
    uint32_t count = 0;
    bool dense = false;
    for (size_t i = 0; i < m->count; i++) {
        reader *r = &m->readers[i];
        uint64_t its;
        if (!next_hash(r, &its) || its != hash)
            continue;
        if (!add_list(r, list, &count, m->documents)) {
            add_renumbered(r, hash, scratch[i], set);
            dense = true;
        }
        do
            r->term++;
        while (next_hash(r, &its) && its == hash);
    }
    if (dense) {
        for (uint32_t i = 0; i < count; i++)
            bits_add(set, list[i]);
        count = 0;
        for (uint32_t d = bits_next(set, 0); d != BITS_NONE; d = bits_next(set, d + 1)) {
            list[count++] = d;
            bits_drop(set, d);
        }
    } else if (count > 1) {
        count = without_repeats(list, count);
    }
    if (count > 0)
        segment_put_term(m->sections, hash, list, count, m->documents);
}

static int32_t merge_terms(merger *m, quipu_error *error)
{
    /* One number more for each reader: a damaged single may come on top of a full list. */
    uint32_t *list = malloc(((size_t)m->documents + m->count + 1) * sizeof *list);
    bits *set = bits_create(m->documents, false), **scratch = calloc(m->count, sizeof *scratch);
    bool good = list && set && scratch;
    for (size_t i = 0; good && i < m->count; i++)
        good = (scratch[i] = bits_create(segment_documents(m->readers[i].s), false)) != NULL;
    while (good) {
        uint64_t least = 0, hash;
        bool any = false;
        for (size_t i = 0; i < m->count; i++)
            if (next_hash(&m->readers[i], &hash) && (!any || hash < least)) {
                least = hash;
                any = true;
            }
        if (!any)
            break;
        merge_term(m, least, list, set, scratch);
    }
    for (size_t i = 0; scratch && i < m->count; i++)
        bits_free(scratch[i]);
    free(scratch);
    bits_free(set);
    free(list);
    return good ? QUIPU_OK : segment_no_memory(error);
}

/* ---- words ---- */

static int32_t merge_words(merger *m, quipu_error *error)
{
    const words **from = calloc(m->count, sizeof(*from));
    const uint32_t **renumber = calloc(m->count, sizeof(*renumber));
    int32_t code = from && renumber ? QUIPU_OK : segment_no_memory(error);
    for (size_t i = 0; i < m->count && code == QUIPU_OK; i++) {
        code = segment_words(m->readers[i].s, &from[i], error);
        renumber[i] = m->readers[i].renumber;
    }
    if (code == QUIPU_OK)
        code = words_merge(from, renumber, m->count, m->documents, &m->sections[SEGMENT_WORDS], error);
    free(from);
    free(renumber);
    return code;
}

static void merger_free(merger *m)
{
    for (size_t i = 0; m->readers && i < m->count; i++)
        free(m->readers[i].renumber);
    free(m->readers);
    free(m->origins);
    bits_free(m->alive);
    segment_sections_free(m->sections);
}

int32_t segment_merge(const segment_source *sources, size_t count, buffer *out, bits **alive, quipu_error *error)
{
    merger m = { .count = count };
    *alive = NULL;
    int32_t code = open_readers(&m, sources, error);
    if (code == QUIPU_OK) {
        number_documents(&m);
        code = copy_documents(&m, error);
    }
    if (code == QUIPU_OK)
        code = merge_terms(&m, error);
    if (code == QUIPU_OK)
        code = merge_words(&m, error);
    if (code == QUIPU_OK)
        code = segment_join(m.sections, m.documents, out, error);
    if (code == QUIPU_OK) {
        m.alive->count = m.documents;
        *alive = m.alive;
        m.alive = NULL;
    }
    merger_free(&m);
    return code;
}
