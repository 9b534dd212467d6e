/* history.c - the extension history/1 (plugin_api/quipu/ext/history.h), over commits and trees. */
#include "files.h"

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
    buffer path = { 0 }, text = { 0 };
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
        if (!file_path(query->id, &text))
            buffer_free(&text);
        if (path.failed || text.failed)
            code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to walk the history");
    }
    if (code == QUIPU_OK) {
        log_walk walk = { visit, context, call, error, query->limit ? query->limit : UINT64_MAX, 0, false };
        code = commit_walk(git_store_objects(self->store), &from, path.bytes, text.bytes, log_commit, &walk, error);
        if (code == LOG_ENOUGH)
            code = QUIPU_OK;
        if (code == QUIPU_OK && query->id.ptr && walk.shown == 0) {
            code = fail(error, QUIPU_E_NOT_FOUND, "id", "no revision ever held a record of this id");
            fail_name_record(error, &query->id);
        }
    }
    buffer_free(&path);
    buffer_free(&text);
    return code;
}

/* ---- differences ---- */

typedef struct collection {
    difference_list *list;
    quipu_error *error;
} collection;

static int32_t collect(void *context, quipu_str id, stored *before, stored *after)
{
    const collection *c = context;
    record *a = before->record, *b = after->record;
    (void)id;
    before->record = after->record = NULL;
    return difference_add(c->list, a, b, c->error);
}

/* Both sides of a comparison; `from` absent: the parent of `to`. */
static int32_t find_places(quipu_backend *self, const quipu_str *from, const quipu_str *to, record_changes *out)
{
    object_id to_id, from_id = { { 0 } };
    commit c;
    int32_t code = history_check_spec(to, "to", out->error);
    if (code == QUIPU_OK)
        code = view_resolve(self, *to, &to_id, out->error);
    if (code == QUIPU_OK)
        code = commit_read(git_store_objects(self->store), &to_id, &c, out->error);
    if (code != QUIPU_OK)
        return code;
    if (c.parent_count)
        from_id = c.parents[0];
    commit_free(&c);
    if (from && from->ptr) {
        code = history_check_spec(from, "from", out->error);
        if (code == QUIPU_OK)
            code = view_resolve(self, *from, &from_id, out->error);
    }
    if (code == QUIPU_OK)
        code = view_place(self, &to_id, &out->to, out->error);
    if (code == QUIPU_OK)
        code = view_place(self, &from_id, &out->from, out->error);
    return code;
}

static int32_t differences(quipu_backend *self, const quipu_str *from, const quipu_str *to, const quipu_str *id,
                           difference_list *list, quipu_error *error)
{
    collection c = { .list = list, .error = error };
    record_changes changes = { .visit = collect, .context = &c, .error = error };
    *list = (difference_list){ 0 };
    int32_t code = find_places(self, from, to, &changes);
    if (code == QUIPU_OK)
        code = id && id->ptr ? record_changes_one(&changes, *id) : record_changes_all(&changes);
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
