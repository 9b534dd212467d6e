/* cmd_add.c - `quipu add` and `quipu update`: one record is written. */
#include "cli.h"

#include <sdk/json.h>
#include <string.h>

typedef struct written {
    char id[QUIPU_ID_MAX + 1], version[QUIPU_VERSION_LEN + 1];
} written;

static void keep_written(void *context, uint64_t index, const quipu_str *id, const quipu_record *record)
{
    written *w = context;
    (void)index;
    snprintf(w->id, sizeof w->id, "%.*s", (int)id->len, id->ptr);
    if (record)
        snprintf(w->version, sizeof w->version, "%.*s", (int)record->version.len, record->version.ptr);
}

static int print_written(const cli *c, const written *w, const quipu_receipt *receipt)
{
    buffer json = { 0 };
    buffer_append_text(&json, "{\"id\":");
    json_print_string(str_of(w->id), &json);
    buffer_printf(&json, ",\"version\":\"%s\",\"revision\":", w->version);
    json_print_string(str_of(receipt->revision), &json);
    buffer_printf(&json, ",\"changed\":%s}", receipt->changed ? "true" : "false");
    int status = print_json(c, &json);
    buffer_free(&json);
    return status;
}

/* Sends one step, with `tree` as its JSON. */
static int write_one(cli *c, const char *what, const char *operation, quipu_write *step, const cJSON *tree,
                     uint32_t flags, written *w, quipu_receipt *receipt)
{
    quipu_error error = error_none();
    quipu_write_options options = store_write_options(c, operation);
    quipu_array writes = { step, 1, sizeof *step };
    buffer json = { 0 };
    int status = STATUS_DONE;
    json_print_compact(tree, &json);
    if (json.failed) {
        buffer_free(&json);
        return out_of_memory(c);
    }
    options.flags = flags;
    step->struct_size = sizeof *step;
    step->json = str_make(json.bytes, json.len);
    *receipt = (quipu_receipt){ .struct_size = sizeof *receipt };
    if (quipu_write_records(c->q, &writes, &options, keep_written, w, receipt, NULL, &error) != QUIPU_OK)
        status = report(c, what, &error);
    buffer_free(&json);
    return status;
}

int cmd_add(cli *c)
{
    static const char what[] = "cannot add the record";
    bool upsert = option_given(c, "upsert"), named = option_given(c, "id");
    quipu_write step = { .op = QUIPU_CHANGE_PUT, .expect = named && !upsert ? QUIPU_EXPECT_ABSENT : QUIPU_EXPECT_ANY };
    quipu_receipt receipt = { 0 };
    written w = { 0 };
    cJSON *record = NULL;
    if (upsert && !named && !option_given(c, "key"))
        return report_fault(c, QUIPU_E_INVALID, "upsert",
                            "--upsert needs to know what to replace: give --id, or --key (and --category)");
    int status = fields_build(c, c->arguments[0], false, &record);
    if (status == STATUS_DONE)
        status = store_open(c, STORE_MAKE);
    if (status == STATUS_DONE)
        status = write_one(c, what, upsert ? NULL : "add", &step, record, upsert && !named ? QUIPU_WRITE_UPSERT : 0, &w,
                           &receipt);
    cJSON_Delete(record);
    if (status != STATUS_DONE)
        return status;
    if (c->json)
        return print_written(c, &w, &receipt);
    print_cell(c, PAINT_ID, str_of(w.id), 0, 0);
    putchar('\n');
    return STATUS_DONE;
}

int cmd_update(cli *c)
{
    static const char what[] = "cannot update the record";
    const char *id = c->arguments[0], *version = option_text(c, "if-version");
    quipu_write step = { .op = QUIPU_WRITE_PATCH, .expect = QUIPU_EXPECT_PRESENT, .id = str_of(id) };
    quipu_receipt receipt = { 0 };
    written w = { 0 };
    cJSON *patch = NULL;
    if (version) {
        step.expect = QUIPU_EXPECT_VERSION;
        step.expected_version = str_of(version);
    }
    int status = fields_build(c, c->argument_count > 1 ? c->arguments[1] : NULL, true, &patch);
    if (status == STATUS_DONE && !patch->child)
        status = report_fault(c, QUIPU_E_INVALID, "arguments",
                              "nothing to change: give a new TEXT, or fields such as --tag or --meta");
    if (status == STATUS_DONE)
        status = store_open(c, STORE_WRITE);
    if (status == STATUS_DONE)
        status = store_check_scope(c, what, id);
    if (status == STATUS_DONE)
        status = write_one(c, what, "update", &step, patch, 0, &w, &receipt);
    cJSON_Delete(patch);
    if (status != STATUS_DONE)
        return status;
    if (c->json)
        return print_written(c, &w, &receipt);
    if (!c->quiet) {
        printf("%s ", receipt.changed ? "updated" : "unchanged");
        print_cell(c, PAINT_ID, str_of(w.id[0] ? w.id : id), 0, 0);
        putchar('\n');
    }
    return STATUS_DONE;
}
