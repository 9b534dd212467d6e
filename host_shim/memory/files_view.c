/* files_view.c - the command `view` of the memory tool: a file with line numbers, a folder two levels deep. */
#include "files.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <string.h>

#define LINES_MAX 999999
#define FOLDER_SIZE 4096 /* what a folder of a few files takes on most disks: the helpers show the size of the inode */

static bool is_hidden(const files_job *j, const char *name, size_t len)
{
    static const char modules[] = "node_modules";
    return name[0] == '.' ||
           (j->flags & QUIPU_FILES_DOCUMENTED && len == strlen(modules) && memcmp(name, modules, len) == 0);
}

static void list_entry(files_job *j, const file_path *p, const char *relative, size_t len, uint64_t size, bool folder)
{
    buffer_append_char(&j->text, '\n');
    text_print_size(size, &j->text);
    buffer_printf(&j->text, "\t%s/", p->shown.bytes);
    buffer_append(&j->text, relative, len);
    if (folder)
        buffer_append_char(&j->text, '/');
}

/* A file two levels deep, with the folder that it is in where that is another one than before. */
static void list_file(files_job *j, const file_path *p, const memory_file *f, const char **last, size_t *last_len)
{
    const char *relative = f->path + p->below.len + (p->below.len > 0);
    size_t len = strcspn(relative, "/");
    if (is_hidden(j, relative, len))
        return;
    if (!relative[len]) {
        list_entry(j, p, relative, len, f->size, false);
        return;
    }
    if (!*last || *last_len != len || memcmp(*last, relative, len) != 0)
        list_entry(j, p, relative, len, FOLDER_SIZE, true);
    *last = relative;
    *last_len = len;
    size_t second = strcspn(relative + len + 1, "/");
    if (!is_hidden(j, relative + len + 1, second) && !relative[len + 1 + second])
        list_entry(j, p, relative, len + 1 + second, f->size, false);
}

/* Folders of the second level: once each, at their first file. */
static bool is_new_second(const char *relative, const char *before)
{
    size_t first = strcspn(relative, "/"), second = relative[first] ? strcspn(relative + first + 1, "/") : 0;
    if (!relative[first] || !relative[first + 1 + second])
        return false;
    return !before || strncmp(before, relative, first + second + 2) != 0;
}

static void list_folder(files_job *j, const file_path *p)
{
    const char *last = NULL, *before = NULL;
    size_t last_len = 0;
    buffer_printf(&j->text, "Here're the files and directories up to 2 levels deep in %s, excluding hidden items%s:\n",
                  p->shown.bytes, j->flags & QUIPU_FILES_DOCUMENTED ? " and node_modules" : "");
    text_print_size(FOLDER_SIZE, &j->text);
    buffer_printf(&j->text, "\t%s", p->shown.bytes);
    for (size_t i = 0; i < j->count; i++) {
        if (!files_is_below(j->files[i].path, p->below.bytes))
            continue;
        const char *relative = j->files[i].path + p->below.len + (p->below.len > 0);
        size_t first = strcspn(relative, "/");
        list_file(j, p, &j->files[i], &last, &last_len);
        if (is_new_second(relative, before) && !is_hidden(j, relative, first)) {
            size_t second = strcspn(relative + first + 1, "/");
            if (!is_hidden(j, relative + first + 1, second))
                list_entry(j, p, relative, first + 1 + second, FOLDER_SIZE, true);
        }
        before = relative;
    }
}

static int32_t view_file(files_job *j, const file_path *p)
{
    const cJSON *range = cJSON_GetObjectItemCaseSensitive(j->command, "view_range");
    const char *text = j->files[0].text;
    int64_t first = 1, last = INT64_MAX, count = text_count_lines(text);
    if (count > LINES_MAX)
        return files_refuse(j, QUIPU_E_INVALID, "File %s exceeds maximum line limit of 999,999 lines.", p->shown.bytes,
                            "");
    if (cJSON_IsArray(range) && cJSON_GetArraySize(range) == 2) {
        if (!json_is_int(range->child, &first) || !json_is_int(range->child->next, &last))
            return fail(j->error, QUIPU_E_INVALID, "view_range", "view_range has to hold two whole numbers");
        first = first < 1 ? 1 : first;
        last = last == -1 || last > count ? count : last;
    }
    buffer_printf(&j->text, "Here's the content of %s with line numbers:\n", p->shown.bytes);
    if (first <= count && last >= first)
        text_number_lines(text, first, last, &j->text);
    return QUIPU_OK;
}

int32_t files_view(files_job *j, const file_path *p, const file_path *unused)
{
    (void)unused;
    int32_t code = files_load_one(j, p);
    if (code == QUIPU_OK && j->count == 1)
        return view_file(j, p);
    if (code == QUIPU_OK)
        code = files_load_all(j, false);
    if (code != QUIPU_OK)
        return code;
    if (!files_is_folder(j, p->below.bytes))
        return files_refuse(j, QUIPU_E_NOT_FOUND, FILES_DOES_NOT_EXIST, p->shown.bytes, "");
    list_folder(j, p);
    return QUIPU_OK;
}
