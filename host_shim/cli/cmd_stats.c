/* cmd_stats.c - `quipu stats`: figures about the store. */
#include "cli.h"

#include <inttypes.h>
#include <sdk/json.h>

typedef struct figures {
    cli *c;
    buffer json;
} figures;

static void print_figure(const cli *c, quipu_str name, quipu_str value)
{
    print_cell(c, PAINT_DIM, name, 20, 0);
    printf(" ");
    print_cell(c, PAINT_PLAIN, value, 0, 0);
    putchar('\n');
}

static int32_t show_figure(void *context, const quipu_stat *stat)
{
    figures *f = context;
    char number[32];
    snprintf(number, sizeof number, "%" PRId64, stat->value);
    if (!f->c->json) {
        print_figure(f->c, stat->name, stat->text.ptr ? stat->text : str_of(number));
        return 0;
    }
    buffer_append_char(&f->json, ',');
    json_print_string(stat->name, &f->json);
    buffer_append_char(&f->json, ':');
    if (stat->text.ptr)
        json_print_string(stat->text, &f->json);
    else
        buffer_append_text(&f->json, number);
    return f->json.failed ? QUIPU_E_NO_MEMORY : 0;
}

int cmd_stats(cli *c)
{
    figures f = { .c = c };
    quipu_error error = error_none();
    int status = store_open(c, STORE_READ);
    if (status != STATUS_DONE)
        return status;
    if (c->json) {
        buffer_append_text(&f.json, "{\"store\":");
        json_print_string(str_of(quipu_store_path(c->q)), &f.json);
        buffer_append_text(&f.json, ",\"backend\":");
        json_print_string(str_of(quipu_backend_name(c->q)), &f.json);
    } else {
        print_figure(c, str_of("store"), str_of(quipu_store_path(c->q)));
        print_figure(c, str_of("backend"), str_of(quipu_backend_name(c->q)));
    }
    if (quipu_read_stats(c->q, show_figure, &f, NULL, &error) != QUIPU_OK) {
        status = report(c, "cannot read the figures", &error);
    } else if (c->json) {
        buffer_append_char(&f.json, '}');
        status = print_json(c, &f.json);
    }
    buffer_free(&f.json);
    return status;
}
