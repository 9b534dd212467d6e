/* line_backend.c - the life cycle and the slots of a backend on line.h. */
#include <sdk/line_backend.h>

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <sdk/query.h>
#include <stdlib.h>
#include <unistd.h>

/* The base is the first member. */
static line_backend *base_of(quipu_backend *self)
{
    return (line_backend *)self;
}

/* ---- life cycle ---- */

int32_t line_backend_create(const quipu_host *host, size_t size, const line_api *api, write_batch_fn write,
                            quipu_backend **out, quipu_error *error)
{
    if (!out)
        return fail(error, QUIPU_E_INVALID, "out", "out is NULL; give a place for the instance");
    *out = NULL;
    int32_t code = abi_check_struct(host, sizeof *host, "quipu_host", error);
    if (code != QUIPU_OK)
        return code;
    line_backend *base = calloc(1, size);
    if (!base)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a backend");
    *out = (quipu_backend *)base;
    base->host = host;
    base->line = (line_store){ api, *out };
    write_queue_begin(&base->queue, write, *out);
    return QUIPU_OK;
}

int32_t line_backend_begin(quipu_backend *self, const quipu_open_params *params, const quipu_call *call,
                           quipu_error *error)
{
    line_backend *base = base_of(self);
    if (base->folder)
        return fail(error, QUIPU_E_STATE, NULL, "the store is open already; close it first");
    int32_t code = abi_check_call(call, error);
    if (code == QUIPU_OK)
        code = abi_check_open_flags(params, QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_NO_CREATE | QUIPU_OPEN_DAMAGED, error);
    if (code != QUIPU_OK)
        return code;
    base->folder = str_dup(params->path);
    if (!base->folder)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    base->flags = params->flags;
    base->pid = getpid();
    recent_ids_begin(&base->unchanged, (uint64_t)host_now(base->host) ^ (uint64_t)(uintptr_t)self);
    return QUIPU_OK;
}

int32_t line_backend_views(quipu_backend *self, text_language language, bool embeds, quipu_error *error)
{
    line_backend *base = base_of(self);
    bool read_only = base->flags & QUIPU_OPEN_READ_ONLY;
    int32_t code =
        views_open(&line_views, &base->line, base->host, base->folder, read_only, language, &base->views, error);
    if (code == QUIPU_OK && embeds && !read_only)
        base->follower = embed_thread_begin(&line_indexes, self, base->host);
    return code;
}

int32_t line_backend_save(quipu_backend *self, quipu_error *error)
{
    line_backend *base = base_of(self);
    if (!base->folder)
        return fail(error, QUIPU_E_STATE, NULL, "no store is open; call open first");
    embed_thread_end(base->follower);
    base->follower = NULL;
    if (base->views)
        views_save(base->views);
    return QUIPU_OK;
}

void line_backend_stop(quipu_backend *self)
{
    line_backend *base = base_of(self);
    embed_thread_end(base->follower);
    base->follower = NULL;
    views_close(base->views);
    base->views = NULL;
}

void line_backend_let_go(quipu_backend *self)
{
    line_backend *base = base_of(self);
    recent_ids_free(&base->unchanged);
    free(base->folder);
    base->folder = NULL;
}

void line_backend_free(quipu_backend *self)
{
    write_queue_end(&base_of(self)->queue);
    free(self);
}

int32_t line_check_entry(const quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    const line_backend *base = (const line_backend *)self;
    return store_check_entry(base->folder, base->flags, call, error);
}

int32_t line_check_writable(const quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    const line_backend *base = (const line_backend *)self;
    int32_t code = store_check_writable(base->folder, base->flags, call, error);
    return code == QUIPU_OK && base->line.api->may_write ? base->line.api->may_write(self, error) : code;
}

/* ---- writing ---- */

int32_t line_apply(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt, const quipu_call *call,
                   quipu_error *error)
{
    line_backend *base = base_of(self);
    write_request r = { .set = set, .call = call, .error = { .struct_size = sizeof r.error } };
    int32_t code = line_check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = write_request_check(set, receipt, error);
    if (code == QUIPU_OK)
        code = line_check_writable(self, call, error);
    if (code != QUIPU_OK)
        return code;
    write_queue_run(&base->queue, &r);
    if (r.code == QUIPU_OK && r.revision[0])
        views_written(base->views, 1);
    embed_thread_wake(base->follower);
    return write_request_answer(&r, receipt, error);
}

int32_t line_bulk(quipu_backend *self, const quipu_array *sets, quipu_receipt *receipts, uint64_t *done,
                  const quipu_call *call, quipu_error *error)
{
    line_backend *base = base_of(self);
    uint64_t own = 0;
    if (!done)
        done = &own;
    *done = 0;
    int32_t code = line_check_writable(self, call, error);
    if (code == QUIPU_OK)
        code = write_queue_bulk(&base->queue, sets, receipts, done, call, error);
    if (*done > 0)
        embed_thread_wake(base->follower);
    return code;
}

/* ---- reading ---- */

int32_t line_get(quipu_backend *self, const quipu_get *query, quipu_hit_fn visit, void *context, const quipu_call *call,
                 quipu_error *error)
{
    line_backend *base = base_of(self);
    quipu_error own = { .struct_size = sizeof own };
    line_reader *reader;
    line_revision at = { .last_state = -1 };
    record *r = NULL;
    if (!error)
        error = &own;
    int32_t code = line_check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = query_check_get(query, error);
    if (code == QUIPU_OK)
        code = base->line.api->take(self, call, &reader, error);
    if (code != QUIPU_OK)
        return code;
    if (query->as_of.ptr)
        code = line_resolve(&base->line, reader, query->as_of, &at, error);
    if (code == QUIPU_OK)
        code = line_record_at(&base->line, reader, query->id, at.last_state, &r, error);
    base->line.api->give(self, reader);
    int64_t now = host_now(base->host);
    int64_t moment = query->as_of.ptr ? query_moment(query->as_of, at.committed_at, now) : now;
    return code == QUIPU_OK ? query_show_record(r, query, moment, visit, context, error) : code;
}

static int32_t take_index(quipu_backend *self, quipu_str as_of, record_index **out, void **held, int64_t *moment,
                          quipu_error *error)
{
    view *v;
    int32_t code = views_take(base_of(self)->views, as_of, &v, moment, error);
    *out = code == QUIPU_OK ? view_index(v) : NULL;
    *held = v;
    return code;
}

static void give_index(void *held)
{
    view_give(held);
}

static void distrust(quipu_backend *self)
{
    views_distrust(base_of(self)->views);
}

static embed_thread *follower(quipu_backend *self)
{
    return base_of(self)->follower;
}

const index_owner line_indexes = { take_index, give_index, distrust, follower };

int32_t line_scan(quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit, void *context,
                  const quipu_call *call, quipu_error *error)
{
    int32_t code = line_check_entry(self, call, error);
    return code == QUIPU_OK ? index_owner_scan(&line_indexes, self, query, visit, context, call, error) : code;
}

int32_t line_search(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                    const quipu_call *call, quipu_error *error)
{
    int32_t code = line_check_entry(self, call, error);
    return code == QUIPU_OK ? index_owner_search(&line_indexes, self, query, visit, context, call, error) : code;
}
