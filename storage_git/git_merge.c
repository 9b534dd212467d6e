/* git_merge.c - what a transaction takes from elsewhere (git_store.h): commits of another repository, another line of history. */
#include "git_store_inner.h"

#include "copy_history.h"
#include "git_layout.h"
#include "os.h"
#include "refs.h"

#include <base/fail.h>

#include <stdlib.h>

int32_t git_transaction_fetch(git_transaction *t, objects *from, const object_id *tip, const quipu_call *call,
                              size_t *count, quipu_error *error)
{
    git_store *s = t->store;
    history_split split;
    pack_writer *pack = NULL;
    int32_t code = history_split_read(s->objects, &t->head, from, tip, &split, error);
    *count = split.only_in_b_count;
    if (code == QUIPU_OK && *count > 0) {
        code = pack_writer_create(&pack, error);
        if (code == QUIPU_OK)
            code = copy_history(from, &split, pack, call, error);
        if (code == QUIPU_OK)
            code = pack_writer_publish(pack, s->pack_folder, s->options.durable, t->fetched, error);
        if (code != QUIPU_OK)
            t->fetched[0] = '\0';
        pack_writer_free(pack);
        objects_forget(s->objects);
    }
    history_split_free(&split);
    return code;
}

int32_t git_transaction_forward(git_transaction *t, const object_id *to, quipu_error *error)
{
    t->head = *to;
    return git_transaction_prepare(t, error);
}

int32_t git_transaction_put_blob(git_transaction *t, const char *path, const object_id *blob, quipu_error *error)
{
    return work_tree_put(t->store->tree, path, blob, error);
}

/* ---- merging ---- */

typedef struct merge {
    git_transaction *transaction;
    const git_merge_rules *rules;
    object_id base_tree, their_tree;
    git_merge_report *report;
    quipu_error *error;
} merge;

static int32_t merge_file(void *context, const tree_change *change)
{
    const merge *m = context;
    const git_merge_rules *rules = m->rules;
    bool grouped = rules->grouped && rules->grouped(rules->context, change->path);
    object_id ours;
    int32_t code = work_tree_find(m->transaction->store->tree, change->path, &ours, m->error);
    if (code != QUIPU_OK || (!grouped && object_id_equal(&ours, &change->after)))
        return code;
    if (grouped || !object_id_equal(&ours, &change->before)) {
        git_merge_file file = { change->path, change->before, ours, change->after, m->base_tree, m->their_tree };
        return rules->decide(rules->context, m->transaction, &file);
    }
    m->report->files++;
    if (object_id_is_none(&change->after))
        return git_transaction_delete(m->transaction, change->path, m->error);
    return git_transaction_put_blob(m->transaction, change->path, &change->after, m->error);
}

static int32_t tree_of(objects *o, const object_id *id, object_id *out, quipu_error *error)
{
    commit c;
    memset(out, 0, sizeof *out);
    if (object_id_is_none(id))
        return QUIPU_OK;
    int32_t code = commit_read(o, id, &c, error);
    if (code == QUIPU_OK) {
        *out = c.tree;
        commit_free(&c);
    }
    return code;
}

static int32_t merge_trees(merge *m, const object_id *base, const object_id *theirs)
{
    objects *o = m->transaction->store->objects;
    int32_t code = tree_of(o, base, &m->base_tree, m->error);
    if (code == QUIPU_OK)
        code = tree_of(o, theirs, &m->their_tree, m->error);
    if (code == QUIPU_OK)
        code = tree_diff(o, &m->base_tree, &m->their_tree, "", merge_file, m, m->error);
    return code;
}

int32_t git_transaction_merge(git_transaction *t, const object_id *theirs, bool give_up_ours,
                              const git_merge_rules *rules, git_merge_report *out, quipu_error *error)
{
    objects *o = t->store->objects;
    history_split split;
    merge m = { .transaction = t, .rules = rules, .report = out, .error = error };
    *out = (git_merge_report){ GIT_MERGE_NOTHING, 0, 0 };
    int32_t code = history_split_read(o, &t->head, o, theirs, &split, error);
    object_id base = split.base, common = split.common;
    out->commits = split.only_in_b_count;
    history_split_free(&split);
    if (code != QUIPU_OK || object_id_equal(&base, theirs))
        return code;
    if (object_id_equal(&base, &t->head) || (object_id_is_none(&base) && give_up_ours)) {
        out->outcome = GIT_MERGE_FORWARD;
        return git_transaction_forward(t, theirs, error);
    }
    out->outcome = GIT_MERGE_TREES;
    return merge_trees(&m, &common, theirs);
}

/* ---- refs ---- */

int32_t git_store_refs(git_store *s, const char *prefix, git_ref_fn visit, void *context, quipu_error *error)
{
    return ref_each(s->path, prefix, visit, context, error);
}

int32_t git_store_set_ref(git_store *s, const char *name, const object_id *expected, const object_id *to, bool *lost,
                          quipu_error *error)
{
    ref_outcome outcome = REF_UNTOUCHED;
    *lost = false;
    int32_t code = git_store_lock(s, NULL, error);
    if (code != QUIPU_OK)
        return code;
    code = object_id_is_none(to) ? ref_delete(s->path, name, expected, s->options.durable, &outcome, error)
                                 : ref_swap(s->path, name, expected, to, s->options.durable, &outcome, error);
    git_store_unlock(s);
    *lost = code == QUIPU_OK && outcome == REF_LOST;
    return code;
}

int32_t git_store_switch(git_store *s, const char *branch, quipu_error *error)
{
    object_id id;
    buffer path = { 0 }, text = { 0 };
    int32_t code = git_store_lock(s, NULL, error);
    if (code != QUIPU_OK)
        return code;
    code = ref_read(s->path, branch, &id, error);
    if (code == QUIPU_OK && object_id_is_none(&id))
        code = fail(error, QUIPU_E_NOT_FOUND, "branch", "there is no branch \"%s\"; see `quipu branch`",
                    branch + (strncmp(branch, "refs/heads/", 11) == 0 ? 11 : 0));
    buffer_printf(&path, "%s/HEAD", s->path);
    buffer_printf(&text, "ref: %s\n", branch);
    if (code == QUIPU_OK && (path.failed || text.failed))
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to switch");
    if (code == QUIPU_OK)
        code = os_replace_file(path.bytes, text.bytes, text.len, s->options.durable, error);
    git_store_unlock(s);
    buffer_free(&path);
    buffer_free(&text);
    return code;
}
