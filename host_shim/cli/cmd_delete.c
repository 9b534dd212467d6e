/* cmd_delete.c - `quipu delete`: records go, all of those named or none. */
#include "cli.h"

#include <inttypes.h>
#include <sdk/json.h>
#include <stdlib.h>
#include <string.h>

static int print_deleted(const cli *c, const quipu_receipt *receipt)
{
    buffer json = { 0 };
    int status = STATUS_DONE;
    if (c->json) {
        buffer_append_text(&json, "{\"deleted\":[");
        for (size_t i = 0; i < c->argument_count; i++) {
            if (i > 0)
                buffer_append_char(&json, ',');
            json_print_string(str_of(c->arguments[i]), &json);
        }
        buffer_append_text(&json, "],\"revision\":");
        json_print_string(str_of(receipt->revision), &json);
        buffer_append_char(&json, '}');
        status = print_json(c, &json);
    } else if (!c->quiet) {
        for (size_t i = 0; i < c->argument_count; i++) {
            printf("deleted ");
            print_cell(c, PAINT_ID, str_of(c->arguments[i]), 0, 0);
            putchar('\n');
        }
    }
    buffer_free(&json);
    return status;
}

static int delete_all(cli *c, quipu_write *steps)
{
    static const char what[] = "cannot delete";
    const char *version = option_text(c, "if-version");
    quipu_error error = error_none();
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    quipu_array writes = { steps, c->argument_count, sizeof *steps };
    int status = STATUS_DONE;
    for (size_t i = 0; i < c->argument_count && status == STATUS_DONE; i++) {
        steps[i] = (quipu_write){ .struct_size = sizeof *steps,
                                  .op = QUIPU_CHANGE_DELETE,
                                  .expect = version ? QUIPU_EXPECT_VERSION : QUIPU_EXPECT_PRESENT,
                                  .id = str_of(c->arguments[i]),
                                  .expected_version = str_of(version) };
        status = store_check_scope(c, what, c->arguments[i]);
    }
    if (status != STATUS_DONE)
        return status;
    quipu_write_options options = store_write_options(c, "delete");
    if (quipu_write_records(c->q, &writes, &options, NULL, NULL, &receipt, NULL, &error) != QUIPU_OK)
        return report(c, what, &error);
    return print_deleted(c, &receipt);
}

int cmd_delete(cli *c)
{
    if (option_given(c, "if-version") && c->argument_count > 1)
        return report_fault(c, QUIPU_E_INVALID, "if-version", "--if-version is the version of one record: name one ID");
    int status = store_open(c, STORE_WRITE);
    if (status != STATUS_DONE)
        return status;
    quipu_write *steps = calloc(c->argument_count, sizeof *steps);
    status = steps ? delete_all(c, steps) : out_of_memory(c);
    free(steps);
    return status;
}
