/* sync.c - the extension sync/1 (plugin_api/quipu/ext/sync.h): merge.c joins the histories, storage_git moves the objects. */
#include "merge.h"

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <stdlib.h>
#include <storage_git/remote.h>

enum { PUSH_TRIES = 10 };

/* One call of push or pull. */
typedef struct exchange {
    quipu_backend *self;
    const quipu_change_set *as;
    quipu_progress_fn visit;
    void *context;
    const quipu_call *call;
    quipu_error *error;
    remote remote;
    char *branch;
    merge_result result;
} exchange;

static int32_t show_progress(void *context, const char *stage, uint64_t done, uint64_t total)
{
    const exchange *x = context;
    quipu_progress progress = { .struct_size = sizeof progress, .stage = str_of(stage), .done = done, .total = total };
    return x->visit ? x->visit(x->context, &progress) : 0;
}

static int32_t exchange_begin(exchange *x, const quipu_str *remote_spec)
{
    quipu_str spec = remote_spec && remote_spec->ptr ? *remote_spec : str_of("origin");
    int32_t code = abi_check_text(spec, true, "remote", x->error);
    if (code == QUIPU_OK && spec.len == 0)
        code = fail(x->error, QUIPU_E_INVALID, "remote", "the remote is empty; give a name, a folder or an address");
    if (code == QUIPU_OK)
        code = remote_find(x->self->store, spec, &x->remote, x->error);
    if (code == QUIPU_OK)
        code = git_store_branch(x->self->store, &x->branch, x->error);
    return code;
}

static int32_t exchange_end(exchange *x, int32_t code, quipu_merge_report *report)
{
    if (code == QUIPU_OK)
        merge_report_fill(report, &x->result);
    remote_free(&x->remote);
    free(x->branch);
    return code;
}

/* refs/remotes/NAME/BRANCH, where git users look for it. Only a convenience: what goes wrong is nobody's loss. */
static void track(const exchange *x, const object_id *tip)
{
    buffer name = { 0 };
    object_id before;
    bool lost;
    if (!x->remote.name || !x->remote.folder)
        return;
    buffer_printf(&name, "refs/remotes/%s/%s", x->remote.name, x->branch + strlen("refs/heads/"));
    quipu_str spec = str_make(name.bytes ? name.bytes + strlen("refs/remotes/") : "",
                              name.len > strlen("refs/remotes/") ? name.len - strlen("refs/remotes/") : 0);
    if (!name.failed) {
        if (git_store_resolve(x->self->store, spec, &before, NULL) != QUIPU_OK)
            memset(&before, 0, sizeof before);
        if (!object_id_equal(&before, tip))
            (void)git_store_set_ref(x->self->store, name.bytes, &before, tip, &lost, NULL);
    }
    buffer_free(&name);
}

static int32_t pull(exchange *x)
{
    remote_call how = { show_progress, x, x->call, x->self->patience_ms };
    objects *from = NULL;
    object_id tip;
    int32_t code = show_progress(x, "receiving", 0, 0) == 0
                       ? QUIPU_OK
                       : fail(x->error, QUIPU_E_CANCELLED, NULL, "the transfer was given up");
    if (code == QUIPU_OK)
        code = remote_fetch(x->self->store, &x->remote, x->branch, &how, &from, &tip, x->error);
    if (code == QUIPU_OK && object_id_is_none(&tip)) {
        x->result.flags = QUIPU_MERGE_NOTHING;
        code = git_store_head(x->self->store, &x->result.revision, x->error);
    } else if (code == QUIPU_OK) {
        merge_result before = x->result;
        merge_source source = { .label = x->remote.name ? x->remote.name : "another store", .from = from, .tip = tip };
        code = merge_history(x->self, &source, x->as, &x->result, x->call, x->error);
        x->result.revisions += before.revisions;
        x->result.records += before.records;
        x->result.conflicts += before.conflicts;
        if (code == QUIPU_OK)
            track(x, &tip);
    }
    objects_close(from);
    return code;
}

static int32_t push_once(exchange *x, bool *refused)
{
    remote_call how = { show_progress, x, x->call, x->self->patience_ms };
    object_id tip;
    int32_t code = git_store_head(x->self->store, &tip, x->error);
    if (code == QUIPU_OK)
        code = remote_push(x->self->store, &x->remote, x->branch, &tip, &how, refused, x->error);
    if (code == QUIPU_OK && !*refused) {
        x->result.revision = tip;
        x->result.flags |= QUIPU_MERGE_SENT;
        track(x, &tip);
    }
    return code;
}

static int32_t sync_pull(quipu_backend *self, const quipu_str *remote_spec, const quipu_change_set *as,
                         quipu_progress_fn progress, void *context, quipu_merge_report *report, const quipu_call *call,
                         quipu_error *error)
{
    exchange x = { .self = self, .as = as, .visit = progress, .context = context, .call = call, .error = error };
    int32_t code = merge_check(self, as, report, call, error);
    if (code != QUIPU_OK)
        return code;
    code = exchange_begin(&x, remote_spec);
    if (code == QUIPU_OK)
        code = pull(&x);
    return exchange_end(&x, code, report);
}

static int32_t sync_push(quipu_backend *self, const quipu_str *remote_spec, const quipu_change_set *as,
                         quipu_progress_fn progress, void *context, quipu_merge_report *report, const quipu_call *call,
                         quipu_error *error)
{
    exchange x = { .self = self, .as = as, .visit = progress, .context = context, .call = call, .error = error };
    int32_t code = merge_check(self, as, report, call, error);
    bool refused = true;
    if (code != QUIPU_OK)
        return code;
    code = exchange_begin(&x, remote_spec);
    x.result.flags = QUIPU_MERGE_NOTHING;
    for (int i = 0; i < PUSH_TRIES && refused && code == QUIPU_OK; i++) {
        code = push_once(&x, &refused);
        if (code == QUIPU_OK && refused)
            code = pull(&x);
    }
    if (code == QUIPU_OK && refused)
        code = fail(error, QUIPU_E_BUSY, "remote",
                    "the other side takes nothing: it changes all the time, or does not allow it; what it had is here "
                    "now");
    return exchange_end(&x, code, report);
}

static int32_t sync_remember(quipu_backend *self, const quipu_str *name, const quipu_str *remote_spec,
                             const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK && (!name || !name->ptr || !remote_spec || !remote_spec->ptr))
        code = fail(error, QUIPU_E_INVALID, name && name->ptr ? "remote" : "name", "a name and a place are needed");
    if (code == QUIPU_OK)
        code = abi_check_text(*name, true, "name", error);
    if (code == QUIPU_OK)
        code = abi_check_text(*remote_spec, true, "remote", error);
    if (code == QUIPU_OK && (self->flags & QUIPU_OPEN_READ_ONLY))
        code = fail(error, QUIPU_E_READ_ONLY, NULL, "the store was opened for reading only");
    if (code != QUIPU_OK)
        return code;
    char *key = str_dup(*name), *url = str_dup(*remote_spec);
    code = key && url ? remote_remember(self->store, key, url, error)
                      : fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to remember a remote");
    free(key);
    free(url);
    return code;
}

const quipu_sync_api git_sync = {
    .struct_size = sizeof(quipu_sync_api),
    .pull = sync_pull,
    .push = sync_push,
    .remember = sync_remember,
};
