/*
 * files.c - the files as they are on the disk.
 *
 * Every file is replaced by rename, so that who reads it sees the old or the new one. A set that changes several files is written to
 * the journal first: from then on it has happened, and whoever takes the store's lock next finishes it. A file that is another one than was
 * seen (inode, size, times) is read again before the next call is answered; where it cannot be read, every call says so and nothing
 * is written over it.
 */
#include "backend.h"

#include <base/fail.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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

static bool path_of(const quipu_backend *self, const char *name, const char *suffix, buffer *out)
{
    buffer_clear(out);
    buffer_printf(out, "%s/%s%s", self->folder, name, suffix);
    return !out->failed;
}

static void stamp_of(const char *path, file_stamp *out)
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

static bool same_stamp(const file_stamp *a, const file_stamp *b)
{
    return a->inode == b->inode && a->size == b->size && a->modified == b->modified && a->changed == b->changed;
}

scope_file *file_find(quipu_backend *self, const char *name)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->files[i].name, name) == 0)
            return &self->files[i];
    scope_file *files = realloc(self->files, (self->count + 1) * sizeof *files);
    if (files)
        self->files = files;
    char *copy = files ? str_dup(str_of(name)) : NULL;
    if (!copy)
        return NULL;
    files[self->count] = (scope_file){ .name = copy };
    return &files[self->count++];
}

void files_settle(quipu_backend *self)
{
    for (size_t i = 0; i < self->count; i++) {
        record_list_free(&self->files[i].next);
        self->files[i].touched = false;
    }
}

void files_free(quipu_backend *self)
{
    files_settle(self);
    for (size_t i = 0; i < self->count; i++) {
        record_list_free(&self->files[i].records);
        free(self->files[i].name);
    }
    free(self->files);
    self->files = NULL;
    self->count = 0;
}

/* ---- noticing ---- */

static bool is_ours(const quipu_backend *self, const char *name)
{
    size_t len = strlen(name);
    return self->mcp ? strcmp(name, MCP_FILE) == 0 : len > 5 && strcmp(name + len - 5, ".json") == 0;
}

/* Lists the folder; *changed where a file is another one than was seen, is new, or is gone. */
static int32_t look(quipu_backend *self, bool *changed, quipu_error *error)
{
    buffer path = { 0 };
    int32_t code = QUIPU_OK;
    *changed = access(self->journal, F_OK) == 0;
    DIR *dir = opendir(self->folder);
    if (!dir)
        return fail_errno(error, errno, "cannot list %s", self->folder);
    for (size_t i = 0; i < self->count; i++)
        self->files[i].listed = false;
    for (struct dirent *entry; code == QUIPU_OK && (entry = readdir(dir));) {
        file_stamp now;
        if (!is_ours(self, entry->d_name))
            continue;
        scope_file *f = file_find(self, entry->d_name);
        if (!f || !path_of(self, entry->d_name, "", &path)) {
            code = no_memory(error);
            break;
        }
        stamp_of(path.bytes, &now);
        f->listed = now.inode != 0;
        *changed = *changed || !same_stamp(&now, &f->seen);
    }
    closedir(dir);
    for (size_t i = 0; i < self->count; i++)
        *changed = *changed || (!self->files[i].listed && self->files[i].seen.inode != 0);
    buffer_free(&path);
    return code;
}

/* ---- taking up ---- */

/* An id may be in one file only: it is the store's. */
static int32_t check_elsewhere(quipu_backend *self, const scope_file *f, const record_list *fresh, quipu_error *error)
{
    for (size_t i = 0; i < self->count; i++)
        for (size_t k = 0; k < fresh->count && &self->files[i] != f && self->files[i].listed; k++) {
            quipu_str id = record_view(fresh->items[k])->id;
            char why[500];
            if (!record_list_find(&self->files[i].records, id))
                continue;
            snprintf(why, sizeof why, "the record %.*s is in %.200s as well", (int)id.len, id.ptr, self->files[i].name);
            return records_fault(f->name, 0, why, error);
        }
    return QUIPU_OK;
}

static int32_t exchange(quipu_backend *self, scope_file *f, record_list *fresh, const file_stamp *now,
                        quipu_error *error)
{
    int32_t code = QUIPU_OK;
    record_index_begin(self->index);
    for (size_t i = 0; i < f->records.count; i++) {
        quipu_str id = record_view(f->records.items[i])->id;
        if (!record_list_find(fresh, id))
            record_index_remove(self->index, id);
    }
    for (size_t i = 0; i < fresh->count && code == QUIPU_OK; i++) {
        const quipu_record *r = record_view(fresh->items[i]), *old = record_list_find(&f->records, r->id);
        if (!old || !str_same(old->version, r->version))
            code = record_index_put(self->index, fresh->items[i], error);
    }
    record_index_end(self->index);
    record_list_free(&f->records);
    f->records = *fresh;
    f->seen = *now;
    if (code != QUIPU_OK)
        f->seen.changed = 0; /* the next call tries again */
    return code;
}

static int32_t reload(quipu_backend *self, scope_file *f, quipu_error *error)
{
    buffer path = { 0 }, text = { 0 };
    record_list fresh = { 0 };
    file_stamp now, after;
    if (!path_of(self, f->name, "", &path))
        return no_memory(error);
    int32_t code;
    do { /* until it was the same before and after */
        buffer_clear(&text);
        record_list_free(&fresh);
        stamp_of(path.bytes, &now);
        code = now.inode ? os_read_file(path.bytes, FILE_MOST, &text, error) : QUIPU_OK;
        if (code == QUIPU_E_NOT_FOUND)
            code = QUIPU_OK;
        if (code == QUIPU_OK && now.inode)
            code = records_read(self, f->name, str_make(text.bytes ? text.bytes : "", text.len), &fresh, error);
        stamp_of(path.bytes, &after);
    } while (!same_stamp(&now, &after));
    if (code == QUIPU_OK)
        code = check_elsewhere(self, f, &fresh, error);
    if (code == QUIPU_OK)
        code = exchange(self, f, &fresh, &now, error);
    else
        record_list_free(&fresh);
    buffer_free(&path);
    buffer_free(&text);
    return code;
}

static int32_t finish_journal(quipu_backend *self, quipu_error *error);

static int32_t reload_changed(quipu_backend *self, quipu_error *error)
{
    buffer path = { 0 };
    bool changed;
    int32_t code = self->flags & QUIPU_OPEN_READ_ONLY ? QUIPU_OK : finish_journal(self, error);
    if (code == QUIPU_OK)
        code = look(self, &changed, error);
    for (size_t i = 0; i < self->count && code == QUIPU_OK; i++) {
        file_stamp now;
        if (!path_of(self, self->files[i].name, "", &path))
            code = no_memory(error);
        else {
            stamp_of(path.bytes, &now);
            if (!same_stamp(&now, &self->files[i].seen))
                code = reload(self, &self->files[i], error);
        }
    }
    buffer_free(&path);
    return code;
}

int32_t files_refresh(quipu_backend *self, bool locked, const quipu_call *call, quipu_error *error)
{
    bool changed = false;
    int32_t code = look(self, &changed, error);
    if (code != QUIPU_OK || !changed)
        return code;
    if (!locked)
        code = store_lock(self, call, error);
    if (code != QUIPU_OK)
        return code;
    code = reload_changed(self, error);
    if (!locked)
        store_unlock(self);
    return code;
}

/* ---- writing ---- */

/* name.1 is the newest backup. What fails here costs a backup, not the change. */
static void rotate(const quipu_backend *self, const char *name)
{
    buffer from = { 0 }, to = { 0 };
    char suffix[24], next[24];
    for (int64_t i = self->backups; i >= 1; i--) {
        snprintf(suffix, sizeof suffix, ".%lld", (long long)(i - 1));
        snprintf(next, sizeof next, ".%lld", (long long)i);
        if (!path_of(self, name, i == 1 ? "" : suffix, &from) || !path_of(self, name, next, &to))
            break;
        if (i > 1) {
            os->rename(from.bytes, to.bytes);
        } else {
            os->unlink(to.bytes);
            if (os->link(from.bytes, to.bytes) != 0 && errno != ENOENT)
                host_log(self->host, QUIPU_LOG_WARNING, "json", "no backup of %s: %s", name, strerror(errno));
        }
    }
    buffer_free(&from);
    buffer_free(&to);
}

static int32_t replace(const quipu_backend *self, const char *name, quipu_str text, quipu_error *error)
{
    buffer path = { 0 };
    if (!path_of(self, name, "", &path)) {
        buffer_free(&path);
        return no_memory(error);
    }
    int32_t code = os_replace_file(path.bytes, text.ptr, (size_t)text.len, self->durable, error);
    buffer_free(&path);
    return code;
}

/* The journal: "NAME LENGTH\n" and the bytes, one after the other. Takes one entry off `rest`; false where it is none. */
static bool take_entry(const quipu_backend *self, quipu_str *rest, char name[256], quipu_str *bytes)
{
    const char *blank = memchr(rest->ptr, ' ', (size_t)rest->len), *line = memchr(rest->ptr, '\n', (size_t)rest->len);
    char *end;
    if (!blank || !line || blank > line || blank == rest->ptr || blank - rest->ptr > 255)
        return false;
    memcpy(name, rest->ptr, (size_t)(blank - rest->ptr));
    name[blank - rest->ptr] = '\0';
    unsigned long long len = strtoull(blank + 1, &end, 10); /* ends at the line's end at the latest */
    uint64_t left = rest->len - (uint64_t)(line + 1 - rest->ptr);
    if (end != line || end == blank + 1 || len > left || !is_ours(self, name) || strchr(name, '/'))
        return false;
    *bytes = (quipu_str){ line + 1, len };
    *rest = (quipu_str){ line + 1 + len, left - len };
    return true;
}

static int32_t finish_journal(quipu_backend *self, quipu_error *error)
{
    buffer text = { 0 };
    if (access(self->journal, F_OK) != 0)
        return QUIPU_OK;
    int32_t code = os_read_file(self->journal, (size_t)FILE_MOST * 4, &text, error);
    quipu_str rest = str_make(text.bytes ? text.bytes : "", text.len);
    while (code == QUIPU_OK && rest.len > 0) {
        char name[256];
        quipu_str bytes;
        if (!take_entry(self, &rest, name, &bytes))
            code = fail(error, QUIPU_E_CORRUPT, "file", "%s is damaged; take it away to go on", self->journal);
        else
            code = replace(self, name, bytes, error);
    }
    buffer_free(&text);
    if (code == QUIPU_OK && os->unlink(self->journal) != 0)
        code = fail_errno(error, errno, "cannot take %s away", self->journal);
    return code;
}

static int32_t write_journal(quipu_backend *self, const buffer *texts, quipu_error *error)
{
    buffer all = { 0 };
    for (size_t i = 0; i < self->count; i++)
        if (self->files[i].touched) {
            buffer_printf(&all, "%s %zu\n", self->files[i].name, texts[i].len);
            buffer_append(&all, texts[i].bytes, texts[i].len);
        }
    int32_t code =
        all.failed ? no_memory(error) : os_replace_file(self->journal, all.bytes, all.len, self->durable, error);
    buffer_free(&all);
    return code;
}

/* A file or journal that got into its place all the same, although something failed, may stay: nobody knows. */
static int32_t uncertain(const quipu_backend *self, const char *name, const file_stamp *before, int32_t code,
                         quipu_error *error)
{
    buffer path = { 0 };
    file_stamp now = *before;
    if (name && path_of(self, name, "", &path))
        stamp_of(path.bytes, &now);
    else if (!name)
        stamp_of(self->journal, &now);
    buffer_free(&path);
    return now.inode == before->inode
               ? code
               : fail(error, QUIPU_E_UNCERTAIN, NULL,
                      "writing failed in its middle: send the change again with the same change id");
}

static int32_t write_texts(quipu_backend *self, const buffer *texts, size_t touched, quipu_error *error)
{
    static const file_stamp none;
    int32_t code = QUIPU_OK;
    if (touched > 1) {
        code = write_journal(self, texts, error);
        if (code != QUIPU_OK)
            return uncertain(self, NULL, &none, code, error);
    }
    for (size_t i = 0; i < self->count; i++)
        if (self->files[i].touched && self->files[i].seen.inode)
            rotate(self, self->files[i].name);
    if (touched > 1) {
        code = finish_journal(self, error);
        return code == QUIPU_OK ? code
                                : fail(error, QUIPU_E_UNCERTAIN, NULL,
                                       "writing failed in its middle: it is finished before the next call");
    }
    for (size_t i = 0; i < self->count && code == QUIPU_OK; i++)
        if (self->files[i].touched) {
            code = replace(self, self->files[i].name, str_make(texts[i].bytes, texts[i].len), error);
            if (code != QUIPU_OK)
                code = uncertain(self, self->files[i].name, &self->files[i].seen, code, error);
        }
    return code;
}

int32_t files_write(quipu_backend *self, quipu_error *error)
{
    size_t touched = 0;
    int32_t code = QUIPU_OK;
    buffer *texts = calloc(self->count ? self->count : 1, sizeof *texts);
    if (!texts)
        return no_memory(error);
    for (size_t i = 0; i < self->count && code == QUIPU_OK; i++)
        if (self->files[i].touched) {
            touched++;
            records_print(self, &self->files[i].next, &texts[i]);
            if (texts[i].len == 0)
                buffer_append(&texts[i], "", 0);
            if (texts[i].failed)
                code = no_memory(error);
            else if (texts[i].len > FILE_MOST)
                code = fail(error, QUIPU_E_TOO_LARGE, "file", "%s would take %zu bytes: the backend json is for less",
                            self->files[i].name, texts[i].len);
        }
    if (code == QUIPU_OK && touched)
        code = write_texts(self, texts, touched, error);
    for (size_t i = 0; i < self->count; i++)
        buffer_free(&texts[i]);
    free(texts);
    return code;
}
