/* refs.c - see refs.h. */
#include "refs.h"

#include "os.h"

#include <base/buffer.h>
#include <base/fail.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

/* Below the repository: where the new value of a ref is written first. It lies among the packs, because their folder is synced anyway: in a
 * folder of its own it would cost each commit two waits for the disk more. */
#define NEXT_FILE "objects/pack/quipu_tmp_next"

enum { LOCK_TRIES = 200, LOCK_PAUSE_MS = 10, PACKED_MAX = 64 << 20, DEPTH_MAX = 20 };

static void ref_path(const char *repository, const char *name, const char *suffix, buffer *out)
{
    buffer_clear(out);
    buffer_printf(out, "%s/%s%s", repository, name, suffix);
}

/* Looks a ref up in packed-refs: lines of "<40 digits> <name>". */
static int32_t read_packed(const char *repository, const char *name, object_id *out, quipu_error *error)
{
    buffer path = { 0 }, text = { 0 };
    size_t name_len = strlen(name);
    buffer_printf(&path, "%s/packed-refs", repository);
    int32_t code = path.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read a ref")
                               : os_read_file(path.bytes, PACKED_MAX, &text, error);
    if (code == QUIPU_E_NOT_FOUND)
        code = QUIPU_OK;
    const char *line = text.bytes;
    const char *end = line ? line + text.len : NULL;
    while (code == QUIPU_OK && line && line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t len = stop ? (size_t)(stop - line) : (size_t)(end - line);
        if (len == OBJECT_ID_HEX + 1 + name_len && line[OBJECT_ID_HEX] == ' ' &&
            memcmp(line + OBJECT_ID_HEX + 1, name, name_len) == 0 && object_id_parse(line, out))
            break;
        line = stop ? stop + 1 : NULL;
    }
    buffer_free(&path);
    buffer_free(&text);
    return code;
}

/* All that fits, also where it comes in pieces; -1 and errno on failure. */
static ssize_t read_whole(int fd, char *text, size_t size)
{
    size_t len = 0;
    while (len < size) {
        ssize_t got = os->pread(fd, text + len, size - len, (off_t)len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

int32_t ref_read(const char *repository, const char *name, object_id *out, quipu_error *error)
{
    buffer path = { 0 };
    char text[OBJECT_ID_HEX + 2];
    ssize_t got = 0;
    int32_t code = QUIPU_OK;
    memset(out, 0, sizeof *out);
    ref_path(repository, name, "", &path);
    if (path.failed)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read a ref");
    int fd = os->open(path.bytes, O_RDONLY, 0);
    if (fd >= 0) {
        struct stat st = { .st_mode = S_IFREG };
        bool strange = fstat(fd, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
        got = strange ? 0 : read_whole(fd, text, sizeof text);
        int saved = errno;
        os->close(fd);
        if (got < 0 && saved == EISDIR)
            code = read_packed(repository, name, out, error); /* of names below this one */
        else if (got < 0)
            code = fail_errno(error, saved, "cannot read %s", path.bytes);
        else if (got < OBJECT_ID_HEX || !object_id_parse(text, out) ||
                 (got > OBJECT_ID_HEX && !strchr(" \t\r\n", text[OBJECT_ID_HEX])))
            code = fail(error, QUIPU_E_CORRUPT, NULL, "%s does not hold a commit; run `quipu verify --repair`",
                        path.bytes);
    } else if (errno == ENOENT || errno == EISDIR) {
        code = read_packed(repository, name, out, error);
    } else {
        code = fail_errno(error, errno, "cannot open %s", path.bytes);
    }
    buffer_free(&path);
    return code;
}

static void pause_for_lock(void)
{
    struct timespec pause = { 0, LOCK_PAUSE_MS * 1000000L };
    nanosleep(&pause, NULL);
}

void ref_make_folders(const char *file)
{
    char *path = str_dup(str_of(file));
    for (char *slash = path ? strchr(path + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        os->mkdir(path, 0700); /* what fails here is told where the file cannot be made */
        *slash = '/';
    }
    free(path);
}

/* The lock as a second name of `next`; where the file system has no such thing, as a file of its own. */
static int make_lock(const char *next, const char *lock, const char *text)
{
    if (os->link(next, lock) == 0)
        return 0;
    return errno == EPERM || errno == EOPNOTSUPP ? os_write_new(lock, text, strlen(text), true) : -1;
}

static int32_t take_lock(const char *next, const char *lock, const char *text, quipu_error *error)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (make_lock(next, lock, text) == 0)
            return QUIPU_OK;
        if (errno == ENOENT && i == 0) {
            ref_make_folders(lock);
            continue;
        }
        if (errno != EEXIST)
            return fail_errno(error, errno, "cannot lock the branch with %s", lock);
        pause_for_lock();
    }
    return fail(error, QUIPU_E_BUSY, NULL,
                "another program holds %s; try again, or remove that file if no git command is running", lock);
}

/* Gives the lock file, which holds the new value, the ref's name. */
static int32_t rename_lock(const char *lock, const char *path, bool durable, ref_outcome *outcome, quipu_error *error)
{
    if (os->rename(lock, path) < 0)
        return fail_errno(error, errno, "cannot move %s", path);
    *outcome = REF_MOVED;
    char *slash = strrchr(path, '/');
    if (!durable || !slash)
        return QUIPU_OK;
    char *folder = str_dup(str_make(path, (size_t)(slash - path)));
    int failed = folder ? os_sync_folder(folder) : 0;
    int saved = errno;
    free(folder);
    return failed < 0 ? fail_errno(error, saved, "cannot sync the folder of %s", path) : QUIPU_OK;
}

/* With the new value in `next`: takes the lock, compares, renames. */
static int32_t swap(const char *repository, const char *name, const char *next, const char *text,
                    const object_id *expected, bool durable, ref_outcome *outcome, quipu_error *error)
{
    buffer path = { 0 }, lock = { 0 };
    object_id now;
    ref_path(repository, name, "", &path);
    ref_path(repository, name, ".lock", &lock);
    int32_t code = path.failed || lock.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to move a ref")
                                              : take_lock(next, lock.bytes, text, error);
    if (code == QUIPU_OK) {
        code = ref_read(repository, name, &now, error);
        if (code == QUIPU_OK && !object_id_equal(&now, expected))
            *outcome = REF_LOST;
        if (code == QUIPU_OK && *outcome != REF_LOST)
            code = rename_lock(lock.bytes, path.bytes, durable, outcome, error);
        if (*outcome != REF_MOVED)
            os->unlink(lock.bytes);
    }
    buffer_free(&path);
    buffer_free(&lock);
    return code;
}

/* What a ref's file holds. */
static void print_value(const object_id *to, char out[OBJECT_ID_HEX + 2])
{
    object_id_print(to, out);
    memcpy(out + OBJECT_ID_HEX, "\n", 2);
}

int32_t ref_next_write(const char *repository, const object_id *to, int *next_fd, quipu_error *error)
{
    buffer next = { 0 };
    char text[OBJECT_ID_HEX + 2];
    int32_t code = QUIPU_OK;
    *next_fd = -1;
    print_value(to, text);
    ref_path(repository, NEXT_FILE, "", &next);
    if (next.failed)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to move a ref");
    int fd = os_make_anew(next.bytes); /* never written over: a ref may be the same file */
    if (fd < 0 || os_write_all(fd, text, OBJECT_ID_HEX + 1) < 0)
        code = fail_errno(error, errno, "cannot write %s", next.bytes);
    buffer_free(&next);
    if (code == QUIPU_OK) {
        os_begin_sync(fd);
        *next_fd = fd;
    } else if (fd >= 0) {
        ref_next_drop(repository, fd);
    }
    return code;
}

void ref_next_drop(const char *repository, int next_fd)
{
    buffer next = { 0 };
    os->close(next_fd);
    ref_path(repository, NEXT_FILE, "", &next);
    if (!next.failed)
        os->unlink(next.bytes);
    buffer_free(&next);
}

int32_t ref_swap_next(const char *repository, const char *name, const object_id *expected, const object_id *to,
                      int next_fd, bool durable, ref_outcome *outcome, quipu_error *error)
{
    buffer next = { 0 };
    char text[OBJECT_ID_HEX + 2];
    int32_t code = QUIPU_OK;
    *outcome = REF_UNTOUCHED;
    print_value(to, text);
    ref_path(repository, NEXT_FILE, "", &next);
    if (next.failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to move a ref");
    else if (os_sync(next_fd) < 0)
        code = fail_errno(error, errno, "cannot write %s", next.bytes);
    else
        code = swap(repository, name, next.bytes, text, expected, durable, outcome, error);
    ref_next_drop(repository, next_fd);
    buffer_free(&next);
    return code;
}

int32_t ref_swap(const char *repository, const char *name, const object_id *expected, const object_id *to, bool durable,
                 ref_outcome *outcome, quipu_error *error)
{
    int fd;
    *outcome = REF_UNTOUCHED;
    int32_t code = ref_next_write(repository, to, &fd, error);
    return code == QUIPU_OK ? ref_swap_next(repository, name, expected, to, fd, durable, outcome, error) : code;
}

/* ---- what a crash left ---- */

/* Removes the lock files below a folder that are the same file as `next`. */
static void clear_locks(const char *folder, const struct stat *next, int depth)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    buffer path = { 0 };
    while (dir && (entry = readdir(dir)) != NULL) {
        struct stat st;
        size_t len = strlen(entry->d_name);
        if (entry->d_name[0] == '.')
            continue;
        ref_path(folder, entry->d_name, "", &path);
        if (path.failed || lstat(path.bytes, &st) < 0)
            continue;
        if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
            clear_locks(path.bytes, next, depth + 1);
        else if (len > 5 && strcmp(entry->d_name + len - 5, ".lock") == 0 && st.st_dev == next->st_dev &&
                 st.st_ino == next->st_ino)
            os->unlink(path.bytes);
    }
    if (dir)
        closedir(dir);
    buffer_free(&path);
}

void ref_clear_stale_locks(const char *repository)
{
    buffer next = { 0 }, refs = { 0 };
    struct stat st;
    ref_path(repository, NEXT_FILE, "", &next);
    ref_path(repository, "refs", "", &refs);
    if (!next.failed && !refs.failed && lstat(next.bytes, &st) == 0) {
        clear_locks(refs.bytes, &st, 0);
        os->unlink(next.bytes);
    }
    buffer_free(&next);
    buffer_free(&refs);
}
