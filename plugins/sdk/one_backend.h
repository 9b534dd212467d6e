/*
 * one_backend.h - the end of a plugin that holds one backend: its extensions by id, its description, its entry.
 */
#ifndef SDK_ONE_BACKEND_H
#define SDK_ONE_BACKEND_H

#include <base/buffer.h>
#include <quipu/backend.h>
#include <quipu/extensions.h>
#include <quipu/plugin.h>

typedef struct backend_extension {
    const char *id; /* QUIPU_EXT_* */
    const void *table;
} backend_extension;

/* The table of this id, or NULL. */
static inline const void *backend_extension_find(const backend_extension *all, size_t count, const quipu_str *id)
{
    for (size_t i = 0; id && id->ptr && i < count; i++)
        if (str_same(*id, str_of(all[i].id)))
            return all[i].table;
    return NULL;
}

/* A plugin whose deinit has nothing to do. */
static inline void backend_plugin_deinit(void)
{
}

/* Use once, at file level: the plugin `name_` with the backend of that name and the table `api_`. */
#define BACKEND_PLUGIN(name_, summary_, api_, flags_, init_, deinit_)                                                  \
    static const quipu_backend_desc backend_desc = {                                                                   \
        .struct_size = sizeof(quipu_backend_desc),                                                                     \
        .format = QUIPU_RECORD_FORMAT,                                                                                 \
        .name = QUIPU_STR_INIT(name_),                                                                                 \
        .summary = QUIPU_STR_INIT(summary_),                                                                           \
        .api = &(api_),                                                                                                \
    };                                                                                                                 \
    static const quipu_backend_list backend_list = {                                                                   \
        .struct_size = sizeof(quipu_backend_list),                                                                     \
        .items = { &backend_desc, 1, sizeof(quipu_backend_desc) },                                                     \
    };                                                                                                                 \
    static const void *backend_factory(const quipu_str *id)                                                            \
    {                                                                                                                  \
        return id && id->ptr && QUIPU_IS(id, QUIPU_BACKENDS) ? &backend_list : NULL;                                   \
    }                                                                                                                  \
    QUIPU_PLUGIN(name_, QUIPU_VERSION, "Apache-2.0", flags_, init_, deinit_, backend_factory)

#endif
