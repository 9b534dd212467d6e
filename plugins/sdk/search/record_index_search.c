/* record_index_search.c - see record_index.h: the best records for a question. */
#include "record_index_inner.h"

#include <sdk/abi_check.h>
#include <sdk/filter.h>
#include <sdk/query.h>

#include <math.h>
#include <stdlib.h>

enum {
    VERIFY_FIRST =
        4096, /* documents that may match are looked at before the ranking where they are no more than these */
    FUSED_AT_LEAST = 256 /* candidates of either side of a hybrid search, or to be weighed */
};

typedef struct candidate {
    double score;
    double words;  /* the score by words and, in a hybrid search, likeness, before weighing */
    double cosine; /* of a search by vector alone */
    double answer; /* the score before the weights of the question */
    query_weights weights;
    size_t match; /* its number in the answer by words; SIZE_MAX: not in it */
    uint32_t part, document;
    record *record; /* NULL: not decoded yet */
} candidate;

typedef struct search {
    record_index *ix;
    const quipu_search *q;
    const quipu_call *call;
    quipu_error *error;
    index_snapshot *snapshot;
    admitted *which;   /* of each part */
    words_part *parts; /* likewise */
    bool by_words, by_vector, exact;
    vector_question question;
    words_match *nearest; /* by vector, for the ranking by words */
    size_t nearest_count;
    words_answer *answer;
    candidate *found; /* best first, once they are sorted */
    size_t count;
    int64_t now;
} search;

static int32_t no_memory(search *s)
{
    return fail(s->error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to search with");
}

/* ---- before ---- */

/* What to search by. */
static int32_t choose(search *s)
{
    const quipu_search *q = s->q;
    bool text = str_present(q->text);
    if (q->mode == QUIPU_SEARCH_LEXICAL && !text)
        return fail(s->error, QUIPU_E_INVALID, "text", "a search by words needs a text");
    s->by_words = text && q->mode != QUIPU_SEARCH_VECTOR;
    s->by_vector = q->mode == QUIPU_SEARCH_VECTOR || q->mode == QUIPU_SEARCH_HYBRID || q->vector ||
                   (q->mode == QUIPU_SEARCH_AUTO && index_embedder(s->ix));
    if (q->mode == QUIPU_SEARCH_LEXICAL)
        s->by_vector = false;
    return QUIPU_OK;
}

/* 1: the document matches the filter; *out (may be NULL) is its record then. */
static int32_t look_at(search *s, uint32_t part, uint32_t document, record **out)
{
    record *r;
    int32_t code = segment_record(s->snapshot->parts[part].segment, document, &r, s->error);
    if (code != QUIPU_OK)
        return code;
    int32_t match = filter_match(s->q->filter, record_view(r), s->now);
    if (match < 0)
        fail(s->error, match, "filter", "the filter could not be applied: %s", error_text(match));
    if (match == 1 && out)
        *out = r;
    else
        record_free(r);
    return match;
}

/* Looks at every document of the part that may match. */
static int32_t verify_part(search *s, uint32_t part)
{
    bits *set = s->which[part].set;
    for (uint32_t d = bits_next(set, 0), steps = 1; d != BITS_NONE; d = bits_next(set, d + 1), steps++) {
        int32_t match = look_at(s, part, d, NULL);
        if (match == 0)
            bits_drop(set, d);
        if (match >= 0 && steps % 256 == 0)
            match = call_check(s->call, s->error);
        if (match < 0)
            return match;
    }
    s->which[part].exact = true;
    return QUIPU_OK;
}

static int32_t admit(search *s)
{
    size_t count = s->snapshot->count;
    s->which = calloc(count ? count : 1, sizeof *s->which);
    s->parts = calloc(count ? count : 1, sizeof *s->parts);
    s->exact = true;
    if (!s->which || !s->parts)
        return no_memory(s);
    for (uint32_t i = 0; i < count; i++) {
        const index_part *part = &s->snapshot->parts[i];
        int32_t code = index_admit(part, s->q->filter, s->now, &s->which[i], s->error);
        if (code == QUIPU_OK && !s->which[i].exact && bits_total(s->which[i].set) <= VERIFY_FIRST)
            code = verify_part(s, i);
        if (code != QUIPU_OK)
            return code;
        s->exact = s->exact && s->which[i].exact;
        s->parts[i] = (words_part){ .alive = part->alive->words,
                                    .admitted = s->which[i].set ? s->which[i].set->words : NULL,
                                    .documents = part->alive->count };
    }
    return QUIPU_OK;
}

/* ---- the question's vector ---- */

static int32_t open_words(search *s)
{
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < s->snapshot->count && code == QUIPU_OK; i++)
        code = segment_words(s->snapshot->parts[i].segment, &s->parts[i].words, s->error);
    return code;
}

/* What of the question is embedded. A name is near to whatever the one says or is told; where words are searched by as well, who speaks
 * counts there, and the vector is of what is asked. */
static int32_t what_is_embedded(search *s, buffer *scratch, quipu_str *out)
{
    const words_question question = { .text = s->q->text, .language = s->ix->pending.language };
    *out = s->q->text;
    if (!s->by_words || s->q->vector)
        return QUIPU_OK;
    int32_t code = open_words(s);
    if (code == QUIPU_OK)
        code = words_without_names(s->parts, s->snapshot->count, &question, scratch, s->error);
    if (code == QUIPU_OK)
        *out = str_make(scratch->bytes, scratch->len);
    return code;
}

/* AUTO promises words at the least: an embedder that cannot be reached, or is slow, does not end the search. */
static bool can_do_without(search *s, index_patience patience, int32_t rc, const quipu_error *why)
{
    if (patience != INDEX_OPTIONAL || rc == QUIPU_E_CANCELLED || rc == QUIPU_E_CORRUPT ||
        call_check(s->call, NULL) != QUIPU_OK)
        return false;
    uint32_t level = rc == QUIPU_E_BUSY ? QUIPU_LOG_DEBUG : QUIPU_LOG_WARNING; /* it was told when it failed */
    index_log(s->ix, level, "searching by words only, because the embedder failed");
    index_log(s->ix, level, why->message);
    return true;
}

/* Embeds what has to be embedded. Without any lock. */
static int32_t embed(search *s)
{
    const quipu_search *q = s->q;
    quipu_error why = { .struct_size = sizeof why };
    buffer scratch = { 0 };
    quipu_str text;
    index_patience patience = q->flags & QUIPU_SEARCH_WAIT                 ? INDEX_WAITS
                              : q->mode == QUIPU_SEARCH_AUTO && !q->vector ? INDEX_OPTIONAL
                                                                           : INDEX_HURRIES;
    int32_t rc = what_is_embedded(s, &scratch, &text);
    if (rc == QUIPU_OK) {
        rc = index_embed(s->ix, s->snapshot, text, q->vector, q->dimension, patience, &s->question, s->call, &why);
        if (rc != QUIPU_OK && can_do_without(s, patience, rc, &why)) {
            s->by_vector = false;
            rc = QUIPU_OK;
        } else if (rc != QUIPU_OK && s->error && s->error->struct_size >= sizeof why) {
            uint32_t size = s->error->struct_size;
            memcpy(s->error, &why, sizeof why);
            s->error->struct_size = size;
        }
    }
    buffer_free(&scratch);
    return rc;
}

/* ---- candidates ---- */

/* Two candidates with equal scores come in the order of their ids. */
static int compare_candidates(const search *s, const candidate *a, const candidate *b)
{
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return str_compare(segment_id(s->snapshot->parts[a->part].segment, a->document),
                       segment_id(s->snapshot->parts[b->part].segment, b->document));
}

/* Sorts by merging: few, mostly in order, and the comparison needs the search. */
static bool sort_candidates(search *s)
{
    candidate *other = malloc((s->count ? s->count : 1) * sizeof *other);
    if (!other)
        return false;
    for (size_t width = 1; width < s->count; width *= 2) {
        for (size_t from = 0; from < s->count; from += 2 * width) {
            size_t middle = from + width < s->count ? from + width : s->count;
            size_t end = from + 2 * width < s->count ? from + 2 * width : s->count;
            size_t a = from, b = middle;
            for (size_t to = from; to < end; to++) {
                bool left = a < middle && (b == end || compare_candidates(s, &s->found[a], &s->found[b]) <= 0);
                other[to] = left ? s->found[a++] : s->found[b++];
            }
        }
        candidate *swap = s->found;
        s->found = other;
        other = swap;
    }
    free(other);
    return true;
}

static int32_t like_question(void *context, words_match *matches, size_t count, quipu_error *error)
{
    search *s = context;
    vector_match *of = malloc((count + 1) * sizeof *of);
    if (!of)
        return no_memory(s);
    for (size_t i = 0; i < count; i++)
        of[i] = (vector_match){ .part = matches[i].part, .document = matches[i].document };
    int32_t code = index_cosines(s->snapshot, &s->question, of, count, s->call, error);
    for (size_t i = 0; i < count; i++)
        matches[i].score = of[i].cosine;
    free(of);
    return code;
}

static int32_t rank_words(search *s, uint64_t k)
{
    words_likeness likeness = { .nearest = s->nearest, .count = s->nearest_count, .of = like_question, .context = s };
    words_question question = {
        .text = s->q->text, .k = k, .language = s->ix->pending.language, .likeness = s->by_vector ? &likeness : NULL
    };
    words_answer_free(s->answer);
    s->answer = NULL;
    int32_t code = open_words(s);
    return code == QUIPU_OK ? words_rank(s->parts, s->snapshot->count, &question, &s->answer, s->call, s->error) : code;
}

/* The answer by words with at least k matches where there are as many, and all that are as good as the last of them: which of those
 * come first is for their ids to say. */
static int32_t best_by_words(search *s, uint64_t k)
{
    for (uint64_t asked = k + 8;; asked *= 4) {
        int32_t code = rank_words(s, asked);
        if (code != QUIPU_OK)
            return code;
        size_t count = words_answer_count(s->answer);
        const words_match *m = words_answer_matches(s->answer);
        if (count < asked || m[count - 1].score < m[k - 1].score)
            return QUIPU_OK;
    }
}

static int32_t take_words(search *s)
{
    size_t count = words_answer_count(s->answer);
    const words_match *m = words_answer_matches(s->answer);
    free(s->found);
    s->count = 0;
    s->found = malloc((count ? count : 1) * sizeof *s->found);
    if (!s->found)
        return no_memory(s);
    for (size_t i = 0; i < count; i++)
        s->found[s->count++] = (candidate){
            .score = m[i].score, .words = m[i].score, .match = i, .part = m[i].part, .document = m[i].document
        };
    return QUIPU_OK;
}

/* The nearest by vector: the candidates of a search by vector alone, else they go to the ranking by words. */
static int32_t find_nearest(search *s, uint64_t k)
{
    vector_match *near = NULL;
    size_t count = 0;
    int32_t code = index_nearest(s->snapshot, s->which, &s->question, (size_t)k, &near, &count, s->call, s->error);
    free(s->found);
    free(s->nearest);
    s->found = NULL;
    s->count = s->nearest_count = 0;
    s->nearest = code == QUIPU_OK && s->by_words ? malloc((count + 1) * sizeof *s->nearest) : NULL;
    s->found = code == QUIPU_OK && !s->by_words ? malloc((count + 1) * sizeof *s->found) : NULL;
    if (code == QUIPU_OK && !s->nearest && !s->found)
        code = no_memory(s);
    for (size_t i = 0; code == QUIPU_OK && i < count; i++)
        if (s->by_words)
            s->nearest[s->nearest_count++] = (words_match){ near[i].cosine, near[i].part, near[i].document };
        else
            s->found[s->count++] = (candidate){ .score = near[i].cosine,
                                                .cosine = near[i].cosine,
                                                .match = SIZE_MAX,
                                                .part = near[i].part,
                                                .document = near[i].document };
    free(near);
    return code;
}

/* Recency and importance, where the question weighs them. */
static void weigh(search *s)
{
    int64_t now = s->q->filter && s->q->filter->now != QUIPU_TIME_NONE ? s->q->filter->now : s->now;
    for (size_t i = 0; i < s->count; i++) {
        candidate *c = &s->found[i];
        const segment *in = s->snapshot->parts[c->part].segment;
        c->answer = c->score;
        c->weights = query_weigh(s->q, segment_int(in, COLUMN_CREATED_AT, c->document),
                                 segment_importance(in, c->document), now);
        c->score *= 1 + c->weights.recency + c->weights.importance;
    }
}

/* The candidates in order, enough for k where there are as many. */
static int32_t rank(search *s, uint64_t k)
{
    bool weighed = s->q->recency > 0 || s->q->importance > 0;
    uint64_t each = (s->by_vector || weighed) && k < FUSED_AT_LEAST ? FUSED_AT_LEAST : k;
    int32_t code = s->by_vector ? find_nearest(s, each) : QUIPU_OK;
    if (s->by_words && code == QUIPU_OK)
        code = best_by_words(s, each);
    if (s->by_words && code == QUIPU_OK)
        code = take_words(s);
    if (code == QUIPU_OK && weighed)
        weigh(s);
    if (code == QUIPU_OK && !sort_candidates(s))
        code = no_memory(s);
    return code;
}

/* ---- the answer ---- */

static void drop_candidates(search *s)
{
    for (size_t i = 0; i < s->count; i++)
        record_free(s->found[i].record);
    s->count = 0;
}

/* Decodes candidates until k of them match; *passed: how many did not, which are no longer admitted. */
static int32_t take_best(search *s, uint64_t k, size_t *passed)
{
    size_t kept = 0;
    *passed = 0;
    for (size_t i = 0; i < s->count && kept < k; i++) {
        candidate *c = &s->found[i];
        if (i % 256 == 255) {
            int32_t code = call_check(s->call, s->error);
            if (code != QUIPU_OK)
                return code;
        }
        int32_t match = look_at(s, c->part, c->document, &c->record);
        if (match < 0)
            return match;
        if (match == 1) {
            candidate good = *c;
            c->record = NULL;
            s->found[kept++] = good;
            continue;
        }
        (*passed)++;
        if (s->which[c->part].set)
            bits_drop(s->which[c->part].set, c->document);
    }
    s->count = kept;
    return QUIPU_OK;
}

/* Where the sets are not exact, what did not match is left out and the ranking is made again, deeper each time. */
static int32_t find(search *s)
{
    uint64_t depth = s->q->k;
    for (;;) {
        size_t passed, before;
        int32_t code = rank(s, depth);
        if (code != QUIPU_OK)
            return code;
        before = s->count;
        code = take_best(s, s->q->k, &passed);
        if (code != QUIPU_OK || passed == 0 || s->count == s->q->k || before < depth)
            return code;
        drop_candidates(s);
        depth *= 4;
    }
}

/* ---- showing ---- */

/* The components of one result as they come in; names are copied one after the other. */
typedef struct explanation {
    quipu_component *parts;
    size_t count, capacity;
    buffer names;
    bool failed;
} explanation;

static void add_component(void *context, quipu_str name, double value)
{
    explanation *e = context;
    if (e->count == e->capacity) {
        size_t capacity = e->capacity ? e->capacity * 2 : 32;
        quipu_component *parts = realloc(e->parts, capacity * sizeof *parts);
        e->failed = e->failed || !parts;
        if (!parts)
            return;
        e->parts = parts;
        e->capacity = capacity;
    }
    /* Where the name lies is settled when all are there. */
    e->parts[e->count++] = (quipu_component){ sizeof *e->parts, 0, { NULL, name.len }, value };
    buffer_append_str(&e->names, name);
}

static int32_t explain(search *s, const candidate *c, explanation *e)
{
    int32_t code = QUIPU_OK;
    size_t at = 0;
    e->count = 0;
    buffer_clear(&e->names);
    if (s->by_words)
        add_component(e, str_of(s->by_vector ? "hybrid" : "bm25"), c->words);
    if (s->by_words && c->match != SIZE_MAX)
        code = words_explain(s->answer, c->match, add_component, e, s->error);
    words_match its = { c->cosine, c->part, c->document };
    if (code == QUIPU_OK && s->by_words && s->by_vector)
        code = like_question(s, &its, 1, s->error);
    if (s->by_vector)
        add_component(e, str_of("cosine"), its.score);
    if (c->weights.recency > 0)
        add_component(e, str_of("recency"), c->answer * c->weights.recency);
    if (c->weights.importance > 0)
        add_component(e, str_of("importance"), c->answer * c->weights.importance);
    if (code == QUIPU_OK && (e->failed || e->names.failed))
        code = no_memory(s);
    for (size_t i = 0; code == QUIPU_OK && i < e->count; i++) {
        e->parts[i].name.ptr = e->names.bytes + at;
        at += (size_t)e->parts[i].name.len;
    }
    return code;
}

static int32_t show(search *s, quipu_hit_fn visit, void *context)
{
    explanation e = { 0 };
    bool stop = false;
    int32_t rc = QUIPU_OK;
    for (size_t i = 0; rc == QUIPU_OK && !stop && i < s->count; i++) {
        const candidate *c = &s->found[i];
        quipu_hit hit = { .struct_size = sizeof hit, .record = record_view(c->record), .score = c->score };
        if (s->q->flags & QUIPU_SEARCH_EXPLAIN) {
            rc = explain(s, c, &e);
            hit.components = (quipu_array){ e.parts, e.count, sizeof *e.parts };
        }
        if (rc == QUIPU_OK)
            rc = query_answer(visit(context, &hit), &stop, s->error);
    }
    free(e.parts);
    buffer_free(&e.names);
    return rc;
}

int32_t record_index_search(record_index *ix, const quipu_search *q, quipu_hit_fn visit, void *context,
                            const quipu_call *call, quipu_error *error)
{
    search s = { .ix = ix, .q = q, .call = call, .error = error };
    int32_t rc = query_check_search(q, error);
    if (rc == QUIPU_OK && str_present(q->as_of))
        rc = fail(error, QUIPU_E_UNSUPPORTED, "as_of", "this backend keeps no history");
    if (rc == QUIPU_OK)
        rc = abi_check_call(call, error);
    if (rc == QUIPU_OK)
        rc = index_snapshot_take(ix, &s.snapshot, error);
    if (rc != QUIPU_OK)
        return rc;
    s.now = index_now(ix);
    rc = choose(&s);
    if (rc == QUIPU_OK)
        rc = admit(&s);
    if (rc == QUIPU_OK && s.by_vector)
        rc = embed(&s);
    if (rc == QUIPU_OK)
        rc = find(&s);
    if (rc == QUIPU_OK)
        rc = show(&s, visit, context);
    drop_candidates(&s);
    free(s.found);
    free(s.nearest);
    words_answer_free(s.answer);
    for (size_t i = 0; s.which && i < s.snapshot->count; i++)
        bits_free(s.which[i].set);
    free(s.which);
    free(s.parts);
    vector_question_free(&s.question);
    index_snapshot_free(s.snapshot);
    return rc;
}
