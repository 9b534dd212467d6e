/* cmd_reembed.c - `quipu reembed`: makes the vectors that are pending, or all by another embedder, which the store then has. */
#include "cli.h"

#include <inttypes.h>
#include <sdk/json.h>

static int32_t show_progress(void *context, uint64_t done, uint64_t total)
{
    progress *bar = context;
    bar->total = total;
    progress_step(bar, done, done);
    return 0;
}

static int show_outcome(cli *c, const quipu_vectors_state *before, const quipu_vectors_state *after)
{
    buffer json = { 0 };
    int status = STATUS_DONE;
    if (c->json) {
        buffer_append_text(&json, "{\"model\":");
        json_print_string(after->model, &json);
        buffer_printf(&json, ",\"made\":%" PRIu64 ",\"pending\":%" PRIu64 ",\"vectors\":%" PRIu64 "}",
                      before->pending - after->pending, after->pending, after->vectors);
        status = print_json(c, &json);
        buffer_free(&json);
    } else if (!c->quiet) {
        printf("%" PRIu64 " vector%s made by ", before->pending - after->pending,
               plural(before->pending - after->pending));
        print_cell(c, PAINT_PLAIN, after->model, 0, 0);
        printf("; %" PRIu64 " pending\n", after->pending);
    }
    return status;
}

int cmd_reembed(cli *c)
{
    static const char what[] = "cannot make the vectors";
    quipu_vectors_state before = { .struct_size = sizeof before }, after = { .struct_size = sizeof after };
    quipu_error error = error_none();
    progress bar;
    int status = store_open(c, STORE_WRITE);
    if (status != STATUS_DONE)
        return status;
    progress_begin(&bar, c, "embedding", 0);
    int32_t code = quipu_read_vectors(c->q, &before, NULL, &error);
    if (code == QUIPU_OK || code == QUIPU_E_NETWORK)
        code = quipu_embed_pending(c->q, show_progress, &bar, NULL, &error);
    progress_end(&bar);
    if (code == QUIPU_OK)
        code = quipu_read_vectors(c->q, &after, NULL, &error);
    if (code == QUIPU_OK && option_given(c, "embedder"))
        code = quipu_keep_embedder(c->q, &error);
    if (code != QUIPU_OK)
        return report(c, what, &error);
    if (before.pending < after.pending) /* written meanwhile, or it was not known before */
        before.pending = after.pending;
    return show_outcome(c, &before, &after);
}
