/* test_web_server.c - HTTP on real sockets: good requests in every form, and malformed, oversized, slow and half-closed ones. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <host_shim/serve/http/listen.h>
#include <host_shim/serve/http/web_server.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <tests/support/serve_call.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 100000 /* until a test gives up; nothing waits that long */
#define BODY_MAX 4096

static serve *served;
static web_server *server;
/* Whether the server looks at its clock while we wait: only where it is to cut us off, for a busy machine may make good clients slow. */
static bool ticking;

static void start(const web_server_options *options)
{
    quipu_error error = { .struct_size = sizeof error };
    served = serve_call_open(NULL, NULL, NULL);
    if (web_server_start(options, served, &server, &error) != QUIPU_OK)
        fail_msg("%s", error.message);
}

static int open_it(void **state)
{
    const web_server_options options = { .body_max = BODY_MAX, .workers = 4 };
    (void)state;
    ticking = false;
    start(&options);
    return 0;
}

static int open_hasty(void **state)
{
    const web_server_options options = { .body_max = BODY_MAX, .workers = 2, .receive_ms = 50, .idle_ms = 50 };
    (void)state;
    ticking = true;
    start(&options);
    return 0;
}

static int close_it(void **state)
{
    (void)state;
    web_server_stop(server, PATIENCE_MS);
    server = NULL;
    serve_call_close(served);
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- a client ---- */

static int try_connect(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(web_server_port(server)) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static int dial(void)
{
    int fd = try_connect();
    assert_true(fd >= 0);
    return fd;
}

static void say(int fd, const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
            return; /* it has had enough */
        assert_true(sent > 0);
        text += sent;
        len -= (size_t)sent;
    }
}

/* One byte; -1 at the end. */
static int hear_byte(int fd)
{
    unsigned char byte;
    for (int64_t until = now_ms() + PATIENCE_MS; now_ms() < until;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (poll(&p, 1, 20) > 0)
            return recv(fd, &byte, 1, 0) == 1 ? byte : -1;
        if (ticking)
            web_server_tick(server);
    }
    fail_msg("the server neither answers nor hangs up");
    return -1;
}

static char heard[65536];

/* One answer, headers and body by Content-Length; its status, 0 where the server hung up instead. */
static int hear_answer(int fd, bool has_body)
{
    size_t len = 0;
    int byte;
    heard[0] = '\0';
    while (!strstr(heard, "\r\n\r\n")) {
        if ((byte = hear_byte(fd)) < 0)
            return 0;
        assert_true(len + 1 < sizeof heard);
        heard[len++] = (char)byte;
        heard[len] = '\0';
    }
    const char *length = strcasestr(heard, "Content-Length: ");
    long left = length && has_body ? atol(length + strlen("Content-Length: ")) : 0;
    for (; left > 0; left--) {
        if ((byte = hear_byte(fd)) < 0)
            return 0;
        assert_true(len + 1 < sizeof heard);
        heard[len++] = (char)byte;
        heard[len] = '\0';
    }
    return atoi(heard + strlen("HTTP/1.1 "));
}

static int ask(int fd, const char *request)
{
    say(fd, request);
    return hear_answer(fd, true);
}

static int ask_once(const char *request)
{
    int fd = dial(), status = ask(fd, request);
    close(fd);
    return status;
}

/* Nobody else is the worse for it. */
static void is_alive(void)
{
    bool before = ticking;
    ticking = false;
    assert_int_equal(ask_once("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    ticking = before;
}

#define GET_HEALTH "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define ADD_HEAD "POST /memories HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
#define ADD_BODY "{\"messages\":\"rye bread\",\"user_id\":\"ana\",\"infer\":false}" /* 54 bytes */

static int count_memories(void)
{
    assert_int_equal(serve_call(served, "GET", "/memories?user_id=ana&top_k=1000", NULL, NULL), 200);
    return serve_reply_count("results");
}

/* ---- good requests ---- */

static void a_connection_serves_many_requests(void **state)
{
    (void)state;
    int fd = dial();
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ask(fd, GET_HEALTH), 200);
        assert_non_null(strcasestr(heard, "Content-Type: application/json\r\n"));
        assert_non_null(strcasestr(heard, "X-Request-ID: "));
        assert_int_equal(ask(fd, "GET /memories?user_id=ana HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    }
    say(fd, GET_HEALTH GET_HEALTH GET_HEALTH); /* in one go */
    for (int i = 0; i < 3; i++)
        assert_int_equal(hear_answer(fd, true), 200);
    say(fd, "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_equal(hear_answer(fd, false), 200);
    assert_int_equal(ask(fd, "GET /memories/a%2Fb HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    assert_non_null(strstr(heard, "\r\n\r\nnull"));
    close(fd);
}

static void bodies_come_in_every_form(void **state)
{
    (void)state;
    assert_int_equal(strlen(ADD_BODY), 54);
    assert_int_equal(ask_once(ADD_HEAD "Content-Length: 54\r\n\r\n" ADD_BODY), 200);
    assert_int_equal(ask_once(ADD_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"mes\r\n31\r\n"
                                       "sages\":\"rye bread\",\"user_id\":\"ana\",\"infer\":false}\r\n0\r\n\r\n"),
                     200);
    assert_int_equal(ask_once("POST /memories HTTP/1.0\r\nContent-Length: 54\r\n\r\n" ADD_BODY), 200);
    int fd = dial();
    say(fd, ADD_HEAD "Expect: 100-continue\r\nContent-Length: 54\r\n\r\n");
    assert_int_equal(hear_answer(fd, false), 100);
    assert_int_equal(ask(fd, ADD_BODY), 200);
    close(fd);
    assert_int_equal(count_memories(), 4);
    assert_int_equal(ask_once("DELETE /v1/batch/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 38\r\n\r\n"
                              "{\"memories\":[{\"memory_id\":\"nothing\"}]}"),
                     400);
    assert_non_null(strstr(heard, "valid UUID")); /* so the body was read */
}

/* ---- bad ones ---- */

static void malformed_requests_get_an_answer_or_none(void **state)
{
    static const char *const bad[] = {
        "GARBAGE\r\n\r\n",
        "GET\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost localhost\r\n\r\n",
        "POST /memories HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        "POST /memories HTTP/1.1\r\nHost: localhost\r\nContent-Length: abc\r\n\r\n",
        "POST /memories HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST /memories HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET /\x01\x02 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\r\n\r\n\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int fd = dial();
        say(fd, bad[i]);
        shutdown(fd, SHUT_WR);
        int status = hear_answer(fd, true);
        if (status != 0 && (status < 400 || status >= 600 || status == 500))
            fail_msg("%s: %d", bad[i], status);
        close(fd);
        is_alive();
    }
    assert_int_equal(count_memories(), 0);
}

static void a_body_that_is_too_large_is_refused(void **state)
{
    char request[BODY_MAX * 3];
    (void)state;
    int head = snprintf(request, sizeof request, ADD_HEAD "Content-Length: %d\r\n\r\n", BODY_MAX + 1);
    memset(request + head, 'x', BODY_MAX + 1);
    request[head + BODY_MAX + 1] = '\0';
    assert_int_equal(ask_once(request), 413);
    assert_non_null(strstr(heard, "too_large"));
    head = snprintf(request, sizeof request, ADD_HEAD "Transfer-Encoding: chunked\r\n\r\n%x\r\n", BODY_MAX + 1);
    memset(request + head, 'x', BODY_MAX + 1);
    snprintf(request + head + BODY_MAX + 1, 32, "\r\n0\r\n\r\n");
    assert_int_equal(ask_once(request), 413);
    assert_int_equal(ask_once(ADD_HEAD "Content-Length: 1000000000\r\n\r\n"), 413); /* before any of it came */
    assert_int_equal(ask_once(ADD_HEAD "Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n"), 413);
    is_alive();
    assert_int_equal(count_memories(), 0);
}

static void headers_that_are_too_large_are_refused(void **state)
{
    size_t size = 300000;
    char *request = malloc(size);
    (void)state;
    assert_non_null(request);
    int head = snprintf(request, size, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: ");
    memset(request + head, 'x', size - (size_t)head - 8);
    snprintf(request + size - 8, 8, "\r\n\r\n");
    int fd = dial();
    say(fd, request);
    int status = hear_answer(fd, true);
    assert_true(status == 0 || status == 431 || status == 413 || status == 400);
    close(fd);
    snprintf(request, size, "GET /");
    memset(request + 5, 'a', size - 30);
    snprintf(request + size - 25, 25, " HTTP/1.1\r\n\r\n");
    fd = dial();
    say(fd, request);
    status = hear_answer(fd, true);
    assert_true(status == 0 || (status >= 400 && status < 500));
    close(fd);
    free(request);
    is_alive();
}

static void a_client_that_closes_its_half_is_answered(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, ADD_HEAD "Content-Length: 54\r\n\r\n" ADD_BODY);
    shutdown(fd, SHUT_WR);
    assert_int_equal(hear_answer(fd, true), 200);
    close(fd);
    assert_int_equal(count_memories(), 1);
}

static void half_a_request_changes_nothing(void **state)
{
    static const char *const halves[] = { "GET /hea", ADD_HEAD,
                                          ADD_HEAD "Content-Length: 54\r\n\r\n{\"messages\":\"rye",
                                          ADD_HEAD "Transfer-Encoding: chunked\r\n\r\n36\r\n" ADD_BODY };
    (void)state;
    for (size_t i = 0; i < sizeof halves / sizeof halves[0]; i++) {
        int fd = dial();
        say(fd, halves[i]);
        shutdown(fd, SHUT_WR);
        int status = hear_answer(fd, true);
        assert_true(status == 0 || status >= 400);
        close(fd);
        fd = dial(); /* and the same with the connection gone at once */
        say(fd, halves[i]);
        close(fd);
        is_alive();
    }
    assert_int_equal(count_memories(), 0);
}

static void who_is_too_slow_is_cut_off(void **state)
{
    static const char *const starts[] = { "", "GET /hea", ADD_HEAD, ADD_HEAD "Content-Length: 54\r\n\r\n{" };
    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        int fd = dial();
        say(fd, starts[i]);
        int status = hear_answer(fd, true); /* hear_byte lets the server look at its clock */
        assert_true(status == 0 || status == 408 || status == 400);
        close(fd);
    }
    is_alive();
    assert_int_equal(count_memories(), 0);
}

/* A byte now and then is no excuse. */
static void a_trickle_is_cut_off(void **state)
{
    (void)state;
    int fd = dial();
    const char *request = ADD_HEAD "Content-Length: 4000\r\n\r\n";
    say(fd, request);
    bool cut = false;
    for (int64_t until = now_ms() + PATIENCE_MS; !cut && now_ms() < until;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        char byte;
        cut = send(fd, " ", 1, MSG_NOSIGNAL) < 0 || (poll(&p, 1, 5) > 0 && recv(fd, &byte, 1, 0) <= 0);
        web_server_tick(server);
    }
    assert_true(cut);
    close(fd);
    is_alive();
}

/* ---- many, and the end ---- */

#define CLIENTS 8
#define ROUNDS 20

static void *client(void *context)
{
    int fd = try_connect();
    intptr_t good = 0;
    (void)context;
    for (int i = 0; fd >= 0 && i < ROUNDS; i++) {
        char answer[2048] = "";
        size_t len = 0;
        const char *request = ADD_HEAD "Content-Length: 54\r\n\r\n" ADD_BODY;
        if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
            break;
        while (!strstr(answer, "\"role\":\"user\"}]}") && len + 1 < sizeof answer) {
            ssize_t got = recv(fd, answer + len, sizeof answer - 1 - len, 0);
            if (got <= 0)
                break;
            len += (size_t)got;
            answer[len] = '\0';
        }
        good += strncmp(answer, "HTTP/1.1 200", 12) == 0;
    }
    if (fd >= 0)
        close(fd);
    return (void *)good;
}

static void many_clients_at_once_are_all_answered(void **state)
{
    pthread_t threads[CLIENTS];
    (void)state;
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, client, NULL), 0);
    for (int i = 0; i < CLIENTS; i++) {
        void *good;
        pthread_join(threads[i], &good);
        assert_int_equal((intptr_t)good, ROUNDS);
    }
    assert_int_equal(count_memories(), CLIENTS * ROUNDS);
}

static void *stop(void *context)
{
    return (void *)(uintptr_t)web_server_stop(context, PATIENCE_MS);
}

/* What was begun is finished, and nothing new is taken. */
static void stopping_lets_requests_finish(void **state)
{
    pthread_t thread;
    void *left = NULL;
    (void)state;
    int idle = dial(), busy = dial();
    assert_int_equal(ask(idle, GET_HEALTH), 200);
    say(busy, ADD_HEAD "Expect: 100-continue\r\nContent-Length: 54\r\n\r\n");
    assert_int_equal(hear_answer(busy, false), 100); /* now it is under way */
    assert_int_equal(pthread_create(&thread, NULL, stop, server), 0);
    while (!atomic_load(&served->draining))
        sched_yield();
    say(busy, ADD_BODY);
    char answer[2048] = "";
    size_t len = 0;
    for (ssize_t got; (got = recv(busy, answer + len, sizeof answer - 1 - len, 0)) > 0;)
        len += (size_t)got;
    pthread_join(thread, &left);
    assert_int_equal((uintptr_t)left, 0);
    assert_int_equal(strncmp(answer, "HTTP/1.1 200", 12), 0);
    assert_non_null(strcasestr(answer, "Connection: close"));
    close(busy);
    close(idle);
    server = NULL;
    assert_int_equal(count_memories(), 1);
}

static void what_cannot_be_listened_on_is_named(void **state)
{
    web_server *other;
    quipu_error error = { .struct_size = sizeof error };
    (void)state;
    web_server_options options = { .port = web_server_port(server) };
    assert_int_equal(web_server_start(&options, served, &other, &error), QUIPU_E_BUSY);
    assert_string_equal(error.field, "port");
    options = (web_server_options){ .address = "localhost.example" };
    assert_int_equal(web_server_start(&options, served, &other, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "listen");
    options = (web_server_options){ .address = "192.0.2.1" };
    assert_int_equal(web_server_start(&options, served, &other, &error), QUIPU_E_INVALID);
    options = (web_server_options){ .certificate = "no", .private_key = "no" };
    assert_int_equal(web_server_start(&options, served, &other, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "certificate");
    assert_true(listen_is_loopback("127.9.9.9") && listen_is_loopback("::1") && listen_is_loopback("localhost"));
    assert_false(listen_is_loopback("0.0.0.0") || listen_is_loopback("::") || listen_is_loopback("example.org"));
}

#define PLAIN(test) cmocka_unit_test_setup_teardown(test, open_it, close_it)
#define HASTY(test) cmocka_unit_test_setup_teardown(test, open_hasty, close_it)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(a_connection_serves_many_requests),
        PLAIN(bodies_come_in_every_form),
        HASTY(malformed_requests_get_an_answer_or_none),
        PLAIN(a_body_that_is_too_large_is_refused),
        HASTY(headers_that_are_too_large_are_refused),
        PLAIN(a_client_that_closes_its_half_is_answered),
        HASTY(half_a_request_changes_nothing),
        HASTY(who_is_too_slow_is_cut_off),
        HASTY(a_trickle_is_cut_off),
        PLAIN(many_clients_at_once_are_all_answered),
        PLAIN(stopping_lets_requests_finish),
        PLAIN(what_cannot_be_listened_on_is_named),
    };
    signal(SIGPIPE, SIG_IGN);
    if (!web_server_is_built()) {
        puts("1..0 # SKIP built without libmicrohttpd");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
