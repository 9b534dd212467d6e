/* words_merge.c - see words.h: one block of several. */
#include "words_inner.h"

#include <stdlib.h>
#include <string.h>

typedef struct merge {
    const words *const *from;
    const uint32_t *const *renumber;
    size_t count;
    uint32_t documents; /* of the new block */
    uint64_t *next;     /* term of each block that comes next */
    words_cursor cursor;
    uint32_t *found; /* the postings of one term */
    uint16_t *times;
    uint64_t *sorted; /* room to sort them in */
    words_sheet sheet;
    words_writer writer;
} merge;

static uint32_t renumbered(const merge *m, size_t i, uint32_t document)
{
    uint32_t n = m->renumber[i][document];
    return n < m->documents ? n : WORDS_NONE;
}

/* ---- documents ---- */

static void copy_document(merge *m, const words *w, uint32_t d, uint32_t n)
{
    words_sheet *s = &m->sheet;
    s->lengths[n] = w->lengths[d];
    s->marks[n] = w->marks[d];
    s->seq[n] = w->seq[d];
    s->created[n] = w->created[d];
    if (w->session[d] < w->head->sessions)
        s->session[n] = w->session_keys[w->session[d]];
    if (w->actor[d] < w->head->actors)
        s->actor[n] = w->actor_keys[w->actor[d]];
}

/* The names of speakers of whom nothing is left are left out when the block is written. */
static bool copy_sheet(merge *m)
{
    if (!words_sheet_grow(&m->sheet, m->documents))
        return false;
    for (size_t i = 0; i < m->count; i++) {
        const words *w = m->from[i];
        for (uint32_t d = 0; d < w->documents; d++) {
            uint32_t n = renumbered(m, i, d);
            if (n != WORDS_NONE)
                copy_document(m, w, d, n);
        }
        for (uint64_t j = 0; j < w->head->names; j++)
            if (w->name_actors[j] < w->head->actors &&
                !words_sheet_add_name(&m->sheet, w->name_keys[j], w->actor_keys[w->name_actors[j]]))
                return false;
    }
    return true;
}

/* ---- postings ---- */

/* The smallest key that is still to come; false: none. */
static bool next_key(const merge *m, uint64_t *key)
{
    bool any = false;
    for (size_t i = 0; i < m->count; i++) {
        if (m->next[i] >= m->from[i]->head->terms)
            continue;
        uint64_t k = m->from[i]->keys[m->next[i]];
        if (!any || k < *key)
            *key = k;
        any = true;
    }
    return any;
}

/* Adds the postings of one block's term to those found. */
static bool collect(merge *m, size_t i, uint32_t *count)
{
    words_cursor *c = &m->cursor;
    words_cursor_open_term(c, m->from[i], (uint32_t)m->next[i]);
    for (uint32_t d = words_cursor_seek(c, 0); d != WORDS_NONE; d = words_cursor_seek(c, d + 1)) {
        uint32_t n = renumbered(m, i, d);
        if (n == WORDS_NONE)
            continue;
        if (*count >= m->documents)
            return false; /* two blocks give a document the same number, or a list is damaged */
        m->found[*count] = n;
        m->times[(*count)++] = words_cursor_times(c);
    }
    return !c->damaged;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Documents in ascending order; false where one comes twice. */
static bool put_in_order(merge *m, uint32_t count)
{
    bool sorted = true;
    for (uint32_t i = 1; sorted && i < count; i++)
        sorted = m->found[i - 1] < m->found[i];
    if (sorted)
        return true;
    for (uint32_t i = 0; i < count; i++)
        m->sorted[i] = (uint64_t)m->found[i] << 32 | m->times[i];
    qsort(m->sorted, count, sizeof *m->sorted, compare_numbers);
    for (uint32_t i = 0; i < count; i++) {
        m->found[i] = (uint32_t)(m->sorted[i] >> 32);
        m->times[i] = (uint16_t)m->sorted[i];
        if (i > 0 && m->found[i] == m->found[i - 1])
            return false;
    }
    return true;
}

static bool merge_terms(merge *m)
{
    uint64_t key = 0, before = 0;
    for (bool first = true; next_key(m, &key); first = false) {
        uint32_t count = 0;
        if (!first && key <= before)
            return false; /* keys out of order */
        for (size_t i = 0; i < m->count; i++) {
            if (m->next[i] >= m->from[i]->head->terms || m->from[i]->keys[m->next[i]] != key)
                continue;
            if (!collect(m, i, &count))
                return false;
            m->next[i]++;
        }
        if (count > 0 && !put_in_order(m, count))
            return false;
        if (count > 0)
            words_writer_term(&m->writer, key, m->found, m->times, count);
        before = key;
    }
    return true;
}

static void merge_free(merge *m)
{
    free(m->next);
    free(m->found);
    free(m->times);
    free(m->sorted);
    words_sheet_free(&m->sheet);
    free(m);
}

int32_t words_merge(const words *const *from, const uint32_t *const *renumber, size_t count, uint32_t documents,
                    buffer *out, quipu_error *error)
{
    if (out->len % 8 != 0 || documents > WORDS_DOCUMENTS_MAX)
        return fail(error, QUIPU_E_INVALID, NULL, "a block of words cannot begin or end there");
    merge *m = calloc(1, sizeof *m);
    size_t room = (size_t)documents + 1, begin = out->len;
    if (!m)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an index of words");
    m->from = from;
    m->renumber = renumber;
    m->count = count;
    m->documents = documents;
    m->next = calloc(count + 1, sizeof *m->next);
    m->found = malloc(room * sizeof *m->found);
    m->times = malloc(room * sizeof *m->times);
    m->sorted = malloc(room * sizeof *m->sorted);
    int32_t rc = QUIPU_OK;
    if (!m->next || !m->found || !m->times || !m->sorted || !copy_sheet(m)) {
        rc = fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an index of words");
    } else {
        words_writer_begin(&m->writer, &m->sheet, out);
        if (merge_terms(m)) {
            rc = words_writer_end(&m->writer, &m->sheet, error);
        } else {
            rc = words_damaged(error);
            buffer_free(&m->writer.keys);
            buffer_free(&m->writer.places);
        }
    }
    if (rc != QUIPU_OK && !out->failed)
        out->len = begin;
    merge_free(m);
    return rc;
}
