/* cmd_help.c - `quipu help`, `version` and `completion`. */
#include "cli.h"

#include <sdk/json.h>
#include <string.h>

static void append_options(buffer *out, const option_spec *o)
{
    buffer_append_char(out, '[');
    for (const option_spec *first = o; o && o->name; o++) {
        buffer_append_text(out, o == first ? "{\"name\":" : ",{\"name\":");
        json_print_string(str_of(o->name), out);
        if (o->letter)
            buffer_printf(out, ",\"letter\":\"%c\"", o->letter);
        if (o->argument) {
            buffer_append_text(out, ",\"argument\":");
            json_print_string(str_of(o->argument), out);
        }
        buffer_append_text(out, ",\"help\":");
        json_print_string(str_of(o->help), out);
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, ']');
}

static void append_command(buffer *out, const command *row)
{
    buffer_append_text(out, "{\"name\":");
    json_print_string(str_of(row->name), out);
    buffer_append_text(out, ",\"summary\":");
    json_print_string(str_of(row->summary), out);
    buffer_append_text(out, ",\"arguments\":");
    json_print_string(str_of(row->arguments), out);
    buffer_append_text(out, ",\"description\":");
    json_print_string(str_of(row->description), out);
    buffer_append_text(out, ",\"options\":");
    append_options(out, row->options);
    buffer_append_char(out, '}');
}

static int help_json(const cli *c, const command *row)
{
    buffer out = { 0 };
    if (row) {
        append_command(&out, row);
    } else {
        buffer_append_text(&out, "{\"commands\":[");
        for (row = cli_commands; row->name; row++) {
            if (row != cli_commands)
                buffer_append_char(&out, ',');
            append_command(&out, row);
        }
        buffer_append_text(&out, "],\"options\":");
        append_options(&out, cli_global_options);
        buffer_append_char(&out, '}');
    }
    int status = print_json(c, &out);
    buffer_free(&out);
    return status;
}

int cmd_help(cli *c)
{
    const char *name = c->argument_count ? c->arguments[0] : NULL;
    const command *row = name ? command_find(name) : NULL;
    if (name && !row) {
        const char *near = nearest_command(name);
        return report_fault(c, QUIPU_E_INVALID, "command", "there is no command \"%s\"%s%s%s", name,
                            near ? ": did you mean \"" : ": `quipu help` shows them", near ? near : "",
                            near ? "\"?" : "");
    }
    if (c->json)
        return help_json(c, row);
    if (option_given(c, "man"))
        help_man(stdout, row);
    else if (row)
        help_command(stdout, row);
    else
        help_overview(stdout);
    return STATUS_DONE;
}

int cmd_version(cli *c)
{
    buffer json = { 0 };
    if (!c->json) {
        printf("quipu %s (libquipu %s, ABI %u.%u)\n", QUIPU_VERSION, quipu_version(),
               QUIPU_ABI_MAJOR(QUIPU_ABI_VERSION), QUIPU_ABI_MINOR(QUIPU_ABI_VERSION));
        return STATUS_DONE;
    }
    buffer_printf(&json, "{\"version\":\"%s\",\"libquipu\":\"%s\",\"abi\":\"%u.%u\",\"record_format\":%d}",
                  QUIPU_VERSION, quipu_version(), QUIPU_ABI_MAJOR(QUIPU_ABI_VERSION),
                  QUIPU_ABI_MINOR(QUIPU_ABI_VERSION), QUIPU_RECORD_FORMAT);
    int status = print_json(c, &json);
    buffer_free(&json);
    return status;
}

int cmd_completion(cli *c)
{
    if (completion_print(stdout, c->arguments[0]) == 0)
        return STATUS_DONE;
    return report_fault(c, QUIPU_E_INVALID, "SHELL", "completion for \"%s\" is not known: bash, zsh or fish is needed",
                        c->arguments[0]);
}
