/*
 * embed_turn.c - see record_index_vectors.h: who embeds, among threads and among processes.
 *
 * Among processes the turn is a lock of the kernel's on a file beside the vectors: whoever is killed has let it go. A process that holds it
 * writes what it made before it lets go; who gets it then takes that up first. So no more than a batch is made twice.
 */
#include "record_index_vectors.h"

#include <base/buffer.h>
#include <errno.h>
#include <fcntl.h>
#include <storage_git/os.h>
#include <time.h>
#include <unistd.h>

#define LOCK_FILE ".vectors-lock"
#define LOOK_EVERY_NS 10000000 /* at the lock of another process */
#define WAKE_EVERY_NS 20000000 /* to look at the call's deadline and token */

bool embeddings_begin_turn(embeddings *e)
{
    e->file = -1;
    if (pthread_mutex_init(&e->turn_lock, NULL) != 0)
        return false;
    if (pthread_cond_init(&e->turn_free, NULL) == 0)
        return true;
    pthread_mutex_destroy(&e->turn_lock);
    return false;
}

void embeddings_end_turn(embeddings *e)
{
    if (e->file >= 0)
        os->close(e->file);
    if (e->process != getpid())
        return;
    pthread_cond_destroy(&e->turn_free);
    pthread_mutex_destroy(&e->turn_lock);
}

/* ---- among threads ---- */

static void wait_a_moment(embeddings *e)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += WAKE_EVERY_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&e->turn_free, &e->turn_lock, &until);
}

int32_t embeddings_take_turn(embeddings *e, bool last, const quipu_call *call, quipu_error *error)
{
    int32_t rc = QUIPU_OK;
    pthread_mutex_lock(&e->turn_lock);
    e->turn_wanted += !last;
    while ((e->turn_taken || (last && e->turn_wanted > 0)) && (rc = call_check(call, error)) == QUIPU_OK)
        wait_a_moment(e);
    e->turn_wanted -= !last;
    if (rc == QUIPU_OK)
        e->turn_taken = true;
    pthread_mutex_unlock(&e->turn_lock);
    return rc;
}

void embeddings_give_turn(embeddings *e)
{
    pthread_mutex_lock(&e->turn_lock);
    e->turn_taken = false;
    pthread_cond_broadcast(&e->turn_free); /* one that goes last may be among them */
    pthread_mutex_unlock(&e->turn_lock);
}

/* ---- among processes ---- */

/* Under turn_lock. False: another process has it. */
static bool lock_file(embeddings *e)
{
    if (!e->path || e->read_only)
        return true; /* nothing is shared */
    if (e->file < 0) {
        buffer path = { 0 };
        buffer_printf(&path, "%s/" LOCK_FILE, e->path);
        e->file = path.failed ? -1 : os->open(path.bytes, O_RDWR | O_CREAT, 0600);
        buffer_free(&path);
    }
    return e->file < 0 || os->lock(e->file, false) == 0 || errno != EAGAIN;
}

bool embeddings_try_alone(embeddings *e)
{
    pthread_mutex_lock(&e->turn_lock);
    bool alone = e->holders > 0 || lock_file(e);
    e->holders += alone;
    pthread_mutex_unlock(&e->turn_lock);
    return alone;
}

int32_t embeddings_be_alone(embeddings *e, const quipu_call *call, quipu_error *error)
{
    int32_t rc = QUIPU_OK;
    while (!embeddings_try_alone(e)) {
        if ((rc = call_check(call, error)) != QUIPU_OK)
            return rc;
        nanosleep(&(struct timespec){ .tv_nsec = LOOK_EVERY_NS }, NULL);
    }
    return rc;
}

void embeddings_not_alone(embeddings *e)
{
    pthread_mutex_lock(&e->turn_lock);
    if (--e->holders == 0 && e->file >= 0)
        os->unlock(e->file);
    pthread_mutex_unlock(&e->turn_lock);
}

bool embeddings_last_alone(embeddings *e)
{
    pthread_mutex_lock(&e->turn_lock);
    bool last = e->holders == 1;
    pthread_mutex_unlock(&e->turn_lock);
    return last;
}
