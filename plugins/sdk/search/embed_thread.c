/* embed_thread.c - see embed_thread.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* SCHED_BATCH */
#endif
#include <sdk/embed_thread.h>

#include <pthread.h>
#include <quipu/plugin.h>
#include <sched.h>
#include <sdk/services.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MS ((int64_t)1000000)
#define FIRST_NS (250 * MS)    /* after open: whoever asks or writes one thing and goes is not held up */
#define PAUSE_NS (100 * MS)    /* without a write, before it begins */
#define AT_MOST_NS (2000 * MS) /* that it waits for such a pause */
#define BETWEEN_NS (30 * MS)   /* portions, so that another process may have its turn */
#define BUSY_NS (1000 * MS)    /* until it looks again whether another process is at it still */

struct embed_thread {
    const index_owner *owner;
    quipu_backend *self;
    const quipu_host *host;
    pid_t process; /* that has the thread */
    pthread_t thread;
    quipu_cancel cancel; /* set when it ends */
    atomic_bool asked;   /* there may be something to do */
    atomic_uint wakes;
    pthread_mutex_t lock; /* guards `stop` */
    pthread_cond_t changed;
    bool stop;
};

/* ---- waiting: with the lock ---- */

static void wait_until(embed_thread *t, int64_t when)
{
    struct timespec at = { .tv_sec = (time_t)(when / 1000000000), .tv_nsec = (long)(when % 1000000000) };
    pthread_cond_timedwait(&t->changed, &t->lock, &at);
}

static void sleep_for(embed_thread *t, int64_t ns)
{
    int64_t until = monotonic_now() + ns;
    while (!t->stop && monotonic_now() < until)
        wait_until(t, until);
}

/* Until writes pause. */
static void gather(embed_thread *t)
{
    int64_t most = monotonic_now() + AT_MOST_NS;
    unsigned seen;
    do {
        seen = atomic_load(&t->wakes);
        sleep_for(t, PAUSE_NS);
    } while (!t->stop && seen != atomic_load(&t->wakes) && monotonic_now() < most);
}

/* ---- working: without it ---- */

/* How long it sleeps before the next portion; -1: until it is asked. */
static int64_t outcome(embed_thread *t, record_index *ix, int32_t code, bool more, const quipu_error *error)
{
    if (code == QUIPU_OK)
        return more ? BETWEEN_NS : -1;
    if (code == QUIPU_E_CANCELLED || code == QUIPU_E_UNSUPPORTED)
        return -1; /* it ends; there is no embedder */
    if (code == QUIPU_E_BUSY)
        return BUSY_NS;
    int64_t rest = record_index_rests(ix);
    host_log(t->host, QUIPU_LOG_WARNING, "vectors", "vectors are not made, and tried again later: %s", error->message);
    return rest > BUSY_NS ? rest : BUSY_NS;
}

static int64_t work(embed_thread *t)
{
    record_index *ix;
    void *held;
    int64_t moment;
    bool more = false;
    quipu_error error = { .struct_size = sizeof error };
    const quipu_call call = { .struct_size = sizeof call, .cancel = &t->cancel };
    int32_t code = t->owner->take(t->self, (quipu_str){ 0 }, &ix, &held, &moment, &error);
    if (code != QUIPU_OK)
        return BUSY_NS; /* whoever asks next is told */
    code = record_index_follow(ix, &more, &call, &error);
    int64_t sleep = outcome(t, ix, code, more, &error);
    t->owner->give(held);
    if (code == QUIPU_E_CORRUPT)
        t->owner->distrust(t->self);
    return sleep;
}

static void *run(void *context)
{
    embed_thread *t = context;
    (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &(struct sched_param){ 0 }); /* it pushes nobody aside */
    pthread_mutex_lock(&t->lock);
    sleep_for(t, FIRST_NS);
    while (!t->stop) {
        if (!atomic_exchange(&t->asked, false)) {
            pthread_cond_wait(&t->changed, &t->lock);
            if (atomic_load(&t->asked))
                gather(t);
            continue;
        }
        pthread_mutex_unlock(&t->lock);
        int64_t sleep = work(t);
        pthread_mutex_lock(&t->lock);
        if (sleep >= 0) {
            atomic_store(&t->asked, true);
            sleep_for(t, sleep);
        }
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* ---- life ---- */

static bool has_embedder(const quipu_host *host)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_SERVICE_EMBED);
    return host && host->get_service(host, &id) != NULL;
}

static void clear(embed_thread *t)
{
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* The thread hears no signal: those are the host's. */
static bool start(embed_thread *t)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&t->thread, NULL, run, t) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

embed_thread *embed_thread_begin(const index_owner *owner, quipu_backend *self, const quipu_host *host)
{
    pthread_condattr_t monotonic;
    embed_thread *t = has_embedder(host) ? calloc(1, sizeof *t) : NULL;
    if (!t)
        return NULL;
    *t = (embed_thread){ .owner = owner,
                         .self = self,
                         .host = host,
                         .process = getpid(),
                         .cancel = { .struct_size = sizeof t->cancel, .fd = -1 } };
    atomic_init(&t->asked, true);
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (start(t))
        return t;
    clear(t);
    return NULL;
}

void embed_thread_wake(embed_thread *t)
{
    if (!t)
        return;
    atomic_fetch_add(&t->wakes, 1);
    if (atomic_exchange(&t->asked, true))
        return; /* it has not looked since it was asked last */
    pthread_mutex_lock(&t->lock);
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

void embed_thread_end(embed_thread *t)
{
    if (!t)
        return;
    if (t->process != getpid()) {
        free(t); /* of the lock nobody knows who has it */
        return;
    }
    __atomic_store_n(&t->cancel.flag, 1, __ATOMIC_RELEASE);
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    clear(t);
}
