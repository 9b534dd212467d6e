/*
 * merge.c - see merge.h. storage_git finds the files that both sides changed; what is to become of a record is for sdk/merge.h to say.
 *
 * A record that may be two files (files.h) is asked about whenever one of them changed, and merged as the one record that it is, once.
 */
#include "merge.h"

#include "files.h"
#include "view.h"

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <sdk/change.h>
#include <sdk/merge.h>

enum { LOST_MAX = 50 };

typedef struct work {
    quipu_backend *self;
    merge_result *result;
    object_id our_tree; /* before anything was merged */
    quipu_error *error;
} work;

/* ---- files that are no records ---- */

/* What is no record cannot be merged: where one side alone changed it, that one is taken; else a sound side wins over a damaged one, else
 * the larger name, so that both stores choose the same. The other stays in the history. */
static int32_t choose_file(const work *w, git_transaction *t, const char *path, const object_id states[3],
                           bool ours_sound, bool theirs_sound)
{
    const object_id *base = &states[0], *ours = &states[1], *theirs = &states[2];
    bool fits = true, alone = object_id_equal(ours, base);
    if (object_id_equal(theirs, base) || object_id_equal(theirs, ours))
        return QUIPU_OK;
    bool take = alone || (!ours_sound && (theirs_sound || memcmp(theirs->bytes, ours->bytes, sizeof ours->bytes) > 0));
    int32_t code = take ? git_transaction_fits(t, path, &fits, w->error) : QUIPU_OK;
    if (!alone || !fits) {
        w->result->conflicts++;
        host_log(w->self->host, QUIPU_LOG_WARNING, "git",
                 "both sides changed %s, which is no record: one of them was kept", path);
    }
    if (code != QUIPU_OK || !take || !fits)
        return code;
    w->result->records++;
    return object_id_is_none(theirs) ? git_transaction_delete(t, path, w->error)
                                     : git_transaction_put_blob(t, path, theirs, w->error);
}

/* ---- records ---- */

/* A record in its three states, each of its one file or two. */
typedef struct sides {
    stored base, ours, theirs;
} sides;

static void sides_free(sides *s)
{
    stored_free(&s->base);
    stored_free(&s->ours);
    stored_free(&s->theirs);
}

/* ours: of a record that is one file as the transaction has it, because a conflict may have been noted under this id; else as it was,
 * because the other file may have been merged already. */
static int32_t sides_read(const work *w, git_transaction *t, const git_merge_file *file, quipu_str id, sides *out)
{
    objects *o = git_store_objects(w->self->store);
    edits *known = &w->self->edits; /* so that the later of two changes is that of a later commit */
    record_place base = { .objects = o, .tree = file->base_tree, .edits = known, .time = INT64_MAX };
    record_place theirs = base, ours = base;
    theirs.tree = file->their_tree;
    ours.tree = w->our_tree;
    if (!record_may_have_file(id))
        ours.t = t;
    int32_t code = stored_read(&base, id, &out->base, w->error);
    if (code == QUIPU_OK)
        code = stored_read(&ours, id, &out->ours, w->error);
    if (code == QUIPU_OK)
        code = stored_read(&theirs, id, &out->theirs, w->error);
    return code;
}

static int32_t put_record(const work *w, git_transaction *t, quipu_str id, const stored *ours, const record *r)
{
    if (!r && !ours->record)
        return QUIPU_OK;
    if (!r)
        return stored_delete(t, id, ours, w->error);
    if (ours->record && str_same(record_view(r)->version, record_view(ours->record)->version))
        return QUIPU_OK;
    w->result->records++;
    return stored_put(t, record_view(r), w->error);
}

static int32_t put_conflict(const work *w, git_transaction *t, const record *conflict)
{
    w->result->conflicts++;
    return stored_put(t, record_view(conflict), w->error);
}

static bool same_record(const stored *a, const stored *b)
{
    return a->record && b->record ? str_same(record_view(a->record)->version, record_view(b->record)->version)
                                  : a->record == b->record;
}

static const quipu_record *view_of(const stored *s)
{
    return s->record ? record_view(s->record) : NULL;
}

static int32_t merge_record(const work *w, git_transaction *t, quipu_str id, const sides *s)
{
    merged_record merged = { 0 };
    if (same_record(&s->theirs, &s->base) || same_record(&s->theirs, &s->ours))
        return QUIPU_OK;
    if (same_record(&s->ours, &s->base)) {
        w->result->records += !s->theirs.record;
        return put_record(w, t, id, &s->ours, s->theirs.record);
    }
    int32_t code = record_merge(view_of(&s->base), view_of(&s->ours), view_of(&s->theirs), &merged, w->error);
    if (code == QUIPU_OK)
        code = put_record(w, t, id, &s->ours, merged.result);
    if (code == QUIPU_OK && merged.conflict)
        code = put_conflict(w, t, merged.conflict);
    merged_record_free(&merged);
    return code;
}

/* A record one of whose files cannot be read as its part: each file for itself. */
static int32_t choose_files(const work *w, git_transaction *t, const char *path, quipu_str id, const sides *s)
{
    object_id json[3] = { s->base.json, s->ours.json, s->theirs.json };
    object_id text[3] = { s->base.text, s->ours.text, s->theirs.text };
    buffer text_path = { 0 };
    int32_t code = choose_file(w, t, path, json, s->ours.record, s->theirs.record);
    if (code == QUIPU_OK && file_path(id, &text_path))
        code = choose_file(w, t, text_path.bytes, text, s->ours.record, s->theirs.record);
    buffer_free(&text_path);
    return code;
}

static int32_t decide_record(const work *w, git_transaction *t, const git_merge_file *file, quipu_str id)
{
    sides s = { 0 };
    buffer path = { 0 };
    record_path(id, &path);
    int32_t code =
        path.failed ? fail(w->error, QUIPU_E_NO_MEMORY, NULL, "no memory to merge") : sides_read(w, t, file, id, &s);
    bool damaged = s.ours.json_bad || s.theirs.json_bad || s.ours.text_bad || s.theirs.text_bad;
    if (code == QUIPU_OK)
        code = damaged ? choose_files(w, t, path.bytes, id, &s) : merge_record(w, t, id, &s);
    sides_free(&s);
    buffer_free(&path);
    return code;
}

/* ---- which record a file is of ---- */

/* The id of a JSON file; empty where nothing tells it. */
static int32_t id_of_json(const work *w, const git_merge_file *file, buffer *id)
{
    objects *o = git_store_objects(w->self->store);
    const object_id trees[] = { file->their_tree, file->base_tree, w->our_tree };
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < sizeof trees / sizeof trees[0] && code == QUIPU_OK && id->len == 0; i++)
        code = stored_id(&(record_place){ .objects = o, .tree = trees[i] }, file->path, id, w->error);
    return code;
}

static int32_t decide(void *context, git_transaction *t, const git_merge_file *file)
{
    const work *w = context;
    objects *o = git_store_objects(w->self->store);
    buffer id = { 0 };
    bool alone = true, text = is_file_path(file->path);
    int32_t code = QUIPU_OK;
    if (strcmp(file->path, FORMAT_FILE) == 0)
        return format_raise(t, w->error); /* both are forms that this version knows */
    if (text && !file_path_id(file->path, &id))
        buffer_clear(&id);
    if (!text)
        code = id_of_json(w, file, &id);
    if (code == QUIPU_OK && text && id.len > 0)
        code = stored_same_json(&(record_place){ .objects = o, .tree = file->base_tree },
                                &(record_place){ .objects = o, .tree = file->their_tree }, str_make(id.bytes, id.len),
                                &alone, w->error);
    if (code == QUIPU_OK && alone) { /* else the record is merged when the turn of its JSON comes */
        object_id states[3] = { file->base, file->ours, file->theirs };
        code = id.len > 0 ? decide_record(w, t, file, str_make(id.bytes, id.len))
                          : choose_file(w, t, file->path, states, false, false);
    }
    buffer_free(&id);
    return code;
}

/* The files of a record that may have two. */
static bool is_grouped(void *context, const char *path)
{
    (void)context;
    return is_file_path(path) || (strncmp(path, RECORDS_FOLDER "/", sizeof RECORDS_FOLDER) == 0 && may_have_file(path));
}

/* ---- the transaction ---- */

/* A store in which nothing was written but its form. */
static int32_t is_beginning(quipu_backend *self, const object_id *head, bool *out, quipu_error *error)
{
    commit c;
    object_id records = { { 0 } }, files = { { 0 } };
    objects *o = git_store_objects(self->store);
    *out = object_id_is_none(head);
    if (*out)
        return QUIPU_OK;
    int32_t code = commit_read(o, head, &c, error);
    if (code != QUIPU_OK)
        return code;
    code = tree_find(o, &c.tree, RECORDS_FOLDER, &records, error);
    if (code == QUIPU_OK)
        code = tree_find(o, &c.tree, FILES_FOLDER, &files, error);
    *out = c.parent_count == 0 && object_id_is_none(&records) && object_id_is_none(&files);
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
static int32_t merge_in(work *w, git_transaction *t, const merge_source *source, const quipu_change_set *as,
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
        code = view_tree(w->self, git_transaction_head(t), &w->our_tree, w->error);
    if (code == QUIPU_OK)
        code = edits_cover(&w->self->edits, git_transaction_head(t), w->error);
    if (code == QUIPU_OK)
        code = edits_cover(&w->self->edits, &source->tip, w->error);
    git_merge_rules rules = { decide, is_grouped, w };
    if (code == QUIPU_OK)
        code = git_transaction_merge(t, &source->tip, beginning, &rules, &report, w->error);
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

typedef struct text_count {
    record_place from, to;
    uint64_t *records;
} text_count;

/* Counts a text whose JSON did not change: else that was counted. */
static int32_t count_text(void *context, const tree_change *change)
{
    const text_count *c = context;
    bool alone = false;
    buffer id = { 0 };
    int32_t code = QUIPU_OK;
    if (file_path_id(change->path, &id))
        code = stored_same_json(&c->from, &c->to, str_make(id.bytes, id.len), &alone, NULL);
    *c->records += alone;
    buffer_free(&id);
    return code;
}

/* How many records a step forward changed. */
static void count_forward(quipu_backend *self, const object_id *from, merge_result *result)
{
    objects *o = git_store_objects(self->store);
    commit a = { .tree = { { 0 } } }, b;
    if (!object_id_is_none(from) && commit_read(o, from, &a, NULL) != QUIPU_OK)
        return;
    if (commit_read(o, &result->revision, &b, NULL) == QUIPU_OK) {
        text_count texts = { { .objects = o, .tree = a.tree }, { .objects = o, .tree = b.tree }, &result->records };
        (void)tree_diff(o, &a.tree, &b.tree, RECORDS_FOLDER, count_change, &result->records, NULL);
        (void)tree_diff(o, &a.tree, &b.tree, FILES_FOLDER, count_text, &texts, NULL);
        commit_free(&b);
    }
    commit_free(&a);
}

static int32_t try_merge(work *w, const merge_source *source, const quipu_change_set *as, bool *lost,
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
    work w = { .self = self, .result = out, .error = error };
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
