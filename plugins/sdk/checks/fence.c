/* fence.c - see fence.h. */
#include <sdk/fence.h>

#include <base/fail.h>
#include <errno.h>
#include <sdk/abi_check.h>
#include <sdk/change.h>
#include <storage_git/os.h>
#include <unistd.h>

static int32_t path_of(const char *folder, buffer *out, quipu_error *error)
{
    buffer_printf(out, "%s/" FENCE_FILE, folder);
    return out->failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to look for the fence") : QUIPU_OK;
}

int32_t fence_read(const char *folder, buffer *out, quipu_error *error)
{
    buffer path = { 0 };
    int32_t code = path_of(folder, &path, error);
    if (code == QUIPU_OK && access(path.bytes, F_OK) == 0)
        code = os_read_file(path.bytes, QUIPU_PLACE_MAX, out, error);
    else if (code == QUIPU_OK && errno != ENOENT)
        code = fail_errno(error, errno, "cannot look for %s", path.bytes);
    buffer_free(&path);
    if (code == QUIPU_E_NOT_FOUND) /* taken away in between */
        code = QUIPU_OK;
    while (out->len > 0 && out->bytes[out->len - 1] == '\n')
        out->bytes[--out->len] = '\0';
    return code;
}

int32_t fence_check(const char *folder, quipu_error *error)
{
    buffer place = { 0 };
    int32_t code = fence_read(folder, &place, error);
    if (code == QUIPU_OK && place.len > 0)
        code = fail(error, QUIPU_E_MOVED, "store", "the store has moved to %s: open that one", place.bytes);
    buffer_free(&place);
    return code;
}

int32_t fence_show(const char *folder, quipu_sink_fn sink, void *context, quipu_error *error)
{
    buffer place = { 0 };
    int32_t code = fence_read(folder, &place, error);
    if (code == QUIPU_OK && place.len > 0) {
        code = sink(context, place.bytes, place.len);
        if (code > 0)
            code = fail(error, QUIPU_E_INTERNAL, "sink", "the sink answered %d, which is no code", code);
        else if (code < 0)
            code = fail(error, code, NULL, "%s", error_text(code));
    }
    buffer_free(&place);
    return code;
}

int32_t fence_check_place(const quipu_str *place, uint32_t flags, quipu_error *error)
{
    if (!place || !place->ptr || place->len == 0 || place->len > QUIPU_PLACE_MAX)
        return fail(error, QUIPU_E_INVALID, "place", "a place has 1 to %d bytes", QUIPU_PLACE_MAX);
    if (flags & QUIPU_OPEN_READ_ONLY)
        return fail(error, QUIPU_E_READ_ONLY, NULL, "the store was opened for reading only");
    return abi_check_text(*place, true, "place", error);
}

int32_t fence_check_set(const quipu_str *position, const quipu_change_set *as, quipu_error *error)
{
    if (!position || !position->ptr)
        return fail(error, QUIPU_E_INVALID, "position", "the position is missing");
    int32_t code = change_set_check(as, error);
    if (code == QUIPU_OK && as->changes.count)
        code = fail(error, QUIPU_E_INVALID, "changes", "the set must be empty: a fence changes no record");
    return code;
}

int32_t fence_set(const char *folder, quipu_str place, quipu_error *error)
{
    buffer path = { 0 };
    int32_t code = path_of(folder, &path, error);
    if (code == QUIPU_OK)
        code = os_replace_file(path.bytes, place.ptr, (size_t)place.len, true, error);
    buffer_free(&path);
    return code;
}

void fence_drop(const char *folder)
{
    buffer path = { 0 };
    if (path_of(folder, &path, NULL) == QUIPU_OK)
        os->unlink(path.bytes);
    buffer_free(&path);
}

int32_t fence_take(const char *folder, quipu_str place, uint32_t scope, quipu_error *error)
{
    buffer stands = { 0 }, path = { 0 };
    int32_t code = fence_read(folder, &stands, error);
    bool there = stands.len > 0;
    if (code == QUIPU_OK && there && !str_same(place, str_make(stands.bytes, stands.len)))
        code = fail(error, QUIPU_E_CONFLICT, "place", "the store has moved to %s", stands.bytes);
    if (code == QUIPU_OK)
        code = path_of(folder, &path, error);
    if (code == QUIPU_OK && there && scope == QUIPU_UNFENCE_ALL) {
        if (os->unlink(path.bytes) != 0 && errno != ENOENT)
            code = fail_errno(error, errno, "cannot remove %s", path.bytes);
        else if (os_sync_folder(folder) != 0)
            code = fail_errno(error, errno, "cannot sync %s", folder);
    }
    buffer_free(&stands);
    buffer_free(&path);
    return code;
}
