/* refs.c - see refs.h. */
#include "refs.h"

#include "os.h"

#include <base/buffer.h>
#include <base/fail.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

enum { LOCK_TRIES = 200, LOCK_PAUSE_MS = 10, REF_MAX = 4096, PACKED_MAX = 64 << 20 };

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
        do
            got = os->pread(fd, text, sizeof text, 0);
        while (got < 0 && errno == EINTR);
        int saved = errno;
        os->close(fd);
        if (got < 0)
            code = fail_errno(error, saved, "cannot read %s", path.bytes);
        else if (got < OBJECT_ID_HEX || !object_id_parse(text, out))
            code = fail(error, QUIPU_E_CORRUPT, NULL, "%s does not hold a commit; run `quipu verify`", path.bytes);
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

static int32_t take_lock(const char *lock, int *fd, quipu_error *error)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        *fd = os->open(lock, O_WRONLY | O_CREAT | O_EXCL, 0600);
        if (*fd >= 0)
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

/* Writes the new value into the lock file, and gives it the ref's name. */
static int32_t fill_and_rename(const char *lock, int fd, const char *path, const object_id *to, bool durable,
                               ref_outcome *outcome, quipu_error *error)
{
    char text[OBJECT_ID_HEX + 2];
    object_id_print(to, text);
    text[OBJECT_ID_HEX] = '\n';
    if (os_write_all(fd, text, OBJECT_ID_HEX + 1) < 0 || os_sync(fd) < 0) {
        int32_t code = fail_errno(error, errno, "cannot write %s", lock);
        os->close(fd);
        return code;
    }
    if (os->close(fd) < 0)
        return fail_errno(error, errno, "cannot write %s", lock);
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

int32_t ref_swap(const char *repository, const char *name, const object_id *expected, const object_id *to, bool durable,
                 ref_outcome *outcome, quipu_error *error)
{
    buffer path = { 0 }, lock = { 0 };
    object_id now;
    int fd = -1;
    *outcome = REF_UNTOUCHED;
    ref_path(repository, name, "", &path);
    ref_path(repository, name, ".lock", &lock);
    int32_t code = path.failed || lock.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to move a ref")
                                              : take_lock(lock.bytes, &fd, error);
    if (code == QUIPU_OK) {
        code = ref_read(repository, name, &now, error);
        if (code == QUIPU_OK && !object_id_equal(&now, expected))
            *outcome = REF_LOST;
        if (code == QUIPU_OK && *outcome != REF_LOST)
            code = fill_and_rename(lock.bytes, fd, path.bytes, to, durable, outcome, error);
        else
            os->close(fd);
        if (*outcome != REF_MOVED)
            os->unlink(lock.bytes);
    }
    buffer_free(&path);
    buffer_free(&lock);
    return code;
}

void ref_clear_stale_lock(const char *repository, const char *name, const object_id *intended)
{
    buffer lock = { 0 }, text = { 0 };
    char digits[OBJECT_ID_HEX + 2];
    if (object_id_is_none(intended))
        return;
    object_id_print(intended, digits);
    digits[OBJECT_ID_HEX] = '\n';
    ref_path(repository, name, ".lock", &lock);
    int32_t code = lock.failed ? QUIPU_E_NO_MEMORY : os_read_file(lock.bytes, REF_MAX, &text, NULL);
    if (code == QUIPU_OK && text.len == 0) {
        /* stock git's own lock is empty for an instant: ours stays empty */
        pause_for_lock();
        buffer_clear(&text);
        code = os_read_file(lock.bytes, REF_MAX, &text, NULL);
    }
    if (code == QUIPU_OK && text.len <= OBJECT_ID_HEX + 1 &&
        (text.len == 0 || memcmp(text.bytes, digits, text.len) == 0))
        os->unlink(lock.bytes);
    buffer_free(&lock);
    buffer_free(&text);
}
