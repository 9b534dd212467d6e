/*
 * stream.h - an answer that is not there as a whole: bytes that come one after another until somebody ends it (Server-Sent Events).
 *
 * One side writes, from any thread; the other is the connection, which takes what is there and sleeps when there is nothing.
 */
#ifndef SERVE_STREAM_H
#define SERVE_STREAM_H

#include <base/buffer.h>
#include <stdbool.h>

#define WEB_STREAM_WAITING_MAX (1u << 20) /* bytes that a slow reader may leave; then the stream ends */

typedef struct web_stream web_stream;

/* gone: called once, when the client has left or all was sent; the stream may not be touched afterwards. NULL without memory. */
web_stream *web_stream_create(void (*gone)(void *context), void *context);
/* Adds bytes; false where they will not arrive. [any-thread] */
bool web_stream_send(web_stream *s, const char *bytes, size_t len);
/* Nothing more comes. [any-thread] */
void web_stream_end(web_stream *s);

/* ---- for the connection ---- */

/* Takes up to `room` bytes. 0: none yet, and `sleep` was called under the stream's lock; -1: the end. wake is called, from any thread,
 * after a sleep. */
ptrdiff_t web_stream_take(web_stream *s, char *to, size_t room, void (*sleep)(void *connection),
                          void (*wake)(void *connection), void *connection);
/* The connection is over: tells `gone`, and frees. NULL is nothing to do. */
void web_stream_close(web_stream *s);

#endif
