/* cmd_branch.c - `quipu branch`, `switch` and `merge`: several lines of history in one store. */
#include "cli.h"

#include <sdk/json.h>

/* Opens the store and takes the table; the lease is the caller's to leave. */
static int begin(cli *c, const char *what, unsigned purpose, quipu_lease *lease, const quipu_branches_api **api)
{
    const void *table = NULL;
    int status = store_open(c, purpose);
    if (status == STATUS_DONE)
        status = store_extension(c, what, QUIPU_EXT_BRANCHES, lease, &table);
    *api = table;
    return status;
}

typedef struct listing {
    const cli *c;
    buffer json;
} listing;

static int32_t show_branch(void *context, const quipu_branch *branch)
{
    listing *l = context;
    bool current = branch->flags & QUIPU_BRANCH_CURRENT;
    if (l->c->json) {
        buffer_append_text(&l->json, l->json.len > 1 ? ",{\"name\":" : "{\"name\":");
        json_print_string(branch->name, &l->json);
        buffer_append_text(&l->json, ",\"revision\":");
        json_print_string(branch->revision, &l->json);
        buffer_printf(&l->json, ",\"current\":%s}", current ? "true" : "false");
        return l->json.failed ? QUIPU_E_NO_MEMORY : 0;
    }
    printf("%s ", current ? "*" : " ");
    print_cell(l->c, current ? PAINT_GOOD : PAINT_PLAIN, branch->name, 20, 0);
    printf(" %.*s\n", 10, branch->revision.ptr);
    return 0;
}

static int list_branches(cli *c)
{
    static const char what[] = "cannot list the branches";
    quipu_error error = error_none();
    quipu_lease lease;
    const quipu_branches_api *api;
    listing l = { .c = c };
    int status = begin(c, what, STORE_READ, &lease, &api);
    if (status != STATUS_DONE)
        return status;
    buffer_append_char(&l.json, '[');
    int32_t code = api->list(lease.self, show_branch, &l, NULL, &error);
    buffer_append_char(&l.json, ']');
    quipu_leave(c->q, &lease);
    status = code != QUIPU_OK ? report(c, what, &error) : c->json ? print_json(c, &l.json) : STATUS_DONE;
    buffer_free(&l.json);
    return status;
}

static int done(const cli *c, const char *word, const char *name)
{
    buffer json = { 0 };
    int status = STATUS_DONE;
    if (c->json) {
        buffer_append_text(&json, "{\"branch\":");
        json_print_string(str_of(name), &json);
        buffer_append_char(&json, '}');
        status = print_json(c, &json);
        buffer_free(&json);
    } else if (!c->quiet) {
        printf("%s ", word);
        print_cell(c, PAINT_BOLD, str_of(name), 0, 0);
        putchar('\n');
    }
    return status;
}

int cmd_branch(cli *c)
{
    quipu_error error = error_none();
    quipu_lease lease;
    const quipu_branches_api *api;
    bool removal = option_given(c, "delete");
    const char *what = removal ? "cannot delete the branch" : "cannot make the branch";
    if (c->argument_count == 0 && !removal)
        return list_branches(c);
    if (c->argument_count == 0 || (removal && c->argument_count > 1))
        return report_fault(c, QUIPU_E_INVALID, "delete", "name one branch: quipu branch --delete NAME");
    int status = begin(c, what, STORE_WRITE, &lease, &api);
    if (status != STATUS_DONE)
        return status;
    quipu_str name = str_of(c->arguments[0]), from = str_of(c->argument_count > 1 ? c->arguments[1] : NULL);
    int32_t code =
        removal ? api->remove(lease.self, &name, NULL, &error) : api->create(lease.self, &name, &from, NULL, &error);
    quipu_leave(c->q, &lease);
    return code == QUIPU_OK ? done(c, removal ? "deleted" : "made", c->arguments[0]) : report(c, what, &error);
}

int cmd_switch(cli *c)
{
    static const char what[] = "cannot switch";
    quipu_error error = error_none();
    quipu_lease lease;
    const quipu_branches_api *api;
    quipu_str name = str_of(c->arguments[0]);
    int status = begin(c, what, STORE_WRITE, &lease, &api);
    if (status != STATUS_DONE)
        return status;
    int32_t code = api->switch_to(lease.self, &name, NULL, &error);
    quipu_leave(c->q, &lease);
    return code == QUIPU_OK ? done(c, "switched to", c->arguments[0]) : report(c, what, &error);
}

int cmd_merge(cli *c)
{
    static const char what[] = "cannot merge";
    quipu_error error = error_none();
    quipu_lease lease;
    const quipu_branches_api *api;
    quipu_str name = str_of(c->arguments[0]);
    quipu_merge_report answer = { .struct_size = sizeof answer };
    quipu_change_set set = { .struct_size = sizeof set };
    quipu_write_options options = { .struct_size = sizeof options, .operation = str_of("merge") };
    int status = begin(c, what, STORE_WRITE, &lease, &api);
    if (status != STATUS_DONE)
        return status;
    int32_t code = quipu_change_set_begin(c->q, &options, &set, &error);
    if (code == QUIPU_OK)
        code = api->merge(lease.self, &name, &set, &answer, NULL, &error);
    quipu_leave(c->q, &lease);
    return code == QUIPU_OK ? print_merge_report(c, &answer) : report(c, what, &error);
}
