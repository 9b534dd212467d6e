/* graph_file.c - the mapped file of commit_graph.h; one that was replaced meanwhile stays mapped until its last reader is done. */
#include "commit_graph.h"
#include "os.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

typedef struct mapping {
    commit_graph graph; /* first, so that what was taken leads back here */
    int references;
} mapping;

struct graph_file {
    char *path;
    pthread_mutex_t lock; /* guards all below and the references */
    mapping *current;     /* NULL: none that can be believed */
    struct stat seen;     /* of the file that `current` was made from */
    bool any_seen;
};

graph_file *graph_file_create(const char *folder)
{
    buffer path = { 0 };
    buffer_printf(&path, "%s/info/commit-graph", folder);
    graph_file *f = path.failed ? NULL : calloc(1, sizeof *f);
    if (!f) {
        buffer_free(&path);
        return NULL;
    }
    f->path = path.bytes;
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

/* With the lock held. */
static void give(mapping *m)
{
    if (!m || --m->references > 0)
        return;
    munmap((void *)(uintptr_t)m->graph.bytes, m->graph.len);
    free(m);
}

void graph_file_free(graph_file *f)
{
    if (!f)
        return;
    give(f->current);
    pthread_mutex_destroy(&f->lock);
    free(f->path);
    free(f);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static mapping *map(const char *path, struct stat *seen)
{
    mapping *m = NULL;
    void *bytes = MAP_FAILED;
    int fd = os->open(path, O_RDONLY, 0);
    if (fd < 0)
        return NULL;
    if (fstat(fd, seen) == 0 && S_ISREG(seen->st_mode) && seen->st_size > 0)
        bytes = mmap(NULL, (size_t)seen->st_size, PROT_READ, MAP_SHARED, fd, 0);
    os->close(fd);
    if (bytes == MAP_FAILED)
        return NULL;
    m = calloc(1, sizeof *m);
    if (m && commit_graph_parse(bytes, (size_t)seen->st_size, &m->graph) && commit_graph_is_whole(&m->graph)) {
        m->references = 1;
        return m;
    }
    free(m);
    munmap(bytes, (size_t)seen->st_size);
    return NULL;
}

const commit_graph *graph_file_take(graph_file *f)
{
    struct stat now;
    pthread_mutex_lock(&f->lock);
    bool there = stat(f->path, &now) == 0;
    if (!there || !f->any_seen || !is_same(&now, &f->seen)) {
        give(f->current);
        f->seen = now;
        f->current = there ? map(f->path, &f->seen) : NULL;
        f->any_seen = there;
    }
    mapping *m = f->current;
    if (m)
        m->references++;
    pthread_mutex_unlock(&f->lock);
    return m ? &m->graph : NULL;
}

void graph_file_give(graph_file *f, const commit_graph *g)
{
    if (!g)
        return;
    pthread_mutex_lock(&f->lock);
    give((mapping *)(uintptr_t)g);
    pthread_mutex_unlock(&f->lock);
}
