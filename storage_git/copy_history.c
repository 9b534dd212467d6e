/*
 * copy_history.c - see copy_history.h. Oldest commit first; of each tree only what differs from the first parent's is opened, and it is
 * stored as the difference to that one where that one is in the pack.
 */
#include "copy_history.h"

#include "tree_entries.h"

#include <base/fail.h>

enum { DEPTH_MAX = 64 };

typedef struct copy {
    objects *from;
    pack_writer *pack;
    quipu_error *error;
} copy;

static int32_t copy_blob(const copy *c, const object_id *id)
{
    buffer bytes = { 0 };
    object_id again;
    int32_t code = objects_read(c->from, id, OBJECT_BLOB, &bytes, c->error);
    if (code == QUIPU_OK)
        code = pack_writer_add(c->pack, OBJECT_BLOB, bytes.bytes ? bytes.bytes : "", bytes.len, &again, c->error);
    buffer_free(&bytes);
    return code;
}

static int32_t add_tree(const copy *c, const object_id *old_id, const buffer *old, const buffer *tree)
{
    object_id id;
    buffer delta = { 0 };
    if (object_id_is_none(old_id) || !pack_writer_has(c->pack, old_id))
        return pack_writer_add(c->pack, OBJECT_TREE, tree->bytes ? tree->bytes : "", tree->len, &id, c->error);
    tree_delta(old, tree, &delta);
    int32_t code = delta.failed ? fail(c->error, QUIPU_E_NO_MEMORY, NULL, "no memory to copy a revision")
                                : pack_writer_add_delta(c->pack, OBJECT_TREE, tree->bytes, tree->len, old_id,
                                                        delta.bytes, delta.len, &id, c->error);
    buffer_free(&delta);
    return code;
}

static int32_t copy_tree(const copy *c, const object_id *id, const object_id *old_id, unsigned depth);

/* What is in the tree and not, under the same name, in the old one. */
static int32_t copy_entries(const copy *c, const buffer *tree, const buffer *old, unsigned depth)
{
    tree_entry entry, former;
    size_t at = 0;
    bool damaged = false;
    int32_t code = QUIPU_OK;
    while (code == QUIPU_OK && tree_next(tree, &at, &entry, &damaged)) {
        object_id id, old_id = { { 0 } };
        memcpy(id.bytes, entry.id, sizeof id.bytes);
        if (tree_entry_find(old, entry.name, entry.name_len, &former, &damaged) && former.folder == entry.folder)
            memcpy(old_id.bytes, former.id, sizeof old_id.bytes);
        if (object_id_equal(&id, &old_id) || pack_writer_has(c->pack, &id))
            continue;
        code = entry.folder ? copy_tree(c, &id, &old_id, depth + 1) : copy_blob(c, &id);
    }
    if (code == QUIPU_OK && damaged)
        code = fail(c->error, QUIPU_E_CORRUPT, NULL, "a tree of the other repository is damaged; run `git fsck` there");
    return code;
}

static int32_t copy_tree(const copy *c, const object_id *id, const object_id *old_id, unsigned depth)
{
    buffer tree = { 0 }, old = { 0 };
    if (depth > DEPTH_MAX)
        return fail(c->error, QUIPU_E_CORRUPT, NULL, "folders are nested more than %d deep", DEPTH_MAX);
    int32_t code = objects_read(c->from, id, OBJECT_TREE, &tree, c->error);
    if (code == QUIPU_OK && !object_id_is_none(old_id))
        code = objects_read(c->from, old_id, OBJECT_TREE, &old, c->error);
    if (code == QUIPU_OK)
        code = copy_entries(c, &tree, &old, depth);
    if (code == QUIPU_OK)
        code = add_tree(c, old_id, &old, &tree);
    buffer_free(&tree);
    buffer_free(&old);
    return code;
}

static int32_t copy_commit(const copy *c, const object_id *id)
{
    commit whole, parent;
    object_id old = { { 0 } }, again;
    int32_t code = commit_read(c->from, id, &whole, c->error);
    if (code != QUIPU_OK)
        return code;
    if (whole.parent_count) {
        code = commit_read(c->from, &whole.parents[0], &parent, c->error);
        if (code == QUIPU_OK) {
            old = parent.tree;
            commit_free(&parent);
        }
    }
    if (code == QUIPU_OK && !object_id_equal(&whole.tree, &old) && !pack_writer_has(c->pack, &whole.tree))
        code = copy_tree(c, &whole.tree, &old, 0);
    if (code == QUIPU_OK)
        code = pack_writer_add(c->pack, OBJECT_COMMIT, whole.bytes.bytes, whole.bytes.len, &again, c->error);
    commit_free(&whole);
    return code;
}

int32_t copy_history(objects *from, const history_split *split, pack_writer *pack, const quipu_call *call,
                     quipu_error *error)
{
    copy c = { from, pack, error };
    int32_t code = QUIPU_OK;
    for (size_t i = split->only_in_b_count; i > 0 && code == QUIPU_OK; i--) {
        code = call_check(call, error);
        if (code == QUIPU_OK)
            code = copy_commit(&c, &split->only_in_b[i - 1]);
    }
    return code;
}
