/* lexical.c - see lexical.h: adding and removing. */
#include "lexical_inner.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <stdlib.h>
#include <string.h>

static quipu_str stem_of(const void *owner, uint32_t number)
{
    const lexical *x = owner;
    return (quipu_str){ x->terms[number].stem, x->terms[number].stem_len };
}

lexical *lexical_create(void)
{
    lexical *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    str_table_init(&x->by_stem, stem_of, x);
    x->stemmer = text_stemmer_create();
    x->recent = calloc(RECENT_SIZE, sizeof *x->recent);
    if (!x->stemmer || !x->recent) {
        lexical_free(x);
        return NULL;
    }
    return x;
}

void lexical_free(lexical *x)
{
    if (!x)
        return;
    for (uint32_t i = 0; i < x->term_count; i++) {
        free(x->terms[i].stem);
        free(x->terms[i].postings);
    }
    free(x->terms);
    str_table_free(&x->by_stem);
    free(x->lengths);
    text_stemmer_free(x->stemmer);
    free(x->recent);
    free(x->touched);
    free(x);
}

uint64_t lexical_documents(const lexical *x)
{
    return x->documents;
}

/* The array with room for one element more than `count`, perhaps moved; NULL without memory, then it is as it was. */
static void *grown(void *array, uint32_t count, uint32_t *capacity, size_t element, uint32_t least)
{
    if (count < *capacity)
        return array;
    uint32_t wanted = *capacity < least ? least : *capacity < 1024 ? *capacity * 2 : *capacity + *capacity / 2;
    while (wanted <= count)
        wanted *= 2;
    void *bigger = realloc(array, wanted * element);
    if (bigger)
        *capacity = wanted;
    return bigger;
}

/* The number of a stem's term, which is made where there is none; STR_TABLE_NONE without memory. */
static uint32_t term_number(lexical *x, quipu_str stem)
{
    uint32_t number = str_table_find(&x->by_stem, stem);
    if (number != STR_TABLE_NONE)
        return number;
    term *terms = grown(x->terms, x->term_count, &x->term_capacity, sizeof *terms, 256);
    if (!terms)
        return STR_TABLE_NONE;
    x->terms = terms;
    char *copy = str_table_reserve(&x->by_stem) ? str_dup(stem) : NULL;
    if (!copy)
        return STR_TABLE_NONE;
    number = x->term_count++;
    x->terms[number] = (term){ .stem = copy, .stem_len = (uint32_t)stem.len };
    str_table_add(&x->by_stem, (quipu_str){ copy, stem.len }, number);
    return number;
}

/* The document at hand while its words come in. */
typedef struct intake {
    lexical *x;
    uint32_t length;
    bool failed;
} intake;

static void count_term(intake *in, uint32_t number, bool stop)
{
    lexical *x = in->x;
    term *t = &x->terms[number];
    if (t->pending == 0) {
        uint32_t *touched = grown(x->touched, x->touched_count, &x->touched_capacity, sizeof *touched, 64);
        if (!touched) {
            in->failed = true;
            return;
        }
        x->touched = touched;
        x->touched[x->touched_count++] = number;
    }
    t->pending++;
    in->length += !stop;
}

static void take_word(void *context, const char *word, size_t len)
{
    intake *in = context;
    lexical *x = in->x;
    recent_word *recent = NULL;
    if (in->failed)
        return;
    if (len <= RECENT_WORD_MAX) {
        uint32_t hash = 2166136261u;
        for (size_t i = 0; i < len; i++)
            hash = (hash ^ (unsigned char)word[i]) * 16777619u;
        recent = &x->recent[(hash ^ hash >> 15) % RECENT_SIZE];
        if (recent->len == len && memcmp(recent->word, word, len) == 0) {
            count_term(in, recent->term, recent->stop);
            return;
        }
    }
    bool stop = text_is_stop_word(word, len);
    uint32_t number = term_number(x, text_stem(x->stemmer, word, len));
    if (number == STR_TABLE_NONE) {
        in->failed = true;
        return;
    }
    if (recent) {
        *recent = (recent_word){ .term = number, .len = (uint8_t)len, .stop = stop };
        memcpy(recent->word, word, len);
    }
    count_term(in, number, stop);
}

/* Reads a document's words into `pending` of the touched terms. */
static bool take_in(lexical *x, const quipu_str *texts, size_t count, uint32_t *length)
{
    intake in = { .x = x };
    x->touched_count = 0;
    for (size_t i = 0; i < count; i++)
        text_words(texts[i], TEXT_STORED, take_word, &in);
    *length = in.length;
    return !in.failed;
}

static void forget_pending(lexical *x)
{
    for (uint32_t i = 0; i < x->touched_count; i++)
        x->terms[x->touched[i]].pending = 0;
}

static bool make_room(lexical *x, uint32_t document)
{
    uint32_t *lengths = grown(x->lengths, document, &x->length_capacity, sizeof *lengths, 1024);
    if (!lengths)
        return false;
    x->lengths = lengths;
    for (uint32_t i = 0; i < x->touched_count; i++) {
        term *t = &x->terms[x->touched[i]];
        posting *postings = grown(t->postings, t->count, &t->capacity, sizeof *postings, 1);
        if (!postings)
            return false;
        t->postings = postings;
    }
    return true;
}

int32_t lexical_add(lexical *x, uint32_t document, const quipu_str *texts, size_t count, quipu_error *error)
{
    uint32_t length = 0;
    if (!take_in(x, texts, count, &length) || !make_room(x, document)) {
        forget_pending(x);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for the words of a record");
    }
    for (uint32_t i = 0; i < x->touched_count; i++) {
        term *t = &x->terms[x->touched[i]];
        uint32_t at = term_position(t, document);
        memmove(t->postings + at + 1, t->postings + at, (t->count - at) * sizeof *t->postings);
        t->postings[at] = (posting){ document, t->pending };
        t->count++;
        t->pending = 0;
    }
    x->lengths[document] = length;
    x->total_length += length;
    x->documents++;
    return QUIPU_OK;
}

/* One posting less of the word, if its document is there. */
static void drop_word(void *context, const char *word, size_t len)
{
    const intake *in = context;
    lexical *x = in->x;
    uint32_t number = str_table_find(&x->by_stem, text_stem(x->stemmer, word, len));
    if (number == STR_TABLE_NONE)
        return;
    term *t = &x->terms[number];
    uint32_t at = term_position(t, in->length);
    if (at == t->count || t->postings[at].document != in->length)
        return;
    t->count--;
    memmove(t->postings + at, t->postings + at + 1, (t->count - at) * sizeof *t->postings);
    if (t->count == 0) {
        free(t->postings);
        t->postings = NULL;
        t->capacity = 0;
    }
}

void lexical_remove(lexical *x, uint32_t document, const quipu_str *texts, size_t count)
{
    intake in = { .x = x, .length = document }; /* needs no memory: each word is looked up by itself */
    for (size_t i = 0; i < count; i++)
        text_words(texts[i], TEXT_STORED, drop_word, &in);
    x->total_length -= x->lengths[document];
    x->lengths[document] = 0;
    x->documents--;
}
