/*
 * web_server.c - HTTP/1.1 by libmicrohttpd; see web_server.h.
 *
 * A connection has one `web_link`, which is used again for each of its requests. The library's threads call on_request: first when the
 * headers are there (serve_begin), then for each piece of the body, then when all is there. What may wait is given to a worker, and
 * the connection suspended meanwhile; the worker resumes it, and on_request is called once more to queue the answer. So a link is
 * touched by one thread at a time, except for `stage` and `since_ms`, by which web_server_tick finds who is too slow.
 */
#ifdef HAVE_MICROHTTPD
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* getentropy */
#endif
#include "web_server.h"

#include "listen.h"
#include "workers.h"

#include <arpa/inet.h>
#include <base/fail.h>
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IO_THREADS_MAX 4
#define HEADERS_BYTES (64u << 10) /* of a request, all together */
#define DISCARD_FACTOR 8          /* of a body that is too large so much is read before the connection is cut */
#define SEND_MS 60000
#define STREAM_SIGN_MS 15000 /* between two signs of life on a stream */

/* What a connection is waiting for. */
#define STAGE_IDLE 0      /* a request */
#define STAGE_RECEIVING 1 /* the rest of a request */
#define STAGE_WORKING 2   /* us */
#define STAGE_SENDING 3   /* to take the answer */
#define STAGE_STREAMING 4 /* what comes, as long as it likes */

typedef struct web_link {
    struct web_link *next, *before; /* of all connections */
    web_server *server;
    struct MHD_Connection *connection;
    int fd;
    atomic_int stage;
    _Atomic int64_t since_ms;
    char peer[INET6_ADDRSTRLEN];
    buffer uri;
    buffer body;
    uint64_t received; /* bytes of the body, kept or not */
    serve_step step;
    bool begun, done, too_large;
    web_request request;
    web_answer answer;
} web_link;

struct web_server {
    serve *serve;
    web_server_options with;
    struct MHD_Daemon *daemon;
    workers *workers;
    uint16_t port;
    pthread_mutex_t lock; /* of the list */
    web_link *links;
    atomic_uint_fast64_t busy; /* requests between their headers and their end */
    atomic_uint_fast64_t serial;
    uint64_t seed;
    atomic_bool ending;
};

bool web_server_is_built(void)
{
    return true;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void enter_stage(web_link *l, int stage)
{
    atomic_store(&l->since_ms, now_ms());
    atomic_store(&l->stage, stage);
}

/* ---- connections ---- */

static void name_peer(web_link *l)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(l->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *peer = info ? info->client_addr : NULL;
    if (peer && peer->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, l->peer, sizeof l->peer);
    else if (peer && peer->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, l->peer, sizeof l->peer);
}

static void forget_request(web_link *l)
{
    web_request_free(&l->request);
    web_answer_free(&l->answer);
    memset(&l->request, 0, sizeof l->request);
    memset(&l->answer, 0, sizeof l->answer);
    if (l->body.capacity > 64u << 10)
        buffer_free(&l->body);
    buffer_clear(&l->body);
    l->body.failed = false;
    l->received = 0;
    l->begun = l->done = l->too_large = false;
}

static void open_link(web_server *w, struct MHD_Connection *connection, void **context)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    web_link *l = calloc(1, sizeof *l);
    *context = l;
    if (!l)
        return; /* its requests are refused */
    l->server = w;
    l->connection = connection;
    l->fd = info ? info->connect_fd : -1;
    name_peer(l);
    enter_stage(l, STAGE_IDLE);
    pthread_mutex_lock(&w->lock);
    l->next = w->links;
    if (w->links)
        w->links->before = l;
    w->links = l;
    pthread_mutex_unlock(&w->lock);
}

static void close_link(web_server *w, web_link *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&w->lock); /* from now on web_server_tick does not touch the descriptor */
    if (l->before)
        l->before->next = l->next;
    else
        w->links = l->next;
    if (l->next)
        l->next->before = l->before;
    pthread_mutex_unlock(&w->lock);
    forget_request(l);
    buffer_free(&l->uri);
    buffer_free(&l->body);
    free(l);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        open_link(context, connection, socket_context);
    else
        close_link(context, *socket_context);
}

static web_link *link_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* The request line is there. What is returned is not used: it would not be given back for a request that goes wrong from here. */
static void *on_uri(void *context, const char *uri, struct MHD_Connection *connection)
{
    web_link *l = link_of(connection);
    (void)context;
    if (l) {
        enter_stage(l, STAGE_RECEIVING);
        buffer_clear(&l->uri);
        buffer_append_text(&l->uri, uri);
    }
    return NULL;
}

/* ---- requests ---- */

static quipu_str header_of(void *connection, const char *name)
{
    return str_of(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name));
}

static void make_id(web_server *w, char out[WEB_ID_LEN + 1])
{
    uint64_t x = w->seed + atomic_fetch_add(&w->serial, 1) * 0x9e3779b97f4a7c15u; /* splitmix64 */
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    snprintf(out, WEB_ID_LEN + 1, "%016llx", (unsigned long long)(x ^ x >> 31));
}

static void begin_request(web_link *l, const char *method)
{
    web_request *r = &l->request;
    const char *query = l->uri.len ? memchr(l->uri.bytes, '?', l->uri.len) : NULL;
    size_t path_len = query ? (size_t)(query - l->uri.bytes) : l->uri.len;
    l->begun = true;
    r->method = method;
    r->path = str_make(l->uri.len ? l->uri.bytes : "", path_len);
    r->query = query ? str_of(query + 1) : str_of("");
    r->peer = str_of(l->peer);
    r->header = header_of;
    r->connection = l->connection;
    make_id(l->server, r->id);
    atomic_fetch_add(&l->server->busy, 1);
    l->step = serve_begin(l->server->serve, r, &l->answer);
}

/* A failure that is seen here, as the server's own routes word it. */
static void answer_failure(web_link *l, int status, int32_t code, const char *message)
{
    quipu_error error = { .struct_size = sizeof error };
    fail(&error, code, NULL, "%s", message);
    l->answer.status = status;
    l->answer.type = NULL;
    buffer_clear(&l->answer.body);
    own_wire.refuse(&l->request, &l->answer, &error);
    web_answer_header(&l->answer, "X-Request-ID", "%s", l->request.id);
    serve_log_request(l->server->serve, &l->request, &l->answer, NULL, 0);
}

static void sleep_connection(void *connection)
{
    MHD_suspend_connection(connection);
}

static void wake_connection(void *connection)
{
    MHD_resume_connection(connection);
}

static ssize_t read_stream(void *context, uint64_t position, char *to, size_t room)
{
    web_link *l = context;
    (void)position;
    ptrdiff_t took = web_stream_take(l->answer.stream, to, room, sleep_connection, wake_connection, l->connection);
    return took < 0 ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t)took;
}

static struct MHD_Response *make_response(web_link *l)
{
    web_answer *a = &l->answer;
    if (a->stream) {
        if (atomic_load(&l->server->ending))
            web_stream_end(a->stream);
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_stream, l, NULL);
    }
    struct MHD_Response *made = MHD_create_response_from_buffer(a->body.len, a->body.bytes, MHD_RESPMEM_MUST_FREE);
    if (made)
        a->body = (buffer){ 0 }; /* the response has it */
    return made;
}

static enum MHD_Result send_answer(web_link *l)
{
    web_answer *a = &l->answer;
    struct MHD_Response *response = make_response(l);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", a->type ? a->type : "application/json");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    for (unsigned i = 0; i < a->header_count; i++)
        MHD_add_response_header(response, a->headers[i].name, a->headers[i].value);
    if (atomic_load(&l->server->ending) || l->too_large)
        MHD_add_response_header(response, "Connection", "close");
    pthread_mutex_lock(&l->server->lock); /* web_server_tick looks at the stream */
    enter_stage(l, a->stream ? STAGE_STREAMING : STAGE_SENDING);
    pthread_mutex_unlock(&l->server->lock);
    enum MHD_Result queued = MHD_queue_response(l->connection, (unsigned)a->status, response);
    MHD_destroy_response(response);
    return queued;
}

/* A worker's part. */
static void work(void *item)
{
    web_link *l = item;
    struct MHD_Connection *connection = l->connection;
    serve_end(l->server->serve, &l->request, &l->answer);
    l->done = true;
    MHD_resume_connection(connection);
}

/* All of the request is there. */
static enum MHD_Result finish_request(web_link *l)
{
    if (l->too_large) {
        answer_failure(l, 413, QUIPU_E_TOO_LARGE, "the body is too large");
    } else if (l->body.failed) {
        answer_failure(l, 503, QUIPU_E_NO_MEMORY, "memory is exhausted");
    } else if (l->step != SERVE_REFUSED && !l->done) {
        l->request.body = str_make(l->body.bytes ? l->body.bytes : "", l->body.len);
        enter_stage(l, STAGE_WORKING);
        if (l->step == SERVE_SLOW) {
            MHD_suspend_connection(l->connection);
            if (workers_give(l->server->workers, l))
                return MHD_YES;
            web_answer_header(&l->answer, "Retry-After", "1");
            answer_failure(l, 503, QUIPU_E_BUSY, "too many requests are waiting: try again");
            l->done = true;
            MHD_resume_connection(l->connection);
            return MHD_YES;
        }
        serve_end(l->server->serve, &l->request, &l->answer);
    }
    return send_answer(l);
}

/* The length that the headers promise; 0 where they promise none. */
static uint64_t promised(struct MHD_Connection *connection)
{
    const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
    return text ? strtoull(text, NULL, 10) : 0;
}

static enum MHD_Result take_headers(web_link *l, const char *method)
{
    begin_request(l, method);
    uint64_t most = l->server->with.body_max, length = promised(l->connection);
    bool asks = MHD_lookup_connection_value(l->connection, MHD_HEADER_KIND, "Expect") != NULL;
    l->too_large = length > most;
    if ((l->too_large && (asks || length > most * DISCARD_FACTOR)) || (l->step == SERVE_REFUSED && asks)) {
        l->too_large = true; /* the connection ends with this answer, for the body is not read */
        if (l->step != SERVE_REFUSED)
            answer_failure(l, 413, QUIPU_E_TOO_LARGE, "the body is too large");
        return send_answer(l);
    }
    return MHD_YES;
}

static enum MHD_Result take_body(web_link *l, const char *bytes, size_t len)
{
    uint64_t most = l->server->with.body_max;
    l->received += len;
    if (l->received > most)
        l->too_large = true;
    if (l->received > most * DISCARD_FACTOR)
        return MHD_NO;
    if (l->step != SERVE_REFUSED && !l->too_large)
        buffer_append(&l->body, bytes, len);
    return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_len, void **request_context)
{
    web_link *l = link_of(connection);
    (void)context, (void)url, (void)version;
    if (!l || l->uri.failed)
        return MHD_NO;
    *request_context = l;
    if (!l->begun)
        return take_headers(l, method);
    if (*upload_len > 0) {
        size_t len = *upload_len;
        *upload_len = 0;
        return take_body(l, upload, len);
    }
    return finish_request(l);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request_context,
                         enum MHD_RequestTerminationCode why)
{
    web_server *w = context;
    web_link *l = *request_context;
    (void)connection, (void)why;
    if (!l || !l->begun)
        return;
    pthread_mutex_lock(&w->lock);
    enter_stage(l, STAGE_IDLE);
    pthread_mutex_unlock(&w->lock);
    forget_request(l);
    atomic_fetch_sub(&w->busy, 1);
}

/* ---- the server ---- */

static void set_defaults(web_server_options *o)
{
    o->address = o->address ? o->address : "127.0.0.1";
    o->connections = o->connections ? o->connections : 1000;
    o->workers = o->workers ? o->workers : 32;
    o->queue = o->queue ? o->queue : 1000;
    o->body_max = o->body_max ? o->body_max : 8u << 20;
    o->receive_ms = o->receive_ms ? o->receive_ms : 30000;
    o->idle_ms = o->idle_ms ? o->idle_ms : 75000;
}

static unsigned io_threads(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > IO_THREADS_MAX ? IO_THREADS_MAX : (unsigned)cores;
}

static struct MHD_Daemon *start_daemon(web_server *w, int fd)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, threads = io_threads();
    struct MHD_OptionItem items[12];
    size_t n = 0;
    items[n++] = (struct MHD_OptionItem){ MHD_OPTION_LISTEN_SOCKET, fd, NULL };
    items[n++] = (struct MHD_OptionItem){ MHD_OPTION_CONNECTION_LIMIT, (intptr_t)w->with.connections, NULL };
    items[n++] = (struct MHD_OptionItem){ MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADERS_BYTES, NULL };
    items[n++] = (struct MHD_OptionItem){ MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL };
    if (threads > 1)
        items[n++] = (struct MHD_OptionItem){ MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)threads, NULL };
    if (w->with.certificate) {
        flags |= MHD_USE_TLS;
        items[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)w->with.certificate };
        items[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)w->with.private_key };
    }
    items[n++] = (struct MHD_OptionItem){ MHD_OPTION_END, 0, NULL };
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, w, MHD_OPTION_URI_LOG_CALLBACK, on_uri, w,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, w, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
                            w, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
}

static int32_t start(web_server *w, quipu_error *error)
{
    int fd = -1;
    if (w->with.certificate && MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
        return fail(error, QUIPU_E_UNSUPPORTED, "certificate", "this libmicrohttpd was built without TLS");
    if (getentropy(&w->seed, sizeof w->seed) != 0)
        return fail_errno(error, errno, "the system gives no random bytes");
    int32_t code = listen_open(w->with.address, &w->port, &fd, error);
    if (code == QUIPU_OK)
        code = workers_start(w->with.workers, w->with.queue, work, &w->workers, error);
    if (code == QUIPU_OK) {
        sigset_t every, before;
        sigfillset(&every); /* signals are for the thread that started us */
        pthread_sigmask(SIG_SETMASK, &every, &before);
        w->daemon = start_daemon(w, fd);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (!w->daemon)
            code = fail(error, w->with.certificate ? QUIPU_E_INVALID : QUIPU_E_INTERNAL,
                        w->with.certificate ? "certificate" : NULL, "cannot start the server%s",
                        w->with.certificate ? ": certificate and key are no pair of PEM files" : "");
    }
    if (code != QUIPU_OK && fd >= 0)
        close(fd);
    return code;
}

int32_t web_server_start(const web_server_options *options, serve *s, web_server **out, quipu_error *error)
{
    web_server *w = calloc(1, sizeof *w);
    *out = NULL;
    if (!w)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    w->serve = s;
    w->with = *options;
    set_defaults(&w->with);
    w->port = w->with.port;
    pthread_mutex_init(&w->lock, NULL);
    int32_t code = start(w, error);
    if (code == QUIPU_OK) {
        *out = w;
        return QUIPU_OK;
    }
    workers_stop(w->workers);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return code;
}

uint16_t web_server_port(const web_server *w)
{
    return w->port;
}

/* A stream that nobody reads any more ends; on another a comment now and then keeps it from looking dead on the way. */
static void look_after_stream(web_link *l, int64_t now)
{
    struct pollfd peer = { .fd = l->fd, .events = POLLRDHUP };
    if (atomic_load(&l->server->ending) || (l->fd >= 0 && poll(&peer, 1, 0) > 0))
        web_stream_end(l->answer.stream);
    if (now - atomic_load(&l->since_ms) > STREAM_SIGN_MS) {
        atomic_store(&l->since_ms, now);
        if (!web_stream_send(l->answer.stream, ":\n\n", 3) && l->fd >= 0)
            shutdown(l->fd, SHUT_RDWR);
    }
}

void web_server_tick(web_server *w)
{
    int64_t now = now_ms();
    pthread_mutex_lock(&w->lock);
    for (web_link *l = w->links; l; l = l->next) {
        int stage = atomic_load(&l->stage);
        int64_t waited = now - atomic_load(&l->since_ms);
        int64_t most = stage == STAGE_IDLE        ? w->with.idle_ms
                       : stage == STAGE_RECEIVING ? w->with.receive_ms
                       : stage == STAGE_SENDING   ? SEND_MS
                                                  : INT64_MAX;
        if (stage == STAGE_STREAMING)
            look_after_stream(l, now);
        else if (waited > most && l->fd >= 0)
            shutdown(l->fd, SHUT_RDWR); /* the library sees its end, and closes it */
    }
    pthread_mutex_unlock(&w->lock);
}

static void rest_ms(long ms)
{
    struct timespec rest = { 0, ms * 1000000 };
    nanosleep(&rest, NULL);
}

uint64_t web_server_stop(web_server *w, uint32_t drain_ms)
{
    if (!w)
        return 0;
    int64_t until = now_ms() + drain_ms;
    atomic_store(&w->serve->draining, true);
    atomic_store(&w->ending, true);
    int fd = MHD_quiesce_daemon(w->daemon);
    if (fd >= 0)
        close(fd);
    while (atomic_load(&w->busy) > 0 && now_ms() < until) {
        web_server_tick(w);
        rest_ms(5);
    }
    uint64_t left = atomic_load(&w->busy);
    if (left > 0)
        serve_cancel(w->serve);
    workers_stop(w->workers); /* each of them resumes the connection that it holds */
    web_server_tick(w);       /* and so do the streams, which end */
    MHD_stop_daemon(w->daemon);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return left;
}
#else
typedef int web_server_is_not_built; /* no empty file */
#endif
