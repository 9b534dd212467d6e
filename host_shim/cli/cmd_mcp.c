/* cmd_mcp.c - `quipu mcp`: the store as a server of the Model Context Protocol, on standard input and output. */
#include <serve/mcp/stdio.h>
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* SIGTERM and the like end the service, not the process in the middle of it. */
static int stop_pipe[2] = { -1, -1 };
static volatile sig_atomic_t stop_signal;

static void stop_serving(int number)
{
    int kept = errno;
    stop_signal = number;
    ssize_t ignored = write(stop_pipe[1], "", 1);
    (void)ignored;
    errno = kept;
}

static int watch_signals(const cli *c)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
    struct sigaction action = { .sa_handler = stop_serving };
    if (pipe(stop_pipe) != 0)
        return report_fault(c, QUIPU_E_IO, NULL, "cannot make a pipe: %s", strerror(errno));
    for (int i = 0; i < 2; i++)
        fcntl(stop_pipe[i], F_SETFD, FD_CLOEXEC);
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    return STATUS_DONE;
}

static const mcp_profile *chosen_profile(const cli *c)
{
    const char *name = option_text(c, "profile");
    buffer known = { 0 };
    const mcp_profile *profile = mcp_profile_find(name ? name : "quipu");
    for (const mcp_profile *const *p = mcp_profiles; !profile && *p; p++)
        buffer_printf(&known, "%s%s", known.len ? ", " : "", (*p)->name);
    if (!profile)
        report_fault(c, QUIPU_E_INVALID, "profile", "--profile %s: there is none of this name; known are %s", name,
                     known.failed ? "" : known.bytes);
    buffer_free(&known);
    return profile;
}

/* Where nobody said who acts, what the client calls itself is better than the login name. */
static bool client_may_be_author(const cli *c)
{
    const char *author = getenv("QUIPU_AUTHOR");
    return !(author && *author) && !option_given(c, "agent") && !option_given(c, "user") &&
           !cJSON_HasObjectItem(c->config, "author");
}

int cmd_mcp(cli *c)
{
    quipu_error error = error_none();
    bool read_only = option_given(c, "read-only");
    const mcp_profile *profile = chosen_profile(c);
    if (!profile)
        return STATUS_USAGE;
    int status = watch_signals(c);
    snprintf(c->source, sizeof c->source, "quipu-mcp/%s", QUIPU_VERSION);
    if (status == STATUS_DONE)
        status = store_open(c, read_only ? STORE_READ : STORE_MAKE);
    if (status != STATUS_DONE)
        return status;
    mcp_server server = { .q = c->q,
                          .profile = profile,
                          .user = str_of(option_text(c, "user")),
                          .agent = str_of(option_text(c, "agent")),
                          .session = str_of(option_text(c, "session")),
                          .app = str_of(option_text(c, "app")),
                          .read_only = read_only,
                          .client_is_author = client_may_be_author(c) };
    if (isatty(STDIN_FILENO))
        remark(c, "quipu mcp: waiting for JSON-RPC on standard input, a message a line; a program starts this, `quipu "
                  "help mcp` says how");
    if (mcp_serve_stdio(&server, STDIN_FILENO, STDOUT_FILENO, stop_pipe[0], &error) != QUIPU_OK)
        return report(c, "the server ended", &error);
    return stop_signal == SIGINT ? STATUS_SIGNAL + SIGINT : STATUS_DONE;
}
