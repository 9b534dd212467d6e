/* history.c - the extension history/1 (plugin_api/quipu/ext/history.h): what sdk/line.h makes of the tables. */
#include "backend.h"

static int32_t history_resolve(quipu_backend *self, const quipu_str *spec, quipu_revision_fn visit, void *context,
                               const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? line_show(&self->line, spec, visit, context, call, error) : code;
}

static int32_t history_log(quipu_backend *self, const quipu_log_query *query, quipu_revision_fn visit, void *context,
                           const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? line_log(&self->line, query, visit, context, call, error) : code;
}

static int32_t history_diff(quipu_backend *self, const quipu_str *from, const quipu_str *to, const quipu_str *id,
                            quipu_difference_fn visit, void *context, const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? line_diff(&self->line, from, to, id, visit, context, call, error) : code;
}

static int32_t history_revert(quipu_backend *self, const quipu_str *spec, const quipu_change_set *as,
                              quipu_receipt *receipt, const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? line_revert(&self->line, spec, as, receipt, call, error) : code;
}

static int32_t history_restore(quipu_backend *self, const quipu_str *id, const quipu_str *as_of,
                               const quipu_change_set *as, quipu_receipt *receipt, const quipu_call *call,
                               quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? line_restore(&self->line, id, as_of, as, receipt, call, error) : code;
}

const quipu_history_api postgres_history = {
    .struct_size = sizeof(quipu_history_api),
    .resolve = history_resolve,
    .log = history_log,
    .diff = history_diff,
    .revert = history_revert,
    .restore = history_restore,
};
