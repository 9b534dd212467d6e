/* aside.c - see aside.h. */
#include "aside.h"

#include "os.h"

#include <base/fail.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { NAMES_MOST = 10000, COPY_CHUNK = 1 << 16 };

struct aside {
    char *store;
    char *private_folder;
    char *folder; /* NULL: not yet needed */
};

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to set something aside");
}

int32_t aside_create(const char *store, const char *private_folder, aside **out, quipu_error *error)
{
    aside *a = calloc(1, sizeof *a);
    *out = a;
    if (a) {
        a->store = str_dup(str_of(store));
        a->private_folder = str_dup(str_of(private_folder));
    }
    if (a && a->store && a->private_folder)
        return QUIPU_OK;
    aside_free(a);
    *out = NULL;
    return no_memory(error);
}

void aside_free(aside *a)
{
    if (!a)
        return;
    free(a->store);
    free(a->private_folder);
    free(a->folder);
    free(a);
}

/* Makes the folder of this repair, with those above it. */
static int32_t make_folder(aside *a, quipu_error *error)
{
    char name[32];
    struct tm parts;
    buffer path = { 0 };
    time_t now = time(NULL);
    if (a->folder)
        return QUIPU_OK;
    gmtime_r(&now, &parts);
    strftime(name, sizeof name, "%Y%m%dT%H%M%SZ", &parts);
    int32_t code = os_make_folder(a->private_folder, error);
    buffer_printf(&path, "%s/aside", a->private_folder);
    if (code == QUIPU_OK)
        code = path.failed ? no_memory(error) : os_make_folder(path.bytes, error);
    if (code == QUIPU_OK && (os_sync_folder(a->private_folder) < 0 || os_sync_folder(a->store) < 0))
        code = fail_errno(error, errno, "cannot sync %s", a->private_folder);
    buffer_printf(&path, "/%s", name);
    if (code == QUIPU_OK)
        code = path.failed ? no_memory(error) : os_make_folder(path.bytes, error);
    if (code == QUIPU_OK)
        a->folder = path.bytes;
    else
        buffer_free(&path);
    return code;
}

/* Appends a line to the note, and syncs it. */
static int32_t write_note(const aside *a, const char *what, const char *name, const char *why, quipu_error *error)
{
    buffer path = { 0 }, line = { 0 };
    int32_t code = QUIPU_OK;
    buffer_printf(&path, "%s/note.txt", a->folder);
    buffer_printf(&line, "%s%s%s: %s\n", what, name ? " -> " : "", name ? name : "", why);
    int fd = path.failed || line.failed ? -1 : os->open(path.bytes, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (path.failed || line.failed)
        code = no_memory(error);
    else if (fd < 0 || os_write_all(fd, line.bytes, line.len) < 0 || os_sync(fd) < 0 || os_sync_folder(a->folder) < 0)
        code = fail_errno(error, errno, "cannot write %s", path.bytes);
    if (fd >= 0)
        os->close(fd);
    buffer_free(&path);
    buffer_free(&line);
    return code;
}

int32_t aside_note(aside *a, const char *what, const char *why, quipu_error *error)
{
    int32_t code = make_folder(a, error);
    return code == QUIPU_OK ? write_note(a, what, NULL, why, error) : code;
}

/* ---- files ---- */

/* The path below the store. */
static const char *inner_path(const aside *a, const char *path)
{
    size_t len = strlen(a->store);
    return strncmp(path, a->store, len) == 0 && path[len] == '/' ? path + len + 1 : path;
}

/* The name that a file gets: a pack's own, so that git can work on it there; of another its path, '/' as '_'. */
static void append_name(const aside *a, const char *path, unsigned again, buffer *out)
{
    const char *inner = inner_path(a, path), *slash = strrchr(inner, '/');
    if (strncmp(inner, "objects/pack/", 13) == 0)
        inner = slash + 1;
    for (const char *c = inner; *c; c++)
        buffer_append_char(out, *c == '/' ? '_' : *c);
    if (again)
        buffer_printf(out, "-%u", again + 1);
}

/* Where there are no links: -1 and errno, EEXIST where the name is taken. */
static int copy_file(const char *from, const char *to)
{
    char bytes[COPY_CHUNK];
    off_t at = 0;
    ssize_t got = 0;
    int source = os->open(from, O_RDONLY, 0), target = -1, result = -1;
    if (source < 0)
        return -1;
    target = os->open(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
    while (target >= 0 && (got = os->pread(source, bytes, sizeof bytes, at)) > 0) {
        at += got;
        if (os_write_all(target, bytes, (size_t)got) < 0)
            break;
    }
    if (target >= 0 && got == 0)
        result = os_sync(target);
    int saved = errno;
    if (target >= 0)
        os->close(target);
    os->close(source);
    errno = saved;
    return result;
}

static int second_name(const char *from, const char *to)
{
    if (os->link(from, to) == 0)
        return 0;
    return errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK ? copy_file(from, to) : -1;
}

static bool is_taken(const char *path)
{
    return access(path, F_OK) == 0;
}

int32_t aside_keep(aside *a, const char *path, const char *why, quipu_error *error)
{
    buffer to = { 0 };
    int32_t code = make_folder(a, error);
    size_t folder_len = 0;
    for (unsigned i = 0; code == QUIPU_OK && i < NAMES_MOST; i++) {
        buffer_clear(&to);
        buffer_printf(&to, "%s/", a->folder);
        folder_len = to.len;
        append_name(a, path, i, &to);
        if (to.failed)
            code = no_memory(error);
        else if (!is_taken(to.bytes))
            break;
    }
    if (code == QUIPU_OK)
        code = write_note(a, inner_path(a, path), to.bytes + folder_len, why, error);
    if (code == QUIPU_OK && second_name(path, to.bytes) < 0)
        code = fail_errno(error, errno, "cannot set %s aside", path);
    if (code == QUIPU_OK && os_sync_folder(a->folder) < 0)
        code = fail_errno(error, errno, "cannot sync %s", a->folder);
    buffer_free(&to);
    return code;
}

int32_t aside_move(aside *a, const char *path, const char *why, quipu_error *error)
{
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return QUIPU_OK;
    int32_t code = aside_keep(a, path, why, error);
    if (code == QUIPU_OK && os->unlink(path) < 0)
        code = fail_errno(error, errno, "cannot take %s from its place", path);
    return code;
}
