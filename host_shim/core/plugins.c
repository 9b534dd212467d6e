/* plugins.c - shows the plugins of a folder, and inspects a single file. */
#include "fork.h"
#include "registry.h"

#include <base/fail.h>

int32_t quipu_inspect_plugin(const quipu_str *path, quipu_plugin_fn visit, void *context, quipu_error *error)
{
    if (!path || !path->ptr || path->len == 0 || memchr(path->ptr, '\0', (size_t)path->len))
        return fail(error, QUIPU_E_INVALID, "path", "the path is empty or has a NUL byte in it");
    if (!visit)
        return fail(error, QUIPU_E_INVALID, "visit", "visit is NULL");
    buffer text = { 0 };
    buffer_append_str(&text, *path);
    fork_watch();
    int32_t code = text.failed ? QUIPU_E_NO_MEMORY : registry_inspect(text.bytes, true, visit, context);
    buffer_free(&text);
    return code < 0 ? fail(error, code, NULL, "%s", error_text(code)) : QUIPU_OK;
}

/* A positive answer of the visitor comes back as it is: it ends the list. */
static int32_t list_folder(const char *folder, bool load, quipu_plugin_fn visit, void *context, quipu_error *error)
{
    folders names;
    int32_t code = folder_plugins(folder, &names, error);
    for (size_t i = 0; code == QUIPU_OK && i < names.count; i++) {
        buffer path = { 0 };
        buffer_printf(&path, "%s/%s", folder, names.items[i]);
        code = path.failed ? QUIPU_E_NO_MEMORY : registry_inspect(path.bytes, load, visit, context);
        if (code < 0)
            fail(error, code, NULL, "%s", error_text(code));
        buffer_free(&path);
    }
    folders_free(&names);
    return code;
}

int32_t quipu_list_plugins(const quipu_str *plugin_path, uint32_t load, quipu_plugin_fn visit, void *context,
                           quipu_error *error)
{
    folders in;
    if (!visit)
        return fail(error, QUIPU_E_INVALID, "visit", "visit is NULL");
    if (load > 1)
        return fail(error, QUIPU_E_INVALID, "load", "load is 0 or 1");
    fork_watch();
    int32_t code = folders_find(plugin_path ? *plugin_path : (quipu_str){ NULL, 0 }, &in, error);
    if (code != QUIPU_OK)
        return code;
    for (size_t i = 0; code == QUIPU_OK && i < in.count; i++)
        code = list_folder(in.items[i], load == 1, visit, context, error);
    folders_free(&in);
    return code < 0 ? code : QUIPU_OK;
}
