/* layout_repair.c - the files that make a folder a repository: HEAD and config (repair_inner.h). */
#include "git_layout.h"
#include "os.h"
#include "refs.h"
#include "repair_inner.h"

#include <base/fail.h>

#include <stdlib.h>
#include <unistd.h>

/* The branches there are, but for what was pushed to the inbox. */
typedef struct branches {
    unsigned count;
    bool main;      /* refs/heads/main is among them */
    char only[256]; /* the last one seen */
} branches;

static int32_t note_branch(void *context, const ref_told *ref)
{
    branches *b = context;
    if (ref->fault || strncmp(ref->name, "refs/heads/inbox/", 17) == 0)
        return QUIPU_OK;
    b->count++;
    b->main = b->main || strcmp(ref->name, "refs/heads/main") == 0;
    if (strlen(ref->name) < sizeof b->only)
        memcpy(b->only, ref->name, strlen(ref->name) + 1);
    return QUIPU_OK;
}

static int32_t write_head(repair *r, const char *branch, const char *why)
{
    buffer path = { 0 }, text = { 0 };
    int32_t code = repair_path(r, &path, "HEAD");
    buffer_printf(&text, "ref: %s\n", branch);
    if (code == QUIPU_OK && text.failed)
        code = repair_no_memory(r);
    if (code == QUIPU_OK && access(path.bytes, F_OK) == 0)
        code = aside_keep(r->aside, path.bytes, why, r->error);
    if (code == QUIPU_OK)
        code = os_replace_file(path.bytes, text.bytes, text.len, true, r->error);
    buffer_free(&path);
    buffer_free(&text);
    return code;
}

/* HEAD leads to `branch` from now on, if it may; else it is said that it should. */
int32_t repair_head(repair *r, const char *branch, const char *why)
{
    int32_t code = r->aside ? write_head(r, branch, why) : QUIPU_OK;
    if (code == QUIPU_OK)
        code = repair_tell(r, repair_severity(r), "refs", "HEAD", "%s; %s %s", why,
                           r->aside ? "it names" : "it can be made to name", branch);
    return code;
}

/* A HEAD that names no branch. */
static int32_t find_head(repair *r)
{
    branches b = { 0 };
    int32_t code = ref_each_told(r->store->path, "refs/heads/", note_branch, &b, r->error);
    if (code != QUIPU_OK)
        return code;
    if (b.main || b.count == 0)
        return repair_head(r, "refs/heads/main", "HEAD named no branch");
    if (b.count == 1)
        return repair_head(r, b.only, "HEAD named no branch");
    return repair_tell(r, REPAIR_DAMAGE, "refs", "HEAD",
                       "it names no branch, and there are %u; run `git symbolic-ref HEAD refs/heads/NAME` there",
                       b.count);
}

static int32_t repair_config(repair *r)
{
    buffer path = { 0 };
    char fault[200] = "";
    int32_t code = repair_path(r, &path, "config");
    if (code == QUIPU_OK && objects_config_fits(path.bytes, fault)) {
        buffer_free(&path);
        return QUIPU_OK;
    }
    bool there = access(path.bytes, F_OK) == 0;
    if (code == QUIPU_OK && r->aside && there)
        code = aside_move(r->aside, path.bytes, "git cannot read it; the standard one took its place", r->error);
    if (code == QUIPU_OK && r->aside)
        code = git_layout_write_config(r->store->path, r->error);
    if (code == QUIPU_OK)
        code = repair_tell(r, repair_severity(r), "refs", "config", "%s%s", there ? fault : "it is missing",
                           r->aside ? "; the standard one took its place, and remotes have to be named again" : "");
    buffer_free(&path);
    return code;
}

static int32_t repair_folders(repair *r)
{
    buffer path = { 0 };
    int32_t code = QUIPU_OK;
    for (const char *const *name = git_layout_needed; *name && code == QUIPU_OK; name++) {
        code = repair_path(r, &path, *name);
        if (code != QUIPU_OK || access(path.bytes, F_OK) == 0)
            continue;
        if (r->aside)
            code = os_make_folder(path.bytes, r->error);
        if (code == QUIPU_OK)
            code = repair_tell(r, repair_severity(r), "refs", *name, "the folder is missing%s",
                               r->aside ? "; it was made" : "");
    }
    buffer_free(&path);
    return code;
}

int32_t repair_layout(repair *r)
{
    char *branch = NULL;
    quipu_error why = { .struct_size = sizeof why };
    int32_t code = repair_folders(r);
    if (code == QUIPU_OK)
        code = repair_config(r);
    if (code != QUIPU_OK)
        return code;
    code = git_store_branch(r->store, &branch, &why);
    free(branch);
    if (code == QUIPU_OK)
        return code;
    if (code != QUIPU_E_FORMAT && code != QUIPU_E_NOT_FOUND && code != QUIPU_E_CORRUPT)
        return fail(r->error, code, NULL, "%s", why.message);
    return find_head(r);
}
