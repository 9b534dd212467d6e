/*
 * loader.h - where plugin files are looked for, and the only place that calls dlopen.
 */
#ifndef CORE_LOADER_H
#define CORE_LOADER_H

#include "faults.h"

#include <quipu/plugin.h>

/* Folders, absolute, in the order of search. Ends with folders_free. */
typedef struct folders {
    char **items;
    size_t count;
} folders;

/* given: folders separated by ':', or absent: $QUIPU_PLUGIN_PATH (not in a process that runs with more rights than its
 * caller), then plugins/ beside the program, <prefix>/lib/quipu/plugins, and plugins/ and quipu/plugins/ beside libquipu.
 * Folders that are not there are left out. Errors: NO_MEMORY. */
int32_t folders_find(quipu_str given, folders *out, quipu_error *error);
void folders_free(folders *f);
/* The names of the folder's files that end in ".so", sorted, without hidden ones. An unreadable folder has none.
 * Ends with folders_free, too. */
int32_t folder_plugins(const char *folder, folders *names, quipu_error *error);

/* Maps the file. Its constructors run here. NULL and a fault where it fails. */
void *loader_open(const char *absolute_path, faults *f);
/* The same for a file whose name the dynamic linker knows from another one: maps a copy of it that lies in memory. */
void *loader_open_copy(const char *absolute_path, faults *f);
/* The entry, and the size of the exported object (0: not known). NULL and a fault where there is none. */
const quipu_plugin *loader_entry(void *handle, uint64_t *symbol_size, faults *f);
void loader_close(void *handle);

#endif
