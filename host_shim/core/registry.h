/*
 * registry.h - the plugins of this process: found by name, checked, initialised and counted.
 *
 * Invariants:
 *   1. A plugin in the list passed every check, and stays mapped until the process ends. One path may be there several times, with
 *      another file each time; the newest comes first.
 *   2. init was called exactly once where `uses` > 0; deinit follows when it falls to 0.
 *   3. All of it is under one recursive lock.
 */
#ifndef CORE_REGISTRY_H
#define CORE_REGISTRY_H

#include "host.h"
#include "loader.h"

typedef struct plugin plugin;

/* A use of one backend or embedder; ended with registry_release. */
typedef struct plugin_use {
    plugin *plugin;
    const quipu_backend_desc *backend; /* one of the two */
    const quipu_embedder_desc *embedder;
} plugin_use;

/* Finds the backend (or embedder) of that name: first the file NAME.so, then any plugin that offers it; loads, checks and
 * initialises its plugin. Faults go to the log of `h`, a line each. renew: a file that took the place of a loaded one is loaded from a
 * copy beside it (the dynamic linker would answer with the old code); else that is a fault.
 * Errors: NOT_FOUND (field: "backend" or "embedder"), PLUGIN, ABI, FORKED, and those of init. */
int32_t registry_acquire(bool embedder, quipu_str name, quipu_str search_path, bool renew, const host *h,
                         plugin_use *out, quipu_error *error);
/* One use less. after_fork: the use was acquired before fork, and the plugin's code must not run. */
void registry_release(plugin *p, bool after_fork);
/* True where the plugin claims that a child may use it. */
bool plugin_fork_safe(const plugin *p);

/* As quipu_inspect_plugin and quipu_list_plugins; path: as found. load: also map it and check its entry. */
int32_t registry_inspect(const char *path, bool load, quipu_plugin_fn visit, void *context);

void registry_lock(void);
void registry_unlock(void);
void registry_reset(void); /* in the child after fork */

#endif
