/* words_cursor.c - see words_inner.h: going through postings. Nothing in a list is believed before it was checked. */
#include "words_inner.h"

#include <string.h>

static void set_damaged(words_cursor *c)
{
    c->damaged = true;
    c->run_count = 0;
    c->run = WORDS_NONE;
    c->at = c->loaded = 0;
}

static void open_single(words_cursor *c, uint64_t place)
{
    uint32_t document = (uint32_t)place;
    uint16_t times = (uint16_t)(place >> 32);
    if (document >= c->w->documents || times == 0) {
        set_damaged(c);
        return;
    }
    c->only = (words_run){ .last = document, .most = times, .least = c->w->lengths[document] };
    c->count = c->run_count = 1;
    c->list = NULL;
}

/* The list of `place`, if its head and runs lie within the postings; else NULL. */
static const unsigned char *list_at(const words *w, uint64_t place, uint32_t *count)
{
    uint64_t size = w->head->at[SECTION_POSTINGS + 1] - w->head->at[SECTION_POSTINGS] - WORDS_PADDING;
    words_list list;
    if (place % 8 != 0 || place > size || size - place < sizeof list)
        return NULL;
    const unsigned char *at = w->bytes + w->head->at[SECTION_POSTINGS] + place;
    memcpy(&list, at, sizeof list);
    uint64_t runs = ((uint64_t)list.count + WORDS_RUN - 1) / WORDS_RUN;
    if (list.count == 0 || list.count > w->documents || (size - place - sizeof list) / sizeof(words_run) < runs)
        return NULL;
    *count = list.count;
    return at;
}

void words_cursor_open_term(words_cursor *c, const words *w, uint32_t term)
{
    c->w = w;
    c->damaged = false;
    c->run = WORDS_NONE;
    c->at = c->loaded = 0;
    if (w->places[term] & WORDS_SINGLE) {
        open_single(c, w->places[term]);
        return;
    }
    c->list = list_at(w, w->places[term], &c->count);
    if (!c->list) {
        set_damaged(c);
        return;
    }
    c->runs = (const words_run *)(const void *)(c->list + sizeof(words_list));
    c->run_count = (c->count + WORDS_RUN - 1) / WORDS_RUN;
}

bool words_cursor_open(words_cursor *c, const words *w, uint64_t key)
{
    uint32_t term = words_key_find(w->keys, (size_t)w->head->terms, key);
    if (term == WORDS_NONE)
        return false;
    words_cursor_open_term(c, w, term);
    return true;
}

void words_cursor_rewind(words_cursor *c)
{
    c->run = WORDS_NONE;
    c->at = c->loaded = 0;
}

/* Number i of `bits` bits each. At least eight bytes can be read at `from`, wherever it points. */
static inline uint32_t packed(const unsigned char *from, uint32_t i, uint32_t bits)
{
    uint64_t bit = (uint64_t)i * bits, word;
    memcpy(&word, from + bit / 8, sizeof word);
    return (uint32_t)(word >> bit % 8 & ((UINT64_C(1) << bits) - 1));
}

/* Where the packed numbers of a run stand, or NULL where they do not lie within the postings. */
static const unsigned char *packed_at(const words_cursor *c, const words_run *r, uint32_t count)
{
    const words_head *h = c->w->head;
    uint64_t end = h->at[SECTION_POSTINGS + 1] - WORDS_PADDING;
    uint64_t at = (uint64_t)(c->list - c->w->bytes) + (uint64_t)r->at * 4;
    uint64_t distances = ((uint64_t)count * r->distance_bits + 7) / 8,
             times = ((uint64_t)count * r->times_bits + 7) / 8;
    if (r->distance_bits > 32 || r->times_bits > 16 || at > end || end - at < distances + times)
        return NULL;
    return c->w->bytes + at;
}

static void load_single(words_cursor *c)
{
    c->documents[0] = c->only.last;
    c->times[0] = c->only.most;
    c->run = 0;
    c->loaded = 1;
    c->at = 0;
}

static void load(words_cursor *c, uint32_t run)
{
    const words_run *r = &c->runs[run];
    uint32_t count = run + 1 < c->run_count ? WORDS_RUN : c->count - run * WORDS_RUN;
    const unsigned char *from = packed_at(c, r, count);
    if (!from) {
        set_damaged(c);
        return;
    }
    uint64_t document = run > 0 ? (uint64_t)c->runs[run - 1].last + 1 : 0;
    uint32_t bits = r->distance_bits;
    for (uint32_t i = 0; i < count; i++) {
        document += packed(from, i, bits);
        c->documents[i] = (uint32_t)document;
        document++;
    }
    if (document != (uint64_t)r->last + 1 || r->last >= c->w->documents) { /* so all are ascending and within */
        set_damaged(c);
        return;
    }
    from += ((size_t)count * bits + 7) / 8;
    bits = r->times_bits;
    for (uint32_t i = 0; i < count; i++)
        c->times[i] = (uint16_t)(packed(from, i, bits) + 1);
    c->run = run;
    c->loaded = count;
    c->at = 0;
}

/* The first run from `from` on that ends at `document` or later. */
static uint32_t find_run(const words_cursor *c, uint32_t from, uint32_t document)
{
    uint32_t step = 1, low = from, high = from;
    while (high < c->run_count && c->runs[high].last < document) {
        low = high + 1;
        high += step;
        step *= 2;
    }
    if (high > c->run_count)
        high = c->run_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (c->runs[middle].last < document)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t words_cursor_seek(words_cursor *c, uint32_t document)
{
    if (c->run_count == 0)
        return WORDS_NONE;
    if (!c->list) {
        if (c->run == WORDS_NONE)
            load_single(c);
        return c->only.last >= document ? c->only.last : WORDS_NONE;
    }
    if (c->run == WORDS_NONE || c->documents[c->loaded - 1] < document) {
        uint32_t run = find_run(c, c->run == WORDS_NONE ? 0 : c->run + 1, document);
        if (run >= c->run_count)
            return WORDS_NONE;
        load(c, run);
        if (c->damaged)
            return WORDS_NONE;
    }
    while (c->at + 8 < c->loaded && c->documents[c->at + 7] < document)
        c->at += 8;
    while (c->at + 1 < c->loaded && c->documents[c->at] < document)
        c->at++;
    return c->documents[c->at];
}

/* ---- counting ---- */

static uint32_t count_alive(words_cursor *c, const uint64_t *alive)
{
    uint32_t count = 0;
    if (!c->list)
        return c->run_count ? (uint32_t)(alive[c->only.last / 64] >> c->only.last % 64 & 1) : 0;
    for (uint32_t run = 0; run < c->run_count && !c->damaged; run++) {
        load(c, run);
        for (uint32_t i = 0; i < c->loaded; i++)
            count += (uint32_t)(alive[c->documents[i] / 64] >> c->documents[i] % 64 & 1);
    }
    return count;
}

uint32_t words_frequency(const words *w, uint64_t key, const uint64_t *alive, bool *damaged)
{
    words_cursor c;
    if (!words_cursor_open(&c, w, key))
        return 0;
    uint32_t count = c.damaged ? 0 : alive ? count_alive(&c, alive) : c.count;
    *damaged = *damaged || c.damaged;
    return count;
}
