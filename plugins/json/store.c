/* store.c - what is known in memory: the files by name, the records by id, and the index that answers questions. */
#include "backend.h"

#include <base/fail.h>
#include <stdlib.h>
#include <string.h>

/* ---- files ---- */

bool file_find(quipu_backend *self, const char *name, size_t *out)
{
    for (*out = 0; *out < self->count; ++*out)
        if (strcmp(self->files[*out].name, name) == 0)
            return true;
    scope_file *files = realloc(self->files, (self->count + 1) * sizeof *files);
    if (files)
        self->files = files;
    char *copy = files ? str_dup(str_of(name)) : NULL;
    if (!copy)
        return false;
    files[self->count++] = (scope_file){ .name = copy };
    return true;
}

bool file_find_of(quipu_backend *self, const quipu_record *r, size_t *out)
{
    buffer name = { 0 };
    file_name_of(self, r, &name);
    bool found = !name.failed && file_find(self, name.bytes, out);
    buffer_free(&name);
    return found;
}

/* ---- records ---- */

/* What a record takes in its file. */
static uint64_t size_of(const table_row *h)
{
    return h->r && !h->gone ? record_view(h->r)->json.len + 2 : 0;
}

int32_t store_put(quipu_backend *self, record *r, size_t file, bool logged, quipu_error *error)
{
    table_row *h = table_find(&self->records, record_view(r)->id);
    bool same = h && !h->gone && str_same(record_view(h->r)->version, record_view(r)->version);
    int32_t code = same ? QUIPU_OK : record_index_put(self->index, r, error);
    if (code != QUIPU_OK) {
        record_free(r);
        return code;
    }
    if (h)
        self->files[h->file].bytes -= size_of(h);
    h = table_put(&self->records, r);
    h->file = file;
    h->gone = false;
    h->logged = h->logged || logged;
    self->files[file].bytes += size_of(h);
    self->files[file].behind = self->files[file].behind || logged;
    return QUIPU_OK;
}

void store_remove(quipu_backend *self, table_row *h, bool logged)
{
    if (!h->gone)
        record_index_remove(self->index, record_view(h->r)->id);
    self->files[h->file].bytes -= size_of(h);
    h->gone = true;
    h->logged = h->logged || logged;
    self->files[h->file].behind = self->files[h->file].behind || logged;
    if (!h->logged)
        table_remove(&self->records, h);
}

void store_settle(quipu_backend *self)
{
    table *t = &self->records;
    for (size_t i = 0; i < t->room; i++) {
        table_row *h = &t->slots[i];
        h->logged = false;
        while (h->r && h->gone) { /* another one may move into its place */
            table_remove(t, h);
            h->logged = false;
        }
    }
    for (size_t i = 0; i < self->count; i++)
        self->files[i].behind = false;
    self->log = (journal_state){ .end = 0 };
}

void store_forget(quipu_backend *self)
{
    record_index_begin(self->index);
    for (size_t i = 0; i < self->records.room; i++)
        if (self->records.slots[i].r)
            record_index_remove(self->index, record_view(self->records.slots[i].r)->id);
    record_index_end(self->index);
    table_free(&self->records);
    store_settle(self);
    for (size_t i = 0; i < self->count; i++) {
        self->files[i].seen = (file_stamp){ 0 };
        self->files[i].bytes = 0;
    }
}

void store_free(quipu_backend *self)
{
    table_free(&self->records);
    for (size_t i = 0; i < self->count; i++) {
        record_list_free(&self->files[i].fresh);
        free(self->files[i].name);
    }
    free(self->files);
    self->files = NULL;
    self->count = 0;
    self->log = (journal_state){ .end = 0 };
}
