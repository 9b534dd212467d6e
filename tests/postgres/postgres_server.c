/* postgres_server.c - see postgres_server.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "postgres_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <tests/support/scratch.h>
#include <time.h>
#include <unistd.h>

/* ---- the server ---- */

static struct {
    char folder[128]; /* of its socket */
    pid_t pid;
    int orders; /* to its standard input */
    FILE *answers;
} server = { .orders = -1 };

static void be_server(int in, int out)
{
    char script[1000];
    const char *source = getenv("SOURCE");
    snprintf(script, sizeof script, "%s/tests/postgres/server.sh", source ? source : ".");
    setsid(); /* who ends the test by its group does not end it: it ends itself, tidily, when its input does */
    dup2(in, 0);
    dup2(out, 1);
    execlp("sh", "sh", script, (char *)NULL);
    _exit(127);
}

static bool read_answer(char *out, size_t size)
{
    bool read = server.answers && fgets(out, (int)size, server.answers) != NULL;
    if (!read)
        snprintf(out, size, "the server's script ended");
    out[strcspn(out, "\n")] = '\0';
    return read;
}

static void point_to(const char *host)
{
    setenv("PGHOST", host, 1);
    setenv("PGUSER", "quipu", 1);
    setenv("PGDATABASE", "postgres", 1);
}

bool postgres_server_start(char *why, size_t size)
{
    int in[2], out[2];
    if (!getenv("BUILD"))
        setenv("BUILD", "build", 1);
    assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
    server.pid = fork();
    if (server.pid == 0)
        be_server(in[0], out[1]);
    close(in[0]);
    close(out[1]);
    server.orders = in[1];
    server.answers = fdopen(out[0], "r");
    bool ready = read_answer(why, size) && sscanf(why, "ready host=%127s", server.folder) == 1;
    if (ready)
        point_to(server.folder);
    else
        postgres_server_end();
    return ready;
}

void postgres_server_end(void)
{
    if (server.orders < 0)
        return;
    close(server.orders);
    server.orders = -1;
    waitpid(server.pid, NULL, 0);
    fclose(server.answers);
}

static void order(const char *what, const char *answer)
{
    char line[200];
    dprintf(server.orders, "%s\n", what);
    read_answer(line, sizeof line);
    assert_string_equal(line, answer);
}

void postgres_server_stop(void)
{
    order("stop", "stopped");
}

void postgres_server_restart(void)
{
    order("start", "started");
}

const char *postgres_server_url(void)
{
    static char url[200];
    snprintf(url, sizeof url, "host=%s user=quipu dbname=postgres", server.folder);
    return url;
}

/* ---- SQL ---- */

const char *postgres_sql(const char *format, ...)
{
    static _Thread_local char answer[4000];
    char sql[4000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sql, sizeof sql, format, arguments);
    va_end(arguments);
    PGconn *pg = PQconnectdb(postgres_server_url());
    PQclear(PQexec(pg, "SET client_min_messages = error"));
    PGresult *r = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(r);
    snprintf(answer, sizeof answer, "%s",
             status == PGRES_TUPLES_OK && PQntuples(r) > 0             ? PQgetvalue(r, 0, 0)
             : status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK ? ""
                                                                       : PQerrorMessage(pg));
    PQclear(r);
    PQfinish(pg);
    return answer;
}

void postgres_wait_for(const char *answer, const char *sql)
{
    struct timespec pause = { 0, 5000000 };
    for (int i = 0; strcmp(postgres_sql("%s", sql), answer) != 0; i++) {
        if (i > 20000)
            fail_msg("%s never answers %s", sql, answer);
        nanosleep(&pause, NULL);
    }
}

/* ---- the wire ---- */

enum { PAIRS = 32 };

static struct {
    char folder[128];
    int listener;
    pthread_t thread;
    atomic_int how, then, swallowed;
    atomic_bool over;
    struct {
        int client, server; /* 0: free */
        bool commits;       /* the client has sent a COMMIT that is to be swallowed */
    } pairs[PAIRS];
} wire;

static int connect_or_listen(const char *folder, bool listening)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s/.s.PGSQL.5432", folder);
    int done = listening ? bind(fd, (struct sockaddr *)&a, sizeof a) | listen(fd, PAIRS)
                         : connect(fd, (struct sockaddr *)&a, sizeof a);
    if (done == 0)
        return fd;
    close(fd);
    return -1;
}

static void cut(int i)
{
    close(wire.pairs[i].client);
    close(wire.pairs[i].server);
    memset(&wire.pairs[i], 0, sizeof wire.pairs[i]);
}

static void add_pair(void)
{
    int client = accept(wire.listener, NULL, NULL);
    int onward = wire.how == WIRE_CUT ? -1 : connect_or_listen(server.folder, false);
    for (int i = 0; i < PAIRS && client >= 0 && onward >= 0; i++) {
        if (wire.pairs[i].client)
            continue;
        wire.pairs[i].client = client;
        wire.pairs[i].server = onward;
        return;
    }
    close(client);
    close(onward);
}

static bool pass_on(int from, int to, char *bytes, size_t size, ssize_t *len)
{
    *len = recv(from, bytes, size, 0);
    return *len > 0 && send(to, bytes, (size_t)*len, MSG_NOSIGNAL) == *len;
}

/* A Bind names the prepared statement that is called COMMIT; the server answers it with a CommandComplete of that word. */
static void serve(int i, bool from_client)
{
    static char bytes[1 << 16];
    ssize_t len;
    if (from_client) {
        if (!pass_on(wire.pairs[i].client, wire.pairs[i].server, bytes, sizeof bytes, &len))
            cut(i);
        else if (wire.how == WIRE_SWALLOW_COMMIT && memmem(bytes, (size_t)len, "\0COMMIT\0\0\0", 10))
            wire.pairs[i].commits = true;
        return;
    }
    if (wire.pairs[i].commits) {
        len = recv(wire.pairs[i].server, bytes, sizeof bytes, 0);
        if (len > 0 && memmem(bytes, (size_t)len, "COMMIT", 7)) {
            wire.how = wire.then;
            wire.swallowed++;
            cut(i);
        } else if (len <= 0 || send(wire.pairs[i].client, bytes, (size_t)len, MSG_NOSIGNAL) != len) {
            cut(i);
        }
    } else if (!pass_on(wire.pairs[i].server, wire.pairs[i].client, bytes, sizeof bytes, &len)) {
        cut(i);
    }
}

static void *run_wire(void *unused)
{
    (void)unused;
    while (!wire.over) {
        struct pollfd fds[1 + 2 * PAIRS] = { { .fd = wire.listener, .events = POLLIN } };
        for (int i = 0; i < PAIRS; i++) {
            if (wire.how == WIRE_CUT && wire.pairs[i].client)
                cut(i);
            fds[1 + 2 * i] =
                (struct pollfd){ .fd = wire.pairs[i].client ? wire.pairs[i].client : -1, .events = POLLIN };
            fds[2 + 2 * i] =
                (struct pollfd){ .fd = wire.pairs[i].server ? wire.pairs[i].server : -1, .events = POLLIN };
        }
        if (poll(fds, 1 + 2 * PAIRS, 10) <= 0)
            continue;
        for (int i = 0; i < PAIRS; i++) {
            if (fds[1 + 2 * i].revents && wire.pairs[i].client)
                serve(i, true);
            if (fds[2 + 2 * i].revents && wire.pairs[i].client)
                serve(i, false);
        }
        if (fds[0].revents)
            add_pair();
    }
    return NULL;
}

const char *postgres_wire_start(void)
{
    static char url[200];
    scratch_make(wire.folder);
    wire.listener = connect_or_listen(wire.folder, true);
    wire.how = WIRE_WHOLE;
    wire.swallowed = 0;
    wire.over = false;
    assert_true(wire.listener >= 0);
    assert_int_equal(pthread_create(&wire.thread, NULL, run_wire, NULL), 0);
    snprintf(url, sizeof url, "host=%s user=quipu dbname=postgres", wire.folder);
    return url;
}

void postgres_wire_set(int how, int then)
{
    wire.then = then;
    wire.how = how;
}

int postgres_wire_swallowed(void)
{
    return wire.swallowed;
}

void postgres_wire_end(void)
{
    wire.over = true;
    pthread_join(wire.thread, NULL);
    for (int i = 0; i < PAIRS; i++)
        if (wire.pairs[i].client)
            cut(i);
    close(wire.listener);
    scratch_remove(wire.folder);
}
