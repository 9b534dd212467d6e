/* pool.c - the connections for reading: as many as the setting `pool` says, made when they are needed, waited for when all are taken. */
#include "backend.h"

#include <base/fail.h>
#include <poll.h>
#include <string.h>
#include <time.h>

enum { WAIT_NS = 20000000 }; /* between two looks at the call */

/* A server that went away has sent its farewell, or the end of the stream. */
static bool looks_alive(const connection *c)
{
    if (connection_is_lost(c))
        return false;
    struct pollfd fd = { .fd = PQsocket(c->pg), .events = POLLIN };
    return poll(&fd, 1, 0) == 0 || (PQconsumeInput(c->pg) && !connection_is_lost(c));
}

static void wait_a_little(quipu_backend *self)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += WAIT_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&self->given, &self->pool, &until);
}

/* An idle one, or NULL with the right to make one. */
static int32_t take_place(quipu_backend *self, const quipu_call *call, connection **out, quipu_error *error)
{
    int64_t end = monotonic_now() + self->set.patience_ns;
    int32_t code = QUIPU_OK;
    *out = NULL;
    pthread_mutex_lock(&self->pool);
    while (!self->idle && self->open >= self->set.pool && code == QUIPU_OK) {
        wait_a_little(self);
        code = call_check(call, error);
        if (code == QUIPU_OK && !(call && call->deadline_ns) && monotonic_now() >= end)
            code = fail(error, QUIPU_E_BUSY, "pool",
                        "all %lld connections are in use; try again, or give the setting \"pool\" a larger number",
                        (long long)self->set.pool);
    }
    if (code == QUIPU_OK && self->idle) {
        *out = self->idle;
        self->idle = (*out)->next;
    } else if (code == QUIPU_OK) {
        self->open++;
    }
    pthread_mutex_unlock(&self->pool);
    return code;
}

static void give_place(quipu_backend *self, connection *c)
{
    pthread_mutex_lock(&self->pool);
    if (c) {
        c->next = self->idle;
        self->idle = c;
    } else {
        self->open--;
    }
    pthread_cond_signal(&self->given);
    pthread_mutex_unlock(&self->pool);
}

int32_t reader_take(quipu_backend *self, const quipu_call *call, connection **out, quipu_error *error)
{
    connection *c;
    *out = NULL;
    int32_t code = take_place(self, call, &c, error);
    if (code != QUIPU_OK)
        return code;
    if (!c) {
        code = connection_open(self, call, &c, error);
    } else {
        connection_use(c, call, NULL);
        if (!looks_alive(c))
            code = connection_again(c, error);
    }
    if (code != QUIPU_OK) {
        connection_close(c);
        give_place(self, NULL);
        return code;
    }
    *out = c;
    return QUIPU_OK;
}

void reader_give(quipu_backend *self, connection *c)
{
    if (!c)
        return;
    connection_use(c, NULL, NULL);
    connection_rollback(c);
    if (connection_is_lost(c)) {
        connection_close(c);
        c = NULL;
    }
    give_place(self, c);
}

void readers_close(quipu_backend *self)
{
    while (self->idle) {
        connection *next = self->idle->next;
        connection_close(self->idle);
        self->idle = next;
    }
    self->open = 0;
}
