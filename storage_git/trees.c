/* trees.c - see trees.h. */
#include "trees.h"

#include "tree_entries.h"

#include <base/fail.h>

#include <stdlib.h>

enum { KEY_BYTES = 3 };

typedef struct folder folder;

/* A loaded folder, where its parent keeps it. While `changed` is set, its entry in the parent's bytes is behind. The key tells
 * most names apart without a look at the folder. */
typedef struct child {
    uint32_t key;
    bool changed;
    folder *folder;
} child;

/* Invariant: `bytes` is what the folder holds now; while it is changed, `edits` leads there from what it held under `id`. */
struct folder {
    object_id id; /* none: it is new */
    tree_edits edits;
    buffer bytes;
    size_t even; /* tree_even of the bytes, or 0 */
    child *children;
    size_t count;
    size_t name_len;
    char name[];
};

struct work_tree {
    objects *objects;
    child root;
    size_t size;
    buffer delta; /* room to make one in */
};

static void folder_free(folder *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        folder_free(f->children[i].folder);
    free(f->children);
    buffer_free(&f->bytes);
    free(f);
}

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a folder of the store");
}

static int32_t damaged_tree(const object_id *id, quipu_error *error)
{
    char digits[OBJECT_ID_HEX + 1];
    object_id_print(id, digits);
    return fail(error, QUIPU_E_CORRUPT, NULL, "tree %s is damaged; run `quipu verify`", digits);
}

static int32_t folder_load(work_tree *t, const object_id *id, const char *name, size_t len, folder **out,
                           quipu_error *error)
{
    folder *f = calloc(1, sizeof *f + len + 1);
    int32_t code = QUIPU_OK;
    if (!f)
        return no_memory(error);
    memcpy(f->name, name, len);
    f->name_len = len;
    f->id = *id;
    if (!object_id_is_none(id))
        code = objects_read(t->objects, id, OBJECT_TREE, &f->bytes, error);
    if (code != QUIPU_OK) {
        folder_free(f);
        return code;
    }
    f->even = tree_even(&f->bytes);
    t->size += sizeof *f + f->bytes.capacity;
    *out = f;
    return QUIPU_OK;
}

int32_t work_tree_create(objects *o, const object_id *root, work_tree **out, quipu_error *error)
{
    work_tree *t = calloc(1, sizeof *t);
    if (!t)
        return no_memory(error);
    t->objects = o;
    int32_t code = folder_load(t, root, "", 0, &t->root.folder, error);
    if (code != QUIPU_OK) {
        free(t);
        return code;
    }
    *out = t;
    return QUIPU_OK;
}

void work_tree_free(work_tree *t)
{
    if (!t)
        return;
    folder_free(t->root.folder);
    buffer_free(&t->delta);
    free(t);
}

size_t work_tree_size(const work_tree *t)
{
    return t->size;
}

/* The length and the first bytes of a name: all of it, where it is that short. */
static uint32_t key_of(const char *name, size_t len)
{
    unsigned char bytes[KEY_BYTES] = { 0 };
    memcpy(bytes, name, len < sizeof bytes ? len : sizeof bytes);
    return (uint32_t)(len < 0xff ? len : 0xff) << 24 | (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
}

static child *loaded_child(folder *f, const char *name, size_t len)
{
    uint32_t key = key_of(name, len);
    for (size_t i = 0; i < f->count; i++) {
        child *c = &f->children[i];
        if (c->key == key &&
            (len <= KEY_BYTES || (c->folder->name_len == len && memcmp(c->folder->name, name, len) == 0)))
            return c;
    }
    return NULL;
}

/* The child folder of that name; NULL where there is none and `make` is false. */
static int32_t open_child(work_tree *t, folder *f, const char *name, size_t len, bool make, child **out,
                          quipu_error *error)
{
    tree_entry entry;
    object_id id = { { 0 } };
    bool damaged = false;
    *out = loaded_child(f, name, len);
    if (*out)
        return QUIPU_OK;
    if (tree_even_find(&f->bytes, f->even, name, len, &entry, &damaged)) {
        if (!entry.folder)
            return make ? fail(error, QUIPU_E_CORRUPT, NULL, "%.*s is a file where a folder is needed; move it away",
                               (int)len, name)
                        : QUIPU_OK;
        memcpy(id.bytes, entry.id, sizeof id.bytes);
    } else if (damaged) {
        return damaged_tree(&f->id, error);
    } else if (!make) {
        return QUIPU_OK;
    }
    child *children = realloc(f->children, (f->count + 1) * sizeof *children);
    if (!children)
        return no_memory(error);
    f->children = children;
    child *made = &children[f->count];
    *made = (child){ .key = key_of(name, len) };
    int32_t code = folder_load(t, &id, name, len, &made->folder, error);
    if (code != QUIPU_OK)
        return code;
    f->count++;
    *out = made;
    return QUIPU_OK;
}

static size_t part_len(const char *path)
{
    const char *slash = strchr(path, '/');
    return slash ? (size_t)(slash - path) : strlen(path);
}

int32_t work_tree_find(work_tree *t, const char *path, object_id *blob, quipu_error *error)
{
    child *at = &t->root;
    memset(blob, 0, sizeof *blob);
    for (;;) {
        folder *f = at->folder;
        size_t len = part_len(path);
        if (path[len] == '\0') {
            tree_entry entry;
            bool damaged = false;
            if (tree_even_find(&f->bytes, f->even, path, len, &entry, &damaged) && !entry.folder)
                memcpy(blob->bytes, entry.id, sizeof blob->bytes);
            return damaged ? damaged_tree(&f->id, error) : QUIPU_OK;
        }
        int32_t code = open_child(t, f, path, len, false, &at, error);
        if (code != QUIPU_OK || !at)
            return code;
        path += len + 1;
    }
}

int32_t work_tree_fits(work_tree *t, const char *path, bool *fits, quipu_error *error)
{
    child *at = &t->root;
    for (*fits = true;;) {
        folder *f = at->folder;
        size_t len = part_len(path);
        bool last = path[len] == '\0', damaged = false;
        tree_entry entry;
        if (tree_even_find(&f->bytes, f->even, path, len, &entry, &damaged))
            *fits = entry.folder != last;
        else if (last)
            *fits = !loaded_child(f, path, len);
        int32_t code = damaged          ? damaged_tree(&f->id, error)
                       : last || !*fits ? QUIPU_OK
                                        : open_child(t, f, path, len, false, &at, error);
        if (code != QUIPU_OK || last || !*fits || !at)
            return code;
        path += len + 1;
    }
}

static void folder_touch(child *c)
{
    if (!c->changed)
        c->folder->edits = tree_edits_begin(&c->folder->bytes);
    c->changed = true;
}

int32_t work_tree_put(work_tree *t, const char *path, const object_id *blob, quipu_error *error)
{
    child *at = &t->root;
    for (;;) {
        folder *f = at->folder;
        size_t len = part_len(path);
        folder_touch(at);
        if (path[len] == '\0') {
            tree_even_put(&f->bytes, &f->even, path, len, false, blob, &f->edits);
            return f->bytes.failed ? no_memory(error) : QUIPU_OK;
        }
        int32_t code = open_child(t, f, path, len, true, &at, error);
        if (code != QUIPU_OK)
            return code;
        path += len + 1;
    }
}

static void drop_child(folder *f, child *gone)
{
    folder_free(gone->folder);
    *gone = f->children[--f->count];
}

static int32_t remove_from(work_tree *t, child *from, const char *path, quipu_error *error)
{
    folder *f = from->folder;
    size_t len = part_len(path);
    folder_touch(from);
    if (path[len] == '\0') {
        tree_entry_remove(&f->bytes, path, len, &f->edits);
        return QUIPU_OK;
    }
    child *inner;
    int32_t code = open_child(t, f, path, len, false, &inner, error);
    if (code != QUIPU_OK || !inner)
        return code;
    code = remove_from(t, inner, path + len + 1, error);
    /* one that was made since the last commit has no entry yet */
    if (code == QUIPU_OK && inner->folder->bytes.len == 0 && inner->folder->count == 0) {
        tree_entry_remove(&f->bytes, path, len, &f->edits);
        drop_child(f, inner);
    }
    return code;
}

int32_t work_tree_remove(work_tree *t, const char *path, quipu_error *error)
{
    object_id blob;
    int32_t code = work_tree_find(t, path, &blob, error);
    if (code != QUIPU_OK || object_id_is_none(&blob))
        return code;
    return remove_from(t, &t->root, path, error);
}

static int32_t folder_write(work_tree *t, folder *f, pack_writer *pack, quipu_error *error)
{
    const char *bytes = f->bytes.bytes ? f->bytes.bytes : "";
    object_id before = f->id;
    if (object_id_is_none(&before))
        return pack_writer_add(pack, OBJECT_TREE, bytes, f->bytes.len, &f->id, error);
    buffer_clear(&t->delta);
    tree_edits_delta(&f->edits, &f->bytes, &t->delta);
    if (t->delta.failed)
        return no_memory(error);
    return pack_writer_add_delta(pack, OBJECT_TREE, bytes, f->bytes.len, &before, t->delta.bytes, t->delta.len, &f->id,
                                 error);
}

static int32_t write_changed(work_tree *t, child *c, pack_writer *pack, quipu_error *error)
{
    folder *f = c->folder;
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < f->count && code == QUIPU_OK; i++) {
        if (!f->children[i].changed)
            continue;
        code = write_changed(t, &f->children[i], pack, error);
        const folder *inner = f->children[i].folder;
        if (code == QUIPU_OK)
            tree_even_put(&f->bytes, &f->even, inner->name, inner->name_len, true, &inner->id, &f->edits);
    }
    if (code == QUIPU_OK && f->bytes.failed)
        code = no_memory(error);
    if (code == QUIPU_OK)
        code = folder_write(t, f, pack, error);
    if (code == QUIPU_OK)
        c->changed = false;
    return code;
}

int32_t work_tree_write(work_tree *t, pack_writer *pack, object_id *root, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    if (t->root.changed || object_id_is_none(&t->root.folder->id))
        code = write_changed(t, &t->root, pack, error);
    *root = t->root.folder->id;
    return code;
}

static int32_t find_entry(objects *o, const object_id *root, const char *path, object_id *found, bool *is_folder,
                          quipu_error *error)
{
    buffer tree = { 0 };
    int32_t code = QUIPU_OK;
    *found = *root;
    *is_folder = true;
    while (code == QUIPU_OK && !object_id_is_none(found)) {
        size_t len = part_len(path);
        tree_entry entry;
        bool damaged = false;
        object_id here = *found;
        buffer_clear(&tree);
        code = objects_read(o, &here, OBJECT_TREE, &tree, error);
        if (code != QUIPU_OK)
            break;
        memset(found, 0, sizeof *found);
        bool there = tree_entry_find(&tree, path, len, &entry, &damaged);
        if (damaged)
            code = damaged_tree(&here, error);
        else if (there && (path[len] == '\0' || entry.folder))
            memcpy(found->bytes, entry.id, sizeof found->bytes);
        *is_folder = there && entry.folder;
        if (path[len] == '\0')
            break;
        path += len + 1;
    }
    buffer_free(&tree);
    return code;
}

int32_t tree_find(objects *o, const object_id *root, const char *path, object_id *found, quipu_error *error)
{
    bool is_folder;
    return find_entry(o, root, path, found, &is_folder, error);
}

int32_t tree_find_file(objects *o, const object_id *root, const char *path, object_id *blob, quipu_error *error)
{
    bool is_folder;
    int32_t code = find_entry(o, root, path, blob, &is_folder, error);
    if (is_folder)
        memset(blob, 0, sizeof *blob);
    return code;
}
