/* plugin.c - the json backend's entry, table, settings and life cycle; get, scan, search and stats ask the index after a look at the files. */
#include "backend.h"

#include <base/fail.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <quipu/ext/vectors.h>
#include <quipu/extensions.h>
#include <quipu/plugin.h>
#include <sdk/abi_check.h>
#include <sdk/fence.h>
#include <sdk/query.h>
#include <sdk/settings.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <string.h>
#include <unistd.h>

enum { BACKUPS = 2, BACKUPS_MOST = 99 };

/* ---- settings ---- */

static int32_t take_format(const cJSON *item, bool *mcp, quipu_error *error)
{
    const char *value = cJSON_GetStringValue(item);
    if (!value || (strcmp(value, "records") != 0 && strcmp(value, "mcp") != 0))
        return fail(error, QUIPU_E_INVALID, item->string, "the setting \"%s\" must be \"records\" or \"mcp\"",
                    item->string);
    *mcp = strcmp(value, "mcp") == 0;
    return QUIPU_OK;
}

static int32_t take_setting(void *context, const cJSON *item, quipu_error *error)
{
    quipu_backend *self = context;
    if (strcmp(item->string, "durability") == 0)
        return setting_durability(item, &self->durable, error);
    if (strcmp(item->string, "index_backup_count") == 0)
        return setting_integer(item, 0, BACKUPS_MOST, "backups", &self->backups, error);
    if (strcmp(item->string, "record_max") == 0)
        return setting_record_max(item, &self->record_max, error);
    if (strcmp(item->string, "language") == 0)
        return setting_language(item, &self->language, error);
    if (strcmp(item->string, "embed") == 0)
        return setting_embed(item, &self->embeds, error);
    if (strcmp(item->string, "format") == 0)
        return take_format(item, &self->mcp, error);
    return setting_unknown(item, "the backend \"json\"",
                           "durability, index_backup_count, record_max, language, embed and format", error);
}

static int32_t read_settings(quipu_backend *self, quipu_str config, quipu_error *error)
{
    self->durable = self->embeds = true;
    self->mcp = false;
    self->backups = BACKUPS;
    self->record_max = QUIPU_RECORD_MAX;
    self->language = TEXT_ENGLISH;
    return settings_read(config, take_setting, self, error);
}

/* ---- what every question begins with ---- */

static int32_t look(quipu_backend *self, quipu_str as_of, const quipu_call *call, quipu_error *error)
{
    if (as_of.ptr)
        return fail(error, QUIPU_E_UNSUPPORTED, "as_of",
                    "the backend \"json\" keeps no history but its backups; ask for the present state");
    pthread_mutex_lock(&self->lock);
    int32_t code = files_refresh(self, false, call, error);
    pthread_mutex_unlock(&self->lock);
    return code;
}

static int32_t take_index(quipu_backend *self, quipu_str as_of, record_index **out, void **held, int64_t *moment,
                          quipu_error *error)
{
    *moment = QUIPU_TIME_NONE;
    int32_t code = look(self, as_of, NULL, error);
    *out = self->index;
    *held = NULL;
    return code;
}

static void give_index(void *held)
{
    (void)held;
}

static void distrust(quipu_backend *self)
{
    (void)self; /* nothing of the index lies on the disk */
}

static const index_owner json_index = { .take = take_index, .give = give_index, .distrust = distrust };

/* ---- life cycle ---- */

static int32_t json_create(const quipu_host *host, quipu_backend **out, quipu_error *error)
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
    self->lock_fd = -1;
    pthread_mutex_init(&self->lock, NULL);
    *out = self;
    return QUIPU_OK;
}

static void let_go(quipu_backend *self)
{
    embed_thread_end(self->follower);
    self->follower = NULL;
    store_free(self);
    record_index_free(self->index);
    self->index = NULL;
    recent_ids_free(&self->applied);
    if (self->lock_fd >= 0)
        os->close(self->lock_fd);
    self->lock_fd = -1;
    free(self->folder);
    free(self->journal);
    free(self->store);
    self->folder = self->journal = self->store = NULL;
    self->held = self->past_fence = false;
}

static void json_destroy(quipu_backend *self)
{
    if (!self)
        return;
    let_go(self);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

int32_t check_entry(const quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    return self->folder ? abi_check_call(call, error)
                        : fail(error, QUIPU_E_STATE, NULL, "no store is open; call open first");
}

/* True for a folder in which a store of this kind is, or could be made. */
static bool is_free(const char *store)
{
    DIR *dir = opendir(store);
    bool free_ = true;
    if (!dir)
        return true; /* what is wrong with it shows when it is used */
    for (struct dirent *entry; free_ && (entry = readdir(dir));)
        free_ = entry->d_name[0] == '.' || strncmp(entry->d_name, "vectors-", 8) == 0 ||
                strncmp(entry->d_name, "quipu-store.json", 16) == 0 || strcmp(entry->d_name, "lock") == 0 ||
                strcmp(entry->d_name, SCOPES_FOLDER) == 0 || strcmp(entry->d_name, FENCE_FILE) == 0 ||
                strncmp(entry->d_name, MCP_FILE, sizeof MCP_FILE - 1) == 0;
    closedir(dir);
    return free_;
}

static bool is_there(const quipu_backend *self)
{
    buffer path = { 0 };
    buffer_printf(&path, "%s%s%s", self->folder, self->mcp ? "/" : "", self->mcp ? MCP_FILE : "");
    bool there = !path.failed && access(path.bytes, F_OK) == 0;
    buffer_free(&path);
    return there;
}

static int32_t make_store(quipu_backend *self, const char *store, quipu_error *error)
{
    buffer path = { 0 };
    if (!is_free(store))
        return fail(error, QUIPU_E_FORMAT, "path",
                    "%s holds other things; choose a folder that is empty, or not there yet", store);
    int32_t code = os_make_folder(store, error);
    if (code == QUIPU_OK && !self->mcp)
        code = os_make_folder(self->folder, error);
    buffer_printf(&path, "%s/lock", store);
    if (code == QUIPU_OK && path.failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    if (code == QUIPU_OK && (self->lock_fd = os->open(path.bytes, O_RDWR | O_CREAT, 0600)) < 0)
        code = fail_errno(error, errno, "cannot open %s", path.bytes);
    buffer_free(&path);
    return code;
}

/* What a process that was killed has left in the journal, or this one: into the files, where nobody is writing. */
static void fold_if_free(quipu_backend *self)
{
    static const quipu_call at_once = { .struct_size = sizeof at_once, .deadline_ns = 1 };
    quipu_error why = { .struct_size = sizeof why };
    if (self->flags & QUIPU_OPEN_READ_ONLY || self->lock_fd < 0)
        return;
    pthread_mutex_lock(&self->lock);
    if (self->log.end && !self->held && store_lock(self, &at_once, NULL) == QUIPU_OK) {
        if (files_refresh(self, true, NULL, &why) != QUIPU_OK || fold(self, &why) != QUIPU_OK)
            host_log(self->host, QUIPU_LOG_WARNING, "json", "the journal stays for now: %s", why.message);
        store_unlock(self);
    }
    pthread_mutex_unlock(&self->lock);
}

static int32_t open_store(quipu_backend *self, const char *store, const quipu_call *call, quipu_error *error)
{
    buffer folder = { 0 }, journal = { 0 };
    self->store = str_dup(str_of(store));
    buffer_printf(&folder, "%s%s", store, self->mcp ? "" : "/" SCOPES_FOLDER);
    buffer_printf(&journal, "%s/.journal", store);
    self->folder = folder.bytes;
    self->journal = journal.bytes;
    if (folder.failed || journal.failed || !self->store)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    if (self->flags & (QUIPU_OPEN_NO_CREATE | QUIPU_OPEN_READ_ONLY) && !is_there(self))
        return fail(error, QUIPU_E_NOT_FOUND, "path", "there is no store at %s", store);
    int32_t code = self->flags & QUIPU_OPEN_READ_ONLY ? QUIPU_OK : make_store(self, store, error);
    recent_ids_begin(&self->applied, (uint64_t)host_now(self->host) ^ (uint64_t)(uintptr_t)self);
    if (code == QUIPU_OK)
        code = record_index_create(self->host, &self->index, error);
    if (code == QUIPU_OK) {
        record_index_set_language(self->index, self->language);
        code = record_index_vectors_in(self->index, store, self->flags & QUIPU_OPEN_READ_ONLY, error);
    }
    if (code == QUIPU_OK && self->mcp && !is_there(self) && !(self->flags & QUIPU_OPEN_READ_ONLY)) {
        buffer path = { 0 };
        buffer_printf(&path, "%s/%s", self->folder, MCP_FILE);
        code = path.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store")
                           : os_replace_file(path.bytes, "", 0, self->durable, error);
        buffer_free(&path);
    }
    if (code == QUIPU_OK)
        code = files_refresh(self, false, call, error);
    if (code == QUIPU_OK)
        fold_if_free(self);
    if (code == QUIPU_OK && self->embeds && !(self->flags & QUIPU_OPEN_READ_ONLY))
        self->follower = embed_thread_begin(&json_index, self, self->host);
    return code;
}

static int32_t json_open(quipu_backend *self, const quipu_open_params *params, const quipu_call *call,
                         quipu_error *error)
{
    if (self->folder)
        return fail(error, QUIPU_E_STATE, NULL, "the store is open already; close it first");
    int32_t code = abi_check_call(call, error);
    if (code == QUIPU_OK)
        code = abi_check_open(params, error);
    if (code == QUIPU_OK)
        code = read_settings(self, params->config, error);
    char *store = code == QUIPU_OK ? str_dup(params->path) : NULL;
    if (code == QUIPU_OK && !store)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    if (code == QUIPU_OK) {
        self->flags = params->flags;
        code = open_store(self, store, call, error);
        if (code != QUIPU_OK)
            let_go(self);
    }
    free(store);
    return code;
}

/* What a relaxed setting had put off: the files' own bytes. */
static int32_t make_durable(quipu_backend *self, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    if (self->durable || self->flags & QUIPU_OPEN_READ_ONLY)
        return QUIPU_OK;
    int fd = os->open(self->folder, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fail_errno(error, errno, "cannot open %s", self->folder);
    if (os->syncfs(fd) != 0)
        code = fail_errno(error, errno, "cannot sync %s", self->folder);
    os->close(fd);
    return code;
}

static int32_t json_close(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    (void)call;
    if (!self->folder)
        return fail(error, QUIPU_E_STATE, NULL, "no store is open; call open first");
    fold_if_free(self);
    int32_t code = make_durable(self, error);
    let_go(self);
    return code;
}

/* ---- reading ---- */

static int32_t json_get(quipu_backend *self, const quipu_get *query, quipu_hit_fn visit, void *context,
                        const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = query_check_get(query, error);
    if (code == QUIPU_OK)
        code = look(self, query->as_of, call, error);
    return code == QUIPU_OK ? record_index_get(self->index, query, visit, context, call, error) : code;
}

static int32_t json_scan(quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit, void *context,
                         const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = query_check_scan(query, error);
    if (code == QUIPU_OK)
        code = look(self, query->as_of, call, error);
    return code == QUIPU_OK ? record_index_scan(self->index, query, visit, context, call, error) : code;
}

static int32_t json_search(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                           const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = query_check_search(query, error);
    if (code == QUIPU_OK)
        code = look(self, query->as_of, call, error);
    if (code == QUIPU_OK)
        code = record_index_search(self->index, query, visit, context, call, error);
    embed_thread_wake(self->follower); /* it may have seen what another process wrote */
    return code;
}

static int32_t json_vectors_state(quipu_backend *self, quipu_vectors_state *out, const quipu_call *call,
                                  quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? index_owner_vectors(&json_index, self, out, call, error) : code;
}

static int32_t json_vectors_embed(quipu_backend *self, quipu_vectors_fn visit, void *context, const quipu_call *call,
                                  quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? index_owner_embed(&json_index, self, visit, context, call, error) : code;
}

static int32_t json_stats(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call,
                          quipu_error *error)
{
    int64_t files = 0, bytes = 0;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = look(self, (quipu_str){ 0 }, call, error);
    if (code != QUIPU_OK)
        return code;
    pthread_mutex_lock(&self->lock);
    bytes = (int64_t)self->log.end;
    for (size_t i = 0; i < self->count; i++) {
        files += self->files[i].seen.inode != 0;
        bytes += (int64_t)self->files[i].seen.size;
    }
    pthread_mutex_unlock(&self->lock);
    const quipu_stat figures[] = {
        { .struct_size = sizeof(quipu_stat),
          .name = QUIPU_STR_INIT("records"),
          .value = (int64_t)record_index_count(self->index) },
        { .struct_size = sizeof(quipu_stat), .name = QUIPU_STR_INIT("files"), .value = files },
        { .struct_size = sizeof(quipu_stat), .name = QUIPU_STR_INIT("bytes"), .value = bytes },
        { .struct_size = sizeof(quipu_stat), .name = QUIPU_STR_INIT("persistent"), .value = 1 },
        { .struct_size = sizeof(quipu_stat),
          .name = QUIPU_STR_INIT("format"),
          .text = str_of(self->mcp ? "mcp" : "records") },
    };
    return query_show_figures(figures, sizeof figures / sizeof figures[0], visit, context, error);
}

static int32_t json_flush(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? make_durable(self, error) : code;
}

static const void *json_get_extension(quipu_backend *self, const quipu_str *id)
{
    static const quipu_vectors_api vectors = { .struct_size = sizeof vectors,
                                               .state = json_vectors_state,
                                               .embed = json_vectors_embed };
    (void)self;
    if (id && id->ptr && QUIPU_IS(id, QUIPU_EXT_MIGRATE))
        return &json_migrate;
    return id && id->ptr && QUIPU_IS(id, QUIPU_EXT_VECTORS) ? &vectors : NULL;
}

/* ---- the plugin ---- */

static void plugin_deinit(void)
{
}

static const quipu_backend_api json_api = {
    .struct_size = sizeof(quipu_backend_api),
    .create = json_create,
    .destroy = json_destroy,
    .open = json_open,
    .close = json_close,
    .apply = json_apply,
    .get = json_get,
    .scan = json_scan,
    .search = json_search,
    .stats = json_stats,
    .flush = json_flush,
    .get_extension = json_get_extension,
};

static const quipu_backend_desc json_desc = {
    .struct_size = sizeof(quipu_backend_desc),
    .format = QUIPU_RECORD_FORMAT,
    .name = QUIPU_STR_INIT("json"),
    .summary = QUIPU_STR_INIT("one readable JSON file a scope, or the memory.jsonl of the MCP memory server"),
    .api = &json_api,
};

static const quipu_backend_list json_list = {
    .struct_size = sizeof(quipu_backend_list),
    .items = { &json_desc, 1, sizeof(quipu_backend_desc) },
};

static const void *plugin_factory(const quipu_str *id)
{
    return id && id->ptr && QUIPU_IS(id, QUIPU_BACKENDS) ? &json_list : NULL;
}

QUIPU_PLUGIN("json", QUIPU_VERSION, "Apache-2.0", QUIPU_PLUGIN_FORK_SAFE, abi_negotiate, plugin_deinit, plugin_factory);
