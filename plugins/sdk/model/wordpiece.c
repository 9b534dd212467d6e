/* wordpiece.c - see wordpiece.h: the vocabulary, and encoding by it. wordpiece_open.c reads it. */
#include "wordpiece_inner.h"

#include <sdk/json.h>
#include <stdlib.h>
#include <string.h>

/* ---- the vocabulary: a hash table of pieces, FNV-1a, so that every beginning of a word is hashed in one pass ---- */

#define FNV_BASIS 14695981039346656037u
#define FNV_PRIME 1099511628211u

static uint64_t hash_begin(bool continues)
{
    return continues ? FNV_BASIS ^ 0x9e3779b97f4a7c15u : FNV_BASIS;
}

static uint64_t hash_step(uint64_t hash, char byte)
{
    return (hash ^ (unsigned char)byte) * FNV_PRIME;
}

static size_t cell_of(const wordpiece *w, uint64_t hash)
{
    return (size_t)(hash ^ hash >> 29) & (w->cell_count - 1);
}

static uint32_t find_piece(const wordpiece *w, uint64_t hash, const char *bytes, size_t len, bool continues)
{
    for (size_t at = cell_of(w, hash); w->cells[at]; at = (at + 1) & (w->cell_count - 1)) {
        const piece *p = &w->pieces[w->cells[at] - 1];
        if (p->hash == hash && p->len == len && p->continues == continues &&
            memcmp(w->texts.bytes + p->at, bytes, len) == 0)
            return p->token;
    }
    return UINT32_MAX;
}

bool wordpiece_add(wordpiece *w, quipu_str text, uint32_t token)
{
    bool continues = text.len > 2 && memcmp(text.ptr, "##", 2) == 0;
    quipu_str body = continues ? (quipu_str){ text.ptr + 2, text.len - 2 } : text;
    if (w->piece_count == w->piece_capacity) {
        size_t capacity = w->piece_capacity ? w->piece_capacity * 2 : 32768;
        piece *pieces = realloc(w->pieces, capacity * sizeof *pieces);
        if (!pieces)
            return false;
        w->pieces = pieces;
        w->piece_capacity = capacity;
    }
    uint64_t hash = hash_begin(continues);
    for (size_t i = 0; i < body.len; i++)
        hash = hash_step(hash, body.ptr[i]);
    w->pieces[w->piece_count++] =
        (piece){ .hash = hash, .at = w->texts.len, .len = (uint32_t)body.len, .token = token, .continues = continues };
    buffer_append_str(&w->texts, body);
    if (token >= w->size)
        w->size = token + 1;
    return !w->texts.failed;
}

bool wordpiece_index(wordpiece *w)
{
    w->cell_count = 1024;
    while (w->cell_count < 2 * w->piece_count)
        w->cell_count *= 2;
    w->cells = calloc(w->cell_count, sizeof *w->cells);
    for (size_t i = 0; w->cells && i < w->piece_count; i++) {
        size_t at = cell_of(w, w->pieces[i].hash);
        while (w->cells[at])
            at = (at + 1) & (w->cell_count - 1);
        w->cells[at] = (uint32_t)i + 1;
    }
    return w->cells != NULL;
}

void wordpiece_free(wordpiece *w)
{
    if (!w)
        return;
    free(w->pieces);
    free(w->cells);
    for (size_t i = 0; i < w->special_count; i++)
        free(w->specials[i].text);
    free(w->specials);
    buffer_free(&w->texts);
    free(w);
}

uint32_t wordpiece_size(const wordpiece *w)
{
    return w->size;
}

uint32_t wordpiece_token(const wordpiece *w, const char *text)
{
    uint64_t hash = hash_begin(false);
    for (const char *c = text; *c; c++)
        hash = hash_step(hash, *c);
    return find_piece(w, hash, text, strlen(text), false);
}

uint32_t wordpiece_unknown(const wordpiece *w)
{
    return w->unknown;
}

/* ---- encoding ---- */

/* The word at hand, and what was made of those before it. */
typedef struct encoding {
    const wordpiece *w;
    uint32_t *out;
    uint32_t count, most;
    uint32_t ends[WORD_CHARACTERS_MAX]; /* where each character of the word ends */
    uint32_t characters;                /* may be more than fit: such a word is unknown */
    char word[4 * WORD_CHARACTERS_MAX];
} encoding;

static void emit(encoding *e, uint32_t token)
{
    if (e->count < e->most)
        e->out[e->count++] = token;
}

/* The longest piece that begins at character `from`; how many characters it has, 0 where there is none. */
static uint32_t longest_piece(const encoding *e, uint32_t from, uint32_t *token)
{
    uint64_t hashes[WORD_CHARACTERS_MAX];
    uint32_t begin = from ? e->ends[from - 1] : 0;
    uint64_t hash = hash_begin(from > 0);
    uint32_t at = begin;
    for (uint32_t i = from; i < e->characters; i++) {
        for (; at < e->ends[i]; at++)
            hash = hash_step(hash, e->word[at]);
        hashes[i] = hash;
    }
    for (uint32_t end = e->characters; end > from; end--) {
        *token = find_piece(e->w, hashes[end - 1], e->word + begin, e->ends[end - 1] - begin, from > 0);
        if (*token != UINT32_MAX)
            return end - from;
    }
    return 0;
}

static void end_word(encoding *e)
{
    uint32_t begun = e->count, token, at = 0;
    bool known = e->characters <= e->w->word_most;
    while (known && at < e->characters) {
        uint32_t len = longest_piece(e, at, &token);
        known = len > 0;
        at += len;
        if (known)
            emit(e, token);
    }
    if (!known) {
        e->count = begun;
        emit(e, e->w->unknown);
    }
    e->characters = 0;
}

static void end_any_word(encoding *e)
{
    if (e->characters > 0)
        end_word(e);
}

static void add_character(encoding *e, uint32_t c)
{
    if (e->characters < WORD_CHARACTERS_MAX) {
        uint32_t at = e->characters ? e->ends[e->characters - 1] : 0;
        e->ends[e->characters] = at + (uint32_t)utf8_encode(c, e->word + at);
    }
    if (e->characters <= WORD_CHARACTERS_MAX)
        e->characters++;
}

static void take_character(encoding *e, uint32_t c)
{
    uint32_t parts[NORMALISED_MAX];
    bool alone;
    size_t count = normalise_character(&e->w->options, c, parts, &alone);
    if (alone)
        end_any_word(e);
    for (size_t i = 0; i < count; i++) {
        if (character_is_white(parts[i])) {
            end_any_word(e);
        } else if (character_is_punctuation(parts[i])) {
            end_any_word(e);
            add_character(e, parts[i]);
            end_word(e);
        } else {
            add_character(e, parts[i]);
        }
    }
    if (alone)
        end_any_word(e);
}

/* The longest special token that the text begins with; its length, or 0. */
static size_t special_at(const wordpiece *w, const char *at, size_t len, uint32_t *token)
{
    size_t best = 0;
    for (size_t i = 0; i < w->special_count; i++) {
        const special_token *s = &w->specials[i];
        if (s->len > best && s->len <= len && memcmp(s->text, at, s->len) == 0) {
            best = s->len;
            *token = s->token;
        }
    }
    return best;
}

static uint32_t decode(const char *bytes, size_t len)
{
    const unsigned char *b = (const unsigned char *)bytes;
    if (len == 1)
        return b[0];
    if (len == 2)
        return (b[0] & 0x1fu) << 6 | (b[1] & 0x3fu);
    if (len == 3)
        return (b[0] & 0x0fu) << 12 | (b[1] & 0x3fu) << 6 | (b[2] & 0x3fu);
    return (b[0] & 0x07u) << 18 | (b[1] & 0x3fu) << 12 | (b[2] & 0x3fu) << 6 | (b[3] & 0x3fu);
}

uint32_t wordpiece_encode(const wordpiece *w, quipu_str text, uint32_t *out, uint32_t most)
{
    encoding e = { .w = w, .most = most };
    e.out = out;
    size_t at = 0;
    while (at < text.len && e.count < most) {
        uint32_t token = 0;
        size_t left = (size_t)text.len - at, len = 0;
        if (w->special_first[(unsigned char)text.ptr[at]])
            len = special_at(w, text.ptr + at, left, &token);
        if (len) {
            end_any_word(&e);
            emit(&e, token);
        } else if ((len = utf8_sequence(text.ptr + at, left)) > 0) {
            take_character(&e, decode(text.ptr + at, len));
        } else {
            len = 1;
        }
        at += len;
    }
    end_any_word(&e);
    return e.count;
}
