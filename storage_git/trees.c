/* trees.c - see trees.h. */
#include "trees.h"

#include "tree_entries.h"

#include <base/fail.h>

#include <stdlib.h>

/* One loaded folder. Invariant: `bytes` is what the folder holds now; while `changed` is set, `stored` is what it held
 * under `id`, and its entry in the parent is behind. */
typedef struct folder {
    char *name;
    size_t name_len;
    object_id id; /* none: it is new */
    buffer bytes;
    buffer stored;
    bool changed;
    struct child *children;
    size_t count;
} folder;

/* The key tells most names apart without a look at the folder. */
typedef struct child {
    uint32_t key;
    folder *folder;
} child;

struct work_tree {
    objects *objects;
    folder *root;
    size_t size;
};

static void folder_free(folder *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        folder_free(f->children[i].folder);
    free(f->children);
    free(f->name);
    buffer_free(&f->bytes);
    buffer_free(&f->stored);
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
    folder *f = calloc(1, sizeof *f);
    int32_t code = QUIPU_OK;
    if (!f || !(f->name = str_dup(str_make(name, len)))) {
        free(f);
        return no_memory(error);
    }
    f->name_len = len;
    f->id = *id;
    if (!object_id_is_none(id))
        code = objects_read(t->objects, id, OBJECT_TREE, &f->bytes, error);
    if (code != QUIPU_OK) {
        folder_free(f);
        return code;
    }
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
    int32_t code = folder_load(t, root, "", 0, &t->root, error);
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
    folder_free(t->root);
    free(t);
}

size_t work_tree_size(const work_tree *t)
{
    return t->size;
}

/* The length and the first bytes of a name. */
static uint32_t key_of(const char *name, size_t len)
{
    unsigned char bytes[3] = { 0 };
    memcpy(bytes, name, len < sizeof bytes ? len : sizeof bytes);
    return (uint32_t)(len & 0xff) << 24 | (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
}

static folder *loaded_child(const folder *f, const char *name, size_t len)
{
    uint32_t key = key_of(name, len);
    for (size_t i = 0; i < f->count; i++) {
        folder *found = f->children[i].folder;
        if (f->children[i].key == key && found->name_len == len && memcmp(found->name, name, len) == 0)
            return found;
    }
    return NULL;
}

/* The child folder of that name; NULL where there is none and `make` is false. */
static int32_t open_child(work_tree *t, folder *f, const char *name, size_t len, bool make, folder **out,
                          quipu_error *error)
{
    tree_entry entry;
    object_id id = { { 0 } };
    bool damaged = false;
    *out = loaded_child(f, name, len);
    if (*out)
        return QUIPU_OK;
    if (tree_entry_find(&f->bytes, name, len, &entry, &damaged)) {
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
    int32_t code = folder_load(t, &id, name, len, out, error);
    if (code == QUIPU_OK)
        f->children[f->count++] = (child){ key_of(name, len), *out };
    return code;
}

static size_t part_len(const char *path)
{
    const char *slash = strchr(path, '/');
    return slash ? (size_t)(slash - path) : strlen(path);
}

int32_t work_tree_find(work_tree *t, const char *path, object_id *blob, quipu_error *error)
{
    folder *f = t->root;
    memset(blob, 0, sizeof *blob);
    for (;;) {
        size_t len = part_len(path);
        if (path[len] == '\0') {
            tree_entry entry;
            bool damaged = false;
            if (tree_entry_find(&f->bytes, path, len, &entry, &damaged) && !entry.folder)
                memcpy(blob->bytes, entry.id, sizeof blob->bytes);
            return damaged ? damaged_tree(&f->id, error) : QUIPU_OK;
        }
        int32_t code = open_child(t, f, path, len, false, &f, error);
        if (code != QUIPU_OK || !f)
            return code;
        path += len + 1;
    }
}

/* Remembers what the folder held, before its first change since it was written. */
static void folder_touch(folder *f)
{
    if (f->changed)
        return;
    f->changed = true;
    buffer_clear(&f->stored);
    buffer_append(&f->stored, f->bytes.bytes, f->bytes.len);
}

int32_t work_tree_put(work_tree *t, const char *path, const object_id *blob, quipu_error *error)
{
    folder *f = t->root;
    for (;;) {
        size_t len = part_len(path);
        folder_touch(f);
        if (path[len] == '\0') {
            tree_entry_put(&f->bytes, path, len, false, blob);
            return f->bytes.failed || f->stored.failed ? no_memory(error) : QUIPU_OK;
        }
        int32_t code = open_child(t, f, path, len, true, &f, error);
        if (code != QUIPU_OK)
            return code;
        path += len + 1;
    }
}

static void drop_child(folder *f, folder *gone)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->children[i].folder == gone) {
            f->children[i] = f->children[--f->count];
            folder_free(gone);
            return;
        }
}

static int32_t remove_from(work_tree *t, folder *f, const char *path, quipu_error *error)
{
    size_t len = part_len(path);
    folder_touch(f);
    if (path[len] == '\0') {
        tree_entry_remove(&f->bytes, path, len);
        return QUIPU_OK;
    }
    folder *inner;
    int32_t code = open_child(t, f, path, len, false, &inner, error);
    if (code != QUIPU_OK || !inner)
        return code;
    code = remove_from(t, inner, path + len + 1, error);
    if (code == QUIPU_OK && inner->bytes.len == 0) {
        tree_entry_remove(&f->bytes, path, len);
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
    return remove_from(t, t->root, path, error);
}

static int32_t folder_write(folder *f, pack_writer *pack, quipu_error *error)
{
    buffer delta = { 0 };
    object_id before = f->id;
    int32_t code;
    if (!object_id_is_none(&before) && pack_writer_has(pack, &before)) {
        tree_delta(&f->stored, &f->bytes, &delta);
        code = delta.failed ? no_memory(error)
                            : pack_writer_add_delta(pack, OBJECT_TREE, f->bytes.bytes, f->bytes.len, &before,
                                                    delta.bytes, delta.len, &f->id, error);
        buffer_free(&delta);
    } else {
        code = pack_writer_add(pack, OBJECT_TREE, f->bytes.bytes ? f->bytes.bytes : "", f->bytes.len, &f->id, error);
    }
    if (code == QUIPU_OK)
        f->changed = false;
    return code;
}

static int32_t write_changed(folder *f, pack_writer *pack, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < f->count && code == QUIPU_OK; i++) {
        folder *inner = f->children[i].folder;
        if (!inner->changed)
            continue;
        code = write_changed(inner, pack, error);
        if (code == QUIPU_OK)
            tree_entry_put(&f->bytes, inner->name, inner->name_len, true, &inner->id);
    }
    if (code == QUIPU_OK && f->bytes.failed)
        code = no_memory(error);
    return code == QUIPU_OK ? folder_write(f, pack, error) : code;
}

int32_t work_tree_write(work_tree *t, pack_writer *pack, object_id *root, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    if (t->root->changed || object_id_is_none(&t->root->id))
        code = write_changed(t->root, pack, error);
    *root = t->root->id;
    return code;
}

int32_t tree_find(objects *o, const object_id *root, const char *path, object_id *found, quipu_error *error)
{
    buffer tree = { 0 };
    int32_t code = QUIPU_OK;
    *found = *root;
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
        if (path[len] == '\0')
            break;
        path += len + 1;
    }
    buffer_free(&tree);
    return code;
}
