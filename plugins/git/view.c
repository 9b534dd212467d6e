/*
 * view.c - the records of one commit, and which commit that is.
 *
 * A view names the commit that it reflects. Before each use the present one is compared with the branch and caught up
 * (view_follow.c), so that it also sees what other processes and stock git have pushed. What is not a record, or stands at a
 * path that is not its own, is set aside: never shown, never dropped, reported by verify.
 *
 * Lock order: view.lock, then quipu_backend.views. Readers of a view hold neither.
 */
#include "files.h"
#include "view.h"

#include <base/fail.h>
#include <sdk/query.h>
#include <stdlib.h>

/* ---- a view ---- */

int32_t view_new(quipu_backend *self, record_index *beside, view **out, quipu_error *error)
{
    view *v = calloc(1, sizeof *v);
    *out = NULL;
    if (!v)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the store");
    v->references = 1;
    pthread_mutex_init(&v->lock, NULL);
    int32_t code = beside ? record_index_create_beside(beside, &v->index, error)
                          : record_index_create(self->host, &v->index, error);
    if (code == QUIPU_OK && !beside)
        code = record_index_vectors_in(v->index, git_store_private(self->store), self->flags & QUIPU_OPEN_READ_ONLY,
                                       error);
    if (code == QUIPU_OK)
        record_index_set_language(v->index, self->language);
    if (code != QUIPU_OK) {
        view_give(v);
        return code;
    }
    record_index_keep_history(v->index);
    *out = v;
    return QUIPU_OK;
}

static void clear_aside(view *v)
{
    for (size_t i = 0; i < v->aside_count; i++)
        free(v->aside[i]);
    free(v->aside);
    v->aside = NULL;
    v->aside_count = 0;
}

view *view_hold(view *v)
{
    __atomic_fetch_add(&v->references, 1, __ATOMIC_RELAXED);
    return v;
}

void view_give(view *v)
{
    if (!v || __atomic_sub_fetch(&v->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    record_index_free(v->index);
    clear_aside(v);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

record_index *view_index(view *v)
{
    return v->index;
}

void view_commit(view *v, object_id *out)
{
    pthread_mutex_lock(&v->lock);
    *out = v->at;
    pthread_mutex_unlock(&v->lock);
}

uint64_t view_aside_count(view *v)
{
    pthread_mutex_lock(&v->lock);
    uint64_t count = v->aside_count;
    pthread_mutex_unlock(&v->lock);
    return count;
}

int32_t view_each_aside(view *v, aside_fn visit, void *context)
{
    int32_t code = QUIPU_OK;
    pthread_mutex_lock(&v->lock);
    for (size_t i = 0; i < v->aside_count && code == QUIPU_OK; i++)
        code =
            visit(context, v->aside[i],
                  is_file_path(v->aside[i]) ? "it is not the text of a record: its path or its content cannot be one's"
                                            : "it is not a record of that path");
    pthread_mutex_unlock(&v->lock);
    return code;
}

bool view_is_aside(const view *v, const char *path)
{
    for (size_t i = 0; i < v->aside_count; i++)
        if (strcmp(v->aside[i], path) == 0)
            return true;
    return false;
}

void view_drop_aside(view *v, const char *path)
{
    for (size_t i = 0; i < v->aside_count; i++)
        if (strcmp(v->aside[i], path) == 0) {
            free(v->aside[i]);
            memmove(v->aside + i, v->aside + i + 1, (--v->aside_count - i) * sizeof *v->aside);
            return;
        }
}

int32_t view_put_aside(view *v, const char *path, quipu_error *error)
{
    if (view_is_aside(v, path))
        return QUIPU_OK;
    char **aside = realloc(v->aside, (v->aside_count + 1) * sizeof *aside);
    char *copy = aside ? str_dup(str_of(path)) : NULL;
    if (aside)
        v->aside = aside;
    if (!copy)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the store");
    size_t at = v->aside_count++; /* in the order of paths: files are read in any order */
    for (; at > 0 && strcmp(v->aside[at - 1], path) > 0; at--)
        v->aside[at] = v->aside[at - 1];
    v->aside[at] = copy;
    return QUIPU_OK;
}

int32_t view_fork(view *from, view **out, quipu_error *error)
{
    view *v = calloc(1, sizeof *v);
    *out = NULL;
    if (!v)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the store");
    v->references = 1;
    v->at = from->at;
    v->past = true;
    pthread_mutex_init(&v->lock, NULL);
    int32_t code = record_index_fork(from->index, &v->index, error);
    for (size_t i = 0; i < from->aside_count && code == QUIPU_OK; i++)
        code = view_put_aside(v, from->aside[i], error);
    if (code != QUIPU_OK) {
        view_give(v);
        return code;
    }
    *out = v;
    return QUIPU_OK;
}

/* ---- the present ---- */

int32_t view_fresh(quipu_backend *self, const object_id *commit_id, view **out, quipu_error *error)
{
    int32_t code = view_new(self, NULL, out, error);
    if (code == QUIPU_OK)
        code = view_go_to(self, *out, commit_id, error);
    if (code != QUIPU_OK) {
        view_give(*out);
        *out = NULL;
    }
    return code;
}

/* The present view, begun with what the catalogue knows where there is none yet. */
static int32_t hold_present(quipu_backend *self, view **out, quipu_error *error)
{
    view *v = NULL;
    int32_t code = QUIPU_OK;
    pthread_mutex_lock(&self->views);
    *out = self->present ? view_hold(self->present) : NULL;
    pthread_mutex_unlock(&self->views);
    if (*out)
        return QUIPU_OK;
    if (catalogue_load(self, NULL, &v) != QUIPU_OK)
        code = view_new(self, NULL, &v, error);
    if (code != QUIPU_OK)
        return code;
    pthread_mutex_lock(&self->views);
    if (!self->present) {
        self->present = v;
        v = NULL;
    }
    *out = view_hold(self->present);
    pthread_mutex_unlock(&self->views);
    view_give(v); /* another thread was quicker */
    return QUIPU_OK;
}

static bool is_present(quipu_backend *self, const view *v)
{
    pthread_mutex_lock(&self->views);
    bool is = self->present == v;
    pthread_mutex_unlock(&self->views);
    return is;
}

void view_replace(quipu_backend *self, view *old, view *fresh)
{
    view *unused = NULL;
    pthread_mutex_lock(&self->views);
    if (self->present == old) {
        unused = old;
        self->present = fresh ? view_hold(fresh) : NULL;
    }
    pthread_mutex_unlock(&self->views);
    view_give(unused);
}

/* Another view in place of `v`, at the head: from a catalogue that is nearer to it, or from the whole tree. */
static int32_t begin_anew(quipu_backend *self, view *v, view *fresh, const object_id *head, quipu_error *error)
{
    int32_t code = fresh ? view_go_to(self, fresh, head, NULL) : QUIPU_E_CORRUPT;
    if (code != QUIPU_OK) {
        host_log(self->host, QUIPU_LOG_WARNING, "git", "the view is read anew from the whole tree");
        view_give(fresh);
        code = view_new(self, v->index, &fresh, error);
        if (code == QUIPU_OK)
            code = view_go_to(self, fresh, head, error);
    }
    if (code == QUIPU_OK) {
        catalogue_save(self, fresh, SAVE_EVERY);
        view_replace(self, v, fresh); /* readers may still use the old one: they have it until they give it back */
    }
    view_give(fresh);
    return code;
}

/* With v->lock held. *again: another view has taken its place. */
static int32_t bring_up(quipu_backend *self, view *v, bool *again, quipu_error *error)
{
    object_id head;
    view *nearer = NULL;
    int32_t code = git_store_head(self->store, &head, error);
    if (code != QUIPU_OK || object_id_equal(&v->at, &head))
        return code;
    *again = true;
    if (catalogue_is_nearer(self, v) && catalogue_load(self, v, &nearer) == QUIPU_OK)
        return begin_anew(self, v, nearer, &head, error);
    if (view_go_to(self, v, &head, NULL) != QUIPU_OK)
        return begin_anew(self, v, NULL, &head, error);
    *again = !catalogue_save(self, v, SAVE_EVERY) && catalogue_load(self, v, &nearer) == QUIPU_OK;
    return *again ? begin_anew(self, v, nearer, &head, error) : QUIPU_OK;
}

static int32_t take_present(quipu_backend *self, view **out, quipu_error *error)
{
    for (;;) {
        bool again = false;
        int32_t code = hold_present(self, out, error);
        if (code != QUIPU_OK)
            return code;
        pthread_mutex_lock(&(*out)->lock);
        if (is_present(self, *out))
            code = bring_up(self, *out, &again, error);
        else
            again = true; /* while we waited */
        pthread_mutex_unlock(&(*out)->lock);
        if (code == QUIPU_OK && !again)
            return QUIPU_OK;
        view_give(*out);
        *out = NULL;
        if (code != QUIPU_OK)
            return code;
    }
}

void view_save(quipu_backend *self)
{
    view *v = self->present, *other = NULL;
    uint64_t worth = catalogue_is_there(self) ? WORTH_SAVING : 1;
    if (!v || catalogue_save(self, v, worth) || catalogue_is_nearer(self, v) ||
        catalogue_load(self, v, &other) != QUIPU_OK)
        return;
    if (view_go_to(self, other, &v->at, NULL) == QUIPU_OK)
        catalogue_save(self, other, WORTH_SAVING);
    view_give(other);
}

void view_follow_writer(quipu_backend *self)
{
    view *v;
    if (!self->follows || atomic_fetch_add(&self->written, 1) % SAVE_EVERY != SAVE_EVERY - 1)
        return;
    if (take_present(self, &v, NULL) == QUIPU_OK)
        view_give(v);
}

void view_forget(quipu_backend *self)
{
    pthread_mutex_lock(&self->views);
    view_give(self->present);
    self->present = NULL;
    for (size_t i = 0; i < PAST_VIEWS; i++) { /* they share its files */
        view_give(self->past[i]);
        self->past[i] = NULL;
    }
    pthread_mutex_unlock(&self->views);
}

void view_distrust(quipu_backend *self)
{
    host_log(self->host, QUIPU_LOG_WARNING, "git", "the catalogue is damaged and is built again");
    catalogue_drop(self);
    view_forget(self);
}

/* ---- the past ---- */

/* A time or "HEAD~N" may be far back: what it led to from this head is known for a while. */
static bool resolved_before(quipu_backend *self, quipu_str spec, const object_id *head, object_id *out)
{
    bool found = false;
    pthread_mutex_lock(&self->views);
    for (size_t i = 0; i < RESOLVED && !found; i++) {
        const resolved *r = &self->resolved[i];
        found = r->len == spec.len && memcmp(r->spec, spec.ptr, r->len) == 0 && object_id_equal(&r->head, head);
        if (found)
            *out = r->at;
    }
    pthread_mutex_unlock(&self->views);
    return found;
}

static void remember_resolved(quipu_backend *self, quipu_str spec, const object_id *head, const object_id *at)
{
    if (spec.len > sizeof self->resolved[0].spec)
        return;
    pthread_mutex_lock(&self->views);
    resolved *r = &self->resolved[self->next_resolved++ % RESOLVED];
    *r = (resolved){ .head = *head, .at = *at, .len = (size_t)spec.len };
    memcpy(r->spec, spec.ptr, r->len);
    pthread_mutex_unlock(&self->views);
}

int32_t view_resolve(quipu_backend *self, quipu_str spec, object_id *out, quipu_error *error)
{
    int64_t time = 0;
    object_id head = { { 0 } };
    bool is_time =
        query_as_of_time(spec, &time); /* commits know whole seconds: one of this very second counts as made */
    /* only what is counted from HEAD: other names may be moved while it stays */
    bool from_head = is_time || (spec.len > 5 && memcmp(spec.ptr, "HEAD~", 5) == 0);
    int32_t code = from_head ? git_store_head(self->store, &head, error) : QUIPU_OK;
    if (code != QUIPU_OK || (from_head && resolved_before(self, spec, &head, out)))
        return code;
    code = is_time ? commit_at_time(git_store_objects(self->store), &head, time, out, error)
                   : git_store_resolve(self->store, spec, out, error);
    if (code == QUIPU_OK && from_head)
        remember_resolved(self, spec, &head, out);
    return code;
}

int32_t view_resolve_past(quipu_backend *self, quipu_str as_of, object_id *out, int64_t *moment, quipu_error *error)
{
    commit c = { 0 };
    int64_t time;
    int32_t code = view_resolve(self, as_of, out, error);
    if (code == QUIPU_OK && !query_as_of_time(as_of, &time))
        code = commit_read(git_store_objects(self->store), out, &c, error);
    if (code != QUIPU_OK)
        return code;
    *moment = query_moment(as_of, c.committed, host_now(self->host));
    commit_free(&c);
    return QUIPU_OK;
}

/* From the present view, which has most of its records; from the tree alone where that fails. */
static int32_t make_past(quipu_backend *self, const object_id *at, view **out, quipu_error *error)
{
    view *present;
    if (take_present(self, &present, NULL) != QUIPU_OK)
        return view_fresh(self, at, out, error);
    pthread_mutex_lock(&present->lock);
    int32_t code = view_fork(present, out, NULL);
    pthread_mutex_unlock(&present->lock);
    view_give(present);
    if (code == QUIPU_OK)
        code = view_go_to(self, *out, at, NULL);
    if (code == QUIPU_OK)
        return QUIPU_OK;
    view_give(*out);
    return view_fresh(self, at, out, error);
}

static int32_t take_past(quipu_backend *self, quipu_str as_of, view **out, int64_t *moment, quipu_error *error)
{
    object_id at = { { 0 } };
    int32_t code = view_resolve_past(self, as_of, &at, moment, error);
    if (code != QUIPU_OK)
        return code;
    pthread_mutex_lock(&self->views);
    for (size_t i = 0; i < PAST_VIEWS && !*out; i++)
        if (self->past[i] && object_id_equal(&self->past[i]->at, &at))
            *out = view_hold(self->past[i]);
    pthread_mutex_unlock(&self->views);
    if (*out)
        return QUIPU_OK;
    code = make_past(self, &at, out, error);
    if (code != QUIPU_OK)
        return code;
    pthread_mutex_lock(&self->views);
    view *oldest = self->past[PAST_VIEWS - 1];
    memmove(&self->past[1], &self->past[0], (PAST_VIEWS - 1) * sizeof self->past[0]);
    self->past[0] = view_hold(*out);
    pthread_mutex_unlock(&self->views);
    view_give(oldest);
    return QUIPU_OK;
}

int32_t view_take(quipu_backend *self, quipu_str as_of, view **out, int64_t *moment, quipu_error *error)
{
    int64_t ignored = 0;
    moment = moment ? moment : &ignored;
    *out = NULL;
    *moment = QUIPU_TIME_NONE;
    return as_of.ptr ? take_past(self, as_of, out, moment, error) : take_present(self, out, error);
}
