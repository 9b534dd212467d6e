/*
 * verify_strays.c - part of a repair: where a folder of the head was lost, its older version took its place, and records that had come since
 * are in no folder. Their contents may still be there, and tell where they belong: so each that is newer than what stands at its path
 * comes back, by a commit.
 */
#include "backend.h"

#include <base/fail.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAMED_MOST = 500, LOST_MOST = 100 };

typedef struct stray {
    char *path;
    object_id blob;
    int64_t updated;
    bool back;
} stray;

static int32_t no_memory(const verification *v)
{
    return fail(v->told.error, QUIPU_E_NO_MEMORY, NULL, "no memory to repair the store");
}

static int64_t updated_at(const record *r)
{
    const quipu_record *q = record_view(r);
    return q->updated_at != QUIPU_TIME_NONE ? q->updated_at : q->created_at;
}

int32_t verify_note_stray(verification *v, const object_id *blob, quipu_str bytes)
{
    record *r = NULL;
    buffer path = { 0 };
    if (record_of_bytes(bytes, &r, NULL) != QUIPU_OK)
        return QUIPU_OK; /* something else */
    record_path(record_view(r)->id, &path);
    stray *strays = path.failed ? NULL : realloc(v->strays, (v->stray_count + 1) * sizeof *strays);
    if (strays) {
        v->strays = strays;
        strays[v->stray_count++] = (stray){ path.bytes, *blob, updated_at(r), false };
        path = (buffer){ 0 };
    }
    record_free(r);
    buffer_free(&path);
    return strays ? QUIPU_OK : no_memory(v);
}

void verify_free_strays(verification *v)
{
    for (size_t i = 0; i < v->stray_count; i++)
        free(v->strays[i].path);
    free(v->strays);
    v->strays = NULL;
    v->stray_count = 0;
}

/* By path, the newest of each first. */
static int compare_strays(const void *a, const void *b)
{
    const stray *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order ? order : (x->updated < y->updated) - (x->updated > y->updated);
}

/* Is it newer than what stands there now? */
static int32_t is_wanted(const verification *v, git_transaction *t, const stray *s, bool *wanted)
{
    object_id there;
    buffer bytes = { 0 };
    record *r = NULL;
    int32_t code = git_transaction_read(t, s->path, &there, &bytes, v->told.error);
    *wanted = code == QUIPU_OK && (object_id_is_none(&there) ||
                                   (record_of_file(s->path, str_make(bytes.bytes, bytes.len), &r, NULL) == QUIPU_OK &&
                                    updated_at(r) < s->updated));
    record_free(r);
    buffer_free(&bytes);
    return code;
}

static int32_t bring_back(verification *v, git_transaction *t, buffer *list, size_t *count)
{
    int32_t code = QUIPU_OK;
    *count = 0;
    for (size_t i = 0; i < v->stray_count && code == QUIPU_OK; i++) {
        stray *s = &v->strays[i];
        s->back = false;
        if (i > 0 && strcmp(s->path, s[-1].path) == 0)
            continue;
        code = is_wanted(v, t, s, &s->back);
        if (code == QUIPU_OK && s->back)
            code = git_transaction_put_blob(t, s->path, &s->blob, v->told.error);
        if (code == QUIPU_OK && s->back && (*count)++ < NAMED_MOST)
            buffer_printf(list, "%s\n", s->path);
    }
    return code;
}

static int32_t commit_strays(verification *v, bool *lost)
{
    git_transaction *t;
    buffer list = { 0 };
    char subject[80];
    size_t count;
    int32_t code = git_begin(v->self->store, v->call, &t, v->told.error);
    *lost = false;
    if (code != QUIPU_OK)
        return code;
    code = bring_back(v, t, &list, &count);
    snprintf(subject, sizeof subject, "%zu records were found again", count);
    if (code == QUIPU_OK && count)
        code = verify_commit(v, t, subject, &list, lost);
    else
        git_abort(t);
    buffer_free(&list);
    return code;
}

int32_t verify_strays(verification *v)
{
    bool lost = v->stray_count > 0;
    int32_t code = QUIPU_OK;
    if (lost)
        qsort(v->strays, v->stray_count, sizeof *v->strays, compare_strays);
    for (int i = 0; lost && code == QUIPU_OK; i++)
        code = i < LOST_MOST ? commit_strays(v, &lost)
                             : fail(v->told.error, QUIPU_E_BUSY, NULL, "another program moves the branch all the time");
    for (size_t i = 0; i < v->stray_count && code == QUIPU_OK; i++)
        if (v->strays[i].back)
            code = verify_tell(v, QUIPU_FINDING_REPAIRED, "records", v->strays[i].path,
                               "its folder was lost, and the record was found again", 0);
    return code;
}
