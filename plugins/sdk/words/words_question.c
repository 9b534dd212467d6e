/* words_question.c - see words_rank_inner.h: from a question to what is asked for. */
#include "words_rank_inner.h"

#include <ctype.h>
#include <stdlib.h>

static void keep_token(void *context, const words_token *t)
{
    query *q = context;
    if (q->token_count == TOKENS_MAX)
        return;
    asked_token *k = &q->tokens[q->token_count++];
    *k = (asked_token){ .key = t->key, .stop = t->stop, .pairs = t->pairs };
    k->stem = (uint32_t)q->names.len;
    k->stem_len = (uint32_t)t->stem.len;
    buffer_append_str(&q->names, t->stem);
    k->raw = (uint32_t)q->names.len;
    k->raw_len = (uint32_t)t->raw_len;
    buffer_append(&q->names, t->raw, t->raw_len);
}

/* ---- names ---- */

/* The speakers of a part's admitted documents, a bit each; the caller's. NULL without memory. */
static uint64_t *speakers_of(const query *q, size_t part)
{
    const words *w = q->parts[part].words;
    const admission *a = &q->admissions[part];
    uint64_t *heard = calloc((size_t)w->head->actors / 64 + 1, sizeof *heard);
    for (uint32_t i = 0; heard && i < a->count; i++) {
        uint32_t actor = w->actor[q->list[a->first + i]];
        if (actor < w->head->actors)
            heard[actor / 64] |= UINT64_C(1) << actor % 64;
    }
    return heard;
}

/* Speakers that a question names. */
typedef struct named {
    uint64_t first; /* key */
    bool several;
} named;

/* Whether the token is a word of the name of somebody who speaks in this part. heard: only these, or NULL: all. */
static bool is_name(const words *w, const uint64_t *heard, uint64_t key, named *n)
{
    bool any = false;
    for (size_t i = words_key_place(w->name_keys, (size_t)w->head->names, key);
         i < w->head->names && w->name_keys[i] == key && !(any && n->several); i++) {
        uint32_t actor = w->name_actors[i];
        if (actor >= w->head->actors || (heard && !bit_of(heard, actor)))
            continue;
        any = true;
        n->several = n->several || (n->first && n->first != w->actor_keys[actor]);
        n->first = w->actor_keys[actor];
    }
    return any;
}

static int32_t find_names(query *q, quipu_error *error)
{
    named n = { 0 };
    for (size_t p = 0; p < q->count; p++) {
        if (q->parts[p].words->head->names == 0)
            continue;
        uint64_t *heard = q->exact ? speakers_of(q, p) : NULL;
        if (q->exact && !heard)
            return query_no_memory(error);
        for (size_t i = 0; i < q->token_count; i++)
            if (!q->tokens[i].stop && is_name(q->parts[p].words, heard, q->tokens[i].key, &n))
                q->tokens[i].name = true;
        free(heard);
    }
    q->speaker = n.several || q->flags & WORDS_NO_SPEAKER ? 0 : n.first;
    return QUIPU_OK;
}

/* ---- terms ---- */

static void ask(query *q, uint64_t key, bool pair, size_t first, size_t second)
{
    for (size_t i = 0; i < q->term_count; i++) {
        if (q->terms[i].key == key) {
            q->terms[i].times++;
            return;
        }
    }
    if (q->term_count < TERMS_MAX)
        q->terms[q->term_count++] =
            (asked){ .key = key, .times = 1, .pair = pair, .first = (uint16_t)first, .second = (uint16_t)second };
}

/* Names are known from who speaks, function words say nothing: they are asked for only where there is nothing else. */
static void choose_terms(query *q)
{
    bool content = false, other = false;
    for (size_t i = 0; i < q->token_count; i++) {
        other = other || !q->tokens[i].stop;
        content = content || (!q->tokens[i].stop && !q->tokens[i].name);
    }
    size_t before = SIZE_MAX;
    for (size_t i = 0; i < q->token_count; i++) {
        const asked_token *t = &q->tokens[i];
        if (content ? t->stop || t->name : other && t->stop)
            continue;
        ask(q, t->key, false, i, i);
        if (!content && t->name)
            ask(q, words_key_spoken(t->key), false, i, i);
        if (before != SIZE_MAX && t->pairs && !t->stop && !(q->flags & WORDS_NO_PAIRS))
            ask(q, words_key_pair(q->tokens[before].key, t->key), true, before, i);
        before = t->pairs && !t->stop ? i : SIZE_MAX;
    }
}

/* Its words, and which of them are names. */
static int32_t read_tokens(query *q, words_reader *reader, quipu_str text, quipu_error *error)
{
    q->tokens = calloc(TOKENS_MAX, sizeof *q->tokens);
    if (!reader || !q->tokens)
        return query_no_memory(error);
    words_read(reader, text, TEXT_QUESTION, keep_token, q);
    return q->names.failed ? query_no_memory(error) : find_names(q, error);
}

int32_t query_read(query *q, quipu_str text, quipu_error *error)
{
    words_reader *reader = words_reader_create(false, q->language);
    int32_t rc = read_tokens(q, reader, text, error);
    words_reader_free(reader);
    if (rc != QUIPU_OK)
        return rc;
    choose_terms(q);
    if (q->token_count > 0)
        query_read_dates(q);
    if (q->flags & WORDS_NO_DATE)
        q->date_count = 0;
    if (q->flags & WORDS_NO_TIME_WORDS)
        q->asks_time = false;
    return QUIPU_OK;
}

/* ---- a question without names ---- */

/* The words of a piece of the question, among those that were read. */
typedef struct piece {
    const query *q;
    size_t names, others;
} piece;

static void count_token(void *context, const words_token *t)
{
    piece *p = context;
    for (size_t i = 0; i < p->q->token_count; i++) {
        if (p->q->tokens[i].key != t->key)
            continue;
        p->names += p->q->tokens[i].name;
        p->others += !p->q->tokens[i].name;
        return;
    }
    p->others++; /* past the words that are looked at */
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Appends a piece between blanks; of one that is a name, the marks at its end. */
static void append_piece(const query *q, words_reader *reader, quipu_str text, buffer *out)
{
    piece p = { .q = q };
    words_read(reader, text, TEXT_QUESTION, count_token, &p);
    if (p.names > 0 && p.others == 0) {
        uint64_t marks = 0;
        while (marks < text.len && ispunct((unsigned char)text.ptr[text.len - marks - 1]))
            marks++;
        text = str_make(text.ptr + text.len - marks, (size_t)marks);
    } else if (out->len > 0) {
        buffer_append_char(out, ' ');
    }
    buffer_append_str(out, text);
}

static void append_others(const query *q, words_reader *reader, quipu_str text, buffer *out)
{
    for (uint64_t at = 0; at < text.len;) {
        uint64_t end = at;
        while (end < text.len && !is_blank(text.ptr[end]))
            end++;
        if (end > at)
            append_piece(q, reader, str_make(text.ptr + at, (size_t)(end - at)), out);
        at = end + 1;
    }
}

/* True where some words of it are names, and others say something. */
static bool can_leave_names(const query *q)
{
    bool names = false, content = false;
    for (size_t i = 0; i < q->token_count; i++) {
        names = names || q->tokens[i].name;
        content = content || (!q->tokens[i].stop && !q->tokens[i].name);
    }
    return names && content && q->token_count < TOKENS_MAX;
}

int32_t words_without_names(const words_part *parts, size_t count, const words_question *question, buffer *out,
                            quipu_error *error)
{
    query *q = calloc(1, sizeof *q);
    words_reader *reader = words_reader_create(false, question->language);
    int32_t rc = q && reader ? QUIPU_OK : query_no_memory(error);
    if (rc == QUIPU_OK) {
        q->parts = parts;
        q->count = count;
        q->language = question->language;
        rc = query_admit(q, error);
    }
    if (rc == QUIPU_OK)
        rc = read_tokens(q, reader, question->text, error);
    if (rc == QUIPU_OK && can_leave_names(q))
        append_others(q, reader, question->text, out);
    else if (rc == QUIPU_OK)
        buffer_append_str(out, question->text);
    if (rc == QUIPU_OK && out->failed)
        rc = query_no_memory(error);
    words_reader_free(reader);
    if (q)
        query_end(q);
    free(q);
    return rc;
}
