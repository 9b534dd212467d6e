/* words_best.c - see words_rank_inner.h: the best of many matches. */
#include "words_rank_inner.h"

#include <stdlib.h>

bool best_worse(const words_match *a, const words_match *b)
{
    if (a->score != b->score)
        return a->score < b->score;
    return a->part != b->part ? a->part > b->part : a->document > b->document;
}

static void sink(best *b, size_t at, words_match m)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= b->count)
            break;
        if (child + 1 < b->count && best_worse(&b->matches[child + 1], &b->matches[child]))
            child++;
        if (!best_worse(&b->matches[child], &m))
            break;
        b->matches[at] = b->matches[child];
        at = child;
    }
    b->matches[at] = m;
}

static bool grow(best *b)
{
    size_t capacity = b->capacity ? b->capacity * 2 : 512;
    words_match *matches = realloc(b->matches, capacity * sizeof *matches);
    if (!matches)
        return false;
    b->matches = matches;
    b->capacity = capacity;
    return true;
}

bool best_put(best *b, words_match m)
{
    if (b->count == b->most) {
        if (b->most > 0 && best_worse(&b->matches[0], &m))
            sink(b, 0, m);
        return true;
    }
    if (b->count == b->capacity && !grow(b))
        return false;
    size_t at = b->count++;
    for (; at > 0 && best_worse(&m, &b->matches[(at - 1) / 2]); at = (at - 1) / 2)
        b->matches[at] = b->matches[(at - 1) / 2];
    b->matches[at] = m;
    return true;
}

void best_sort(best *b)
{
    size_t count = b->count;
    while (b->count > 1) {
        words_match worst = b->matches[0], last = b->matches[--b->count];
        sink(b, 0, last);
        b->matches[b->count] = worst;
    }
    b->count = count;
}
