/* failing_call.c - see failing_call.h. */
#include "failing_call.h"

#include <errno.h>
#include <fcntl.h>
#include <storage_git/os.h>
#include <sys/stat.h>

static const os_table *below;
static unsigned fails_at;
static call_fault how;
static uint8_t *told;
static bool *was;
static unsigned counted; /* by all threads */

bool failing_call_can(call_sort sort, call_fault fault)
{
    switch (fault) {
    case FAULT_EIO:
        return true;
    case FAULT_ENOSPC:
        return sort == CALL_MAKE || sort == CALL_WRITE || sort == CALL_SYNC || sort == CALL_FTRUNCATE ||
               sort == CALL_CLOSE || sort == CALL_RENAME || sort == CALL_LINK || sort == CALL_MKDIR;
    case FAULT_EINTR:
        return sort == CALL_OPEN || sort == CALL_MAKE || sort == CALL_WRITE || sort == CALL_PREAD ||
               sort == CALL_SYNC || sort == CALL_FTRUNCATE || sort == CALL_CLOSE;
    default:
        return sort == CALL_WRITE || sort == CALL_PREAD;
    }
}

/* Counts a call; true where it is the one, with errno set. */
static bool fails(call_sort sort)
{
    static const int codes[CALL_FAULTS] = { EIO, ENOSPC, EINTR, 0 };
    unsigned number = __atomic_add_fetch(&counted, 1, __ATOMIC_RELAXED);
    if (told && number <= CALLS_MAX)
        told[number - 1] = (uint8_t)sort;
    if (number != fails_at || !failing_call_can(sort, how))
        return false;
    if (was)
        *was = true;
    errno = codes[how];
    return true;
}

static int call_open(const char *path, int flags, mode_t mode)
{
    struct stat st;
    bool makes = (flags & O_CREAT) && stat(path, &st) < 0;
    return fails(makes ? CALL_MAKE : CALL_OPEN) ? -1 : below->open(path, flags, mode);
}

static ssize_t call_write(int fd, const void *bytes, size_t len)
{
    if (!fails(CALL_WRITE))
        return below->write(fd, bytes, len);
    return how == FAULT_SHORT ? below->write(fd, bytes, (len + 1) / 2) : -1;
}

static ssize_t call_pread(int fd, void *bytes, size_t len, off_t offset)
{
    if (!fails(CALL_PREAD))
        return below->pread(fd, bytes, len, offset);
    return how == FAULT_SHORT ? below->pread(fd, bytes, (len + 1) / 2, offset) : -1;
}

static int call_fsync(int fd)
{
    return fails(CALL_SYNC) ? -1 : below->fsync(fd);
}

static int call_fdatasync(int fd)
{
    return fails(CALL_SYNC) ? -1 : below->fdatasync(fd);
}

static int call_syncfs(int fd)
{
    return fails(CALL_SYNC) ? -1 : below->syncfs(fd);
}

static int call_ftruncate(int fd, off_t len)
{
    return fails(CALL_FTRUNCATE) ? -1 : below->ftruncate(fd, len);
}

/* The descriptor is gone all the same, as on Linux. */
static int call_close(int fd)
{
    bool failed = fails(CALL_CLOSE);
    int code = errno, result = below->close(fd);
    errno = failed ? code : errno;
    return failed ? -1 : result;
}

static int call_rename(const char *from, const char *to)
{
    return fails(CALL_RENAME) ? -1 : below->rename(from, to);
}

static int call_link(const char *from, const char *to)
{
    return fails(CALL_LINK) ? -1 : below->link(from, to);
}

static int call_unlink(const char *path)
{
    return fails(CALL_UNLINK) ? -1 : below->unlink(path);
}

static int call_mkdir(const char *path, mode_t mode)
{
    return fails(CALL_MKDIR) ? -1 : below->mkdir(path, mode);
}

static int call_lock(int fd, bool wait)
{
    return fails(CALL_LOCK) ? -1 : below->lock(fd, wait);
}

static int call_unlock(int fd)
{
    bool failed = fails(CALL_UNLOCK);
    int code = errno, result = below->unlock(fd);
    errno = failed ? code : errno;
    return failed ? -1 : result;
}

static int64_t call_now(void)
{
    return below->now();
}

void failing_call_install(unsigned at, call_fault fault, uint8_t *sorts, bool *happened)
{
    static const os_table table = { call_open,   call_write,     call_pread, call_fsync,  call_fdatasync,
                                    call_syncfs, call_ftruncate, call_close, call_rename, call_link,
                                    call_unlink, call_mkdir,     call_lock,  call_unlock, call_now };
    if (os != &table)
        below = os;
    fails_at = at;
    how = fault;
    told = sorts;
    was = happened;
    counted = 0;
    os = &table;
}
