/* main.c - the `quipu` program: finds the command in the table and runs it. Start reading at commands.c. */
#include "cli.h"

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
