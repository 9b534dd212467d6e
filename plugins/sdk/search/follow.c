/* follow.c - see follow.h. */
#include <sdk/follow.h>

#include <base/buffer.h>
#include <sdk/embed_thread.h>
#include <sdk/query.h>

typedef struct counted {
    quipu_hit_fn visit;
    void *context;
    uint64_t shown;
    bool tried, refused;
    char cursor[QUIPU_ID_MAX + 32]; /* of the last hit; longer than any that an index gives */
    quipu_str last;                 /* in it; empty: the hit had none */
} counted;

static int32_t count_hit(void *context, const quipu_hit *hit)
{
    counted *c = context;
    c->last = (quipu_str){ 0 };
    if (str_present(hit->cursor) && hit->cursor.len <= sizeof c->cursor)
        c->last = str_make(memcpy(c->cursor, hit->cursor.ptr, (size_t)hit->cursor.len), (size_t)hit->cursor.len);
    c->shown++;
    int32_t answer = c->visit(c->context, hit);
    c->refused = answer < 0;
    return answer;
}

static bool damage_is_past(const index_owner *owner, quipu_backend *self, int32_t code, counted *c)
{
    bool first = !c->tried;
    if (code != QUIPU_E_CORRUPT || c->refused)
        return false;
    owner->distrust(self);
    c->tried = true;
    return first && (c->shown == 0 || str_present(c->last));
}

int32_t index_owner_scan(const index_owner *owner, quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit,
                         void *context, const quipu_call *call, quipu_error *error)
{
    int32_t code = query_check_scan(query, error);
    if (code != QUIPU_OK)
        return code;
    quipu_scan present = *query;
    present.as_of = (quipu_str){ 0 };
    present.struct_size = sizeof present;
    counted seen = { .visit = visit, .context = context };
    quipu_filter then;
    int64_t moment;
    bool again;
    do {
        record_index *index;
        void *held;
        code = owner->take(self, query->as_of, &index, &held, &moment, error);
        if (code != QUIPU_OK)
            return code;
        present.filter = query_filter_then(query->filter, moment, &then);
        if (seen.shown > 0) {
            present.cursor = seen.last;
            present.limit -= query->limit ? seen.shown : 0;
        }
        code = record_index_scan(index, &present, count_hit, &seen, call, error);
        owner->give(held);
        again = damage_is_past(owner, self, code, &seen);
    } while (again);
    return code;
}

int32_t index_owner_search(const index_owner *owner, quipu_backend *self, const quipu_search *query, quipu_hit_fn visit,
                           void *context, const quipu_call *call, quipu_error *error)
{
    int32_t code = query_check_search(query, error);
    if (code != QUIPU_OK)
        return code;
    quipu_search present = *query;
    present.as_of = (quipu_str){ 0 };
    present.struct_size = sizeof present;
    counted seen = { .visit = visit, .context = context };
    quipu_filter then;
    int64_t moment;
    bool again;
    do {
        record_index *index;
        void *held;
        code = owner->take(self, query->as_of, &index, &held, &moment, error);
        if (code != QUIPU_OK)
            return code;
        present.filter = query_filter_then(query->filter, moment, &then);
        code = record_index_search(index, &present, count_hit, &seen, call, error);
        owner->give(held);
        again = damage_is_past(owner, self, code, &seen);
    } while (again);
    if (owner->follower)
        embed_thread_wake(owner->follower(self)); /* it may have seen what another process wrote */
    return code;
}

int32_t index_owner_vectors(const index_owner *owner, quipu_backend *self, quipu_vectors_state *out,
                            const quipu_call *call, quipu_error *error)
{
    record_index *ix;
    void *held;
    int64_t moment;
    int32_t code = owner->take(self, (quipu_str){ 0 }, &ix, &held, &moment, error);
    if (code != QUIPU_OK)
        return code;
    code = record_index_show_vectors(ix, out, call, error);
    owner->give(held);
    return code;
}

int32_t index_owner_embed(const index_owner *owner, quipu_backend *self, quipu_vectors_fn visit, void *context,
                          const quipu_call *call, quipu_error *error)
{
    record_index *ix;
    void *held;
    int64_t moment;
    int32_t code = owner->take(self, (quipu_str){ 0 }, &ix, &held, &moment, error);
    if (code != QUIPU_OK)
        return code;
    code = record_index_embed(ix, visit, context, call, error);
    owner->give(held);
    return code;
}
