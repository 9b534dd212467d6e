/*
 * os.h - the one table of file operations that every durable byte goes through.
 *
 * The fault tests replace it to fail, cut short or kill at any single operation. Each slot behaves as the POSIX call of
 * its name: -1 and errno on failure. Nothing on a durable path uses stdio or calls these functions directly.
 */
#ifndef STORAGE_GIT_OS_H
#define STORAGE_GIT_OS_H

#include <base/buffer.h>
#include <quipu/error.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct os_table {
    int (*open)(const char *path, int flags, mode_t mode); /* O_CLOEXEC is added */
    ssize_t (*write)(int fd, const void *bytes, size_t len);
    ssize_t (*pread)(int fd, void *bytes, size_t len, off_t offset);
    int (*fsync)(int fd);
    int (*fdatasync)(int fd);
    int (*syncfs)(int fd); /* the whole file system that the file is on */
    int (*ftruncate)(int fd, off_t len);
    int (*close)(int fd);
    int (*rename)(const char *from, const char *to);
    int (*link)(const char *from, const char *to);
    int (*unlink)(const char *path);
    int (*mkdir)(const char *path, mode_t mode);
    int (*lock)(int fd,
                bool wait); /* an exclusive OFD lock on the whole file; without `wait` EAGAIN where it is held */
    int (*unlock)(int fd);
    int64_t (*now)(void); /* seconds since 1970, by which files grow old */
} os_table;

/* The table in force; never NULL. Replaced only by tests, before any store is open. */
extern const os_table *os;
/* The real one. */
extern const os_table os_real;

/* Writes all of it: goes on after short writes and EINTR. -1 and errno on failure. */
int os_write_all(int fd, const void *bytes, size_t len);
/* A hint that the file will be synced soon: the disk may begin with it now. Promises nothing. */
void os_begin_sync(int fd);
/* fsync that goes on after EINTR. */
int os_sync(int fd);
/* Opens a new file for writing, in place of one that may have the name: that one is removed, never written over. -1 and errno on failure. */
int os_make_anew(const char *path);

/* Makes a file that must not be there yet (0600), with these bytes, synced where `durable`. On failure there is none. */
int os_write_new(const char *path, const void *bytes, size_t len, bool durable);
/* Makes `path` hold these bytes: temporary file in the same folder, write, sync (where `durable`), rename, sync of the
 * folder (where `durable`). Mode 0600. */
int32_t os_replace_file(const char *path, const void *bytes, size_t len, bool durable, quipu_error *error);
/* What lies there is a file, or nothing: for who hands the name to a library that would wait for a pipe. Errors: CORRUPT, IO. */
int32_t os_check_file(const char *path, quipu_error *error);
/* Appends the whole file to `out`; QUIPU_E_TOO_LARGE over `max` bytes, QUIPU_E_NOT_FOUND where there is
 * none, CORRUPT where it is a pipe, a folder or a device. */
int32_t os_read_file(const char *path, size_t max, buffer *out, quipu_error *error);
/* Syncs a folder, so that names made in it survive. */
int os_sync_folder(const char *path);
/* mkdir that is content when the folder exists. Mode 0700. */
int32_t os_make_folder(const char *path, quipu_error *error);

#endif
