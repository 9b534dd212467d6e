/* history.c - the extension history/1 (plugin_api/quipu/ext/history.h), over commits and trees. */
#include "backend.h"

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <sdk/query.h>
#include <sdk/undo.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- showing revisions ---- */

static int32_t show_commit(const commit *c, quipu_revision_fn visit, void *context)
{
    char name[OBJECT_ID_HEX + 1], parent[OBJECT_ID_HEX + 1];
    message_facts facts;
    object_id_print(&c->id, name);
    message_read(c->message, &facts);
    quipu_revision r = { .struct_size = sizeof r,
                         .flags = facts.operation.ptr ? 0 : QUIPU_REVISION_FOREIGN,
                         .name = str_make(name, OBJECT_ID_HEX),
                         .author = c->author,
                         .subject = facts.subject,
                         .operation = facts.operation,
                         .source = facts.source,
                         .message = c->message,
                         .time = c->time,
                         .committed_at = c->committed };
    if (c->parent_count) {
        object_id_print(&c->parents[0], parent);
        r.parent = str_make(parent, OBJECT_ID_HEX);
    }
    return visit(context, &r);
}

static int32_t history_resolve(quipu_backend *self, const quipu_str *spec, quipu_revision_fn visit, void *context,
                               const quipu_call *call, quipu_error *error)
{
    object_id id;
    commit c;
    bool stop;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = history_check_spec(spec, "revision", error);
    if (code == QUIPU_OK)
        code = view_resolve(self, *spec, &id, error);
    if (code == QUIPU_OK)
        code = commit_read(git_store_objects(self->store), &id, &c, error);
    if (code != QUIPU_OK)
        return code;
    code = query_answer(show_commit(&c, visit, context), &stop, error);
    commit_free(&c);
    return code;
}

typedef struct log_walk {
    quipu_revision_fn visit;
    void *context;
    const quipu_call *call;
    quipu_error *error;
    uint64_t left; /* revisions that may still be shown */
    uint64_t shown;
    bool stop;
} log_walk;

enum { LOG_ENOUGH = 1 };

static int32_t log_commit(void *context, const commit *c)
{
    log_walk *walk = context;
    int32_t code = call_check(walk->call, walk->error);
    if (code == QUIPU_OK)
        code = query_answer(show_commit(c, walk->visit, walk->context), &walk->stop, walk->error);
    walk->shown++;
    walk->stop = walk->stop || --walk->left == 0;
    return code != QUIPU_OK ? code : walk->stop ? LOG_ENOUGH : QUIPU_OK;
}

static int32_t history_log(quipu_backend *self, const quipu_log_query *query, quipu_revision_fn visit, void *context,
                           const quipu_call *call, quipu_error *error)
{
    object_id from;
    buffer path = { 0 };
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = abi_check_struct(query, sizeof *query, "quipu_log_query", error);
    if (code == QUIPU_OK)
        code = abi_check_flags(query->flags, 0, "flags", error);
    if (code == QUIPU_OK && query->id.ptr)
        code = abi_check_id(query->id, error);
    if (code == QUIPU_OK)
        code =
            query->from.ptr ? view_resolve(self, query->from, &from, error) : git_store_head(self->store, &from, error);
    if (code == QUIPU_OK && query->id.ptr) {
        record_path(query->id, &path);
        if (path.failed)
            code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to walk the history");
    }
    if (code == QUIPU_OK) {
        log_walk walk = { visit, context, call, error, query->limit ? query->limit : UINT64_MAX, 0, false };
        code = commit_walk(git_store_objects(self->store), &from, path.bytes, log_commit, &walk, error);
        if (code == LOG_ENOUGH)
            code = QUIPU_OK;
        if (code == QUIPU_OK && query->id.ptr && walk.shown == 0) {
            code = fail(error, QUIPU_E_NOT_FOUND, "id", "no revision ever held a record of this id");
            fail_name_record(error, &query->id);
        }
    }
    buffer_free(&path);
    return code;
}

/* ---- differences ---- */

typedef struct collection {
    quipu_backend *self;
    difference_list *list;
    quipu_error *error;
} collection;

static int32_t read_side(const collection *c, const object_id *blob, const char *path, record **out)
{
    buffer bytes = { 0 };
    int32_t code = QUIPU_OK;
    *out = NULL;
    if (object_id_is_none(blob))
        return QUIPU_OK;
    code = objects_read(git_store_objects(c->self->store), blob, OBJECT_BLOB, &bytes, c->error);
    if (code == QUIPU_OK)
        record_of_file(path, str_make(bytes.bytes, bytes.len), out, NULL);
    buffer_free(&bytes);
    return code;
}

/* Collects one file; what is a record on neither side is left out. */
static int32_t collect(void *context, const tree_change *change)
{
    const collection *c = context;
    record *before = NULL, *after = NULL;
    int32_t code = read_side(c, &change->before, change->path, &before);
    if (code == QUIPU_OK)
        code = read_side(c, &change->after, change->path, &after);
    if (code == QUIPU_OK)
        return difference_add(c->list, before, after, c->error);
    record_free(before);
    record_free(after);
    return code;
}

/* Both trees of a comparison; `from` absent: the parent of `to`. */
static int32_t find_trees(quipu_backend *self, const quipu_str *from, const quipu_str *to, object_id *from_tree,
                          object_id *to_tree, quipu_error *error)
{
    objects *o = git_store_objects(self->store);
    object_id to_id, from_id = { { 0 } };
    commit c;
    memset(from_tree, 0, sizeof *from_tree);
    int32_t code = history_check_spec(to, "to", error);
    if (code == QUIPU_OK)
        code = view_resolve(self, *to, &to_id, error);
    if (code == QUIPU_OK)
        code = commit_read(o, &to_id, &c, error);
    if (code != QUIPU_OK)
        return code;
    *to_tree = c.tree;
    if (c.parent_count)
        from_id = c.parents[0];
    commit_free(&c);
    if (from && from->ptr) {
        code = history_check_spec(from, "from", error);
        if (code == QUIPU_OK)
            code = view_resolve(self, *from, &from_id, error);
    }
    if (code == QUIPU_OK && !object_id_is_none(&from_id)) {
        code = commit_read(o, &from_id, &c, error);
        if (code == QUIPU_OK) {
            *from_tree = c.tree;
            commit_free(&c);
        }
    }
    return code;
}

static int32_t collect_one(collection *c, const object_id *from_tree, const object_id *to_tree, const char *path)
{
    objects *o = git_store_objects(c->self->store);
    tree_change change = { .path = path };
    int32_t code = tree_find(o, from_tree, path, &change.before, c->error);
    if (code == QUIPU_OK)
        code = tree_find(o, to_tree, path, &change.after, c->error);
    if (code == QUIPU_OK && !object_id_equal(&change.before, &change.after))
        code = collect(c, &change);
    return code;
}

static int32_t differences(quipu_backend *self, const quipu_str *from, const quipu_str *to, const quipu_str *id,
                           difference_list *list, quipu_error *error)
{
    object_id from_tree, to_tree;
    buffer path = { 0 };
    collection c = { self, list, error };
    *list = (difference_list){ 0 };
    int32_t code = find_trees(self, from, to, &from_tree, &to_tree, error);
    if (code == QUIPU_OK && id && id->ptr) {
        record_path(*id, &path);
        code = path.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to compare two revisions")
                           : collect_one(&c, &from_tree, &to_tree, path.bytes);
    } else if (code == QUIPU_OK) {
        code = tree_diff(git_store_objects(self->store), &from_tree, &to_tree, RECORDS_FOLDER, collect, &c, error);
    }
    buffer_free(&path);
    return code;
}

static int32_t history_diff(quipu_backend *self, const quipu_str *from, const quipu_str *to, const quipu_str *id,
                            quipu_difference_fn visit, void *context, const quipu_call *call, quipu_error *error)
{
    difference_list list = { 0 };
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK && id && id->ptr)
        code = abi_check_id(*id, error);
    if (code != QUIPU_OK)
        return code;
    code = differences(self, from, to, id, &list, error);
    if (code == QUIPU_OK)
        code = difference_show(&list, visit, context, error);
    difference_list_free(&list);
    return code;
}

/* ---- undoing ---- */

/* "revert" and what is reverted: its own subject without the operation. */
static int32_t revert_note(quipu_backend *self, const object_id *id, buffer *out, quipu_error *error)
{
    commit c;
    char digits[OBJECT_ID_HEX + 1];
    message_facts facts;
    int32_t code = commit_read(git_store_objects(self->store), id, &c, error);
    if (code != QUIPU_OK)
        return code;
    object_id_print(id, digits);
    message_read(c.message, &facts);
    buffer_printf(out, "%.10s ", digits);
    buffer_append_str(out, facts.subject);
    commit_free(&c);
    return out->failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to revert") : QUIPU_OK;
}

static int32_t history_revert(quipu_backend *self, const quipu_str *spec, const quipu_change_set *as,
                              quipu_receipt *receipt, const quipu_call *call, quipu_error *error)
{
    difference_list list = { 0 };
    object_id id;
    buffer note = { 0 };
    char digits[OBJECT_ID_HEX + 1];
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = history_check_spec(spec, "revision", error);
    if (code == QUIPU_OK)
        code = view_resolve(self, *spec, &id, error);
    if (code == QUIPU_OK)
        code = revert_note(self, &id, &note, error);
    if (code == QUIPU_OK) {
        object_id_print(&id, digits);
        quipu_str to = str_make(digits, OBJECT_ID_HEX);
        code = differences(self, NULL, &to, NULL, &list, error);
        if (code == QUIPU_OK)
            code = undo_differences(self, &list, note.bytes, as, git_apply, receipt, call, error);
        difference_list_free(&list);
    }
    buffer_free(&note);
    return code;
}

static int32_t history_restore(quipu_backend *self, const quipu_str *id, const quipu_str *as_of,
                               const quipu_change_set *as, quipu_receipt *receipt, const quipu_call *call,
                               quipu_error *error)
{
    object_id at, head;
    bool aside = false;
    record *then = NULL, *now = NULL;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK && !id)
        code = fail(error, QUIPU_E_INVALID, "id", "the id is missing");
    if (code == QUIPU_OK)
        code = abi_check_id(*id, error);
    if (code == QUIPU_OK)
        code = history_check_spec(as_of, "as_of", error);
    if (code == QUIPU_OK)
        code = view_resolve(self, *as_of, &at, error);
    if (code == QUIPU_OK)
        code = view_record_at(self, &at, *id, &then, &aside, error);
    if (code == QUIPU_OK && aside) {
        code =
            fail(error, QUIPU_E_CORRUPT, "as_of", "the file of that record was damaged then; choose another revision");
        fail_name_record(error, id);
    }
    if (code == QUIPU_OK)
        code = git_store_head(self->store, &head, error);
    if (code == QUIPU_OK)
        code = view_record_at(self, &head, *id, &now, NULL, error);
    if (code == QUIPU_OK)
        code = undo_restore(self, id, then, now, as, git_apply, receipt, call, error);
    record_free(then);
    record_free(now);
    return code;
}

const quipu_history_api git_history = {
    .struct_size = sizeof(quipu_history_api),
    .resolve = history_resolve,
    .log = history_log,
    .diff = history_diff,
    .revert = history_revert,
    .restore = history_restore,
};
