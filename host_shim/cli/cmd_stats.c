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

/* Those of vectors, where an embedder is there; how many are pending tells whether a search finds everything by meaning yet. */
static void show_vectors(figures *f)
{
    quipu_vectors_state v = { .struct_size = sizeof v };
    quipu_error ignored = error_none();
    if (quipu_read_vectors(f->c->q, &v, NULL, &ignored) != QUIPU_OK)
        return;
    const quipu_stat rows[] = {
        { .struct_size = sizeof rows[0], .name = QUIPU_STR_INIT("vector_model"), .text = v.model },
        { .struct_size = sizeof rows[0], .name = QUIPU_STR_INIT("vectors"), .value = (int64_t)v.vectors },
        { .struct_size = sizeof rows[0], .name = QUIPU_STR_INIT("vectors_pending"), .value = (int64_t)v.pending },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        show_figure(f, &rows[i]);
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
        buffer_free(&f.json);
        return status;
    }
    show_vectors(&f);
    if (c->json) {
        buffer_append_char(&f.json, '}');
        status = print_json(c, &f.json);
    }
    buffer_free(&f.json);
    return status;
}
