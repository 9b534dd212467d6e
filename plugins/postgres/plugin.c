/* plugin.c - the postgres backend's entry, table and life cycle. */
#include "backend.h"
#include "nearest.h"
#include "rows.h"

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/abi_check.h>
#include <sdk/one_backend.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <string.h>

/* ---- life cycle ---- */

static int32_t postgres_create(const quipu_host *host, quipu_backend **out, quipu_error *error)
{
    int32_t code = line_backend_create(host, sizeof **out, &postgres_line, postgres_write_batch, out, error);
    if (code != QUIPU_OK)
        return code;
    pthread_mutex_init(&(*out)->pool, NULL);
    pthread_cond_init(&(*out)->given, NULL);
    return QUIPU_OK;
}

static void let_go(quipu_backend *self)
{
    line_backend_stop(self);
    readers_close(self);
    connection_close(self->writer);
    self->writer = NULL;
    settings_free(&self->set);
    line_backend_let_go(self);
    self->by_server = false;
    self->vector[0] = '\0';
}

static void postgres_destroy(quipu_backend *self)
{
    if (!self)
        return;
    let_go(self);
    pthread_mutex_destroy(&self->pool);
    pthread_cond_destroy(&self->given);
    line_backend_free(self);
}

/* ---- opening ---- */

/* A store that is to be made: its id, and its schema where none was given. */
static int32_t new_note(quipu_backend *self, store_note *note, quipu_error *error)
{
    char digits[33] = "";
    if (self->base.flags & (QUIPU_OPEN_NO_CREATE | QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_DAMAGED))
        return fail(error, QUIPU_E_NOT_FOUND, "path", "there is no store at %s", self->base.folder);
    int32_t code = os_make_folder(self->base.folder, error);
    if (code == QUIPU_OK && !note_folder_is_free(self->base.folder))
        code = fail(error, QUIPU_E_FORMAT, "path",
                    "%s holds other things and no %s; choose a folder that is empty, or not there yet",
                    self->base.folder, NOTE_NAME);
    if (code == QUIPU_OK)
        code = host_change_id(self->base.host, note->id, error);
    if (code != QUIPU_OK)
        return code;
    hex_encode(note->id, sizeof note->id, digits);
    if (self->set.schema)
        snprintf(note->schema, sizeof note->schema, "%s", self->set.schema);
    else
        snprintf(note->schema, sizeof note->schema, "quipu_%.32s", digits);
    return QUIPU_OK;
}

static void use_note(quipu_backend *self, const store_note *note)
{
    memcpy(self->schema, note->schema, sizeof self->schema);
    self->lock = 0;
    for (size_t i = 0; i < sizeof self->lock; i++) /* the end of a UUIDv7 is its random part */
        self->lock = (int64_t)((uint64_t)self->lock << 8 | note->id[8 + i]);
}

/* Makes or finds the tables, and writes the note that is still missing. *again: another process has written it first. */
static int32_t settle(quipu_backend *self, connection *c, store_note *note, bool known, bool *again, quipu_error *error)
{
    int32_t code = schema_settle(self, c, note, known, error);
    if (code != QUIPU_OK || known)
        return code;
    code = note_write(self->base.folder, note, error);
    *again = code == QUIPU_E_EXISTS;
    if (code != QUIPU_OK && !self->set.schema)
        schema_drop(c, note->schema);
    return *again ? QUIPU_OK : code;
}

/* How scans and searches go. A store that is read only is used as it is. */
static int32_t choose_search(quipu_backend *self, connection *c, quipu_error *error)
{
    PGresult *r = NULL;
    int32_t code = QUIPU_OK;
    if (self->set.search == SEARCH_SERVER && !(self->base.flags & QUIPU_OPEN_READ_ONLY))
        code = rows_make_table(self, c, error);
    if (code == QUIPU_OK)
        code = connection_run(c, STATEMENT_HAS_RECORDS, NULL, &r, "opening the store", error);
    self->by_server = code == QUIPU_OK && self->set.search != SEARCH_INDEX && row_int(r, 0, 0) != 0;
    PQclear(r);
    return code == QUIPU_OK && self->by_server ? nearest_open(self, c, error) : code;
}

/* A first connection looks at what is there before anything else is done with it. */
static int32_t find_store(quipu_backend *self, const quipu_call *call, bool *again, quipu_error *error)
{
    store_note note = { 0 };
    bool known = false;
    connection *c = NULL;
    *again = false;
    int32_t code = note_read(self->base.folder, &note, &known, error);
    if (code == QUIPU_OK && !known)
        code = new_note(self, &note, error);
    if (code == QUIPU_OK && known && self->set.schema && strcmp(self->set.schema, note.schema) != 0)
        code = fail(error, QUIPU_E_INVALID, "schema", "the store at %s is in the schema \"%s\"", self->base.folder,
                    note.schema);
    if (code != QUIPU_OK)
        return code;
    use_note(self, &note);
    if (self->base.flags & QUIPU_OPEN_DAMAGED)
        return QUIPU_OK;
    code = connection_open(self, call, &c, error);
    if (code == QUIPU_OK)
        code = settle(self, c, &note, known, again, error);
    use_note(self, &note);
    if (code == QUIPU_OK && !*again)
        code = choose_search(self, c, error);
    if (code != QUIPU_OK || *again || self->base.flags & QUIPU_OPEN_READ_ONLY) {
        connection_close(c);
        return code;
    }
    connection_use(c, NULL, NULL);
    self->writer = c;
    return QUIPU_OK;
}

static int32_t open_store(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    bool again = true;
    int32_t code = QUIPU_OK;
    for (int i = 0; i < 3 && again && code == QUIPU_OK; i++)
        code = find_store(self, call, &again, error);
    if (code == QUIPU_OK && again)
        code = fail(error, QUIPU_E_BUSY, "path", "other processes make and remove the store; try again");
    if (code != QUIPU_OK || self->base.flags & QUIPU_OPEN_DAMAGED)
        return code;
    return line_backend_views(self, self->set.language, self->set.embeds && !self->vector[0], error);
}

static int32_t postgres_open(quipu_backend *self, const quipu_open_params *params, const quipu_call *call,
                             quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    if (!error)
        error = &own;
    int32_t code = line_backend_begin(self, params, call, error);
    if (code != QUIPU_OK)
        return code;
    code = settings_take(&self->set, params->config, error);
    if (code == QUIPU_OK)
        code = open_store(self, call, error);
    if (code != QUIPU_OK)
        let_go(self);
    return code;
}

static int32_t postgres_close(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    (void)call;
    int32_t code = line_backend_save(self, error);
    if (code == QUIPU_OK)
        let_go(self);
    return code;
}

/* What a relaxed setting had put off is written by the server within a moment (wal_writer_delay), and by the next commit that waits. */
static int32_t postgres_flush(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    return line_check_entry(self, call, error);
}

static const void *postgres_get_extension(quipu_backend *self, const quipu_str *id)
{
    static const backend_extension all[] = {
        { QUIPU_EXT_HISTORY, &line_history },       { QUIPU_EXT_MIGRATE, &postgres_migrate },
        { QUIPU_EXT_VECTORS, &postgres_vectors },   { QUIPU_EXT_VERIFY, &postgres_verify },
        { QUIPU_EXT_MAINTAIN, &postgres_maintain },
    };
    (void)self;
    return backend_extension_find(all, sizeof all / sizeof all[0], id);
}

static const quipu_backend_api postgres_api = {
    .struct_size = sizeof(quipu_backend_api),
    .create = postgres_create,
    .destroy = postgres_destroy,
    .open = postgres_open,
    .close = postgres_close,
    .apply = line_apply,
    .get = line_get,
    .scan = postgres_scan,
    .search = postgres_search,
    .stats = postgres_stats,
    .flush = postgres_flush,
    .get_extension = postgres_get_extension,
};

static int32_t plugin_init(const quipu_host *host, uint32_t abi_min, uint32_t abi_max, uint32_t *chosen,
                           quipu_error *error)
{
    int32_t code = abi_negotiate(host, abi_min, abi_max, chosen, error);
    if (code == QUIPU_OK && !PQisthreadsafe())
        code = fail(error, QUIPU_E_PLUGIN, NULL, "this libpq was built for one thread; install another");
    return code;
}

BACKEND_PLUGIN("postgres", "records and all their history in a PostgreSQL database", postgres_api, 0u, plugin_init,
               backend_plugin_deinit);
