/* commit_walk.c - the walk of commits.h: a heap of commits to visit, newest first, and a set of those already seen. */
#include "commits.h"

#include "trees.h"

#include <base/fail.h>

#include <stdlib.h>

typedef struct walk {
    objects *objects;
    commit *heap; /* largest committer time first */
    size_t count, capacity;
    object_id *seen; /* open addressing; none: free */
    size_t seen_count, seen_size;
    quipu_error *error;
} walk;

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to walk the history");
}

static object_id *seen_place(object_id *table, size_t size, const object_id *id)
{
    uint32_t at;
    memcpy(&at, id->bytes, sizeof at);
    while (!object_id_is_none(&table[at & (size - 1)]) && !object_id_equal(&table[at & (size - 1)], id))
        at++;
    return &table[at & (size - 1)];
}

/* Adds to the set; *known tells whether it was there. */
static int32_t see(walk *w, const object_id *id, bool *known)
{
    if ((w->seen_count + 1) * 2 > w->seen_size) {
        size_t size = w->seen_size ? w->seen_size * 2 : 256;
        object_id *table = calloc(size, sizeof *table);
        if (!table)
            return no_memory(w->error);
        for (size_t i = 0; i < w->seen_size; i++)
            if (!object_id_is_none(&w->seen[i]))
                *seen_place(table, size, &w->seen[i]) = w->seen[i];
        free(w->seen);
        w->seen = table;
        w->seen_size = size;
    }
    object_id *place = seen_place(w->seen, w->seen_size, id);
    *known = !object_id_is_none(place);
    if (!*known) {
        *place = *id;
        w->seen_count++;
    }
    return QUIPU_OK;
}

static bool later(const commit *a, const commit *b)
{
    return a->committed > b->committed;
}

static void swap(commit *a, commit *b)
{
    commit c = *a;
    *a = *b;
    *b = c;
}

static int32_t push(walk *w, const object_id *id)
{
    bool known = false;
    int32_t code = see(w, id, &known);
    if (code != QUIPU_OK || known)
        return code;
    if (w->count == w->capacity) {
        size_t capacity = w->capacity ? w->capacity * 2 : 16;
        commit *heap = realloc(w->heap, capacity * sizeof *heap);
        if (!heap)
            return no_memory(w->error);
        w->heap = heap;
        w->capacity = capacity;
    }
    code = commit_read(w->objects, id, &w->heap[w->count], w->error);
    if (code != QUIPU_OK)
        return code;
    for (size_t i = w->count++; i > 0 && later(&w->heap[i], &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&w->heap[i], &w->heap[(i - 1) / 2]);
    return QUIPU_OK;
}

static commit pop(walk *w)
{
    commit top = w->heap[0];
    w->heap[0] = w->heap[--w->count];
    for (size_t i = 0;;) {
        size_t best = i, left = 2 * i + 1, right = 2 * i + 2;
        if (left < w->count && later(&w->heap[left], &w->heap[best]))
            best = left;
        if (right < w->count && later(&w->heap[right], &w->heap[best]))
            best = right;
        if (best == i)
            return top;
        swap(&w->heap[i], &w->heap[best]);
        i = best;
    }
}

static int32_t object_of_parent(walk *w, const object_id *parent, const char *path, object_id *out)
{
    commit c;
    int32_t code = commit_read(w->objects, parent, &c, w->error);
    if (code != QUIPU_OK)
        return code;
    code = tree_find(w->objects, &c.tree, path, out, w->error);
    commit_free(&c);
    return code;
}

/* Does the commit change the path? Where one parent holds the same, only that side is followed (*only). */
static int32_t changes_path(walk *w, const commit *c, const char *path, bool *changed, int *only)
{
    object_id here, there;
    int32_t code = tree_find(w->objects, &c->tree, path, &here, w->error);
    *changed = !object_id_is_none(&here) || c->parent_count > 0;
    *only = -1;
    for (unsigned i = 0; i < c->parent_count && code == QUIPU_OK && *only < 0; i++) {
        code = object_of_parent(w, &c->parents[i], path, &there);
        if (code == QUIPU_OK && object_id_equal(&here, &there)) {
            *changed = false;
            *only = (int)i;
        }
    }
    return code;
}

static int32_t step(walk *w, const commit *c, const char *path, commit_fn visit, void *context)
{
    bool changed = true;
    int only = -1;
    int32_t code = path ? changes_path(w, c, path, &changed, &only) : QUIPU_OK;
    if (code == QUIPU_OK && changed)
        code = visit(context, c);
    for (unsigned i = 0; i < c->parent_count && code == QUIPU_OK; i++)
        if (only < 0 || only == (int)i)
            code = push(w, &c->parents[i]);
    return code;
}

int32_t commit_walk(objects *o, const object_id *from, const char *path, commit_fn visit, void *context,
                    quipu_error *error)
{
    walk w = { .objects = o, .error = error };
    int32_t code = object_id_is_none(from) ? QUIPU_OK : push(&w, from);
    while (code == QUIPU_OK && w.count > 0) {
        commit c = pop(&w);
        code = step(&w, &c, path, visit, context);
        commit_free(&c);
    }
    for (size_t i = 0; i < w.count; i++)
        commit_free(&w.heap[i]);
    free(w.heap);
    free(w.seen);
    return code;
}
