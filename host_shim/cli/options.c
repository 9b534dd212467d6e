/* options.c - argv against the table of commands: options in any order, before or after the command. */
#include "cli.h"

#include <errno.h>
#include <sdk/json.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LEN 64

/* Damerau-Levenshtein distance (adjacent letters swapped count once), for short words. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][NAME_MAX_LEN + 1], la = strlen(a), lb = strlen(b);
    if (la >= NAME_MAX_LEN || lb >= NAME_MAX_LEN)
        return NAME_MAX_LEN;
    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *now = rows[i % 3], *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[la % 3][lb];
}

/* Keeps `name` where it is nearer to `word` than what was found before. */
static void consider(const char *word, const char *name, const char **found, size_t *nearest)
{
    size_t d = distance(word, name), limit = strlen(word) < 5 ? 1 : strlen(word) / 3;
    if (strlen(word) >= 3 && strncmp(word, name, strlen(word)) == 0)
        d = 0;
    if (d <= limit && d < *nearest) {
        *found = name;
        *nearest = d;
    }
}

const char *nearest_command(const char *word)
{
    const char *found = NULL;
    size_t nearest = SIZE_MAX;
    for (const command *row = cli_commands; row->name; row++)
        consider(word, row->name, &found, &nearest);
    return found;
}

static const option_spec *find_option(const option_spec *list, const char *name, size_t len, char letter)
{
    for (; list && list->name; list++)
        if (letter ? list->letter == letter : strlen(list->name) == len && strncmp(list->name, name, len) == 0)
            return list;
    return NULL;
}

static int unknown_option(const cli *c, const char *text)
{
    const char *found = NULL;
    char name[NAME_MAX_LEN] = "";
    size_t nearest = SIZE_MAX;
    if (strncmp(text, "--", 2) == 0) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(text + 2, "="), text + 2);
        for (const option_spec *o = cli_global_options; o->name; o++)
            consider(name, o->name, &found, &nearest);
        for (const option_spec *o = c->command ? c->command->options : NULL; o && o->name; o++)
            consider(name, o->name, &found, &nearest);
    }
    if (found)
        return report_fault(c, QUIPU_E_INVALID, text, "unknown option %s: did you mean --%s?", text, found);
    if (!c->command)
        return report_fault(
            c, QUIPU_E_INVALID, text,
            "unknown option %s: it is none of the global ones; options of a command go after the command", text);
    return report_fault(c, QUIPU_E_INVALID, text, "unknown option %s: `quipu help %s` shows which there are", text,
                        c->command->name);
}

/* Everything that may end up in a record or a question has to be UTF-8; names of files need not be. */
static int check_utf8(const cli *c, const char *label, const char *text)
{
    int64_t bad = utf8_first_bad(text, strlen(text));
    if (bad < 0)
        return STATUS_DONE;
    return report_fault(c, QUIPU_E_INVALID, label,
                        "%s is not UTF-8 (byte %lld): convert it first, as with `iconv -t UTF-8`", label,
                        (long long)bad + 1);
}

static bool names_file(const option_spec *spec)
{
    return spec->complete && (strcmp(spec->complete, "FILE") == 0 || strcmp(spec->complete, "DIR") == 0);
}

static int keep_value(cli *c, const option_spec *spec, const char *text)
{
    if (text && !names_file(spec) && check_utf8(c, spec->name, text) != STATUS_DONE)
        return STATUS_USAGE;
    option_value *values = realloc(c->values, (c->value_count + 1) * sizeof *values);
    if (!values)
        return out_of_memory(c);
    c->values = values;
    values[c->value_count++] = (option_value){ spec, text };
    return STATUS_DONE;
}

static const char *dashes(const char *name)
{
    return name[1] ? "--" : "-";
}

/* One option; its value may be the next of argv, then *i moves on. */
static int take_option(cli *c, int argc, char **argv, int *i)
{
    const char *text = argv[*i], *value = NULL;
    bool is_long = text[1] == '-';
    size_t len = is_long ? strcspn(text + 2, "=") : 1;
    const option_spec *spec = find_option(cli_global_options, text + 2, len, is_long ? 0 : text[1]);
    if (!spec && c->command)
        spec = find_option(c->command->options, text + 2, len, is_long ? 0 : text[1]);
    if (!spec)
        return unknown_option(c, text);
    if (is_long ? text[2 + len] == '=' : text[2] != '\0')
        value = is_long ? text + 3 + len : text + 2;
    if (!spec->argument && value)
        return report_fault(c, QUIPU_E_INVALID, spec->name, "option --%s takes no value; leave \"%s\" out", spec->name,
                            value);
    if (spec->argument && !value) {
        if (*i + 1 >= argc)
            return report_fault(c, QUIPU_E_INVALID, spec->name, "option %s%s needs a value: %s%s %s",
                                dashes(spec->name), spec->name, dashes(spec->name), spec->name, spec->argument);
        value = argv[++*i];
    }
    return keep_value(c, spec, value);
}

static int take_argument(cli *c, char *text)
{
    if (!c->command) {
        const char *near;
        c->command = command_find(text);
        if (c->command)
            return STATUS_DONE;
        near = nearest_command(text);
        if (near)
            return report_fault(c, QUIPU_E_INVALID, "command", "there is no command \"%s\": did you mean \"%s\"?", text,
                                near);
        return report_fault(c, QUIPU_E_INVALID, "command", "there is no command \"%s\": `quipu help` shows them", text);
    }
    if (!strstr(c->command->arguments, "FILE") && check_utf8(c, "the argument", text) != STATUS_DONE)
        return STATUS_USAGE;
    c->arguments[c->argument_count++] = text;
    return STATUS_DONE;
}

static int check_count(const cli *c)
{
    const command *row = c->command;
    if (!row || option_given(c, "help"))
        return STATUS_DONE;
    if (c->argument_count < (size_t)row->least)
        return report_fault(c, QUIPU_E_INVALID, "arguments", "something is missing: quipu %s %s", row->name,
                            row->arguments);
    if (row->most == 0 && c->argument_count > 0)
        return report_fault(c, QUIPU_E_INVALID, "arguments", "\"%s\" is one argument too many: quipu %s takes none",
                            c->arguments[0], row->name);
    if (row->most >= 0 && c->argument_count > (size_t)row->most)
        return report_fault(c, QUIPU_E_INVALID, "arguments",
                            "\"%s\" is one argument too many: quipu %s %s (quote a text of several words)",
                            c->arguments[row->most], row->name, row->arguments);
    return STATUS_DONE;
}

/* --json has to be known before the first fault is reported. */
static void find_json(cli *c, int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        c->json = c->json || strcmp(argv[i], "--json") == 0;
}

int options_parse(cli *c, int argc, char **argv)
{
    bool options_over = false;
    int status = STATUS_DONE;
    find_json(c, argc, argv);
    c->arguments = calloc((size_t)argc + 1, sizeof *c->arguments);
    if (!c->arguments)
        return out_of_memory(c);
    for (int i = 1; i < argc && status == STATUS_DONE; i++) {
        if (!options_over && strcmp(argv[i], "--") == 0)
            options_over = true;
        else if (!options_over && argv[i][0] == '-' && argv[i][1] != '\0')
            status = take_option(c, argc, argv, &i);
        else
            status = take_argument(c, argv[i]);
    }
    if (status != STATUS_DONE)
        return status;
    c->json = option_given(c, "json");
    return check_count(c);
}

void options_free(cli *c)
{
    free(c->values);
    free(c->arguments);
    cJSON_Delete(c->config);
}

const char *option_each(const cli *c, const char *name, size_t *at)
{
    while (*at < c->value_count) {
        const option_value *v = &c->values[(*at)++];
        if (strcmp(v->spec->name, name) == 0)
            return v->text ? v->text : "";
    }
    return NULL;
}

const char *option_text(const cli *c, const char *name)
{
    const char *last = NULL, *text;
    size_t at = 0;
    while ((text = option_each(c, name, &at)))
        last = text;
    return last;
}

bool option_given(const cli *c, const char *name)
{
    return option_text(c, name) != NULL;
}

bool option_number(cli *c, const char *name, uint64_t least, uint64_t most, uint64_t otherwise, uint64_t *out)
{
    const char *text = option_text(c, name);
    char *end;
    *out = otherwise;
    if (!text)
        return true;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || value < least || value > most) {
        report_fault(c, QUIPU_E_INVALID, name, "%s%s %s: a whole number from %llu to %llu is needed", dashes(name),
                     name, *text ? text : "\"\"", (unsigned long long)least, (unsigned long long)most);
        return false;
    }
    *out = value;
    return true;
}
