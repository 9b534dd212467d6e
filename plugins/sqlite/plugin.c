/* plugin.c - the sqlite backend's entry, table and life cycle. */
#include "backend.h"

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <sdk/one_backend.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- life cycle ---- */

static int32_t sqlite_create(const quipu_host *host, quipu_backend **out, quipu_error *error)
{
    int32_t code = line_backend_create(host, sizeof **out, &sqlite_line, sqlite_write_batch, out, error);
    if (code == QUIPU_OK)
        pthread_mutex_init(&(*out)->pool, NULL);
    return code;
}

/* In a forked child the connections are the parent's: SQLite must not even close them
 * (https://sqlite.org/howtocorrupt.html, 2.6), so that they are left. */
static void let_go(quipu_backend *self)
{
    line_backend_stop(self);
    if (self->base.pid == getpid()) {
        moved_release(self);
        readers_close(self);
        connection_close(self->writer);
    }
    self->idle = self->writer = self->holder = NULL;
    atomic_store(&self->past_fence, false);
    free(self->path);
    self->path = NULL;
    line_backend_let_go(self);
    self->immutable = false;
}

static void sqlite_destroy(quipu_backend *self)
{
    if (!self)
        return;
    let_go(self);
    pthread_mutex_destroy(&self->pool);
    line_backend_free(self);
}

/* A first connection looks at what is there before anything else is done with it. */
static int32_t open_connections(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    bool writing = !(self->base.flags & QUIPU_OPEN_READ_ONLY);
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

static int32_t open_store(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    buffer path = { 0 };
    buffer_printf(&path, "%s/%s", self->base.folder, DATABASE_NAME);
    if (path.failed) {
        buffer_free(&path);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    }
    self->path = path.bytes;
    int32_t code = database_make(self, self->base.folder, error);
    if (code != QUIPU_OK || self->base.flags & QUIPU_OPEN_DAMAGED)
        return code;
    code = open_connections(self, call, error);
    return code == QUIPU_OK ? line_backend_views(self, self->language, self->embeds, error) : code;
}

static int32_t sqlite_open(quipu_backend *self, const quipu_open_params *params, const quipu_call *call,
                           quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    if (!error)
        error = &own;
    int32_t code = line_backend_begin(self, params, call, error);
    if (code != QUIPU_OK)
        return code;
    code = read_settings(self, params->config, error);
    if (code == QUIPU_OK)
        code = open_store(self, call, error);
    if (code != QUIPU_OK)
        let_go(self);
    return code;
}

/* What a relaxed setting had put off: the log is synced before it is taken into the database. */
static int32_t make_durable(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    connection *c;
    if (self->durable || self->base.flags & (QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_DAMAGED))
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
    int32_t code = line_backend_save(self, error);
    if (code != QUIPU_OK)
        return code;
    code = make_durable(self, call, error);
    let_go(self);
    return code;
}

static int32_t sqlite_flush(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    int32_t code = line_check_entry(self, call, error);
    return code == QUIPU_OK ? make_durable(self, call, error) : code;
}

static const void *sqlite_get_extension(quipu_backend *self, const quipu_str *id)
{
    static const backend_extension all[] = {
        { QUIPU_EXT_HISTORY, &line_history },     { QUIPU_EXT_MIGRATE, &sqlite_migrate },
        { QUIPU_EXT_VECTORS, &line_vectors },     { QUIPU_EXT_VERIFY, &sqlite_verify },
        { QUIPU_EXT_MAINTAIN, &sqlite_maintain },
    };
    (void)self;
    return backend_extension_find(all, sizeof all / sizeof all[0], id);
}

static const quipu_backend_api sqlite_api = {
    .struct_size = sizeof(quipu_backend_api),
    .create = sqlite_create,
    .destroy = sqlite_destroy,
    .open = sqlite_open,
    .close = sqlite_close,
    .apply = line_apply,
    .get = line_get,
    .scan = line_scan,
    .search = line_search,
    .stats = sqlite_stats,
    .flush = sqlite_flush,
    .get_extension = sqlite_get_extension,
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

BACKEND_PLUGIN("sqlite", "records and all their history in one SQLite database", sqlite_api, 0u, plugin_init,
               backend_plugin_deinit);
