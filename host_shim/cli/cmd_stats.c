/* cmd_stats.c - `quipu stats`: figures about the store. */
#include "../core/figures.h"
#include "cli.h"

#include <inttypes.h>

static void print_figure(const cli *c, quipu_str name, quipu_str value)
{
    print_cell(c, PAINT_DIM, name, 20, 0);
    printf(" ");
    print_cell(c, PAINT_PLAIN, value, 0, 0);
    putchar('\n');
}

static int32_t show_figure(void *context, const quipu_stat *stat)
{
    char number[32];
    snprintf(number, sizeof number, "%" PRId64, stat->value);
    print_figure(context, stat->name, stat->text.ptr ? stat->text : str_of(number));
    return 0;
}

int cmd_stats(cli *c)
{
    buffer json = { 0 };
    quipu_error error = error_none();
    int32_t code;
    int status = store_open(c, STORE_READ);
    if (status != STATUS_DONE)
        return status;
    if (c->json) {
        code = quipu_stats_json(c->q, sink_to_buffer, &json, NULL, &error);
    } else {
        print_figure(c, str_of("store"), str_of(quipu_store_path(c->q)));
        print_figure(c, str_of("backend"), str_of(quipu_backend_name(c->q)));
        code = figures_read(c->q, show_figure, c, NULL, &error);
    }
    if (code != QUIPU_OK)
        status = report(c, "cannot read the figures", &error);
    else if (c->json)
        status = print_json(c, &json);
    buffer_free(&json);
    return status;
}
