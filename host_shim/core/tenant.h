/*
 * tenant.h - a backend of a handle: the one in the slot, one that is on its way there, or one that still has to leave.
 *
 * Its texts live until quipu_close, because the handle has given them out.
 */
#ifndef CORE_TENANT_H
#define CORE_TENANT_H

#include "registry.h"

typedef struct tenant {
    plugin_use use;
    quipu_backend *self; /* NULL: not made, or gone */
    bool open;
    char *name; /* of the backend */
    char *path; /* of the store */
    struct tenant *older;
} tenant;

/* One with nothing but its texts, in front of the handle's list. Errors: NO_MEMORY. */
int32_t tenant_add(quipu *q, quipu_str name, const char *path, tenant **out, quipu_error *error);
/* Finds the plugin, makes an instance and opens the store. On failure it is closed again. renew: a file that took the place of a loaded
 * plugin is loaded beside it. Errors: those of registry_acquire, create and open; PLUGIN (its extensions keep no contract). */
int32_t tenant_open(quipu *q, tenant *t, quipu_str plugin_path, quipu_str config, uint32_t flags, bool renew,
                    quipu_error *error);
/* Closes and destroys; nothing is to be done where that has happened. The plugin stays in use until tenant_release, because libraries
 * under it may keep something for each thread that called, which only their end or that of the thread frees. Errors: those of close. */
int32_t tenant_close(quipu *q, tenant *t, quipu_error *error);
void tenant_release(tenant *t);
/* In the child after fork: destroys it where its plugin stands that. */
void tenant_forget(tenant *t);
void tenant_free(tenant *t);

const quipu_backend_api *tenant_api(const tenant *t);
/* The table of an extension, or NULL. id: one of extensions.h. */
const void *tenant_extension(const tenant *t, const char *id);
/* What a plugin's create or open answered, made to keep the contract. */
int32_t tenant_check(int32_t code, const void *instance, quipu_str name, quipu_error *error);

#endif
