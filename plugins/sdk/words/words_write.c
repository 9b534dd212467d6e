/* words_write.c - see words_inner.h: the bytes of a block. */
#include "words_inner.h"

#include <stdlib.h>
#include <string.h>

/* ---- postings ---- */

static void align(words_writer *w)
{
    static const char zeros[8];
    buffer_append(w->out, zeros, (8 - (w->out->len - w->begin) % 8) % 8);
}

void words_writer_begin(words_writer *w, const words_sheet *s, buffer *out)
{
    *w = (words_writer){ .out = out, .begin = out->len, .lengths = s->lengths };
    w->head.magic = WORDS_MAGIC;
    w->head.documents = s->documents;
    for (uint32_t d = 0; d < s->documents; d++) {
        w->head.worded += s->lengths[d] > 0;
        w->head.lengths += s->lengths[d];
    }
    buffer_append(out, &w->head, sizeof w->head);
    w->head.at[SECTION_POSTINGS] = out->len - w->begin;
}

static uint8_t bits_of(uint32_t n)
{
    uint8_t bits = 0;
    while (bits < 32 && n >> bits)
        bits++;
    return bits;
}

/* Packs numbers of `bits` bits each; ends at a whole byte. */
static void pack(buffer *out, const uint32_t *numbers, uint32_t count, uint32_t bits)
{
    unsigned char bytes[WORDS_RUN * 4];
    size_t len = 0;
    uint64_t held = 0;
    uint32_t have = 0;
    for (uint32_t i = 0; i < count; i++) {
        held |= (uint64_t)numbers[i] << have;
        for (have += bits; have >= 8; have -= 8, held >>= 8)
            bytes[len++] = (unsigned char)held;
    }
    if (have > 0)
        bytes[len++] = (unsigned char)held;
    buffer_append(out, bytes, len);
}

/* Appends one run's packed numbers; `before`: one more than the last document of the run before it. */
static words_run write_run(words_writer *w, uint32_t before, const uint32_t *documents, const uint16_t *times,
                           uint32_t count)
{
    uint32_t distances[WORDS_RUN], frequencies[WORDS_RUN], all_distances = 0, all_times = 0;
    words_run r = { .last = documents[count - 1], .least = UINT16_MAX };
    for (uint32_t i = 0; i < count; i++) {
        distances[i] = documents[i] - before;
        frequencies[i] = times[i] - 1u;
        before = documents[i] + 1;
        all_distances |= distances[i];
        all_times |= frequencies[i];
        r.most = times[i] > r.most ? times[i] : r.most;
        r.least = w->lengths[documents[i]] < r.least ? w->lengths[documents[i]] : r.least;
    }
    r.distance_bits = bits_of(all_distances);
    r.times_bits = bits_of(all_times);
    pack(w->out, distances, count, r.distance_bits);
    pack(w->out, frequencies, count, r.times_bits);
    buffer_append(w->out, "\0\0\0", (4 - (w->out->len - w->begin) % 4) % 4);
    return r;
}

static void write_list(words_writer *w, const uint32_t *documents, const uint16_t *times, uint32_t count)
{
    uint32_t runs = (count + WORDS_RUN - 1) / WORDS_RUN, before = 0;
    words_list list = { .count = count, .least = UINT16_MAX };
    size_t at = w->out->len, heads = sizeof list + runs * sizeof(words_run);
    if (!buffer_reserve(w->out, heads))
        return;
    w->out->len += heads;
    for (uint32_t i = 0; i < runs; i++) {
        uint32_t first = i * WORDS_RUN, rest = count - first;
        size_t packed_at = w->out->len - at;
        words_run r = write_run(w, before, documents + first, times + first, rest < WORDS_RUN ? rest : WORDS_RUN);
        if (w->out->failed || packed_at / 4 > UINT32_MAX) {
            w->out->failed = true;
            return;
        }
        before = r.last + 1;
        r.at = (uint32_t)(packed_at / 4);
        list.most = r.most > list.most ? r.most : list.most;
        list.least = r.least < list.least ? r.least : list.least;
        memcpy(w->out->bytes + at + sizeof list + i * sizeof r, &r, sizeof r);
    }
    memcpy(w->out->bytes + at, &list, sizeof list);
}

void words_writer_term(words_writer *w, uint64_t key, const uint32_t *documents, const uint16_t *times, uint32_t count)
{
    uint64_t place = WORDS_SINGLE | (uint64_t)times[0] << 32 | documents[0];
    if (count > 1) {
        align(w);
        place = w->out->len - w->begin - w->head.at[SECTION_POSTINGS];
        write_list(w, documents, times, count);
    }
    buffer_append(&w->keys, &key, sizeof key);
    buffer_append(&w->places, &place, sizeof place);
    w->head.terms++;
}

/* ---- sessions ---- */

typedef struct turn {
    uint64_t session;
    int64_t seq, created;
    uint32_t document;
} turn;

static int compare_turns(const void *a, const void *b)
{
    const turn *x = a, *y = b;
    if (x->session != y->session)
        return x->session < y->session ? -1 : 1;
    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    if (x->created != y->created)
        return x->created < y->created ? -1 : 1;
    return x->document < y->document ? -1 : x->document > y->document;
}

static turn *sorted_turns(const words_sheet *s, size_t *count)
{
    turn *turns = malloc(((size_t)s->documents + 1) * sizeof *turns);
    bool sorted = true;
    *count = 0;
    for (uint32_t d = 0; turns && d < s->documents; d++) {
        if (!s->session[d])
            continue;
        turns[*count] = (turn){ s->session[d], s->seq[d], s->created[d], d };
        sorted = sorted && (*count == 0 || compare_turns(&turns[*count - 1], &turns[*count]) < 0);
        ++*count;
    }
    if (turns && !sorted)
        qsort(turns, *count, sizeof *turns, compare_turns);
    return turns;
}

static void section(words_writer *w, int number, const void *bytes, size_t len)
{
    align(w);
    w->head.at[number] = w->out->len - w->begin;
    buffer_append(w->out, bytes, len);
}

/* The sections of the sessions: keys, first turns, turns; session and place of each document. */
static bool write_sessions(words_writer *w, const words_sheet *s)
{
    size_t count = 0;
    turn *turns = sorted_turns(s, &count);
    uint32_t *session = malloc(((size_t)s->documents + 1) * sizeof *session);
    uint32_t *place = malloc(((size_t)s->documents + 1) * sizeof *place);
    uint32_t *order = malloc((count + 1) * sizeof *order);
    buffer keys = { 0 }, first = { 0 };
    bool good = turns && session && place && order;
    if (good) {
        memset(session, 0xff, (size_t)s->documents * sizeof *session);
        memset(place, 0xff, (size_t)s->documents * sizeof *place);
    }
    for (uint32_t i = 0; good && i < count; i++) {
        if (i == 0 || turns[i].session != turns[i - 1].session) {
            buffer_append(&keys, &turns[i].session, sizeof turns[i].session);
            buffer_append(&first, &i, sizeof i);
            w->head.sessions++;
        }
        session[turns[i].document] = (uint32_t)w->head.sessions - 1;
        place[turns[i].document] = i;
        order[i] = turns[i].document;
    }
    if (good) {
        uint32_t end = (uint32_t)count;
        buffer_append(&first, &end, sizeof end);
        w->head.turns = count;
        good = !keys.failed && !first.failed;
    }
    if (good) {
        section(w, SECTION_SESSION_KEYS, keys.bytes, keys.len);
        section(w, SECTION_SESSION_FIRST, first.bytes, first.len);
        section(w, SECTION_TURNS, order, count * sizeof *order);
        section(w, SECTION_SESSION, session, (size_t)s->documents * sizeof *session);
        section(w, SECTION_PLACE, place, (size_t)s->documents * sizeof *place);
    }
    free(turns);
    free(session);
    free(place);
    free(order);
    buffer_free(&keys);
    buffer_free(&first);
    return good;
}

/* ---- speakers ---- */

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int compare_names(const void *a, const void *b)
{
    const words_name *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->actor < y->actor ? -1 : x->actor > y->actor;
}

/* The different keys among those of the documents, sorted; the caller's. */
static uint64_t *different_actors(const words_sheet *s, size_t *count)
{
    uint64_t *keys = malloc(((size_t)s->documents + 1) * sizeof *keys);
    *count = 0;
    for (uint32_t d = 0; keys && d < s->documents; d++)
        if (s->actor[d] && (*count == 0 || keys[*count - 1] != s->actor[d]) &&
            (*count < 2 || keys[*count - 2] != s->actor[d])) /* two who talk in turn are seen here already */
            keys[(*count)++] = s->actor[d];
    if (!keys)
        return NULL;
    qsort(keys, *count, sizeof *keys, compare_keys);
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++)
        if (i == 0 || keys[i] != keys[i - 1])
            keys[kept++] = keys[i];
    *count = kept;
    return keys;
}

static bool write_actors(words_writer *w, words_sheet *s)
{
    size_t count = 0;
    uint64_t *keys = different_actors(s, &count);
    uint32_t *actor = malloc(((size_t)s->documents + 1) * sizeof *actor);
    buffer name_keys = { 0 }, name_actors = { 0 };
    bool good = keys && actor;
    for (uint32_t d = 0; good && d < s->documents; d++) {
        if (d > 0 && s->actor[d] == s->actor[d - 1])
            actor[d] = actor[d - 1];
        else
            actor[d] = s->actor[d] ? words_key_find(keys, count, s->actor[d]) : WORDS_NONE;
    }
    if (good && s->name_count > 0)
        qsort(s->names, s->name_count, sizeof *s->names, compare_names);
    for (size_t i = 0; good && i < s->name_count; i++) {
        uint32_t number = words_key_find(keys, count, s->names[i].actor);
        if (number == WORDS_NONE || (i > 0 && compare_names(&s->names[i - 1], &s->names[i]) == 0))
            continue;
        buffer_append(&name_keys, &s->names[i].key, sizeof s->names[i].key);
        buffer_append(&name_actors, &number, sizeof number);
        w->head.names++;
    }
    good = good && !name_keys.failed && !name_actors.failed;
    w->head.actors = count;
    if (good) {
        section(w, SECTION_ACTOR_KEYS, keys, count * sizeof *keys);
        section(w, SECTION_NAME_KEYS, name_keys.bytes, name_keys.len);
        section(w, SECTION_ACTOR, actor, (size_t)s->documents * sizeof *actor);
        section(w, SECTION_NAME_ACTORS, name_actors.bytes, name_actors.len);
    }
    free(keys);
    free(actor);
    buffer_free(&name_keys);
    buffer_free(&name_actors);
    return good;
}

int32_t words_writer_end(words_writer *w, words_sheet *s, quipu_error *error)
{
    static const char zeros[WORDS_PADDING];
    bool good = !w->keys.failed && !w->places.failed;
    size_t n = s->documents;
    buffer_append(w->out, zeros, sizeof zeros);
    section(w, SECTION_KEYS, w->keys.bytes, w->keys.len);
    section(w, SECTION_PLACES, w->places.bytes, w->places.len);
    buffer_free(&w->keys);
    buffer_free(&w->places);
    section(w, SECTION_SEQ, s->seq, n * sizeof *s->seq);
    section(w, SECTION_CREATED, s->created, n * sizeof *s->created);
    section(w, SECTION_LENGTHS, s->lengths, n * sizeof *s->lengths);
    section(w, SECTION_MARKS, s->marks, n);
    good = good && write_sessions(w, s) && write_actors(w, s) && !w->out->failed;
    if (!good) {
        if (!w->out->failed)
            w->out->len = w->begin;
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an index of words");
    }
    align(w);
    w->head.size = w->out->len - w->begin;
    memcpy(w->out->bytes + w->begin, &w->head, sizeof w->head);
    return QUIPU_OK;
}
