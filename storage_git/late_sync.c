/* late_sync.c - see late_sync.h. */
#include "late_sync.h"

#include "os.h"

#include <base/fail.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct late_sync {
    int fd; /* of the store's folder */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    pid_t owner; /* the process that has the thread; 0: it was not started */
    bool dirty;  /* something was written since the last sync began */
    bool stop;   /* the thread shall end */
    int failed;  /* errno of a sync that failed and was not told yet */
};

int32_t late_sync_create(const char *folder, late_sync **out, quipu_error *error)
{
    late_sync *l = calloc(1, sizeof *l);
    pthread_condattr_t attributes;
    if (!l)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    l->fd = os->open(folder, O_RDONLY | O_DIRECTORY, 0);
    if (l->fd < 0) {
        free(l);
        return fail_errno(error, errno, "cannot open %s", folder);
    }
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&l->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    *out = l;
    return QUIPU_OK;
}

/* With the lock held, which is let go while the disk works. */
static void sync_once(late_sync *l)
{
    l->dirty = false;
    pthread_mutex_unlock(&l->lock);
    int failed = os->syncfs(l->fd) < 0 ? errno : 0;
    pthread_mutex_lock(&l->lock);
    if (failed) {
        l->failed = failed;
        l->dirty = true;
    }
}

/* Waits with the lock held, until the time has passed or the thread shall end. */
static void wait_before_sync(late_sync *l)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LATE_SYNC_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    while (!l->stop && pthread_cond_timedwait(&l->changed, &l->lock, &until) != ETIMEDOUT)
        ;
}

static void *run(void *context)
{
    late_sync *l = context;
    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        if (!l->dirty) {
            pthread_cond_wait(&l->changed, &l->lock);
            continue;
        }
        wait_before_sync(l);
        sync_once(l);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* Tells a failure once. */
static int32_t take_failure(late_sync *l, quipu_error *error)
{
    int failed = l->failed;
    l->failed = 0;
    return failed ? fail_errno(error, failed, "changes that were answered before may not be on the disk") : QUIPU_OK;
}

int32_t late_sync_note(late_sync *l, quipu_error *error)
{
    pthread_mutex_lock(&l->lock);
    l->dirty = true;
    if (!l->owner && pthread_create(&l->thread, NULL, run, l) == 0)
        l->owner = getpid();
    if (!l->owner)
        sync_once(l); /* no thread to be had: now, then */
    pthread_cond_signal(&l->changed);
    int32_t code = take_failure(l, error);
    pthread_mutex_unlock(&l->lock);
    return code;
}

int32_t late_sync_now(late_sync *l, quipu_error *error)
{
    pthread_mutex_lock(&l->lock);
    sync_once(l); /* also where nothing is dirty: the thread may be in the middle of it */
    int32_t code = take_failure(l, error);
    pthread_mutex_unlock(&l->lock);
    return code;
}

void late_sync_free(late_sync *l)
{
    if (!l)
        return;
    if (l->owner == getpid()) {
        pthread_mutex_lock(&l->lock);
        l->stop = true;
        pthread_cond_signal(&l->changed);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->thread, NULL);
        if (l->dirty)
            os->syncfs(l->fd);
        pthread_cond_destroy(&l->changed);
        pthread_mutex_destroy(&l->lock);
    }
    os->close(l->fd);
    free(l);
}
