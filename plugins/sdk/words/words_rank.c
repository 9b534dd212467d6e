/* words_rank.c - see words.h: from base scores to an answer. */
#include "words_rank_inner.h"

#include <stdlib.h>
#include <string.h>

#define ASKS_DAMPING 0.15
#define BEFORE 0.2
#define ANSWERED 0.4 /* more for the turn before, where it is a question of somebody else */
#define AFTER 0.3
#define TWO_BEFORE 0.2
#define TWO_AFTER 0.1
#define SESSION 0.8
#define SPEAKER 0.8
#define DATE 1.5
#define DATE_ALONE 0.225
#define TIME_WORDS 0.4

struct words_answer {
    query q;
    words_match *matches;
    size_t count;
};

static const words *words_of(const query *q, const candidate *c)
{
    return q->parts[c->part].words;
}

/* Key of who said it, or 0. */
static uint64_t speaker_of(const query *q, const candidate *c)
{
    const words *w = words_of(q, c);
    uint32_t actor = w->actor[c->document];
    return actor < w->head->actors ? w->actor_keys[actor] : 0;
}

static double base_of(const candidate *c)
{
    return c->words + c->like;
}

static double near_score(const query *q, const candidate *c, int which)
{
    return c->near[which] == WORDS_NONE ? 0 : base_of(&q->candidates[c->near[which]]);
}

static bool answers(const query *q, const candidate *c)
{
    const candidate *before = &q->candidates[c->near[1]];
    uint64_t here = speaker_of(q, c), there = speaker_of(q, before);
    return words_of(q, before)->marks[before->document] & MARK_ASKS && here && there && here != there;
}

static void add_neighbours(const query *q, candidate *c)
{
    if (words_of(q, c)->marks[c->document] & MARK_ASKS && !(q->flags & WORDS_NO_NEIGHBOURS))
        c->asks = -ASKS_DAMPING * base_of(c);
    if (c->near[1] != WORDS_NONE)
        c->neighbours += (BEFORE + (answers(q, c) ? ANSWERED : 0)) * near_score(q, c, 1);
    c->neighbours += TWO_BEFORE * near_score(q, c, 0) + AFTER * near_score(q, c, 2) + TWO_AFTER * near_score(q, c, 3);
    c->score = base_of(c) + c->asks + c->neighbours;
}

static void add_session(query *q)
{
    if (q->flags & WORDS_NO_SESSION)
        return;
    for (size_t i = 0; i < q->candidate_count; i++) {
        const candidate *c = &q->candidates[i];
        if (c->talk != WORDS_NONE && q->talks[c->talk].best < base_of(c))
            q->talks[c->talk].best = base_of(c);
    }
    for (size_t i = 0; i < q->candidate_count; i++) {
        candidate *c = &q->candidates[i];
        if (c->talk != WORDS_NONE && c->score > 0)
            c->session = SESSION * q->talks[c->talk].best;
        c->score += c->session;
    }
}

/* Speaker, date and time words. */
static void add_fit(query *q)
{
    double most = 0;
    for (size_t i = 0; i < q->candidate_count; i++) {
        candidate *c = &q->candidates[i];
        if (q->speaker && speaker_of(q, c) == q->speaker)
            c->speaker = SPEAKER * c->score;
        c->score += c->speaker;
        most = c->score > most ? c->score : most;
    }
    for (size_t i = 0; i < q->candidate_count; i++) {
        candidate *c = &q->candidates[i];
        if (q->date_count > 0 && c->score > 0) {
            double match = query_date_match(q, words_of(q, c)->created[c->document]);
            c->date = DATE * match * c->score + DATE_ALONE * match * most;
        }
        c->score += c->date;
        if (q->asks_time && words_of(q, c)->marks[c->document] & MARK_TIME)
            c->time_words = TIME_WORDS * c->score;
        c->score += c->time_words;
    }
}

static int32_t take_best(words_answer *a, quipu_error *error)
{
    query *q = &a->q;
    best b = { .most = q->k < q->candidate_count ? (size_t)q->k : q->candidate_count };
    for (size_t i = 0; i < q->candidate_count; i++) {
        const candidate *c = &q->candidates[i];
        if ((c->score > 0 || i < q->hit_count) && !best_put(&b, (words_match){ c->score, c->part, c->document })) {
            free(b.matches);
            return query_no_memory(error);
        }
    }
    best_sort(&b);
    a->matches = b.matches;
    a->count = b.count;
    return QUIPU_OK;
}

static int32_t rank(words_answer *a, quipu_str text, quipu_error *error)
{
    query *q = &a->q;
    int32_t rc = query_admit(q, error);
    if (rc == QUIPU_OK && q->admitted > 0 && q->k > 0)
        rc = query_read(q, text, error);
    if (rc == QUIPU_OK && q->term_count > 0)
        rc = query_score(q, q->k > DEPTH ? (size_t)q->k : DEPTH, error);
    if (rc == QUIPU_OK)
        rc = query_add_nearest(q, error);
    if (rc != QUIPU_OK || q->hit_count == 0)
        return rc;
    rc = query_find_near(q, error);
    if (rc == QUIPU_OK && q->term_count > 0)
        rc = query_score_rest(q, error);
    if (rc == QUIPU_OK)
        rc = query_add_likeness(q, error);
    if (rc != QUIPU_OK)
        return rc;
    for (size_t i = 0; i < q->candidate_count; i++)
        add_neighbours(q, &q->candidates[i]);
    add_session(q);
    add_fit(q);
    return take_best(a, error);
}

int32_t words_rank(const words_part *parts, size_t count, const words_question *question, words_answer **out,
                   const quipu_call *call, quipu_error *error)
{
    words_answer *a = calloc(1, sizeof *a);
    *out = NULL;
    if (!a)
        return query_no_memory(error);
    a->q.parts = parts;
    a->q.count = count;
    a->q.flags = question->flags;
    a->q.language = question->language;
    a->q.k = question->k;
    a->q.likeness = question->likeness;
    a->q.call = call;
    int32_t rc = rank(a, question->text, error);
    if (rc != QUIPU_OK) {
        words_answer_free(a);
        return rc;
    }
    *out = a;
    return QUIPU_OK;
}

size_t words_answer_count(const words_answer *a)
{
    return a->count;
}

const words_match *words_answer_matches(const words_answer *a)
{
    return a->matches;
}

void query_end(query *q)
{
    for (size_t i = 0; q->admissions && i < q->count; i++)
        free(q->admissions[i].before);
    free(q->admissions);
    free(q->list);
    free(q->scores);
    free(q->tokens);
    buffer_free(&q->names);
    free(q->candidates);
    free(q->table);
    free(q->talks);
    free(q->ranges);
    free(q->talk_table);
}

void words_answer_free(words_answer *a)
{
    if (!a)
        return;
    query_end(&a->q);
    free(a->matches);
    free(a);
}

/* ---- what a score is made of ---- */

static void name_term(const query *q, const asked *t, buffer *name)
{
    buffer_clear(name);
    buffer_append_text(name, "bm25:");
    buffer_append(name, q->names.bytes + q->tokens[t->first].stem, q->tokens[t->first].stem_len);
    if (t->pair) {
        buffer_append_char(name, ' ');
        buffer_append(name, q->names.bytes + q->tokens[t->second].stem, q->tokens[t->second].stem_len);
    }
}

static int32_t explain_words(const query *q, const candidate *c, words_component_fn visit, void *context,
                             quipu_error *error)
{
    buffer name = { 0 };
    words_cursor *cursor = malloc(sizeof *cursor);
    const words *w = words_of(q, c);
    int32_t rc = cursor ? QUIPU_OK : query_no_memory(error);
    for (size_t t = 0; rc == QUIPU_OK && t < q->term_count; t++) {
        if (!words_cursor_open(cursor, w, q->terms[t].key) || words_cursor_seek(cursor, c->document) != c->document)
            continue;
        name_term(q, &q->terms[t], &name);
        if (name.failed)
            rc = query_no_memory(error);
        else
            visit(context, str_make(name.bytes, name.len),
                  query_part(q, &q->terms[t], words_cursor_times(cursor), w->lengths[c->document]));
    }
    free(cursor);
    buffer_free(&name);
    return rc;
}

int32_t words_explain(const words_answer *a, size_t i, words_component_fn visit, void *context, quipu_error *error)
{
    for (size_t n = 0; i < a->count && n < a->q.candidate_count; n++) {
        const candidate *c = &a->q.candidates[n];
        if (c->part != a->matches[i].part || c->document != a->matches[i].document)
            continue;
        const struct {
            const char *name;
            double value;
        } parts[] = { { "likeness", c->like },        { "question", c->asks },   { "neighbours", c->neighbours },
                      { "session", c->session },      { "speaker", c->speaker }, { "date", c->date },
                      { "time_words", c->time_words } };
        int32_t rc = explain_words(&a->q, c, visit, context, error);
        for (size_t p = 0; rc == QUIPU_OK && p < sizeof parts / sizeof parts[0]; p++)
            if (parts[p].value != 0)
                visit(context, str_of(parts[p].name), parts[p].value);
        return rc;
    }
    return fail(error, QUIPU_E_INVALID, NULL, "there is no such match");
}
