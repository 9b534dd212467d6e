/*
 * store.h - where a store is, and what it was made with: the file <store>/quipu-store.json.
 *
 *     {"format":1,"backend":"git","backend_config":{...},"embedder":"hash","embedder_config":{...}}
 *
 * The folder belongs to the backend, who makes or refuses it; this file is added after the first successful open and is only
 * changed by a swap, which adds "moved_to" to the store that was left and "filling_from" to the one that is being filled. Mode 0600,
 * because a setting may be a secret.
 */
#ifndef CORE_STORE_H
#define CORE_STORE_H

#include <base/buffer.h>
#include <cjson/cJSON.h>
#include <quipu/error.h>

#define STORE_SETTINGS_NAME "quipu-store.json"
#define STORE_FORMAT 1

/* Texts are owned; NULL: absent. Ends with store_settings_free. */
typedef struct store_settings {
    char *backend;
    char *backend_config; /* JSON objects, on one line */
    char *embedder;
    char *embedder_config;
    char *moved_to;     /* the place of the store that took over, as moved.h has places */
    char *filling_from; /* the path of the store from which records are still being copied */
} store_settings;

/* The absolute path of the store's folder, for the caller to free. given: or absent: the default of quipu.h. make_parents: the folders
 * above it are made (0700) where they are not there. Errors: INVALID (field "store"), NOT_FOUND, DENIED, IO, NO_MEMORY. */
int32_t store_locate(quipu_str given, bool make_parents, char **out, quipu_error *error);

/* A copy. False without memory; it can be freed all the same. */
bool store_settings_copy(const store_settings *from, store_settings *out);

/* True where there is no such folder, or nothing in it. */
bool store_is_empty(const char *store);

/* Reads the settings; none and *found false where there is no such file. Errors: FORMAT, IO, DENIED, NO_MEMORY. */
int32_t store_settings_read(const char *store, store_settings *out, bool *found, quipu_error *error);
/* One member of the file; path: for the message. */
int32_t store_settings_take(const cJSON *member, store_settings *out, const char *path, quipu_error *error);

/* ---- a damaged file: store_salvage.c ---- */

/* What can be read of it, of the lines that are sound; a backend that is missing by what lies in the folder. *lost: lines that are not.
 * any_format: also where it says that it has another format. Errors: FORMAT, NO_MEMORY. */
int32_t store_settings_salvage(const char *store, bool any_format, store_settings *out, unsigned *lost,
                               quipu_error *error);
/* Gives the file a second name in a folder below quipu/aside/. */
int32_t store_settings_set_aside(const char *store, quipu_error *error);

/* Writes them, where the store is a folder; elsewhere nothing is done. Errors: IO, FULL, READ_ONLY, DENIED. */
int32_t store_settings_write(const char *store, const store_settings *s, quipu_error *error);
void store_settings_free(store_settings *s);

#endif
