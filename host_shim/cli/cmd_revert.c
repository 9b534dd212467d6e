/* cmd_revert.c - `quipu revert` and `restore`: the way back, always as a new revision. */
#include "cli.h"

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
        code = api->revert(lease.self, &revision, &set, &receipt, NULL, &error);
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
