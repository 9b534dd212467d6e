/* branches.c - the extension branches/1 (plugin_api/quipu/ext/branches.h): refs/heads, and what HEAD names. */
#include "merge.h"

#include <base/fail.h>
#include <quipu/ext/branches.h>
#include <sdk/abi_check.h>
#include <sdk/query.h>
#include <stdlib.h>

#define HEADS "refs/heads/"

enum { NAME_MAX_BYTES = 200 };

/* git-check-ref-format(1) */
static bool is_good_name(quipu_str name)
{
    static const char *const bad_ends[] = { ".lock", "/", "." };
    if (name.len == 0 || name.len > NAME_MAX_BYTES || name.ptr[0] == '-' || name.ptr[0] == '/' || name.ptr[0] == '.')
        return false;
    for (uint64_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i], next = i + 1 < name.len ? (unsigned char)name.ptr[i + 1] : 0;
        if (c <= ' ' || c == 0x7f || strchr("~^:?*[\\", c) || (c == '.' && next == '.') || (c == '/' && next == '/') ||
            (c == '/' && next == '.') || (c == '@' && next == '{'))
            return false;
    }
    for (size_t i = 0; i < sizeof bad_ends / sizeof bad_ends[0]; i++) {
        size_t len = strlen(bad_ends[i]);
        if (name.len >= len && memcmp(name.ptr + name.len - len, bad_ends[i], len) == 0)
            return false;
    }
    return !str_same(name, str_of("HEAD"));
}

/* "refs/heads/NAME", for the caller to free. */
static int32_t ref_of(const quipu_str *name, char **out, quipu_error *error)
{
    buffer ref = { 0 };
    *out = NULL;
    if (!name || !name->ptr)
        return fail(error, QUIPU_E_INVALID, "branch", "the name of the branch is missing");
    int32_t code = abi_check_text(*name, true, "branch", error);
    if (code == QUIPU_OK && !is_good_name(*name))
        code = fail(error, QUIPU_E_INVALID, "branch", "\"%.*s\" cannot be the name of a branch",
                    (int)(name->len < 100 ? name->len : 100), name->ptr);
    if (code != QUIPU_OK)
        return code;
    buffer_append_text(&ref, HEADS);
    buffer_append_str(&ref, *name);
    if (ref.failed) {
        buffer_free(&ref);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a branch");
    }
    *out = ref.bytes;
    return QUIPU_OK;
}

/* ---- listing ---- */

typedef struct listing {
    quipu_branch_fn visit;
    void *context;
    const char *current;
    quipu_error *error;
    bool stop;
} listing;

enum { ENOUGH = 1 };

static int32_t show_branch(void *context, const char *name, const object_id *id)
{
    listing *l = context;
    char digits[OBJECT_ID_HEX + 1];
    object_id_print(id, digits);
    quipu_branch branch = { .struct_size = sizeof branch,
                            .flags = strcmp(name, l->current) == 0 ? QUIPU_BRANCH_CURRENT : 0,
                            .name = str_of(name + strlen(HEADS)),
                            .revision = str_make(digits, OBJECT_ID_HEX) };
    int32_t code = query_answer(l->visit(l->context, &branch), &l->stop, l->error);
    return code != QUIPU_OK ? code : l->stop ? ENOUGH : QUIPU_OK;
}

static int32_t branches_list(quipu_backend *self, quipu_branch_fn visit, void *context, const quipu_call *call,
                             quipu_error *error)
{
    char *current = NULL;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = git_store_branch(self->store, &current, error);
    if (code == QUIPU_OK) {
        listing l = { visit, context, current, error, false };
        code = git_store_refs(self->store, HEADS, show_branch, &l, error);
    }
    free(current);
    return code == ENOUGH ? QUIPU_OK : code;
}

/* ---- making, switching, taking away ---- */

typedef struct search {
    const char *name;
    object_id found;
} search;

static int32_t look(void *context, const char *name, const object_id *id)
{
    search *s = context;
    if (strcmp(name, s->name) == 0)
        s->found = *id;
    return QUIPU_OK;
}

static int32_t find_branch(quipu_backend *self, const char *ref, object_id *out, quipu_error *error)
{
    search s = { .name = ref };
    int32_t code = git_store_refs(self->store, HEADS, look, &s, error);
    if (code == QUIPU_OK && object_id_is_none(&s.found))
        code = fail(error, QUIPU_E_NOT_FOUND, "branch", "there is no branch \"%s\"; see `quipu branch`",
                    ref + strlen(HEADS));
    *out = s.found;
    return code;
}

static int32_t branches_create(quipu_backend *self, const quipu_str *name, const quipu_str *from,
                               const quipu_call *call, quipu_error *error)
{
    static const object_id none;
    object_id at;
    char *ref = NULL;
    bool lost = false;
    int32_t code = check_writable(self, call, error);
    if (code == QUIPU_OK)
        code = ref_of(name, &ref, error);
    if (code == QUIPU_OK && from && from->ptr)
        code = view_resolve(self, *from, &at, error);
    else if (code == QUIPU_OK)
        code = git_store_head(self->store, &at, error);
    if (code == QUIPU_OK)
        code = git_store_set_ref(self->store, ref, &none, &at, &lost, error);
    if (lost)
        code = fail(error, QUIPU_E_EXISTS, "branch", "there is a branch \"%s\" already", ref + strlen(HEADS));
    free(ref);
    return code;
}

static int32_t branches_switch(quipu_backend *self, const quipu_str *name, const quipu_call *call, quipu_error *error)
{
    object_id at;
    char *ref = NULL;
    int32_t code = check_writable(self, call, error);
    if (code == QUIPU_OK)
        code = ref_of(name, &ref, error);
    if (code == QUIPU_OK)
        code = find_branch(self, ref, &at, error);
    if (code == QUIPU_OK)
        code = check_format_of(self, &at, error);
    if (code == QUIPU_OK)
        code = git_store_switch(self->store, ref, error);
    free(ref);
    return code;
}

static int32_t branches_remove(quipu_backend *self, const quipu_str *name, const quipu_call *call, quipu_error *error)
{
    static const object_id none;
    object_id at;
    char *ref = NULL, *current = NULL;
    bool lost = false;
    int32_t code = check_writable(self, call, error);
    if (code == QUIPU_OK)
        code = ref_of(name, &ref, error);
    if (code == QUIPU_OK)
        code = find_branch(self, ref, &at, error);
    if (code == QUIPU_OK)
        code = git_store_branch(self->store, &current, error);
    if (code == QUIPU_OK && strcmp(ref, current) == 0)
        code = fail(error, QUIPU_E_INVALID, "branch", "\"%s\" is the current branch; switch to another one first",
                    ref + strlen(HEADS));
    if (code == QUIPU_OK)
        code = git_store_set_ref(self->store, ref, &at, &none, &lost, error);
    if (lost)
        code = fail(error, QUIPU_E_BUSY, "branch", "the branch has moved meanwhile; try again");
    free(ref);
    free(current);
    return code;
}

static int32_t branches_merge(quipu_backend *self, const quipu_str *name, const quipu_change_set *as,
                              quipu_merge_report *report, const quipu_call *call, quipu_error *error)
{
    merge_source source = { 0 };
    merge_result result = { 0 };
    char *ref = NULL;
    int32_t code = merge_check(self, as, report, call, error);
    if (code == QUIPU_OK)
        code = ref_of(name, &ref, error);
    if (code == QUIPU_OK)
        code = find_branch(self, ref, &source.tip, error);
    if (code == QUIPU_OK) {
        source.label = ref + strlen(HEADS);
        code = merge_history(self, &source, as, &result, call, error);
    }
    if (code == QUIPU_OK)
        merge_report_fill(report, &result);
    free(ref);
    return code;
}

const quipu_branches_api git_branches = {
    .struct_size = sizeof(quipu_branches_api),
    .list = branches_list,
    .create = branches_create,
    .switch_to = branches_switch,
    .merge = branches_merge,
    .remove = branches_remove,
};
