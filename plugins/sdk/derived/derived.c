/* derived.c - see derived.h: folders and snapshots. */
#include "derived_inner.h"

#include <base/hash.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an index");
}

char *derived_path(const derived *d, const char *file)
{
    buffer path = { 0 };
    buffer_append_text(&path, d->folder);
    buffer_append_char(&path, '/');
    buffer_append_text(&path, file);
    if (path.failed)
        buffer_free(&path);
    return path.bytes;
}

/* Uses the folder, or makes it with the one that it is in. */
static int32_t have_folder(const char *path, const char *folder, bool read_only, quipu_error *error)
{
    struct stat is;
    if (read_only)
        return stat(folder, &is) == 0 ? QUIPU_OK : fail_errno(error, errno, "there is no index in %s", folder);
    int32_t rc = os_make_folder(path, error);
    return rc == QUIPU_OK ? os_make_folder(folder, error) : rc;
}

int32_t derived_open(const char *path, const char *name, uint32_t format, bool read_only, derived **out,
                     quipu_error *error)
{
    *out = NULL;
    derived *d = calloc(1, sizeof *d);
    if (!d)
        return no_memory(error);
    buffer folder = { 0 };
    buffer_append_text(&folder, path);
    buffer_append_char(&folder, '/');
    buffer_append_text(&folder, name);
    d->folder = folder.bytes;
    d->format = format;
    int32_t rc = folder.failed ? no_memory(error) : have_folder(path, d->folder, read_only, error);
    if (rc == QUIPU_OK && pthread_mutex_init(&d->lock, NULL) != 0)
        rc = no_memory(error);
    if (rc != QUIPU_OK) {
        free(d->folder);
        free(d);
        return rc;
    }
    *out = d;
    return QUIPU_OK;
}

/* ---- mappings ---- */

static void map_free(derived_map *m)
{
    if (m && m->bytes)
        munmap(m->bytes, m->len);
    free(m);
}

/* Reads what the checksum is of, not through the mapping: pages that nobody asks for stay out of this process. False where it is not
 * right. */
static bool sum_is_right(int fd, const derived_entry *e)
{
    size_t room = (size_t)1 << 20;
    uint8_t its[QUICK_SUM_LEN];
    quick_sum sum;
    char *chunk = malloc(room);
    quick_sum_begin(&sum);
    uint64_t at = 0;
    while (chunk && at < e->checked) {
        size_t wanted = e->checked - at < room ? (size_t)(e->checked - at) : room, got = 0;
        while (got < wanted) {
            ssize_t n = os->pread(fd, chunk + got, wanted - got, (off_t)(at + got));
            if (n <= 0 && !(n < 0 && errno == EINTR))
                break;
            got += n > 0 ? (size_t)n : 0;
        }
        if (got < wanted)
            break;
        quick_sum_add(&sum, chunk, got);
        at += got;
    }
    free(chunk);
    quick_sum_end(&sum, its);
    return chunk && at == e->checked && memcmp(its, e->sum, sizeof its) == 0;
}

int32_t derived_map_segment(const derived *d, const derived_entry *e, derived_map **out, quipu_error *error)
{
    struct stat is;
    char *path = derived_path(d, e->name);
    derived_map *m = calloc(1, sizeof *m);
    int fd = path && m ? os->open(path, O_RDONLY, 0) : -1;
    int32_t rc = !path || !m ? no_memory(error)
                 : fd < 0    ? fail_errno(error, errno, "cannot open the index's file %s", path)
                             : QUIPU_OK;
    if (rc == QUIPU_OK && (fstat(fd, &is) != 0 || (uint64_t)is.st_size != e->len))
        rc = fail(error, QUIPU_E_CORRUPT, NULL, "the index's file %s does not have its length", path);
    if (rc == QUIPU_OK && e->len > 0) {
        m->bytes = mmap(NULL, (size_t)e->len, PROT_READ, MAP_SHARED, fd, 0);
        if (m->bytes == MAP_FAILED) {
            m->bytes = NULL;
            rc = fail_errno(error, errno, "cannot map the index's file %s", path);
        }
    }
    if (rc == QUIPU_OK) {
        atomic_init(&m->users, 1);
        m->len = (size_t)e->len;
        m->checked = e->checked;
        memcpy(m->name, e->name, sizeof m->name);
        memcpy(m->sum, e->sum, sizeof m->sum);
        if (!sum_is_right(fd, e))
            rc = fail(error, QUIPU_E_CORRUPT, NULL, "the index's file %s does not have its checksum", path);
    }
    if (fd >= 0)
        os->close(fd);
    free(path);
    if (rc != QUIPU_OK) {
        map_free(m);
        m = NULL;
    }
    *out = m;
    return rc;
}

/* A mapping that the newest snapshot has already, which was checked when it was made; with one user more. Or NULL. */
static derived_map *known_map(derived *d, const derived_entry *e)
{
    derived_map *found = NULL;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; d->newest && i < d->newest->count && !found; i++) {
        derived_map *m = d->newest->maps[i];
        if (strcmp(m->name, e->name) == 0 && memcmp(m->sum, e->sum, sizeof m->sum) == 0 && m->len == e->len &&
            m->checked == e->checked) {
            atomic_fetch_add(&m->users, 1);
            found = m;
        }
    }
    pthread_mutex_unlock(&d->lock);
    return found;
}

/* ---- snapshots ---- */

void derived_snapshot_free(derived_snapshot *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        derived_segment_release(s->maps[i]);
    free(s->maps);
    free(s);
}

static int32_t snapshot_new(size_t segments, derived_snapshot **out, quipu_error *error)
{
    derived_snapshot *s = calloc(1, sizeof *s);
    if (s && segments)
        s->maps = calloc(segments, sizeof(*s->maps));
    if (!s || (segments && !s->maps)) {
        free(s);
        return no_memory(error);
    }
    *out = s;
    return QUIPU_OK;
}

static int32_t snapshot_of(derived *d, const derived_manifest *m, derived_snapshot **out, quipu_error *error)
{
    derived_snapshot *s = NULL;
    int32_t rc = snapshot_new(m->count, &s, error);
    for (size_t i = 0; rc == QUIPU_OK && i < m->count; i++) {
        derived_map *map = known_map(d, &m->entries[i]);
        if (!map)
            rc = derived_map_segment(d, &m->entries[i], &map, error);
        if (rc == QUIPU_OK)
            s->maps[s->count++] = map;
    }
    if (rc != QUIPU_OK) {
        derived_snapshot_free(s);
        return rc;
    }
    memcpy(s->position, m->position, m->position_len);
    s->position_len = m->position_len;
    s->present = true;
    *out = s;
    return QUIPU_OK;
}

/* Remembers the mappings of `s` for the next reader. */
static void remember(derived *d, const derived_snapshot *s)
{
    derived_snapshot *copy = NULL;
    if (snapshot_new(s->count, &copy, NULL) != QUIPU_OK)
        return; /* the next reader checks the segments again */
    pthread_mutex_lock(&d->lock);
    for (; copy->count < s->count; copy->count++) {
        copy->maps[copy->count] = s->maps[copy->count];
        atomic_fetch_add(&copy->maps[copy->count]->users, 1);
    }
    derived_snapshot *old = d->newest;
    d->newest = copy;
    pthread_mutex_unlock(&d->lock);
    derived_snapshot_free(old);
}

/* One attempt. *damaged: there is something, but not good. NOT_FOUND: a segment is gone. last: the manifest, and what it was at the last
 * attempt; *same: it still is that. */
static int32_t read_once(derived *d, buffer *last, bool *same, derived_snapshot **out, bool *damaged,
                         quipu_error *error)
{
    buffer text = { 0 };
    derived_manifest m = { 0 };
    char *path = derived_path(d, "manifest");
    int32_t rc = path ? os_read_file(path, DERIVED_MANIFEST_MAX, &text, error) : no_memory(error);
    free(path);
    *damaged = rc == QUIPU_E_TOO_LARGE;
    if (rc == QUIPU_E_NOT_FOUND || rc == QUIPU_E_TOO_LARGE) {
        buffer_free(&text);
        return snapshot_new(0, out, error);
    }
    if (rc == QUIPU_OK) {
        int parsed = derived_manifest_parse(str_make(text.bytes ? text.bytes : "", text.len), d->format, &m);
        if (parsed == -2)
            rc = no_memory(error);
        else if (parsed == 1)
            rc = snapshot_of(d, &m, out, error);
        else
            rc = snapshot_new(0, out, error);
        *damaged = parsed == -1;
    }
    *same = text.len == last->len && text.len > 0 && memcmp(text.bytes, last->bytes, text.len) == 0;
    free(m.entries);
    buffer_free(last);
    *last = text;
    return rc;
}

int32_t derived_read(derived *d, derived_snapshot **out, bool *damaged, quipu_error *error)
{
    int32_t rc = QUIPU_E_NOT_FOUND;
    bool bad = false;
    bool same = false;
    buffer last = { 0 };
    quipu_error why = { .struct_size = sizeof why };
    *out = NULL;
    /* a segment goes when a newer manifest took the place of the one that names it; where none did, it is missing */
    while (rc == QUIPU_E_NOT_FOUND && !same)
        rc = read_once(d, &last, &same, out, &bad, &why);
    buffer_free(&last);
    if (rc == QUIPU_E_CORRUPT || rc == QUIPU_E_NOT_FOUND) { /* as if it were not there */
        bad = true;
        rc = snapshot_new(0, out, &why);
    }
    if (rc != QUIPU_OK)
        return fail(error, rc, NULL, "%s", why.message);
    if (damaged)
        *damaged = bad;
    if ((*out)->present)
        remember(d, *out);
    return QUIPU_OK;
}

size_t derived_peek(derived *d, char out[DERIVED_POSITION_MAX])
{
    buffer text = { 0 };
    derived_manifest m = { 0 };
    size_t len = 0;
    char *path = derived_path(d, "manifest");
    if (path && os_read_file(path, DERIVED_MANIFEST_MAX, &text, NULL) == QUIPU_OK &&
        derived_manifest_parse(str_make(text.bytes ? text.bytes : "", text.len), d->format, &m) == 1) {
        len = m.position_len;
        memcpy(out, m.position, len);
    }
    free(m.entries);
    free(path);
    buffer_free(&text);
    return len;
}

quipu_str derived_position(const derived_snapshot *s)
{
    return s->present ? (quipu_str){ s->position, s->position_len } : (quipu_str){ NULL, 0 };
}

uint64_t derived_segments(const derived_snapshot *s)
{
    return s->count;
}

quipu_str derived_segment(const derived_snapshot *s, uint64_t i)
{
    const derived_map *m = s->maps[i];
    return (quipu_str){ m->bytes ? m->bytes : "", m->len };
}

const char *derived_segment_name(const derived_snapshot *s, uint64_t i)
{
    return s->maps[i]->name;
}

void *derived_segment_hold(const derived_snapshot *s, uint64_t i)
{
    atomic_fetch_add(&s->maps[i]->users, 1);
    return s->maps[i];
}

void derived_segment_release(void *held)
{
    derived_map *m = held;
    if (atomic_fetch_sub(&m->users, 1) == 1)
        map_free(m);
}

void derived_close(derived *d)
{
    if (!d)
        return;
    derived_snapshot_free(d->newest);
    pthread_mutex_destroy(&d->lock);
    free(d->folder);
    free(d);
}
