/*
 * words_likeness.c - see words_rank_inner.h: what is like the question by other means than words.
 *
 * Models differ in which likeness means anything: of one 0.3 is much, of another 0.7 is nothing. So it is measured between the first and
 * the 96th of the nearest, however many are wanted, and in units of the best score by words: the nearest document gets as much as LIKENESS
 * of that.
 */
#include "words_rank_inner.h"

#include <stdlib.h>

/* From 0.3 to 0.5 a sentence encoder finds the same; above, hashed vectors find less than words alone. */
#define LIKENESS 0.45
/* An answer is understood by what it answers: 0.3 of the likeness of the turn before brings 0.8 per cent more first places, 0.5 a third of that. */
#define BEFORE 0.3
/* From the 64th to the 128th it is the same within noise; the 256th is any document in a store of a few hundred, and costs 0.7 per cent of the
 * first places. */
#define NEAREST 96u

int32_t query_add_nearest(query *q, quipu_error *error)
{
    const words_likeness *l = q->likeness;
    for (size_t i = 0; l && i < l->count; i++) {
        const words_match *m = &l->nearest[i];
        if (m->part < q->count && query_admits(q, m->part, m->document) &&
            m->document < q->admissions[m->part].documents && !query_has_candidate(q, m->part, m->document) &&
            !query_add_candidate(q, m->part, m->document))
            return query_no_memory(error);
    }
    q->hit_count = q->candidate_count;
    return QUIPU_OK;
}

/* 1 at the nearest, 0 at the last of the first NEAREST and below. */
static double share_of(const words_likeness *l, double score)
{
    double high = l->nearest[0].score, low = l->nearest[(l->count < NEAREST ? l->count : NEAREST) - 1].score;
    if (!(score > low))
        return high > low ? 0 : score >= high; /* all alike */
    return score < high ? (score - low) / (high - low) : 1;
}

int32_t query_add_likeness(query *q, quipu_error *error)
{
    const words_likeness *l = q->likeness;
    double most = LIKENESS * (q->scored_count > 0 ? q->candidates[0].words : 1);
    if (!l || l->count == 0)
        return QUIPU_OK;
    words_match *all = malloc((q->candidate_count + 1) * sizeof *all);
    if (!all)
        return query_no_memory(error);
    for (size_t i = 0; i < q->candidate_count; i++)
        all[i] = (words_match){ 0, q->candidates[i].part, q->candidates[i].document };
    int32_t rc = l->of(l->context, all, q->candidate_count, error);
    for (size_t i = 0; rc == QUIPU_OK && i < q->candidate_count; i++)
        all[i].score = share_of(l, all[i].score);
    for (size_t i = 0; rc == QUIPU_OK && i < q->candidate_count; i++) {
        uint32_t before = q->candidates[i].near[1];
        q->candidates[i].like = most * (all[i].score + (before == WORDS_NONE ? 0 : BEFORE * all[before].score));
    }
    free(all);
    return rc;
}
