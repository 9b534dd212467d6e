/* tree_diff.c - the difference between two trees (trees.h): folders with equal names and ids are never opened. */
#include "trees.h"

#include "object_reader.h"
#include "tree_entries.h"

#include <base/fail.h>

enum { DEPTH_MAX = 64 };

typedef struct diff {
    object_reader *reader;
    buffer path; /* of the folder at hand, with a '/' at its end where it is not the root */
    bool part;   /* below a folder: who asks wants to read what is there, and a submodule is no file of this store */
    tree_change_fn visit;
    void *context;
    quipu_error *error;
} diff;

static int32_t diff_folders(diff *d, const object_id *from, const object_id *to, unsigned depth);

static int32_t load(diff *d, const object_id *id, buffer *out)
{
    return object_id_is_none(id) ? QUIPU_OK : object_reader_read(d->reader, id, OBJECT_TREE, out, d->error);
}

static object_id id_of(const tree_entry *entry)
{
    object_id id = { { 0 } };
    if (entry)
        memcpy(id.bytes, entry->id, sizeof id.bytes);
    return id;
}

/* One name that is on either side or both; the sorts (file, folder) of both sides are equal where both are there. */
static int32_t diff_entry(diff *d, const tree_entry *a, const tree_entry *b, unsigned depth)
{
    const tree_entry *either = a ? a : b;
    object_id before = id_of(a), after = id_of(b);
    size_t keep = d->path.len;
    int32_t code;
    if (object_id_equal(&before, &after))
        return QUIPU_OK;
    buffer_append(&d->path, either->name, either->name_len);
    if (either->folder)
        buffer_append_char(&d->path, '/');
    if (d->path.failed)
        return fail(d->error, QUIPU_E_NO_MEMORY, NULL, "no memory to compare two revisions");
    if (either->folder) {
        code = diff_folders(d, &before, &after, depth + 1);
    } else {
        tree_change change = { d->path.bytes, before, after };
        code = d->visit(d->context, &change);
    }
    d->path.len = keep;
    d->path.bytes[keep] = '\0';
    return code;
}

static int32_t merge_walk(diff *d, const buffer *a_tree, const buffer *b_tree, unsigned depth, bool *damaged)
{
    tree_entry a, b;
    size_t a_at = 0, b_at = 0;
    bool a_more = tree_next(a_tree, &a_at, &a, damaged), b_more = tree_next(b_tree, &b_at, &b, damaged);
    int32_t code = QUIPU_OK;
    while (code == QUIPU_OK && !*damaged && (a_more || b_more)) {
        int order = !a_more ? 1 : !b_more ? -1 : tree_order(a.name, a.name_len, a.folder, b.name, b.name_len, b.folder);
        const tree_entry *first = order <= 0 && !(d->part && a.submodule) ? &a : NULL;
        const tree_entry *second = order >= 0 && !(d->part && b.submodule) ? &b : NULL;
        code = first || second ? diff_entry(d, first, second, depth) : QUIPU_OK;
        if (order <= 0)
            a_more = tree_next(a_tree, &a_at, &a, damaged);
        if (order >= 0)
            b_more = tree_next(b_tree, &b_at, &b, damaged);
    }
    return code;
}

static int32_t diff_folders(diff *d, const object_id *from, const object_id *to, unsigned depth)
{
    buffer a_tree = { 0 }, b_tree = { 0 };
    bool damaged = false;
    if (depth > DEPTH_MAX)
        return fail(d->error, QUIPU_E_CORRUPT, NULL, "folders are nested more than %d deep at %s", DEPTH_MAX,
                    d->path.bytes);
    int32_t code = load(d, from, &a_tree);
    if (code == QUIPU_OK)
        code = load(d, to, &b_tree);
    if (code == QUIPU_OK)
        code = merge_walk(d, &a_tree, &b_tree, depth, &damaged);
    if (code == QUIPU_OK && damaged)
        code = fail(d->error, QUIPU_E_CORRUPT, NULL, "a tree at %s is damaged; run `quipu verify`",
                    d->path.len ? d->path.bytes : "the root");
    buffer_free(&a_tree);
    buffer_free(&b_tree);
    return code;
}

static int32_t below(objects *o, const object_id *root, const char *prefix, object_id *out, quipu_error *error)
{
    *out = *root;
    return *prefix ? tree_find(o, root, prefix, out, error) : QUIPU_OK;
}

int32_t tree_diff(objects *o, const object_id *from, const object_id *to, const char *prefix, tree_change_fn visit,
                  void *context, quipu_error *error)
{
    diff d = { .part = *prefix != '\0', .visit = visit, .context = context, .error = error };
    object_id before, after;
    buffer_append_text(&d.path, prefix);
    if (*prefix)
        buffer_append_char(&d.path, '/');
    int32_t code = below(o, from, prefix, &before, error);
    if (code == QUIPU_OK)
        code = below(o, to, prefix, &after, error);
    if (code == QUIPU_OK)
        code = object_reader_create(o, &d.reader, error);
    if (code == QUIPU_OK && !object_id_equal(&before, &after))
        code = diff_folders(&d, &before, &after, 0);
    object_reader_free(d.reader);
    buffer_free(&d.path);
    return code;
}
