/* plugin.c - the git backend's entry, table and life cycle. */
#include "inbox.h"

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <sdk/one_backend.h>
#include <stdlib.h>

/* ---- life cycle ---- */

static int32_t git_create(const quipu_host *host, quipu_backend **out, quipu_error *error)
{
    if (!out)
        return fail(error, QUIPU_E_INVALID, "out", "out is NULL; give a place for the instance");
    *out = NULL;
    int32_t code = abi_check_struct(host, sizeof *host, "quipu_host", error);
    if (code != QUIPU_OK)
        return code;
    quipu_backend *self = calloc(1, sizeof *self);
    if (!self)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a backend");
    self->host = host;
    write_queue_begin(&self->queue, git_write_batch, self);
    pthread_mutex_init(&self->views, NULL);
    edits_init(&self->edits);
    *out = self;
    return QUIPU_OK;
}

static void threads_end(quipu_backend *self)
{
    embed_thread_end(self->follower);
    self->follower = NULL;
    background_end(self);
}

static void let_go(quipu_backend *self)
{
    threads_end(self);
    moved_release(self);
    view_give(self->present);
    self->present = NULL;
    for (size_t i = 0; i < PAST_VIEWS; i++) {
        view_give(self->past[i]);
        self->past[i] = NULL;
    }
    if (self->catalogue)
        derived_close(self->catalogue);
    self->catalogue = NULL;
    recent_ids_free(&self->applied.ids);
    self->applied = (applied_ids){ 0 };
    edits_end(&self->edits);
    git_store_close(self->store);
    self->store = NULL;
}

static void git_destroy(quipu_backend *self)
{
    if (!self)
        return;
    let_go(self);
    write_queue_end(&self->queue);
    pthread_mutex_destroy(&self->views);
    edits_destroy(&self->edits);
    free(self);
}

#define INBOX_PATIENCE_NS ((int64_t)5 * 1000000000) /* that opening waits for a writer, to merge what lies there */

/* What this backend makes of a commit's files; one that was saved by a version that made something else of them counts as absent. */
enum { CATALOGUE_MEANING = 2 };

/* A catalogue that cannot be had costs time, not truth: it is only logged. */
void catalogue_open(quipu_backend *self)
{
    quipu_error error = { .struct_size = sizeof error };
    bool read_only = self->flags & QUIPU_OPEN_READ_ONLY;
    int32_t code = derived_open(git_store_private(self->store), "catalogue",
                                RECORD_INDEX_FORMAT | self->language << 8 | CATALOGUE_MEANING << 16, read_only,
                                &self->catalogue, &error);
    if (code != QUIPU_OK) {
        self->catalogue = NULL;
        if (!read_only || code != QUIPU_E_NOT_FOUND)
            host_log(self->host, QUIPU_LOG_WARNING, "git", "works without its catalogue: %s", error.message);
    }
}

/* What is there already must be a store that this version knows before anything in it is touched: opening for writing
 * makes files, clears what the killed left, and merges packs. */
static int32_t look_first(quipu_backend *self, const char *path, quipu_error *error)
{
    static const git_store_options look = { .read_only = true };
    quipu_error why = { .struct_size = sizeof why };
    bool unfinished = false;
    int32_t code = git_store_open(path, &look, &self->store, &unfinished, &why);
    if (code == QUIPU_E_NOT_FOUND)
        return QUIPU_OK; /* it is still to be made */
    if (code == QUIPU_OK && !unfinished)
        code = check_format(self, &why);
    git_store_close(self->store);
    self->store = NULL;
    if (code != QUIPU_OK && error && error->struct_size >= sizeof why)
        *error = why;
    return code;
}

static int32_t git_open(quipu_backend *self, const quipu_open_params *params, const quipu_call *call,
                        quipu_error *error)
{
    bool made = false;
    const quipu_call patience = { .struct_size = sizeof patience, .deadline_ns = monotonic_now() + INBOX_PATIENCE_NS };
    if (self->store)
        return fail(error, QUIPU_E_STATE, NULL, "the store is open already; close it first");
    int32_t code = abi_check_call(call, error);
    if (code == QUIPU_OK)
        code = abi_check_open_flags(params, QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_NO_CREATE | QUIPU_OPEN_DAMAGED, error);
    if (code == QUIPU_OK)
        code = read_settings(self, params->config, error);
    char *path = code == QUIPU_OK ? str_dup(params->path) : NULL;
    if (code == QUIPU_OK && !path)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    if (code == QUIPU_OK && !(params->flags & (QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_DAMAGED)))
        code = look_first(self, path, error);
    if (code == QUIPU_OK) {
        self->flags = params->flags;
        recent_ids_begin(&self->applied.ids, (uint64_t)host_now(self->host) ^ (uint64_t)(uintptr_t)self);
        self->applied.floor = INT64_MAX;
        atomic_store(&self->past_fence, false);
        git_store_options options = { .read_only = params->flags & QUIPU_OPEN_READ_ONLY,
                                      .no_create = params->flags & QUIPU_OPEN_NO_CREATE,
                                      .damaged = params->flags & QUIPU_OPEN_DAMAGED,
                                      .durable = self->durable,
                                      .call = call };
        code = git_store_open(path, &options, &self->store, &made, error);
    }
    free(path);
    if (code == QUIPU_OK)
        code = edits_begin(&self->edits, git_store_objects(self->store),
                           self->flags & QUIPU_OPEN_READ_ONLY ? NULL : git_store_private(self->store), error);
    if (code == QUIPU_OK && self->flags & QUIPU_OPEN_DAMAGED)
        return QUIPU_OK;
    if (code == QUIPU_OK)
        code =
            made && !(self->flags & QUIPU_OPEN_READ_ONLY) ? write_format(self, call, error) : check_format(self, error);
    if (code == QUIPU_OK) {
        catalogue_open(self);
        self->follows =
            self->catalogue && !(self->flags & QUIPU_OPEN_READ_ONLY) && (made || catalogue_is_current(self));
        inbox_empty(self, call && call->deadline_ns ? call : &patience);
        background_begin(self);
        if (self->embeds && !(self->flags & QUIPU_OPEN_READ_ONLY))
            self->follower = embed_thread_begin(&git_views, self, self->host);
    } else {
        let_go(self);
    }
    return code;
}

/* Every acknowledged change is on the disk already; what is saved here is derived. */
static int32_t git_close(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    (void)call;
    if (!self->store)
        return fail(error, QUIPU_E_STATE, NULL, "no store is open; call open first");
    threads_end(self);
    if (!(self->flags & QUIPU_OPEN_DAMAGED))
        view_save(self);
    let_go(self);
    return QUIPU_OK;
}

static int32_t git_flush(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? git_store_flush(self->store, error) : code;
}

static const void *git_get_extension(quipu_backend *self, const quipu_str *id)
{
    static const backend_extension all[] = {
        { QUIPU_EXT_BRANCHES, &git_branches }, { QUIPU_EXT_HISTORY, &git_history },
        { QUIPU_EXT_MIGRATE, &git_migrate },   { QUIPU_EXT_SYNC, &git_sync },
        { QUIPU_EXT_VERIFY, &git_verify },     { QUIPU_EXT_MAINTAIN, &git_maintain },
        { QUIPU_EXT_VECTORS, &git_vectors },
    };
    (void)self;
    return backend_extension_find(all, sizeof all / sizeof all[0], id);
}

static const quipu_backend_api git_api = {
    .struct_size = sizeof(quipu_backend_api),
    .create = git_create,
    .destroy = git_destroy,
    .open = git_open,
    .close = git_close,
    .apply = git_apply,
    .get = git_get,
    .scan = git_scan,
    .search = git_search,
    .stats = git_stats,
    .flush = git_flush,
    .get_extension = git_get_extension,
};

/* init and deinit are counted, because libgit2 counts: its library may be used until the last. */
static int32_t plugin_init(const quipu_host *host, uint32_t abi_min, uint32_t abi_max, uint32_t *chosen,
                           quipu_error *error)
{
    int32_t code = abi_negotiate(host, abi_min, abi_max, chosen, error);
    if (code == QUIPU_OK)
        objects_library_begin();
    return code;
}

static void plugin_deinit(void)
{
    objects_library_end();
}

BACKEND_PLUGIN("git", "each memory a file in a git repository, each change a commit", git_api, QUIPU_PLUGIN_FORK_SAFE,
               plugin_init, plugin_deinit);
