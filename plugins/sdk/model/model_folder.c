/* model_folder.c - see model_folder.h. */
#include "model_folder.h"

#include "model_files.h"

#include <base/fail.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MOST 256

/* A place and how models lie in it. */
typedef struct place {
    char *folder;
    bool cache; /* of the Hugging Face tools */
} place;

typedef struct places {
    place items[64];
    size_t count;
} places;

static void add_place(places *p, bool cache, const char *root, const char *below)
{
    buffer path = { 0 };
    if (!root || root[0] != '/' || p->count == sizeof p->items / sizeof p->items[0])
        return;
    buffer_printf(&path, "%s%s", root, below);
    if (path.failed)
        return;
    p->items[p->count++] = (place){ path.bytes, cache };
}

static void list_places(places *p)
{
    const char *own = getenv("QUIPU_MODELS"), *home = getenv("HOME"), *data = getenv("XDG_DATA_HOME");
    const char *hub = getenv("HF_HUB_CACHE"), *hub_home = getenv("HF_HOME");
    char folder[4096];
    p->count = 0;
    while (own && *own) {
        size_t len = strcspn(own, ":");
        if (len > 0 && len < sizeof folder) {
            memcpy(folder, own, len);
            folder[len] = '\0';
            add_place(p, false, folder, "");
        }
        own += len + (own[len] == ':');
    }
    if (data && *data)
        add_place(p, false, data, "/quipu/models");
    else
        add_place(p, false, home, "/.local/share/quipu/models");
    if (hub && *hub)
        add_place(p, true, hub, "");
    else if (hub_home && *hub_home)
        add_place(p, true, hub_home, "/hub");
    else
        add_place(p, true, home, "/.cache/huggingface/hub");
}

static void free_places(places *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->items[i].folder);
}

bool model_folder_has_weights(const char *folder)
{
    return model_file_exists(folder, "model.safetensors") ||
           model_file_exists(folder, "0_StaticEmbedding/model.safetensors");
}

/* The newest snapshot by name of a folder of the cache that has weights; appended to `out`. */
static bool find_snapshot(const char *folder, buffer *out)
{
    char best[NAME_MOST] = "";
    buffer path = { 0 };
    buffer_printf(&path, "%s/snapshots", folder);
    DIR *dir = path.failed ? NULL : opendir(path.bytes);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        buffer one = { 0 };
        buffer_printf(&one, "%s/%s", path.bytes, entry->d_name);
        if (entry->d_name[0] != '.' && strlen(entry->d_name) < NAME_MOST && strcmp(entry->d_name, best) > 0 &&
            !one.failed && model_folder_has_weights(one.bytes))
            snprintf(best, sizeof best, "%s", entry->d_name);
        buffer_free(&one);
    }
    if (dir)
        closedir(dir);
    if (*best)
        buffer_printf(out, "%s/%s", path.bytes, best);
    buffer_free(&path);
    return *best && !out->failed;
}

/* A name may not lead out of the place. */
static bool is_name(const char *name)
{
    const char *slash = strchr(name, '/');
    return *name && *name != '.' && strlen(name) < NAME_MOST && !strstr(name, "..") &&
           (!slash || !strchr(slash + 1, '/'));
}

static bool find_in(const place *where, const char *name, buffer *out)
{
    buffer path = { 0 };
    bool found = false;
    if (where->cache) {
        const char *slash = strchr(name, '/');
        buffer_printf(&path, "%s/models--%.*s%s%s", where->folder, slash ? (int)(slash - name) : 0, name,
                      slash ? "--" : "", slash ? slash + 1 : name);
        found = !path.failed && find_snapshot(path.bytes, out);
    } else {
        buffer_printf(&path, "%s/%s", where->folder, name);
        found = !path.failed && model_folder_has_weights(path.bytes);
        if (found)
            buffer_append(out, path.bytes, path.len);
    }
    buffer_free(&path);
    return found;
}

void model_folder_places(buffer *out)
{
    places p;
    list_places(&p);
    for (size_t i = 0; i < p.count; i++)
        buffer_printf(out, "%s%s", i ? "\n" : "", p.items[i].folder);
    free_places(&p);
}

int32_t model_folder_find(const char *name, buffer *out, quipu_error *error)
{
    places p;
    bool found = false;
    if (name[0] == '/' && model_folder_has_weights(name)) {
        buffer_append_text(out, name);
        return out->failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a path") : QUIPU_OK;
    }
    list_places(&p);
    for (size_t i = 0; !found && is_name(name) && i < p.count; i++)
        found = find_in(&p.items[i], name, out);
    free_places(&p);
    if (found && !out->failed)
        return QUIPU_OK;
    buffer searched = { 0 };
    model_folder_places(&searched);
    for (size_t i = 0; i < searched.len; i++)
        if (searched.bytes[i] == '\n')
            searched.bytes[i] = ' ';
    int32_t code = fail(error, QUIPU_E_NOT_FOUND, "model",
                        "there is no model %s with a model.safetensors; looked in %s; set QUIPU_MODELS to where it is",
                        name, searched.failed || !searched.len ? "no folder at all" : searched.bytes);
    buffer_free(&searched);
    return code;
}

/* "models--a--b" is a/b. */
static void show_cached(const char *folder, const char *entry, model_fn visit, void *context, int *stop)
{
    buffer path = { 0 }, snapshot = { 0 }, name = { 0 };
    const char *rest = entry + strlen("models--"), *second = strstr(rest, "--");
    buffer_printf(&path, "%s/%s", folder, entry);
    buffer_printf(&name, "%.*s%s%s", second ? (int)(second - rest) : 0, rest, second ? "/" : "",
                  second ? second + 2 : rest);
    if (!path.failed && !name.failed && find_snapshot(path.bytes, &snapshot))
        *stop = visit(context, name.bytes, snapshot.bytes);
    buffer_free(&path);
    buffer_free(&snapshot);
    buffer_free(&name);
}

void model_folder_each(model_fn visit, void *context)
{
    places p;
    int stop = 0;
    list_places(&p);
    for (size_t i = 0; !stop && i < p.count; i++) {
        DIR *dir = opendir(p.items[i].folder);
        for (struct dirent *entry; dir && !stop && (entry = readdir(dir));) {
            buffer path = { 0 };
            buffer_printf(&path, "%s/%s", p.items[i].folder, entry->d_name);
            if (p.items[i].cache && strncmp(entry->d_name, "models--", 8) == 0)
                show_cached(p.items[i].folder, entry->d_name, visit, context, &stop);
            else if (!p.items[i].cache && entry->d_name[0] != '.' && !path.failed &&
                     model_folder_has_weights(path.bytes))
                stop = visit(context, entry->d_name, path.bytes);
            buffer_free(&path);
        }
        if (dir)
            closedir(dir);
    }
    free_places(&p);
}
