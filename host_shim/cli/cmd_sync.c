/* cmd_sync.c - `quipu pull`, `push` and `clone`: exchanging changes with another store. */
#include "cli.h"

#include <inttypes.h>
#include <sdk/json.h>

#define ORIGIN "origin"

typedef struct meter {
    progress line;
    char stage[32];
    const cli *c;
} meter;

static int32_t show_progress(void *context, const quipu_progress *p)
{
    meter *m = context;
    if (p->stage.len >= sizeof m->stage)
        return 0;
    if (!str_same(p->stage, str_of(m->stage))) {
        progress_end(&m->line);
        memcpy(m->stage, p->stage.ptr, (size_t)p->stage.len);
        m->stage[p->stage.len] = '\0';
        progress_begin(&m->line, m->c, m->stage, p->total);
    }
    progress_step(&m->line, p->done, p->done);
    return 0;
}

int print_merge_report(const cli *c, const quipu_merge_report *r)
{
    buffer json = { 0 };
    int status = STATUS_DONE;
    if (c->json) {
        buffer_printf(&json, "{\"revisions\":%" PRIu64 ",\"records\":%" PRIu64 ",\"conflicts\":%" PRIu64, r->revisions,
                      r->records, r->conflicts);
        buffer_printf(&json, ",\"sent\":%s,\"revision\":", r->flags & QUIPU_MERGE_SENT ? "true" : "false");
        json_print_string(str_of(r->revision), &json);
        buffer_append_char(&json, '}');
        status = print_json(c, &json);
    } else if (!c->quiet) {
        if (r->revisions)
            printf("%" PRIu64 " revision%s taken in, %" PRIu64 " record%s changed\n", r->revisions,
                   plural(r->revisions), r->records, plural(r->records));
        else
            printf("nothing new there\n");
        if (r->conflicts)
            printf("%s%" PRIu64 " conflict%s%s; see `quipu conflicts`\n", paint_on(c, PAINT_WARN), r->conflicts,
                   plural(r->conflicts), paint_off(c));
        if (r->flags & QUIPU_MERGE_SENT)
            printf("sent revision %s\n", r->revision);
    }
    buffer_free(&json);
    return status;
}

/* On an open store. remember: keeps the place as "origin" afterwards. */
static int exchange(cli *c, const char *what, const char *operation, quipu_str remote, bool remember)
{
    quipu_error error = error_none();
    quipu_lease lease;
    const void *table = NULL;
    meter m = { .c = c };
    quipu_merge_report report_ = { .struct_size = sizeof report_ };
    quipu_change_set set = { .struct_size = sizeof set };
    quipu_write_options options = { .struct_size = sizeof options, .operation = str_of(operation) };
    int status = store_extension(c, what, QUIPU_EXT_SYNC, &lease, &table);
    if (status != STATUS_DONE)
        return status;
    const quipu_sync_api *api = table;
    int32_t code = quipu_change_set_begin(c->q, &options, &set, &error);
    if (code == QUIPU_OK && remember) {
        quipu_str name = str_of(ORIGIN);
        code = api->remember(lease.self, &name, &remote, NULL, &error);
    }
    if (code == QUIPU_OK)
        code = (strcmp(operation, "push") == 0 ? api->push : api->pull)(lease.self, &remote, &set, show_progress, &m,
                                                                        &report_, NULL, &error);
    progress_end(&m.line);
    quipu_leave(c->q, &lease);
    return code == QUIPU_OK ? print_merge_report(c, &report_) : report(c, what, &error);
}

static int exchange_with_argument(cli *c, const char *what, const char *operation)
{
    int status = store_open(c, STORE_WRITE);
    if (status != STATUS_DONE)
        return status;
    return exchange(c, what, operation, str_of(c->argument_count ? c->arguments[0] : ORIGIN), false);
}

int cmd_pull(cli *c)
{
    return exchange_with_argument(c, "cannot pull", "pull");
}

int cmd_push(cli *c)
{
    return exchange_with_argument(c, "cannot push", "push");
}

static int32_t count_stat(void *context, const quipu_stat *stat)
{
    if (str_same(stat->name, str_of("records")))
        *(int64_t *)context = stat->value;
    return 0;
}

int cmd_clone(cli *c)
{
    static const char what[] = "cannot clone";
    quipu_error error = error_none();
    int64_t records = 0;
    int status = store_open(c, STORE_MAKE);
    if (status != STATUS_DONE)
        return status;
    if (quipu_read_stats(c->q, count_stat, &records, NULL, &error) != QUIPU_OK)
        return report(c, what, &error);
    if (records > 0)
        return report_fault(c, QUIPU_E_EXISTS, "store",
                            "%s: %s holds records already; name another folder with --store, or use `quipu pull`", what,
                            quipu_store_path(c->q));
    return exchange(c, what, "pull", str_of(c->arguments[0]), true);
}
