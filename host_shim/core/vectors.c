/* vectors.c - see quipu.h: vectors that are still to be made, and the change of a store's embedder. */
#include "handle.h"
#include "store.h"

#include <base/fail.h>
#include <quipu/ext/vectors.h>
#include <stdlib.h>

/* The extension of the active backend, held by the lease where the answer is QUIPU_OK. */
static int32_t enter(quipu *q, quipu_lease *lease, const quipu_vectors_api **api, quipu_error *error)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_EXT_VECTORS);
    *lease = (quipu_lease){ .struct_size = sizeof *lease };
    int32_t code = quipu_enter(q, lease, error);
    if (code != QUIPU_OK)
        return code;
    *api = lease->api->get_extension(lease->self, &id);
    if (*api)
        return QUIPU_OK;
    quipu_leave(q, lease);
    return fail(error, QUIPU_E_UNSUPPORTED, "backend", "the backend \"%s\" keeps no vectors of its own",
                quipu_backend_name(q));
}

int32_t quipu_read_vectors(quipu *q, quipu_vectors_state *out, const quipu_call *call, quipu_error *error)
{
    quipu_lease lease;
    const quipu_vectors_api *api;
    int32_t code = enter(q, &lease, &api, error);
    if (code != QUIPU_OK)
        return code;
    code = api->state(lease.self, out, call, error);
    quipu_leave(q, &lease);
    return code;
}

int32_t quipu_embed_pending(quipu *q, quipu_vectors_fn progress, void *context, const quipu_call *call,
                            quipu_error *error)
{
    quipu_lease lease;
    const quipu_vectors_api *api;
    int32_t code = enter(q, &lease, &api, error);
    if (code != QUIPU_OK)
        return code;
    code = api->embed(lease.self, progress, context, call, error);
    quipu_leave(q, &lease);
    return code;
}

static int32_t enter_embedder(quipu *q, passage *p, quipu_error *error)
{
    int32_t code = handle_enter(q, p, error);
    if (code != QUIPU_OK || q->host.embedder_api)
        return code;
    return handle_leave(q, p, fail(error, QUIPU_E_UNSUPPORTED, "embedder", "the store was opened without an embedder"),
                        error);
}

int32_t quipu_read_model(quipu *q, quipu_model *out, quipu_error *error)
{
    passage p = { NULL, NULL };
    int32_t code = enter_embedder(q, &p, error);
    if (code != QUIPU_OK)
        return code;
    return handle_leave(q, &p, q->host.embedder_api->model(q->host.embedder, out, error), error);
}

int32_t quipu_embed_texts(quipu *q, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit, void *context,
                          const quipu_call *call, quipu_error *error)
{
    passage p = { NULL, NULL };
    if (!texts || !visit || purpose > QUIPU_EMBED_QUERY)
        return fail(error, QUIPU_E_INVALID,
                    !texts   ? "texts"
                    : !visit ? "visit"
                             : "purpose",
                    "texts and visit must be there, and purpose be one of QUIPU_EMBED_*");
    int32_t code = enter_embedder(q, &p, error);
    if (code != QUIPU_OK)
        return code;
    return handle_leave(
        q, &p, q->host.embedder_api->embed(q->host.embedder, texts, purpose, visit, context, call, error), error);
}

static bool exchange(char **text, const char *by)
{
    free(*text);
    *text = by ? str_dup(str_of(by)) : NULL;
    return !*text == !by;
}

int32_t quipu_keep_embedder(quipu *q, quipu_error *error)
{
    store_settings kept;
    bool found;
    if (!q)
        return fail(error, QUIPU_E_INVALID, "q", "q is NULL; give a handle of quipu_open");
    int32_t code = store_settings_read(quipu_store_path(q), &kept, &found, error);
    if (code != QUIPU_OK)
        return code;
    if (!found && !exchange(&kept.backend, q->with.backend))
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK &&
        (!exchange(&kept.embedder, q->with.embedder) || !exchange(&kept.embedder_config, q->with.embedder_config)))
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK)
        code = store_settings_write(quipu_store_path(q), &kept, error);
    store_settings_free(&kept);
    return code;
}
