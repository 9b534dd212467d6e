/* loader.c - see loader.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr1, memfd_create */
#endif
#include "loader.h"

#include <base/fail.h>
#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

/* Takes `text` over; false without memory. */
static bool add_owned(folders *f, char *text)
{
    char **items = text ? realloc(f->items, (f->count + 1) * sizeof *items) : NULL;
    if (!items) {
        free(text);
        return false;
    }
    f->items = items;
    f->items[f->count++] = text;
    return true;
}

/* Adds <base><rest>, where there is such a folder and it is not in the list yet; base may be unterminated. */
static bool add_folder(folders *f, const char *base, size_t base_len, const char *rest)
{
    buffer path = { 0 };
    buffer_append(&path, base, base_len);
    buffer_append_text(&path, rest);
    if (path.failed) {
        buffer_free(&path);
        return false;
    }
    char *real = path.len > 0 && memchr(path.bytes, '\0', path.len) == NULL ? realpath(path.bytes, NULL) : NULL;
    buffer_free(&path);
    if (!real)
        return true; /* it is not there */
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->items[i], real) == 0) {
            free(real);
            return true;
        }
    return add_owned(f, real);
}

static bool add_list(folders *f, quipu_str list)
{
    const char *at = list.ptr, *end = list.ptr + list.len;
    while (at < end) {
        const char *colon = memchr(at, ':', (size_t)(end - at));
        const char *stop = colon ? colon : end;
        if (stop > at && !add_folder(f, at, (size_t)(stop - at), ""))
            return false;
        at = stop + 1;
    }
    return true;
}

/* Length of the folder part of a path, without the slash. */
static size_t folder_length(const char *path, size_t len)
{
    while (len > 0 && path[len - 1] != '/')
        len--;
    return len > 1 ? len - 1 : len;
}

static bool add_beside_program(folders *f)
{
    char program[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program);
    if (len <= 0 || (size_t)len >= sizeof program)
        return true; /* no /proc: nothing is known */
    size_t folder = folder_length(program, (size_t)len);
    return add_folder(f, program, folder, "/plugins") && add_folder(f, program, folder, "/../lib/quipu/plugins");
}

static const char own_place; /* an address inside libquipu */

static bool add_beside_library(folders *f)
{
    Dl_info info;
    if (!dladdr((const void *)&own_place, &info) || !info.dli_fname || info.dli_fname[0] != '/')
        return true;
    size_t folder = folder_length(info.dli_fname, strlen(info.dli_fname));
    return add_folder(f, info.dli_fname, folder, "/plugins") && add_folder(f, info.dli_fname, folder, "/quipu/plugins");
}

int32_t folders_find(quipu_str given, folders *out, quipu_error *error)
{
    bool whole;
    *out = (folders){ 0 };
    if (str_present(given)) {
        whole = add_list(out, given);
    } else {
        const char *listed = getauxval(AT_SECURE) ? NULL : getenv("QUIPU_PLUGIN_PATH");
        whole = add_list(out, str_of(listed ? listed : "")) && add_beside_program(out) && add_beside_library(out);
    }
    if (whole)
        return QUIPU_OK;
    folders_free(out);
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

void folders_free(folders *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->items[i]);
    free(f->items);
    *f = (folders){ 0 };
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int32_t folder_plugins(const char *folder, folders *names, quipu_error *error)
{
    *names = (folders){ 0 };
    DIR *dir = opendir(folder);
    if (!dir)
        return QUIPU_OK;
    bool whole = true;
    for (struct dirent *entry; whole && (entry = readdir(dir));) {
        size_t len = strlen(entry->d_name);
        if (len > 3 && entry->d_name[0] != '.' && strcmp(entry->d_name + len - 3, ".so") == 0)
            whole = add_owned(names, str_dup(str_of(entry->d_name)));
    }
    closedir(dir);
    if (!whole) {
        folders_free(names);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    }
    if (names->count > 1)
        qsort(names->items, names->count, sizeof *names->items, compare_names);
    return QUIPU_OK;
}

void *loader_open(const char *absolute_path, faults *f)
{
    void *handle = dlopen(absolute_path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        faults_add(f, "the dynamic linker refused it: %s", dlerror());
    return handle;
}

static bool copy_file(int from, int to)
{
    char bytes[65536];
    ssize_t got;
    while ((got = read(from, bytes, sizeof bytes)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        for (ssize_t put = 0, done = 0; got > 0 && done < got; done += put)
            if ((put = write(to, bytes + done, (size_t)(got - done))) <= 0)
                return false;
        if (got < 0)
            return false;
    }
    return true;
}

/* The descriptor of the copy stays open for ever, because its number is the name by which the linker knows the copy. */
void *loader_open_copy(const char *absolute_path, faults *f)
{
    char name[64];
    void *handle = NULL;
    int from = open(absolute_path, O_RDONLY | O_CLOEXEC), copy = memfd_create("quipu-plugin", MFD_CLOEXEC);
    if (from < 0 || copy < 0 || !copy_file(from, copy)) {
        faults_add(f, "the file was replaced after this process had loaded it, and cannot be copied: %s",
                   strerror(errno));
    } else {
        snprintf(name, sizeof name, "/proc/self/fd/%d", copy);
        handle = loader_open(name, f);
    }
    if (from >= 0)
        close(from);
    if (copy >= 0 && !handle)
        close(copy);
    return handle;
}

const quipu_plugin *loader_entry(void *handle, uint64_t *symbol_size, faults *f)
{
    Dl_info info;
    void *extra = NULL;
    const void *entry = dlsym(handle, QUIPU_PLUGIN_SYMBOL);
    *symbol_size = 0;
    if (!entry) {
        faults_add(f, "no entry: the symbol " QUIPU_PLUGIN_SYMBOL " is not exported; use the macro QUIPU_PLUGIN of "
                      "quipu/plugin.h");
        return NULL;
    }
    if (dladdr1(entry, &info, &extra, RTLD_DL_SYMENT) && extra && info.dli_saddr == entry)
        *symbol_size = ((const ElfW(Sym) *)extra)->st_size;
    return entry;
}

void loader_close(void *handle)
{
    dlclose(handle);
}
