/* views.c - see views.h: views, the present and the past. */
#include "views_inner.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <sdk/query.h>
#include <sdk/services.h>
#include <stdlib.h>
#include <string.h>

/* ---- a view ---- */

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the store");
}

static view *view_blank(views *all)
{
    view *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    atomic_init(&v->references, 1);
    v->all = all;
    pthread_mutex_init(&v->lock, NULL);
    return v;
}

int32_t view_new(views *all, record_index *beside, view **out, quipu_error *error)
{
    view *v = view_blank(all);
    *out = NULL;
    if (!v)
        return no_memory(error);
    int32_t code = beside ? record_index_create_beside(beside, &v->index, error)
                          : record_index_create(all->host, &v->index, error);
    if (code == QUIPU_OK && !beside)
        code = record_index_vectors_in(v->index, all->folder, all->read_only, error);
    if (code != QUIPU_OK) {
        view_give(v);
        return code;
    }
    record_index_set_language(v->index, all->language);
    record_index_keep_history(v->index);
    *out = v;
    return QUIPU_OK;
}

static view *view_hold(view *v)
{
    atomic_fetch_add_explicit(&v->references, 1, memory_order_relaxed);
    return v;
}

void view_give(view *v)
{
    if (!v || atomic_fetch_sub_explicit(&v->references, 1, memory_order_acq_rel) > 1)
        return;
    record_index_free(v->index);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

record_index *view_index(view *v)
{
    return v->index;
}

bool view_is_past(const view *v)
{
    return v->past;
}

void view_changed(view *v)
{
    if (++v->changes % SPILL_EVERY == 0)
        saved_spill(v);
}

int32_t view_go(view *v, const view_position *to, quipu_error *error)
{
    views *all = v->all;
    v->changes = 0;
    record_index_begin(v->index);
    int32_t code = all->api->go(all->owner, v, &v->at, to, error);
    record_index_end(v->index);
    if (code == QUIPU_OK)
        v->at = *to;
    saved_spill_end(v, code == QUIPU_OK);
    return code;
}

/* One that holds the same and becomes a view of the past. With from->lock held. */
static int32_t view_fork(view *from, view **out, quipu_error *error)
{
    view *v = view_blank(from->all);
    *out = NULL;
    if (!v)
        return no_memory(error);
    v->at = from->at;
    v->past = true;
    int32_t code = record_index_fork(from->index, &v->index, error);
    if (code != QUIPU_OK) {
        view_give(v);
        return code;
    }
    *out = v;
    return QUIPU_OK;
}

int32_t views_fresh(views *all, const view_position *at, view **out, quipu_error *error)
{
    int32_t code = view_new(all, NULL, out, error);
    if (code == QUIPU_OK) {
        (*out)->past = true; /* it is not saved */
        code = view_go(*out, at, error);
    }
    if (code != QUIPU_OK) {
        view_give(*out);
        *out = NULL;
    }
    return code;
}

/* ---- the present ---- */

/* The present view, begun with what was saved where there is none yet. */
static int32_t hold_present(views *all, view **out, quipu_error *error)
{
    view *v = NULL;
    int32_t code = QUIPU_OK;
    pthread_mutex_lock(&all->lock);
    *out = all->present ? view_hold(all->present) : NULL;
    pthread_mutex_unlock(&all->lock);
    if (*out)
        return QUIPU_OK;
    if (saved_load(all, NULL, &v) != QUIPU_OK)
        code = view_new(all, NULL, &v, error);
    if (code != QUIPU_OK)
        return code;
    pthread_mutex_lock(&all->lock);
    if (!all->present) {
        all->present = v;
        v = NULL;
    }
    *out = view_hold(all->present);
    pthread_mutex_unlock(&all->lock);
    view_give(v); /* another thread was quicker */
    return QUIPU_OK;
}

static bool is_present(views *all, const view *v)
{
    pthread_mutex_lock(&all->lock);
    bool is = all->present == v;
    pthread_mutex_unlock(&all->lock);
    return is;
}

/* Puts another view in the place of the present one, if that is `old` still. */
static void replace_present(views *all, view *old, view *fresh)
{
    view *unused = NULL;
    pthread_mutex_lock(&all->lock);
    if (all->present == old) {
        unused = old;
        all->present = view_hold(fresh);
    }
    pthread_mutex_unlock(&all->lock);
    view_give(unused);
}

/* Another view in place of `v`, at the head: from what was saved nearer to it (or NULL), or from the whole store. */
static int32_t begin_anew(views *all, view *v, view *fresh, const view_position *head, quipu_error *error)
{
    int32_t code = fresh ? view_go(fresh, head, NULL) : QUIPU_E_CORRUPT;
    if (code != QUIPU_OK) {
        host_log(all->host, QUIPU_LOG_WARNING, all->api->component, "the index is built anew from the whole store");
        view_give(fresh);
        code = view_new(all, v->index, &fresh, error);
        if (code == QUIPU_OK)
            code = view_go(fresh, head, error);
    }
    if (code == QUIPU_OK) {
        saved_write(all, fresh, SAVE_EVERY);
        replace_present(all, v, fresh); /* readers may still use the old one: they have it until they give it back */
    }
    view_give(fresh);
    return code;
}

/* With v->lock held. *again: another view has taken its place. */
static int32_t bring_up(views *all, view *v, bool *again, quipu_error *error)
{
    view_position head;
    view *nearer = NULL;
    int32_t code = all->api->head(all->owner, &head, error);
    if (code != QUIPU_OK || strcmp(v->at.text, head.text) == 0)
        return code;
    *again = true;
    if (saved_is_nearer(all, v) && saved_load(all, v, &nearer) == QUIPU_OK)
        return begin_anew(all, v, nearer, &head, error);
    quipu_error why = { .struct_size = sizeof why };
    code = view_go(v, &head, &why);
    if (code == QUIPU_E_CORRUPT || code == QUIPU_E_NO_MEMORY)
        return begin_anew(all, v, NULL, &head, error);
    if (code != QUIPU_OK) { /* it may stand anywhere: nobody uses it again */
        host_log(all->host, QUIPU_LOG_WARNING, all->api->component, "the index was not brought up to date: %s",
                 why.message);
        return begin_anew(all, v, NULL, &head, error);
    }
    *again = !saved_write(all, v, SAVE_EVERY) && saved_load(all, v, &nearer) == QUIPU_OK;
    return *again ? begin_anew(all, v, nearer, &head, error) : QUIPU_OK;
}

static int32_t take_present(views *all, view **out, quipu_error *error)
{
    for (;;) {
        bool again = false;
        int32_t code = hold_present(all, out, error);
        if (code != QUIPU_OK)
            return code;
        pthread_mutex_lock(&(*out)->lock);
        if (is_present(all, *out))
            code = bring_up(all, *out, &again, error);
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

void views_save(views *all)
{
    view *v = all->present, *other = NULL;
    view_position saved;
    uint64_t worth = saved_position(all, &saved) ? WORTH_SAVING : 1;
    if (!v || saved_write(all, v, worth) || saved_is_nearer(all, v) || saved_load(all, v, &other) != QUIPU_OK)
        return;
    if (view_go(other, &v->at, NULL) == QUIPU_OK)
        saved_write(all, other, WORTH_SAVING);
    view_give(other);
}

void views_written(views *all, uint64_t sets)
{
    view *v;
    uint64_t before = atomic_fetch_add(&all->written, sets);
    if (!all->follows || before / SAVE_EVERY == (before + sets) / SAVE_EVERY)
        return;
    if (take_present(all, &v, NULL) == QUIPU_OK)
        view_give(v);
}

static void drop_views(views *all)
{
    pthread_mutex_lock(&all->lock);
    view_give(all->present);
    all->present = NULL;
    for (size_t i = 0; i < PAST_VIEWS; i++) { /* they share its files */
        view_give(all->past[i]);
        all->past[i] = NULL;
    }
    pthread_mutex_unlock(&all->lock);
}

void views_distrust(views *all)
{
    host_log(all->host, QUIPU_LOG_WARNING, all->api->component, "the saved index is damaged and is built again");
    pthread_mutex_lock(&all->lock);
    all->bad = true;
    pthread_mutex_unlock(&all->lock);
    drop_views(all);
}

int32_t views_forget(views *all, quipu_error *error)
{
    drop_views(all);
    return saved_forget(all, error);
}

/* ---- the past ---- */

/* From the present view, which has most of its records; from the store alone where that fails. */
static int32_t make_past(views *all, const view_position *at, view **out, quipu_error *error)
{
    view *present;
    if (take_present(all, &present, NULL) != QUIPU_OK)
        return views_fresh(all, at, out, error);
    pthread_mutex_lock(&present->lock);
    int32_t code = view_fork(present, out, NULL);
    pthread_mutex_unlock(&present->lock);
    view_give(present);
    if (code == QUIPU_OK)
        code = view_go(*out, at, NULL);
    if (code == QUIPU_OK)
        return QUIPU_OK;
    view_give(*out);
    return views_fresh(all, at, out, error);
}

static int32_t take_past(views *all, quipu_str as_of, view **out, int64_t *moment, quipu_error *error)
{
    view_position at = { 0 };
    int64_t committed = 0;
    int32_t code = all->api->resolve(all->owner, as_of, &at, &committed, error);
    if (code != QUIPU_OK)
        return code;
    *moment = query_moment(as_of, committed, host_now(all->host));
    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < PAST_VIEWS && !*out; i++)
        if (all->past[i] && strcmp(all->past[i]->at.text, at.text) == 0)
            *out = view_hold(all->past[i]);
    pthread_mutex_unlock(&all->lock);
    if (*out)
        return QUIPU_OK;
    code = make_past(all, &at, out, error);
    if (code != QUIPU_OK)
        return code;
    pthread_mutex_lock(&all->lock);
    view *oldest = all->past[PAST_VIEWS - 1];
    memmove(&all->past[1], &all->past[0], (PAST_VIEWS - 1) * sizeof all->past[0]);
    all->past[0] = view_hold(*out);
    pthread_mutex_unlock(&all->lock);
    view_give(oldest);
    return QUIPU_OK;
}

int32_t views_take(views *all, quipu_str as_of, view **out, int64_t *moment, quipu_error *error)
{
    int64_t ignored = 0;
    moment = moment ? moment : &ignored;
    *out = NULL;
    *moment = QUIPU_TIME_NONE;
    return as_of.ptr ? take_past(all, as_of, out, moment, error) : take_present(all, out, error);
}

/* ---- life ---- */

int32_t views_open(const views_owner *api, void *owner, const quipu_host *host, const char *folder, bool read_only,
                   text_language language, views **out, quipu_error *error)
{
    view_position head, saved;
    views *all = calloc(1, sizeof *all);
    *out = NULL;
    if (!all)
        return no_memory(error);
    all->api = api;
    all->owner = owner;
    all->host = host;
    all->read_only = read_only;
    all->language = language;
    atomic_init(&all->written, 0);
    pthread_mutex_init(&all->lock, NULL);
    all->folder = str_dup(str_of(folder));
    int32_t code = all->folder ? api->head(owner, &head, error) : no_memory(error);
    if (code != QUIPU_OK) {
        views_close(all);
        return code;
    }
    saved_open(all, folder);
    all->follows = all->files && !read_only &&
                   (!head.text[0] || (saved_position(all, &saved) && strcmp(saved.text, head.text) == 0));
    *out = all;
    return QUIPU_OK;
}

void views_close(views *all)
{
    if (!all)
        return;
    drop_views(all);
    if (all->files)
        derived_close(all->files);
    pthread_mutex_destroy(&all->lock);
    free(all->folder);
    free(all);
}
