/* os.c - see os.h. OFD locks are Linux's (fcntl(2), F_OFD_SETLK); everything else is POSIX. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os.h"

#include <base/fail.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int real_open(const char *path, int flags, mode_t mode)
{
    /* A pipe that somebody put into another's store must not make its reader wait for ever; on files this changes nothing. */
    int patience = (flags & O_ACCMODE) == O_RDONLY ? O_NONBLOCK | O_NOCTTY : 0;
    return open(path, flags | O_CLOEXEC | patience, mode);
}

static int lock_command(int fd, short type, int command)
{
    struct flock range = { .l_type = type, .l_whence = SEEK_SET };
    int result;
    do
        result = fcntl(fd, command, &range);
    while (result == -1 && errno == EINTR);
    if (result == -1 && errno == EACCES)
        errno = EAGAIN;
    return result;
}

static int real_lock(int fd, bool wait)
{
    return lock_command(fd, F_WRLCK, wait ? F_OFD_SETLKW : F_OFD_SETLK);
}

static int real_unlock(int fd)
{
    return lock_command(fd, F_UNLCK, F_OFD_SETLK);
}

static int64_t real_now(void)
{
    return (int64_t)time(NULL);
}

const os_table os_real = {
    .open = real_open,
    .write = write,
    .pread = pread,
    .fsync = fsync,
    .fdatasync = fdatasync,
    .syncfs = syncfs,
    .ftruncate = ftruncate,
    .close = close,
    .rename = rename,
    .link = link,
    .unlink = unlink,
    .mkdir = mkdir,
    .lock = real_lock,
    .unlock = real_unlock,
    .now = real_now,
};

const os_table *os = &os_real;

int os_write_all(int fd, const void *bytes, size_t len)
{
    const char *p = bytes;
    while (len > 0) {
        ssize_t written = os->write(fd, p, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            if (written == 0)
                errno = EIO;
            return -1;
        }
        p += written;
        len -= (size_t)written;
    }
    return 0;
}

void os_begin_sync(int fd)
{
#ifdef SYNC_FILE_RANGE_WRITE
    sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
#else
    (void)fd;
#endif
}

int os_sync(int fd)
{
    int result;
    do
        result = os->fsync(fd);
    while (result == -1 && errno == EINTR);
    return result;
}

int os_sync_folder(const char *path)
{
    int fd = os->open(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return -1;
    int result = os_sync(fd), saved = errno;
    os->close(fd);
    errno = saved;
    return result;
}

int32_t os_make_folder(const char *path, quipu_error *error)
{
    struct stat st;
    if (os->mkdir(path, 0700) == 0 || (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
        return QUIPU_OK;
    return fail_errno(error, errno, "cannot make the folder %s", path);
}

int os_make_anew(const char *path)
{
    int fd = os->open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd >= 0 || errno != EEXIST)
        return fd;
    os->unlink(path);
    return os->open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
}

int os_write_new(const char *path, const void *bytes, size_t len, bool durable)
{
    int fd = os->open(path, O_WRONLY | O_CREAT | O_EXCL, 0600), saved;
    if (fd < 0)
        return -1;
    if (os_write_all(fd, bytes, len) < 0 || (durable && os_sync(fd) < 0))
        goto undo;
    if (os->close(fd) == 0)
        return 0;
    fd = -1;
undo:
    saved = errno;
    if (fd >= 0)
        os->close(fd);
    os->unlink(path);
    errno = saved;
    return -1;
}

/* The folder that `path` is in, for the caller to free. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return str_dup(str_of("."));
    return str_dup(str_make(path, slash == path ? 1 : (size_t)(slash - path)));
}

int32_t os_replace_file(const char *path, const void *bytes, size_t len, bool durable, quipu_error *error)
{
    static unsigned counter;
    buffer temporary = { 0 };
    char *folder = folder_of(path);
    int32_t code = QUIPU_OK;
    buffer_printf(&temporary, "%s.tmp-%ld-%u", path, (long)getpid(), __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED));
    if (temporary.failed || !folder) {
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to write %s", path);
        goto done;
    }
    os->unlink(temporary.bytes); /* one that a killed process of our number left behind */
    if (os_write_new(temporary.bytes, bytes, len, durable) < 0) {
        code = fail_errno(error, errno, "cannot write %s", temporary.bytes);
        goto done;
    }
    if (os->rename(temporary.bytes, path) < 0) {
        code = fail_errno(error, errno, "cannot replace %s", path);
        os->unlink(temporary.bytes);
        goto done;
    }
    if (durable && os_sync_folder(folder) < 0)
        code = fail_errno(error, errno, "cannot sync the folder of %s", path);
done:
    free(folder);
    buffer_free(&temporary);
    return code;
}

static const char *kind_of(mode_t mode)
{
    return S_ISFIFO(mode) ? "a pipe" : S_ISDIR(mode) ? "a folder" : S_ISSOCK(mode) ? "a socket" : "a device";
}

int32_t os_check_file(const char *path, quipu_error *error)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return errno == ENOENT ? QUIPU_OK : fail_errno(error, errno, "cannot look at %s", path);
    return S_ISREG(st.st_mode) ? QUIPU_OK
                               : fail(error, QUIPU_E_CORRUPT, NULL, "%s is %s, and no file", path, kind_of(st.st_mode));
}

/* Else a device would be read until its limit, and a pipe until somebody writes. */
static int32_t check_open_file(int fd, const char *path, quipu_error *error)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail_errno(error, errno, "cannot look at %s", path);
    return S_ISREG(st.st_mode) ? QUIPU_OK
                               : fail(error, QUIPU_E_CORRUPT, NULL, "%s is %s, and no file", path, kind_of(st.st_mode));
}

int32_t os_read_file(const char *path, size_t max, buffer *out, quipu_error *error)
{
    enum { CHUNK = 1 << 16 };
    int32_t code = QUIPU_OK;
    off_t at = 0;
    int fd = os->open(path, O_RDONLY, 0);
    if (fd < 0)
        return fail_errno(error, errno, "cannot open %s", path);
    code = check_open_file(fd, path, error);
    while (code == QUIPU_OK) {
        char *to = buffer_reserve(out, CHUNK);
        if (!to) {
            code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read %s", path);
            break;
        }
        ssize_t got = os->pread(fd, to, CHUNK, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            code = fail_errno(error, errno, "cannot read %s", path);
            break;
        }
        if (got == 0)
            break;
        at += got;
        out->len += (size_t)got;
        if ((size_t)at > max) {
            code = fail(error, QUIPU_E_TOO_LARGE, NULL, "%s is larger than %zu bytes", path, max);
            break;
        }
    }
    if (out->bytes)
        out->bytes[out->len] = '\0';
    os->close(fd);
    return code;
}
