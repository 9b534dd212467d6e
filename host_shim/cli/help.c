/* help.c - `quipu help` and the man pages, from the table of commands. */
#include "cli.h"

#include <string.h>

#define COLUMNS 80u
#define OPTION_COLUMN 24u

static const char statuses[] =
    "0 done; 1 not found, or a check failed; 2 wrong usage or bad input; 3 it could not be done "
    "(I/O, lock, backend, plugin).";

/* Prints words from column `at` on, broken before COLUMNS, further lines indented. Ends without a newline. */
static void print_wrapped(FILE *to, const char *text, size_t at, size_t indent)
{
    const char *word = text;
    bool first = true;
    while (*word) {
        size_t len = strcspn(word, " ");
        if (!first && at + 1 + len > COLUMNS) {
            fprintf(to, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            fputc(' ', to);
            at++;
        }
        fwrite(word, 1, len, to);
        at += len;
        word += len;
        word += strspn(word, " ");
        first = false;
    }
}

/* One paragraph after the other, an empty line between them. */
static void print_paragraphs(FILE *to, const char *text)
{
    char paragraph[2048];
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t len = end ? (size_t)(end - text) : strlen(text);
        snprintf(paragraph, sizeof paragraph, "%.*s", (int)len, text);
        print_wrapped(to, paragraph, 0, 0);
        fputs("\n\n", to);
        text += len + (end ? 2 : 0);
    }
}

/* "-k N", "-n, --limit N", "--stdin": an option whose long form is one letter is shown by its short form only. */
static void option_label(const option_spec *o, char *out, size_t size)
{
    char letter[4] = "";
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c", o->letter);
    if (strlen(o->name) == 1)
        snprintf(out, size, "%s%s%s", letter, o->argument ? " " : "", o->argument ? o->argument : "");
    else
        snprintf(out, size, "%s%s--%s%s%s", letter, o->letter ? ", " : "", o->name, o->argument ? " " : "",
                 o->argument ? o->argument : "");
}

static void print_options(FILE *to, const option_spec *o)
{
    for (; o && o->name; o++) {
        char label[128];
        option_label(o, label, sizeof label);
        size_t len = strlen(label);
        fprintf(to, "  %s", label);
        if (len + 2 >= OPTION_COLUMN)
            fprintf(to, "\n%*s", (int)OPTION_COLUMN, "");
        else
            fprintf(to, "%*s", (int)(OPTION_COLUMN - len - 2), "");
        print_wrapped(to, o->help, OPTION_COLUMN, OPTION_COLUMN);
        fputc('\n', to);
    }
}

void help_overview(FILE *to)
{
    fputs("usage: quipu [options] COMMAND [options] [arguments]\n\n"
          "Memory for agents: every record a file, every change a commit.\n\ncommands:\n",
          to);
    for (const command *row = cli_commands; row->name; row++)
        fprintf(to, "  %-12s %s\n", row->name, row->summary);
    fputs("\noptions, before or after the command:\n", to);
    print_options(to, cli_global_options);
    fputs("\nA first try:\n"
          "  quipu add \"prefers morning meetings\" --user ana\n"
          "  quipu search \"when to meet\" --user ana\n"
          "  quipu log\n"
          "`quipu help COMMAND` explains one of them.\n",
          to);
}

/* Lines of `examples`, each after `before`; a line "# ..." stays a remark. */
static void print_lines(FILE *to, const char *lines, const char *before)
{
    while (lines && *lines) {
        size_t len = strcspn(lines, "\n");
        fprintf(to, "%s%.*s\n", before, (int)len, lines);
        lines += len + (lines[len] == '\n');
    }
}

void help_command(FILE *to, const command *row)
{
    fprintf(to, "usage: quipu %s%s%s%s\n\n", row->name, row->options ? " [options]" : "", *row->arguments ? " " : "",
            row->arguments);
    print_paragraphs(to, row->description);
    if (row->options) {
        fputs("options:\n", to);
        print_options(to, row->options);
        fputc('\n', to);
    }
    fputs("Options that every command takes (--store, --user, --json and more): `quipu help`.\n\n", to);
    if (row->examples) {
        fputs("examples:\n", to);
        print_lines(to, row->examples, "  ");
        fputc('\n', to);
    }
    fputs("exit status: ", to);
    print_wrapped(to, statuses, 13, 0);
    fputc('\n', to);
    if (row->status)
        fprintf(to, "%s\n", row->status);
}

/* ---- roff ---- */

/* Text for roff: a backslash and a leading dot or quote would be read as requests, a dash as a hyphen. */
static void roff_text(FILE *to, const char *text, size_t len)
{
    bool line_start = true;
    for (size_t i = 0; i < len; i++) {
        if (line_start && (text[i] == '.' || text[i] == '\''))
            fputs("\\&", to);
        if (text[i] == '\\')
            fputs("\\e", to);
        else if (text[i] == '-')
            fputs("\\-", to);
        else if (text[i] == '\'')
            fputs("\\(aq", to);
        else if (text[i] == '`')
            fputs("\\(ga", to);
        else if (text[i] == '~')
            fputs("\\(ti", to);
        else if (text[i] == '^')
            fputs("\\(ha", to);
        else
            fputc(text[i], to);
        line_start = text[i] == '\n';
    }
}

static void roff_line(FILE *to, const char *text)
{
    roff_text(to, text, strlen(text));
    fputc('\n', to);
}

static void roff_paragraphs(FILE *to, const char *text)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t len = end ? (size_t)(end - text) : strlen(text);
        fputs(".PP\n", to);
        roff_text(to, text, len);
        fputc('\n', to);
        text += len + (end ? 2 : 0);
    }
}

static void roff_options(FILE *to, const char *title, const option_spec *o)
{
    if (!o)
        return;
    fprintf(to, ".SH %s\n", title);
    for (; o->name; o++) {
        char label[128];
        option_label(o, label, sizeof label);
        fputs(".TP\n.B ", to);
        roff_line(to, label);
        roff_line(to, o->help);
    }
}

static void roff_statuses(FILE *to, const char *more)
{
    fputs(".SH EXIT STATUS\n", to);
    roff_line(to, statuses);
    if (more)
        roff_line(to, more);
}

static void roff_overview(FILE *to)
{
    fprintf(to, ".TH QUIPU 1 \"\" \"quipu %s\" \"User commands\"\n", QUIPU_VERSION);
    fputs(".SH NAME\nquipu \\- memory for agents, kept in git\n"
          ".SH SYNOPSIS\n.B quipu\n[options] COMMAND [options] [arguments]\n"
          ".SH DESCRIPTION\nEvery record is a file, every change a commit. "
          "Backends are plugins: shared objects that are found in the plugin folders.\n.SH COMMANDS\n",
          to);
    for (const command *row = cli_commands; row->name; row++) {
        fprintf(to, ".TP\n.BR quipu\\-%s (1)\n", row->name);
        roff_line(to, row->summary);
    }
    roff_options(to, "OPTIONS", cli_global_options);
    fputs(".SH ENVIRONMENT\n.TP\n.B QUIPU_STORE\nthe store, where \\-\\-store is not given\n"
          ".TP\n.B QUIPU_PLUGIN_PATH\nfolders with plugins, separated by colons\n"
          ".TP\n.B QUIPU_AUTHOR\nwho makes the changes; else \\-\\-agent, \\-\\-user, the login name\n"
          ".TP\n.B QUIPU_BLAS_THREADS\nhow many threads OpenBLAS may use, from 1 to 256; else 1\n"
          ".TP\n.B NO_COLOR\nset to anything: plain text\n",
          to);
    roff_statuses(to, "Errors go to standard error, with --json as {\"error\":{\"code\",\"message\",\"field\"}}.");
}

void help_man(FILE *to, const command *row)
{
    if (!row) {
        roff_overview(to);
        return;
    }
    fprintf(to, ".TH QUIPU\\-%s 1 \"\" \"quipu %s\" \"User commands\"\n.SH NAME\nquipu\\-%s \\- ", row->name,
            QUIPU_VERSION, row->name);
    roff_line(to, row->summary);
    fprintf(to, ".SH SYNOPSIS\n.B quipu %s\n%s", row->name, row->options ? "[options]\n" : "");
    if (*row->arguments)
        roff_line(to, row->arguments);
    fputs(".SH DESCRIPTION\n", to);
    roff_paragraphs(to, row->description);
    roff_options(to, "OPTIONS", row->options);
    if (row->examples) {
        fputs(".SH EXAMPLES\n.nf\n", to);
        roff_line(to, row->examples);
        fputs(".fi\n", to);
    }
    roff_statuses(to, row->status);
    fputs(".SH SEE ALSO\n.BR quipu (1)\n", to);
}
