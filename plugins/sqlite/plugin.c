/* plugin.c - the sqlite backend's entry, table and life cycle. */
#include "backend.h"

#include <base/fail.h>
#include <quipu/extensions.h>
#include <quipu/plugin.h>
#include <sdk/abi_check.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- what is asked of every call ---- */

int32_t check_entry(const quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    if (!self->path)
        return fail(error, QUIPU_E_STATE, NULL, "no store is open; call open first");
    if (self->flags & QUIPU_OPEN_DAMAGED)
        return fail(error, QUIPU_E_STATE, NULL, "the store was opened to be verified, and for nothing else");
    return abi_check_call(call, error);
}

int32_t check_writable(const quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK && (self->flags & QUIPU_OPEN_READ_ONLY))
        code = fail(error, QUIPU_E_READ_ONLY, NULL, "the store was opened for reading only");
    return code == QUIPU_OK ? moved_check(self, error) : code;
}

/* ---- life cycle ---- */

static int32_t sqlite_create(const quipu_host *host, quipu_backend **out, quipu_error *error)
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
    self->line = (line_store){ &sqlite_line, self };
    write_queue_begin(&self->queue, sqlite_write_batch, self);
    pthread_mutex_init(&self->pool, NULL);
    *out = self;
    return QUIPU_OK;
}

/* In a forked child the connections are the parent's: SQLite must not even close them
 * (https://sqlite.org/howtocorrupt.html, 2.6), so that they are left. */
static void let_go(quipu_backend *self)
{
    embed_thread_end(self->follower);
    self->follower = NULL;
    views_close(self->views);
    self->views = NULL;
    if (self->pid == getpid()) {
        moved_release(self);
        readers_close(self);
        connection_close(self->writer);
    }
    self->idle = self->writer = self->holder = NULL;
    atomic_store(&self->past_fence, false);
    recent_ids_free(&self->unchanged);
    free(self->path);
    free(self->folder);
    self->path = self->folder = NULL;
    self->immutable = false;
}

static void sqlite_destroy(quipu_backend *self)
{
    if (!self)
        return;
    let_go(self);
    write_queue_end(&self->queue);
    pthread_mutex_destroy(&self->pool);
    free(self);
}

/* A first connection looks at what is there before anything else is done with it. */
static int32_t open_connections(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    bool writing = !(self->flags & QUIPU_OPEN_READ_ONLY);
    connection *c;
    int32_t code = connection_open(self, writing, &c, error);
    if (code != QUIPU_OK)
        return code;
    connection_use(c, call, NULL);
    code = schema_check(self, c, error);
    if (code == QUIPU_OK && writing) {
        connection_use(c, NULL, NULL);
        self->writer = c;
    } else if (code == QUIPU_OK) {
        reader_give(self, c);
    } else {
        connection_close(c);
    }
    return code;
}

static int32_t open_store(quipu_backend *self, const char *folder, const quipu_call *call, quipu_error *error)
{
    buffer path = { 0 };
    buffer_printf(&path, "%s/%s", folder, DATABASE_NAME);
    self->folder = str_dup(str_make(folder, strlen(folder)));
    if (path.failed || !self->folder) {
        buffer_free(&path);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    }
    self->path = path.bytes;
    self->pid = getpid();
    recent_ids_begin(&self->unchanged, (uint64_t)host_now(self->host) ^ (uint64_t)(uintptr_t)self);
    int32_t code = database_make(self, folder, error);
    if (code != QUIPU_OK || self->flags & QUIPU_OPEN_DAMAGED)
        return code;
    code = open_connections(self, call, error);
    if (code == QUIPU_OK)
        code = views_open(&line_views, &self->line, self->host, folder, self->flags & QUIPU_OPEN_READ_ONLY,
                          self->language, &self->views, error);
    if (code == QUIPU_OK && self->embeds && !(self->flags & QUIPU_OPEN_READ_ONLY))
        self->follower = embed_thread_begin(&sqlite_indexes, self, self->host);
    return code;
}

static int32_t sqlite_open(quipu_backend *self, const quipu_open_params *params, const quipu_call *call,
                           quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    if (!error)
        error = &own;
    if (self->path)
        return fail(error, QUIPU_E_STATE, NULL, "the store is open already; close it first");
    int32_t code = abi_check_call(call, error);
    if (code == QUIPU_OK)
        code = abi_check_open_flags(params, QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_NO_CREATE | QUIPU_OPEN_DAMAGED, error);
    if (code == QUIPU_OK)
        code = read_settings(self, params->config, error);
    char *folder = code == QUIPU_OK ? str_dup(params->path) : NULL;
    if (code == QUIPU_OK && !folder)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    if (code == QUIPU_OK) {
        self->flags = params->flags;
        code = open_store(self, folder, call, error);
        if (code != QUIPU_OK)
            let_go(self);
    }
    free(folder);
    return code;
}

/* What a relaxed setting had put off: the log is synced before it is taken into the database. */
static int32_t make_durable(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    connection *c;
    if (self->durable || self->flags & (QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_DAMAGED))
        return QUIPU_OK;
    int32_t code = connection_open(self, true, &c, error);
    if (code != QUIPU_OK)
        return code;
    connection_use(c, call, NULL);
    int rc = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_FULL, NULL, NULL);
    if (rc != SQLITE_OK)
        code = sqlite_fail(c, rc, "making the changes durable", error);
    connection_close(c);
    return code;
}

static int32_t sqlite_close(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    if (!self->path)
        return fail(error, QUIPU_E_STATE, NULL, "no store is open; call open first");
    embed_thread_end(self->follower);
    self->follower = NULL;
    if (self->views)
        views_save(self->views);
    int32_t code = make_durable(self, call, error);
    let_go(self);
    return code;
}

static int32_t sqlite_flush(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? make_durable(self, call, error) : code;
}

static const void *sqlite_get_extension(quipu_backend *self, const quipu_str *id)
{
    (void)self;
    if (id && id->ptr && QUIPU_IS(id, QUIPU_EXT_HISTORY))
        return &sqlite_history;
    if (id && id->ptr && QUIPU_IS(id, QUIPU_EXT_MIGRATE))
        return &sqlite_migrate;
    if (id && id->ptr && QUIPU_IS(id, QUIPU_EXT_VECTORS))
        return &sqlite_vectors;
    if (id && id->ptr && QUIPU_IS(id, QUIPU_EXT_VERIFY))
        return &sqlite_verify;
    if (id && id->ptr && QUIPU_IS(id, QUIPU_EXT_MAINTAIN))
        return &sqlite_maintain;
    return NULL;
}

static const quipu_backend_api sqlite_api = {
    .struct_size = sizeof(quipu_backend_api),
    .create = sqlite_create,
    .destroy = sqlite_destroy,
    .open = sqlite_open,
    .close = sqlite_close,
    .apply = sqlite_apply,
    .get = sqlite_get,
    .scan = sqlite_scan,
    .search = sqlite_search,
    .stats = sqlite_stats,
    .flush = sqlite_flush,
    .get_extension = sqlite_get_extension,
};

static const quipu_backend_desc sqlite_desc = {
    .struct_size = sizeof(quipu_backend_desc),
    .format = QUIPU_RECORD_FORMAT,
    .name = QUIPU_STR_INIT("sqlite"),
    .summary = QUIPU_STR_INIT("records and all their history in one SQLite database"),
    .api = &sqlite_api,
};

static const quipu_backend_list sqlite_list = {
    .struct_size = sizeof(quipu_backend_list),
    .items = { &sqlite_desc, 1, sizeof(quipu_backend_desc) },
};

/* The library is begun here, once for the process, and stays: a host may use it too. */
static int32_t plugin_init(const quipu_host *host, uint32_t abi_min, uint32_t abi_max, uint32_t *chosen,
                           quipu_error *error)
{
    int32_t code = abi_negotiate(host, abi_min, abi_max, chosen, error);
    if (code == QUIPU_OK && !sqlite3_threadsafe())
        code = fail(error, QUIPU_E_PLUGIN, NULL, "this SQLite was built for one thread; install another");
    if (code == QUIPU_OK && sqlite3_initialize() != SQLITE_OK)
        code = fail(error, QUIPU_E_PLUGIN, NULL, "SQLite %s cannot be begun", sqlite3_libversion());
    return code;
}

static void plugin_deinit(void)
{
}

static const void *plugin_factory(const quipu_str *id)
{
    return id && id->ptr && QUIPU_IS(id, QUIPU_BACKENDS) ? &sqlite_list : NULL;
}

QUIPU_PLUGIN("sqlite", QUIPU_VERSION, "Apache-2.0", 0u, plugin_init, plugin_deinit, plugin_factory);
