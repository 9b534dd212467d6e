/* cmd_log.c - `quipu log`, `show` and `diff`: what happened, who did it, and what it changed. */
#include "../core/difference.h"
#include "cli.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <sdk/record.h>
#include <string.h>

#define SHORT_NAME 10 /* digits of a revision that people see */

/* With --user and the like only records of that scope are shown, and only revisions that changed one. */
typedef struct history {
    cli *c;
    const quipu_history_api *api;
    quipu_lease lease;
    buffer json;
    uint64_t count, limit;
    bool touched; /* the revision looked at changed a record of the scope */
    char resolved[64];
} history;

static bool is_in_scope(const history *h, const quipu_difference *d)
{
    return scope_holds(h->c, d->before) && scope_holds(h->c, d->after);
}

static int32_t stop_in_scope(void *context, const quipu_difference *d)
{
    history *h = context;
    h->touched = is_in_scope(h, d);
    return h->touched;
}

/* Finds out whether the revision changed a record of the scope; always true where no scope was given. */
static int32_t look_at(history *h, quipu_str revision, quipu_error *error)
{
    h->touched = !scope_given(h->c);
    if (h->touched)
        return QUIPU_OK;
    return h->api->diff(h->lease.self, NULL, &revision, NULL, stop_in_scope, h, NULL, error);
}

static int history_begin(history *h, const char *what)
{
    const void *table = NULL;
    int status = store_open(h->c, STORE_READ);
    if (status == STATUS_DONE)
        status = store_extension(h->c, what, QUIPU_EXT_HISTORY, &h->lease, &table);
    h->api = table;
    return status;
}

static void history_end(history *h)
{
    if (h->api)
        quipu_leave(h->c->q, &h->lease);
    buffer_free(&h->json);
}

static void format_time(int64_t time, char out[17])
{
    buffer text = { 0 };
    out[0] = '\0';
    if (time != QUIPU_TIME_NONE)
        time_print(time, &text);
    if (!text.failed && text.len >= 16) {
        memcpy(out, text.bytes, 16);
        out[10] = ' ';
        out[16] = '\0';
    }
    buffer_free(&text);
}

static void print_revision(const history *h, const quipu_revision *r)
{
    char when[17];
    quipu_str name = r->name;
    if (name.len > SHORT_NAME)
        name.len = SHORT_NAME;
    format_time(r->time, when);
    print_cell(h->c, PAINT_WARN, name, SHORT_NAME, 0);
    printf("  %s  ", when);
    print_cell(h->c, PAINT_GOOD, r->author, 10, 24);
    printf("  ");
    print_cell(h->c, PAINT_PLAIN, r->subject, 0, 0);
    printf("%s\n", r->flags & QUIPU_REVISION_FOREIGN ? "  (made by another program)" : "");
}

static int32_t log_revision(void *context, const quipu_revision *r)
{
    history *h = context;
    int32_t code = look_at(h, r->name, NULL);
    if (code != QUIPU_OK || !h->touched)
        return code;
    if (h->c->json) {
        buffer_append_text(&h->json, h->count > 0 ? "," : "");
        revision_json(r, &h->json);
        buffer_append_char(&h->json, '}');
    } else {
        print_revision(h, r);
    }
    h->count++;
    if (h->json.failed)
        return QUIPU_E_NO_MEMORY;
    return h->count == h->limit || ferror(stdout);
}

int cmd_log(cli *c)
{
    static const char what[] = "cannot show the log";
    history h = { .c = c };
    quipu_error error = error_none();
    quipu_log_query query = { .struct_size = sizeof query,
                              .id = str_of(c->argument_count ? c->arguments[0] : NULL),
                              .from = str_of(option_text(c, "from")) };
    if (!option_number(c, "limit", 1, UINT64_MAX, 0, &h.limit))
        return STATUS_USAGE;
    query.limit = scope_given(c) ? 0 : h.limit; /* what lies outside of the scope does not count */
    int status = history_begin(&h, what);
    if (status == STATUS_DONE) {
        buffer_append_text(&h.json, "{\"revisions\":[");
        if (h.api->log(h.lease.self, &query, log_revision, &h, NULL, &error) != QUIPU_OK) {
            status = report(c, what, &error);
        } else if (c->json) {
            buffer_append_text(&h.json, "]}");
            status = print_json(c, &h.json);
        } else if (h.count == 0) {
            remark(c, "nothing has happened yet");
        }
    }
    history_end(&h);
    return status;
}

static int32_t show_difference(void *context, const quipu_difference *d)
{
    history *h = context;
    if (!is_in_scope(h, d))
        return 0;
    if (h->c->json) {
        if (h->count > 0)
            buffer_append_char(&h->json, ',');
        difference_json(d, true, &h->json);
    } else {
        changes_print(h->c, d);
    }
    h->count++;
    return h->json.failed ? QUIPU_E_NO_MEMORY : ferror(stdout) ? 1 : 0;
}

static void print_header_line(const cli *c, const char *name, quipu_str text)
{
    if (!text.ptr || !text.len)
        return;
    print_cell(c, PAINT_DIM, str_of(name), 10, 0);
    printf(" ");
    print_cell(c, PAINT_PLAIN, text, 0, 0);
    putchar('\n');
}

static int32_t show_header(void *context, const quipu_revision *r)
{
    history *h = context;
    buffer time = { 0 };
    int32_t code = look_at(h, r->name, NULL);
    if (code != QUIPU_OK || !h->touched)
        return code;
    /* The trailers name records of other scopes as well. */
    quipu_str message = r->message.ptr && !scope_given(h->c) ? r->message : r->subject;
    snprintf(h->resolved, sizeof h->resolved, "%.*s", (int)r->name.len, r->name.ptr);
    if (h->c->json) {
        revision_json(r, &h->json);
        buffer_append_text(&h->json, ",\"message\":");
        json_print_string(message, &h->json);
        buffer_append_text(&h->json, ",\"changes\":[");
        return h->json.failed ? QUIPU_E_NO_MEMORY : 0;
    }
    if (r->time != QUIPU_TIME_NONE)
        time_print(r->time, &time);
    print_header_line(h->c, "revision", r->name);
    print_header_line(h->c, "author", r->author);
    print_header_line(h->c, "time", str_make(time.bytes, time.len));
    print_header_line(h->c, "operation", r->operation);
    print_header_line(h->c, "source", r->source);
    if (r->flags & QUIPU_REVISION_FOREIGN)
        print_header_line(h->c, "note", str_of("made by another program"));
    putchar('\n');
    print_text(message, "    ");
    putchar('\n');
    buffer_free(&time);
    return 0;
}

int cmd_show(cli *c)
{
    static const char what[] = "cannot show the revision";
    history h = { .c = c };
    quipu_error error = error_none();
    quipu_str spec = str_of(c->arguments[0]);
    int status = history_begin(&h, what);
    if (status == STATUS_DONE) {
        int32_t code = h.api->resolve(h.lease.self, &spec, show_header, &h, NULL, &error);
        quipu_str name = str_of(h.resolved);
        if (code == QUIPU_OK && !h.touched)
            code = fail(&error, QUIPU_E_NOT_FOUND, "REV", "it changed no record of the scope that the options name");
        if (code == QUIPU_OK)
            code = h.api->diff(h.lease.self, NULL, &name, NULL, show_difference, &h, NULL, &error);
        buffer_append_text(&h.json, "]}");
        if (code != QUIPU_OK)
            status = report(c, what, &error);
        else if (c->json)
            status = print_json(c, &h.json);
    }
    history_end(&h);
    return status;
}

static int32_t ignore_revision(void *context, const quipu_revision *r)
{
    (void)context;
    (void)r;
    return 0;
}

/* `diff A X`: X is a revision where there is one of that name, else the id of a record. */
static int split_arguments(history *h, quipu_str *to, quipu_str *id)
{
    quipu_error error = error_none();
    *to = str_of("HEAD");
    *id = str_of(option_text(h->c, "id"));
    if (h->c->argument_count == 3) {
        if (id->ptr)
            return report_fault(h->c, QUIPU_E_INVALID, "id", "the record is named twice: as an argument and with --id");
        *to = str_of(h->c->arguments[1]);
        *id = str_of(h->c->arguments[2]);
    } else if (h->c->argument_count == 2) {
        quipu_str second = str_of(h->c->arguments[1]);
        int32_t code = h->api->resolve(h->lease.self, &second, ignore_revision, NULL, NULL, &error);
        if (code == QUIPU_OK || id->ptr)
            *to = second;
        else if (code == QUIPU_E_NOT_FOUND || code == QUIPU_E_INVALID)
            *id = second;
        else
            return report(h->c, "cannot compare", &error);
    }
    return STATUS_DONE;
}

int cmd_diff(cli *c)
{
    static const char what[] = "cannot compare";
    history h = { .c = c };
    quipu_error error = error_none();
    quipu_str from = str_of(c->arguments[0]), to, id;
    int status = history_begin(&h, what);
    if (status == STATUS_DONE)
        status = split_arguments(&h, &to, &id);
    if (status == STATUS_DONE) {
        buffer_append_text(&h.json, "{\"changes\":[");
        int32_t code = h.api->diff(h.lease.self, &from, &to, &id, show_difference, &h, NULL, &error);
        buffer_append_text(&h.json, "]}");
        if (code != QUIPU_OK)
            status = report(c, what, &error);
        else if (c->json)
            status = print_json(c, &h.json);
        else if (h.count == 0)
            remark(c, "no difference");
    }
    history_end(&h);
    return status;
}
