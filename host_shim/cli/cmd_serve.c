/*
 * cmd_serve.c - `quipu serve`: answers hosts over HTTP until a signal ends it.
 *
 * Signals are blocked in every thread and waited for here. The first one drains: no new connections, what was begun is finished. The second
 * one ends at once; what was answered is durable by then in any case.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sigtimedwait */
#endif
#include "cli.h"

#include <serve/http/listen.h>
#include <serve/http/web_server.h>

#include <base/fail.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PORT 8765
#define DRAIN_MS 10000
#define NAMES_MAX 64
#define PEM_MAX (1u << 20)

typedef struct serving {
    cli *c;
    serve_options options;
    web_server_options web;
    const char *hosts[NAMES_MAX + 1], *origins[NAMES_MAX + 1];
    char *default_keys;
    buffer certificate, private_key;
    serve *served;
    web_server *server;
} serving;

/* ---- options ---- */

static int take_names(serving *v, const char *option, const char **names)
{
    size_t at = 0, count = 0;
    for (const char *text; (text = option_each(v->c, option, &at)) != NULL;) {
        if (count == NAMES_MAX)
            return report_fault(v->c, QUIPU_E_INVALID, option, "--%s may be given %d times", option, NAMES_MAX);
        names[count++] = text;
    }
    return STATUS_DONE;
}

static int take_pem(serving *v, const char *option, buffer *out, const char **text)
{
    const char *path = option_text(v->c, option);
    quipu_error error = error_none();
    if (!path)
        return STATUS_DONE;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && read_all(fd, PEM_MAX, out);
    if (!good) {
        fail_errno(&error, errno, "cannot read %s", path);
        error.code = QUIPU_E_IO;
    }
    if (fd >= 0)
        close(fd);
    *text = out->bytes;
    return good ? STATUS_DONE : report(v->c, option, &error);
}

static int take_log(serving *v)
{
    const char *word = option_text(v->c, "log");
    v->options.log = SERVE_LOG_FAILURES;
    if (!word || strcmp(word, "failures") == 0)
        return STATUS_DONE;
    if (strcmp(word, "all") != 0 && strcmp(word, "nothing") != 0)
        return report_fault(v->c, QUIPU_E_INVALID, "log", "--log %s: all, failures or nothing is needed", word);
    v->options.log = strcmp(word, "all") == 0 ? SERVE_LOG_ALL : SERVE_LOG_NOTHING;
    return STATUS_DONE;
}

static int take_numbers(serving *v)
{
    uint64_t port, rate, workers, body;
    if (!option_number(v->c, "port", 0, 65535, PORT, &port) || !option_number(v->c, "rate", 0, 1000000, 0, &rate) ||
        !option_number(v->c, "workers", 1, 1000, 0, &workers) ||
        !option_number(v->c, "body-limit", 1, 64u << 20, 0, &body))
        return STATUS_USAGE;
    v->web.port = (uint16_t)port;
    v->options.rate = (uint32_t)rate;
    v->web.workers = (uint32_t)workers;
    v->web.body_max = body;
    return STATUS_DONE;
}

static int take_prefix(serving *v)
{
    v->options.prefix = option_text(v->c, "prefix");
    if (v->options.prefix && (v->options.prefix[0] != '/' || strpbrk(v->options.prefix, "?#%{}")))
        return report_fault(v->c, QUIPU_E_INVALID, "prefix", "--prefix %s: a path is needed, as /memory",
                            v->options.prefix);
    return STATUS_DONE;
}

static int take_options(serving *v)
{
    v->options.hosts = v->hosts;
    v->options.origins = v->origins;
    v->options.user = str_of(option_text(v->c, "user"));
    v->options.agent = str_of(option_text(v->c, "agent"));
    v->options.session = str_of(option_text(v->c, "session"));
    v->options.app = str_of(option_text(v->c, "app"));
    v->web.address = option_text(v->c, "listen");
    if (!v->web.address)
        v->web.address = "127.0.0.1";
    v->options.keys_path = option_text(v->c, "keys");
    if (!v->options.keys_path)
        v->options.keys_path = v->default_keys = keys_default_path();
    int status = take_numbers(v);
    if (status == STATUS_DONE)
        status = take_log(v);
    if (status == STATUS_DONE)
        status = take_prefix(v);
    if (status == STATUS_DONE)
        status = take_names(v, "allow-host", v->hosts);
    if (status == STATUS_DONE)
        status = take_names(v, "allow-origin", v->origins);
    if (status == STATUS_DONE)
        status = take_pem(v, "tls-cert", &v->certificate, &v->web.certificate);
    if (status == STATUS_DONE)
        status = take_pem(v, "tls-key", &v->private_key, &v->web.private_key);
    if (status == STATUS_DONE && !v->web.certificate != !v->web.private_key)
        status = report_fault(v->c, QUIPU_E_INVALID, "tls-key", "--tls-cert and --tls-key go together");
    return status;
}

/* ---- running ---- */

static bool has_keys(const serving *v, int *status)
{
    key_list list = { NULL, 0 };
    quipu_error error = error_none();
    *status = STATUS_DONE;
    if (v->options.keys_path && keys_read(v->options.keys_path, &list, &error) != QUIPU_OK)
        *status = report(v->c, "cannot use the keys", &error);
    bool any = list.count > 0;
    keys_free(&list);
    return any;
}

/* Nobody is served without a key but those on this machine, and then it is said. */
static int check_access(serving *v, bool *open)
{
    int status;
    bool keys = has_keys(v, &status), loopback = listen_is_loopback(v->web.address);
    if (status != STATUS_DONE)
        return STATUS_TROUBLE;
    v->options.needs_key = !loopback || option_given(v->c, "require-key");
    *open = !keys && !v->options.needs_key;
    if (!keys && v->options.needs_key)
        return report_fault(v->c, QUIPU_E_DENIED, "keys",
                            "there is no key yet, and %s: make one first with `quipu keys add`",
                            loopback ? "--require-key was given" : "other machines could come in");
    return STATUS_DONE;
}

static int start(serving *v)
{
    quipu_error error = error_none();
    bool open = false;
    if (!web_server_is_built()) {
        web_server_start(&v->web, NULL, &v->server, &error);
        return report(v->c, "cannot serve", &error);
    }
    int status = check_access(v, &open);
    if (status == STATUS_DONE)
        status = store_open(v->c, STORE_MAKE);
    if (status != STATUS_DONE)
        return status;
    v->options.q = v->c->q;
    int32_t code = serve_create(&v->options, &v->served, &error);
    if (code == QUIPU_OK)
        code = web_server_start(&v->web, v->served, &v->server, &error);
    if (code != QUIPU_OK)
        return report(v->c, "cannot serve", &error);
    bool six = strchr(v->web.address, ':') != NULL;
    char url[128];
    snprintf(url, sizeof url, "%s://%s%s%s:%u%s", v->web.certificate ? "https" : "http", six ? "[" : "", v->web.address,
             six ? "]" : "", web_server_port(v->server), v->options.prefix ? v->options.prefix : "");
    printf(v->c->json ? "{\"url\":\"%s\"}\n" : "listening on %s\n", url);
    fflush(stdout);
    serve_log_event("info", "listening", "url", url, "store", quipu_store_path(v->c->q), "backend",
                    quipu_backend_name(v->c->q), "access",
                    open ? "open to every program on this machine: no key was made" : "by key", (const char *)NULL);
    return STATUS_DONE;
}

static void block_signals(sigset_t *awaited)
{
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(awaited);
    sigaddset(awaited, SIGTERM);
    sigaddset(awaited, SIGINT);
    sigaddset(awaited, SIGHUP);
    pthread_sigmask(SIG_BLOCK, awaited, NULL);
}

/* Until a signal comes. */
static int wait_for_end(serving *v, const sigset_t *awaited)
{
    const struct timespec quarter = { 0, 250000000 };
    int number;
    do {
        number = sigtimedwait(awaited, NULL, &quarter);
        web_server_tick(v->server);
    } while (number < 0);
    return number;
}

int cmd_serve(cli *c)
{
    serving v = { .c = c, .options = { .keys_path = NULL } };
    sigset_t awaited;
    int status = take_options(&v);
    block_signals(&awaited); /* before any thread is there */
    if (status == STATUS_DONE)
        status = start(&v);
    if (status == STATUS_DONE) {
        int number = wait_for_end(&v, &awaited);
        serve_log_event("info", "draining", "signal", strsignal(number), (const char *)NULL);
        signal(SIGTERM, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        pthread_sigmask(SIG_UNBLOCK, &awaited, NULL);
        uint64_t left = web_server_stop(v.server, DRAIN_MS);
        serve_log_event("info", "ended", "cut_off", left ? "some requests took too long" : "none", (const char *)NULL);
    }
    serve_free(v.served);
    free(v.default_keys);
    buffer_free(&v.certificate);
    if (v.private_key.bytes)
        explicit_bzero(v.private_key.bytes, v.private_key.len);
    buffer_free(&v.private_key);
    return status;
}
