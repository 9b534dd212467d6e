/* use.c - uses the headers' macros as a plugin's author would; check-abi compiles it as C and as C++ of every standard. */
#include <quipu/backend.h>
#include <quipu/embedder.h>
#include <quipu/ext/branches.h>
#include <quipu/ext/history.h>
#include <quipu/ext/maintain.h>
#include <quipu/ext/migrate.h>
#include <quipu/ext/sync.h>
#include <quipu/ext/vectors.h>
#include <quipu/ext/verify.h>
#include <quipu/extensions.h>
#include <quipu/plugin.h>

static int32_t use_init(const quipu_host *host, uint32_t abi_min, uint32_t abi_max, uint32_t *chosen,
                        quipu_error *error) QUIPU_NOEXCEPT
{
    (void)error;
    if (!QUIPU_HAS(host, version) || abi_min > QUIPU_ABI_VERSION || abi_max < QUIPU_ABI_VERSION)
        return QUIPU_E_ABI;
    *chosen = QUIPU_ABI_MAKE(QUIPU_ABI_MAJOR(abi_max), QUIPU_ABI_MINOR(abi_max));
    return QUIPU_OK;
}

static void use_deinit(void) QUIPU_NOEXCEPT
{
}

static const void *use_get_factory(const quipu_str *id) QUIPU_NOEXCEPT
{
    static const quipu_array nothing = { NULL, 0, sizeof(quipu_backend_desc) };
    static const quipu_backend_list list = { sizeof(quipu_backend_list), 0, { NULL, 0, 0 } };
    if (QUIPU_IS(id, QUIPU_BACKENDS))
        return &list;
    return QUIPU_IS(id, QUIPU_EMBEDDERS) ? QUIPU_AT(quipu_embedder_desc, &nothing, 0) : NULL;
}

QUIPU_PLUGIN("org.example.use", "1.0.0", "MIT", 0, use_init, use_deinit, use_get_factory);
