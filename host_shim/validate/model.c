/* model.c - see model.h. */
#include "model.h"

#include <stdlib.h>

static size_t place(const model *m, quipu_str id)
{
    size_t i = 0;
    while (i < m->count && !str_same(record_view(m->records[i])->id, id))
        i++;
    return i;
}

const quipu_record *model_find(const model *m, quipu_str id)
{
    size_t at = place(m, id);
    return at < m->count ? record_view(m->records[at]) : NULL;
}

static int32_t expectation(const quipu_change *c, const quipu_record *stored)
{
    if (c->expect == QUIPU_EXPECT_ABSENT && stored)
        return QUIPU_E_EXISTS;
    if (c->expect == QUIPU_EXPECT_PRESENT && !stored)
        return QUIPU_E_NOT_FOUND;
    if (c->expect == QUIPU_EXPECT_VERSION && (!stored || !str_same(stored->version, c->expected_version)))
        return QUIPU_E_CONFLICT;
    return QUIPU_OK;
}

static bool other_scope(const quipu_record *a, const quipu_record *b)
{
    return !str_same(a->user, b->user) || !str_same(a->agent, b->agent) || !str_same(a->session, b->session) ||
           !str_same(a->app, b->app);
}

static void make(model *m, const quipu_change *c, uint64_t *changed)
{
    size_t at = place(m, c->id);
    record *fresh = NULL;
    if (c->op == QUIPU_CHANGE_DELETE) {
        if (at < m->count) {
            record_free(m->records[at]);
            m->records[at] = m->records[--m->count];
            ++*changed;
        }
        return;
    }
    if (at < m->count && record_same_but_updated(record_view(m->records[at]), c->record))
        return;
    if (at == MODEL_RECORDS || record_from_view(c->record, false, &fresh, NULL) != QUIPU_OK)
        abort();
    if (at < m->count)
        record_free(m->records[at]);
    else
        m->count++;
    m->records[at] = fresh;
    ++*changed;
}

int32_t model_apply(model *m, const quipu_change *changes, size_t count, uint64_t *changed, int32_t *alternative)
{
    *changed = 0;
    *alternative = QUIPU_OK;
    for (size_t i = 0; i < count; i++) { /* no id occurs twice, so the order does not matter for what is found */
        const quipu_record *stored = model_find(m, changes[i].id);
        int32_t code = expectation(&changes[i], stored);
        bool scope = stored && changes[i].op == QUIPU_CHANGE_PUT && other_scope(stored, changes[i].record);
        if (scope)
            *alternative = code;
        if (scope || code != QUIPU_OK)
            return scope ? QUIPU_E_SCOPE : code;
    }
    for (size_t i = 0; i < count; i++)
        make(m, &changes[i], changed);
    return QUIPU_OK;
}

static int compare(const quipu_record *a, const quipu_record *b, uint32_t order)
{
    int by_id = str_compare(a->id, b->id);
    int by_time = a->created_at < b->created_at ? -1 : a->created_at > b->created_at;
    switch (order) {
    case 1:
        return by_time ? -by_time : -by_id;
    case 2:
        return by_time ? by_time : by_id;
    default:
        return by_id;
    }
}

size_t model_list(const model *m, const char *user, uint32_t order, const quipu_record **out)
{
    size_t count = 0;
    for (size_t i = 0; i < m->count; i++) {
        const quipu_record *r = record_view(m->records[i]);
        if (user && !str_same(r->user, str_of(user)))
            continue;
        size_t at = count++;
        for (; at > 0 && compare(r, out[at - 1], order) < 0; at--)
            out[at] = out[at - 1];
        out[at] = r;
    }
    return count;
}

void model_free(model *m)
{
    for (size_t i = 0; i < m->count; i++)
        record_free(m->records[i]);
    m->count = 0;
}
