/* segment_build.c - see segment.h: a segment of records, and what building and merging share. */
#include "segment_inner.h"
#include "segment_terms.h"
#include "str_table.h"

#include <base/hash.h>
#include <sdk/words.h>
#include <stdlib.h>

int32_t segment_no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an index");
}

/* ---- sections to bytes ---- */

void segment_sections_free(buffer sections[SEGMENT_SECTIONS])
{
    for (unsigned i = 0; i < SEGMENT_SECTIONS; i++)
        buffer_free(&sections[i]);
}

static size_t padded(size_t len)
{
    return (len + 7) / 8 * 8;
}

int32_t segment_join(buffer sections[SEGMENT_SECTIONS], uint32_t documents, buffer *out, quipu_error *error)
{
    static const char zeros[8];
    size_t total = SEGMENT_HEAD, where = SEGMENT_HEAD;
    bool failed = false;
    for (unsigned i = 0; i < SEGMENT_SECTIONS; i++) {
        failed = failed || sections[i].failed;
        total += padded(sections[i].len);
    }
    if (failed)
        return segment_no_memory(error);
    free(out->bytes);
    *out = (buffer){ .bytes = malloc(total + 1),
                     .capacity = total + 1 }; /* just as large as it has to be: it may live long */
    if (!out->bytes) {
        *out = (buffer){ 0 };
        return segment_no_memory(error);
    }
    buffer_append(out, SEGMENT_MAGIC, 8);
    put_u32(out, documents);
    put_u32(out, SEGMENT_SECTIONS);
    for (unsigned i = 0; i < SEGMENT_SECTIONS; i++) {
        put_u64(out, where);
        put_u64(out, sections[i].len);
        where += padded(sections[i].len);
    }
    for (unsigned i = 0; i < SEGMENT_SECTIONS; i++) {
        size_t len = sections[i].len;
        buffer_append(out, sections[i].bytes, len);
        buffer_append(out, zeros, padded(len) - len);
        buffer_free(&sections[i]);
    }
    return QUIPU_OK;
}

/* ---- orders ---- */

typedef struct timed {
    int64_t created_at;
    uint32_t document; /* in the order of ids */
} timed;

static int compare_timed(const void *left, const void *right)
{
    const timed *a = left, *b = right;
    if (a->created_at != b->created_at)
        return a->created_at < b->created_at ? -1 : 1;
    return (a->document > b->document) - (a->document < b->document);
}

typedef struct hashed {
    const char *hash;
    uint32_t document;
} hashed;

static int compare_hashed(const hashed *a, const hashed *b, size_t len)
{
    int order = memcmp(a->hash, b->hash, len);
    return order ? order : (a->document > b->document) - (a->document < b->document);
}

static int compare_versions(const void *left, const void *right)
{
    return compare_hashed(left, right, SEGMENT_VERSION);
}

static int compare_passages(const void *left, const void *right)
{
    return compare_hashed(left, right, PASSAGE_KEY);
}

/* The documents in the order of a section of hashes. */
static bool sort_hashes(const buffer *hashes, size_t len, int (*compare)(const void *, const void *),
                        uint32_t documents, buffer *out)
{
    hashed *all = hashes->failed ? NULL : malloc(((size_t)documents + 1) * sizeof *all);
    if (!all)
        return false;
    for (uint32_t d = 0; d < documents; d++)
        all[d] = (hashed){ hashes->bytes + len * d, d };
    qsort(all, documents, sizeof *all, compare);
    for (uint32_t d = 0; d < documents; d++)
        put_u32(out, all[d].document);
    free(all);
    return true;
}

static bool sort_times(const buffer *columns, uint32_t documents, buffer *out)
{
    timed *times = columns->failed ? NULL : malloc(((size_t)documents + 1) * sizeof *times);
    bool sorted = true;
    if (!times)
        return false;
    for (uint32_t d = 0; d < documents; d++) {
        times[d] = (timed){ (int64_t)load_u64(columns->bytes + 8 * (size_t)d), d };
        sorted = sorted && (d == 0 || times[d - 1].created_at <= times[d].created_at);
    }
    if (!sorted)
        qsort(times, documents, sizeof *times, compare_timed);
    for (uint32_t d = 0; d < documents; d++)
        put_u32(out, times[d].document);
    free(times);
    return true;
}

int32_t segment_sort(buffer sections[SEGMENT_SECTIONS], uint32_t documents, quipu_error *error)
{
    bool good = sort_times(&sections[SEGMENT_COLUMNS], documents, &sections[SEGMENT_BY_TIME]) &&
                sort_hashes(&sections[SEGMENT_VERSIONS], SEGMENT_VERSION, compare_versions, documents,
                            &sections[SEGMENT_BY_VERSION]) &&
                sort_hashes(&sections[SEGMENT_PASSAGES], PASSAGE_KEY, compare_passages, documents,
                            &sections[SEGMENT_BY_PASSAGE]);
    return good ? QUIPU_OK : segment_no_memory(error);
}

/* ---- terms ---- */

void segment_put_term(buffer sections[SEGMENT_SECTIONS], uint64_t hash, const uint32_t *list, uint32_t count,
                      uint32_t documents)
{
    buffer *postings = &sections[SEGMENT_POSTINGS];
    uint32_t where = list[0];
    if (count > 1 && count > documents / SEGMENT_DENSE) {
        size_t len = bits_words(documents) * 8;
        if (postings->len % 8)
            put_u32(postings, 0);
        where = (uint32_t)(postings->len / 4);
        char *to = buffer_reserve(postings, len);
        if (!to)
            return;
        memset(to, 0, len);
        for (uint32_t i = 0; i < count; i++)
            to[list[i] / 8] |= (char)(1 << list[i] % 8);
        postings->len += len;
    } else if (count > 1) {
        where = (uint32_t)(postings->len / 4);
        for (uint32_t i = 0; i < count; i++)
            put_u32(postings, list[i]);
    }
    put_u64(&sections[SEGMENT_TERM_HASHES], hash);
    put_u32(&sections[SEGMENT_TERM_PLACES], count);
    put_u32(&sections[SEGMENT_TERM_PLACES], where);
}

typedef struct term {
    uint64_t hash;
    size_t key; /* where its bytes begin in `keys` */
    uint32_t key_len;
    uint32_t count;
    uint32_t last; /* the document that had it last */
    uint32_t number;
} term;

typedef struct pair {
    uint32_t term, document;
} pair;

typedef struct term_builder {
    str_table by_key;
    buffer keys;
    term *terms;
    uint32_t count, capacity;
    pair *pairs;
    size_t pair_count, pair_capacity;
    uint32_t document; /* at hand */
    bool failed;
} term_builder;

static quipu_str key_of(const void *owner, uint32_t number)
{
    const term_builder *b = owner;
    return str_make(b->keys.bytes + b->terms[number].key, b->terms[number].key_len);
}

static bool room_for(void **array, size_t count, size_t *capacity, size_t width)
{
    if (count < *capacity)
        return true;
    size_t wanted = *capacity ? *capacity * 2 : 256;
    void *bigger = realloc(*array, wanted * width);
    if (!bigger)
        return false;
    *array = bigger;
    *capacity = wanted;
    return true;
}

static uint32_t term_number(term_builder *b, quipu_str key)
{
    uint32_t number = str_table_find(&b->by_key, key);
    size_t capacity = b->capacity;
    if (number != STR_TABLE_NONE)
        return number;
    void *terms = b->terms;
    bool room = room_for(&terms, b->count, &capacity, sizeof *b->terms);
    b->terms = terms;
    b->capacity = (uint32_t)capacity;
    size_t from = b->keys.len;
    buffer_append_str(&b->keys, key);
    if (!room || b->keys.failed || b->count == STR_TABLE_NONE - 1 || !str_table_reserve(&b->by_key))
        return STR_TABLE_NONE;
    number = b->count++;
    b->terms[number] = (term){
        .hash = segment_term_hash(key), .key = from, .key_len = (uint32_t)key.len, .last = BITS_NONE, .number = number
    };
    str_table_add(&b->by_key, key, number);
    return number;
}

static void take_term(void *context, quipu_str key)
{
    term_builder *b = context;
    uint32_t number = b->failed ? STR_TABLE_NONE : term_number(b, key);
    if (number == STR_TABLE_NONE) {
        b->failed = true;
        return;
    }
    term *t = &b->terms[number];
    if (t->last == b->document)
        return;
    void *pairs = b->pairs;
    if (!room_for(&pairs, b->pair_count, &b->pair_capacity, sizeof *b->pairs)) {
        b->failed = true;
        return;
    }
    b->pairs = pairs;
    b->pairs[b->pair_count++] = (pair){ number, b->document };
    t->last = b->document;
    t->count++;
}

static int compare_terms(const void *left, const void *right)
{
    const term *a = left, *b = right;
    return (a->hash > b->hash) - (a->hash < b->hash);
}

/* The documents of each term, by counting, then the terms in the order of their hashes. Two keys with one hash become two terms of
 * which one is found; what is shown is compared with the filter all the same. */
static bool finish_terms(term_builder *b, uint32_t documents, buffer sections[SEGMENT_SECTIONS])
{
    size_t *begin = malloc(((size_t)b->count + 1) * sizeof *begin);
    size_t *next = malloc(((size_t)b->count + 1) * sizeof *next);
    uint32_t *list = malloc((b->pair_count + 1) * sizeof *list);
    bool good = begin && next && list;
    size_t sum = 0;
    for (uint32_t i = 0; good && i < b->count; i++) {
        begin[i] = next[i] = sum;
        sum += b->terms[i].count;
    }
    for (size_t i = 0; good && i < b->pair_count; i++)
        list[next[b->pairs[i].term]++] = b->pairs[i].document;
    str_table_free(&b->by_key); /* it names terms by their old places */
    if (good && b->count)
        qsort(b->terms, b->count, sizeof *b->terms, compare_terms);
    for (uint32_t i = 0; good && i < b->count; i++)
        segment_put_term(sections, b->terms[i].hash, list + begin[b->terms[i].number], b->terms[i].count, documents);
    free(begin);
    free(next);
    free(list);
    return good;
}

static void term_builder_free(term_builder *b)
{
    str_table_free(&b->by_key);
    buffer_free(&b->keys);
    free(b->terms);
    free(b->pairs);
}

/* ---- records to sections ---- */

static int64_t double_bits(double value)
{
    int64_t bytes;
    memcpy(&bytes, &value, sizeof bytes);
    return bytes;
}

static void put_columns(record *const *records, uint32_t count, buffer *out)
{
    for (unsigned column = 0; column < SEGMENT_COLUMN_COUNT; column++)
        for (uint32_t i = 0; i < count; i++) {
            const quipu_record *r = record_view(records[i]);
            const int64_t row[SEGMENT_COLUMN_COUNT] = { r->created_at,
                                                        r->updated_at,
                                                        r->valid_from,
                                                        r->valid_to,
                                                        r->expires_at,
                                                        r->seq,
                                                        double_bits(r->importance) };
            put_u64(out, (uint64_t)row[column]);
        }
}

static bool put_record(buffer sections[SEGMENT_SECTIONS], const quipu_record *r, buffer *scratch)
{
    uint8_t version[SEGMENT_VERSION], key[32] = { 0 }, passage[PASSAGE_KEY];
    buffer_append_str(&sections[SEGMENT_IDS], r->id);
    put_u32(&sections[SEGMENT_ID_ENDS], (uint32_t)sections[SEGMENT_IDS].len);
    if (r->version.len != QUIPU_VERSION_LEN || hex_decode(r->version.ptr, sizeof version, version) != 0)
        return false;
    buffer_append(&sections[SEGMENT_VERSIONS], version, sizeof version);
    if (r->text.len)
        hash_sha256(r->text.ptr, (size_t)r->text.len, key);
    buffer_append(&sections[SEGMENT_TEXTS], key, SEGMENT_TEXT_KEY);
    passage_key(passage_of(r, scratch), passage);
    buffer_append(&sections[SEGMENT_PASSAGES], passage, sizeof passage);
    buffer_append_str(&sections[SEGMENT_JSON], r->json);
    put_u64(&sections[SEGMENT_JSON_ENDS], sections[SEGMENT_JSON].len);
    return sections[SEGMENT_IDS].len <= UINT32_MAX && !scratch->failed;
}

static int32_t fill_sections(record *const *records, uint32_t count, text_language language,
                             buffer sections[SEGMENT_SECTIONS], quipu_error *error)
{
    term_builder terms = { 0 };
    buffer scratch = { 0 };
    str_table_init(&terms.by_key, key_of, &terms);
    words_builder *text = NULL;
    int32_t code = words_builder_create(language, &text, error);
    put_columns(records, count, &sections[SEGMENT_COLUMNS]);
    for (uint32_t i = 0; i < count && code == QUIPU_OK; i++) {
        const quipu_record *r = record_view(records[i]);
        terms.document = i;
        if (!put_record(sections, r, &scratch))
            code = fail(error, QUIPU_E_TOO_LARGE, NULL, "too much for one segment of the index");
        else if (!segment_terms_each(r, &scratch, take_term, &terms) || terms.failed)
            code = segment_no_memory(error);
        else
            code = words_builder_add(text, i, r, error);
    }
    if (code == QUIPU_OK)
        code = words_builder_finish(text, &sections[SEGMENT_WORDS], error);
    if (code == QUIPU_OK)
        code = segment_sort(sections, count, error);
    if (code == QUIPU_OK && !finish_terms(&terms, count, sections))
        code = segment_no_memory(error);
    words_builder_free(text);
    term_builder_free(&terms);
    buffer_free(&scratch);
    return code;
}

int32_t segment_build(record *const *records, uint32_t count, text_language language, buffer *out, quipu_error *error)
{
    buffer sections[SEGMENT_SECTIONS] = { { 0 } };
    int32_t code = fill_sections(records, count, language, sections, error);
    if (code == QUIPU_OK)
        code = segment_join(sections, count, out, error);
    segment_sections_free(sections);
    return code;
}
