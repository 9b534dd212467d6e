/*
 * files.h - inside of the memory tool (quipu_files.h): paths, texts by lines, and the files of a scope.
 */
#ifndef MEMORY_FILES_H
#define MEMORY_FILES_H

#include <base/buffer.h>
#include <cjson/cJSON.h>
#include <quipu_files.h>
#include <stdint.h>

#define FILES_ROOT "/memories"
#define FILES_DOES_NOT_EXIST "The path %s does not exist. Please provide a valid path."

/* ---- files_path.c ---- */

/* A path, checked. */
typedef struct file_path {
    buffer shown; /* as it was written, without a slash at its end */
    buffer below; /* below the root, normalised: "notes/a.md"; empty: the root itself */
} file_path;

/* False with the reason in `why` (a text for the model) for a path outside of the root. Ends with file_path_free, also then. */
bool file_path_read(const char *text, file_path *out, buffer *why);
void file_path_free(file_path *p);
/* Appends "<scope>/", as the ids of records of kind file begin. */
void file_scope_append(const quipu_write_options *options, buffer *out);

/* ---- files_text.c ---- */

/* Appends lines first to last (from 1, both shown) of a text, each with its number in six columns; last INT64_MAX: all. */
void text_number_lines(const char *text, int64_t first, int64_t last, buffer *out);
int64_t text_count_lines(const char *text); /* by '\n' alone: "a\n" has two */
/* The same without the empty one that a last line end leaves. */
int64_t text_lines_of_edit(const char *text);
/* Appends the text with `inserted` after line `after` of those, each line ended by '\n'. */
void text_insert_line(const char *text, int64_t after, const char *inserted, buffer *out);
/* Occurrences that do not overlap, at most `most`. */
uint64_t text_count(const char *text, const char *part, uint64_t most);
/* Appends "1, 1, 3": the line of each occurrence, also of those that overlap; at most `most` of them. */
void text_list_lines(const char *text, const char *part, uint64_t most, buffer *out);
/* Appends a size as `1.5K`. */
void text_print_size(uint64_t bytes, buffer *out);

/* ---- files_store.c ---- */

/* One file of the scope. */
typedef struct memory_file {
    char *path; /* below the root */
    uint64_t size;
    char version[QUIPU_VERSION_LEN + 1];
    char *json, *text; /* of the record; NULL in a listing */
} memory_file;

/* One command under way. */
typedef struct files_job {
    quipu *q;
    const cJSON *command;
    uint32_t flags;
    const quipu_write_options *options;
    const quipu_call *call;
    quipu_error *error;
    buffer prefix; /* "<scope>/" */
    buffer text;   /* for the model */
    memory_file *files;
    size_t count, capacity;
    bool whole; /* take texts as well */
} files_job;

int32_t files_out_of_memory(const files_job *j);
/* A failure that the model is told: `format` takes up to two strings. */
int32_t files_refuse(files_job *j, int32_t code, const char *format, const char *a, const char *b);
/* Reads all files of the scope, ordered by path, a folder's before what is in it; or the one of a path (count 0: there is none). */
int32_t files_load_all(files_job *j, bool whole);
int32_t files_load_one(files_job *j, const file_path *p);
void files_clear(files_job *j);
bool files_is_below(const char *path, const char *folder);
/* Of the files that were read. */
bool files_is_folder(const files_job *j, const char *below);
bool files_is_there(const files_job *j, const char *below);
/* A part of the path that is a file, so that nothing can be below it; or NULL. */
const char *files_file_above(const files_job *j, const char *below);
/* Appends the id of a file. */
void files_id_of(const files_job *j, const char *below, buffer *id);
int32_t files_write_steps(files_job *j, quipu_write *steps, size_t count, const char *operation);
/* A new text for files[0], where it is still the version that was read. */
int32_t files_write_text(files_job *j, const file_path *p, const buffer *text);
/* All that is under the path, itself included, as one change set. */
int32_t files_delete_tree(files_job *j, const char *below);
int32_t files_move_tree(files_job *j, const file_path *from, const file_path *to);

/* ---- files_view.c ---- */

int32_t files_view(files_job *j, const file_path *p, const file_path *unused);

#endif
