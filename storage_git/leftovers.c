/* leftovers.c - what processes that are no more have left, and what git derives from the objects and can make anew (repair_inner.h). */
#include "os.h"
#include "repair_inner.h"

#include <base/fail.h>
#include <base/hash.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    LIVES_AT_MOST = 300, /* seconds that a file of stock git's may be under way; it renews none of them */
    DEPTH_MAX = 20,
    SUM_LEN = 20,
    KEEP_MAX = 4096,
};

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool ends(const char *text, const char *with)
{
    size_t len = strlen(text), with_len = strlen(with);
    return len >= with_len && strcmp(text + len - with_len, with) == 0;
}

typedef enum sort { NOT_LEFT, LEFT_BY_US, LEFT_BY_ANYBODY } sort;

static bool keep_is_ours(const char *path)
{
    buffer text = { 0 };
    bool ours = os_read_file(path, KEEP_MAX, &text, NULL) == QUIPU_OK && (text.len == 0 || begins(text.bytes, "quipu"));
    buffer_free(&text);
    return ours;
}

/* Among the packs our own are dead in a repair: the store's lock is held. */
static sort sort_of(const char *inner, const char *path, const char *name)
{
    bool packs = begins(inner, "objects/pack/");
    if (packs && (begins(name, "quipu_tmp_") || strstr(name, ".tmp-")))
        return LEFT_BY_US;
    if (packs && ends(name, ".keep"))
        return keep_is_ours(path) ? LEFT_BY_US : NOT_LEFT;
    if (begins(name, "tmp_") || strstr(name, ".tmp-") || strcmp(inner, "quipu/repair.pack") == 0)
        return LEFT_BY_ANYBODY;
    return ends(name, ".lock") && !begins(inner, "quipu/") ? LEFT_BY_ANYBODY : NOT_LEFT;
}

static int32_t judge(repair *r, const char *inner, const char *path, sort s, int64_t age)
{
    if (s == LEFT_BY_US && !r->aside && age < LIVES_AT_MOST)
        return QUIPU_OK; /* a writer is at it */
    if (s == LEFT_BY_ANYBODY && age < LIVES_AT_MOST)
        return !ends(inner, ".lock")
                   ? QUIPU_OK
                   : repair_tell(
                         r, REPAIR_WARNING, "refs", inner,
                         "it looks like the file of a git command that is running; if there is none, repair in %d "
                         "minutes",
                         LIVES_AT_MOST / 60);
    int32_t code = r->aside ? aside_move(r->aside, path, "left over by a process that is no more", r->error) : QUIPU_OK;
    if (code != QUIPU_OK)
        return code;
    return repair_tell(r, r->aside ? REPAIR_DONE : REPAIR_WARNING, ends(inner, ".lock") ? "refs" : "objects", inner,
                       "left over by a process that is no more%s", r->aside ? "; it was set aside" : "");
}

/* Stock git would wait for a pipe. */
bool repair_is_strange(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

int32_t repair_tell_strange(repair *r, const char *inner, const char *path)
{
    int32_t code = r->aside ? aside_move(r->aside, path, "neither file nor folder", r->error) : QUIPU_OK;
    if (code == QUIPU_OK)
        code = repair_tell(r, repair_severity(r), begins(inner, "objects") ? "objects" : "refs", inner,
                           "it is neither file nor folder, but a pipe, a socket or a device%s",
                           r->aside ? "; it was set aside" : "");
    return code;
}

/* Seconds since the name was made: a second name of an older file, as a keep of ours is, has the time at which it got it. */
static int64_t age_of(const struct stat *st)
{
    return os->now() - (int64_t)(st->st_nlink > 1 ? st->st_ctime : st->st_mtime);
}

/* inner: of a folder of the store, "" for itself; is left as it was. deep: with the folders in it. */
static int32_t look_into(repair *r, buffer *inner, bool deep, unsigned depth)
{
    buffer path = { 0 };
    struct dirent *entry;
    struct stat st;
    size_t keep = inner->len;
    int32_t code = repair_path(r, &path, inner->bytes ? inner->bytes : "");
    DIR *dir = code == QUIPU_OK ? opendir(path.bytes) : NULL;
    while (dir && code == QUIPU_OK && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        buffer_printf(inner, "%s%s", keep ? "/" : "", entry->d_name);
        code = inner->failed ? repair_no_memory(r) : repair_path(r, &path, inner->bytes);
        if (code == QUIPU_OK && lstat(path.bytes, &st) == 0 && S_ISDIR(st.st_mode)) {
            if (deep && depth < DEPTH_MAX)
                code = look_into(r, inner, deep, depth + 1);
        } else if (code == QUIPU_OK && repair_is_strange(path.bytes)) {
            code = repair_tell_strange(r, inner->bytes, path.bytes);
        } else if (code == QUIPU_OK) {
            sort s = sort_of(inner->bytes, path.bytes, entry->d_name);
            if (s != NOT_LEFT)
                code = judge(r, inner->bytes, path.bytes, s, age_of(&st));
        }
        inner->len = keep;
        if (inner->bytes)
            inner->bytes[keep] = '\0';
    }
    if (dir)
        closedir(dir);
    buffer_free(&path);
    return code;
}

/* ---- what git derives ---- */

/* Files that end with the SHA-1 of what is before it. */
static bool is_derived(const char *name)
{
    return strcmp(name, "multi-pack-index") == 0 || strcmp(name, "commit-graph") == 0 || ends(name, ".graph") ||
           ends(name, ".rev") || ends(name, ".mtimes") || ends(name, ".bitmap");
}

static bool sum_fits(const char *path)
{
    buffer bytes = { 0 };
    uint8_t sum[SUM_LEN];
    bool fits = os_read_file(path, (size_t)1 << 40, &bytes, NULL) == QUIPU_OK && bytes.len > SUM_LEN;
    if (fits) {
        hash_sha1(bytes.bytes, bytes.len - SUM_LEN, sum);
        fits = memcmp(sum, bytes.bytes + bytes.len - SUM_LEN, SUM_LEN) == 0;
    }
    buffer_free(&bytes);
    return fits;
}

static int32_t check_derived(repair *r, const char *folder)
{
    buffer path = { 0 }, inner = { 0 };
    struct dirent *entry;
    int32_t code = repair_path(r, &path, folder);
    DIR *dir = code == QUIPU_OK ? opendir(path.bytes) : NULL;
    while (dir && code == QUIPU_OK && (entry = readdir(dir)) != NULL) {
        if (!is_derived(entry->d_name))
            continue;
        buffer_clear(&inner);
        buffer_printf(&inner, "%s/%s", folder, entry->d_name);
        code = inner.failed ? repair_no_memory(r) : repair_path(r, &path, inner.bytes);
        if (code != QUIPU_OK || sum_fits(path.bytes))
            continue;
        if (r->aside)
            code = aside_move(r->aside, path.bytes, "damaged; it is derived from the objects", r->error);
        if (code == QUIPU_OK)
            code = repair_tell(r, repair_severity(r), "objects", inner.bytes,
                               "it does not match its checksum; git makes it anew%s",
                               r->aside ? ", and it was set aside" : "");
    }
    if (dir)
        closedir(dir);
    buffer_free(&path);
    buffer_free(&inner);
    return code;
}

int32_t repair_leftovers(repair *r)
{
    static const struct {
        const char *folder;
        bool deep;
    } places[] = { { "", false }, { "refs", true }, { "logs", true }, { "objects", true }, { "quipu", false } };
    static const char *const derived[] = { "objects/pack", "objects/info", "objects/info/commit-graphs" };
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < sizeof places / sizeof places[0] && code == QUIPU_OK; i++) {
        buffer inner = { 0 };
        buffer_append_text(&inner, places[i].folder);
        code = look_into(r, &inner, places[i].deep, 0);
        buffer_free(&inner);
    }
    for (size_t i = 0; i < sizeof derived / sizeof derived[0] && code == QUIPU_OK; i++)
        code = check_derived(r, derived[i]);
    return code;
}
