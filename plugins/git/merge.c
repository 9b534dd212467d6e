/*
 * merge.c - see merge.h. storage_git finds the files that both sides changed; what is to become of a record is for sdk/merge.h to say.
 */
#include "merge.h"

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <sdk/change.h>
#include <sdk/merge.h>

enum { LOST_MAX = 50 };

typedef struct work {
    quipu_backend *self;
    merge_result *result;
    quipu_error *error;
} work;

/* One side of a file that both changed. */
typedef struct side {
    object_id blob;
    buffer bytes;
    record *record; /* NULL: there is no file, or it is no record */
} side;

static void side_free(side *s)
{
    buffer_free(&s->bytes);
    record_free(s->record);
}

static bool is_damaged(const side *s)
{
    return !object_id_is_none(&s->blob) && !s->record;
}

/* t: where the file may be one that this transaction has put; NULL: in the store. */
static int32_t side_read(const work *w, git_transaction *t, const char *path, const object_id *blob, side *out)
{
    *out = (side){ .blob = *blob };
    if (object_id_is_none(blob))
        return QUIPU_OK;
    int32_t code = t ? git_transaction_read(t, path, &out->blob, &out->bytes, w->error)
                     : objects_read(git_store_objects(w->self->store), blob, OBJECT_BLOB, &out->bytes, w->error);
    if (code == QUIPU_OK &&
        record_of_file(path, str_make(out->bytes.bytes, out->bytes.len), &out->record, NULL) == QUIPU_E_NO_MEMORY)
        code = fail(w->error, QUIPU_E_NO_MEMORY, NULL, "no memory for a record");
    return code;
}

/* What is no record cannot be merged: a sound side wins over a damaged one, else the larger name, so that both stores choose the same. The
 * other stays in the history. */
static int32_t choose_file(const work *w, git_transaction *t, const char *path, const side *ours, const side *theirs)
{
    bool take = ours->record
                    ? false
                    : theirs->record || memcmp(theirs->blob.bytes, ours->blob.bytes, sizeof ours->blob.bytes) > 0;
    w->result->conflicts++;
    host_log(w->self->host, QUIPU_LOG_WARNING, "git", "both sides changed %s, which is no record: one of them was kept",
             path);
    if (!take)
        return QUIPU_OK;
    w->result->records++;
    return git_transaction_put_blob(t, path, &theirs->blob, w->error);
}

static int32_t put_record(const work *w, git_transaction *t, const char *path, const side *ours, const record *r)
{
    if (!r)
        return git_transaction_delete(t, path, w->error);
    quipu_str json = record_view(r)->json;
    if (str_same(json, str_make(ours->bytes.bytes, ours->bytes.len)))
        return QUIPU_OK;
    w->result->records++;
    return git_transaction_put(t, path, json.ptr, (size_t)json.len, w->error);
}

static int32_t put_conflict(const work *w, git_transaction *t, const record *conflict)
{
    buffer path = { 0 };
    const quipu_record *shown = record_view(conflict);
    record_path(shown->id, &path);
    int32_t code = path.failed ? fail(w->error, QUIPU_E_NO_MEMORY, NULL, "no memory to merge")
                               : git_transaction_put(t, path.bytes, shown->json.ptr, (size_t)shown->json.len, w->error);
    buffer_free(&path);
    w->result->conflicts++;
    return code;
}

static const quipu_record *view_of(const side *s)
{
    return s->record ? record_view(s->record) : NULL;
}

static int32_t decide(void *context, git_transaction *t, const char *path, const object_id *base_blob,
                      const object_id *ours_blob, const object_id *theirs_blob)
{
    const work *w = context;
    side base = { 0 }, ours = { 0 }, theirs = { 0 };
    merged_record merged = { 0 };
    if (strcmp(path, FORMAT_FILE) == 0)
        return QUIPU_OK; /* both are forms that this version knows: ours stays */
    int32_t code = side_read(w, NULL, path, base_blob, &base);
    if (code == QUIPU_OK)
        code = side_read(w, t, path, ours_blob, &ours);
    if (code == QUIPU_OK)
        code = side_read(w, NULL, path, theirs_blob, &theirs);
    if (code == QUIPU_OK && (is_damaged(&ours) || is_damaged(&theirs))) {
        code = choose_file(w, t, path, &ours, &theirs);
    } else if (code == QUIPU_OK) {
        code = record_merge(view_of(&base), view_of(&ours), view_of(&theirs), &merged, w->error);
        if (code == QUIPU_OK)
            code = put_record(w, t, path, &ours, merged.result);
        if (code == QUIPU_OK && merged.conflict)
            code = put_conflict(w, t, merged.conflict);
    }
    merged_record_free(&merged);
    side_free(&base);
    side_free(&ours);
    side_free(&theirs);
    return code;
}

/* ---- the transaction ---- */

/* A store in which nothing was written but its form. */
static int32_t is_beginning(quipu_backend *self, const object_id *head, bool *out, quipu_error *error)
{
    commit c;
    object_id records = { { 0 } };
    objects *o = git_store_objects(self->store);
    *out = object_id_is_none(head);
    if (*out)
        return QUIPU_OK;
    int32_t code = commit_read(o, head, &c, error);
    if (code != QUIPU_OK)
        return code;
    code = tree_find(o, &c.tree, RECORDS_FOLDER, &records, error);
    *out = c.parent_count == 0 && object_id_is_none(&records);
    commit_free(&c);
    return code;
}

static int32_t commit_merge(const work *w, git_transaction *t, const merge_source *source, const quipu_change_set *as)
{
    buffer note = { 0 }, message = { 0 };
    const merge_result *r = w->result;
    object_id revision;
    quipu_change_set set = *as;
    buffer_printf(&note, "%s, %llu record%s", source->label, (unsigned long long)r->records,
                  r->records == 1 ? "" : "s");
    if (r->conflicts)
        buffer_printf(&note, ", %llu conflict%s", (unsigned long long)r->conflicts, r->conflicts == 1 ? "" : "s");
    set.note = as->note.ptr ? as->note : str_make(note.bytes, note.len);
    set.changes = (quipu_array){ 0 };
    message_print(&set, NULL, r->records, w->self->quote_subjects, &message);
    commit_words words = { .author = as->author,
                           .time = as->time,
                           .committed = host_now(w->self->host),
                           .message = str_make(message.bytes, message.len),
                           .merged = source->tip };
    int32_t code = note.failed || message.failed ? fail(w->error, QUIPU_E_NO_MEMORY, NULL, "no memory to merge")
                                                 : git_transaction_commit(t, &words, &revision, w->error);
    buffer_free(&note);
    buffer_free(&message);
    return code;
}

/* All that happens between begin and publish. */
static int32_t merge_in(const work *w, git_transaction *t, const merge_source *source, const quipu_change_set *as,
                        const quipu_call *call)
{
    static const uint32_t flags[] = {
        [GIT_MERGE_NOTHING] = QUIPU_MERGE_NOTHING, [GIT_MERGE_FORWARD] = QUIPU_MERGE_FORWARD, [GIT_MERGE_TREES] = 0
    };
    git_merge_report report = { GIT_MERGE_NOTHING, 0, 0 };
    bool beginning = false;
    size_t copied = 0;
    int32_t code =
        source->from ? git_transaction_fetch(t, source->from, &source->tip, call, &copied, w->error) : QUIPU_OK;
    if (code == QUIPU_OK)
        code = check_format_of(w->self, &source->tip, w->error);
    if (code == QUIPU_OK)
        code = is_beginning(w->self, git_transaction_head(t), &beginning, w->error);
    if (code == QUIPU_OK)
        code = git_transaction_merge(t, &source->tip, beginning, decide, (void *)w, &report, w->error);
    w->result->flags = flags[report.outcome];
    w->result->revisions = report.commits;
    w->result->records += report.files;
    if (code == QUIPU_OK)
        code = call_check(call, w->error); /* the last moment to be taken back */
    if (code == QUIPU_OK && report.outcome == GIT_MERGE_TREES)
        code = commit_merge(w, t, source, as);
    return code;
}

static int32_t count_change(void *context, const tree_change *change)
{
    (void)change;
    ++*(uint64_t *)context;
    return QUIPU_OK;
}

/* How many records a step forward changed. */
static void count_forward(quipu_backend *self, const object_id *from, merge_result *result)
{
    objects *o = git_store_objects(self->store);
    commit a = { .tree = { { 0 } } }, b;
    if (!object_id_is_none(from) && commit_read(o, from, &a, NULL) != QUIPU_OK)
        return;
    if (commit_read(o, &result->revision, &b, NULL) == QUIPU_OK) {
        (void)tree_diff(o, &a.tree, &b.tree, RECORDS_FOLDER, count_change, &result->records, NULL);
        commit_free(&b);
    }
    commit_free(&a);
}

static int32_t try_merge(const work *w, const merge_source *source, const quipu_change_set *as, bool *lost,
                         const quipu_call *call)
{
    git_transaction *t;
    *w->result = (merge_result){ 0 };
    int32_t code = git_begin(w->self->store, call, &t, w->error);
    if (code != QUIPU_OK)
        return code;
    object_id before = *git_transaction_head(t);
    code = moved_check(w->self, w->error);
    if (code == QUIPU_OK)
        code = merge_in(w, t, source, as, call);
    if (code != QUIPU_OK) {
        git_abort(t);
        return code;
    }
    w->result->revision = *git_transaction_head(t);
    w->self->applied.floor = INT64_MAX; /* change ids of theirs may be older than what is known: they are read anew */
    code = git_publish(t, lost, w->error);
    if (code == QUIPU_OK && !*lost && (w->result->flags & QUIPU_MERGE_FORWARD))
        count_forward(w->self, &before, w->result);
    return code;
}

int32_t merge_history(quipu_backend *self, const merge_source *source, const quipu_change_set *as, merge_result *out,
                      const quipu_call *call, quipu_error *error)
{
    work w = { self, out, error };
    bool lost = true;
    int32_t code = QUIPU_OK;
    for (int i = 0; i < LOST_MAX && lost && code == QUIPU_OK; i++)
        code = try_merge(&w, source, as, &lost, call);
    if (code == QUIPU_OK && lost)
        code = fail(error, QUIPU_E_BUSY, NULL, "another program moves the branch all the time; try again");
    return code;
}

/* ---- reports ---- */

int32_t merge_report_check(const quipu_merge_report *report, quipu_error *error)
{
    return report ? abi_check_struct(report, sizeof *report, "quipu_merge_report", error) : QUIPU_OK;
}

void merge_report_fill(quipu_merge_report *report, const merge_result *result)
{
    char revision[OBJECT_ID_HEX + 1];
    if (!report)
        return;
    object_id_print(&result->revision, revision);
    report->flags = result->flags;
    report->revisions = result->revisions;
    report->records = result->records;
    report->conflicts = result->conflicts;
    memcpy(report->revision, revision, sizeof revision);
}

int32_t merge_check(quipu_backend *self, const quipu_change_set *as, const quipu_merge_report *report,
                    const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = change_set_check(as, error);
    if (code == QUIPU_OK && as->changes.count)
        code = fail(error, QUIPU_E_INVALID, "changes", "the set must be empty: its changes are made here");
    if (code == QUIPU_OK)
        code = merge_report_check(report, error);
    if (code == QUIPU_OK && (self->flags & QUIPU_OPEN_READ_ONLY))
        code = fail(error, QUIPU_E_READ_ONLY, NULL, "the store was opened for reading only");
    return code;
}
