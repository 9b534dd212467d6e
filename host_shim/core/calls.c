/* calls.c - the calls of backend.h through the slot: enter, call, leave. */
#include "handle.h"

#include <base/fail.h>

int32_t quipu_apply_set(quipu *q, const quipu_change_set *set, quipu_receipt *receipt, const quipu_call *call,
                        quipu_error *error)
{
    passage p;
    int32_t code = handle_enter(q, &p, error);
    if (code != QUIPU_OK)
        return code;
    return handle_leave(q, &p, p.inside->api->apply(p.inside->self, set, receipt, call, error), error);
}

int32_t quipu_get_record(quipu *q, const quipu_get *query, quipu_hit_fn visit, void *context, const quipu_call *call,
                         quipu_error *error)
{
    passage p;
    int32_t code = handle_enter(q, &p, error);
    if (code != QUIPU_OK)
        return code;
    return handle_leave(q, &p, p.inside->api->get(p.inside->self, query, visit, context, call, error), error);
}

int32_t quipu_scan_records(quipu *q, const quipu_scan *query, quipu_hit_fn visit, void *context, const quipu_call *call,
                           quipu_error *error)
{
    passage p;
    int32_t code = handle_enter(q, &p, error);
    if (code != QUIPU_OK)
        return code;
    return handle_leave(q, &p, p.inside->api->scan(p.inside->self, query, visit, context, call, error), error);
}

int32_t quipu_search_records(quipu *q, const quipu_search *query, quipu_hit_fn visit, void *context,
                             const quipu_call *call, quipu_error *error)
{
    passage p;
    int32_t code = handle_enter(q, &p, error);
    if (code != QUIPU_OK)
        return code;
    return handle_leave(q, &p, p.inside->api->search(p.inside->self, query, visit, context, call, error), error);
}

int32_t quipu_read_stats(quipu *q, quipu_stat_fn visit, void *context, const quipu_call *call, quipu_error *error)
{
    passage p;
    int32_t code = handle_enter(q, &p, error);
    if (code != QUIPU_OK)
        return code;
    return handle_leave(q, &p, p.inside->api->stats(p.inside->self, visit, context, call, error), error);
}

int32_t quipu_flush(quipu *q, const quipu_call *call, quipu_error *error)
{
    passage p;
    int32_t code = handle_enter(q, &p, error);
    if (code != QUIPU_OK)
        return code;
    return handle_leave(q, &p, p.inside->api->flush(p.inside->self, call, error), error);
}

int32_t quipu_enter(quipu *q, quipu_lease *lease, quipu_error *error)
{
    passage p = { NULL, NULL };
    int32_t code = check_struct(lease, sizeof *lease, "lease", error);
    if (code == QUIPU_OK)
        code = handle_enter(q, &p, error);
    while (code == QUIPU_OK && p.inside->tap && tap_lease_begin(p.inside->tap) == TAP_SWITCHED) {
        slot_leave(p.count);
        code = handle_enter(q, &p, error);
    }
    if (code != QUIPU_OK)
        return code;
    const tap *t = p.inside->tap;
    lease->api = t ? t->old.api : p.inside->api;
    lease->self = t ? t->old.self : p.inside->self;
    lease->token = p.count;
    return QUIPU_OK;
}

void quipu_leave(quipu *q, quipu_lease *lease)
{
    (void)q;
    if (!lease || !lease->token)
        return;
    tap *t = slot_generation_of(lease->token)->tap;
    if (t)
        tap_lease_end(t);
    slot_leave(lease->token);
    lease->token = NULL;
}
