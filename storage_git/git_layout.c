/* git_layout.c - see git_layout.h, and gitrepository-layout(5). */
#include "git_layout.h"

#include "os.h"

#include <base/buffer.h>
#include <base/fail.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* What stock git needs to leave a store sound: no loose objects from small pushes, no packing behind our back, no lost
 * commits by force, everything synced. */
static const char config[] = "[core]\n"
                             "\trepositoryformatversion = 0\n"
                             "\tfilemode = true\n"
                             "\tbare = true\n"
                             "\tfsync = all\n"
                             "\tlogAllRefUpdates = true\n"
                             "[receive]\n"
                             "\tdenyNonFastForwards = true\n"
                             "\tdenyDeletes = true\n"
                             "\tunpackLimit = 1\n"
                             "\tautogc = false\n"
                             "[transfer]\n"
                             "\tunpackLimit = 1\n"
                             "[gc]\n"
                             "\tauto = 0\n"
                             "\tautoPackLimit = 0\n"
                             "[quipu]\n"
                             "\tstore = true\n";

static const char *const folders[] = { "objects",    "objects/info", "objects/pack", "refs",
                                       "refs/heads", "refs/tags",    "info" };

const char *const git_layout_needed[] = { "objects", "objects/pack", "refs", "refs/heads", NULL };

/* Where those are made; the last is the folder that the repository itself is in. */
static const char *const synced[] = { "objects", "refs", "", ".." };

static int32_t path_in(const char *path, const char *name, buffer *out, quipu_error *error)
{
    buffer_clear(out);
    buffer_printf(out, "%s/%s", path, name);
    return out->failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store") : QUIPU_OK;
}

static bool exists(const char *path, const char *name, bool folder)
{
    buffer full = { 0 };
    struct stat st;
    bool there = path_in(path, name, &full, NULL) == QUIPU_OK && stat(full.bytes, &st) == 0 &&
                 (folder ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode));
    buffer_free(&full);
    return there;
}

static bool is_begun_file(const char *name)
{
    return strncmp(name, "config.tmp-", 11) == 0 || strncmp(name, "HEAD.tmp-", 9) == 0;
}

/* Names that git_layout_make and its callers make before HEAD. */
static bool is_beginning(const char *name)
{
    static const char *const names[] = { ".", "..", "objects", "refs", "info", "config", "quipu" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return is_begun_file(name);
}

int32_t git_layout_inspect(const char *path, git_layout_state *out, quipu_error *error)
{
    struct dirent *entry;
    bool ours = true;
    DIR *dir = opendir(path);
    if (!dir && errno == ENOENT) {
        *out = GIT_LAYOUT_MISSING;
        return QUIPU_OK;
    }
    if (!dir)
        return fail_errno(error, errno, "cannot read the folder %s", path);
    while ((entry = readdir(dir)) != NULL)
        ours = ours && is_beginning(entry->d_name);
    closedir(dir);
    if (ours) {
        *out = GIT_LAYOUT_EMPTY;
        return QUIPU_OK;
    }
    if (exists(path, "HEAD", false) && exists(path, "objects", true) && exists(path, "refs", true)) {
        *out = GIT_LAYOUT_REPOSITORY;
        return QUIPU_OK;
    }
    if (exists(path, "objects", true) && exists(path, "config", false))
        return fail(error, QUIPU_E_CORRUPT, "store", "%s is a repository without %s; run `quipu verify --repair`", path,
                    exists(path, "HEAD", false) ? "its folder refs" : "HEAD");
    if (exists(path, ".git", true) || exists(path, ".git", false))
        return fail(error, QUIPU_E_FORMAT, "store",
                    "%s is a git work tree, not a Quipu store; choose another folder, or the bare store it came from",
                    path);
    return fail(error, QUIPU_E_FORMAT, "store", "%s holds other files and is not a Quipu store; choose another folder",
                path);
}

bool git_layout_has_objects(const char *path)
{
    return exists(path, "objects", true);
}

static int32_t write_missing(const char *path, const char *name, const char *text, quipu_error *error)
{
    buffer full = { 0 };
    int32_t code = path_in(path, name, &full, error);
    if (code == QUIPU_OK && !exists(path, name, false))
        code = os_replace_file(full.bytes, text, strlen(text), true, error);
    buffer_free(&full);
    return code;
}

int32_t git_layout_write_config(const char *path, quipu_error *error)
{
    buffer full = { 0 };
    int32_t code = path_in(path, "config", &full, error);
    if (code == QUIPU_OK)
        code = os_replace_file(full.bytes, config, strlen(config), true, error);
    buffer_free(&full);
    return code;
}

/* Takes away files that a killed process had begun with. */
static void clear_begun(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    buffer full = { 0 };
    while (dir && (entry = readdir(dir)) != NULL)
        if (is_begun_file(entry->d_name) && path_in(path, entry->d_name, &full, NULL) == QUIPU_OK)
            os->unlink(full.bytes);
    if (dir)
        closedir(dir);
    buffer_free(&full);
}

/* HEAD is written last, when everything before it is safe: where it is there, the repository is whole. */
int32_t git_layout_make(const char *path, quipu_error *error)
{
    buffer full = { 0 };
    int32_t code = QUIPU_OK;
    clear_begun(path);
    if (exists(path, "HEAD", false))
        return QUIPU_OK;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0] && code == QUIPU_OK; i++) {
        code = path_in(path, folders[i], &full, error);
        if (code == QUIPU_OK)
            code = os_make_folder(full.bytes, error);
    }
    for (size_t i = 0; i < sizeof synced / sizeof synced[0] && code == QUIPU_OK; i++) {
        code = path_in(path, synced[i], &full, error);
        if (code == QUIPU_OK && os_sync_folder(full.bytes) < 0 && errno != EACCES) /* not every parent may be read */
            code = fail_errno(error, errno, "cannot sync the folder %s", full.bytes);
    }
    buffer_free(&full);
    if (code == QUIPU_OK)
        code = write_missing(path, "config", config, error);
    if (code == QUIPU_OK)
        code = write_missing(path, "HEAD", "ref: refs/heads/main\n", error);
    return code;
}

int32_t git_layout_branch(const char *path, char **out, quipu_error *error)
{
    static const char prefix[] = "ref: refs/heads/";
    buffer full = { 0 }, text = { 0 };
    int32_t code = path_in(path, "HEAD", &full, error);
    if (code == QUIPU_OK)
        code = os_read_file(full.bytes, 4096, &text, error);
    while (code == QUIPU_OK && text.len > 0 && strchr(" \r\n", text.bytes[text.len - 1]))
        text.bytes[--text.len] = '\0';
    if (code == QUIPU_OK && (text.len < sizeof prefix || strncmp(text.bytes, prefix, sizeof prefix - 1) != 0))
        code = fail(error, QUIPU_E_FORMAT, "store", "%s names no branch; run `quipu verify --repair`", full.bytes);
    if (code == QUIPU_OK) {
        *out = str_dup(str_of(text.bytes + 5));
        if (!*out)
            code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    }
    buffer_free(&full);
    buffer_free(&text);
    return code;
}

/* Whether any branch has a commit, or may have had one. */
static bool has_branches(const char *path)
{
    buffer full = { 0 };
    struct dirent *entry;
    bool any = exists(path, "packed-refs", false);
    DIR *dir = path_in(path, "refs/heads", &full, NULL) == QUIPU_OK ? opendir(full.bytes) : NULL;
    while (dir && (entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name);
        any = any || (entry->d_name[0] != '.' && (len < 5 || strcmp(entry->d_name + len - 5, ".lock") != 0));
    }
    if (dir)
        closedir(dir);
    buffer_free(&full);
    return any;
}

bool git_layout_was_made_by_us(const char *path)
{
    buffer full = { 0 }, text = { 0 };
    bool ours = path_in(path, "config", &full, NULL) == QUIPU_OK &&
                os_read_file(full.bytes, 1 << 20, &text, NULL) == QUIPU_OK && text.bytes &&
                strstr(text.bytes, "[quipu]") != NULL;
    buffer_free(&full);
    buffer_free(&text);
    return ours;
}

int32_t git_layout_is_ours(const char *path, bool *out, quipu_error *error)
{
    buffer full = { 0 }, text = { 0 };
    *out = false;
    int32_t code = path_in(path, "config", &full, error);
    if (code == QUIPU_OK)
        code = os_read_file(full.bytes, 1 << 20, &text, error);
    if (code == QUIPU_OK)
        *out = text.bytes && strstr(text.bytes, "[quipu]") != NULL && !has_branches(path);
    buffer_free(&full);
    buffer_free(&text);
    return code;
}
