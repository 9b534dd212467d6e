/* tenant.c - see tenant.h. */
#include "handle.h"

#include "check.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <quipu/extensions.h>
#include <stdlib.h>

int32_t tenant_add(quipu *q, quipu_str name, const char *path, tenant **out, quipu_error *error)
{
    tenant *t = calloc(1, sizeof *t);
    if (t) {
        t->name = str_dup(name);
        t->path = str_dup(str_of(path));
    }
    if (!t || !t->name || !t->path) {
        tenant_free(t);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    }
    t->older = q->tenants;
    q->tenants = t;
    *out = t;
    return QUIPU_OK;
}

const quipu_backend_api *tenant_api(const tenant *t)
{
    return t->use.backend->api;
}

const void *tenant_extension(const tenant *t, const char *id)
{
    quipu_str name = str_of(id);
    return tenant_api(t)->get_extension(t->self, &name);
}

int32_t tenant_check(int32_t code, const void *instance, quipu_str name, quipu_error *error)
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

static void log_lines(const quipu *q, const tenant *t, const faults *f)
{
    const char *line = f->lines.bytes;
    while (line && *line) {
        size_t len = strcspn(line, "\n");
        host_write_log(&q->host, QUIPU_LOG_ERROR, t->name, str_make(line, len));
        line += len + (line[len] == '\n');
    }
}

static int32_t check_extensions(const quipu *q, const tenant *t, quipu_error *error)
{
    faults f = { 0 };
    check_history(tenant_extension(t, QUIPU_EXT_HISTORY), &f);
    check_verify(tenant_extension(t, QUIPU_EXT_VERIFY), &f);
    check_migrate(tenant_extension(t, QUIPU_EXT_MIGRATE), &f);
    check_maintain(tenant_extension(t, QUIPU_EXT_MAINTAIN), &f);
    log_lines(q, t, &f);
    int32_t code = faults_fail(&f, t->name, error);
    faults_free(&f);
    return code;
}

int32_t tenant_open(quipu *q, tenant *t, quipu_str plugin_path, quipu_str config, uint32_t flags, bool renew,
                    quipu_error *error)
{
    quipu_str name = str_of(t->name);
    quipu_open_params params = {
        .struct_size = sizeof params, .flags = flags, .path = str_of(t->path), .config = config
    };
    int32_t code = registry_acquire(false, name, plugin_path, renew, &q->host, &t->use, error);
    if (code != QUIPU_OK)
        return code;
    code = tenant_api(t)->create(&q->host.table, &t->self, error);
    code = tenant_check(code, t->self, name, error);
    if (code == QUIPU_OK)
        code = tenant_check(tenant_api(t)->open(t->self, &params, NULL, error), t, name, error);
    t->open = code == QUIPU_OK;
    if (code == QUIPU_OK)
        code = check_extensions(q, t, error);
    if (code != QUIPU_OK)
        tenant_close(q, t, NULL);
    return code;
}

int32_t tenant_close(quipu *q, tenant *t, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    if (t->open) {
        code = tenant_api(t)->close(t->self, NULL, error);
        code = code == QUIPU_OK ? code : handle_settle(q, t->name, code, error);
    }
    if (t->self)
        tenant_api(t)->destroy(t->self);
    t->self = NULL;
    t->open = false;
    return code;
}

void tenant_release(tenant *t)
{
    registry_release(t->use.plugin, false);
    t->use = (plugin_use){ 0 };
}

void tenant_forget(tenant *t)
{
    if (t->self && plugin_fork_safe(t->use.plugin))
        tenant_api(t)->destroy(t->self);
    if (t->use.plugin)
        registry_release(t->use.plugin, true);
    t->use = (plugin_use){ 0 };
    t->self = NULL;
}

void tenant_free(tenant *t)
{
    if (!t)
        return;
    free(t->name);
    free(t->path);
    free(t);
}
