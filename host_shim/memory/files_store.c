/* files_store.c - the files of a scope: read, written, moved and deleted as records. */
#include "files.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int32_t files_out_of_memory(const files_job *j)
{
    return fail(j->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

int32_t files_refuse(files_job *j, int32_t code, const char *format, const char *a, const char *b)
{
    buffer_clear(&j->text);
    buffer_printf(&j->text, format, a, b);
    return j->text.failed ? files_out_of_memory(j) : fail(j->error, code, NULL, "%s", j->text.bytes);
}

/* ---- the files of the scope ---- */

void files_clear(files_job *j)
{
    for (size_t i = 0; i < j->count; i++) {
        free(j->files[i].path);
        free(j->files[i].json);
        free(j->files[i].text);
    }
    j->count = 0;
}

static int32_t take_file(void *context, const quipu_hit *hit)
{
    files_job *j = context;
    const quipu_record *r = hit->record;
    if (!quipu_str_equal(&r->kind, QUIPU_KIND_FILE, strlen(QUIPU_KIND_FILE)) || r->id.len <= j->prefix.len ||
        memcmp(r->id.ptr, j->prefix.bytes, j->prefix.len) != 0)
        return 0;
    if (j->count == j->capacity) {
        size_t capacity = j->capacity ? j->capacity * 2 : 64;
        memory_file *files = realloc(j->files, capacity * sizeof *files);
        if (!files)
            return QUIPU_E_NO_MEMORY;
        j->files = files;
        j->capacity = capacity;
    }
    memory_file *f = &j->files[j->count++];
    *f = (memory_file){ .path = str_dup(str_make(r->id.ptr + j->prefix.len, (size_t)r->id.len - j->prefix.len)),
                        .size = r->text.len };
    snprintf(f->version, sizeof f->version, "%.*s", (int)r->version.len, r->version.ptr);
    if (j->whole) {
        f->json = str_dup(r->json);
        f->text = str_dup(str_present(r->text) ? r->text : str_of(""));
    }
    return f->path && (!j->whole || (f->json && f->text)) ? 0 : QUIPU_E_NO_MEMORY;
}

/* By parts: a folder comes before what is in it, and beside what has its name as a beginning. */
static int compare_files(const void *x, const void *y)
{
    const unsigned char *a = (const unsigned char *)((const memory_file *)x)->path;
    const unsigned char *b = (const unsigned char *)((const memory_file *)y)->path;
    while (*a && *a == *b) {
        a++;
        b++;
    }
    int of_a = *a == '/' ? 1 : *a ? *a + 2 : 0, of_b = *b == '/' ? 1 : *b ? *b + 2 : 0;
    return of_a - of_b;
}

int32_t files_load_all(files_job *j, bool whole)
{
    quipu_parsed_filter *filter = NULL;
    quipu_str kind = str_of("{\"kind\":\"" QUIPU_KIND_FILE "\"}");
    files_clear(j);
    j->whole = whole;
    int32_t code = quipu_filter_parse(NULL, &kind, &filter, j->error);
    if (code == QUIPU_OK) {
        quipu_scan query = { .struct_size = sizeof query, .filter = quipu_filter_get(filter) };
        code = quipu_scan_records(j->q, &query, take_file, j, j->call, j->error);
    }
    quipu_filter_free(filter);
    if (j->count > 1)
        qsort(j->files, j->count, sizeof *j->files, compare_files);
    return code;
}

void files_id_of(const files_job *j, const char *below, buffer *id)
{
    buffer_append(id, j->prefix.bytes, j->prefix.len);
    buffer_append_text(id, below);
}

int32_t files_load_one(files_job *j, const file_path *p)
{
    buffer id = { 0 };
    files_clear(j);
    j->whole = true;
    if (p->below.len == 0)
        return QUIPU_OK;
    files_id_of(j, p->below.bytes, &id);
    quipu_get query = { .struct_size = sizeof query, .id = str_make(id.bytes, id.len) };
    int32_t code = id.failed               ? files_out_of_memory(j)
                   : id.len > QUIPU_ID_MAX ? QUIPU_E_NOT_FOUND
                                           : quipu_get_record(j->q, &query, take_file, j, j->call, j->error);
    buffer_free(&id);
    return code == QUIPU_E_NOT_FOUND ? QUIPU_OK : code;
}

bool files_is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    return len == 0 || (strncmp(path, folder, len) == 0 && path[len] == '/');
}

bool files_is_folder(const files_job *j, const char *below)
{
    for (size_t i = 0; i < j->count; i++)
        if (files_is_below(j->files[i].path, below))
            return true;
    return !*below;
}

bool files_is_there(const files_job *j, const char *below)
{
    for (size_t i = 0; i < j->count; i++)
        if (strcmp(j->files[i].path, below) == 0)
            return true;
    return files_is_folder(j, below);
}

const char *files_file_above(const files_job *j, const char *below)
{
    for (size_t i = 0; i < j->count; i++)
        if (files_is_below(below, j->files[i].path))
            return j->files[i].path;
    return NULL;
}

/* ---- writing ---- */

int32_t files_write_steps(files_job *j, quipu_write *steps, size_t count, const char *operation)
{
    quipu_write_options options = { .struct_size = sizeof options };
    quipu_array writes = { steps, count, sizeof *steps };
    if (j->options)
        options = *j->options;
    if (!str_present(options.operation))
        options.operation = str_of(operation);
    return count > 0 ? quipu_write_records(j->q, &writes, &options, NULL, NULL, NULL, j->call, j->error) : QUIPU_OK;
}

int32_t files_write_text(files_job *j, const file_path *p, const buffer *text)
{
    buffer id = { 0 }, patch = { 0 };
    files_id_of(j, p->below.bytes, &id);
    buffer_append_text(&patch, "{\"text\":");
    json_print_string(str_make(text->bytes ? text->bytes : "", text->len), &patch);
    buffer_append_char(&patch, '}');
    quipu_write step = { .struct_size = sizeof step,
                         .op = QUIPU_WRITE_PATCH,
                         .expect = QUIPU_EXPECT_VERSION,
                         .id = str_make(id.bytes, id.len),
                         .expected_version = str_of(j->files[0].version),
                         .json = str_make(patch.bytes, patch.len) };
    int32_t code =
        id.failed || patch.failed || text->failed ? files_out_of_memory(j) : files_write_steps(j, &step, 1, "update");
    buffer_free(&id);
    buffer_free(&patch);
    return code;
}

/* ---- whole trees ---- */

int32_t files_delete_tree(files_job *j, const char *below)
{
    quipu_write *steps = calloc(j->count + 1, sizeof *steps);
    buffer *ids = calloc(j->count + 1, sizeof *ids);
    size_t count = 0;
    int32_t code = steps && ids ? QUIPU_OK : files_out_of_memory(j);
    for (size_t i = 0; code == QUIPU_OK && i < j->count; i++) {
        if (!files_is_below(j->files[i].path, below) && strcmp(j->files[i].path, below) != 0)
            continue;
        files_id_of(j, j->files[i].path, &ids[count]);
        steps[count] = (quipu_write){ .struct_size = sizeof *steps,
                                      .op = QUIPU_CHANGE_DELETE,
                                      .id = str_make(ids[count].bytes, ids[count].len) };
        code = ids[count++].failed ? files_out_of_memory(j) : QUIPU_OK;
    }
    if (code == QUIPU_OK)
        code = files_write_steps(j, steps, count, "delete");
    for (size_t i = 0; ids && i < count; i++)
        buffer_free(&ids[i]);
    free(ids);
    free(steps);
    return code;
}

/* The record under its new id, and the end of the old one. */
static int32_t move_file(files_job *j, const memory_file *f, const file_path *from, const file_path *to,
                         quipu_write steps[2], buffer texts[3])
{
    cJSON *tree = NULL, *id = NULL;
    files_id_of(j, f->path, &texts[0]);
    files_id_of(j, to->below.bytes, &texts[1]);
    buffer_append_text(&texts[1], f->path + from->below.len);
    int32_t code = json_parse(str_of(f->json), &tree, j->error);
    if (code == QUIPU_OK && !texts[1].failed)
        id = json_string(str_make(texts[1].bytes, texts[1].len));
    if (code == QUIPU_OK && (!id || !cJSON_ReplaceItemInObjectCaseSensitive(tree, "id", id))) {
        cJSON_Delete(id);
        code = files_out_of_memory(j);
    }
    if (code == QUIPU_OK)
        json_print_compact(tree, &texts[2]);
    cJSON_Delete(tree);
    steps[0] = (quipu_write){ .struct_size = sizeof *steps,
                              .op = QUIPU_CHANGE_DELETE,
                              .expect = QUIPU_EXPECT_VERSION,
                              .id = str_make(texts[0].bytes, texts[0].len),
                              .expected_version = str_of(f->version) };
    steps[1] = (quipu_write){ .struct_size = sizeof *steps,
                              .op = QUIPU_CHANGE_PUT,
                              .expect = QUIPU_EXPECT_ABSENT,
                              .json = str_make(texts[2].bytes, texts[2].len) };
    return code == QUIPU_OK && (texts[0].failed || texts[2].failed) ? files_out_of_memory(j) : code;
}

int32_t files_move_tree(files_job *j, const file_path *from, const file_path *to)
{
    quipu_write *steps = calloc(2 * j->count + 1, sizeof *steps);
    buffer *texts = calloc(3 * j->count + 1, sizeof *texts);
    size_t count = 0;
    int32_t code = steps && texts ? QUIPU_OK : files_out_of_memory(j);
    for (size_t i = 0; code == QUIPU_OK && i < j->count; i++)
        if (files_is_below(j->files[i].path, from->below.bytes) || strcmp(j->files[i].path, from->below.bytes) == 0) {
            code = move_file(j, &j->files[i], from, to, steps + 2 * count, texts + 3 * count);
            count++;
        }
    if (code == QUIPU_OK)
        code = files_write_steps(j, steps, 2 * count, "update");
    for (size_t i = 0; texts && i < 3 * count; i++)
        buffer_free(&texts[i]);
    free(texts);
    free(steps);
    return code;
}
