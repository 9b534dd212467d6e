/* completion.c - completion scripts for bash, zsh and fish, from the table of commands. */
#include "cli.h"

#include <string.h>

static bool completes(const option_spec *o, const char *what)
{
    return o->complete && strcmp(o->complete, what) == 0;
}

static bool completes_words(const option_spec *o)
{
    return o->complete && !completes(o, "FILE") && !completes(o, "DIR");
}

/* "--limit -n " for every option of the list. */
static void print_names(FILE *to, const option_spec *o)
{
    for (; o && o->name; o++) {
        if (strlen(o->name) > 1)
            fprintf(to, "--%s ", o->name);
        if (o->letter)
            fprintf(to, "-%c ", o->letter);
    }
}

/* ---- bash ---- */

static void bash_values(FILE *to, const option_spec *o)
{
    for (; o && o->name; o++) {
        if (!o->argument)
            continue;
        fprintf(to, "    --%s%s%c) ", o->name, o->letter ? "|-" : "", o->letter ? o->letter : ' ');
        if (completes(o, "FILE"))
            fputs("COMPREPLY=($(compgen -f -- \"$cur\"))", to);
        else if (completes(o, "DIR"))
            fputs("COMPREPLY=($(compgen -d -- \"$cur\"))", to);
        else if (completes_words(o))
            fprintf(to, "COMPREPLY=($(compgen -W \"%s\" -- \"$cur\"))", o->complete);
        else
            fputs("COMPREPLY=()", to);
        fputs("; return ;;\n", to);
    }
}

/* Rows with the same option name offer the same values, wherever they stand: the first case wins. */
static void bash_script(FILE *to)
{
    fputs("# bash completion for quipu, made by `quipu completion bash`\n_quipu() {\n"
          "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\" command=\"\" word options i\n"
          "  COMPREPLY=()\n  case \"$prev\" in\n",
          to);
    bash_values(to, cli_global_options);
    for (const command *row = cli_commands; row->name; row++)
        bash_values(to, row->options);
    fputs("  esac\n  for ((i = 1; i < COMP_CWORD; i++)); do\n    word=\"${COMP_WORDS[i]}\"\n    case \"$word\" in\n    "
          "  ",
          to);
    for (const command *row = cli_commands; row->name; row++)
        fprintf(to, "%s%s", row == cli_commands ? "" : "|", row->name);
    fputs(") command=\"$word\"; break ;;\n    esac\n  done\n  options=\"", to);
    print_names(to, cli_global_options);
    fputs("\"\n  case \"$command\" in\n    \"\") [[ $cur == -* ]] || options=\"", to);
    for (const command *row = cli_commands; row->name; row++)
        fprintf(to, "%s ", row->name);
    fputs("\" ;;\n", to);
    for (const command *row = cli_commands; row->name; row++) {
        fprintf(to, "    %s) options=\"$options", row->name);
        print_names(to, row->options);
        fputs("\" ;;\n", to);
    }
    fputs("  esac\n"
          "  if [[ $command == help && $cur != -* ]]; then\n    options=\"",
          to);
    for (const command *row = cli_commands; row->name; row++)
        fprintf(to, "%s ", row->name);
    fputs("\"\n  elif [[ $command == completion && $cur != -* ]]; then\n    options=\"bash zsh fish\"\n"
          "  elif [[ -n $command && $cur != -* ]]; then\n    COMPREPLY=($(compgen -f -- \"$cur\")); return\n  fi\n"
          "  COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n}\n"
          "complete -o filenames -F _quipu quipu\n",
          to);
}

/* ---- zsh ---- */

/* Text inside of '...[...]': quotes, brackets and colons have a meaning there. */
static void zsh_text(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", to);
        else if (strchr("[]:\\", *text))
            fprintf(to, "\\%c", *text);
        else
            fputc(*text, to);
    }
}

static void zsh_option(FILE *to, const option_spec *o, const char *dashes, const char *name)
{
    fprintf(to, "      '*%s%s[", dashes, name);
    zsh_text(to, o->help);
    fputs("]", to);
    if (o->argument) {
        fputs(":", to);
        zsh_text(to, o->argument);
        if (completes(o, "FILE"))
            fputs(":_files", to);
        else if (completes(o, "DIR"))
            fputs(":_files -/", to);
        else if (completes_words(o))
            fprintf(to, ":(%s)", o->complete);
        else
            fputs(": ", to);
    }
    fputs("' \\\n", to);
}

static void zsh_options(FILE *to, const option_spec *o)
{
    for (; o && o->name; o++) {
        char letter[2] = { o->letter, '\0' };
        if (strlen(o->name) > 1)
            zsh_option(to, o, "--", o->name);
        if (o->letter)
            zsh_option(to, o, "-", letter);
    }
}

static void zsh_script(FILE *to)
{
    fputs("#compdef quipu\n# zsh completion for quipu, made by `quipu completion zsh`\n_quipu() {\n"
          "  local -a commands\n  local command word\n  commands=(\n",
          to);
    for (const command *row = cli_commands; row->name; row++) {
        fprintf(to, "    '%s:", row->name);
        zsh_text(to, row->summary);
        fputs("'\n", to);
    }
    fputs("  )\n  for word in ${words[2,CURRENT-1]}; do\n    [[ -n ${(M)commands:#${word}:*} ]] && command=$word && "
          "break\n  done\n"
          "  case $command in\n    '') _arguments -s \\\n",
          to);
    zsh_options(to, cli_global_options);
    fputs("      '1:command:{_describe command commands}' '*: :_files' ;;\n", to);
    for (const command *row = cli_commands; row->name; row++) {
        fprintf(to, "    %s) _arguments -s \\\n", row->name);
        zsh_options(to, cli_global_options);
        zsh_options(to, row->options);
        if (strcmp(row->name, "help") == 0)
            fputs("      '1: :' '2:command:{_describe command commands}' ;;\n", to);
        else if (strcmp(row->name, "completion") == 0)
            fputs("      '1: :' '2:shell:(bash zsh fish)' ;;\n", to);
        else
            fputs("      '*: :_files' ;;\n", to);
    }
    fputs("  esac\n}\nif [[ $funcstack[1] == _quipu ]]; then _quipu \"$@\"; else compdef _quipu quipu; fi\n", to);
}

/* ---- fish ---- */

static void fish_text(FILE *to, const char *text)
{
    fputc('\'', to);
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            fputc('\\', to);
        fputc(*text, to);
    }
    fputc('\'', to);
}

static void fish_options(FILE *to, const option_spec *o, const char *command_name)
{
    for (; o && o->name; o++) {
        fputs("complete -c quipu", to);
        if (command_name)
            fprintf(to, " -n '__fish_seen_subcommand_from %s'", command_name);
        if (strlen(o->name) > 1)
            fprintf(to, " -l %s", o->name);
        if (o->letter)
            fprintf(to, " -s %c", o->letter);
        if (o->argument)
            fputs(completes(o, "FILE") ? " -r -F" : " -x", to);
        if (completes(o, "DIR"))
            fputs(" -a '(__fish_complete_directories)'", to);
        else if (completes_words(o))
            fprintf(to, " -a '%s'", o->complete);
        fputs(" -d ", to);
        fish_text(to, o->help);
        fputc('\n', to);
    }
}

static void fish_script(FILE *to)
{
    fputs("# fish completion for quipu, made by `quipu completion fish`\n", to);
    fish_options(to, cli_global_options, NULL);
    for (const command *row = cli_commands; row->name; row++) {
        fprintf(to, "complete -c quipu -n __fish_use_subcommand -f -a %s -d ", row->name);
        fish_text(to, row->summary);
        fputc('\n', to);
        fish_options(to, row->options, row->name);
    }
    fputs("complete -c quipu -n '__fish_seen_subcommand_from help' -f -a '", to);
    for (const command *row = cli_commands; row->name; row++)
        fprintf(to, "%s ", row->name);
    fputs("'\ncomplete -c quipu -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'\n", to);
}

int completion_print(FILE *to, const char *shell)
{
    if (strcmp(shell, "bash") == 0)
        bash_script(to);
    else if (strcmp(shell, "zsh") == 0)
        zsh_script(to);
    else if (strcmp(shell, "fish") == 0)
        fish_script(to);
    else
        return -1;
    return 0;
}
