/*
 * words_count.c - see words_rank_inner.h: the statistics of a large searched set.
 *
 * What is gone counts for nothing, so that the same state gives the same scores whatever was there before or came after, as of
 * any commit. A block knows its own sums; where some of its documents are dead, the living are counted one by one.
 */
#include "words_rank_inner.h"

typedef struct sums {
    uint64_t lengths, worded;
} sums;

static bool all_alive(const words_part *p)
{
    uint32_t documents = p->words->documents;
    if (p->documents < documents)
        return false;
    for (uint32_t i = 0; i < documents / 64; i++)
        if (~p->alive[i])
            return false;
    uint64_t rest = (UINT64_C(1) << documents % 64) - 1;
    return !rest || (p->alive[documents / 64] & rest) == rest;
}

static void count_alive(const words_part *p, uint32_t documents, sums *s)
{
    for (uint32_t d = 0; d < documents; d++) {
        uint64_t length = bit_of(p->alive, d) ? p->words->lengths[d] : 0;
        s->lengths += length;
        s->worded += length > 0;
    }
}

static int32_t count_part(query *q, const words_part *p, sums *s, quipu_error *error)
{
    bool whole = all_alive(p), damaged = false;
    /* The bitmap may be shorter than the block: then its last documents cannot be asked for. */
    uint32_t documents = p->documents < p->words->documents ? p->documents : p->words->documents;
    if (whole) {
        s->lengths += p->words->head->lengths;
        s->worded += p->words->head->worded;
    } else {
        count_alive(p, documents, s);
    }
    const uint64_t *alive = whole || documents < p->words->documents ? NULL : p->alive;
    for (size_t t = 0; t < q->term_count; t++) {
        int32_t rc = alive ? call_check(q->call, error) : QUIPU_OK;
        if (rc != QUIPU_OK)
            return rc;
        q->terms[t].frequency += words_frequency(p->words, q->terms[t].key, alive, &damaged);
    }
    return damaged ? words_damaged(error) : QUIPU_OK;
}

int32_t query_count(query *q, quipu_error *error)
{
    sums s = { 0 };
    int32_t rc = QUIPU_OK;
    for (size_t p = 0; rc == QUIPU_OK && p < q->count; p++)
        rc = count_part(q, &q->parts[p], &s, error);
    q->documents = (double)s.worded;
    q->mean_length = s.worded ? (double)s.lengths / (double)s.worded : 0;
    return rc;
}
