/* stdio.c - see stdio.h. */
#include "stdio.h"

#include <base/fail.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sdk/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_AT_ONCE 65536

/* A request that waits, or is being answered. */
typedef struct job {
    rpc_message message;
    bool batch; /* message.tree is an array of messages (revision 2025-03-26) */
    size_t bytes;
    quipu_cancel cancel;
    struct job *next;
} job;

typedef struct channel {
    const mcp_server *server;
    mcp_session session;
    int out;
    int broken[2]; /* a pipe; the second end is written to when `out` can no longer be */
    pthread_mutex_t writing;
    bool failed; /* under `writing` */
    int failed_errno;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    job *first, *last, *running;
    uint32_t waiting;
    size_t waiting_bytes;
    bool ended;   /* no more will come */
    bool dropped; /* and what waits is not wanted */
} channel;

/* ---- out ---- */

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            struct pollfd p = { .fd = fd, .events = POLLOUT };
            poll(&p, 1, -1);
            continue;
        }
        if (n < 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

/* One message, one line. JSON as it is printed here has no line end inside. */
static void send_line(void *context, const buffer *message)
{
    channel *l = context;
    buffer line = { 0 };
    buffer_append(&line, message->bytes, message->len);
    buffer_append_char(&line, '\n');
    pthread_mutex_lock(&l->writing);
    if (!l->failed && (line.failed || !write_all(l->out, line.bytes, line.len))) {
        l->failed = true;
        l->failed_errno = line.failed ? ENOMEM : errno;
        ssize_t ignored = write(l->broken[1], "", 1);
        (void)ignored;
    }
    pthread_mutex_unlock(&l->writing);
    buffer_free(&line);
}

static void send_failure(channel *l, const rpc_message *to, rpc_error *error)
{
    buffer out = { 0 };
    rpc_print_error(to, error, &out);
    if (!out.failed)
        send_line(l, &out);
    buffer_free(&out);
    rpc_error_free(error);
}

/* ---- requests that wait ---- */

static void job_free(job *j)
{
    rpc_message_free(&j->message);
    free(j);
}

/* Takes the message over. */
static void job_add(channel *l, rpc_message *message, bool batch, size_t bytes)
{
    rpc_error error = { 0 };
    job *j = calloc(1, sizeof *j);
    pthread_mutex_lock(&l->lock);
    if (!j) {
        rpc_fail(&error, RPC_INTERNAL_ERROR, "memory is exhausted");
    } else if (l->waiting >= MCP_PENDING_MAX || l->waiting_bytes + bytes > MCP_PENDING_BYTES_MAX) {
        rpc_fail(&error, MCP_BUSY, "too many requests wait for an answer (at most %u, %u MiB): send fewer at once",
                 MCP_PENDING_MAX, MCP_PENDING_BYTES_MAX >> 20);
        free(j);
        j = NULL;
    } else {
        *j = (job){ .message = *message, .batch = batch, .bytes = bytes };
        j->cancel = (quipu_cancel){ .struct_size = sizeof j->cancel, .fd = -1 };
        *message = (rpc_message){ 0 };
        if (l->last)
            l->last->next = j;
        else
            l->first = j;
        l->last = j;
        l->waiting++;
        l->waiting_bytes += bytes;
        pthread_cond_signal(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    if (!j)
        send_failure(l, message, &error);
}

/* The next one, which becomes the one that runs; NULL at the end. */
static job *job_next(channel *l)
{
    pthread_mutex_lock(&l->lock);
    while (!l->first && !l->ended)
        pthread_cond_wait(&l->changed, &l->lock);
    job *j = l->dropped ? NULL : l->first;
    if (j) {
        l->first = j->next;
        if (!l->first)
            l->last = NULL;
        l->waiting--;
        l->waiting_bytes -= j->bytes;
    }
    l->running = j;
    pthread_mutex_unlock(&l->lock);
    return j;
}

static bool is_cancelled(const job *j)
{
    return __atomic_load_n(&j->cancel.flag, __ATOMIC_ACQUIRE) != 0;
}

static bool has_id(const job *j, const buffer *id)
{
    buffer own = { 0 };
    bool same = false;
    if (!j || j->batch)
        return false;
    json_print_compact(j->message.id, &own);
    same = !own.failed && !id->failed && own.len == id->len && memcmp(own.bytes, id->bytes, id->len) == 0;
    buffer_free(&own);
    return same;
}

/* A request that waits is marked as well: it goes when its turn comes. */
static void cancel(channel *l, const cJSON *id_node)
{
    buffer id = { 0 };
    json_print_compact(id_node, &id);
    pthread_mutex_lock(&l->lock);
    if (has_id(l->running, &id))
        __atomic_store_n(&l->running->cancel.flag, 1, __ATOMIC_RELEASE);
    for (job *j = l->first; j; j = j->next)
        if (has_id(j, &id))
            __atomic_store_n(&j->cancel.flag, 1, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&l->lock);
    if (!id.failed)
        mcp_listener_end(&l->session, id.bytes);
    buffer_free(&id);
}

/* ---- answers ---- */

static void answer_job(channel *l, job *j)
{
    quipu_call call = { .struct_size = sizeof call, .cancel = &j->cancel };
    buffer out = { 0 };
    if (!is_cancelled(j) && j->batch)
        mcp_answer_batch(l->server, &l->session, j->message.tree, &call, &out);
    else if (!is_cancelled(j))
        mcp_answer(l->server, &l->session, &j->message, &call, &out);
    if (!is_cancelled(j) && out.len > 0)
        send_line(l, &out);
    buffer_free(&out);
}

static void *work(void *context)
{
    channel *l = context;
    job *j;
    while ((j = job_next(l)) != NULL) {
        answer_job(l, j);
        pthread_mutex_lock(&l->lock);
        l->running = NULL;
        pthread_mutex_unlock(&l->lock);
        job_free(j);
    }
    return NULL;
}

/* ---- in ---- */

static void take_message(channel *l, rpc_message *message, size_t bytes)
{
    buffer out = { 0 };
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(message->params, "requestId");
    if (!message->method)
        return; /* an answer, though nothing was asked */
    if (!message->id) {
        if (id && strcmp(message->method, "notifications/cancelled") == 0)
            cancel(l, id);
        return;
    }
    if (!mcp_is_quick(message)) {
        job_add(l, message, false, bytes);
        return;
    }
    mcp_answer(l->server, &l->session, message, NULL, &out);
    if (out.len > 0)
        send_line(l, &out);
    buffer_free(&out);
}

/* Several messages in an array: the revision 2025-03-26 had that, those before and after it not. */
static bool take_batch(channel *l, quipu_str line)
{
    rpc_message batch = { 0 };
    if (mcp_session_revision(&l->session) != MCP_2025_03 || line.ptr[0] != '[' || line.len > RPC_MESSAGE_MAX ||
        json_parse(line, &batch.tree, NULL) != QUIPU_OK)
        return false;
    if (batch.tree->child)
        job_add(l, &batch, true, (size_t)line.len);
    rpc_message_free(&batch);
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void take_line(channel *l, quipu_str line)
{
    rpc_message message;
    rpc_error error = { 0 };
    while (line.len > 0 && is_blank(line.ptr[line.len - 1]))
        line.len--;
    while (line.len > 0 && is_blank(line.ptr[0])) {
        line.ptr++;
        line.len--;
    }
    if (line.len == 0 || take_batch(l, line))
        return;
    if (rpc_read(line, &message, &error) == RPC_OK)
        take_message(l, &message, (size_t)line.len);
    else if (message.id || !message.method)
        send_failure(l, &message, &error);
    rpc_error_free(&error);
    rpc_message_free(&message);
}

static void refuse_long_line(channel *l)
{
    rpc_message nothing = { 0 };
    rpc_error error = { 0 };
    rpc_fail(&error, RPC_INVALID_REQUEST, "Invalid request: a message may have %u bytes; send smaller ones",
             RPC_MESSAGE_MAX);
    send_failure(l, &nothing, &error);
}

/* Takes the lines that are whole off the front of `in`. *skipping: what comes up to the next line end belongs to a line that was
 * refused. `from`: where the bytes begin that are new. */
static void take_lines(channel *l, buffer *in, size_t from, bool *skipping)
{
    size_t begin = 0;
    char *end;
    while (from < in->len && (end = memchr(in->bytes + from, '\n', in->len - from)) != NULL) {
        size_t at = (size_t)(end - in->bytes);
        if (!*skipping)
            take_line(l, str_make(in->bytes + begin, at - begin));
        *skipping = false;
        begin = from = at + 1;
    }
    memmove(in->bytes, in->bytes + begin, in->len - begin);
    in->len -= begin;
    if (in->len > RPC_MESSAGE_MAX && !*skipping) {
        refuse_long_line(l);
        *skipping = true;
    }
    if (*skipping)
        in->len = 0;
}

/* 1: there is something to read; 0: told to stop; -1: failed. */
static int wait_for_input(const channel *l, int in, int stop)
{
    struct pollfd p[3] = { { .fd = in, .events = POLLIN },
                           { .fd = stop, .events = POLLIN },
                           { .fd = l->broken[0], .events = POLLIN } };
    int n;
    do
        n = poll(p, 3, -1);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -1;
    return p[1].revents || p[2].revents ? 0 : 1;
}

/* True where all input was taken; false where it was told to stop, or the input failed (*code). */
static bool read_input(channel *l, int in, int stop, int32_t *code, quipu_error *error)
{
    buffer bytes = { 0 };
    bool skipping = false, whole = false;
    for (;;) {
        int ready = wait_for_input(l, in, stop);
        char *to = ready > 0 ? buffer_reserve(&bytes, READ_AT_ONCE) : NULL;
        ssize_t n = to ? read(in, to, READ_AT_ONCE) : -1;
        if (ready == 0)
            break;
        if (ready > 0 && !to) {
            *code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
            break;
        }
        if (n < 0 && ready > 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0) {
            *code = fail_errno(error, errno, "cannot read the requests");
            break;
        }
        if (n == 0) { /* a last line need not end */
            if (bytes.len > 0 && !skipping)
                take_line(l, str_make(bytes.bytes, bytes.len));
            whole = true;
            break;
        }
        bytes.len += (size_t)n;
        take_lines(l, &bytes, bytes.len - (size_t)n, &skipping);
    }
    buffer_free(&bytes);
    return whole;
}

static void channel_free(channel *l)
{
    while (l->first) {
        job *next = l->first->next;
        job_free(l->first);
        l->first = next;
    }
    mcp_session_end(&l->session);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    pthread_mutex_destroy(&l->writing);
    close(l->broken[0]);
    close(l->broken[1]);
}

int32_t mcp_serve_stdio(const mcp_server *server, int in, int out, int stop, quipu_error *error)
{
    channel l = { .server = server, .out = out };
    pthread_t worker;
    int32_t code = QUIPU_OK;
    if (pipe(l.broken) != 0)
        return fail_errno(error, errno, "cannot make a pipe");
    for (int i = 0; i < 2; i++)
        fcntl(l.broken[i], F_SETFD, FD_CLOEXEC);
    mcp_session_begin(&l.session, send_line, &l);
    pthread_mutex_init(&l.writing, NULL);
    pthread_mutex_init(&l.lock, NULL);
    pthread_cond_init(&l.changed, NULL);
    int made = pthread_create(&worker, NULL, work, &l);
    if (made != 0) {
        code = fail_errno(error, made, "cannot start a thread");
    } else {
        bool whole = read_input(&l, in, stop, &code, error);
        pthread_mutex_lock(&l.lock);
        l.ended = true;
        l.dropped = !whole;
        if (l.dropped && l.running)
            __atomic_store_n(&l.running->cancel.flag, 1, __ATOMIC_RELEASE);
        pthread_cond_signal(&l.changed);
        pthread_mutex_unlock(&l.lock);
        pthread_join(worker, NULL);
        if (l.failed && code == QUIPU_OK && l.failed_errno != EPIPE)
            code = fail_errno(error, l.failed_errno, "cannot write the answers");
    }
    channel_free(&l);
    return code;
}
