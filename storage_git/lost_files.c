/*
 * lost_files.c - files of the head that cannot be read (repair_inner.h).
 *
 * Each gets the last version of it that can be read, along first parents; where there is none it goes. That is a commit like any other,
 * whose message names every file and the commit that its version is of. What was before it stays as it was.
 */
#include "refs.h"

#include "os.h"
#include "repair_inner.h"
#include "tree_entries.h"

#include <base/fail.h>

#include <errno.h>
#include <stdlib.h>

enum { DEPTH_MAX = 64, NAMED_MOST = 500 };

typedef struct healing {
    repair *repair;
    object_id head;
    pack_writer *pack;
    buffer path; /* of what is at hand */
    buffer list; /* lines of the commit's message */
    uint64_t changed;
} healing;

/* ---- the last readable version ---- */

static bool is_readable(const healing *h, const object_id *id, object_type wanted)
{
    buffer bytes = { 0 };
    object_type type = 0;
    bool fine = objects_read_any(h->repair->store->objects, id, &type, &bytes, NULL) == QUIPU_OK && type == wanted;
    buffer_free(&bytes);
    return fine;
}

/* *of: the commit; *found: none where there is no such version. */
static int32_t last_readable(const healing *h, object_type type, object_id *found, object_id *of)
{
    objects *o = h->repair->store->objects;
    object_id tried = { { 0 } };
    memset(found, 0, sizeof *found);
    for (*of = h->head;;) {
        commit c;
        object_id here, next = { { 0 } };
        int32_t code = call_check(h->repair->call, h->repair->error);
        if (code != QUIPU_OK || commit_read(o, of, &c, NULL) != QUIPU_OK)
            return code;
        bool known = h->path.len == 0 || tree_find(o, &c.tree, h->path.bytes, &here, NULL) == QUIPU_OK;
        if (h->path.len == 0)
            here = c.tree;
        if (c.parent_count)
            next = c.parents[0];
        commit_free(&c);
        if (known && object_id_is_none(&here))
            return QUIPU_OK; /* before that there was no such file */
        if (known && !object_id_equal(&here, &tried) && is_readable(h, &here, type)) {
            *found = here;
            return QUIPU_OK;
        }
        if (known)
            tried = here;
        if (object_id_is_none(&next))
            return QUIPU_OK;
        *of = next;
    }
}

static int32_t tell_file(healing *h, const object_id *found, const object_id *of)
{
    char digits[OBJECT_ID_HEX + 1];
    const char *path = h->path.len ? h->path.bytes : "all files";
    bool any = !object_id_is_none(found);
    object_id_print(of, digits);
    if (h->changed++ < NAMED_MOST)
        buffer_printf(&h->list, any ? "%s: as of %s\n" : "%s: gone\n", path, digits);
    return repair_tell(h->repair, repair_severity(h->repair), "records", path,
                       any                ? "it cannot be read; %s its last readable version, of %s"
                       : h->repair->aside ? "it could not be read, nor any version of it before, and is gone"
                                          : "it cannot be read, nor any version of it before",
                       h->repair->aside ? "it has now" : "there is", digits);
}

/* ---- folders ---- */

static int32_t heal_folder(healing *h, object_id *id, unsigned depth);

/* One entry of a folder; *id becomes what it is to be, none: it goes. */
static int32_t heal_entry(healing *h, const tree_entry *e, object_id *id, unsigned depth)
{
    size_t keep = h->path.len;
    object_id of;
    int32_t code = QUIPU_OK;
    buffer_printf(&h->path, "%s%s", keep ? "/" : "", e->name);
    if (h->path.failed)
        return repair_no_memory(h->repair);
    if (e->folder) {
        code = heal_folder(h, id, depth + 1);
    } else if (!is_readable(h, id, OBJECT_BLOB)) {
        code = last_readable(h, OBJECT_BLOB, id, &of);
        if (code == QUIPU_OK)
            code = tell_file(h, id, &of);
    }
    h->path.len = keep;
    h->path.bytes[keep] = '\0';
    return code;
}

static int32_t heal_entries(healing *h, const buffer *tree, buffer *healed, bool *changed, unsigned depth)
{
    tree_entry e;
    size_t at = 0;
    bool damaged = false;
    int32_t code = call_check(h->repair->call, h->repair->error);
    buffer_append(healed, tree->bytes ? tree->bytes : "", tree->len);
    while (code == QUIPU_OK && tree_next(tree, &at, &e, &damaged)) {
        object_id before, after;
        if (strncmp(tree->bytes + e.offset, "160000 ", 7) == 0)
            continue;
        memcpy(before.bytes, e.id, sizeof before.bytes);
        after = before;
        code = heal_entry(h, &e, &after, depth);
        if (code != QUIPU_OK || object_id_equal(&before, &after))
            continue;
        *changed = true;
        if (object_id_is_none(&after))
            tree_entry_remove(healed, e.name, e.name_len, NULL);
        else
            tree_entry_put(healed, e.name, e.name_len, e.folder, &after, NULL);
    }
    return code == QUIPU_OK && healed->failed ? repair_no_memory(h->repair) : code;
}

/* At the root: the file that makes it a store is the same in all of them. */
static int32_t put_marker(healing *h, buffer *root, bool *changed)
{
    const repair_options *options = h->repair->options;
    tree_entry e;
    object_id blob;
    bool damaged = false;
    if (tree_entry_find(root, options->marker, strlen(options->marker), &e, &damaged))
        return QUIPU_OK;
    *changed = true;
    int32_t code = pack_writer_add(h->pack, OBJECT_BLOB, options->marker_text, strlen(options->marker_text), &blob,
                                   h->repair->error);
    tree_entry_put(root, options->marker, strlen(options->marker), false, &blob, NULL);
    return code == QUIPU_OK && root->failed ? repair_no_memory(h->repair) : code;
}

/* *id: of the folder at h->path; becomes what it is to be, none: it is empty. */
static int32_t heal_folder(healing *h, object_id *id, unsigned depth)
{
    buffer tree = { 0 }, healed = { 0 };
    object_id of;
    bool changed = false;
    int32_t code = QUIPU_OK;
    if (depth > DEPTH_MAX)
        return QUIPU_OK;
    if (!is_readable(h, id, OBJECT_TREE)) {
        h->repair->folders_were_lost = true;
        code = last_readable(h, OBJECT_TREE, id, &of);
        if (code == QUIPU_OK)
            code = tell_file(h, id, &of);
    }
    if (code == QUIPU_OK && !object_id_is_none(id))
        code = objects_read(h->repair->store->objects, id, OBJECT_TREE, &tree, h->repair->error);
    if (code == QUIPU_OK)
        code = heal_entries(h, &tree, &healed, &changed, depth);
    if (code == QUIPU_OK && depth == 0)
        code = put_marker(h, &healed, &changed);
    if (code == QUIPU_OK && changed && healed.len == 0)
        memset(id, 0, sizeof *id);
    else if (code == QUIPU_OK && changed)
        code = pack_writer_add(h->pack, OBJECT_TREE, healed.bytes, healed.len, id, h->repair->error);
    buffer_free(&tree);
    buffer_free(&healed);
    return code;
}

/* ---- the commit ---- */

static int32_t make_commit(healing *h, const object_id *root, object_id *out)
{
    repair *r = h->repair;
    buffer message = { 0 }, text = { 0 };
    commit before;
    commit_words words = { .author = r->options->author, .time = r->options->now, .committed = r->options->now };
    int32_t code = commit_read(r->store->objects, &h->head, &before, r->error);
    if (code != QUIPU_OK)
        return code;
    if (words.committed < before.committed)
        words.committed = before.committed;
    commit_free(&before);
    buffer_printf(&message, "repair: %llu files or folders could not be read\n\n", (unsigned long long)h->changed);
    buffer_append(&message, h->list.bytes ? h->list.bytes : "", h->list.len);
    if (h->changed > NAMED_MOST)
        buffer_printf(&message, "and %llu more\n", (unsigned long long)(h->changed - NAMED_MOST));
    buffer_append_text(&message, "\nQuipu-Op: repair\n");
    words.message = str_make(message.bytes, message.len);
    commit_print(root, &h->head, &words, &text);
    code = message.failed || text.failed ? repair_no_memory(r)
                                         : pack_writer_add(h->pack, OBJECT_COMMIT, text.bytes, text.len, out, r->error);
    buffer_free(&message);
    buffer_free(&text);
    return code;
}

/* As git_publish does: keep, pack, index, ref, and the keep goes last. */
static int32_t publish(const healing *h, const char *branch, const object_id *to)
{
    repair *r = h->repair;
    char name[PACK_NAME_SIZE];
    ref_outcome outcome = REF_UNTOUCHED;
    int32_t code = pack_writer_publish(h->pack, r->store->pack_folder, true, name, r->error);
    if (code != QUIPU_OK)
        return code;
    code = ref_swap(r->store->path, branch, &h->head, to, true, &outcome, r->error);
    if (outcome == REF_MOVED)
        pack_release(r->store->pack_folder, name);
    else
        pack_withdraw(r->store->pack_folder, name);
    objects_forget(r->store->objects);
    if (code == QUIPU_OK && outcome != REF_MOVED)
        code = fail(r->error, QUIPU_E_BUSY, NULL, "another program moved the branch meanwhile; repair again");
    return code;
}

static int32_t heal_head(healing *h, const char *branch)
{
    object_id root, before, to;
    commit c;
    int32_t code = commit_read(h->repair->store->objects, &h->head, &c, NULL);
    if (code != QUIPU_OK)
        return QUIPU_OK; /* that was told */
    root = before = c.tree;
    commit_free(&c);
    code = heal_folder(h, &root, 0);
    if (code != QUIPU_OK || object_id_equal(&root, &before) || !h->repair->aside)
        return code;
    code = make_commit(h, &root, &to);
    return code == QUIPU_OK ? publish(h, branch, &to) : code;
}

int32_t repair_lost_files(repair *r)
{
    healing h = { .repair = r };
    char *branch = NULL;
    int32_t code = r->aside ? git_store_lock(r->store, r->call, r->error) : QUIPU_OK;
    if (code != QUIPU_OK)
        return code;
    if (git_store_branch(r->store, &branch, NULL) != QUIPU_OK ||
        ref_read(r->store->path, branch, &h.head, NULL) != QUIPU_OK)
        memset(&h.head, 0, sizeof h.head); /* that was told */
    if (!object_id_is_none(&h.head))
        code = pack_writer_create(&h.pack, r->error);
    if (code == QUIPU_OK && h.pack)
        code = heal_head(&h, branch);
    if (r->aside)
        git_store_unlock(r->store);
    pack_writer_free(h.pack);
    buffer_free(&h.path);
    buffer_free(&h.list);
    free(branch);
    return code;
}
