/*
 * fuzz_tree.c - two tree objects, the second after its length of the first in two bytes: any bytes are read safely, and what
 * is a tree stays one under put and remove, and goes over into the other by a delta.
 */
#include "fuzz.h"

#include <storage_git/delta.h>
#include <storage_git/tree_entries.h>

/* Nothing at all is an empty buffer, as callers have it that begin a folder. */
static buffer take(const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return (buffer){ 0 };
    return (buffer){ .bytes = fuzz_copy(bytes, len), .len = len, .capacity = len + 1 };
}

/* True for a tree whose bytes are whole; *sorted: in order, and no name twice. */
static bool is_tree(const buffer *tree, bool *sorted)
{
    tree_entry e, before = { 0 }, first;
    bool damaged = false, any = false;
    size_t offset = 0;
    *sorted = true;
    while (tree_next(tree, &offset, &e, &damaged)) {
        PROMISE(e.len > 21 && e.offset + e.len == offset && offset <= tree->len);
        PROMISE(strlen(e.name) == e.name_len);
        if (any && tree_order(before.name, before.name_len, before.folder, e.name, e.name_len, e.folder) >= 0)
            *sorted = false;
        if (!tree_entry_find(tree, e.name, e.name_len, &first, &damaged) || first.offset != e.offset)
            *sorted = false;
        before = e;
        any = true;
    }
    PROMISE(damaged || offset == tree->len);
    return !damaged;
}

static void check_applied(const buffer *from, const buffer *delta, const buffer *to)
{
    buffer made = { 0 };
    PROMISE(!delta->failed && delta_apply(from, delta, &made));
    PROMISE(made.len == to->len && (made.len == 0 || memcmp(made.bytes, to->bytes, made.len) == 0));
    buffer_free(&made);
}

/* What the edits left as it was is told truly. */
static void check_edits_delta(const buffer *from, const tree_edits *edits, const buffer *to)
{
    buffer delta = { 0 };
    tree_edits_delta(edits, to, &delta);
    check_applied(from, &delta, to);
    buffer_free(&delta);
}

/* By halving the same is found and made as by looking at each entry. */
static void check_even(const buffer *tree, const char *name, size_t len, bool folder)
{
    static const object_id id = { { 3, 2, 1 } };
    buffer one = { 0 }, other = { 0 };
    tree_edits one_edits = tree_edits_begin(tree), other_edits = one_edits;
    tree_entry e, found;
    bool damaged = false, was, is;
    size_t even = tree_even(tree);
    buffer_append(&one, tree->bytes, tree->len);
    buffer_append(&other, tree->bytes, tree->len);
    was = tree_entry_find(tree, name, len, &e, &damaged);
    is = tree_even_find(tree, even, name, len, &found, &damaged);
    PROMISE(!damaged && was == is && (!was || (e.offset == found.offset && e.len == found.len)));
    tree_entry_put(&one, name, len, folder, &id, &one_edits);
    tree_even_put(&other, &even, name, len, folder, &id, &other_edits);
    PROMISE(one.len == other.len && memcmp(one.bytes, other.bytes, one.len) == 0);
    PROMISE(one_edits.head == other_edits.head && one_edits.tail == other_edits.tail);
    PROMISE(even == 0 || even == tree_even(&other));
    buffer_free(&one);
    buffer_free(&other);
}

/* Each name of the tree, and some beside it. */
static void check_even_names(const buffer *tree)
{
    tree_entry e;
    bool damaged = false;
    char name[64];
    for (size_t offset = 0; tree_next(tree, &offset, &e, &damaged);) {
        check_even(tree, e.name, e.name_len, e.folder);
        check_even(tree, e.name, e.name_len, !e.folder);
        if (e.name_len >= sizeof name)
            continue;
        memcpy(name, e.name, e.name_len);
        for (int step = -1; step <= 1; step += 2) {
            name[e.name_len - 1] = (char)(e.name[e.name_len - 1] + step);
            if (!memchr(name, '\0', e.name_len))
                check_even(tree, name, e.name_len, e.folder);
        }
    }
}

static void check_edits(const buffer *tree, const char *name, size_t len, bool folder)
{
    static const object_id id = { { 1, 2, 3 } };
    buffer copy = { 0 };
    tree_entry e;
    bool damaged = false, sorted;
    buffer_append(&copy, tree->bytes, tree->len);
    tree_edits edits = tree_edits_begin(&copy);
    tree_entry_put(&copy, name, len, folder, &id, &edits);
    check_edits_delta(tree, &edits, &copy);
    PROMISE(!copy.failed && is_tree(&copy, &sorted) && sorted);
    PROMISE(tree_entry_find(&copy, name, len, &e, &damaged) && e.folder == folder && memcmp(e.id, id.bytes, 20) == 0);
    tree_entry_remove(&copy, name, len, &edits);
    check_edits_delta(tree, &edits, &copy);
    PROMISE(is_tree(&copy, &sorted) && sorted);
    PROMISE(!tree_entry_find(&copy, name, len, &e, &damaged) && !damaged);
    buffer_free(&copy);
}

/* Any bytes into any others. */
static void check_delta(const buffer *from, const buffer *to)
{
    delta_maker maker = { 0 };
    buffer delta = { 0 }, made = { 0 };
    if (delta_make(&maker, from, to, SIZE_MAX, &delta))
        check_applied(from, &delta, to);
    delta_apply(from, to, &made); /* as if it were instructions */
    delta_maker_free(&maker);
    buffer_free(&delta);
    buffer_free(&made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 1 << 14)
        return 0;
    size_t first = ((size_t)data[0] << 8 | data[1]) % (size - 1);
    buffer from = take(data + 2, first), to = take(data + 2 + first, size - 2 - first), delta = { 0 };
    bool from_sorted, to_sorted, damaged = false;
    tree_entry e;
    bool from_good = is_tree(&from, &from_sorted), to_good = is_tree(&to, &to_sorted);
    if (from_good && from_sorted) {
        check_even_names(&from);
        check_even(&from, "m", 1, false);
        check_edits(&from, "m", 1, false);
        check_edits(&from, "m", 1, true);
        if (tree_entry_find(&from, "a", 1, &e, &damaged))
            check_edits(&from, "a", 1, !e.folder);
    }
    if (from_good && to_good) {
        tree_delta(&from, &to, &delta);
        check_applied(&from, &delta, &to);
    }
    check_delta(&from, &to);
    buffer_free(&delta);
    buffer_free(&from);
    buffer_free(&to);
    return 0;
}
