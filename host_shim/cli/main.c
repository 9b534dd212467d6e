/* main.c - the `quipu` program: finds the command in the table and runs it. Start reading at commands.c. */
#include "cli.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * A standard stream that was closed before we were started leaves its number to the next file that is opened, and what is
 * printed would go into the store. So something takes its place that can be neither read nor written as that stream is.
 */
static void hold_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            exit(STATUS_TROUBLE);
}

static int run(cli *c)
{
    if (option_given(c, "version"))
        return cmd_version(c);
    if (option_given(c, "help")) {
        if (c->command)
            help_command(stdout, c->command);
        else
            help_overview(stdout);
        return STATUS_DONE;
    }
    if (!c->command) {
        help_overview(stderr);
        return STATUS_USAGE;
    }
    return c->command->run(c);
}

int main(int argc, char **argv)
{
    cli c = { 0 };
    hold_standard_streams();
    /* Plugins that multiply have threads of their own: those that OpenBLAS starts when it is loaded would only stand in their way. */
    setenv("OPENBLAS_NUM_THREADS", "1", 0);
    int status = options_parse(&c, argc, argv);
    output_begin(&c);
    if (status == STATUS_DONE)
        status = run(&c);
    if (c.q) {
        int closed = store_close(&c);
        if (status == STATUS_DONE)
            status = closed;
    }
    status = output_end(&c, status);
    options_free(&c);
    return status;
}
