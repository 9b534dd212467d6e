/* store.c - see store.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "store.h"

#include <base/fail.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <sdk/json.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTINGS_MAX (1u << 20)

/* ---- where ---- */

static bool append_variable(buffer *out, const char *name, const char *rest)
{
    const char *value = getenv(name);
    if (!value || !*value)
        return false;
    buffer_append_text(out, value);
    buffer_append_text(out, rest);
    return true;
}

static int32_t append_default(buffer *out, quipu_error *error)
{
    if (append_variable(out, "QUIPU_STORE", ""))
        return QUIPU_OK;
    const char *data =
        getenv("XDG_DATA_HOME"); /* a relative one is to be ignored, says the XDG base directory standard */
    if (data && data[0] == '/' && append_variable(out, "XDG_DATA_HOME", "/quipu"))
        return QUIPU_OK;
    if (append_variable(out, "HOME", "/.local/share/quipu"))
        return QUIPU_OK;
    struct passwd entry, *found = NULL;
    char text[4096];
    if (getpwuid_r(getuid(), &entry, text, sizeof text, &found) != 0 || !found || !found->pw_dir)
        return fail(error, QUIPU_E_INVALID, "store",
                    "no store was named, and there is no home folder: set QUIPU_STORE");
    buffer_append_text(out, found->pw_dir);
    buffer_append_text(out, "/.local/share/quipu");
    return QUIPU_OK;
}

/* mkdir -p for everything above the last part of the path. */
static int32_t make_parents(char *path, quipu_error *error)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int made = mkdir(path, 0700);
        int why = errno;
        struct stat s;
        if (made != 0 && stat(path, &s) != 0) {
            int32_t code = fail_errno(error, why, "cannot make the folder %s", path);
            *slash = '/';
            return code;
        }
        *slash = '/';
    }
    return QUIPU_OK;
}

/* The path without links and dots: of the folder, or of the folder above and its name. */
static int32_t resolve(char *path, char **out, quipu_error *error)
{
    char *real = realpath(path, NULL);
    char *slash = strrchr(path, '/');
    if (!real && errno == ENOENT && slash && slash[1]) {
        *slash = '\0';
        char *parent = realpath(*path ? path : "/", NULL);
        *slash = '/';
        if (parent) {
            buffer b = { 0 };
            buffer_append_text(&b, strcmp(parent, "/") == 0 ? "" : parent);
            buffer_append_text(&b, slash);
            free(parent);
            real = b.bytes;
            if (b.failed) {
                buffer_free(&b);
                return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
            }
        }
    }
    if (!real)
        return fail_errno(error, errno, "the store %s cannot be reached", path);
    *out = real;
    return QUIPU_OK;
}

static int32_t make_absolute(quipu_str given, buffer *path, quipu_error *error)
{
    char folder[PATH_MAX];
    if (given.ptr[0] != '/') {
        if (!getcwd(folder, sizeof folder))
            return fail_errno(error, errno, "the current folder cannot be found");
        buffer_append_text(path, folder);
        buffer_append_char(path, '/');
    }
    buffer_append_str(path, given);
    while (path->len > 1 && path->bytes[path->len - 1] == '/')
        path->bytes[--path->len] = '\0';
    return path->failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted") : QUIPU_OK;
}

int32_t store_locate(quipu_str given, bool make, char **out, quipu_error *error)
{
    buffer standard = { 0 }, path = { 0 };
    int32_t code = QUIPU_OK;
    *out = NULL;
    if (!str_present(given)) {
        code = append_default(&standard, error);
        if (code == QUIPU_OK && standard.failed)
            code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
        given = str_make(standard.bytes, standard.len);
    }
    if (code == QUIPU_OK && given.len == 0)
        code = fail(error, QUIPU_E_INVALID, "store", "the store's path is empty");
    else if (code == QUIPU_OK && memchr(given.ptr, '\0', (size_t)given.len))
        code = fail(error, QUIPU_E_INVALID, "store", "the store's path has a NUL byte in it");
    else if (code == QUIPU_OK && utf8_first_bad(given.ptr, (size_t)given.len) >= 0)
        code = fail(error, QUIPU_E_INVALID, "store", "the store's path is not UTF-8");
    else if (code == QUIPU_OK && given.len >= PATH_MAX)
        code = fail(error, QUIPU_E_INVALID, "store", "the store's path has %llu bytes, at most %d are possible",
                    (unsigned long long)given.len, PATH_MAX - 1);
    if (code == QUIPU_OK)
        code = make_absolute(given, &path, error);
    if (code == QUIPU_OK && make)
        code = make_parents(path.bytes, error);
    if (code == QUIPU_OK)
        code = resolve(path.bytes, out, error);
    buffer_free(&standard);
    buffer_free(&path);
    return code;
}

bool store_is_empty(const char *store)
{
    DIR *dir = opendir(store);
    bool empty = true;
    if (!dir)
        return errno == ENOENT;
    for (struct dirent *entry; empty && (entry = readdir(dir));)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(dir);
    return empty;
}

/* ---- the settings ---- */

void store_settings_free(store_settings *s)
{
    free(s->backend);
    free(s->backend_config);
    free(s->embedder);
    free(s->embedder_config);
    free(s->moved_to);
    free(s->filling_from);
    *s = (store_settings){ 0 };
}

bool store_settings_copy(const store_settings *from, store_settings *out)
{
    char *const *texts[] = { &from->backend,         &from->backend_config, &from->embedder,
                             &from->embedder_config, &from->moved_to,       &from->filling_from };
    char **places[] = { &out->backend,         &out->backend_config, &out->embedder,
                        &out->embedder_config, &out->moved_to,       &out->filling_from };
    bool whole = true;
    *out = (store_settings){ 0 };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *places[i] = *texts[i] ? str_dup(str_of(*texts[i])) : NULL;
        whole = whole && !*texts[i] == !*places[i];
    }
    return whole;
}

static int32_t settings_path(const char *store, buffer *out, quipu_error *error)
{
    buffer_printf(out, "%s/%s", store, STORE_SETTINGS_NAME);
    return out->failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted") : QUIPU_OK;
}

int32_t store_settings_take(const cJSON *member, store_settings *out, const char *path, quipu_error *error)
{
    struct {
        const char *name;
        char **text;
        bool object;
    } rows[] = { { "backend", &out->backend, false },   { "backend_config", &out->backend_config, true },
                 { "embedder", &out->embedder, false }, { "embedder_config", &out->embedder_config, true },
                 { "moved_to", &out->moved_to, false }, { "filling_from", &out->filling_from, false } };
    int64_t format;
    if (strcmp(member->string, "format") == 0) {
        if (json_is_int(member, &format) && format == STORE_FORMAT)
            return QUIPU_OK;
        return fail(error, QUIPU_E_FORMAT, "format", "%s has another format than %d: made by a newer Quipu?", path,
                    STORE_FORMAT);
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(member->string, rows[i].name) != 0)
            continue;
        if (rows[i].object ? !cJSON_IsObject(member) : !cJSON_IsString(member))
            return fail(error, QUIPU_E_FORMAT, rows[i].name, "%s: %s must be %s", path, rows[i].name,
                        rows[i].object ? "an object" : "a string");
        buffer b = { 0 };
        if (rows[i].object)
            json_print_compact(member, &b);
        else
            buffer_append_text(&b, member->valuestring);
        *rows[i].text = b.bytes;
        if (b.failed) {
            *rows[i].text = NULL;
            buffer_free(&b);
            return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
        }
        return QUIPU_OK;
    }
    return fail(error, QUIPU_E_FORMAT, member->string, "%s: \"%s\" is not a setting that this version knows", path,
                member->string);
}

int32_t store_settings_read(const char *store, store_settings *out, bool *found, quipu_error *error)
{
    buffer path = { 0 }, text = { 0 };
    cJSON *tree = NULL;
    quipu_error why = { .struct_size = sizeof why };
    *out = (store_settings){ 0 };
    *found = false;
    int32_t code = settings_path(store, &path, error);
    if (code == QUIPU_OK && access(path.bytes, F_OK) == 0) {
        *found = true;
        code = os_read_file(path.bytes, SETTINGS_MAX, &text, error);
        if (code == QUIPU_OK && json_parse(str_make(text.bytes ? text.bytes : "", text.len), &tree, &why) != QUIPU_OK)
            code = fail(error, QUIPU_E_FORMAT, why.field, "%s cannot be read: %s; run `quipu verify --repair`",
                        path.bytes, why.message);
        if (code == QUIPU_OK && !cJSON_IsObject(tree))
            code =
                fail(error, QUIPU_E_FORMAT, NULL, "%s is not a JSON object; run `quipu verify --repair`", path.bytes);
        const cJSON *member = code == QUIPU_OK ? tree->child : NULL;
        for (; code == QUIPU_OK && member; member = member->next)
            code = store_settings_take(member, out, path.bytes, error);
    }
    if (code != QUIPU_OK)
        store_settings_free(out);
    cJSON_Delete(tree);
    buffer_free(&text);
    buffer_free(&path);
    return code;
}

static void append_member(buffer *b, const char *name, const char *text, bool object)
{
    if (!text)
        return;
    buffer_printf(b, ",\n  \"%s\": ", name);
    if (object)
        buffer_append_text(b, text);
    else
        json_print_string(str_of(text), b);
}

int32_t store_settings_write(const char *store, const store_settings *s, quipu_error *error)
{
    struct stat folder;
    buffer path = { 0 }, text = { 0 };
    if (stat(store, &folder) != 0 || !S_ISDIR(folder.st_mode))
        return QUIPU_OK; /* a backend that needs no folder */
    int32_t code = settings_path(store, &path, error);
    buffer_printf(&text, "{\n  \"format\": %d", STORE_FORMAT);
    append_member(&text, "backend", s->backend, false);
    append_member(&text, "backend_config", s->backend_config, true);
    append_member(&text, "embedder", s->embedder, false);
    append_member(&text, "embedder_config", s->embedder_config, true);
    append_member(&text, "moved_to", s->moved_to, false);
    append_member(&text, "filling_from", s->filling_from, false);
    buffer_append_text(&text, "\n}\n");
    if (code == QUIPU_OK && text.failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK)
        code = os_replace_file(path.bytes, text.bytes, text.len, true, error);
    buffer_free(&text);
    buffer_free(&path);
    return code;
}
