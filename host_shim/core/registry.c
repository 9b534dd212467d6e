/* registry.c - see registry.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP */
#endif
#include "registry.h"

#include "check.h"
#include "fork.h"

#include <base/fail.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is known about one file, checked or on the way to it. */
struct plugin {
    plugin *next;
    char *path; /* absolute, without symbolic links */
    dev_t device;
    ino_t inode;
    elf_note note;
    void *handle; /* of dlopen; NULL: no code was run */
    const quipu_plugin *entry;
    host init_host; /* what init was given; its log goes to whoever calls init, else to stderr */
    uint64_t uses;
    bool began;     /* init was called at least once, in this process or in the one that forked it ... */
    uint32_t epoch; /* ... in this epoch the last time */
};

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static plugin *all; /* accepted ones */
/* Whose log hears a plugin's init: set for the duration of init, in the thread that calls it. */
static _Thread_local const host *init_listener;

void registry_lock(void)
{
    pthread_mutex_lock(&lock);
}

void registry_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void registry_reset(void)
{
    pthread_mutex_t fresh = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    lock = fresh;
}

bool plugin_fork_safe(const plugin *p)
{
    return (p->entry->flags & QUIPU_PLUGIN_FORK_SAFE) != 0;
}

static void plugin_free(plugin *p)
{
    if (p)
        free(p->path);
    free(p);
}

/* ---- from a path to a checked plugin ---- */

/* Everything that can be checked while no code of it runs. */
static void look_at_file(plugin *p, faults *f)
{
    struct stat s;
    int fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        faults_add(f, "cannot be opened: %s", strerror(errno));
        return;
    }
    check_file(fd, p->path, f);
    if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode)) {
        p->device = s.st_dev;
        p->inode = s.st_ino;
        elf_note_read(fd, (uint64_t)s.st_size, &p->note, f);
    }
    close(fd);
}

/* The accepted plugin of this path and file. *replaced: there is one of this path, but the file is another one by now. */
static plugin *find_loaded(const plugin *wanted, bool *replaced)
{
    *replaced = false;
    for (plugin *p = all; p; p = p->next)
        if (strcmp(p->path, wanted->path) == 0) {
            if (p->device == wanted->device && p->inode == wanted->inode)
                return p;
            *replaced = true;
        }
    return NULL;
}

/* How a file is loaded. The dynamic linker goes by names and inodes: under the name of a file that it has mapped it answers with the old
 * code, whatever lies there now. */
typedef enum loading {
    LOAD_NOT,  /* only looked at */
    LOAD_OPEN, /* one that was replaced is a fault */
    LOAD_RENEW /* one that was replaced is loaded from a copy */
} loading;

/* Checks the file and, with `load`, what it maps to. The answer is the accepted plugin of the list, or else a plugin for the
 * caller to free, with its faults. Without memory: NULL. Called with the lock held. */
static plugin *examine(const char *path, loading load, bool *listed, faults *f)
{
    uint64_t symbol_size;
    bool replaced = false;
    plugin *p = calloc(1, sizeof *p);
    *listed = false;
    if (!p)
        return NULL;
    p->path = realpath(path, NULL);
    if (!p->path) {
        faults_add(f, "cannot be found: %s", strerror(errno));
        p->path = str_dup(str_of(path));
        return p;
    }
    look_at_file(p, f);
    plugin *known = f->count == 0 ? find_loaded(p, &replaced) : NULL;
    if (known) {
        plugin_free(p);
        *listed = true;
        return known;
    }
    if (replaced && load != LOAD_RENEW)
        faults_add(f,
                   "the file was replaced after this process had loaded it: swap to the backend anew, install it under "
                   "another name, or start the process again");
    if (f->count > p->note.faults || load == LOAD_NOT)
        return p;
    p->handle = replaced ? loader_open_copy(p->path, f) : loader_open(p->path, f);
    p->entry = p->handle ? loader_entry(p->handle, &symbol_size, f) : NULL;
    if (p->entry)
        check_entry(p->entry, symbol_size, &p->note, f);
    return p; /* a refused one stays mapped: what its libraries started cannot be stopped from here */
}

static void keep(plugin *p)
{
    p->next = all;
    all = p;
}

/* ---- init and deinit ---- */

static void init_log(void *unused, uint32_t level, const quipu_str *component, const quipu_str *message) QUIPU_NOEXCEPT
{
    static const host quiet; /* its log is NULL: warnings and errors go to stderr */
    (void)unused;
    host_log_to(init_listener ? init_listener : &quiet, level, component, message);
}

static int32_t check_chosen(plugin *p, uint32_t chosen, quipu_error *error)
{
    if (chosen >= HOST_ABI_MIN && chosen <= HOST_ABI_MAX && chosen >= p->entry->abi_min && chosen <= p->entry->abi_max)
        return QUIPU_OK;
    if (p->entry->deinit)
        p->entry->deinit();
    return fail(error, QUIPU_E_ABI, "plugin",
                "plugin %s chose ABI %u.%u, outside of its own range %u.%u to %u.%u or the host's %u.%u to %u.%u",
                p->note.note.id, QUIPU_ABI_MAJOR(chosen), QUIPU_ABI_MINOR(chosen), QUIPU_ABI_MAJOR(p->entry->abi_min),
                QUIPU_ABI_MINOR(p->entry->abi_min), QUIPU_ABI_MAJOR(p->entry->abi_max),
                QUIPU_ABI_MINOR(p->entry->abi_max), QUIPU_ABI_MAJOR(HOST_ABI_MIN), QUIPU_ABI_MINOR(HOST_ABI_MIN),
                QUIPU_ABI_MAJOR(HOST_ABI_MAX), QUIPU_ABI_MINOR(HOST_ABI_MAX));
}

static int32_t plugin_begin(plugin *p, const host *h, quipu_error *error)
{
    uint32_t chosen = p->entry->abi_max < HOST_ABI_MAX ? p->entry->abi_max : HOST_ABI_MAX;
    host_begin(&p->init_host, init_log, NULL, NULL);
    if (p->entry->init) {
        quipu_error why = { .struct_size = sizeof why };
        chosen = 0;
        init_listener = h;
        int32_t code = p->entry->init(&p->init_host.table, HOST_ABI_MIN, HOST_ABI_MAX, &chosen, &why);
        init_listener = NULL;
        if (code != QUIPU_OK)
            return fail(error, code < 0 ? code : QUIPU_E_PLUGIN, "plugin", "plugin %s does not start: %s",
                        p->note.note.id, why.code ? why.message : error_text(code));
    }
    p->began = true;
    p->epoch = fork_epoch_now();
    return check_chosen(p, chosen, error);
}

/* One use more. */
static int32_t plugin_use_begin(plugin *p, const host *h, quipu_error *error)
{
    if (p->began && p->epoch != fork_epoch_now() && !plugin_fork_safe(p))
        return fail(
            error, QUIPU_E_FORKED, "plugin",
            "plugin %s was in use before fork and does not claim to be fork-safe; exec, or use it only in the child",
            p->note.note.id);
    if (p->uses == 0) {
        int32_t code = plugin_begin(p, h, error);
        if (code != QUIPU_OK)
            return code;
    }
    p->uses++;
    return QUIPU_OK;
}

void registry_release(plugin *p, bool after_fork)
{
    if (!p)
        return;
    registry_lock();
    bool call = !after_fork || plugin_fork_safe(p);
    if (--p->uses == 0) {
        if (p->entry->deinit && call)
            p->entry->deinit();
        host_end(&p->init_host, call);
    }
    registry_unlock();
}

/* ---- by name ---- */

/* Fills backend or embedder where the plugin offers that name. */
static bool offers(plugin *p, bool embedder, quipu_str name, plugin_use *out)
{
    quipu_str id = str_of(embedder ? QUIPU_EMBEDDERS : QUIPU_BACKENDS);
    const void *list = p->entry->get_factory(&id);
    if (!list)
        return false;
    const quipu_array *items =
        embedder ? &((const quipu_embedder_list *)list)->items : &((const quipu_backend_list *)list)->items;
    for (uint64_t i = 0; i < items->count; i++) {
        const void *item = QUIPU_AT(char, items, i);
        const quipu_backend_desc *b = embedder ? NULL : item;
        const quipu_embedder_desc *e = embedder ? item : NULL;
        if (str_same(b ? b->name : e->name, name)) {
            *out = (plugin_use){ .plugin = p, .backend = b, .embedder = e };
            return true;
        }
    }
    return false;
}

static void log_faults(const host *h, const char *path, const faults *f)
{
    const char *line = f->lines.bytes;
    while (line && *line) {
        buffer text = { 0 };
        size_t len = strcspn(line, "\n");
        buffer_printf(&text, "plugin %s refused: %.*s", path, (int)len, line);
        if (!text.failed)
            host_write_log(h, QUIPU_LOG_ERROR, "loader", str_make(text.bytes, text.len));
        buffer_free(&text);
        line += len + (line[len] == '\n');
    }
}

/* What a file that was looked at turned out to be. */
typedef struct search_state {
    bool embedder;
    quipu_str name;
    const host *h;
    loading load;
    bool by_name; /* the file is NAME.so: its faults are the answer; otherwise they are only logged */
} search_state;

/* 1: found; 0: go on; or a negative code. */
static int32_t try_file(const search_state *s, const char *folder, const char *file, plugin_use *out,
                        quipu_error *error)
{
    buffer path = { 0 };
    faults f = { 0 };
    bool listed = false;
    int32_t code = 0;
    buffer_printf(&path, "%s/%s", folder, file);
    if (path.failed) {
        buffer_free(&path);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    }
    if (s->by_name && access(path.bytes, F_OK) != 0) {
        buffer_free(&path);
        return 0;
    }
    plugin *p = examine(path.bytes, s->load, &listed, &f);
    if (!p) {
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    } else if (f.count > 0) {
        log_faults(s->h, path.bytes, &f);
        code = s->by_name ? faults_fail(&f, file, error) : 0;
        plugin_free(p);
    } else {
        if (!listed)
            keep(p);
        code = offers(p, s->embedder, s->name, out);
    }
    faults_free(&f);
    buffer_free(&path);
    return code;
}

/* As try_file, over all files of all folders. */
static int32_t search(search_state *s, const folders *in, plugin_use *out, quipu_error *error)
{
    char file[40];
    int32_t code = 0;
    snprintf(file, sizeof file, "%.*s.so", (int)s->name.len, s->name.ptr);
    s->by_name = true;
    for (size_t i = 0; code == 0 && i < in->count; i++)
        code = try_file(s, in->items[i], file, out, error);
    s->by_name = false;
    for (size_t i = 0; code == 0 && i < in->count; i++) {
        folders names;
        code = folder_plugins(in->items[i], &names, error);
        for (size_t j = 0; code == 0 && j < names.count; j++)
            if (strcmp(names.items[j], file) != 0)
                code = try_file(s, in->items[i], names.items[j], out, error);
        folders_free(&names);
    }
    return code;
}

static int32_t fail_not_found(bool embedder, quipu_str name, const folders *in, quipu_error *error)
{
    buffer where = { 0 };
    const char *sort = embedder ? "embedder" : "backend";
    for (size_t i = 0; i < in->count; i++) {
        buffer_append_text(&where, i ? ", " : "");
        buffer_append_text(&where, in->items[i]);
    }
    int32_t code =
        fail(error, QUIPU_E_NOT_FOUND, sort, "no %s \"%.*s\": no plugin offers it in %s", sort, (int)name.len, name.ptr,
             in->count && !where.failed ? where.bytes : "any folder (set QUIPU_PLUGIN_PATH)");
    buffer_free(&where);
    return code;
}

int32_t registry_acquire(bool embedder, quipu_str name, quipu_str search_path, bool renew, const host *h,
                         plugin_use *out, quipu_error *error)
{
    folders in;
    search_state s = { .embedder = embedder, .name = name, .h = h, .load = renew ? LOAD_RENEW : LOAD_OPEN };
    *out = (plugin_use){ 0 };
    if (!check_name(name))
        return fail(error, QUIPU_E_INVALID, embedder ? "embedder" : "backend",
                    "a name is 1 to 32 of the letters a-z, 0-9, _ and -");
    int32_t code = folders_find(search_path, &in, error);
    if (code != QUIPU_OK)
        return code;
    registry_lock();
    code = search(&s, &in, out, error);
    if (code == 0)
        code = fail_not_found(embedder, name, &in, error);
    else if (code > 0)
        code = plugin_use_begin(out->plugin, h, error);
    registry_unlock();
    if (code != QUIPU_OK)
        *out = (plugin_use){ 0 };
    folders_free(&in);
    return code;
}

/* ---- inspection ---- */

static void append_names(const quipu_plugin *entry, const char *list_id, buffer *out)
{
    quipu_str id = str_of(list_id);
    bool backends = strcmp(list_id, QUIPU_BACKENDS) == 0;
    const void *list = entry->get_factory(&id);
    if (!list)
        return;
    const quipu_array *items =
        backends ? &((const quipu_backend_list *)list)->items : &((const quipu_embedder_list *)list)->items;
    for (uint64_t i = 0; i < items->count; i++) {
        buffer_append_text(out, i ? ", " : "");
        buffer_append_str(out, backends ? QUIPU_AT(quipu_backend_desc, items, i)->name
                                        : QUIPU_AT(quipu_embedder_desc, items, i)->name);
    }
}

static int32_t show(const plugin *p, const char *path, const faults *f, bool load, quipu_plugin_fn visit, void *context)
{
    buffer backends = { 0 }, embedders = { 0 };
    const quipu_note *note = &p->note.note;
    quipu_plugin_info info = { .struct_size = sizeof info,
                               .state = f->count ? QUIPU_PLUGIN_REFUSED : QUIPU_PLUGIN_ACCEPTED,
                               .path = str_of(path) };
    if (p->note.found) {
        info.id = str_of(note->id);
        info.version = str_of(note->version);
        info.licence = str_of(note->licence);
        info.abi_min = note->abi_min;
        info.abi_max = note->abi_max;
        info.flags = note->flags;
    }
    if (f->count == 0 && load) {
        append_names(p->entry, QUIPU_BACKENDS, &backends);
        append_names(p->entry, QUIPU_EMBEDDERS, &embedders);
        info.backends = str_make(backends.bytes, backends.len);
        info.embedders = str_make(embedders.bytes, embedders.len);
    }
    if (f->count)
        info.faults = str_make(f->lines.bytes, f->lines.len);
    int32_t code = visit(context, &info);
    buffer_free(&backends);
    buffer_free(&embedders);
    return code;
}

int32_t registry_inspect(const char *path, bool load, quipu_plugin_fn visit, void *context)
{
    faults f = { 0 };
    bool listed;
    registry_lock();
    plugin *p = examine(path, load ? LOAD_OPEN : LOAD_NOT, &listed, &f);
    if (!p) {
        registry_unlock();
        return QUIPU_E_NO_MEMORY;
    }
    bool accepted = f.count == 0 && p->entry != NULL;
    bool unload = accepted && !listed && (p->entry->flags & QUIPU_PLUGIN_UNLOADABLE);
    if (accepted && !listed && !unload)
        keep(p);
    int32_t code = show(p, path, &f, load, visit, context);
    if (unload)
        loader_close(p->handle);
    if (!accepted || unload)
        plugin_free(p);
    registry_unlock();
    faults_free(&f);
    return code;
}
