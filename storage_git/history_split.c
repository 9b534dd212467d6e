/*
 * history_split.c - see history_split.h. Commits are visited newest first and painted by the sides that lead to them; one that both
 * lead to is common, and so is all behind it. The walk ends when nothing is left that only one side leads to.
 */
#include "history_split.h"

#include "commit_links.h"

#include <base/fail.h>

#include <stdlib.h>

enum { FROM_A = 1, FROM_B = 2, BOTH = 3, BEHIND = 4 /* an ancestor of a common one */ };

typedef struct node {
    object_id id, tree;
    int64_t committed;
    object_id parents[COMMIT_PARENTS_MAX];
    unsigned parent_count;
    unsigned paint;
    bool waiting; /* in the heap */
} node;

typedef struct walk {
    commit_links sides[2];
    node **nodes; /* open addressing; NULL: free */
    size_t count, size;
    node **heap; /* latest first */
    size_t heap_count, heap_size;
    node **order; /* as they were visited first */
    size_t order_count, order_size;
    quipu_error *error;
} walk;

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to compare two histories");
}

static size_t place_of(node **table, size_t size, const object_id *id)
{
    uint32_t at;
    memcpy(&at, id->bytes, sizeof at);
    while (table[at & (size - 1)] && !object_id_equal(&table[at & (size - 1)]->id, id))
        at++;
    return at & (size - 1);
}

static bool grow_table(walk *w)
{
    size_t size = w->size ? w->size * 2 : 256;
    node **table = calloc(size, sizeof *table);
    if (!table)
        return false;
    for (size_t i = 0; i < w->size; i++)
        if (w->nodes[i])
            table[place_of(table, size, &w->nodes[i]->id)] = w->nodes[i];
    free(w->nodes);
    w->nodes = table;
    w->size = size;
    return true;
}

static bool append(node ***list, size_t *count, size_t *size, node *n)
{
    if (*count == *size) {
        size_t larger = *size ? *size * 2 : 64;
        node **grown = realloc(*list, larger * sizeof **list);
        if (!grown)
            return false;
        *list = grown;
        *size = larger;
    }
    (*list)[(*count)++] = n;
    return true;
}

static int32_t load(walk *w, const object_id *id, unsigned paint, node **out)
{
    commit_link link;
    node *n = calloc(1, sizeof *n);
    *out = n;
    if (!n)
        return no_memory(w->error);
    int32_t code = commit_link_read(&w->sides[paint & FROM_A ? 0 : 1], id, &link, w->error);
    if (code != QUIPU_OK) {
        free(n);
        return code;
    }
    n->id = *id;
    n->tree = link.tree;
    n->committed = link.committed;
    n->parent_count = link.parent_count;
    memcpy(n->parents, link.parents, sizeof n->parents);
    w->nodes[place_of(w->nodes, w->size, id)] = n;
    w->count++;
    return append(&w->order, &w->order_count, &w->order_size, n) ? QUIPU_OK : no_memory(w->error);
}

/* By time; among equals by name, so that the sides make no difference. */
static bool before(const node *a, const node *b)
{
    if (a->committed != b->committed)
        return a->committed > b->committed;
    return memcmp(a->id.bytes, b->id.bytes, sizeof a->id.bytes) > 0;
}

static void swap(node **a, node **b)
{
    node *n = *a;
    *a = *b;
    *b = n;
}

static int32_t paint(walk *w, const object_id *id, unsigned colour)
{
    if ((w->count + 1) * 2 > w->size && !grow_table(w))
        return no_memory(w->error);
    node *n = w->nodes[place_of(w->nodes, w->size, id)];
    int32_t code = n ? QUIPU_OK : load(w, id, colour, &n);
    if (code != QUIPU_OK || (n->paint & colour) == colour)
        return code;
    n->paint |= colour;
    if (n->waiting)
        return QUIPU_OK;
    if (!append(&w->heap, &w->heap_count, &w->heap_size, n))
        return no_memory(w->error);
    n->waiting = true;
    for (size_t i = w->heap_count - 1; i > 0 && before(w->heap[i], w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&w->heap[i], &w->heap[(i - 1) / 2]);
    return QUIPU_OK;
}

static node *pop(walk *w)
{
    node *top = w->heap[0];
    w->heap[0] = w->heap[--w->heap_count];
    for (size_t i = 0;;) {
        size_t best = i, left = 2 * i + 1, right = 2 * i + 2;
        if (left < w->heap_count && before(w->heap[left], w->heap[best]))
            best = left;
        if (right < w->heap_count && before(w->heap[right], w->heap[best]))
            best = right;
        if (best == i)
            break;
        swap(&w->heap[i], &w->heap[best]);
        i = best;
    }
    top->waiting = false;
    return top;
}

/* The heap holds about one commit a line of history, so looking through it is quick. */
static bool goes_on(const walk *w)
{
    for (size_t i = 0; i < w->heap_count; i++)
        if (!(w->heap[i]->paint & BEHIND))
            return true;
    return false;
}

static int32_t paint_all(walk *w)
{
    int32_t code = QUIPU_OK;
    while (code == QUIPU_OK && goes_on(w)) {
        node *n = pop(w);
        unsigned colour = n->paint & BOTH;
        if (colour == BOTH)
            colour |= BEHIND;
        for (unsigned i = 0; i < n->parent_count && code == QUIPU_OK; i++)
            code = paint(w, &n->parents[i], colour);
    }
    return code;
}

/* What is behind a common one may have been visited before that was known, as only one side's: commits of one second come in any order. */
static int32_t paint_visited(walk *w)
{
    int32_t code = QUIPU_OK;
    while (code == QUIPU_OK && w->heap_count > 0) {
        const node *n = pop(w);
        for (unsigned i = 0; i < n->parent_count && code == QUIPU_OK; i++)
            if (w->nodes[place_of(w->nodes, w->size, &n->parents[i])])
                code = paint(w, &n->parents[i], BOTH | BEHIND);
    }
    return code;
}

/* The first merge of these two that only this side leads to. */
static const node *merge_of(const walk *w, unsigned colour, const node *a, const node *b)
{
    for (size_t i = 0; i < w->order_count; i++) {
        const node *n = w->order[i];
        if (n->paint == colour && n->parent_count == 2 &&
            ((object_id_equal(&n->parents[0], &a->id) && object_id_equal(&n->parents[1], &b->id)) ||
             (object_id_equal(&n->parents[0], &b->id) && object_id_equal(&n->parents[1], &a->id))))
            return n;
    }
    return NULL;
}

/* best: of the common ancestors that no other common one leads to, the latest. */
static object_id stand_in(const walk *w, const node *best)
{
    const node *second = NULL;
    size_t count = 0;
    for (size_t i = 0; i < w->order_count; i++)
        if (w->order[i]->paint == BOTH) {
            second = w->order[i] == best ? second : w->order[i];
            count++;
        }
    if (count != 2)
        return best->id;
    const node *a = merge_of(w, FROM_A, best, second), *b = merge_of(w, FROM_B, best, second);
    return a && b && object_id_equal(&a->tree, &b->tree) ? a->id : best->id;
}

static int32_t collect(const walk *w, history_split *out)
{
    const node *best = NULL;
    out->only_in_b = calloc(w->order_count ? w->order_count : 1, sizeof *out->only_in_b);
    if (!out->only_in_b)
        return no_memory(w->error);
    for (size_t i = 0; i < w->order_count; i++) {
        const node *n = w->order[i];
        if (n->paint == FROM_B)
            out->only_in_b[out->only_in_b_count++] = n->id;
        if (n->paint == BOTH && (!best || before(n, best)))
            best = n;
    }
    if (best) {
        out->base = best->id;
        out->common = stand_in(w, best);
    }
    return QUIPU_OK;
}

int32_t history_split_read(objects *a_objects, const object_id *a, objects *b_objects, const object_id *b,
                           history_split *out, quipu_error *error)
{
    walk w = { .error = error };
    *out = (history_split){ 0 };
    commit_links_begin(&w.sides[0], a_objects);
    commit_links_begin(&w.sides[1], b_objects);
    int32_t code = object_id_is_none(a) ? QUIPU_OK : paint(&w, a, FROM_A);
    if (code == QUIPU_OK && !object_id_is_none(b))
        code = paint(&w, b, FROM_B);
    if (code == QUIPU_OK)
        code = paint_all(&w);
    if (code == QUIPU_OK)
        code = paint_visited(&w);
    if (code == QUIPU_OK)
        code = collect(&w, out);
    commit_links_end(&w.sides[0]);
    commit_links_end(&w.sides[1]);
    for (size_t i = 0; i < w.size; i++)
        free(w.nodes[i]);
    free(w.nodes);
    free(w.heap);
    free(w.order);
    return code;
}

void history_split_free(history_split *split)
{
    free(split->only_in_b);
    *split = (history_split){ 0 };
}
