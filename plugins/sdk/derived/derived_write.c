/* derived_write.c - see derived.h: changes. */
#define _GNU_SOURCE /* getentropy */
#include "derived_inner.h"

#include <base/hash.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <unistd.h>

struct derived_writer {
    derived *owner;
    int lock_fd;
    derived_snapshot *base;
    derived_manifest next; /* entries: room for DERIVED_SEGMENTS_MAX */
    size_t kept;           /* entries of `next` that are the base's; those behind it are new */
};

static int32_t take_lock(derived *d, int *fd, quipu_error *error)
{
    char *path = derived_path(d, "lock");
    if (!path)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to change an index");
    int32_t rc = QUIPU_OK;
    *fd = os->open(path, O_RDWR | O_CREAT, 0600);
    if (*fd < 0) {
        rc = fail_errno(error, errno, "cannot open the lock %s", path);
    } else if (os->lock(*fd, false) != 0) {
        rc = errno == EAGAIN || errno == EACCES
                 ? fail(error, QUIPU_E_BUSY, NULL, "somebody else is changing this index")
                 : fail_errno(error, errno, "cannot lock %s", path);
        os->close(*fd);
    }
    free(path);
    return rc;
}

static void writer_free(derived_writer *w)
{
    if (w->lock_fd >= 0) {
        os->unlock(w->lock_fd);
        os->close(w->lock_fd);
    }
    derived_snapshot_free(w->base);
    free(w->next.entries);
    free(w);
}

int32_t derived_begin(derived *d, derived_writer **out, quipu_error *error)
{
    *out = NULL;
    derived_writer *w = calloc(1, sizeof *w);
    if (!w || !(w->next.entries = calloc(DERIVED_SEGMENTS_MAX, sizeof *w->next.entries))) {
        free(w);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to change an index");
    }
    w->owner = d;
    w->lock_fd = -1;
    int32_t rc = take_lock(d, &w->lock_fd, error);
    if (rc != QUIPU_OK)
        w->lock_fd = -1;
    else
        rc = derived_read(d, &w->base, NULL, error);
    if (rc != QUIPU_OK) {
        writer_free(w);
        return rc;
    }
    for (size_t i = 0; i < w->base->count; i++) {
        const derived_map *m = w->base->maps[i];
        derived_entry *e = &w->next.entries[w->next.count++];
        memcpy(e->name, m->name, sizeof e->name);
        memcpy(e->sum, m->sum, sizeof e->sum);
        e->len = m->len;
        e->checked = m->checked;
    }
    w->kept = w->next.count;
    *out = w;
    return QUIPU_OK;
}

const derived_snapshot *derived_base(const derived_writer *w)
{
    return w->base;
}

static void unlink_segment(const derived *d, const char *name)
{
    char *path = derived_path(d, name);
    if (path)
        os->unlink(path); /* what stays behind is swept by the next commit */
    free(path);
}

/* Takes the new segments back. */
static void drop_new(derived_writer *w)
{
    while (w->next.count > w->kept)
        unlink_segment(w->owner, w->next.entries[--w->next.count].name);
}

void derived_drop_all(derived_writer *w)
{
    drop_new(w);
    w->next.count = w->kept = 0;
}

static int32_t write_segment(const derived *d, const char *name, const void *bytes, size_t len, quipu_error *error)
{
    char *path = derived_path(d, name);
    if (!path)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to change an index");
    int32_t rc = QUIPU_OK;
    int fd = os->open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0) {
        rc = fail_errno(error, errno, "cannot make the index's file %s", path);
    } else {
        if (len > 0 && os_write_all(fd, bytes, len) != 0)
            rc = fail_errno(error, errno, "cannot write the index's file %s", path);
        if (os->close(fd) != 0 && rc == QUIPU_OK)
            rc = fail_errno(error, errno, "cannot write the index's file %s", path);
        if (rc != QUIPU_OK)
            os->unlink(path);
    }
    free(path);
    return rc;
}

static size_t place_of(const derived_writer *w, const char *name)
{
    size_t i = 0;
    while (i < w->next.count && strcmp(w->next.entries[i].name, name) != 0)
        i++;
    return i;
}

bool derived_has_segment(const derived_writer *w, const char *name)
{
    return place_of(w, name) < w->next.count;
}

void derived_drop_segment(derived_writer *w, const char *name)
{
    size_t i = place_of(w, name);
    if (i == w->next.count)
        return;
    if (i < w->kept)
        w->kept--;
    else
        unlink_segment(w->owner, name);
    memmove(&w->next.entries[i], &w->next.entries[i + 1], (--w->next.count - i) * sizeof w->next.entries[0]);
}

int32_t derived_hold_new(derived_writer *w, const char *name, void **held, quipu_str *bytes, quipu_error *error)
{
    derived_map *map = NULL;
    size_t i = place_of(w, name);
    int32_t rc = i < w->next.count ? derived_map_segment(w->owner, &w->next.entries[i], &map, error)
                                   : fail(error, QUIPU_E_NOT_FOUND, NULL, "there is no segment %s", name);
    *held = map;
    if (rc == QUIPU_OK)
        *bytes = (quipu_str){ map->bytes ? map->bytes : "", map->len };
    return rc;
}

int32_t derived_add_segment(derived_writer *w, const void *bytes, size_t len, quipu_error *error)
{
    return derived_add_checked(w, bytes, len, len, NULL, error);
}

int32_t derived_add_checked(derived_writer *w, const void *bytes, size_t len, size_t checked,
                            char name[DERIVED_NAME_LEN + 1], quipu_error *error)
{
    uint8_t random[8];
    quick_sum sum;
    if (w->next.count == DERIVED_SEGMENTS_MAX)
        return fail(error, QUIPU_E_TOO_LARGE, NULL, "an index has at most %u segments; merge them first",
                    DERIVED_SEGMENTS_MAX);
    if (getentropy(random, sizeof random) != 0)
        return fail_errno(error, errno, "there are no random bytes to name a file with");
    derived_entry *e = &w->next.entries[w->next.count];
    *e = (derived_entry){ .len = len, .checked = checked };
    memcpy(e->name, "segment-", 8); /* random: a name is never used a second time */
    hex_encode(random, sizeof random, e->name + 8);
    int32_t rc = write_segment(w->owner, e->name, bytes, len, error);
    if (rc != QUIPU_OK)
        return rc;
    quick_sum_begin(&sum);
    if (checked)
        quick_sum_add(&sum, bytes, checked);
    quick_sum_end(&sum, e->sum);
    if (name)
        memcpy(name, e->name, sizeof e->name);
    w->next.count++;
    return QUIPU_OK;
}

static bool is_named(const derived_manifest *m, const char *file)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->entries[i].name, file) == 0)
            return true;
    return false;
}

/* Removes what no manifest names: segments of the state before, and what crashes left behind. */
static void sweep(const derived_writer *w)
{
    DIR *folder = opendir(w->owner->folder);
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder));) {
        bool ours = strncmp(entry->d_name, "segment-", 8) == 0 || strncmp(entry->d_name, "manifest.", 9) == 0;
        if (ours && !is_named(&w->next, entry->d_name))
            unlink_segment(w->owner, entry->d_name);
    }
    closedir(folder);
}

static int32_t write_manifest(derived_writer *w, quipu_error *error)
{
    buffer text = { 0 };
    char *path = derived_path(w->owner, "manifest");
    derived_manifest_print(&w->next, w->owner->format, &text);
    int32_t rc = !path || text.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to change an index")
                                      : os_replace_file(path, text.bytes, text.len, false, error);
    buffer_free(&text);
    free(path);
    return rc;
}

int32_t derived_commit(derived_writer *w, quipu_str position, quipu_error *error)
{
    int32_t rc = QUIPU_OK;
    if (!str_present(position) || position.len > DERIVED_POSITION_MAX)
        rc = fail(error, QUIPU_E_INVALID, "position", "a position has at most %d bytes", DERIVED_POSITION_MAX);
    if (rc == QUIPU_OK) {
        if (position.len)
            memcpy(w->next.position, position.ptr, (size_t)position.len);
        w->next.position_len = (size_t)position.len;
        rc = write_manifest(w, error);
    }
    if (rc != QUIPU_OK) {
        derived_abort(w);
        return rc;
    }
    sweep(w);
    writer_free(w);
    return QUIPU_OK;
}

void derived_abort(derived_writer *w)
{
    if (!w)
        return;
    drop_new(w);
    writer_free(w);
}
