/*
 * embedder.h - the plugin's end of an embedder (plugin_api/quipu/embedder.h): life cycle, checks of what crosses the ABI, entry.
 *
 * An embedder fills an embedder_kind, whose functions are called with checked arguments and only in the right state, and ends its file
 * with EMBEDDER_API and EMBEDDER_PLUGIN.
 */
#ifndef SDK_EMBEDDER_H
#define SDK_EMBEDDER_H

#include <quipu/embedder.h>
#include <quipu/plugin.h>
#include <sdk/abi_check.h>
#include <stdbool.h>

/* What an embedder is besides that. `model` is its own, from open to close. */
typedef struct embedder_kind {
    /* Loads the model. config: may be absent; for settings_read. *model: handed over to close; NULL on failure. */
    int32_t (*open)(const quipu_host *host, quipu_str config, const quipu_call *call, void **model, quipu_error *error);
    void (*close)(void *model);
    /* Fills dimension, id (the model's until close) and batch. [fast] */
    int32_t (*describe)(const void *model, quipu_model *out, quipu_error *error);
    /* As the slot of the same name. */
    int32_t (*embed)(void *model, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit, void *context,
                     const quipu_call *call, quipu_error *error);
} embedder_kind;

/* Hands one vector to the visitor. False: the call ends with *code, QUIPU_OK where the visitor has enough. */
bool embedder_give(quipu_vector_fn visit, void *context, uint64_t index, const float *vector, uint32_t dimension,
                   int32_t *code, quipu_error *error);

/* The slots of quipu_embedder_api. */
int32_t embedder_create(const embedder_kind *kind, const quipu_host *host, quipu_embedder **out, quipu_error *error);
void embedder_destroy(quipu_embedder *self);
int32_t embedder_open(quipu_embedder *self, const quipu_str *config, const quipu_call *call, quipu_error *error);
int32_t embedder_close(quipu_embedder *self, const quipu_call *call, quipu_error *error);
int32_t embedder_model(quipu_embedder *self, quipu_model *out, quipu_error *error);
int32_t embedder_embed(quipu_embedder *self, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit,
                       void *context, const quipu_call *call, quipu_error *error);
const void *embedder_extension(quipu_embedder *self, const quipu_str *id);
void embedder_deinit(void);

/* The table of an embedder_kind, as PREFIX_api; its description, as one of those of EMBEDDER_PLUGIN. */
#define EMBEDDER_API(prefix_, kind_)                                                                                   \
    static int32_t prefix_##_create_own(const quipu_host *host, quipu_embedder **out, quipu_error *error)              \
    {                                                                                                                  \
        return embedder_create(&(kind_), host, out, error);                                                            \
    }                                                                                                                  \
    static const quipu_embedder_api prefix_##_api = { sizeof(quipu_embedder_api),                                      \
                                                      0,                                                               \
                                                      prefix_##_create_own,                                            \
                                                      embedder_destroy,                                                \
                                                      embedder_open,                                                   \
                                                      embedder_close,                                                  \
                                                      embedder_model,                                                  \
                                                      embedder_embed,                                                  \
                                                      embedder_extension }
#define EMBEDDER_DESC(prefix_, name_, summary_)                                                                        \
    {                                                                                                                  \
        .struct_size = sizeof(quipu_embedder_desc), .name = QUIPU_STR_INIT(name_),                                     \
        .summary = QUIPU_STR_INIT(summary_), .api = &prefix_##_api                                                     \
    }

/* Use once, at file level, after the others: the plugin `id_` with these embedders. */
#define EMBEDDER_PLUGIN(id_, flags_, ...)                                                                              \
    static const quipu_embedder_desc embedder_descs[] = { __VA_ARGS__ };                                               \
    static const quipu_embedder_list embedder_list = {                                                                 \
        .struct_size = sizeof(quipu_embedder_list),                                                                    \
        .items = { embedder_descs, sizeof embedder_descs / sizeof embedder_descs[0], sizeof embedder_descs[0] }        \
    };                                                                                                                 \
    static const void *embedder_factory(const quipu_str *id)                                                           \
    {                                                                                                                  \
        return id && QUIPU_IS(id, QUIPU_EMBEDDERS) ? &embedder_list : NULL;                                            \
    }                                                                                                                  \
    QUIPU_PLUGIN(id_, QUIPU_VERSION, "Apache-2.0", flags_, abi_negotiate, embedder_deinit, embedder_factory)

#endif
