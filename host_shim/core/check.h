/*
 * check.h - is this plugin what plugin_api/ says? Every check adds its faults and goes on, so that all are seen at once.
 */
#ifndef CORE_CHECK_H
#define CORE_CHECK_H

#include "elf_note.h"
#include "faults.h"

#include <quipu/ext/history.h>
#include <quipu/ext/maintain.h>
#include <quipu/ext/migrate.h>
#include <quipu/ext/verify.h>
#include <quipu/plugin.h>

/* The range of ABI versions that this host speaks. */
#define HOST_ABI_MIN QUIPU_ABI_VERSION
#define HOST_ABI_MAX QUIPU_ABI_VERSION

/* An open file and the folder that it lies in: regular, owned by root or the effective user, writable by nobody else.
 * path: absolute, without symbolic links. */
void check_file(int fd, const char *path, faults *f);
/* The entry and everything that hangs from it. symbol_size: bytes of the exported object; 0: not known.
 * Calls get_factory, and only where magic, size and version are right. */
void check_entry(const quipu_plugin *entry, uint64_t symbol_size, const elf_note *note, faults *f);

/* Tables of extensions, as get_extension answered; NULL is no fault. */
void check_history(const quipu_history_api *api, faults *f);
void check_maintain(const quipu_maintain_api *api, faults *f);
void check_migrate(const quipu_migrate_api *api, faults *f);
void check_verify(const quipu_verify_api *api, faults *f);

/* True for the name of a backend or embedder: [a-z0-9_-], 1..32 bytes. */
bool check_name(quipu_str name);

#endif
