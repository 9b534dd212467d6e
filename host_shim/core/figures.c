/* figures.c - the figures about a store, one by one, and as JSON. */
#include "figures.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <inttypes.h>
#include <sdk/json.h>
#include <sdk/record.h>

/* How many are pending tells whether a search finds everything by meaning yet. */
static int32_t read_vectors(quipu *q, quipu_stat_fn visit, void *context, const quipu_call *call)
{
    quipu_vectors_state v = { .struct_size = sizeof v };
    quipu_error ignored = { .struct_size = sizeof ignored };
    if (quipu_read_vectors(q, &v, call, &ignored) != QUIPU_OK)
        return QUIPU_OK;
    buffer when = { 0 };
    if (v.failed_at)
        time_print(v.failed_at, &when);
    const quipu_stat rows[] = {
        { .struct_size = sizeof rows[0], .name = QUIPU_STR_INIT("vector_model"), .text = v.model },
        { .struct_size = sizeof rows[0], .name = QUIPU_STR_INIT("vectors"), .value = (int64_t)v.vectors },
        { .struct_size = sizeof rows[0], .name = QUIPU_STR_INIT("vectors_pending"), .value = (int64_t)v.pending },
        { .struct_size = sizeof rows[0],
          .name = QUIPU_STR_INIT("vectors_failed_at"),
          .text = str_of(when.bytes ? when.bytes : "") },
        { .struct_size = sizeof rows[0], .name = QUIPU_STR_INIT("vectors_failure"), .text = str_of(v.failure) },
    };
    size_t count = sizeof rows / sizeof rows[0] - (v.failed_at ? 0 : 2); /* the last two only where it failed */
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < count && code == QUIPU_OK; i++)
        code = visit(context, &rows[i]);
    buffer_free(&when);
    return code < 0 ? code : QUIPU_OK;
}

int32_t figures_read(quipu *q, quipu_stat_fn visit, void *context, const quipu_call *call, quipu_error *error)
{
    int32_t code = quipu_read_stats(q, visit, context, call, error);
    return code == QUIPU_OK ? read_vectors(q, visit, context, call) : code;
}

static int32_t append_figure(void *context, const quipu_stat *stat)
{
    buffer *out = context;
    buffer_append_char(out, ',');
    json_print_string(stat->name, out);
    buffer_append_char(out, ':');
    if (stat->text.ptr)
        json_print_string(stat->text, out);
    else
        buffer_printf(out, "%" PRId64, stat->value);
    return out->failed ? QUIPU_E_NO_MEMORY : 0;
}

int32_t quipu_stats_json(quipu *q, quipu_sink_fn sink, void *context, const quipu_call *call, quipu_error *error)
{
    buffer out = { 0 };
    if (!sink)
        return fail(error, QUIPU_E_INVALID, "sink", "sink is NULL");
    buffer_append_text(&out, "{\"store\":");
    json_print_string(str_of(quipu_store_path(q)), &out);
    buffer_append_text(&out, ",\"backend\":");
    json_print_string(str_of(quipu_backend_name(q)), &out);
    int32_t code = figures_read(q, append_figure, &out, call, error);
    buffer_append_char(&out, '}');
    if (code == QUIPU_OK && out.failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK && (code = sink(context, out.bytes, out.len)) != QUIPU_OK)
        code = fail(error, code < 0 ? code : QUIPU_E_INVALID, NULL, "the receiver of the answer gave up: %s",
                    error_text(code));
    buffer_free(&out);
    return code;
}
