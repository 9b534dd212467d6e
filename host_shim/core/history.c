/* history.c - history/1 of the active backend as JSON: what happened, what it changed, and the way back. */
#include "difference.h"
#include "handle.h"
#include "request.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <sdk/record.h>
#include <stdio.h>

#define DEFAULT_LIMIT 100
#define LIMIT_MAX 100000

#define SCOPE_ROW                                                                                                      \
    {                                                                                                                  \
        "scope", OBJECT, UNUSED, NULL, 0                                                                               \
    }
static const member_row log_rows[] = { SCOPE_ROW,
                                       { "id", TEXT, offsetof(request, text), NULL, 0 },
                                       { "from", TEXT, offsetof(request, from), NULL, 0 },
                                       { "limit", WHOLE, offsetof(request, number), NULL, LIMIT_MAX },
                                       { NULL, TEXT, UNUSED, NULL, 0 } };
static const member_row diff_rows[] = { SCOPE_ROW,
                                        { "id", TEXT, offsetof(request, text), NULL, 0 },
                                        { "from", TEXT, offsetof(request, from), NULL, 0 },
                                        { "to", TEXT, offsetof(request, to), NULL, 0 },
                                        { NULL, TEXT, UNUSED, NULL, 0 } };
static const member_row undo_rows[] = { SCOPE_ROW,
                                        { "revision", TEXT, offsetof(request, from), NULL, 0 },
                                        { "id", TEXT, offsetof(request, text), NULL, 0 },
                                        { "as_of", TEXT, offsetof(request, as_of), NULL, 0 },
                                        { NULL, TEXT, UNUSED, NULL, 0 } };

/* One question about the history, from its request to its answer. */
typedef struct inquiry {
    quipu *q;
    const quipu_call *call;
    quipu_error *error;
    const quipu_history_api *api;
    quipu_lease lease;
    request r;
    buffer out;
    uint64_t shown;
    bool touched;                   /* the revision that is looked at changed a record of the scope */
    char outside[QUIPU_ID_MAX + 1]; /* a record that it changed outside of the scope */
} inquiry;

static int32_t inquiry_begin(inquiry *i, const quipu_str *json, const member_row *rows, quipu_sink_fn sink)
{
    static const quipu_str name = { QUIPU_EXT_HISTORY, sizeof QUIPU_EXT_HISTORY - 1 };
    i->lease.struct_size = sizeof i->lease;
    if (!sink)
        return fail(i->error, QUIPU_E_INVALID, "sink", "sink is NULL");
    int32_t code = request_read(json, rows, &i->r, i->error);
    if (code == QUIPU_OK)
        code = quipu_enter(i->q, &i->lease, i->error);
    if (code != QUIPU_OK)
        return code;
    i->api = i->lease.api->get_extension(i->lease.self, &name);
    if (i->api)
        return QUIPU_OK;
    return fail(i->error, QUIPU_E_UNSUPPORTED, "backend",
                "the backend \"%s\" keeps no history; use one that does (git does)", quipu_backend_name(i->q));
}

/* Hands the answer over, leaves the backend, and frees. */
static int32_t inquiry_end(inquiry *i, int32_t code, quipu_sink_fn sink, void *context)
{
    quipu_leave(i->q, &i->lease);
    if (code == QUIPU_OK && i->out.failed)
        code = fail(i->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK) {
        code = sink(context, i->out.bytes, i->out.len);
        if (code != QUIPU_OK)
            code = fail(i->error, code < 0 ? code : QUIPU_E_INVALID, NULL, "the receiver of the answer gave up: %s",
                        error_text(code));
    }
    buffer_free(&i->out);
    request_free(&i->r);
    return code;
}

/* ---- scope ---- */

static bool has_scope(const inquiry *i)
{
    const quipu_filter *f = filter_view(i->r.filter);
    return f->user.ptr || f->agent.ptr || f->session.ptr || f->app.ptr;
}

static bool is_inside(const inquiry *i, const quipu_record *r)
{
    const quipu_filter *f = filter_view(i->r.filter);
    return !r || ((!f->user.ptr || str_same(r->user, f->user)) && (!f->agent.ptr || str_same(r->agent, f->agent)) &&
                  (!f->session.ptr || str_same(r->session, f->session)) && (!f->app.ptr || str_same(r->app, f->app)));
}

static int32_t stop_inside(void *context, const quipu_difference *d)
{
    inquiry *i = context;
    i->touched = is_inside(i, d->before) && is_inside(i, d->after);
    return i->touched;
}

static int32_t stop_outside(void *context, const quipu_difference *d)
{
    inquiry *i = context;
    if (is_inside(i, d->before) && is_inside(i, d->after))
        return 0;
    snprintf(i->outside, sizeof i->outside, "%.*s", (int)d->id.len, d->id.ptr);
    return 1;
}

/* ---- log ---- */

static int32_t take_revision(void *context, const quipu_revision *r)
{
    inquiry *i = context;
    int32_t code = QUIPU_OK;
    i->touched = !has_scope(i);
    if (!i->touched)
        code = i->api->diff(i->lease.self, NULL, &r->name, NULL, stop_inside, i, i->call, NULL);
    if (code != QUIPU_OK || !i->touched)
        return code;
    buffer_append_text(&i->out, i->shown > 0 ? "," : "");
    revision_json(r, &i->out);
    if (!has_scope(i) && r->message.ptr) { /* its trailers name records of any scope */
        buffer_append_text(&i->out, ",\"message\":");
        json_print_string(r->message, &i->out);
    }
    buffer_append_char(&i->out, '}');
    i->shown++;
    return i->out.failed ? QUIPU_E_NO_MEMORY : i->shown == i->r.number;
}

int32_t quipu_log_json(quipu *q, const quipu_str *json, quipu_sink_fn sink, void *context, const quipu_call *call,
                       quipu_error *error)
{
    inquiry i = { .q = q, .call = call, .error = error, .r = { .number = DEFAULT_LIMIT } };
    int32_t code = inquiry_begin(&i, json, log_rows, sink);
    if (code == QUIPU_OK) {
        quipu_log_query query = {
            .struct_size = sizeof query, .id = i.r.text, .from = i.r.from, .limit = has_scope(&i) ? 0 : i.r.number
        };
        buffer_append_text(&i.out, "{\"revisions\":[");
        code = i.api->log(i.lease.self, &query, take_revision, &i, call, error);
        buffer_append_text(&i.out, "]}");
    }
    return inquiry_end(&i, code, sink, context);
}

/* ---- diff ---- */

static int32_t take_difference(void *context, const quipu_difference *d)
{
    inquiry *i = context;
    if (!is_inside(i, d->before) || !is_inside(i, d->after))
        return 0;
    buffer_append_text(&i->out, i->shown++ > 0 ? "," : "");
    difference_json(d, true, &i->out);
    return i->out.failed ? QUIPU_E_NO_MEMORY : 0;
}

int32_t quipu_diff_json(quipu *q, const quipu_str *json, quipu_sink_fn sink, void *context, const quipu_call *call,
                        quipu_error *error)
{
    inquiry i = { .q = q, .call = call, .error = error, .r = { .to = str_of("HEAD") } };
    int32_t code = inquiry_begin(&i, json, diff_rows, sink);
    if (code == QUIPU_OK) {
        buffer_append_text(&i.out, "{\"changes\":[");
        code = i.api->diff(i.lease.self, &i.r.from, &i.r.to, &i.r.text, take_difference, &i, call, error);
        buffer_append_text(&i.out, "]}");
    }
    return inquiry_end(&i, code, sink, context);
}

/* ---- the way back ---- */

/* With a scope, only what belongs to it may be changed. */
static int32_t check_scope(inquiry *i)
{
    quipu_str head = str_of("HEAD");
    if (!has_scope(i))
        return QUIPU_OK;
    int32_t code =
        i->r.from.ptr ? i->api->diff(i->lease.self, NULL, &i->r.from, NULL, stop_outside, i, i->call, i->error)
                      : i->api->diff(i->lease.self, &i->r.as_of, &head, &i->r.text, stop_outside, i, i->call, i->error);
    if (code == QUIPU_OK && i->outside[0] && i->r.text.ptr)
        return fail(i->error, QUIPU_E_NOT_FOUND, "id", "there is no record of this id in the scope");
    if (code == QUIPU_OK && i->outside[0])
        return fail(i->error, QUIPU_E_SCOPE, "revision",
                    "it also changed records outside of the scope; nothing was done");
    return code;
}

static int32_t undo(inquiry *i, const quipu_write_options *options, quipu_receipt *receipt)
{
    quipu_change_set set = { .struct_size = sizeof set };
    quipu_write_options defaults = { .struct_size = sizeof defaults };
    if (!options)
        options = &defaults;
    int32_t code = quipu_change_set_begin(i->q, options, &set, i->error);
    if (code != QUIPU_OK)
        return code;
    if (!QUIPU_HAS(i->api, restore) || !i->api->revert || !i->api->restore)
        return fail(i->error, QUIPU_E_UNSUPPORTED, "backend", "the backend \"%s\" shows its history but cannot undo",
                    quipu_backend_name(i->q));
    if (!options->operation.ptr)
        set.operation = str_of(i->r.from.ptr ? "revert" : "restore");
    return i->r.from.ptr ? i->api->revert(i->lease.self, &i->r.from, &set, receipt, i->call, i->error)
                         : i->api->restore(i->lease.self, &i->r.text, &i->r.as_of, &set, receipt, i->call, i->error);
}

int32_t quipu_undo_json(quipu *q, const quipu_str *json, const quipu_write_options *options, quipu_sink_fn sink,
                        void *context, const quipu_call *call, quipu_error *error)
{
    inquiry i = { .q = q, .call = call, .error = error };
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    int32_t code = inquiry_begin(&i, json, undo_rows, sink);
    if (code == QUIPU_OK && (i.r.from.ptr ? i.r.text.ptr || i.r.as_of.ptr : !i.r.text.ptr || !i.r.as_of.ptr))
        code = fail(error, QUIPU_E_INVALID, "revision",
                    "name what to take back: a revision, or the id of a record and as_of, the state to give it");
    if (code == QUIPU_OK)
        code = check_scope(&i);
    if (code == QUIPU_OK)
        code = undo(&i, options, &receipt);
    if (code == QUIPU_OK) {
        buffer_append_text(&i.out, "{\"revision\":");
        json_print_string(str_of(receipt.revision), &i.out);
        buffer_printf(&i.out, ",\"changed\":%llu}", (unsigned long long)receipt.changed);
    }
    return inquiry_end(&i, code, sink, context);
}
