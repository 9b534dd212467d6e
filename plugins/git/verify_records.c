/*
 * verify_records.c - part of verify: files under records/ that are no records of their path, those under files/ that are no texts of
 * records, and the index against the tree.
 *
 * Repair takes such a file out of its folder by a commit: to its own path where it is a record and that path is free, else below
 * aside/, under the path that it had. So a list of the folder shows records only, and the file is there for whoever put it there.
 */
#include "files.h"

#include <base/fail.h>
#include <stdio.h>
#include <stdlib.h>

#define ASIDE_FOLDER "aside"

enum { NAMED_MOST = 500, LOST_MOST = 100, NAMES_MOST = 1000 };

/* ---- files that are no records ---- */

typedef struct paths {
    char **items;
    size_t count;
} paths;

static int32_t note_path(void *context, const char *path, const char *reason)
{
    paths *p = context;
    (void)reason;
    char **items = realloc(p->items, (p->count + 1) * sizeof *items);
    char *copy = items ? str_dup(str_of(path)) : NULL;
    if (items)
        p->items = items;
    if (!copy)
        return QUIPU_E_NO_MEMORY;
    p->items[p->count++] = copy;
    return QUIPU_OK;
}

static void free_paths(paths *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->items[i]);
    free(p->items);
}

static int32_t no_memory(const verification *v)
{
    return fail(v->told.error, QUIPU_E_NO_MEMORY, NULL, "no memory to check the records");
}

static int32_t is_free(const verification *v, git_transaction *t, const char *path, bool *out)
{
    object_id found;
    buffer unused = { 0 };
    int32_t code = git_transaction_read(t, path, &found, &unused, v->told.error);
    *out = code == QUIPU_OK && object_id_is_none(&found);
    if (*out)
        code = git_transaction_fits(t, path, out, v->told.error);
    buffer_free(&unused);
    return code;
}

/* Where it goes. */
static int32_t find_place(const verification *v, git_transaction *t, const char *path, const buffer *bytes, buffer *to)
{
    record *r = NULL;
    bool free_there = false;
    int32_t code = QUIPU_OK;
    if (!is_file_path(path) && record_of_bytes(str_make(bytes->bytes, bytes->len), &r, NULL) == QUIPU_OK) {
        record_path(record_view(r)->id, to);
        code = to->failed ? no_memory(v) : is_free(v, t, to->bytes, &free_there);
    }
    record_free(r);
    for (unsigned i = 0; code == QUIPU_OK && !free_there && i < NAMES_MOST; i++) {
        buffer_clear(to);
        buffer_printf(to, ASIDE_FOLDER "/%s", path);
        if (i)
            buffer_printf(to, "-%u", i + 1);
        code = to->failed ? no_memory(v) : is_free(v, t, to->bytes, &free_there);
    }
    return code;
}

static int32_t move_file(const verification *v, git_transaction *t, const char *path, buffer *to, bool *gone)
{
    object_id blob;
    buffer bytes = { 0 };
    buffer_clear(to);
    int32_t code = git_transaction_read(t, path, &blob, &bytes, v->told.error);
    *gone = code == QUIPU_OK && object_id_is_none(&blob);
    if (code == QUIPU_OK && !*gone)
        code = find_place(v, t, path, &bytes, to);
    if (code == QUIPU_OK && !*gone)
        code = git_transaction_delete(t, path, v->told.error);
    if (code == QUIPU_OK && !*gone)
        code = git_transaction_put_blob(t, to->bytes, &blob, v->told.error);
    buffer_free(&bytes);
    return code;
}

static int32_t move_files(verification *v, git_transaction *t, paths *p, char **targets, buffer *list)
{
    buffer to = { 0 };
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < p->count && code == QUIPU_OK; i++) {
        bool gone;
        code = move_file(v, t, p->items[i], &to, &gone);
        targets[i] = code == QUIPU_OK && !gone ? str_dup(str_make(to.bytes, to.len)) : NULL;
        if (i < NAMED_MOST && targets[i])
            buffer_printf(list, "%s\n  to %s\n", p->items[i], targets[i]);
    }
    buffer_free(&to);
    return code;
}

static int32_t commit_moves(verification *v, paths *p, char **targets, bool *lost)
{
    git_transaction *t;
    char subject[80];
    buffer list = { 0 };
    int32_t code = git_begin(v->self->store, v->call, &t, v->told.error);
    if (code != QUIPU_OK)
        return code;
    code = move_files(v, t, p, targets, &list);
    snprintf(subject, sizeof subject, "%zu files that are no records of their paths", p->count);
    if (code == QUIPU_OK)
        code = verify_commit(v, t, subject, &list, lost);
    else
        git_abort(t);
    buffer_free(&list);
    return code;
}

static int32_t tell_moves(verification *v, const paths *p, char **targets)
{
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < p->count && code == QUIPU_OK; i++) {
        buffer message = { 0 };
        buffer_printf(&message, "it was no record of that path, and is at %s now", targets[i] ? targets[i] : "");
        if (targets[i])
            code = message.failed ? no_memory(v)
                                  : verify_tell(v, QUIPU_FINDING_REPAIRED, "records", p->items[i], message.bytes, 0);
        buffer_free(&message);
    }
    return code;
}

static int32_t move_aside(verification *v, paths *p)
{
    char **targets = calloc(p->count, sizeof *targets);
    bool lost = targets != NULL;
    int32_t code = targets ? QUIPU_OK : no_memory(v);
    for (int i = 0; lost && code == QUIPU_OK; i++) {
        for (size_t j = 0; j < p->count; j++) {
            free(targets[j]);
            targets[j] = NULL;
        }
        code = i < LOST_MOST ? commit_moves(v, p, targets, &lost)
                             : fail(v->told.error, QUIPU_E_BUSY, NULL, "another program moves the branch all the time");
    }
    if (code == QUIPU_OK)
        code = tell_moves(v, p, targets);
    for (size_t i = 0; targets && i < p->count; i++)
        free(targets[i]);
    free(targets);
    return code;
}

static int32_t tell_aside(void *context, const char *path, const char *reason)
{
    return verify_tell(context, QUIPU_FINDING_WARNING, "records", path, reason, 0);
}

/* fresh: read from the tree alone. */
static int32_t check_aside(verification *v, view *fresh)
{
    paths p = { 0 };
    uint64_t aside = view_aside_count(fresh);
    int32_t code = QUIPU_OK;
    if (!v->repair)
        code = view_each_aside(fresh, tell_aside, v);
    else if (aside && view_each_aside(fresh, note_path, &p) != QUIPU_OK)
        code = no_memory(v);
    else if (aside)
        code = move_aside(v, &p);
    free_paths(&p);
    if (code == QUIPU_OK)
        code = verify_tell(v, QUIPU_FINDING_CHECKED, "records", NULL, NULL, record_index_count(view_index(fresh)));
    if (code == QUIPU_OK)
        code = verify_tell(v, QUIPU_FINDING_CHECKED, "aside", NULL, NULL, aside);
    return code;
}

/* ---- the index against the tree ---- */

typedef struct comparison {
    verification *v;
    record_index *other;
    const char *missing; /* what to say of a record that the other side lacks or holds otherwise */
    uint64_t count, faults;
    bool enough;
} comparison;

static int32_t compare_record(void *context, const quipu_hit *hit)
{
    comparison *c = context;
    record *r = record_index_find(c->other, hit->record->id);
    bool same = r && str_same(record_view(r)->version, hit->record->version);
    int32_t code = QUIPU_OK;
    record_free(r);
    c->count++;
    if (same)
        return QUIPU_OK;
    c->faults++;
    char *id = str_dup(hit->record->id);
    code =
        id ? verify_tell(c->v, c->v->repair ? QUIPU_FINDING_REPAIRED : QUIPU_FINDING_DAMAGE, "index", id, c->missing, 0)
           : no_memory(c->v);
    free(id);
    c->enough = code == VERIFY_ENOUGH;
    return code;
}

static int32_t compare_views(comparison *c, record_index *a)
{
    quipu_filter all = { .struct_size = sizeof all, .flags = QUIPU_FILTER_EXPIRED, .now = QUIPU_TIME_NONE };
    quipu_scan scan = { .struct_size = sizeof scan, .filter = &all };
    c->count = 0;
    int32_t code = record_index_scan(a, &scan, compare_record, c, c->v->call, c->v->told.error);
    if (code == QUIPU_E_CORRUPT && !c->enough) {
        c->faults++;
        code = verify_tell(c->v, c->v->repair ? QUIPU_FINDING_REPAIRED : QUIPU_FINDING_DAMAGE, "index", "catalogue",
                           "a file of the saved index is damaged", 0);
        c->enough = code == VERIFY_ENOUGH;
    }
    return code == QUIPU_OK && c->enough ? VERIFY_ENOUGH : code;
}

static int32_t check_index(verification *v, view *present, view *fresh)
{
    comparison c = { .v = v, .other = view_index(fresh), .missing = "the index holds what the store does not" };
    int32_t code = compare_views(&c, view_index(present));
    c.other = view_index(present);
    c.missing = "the index lacks what the store holds";
    if (code == QUIPU_OK)
        code = compare_views(&c, view_index(fresh));
    if (code == QUIPU_OK && c.faults && v->repair)
        code = catalogue_forget(v->self, v->told.error);
    return code == QUIPU_OK ? verify_tell(v, QUIPU_FINDING_CHECKED, "index", NULL, NULL, c.count) : code;
}

/* ---- both ---- */

int32_t verify_records(verification *v)
{
    view *present = NULL, *fresh = NULL;
    object_id at;
    quipu_error why = { .struct_size = sizeof why };
    pthread_mutex_lock(&v->self->views);
    if (!v->self->catalogue)
        catalogue_open(v->self); /* a store that was opened damaged has none yet */
    pthread_mutex_unlock(&v->self->views);
    int32_t code = view_take(v->self, (quipu_str){ 0 }, &present, NULL, &why);
    if (code == QUIPU_OK) {
        view_commit(present, &at);
        code = view_fresh(v->self, &at, &fresh, &why);
    }
    if (code == QUIPU_E_CORRUPT) {
        code = verify_unreadable(v, why.message);
    } else if (code != QUIPU_OK) {
        fail(v->told.error, code, NULL, "%s", why.message);
    } else {
        code = check_index(v, present, fresh);
        if (code == QUIPU_OK)
            code = check_aside(v, fresh);
    }
    view_give(present);
    view_give(fresh);
    return code;
}
