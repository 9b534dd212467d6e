/*
 * format.c - what makes a repository a store: the file quipu.json, which is its first commit.
 *
 *   1  a record is one file
 *   2  a record of kind "file" may be two (files.h)
 *
 * A store of format 1 becomes one of format 2 by the first commit that needs it.
 */
#include "files.h"

#include <base/fail.h>
#include <sdk/json.h>

enum { STORE_FORMAT = 2 };

const char format_text[] = "{\n  \"format\": 2,\n  \"layout\": \"records/x/y/z/w\"\n}\n";

int32_t write_format(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    git_transaction *t;
    object_id revision;
    bool lost = false;
    int32_t code = git_begin(self->store, call, &t, error);
    if (code != QUIPU_OK)
        return code;
    if (!object_id_is_none(git_transaction_head(t))) {
        git_abort(t); /* another process was faster */
        return check_format(self, error);
    }
    int64_t now = host_now(self->host);
    commit_words words = { .author = str_of("quipu"),
                           .time = now,
                           .committed = now,
                           .message = str_of("init: a store of memories\n\nQuipu-Op: init\n") };
    code = git_transaction_put(t, FORMAT_FILE, format_text, sizeof format_text - 1, error);
    if (code == QUIPU_OK)
        code = git_transaction_commit(t, &words, &revision, error);
    if (code != QUIPU_OK) {
        git_abort(t);
        return code;
    }
    static const object_id none;
    object_id head = *git_transaction_head(t);
    code = git_publish(t, &lost, error);
    if (code == QUIPU_OK && !lost)
        edits_pass(&self->edits, &none, &head, 1);
    return code == QUIPU_OK && lost ? check_format(self, error) : code;
}

/* 0: it tells none. */
static int64_t read_format(const buffer *text)
{
    cJSON *tree = NULL;
    int64_t format = 0;
    int32_t code = json_parse(str_make(text->bytes, text->len), &tree, NULL);
    if (code != QUIPU_OK || !json_is_int(cJSON_GetObjectItemCaseSensitive(tree, "format"), &format) || format < 1)
        format = 0;
    cJSON_Delete(tree);
    return format;
}

int32_t format_raise(git_transaction *t, quipu_error *error)
{
    object_id blob;
    buffer text = { 0 };
    int32_t code = git_transaction_read(t, FORMAT_FILE, &blob, &text, error);
    if (code == QUIPU_OK && read_format(&text) < STORE_FORMAT)
        code = git_transaction_put(t, FORMAT_FILE, format_text, strlen(format_text), error);
    buffer_free(&text);
    return code;
}

static int32_t judge_format(quipu_backend *self, const buffer *text, quipu_error *error)
{
    int64_t format = read_format(text);
    if (format < 1)
        return fail(error, QUIPU_E_FORMAT, "store", "%s: its %s cannot be read; run `git log -- %s` there",
                    git_store_path(self->store), FORMAT_FILE, FORMAT_FILE);
    if (format > STORE_FORMAT)
        return fail(error, QUIPU_E_FORMAT, "store",
                    "%s has format %lld, and this version knows formats up to %d; use a newer Quipu",
                    git_store_path(self->store), (long long)format, STORE_FORMAT);
    return QUIPU_OK;
}

int32_t check_format(quipu_backend *self, quipu_error *error)
{
    object_id head;
    int32_t code = git_store_head(self->store, &head, error);
    return code == QUIPU_OK ? check_format_of(self, &head, error) : code;
}

int32_t check_format_of(quipu_backend *self, const object_id *commit_id, quipu_error *error)
{
    object_id blob = { { 0 } };
    buffer text = { 0 };
    commit c;
    int32_t code = QUIPU_OK;
    if (!object_id_is_none(commit_id)) {
        code = commit_read(git_store_objects(self->store), commit_id, &c, error);
        if (code == QUIPU_OK) {
            code = tree_find(git_store_objects(self->store), &c.tree, FORMAT_FILE, &blob, error);
            commit_free(&c);
        }
    }
    if (code == QUIPU_OK && object_id_is_none(&blob))
        code = fail(error, QUIPU_E_FORMAT, "store",
                    "%s is a git repository, but not a Quipu store (it has no %s); choose another folder",
                    git_store_path(self->store), FORMAT_FILE);
    if (code == QUIPU_OK)
        code = objects_read(git_store_objects(self->store), &blob, OBJECT_BLOB, &text, error);
    if (code == QUIPU_OK)
        code = judge_format(self, &text, error);
    buffer_free(&text);
    return code;
}
