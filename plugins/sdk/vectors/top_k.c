/* top_k.c - see top_k.h. */
#include "top_k.h"

#include <math.h>

void top_k_init(top_k *t, vectors_match *heap, uint32_t k)
{
    *t = (top_k){ .heap = heap, .k = k, .threshold = k ? -INFINITY : INFINITY };
}

/* True where a is a worse answer than b. */
static bool worse(vectors_match a, vectors_match b)
{
    return a.score < b.score || (a.score == b.score && a.row > b.row);
}

/* The worst of `count` stands at the top of the heap; lets what is at `at` sink. */
static void sink(vectors_match *heap, uint32_t count, uint32_t at)
{
    vectors_match moving = heap[at];
    for (;;) {
        uint64_t child = 2 * (uint64_t)at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && worse(heap[child + 1], heap[child]))
            child++;
        if (!worse(heap[child], moving))
            break;
        heap[at] = heap[child];
        at = (uint32_t)child;
    }
    heap[at] = moving;
}

static void make_heap(top_k *t)
{
    for (uint32_t i = t->count / 2; i > 0; i--)
        sink(t->heap, t->count, i - 1);
}

void top_k_add(top_k *t, float score, uint32_t row)
{
    vectors_match match = { score, row };
    if (t->count < t->k) {
        t->heap[t->count++] = match;
        if (t->count < t->k)
            return;
        make_heap(t);
    } else if (worse(t->heap[0], match)) {
        t->heap[0] = match;
        sink(t->heap, t->count, 0);
    }
    t->threshold = t->heap[0].score;
}

void top_k_finish(top_k *t)
{
    make_heap(t);
    for (uint32_t left = t->count; left > 1; left--) { /* heap sort: the worst goes to the end */
        vectors_match worst = t->heap[0];
        t->heap[0] = t->heap[left - 1];
        t->heap[left - 1] = worst;
        sink(t->heap, left - 1, 0);
    }
}
