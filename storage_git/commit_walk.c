/* commit_walk.c - the walk of commits.h: a heap of commits to visit, newest first, and a set of those already seen. */
#include "commit_links.h"
#include "id_map.h"
#include "trees.h"

#include <base/fail.h>

#include <stdlib.h>

typedef struct walk {
    objects *objects;
    commit_links links;
    const char *paths[2]; /* that are asked for; none: all */
    path_keys keys[2];
    unsigned path_count;
    commit *heap; /* largest committer time first */
    size_t count, capacity;
    id_map seen;
    quipu_error *error;
} walk;

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to walk the history");
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
    uint32_t number;
    object_id at = *id;
    if (w->path_count)
        commit_links_skip(&w->links, w->keys, w->path_count, &at);
    if (!id_map_add(&w->seen, &at, &number, &known))
        return no_memory(w->error);
    if (known)
        return QUIPU_OK;
    if (w->count == w->capacity) {
        size_t capacity = w->capacity ? w->capacity * 2 : 16;
        commit *heap = realloc(w->heap, capacity * sizeof *heap);
        if (!heap)
            return no_memory(w->error);
        w->heap = heap;
        w->capacity = capacity;
    }
    int32_t code = commit_read(w->objects, &at, &w->heap[w->count], w->error);
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
    commit_link link;
    int32_t code = commit_link_read(&w->links, parent, &link, w->error);
    return code == QUIPU_OK ? tree_find(w->objects, &link.tree, path, out, w->error) : code;
}

/* Does the commit change the paths? Where one parent holds the same, only that side is followed (*only). */
static int32_t changes_paths(walk *w, const commit *c, bool *changed, int *only)
{
    object_id here[2], there;
    int32_t code = QUIPU_OK;
    *changed = c->parent_count > 0;
    *only = -1;
    for (unsigned k = 0; k < w->path_count && code == QUIPU_OK; k++) {
        code = tree_find(w->objects, &c->tree, w->paths[k], &here[k], w->error);
        *changed = *changed || (code == QUIPU_OK && !object_id_is_none(&here[k]));
    }
    for (unsigned i = 0; i < c->parent_count && code == QUIPU_OK && *only < 0; i++) {
        bool same = true;
        for (unsigned k = 0; k < w->path_count && code == QUIPU_OK && same; k++) {
            code = object_of_parent(w, &c->parents[i], w->paths[k], &there);
            same = code == QUIPU_OK && object_id_equal(&here[k], &there);
        }
        if (code == QUIPU_OK && same) {
            *changed = false;
            *only = (int)i;
        }
    }
    return code;
}

static int32_t step(walk *w, const commit *c, commit_fn visit, void *context)
{
    bool changed = true;
    int only = -1;
    int32_t code = w->path_count ? changes_paths(w, c, &changed, &only) : QUIPU_OK;
    if (code == QUIPU_OK && changed)
        code = visit(context, c);
    for (unsigned i = 0; i < c->parent_count && code == QUIPU_OK; i++)
        if (only < 0 || only == (int)i)
            code = push(w, &c->parents[i]);
    return code;
}

int32_t commit_walk(objects *o, const object_id *from, const char *path, const char *also, commit_fn visit,
                    void *context, quipu_error *error)
{
    walk w = { .objects = o, .paths = { path, also }, .path_count = path ? also ? 2 : 1 : 0, .error = error };
    for (unsigned k = 0; k < w.path_count; k++)
        path_keys_make(w.paths[k], &w.keys[k]);
    commit_links_begin(&w.links, o);
    int32_t code = object_id_is_none(from) ? QUIPU_OK : push(&w, from);
    while (code == QUIPU_OK && w.count > 0) {
        commit c = pop(&w);
        code = step(&w, &c, visit, context);
        commit_free(&c);
    }
    for (size_t i = 0; i < w.count; i++)
        commit_free(&w.heap[i]);
    commit_links_end(&w.links);
    free(w.heap);
    id_map_free(&w.seen);
    return code;
}
