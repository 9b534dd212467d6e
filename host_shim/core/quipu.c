/* quipu.c - opens and closes a store: settings, plugins, backend, slot. */
#include "handle.h"

#include "check.h"
#include "store.h"

#include <base/fail.h>
#include <quipu/extensions.h>
#include <sdk/json.h>
#include <stdlib.h>

#define STRUCT_MAX 4096u
#define DEFAULT_BACKEND "git"

const char *quipu_version(void)
{
    return QUIPU_VERSION;
}

const char *quipu_error_name(int32_t code)
{
    return error_name(code);
}

const char *quipu_error_text(int32_t code)
{
    return error_text(code);
}

const char *quipu_backend_name(quipu *q)
{
    return q->name;
}

const char *quipu_store_path(quipu *q)
{
    return q->path;
}

int32_t check_struct(const void *object, size_t known, const char *name, quipu_error *error)
{
    uint32_t size;
    if (!object)
        return fail(error, QUIPU_E_INVALID, name, "%s is NULL", name);
    memcpy(&size, object, sizeof size);
    if (size < known || size > STRUCT_MAX)
        return fail(error, QUIPU_E_INVALID, name, "%s: struct_size is %u, expected at least %zu: set it to the sizeof",
                    name, size, known);
    for (size_t i = known; i < size; i++)
        if (((const char *)object)[i])
            return fail(error, QUIPU_E_INVALID, name,
                        "%s: byte %zu is set, but this libquipu (%s) knows only %zu bytes", name, i, QUIPU_VERSION,
                        known);
    return QUIPU_OK;
}

int32_t handle_refuse(const quipu *q, quipu_error *error)
{
    if (!q)
        return fail(error, QUIPU_E_INVALID, "quipu", "the handle is NULL");
    if (q->epoch != fork_epoch_now())
        return fail(error, QUIPU_E_FORKED, NULL, "this handle was opened before fork: close it and open a new one");
    return fail(error, QUIPU_E_STATE, NULL, "the handle is being closed");
}

int32_t handle_settle(const quipu *q, int32_t code, quipu_error *error)
{
    if (code > 0)
        return fail(error, QUIPU_E_PLUGIN, NULL, "the backend %s answered %d, which is no code", q->name, code);
    if (error && error->code != code)
        return fail(error, code, NULL, "%s", error_text(code));
    return code;
}

/* ---- open ---- */

/* What quipu_open works with on its way. */
typedef struct opening {
    const quipu_options *options;
    quipu *q;
    store_settings stored; /* what the store was made with */
    bool has_settings;
    bool was_empty;                                               /* the folder was not there, or held nothing */
    quipu_str backend, backend_config, embedder, embedder_config; /* what is used; absent: none */
} opening;

static int32_t check_text(quipu_str text, const char *field, uint64_t max, quipu_error *error)
{
    if (text.len > max)
        return fail(error, QUIPU_E_INVALID, field, "%s has %llu bytes, at most %llu are possible", field,
                    (unsigned long long)text.len, (unsigned long long)max);
    if (text.len && !text.ptr)
        return fail(error, QUIPU_E_INVALID, field, "%s has a length but no text", field);
    if (text.len && utf8_first_bad(text.ptr, (size_t)text.len) >= 0)
        return fail(error, QUIPU_E_INVALID, field, "%s is not UTF-8", field);
    for (uint64_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return fail(error, QUIPU_E_INVALID, field, "%s has control characters", field);
    return QUIPU_OK;
}

/* A settings text must be one JSON object. */
static int32_t check_config(quipu_str config, const char *field, quipu_error *error)
{
    cJSON *tree = NULL;
    quipu_error why = { .struct_size = sizeof why };
    if (!str_present(config))
        return QUIPU_OK;
    int32_t code = json_parse(config, &tree, &why);
    if (code != QUIPU_OK)
        return fail(error, code, field, "%s: %s", field, why.message);
    if (!cJSON_IsObject(tree))
        code = fail(error, QUIPU_E_INVALID, field, "%s must be a JSON object", field);
    cJSON_Delete(tree);
    return code;
}

static int32_t check_options(const quipu_options *o, quipu_error *error)
{
    int32_t code = check_struct(o, sizeof *o, "options", error);
    if (code != QUIPU_OK)
        return code;
    if (o->flags & ~(QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_NO_CREATE | QUIPU_OPEN_DAMAGED))
        return fail(error, QUIPU_E_INVALID, "flags", "unknown flags 0x%x", o->flags);
    if ((code = check_text(o->author, "author", 255, error)) != QUIPU_OK ||
        (code = check_text(o->source, "source", 255, error)) != QUIPU_OK ||
        (code = check_config(o->backend_config, "backend_config", error)) != QUIPU_OK ||
        (code = check_config(o->embedder_config, "embedder_config", error)) != QUIPU_OK)
        return code;
    return QUIPU_OK;
}

/* Options first, then what the store was made with, then the defaults. */
static int32_t choose(opening *o, quipu_error *error)
{
    const quipu_options *given = o->options;
    const store_settings *stored = &o->stored;
    bool other = str_present(given->backend) && stored->backend && !str_same(given->backend, str_of(stored->backend));
    if (other)
        return fail(error, QUIPU_E_INVALID, "backend", "the store was made with the backend \"%s\", not \"%.*s\"",
                    stored->backend, given->backend.len > 32 ? 32 : (int)given->backend.len, given->backend.ptr);
    o->backend =
        str_present(given->backend) ? given->backend : str_of(stored->backend ? stored->backend : DEFAULT_BACKEND);
    o->backend_config = str_present(given->backend_config) ? given->backend_config : str_of(stored->backend_config);
    o->embedder = str_present(given->embedder) ? given->embedder : str_of(stored->embedder);
    o->embedder_config = given->embedder_config;
    bool same = stored->embedder && str_same(o->embedder, str_of(stored->embedder));
    if (!str_present(o->embedder_config) && same)
        o->embedder_config = str_of(stored->embedder_config);
    if (QUIPU_IS(&o->embedder, "none"))
        o->embedder = (quipu_str){ NULL, 0 };
    return QUIPU_OK;
}

static int32_t keep_texts(opening *o, quipu_error *error)
{
    quipu *q = o->q;
    q->name = str_dup(o->backend);
    q->author = str_dup(o->options->author.len ? o->options->author : str_of("quipu"));
    q->source = str_dup(o->options->source.len ? o->options->source : str_of("libquipu/" QUIPU_VERSION));
    return q->name && q->author && q->source ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

/* What a plugin's create answered: an instance, or a code that keeps the contract. */
static int32_t check_created(int32_t code, const void *instance, quipu_str name, quipu_error *error)
{
    if (code == QUIPU_OK && !instance)
        return fail(error, QUIPU_E_PLUGIN, NULL, "%.*s: create answered success, but gave no instance", (int)name.len,
                    name.ptr);
    if (code > 0)
        return fail(error, QUIPU_E_PLUGIN, NULL, "%.*s answered %d, which is no code", (int)name.len, name.ptr, code);
    if (code < 0 && error && error->code != code)
        return fail(error, code, NULL, "%.*s: %s", (int)name.len, name.ptr, error_text(code));
    return code;
}

static int32_t open_embedder(opening *o, quipu_error *error)
{
    quipu *q = o->q;
    if (!str_present(o->embedder))
        return QUIPU_OK;
    int32_t code = registry_acquire(true, o->embedder, o->options->plugin_path, &q->host, &q->embedder, error);
    if (code != QUIPU_OK)
        return code;
    const quipu_embedder_api *api = q->embedder.embedder->api;
    code = api->create(&q->host.table, &q->host.embedder, error);
    code = check_created(code, q->host.embedder, o->embedder, error);
    if (code == QUIPU_OK)
        code = check_created(api->open(q->host.embedder, &o->embedder_config, NULL, error), q, o->embedder, error);
    if (code == QUIPU_OK) {
        q->embedder_open = true;
        q->host.embedder_api = api; /* from now on the service is offered */
    }
    return code;
}

static void log_lines(const quipu *q, const faults *f)
{
    const char *line = f->lines.bytes;
    while (line && *line) {
        size_t len = strcspn(line, "\n");
        host_write_log(&q->host, QUIPU_LOG_ERROR, q->name, str_make(line, len));
        line += len + (line[len] == '\n');
    }
}

static int32_t check_extensions(opening *o, quipu_error *error)
{
    quipu *q = o->q;
    faults f = { 0 };
    quipu_str history = str_of(QUIPU_EXT_HISTORY), verify = str_of(QUIPU_EXT_VERIFY);
    quipu_str migrate = str_of(QUIPU_EXT_MIGRATE), maintain = str_of(QUIPU_EXT_MAINTAIN);
    const quipu_backend_api *api = q->backend.backend->api;
    check_history(api->get_extension(q->self, &history), &f);
    check_verify(api->get_extension(q->self, &verify), &f);
    check_migrate(api->get_extension(q->self, &migrate), &f);
    check_maintain(api->get_extension(q->self, &maintain), &f);
    log_lines(q, &f);
    int32_t code = faults_fail(&f, q->name, error);
    faults_free(&f);
    return code;
}

static int32_t open_backend(opening *o, quipu_error *error)
{
    quipu *q = o->q;
    quipu_open_params params = {
        .struct_size = sizeof params, .flags = o->options->flags, .path = str_of(q->path), .config = o->backend_config
    };
    int32_t code = registry_acquire(false, o->backend, o->options->plugin_path, &q->host, &q->backend, error);
    if (code != QUIPU_OK)
        return code;
    const quipu_backend_api *api = q->backend.backend->api;
    code = api->create(&q->host.table, &q->self, error);
    code = check_created(code, q->self, o->backend, error);
    if (code == QUIPU_OK)
        code = check_created(api->open(q->self, &params, NULL, error), q, o->backend, error);
    if (code != QUIPU_OK)
        return code;
    q->backend_open = true;
    code = check_extensions(o, error);
    return code == QUIPU_OK ? slot_publish(&q->slot, api, q->self, 0, NULL, error) : code;
}

/* The first open of a store leaves behind what it was made with. A store that cannot be written is still of use. A folder that
 * held something, but no settings, is a store of the default backend (a fresh git clone of one), or none of our business. */
static void remember(opening *o)
{
    quipu_error error = { .struct_size = sizeof error };
    store_settings made = { .backend = o->q->name };
    if (o->has_settings || (o->options->flags & (QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_DAMAGED)) ||
        (!o->was_empty && strcmp(o->q->name, DEFAULT_BACKEND) != 0))
        return;
    made.backend_config = str_present(o->backend_config) ? str_dup(o->backend_config) : NULL;
    made.embedder = str_present(o->embedder) ? str_dup(o->embedder) : NULL;
    made.embedder_config = str_present(o->embedder_config) ? str_dup(o->embedder_config) : NULL;
    if (store_settings_write(o->q->path, &made, &error) != QUIPU_OK)
        host_write_log(&o->q->host,
                       error.code == QUIPU_E_READ_ONLY || error.code == QUIPU_E_DENIED ? QUIPU_LOG_INFO
                                                                                       : QUIPU_LOG_WARNING,
                       "store", str_of(error.message));
    made.backend = NULL; /* the handle's */
    store_settings_free(&made);
}

static int32_t run_opening(opening *o, quipu_error *error)
{
    bool make = !(o->options->flags & (QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_NO_CREATE | QUIPU_OPEN_DAMAGED));
    int32_t code = store_locate(o->options->store, make, &o->q->path, error);
    if (code != QUIPU_OK)
        return code;
    o->was_empty = store_is_empty(o->q->path);
    if ((code = store_settings_read(o->q->path, &o->stored, &o->has_settings, error)) != QUIPU_OK ||
        (code = choose(o, error)) != QUIPU_OK || (code = keep_texts(o, error)) != QUIPU_OK ||
        (code = open_embedder(o, error)) != QUIPU_OK || (code = open_backend(o, error)) != QUIPU_OK)
        return code;
    remember(o);
    return QUIPU_OK;
}

int32_t quipu_open(const quipu_options *options, quipu **out, quipu_error *error)
{
    opening o = { .options = options };
    if (!out)
        return fail(error, QUIPU_E_INVALID, "out", "out is NULL");
    *out = NULL;
    int32_t code = check_options(options, error);
    if (code != QUIPU_OK)
        return code;
    fork_watch();
    o.q = calloc(1, sizeof *o.q);
    if (!o.q)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    o.q->epoch = fork_epoch_now();
    host_begin(&o.q->host, options->log, options->services, options->context);
    code = run_opening(&o, error);
    store_settings_free(&o.stored);
    if (code == QUIPU_OK)
        *out = o.q;
    else
        quipu_close(o.q, NULL);
    return code;
}

/* ---- close ---- */

/* In the child after fork: plugins that do not claim to stand it are left alone, and what they hold is not freed. */
static void close_forked(quipu *q)
{
    const plugin_use *uses[] = { &q->backend, &q->embedder };
    if (q->self && plugin_fork_safe(q->backend.plugin))
        q->backend.backend->api->destroy(q->self);
    if (q->host.embedder && plugin_fork_safe(q->embedder.plugin))
        q->embedder.embedder->api->destroy(q->host.embedder);
    for (size_t i = 0; i < 2; i++)
        if (uses[i]->plugin)
            registry_release(uses[i]->plugin, true);
    host_end(&q->host, false);
}

static int32_t close_plugins(quipu *q, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    if (q->backend_open) {
        code = q->backend.backend->api->close(q->self, NULL, error);
        code = code == QUIPU_OK ? code : handle_settle(q, code, error);
    }
    if (q->self)
        q->backend.backend->api->destroy(q->self);
    if (q->embedder_open)
        q->embedder.embedder->api->close(q->host.embedder, NULL, NULL);
    if (q->host.embedder)
        q->embedder.embedder->api->destroy(q->host.embedder);
    host_end(&q->host, true);
    registry_release(q->backend.plugin, false);
    registry_release(q->embedder.plugin, false);
    return code;
}

int32_t quipu_close(quipu *q, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    if (!q)
        return QUIPU_OK;
    if (q->epoch != fork_epoch_now()) {
        close_forked(q);
    } else {
        slot_publish(&q->slot, NULL, NULL, 0, NULL, NULL);
        code = close_plugins(q, error);
    }
    slot_end(&q->slot);
    free(q->name);
    free(q->path);
    free(q->author);
    free(q->source);
    free(q);
    return code;
}
