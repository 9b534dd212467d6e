/* tree_entries.c - see tree_entries.h. */
#include "tree_entries.h"

#include "delta.h"

static bool begins(const char *at, size_t left, const char *with, size_t len)
{
    return left >= len && memcmp(at, with, len) == 0;
}

/* The blank after the mode; the two that nearly every entry has are told at a glance. */
static const char *mode_end(const char *at, size_t left)
{
    if (begins(at, left, "100644 ", 7))
        return at + 6;
    if (begins(at, left, "40000 ", 6))
        return at + 5;
    return memchr(at, ' ', left < 8 ? left : 8);
}

bool tree_next(const buffer *tree, size_t *offset, tree_entry *out, bool *damaged)
{
    size_t left = tree->len - *offset;
    if (left == 0) /* an empty tree may have no bytes to point at */
        return false;
    const char *at = tree->bytes + *offset;
    const char *space = mode_end(at, left);
    const char *name = space ? space + 1 : NULL;
    const char *end = name ? memchr(name, '\0', left - (size_t)(name - at)) : NULL;
    if (!end || end == name || left - (size_t)(end - at) < 21) {
        *damaged = true;
        return false;
    }
    out->name = name;
    out->name_len = (size_t)(end - name);
    out->id = (const uint8_t *)end + 1;
    out->offset = *offset;
    out->len = (size_t)(end - at) + 21;
    out->folder = space - at == 5 && memcmp(at, "40000", 5) == 0;
    out->submodule = space - at == 6 && memcmp(at, "160000", 6) == 0;
    *offset += out->len;
    return true;
}

int tree_order(const char *a, size_t a_len, bool a_folder, const char *b, size_t b_len, bool b_folder)
{
    size_t shorter = a_len < b_len ? a_len : b_len;
    int order = memcmp(a, b, shorter);
    if (order)
        return order;
    int a_next = a_len > shorter ? (unsigned char)a[shorter] : a_folder ? '/' : 0;
    int b_next = b_len > shorter ? (unsigned char)b[shorter] : b_folder ? '/' : 0;
    return a_next - b_next;
}

/* Names of one length often begin alike, as ids do that a clock makes, and end alike (".json"): the eight bytes before that ending tell nearly
 * all of them apart without a call. */
static bool is_named(const tree_entry *e, const char *name, size_t len)
{
    enum { ENDING = 5, WORD = 8 };
    uint64_t a, b;
    if (e->name_len != len)
        return false;
    if (len >= ENDING + WORD) {
        memcpy(&a, e->name + len - ENDING - WORD, WORD);
        memcpy(&b, name + len - ENDING - WORD, WORD);
        if (a != b)
            return false;
    }
    return memcmp(e->name, name, len) == 0;
}

bool tree_entry_find(const buffer *tree, const char *name, size_t len, tree_entry *out, bool *damaged)
{
    size_t offset = 0;
    while (tree_next(tree, &offset, out, damaged))
        if (is_named(out, name, len))
            return true;
    return false;
}

/* ---- trees whose entries all have one length ---- */

size_t tree_even(const buffer *tree)
{
    tree_entry first = { 0 }, e;
    bool damaged = false;
    const char *before = NULL;
    for (size_t offset = 0; tree_next(tree, &offset, &e, &damaged); before = e.name) {
        if (!before)
            first = e;
        else if (e.len != first.len || e.name_len != first.name_len ||
                 memcmp(tree->bytes, tree->bytes + e.offset, e.len - e.name_len - 1 - sizeof(object_id)) != 0 ||
                 memcmp(before, e.name, e.name_len) >= 0)
            return 0;
    }
    return damaged ? 0 : first.len;
}

/* Of an entry with this mode (it ends with a blank) and name: *at is where it is, or belongs. */
static bool even_place(const buffer *tree, size_t even, size_t mode_len, const char *name, size_t len, size_t *at)
{
    size_t low = 0, high = tree->len / even;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(tree->bytes + middle * even + mode_len, name, len);
        if (order == 0) {
            *at = middle * even;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *at = low * even;
    return false;
}

/* How many bytes the mode of the entries takes, blank included; 0 where no name of this length is among them. */
static size_t even_mode(const buffer *tree, size_t even, size_t len)
{
    const char *space = even && tree->len ? mode_end(tree->bytes, tree->len) : NULL;
    size_t mode_len = space ? (size_t)(space + 1 - tree->bytes) : 0;
    return mode_len + len + 1 + sizeof(object_id) == even ? mode_len : 0;
}

bool tree_even_find(const buffer *tree, size_t even, const char *name, size_t len, tree_entry *out, bool *damaged)
{
    size_t at, mode_len = even_mode(tree, even, len);
    if (!even)
        return tree_entry_find(tree, name, len, out, damaged);
    return mode_len && even_place(tree, even, mode_len, name, len, &at) && tree_next(tree, &at, out, damaged);
}

tree_edits tree_edits_begin(const buffer *tree)
{
    return (tree_edits){ tree->len, tree->len, tree->len };
}

/* Notes that `old_len` bytes at `at` are about to be replaced. */
static void note_edit(tree_edits *edits, const buffer *tree, size_t at, size_t old_len)
{
    size_t after = tree->len - at - old_len;
    if (!edits)
        return;
    edits->head = at < edits->head ? at : edits->head;
    edits->tail = after < edits->tail ? after : edits->tail;
}

static void cut(buffer *tree, size_t at, size_t len, tree_edits *edits)
{
    note_edit(edits, tree, at, len);
    memmove(tree->bytes + at, tree->bytes + at + len, tree->len - at - len);
    tree->len -= len;
}

static void replace_id(buffer *tree, size_t at, const object_id *id, tree_edits *edits)
{
    note_edit(edits, tree, at, sizeof id->bytes);
    memcpy(tree->bytes + at, id->bytes, sizeof id->bytes);
}

static const char *mode_of(bool folder)
{
    return folder ? "40000 " : "100644 ";
}

static void insert_entry(buffer *tree, size_t at, bool folder, const char *name, size_t len, const object_id *id,
                         tree_edits *edits)
{
    const char *mode = mode_of(folder);
    size_t mode_len = strlen(mode), added = mode_len + len + 1 + sizeof id->bytes;
    if (!buffer_reserve(tree, added))
        return;
    note_edit(edits, tree, at, 0);
    char *to = tree->bytes + at;
    memmove(to + added, to, tree->len - at);
    memcpy(to, mode, mode_len);
    memcpy(to + mode_len, name, len);
    to[mode_len + len] = '\0';
    memcpy(to + mode_len + len + 1, id->bytes, sizeof id->bytes);
    tree->len += added;
}

void tree_entry_put(buffer *tree, const char *name, size_t len, bool folder, const object_id *id, tree_edits *edits)
{
    tree_entry e;
    bool damaged = false, passed = false;
    size_t offset = 0, at = 0;
    while (tree_next(tree, &offset, &e, &damaged)) {
        if (is_named(&e, name, len)) {
            if (e.folder == folder && e.len == len + (folder ? 6 : 7) + 1 + sizeof id->bytes) {
                replace_id(tree, offset - sizeof id->bytes, id, edits);
                return;
            }
            cut(tree, e.offset, e.len, edits);
            tree_entry_put(tree, name, len, folder, id, edits);
            return;
        }
        passed = passed || tree_order(e.name, e.name_len, e.folder, name, len, folder) >= 0;
        if (!passed)
            at = offset;
    }
    insert_entry(tree, at, folder, name, len, id, edits);
}

void tree_even_put(buffer *tree, size_t *even, const char *name, size_t len, bool folder, const object_id *id,
                   tree_edits *edits)
{
    size_t at, mode_len = even_mode(tree, *even, len);
    bool empty = tree->len == 0;
    if (!mode_len || mode_len != strlen(mode_of(folder)) || memcmp(tree->bytes, mode_of(folder), mode_len) != 0) {
        tree_entry_put(tree, name, len, folder, id, edits);
        *even = empty ? tree->len : 0;
    } else if (even_place(tree, *even, mode_len, name, len, &at)) {
        replace_id(tree, at + *even - sizeof id->bytes, id, edits);
    } else {
        insert_entry(tree, at, folder, name, len, id, edits);
    }
}

void tree_entry_remove(buffer *tree, const char *name, size_t len, tree_edits *edits)
{
    tree_entry e;
    bool damaged = false;
    if (tree_entry_find(tree, name, len, &e, &damaged))
        cut(tree, e.offset, e.len, edits);
}

/* Walks both lists in order; runs of equal entries become copies, everything else of `to` a literal. */
void tree_delta(const buffer *from, const buffer *to, buffer *out)
{
    tree_entry a = { 0 }, b;
    bool damaged = false;
    size_t from_at = 0, to_at = 0, copy_at = 0, copy_len = 0, literal_at = 0, literal_len = 0;
    delta_put_size(out, from->len);
    delta_put_size(out, to->len);
    bool more = tree_next(from, &from_at, &a, &damaged);
    while (tree_next(to, &to_at, &b, &damaged)) {
        while (more && tree_order(a.name, a.name_len, a.folder, b.name, b.name_len, b.folder) < 0)
            more = tree_next(from, &from_at, &a, &damaged);
        bool equal = more && a.len == b.len && memcmp(from->bytes + a.offset, to->bytes + b.offset, a.len) == 0;
        if (equal && copy_len && copy_at + copy_len == a.offset && !literal_len) {
            copy_len += a.len;
            continue;
        }
        if (equal || (copy_len && !literal_len)) {
            delta_put_copy(out, copy_at, copy_len);
            copy_len = 0;
        }
        if (equal) {
            delta_put_literal(out, to->bytes + literal_at, literal_len);
            literal_len = 0;
            copy_at = a.offset;
            copy_len = a.len;
        } else {
            if (!literal_len)
                literal_at = b.offset;
            literal_len += b.len;
        }
    }
    delta_put_copy(out, copy_at, copy_len);
    if (literal_len)
        delta_put_literal(out, to->bytes + literal_at, literal_len);
}

void tree_edits_delta(const tree_edits *edits, const buffer *to, buffer *out)
{
    delta_put_size(out, edits->old_len);
    delta_put_size(out, to->len);
    delta_put_copy(out, 0, edits->head);
    delta_put_literal(out, to->bytes + edits->head, to->len - edits->head - edits->tail);
    delta_put_copy(out, edits->old_len - edits->tail, edits->tail);
}
