/*
 * verify_vectors.c - part of verify: the folders of vectors (one for each model that was used), and whether vectors are those of the
 * texts. They are derived: a damaged folder is set aside, and its vectors are made anew by the embedder, now or by the next search.
 */
#include "backend.h"

#include <base/fail.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sdk/vector_index.h>
#include <storage_git/aside.h>

#define FOLDER "vectors-"

static int32_t no_memory(const verification *v)
{
    return fail(v->told.error, QUIPU_E_NO_MEMORY, NULL, "no memory to check vectors");
}

/* All that is in it but the lock. */
static int32_t set_aside(const verification *v, const char *name, const char *why)
{
    aside *a;
    buffer path = { 0 };
    struct dirent *entry;
    const git_store *store = v->self->store;
    int32_t code = aside_create(git_store_path(store), git_store_private(store), &a, v->told.error);
    if (code != QUIPU_OK)
        return code;
    buffer_printf(&path, "%s/%s", git_store_private(store), name);
    size_t len = path.len;
    DIR *dir = path.failed ? NULL : opendir(path.bytes);
    if (!dir)
        code = path.failed ? no_memory(v) : fail_errno(v->told.error, errno, "cannot read %s", path.bytes);
    while (dir && code == QUIPU_OK && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "lock") == 0)
            continue;
        path.len = len;
        buffer_printf(&path, "/%s", entry->d_name);
        code = path.failed ? no_memory(v) : aside_move(a, path.bytes, why, v->told.error);
    }
    if (dir)
        closedir(dir);
    aside_free(a);
    buffer_free(&path);
    return code;
}

static int32_t tell_fault(verification *v, const char *name, const char *fault)
{
    char message[200];
    int32_t code = v->repair ? set_aside(v, name, fault) : QUIPU_OK;
    if (code != QUIPU_OK)
        return code;
    v->vectors_gone = v->vectors_gone || v->repair;
    snprintf(message, sizeof message, "%s%s", fault,
             v->repair ? "; it was set aside, and its vectors are made anew" : "; its vectors can be made anew");
    return verify_tell(v, v->repair ? QUIPU_FINDING_REPAIRED : QUIPU_FINDING_DAMAGE, "vectors", name, message, 0);
}

/* Each folder for itself. */
static int32_t check_folders(verification *v, uint64_t *rows)
{
    const char *private = git_store_private(v->self->store);
    const struct dirent *entry;
    const char *fault;
    int32_t code = QUIPU_OK;
    DIR *dir = opendir(private);
    if (!dir)
        return errno == ENOENT ? QUIPU_OK : fail_errno(v->told.error, errno, "cannot read %s", private);
    while (code == QUIPU_OK && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, FOLDER, strlen(FOLDER)) != 0)
            continue;
        code = vector_index_check(private, entry->d_name, rows, &fault, v->call, v->told.error);
        if (code == QUIPU_OK && fault)
            code = tell_fault(v, entry->d_name, fault);
    }
    closedir(dir);
    return code;
}

/* Those of the present embedder against what it says now. */
static int32_t check_texts(verification *v)
{
    view *present;
    uint64_t compared = 0, wrong = 0;
    char folder[32] = "", message[200];
    quipu_error why = { .struct_size = sizeof why };
    int32_t code = view_take(v->self, (quipu_str){ 0 }, &present, NULL, &why);
    if (code != QUIPU_OK) /* the damage was told */
        return code == QUIPU_E_CORRUPT ? QUIPU_OK : fail(v->told.error, code, NULL, "%s", why.message);
    code = record_index_check_vectors(view_index(present), &compared, &wrong, folder, v->call, &why);
    view_give(present);
    if (code == QUIPU_E_UNSUPPORTED)
        return QUIPU_OK;
    if (code == QUIPU_E_NO_MEMORY || code == QUIPU_E_CANCELLED)
        return fail(v->told.error, code, NULL, "%s", why.message);
    snprintf(message, sizeof message, "they were not compared with the texts: %.140s", why.message);
    if (code != QUIPU_OK)
        return verify_tell(v, QUIPU_FINDING_WARNING, "vectors", NULL, message, 0);
    snprintf(message, sizeof message, "%llu of %llu vectors are not what the embedder says of their texts",
             (unsigned long long)wrong, (unsigned long long)compared);
    return wrong ? tell_fault(v, folder, message) : QUIPU_OK;
}

/* By the embedder, if there is one; what it does not make now, the next search asks it for. */
static int32_t make_anew(const verification *v)
{
    view *present;
    quipu_error why = { .struct_size = sizeof why };
    view_forget(v->self); /* its vectors are those that were set aside */
    int32_t code = view_take(v->self, (quipu_str){ 0 }, &present, NULL, &why);
    if (code != QUIPU_OK)
        return code == QUIPU_E_CORRUPT ? QUIPU_OK : fail(v->told.error, code, NULL, "%s", why.message);
    code = record_index_embed(view_index(present), NULL, NULL, v->call, &why);
    view_give(present);
    if (code == QUIPU_E_NO_MEMORY || code == QUIPU_E_CANCELLED || code == QUIPU_E_TIMEOUT)
        return fail(v->told.error, code, NULL, "%s", why.message);
    return QUIPU_OK;
}

int32_t verify_vectors(verification *v)
{
    uint64_t rows = 0;
    int32_t code = check_folders(v, &rows);
    if (code == QUIPU_OK && v->vectors_gone)
        code = make_anew(v);
    bool before = v->vectors_gone;
    if (code == QUIPU_OK)
        code = check_texts(v);
    if (code == QUIPU_OK && v->vectors_gone && !before)
        code = make_anew(v);
    return code == QUIPU_OK ? verify_tell(v, QUIPU_FINDING_CHECKED, "vectors", NULL, NULL, rows) : code;
}
