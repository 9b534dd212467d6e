/* top_k.h - the k best rows seen so far and the score that a further one must exceed. */
#ifndef SDK_VECTORS_TOP_K_H
#define SDK_VECTORS_TOP_K_H

#include <sdk/vectors.h>

typedef struct top_k {
    vectors_match *heap; /* the worst one first, once there are k */
    uint32_t count, k;
    float threshold; /* -INFINITY as long as there are fewer than k; never passed by what is not a number */
} top_k;

/* heap: lent, room for k. */
void top_k_init(top_k *t, vectors_match *heap, uint32_t k);
/* The row's score is over the threshold. */
void top_k_add(top_k *t, float score, uint32_t row);
/* Sorts them: best first, equal ones by number. */
void top_k_finish(top_k *t);

#endif
