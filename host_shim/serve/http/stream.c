/* stream.c - see stream.h. */
#include "stream.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct web_stream {
    void (*gone)(void *context);
    void *context;
    pthread_mutex_t lock;
    buffer waiting;
    size_t taken; /* bytes of `waiting` that are sent */
    bool ended;
    void (*wake)(void *connection); /* not NULL while the connection sleeps */
    void *connection;
};

web_stream *web_stream_create(void (*gone)(void *context), void *context)
{
    web_stream *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->gone = gone;
    s->context = context;
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

/* Under the lock, so that the connection does not go to sleep again in between. */
static void wake_up(web_stream *s)
{
    if (s->wake)
        s->wake(s->connection);
    s->wake = NULL;
}

bool web_stream_send(web_stream *s, const char *bytes, size_t len)
{
    pthread_mutex_lock(&s->lock);
    bool room = s->waiting.len - s->taken + len <= WEB_STREAM_WAITING_MAX;
    if (!s->ended && room)
        buffer_append(&s->waiting, bytes, len);
    if (!room || s->waiting.failed)
        s->ended = true;
    bool good = !s->ended;
    wake_up(s);
    pthread_mutex_unlock(&s->lock);
    return good;
}

void web_stream_end(web_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->ended = true;
    wake_up(s);
    pthread_mutex_unlock(&s->lock);
}

ptrdiff_t web_stream_take(web_stream *s, char *to, size_t room, void (*sleep)(void *connection),
                          void (*wake)(void *connection), void *connection)
{
    ptrdiff_t took = 0;
    pthread_mutex_lock(&s->lock);
    size_t left = s->waiting.failed ? 0 : s->waiting.len - s->taken;
    if (left > 0) {
        took = (ptrdiff_t)(left < room ? left : room);
        memcpy(to, s->waiting.bytes + s->taken, (size_t)took);
        s->taken += (size_t)took;
        if (s->taken == s->waiting.len) {
            buffer_clear(&s->waiting);
            s->taken = 0;
        }
    } else if (s->ended) {
        took = -1;
    } else {
        s->wake = wake;
        s->connection = connection;
        sleep(connection);
    }
    pthread_mutex_unlock(&s->lock);
    return took;
}

void web_stream_close(web_stream *s)
{
    if (!s)
        return;
    s->gone(s->context); /* from here on nobody writes */
    buffer_free(&s->waiting);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
