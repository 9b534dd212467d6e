/* view_pairs.c - part of view_follow.c: records that may be two files (files.h), followed as one whichever of them changed. */
#include "view.h"

#include <base/fail.h>

static int32_t no_memory(const pair_follow *f)
{
    return fail(f->error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the store");
}

int32_t pair_follow_begin(pair_follow *f)
{
    object_id before, after;
    int32_t code = tree_find(f->from.objects, &f->from.tree, FILES_FOLDER, &before, f->error);
    if (code == QUIPU_OK)
        code = tree_find(f->to.objects, &f->to.tree, FILES_FOLDER, &after, f->error);
    f->any = code == QUIPU_OK && (!object_id_is_none(&before) || !object_id_is_none(&after));
    return code;
}

static int32_t set_aside(const pair_follow *f, const char *path, bool bad)
{
    if (!bad)
        view_drop_aside(f->view, path);
    return bad ? view_put_aside(f->view, path, f->error) : QUIPU_OK;
}

int32_t pair_follow_id(const pair_follow *f, quipu_str id)
{
    stored now;
    buffer path = { 0 }, text = { 0 };
    int32_t code = stored_read(&f->to, id, &now, f->error);
    if (code != QUIPU_OK)
        return code;
    record_path(id, &path);
    bool has_text = file_path(id, &text);
    if (path.failed || text.failed)
        code = no_memory(f);
    if (code == QUIPU_OK)
        code = set_aside(f, path.bytes, now.json_bad);
    if (code == QUIPU_OK && has_text)
        code = set_aside(f, text.bytes, now.text_bad);
    if (code == QUIPU_OK && now.record)
        code = record_index_put(f->view->index, now.record, f->error);
    else if (code == QUIPU_OK)
        record_index_remove(f->view->index, id);
    stored_free(&now);
    buffer_free(&path);
    buffer_free(&text);
    return code;
}

int32_t pair_follow_json(const pair_follow *f, const tree_change *change, bool *done)
{
    buffer id = { 0 };
    *done = false;
    if (!f->any || !may_have_file(change->path))
        return QUIPU_OK;
    int32_t code = stored_id(&f->to, change->path, &id, f->error);
    if (code == QUIPU_OK && id.len == 0)
        code = stored_id(&f->from, change->path, &id, f->error);
    if (code == QUIPU_OK && id.len > 0) {
        *done = true;
        code = pair_follow_id(f, str_make(id.bytes, id.len));
    }
    buffer_free(&id);
    return code;
}

/* Where its JSON changed as well, the record has been followed. */
static int32_t follow_text(void *context, const tree_change *change)
{
    const pair_follow *f = context;
    bool alone = false;
    buffer id = { 0 };
    int32_t code = QUIPU_OK;
    if (!file_path_id(change->path, &id)) {
        code = id.failed ? no_memory(f) : set_aside(f, change->path, !object_id_is_none(&change->after));
    } else {
        code = stored_same_json(&f->from, &f->to, str_make(id.bytes, id.len), &alone, f->error);
        if (code == QUIPU_OK && alone)
            code = pair_follow_id(f, str_make(id.bytes, id.len));
    }
    buffer_free(&id);
    return code;
}

int32_t pair_follow_texts(pair_follow *f)
{
    return f->any ? tree_diff(f->to.objects, &f->from.tree, &f->to.tree, FILES_FOLDER, follow_text, f, f->error)
                  : QUIPU_OK;
}
