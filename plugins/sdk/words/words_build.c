/*
 * words_build.c - see words.h: blocks from records.
 *
 * Postings are collected as they come, and sorted by radix into a block of their own whenever there are many; the end merges
 * these blocks. So the memory beside the blocks stays the same however many documents there are.
 */
#include "words_inner.h"

#include <sdk/search/record_words.h>

#include <stdlib.h>
#include <string.h>

#define STAGE_POSTINGS ((size_t)1 << 20)
#define RADIX_BITS 11

typedef struct posting {
    uint64_t key;
    uint32_t document; /* within the stage */
    uint32_t times;
} posting;

struct words_builder {
    words_reader *reader;
    /* the stage at hand */
    posting *postings, *spare;
    size_t count, capacity;
    words_sheet sheet;
    uint32_t first; /* document of the stage */
    uint32_t next;  /* document that may come next */
    /* those before it */
    buffer *blocks;
    uint32_t *begins; /* first documents */
    size_t block_count;
    /* the document at hand */
    uint64_t *keys;
    size_t key_count, key_capacity;
    uint64_t before; /* the word before this one in its text; 0: none */
    uint32_t length;
    uint8_t time, marks;
    uint64_t actor;
    bool failed; /* no memory */
    buffer scratch;
};

int32_t words_builder_create(text_language language, words_builder **out, quipu_error *error)
{
    words_builder *b = calloc(1, sizeof *b);
    if (b && !(b->reader = words_reader_create(true, language))) {
        free(b);
        b = NULL;
    }
    *out = b;
    return b ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an index of words");
}

void words_builder_free(words_builder *b)
{
    if (!b)
        return;
    words_reader_free(b->reader);
    free(b->postings);
    free(b->spare);
    words_sheet_free(&b->sheet);
    for (size_t i = 0; i < b->block_count; i++)
        buffer_free(&b->blocks[i]);
    free(b->blocks);
    free(b->begins);
    free(b->keys);
    buffer_free(&b->scratch);
    free(b);
}

/* ---- one document ---- */

static void add_key(words_builder *b, uint64_t key)
{
    if (b->key_count == b->key_capacity) {
        size_t capacity = b->key_capacity ? b->key_capacity * 2 : 256;
        uint64_t *keys = realloc(b->keys, capacity * sizeof *keys);
        if (!keys) {
            b->failed = true;
            return;
        }
        b->keys = keys;
        b->key_capacity = capacity;
    }
    b->keys[b->key_count++] = key;
}

static void add_word(void *context, const words_token *t)
{
    words_builder *b = context;
    if (t->time & TIME_WORD || (t->time & TIME_AFTER && b->time & TIME_THIS))
        b->marks |= MARK_TIME;
    b->time = t->time;
    add_key(b, t->key);
    if (t->stop)
        return;
    b->length++;
    if (t->pairs && b->before)
        add_key(b, words_key_pair(b->before, t->key));
    b->before = t->pairs ? t->key : 0;
}

static void add_name(void *context, const words_token *t)
{
    words_builder *b = context;
    add_key(b, words_key_spoken(t->key));
    if (!words_sheet_add_name(&b->sheet, t->key, b->actor))
        b->failed = true;
}

static void add_text(words_builder *b, quipu_str text)
{
    b->before = 0;
    b->time = 0;
    words_read(b->reader, text, TEXT_STORED, add_word, b);
}

/* Ends with a question mark, also a full-width, an Arabic or a Greek one. */
static bool asks(quipu_str text)
{
    static const char *const marks[] = { "?", "\xef\xbc\x9f", "\xd8\x9f", "\xcd\xbe" };
    size_t len = text.ptr ? (size_t)text.len : 0;
    while (len > 0 && (unsigned char)text.ptr[len - 1] <= ' ')
        len--;
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        size_t n = strlen(marks[i]);
        if (len >= n && memcmp(text.ptr + len - n, marks[i], n) == 0)
            return true;
    }
    return false;
}

static void read_record(words_builder *b, const quipu_record *r)
{
    quipu_str parts[RECORD_WORDS_PARTS];
    b->key_count = 0;
    b->length = 0;
    b->marks = 0;
    if (!record_words(r, &b->scratch, parts)) {
        b->failed = true;
        return;
    }
    for (size_t i = 1; i < RECORD_WORDS_PARTS; i++)
        if (str_present(parts[i]))
            add_text(b, parts[i]);
    if (asks(r->text))
        b->marks |= MARK_ASKS;
    b->actor = str_present(r->actor) && r->actor.len > 0 ? words_key(r->actor) : 0;
    if (b->actor)
        words_read(b->reader, r->actor, TEXT_STORED, add_name, b);
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void sort_keys(uint64_t *keys, size_t count)
{
    if (count > 64) {
        qsort(keys, count, sizeof *keys, compare_keys);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        uint64_t key = keys[i];
        size_t at = i;
        for (; at > 0 && keys[at - 1] > key; at--)
            keys[at] = keys[at - 1];
        keys[at] = key;
    }
}

static bool reserve_postings(words_builder *b, size_t more)
{
    if (b->count + more <= b->capacity)
        return true;
    size_t capacity = b->capacity ? b->capacity * 2 : 1024;
    while (capacity < b->count + more)
        capacity *= 2;
    posting *postings = realloc(b->postings, capacity * sizeof *postings);
    if (!postings)
        return false;
    b->postings = postings;
    b->capacity = capacity;
    return true;
}

/* The document's keys become postings. */
static bool keep_document(words_builder *b, uint32_t document)
{
    if (!reserve_postings(b, b->key_count))
        return false;
    sort_keys(b->keys, b->key_count);
    for (size_t i = 0; i < b->key_count;) {
        size_t end = i + 1;
        while (end < b->key_count && b->keys[end] == b->keys[i])
            end++;
        size_t times = end - i < WORDS_TIMES_MAX ? end - i : WORDS_TIMES_MAX;
        b->postings[b->count++] = (posting){ b->keys[i], document, (uint32_t)times };
        i = end;
    }
    return true;
}

/* ---- a stage ---- */

/* Sorts by key; the documents of each stay in order. */
static bool sort_postings(words_builder *b)
{
    enum { SIZE = 1 << RADIX_BITS, PASSES = (64 + RADIX_BITS - 1) / RADIX_BITS };
    posting *spare = realloc(b->spare, (b->count + 1) * sizeof *spare);
    _Static_assert(PASSES % 2 == 0, "the sorted postings end where they began");
    uint32_t(*counts)[SIZE] = calloc(PASSES, sizeof *counts);
    if (spare)
        b->spare = spare;
    if (!spare || !counts) {
        free(counts);
        return false;
    }
    for (size_t i = 0; i < b->count; i++)
        for (size_t p = 0; p < PASSES; p++)
            counts[p][b->postings[i].key >> p * RADIX_BITS & (SIZE - 1)]++;
    for (size_t p = 0; p < PASSES; p++) {
        uint32_t sum = 0;
        for (size_t i = 0; i < SIZE; i++) {
            uint32_t here = counts[p][i];
            counts[p][i] = sum;
            sum += here;
        }
        for (size_t i = 0; i < b->count; i++)
            b->spare[counts[p][b->postings[i].key >> p * RADIX_BITS & (SIZE - 1)]++] = b->postings[i];
        posting *other = b->postings;
        b->postings = b->spare;
        b->spare = other;
    }
    free(counts);
    return true;
}

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an index of words");
}

/* Writes the stage as a block. */
static int32_t write_stage(words_builder *b, buffer *out, quipu_error *error)
{
    words_writer w;
    uint32_t *documents = malloc(((size_t)b->sheet.documents + 1) * sizeof *documents);
    uint16_t *times = malloc(((size_t)b->sheet.documents + 1) * sizeof *times);
    int32_t rc = documents && times && sort_postings(b) ? QUIPU_OK : no_memory(error);
    if (rc == QUIPU_OK) {
        words_writer_begin(&w, &b->sheet, out);
        for (size_t i = 0; i < b->count;) {
            uint32_t count = 0;
            uint64_t key = b->postings[i].key;
            for (; i < b->count && b->postings[i].key == key; i++) {
                documents[count] = b->postings[i].document;
                times[count++] = (uint16_t)b->postings[i].times;
            }
            words_writer_term(&w, key, documents, times, count);
        }
        rc = words_writer_end(&w, &b->sheet, error);
    }
    free(documents);
    free(times);
    return rc;
}

static int32_t end_stage(words_builder *b, quipu_error *error)
{
    buffer *blocks = realloc(b->blocks, (b->block_count + 1) * sizeof *blocks);
    if (blocks)
        b->blocks = blocks;
    uint32_t *begins = realloc(b->begins, (b->block_count + 1) * sizeof *begins);
    if (begins)
        b->begins = begins;
    if (!blocks || !begins)
        return no_memory(error);
    blocks[b->block_count] = (buffer){ 0 };
    begins[b->block_count] = b->first;
    int32_t rc = write_stage(b, &blocks[b->block_count++], error);
    words_sheet_free(&b->sheet);
    b->count = 0;
    b->first = b->next;
    return rc;
}

int32_t words_builder_add(words_builder *b, uint32_t document, const quipu_record *r, quipu_error *error)
{
    if (document < b->next || document >= WORDS_DOCUMENTS_MAX)
        return fail(error, QUIPU_E_INVALID, "document", "document %u cannot come now", document);
    if (b->count >= STAGE_POSTINGS) {
        int32_t rc = end_stage(b, error);
        if (rc != QUIPU_OK)
            return rc;
    }
    uint32_t n = document - b->first;
    read_record(b, r);
    if (b->failed || !words_sheet_grow(&b->sheet, n + 1) || !keep_document(b, n)) {
        b->failed = true;
        return no_memory(error);
    }
    b->sheet.lengths[n] = (uint16_t)(b->length < UINT16_MAX ? b->length : UINT16_MAX);
    b->sheet.marks[n] = b->marks;
    b->sheet.seq[n] = r->seq;
    b->sheet.created[n] = r->created_at;
    b->sheet.session[n] = words_key_session(r);
    b->sheet.actor[n] = b->actor;
    b->next = document + 1;
    return QUIPU_OK;
}

/* ---- the end ---- */

/* One block of the stages'. */
static int32_t merge_stages(words_builder *b, buffer *out, quipu_error *error)
{
    size_t count = b->block_count;
    words **from = calloc(count, sizeof *from);
    uint32_t *numbers = malloc(((size_t)b->next + 1) * sizeof *numbers);
    const uint32_t **renumber = malloc(count * sizeof *renumber);
    int32_t rc = from && numbers && renumber ? QUIPU_OK : no_memory(error);
    for (uint32_t d = 0; rc == QUIPU_OK && d < b->next; d++)
        numbers[d] = d;
    for (size_t i = 0; rc == QUIPU_OK && i < count; i++) {
        renumber[i] = numbers + b->begins[i];
        rc = words_open(str_make(b->blocks[i].bytes, b->blocks[i].len), WORDS_DOCUMENTS_MAX, &from[i], error);
    }
    if (rc == QUIPU_OK)
        rc = words_merge((const words *const *)from, renumber, count, b->next, out, error);
    for (size_t i = 0; from && i < count; i++)
        words_free(from[i]);
    free(from);
    free(numbers);
    free(renumber);
    return rc;
}

int32_t words_builder_finish(words_builder *b, buffer *out, quipu_error *error)
{
    if (b->failed)
        return no_memory(error);
    if (out->len % 8 != 0)
        return fail(error, QUIPU_E_INVALID, NULL, "a block of words must begin at a multiple of 8");
    if (b->block_count == 0)
        return write_stage(b, out, error);
    int32_t rc = end_stage(b, error);
    return rc == QUIPU_OK ? merge_stages(b, out, error) : rc;
}
