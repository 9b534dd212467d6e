/* history.c - the extension history/1 (plugin_api/quipu/ext/history.h), over commits and trees. */
#include "backend.h"

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <sdk/change.h>
#include <sdk/query.h>
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

static int32_t check_spec(const quipu_str *spec, const char *name, quipu_error *error)
{
    if (!spec || !spec->ptr || spec->len == 0)
        return fail(error, QUIPU_E_INVALID, name, "%s is missing; give a revision or a time", name);
    return abi_check_text(*spec, true, name, error);
}

static int32_t history_resolve(quipu_backend *self, const quipu_str *spec, quipu_revision_fn visit, void *context,
                               const quipu_call *call, quipu_error *error)
{
    object_id id;
    commit c;
    bool stop;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = check_spec(spec, "revision", error);
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

typedef struct difference {
    record *before;
    record *after;
} difference;

typedef struct difference_list {
    quipu_backend *self;
    difference *items;
    size_t count, capacity;
    quipu_error *error;
} difference_list;

static void differences_free(difference_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        record_free(list->items[i].before);
        record_free(list->items[i].after);
    }
    free(list->items);
}

static int32_t read_side(difference_list *list, const object_id *blob, const char *path, record **out)
{
    buffer bytes = { 0 };
    int32_t code = QUIPU_OK;
    *out = NULL;
    if (object_id_is_none(blob))
        return QUIPU_OK;
    code = objects_read(git_store_objects(list->self->store), blob, OBJECT_BLOB, &bytes, list->error);
    if (code == QUIPU_OK)
        record_of_file(path, str_make(bytes.bytes, bytes.len), out, NULL);
    buffer_free(&bytes);
    return code;
}

/* Collects one file; what is a record on neither side is left out. */
static int32_t collect(void *context, const tree_change *change)
{
    difference_list *list = context;
    difference d = { 0 };
    int32_t code = read_side(list, &change->before, change->path, &d.before);
    if (code == QUIPU_OK)
        code = read_side(list, &change->after, change->path, &d.after);
    if (code == QUIPU_OK && (d.before || d.after) && list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        difference *items = realloc(list->items, capacity * sizeof *items);
        if (items) {
            list->items = items;
            list->capacity = capacity;
        } else {
            code = fail(list->error, QUIPU_E_NO_MEMORY, NULL, "no memory to compare two revisions");
        }
    }
    if (code == QUIPU_OK && (d.before || d.after)) {
        list->items[list->count++] = d;
        return QUIPU_OK;
    }
    record_free(d.before);
    record_free(d.after);
    return code;
}

static quipu_str id_of(const difference *d)
{
    return record_view(d->after ? d->after : d->before)->id;
}

static int by_id(const void *a, const void *b)
{
    return str_compare(id_of(a), id_of(b));
}

/* Both trees of a comparison; `from` absent: the parent of `to`. */
static int32_t find_trees(quipu_backend *self, const quipu_str *from, const quipu_str *to, object_id *from_tree,
                          object_id *to_tree, quipu_error *error)
{
    objects *o = git_store_objects(self->store);
    object_id to_id, from_id = { { 0 } };
    commit c;
    memset(from_tree, 0, sizeof *from_tree);
    int32_t code = check_spec(to, "to", error);
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
        code = check_spec(from, "from", error);
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

static int32_t collect_one(difference_list *list, const object_id *from_tree, const object_id *to_tree,
                           const char *path)
{
    objects *o = git_store_objects(list->self->store);
    tree_change change = { .path = path };
    int32_t code = tree_find(o, from_tree, path, &change.before, list->error);
    if (code == QUIPU_OK)
        code = tree_find(o, to_tree, path, &change.after, list->error);
    if (code == QUIPU_OK && !object_id_equal(&change.before, &change.after))
        code = collect(list, &change);
    return code;
}

static int32_t differences(quipu_backend *self, const quipu_str *from, const quipu_str *to, const quipu_str *id,
                           difference_list *list, quipu_error *error)
{
    object_id from_tree, to_tree;
    buffer path = { 0 };
    *list = (difference_list){ .self = self, .error = error };
    int32_t code = find_trees(self, from, to, &from_tree, &to_tree, error);
    if (code == QUIPU_OK && id && id->ptr) {
        record_path(*id, &path);
        code = path.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to compare two revisions")
                           : collect_one(list, &from_tree, &to_tree, path.bytes);
    } else if (code == QUIPU_OK) {
        code = tree_diff(git_store_objects(self->store), &from_tree, &to_tree, RECORDS_FOLDER, collect, list, error);
    }
    if (code == QUIPU_OK && list->count)
        qsort(list->items, list->count, sizeof *list->items, by_id);
    buffer_free(&path);
    return code;
}

static int32_t history_diff(quipu_backend *self, const quipu_str *from, const quipu_str *to, const quipu_str *id,
                            quipu_difference_fn visit, void *context, const quipu_call *call, quipu_error *error)
{
    difference_list list = { 0 };
    bool stop = false;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK && id && id->ptr)
        code = abi_check_id(*id, error);
    if (code != QUIPU_OK)
        return code;
    code = differences(self, from, to, id, &list, error);
    for (size_t i = 0; i < list.count && code == QUIPU_OK && !stop; i++) {
        const difference *d = &list.items[i];
        quipu_difference shown = { .struct_size = sizeof shown,
                                   .id = id_of(d),
                                   .before = d->before ? record_view(d->before) : NULL,
                                   .after = d->after ? record_view(d->after) : NULL };
        code = query_answer(visit(context, &shown), &stop, error);
    }
    differences_free(&list);
    return code;
}

/* ---- undoing ---- */

/* Checks the template of a new revision, and copies it with these changes and a note where it has none. */
static int32_t prepare_set(const quipu_change_set *as, const char *note, const quipu_change *changes, uint64_t count,
                           quipu_change_set *out, quipu_error *error)
{
    int32_t code = change_set_check(as, error);
    if (code == QUIPU_OK && as->changes.count)
        code = fail(error, QUIPU_E_INVALID, "changes", "the set must be empty: its changes are made here");
    if (code != QUIPU_OK)
        return code;
    *out = *as;
    out->struct_size = sizeof *out;
    out->changes = (quipu_array){ changes, count, sizeof *changes };
    if (!out->note.ptr)
        out->note = str_of(note);
    return QUIPU_OK;
}

/* The change that leads from `after` back to `before`, expecting that nothing came since. */
static quipu_change back(const difference *d)
{
    quipu_change change = { .struct_size = sizeof change, .id = id_of(d) };
    if (d->before) {
        change.op = QUIPU_CHANGE_PUT;
        change.record = record_view(d->before);
    } else {
        change.op = QUIPU_CHANGE_DELETE;
    }
    change.expect = d->after ? QUIPU_EXPECT_VERSION : QUIPU_EXPECT_ABSENT;
    if (d->after)
        change.expected_version = record_view(d->after)->version;
    return change;
}

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

static int32_t explain_conflict(int32_t code, quipu_error *error)
{
    if (code != QUIPU_E_CONFLICT && code != QUIPU_E_NOT_FOUND && code != QUIPU_E_EXISTS)
        return code;
    if (error && error->struct_size >= sizeof *error) {
        char id[sizeof error->id], version[sizeof error->version];
        memcpy(id, error->id, sizeof id);
        memcpy(version, error->version, sizeof version);
        fail(error, QUIPU_E_CONFLICT, "revision",
             "the record has changed since that revision; restore it as of a revision instead");
        memcpy(error->id, id, sizeof id);
        memcpy(error->version, version, sizeof version);
    }
    return QUIPU_E_CONFLICT;
}

static int32_t apply_back(quipu_backend *self, const difference_list *list, const char *note,
                          const quipu_change_set *as, quipu_receipt *receipt, const quipu_call *call,
                          quipu_error *error)
{
    quipu_change_set set;
    quipu_change *changes = calloc(list->count ? list->count : 1, sizeof *changes);
    if (!changes)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to revert");
    for (size_t i = 0; i < list->count; i++)
        changes[i] = back(&list->items[i]);
    int32_t code = prepare_set(as, note, changes, list->count, &set, error);
    if (code == QUIPU_OK)
        code = explain_conflict(git_apply(self, &set, receipt, call, error), error);
    free(changes);
    return code;
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
        code = check_spec(spec, "revision", error);
    if (code == QUIPU_OK)
        code = view_resolve(self, *spec, &id, error);
    if (code == QUIPU_OK)
        code = revert_note(self, &id, &note, error);
    if (code == QUIPU_OK) {
        object_id_print(&id, digits);
        quipu_str to = str_make(digits, OBJECT_ID_HEX);
        code = differences(self, NULL, &to, NULL, &list, error);
        if (code == QUIPU_OK)
            code = apply_back(self, &list, note.bytes, as, receipt, call, error);
        differences_free(&list);
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
    quipu_change_set set;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK && !id)
        code = fail(error, QUIPU_E_INVALID, "id", "the id is missing");
    if (code == QUIPU_OK)
        code = abi_check_id(*id, error);
    if (code == QUIPU_OK)
        code = check_spec(as_of, "as_of", error);
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
    if (code == QUIPU_OK && !then && !now) {
        code = fail(error, QUIPU_E_NOT_FOUND, "id", "there is no such record now, nor was there then");
        fail_name_record(error, id);
    }
    if (code == QUIPU_OK) {
        quipu_change change = { .struct_size = sizeof change,
                                .op = then ? QUIPU_CHANGE_PUT : QUIPU_CHANGE_DELETE,
                                .id = *id,
                                .record = then ? record_view(then) : NULL };
        code = prepare_set(as, NULL, &change, 1, &set, error);
        if (code == QUIPU_OK)
            code = git_apply(self, &set, receipt, call, error);
    }
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
