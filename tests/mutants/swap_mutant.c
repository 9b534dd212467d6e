/*
 * swap_mutant.c - the tiny backend under the name "faulty", which goes wrong when and how its configuration says, for the tests of swaps.
 *
 *     {"fault":"fail","at":7,"run":3}
 *
 * Its 7th operation goes wrong, counted over all instances since the number of the run was another one. fail: it answers QUIPU_E_IO. drop: an
 * apply answers success, and does nothing. hide: a scan leaves its second record out. double: a scan shows one twice. blind: a search finds
 * nothing. slow: it takes 30 ms, or as many as "ms" says. Those that do not fit the operation do nothing. "at":0: every operation that fits;
 * "from":N: every one from the N-th on.
 */
#define quipu_plugin_entry tiny_entry
#include <quipu/plugin.h>

/* NOLINTNEXTLINE(bugprone-suspicious-include): it is the tiny backend, from within */
#include "../../examples/tiny_backend.c"

#undef quipu_plugin_entry

#include <sdk/json.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static struct {
    char fault[16];
    int64_t at, from, run, ms;
    atomic_long count;
} plan;

static void read_plan(quipu_str config)
{
    cJSON *tree = NULL;
    int64_t run = 0;
    if (json_parse(config, &tree, NULL) != QUIPU_OK)
        return;
    const char *fault = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "fault"));
    (void)json_is_int(cJSON_GetObjectItemCaseSensitive(tree, "run"), &run);
    if (run != plan.run)
        atomic_store(&plan.count, 0);
    plan.run = run;
    plan.at = plan.from = 0;
    plan.ms = 30;
    (void)json_is_int(cJSON_GetObjectItemCaseSensitive(tree, "at"), &plan.at);
    (void)json_is_int(cJSON_GetObjectItemCaseSensitive(tree, "from"), &plan.from);
    (void)json_is_int(cJSON_GetObjectItemCaseSensitive(tree, "ms"), &plan.ms);
    snprintf(plan.fault, sizeof plan.fault, "%s", fault ? fault : "");
    cJSON_Delete(tree);
}

/* One operation more; whether it is the one. */
static bool is_time(void)
{
    long number = atomic_fetch_add(&plan.count, 1) + 1;
    return number >= plan.from && (plan.at == 0 || number == plan.at);
}

static bool is_fault(const char *name)
{
    return strcmp(plan.fault, name) == 0;
}

static int32_t trip(bool now, quipu_error *error)
{
    const struct timespec rest = { 0, (long)plan.ms * 1000000 };
    if (now && is_fault("slow"))
        nanosleep(&rest, NULL);
    return now && is_fault("fail") ? fail(error, QUIPU_E_IO, NULL, "this operation was to go wrong") : QUIPU_OK;
}

static int32_t faulty_open(quipu_backend *self, const quipu_open_params *params, const quipu_call *call,
                           quipu_error *error)
{
    quipu_open_params plain = *params;
    if (params->config.len)
        read_plan(params->config);
    plain.config = (quipu_str){ NULL, 0 };
    int32_t code = trip(is_time(), error);
    return code == QUIPU_OK ? tiny_open(self, &plain, call, error) : code;
}

static int32_t faulty_apply(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt,
                            const quipu_call *call, quipu_error *error)
{
    bool now = is_time();
    int32_t code = trip(now, error);
    if (now && is_fault("drop")) {
        receipt_fill(receipt, 0, set->changes.count, "");
        return QUIPU_OK;
    }
    return code == QUIPU_OK ? tiny_apply(self, set, receipt, call, error) : code;
}

static int32_t faulty_get(quipu_backend *self, const quipu_get *q, quipu_hit_fn visit, void *context,
                          const quipu_call *call, quipu_error *error)
{
    int32_t code = trip(is_time(), error);
    return code == QUIPU_OK ? tiny_get(self, q, visit, context, call, error) : code;
}

typedef struct showing {
    quipu_hit_fn visit;
    void *context;
    int seen;
} showing;

static int32_t hide(void *context, const quipu_hit *hit)
{
    showing *s = context;
    return ++s->seen == 2 ? 0 : s->visit(s->context, hit);
}

static int32_t twice(void *context, const quipu_hit *hit)
{
    showing *s = context;
    int32_t answer = s->visit(s->context, hit);
    return answer == 0 && ++s->seen == 2 ? s->visit(s->context, hit) : answer;
}

static int32_t faulty_scan(quipu_backend *self, const quipu_scan *q, quipu_hit_fn visit, void *context,
                           const quipu_call *call, quipu_error *error)
{
    bool now = is_time();
    showing s = { visit, context, 0 };
    int32_t code = trip(now, error);
    if (code == QUIPU_OK && now && (is_fault("hide") || is_fault("double")))
        return tiny_scan(self, q, is_fault("hide") ? hide : twice, &s, call, error);
    return code == QUIPU_OK ? tiny_scan(self, q, visit, context, call, error) : code;
}

static int32_t faulty_search(quipu_backend *self, const quipu_search *q, quipu_hit_fn visit, void *context,
                             const quipu_call *call, quipu_error *error)
{
    bool now = is_time();
    int32_t code = trip(now, error);
    if (now && is_fault("blind"))
        return QUIPU_OK;
    return code == QUIPU_OK ? tiny_search(self, q, visit, context, call, error) : code;
}

static int32_t faulty_stats(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call,
                            quipu_error *error)
{
    int32_t code = trip(is_time(), error);
    return code == QUIPU_OK ? tiny_stats(self, visit, context, call, error) : code;
}

static int32_t faulty_flush(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    int32_t code = trip(is_time(), error);
    return code == QUIPU_OK ? tiny_flush(self, call, error) : code;
}

static const quipu_backend_api faulty_api = {
    sizeof faulty_api, 0,           tiny_create,   tiny_destroy, faulty_open,  tiny_close,        faulty_apply,
    faulty_get,        faulty_scan, faulty_search, faulty_stats, faulty_flush, tiny_get_extension
};
static const quipu_backend_desc faulty_desc = { sizeof faulty_desc, QUIPU_RECORD_FORMAT, QUIPU_STR_INIT("faulty"),
                                                QUIPU_STR_INIT("goes wrong as it is told"), &faulty_api };
static const quipu_backend_list faulty_list = { sizeof faulty_list, 0, { &faulty_desc, 1, sizeof faulty_desc } };

static const void *faulty_factory(const quipu_str *id)
{
    return id && QUIPU_IS(id, QUIPU_BACKENDS) ? &faulty_list : NULL;
}

/* The note in the file is the tiny backend's. */
extern QUIPU_EXPORT const quipu_plugin quipu_plugin_entry;
const quipu_plugin quipu_plugin_entry = { sizeof(quipu_plugin),
                                          QUIPU_PLUGIN_MAGIC,
                                          QUIPU_ABI_VERSION,
                                          QUIPU_ABI_VERSION,
                                          QUIPU_PLUGIN_FORK_SAFE,
                                          0,
                                          QUIPU_STR_INIT("org.example.tiny"),
                                          QUIPU_STR_INIT("0.1.0"),
                                          QUIPU_STR_INIT("Apache-2.0"),
                                          abi_negotiate,
                                          deinit,
                                          faulty_factory };
