/*
 * fold.c - what the journal holds into the files: each that is behind is written anew, after the old one has become NAME.1, and the
 * journal is taken away.
 *
 * Small stores are folded at each change, so that the files are always as one would expect; larger ones when the journal has become
 * as long as the files, so that a change costs what it changes on the average, and when the store is opened or closed.
 */
#include "backend.h"

#include <base/fail.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <string.h>

enum { AT_ONCE = 64 << 10, JOURNAL_LEAST = 1 << 20 };

bool fold_is_due(const quipu_backend *self)
{
    uint64_t behind = 0;
    for (size_t i = 0; i < self->count; i++)
        behind += self->files[i].behind ? self->files[i].bytes : 0;
    return self->log.end &&
           (self->mcp || behind <= AT_ONCE || (self->log.end > behind && self->log.end > JOURNAL_LEAST));
}

/* name.1 is the newest backup. What fails here costs a backup, not the change. */
static void rotate(const quipu_backend *self, const char *name)
{
    buffer from = { 0 }, to = { 0 };
    char suffix[24], next[24];
    for (int64_t i = self->backups; i >= 1; i--) {
        snprintf(suffix, sizeof suffix, ".%lld", (long long)(i - 1));
        snprintf(next, sizeof next, ".%lld", (long long)i);
        if (!file_path(self, name, i == 1 ? "" : suffix, &from) || !file_path(self, name, next, &to))
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

/* The list borrows its records. */
static int32_t gather(const quipu_backend *self, size_t file, record_list *out, quipu_error *error)
{
    *out = (record_list){ .items = malloc((self->records.count + 1) * sizeof *out->items) };
    if (!out->items)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to write %s", self->files[file].name);
    for (size_t i = 0; i < self->records.room; i++) {
        const table_row *h = &self->records.slots[i];
        if (h->r && !h->gone && h->file == file)
            out->items[out->count++] = h->r;
    }
    return QUIPU_OK;
}

static int32_t write_file(quipu_backend *self, size_t file, quipu_error *error)
{
    scope_file *f = &self->files[file];
    record_list list;
    buffer text = { 0 }, path = { 0 };
    int32_t code = gather(self, file, &list, error);
    if (code == QUIPU_OK) {
        records_print(self, &list, &text);
        if (text.failed || !file_path(self, f->name, "", &path))
            code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to write %s", f->name);
    }
    if (code == QUIPU_OK) {
        if (f->seen.inode)
            rotate(self, f->name);
        code = os_replace_file(path.bytes, text.bytes ? text.bytes : "", text.len, self->durable, error);
    }
    if (code == QUIPU_OK) {
        f->behind = false;
        stamp_of(path.bytes, &f->seen);
    }
    free(list.items);
    buffer_free(&text);
    buffer_free(&path);
    return code;
}

int32_t fold(quipu_backend *self, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < self->count && code == QUIPU_OK; i++)
        if (self->files[i].behind)
            code = write_file(self, i, error);
    if (code != QUIPU_OK || self->log.end == 0)
        return code;
    if (os->unlink(self->journal) != 0 && errno != ENOENT)
        return fail_errno(error, errno, "cannot take %s away", self->journal);
    store_settle(self);
    return self->durable && os_sync_folder(self->store) != 0 ? fail_errno(error, errno, "cannot sync %s", self->store)
                                                             : QUIPU_OK;
}
