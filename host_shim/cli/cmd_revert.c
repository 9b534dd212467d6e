/* cmd_revert.c - `quipu revert` and `restore`: the way back, always as a new revision. */
#include "cli.h"

#include <base/fail.h>
#include <sdk/json.h>

static int print_receipt(const cli *c, const char *done, const quipu_receipt *receipt)
{
    buffer json = { 0 };
    int status = STATUS_DONE;
    bool nothing = receipt->flags & QUIPU_RECEIPT_UNCHANGED;
    if (c->json) {
        buffer_append_text(&json, "{\"revision\":");
        json_print_string(str_of(receipt->revision), &json);
        buffer_printf(&json, ",\"changed\":%llu}", (unsigned long long)receipt->changed);
        status = print_json(c, &json);
        buffer_free(&json);
    } else if (!c->quiet) {
        if (nothing)
            printf("nothing to do: everything is as it was then\n");
        else
            printf("%s%s revision %s%s%s\n", done, receipt->revision[0] ? ":" : "", paint_on(c, PAINT_WARN),
                   receipt->revision, paint_off(c));
    }
    return status;
}

typedef struct scope_check {
    const cli *c;
    char outside[QUIPU_ID_MAX + 1]; /* a record that the revision changed, outside of the scope of the options */
} scope_check;

static int32_t find_outside(void *context, const quipu_difference *d)
{
    scope_check *check = context;
    if (scope_holds(check->c, d->before) && scope_holds(check->c, d->after))
        return 0;
    snprintf(check->outside, sizeof check->outside, "%.*s", (int)d->id.len, d->id.ptr);
    return 1;
}

/* With --user and the like, a revision is taken back only where all that it changed belongs to that scope. */
static int32_t revert(cli *c, const quipu_history_api *api, const quipu_lease *lease, quipu_str revision,
                      const quipu_change_set *set, quipu_receipt *receipt, quipu_error *error)
{
    scope_check check = { .c = c };
    if (scope_given(c)) {
        int32_t code = api->diff(lease->self, NULL, &revision, NULL, find_outside, &check, NULL, error);
        if (code != QUIPU_OK)
            return code;
        if (check.outside[0])
            return fail(error, QUIPU_E_SCOPE, NULL,
                        "it also changed the record %s, which is outside of the scope that the "
                        "options name; nothing was done",
                        check.outside);
    }
    return api->revert(lease->self, &revision, set, receipt, NULL, error);
}

/* id NULL: a revert. */
static int undo(cli *c, const char *what, const char *id, const char *spec)
{
    quipu_error error = error_none();
    quipu_lease lease;
    const void *table = NULL;
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    quipu_change_set set = { .struct_size = sizeof set };
    quipu_write_options options = store_write_options(c, id ? "restore" : "revert");
    quipu_str record = str_of(id), revision = str_of(spec);
    int status = store_open(c, STORE_WRITE);
    if (status == STATUS_DONE && id)
        status = store_check_scope(c, what, id);
    if (status == STATUS_DONE)
        status = store_extension(c, what, QUIPU_EXT_HISTORY, &lease, &table);
    if (status != STATUS_DONE)
        return status;
    const quipu_history_api *api = table;
    int32_t code = quipu_change_set_begin(c->q, &options, &set, &error);
    if (code == QUIPU_OK && (!QUIPU_HAS(api, restore) || !api->revert || !api->restore))
        status =
            report_fault(c, QUIPU_E_UNSUPPORTED, "backend", "%s: the backend \"%s\" shows its history but cannot undo",
                         what, quipu_backend_name(c->q));
    else if (code == QUIPU_OK && id)
        code = api->restore(lease.self, &record, &revision, &set, &receipt, NULL, &error);
    else if (code == QUIPU_OK)
        code = revert(c, api, &lease, revision, &set, &receipt, &error);
    quipu_leave(c->q, &lease);
    if (code != QUIPU_OK)
        return report(c, what, &error);
    return status == STATUS_DONE ? print_receipt(c, id ? "restored" : "reverted", &receipt) : status;
}

int cmd_revert(cli *c)
{
    return undo(c, "cannot revert", NULL, c->arguments[0]);
}

int cmd_restore(cli *c)
{
    const char *as_of = option_text(c, "as-of");
    if (!as_of)
        return report_fault(c, QUIPU_E_INVALID, "as-of", "something is missing: quipu restore ID --as-of REV");
    return undo(c, "cannot restore the record", c->arguments[0], as_of);
}
