/* words_open.c - see words.h: blocks that are opened. */
#include "words_inner.h"

#include <stdlib.h>

int32_t words_damaged(quipu_error *error)
{
    return fail(error, QUIPU_E_CORRUPT, NULL, "an index of words is damaged");
}

/* Bytes that one element of each section takes, and how many there are. */
static void section_sizes(const words_head *h, uint64_t sizes[SECTIONS])
{
    uint64_t n = h->documents;
    sizes[SECTION_POSTINGS] = WORDS_PADDING; /* at the least */
    sizes[SECTION_KEYS] = sizes[SECTION_PLACES] = h->terms * 8;
    sizes[SECTION_SEQ] = sizes[SECTION_CREATED] = n * 8;
    sizes[SECTION_SESSION_KEYS] = h->sessions * 8;
    sizes[SECTION_ACTOR_KEYS] = h->actors * 8;
    sizes[SECTION_NAME_KEYS] = h->names * 8;
    sizes[SECTION_SESSION_FIRST] = (h->sessions + 1) * 4;
    sizes[SECTION_TURNS] = h->turns * 4;
    sizes[SECTION_ACTOR] = sizes[SECTION_SESSION] = sizes[SECTION_PLACE] = n * 4;
    sizes[SECTION_NAME_ACTORS] = h->names * 4;
    sizes[SECTION_LENGTHS] = n * 2;
    sizes[SECTION_MARKS] = n;
}

/* Every section lies behind the one before it and within the block. */
static bool sound(const words_head *h, uint64_t len, uint32_t documents)
{
    uint64_t sizes[SECTIONS], end = sizeof *h;
    if (h->magic != WORDS_MAGIC || h->size > len || h->documents > documents || h->documents > WORDS_DOCUMENTS_MAX ||
        h->terms >= WORDS_NONE || h->sessions > h->documents || h->turns > h->documents || h->actors > h->documents ||
        h->names >= WORDS_NONE)
        return false;
    section_sizes(h, sizes);
    for (size_t i = 0; i < SECTIONS; i++) {
        if (h->at[i] % 8 != 0 || h->at[i] < end || h->at[i] > h->size || h->size - h->at[i] < sizes[i])
            return false;
        end = h->at[i] + sizes[i];
    }
    return true;
}

int32_t words_open(quipu_str bytes, uint32_t documents, words **out, quipu_error *error)
{
    *out = NULL;
    const words_head *h = (const words_head *)(const void *)bytes.ptr;
    if (!h || bytes.len < sizeof *h || (uintptr_t)h % 8 != 0 || !sound(h, bytes.len, documents))
        return words_damaged(error);
    words *w = calloc(1, sizeof *w);
    if (!w)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an index of words");
    w->head = h;
    w->bytes = (const unsigned char *)bytes.ptr;
    w->documents = (uint32_t)h->documents;
#define SECTION(type, i) ((const type *)(const void *)(w->bytes + h->at[i]))
    w->keys = SECTION(uint64_t, SECTION_KEYS);
    w->places = SECTION(uint64_t, SECTION_PLACES);
    w->seq = SECTION(int64_t, SECTION_SEQ);
    w->created = SECTION(int64_t, SECTION_CREATED);
    w->session_keys = SECTION(uint64_t, SECTION_SESSION_KEYS);
    w->actor_keys = SECTION(uint64_t, SECTION_ACTOR_KEYS);
    w->name_keys = SECTION(uint64_t, SECTION_NAME_KEYS);
    w->session_first = SECTION(uint32_t, SECTION_SESSION_FIRST);
    w->turns = SECTION(uint32_t, SECTION_TURNS);
    w->actor = SECTION(uint32_t, SECTION_ACTOR);
    w->session = SECTION(uint32_t, SECTION_SESSION);
    w->place = SECTION(uint32_t, SECTION_PLACE);
    w->name_actors = SECTION(uint32_t, SECTION_NAME_ACTORS);
    w->lengths = SECTION(uint16_t, SECTION_LENGTHS);
    w->marks = SECTION(uint8_t, SECTION_MARKS);
#undef SECTION
    *out = w;
    return QUIPU_OK;
}

void words_free(words *w)
{
    free(w);
}

size_t words_key_place(const uint64_t *keys, size_t count, uint64_t key)
{
    size_t low = 0, high = count; /* keys[low - 1] < key <= keys[high] */
    for (int guess = 0; guess < 4 && high - low > 16; guess++) {
        uint64_t first = keys[low], last = keys[high - 1];
        if (key <= first)
            return low;
        if (key > last)
            return high;
        double part = (double)(key - first) / (double)(last - first);
        size_t reach = (high - low) / 64 + 4; /* the guess is that far off at the most, mostly */
        size_t at = low + (size_t)(part * (double)(high - 1 - low));
        size_t left = at - low > reach ? at - reach : low, right = high - at > reach ? at + reach : high;
        if (left > low && keys[left - 1] < key)
            low = left;
        else if (left > low)
            high = left - 1;
        if (right < high && right > low && keys[right] >= key)
            high = right;
        else if (right < high && right >= low)
            low = right + 1;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t words_key_find(const uint64_t *keys, size_t count, uint64_t key)
{
    size_t at = words_key_place(keys, count, key);
    return at < count && keys[at] == key ? (uint32_t)at : WORDS_NONE;
}
