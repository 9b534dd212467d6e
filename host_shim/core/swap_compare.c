/*
 * swap_compare.c - both stores side by side, in the order of their ids; and the same questions to both.
 *
 * Either store is read by pages, so that nobody holds a lock for long; the old one is written to meanwhile. A record that was equal when
 * it was compared and changes afterwards is noted by the tap, or found by the history: it is looked at again.
 */
#include "swap.h"

#include <base/fail.h>
#include <base/hash.h>
#include <stdlib.h>

enum { SAMPLES = 16, SAMPLE_BYTES = 200, SAMPLE_WORDS = 8, HITS = 10, HITS_FAR = 100, HITS_ALL = QUIPU_SEARCH_K_MAX };

static const quipu_filter everything = { .struct_size = sizeof everything,
                                         .flags = QUIPU_FILTER_EXPIRED,
                                         .now = QUIPU_TIME_NONE };

/* ---- a store, record by record ---- */

typedef struct stream {
    const side *x;
    record *page[PAGE_RECORDS];
    size_t count, at;
    uint64_t bytes;
    buffer cursor;
    char last[QUIPU_ID_MAX]; /* the id before */
    size_t last_len;
    bool ended;
} stream;

static int32_t keep_hit(void *context, const quipu_hit *hit) QUIPU_NOEXCEPT
{
    stream *t = context;
    quipu_str id = hit->record->id;
    if (t->count == PAGE_RECORDS || id.len > sizeof t->last ||
        str_compare(id, str_make(t->last, t->last_len)) <= 0) /* it would never end */
        return QUIPU_E_PLUGIN;
    int32_t code = record_from_view(hit->record, false, &t->page[t->count], NULL);
    if (code != QUIPU_OK)
        return code;
    memcpy(t->last, id.ptr, (size_t)id.len);
    t->last_len = (size_t)id.len;
    t->bytes += record_view(t->page[t->count++])->json.len;
    buffer_clear(&t->cursor);
    buffer_append_str(&t->cursor, hit->cursor);
    return t->count == PAGE_RECORDS || t->bytes >= PAGE_BYTES;
}

static void drop_page(stream *t)
{
    for (size_t i = 0; i < t->count; i++)
        record_free(t->page[i]);
    t->count = t->at = 0;
    t->bytes = 0;
}

/* Sees that there is a record at hand, unless the store has ended. */
static int32_t fetch(const swap *s, stream *t)
{
    buffer from = t->cursor;
    if (t->at < t->count || t->ended)
        return QUIPU_OK;
    drop_page(t);
    quipu_scan query = { .struct_size = sizeof query,
                         .filter = &everything,
                         .cursor = str_make(from.bytes, from.len),
                         .limit = PAGE_RECORDS,
                         .order = QUIPU_ORDER_ID };
    t->cursor = (buffer){ 0 };
    int32_t code = t->x->api->scan(t->x->self, &query, keep_hit, t, s->call, s->error);
    buffer_free(&from);
    t->ended = t->count == 0;
    if (code == QUIPU_OK && t->cursor.failed)
        code = fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    return code;
}

static record *peek(const stream *t)
{
    return t->at < t->count ? t->page[t->at] : NULL;
}

static stream *stream_new(const side *x)
{
    stream *t = calloc(1, sizeof *t);
    if (t)
        t->x = x;
    return t;
}

static void stream_free(stream *t)
{
    if (!t)
        return;
    drop_page(t);
    buffer_free(&t->cursor);
    free(t);
}

/* ---- samples ---- */

static void free_sample(sample *one)
{
    free(one->id);
    free(one->text);
    *one = (sample){ 0 };
}

void swap_free_samples(swap *s)
{
    for (size_t i = 0; i < s->sample_count; i++)
        free_sample(&s->samples[i]);
    free(s->samples);
    s->samples = NULL;
    s->sample_count = s->sample_room = 0;
}

/* The first words of a text, as a question. */
static quipu_str question_of(quipu_str text)
{
    uint64_t len = 0;
    for (int words = 0; len < text.len && len < SAMPLE_BYTES; len++)
        if ((unsigned char)text.ptr[len] <= ' ' && ++words == SAMPLE_WORDS)
            break;
    while (len > 0 && len < text.len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--; /* not within a character */
    return str_make(text.ptr, (size_t)len);
}

/* Which of all records are asked for follows from their number alone (Vitter's algorithm R, with a hash in place of chance). */
static void consider_sample(swap *s, const quipu_record *r)
{
    if (s->sample_room == 0) {
        s->sample_room = s->options->samples ? (size_t)s->options->samples : SAMPLES;
        s->samples = calloc(s->sample_room, sizeof *s->samples);
        if (!s->samples)
            s->sample_room = SIZE_MAX; /* no samples, then; the next step says so */
    }
    if (!s->samples || !r->text.ptr || r->text.len == 0)
        return;
    uint64_t number = s->seen++, place = number;
    if (number >= s->sample_room)
        place = hash_table_key(&number, sizeof number, s->known.seed) % (number + 1);
    if (place >= s->sample_room)
        return;
    sample *one = &s->samples[place];
    free_sample(one);
    one->id = str_dup(r->id);
    one->text = str_dup(question_of(r->text));
    memcpy(one->version, r->version.ptr, QUIPU_VERSION_LEN);
    s->sample_count = place >= s->sample_count ? (size_t)place + 1 : s->sample_count;
}

/* ---- comparing ---- */

typedef struct comparison {
    swap *s;
    bool first;
    stream *old, *new;
    batch b;
    uint64_t done;
} comparison;

static int32_t differs(comparison *c, record *r, quipu_str id)
{
    if (!c->first)
        id_list_add(&c->s->differing, id);
    if (c->s->target == TARGET_SAME)
        return QUIPU_OK;
    return batch_add(c->s, &c->b, r ? record_share(r) : NULL, id);
}

static int32_t step(comparison *c)
{
    swap *s = c->s;
    record *a = peek(c->old), *b = peek(c->new);
    int order = !a ? 1 : !b ? -1 : str_compare(record_view(a)->id, record_view(b)->id);
    int32_t code = QUIPU_OK;
    if (order < 0) {
        code = differs(c, a, record_view(a)->id);
    } else if (order > 0) {
        code = differs(c, NULL, record_view(b)->id);
    } else if (!str_same(record_view(a)->version, record_view(b)->version)) {
        code = differs(c, a, record_view(a)->id);
    } else {
        if (!c->first)
            consider_sample(s, record_view(a));
        if (!ledger_set(&s->known, record_view(a)->id, record_view(a)->version))
            code = fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    }
    c->old->at += order <= 0;
    c->new->at += order >= 0;
    return code;
}

static int32_t run(comparison *c, const char *phase)
{
    swap *s = c->s;
    int32_t code = QUIPU_OK;
    while (code == QUIPU_OK) {
        swap_pace(s);
        if ((code = fetch(s, c->old)) != QUIPU_OK || (code = fetch(s, c->new)) != QUIPU_OK)
            return code;
        if (!peek(c->old) && !peek(c->new))
            break;
        code = step(c);
        if (code == QUIPU_OK && ++c->done % PAGE_RECORDS == 0)
            code = swap_tell(s, phase, c->done, s->report.records);
    }
    if (code == QUIPU_OK)
        code = batch_write(s, &c->b);
    if (code == QUIPU_OK && s->differing.bytes.failed)
        code = fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    return code == QUIPU_OK ? swap_tell(s, phase, c->done, c->done) : code;
}

int32_t swap_compare(swap *s, bool first, const char *phase)
{
    comparison c = { .s = s, .first = first, .old = stream_new(&s->old), .new = stream_new(&s->new) };
    int32_t code = c.old && c.new ? run(&c, phase) : fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    s->report.records = c.done;
    stream_free(c.old);
    stream_free(c.new);
    batch_free(&c.b);
    return code;
}

/* ---- searches ---- */

typedef struct found {
    char *ids[HITS];
    size_t count;
    uint64_t seen;
    const char *wanted;
    bool has;
} found;

static int32_t keep_found(void *context, const quipu_hit *hit) QUIPU_NOEXCEPT
{
    found *f = context;
    f->has = f->has || str_same(hit->record->id, str_of(f->wanted));
    if (f->seen++ < HITS && (f->ids[f->count] = str_dup(hit->record->id)))
        f->count++;
    return 0;
}

static void found_free(found *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->ids[i]);
}

static int32_t ask(swap *s, const side *x, const sample *one, uint64_t k, found *out)
{
    quipu_search query = { .struct_size = sizeof query, .filter = &everything, .text = str_of(one->text), .k = k };
    *out = (found){ .wanted = one->id };
    swap_pace(s);
    return x->api->search(x->self, &query, keep_found, out, s->call, s->error);
}

static uint64_t in_both(const found *a, const found *b)
{
    uint64_t both = 0;
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++)
            both += strcmp(a->ids[i], b->ids[j]) == 0;
    return both;
}

/* Whether both still hold the record as it was when it was chosen. */
static int32_t is_unchanged(const swap *s, const sample *one, bool *out)
{
    const side *sides[] = { &s->old, &s->new };
    *out = true;
    for (int i = 0; i < 2 && *out; i++) {
        record *r;
        int32_t code = side_get(s, sides[i], str_of(one->id), &r);
        if (code != QUIPU_OK)
            return code;
        *out = r && memcmp(record_view(r)->version.ptr, one->version, QUIPU_VERSION_LEN) == 0;
        record_free(r);
    }
    return QUIPU_OK;
}

/* Backends may rank otherwise, and where more match than a search can show, none has to show this one. */
static bool may_miss(const found *f, uint64_t k)
{
    return f->has || f->seen >= k;
}

/* What the old one finds among its first ten, the new one must find at all. */
static int32_t compare_search(swap *s, const sample *one, uint64_t *both, uint64_t *most)
{
    found old = { 0 }, new = { 0 }, far = { .has = true };
    bool unchanged = true;
    int32_t code = ask(s, &s->old, one, HITS, &old);
    if (code == QUIPU_OK)
        code = ask(s, &s->new, one, HITS_FAR, &new);
    if (code == QUIPU_OK && old.has && !new.has)
        code = ask(s, &s->new, one, HITS_ALL, &far);
    bool missing = code == QUIPU_OK && !may_miss(&far, HITS_ALL);
    if (missing)
        code = is_unchanged(s, one, &unchanged);
    if (code == QUIPU_OK && missing && unchanged) {
        quipu_str id = str_of(one->id);
        code = fail(s->error, QUIPU_E_CONFLICT, NULL,
                    "the new backend does not find a record that the old one finds by the words \"%.80s\"", one->text);
        fail_name_record(s->error, &id);
    }
    if (code == QUIPU_OK && unchanged) {
        *both += in_both(&old, &new);
        *most += old.count > new.count ? old.count : new.count;
        s->report.searches++;
    }
    found_free(&old);
    found_free(&new);
    found_free(&far);
    return code;
}

int32_t swap_compare_searches(swap *s)
{
    uint64_t both = 0, most = 0;
    int32_t code =
        s->sample_room == SIZE_MAX ? fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted") : QUIPU_OK;
    s->report.searches = 0;
    for (size_t i = 0; i < s->sample_count && code == QUIPU_OK; i++) {
        if (s->samples[i].id && s->samples[i].text && s->samples[i].text[0])
            code = compare_search(s, &s->samples[i], &both, &most);
        if (code == QUIPU_OK)
            code = swap_tell(s, "searching", i + 1, s->sample_count);
    }
    s->report.agreement = most ? both * 1000 / most : 1000;
    return code;
}
