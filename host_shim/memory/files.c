/* files.c - the commands of the memory tool (quipu_files.h) on records of kind "file". */
#include "files.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 64
#define LISTED_MAX 1000

/* The text that a command names; NULL after a failure where it is not there. */
static const char *member(files_job *j, const char *name, int32_t *code)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(j->command, name);
    if (cJSON_IsString(item))
        return item->valuestring;
    *code = fail(j->error, QUIPU_E_INVALID, name, "%s has to be a string", name);
    return NULL;
}

static int32_t create(files_job *j, const file_path *p, const file_path *unused)
{
    int32_t code = QUIPU_OK;
    const char *text = member(j, "file_text", &code);
    buffer id = { 0 }, json = { 0 };
    (void)unused;
    if (code == QUIPU_OK)
        code = files_load_all(j, false);
    if (code != QUIPU_OK)
        return code;
    if (files_is_there(j, p->below.bytes))
        return files_refuse(j, QUIPU_E_EXISTS, "File %s already exists", p->shown.bytes, "");
    if (files_file_above(j, p->below.bytes))
        return files_refuse(j, QUIPU_E_INVALID, "The path " FILES_ROOT "/%s is not a directory",
                            files_file_above(j, p->below.bytes), "");
    files_id_of(j, p->below.bytes, &id);
    buffer_append_text(&json, "{\"kind\":\"" QUIPU_KIND_FILE "\",\"id\":");
    json_print_string(str_make(id.bytes, id.len), &json);
    buffer_append_text(&json, ",\"text\":");
    json_print_string(str_of(text), &json);
    buffer_append_char(&json, '}');
    quipu_write step = { .struct_size = sizeof step,
                         .op = QUIPU_CHANGE_PUT,
                         .expect = QUIPU_EXPECT_ABSENT,
                         .json = str_make(json.bytes, json.len) };
    code = id.failed || json.failed ? files_out_of_memory(j) : files_write_steps(j, &step, 1, "add");
    if (code == QUIPU_OK)
        buffer_printf(&j->text, "File created successfully at: %s", p->shown.bytes);
    buffer_free(&id);
    buffer_free(&json);
    return code;
}

/* The file of an edit; what is no file is told to the model. */
static int32_t load_for_edit(files_job *j, const file_path *p)
{
    int32_t code = files_load_one(j, p);
    if (code != QUIPU_OK || j->count == 1)
        return code;
    code = files_load_all(j, false);
    if (code != QUIPU_OK)
        return code;
    return files_is_folder(j, p->below.bytes)
               ? files_refuse(j, QUIPU_E_INVALID, "The path %s is not a file.", p->shown.bytes, "")
               : files_refuse(j, QUIPU_E_NOT_FOUND, FILES_DOES_NOT_EXIST, p->shown.bytes, "");
}

static int32_t refuse_several(files_job *j, const char *text, const char *old)
{
    buffer lines = { 0 };
    text_list_lines(text, old, LISTED_MAX, &lines);
    int32_t code =
        lines.failed ? files_out_of_memory(j)
                     : files_refuse(j, QUIPU_E_INVALID,
                                    "No replacement was performed. Multiple occurrences of old_str `%s` in lines: %s. "
                                    "Please ensure it is unique",
                                    old, lines.bytes ? lines.bytes : "");
    buffer_free(&lines);
    return code;
}

static int32_t str_replace(files_job *j, const file_path *p, const file_path *unused)
{
    int32_t code = QUIPU_OK;
    const char *old = member(j, "old_str", &code), *text;
    const cJSON *new_str = cJSON_GetObjectItemCaseSensitive(j->command, "new_str");
    buffer changed = { 0 };
    (void)unused;
    if (code == QUIPU_OK)
        code = load_for_edit(j, p);
    if (code != QUIPU_OK)
        return code;
    text = j->files[0].text;
    uint64_t count = text_count(text, old, 2);
    if (count == 0)
        return files_refuse(j, QUIPU_E_INVALID,
                            "No replacement was performed, old_str `%s` did not appear verbatim in %s.", old,
                            p->shown.bytes);
    if (count > 1)
        return refuse_several(j, text, old);
    const char *at = strstr(text, old);
    buffer_append(&changed, text, (size_t)(at - text));
    int64_t line = text_count_lines(changed.bytes ? changed.bytes : "");
    buffer_append_text(&changed, cJSON_IsString(new_str) ? new_str->valuestring : "");
    buffer_append_text(&changed, at + strlen(old));
    code = files_write_text(j, p, &changed);
    if (code == QUIPU_OK) {
        buffer_append_text(
            &j->text, "The memory file has been edited. Here is the snippet showing the change (with line numbers):\n");
        text_number_lines(changed.bytes ? changed.bytes : "", line > 2 ? line - 2 : 1, line + 2, &j->text);
    }
    buffer_free(&changed);
    return code;
}

static int32_t insert(files_job *j, const file_path *p, const file_path *unused)
{
    int32_t code = QUIPU_OK;
    const char *inserted = member(j, "insert_text", &code);
    int64_t after;
    buffer changed = { 0 };
    (void)unused;
    if (code == QUIPU_OK && !json_is_int(cJSON_GetObjectItemCaseSensitive(j->command, "insert_line"), &after))
        code = fail(j->error, QUIPU_E_INVALID, "insert_line", "insert_line has to be a whole number");
    if (code == QUIPU_OK)
        code = load_for_edit(j, p);
    if (code != QUIPU_OK)
        return code;
    int64_t lines = text_lines_of_edit(j->files[0].text);
    if (after < 0 || after > lines) {
        buffer_printf(
            &j->text,
            j->flags & QUIPU_FILES_DOCUMENTED
                ? "Invalid `insert_line` parameter: %lld. It should be within the range of lines of the file: [0, %lld]"
                : "Invalid `insert_line` parameter: %lld. It should be within the range [0, %lld].",
            (long long)after, (long long)lines);
        return j->text.failed ? files_out_of_memory(j) : fail(j->error, QUIPU_E_INVALID, NULL, "%s", j->text.bytes);
    }
    text_insert_line(j->files[0].text, after, inserted, &changed);
    code = files_write_text(j, p, &changed);
    if (code == QUIPU_OK)
        buffer_printf(&j->text, "The file %s has been edited.", p->shown.bytes);
    buffer_free(&changed);
    return code;
}

/* ---- whole trees ---- */

static int32_t delete_path(files_job *j, const file_path *p, const file_path *unused)
{
    (void)unused;
    if (p->below.len == 0)
        return files_refuse(j, QUIPU_E_INVALID, "Cannot delete the " FILES_ROOT " directory itself", "", "");
    int32_t code = files_load_all(j, false);
    if (code != QUIPU_OK)
        return code;
    if (!files_is_there(j, p->below.bytes))
        return files_refuse(j, QUIPU_E_NOT_FOUND, "The path %s does not exist", p->shown.bytes, "");
    code = files_delete_tree(j, p->below.bytes);
    if (code == QUIPU_OK)
        buffer_printf(&j->text, "Successfully deleted %s", p->shown.bytes);
    return code;
}

static int32_t clear_all(files_job *j, const file_path *p, const file_path *unused)
{
    (void)p, (void)unused;
    int32_t code = files_load_all(j, false);
    if (code == QUIPU_OK)
        code = files_delete_tree(j, "");
    buffer_append_text(&j->text, "All memory cleared");
    return code;
}

static int32_t rename_path(files_job *j, const file_path *from, const file_path *to)
{
    int32_t code = files_load_all(j, true);
    if (code != QUIPU_OK)
        return code;
    if (files_is_there(j, to->below.bytes))
        return files_refuse(j, QUIPU_E_EXISTS, "The destination %s already exists", to->shown.bytes, "");
    if (from->below.len == 0)
        return files_refuse(j, QUIPU_E_INVALID, "Cannot rename the " FILES_ROOT " directory itself", "", "");
    if (!files_is_there(j, from->below.bytes))
        return files_refuse(j, QUIPU_E_NOT_FOUND, "The path %s does not exist", from->shown.bytes, "");
    if (files_is_below(to->below.bytes, from->below.bytes))
        return files_refuse(j, QUIPU_E_INVALID, "Cannot rename %s into itself: %s", from->shown.bytes, to->shown.bytes);
    if (files_file_above(j, to->below.bytes))
        return files_refuse(j, QUIPU_E_INVALID, "The path " FILES_ROOT "/%s is not a directory",
                            files_file_above(j, to->below.bytes), "");
    code = files_move_tree(j, from, to);
    if (code == QUIPU_OK)
        buffer_printf(&j->text, "Successfully renamed %s to %s", from->shown.bytes, to->shown.bytes);
    return code;
}

/* ---- which one ---- */

typedef struct command_row {
    const char *name, *path, *to; /* members that are paths; NULL: none */
    int32_t (*run)(files_job *j, const file_path *p, const file_path *to);
} command_row;

static const command_row commands[] = {
    { "view", "path", NULL, files_view },          { "create", "path", NULL, create },
    { "str_replace", "path", NULL, str_replace },  { "insert", "path", NULL, insert },
    { "delete", "path", NULL, delete_path },       { "rename", "old_path", "new_path", rename_path },
    { "clear_all_memory", NULL, NULL, clear_all },
};

static int32_t take_path(files_job *j, const char *name, file_path *out)
{
    int32_t code = QUIPU_OK;
    const char *text = name ? member(j, name, &code) : NULL;
    if (text && !file_path_read(text, out, &j->text))
        code = j->text.failed ? files_out_of_memory(j) : fail(j->error, QUIPU_E_INVALID, NULL, "%s", j->text.bytes);
    return code == QUIPU_OK && (out->shown.failed || out->below.failed) ? files_out_of_memory(j) : code;
}

static int32_t run_command(files_job *j, const command_row *row)
{
    file_path from = { 0 }, to = { 0 };
    int32_t code = take_path(j, row->path, &from);
    if (code == QUIPU_OK)
        code = take_path(j, row->to, &to);
    for (int i = 0; code == QUIPU_OK && i < TRIES; i++) {
        buffer_clear(&j->text);
        code = row->run(j, &from, &to);
        if ((code != QUIPU_E_CONFLICT && code != QUIPU_E_EXISTS && code != QUIPU_E_NOT_FOUND) || j->text.len > 0)
            break;
        code = i + 1 < TRIES ? QUIPU_OK : code; /* somebody else was faster: look again */
    }
    file_path_free(&from);
    file_path_free(&to);
    return code;
}

static int32_t find_command(files_job *j, const command_row **row)
{
    int32_t code = QUIPU_OK;
    const char *name = member(j, "command", &code);
    *row = NULL;
    for (size_t i = 0; name && i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            *row = &commands[i];
    return code == QUIPU_OK && !*row ? files_refuse(j, QUIPU_E_INVALID, "Unknown command: %s", name, "") : code;
}

int32_t quipu_files_json(quipu *q, const quipu_str *command, uint32_t flags, const quipu_write_options *options,
                         quipu_sink_fn sink, void *context, const quipu_call *call, quipu_error *error)
{
    files_job j = { .q = q, .flags = flags, .options = options, .call = call, .error = error };
    cJSON *tree = NULL;
    const command_row *row = NULL;
    if (!command || !command->ptr || !sink || flags & ~QUIPU_FILES_DOCUMENTED)
        return fail(error, QUIPU_E_INVALID,
                    !sink                             ? "sink"
                    : flags & ~QUIPU_FILES_DOCUMENTED ? "flags"
                                                      : "command",
                    "a command, a sink and known flags are needed");
    int32_t code = json_parse(*command, &tree, error);
    j.command = tree;
    file_scope_append(options, &j.prefix);
    if (code == QUIPU_OK)
        code = find_command(&j, &row);
    if (code == QUIPU_OK)
        code = run_command(&j, row);
    if (code == QUIPU_OK && j.text.failed)
        code = files_out_of_memory(&j);
    if (j.text.len > 0 && !j.text.failed &&
        (code == QUIPU_OK || code == QUIPU_E_INVALID || code == QUIPU_E_NOT_FOUND || code == QUIPU_E_EXISTS)) {
        int32_t taken = sink(context, j.text.bytes, j.text.len);
        if (taken != QUIPU_OK)
            code = fail(error, taken < 0 ? taken : QUIPU_E_INVALID, NULL, "the receiver of the answer gave up");
    }
    cJSON_Delete(tree);
    files_clear(&j);
    free(j.files);
    buffer_free(&j.prefix);
    buffer_free(&j.text);
    return code;
}
