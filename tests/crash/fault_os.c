/* fault_os.c - see fault_os.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fault_os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <storage_git/os.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DESCRIPTORS = 1024, PATH_LEN = 400 };

const fault_plan fault_none = { .room = -1, .journal = -1 };

static fault_plan plan;
static uint64_t counted;
static char names[DESCRIPTORS][PATH_LEN]; /* of open descriptors; the journal speaks of paths */

uint64_t fault_count(void)
{
    return counted;
}

void fault_set_room(int64_t bytes)
{
    plan.room = bytes;
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* Counts an operation, and dies where it is the one. */
static void step(void)
{
    counted++;
    if (plan.sorts && counted <= FAULT_POINTS_MAX)
        plan.sorts[counted - 1] = FAULT_SORT_WHOLE;
    if (counted == plan.kill_at && !plan.half)
        die();
}

static void tell(fault_op op, const char *path, const void *data, size_t len, uint64_t number)
{
    fault_entry entry = { (uint32_t)op, path ? (uint32_t)strlen(path) : 0, len, number };
    if (plan.journal < 0)
        return;
    bool told = write(plan.journal, &entry, sizeof entry) == (ssize_t)sizeof entry;
    told = told && (!path || write(plan.journal, path, entry.path_len) == (ssize_t)entry.path_len);
    told = told && (!len || write(plan.journal, data, len) == (ssize_t)len);
    if (!told)
        die();
}

void fault_acknowledge(unsigned number)
{
    tell(FAULT_ACKNOWLEDGED, NULL, NULL, 0, number);
}

static const char *name_of(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS ? names[fd] : "";
}

static void remember(int fd, const char *path)
{
    if (fd < 0 || plan.journal < 0)
        return;
    if (fd >= DESCRIPTORS || strlen(path) >= PATH_LEN)
        die();
    else
        snprintf(names[fd], PATH_LEN, "%s", path);
}

static int fault_open(const char *path, int flags, mode_t mode)
{
    struct stat st;
    bool makes = (flags & O_CREAT) && stat(path, &st) < 0;
    if (makes || (flags & O_TRUNC))
        step();
    int fd = os_real.open(path, flags, mode);
    remember(fd, path);
    if (fd >= 0 && makes)
        tell(FAULT_MAKE, path, NULL, 0, 0);
    else if (fd >= 0 && (flags & O_TRUNC))
        tell(FAULT_CUT, path, NULL, 0, 0);
    return fd;
}

static ssize_t fault_write(int fd, const void *bytes, size_t len)
{
    step();
    if (plan.sorts && counted <= FAULT_POINTS_MAX && len > 1)
        plan.sorts[counted - 1] = FAULT_SORT_WRITE;
    if (counted == plan.kill_at) {
        ssize_t some = os_real.write(fd, bytes, len / 2);
        (void)some;
        die();
    }
    if (plan.room == 0) {
        errno = ENOSPC;
        return -1;
    }
    if (plan.room > 0 && len > (size_t)plan.room)
        len = (size_t)plan.room; /* as a disk does it: what fits is written, the next write fails */
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t written = os_real.write(fd, bytes, len);
    if (written > 0)
        tell(FAULT_WRITE, name_of(fd), bytes, (size_t)written, (uint64_t)at);
    if (written > 0 && plan.room > 0)
        plan.room -= written;
    return written;
}

/* Nothing is synced in truth: the kernel outlives the process, and the power is only cut in the journal. */
static int fault_sync(int fd)
{
    struct stat st;
    step();
    if (fstat(fd, &st) < 0)
        return -1;
    tell(S_ISDIR(st.st_mode) ? FAULT_SYNC_FOLDER : FAULT_SYNC, name_of(fd), NULL, 0, 0);
    return 0;
}

static int fault_ftruncate(int fd, off_t len)
{
    step();
    int result = os_real.ftruncate(fd, len);
    if (result == 0)
        tell(FAULT_CUT, name_of(fd), NULL, 0, (uint64_t)len);
    return result;
}

static int fault_rename(const char *from, const char *to)
{
    step();
    int result = os_real.rename(from, to);
    for (int fd = 0; fd < DESCRIPTORS && result == 0; fd++)
        if (strcmp(names[fd], from) == 0)
            remember(fd, to);
    if (result == 0)
        tell(FAULT_RENAME, from, to, strlen(to), 0);
    return result;
}

static int fault_link(const char *from, const char *to)
{
    step();
    if (plan.room == 0) {
        errno = ENOSPC;
        return -1;
    }
    int result = os_real.link(from, to);
    if (result == 0)
        tell(FAULT_LINK, from, to, strlen(to), 0);
    return result;
}

static int fault_unlink(const char *path)
{
    step();
    int result = os_real.unlink(path);
    if (result == 0)
        tell(FAULT_UNLINK, path, NULL, 0, 0);
    return result;
}

static int fault_mkdir(const char *path, mode_t mode)
{
    step();
    if (plan.room == 0) {
        errno = ENOSPC;
        return -1;
    }
    int result = os_real.mkdir(path, mode);
    if (result == 0)
        tell(FAULT_MKDIR, path, NULL, 0, 0);
    return result;
}

static int64_t stopped_at; /* 0: the clock goes */

void fault_stop_clock(void)
{
    stopped_at = os_real.now();
}

static int64_t stopped_clock(void)
{
    return stopped_at;
}

void fault_install(const fault_plan *wanted)
{
    static os_table table;
    plan = *wanted;
    counted = 0;
    table = os_real;
    table.open = fault_open;
    table.write = fault_write;
    table.fsync = fault_sync;
    table.fdatasync = fault_sync;
    table.ftruncate = fault_ftruncate;
    table.rename = fault_rename;
    table.link = fault_link;
    table.unlink = fault_unlink;
    table.mkdir = fault_mkdir;
    table.now = stopped_at ? stopped_clock : os_real.now;
    os = &table;
}
