/*
 * web_server.h - the socket's side of HTTP/1.1: bytes in, a web_request to the handlers, a web_answer out.
 *
 * On libmicrohttpd, which only web_server.c includes. A few threads read and write for all connections; what may wait for the store is
 * done by workers, whose number and queue are bounded: where the queue is full, the answer is 503 at once. Whoever is slow to send or to
 * read, or sends nothing, is cut off after a time; so a client holds no more than a connection, and of those there are so many.
 */
#ifndef SERVE_WEB_SERVER_H
#define SERVE_WEB_SERVER_H

#include "serve.h"

typedef struct web_server web_server;

/* Zero or NULL is the default. */
typedef struct web_server_options {
    const char *address;     /* to listen on (127.0.0.1) */
    uint16_t port;           /* 0: any that is free */
    uint32_t connections;    /* at once (1,000) */
    uint32_t workers;        /* threads that wait for the store (32) */
    uint32_t queue;          /* requests that wait for a worker (1,000) */
    uint64_t body_max;       /* bytes of a body (8 MiB) */
    uint32_t receive_ms;     /* to send a whole request (30,000) */
    uint32_t idle_ms;        /* a connection without a request (75,000) */
    const char *certificate; /* PEM texts: with them HTTPS is spoken */
    const char *private_key;
} web_server_options;

/* True where this program was built with libmicrohttpd. */
bool web_server_is_built(void);

/* Listens, and begins to answer through `s`, which stays the caller's. Errors: UNSUPPORTED (not built in, or no HTTPS), INVALID
 * (address, certificate), DENIED (port), BUSY (the port is taken), NO_MEMORY, INTERNAL. */
int32_t web_server_start(const web_server_options *options, serve *s, web_server **out, quipu_error *error);
uint16_t web_server_port(const web_server *w);
/* To be called a few times a second: cuts off who is too slow. */
void web_server_tick(web_server *w);
/* Takes no new connection, lets those that are in the middle of a request finish for at most `drain_ms`, then ends and frees. NULL is
 * nothing to do. Answers how many requests were cut off. */
uint64_t web_server_stop(web_server *w, uint32_t drain_ms);

#endif
