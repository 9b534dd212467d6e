/* power_cut.c - see power_cut.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "power_cut.h"

#include "fault_os.h"

#include <base/buffer.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER = -1, NAMES_MAX = 4096, FILES_MAX = 4096, PATH_LEN = 400 };

/* One operation, its texts copied; paths are relative to the store's folder ("" is itself). */
typedef struct operation {
    fault_op op;
    char path[PATH_LEN];
    char to[PATH_LEN];
    buffer data;
    uint64_t number;
} operation;

typedef struct named {
    char path[PATH_LEN];
    int file; /* index, or FOLDER */
} named;

typedef struct content {
    buffer now;
    buffer synced;
} content;

struct power_cut {
    named *base;
    unsigned base_count;
    content *files; /* of the base; both sides are equal */
    unsigned file_count;
    operation *operations;
    unsigned count;
};

/* The disk while the operations are gone through. */
typedef struct disk {
    named names[NAMES_MAX];
    unsigned count;
    content files[FILES_MAX];
    unsigned file_count;
} disk;

static void set_bytes(buffer *to, const buffer *from)
{
    buffer_clear(to);
    buffer_append(to, from->bytes, from->len);
}

static bool read_whole(const char *path, buffer *out)
{
    FILE *f = fopen(path, "rb");
    size_t got = 1;
    while (f && got > 0) {
        char *to = buffer_reserve(out, 65536);
        got = to ? fread(to, 1, 65536, f) : 0;
        out->len += got;
    }
    return f && fclose(f) == 0 && !out->failed;
}

/* ---- reading ---- */

static bool read_folder(power_cut *p, const char *base, const char *inner)
{
    char path[2 * PATH_LEN];
    snprintf(path, sizeof path, "%s%s", base, inner);
    DIR *dir = opendir(path);
    struct dirent *entry;
    bool ok = dir != NULL;
    while (ok && (entry = readdir(dir))) {
        named *n = &p->base[p->base_count];
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(n->path, sizeof n->path, "%.200s/%.190s", inner, entry->d_name);
        snprintf(path, sizeof path, "%s%s", base, n->path);
        ok = stat(path, &st) == 0 && ++p->base_count < NAMES_MAX;
        n->file = FOLDER;
        if (ok && S_ISDIR(st.st_mode)) {
            ok = read_folder(p, base, n->path);
        } else if (ok) {
            n->file = (int)p->file_count;
            ok = ++p->file_count < FILES_MAX && read_whole(path, &p->files[n->file].now);
        }
    }
    if (dir)
        closedir(dir);
    return ok;
}

/* Copies a path of the journal, without the store's folder. */
static bool take_path(const char *text, size_t len, const char *folder, char out[PATH_LEN])
{
    size_t skip = strlen(folder);
    if (len < skip || len - skip >= PATH_LEN || memcmp(text, folder, skip) != 0)
        return false;
    memcpy(out, text + skip, len - skip);
    out[len - skip] = '\0';
    return true;
}

static bool read_operations(power_cut *p, const char *folder, const buffer *text)
{
    size_t at = 0;
    while (at < text->len) {
        fault_entry entry;
        operation *o = &p->operations[p->count];
        if (p->count == FAULT_POINTS_MAX || text->len - at < sizeof entry)
            return false;
        memcpy(&entry, text->bytes + at, sizeof entry);
        at += sizeof entry;
        if (text->len - at < entry.path_len + entry.data_len)
            return false;
        o->op = (fault_op)entry.op;
        o->number = entry.number;
        const char *data = text->bytes + at + entry.path_len;
        if (entry.path_len && !take_path(text->bytes + at, entry.path_len, folder, o->path))
            return false;
        if ((o->op == FAULT_RENAME || o->op == FAULT_LINK) && !take_path(data, entry.data_len, folder, o->to))
            return false;
        buffer_append(&o->data, data, entry.data_len);
        at += entry.path_len + entry.data_len;
        p->count++;
    }
    return true;
}

power_cut *power_cut_read(const char *base, const char *path, const char *journal)
{
    power_cut *p = calloc(1, sizeof *p);
    buffer text = { 0 };
    if (!p)
        return NULL;
    p->base = calloc(NAMES_MAX, sizeof *p->base);
    p->files = calloc(FILES_MAX, sizeof *p->files);
    p->operations = calloc(FAULT_POINTS_MAX, sizeof *p->operations);
    bool ok = p->base && p->files && p->operations && read_folder(p, base, "") && read_whole(journal, &text) &&
              read_operations(p, path, &text);
    buffer_free(&text);
    if (ok)
        return p;
    power_cut_free(p);
    return NULL;
}

void power_cut_free(power_cut *p)
{
    if (!p)
        return;
    for (unsigned i = 0; p->files && i < p->file_count; i++)
        buffer_free(&p->files[i].now);
    for (unsigned i = 0; p->operations && i < p->count; i++)
        buffer_free(&p->operations[i].data);
    free(p->base);
    free(p->files);
    free(p->operations);
    free(p);
}

unsigned power_cut_operations(const power_cut *p)
{
    return p->count;
}

/* ---- names ---- */

static named *find(disk *d, const char *path)
{
    for (unsigned i = 0; i < d->count; i++)
        if (strcmp(d->names[i].path, path) == 0)
            return &d->names[i];
    return NULL;
}

static void drop(disk *d, const char *path)
{
    named *n = find(d, path);
    if (n)
        *n = d->names[--d->count];
}

static void put(disk *d, const char *path, int file)
{
    drop(d, path);
    if (d->count == NAMES_MAX)
        abort();
    snprintf(d->names[d->count].path, PATH_LEN, "%s", path);
    d->names[d->count++].file = file;
}

/* `file`: what is made, renamed or linked. A name that is made leads to it also where the earlier name was lost. */
static void change_names(disk *d, const operation *o, int file)
{
    switch ((int)o->op) {
    case FAULT_MAKE:
        put(d, o->path, file);
        break;
    case FAULT_MKDIR:
        put(d, o->path, FOLDER);
        break;
    case FAULT_UNLINK:
        drop(d, o->path);
        break;
    case FAULT_RENAME:
        drop(d, o->path);
        put(d, o->to, file);
        break;
    case FAULT_LINK:
        put(d, o->to, file);
        break;
    default:
        break;
    }
}

static bool in_folder(const char *path, const char *folder)
{
    const char *slash = strrchr(path, '/');
    return slash && strlen(folder) == (size_t)(slash - path) && strncmp(path, folder, strlen(folder)) == 0;
}

static bool names_something(fault_op op)
{
    return op == FAULT_MAKE || op == FAULT_MKDIR || op == FAULT_UNLINK || op == FAULT_RENAME || op == FAULT_LINK;
}

/* ---- bytes ---- */

static void write_bytes(buffer *to, const operation *o)
{
    static const char zeros[4096];
    while (to->len < o->number)
        buffer_append(to, zeros, o->number - to->len < sizeof zeros ? (size_t)(o->number - to->len) : sizeof zeros);
    size_t end = (size_t)o->number + o->data.len;
    size_t inside = end <= to->len ? o->data.len : to->len - (size_t)o->number;
    if (inside)
        memcpy(to->bytes + o->number, o->data.bytes, inside);
    buffer_append(to, o->data.bytes + inside, o->data.len - inside);
}

static void change_bytes(disk *d, const operation *o)
{
    const named *n = find(d, o->path);
    if (!n || n->file == FOLDER)
        return;
    content *c = &d->files[n->file];
    if (o->op == FAULT_WRITE)
        write_bytes(&c->now, o);
    else if (o->op == FAULT_CUT && o->number < c->now.len)
        c->now.len = (size_t)o->number;
    else if (o->op == FAULT_SYNC)
        set_bytes(&c->synced, &c->now);
}

/* ---- building ---- */

static disk *disk_begin(const power_cut *p)
{
    disk *d = calloc(1, sizeof *d);
    if (!d)
        abort();
    memcpy(d->names, p->base, p->base_count * sizeof *p->base);
    d->count = p->base_count;
    d->file_count = p->file_count;
    for (unsigned i = 0; i < p->file_count; i++) {
        set_bytes(&d->files[i].now, &p->files[i].now);
        set_bytes(&d->files[i].synced, &p->files[i].now);
    }
    return d;
}

static void disk_end(disk *d)
{
    for (unsigned i = 0; i < d->file_count; i++) {
        buffer_free(&d->files[i].now);
        buffer_free(&d->files[i].synced);
    }
    free(d);
}

/* Goes through the operations as they happened; of[i]: the file that operation i made, renamed or linked. */
static void happen(const power_cut *p, unsigned done, disk *d, int *of, unsigned *acknowledged)
{
    for (unsigned i = 0; i < done; i++) {
        const operation *o = &p->operations[i];
        if (o->op == FAULT_MAKE) {
            if (d->file_count == FILES_MAX)
                abort();
            of[i] = (int)d->file_count++;
        } else {
            const named *n = find(d, o->path);
            of[i] = n ? n->file : FOLDER;
        }
        if (o->op == FAULT_ACKNOWLEDGED)
            *acknowledged = (unsigned)o->number;
        change_names(d, o, of[i]);
        change_bytes(d, o);
    }
}

static bool name_is_safe(const power_cut *p, unsigned at, unsigned done)
{
    const char *name = p->operations[at].op == FAULT_LINK ? p->operations[at].to : p->operations[at].path;
    for (unsigned i = at + 1; i < done; i++)
        if (p->operations[i].op == FAULT_SYNC_FOLDER && in_folder(name, p->operations[i].path))
            return true;
    return false;
}

/* The names that survive, in `d` in place of all that happened. */
static void keep_names(const power_cut *p, unsigned done, power_cut_model model, unsigned seed, const int *of, disk *d)
{
    unsigned until = model == POWER_CUT_STRICT ? 0 : model == POWER_CUT_NAMES ? done : seed % (done + 1);
    memcpy(d->names, p->base, p->base_count * sizeof *p->base);
    d->count = p->base_count;
    for (unsigned i = 0; i < done; i++)
        if ((i < until || name_is_safe(p, i, done)) && names_something(p->operations[i].op))
            change_names(d, &p->operations[i], of[i]);
}

static bool write_file(const char *path, const buffer *bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && (bytes->len == 0 || write(fd, bytes->bytes, bytes->len) == (ssize_t)bytes->len);
    return fd >= 0 && close(fd) == 0 && ok;
}

static int by_length(const void *a, const void *b)
{
    size_t x = strlen(((const named *)a)->path), y = strlen(((const named *)b)->path);
    return (x > y) - (x < y);
}

/* Writes name i; a second name of a file is a link to the first. */
static bool write_name(const disk *d, unsigned i, power_cut_model model, unsigned seed, const char *to)
{
    char path[2 * PATH_LEN], first[2 * PATH_LEN];
    const named *n = &d->names[i];
    struct stat st;
    snprintf(path, sizeof path, "%s%s", to, n->path);
    *strrchr(path, '/') = '\0';
    if (stat(path, &st) < 0)
        return true; /* its folder is lost, and it with it */
    path[strlen(path)] = '/';
    if (n->file == FOLDER)
        return mkdir(path, 0700) == 0;
    for (unsigned j = 0; j < i; j++) {
        snprintf(first, sizeof first, "%s%s", to, d->names[j].path);
        if (d->names[j].file == n->file)
            return link(first, path) == 0;
    }
    const content *c = &d->files[n->file];
    bool latest = model == POWER_CUT_MIXED && (seed >> (n->file % 13)) & 1;
    return write_file(path, latest ? &c->now : &c->synced);
}

static bool write_disk(disk *d, power_cut_model model, unsigned seed, const char *to)
{
    if (d->count == 0)
        return true; /* not even the folder is there */
    drop(d, "");
    qsort(d->names, d->count, sizeof *d->names, by_length);
    bool ok = mkdir(to, 0700) == 0;
    for (unsigned i = 0; i < d->count && ok; i++)
        ok = write_name(d, i, model, seed, to);
    return ok;
}

bool power_cut_build(const power_cut *p, unsigned done, power_cut_model model, unsigned seed, const char *to,
                     unsigned *acknowledged)
{
    disk *d = disk_begin(p);
    int *of = calloc(done + 1, sizeof *of);
    if (!of)
        abort();
    happen(p, done, d, of, acknowledged);
    keep_names(p, done, model, seed, of, d);
    bool ok = write_disk(d, model, seed, to);
    free(of);
    disk_end(d);
    return ok;
}
