/*
 * refs_delete.c - removing a ref (refs.h) under git's own locks: NAME.lock, and packed-refs.lock where it stands there.
 *
 * A lock file is made whole, by giving a file that is already written its second name. So one that a killed process left can be told
 * from git's by what it says, and since the caller holds the store's lock, nobody of ours is using it.
 */
#include "refs.h"

#include "os.h"

#include <base/buffer.h>
#include <base/fail.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_TRIES = 200, LOCK_PAUSE_MS = 10, PACKED_MAX = 64 << 20 };

static const char lock_text[] = "quipu removes a ref\n";

static int32_t path_of(const char *repository, const char *before, const char *name, const char *after, buffer *out,
                       quipu_error *error)
{
    buffer_printf(out, "%s/%s%s%s", repository, before, name, after);
    return out->failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to remove a ref") : QUIPU_OK;
}

static bool is_ours(const char *lock)
{
    buffer text = { 0 };
    bool ours = os_read_file(lock, sizeof lock_text, &text, NULL) == QUIPU_OK && text.len == sizeof lock_text - 1 &&
                memcmp(text.bytes, lock_text, text.len) == 0;
    buffer_free(&text);
    return ours;
}

static int32_t take_lock(const char *repository, const char *lock, quipu_error *error)
{
    buffer own = { 0 };
    char unique[64];
    snprintf(unique, sizeof unique, "%ld", (long)getpid());
    int32_t code = path_of(repository, "quipu/ref-lock-", unique, "", &own, error);
    if (code != QUIPU_OK)
        return code;
    os->unlink(own.bytes);
    int made = os_write_new(own.bytes, lock_text, sizeof lock_text - 1, false);
    int saved = errno;
    for (int i = 0; made == 0 && i < LOCK_TRIES; i++) {
        struct timespec pause = { 0, LOCK_PAUSE_MS * 1000000L };
        made = os->link(own.bytes, lock);
        saved = errno;
        bool missing = made != 0 && saved == ENOENT && i == 0; /* a ref that stands in packed-refs alone */
        if (made == 0 || (saved != EEXIST && !missing))
            break;
        made = 0;
        if (missing)
            ref_make_folders(lock);
        else if (is_ours(lock))
            os->unlink(lock);
        else
            nanosleep(&pause, NULL);
    }
    os->unlink(own.bytes);
    buffer_free(&own);
    if (made == 0 && is_ours(lock))
        return QUIPU_OK;
    if (made == 0)
        return fail(error, QUIPU_E_BUSY, NULL,
                    "another program holds %s; try again, or remove that file if no git command is running", lock);
    return fail_errno(error, saved, "cannot lock the ref with %s", lock);
}

/* Copies all lines but that of the ref, and the line of a tag's target ("^...") after it. */
static bool without(const buffer *packed, const char *name, buffer *out)
{
    size_t name_len = strlen(name);
    bool found = false, skipping = false;
    for (const char *line = packed->bytes, *end = line ? line + packed->len : NULL; line && line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t len = stop ? (size_t)(stop - line) : (size_t)(end - line);
        skipping = (skipping && *line == '^') || (len == OBJECT_ID_HEX + 1 + name_len && line[OBJECT_ID_HEX] == ' ' &&
                                                  memcmp(line + OBJECT_ID_HEX + 1, name, name_len) == 0);
        found = found || skipping;
        if (!skipping)
            buffer_append(out, line, len + (stop ? 1 : 0));
        line = stop ? stop + 1 : NULL;
    }
    return found;
}

static int32_t remove_packed(const char *repository, const char *name, bool durable, quipu_error *error)
{
    buffer path = { 0 }, lock = { 0 }, text = { 0 }, rest = { 0 };
    int32_t code = path_of(repository, "", "packed-refs", "", &path, error);
    if (code == QUIPU_OK)
        code = path_of(repository, "", "packed-refs", ".lock", &lock, error);
    if (code == QUIPU_OK && access(path.bytes, F_OK) == 0) {
        code = take_lock(repository, lock.bytes, error);
        bool locked = code == QUIPU_OK;
        if (code == QUIPU_OK)
            code = os_read_file(path.bytes, PACKED_MAX, &text, error);
        if (code == QUIPU_OK && without(&text, name, &rest))
            code = rest.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to remove a ref")
                               : os_replace_file(path.bytes, rest.bytes ? rest.bytes : "", rest.len, durable, error);
        if (locked)
            os->unlink(lock.bytes);
    }
    buffer_free(&path);
    buffer_free(&lock);
    buffer_free(&text);
    buffer_free(&rest);
    return code;
}

static int32_t remove_files(const char *repository, const char *name, quipu_error *error)
{
    buffer path = { 0 };
    int32_t code = path_of(repository, "", name, "", &path, error);
    if (code == QUIPU_OK && os->unlink(path.bytes) < 0 && errno != ENOENT)
        code = fail_errno(error, errno, "cannot remove %s", path.bytes);
    buffer_clear(&path);
    if (code == QUIPU_OK && path_of(repository, "logs/", name, "", &path, NULL) == QUIPU_OK)
        os->unlink(path.bytes); /* mostly there is none */
    buffer_free(&path);
    return code;
}

int32_t ref_delete(const char *repository, const char *name, const object_id *expected, bool durable,
                   ref_outcome *outcome, quipu_error *error)
{
    buffer lock = { 0 };
    object_id now;
    *outcome = REF_UNTOUCHED;
    int32_t code = path_of(repository, "", name, ".lock", &lock, error);
    if (code == QUIPU_OK)
        code = take_lock(repository, lock.bytes, error);
    if (code == QUIPU_OK) {
        code = ref_read(repository, name, &now, error);
        if (code == QUIPU_OK && !object_id_equal(&now, expected))
            *outcome = REF_LOST;
        if (code == QUIPU_OK && *outcome != REF_LOST)
            code = remove_packed(repository, name, durable, error);
        if (code == QUIPU_OK && *outcome != REF_LOST)
            code = remove_files(repository, name, error);
        if (code == QUIPU_OK && *outcome != REF_LOST)
            *outcome = REF_MOVED;
        os->unlink(lock.bytes);
    }
    buffer_free(&lock);
    return code;
}
