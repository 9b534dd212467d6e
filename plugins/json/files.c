/*
 * files.c - the files as they are on the disk: noticing that one is another than was seen (inode, size, times), and taking it up.
 *
 * Every file is replaced by rename, so that who reads it sees the old or the new one. Who reads takes no lock: it takes up the journal first
 * and the files then, and what the journal says is right whether the files have it yet or not. Where that does not fit together, because
 * somebody writes meanwhile, it looks again under the lock. Where a file cannot be read, every call says so and nothing is written over it.
 */
#include "backend.h"

#include <base/fail.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { FILE_MOST = 64 << 20, PAUSE_NS = 1000000 };

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for the files of the store");
}

/* ---- the lock between processes ---- */

int32_t store_lock(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    static const struct timespec pause = { 0, PAUSE_NS };
    if (self->lock_fd < 0)
        return QUIPU_OK; /* it cannot be written, nor locked */
    while (os->lock(self->lock_fd, false) != 0) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return fail_errno(error, errno, "cannot lock the store");
        int32_t code = call_check(call, error);
        if (code != QUIPU_OK)
            return code;
        nanosleep(&pause, NULL);
    }
    return QUIPU_OK;
}

void store_unlock(quipu_backend *self)
{
    if (self->lock_fd >= 0)
        os->unlock(self->lock_fd);
}

/* ---- one file ---- */

bool file_path(const quipu_backend *self, const char *name, const char *suffix, buffer *out)
{
    buffer_clear(out);
    buffer_printf(out, "%s/%s%s", self->folder, name, suffix);
    return !out->failed;
}

void stamp_of(const char *path, file_stamp *out)
{
    struct stat s;
    *out = (file_stamp){ 0 };
    if (stat(path, &s) != 0)
        return;
    out->inode = (uint64_t)s.st_ino;
    out->size = (uint64_t)s.st_size;
    out->modified = (int64_t)s.st_mtim.tv_sec * 1000000000 + s.st_mtim.tv_nsec;
    out->changed = (int64_t)s.st_ctim.tv_sec * 1000000000 + s.st_ctim.tv_nsec;
}

bool same_stamp(const file_stamp *a, const file_stamp *b)
{
    return a->inode == b->inode && a->size == b->size && a->modified == b->modified && a->changed == b->changed;
}

/* ---- noticing ---- */

static bool is_ours(const quipu_backend *self, const char *name)
{
    size_t len = strlen(name);
    return self->mcp ? strcmp(name, MCP_FILE) == 0 : len > 5 && strcmp(name + len - 5, ".json") == 0;
}

/* Lists the folder: what each file is now; *changed where one is another than was seen, is new, or is gone. */
static int32_t look(quipu_backend *self, bool *changed, quipu_error *error)
{
    buffer path = { 0 };
    int32_t code = QUIPU_OK;
    *changed = false;
    DIR *dir = opendir(self->folder);
    if (!dir)
        return fail_errno(error, errno, "cannot list %s", self->folder);
    for (size_t i = 0; i < self->count; i++)
        self->files[i].now = (file_stamp){ 0 };
    for (struct dirent *entry; code == QUIPU_OK && (entry = readdir(dir));) {
        size_t file;
        if (!is_ours(self, entry->d_name))
            continue;
        if (!file_find(self, entry->d_name, &file) || !file_path(self, entry->d_name, "", &path))
            code = no_memory(error);
        else
            stamp_of(path.bytes, &self->files[file].now);
    }
    closedir(dir);
    for (size_t i = 0; i < self->count; i++)
        *changed = *changed || !same_stamp(&self->files[i].now, &self->files[i].seen);
    buffer_free(&path);
    return code;
}

/* ---- taking up ---- */

static int32_t read_fresh(quipu_backend *self, scope_file *f, quipu_error *error)
{
    buffer path = { 0 }, text = { 0 };
    file_stamp after;
    int32_t code = file_path(self, f->name, "", &path) ? QUIPU_OK : no_memory(error);
    for (bool same = false; code == QUIPU_OK && !same; f->now = after) { /* until it was the same before and after */
        buffer_clear(&text);
        record_list_free(&f->fresh);
        if (f->now.inode)
            code = os_read_file(path.bytes, FILE_MOST, &text, error);
        bool there = code == QUIPU_OK && f->now.inode;
        if (code == QUIPU_E_NOT_FOUND)
            code = QUIPU_OK;
        if (there)
            code = records_read(self, f->name, str_make(text.bytes ? text.bytes : "", text.len), &f->fresh, error);
        stamp_of(path.bytes, &after);
        same = same_stamp(&f->now, &after);
        if (!same)
            code = QUIPU_OK;
    }
    f->fresh_read = code == QUIPU_OK;
    buffer_free(&path);
    buffer_free(&text);
    return code;
}

static bool is_in(const record_list *sorted, quipu_str id)
{
    size_t from = 0, to = sorted->count;
    while (from < to) {
        size_t half = from + (to - from) / 2;
        int order = str_compare(record_view(sorted->items[half])->id, id);
        if (order == 0)
            return true;
        if (order < 0)
            from = half + 1;
        else
            to = half;
    }
    return false;
}

/* What the files that were read do not hold any more, as far as the journal does not know better. */
static void drop_missing(quipu_backend *self)
{
    table *t = &self->records;
    for (size_t i = 0; i < t->room; i++)
        while (t->slots[i].r && !t->slots[i].logged && self->files[t->slots[i].file].fresh_read &&
               !is_in(&self->files[t->slots[i].file].fresh, record_view(t->slots[i].r)->id))
            store_remove(self, &t->slots[i], false); /* another one may move into its place */
}

/* An id may be in one file only: it is the store's. */
static int32_t take_fresh(quipu_backend *self, size_t file, quipu_error *error)
{
    scope_file *f = &self->files[file];
    int32_t code = table_reserve(&self->records, f->fresh.count) ? QUIPU_OK : no_memory(error);
    for (size_t i = 0; i < f->fresh.count && code == QUIPU_OK; i++) {
        record *r = f->fresh.items[i];
        quipu_str id = record_view(r)->id;
        const table_row *h = table_find(&self->records, id);
        if (h && h->file != file) {
            char why[500];
            snprintf(why, sizeof why, "the record %.*s is in %.200s as well", (int)id.len, id.ptr,
                     self->files[h->file].name);
            code = records_fault(f->name, 0, why, error);
        } else if (!h || !h->logged) {
            code = store_put(self, record_share(r), file, false, error);
        }
    }
    return code;
}

static int32_t take_up(quipu_backend *self, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < self->count && code == QUIPU_OK; i++)
        if (!same_stamp(&self->files[i].now, &self->files[i].seen))
            code = read_fresh(self, &self->files[i], error);
    record_index_begin(self->index);
    if (code == QUIPU_OK)
        drop_missing(self);
    for (size_t i = 0; i < self->count && code == QUIPU_OK; i++)
        if (self->files[i].fresh_read)
            code = take_fresh(self, i, error);
    record_index_end(self->index);
    for (size_t i = 0; i < self->count; i++) {
        scope_file *f = &self->files[i];
        if (f->fresh_read && code == QUIPU_OK)
            f->seen = f->now;
        f->fresh_read = false;
        record_list_free(&f->fresh);
    }
    return code;
}

static int32_t refresh(quipu_backend *self, quipu_error *error)
{
    bool changed = false;
    int32_t code = journal_read(self, error);
    if (code == QUIPU_OK)
        code = look(self, &changed, error);
    return code == QUIPU_OK && changed ? take_up(self, error) : code;
}

int32_t files_refresh(quipu_backend *self, bool locked, const quipu_call *call, quipu_error *error)
{
    int32_t code = refresh(self, error);
    if (code != QUIPU_E_CORRUPT || locked || self->held || store_lock(self, call, NULL) != QUIPU_OK)
        return code;
    code = refresh(self, error);
    store_unlock(self);
    return code;
}
