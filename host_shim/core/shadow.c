/* shadow.c - see shadow.h. */
#include "shadow.h"

int32_t shadow_apply(tap *t, const quipu_change_set *set, quipu_receipt *receipt, const quipu_call *call,
                     quipu_error *error)
{
    return t->old.api->apply(t->old.self, set, receipt, call, error);
}
int32_t shadow_get(tap *t, const quipu_get *query, quipu_hit_fn visit, void *context, const quipu_call *call,
                   quipu_error *error)
{
    return t->old.api->get(t->old.self, query, visit, context, call, error);
}
int32_t shadow_scan(tap *t, const quipu_scan *query, quipu_hit_fn visit, void *context, const quipu_call *call,
                    quipu_error *error)
{
    return t->old.api->scan(t->old.self, query, visit, context, call, error);
}
int32_t shadow_search(tap *t, const quipu_search *query, quipu_hit_fn visit, void *context, const quipu_call *call,
                      quipu_error *error)
{
    return t->old.api->search(t->old.self, query, visit, context, call, error);
}
void shadow_drop(quipu *q)
{
    (void)q;
}
