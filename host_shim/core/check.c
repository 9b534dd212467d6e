/* check.c - see check.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* S_ISVTX */
#endif
#include "check.h"

#include <quipu/extensions.h>
#include <sdk/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STRUCT_MAX 4096u /* no table grows to this; a larger struct_size is garbage */
#define LIST_MAX 64u     /* backends or embedders of one plugin */
#define SUMMARY_MAX 200u

/* A function slot of a table. */
typedef struct slot_row {
    const char *name;
    size_t offset;
} slot_row;

#define ROW(type, slot)                                                                                                \
    {                                                                                                                  \
#slot, offsetof(type, slot)                                                                                    \
    }

static const slot_row backend_rows[] = {
    ROW(quipu_backend_api, create), ROW(quipu_backend_api, destroy),       ROW(quipu_backend_api, open),
    ROW(quipu_backend_api, close),  ROW(quipu_backend_api, apply),         ROW(quipu_backend_api, get),
    ROW(quipu_backend_api, scan),   ROW(quipu_backend_api, search),        ROW(quipu_backend_api, stats),
    ROW(quipu_backend_api, flush),  ROW(quipu_backend_api, get_extension),
};
static const slot_row embedder_rows[] = {
    ROW(quipu_embedder_api, create),        ROW(quipu_embedder_api, destroy), ROW(quipu_embedder_api, open),
    ROW(quipu_embedder_api, close),         ROW(quipu_embedder_api, model),   ROW(quipu_embedder_api, embed),
    ROW(quipu_embedder_api, get_extension),
};
static const slot_row history_rows[] = {
    ROW(quipu_history_api, resolve),
    ROW(quipu_history_api, log),
    ROW(quipu_history_api, diff),
};
static const slot_row maintain_rows[] = { ROW(quipu_maintain_api, maintain) };
static const slot_row migrate_rows[] = { ROW(quipu_migrate_api, write) };
static const slot_row verify_rows[] = { ROW(quipu_verify_api, verify) };

void check_file(int fd, const char *path, faults *f)
{
    struct stat s;
    if (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode)) {
        faults_add(f, "not a regular file");
        return;
    }
    if (s.st_mode & (S_IWGRP | S_IWOTH))
        faults_add(f, "the file is writable by %s (mode %04o): chmod go-w it",
                   s.st_mode & S_IWOTH ? "others" : "its group", (unsigned)s.st_mode & 07777u);
    if (s.st_uid != 0 && s.st_uid != geteuid())
        faults_add(f, "the file belongs to user %u, not to root or to user %u who runs this", (unsigned)s.st_uid,
                   (unsigned)geteuid());

    char *folder = str_dup(str_of(path));
    char *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash)
        slash[slash == folder ? 1 : 0] = '\0';
    if (!slash || stat(folder, &s) != 0) {
        faults_add(f, "its folder cannot be looked at");
    } else {
        if (s.st_mode & (S_IWGRP | S_IWOTH) && !(s.st_mode & S_ISVTX))
            faults_add(f, "its folder is writable by %s (mode %04o): chmod go-w it",
                       s.st_mode & S_IWOTH ? "others" : "its group", (unsigned)s.st_mode & 07777u);
        if (s.st_uid != 0 && s.st_uid != geteuid())
            faults_add(f, "its folder belongs to user %u, not to root or to user %u who runs this", (unsigned)s.st_uid,
                       (unsigned)geteuid());
    }
    free(folder);
}

/* struct_size against what this host knows; the bytes past it. readable: bytes that may be read, 0: trust struct_size.
 * True where the struct may be read as far as this host knows it. */
static bool check_size(const char *what, const void *object, size_t known, uint64_t readable, faults *f)
{
    uint32_t size;
    memcpy(&size, object, sizeof size);
    if (size > STRUCT_MAX || (readable && size > readable)) {
        faults_add(f, "%s: struct_size is %u, larger than the object itself can be", what, size);
        return false;
    }
    if (size < known) {
        faults_add(f, "%s: truncated: struct_size is %u, this host needs %zu", what, size, known);
        return false;
    }
    for (size_t i = known; i < size; i++)
        if (((const char *)object)[i]) {
            faults_add(f, "%s: byte %zu is not zero, but this host knows only %zu bytes of it", what, i, known);
            return false;
        }
    return true;
}

/* A function table: size, flags, and every slot that must be there. */
static void check_table(const char *what, const void *table, size_t known, const slot_row *rows, size_t count,
                        faults *f)
{
    uint32_t head[2]; /* struct_size, flags */
    check_size(what, table, known, 0, f);
    memcpy(head, table, sizeof head);
    if (head[0] < sizeof head || head[0] > STRUCT_MAX)
        return;
    if (head[1])
        faults_add(f, "%s: unknown flags 0x%x", what, head[1]);
    for (size_t i = 0; i < count; i++) {
        void (*slot)(void) = NULL;
        if (rows[i].offset + sizeof slot > head[0])
            continue; /* reported as truncated */
        memcpy(&slot, (const char *)table + rows[i].offset, sizeof slot);
        if (!slot)
            faults_add(f, "%s: the mandatory slot %s is missing", what, rows[i].name);
    }
}

static bool plain_line(quipu_str s)
{
    for (uint64_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return false;
    return true;
}

/* A text that users will see: there, not too long, UTF-8, one line. */
static bool check_line(const char *what, const char *field, quipu_str s, uint64_t min, uint64_t max, faults *f)
{
    uint64_t before = f->count;
    if (!s.ptr || s.len < min)
        faults_add(f, "%s: %s is missing", what, field);
    else if (s.len > max)
        faults_add(f, "%s: %s has %llu bytes, at most %llu are allowed", what, field, (unsigned long long)s.len,
                   (unsigned long long)max);
    else if (utf8_first_bad(s.ptr, (size_t)s.len) >= 0)
        faults_add(f, "%s: %s is not UTF-8", what, field);
    else if (!plain_line(s))
        faults_add(f, "%s: %s has control characters", what, field);
    return f->count == before;
}

bool check_name(quipu_str name)
{
    if (!name.ptr || name.len < 1 || name.len > 32)
        return false;
    for (uint64_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static void check_version(const quipu_plugin *entry, faults *f)
{
    uint32_t min = entry->abi_min, max = entry->abi_max;
    if (min > max) {
        faults_add(f, "entry: abi_min %u.%u is above abi_max %u.%u", QUIPU_ABI_MAJOR(min), QUIPU_ABI_MINOR(min),
                   QUIPU_ABI_MAJOR(max), QUIPU_ABI_MINOR(max));
        return;
    }
    if (min <= HOST_ABI_MAX && max >= HOST_ABI_MIN)
        return;
    f->abi = true;
    faults_add(f, "no common ABI version: the plugin speaks %u.%u to %u.%u, this host %u.%u to %u.%u; use %s",
               QUIPU_ABI_MAJOR(min), QUIPU_ABI_MINOR(min), QUIPU_ABI_MAJOR(max), QUIPU_ABI_MINOR(max),
               QUIPU_ABI_MAJOR(HOST_ABI_MIN), QUIPU_ABI_MINOR(HOST_ABI_MIN), QUIPU_ABI_MAJOR(HOST_ABI_MAX),
               QUIPU_ABI_MINOR(HOST_ABI_MAX),
               min > HOST_ABI_MAX ? "a newer Quipu or an older plugin" : "a newer build of the plugin");
}

static void compare_text(const char *field, quipu_str entry, const char *note, faults *f)
{
    if (!entry.ptr || entry.len != strlen(note) || memcmp(entry.ptr, note, (size_t)entry.len) != 0)
        faults_add(f, "note and entry disagree: %s is \"%s\" in the note, \"%.*s\" in the entry", field, note,
                   entry.ptr ? (int)(entry.len > 100 ? 100 : entry.len) : 0, entry.ptr ? entry.ptr : "");
}

static void compare_note(const quipu_plugin *entry, const quipu_note *note, faults *f)
{
    compare_text("id", entry->id, note->id, f);
    compare_text("version", entry->version, note->version, f);
    compare_text("licence", entry->licence, note->licence, f);
    if (entry->abi_min != note->abi_min || entry->abi_max != note->abi_max)
        faults_add(f, "note and entry disagree: the ABI range is 0x%x to 0x%x in the note, 0x%x to 0x%x in the entry",
                   note->abi_min, note->abi_max, entry->abi_min, entry->abi_max);
    if (entry->flags != note->flags)
        faults_add(f, "note and entry disagree: flags are 0x%x in the note, 0x%x in the entry", note->flags,
                   entry->flags);
}

/* The list itself. True where its items may be looked at. */
static bool check_list(const char *what, const void *list, size_t known, uint32_t reserved, const quipu_array *items,
                       size_t item_known, faults *f)
{
    if (!check_size(what, list, known, 0, f))
        return false;
    if (reserved)
        faults_add(f, "%s: reserved is not zero", what);
    if (items->count > LIST_MAX || (items->count > 0 && !items->ptr)) {
        faults_add(f, "%s: %llu items, at most %u are accepted, at a pointer that is not NULL", what,
                   (unsigned long long)items->count, LIST_MAX);
        return false;
    }
    if (items->count > 0 && (items->stride < item_known || items->stride % 8 || items->stride > STRUCT_MAX)) {
        faults_add(f, "%s: the stride is %llu, this host needs at least %zu and a multiple of 8", what,
                   (unsigned long long)items->stride, item_known);
        return false;
    }
    return true;
}

/* The first lines of both sorts of descriptor are alike. Leaves in `what` how messages name it. */
static bool check_item(const char *sort, uint64_t i, const void *item, size_t known, uint64_t stride, quipu_str name,
                       quipu_str summary, char what[64], faults *f)
{
    snprintf(what, 64, "%s %llu", sort, (unsigned long long)i);
    if (!check_size(what, item, known, stride, f))
        return false;
    if (!check_name(name))
        faults_add(f, "%s: the name must be 1 to 32 of the letters a-z, 0-9, _ and -", what);
    else
        snprintf(what, 64, "%s %.*s", sort, (int)name.len, name.ptr);
    check_line(what, "summary", summary, 0, SUMMARY_MAX, f);
    return true;
}

static uint64_t check_backends(const quipu_backend_list *list, faults *f)
{
    char what[64];
    if (!check_list("backend list", list, sizeof *list, list->reserved, &list->items, sizeof(quipu_backend_desc), f))
        return 1;
    for (uint64_t i = 0; i < list->items.count; i++) {
        const quipu_backend_desc *d = QUIPU_AT(quipu_backend_desc, &list->items, i);
        if (!check_item("backend", i, d, sizeof *d, list->items.stride, d->name, d->summary, what, f))
            continue;
        for (uint64_t j = 0; j < i; j++)
            if (str_same(QUIPU_AT(quipu_backend_desc, &list->items, j)->name, d->name))
                faults_add(f, "%s: two backends of the plugin have this name", what);
        if (d->api)
            check_table(what, d->api, sizeof *d->api, backend_rows, sizeof backend_rows / sizeof *backend_rows, f);
        else
            faults_add(f, "%s: has no function table", what);
    }
    return list->items.count;
}

static uint64_t check_embedders(const quipu_embedder_list *list, faults *f)
{
    char what[64];
    if (!check_list("embedder list", list, sizeof *list, list->reserved, &list->items, sizeof(quipu_embedder_desc), f))
        return 1;
    for (uint64_t i = 0; i < list->items.count; i++) {
        const quipu_embedder_desc *d = QUIPU_AT(quipu_embedder_desc, &list->items, i);
        if (!check_item("embedder", i, d, sizeof *d, list->items.stride, d->name, d->summary, what, f))
            continue;
        if (d->reserved)
            faults_add(f, "%s: reserved is not zero", what);
        for (uint64_t j = 0; j < i; j++)
            if (str_same(QUIPU_AT(quipu_embedder_desc, &list->items, j)->name, d->name))
                faults_add(f, "%s: two embedders of the plugin have this name", what);
        if (d->api)
            check_table(what, d->api, sizeof *d->api, embedder_rows, sizeof embedder_rows / sizeof *embedder_rows, f);
        else
            faults_add(f, "%s: has no function table", what);
    }
    return list->items.count;
}

static void check_lists(const quipu_plugin *entry, faults *f)
{
    quipu_str backends_id = str_of(QUIPU_BACKENDS), embedders_id = str_of(QUIPU_EMBEDDERS);
    const quipu_backend_list *backends = entry->get_factory(&backends_id);
    const quipu_embedder_list *embedders = entry->get_factory(&embedders_id);
    uint64_t count = backends ? check_backends(backends, f) : 0;
    count += embedders ? check_embedders(embedders, f) : 0;
    if (count == 0)
        faults_add(f, "entry: offers neither a backend nor an embedder");
}

void check_entry(const quipu_plugin *entry, uint64_t symbol_size, const elf_note *note, faults *f)
{
    if (symbol_size && symbol_size < offsetof(quipu_plugin, abi_min)) {
        faults_add(f, "entry: truncated: the object has %llu bytes", (unsigned long long)symbol_size);
        return;
    }
    bool magic = entry->magic == QUIPU_PLUGIN_MAGIC;
    if (!magic)
        faults_add(f, "entry: wrong magic 0x%08x, expected 0x%08x", entry->magic, QUIPU_PLUGIN_MAGIC);
    bool whole = check_size("entry", entry, sizeof *entry, symbol_size, f);
    if (QUIPU_HAS(entry, abi_max) && entry->struct_size <= STRUCT_MAX && magic)
        check_version(entry, f);
    if (!whole || !magic)
        return;
    bool version = entry->abi_min <= HOST_ABI_MAX && entry->abi_max >= HOST_ABI_MIN;

    uint32_t unknown = entry->flags & ~(QUIPU_PLUGIN_UNLOADABLE | QUIPU_PLUGIN_FORK_SAFE);
    if (unknown)
        faults_add(f, "entry: unknown flags 0x%x", unknown);
    if (entry->reserved)
        faults_add(f, "entry: reserved is not zero");
    check_line("entry", "id", entry->id, 1, 63, f);
    check_line("entry", "version", entry->version, 1, 31, f);
    check_line("entry", "licence", entry->licence, 1, 63, f);
    if (!entry->init != !entry->deinit)
        faults_add(f, "entry: half a group: %s without %s", entry->init ? "init" : "deinit",
                   entry->init ? "deinit" : "init");
    if (note->found && note->faults == 0)
        compare_note(entry, &note->note, f);
    if (!entry->get_factory)
        faults_add(f, "entry: the mandatory slot get_factory is missing");
    else if (version)
        check_lists(entry, f);
}

void check_history(const quipu_history_api *api, faults *f)
{
    if (!api)
        return;
    check_table(QUIPU_EXT_HISTORY, api, sizeof *api, history_rows, sizeof history_rows / sizeof *history_rows, f);
    if (QUIPU_HAS(api, restore) && !api->revert != !api->restore)
        faults_add(f, QUIPU_EXT_HISTORY ": half a group: %s without %s", api->revert ? "revert" : "restore",
                   api->revert ? "restore" : "revert");
}

void check_maintain(const quipu_maintain_api *api, faults *f)
{
    if (api)
        check_table(QUIPU_EXT_MAINTAIN, api, sizeof *api, maintain_rows, sizeof maintain_rows / sizeof *maintain_rows,
                    f);
}

/* The group "fence" was appended: a table that ends before it is whole. */
void check_migrate(const quipu_migrate_api *api, faults *f)
{
    const size_t first = offsetof(quipu_migrate_api, position);
    if (!api)
        return;
    check_table(QUIPU_EXT_MIGRATE, api, api->struct_size < sizeof *api ? first : sizeof *api, migrate_rows,
                sizeof migrate_rows / sizeof *migrate_rows, f);
    if (!QUIPU_HAS(api, fenced))
        return;
    int have = (api->position != NULL) + (api->fence != NULL) + (api->unfence != NULL) + (api->fenced != NULL);
    if (have != 0 && have != 4)
        faults_add(f, QUIPU_EXT_MIGRATE ": half a group: position, fence, unfence and fenced belong together");
    if (QUIPU_HAS(api, release) && (!api->hold != !api->release || (api->hold && have == 0)))
        faults_add(f, QUIPU_EXT_MIGRATE ": half a group: hold and release belong together, and to fence");
}

void check_verify(const quipu_verify_api *api, faults *f)
{
    if (api)
        check_table(QUIPU_EXT_VERIFY, api, sizeof *api, verify_rows, sizeof verify_rows / sizeof *verify_rows, f);
}
