/*
 * tiny_backend.c - a complete Quipu backend: start here to write your own.
 *
 * It keeps records in an array in RAM and finds words by looking at every record. What a real backend replaces is the
 * array (by a file, a database, a service); the rest stays much as it is. The SDK (plugins/sdk, a static library that is
 * linked into the plugin) does what is the same everywhere: checks, filters, the record's form, pages.
 *
 * The contract is in plugin_api/quipu/: plugin.h (how a .so says that it is a plugin), backend.h (the eleven functions),
 * change.h, query.h and filter.h (what they are given). `quipu validate FILE.so` tells whether a backend keeps it.
 */
#include <base/fail.h>
#include <pthread.h>
#include <quipu/plugin.h>
#include <sdk/abi_check.h>
#include <sdk/change.h>
#include <sdk/query.h>
#include <sdk/recent_ids.h>
#include <sdk/record_list.h>
#include <stdlib.h>

struct quipu_backend {    /* one open store; only this file knows what is in it */
    pthread_mutex_t lock; /* any thread may call: a backend locks for itself */
    uint32_t flags;
    record_list records;
    recent_ids applied; /* change ids, so that a set that is sent twice has the effect of one */
};

/* ---- life cycle: create, open, close, destroy ---- */

static int32_t tiny_create(const quipu_host *host, quipu_backend **out, quipu_error *error)
{
    int32_t code = abi_check_struct(host, sizeof *host, "quipu_host", error); /* not NULL, not cut short */
    *out = code == QUIPU_OK ? calloc(1, sizeof **out) : NULL;
    if (code == QUIPU_OK && !*out)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a backend"); /* the one way to fail */
    if (*out)
        pthread_mutex_init(&(*out)->lock, NULL); /* with default attributes it cannot fail on Linux */
    return code;
}

static int32_t tiny_open(quipu_backend *self, const quipu_open_params *params, const quipu_call *call,
                         quipu_error *error)
{
    int32_t code = abi_check_open(params, error);
    if (code != QUIPU_OK || (code = abi_check_call(call, error)) != QUIPU_OK)
        return code;
    if (params->config.len > 0 && !QUIPU_IS(&params->config, "{}"))
        return fail(error, QUIPU_E_INVALID, "config", "this backend has no settings, so it cannot take %.*s",
                    (int)params->config.len, params->config.ptr);
    if (params->flags & QUIPU_OPEN_NO_CREATE)
        return fail(error, QUIPU_E_NOT_FOUND, "path", "this backend keeps nothing, so there is never a store to find");
    self->flags = params->flags;
    recent_ids_begin(&self->applied, (uint64_t)(uintptr_t)self);
    return QUIPU_OK;
}

static int32_t tiny_close(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    (void)call, (void)error; /* a late close closes all the same */
    record_list_free(&self->records);
    recent_ids_free(&self->applied);
    return QUIPU_OK;
}

static void tiny_destroy(quipu_backend *self) /* from any state, and of NULL */
{
    if (!self)
        return;
    tiny_close(self, NULL, NULL);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

/* ---- writing: all of a change set, or nothing of it ---- */

static int32_t tiny_apply(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt,
                          const quipu_call *call, quipu_error *error)
{
    uint64_t changed = 0;
    int32_t code;
    if ((code = abi_check_call(call, error)) != QUIPU_OK || (code = change_set_check(set, error)) != QUIPU_OK ||
        (code = receipt_check(receipt, error)) != QUIPU_OK)
        return code;
    if (self->flags & QUIPU_OPEN_READ_ONLY)
        return fail(error, QUIPU_E_READ_ONLY, NULL, "the store was opened for reading only");
    pthread_mutex_lock(&self->lock);
    if (recent_ids_has(&self->applied, set->change_id)) {
        receipt_fill(receipt, QUIPU_RECEIPT_DUPLICATE, 0, "");
    } else if (!recent_ids_reserve(&self->applied)) {
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for the change id");
    } else if ((code = record_list_apply(&self->records, &set->changes, &changed, error)) == QUIPU_OK) {
        recent_ids_add(&self->applied, set->change_id); /* cannot fail: there is no failure after the commit point */
        receipt_fill(receipt, changed ? 0 : QUIPU_RECEIPT_UNCHANGED, changed, "");
    }
    pthread_mutex_unlock(&self->lock);
    return code;
}

/* ---- reading: share what matches, let the lock go, then show it (a visitor may call the backend again) ---- */

static int32_t collect(quipu_backend *self, const quipu_str *id, quipu_str as_of, const quipu_filter *which,
                       const quipu_call *call, record_list *found, quipu_error *error)
{
    int32_t code = abi_check_call(call, error); /* deadline and cancel token */
    if (code == QUIPU_OK && as_of.ptr)
        code = fail(error, QUIPU_E_UNSUPPORTED, "as_of", "this backend keeps no history");
    if (code != QUIPU_OK)
        return code;
    pthread_mutex_lock(&self->lock);
    code = record_list_match(&self->records, id, which, found, error);
    pthread_mutex_unlock(&self->lock);
    return code;
}

static int32_t tiny_get(quipu_backend *self, const quipu_get *q, quipu_hit_fn visit, void *context,
                        const quipu_call *call, quipu_error *error)
{
    record_list found = { NULL, 0, 0 };
    int32_t code = query_check_get(q, error);
    if (code == QUIPU_OK && (code = collect(self, &q->id, q->as_of, q->filter, call, &found, error)) == QUIPU_OK)
        code = query_show_one(&found, q, visit, context, error);
    record_list_free(&found);
    return code;
}

static int32_t tiny_scan(quipu_backend *self, const quipu_scan *q, quipu_hit_fn visit, void *context,
                         const quipu_call *call, quipu_error *error)
{
    record_list found = { NULL, 0, 0 };
    int32_t code = query_check_scan(q, error);
    if (code == QUIPU_OK && (code = collect(self, NULL, q->as_of, q->filter, call, &found, error)) == QUIPU_OK)
        code = query_show_page(&found, q, visit, context, call, error);
    record_list_free(&found);
    return code;
}

static int32_t tiny_search(quipu_backend *self, const quipu_search *q, quipu_hit_fn visit, void *context,
                           const quipu_call *call, quipu_error *error)
{
    record_list found = { NULL, 0, 0 };
    int32_t code = query_check_search(q, error);
    if (code == QUIPU_OK && (q->mode == QUIPU_SEARCH_HYBRID || q->mode == QUIPU_SEARCH_VECTOR || !q->text.ptr))
        return fail(error, QUIPU_E_UNSUPPORTED, "mode", "this backend knows words only, no vectors");
    if (code == QUIPU_OK && (code = collect(self, NULL, q->as_of, q->filter, call, &found, error)) == QUIPU_OK)
        code = query_show_best(&found, query_words_in_common, "words", q, visit, context, call, error);
    record_list_free(&found);
    return code;
}

static int32_t tiny_stats(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call,
                          quipu_error *error)
{
    quipu_stat figures[] = { { .struct_size = sizeof(quipu_stat), .name = QUIPU_STR_INIT("records") },
                             { .struct_size = sizeof(quipu_stat), .name = QUIPU_STR_INIT("persistent"), .value = 0 } };
    int32_t code = abi_check_call(call, error);
    pthread_mutex_lock(&self->lock);
    figures[0].value = (int64_t)self->records.count;
    pthread_mutex_unlock(&self->lock);
    return code == QUIPU_OK ? query_show_figures(figures, 2, visit, context, error) : code;
}

static int32_t tiny_flush(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    (void)self; /* nothing was put off */
    return abi_check_call(call, error);
}

static const void *tiny_get_extension(quipu_backend *self, const quipu_str *id)
{
    (void)self, (void)id; /* no history/1, no verify/1: a backend without extensions works all the same */
    return NULL;
}

/* ---- the plugin: one symbol, from which everything hangs ---- */

static const quipu_backend_api api = { sizeof api, 0,          tiny_create,       tiny_destroy, tiny_open,
                                       tiny_close, tiny_apply, tiny_get,          tiny_scan,    tiny_search,
                                       tiny_stats, tiny_flush, tiny_get_extension };

static const quipu_backend_desc desc = { sizeof desc, QUIPU_RECORD_FORMAT, QUIPU_STR_INIT("tiny"),
                                         QUIPU_STR_INIT("an example: an array in RAM"), &api };

static const quipu_backend_list list = { sizeof list, 0, { &desc, 1, sizeof desc } };

static const void *get_factory(const quipu_str *id)
{
    return id && QUIPU_IS(id, QUIPU_BACKENDS) ? &list : NULL;
}

static void deinit(void)
{
}

QUIPU_PLUGIN("org.example.tiny", "0.1.0", "Apache-2.0", QUIPU_PLUGIN_FORK_SAFE, abi_negotiate, deinit, get_factory);
