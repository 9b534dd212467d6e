/* words_admit.c - see words_rank_inner.h: the documents that can be results. */
#include "words_rank_inner.h"

#include <stdlib.h>

/* Documents 64*i and following that are admitted, of those below `documents`. */
static uint64_t admitted_bits(const words_part *p, uint32_t documents, uint32_t i)
{
    uint64_t bits = p->admitted ? p->alive[i] & p->admitted[i] : p->alive[i];
    uint32_t left = documents - i * 64;
    return left < 64 ? bits & ((UINT64_C(1) << left) - 1) : bits;
}

static void count_part(query *q, size_t part)
{
    const words_part *p = &q->parts[part];
    admission *a = &q->admissions[part];
    a->documents = p->documents < p->words->documents ? p->documents : p->words->documents;
    a->first = (uint32_t)q->admitted;
    for (uint32_t i = 0; i * 64 < a->documents; i++)
        a->count += (uint32_t)__builtin_popcountll(admitted_bits(p, a->documents, i));
    q->admitted += a->count;
}

static bool list_part(query *q, size_t part)
{
    const words_part *p = &q->parts[part];
    admission *a = &q->admissions[part];
    uint32_t *at = q->list + a->first;
    a->before = malloc(((size_t)a->documents / 64 + 1) * sizeof *a->before);
    for (uint32_t i = 0; a->before && i * 64 < a->documents; i++) {
        a->before[i] = (uint32_t)(at - (q->list + a->first));
        for (uint64_t bits = admitted_bits(p, a->documents, i); bits; bits &= bits - 1)
            *at++ = i * 64 + (uint32_t)__builtin_ctzll(bits);
    }
    return a->before != NULL;
}

int32_t query_admit(query *q, quipu_error *error)
{
    q->admissions = calloc(q->count + 1, sizeof *q->admissions);
    if (!q->admissions)
        return query_no_memory(error);
    for (size_t i = 0; i < q->count; i++)
        count_part(q, i);
    q->exact = q->admitted <= EXACT_MAX;
    if (!q->exact)
        return QUIPU_OK;
    q->list = malloc(((size_t)q->admitted + 1) * sizeof *q->list);
    for (size_t i = 0; i < q->count; i++)
        if (!q->list || !list_part(q, i))
            return query_no_memory(error);
    return QUIPU_OK;
}

uint32_t query_place(const query *q, uint32_t part, uint32_t document)
{
    const words_part *p = &q->parts[part];
    const admission *a = &q->admissions[part];
    uint64_t below = admitted_bits(p, a->documents, document / 64) & ((UINT64_C(1) << document % 64) - 1);
    return a->first + a->before[document / 64] + (uint32_t)__builtin_popcountll(below);
}
