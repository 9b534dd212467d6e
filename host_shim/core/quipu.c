/* quipu.c - what a handle is asked about itself, and its end. open.c has its beginning. */
#include "handle.h"

#include "shadow.h"

#include <base/fail.h>
#include <stdlib.h>

#define STRUCT_MAX 4096u

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
    return atomic_load(&q->active)->name;
}

const char *quipu_store_path(quipu *q)
{
    return atomic_load(&q->active)->path;
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

int32_t handle_settle(const quipu *q, const char *name, int32_t code, quipu_error *error)
{
    const tenant *active = atomic_load(&q->active);
    if (code > 0)
        return fail(error, QUIPU_E_PLUGIN, NULL, "the backend %s answered %d, which is no code",
                    name ? name : active->name, code);
    if (error && error->code != code)
        return fail(error, code, NULL, "%s", error_text(code));
    return code;
}

/* ---- close ---- */

/* In the child after fork: plugins that do not claim to stand it are left alone, and what they hold is not freed. */
static void close_forked(quipu *q)
{
    for (tenant *t = q->tenants; t; t = t->older)
        tenant_forget(t);
    if (q->host.embedder && plugin_fork_safe(q->embedder.plugin))
        q->embedder.embedder->api->destroy(q->host.embedder);
    if (q->embedder.plugin)
        registry_release(q->embedder.plugin, true);
    host_end(&q->host, false);
}

/* Those that a swap could not get empty are waited for here. */
static int32_t close_tenants(quipu *q, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    const tenant *active = atomic_load(&q->active);
    slot_publish(&q->slot, NULL, NULL, 0, NULL, NULL);
    slot_drain_all(&q->slot);
    for (slot_generation *g = q->slot.all; g; g = g->older)
        tap_free(g->tap); /* of calls that lingered */
    for (tenant *t = q->tenants; t; t = t->older) {
        int32_t one = tenant_close(q, t, t == active ? error : NULL);
        code = t == active ? one : code;
    }
    if (q->embedder_open)
        q->embedder.embedder->api->close(q->host.embedder, NULL, NULL);
    if (q->host.embedder)
        q->embedder.embedder->api->destroy(q->host.embedder);
    host_end(&q->host, true);
    for (tenant *t = q->tenants; t; t = t->older)
        tenant_release(t);
    registry_release(q->embedder.plugin, false);
    return code;
}

static void free_handle(quipu *q)
{
    slot_end(&q->slot);
    while (q->tenants) {
        tenant *older = q->tenants->older;
        tenant_free(q->tenants);
        q->tenants = older;
    }
    store_settings_free(&q->with);
    free(q->plugin_path);
    free(q->author);
    free(q->source);
    free(q);
}

int32_t quipu_close(quipu *q, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    if (!q)
        return QUIPU_OK;
    if (q->epoch != fork_epoch_now()) {
        close_forked(q);
    } else {
        atomic_store(&q->closing, true); /* a swap that is under way gives up */
        pthread_mutex_lock(&q->control);
        shadow_drop(q);
        code = close_tenants(q, error);
        pthread_mutex_unlock(&q->control);
        pthread_mutex_destroy(&q->control);
    }
    free_handle(q);
    return code;
}
