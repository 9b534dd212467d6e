/* changes.c - part of files.h: the records that two trees hold differently, whichever of their files changed. */
#include "files.h"

#include <base/fail.h>

/* Takes both states over. What is a record on neither side, or the same on both, is left out. */
static int32_t visit_states(const record_changes *c, quipu_str id, stored *before, stored *after)
{
    record *a = before->record, *b = after->record;
    bool same = a == b || (a && b && str_same(record_view(a)->version, record_view(b)->version));
    int32_t code = same ? QUIPU_OK : c->visit(c->context, id, before, after);
    stored_free(before);
    stored_free(after);
    return code;
}

int32_t record_changes_one(const record_changes *c, quipu_str id)
{
    stored before, after = { 0 };
    int32_t code = stored_read(&c->from, id, &before, c->error);
    if (code != QUIPU_OK)
        return code;
    code = stored_read(&c->to, id, &after, c->error);
    if (code == QUIPU_OK)
        return visit_states(c, id, &before, &after);
    stored_free(&before);
    return code;
}

/* The record of a JSON file that changed. */
static int32_t follow_json(void *context, const tree_change *change)
{
    const record_changes *c = context;
    buffer id = { 0 };
    int32_t code = stored_id(&c->from, change->path, &id, c->error);
    if (code == QUIPU_OK && id.len == 0)
        code = stored_id(&c->to, change->path, &id, c->error);
    if (code == QUIPU_OK && id.len > 0)
        code = record_changes_one(c, str_make(id.bytes, id.len));
    buffer_free(&id);
    return code;
}

/* Of a text whose JSON did not change: else it was visited with that. */
static int32_t follow_text(void *context, const tree_change *change)
{
    const record_changes *c = context;
    bool alone = false;
    buffer id = { 0 };
    int32_t code = QUIPU_OK;
    if (file_path_id(change->path, &id))
        code = stored_same_json(&c->from, &c->to, str_make(id.bytes, id.len), &alone, c->error);
    if (code == QUIPU_OK && alone)
        code = record_changes_one(c, str_make(id.bytes, id.len));
    buffer_free(&id);
    return code;
}

int32_t record_changes_all(const record_changes *c)
{
    void *context = (void *)(uintptr_t)c;
    objects *o = c->to.objects;
    int32_t code = tree_diff(o, &c->from.tree, &c->to.tree, RECORDS_FOLDER, follow_json, context, c->error);
    if (code == QUIPU_OK)
        code = tree_diff(o, &c->from.tree, &c->to.tree, FILES_FOLDER, follow_text, context, c->error);
    return code;
}
