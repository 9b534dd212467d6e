/*
 * cli.h - what the files of the `quipu` program share: one invocation, its options, and how it speaks.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <base/buffer.h>
#include <cjson/cJSON.h>
#include <quipu.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Exit statuses. */
#define STATUS_DONE 0
#define STATUS_CHECK 1    /* not found, or a check failed */
#define STATUS_USAGE 2    /* wrong usage, bad input */
#define STATUS_TROUBLE 3  /* could not be done: I/O, lock, backend, plugin */
#define STATUS_SIGNAL 128 /* plus the number of the signal that ended it */

typedef struct cli cli;

/* Runs one command and answers with its exit status. Errors have been reported by then. */
typedef int command_fn(cli *c);

typedef struct option_spec {
    const char *name;     /* without the dashes; NULL ends a list */
    char letter;          /* of the short form, or 0 */
    const char *argument; /* what the value is called in the help; NULL: a flag without a value */
    const char *help;
    const char *complete; /* for the shells: "FILE", "DIR", or words separated by blanks; NULL: nothing to offer */
} option_spec;

typedef struct command {
    const char *name;
    const char *summary;        /* one line */
    const char *arguments;      /* as in the synopsis; "" for none */
    int least, most;            /* number of arguments; most -1: any number */
    const option_spec *options; /* its own; NULL: none */
    const char *description;    /* paragraphs, separated by an empty line */
    const char *examples;       /* lines: a command, or "# what it does" before it */
    const char *status;         /* exit statuses, where there is more to say than the general list */
    command_fn *run;
} command;

/* commands.c: the one table from which help, man pages and completion are made. */
extern const command cli_commands[]; /* ended by a row without a name */
extern const option_spec cli_global_options[];
const command *command_find(const char *name);

/* ---- one invocation ---- */

typedef struct option_value {
    const option_spec *spec;
    const char *text; /* NULL for a flag */
} option_value;

struct cli {
    const command *command;
    option_value *values;
    size_t value_count;
    const char **arguments; /* what is neither command nor option */
    size_t argument_count;
    bool json, quiet;
    bool color, error_color; /* of stdout, of stderr */
    quipu *q;                /* the open store, or NULL */
    cJSON *config;           /* what --config holds, or NULL */
    uint64_t line;           /* of the input that a fault is about, for its JSON; 0: none */
    char author[256], source[64];
};

/* options.c. Parses argv into `c`; answers STATUS_DONE or, after a report, STATUS_USAGE. */
int options_parse(cli *c, int argc, char **argv);
void options_free(cli *c);
bool option_given(const cli *c, const char *name);
/* The last value that was given, or NULL. */
const char *option_text(const cli *c, const char *name);
/* The next value after position *at (begin with 0), or NULL. For options that may be repeated. */
const char *option_each(const cli *c, const char *name, size_t *at);
/* A whole number from `least` to `most`, or `otherwise` where the option was not given. False after a report. */
bool option_number(cli *c, const char *name, uint64_t least, uint64_t most, uint64_t otherwise, uint64_t *out);
/* The name of the list that is nearest to `word`, or NULL where none is near. */
const char *nearest_command(const char *word);

/* ---- store.c: the store of the invocation ---- */

#define STORE_READ 0u   /* what is not there is not made; where nothing may be written, only read */
#define STORE_WRITE 1u  /* what is not there is not made */
#define STORE_MAKE 2u   /* is made where it is not there */
#define STORE_VERIFY 3u /* also what is too damaged for anything but verify; where nothing may be written, only read */
#define STORE_REPAIR 4u /* the same, to be written to */

/* Opens the store as the options say into c->q. STATUS_DONE, or the status after a report. */
int store_open(cli *c, unsigned purpose);
/* Closes it; STATUS_TROUBLE after a report where something could not be made durable. */
int store_close(cli *c);
/* What the options say about the plugin folders; absent where nothing. Loads --config. */
int store_plugin_path(cli *c, quipu_str *out);
/* A fresh write_options with the scope of the options; `operation` stays the caller's. */
quipu_write_options store_write_options(const cli *c, const char *operation);
/* Where --user, --agent, --session or --app is given: STATUS_CHECK after a report when the record is outside of it. */
int store_check_scope(cli *c, const char *what, const char *id);
/* The table of an extension of the active backend, inside a lease that the caller has to quipu_leave. STATUS_DONE, or
 * the status after a report. */
int store_extension(cli *c, const char *what, const char *id, quipu_lease *lease, const void **table);

/* ---- output.c: how it speaks ---- */

void output_begin(cli *c); /* finds out about terminals and colour, once the options are known */
/* Flushes stdout; STATUS_TROUBLE after a report where that failed, else `status`. */
int output_end(cli *c, int status);

/* An empty error object. */
quipu_error error_none(void);
int status_of(int32_t code);
/* `quipu: what: why` from an error of the library, or the JSON of it; answers the status of its code. */
int report(const cli *c, const char *what, const quipu_error *error);
/* The same where the fault was seen here. field may be NULL. */
int report_fault(const cli *c, int32_t code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A remark on stderr, unless --quiet. */
void remark(const cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
int out_of_memory(const cli *c);

/* One line of JSON on stdout. Reports lack of memory. */
int print_json(const cli *c, buffer *json);
/* Begins and ends a piece of colour on stdout; "" without colour. */
typedef enum paint { PAINT_ID, PAINT_DIM, PAINT_GOOD, PAINT_BAD, PAINT_WARN, PAINT_BOLD, PAINT_PLAIN } paint;
const char *paint_on(const cli *c, paint p);
const char *paint_off(const cli *c);
/* Prints one line, control characters escaped, in at least `width` columns; on a terminal at most `most` (0: any). */
void print_cell(const cli *c, paint p, quipu_str text, size_t width, size_t most);
/* Prints text of several lines, each after `indent`, with a newline at its end. */
void print_text(quipu_str text, const char *indent);
size_t terminal_width(void); /* of stdout; 0 where it is no terminal */

/* ---- text.c: text that strangers wrote ---- */

/* Appends `text` so that it cannot drive a terminal: control characters, direction overrides and bytes that are not
 * UTF-8 as escapes. one_line: line ends and tabs become blanks, else they stay. */
void safe_append(buffer *out, quipu_str text, bool one_line);
/* Appends JSON with the same characters as \u escapes, which changes nothing for its reader. */
void safe_append_json(buffer *out, const char *json, size_t len);
const char *plural(uint64_t count); /* "s", but for 1 */
size_t text_width(quipu_str text);  /* columns on a terminal */
/* Bytes of `text` that fit into `columns`. */
size_t text_fit(quipu_str text, size_t columns);

/* ---- lines.c: a file or stdin line by line ---- */

#define LINE_MAX_BYTES (16u << 20)

typedef struct line_reader {
    int fd;
    bool ended;
    buffer bytes;
    size_t begin;      /* of the next line in `bytes` */
    uint64_t number;   /* of the line last given, from 1 */
    uint64_t consumed; /* bytes of all lines given */
} line_reader;

#define LINE_GIVEN 1
#define LINE_END 0
#define LINE_FAILED (-1) /* errno says why; EINTR: a signal came */
#define LINE_TOO_LONG (-2)
/* The next line without its line end, the reader's until the next call. */
int line_next(line_reader *r, quipu_str *line);
/* False where the next one would have to be waited for. */
bool line_waits(const line_reader *r);
void line_reader_free(line_reader *r);
/* All of a file descriptor; false and errno on failure (EFBIG over `most` bytes). */
bool read_all(int fd, size_t most, buffer *out);

/* ---- request.c: JSON that goes to libquipu ---- */

/* Puts `item` under `name`, in place of what was there; false without memory (the item is freed). */
bool object_set(cJSON *object, const char *name, cJSON *item);
/* A JSON value given as an option; a report and NULL where it is none. */
cJSON *option_json(cli *c, const char *label, const char *text);
/* Adds scope, filter, as_of and include_expired as far as the options give them. */
int request_narrow(cli *c, cJSON *request);
/* quipu_get_json and its like. */
typedef int32_t ask_fn(quipu *q, const quipu_str *request, quipu_sink_fn sink, void *context, const quipu_call *call,
                       quipu_error *error);
/* Opens the store to read, asks, and prints the answer as JSON or by `show`; `what` begins the report where it fails. */
int request_ask(cli *c, const cJSON *request, ask_fn *ask, const char *what,
                void (*show)(const cli *c, const cJSON *answer));
/* Adds the four scope fields of the options to `scope`; one that is there with another value is a fault. */
int request_bind_scope(cli *c, cJSON *scope);
bool scope_given(const cli *c);
/* True where the options name no scope, or the record lies in it. NULL lies in every scope. */
bool scope_holds(const cli *c, const quipu_record *r);
/* A text argument: UTF-8, from stdin where it is "-". Appends to `out`. */
int argument_text(cli *c, const char *label, const char *argument, buffer *out);
/* quipu_sink_fn that appends to a buffer. */
int32_t sink_to_buffer(void *context, const void *bytes, uint64_t len);

/* fields.c: the record, or the merge patch, that the field options and TEXT (may be NULL) describe. */
int fields_build(cli *c, const char *text, bool patch, cJSON **out);

/* view.c: records and revisions for people. */
void view_record(const cli *c, const cJSON *record);
int view_text(const cli *c, buffer *json, void (*show)(const cli *c, const cJSON *tree));
void view_time(const cJSON *record, const char *field, char out[17]);
quipu_str field_of(const cJSON *object, const char *name);
quipu_str value_text(const cJSON *node, buffer *scratch);

/* changes.c: how two states of a record differ. */
void changes_print(const cli *c, const quipu_difference *d);

/* cmd_sync.c: what a merge did. */
int print_merge_report(const cli *c, const quipu_merge_report *r);

/* progress.c: a line on the terminal that says how far it came. */
typedef struct progress {
    bool shown;
    const char *label;
    uint64_t total;         /* bytes; 0: not known */
    int64_t started, drawn; /* nanoseconds */
} progress;
void progress_begin(progress *p, const cli *c, const char *label, uint64_t total);
void progress_step(progress *p, uint64_t count, uint64_t done);
void progress_clear(progress *p); /* before another line is printed */
void progress_end(progress *p);

/* help.c, completion.c: what is made from the table. */
void help_overview(FILE *to);
void help_command(FILE *to, const command *row);
void help_man(FILE *to, const command *row);       /* NULL: quipu(1) */
int completion_print(FILE *to, const char *shell); /* 0, or -1 for a shell that it does not know */

/* One per command; commands.c says which. */
command_fn cmd_add, cmd_get, cmd_update, cmd_delete, cmd_list, cmd_search, cmd_import, cmd_export, cmd_log, cmd_show,
    cmd_diff, cmd_revert, cmd_restore, cmd_stats, cmd_plugins, cmd_verify, cmd_validate, cmd_new_plugin, cmd_help,
    cmd_version, cmd_completion, cmd_pull, cmd_push, cmd_clone, cmd_conflicts, cmd_settle, cmd_branch, cmd_switch,
    cmd_merge, cmd_maintain, cmd_replay, cmd_reembed, cmd_models, cmd_swap, cmd_mcp, cmd_serve, cmd_keys;

#endif
