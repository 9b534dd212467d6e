/* plugin.c - the mem0 backend's entry, table and life cycle; get, scan, search and stats ask the index after a look at the remote. */
#include "backend.h"

#include <base/fail.h>
#include <quipu/ext/vectors.h>
#include <sdk/abi_check.h>
#include <sdk/one_backend.h>
#include <sdk/query.h>
#include <stdlib.h>

/* ---- what every question begins with ---- */

static int32_t look(quipu_backend *self, quipu_str as_of, const quipu_call *call, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    if (!error)
        error = &own;
    if (as_of.ptr)
        return fail(error, QUIPU_E_UNSUPPORTED, "as_of", "mem0 keeps no state of the past; ask for the present state");
    int32_t code = store_enter(self, call, error);
    if (code != QUIPU_OK)
        return code;
    code = listing_refresh(self, call, error);
    pthread_mutex_unlock(&self->lock);
    return code;
}

static int32_t check_entry(const quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    return store_check_entry(self->folder, self->flags, call, error);
}

static int32_t take_index(quipu_backend *self, quipu_str as_of, record_index **out, void **held, int64_t *moment,
                          quipu_error *error)
{
    *moment = QUIPU_TIME_NONE;
    (void)as_of, (void)error; /* what was listed last will do for vectors in the background */
    *out = self->index;
    *held = NULL;
    return QUIPU_OK;
}

static void give_index(void *held)
{
    (void)held;
}

static void distrust(quipu_backend *self)
{
    (void)self; /* nothing of the index lies on the disk */
}

static const index_owner mem0_index = { .take = take_index, .give = give_index, .distrust = distrust };

/* ---- life cycle ---- */

static int32_t mem0_create(const quipu_host *host, quipu_backend **out, quipu_error *error)
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
    pthread_mutex_init(&self->lock, NULL);
    *out = self;
    return QUIPU_OK;
}

static void let_go(quipu_backend *self)
{
    embed_thread_end(self->follower);
    self->follower = NULL;
    record_index_free(self->index);
    self->index = NULL;
    places_free(self);
    recent_ids_free(&self->applied);
    http_client_free(self->http);
    self->http = NULL;
    settings_free(&self->set);
    free(self->folder);
    self->folder = NULL;
    self->listed_ns = 0;
}

static void mem0_destroy(quipu_backend *self)
{
    if (!self)
        return;
    let_go(self);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

/* The remote is listed at once, so that a wrong address or key is told by open. */
static int32_t open_store(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    bool read_only = self->flags & QUIPU_OPEN_READ_ONLY;
    int32_t code = client_make(self, error);
    if (code == QUIPU_OK)
        code = note_settle(self, error);
    if (code == QUIPU_OK)
        code = record_index_create(self->host, &self->index, error);
    if (code == QUIPU_OK)
        code = record_index_vectors_in(self->index, self->folder, read_only, error);
    recent_ids_begin(&self->applied, (uint64_t)host_now(self->host) ^ (uint64_t)(uintptr_t)self);
    if (code == QUIPU_OK)
        code = look(self, (quipu_str){ 0 }, call, error);
    if (code == QUIPU_OK && self->set.embeds && !read_only)
        self->follower = embed_thread_begin(&mem0_index, self, self->host);
    return code;
}

static int32_t mem0_open(quipu_backend *self, const quipu_open_params *params, const quipu_call *call,
                         quipu_error *error)
{
    if (self->folder)
        return fail(error, QUIPU_E_STATE, NULL, "the store is open already; close it first");
    int32_t code = abi_check_call(call, error);
    if (code == QUIPU_OK)
        code = abi_check_open(params, error);
    if (code != QUIPU_OK)
        return code;
    code = settings_take(&self->set, params->config, error);
    if (code == QUIPU_OK && !(self->folder = str_dup(params->path)))
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    self->flags = params->flags;
    if (code == QUIPU_OK)
        code = open_store(self, call, error);
    if (code != QUIPU_OK)
        let_go(self);
    return code;
}

static int32_t mem0_close(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    (void)call;
    if (!self->folder)
        return fail(error, QUIPU_E_STATE, NULL, "no store is open; call open first");
    let_go(self);
    return QUIPU_OK;
}

/* ---- reading ---- */

static int32_t mem0_get(quipu_backend *self, const quipu_get *query, quipu_hit_fn visit, void *context,
                        const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = query_check_get(query, error);
    if (code == QUIPU_OK)
        code = look(self, query->as_of, call, error);
    return code == QUIPU_OK ? record_index_get(self->index, query, visit, context, call, error) : code;
}

static int32_t mem0_scan(quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit, void *context,
                         const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = query_check_scan(query, error);
    if (code == QUIPU_OK)
        code = look(self, query->as_of, call, error);
    return code == QUIPU_OK ? record_index_scan(self->index, query, visit, context, call, error) : code;
}

static int32_t mem0_search(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                           const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = query_check_search(query, error);
    if (code == QUIPU_OK)
        code = look(self, query->as_of, call, error);
    return code == QUIPU_OK ? record_index_search(self->index, query, visit, context, call, error) : code;
}

static int32_t mem0_stats(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call,
                          quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = look(self, (quipu_str){ 0 }, call, error);
    if (code != QUIPU_OK)
        return code;
    const quipu_stat figures[] = {
        stat_number("records", (int64_t)record_index_count(self->index)),
        stat_number("persistent", 1),
        stat_words("url", self->set.url),
        stat_words("api", self->set.platform ? "platform" : "oss"),
    };
    return query_show_figures(figures, sizeof figures / sizeof figures[0], visit, context, error);
}

/* What was acknowledged is the remote's. */
static int32_t mem0_flush(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    return check_entry(self, call, error);
}

static int32_t vectors_state(quipu_backend *self, quipu_vectors_state *out, const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? index_owner_vectors(&mem0_index, self, out, call, error) : code;
}

static int32_t vectors_embed(quipu_backend *self, quipu_vectors_fn visit, void *context, const quipu_call *call,
                             quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? index_owner_embed(&mem0_index, self, visit, context, call, error) : code;
}

static const void *mem0_get_extension(quipu_backend *self, const quipu_str *id)
{
    static const quipu_vectors_api vectors = { .struct_size = sizeof vectors,
                                               .state = vectors_state,
                                               .embed = vectors_embed };
    static const backend_extension all[] = { { QUIPU_EXT_VECTORS, &vectors } };
    (void)self;
    return backend_extension_find(all, sizeof all / sizeof all[0], id);
}

static const quipu_backend_api mem0_api = {
    .struct_size = sizeof(quipu_backend_api),
    .create = mem0_create,
    .destroy = mem0_destroy,
    .open = mem0_open,
    .close = mem0_close,
    .apply = mem0_apply,
    .get = mem0_get,
    .scan = mem0_scan,
    .search = mem0_search,
    .stats = mem0_stats,
    .flush = mem0_flush,
    .get_extension = mem0_get_extension,
};

BACKEND_PLUGIN("mem0", "the memories of a mem0 server: its platform's, or a self-hosted one's", mem0_api, 0u,
               abi_negotiate, backend_plugin_deinit);
