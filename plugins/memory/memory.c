/*
 * memory.c - the backend "memory": records in RAM, gone when the store is closed.
 *
 * It is a thin coat over the SDK: change.h checks what comes in, record_index.h keeps it and answers questions. What is
 * left here is the life cycle and the one atomic step, apply. It is the reference that other backends are compared with,
 * so it does the plainest thing everywhere.
 *
 * Locks: `writing` is held by apply from its first look at what is stored to its last change; the index locks its readers
 * out only for the moment in which all changes of a set appear.
 */

#include <base/fail.h>
#include <pthread.h>
#include <quipu/extensions.h>
#include <quipu/plugin.h>
#include <sdk/abi_check.h>
#include <sdk/change.h>
#include <sdk/embed_thread.h>
#include <sdk/json.h>
#include <sdk/query.h>
#include <sdk/recent_ids.h>
#include <sdk/record_index.h>
#include <stdlib.h>
#include <time.h>

struct quipu_backend {
    const quipu_host *host;
    record_index *index; /* NULL: created, not open */
    pthread_mutex_t writing;
    recent_ids applied;     /* under `writing` */
    embed_thread *follower; /* makes vectors; or NULL */
    uint32_t flags;         /* QUIPU_OPEN_* */
};

/* ---- life cycle ---- */

static int32_t memory_create(const quipu_host *host, quipu_backend **out, quipu_error *error)
{
    int32_t code;
    quipu_backend *self;
    if (!out)
        return fail(error, QUIPU_E_INVALID, "out", "out is NULL; give a place for the instance");
    *out = NULL;
    if ((code = abi_check_struct(host, sizeof *host, "quipu_host", error)) != QUIPU_OK)
        return code;
    self = calloc(1, sizeof *self);
    if (!self || pthread_mutex_init(&self->writing, NULL) != 0) {
        free(self);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a backend");
    }
    self->host = host;
    *out = self;
    return QUIPU_OK;
}

static int32_t take_index(quipu_backend *self, quipu_str as_of, record_index **out, void **held, int64_t *moment,
                          quipu_error *error)
{
    (void)as_of, (void)error;
    *moment = QUIPU_TIME_NONE;
    *out = self->index;
    *held = NULL;
    return QUIPU_OK;
}

static void give_index(void *held)
{
    (void)held;
}

static void distrust(quipu_backend *self)
{
    (void)self; /* nothing lies on the disk */
}

static const index_owner memory_index = { .take = take_index, .give = give_index, .distrust = distrust };

static void drop_records(quipu_backend *self)
{
    embed_thread_end(self->follower);
    self->follower = NULL;
    record_index_free(self->index);
    self->index = NULL;
    recent_ids_free(&self->applied);
}

static void memory_destroy(quipu_backend *self)
{
    if (!self)
        return;
    drop_records(self);
    pthread_mutex_destroy(&self->writing);
    free(self);
}

/* There are no settings yet; an object with none is fine. */
static int32_t check_config(quipu_str config, quipu_error *error)
{
    cJSON *tree = NULL;
    int32_t code;
    if (!config.ptr && config.len == 0)
        return QUIPU_OK;
    if ((code = json_parse(config, &tree, error)) != QUIPU_OK)
        return code;
    if (!cJSON_IsObject(tree))
        code = fail(error, QUIPU_E_INVALID, "config", "the configuration must be a JSON object");
    else if (tree->child)
        code = fail(error, QUIPU_E_INVALID, tree->child->string,
                    "the backend \"memory\" has no setting \"%s\"; it has none", tree->child->string);
    cJSON_Delete(tree);
    return code;
}

static int32_t memory_open(quipu_backend *self, const quipu_open_params *params, const quipu_call *call,
                           quipu_error *error)
{
    int32_t code;
    struct timespec now;
    if (self->index)
        return fail(error, QUIPU_E_STATE, NULL, "the store is open already; close it first");
    if ((code = abi_check_call(call, error)) != QUIPU_OK || (code = abi_check_open(params, error)) != QUIPU_OK ||
        (code = check_config(params->config, error)) != QUIPU_OK)
        return code;
    if (params->flags & QUIPU_OPEN_NO_CREATE)
        return fail(error, QUIPU_E_NOT_FOUND, "path",
                    "the backend \"memory\" keeps nothing, so there is never a store to find");
    clock_gettime(CLOCK_MONOTONIC, &now);
    recent_ids_begin(&self->applied, (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u ^ (uint64_t)(uintptr_t)self);
    self->flags = params->flags;
    code = record_index_create(self->host, &self->index, error);
    if (code == QUIPU_OK)
        self->follower = embed_thread_begin(&memory_index, self, self->host);
    return code;
}

static int32_t need_open(const quipu_backend *self, quipu_error *error)
{
    return self->index ? QUIPU_OK : fail(error, QUIPU_E_STATE, NULL, "no store is open; call open first");
}

/* What is asked of every call on an open store. */
static int32_t check_entry(const quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    int32_t code = need_open(self, error);
    return code != QUIPU_OK ? code : abi_check_call(call, error);
}

/* Drops the records even where the call is late: close always ends in state created. */
static int32_t memory_close(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    int32_t code = need_open(self, error);
    (void)call;
    drop_records(self);
    return code;
}

/* ---- apply ---- */

/* One change while its set is being applied. `before` and `after` are references of this set; NULL: nothing. */
typedef struct step {
    quipu_str id; /* borrowed from the set */
    record *before;
    record *after;
    bool alters;
} step;

static void free_steps(step *steps, uint64_t count)
{
    for (uint64_t i = 0; steps && i < count; i++) {
        record_free(steps[i].before);
        record_free(steps[i].after);
    }
    free(steps);
}

/* Checks every expectation and makes every copy, before anything is touched. Returns the number of changes that leave a
 * trace in *altering. */
static int32_t plan(quipu_backend *self, const quipu_change_set *set, step *steps, uint64_t *altering,
                    quipu_error *error)
{
    for (uint64_t i = 0; i < set->changes.count; i++) {
        const quipu_change *change = QUIPU_AT(quipu_change, &set->changes, i);
        const quipu_record *stored = NULL;
        int32_t code;
        steps[i].id = change->id;
        if ((steps[i].before = record_index_find(self->index, change->id)))
            stored = record_view(steps[i].before);
        if ((code = change_check_expectation(change, stored, (size_t)i, error)) != QUIPU_OK)
            return code;
        steps[i].alters = change_alters(change, stored);
        *altering += steps[i].alters;
        if (steps[i].alters && change->op == QUIPU_CHANGE_PUT &&
            (code = record_from_view(change->record, false, &steps[i].after, error)) != QUIPU_OK)
            return code;
    }
    return QUIPU_OK;
}

static int32_t store(quipu_backend *self, quipu_str id, record *r, quipu_error *error)
{
    if (r)
        return record_index_put(self->index, r, error);
    record_index_remove(self->index, id);
    return QUIPU_OK;
}

/* All of it appears to readers at once. A failure (memory) takes back what was done. */
static int32_t commit(quipu_backend *self, const step *steps, uint64_t count, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    uint64_t done = 0;
    record_index_begin(self->index);
    for (; done < count && code == QUIPU_OK; done++)
        if (steps[done].alters)
            code = store(self, steps[done].id, steps[done].after, error);
    while (code != QUIPU_OK && done > 0)
        if (steps[--done].alters)
            store(self, steps[done].id, steps[done].before, NULL);
    record_index_end(self->index);
    return code;
}

static int32_t apply_locked(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt,
                            const quipu_call *call, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    uint64_t altering = 0, count = set->changes.count;
    step *steps;
    if (recent_ids_has(&self->applied, set->change_id)) {
        receipt_fill(receipt, QUIPU_RECEIPT_DUPLICATE, 0, NULL);
        return QUIPU_OK;
    }
    steps = calloc(count ? (size_t)count : 1, sizeof *steps);
    if (!steps || !recent_ids_reserve(&self->applied))
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a set of %llu changes", (unsigned long long)count);
    if (code == QUIPU_OK)
        code = plan(self, set, steps, &altering, error);
    if (code == QUIPU_OK)
        code = call_check(call, error); /* the last moment to be taken back */
    if (code == QUIPU_OK && altering)
        code = commit(self, steps, count, error);
    if (code == QUIPU_OK) {
        recent_ids_add(&self->applied, set->change_id);
        receipt_fill(receipt, altering ? 0 : QUIPU_RECEIPT_UNCHANGED, altering, NULL);
    }
    free_steps(steps, count);
    return code;
}

static int32_t memory_apply(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt,
                            const quipu_call *call, quipu_error *error)
{
    int32_t code;
    if ((code = check_entry(self, call, error)) != QUIPU_OK || (code = change_set_check(set, error)) != QUIPU_OK ||
        (code = receipt_check(receipt, error)) != QUIPU_OK)
        return code;
    if (self->flags & QUIPU_OPEN_READ_ONLY)
        return fail(error, QUIPU_E_READ_ONLY, NULL, "the store was opened for reading only");
    pthread_mutex_lock(&self->writing);
    code = apply_locked(self, set, receipt, call, error);
    pthread_mutex_unlock(&self->writing);
    embed_thread_wake(self->follower);
    return code;
}

/* ---- reading ---- */

static int32_t refuse_as_of(quipu_str as_of, quipu_error *error)
{
    if (!as_of.ptr)
        return QUIPU_OK;
    return fail(error, QUIPU_E_UNSUPPORTED, "as_of",
                "the backend \"memory\" keeps no history; ask for the present state");
}

static int32_t memory_get(quipu_backend *self, const quipu_get *query, quipu_hit_fn visit, void *context,
                          const quipu_call *call, quipu_error *error)
{
    int32_t code;
    if ((code = check_entry(self, call, error)) != QUIPU_OK ||
        (code = abi_check_struct(query, sizeof *query, "quipu_get", error)) != QUIPU_OK ||
        (code = refuse_as_of(query->as_of, error)) != QUIPU_OK)
        return code;
    return record_index_get(self->index, query, visit, context, call, error);
}

static int32_t memory_scan(quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit, void *context,
                           const quipu_call *call, quipu_error *error)
{
    int32_t code;
    if ((code = check_entry(self, call, error)) != QUIPU_OK ||
        (code = abi_check_struct(query, sizeof *query, "quipu_scan", error)) != QUIPU_OK ||
        (code = refuse_as_of(query->as_of, error)) != QUIPU_OK)
        return code;
    return record_index_scan(self->index, query, visit, context, call, error);
}

static int32_t memory_search(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                             const quipu_call *call, quipu_error *error)
{
    int32_t code;
    if ((code = check_entry(self, call, error)) != QUIPU_OK ||
        (code = abi_check_struct(query, sizeof *query, "quipu_search", error)) != QUIPU_OK ||
        (code = refuse_as_of(query->as_of, error)) != QUIPU_OK)
        return code;
    return record_index_search(self->index, query, visit, context, call, error);
}

/* "persistent" 0 tells a host that a store is gone once it is closed. */
static int32_t memory_stats(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call,
                            quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code != QUIPU_OK)
        return code;
    const quipu_stat figures[] = {
        { .struct_size = sizeof(quipu_stat),
          .name = QUIPU_STR_INIT("records"),
          .value = (int64_t)record_index_count(self->index) },
        { .struct_size = sizeof(quipu_stat), .name = QUIPU_STR_INIT("persistent"), .value = 0 },
        { .struct_size = sizeof(quipu_stat),
          .name = QUIPU_STR_INIT("kept_in"),
          .text = QUIPU_STR_INIT("the memory of one process; nothing is left when the store is closed") },
    };
    return query_show_figures(figures, sizeof figures / sizeof figures[0], visit, context, error);
}

static int32_t memory_flush(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    return check_entry(self, call, error);
}

static int32_t memory_vectors_state(quipu_backend *self, quipu_vectors_state *out, const quipu_call *call,
                                    quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? record_index_show_vectors(self->index, out, call, error) : code;
}

static int32_t memory_vectors_embed(quipu_backend *self, quipu_vectors_fn visit, void *context, const quipu_call *call,
                                    quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? record_index_embed(self->index, visit, context, call, error) : code;
}

static const void *memory_get_extension(quipu_backend *self, const quipu_str *id)
{
    static const quipu_vectors_api vectors = { .struct_size = sizeof vectors,
                                               .state = memory_vectors_state,
                                               .embed = memory_vectors_embed };
    (void)self;
    return id && id->ptr && QUIPU_IS(id, QUIPU_EXT_VECTORS) ? &vectors : NULL;
}

/* ---- the plugin ---- */

static void plugin_deinit(void)
{
}

static const quipu_backend_api memory_api = {
    .struct_size = sizeof(quipu_backend_api),
    .create = memory_create,
    .destroy = memory_destroy,
    .open = memory_open,
    .close = memory_close,
    .apply = memory_apply,
    .get = memory_get,
    .scan = memory_scan,
    .search = memory_search,
    .stats = memory_stats,
    .flush = memory_flush,
    .get_extension = memory_get_extension,
};

static const quipu_backend_desc memory_desc = {
    .struct_size = sizeof(quipu_backend_desc),
    .format = QUIPU_RECORD_FORMAT,
    .name = QUIPU_STR_INIT("memory"),
    .summary = QUIPU_STR_INIT("records in RAM, gone when the store is closed"),
    .api = &memory_api,
};

static const quipu_backend_list memory_list = {
    .struct_size = sizeof(quipu_backend_list),
    .items = { &memory_desc, 1, sizeof(quipu_backend_desc) },
};

static const void *plugin_factory(const quipu_str *id)
{
    return id && QUIPU_IS(id, QUIPU_BACKENDS) ? &memory_list : NULL;
}

QUIPU_PLUGIN("memory", QUIPU_VERSION, "Apache-2.0", QUIPU_PLUGIN_FORK_SAFE, abi_negotiate, plugin_deinit,
             plugin_factory);
