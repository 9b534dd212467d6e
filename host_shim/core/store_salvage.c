/* store_salvage.c - part of store.h: a damaged quipu-store.json. What can still be read of it counts, line by line. */
#include "store.h"

#include <base/fail.h>
#include <errno.h>
#include <sdk/json.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <time.h>
#include <unistd.h>

#define SETTINGS_MAX (1u << 20)

static bool is_in(const char *store, const char *name)
{
    buffer path = { 0 };
    buffer_printf(&path, "%s/%s", store, name);
    bool is = !path.failed && access(path.bytes, F_OK) == 0;
    buffer_free(&path);
    return is;
}

/* By what lies in the folder; NULL: nothing tells. */
static const char *backend_of(const char *store)
{
    if (is_in(store, "objects/pack") && is_in(store, "refs"))
        return "git";
    return is_in(store, "quipu.db") ? "sqlite" : NULL;
}

/* One line of the file as we write it: `  "name": value,`. False where it is none. */
static bool take_line(const char *line, size_t len, store_settings *out, int32_t *newer)
{
    buffer object = { 0 };
    cJSON *tree = NULL;
    quipu_error why = { .struct_size = sizeof why };
    while (len > 0 && strchr(", \r", line[len - 1]))
        len--;
    buffer_append_char(&object, '{');
    buffer_append(&object, line, len);
    buffer_append_char(&object, '}');
    int32_t code = object.failed ? QUIPU_E_NO_MEMORY : json_parse(str_make(object.bytes, object.len), &tree, NULL);
    bool good = code == QUIPU_OK && tree->child && !tree->child->next;
    if (good && (code = store_settings_take(tree->child, out, "", &why)) != QUIPU_OK) {
        good = false;
        if (strcmp(tree->child->string, "format") == 0)
            *newer = code;
    }
    cJSON_Delete(tree);
    buffer_free(&object);
    return good;
}

static bool is_frame(const char *line, size_t len)
{
    return len == 0 || (len == 1 && (*line == '{' || *line == '}'));
}

int32_t store_settings_salvage(const char *store, bool any_format, store_settings *out, unsigned *lost,
                               quipu_error *error)
{
    buffer path = { 0 }, text = { 0 };
    int32_t newer = QUIPU_OK;
    *out = (store_settings){ 0 };
    *lost = 0;
    buffer_printf(&path, "%s/%s", store, STORE_SETTINGS_NAME);
    int32_t code = path.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted") : QUIPU_OK;
    if (code == QUIPU_OK && os_read_file(path.bytes, SETTINGS_MAX, &text, NULL) != QUIPU_OK)
        ++*lost; /* nothing of it can be read */
    const char *line = text.bytes, *end = text.bytes ? text.bytes + text.len : NULL;
    while (code == QUIPU_OK && line && line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t len = (size_t)((newline ? newline : end) - line);
        if (!is_frame(line, len) && !take_line(line, len, out, &newer))
            ++*lost;
        line += len + 1;
    }
    if (code == QUIPU_OK && newer != QUIPU_OK && !any_format)
        code =
            fail(error, newer, "format",
                 "%s has another format: made by a newer Quipu? If not, name the backend with --backend", path.bytes);
    const char *backend = out->backend ? NULL : backend_of(store);
    if (code == QUIPU_OK && backend && !(out->backend = str_dup(str_of(backend))))
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code != QUIPU_OK)
        store_settings_free(out);
    buffer_free(&text);
    buffer_free(&path);
    return code;
}

/* A folder of its own below quipu/aside, as a backend's repair makes them (storage_git/aside.h). */
static int32_t make_aside(const char *store, buffer *folder, quipu_error *error)
{
    static const char *const parts[] = { "/quipu", "/aside", "/" };
    char name[32];
    struct tm now;
    time_t seconds = time(NULL);
    int32_t code = QUIPU_OK;
    gmtime_r(&seconds, &now);
    strftime(name, sizeof name, "%Y%m%dT%H%M%SZ-settings", &now);
    buffer_append_text(folder, store);
    for (size_t i = 0; i < 3 && code == QUIPU_OK; i++) {
        buffer_append_text(folder, parts[i]);
        if (i == 2)
            buffer_append_text(folder, name);
        code = folder->failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted")
                              : os_make_folder(folder->bytes, error);
    }
    return code;
}

int32_t store_settings_set_aside(const char *store, quipu_error *error)
{
    buffer from = { 0 }, to = { 0 };
    buffer_printf(&from, "%s/%s", store, STORE_SETTINGS_NAME);
    int32_t code = make_aside(store, &to, error);
    if (code == QUIPU_OK && os_sync_folder(to.bytes) < 0)
        code = fail_errno(error, errno, "cannot sync %s", to.bytes);
    buffer_printf(&to, "/%s", STORE_SETTINGS_NAME);
    if (code == QUIPU_OK && (from.failed || to.failed))
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    /* its own name is taken by the new one: until then a crash changes nothing */
    if (code == QUIPU_OK && os->link(from.bytes, to.bytes) < 0 && errno != EEXIST && errno != ENOENT &&
        os->rename(from.bytes, to.bytes) < 0)
        code = fail_errno(error, errno, "cannot set %s aside", from.bytes);
    buffer_free(&from);
    buffer_free(&to);
    return code;
}
