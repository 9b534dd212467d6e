/* swap_copy.c - records on their way from the old store to the new one. */
#include "swap.h"

#include "uuid.h"

#include <base/fail.h>
#include <stdlib.h>

/* ---- reading ---- */

typedef struct copying {
    record *copy;
    int32_t code;
} copying;

static int32_t copy_hit(void *context, const quipu_hit *hit) QUIPU_NOEXCEPT
{
    copying *c = context;
    if (!c->copy)
        c->code = record_from_view(hit->record, false, &c->copy, NULL);
    return c->code;
}

int32_t side_get(const swap *s, const side *x, quipu_str id, record **out)
{
    static const quipu_filter all = { .struct_size = sizeof all,
                                      .flags = QUIPU_FILTER_EXPIRED,
                                      .now = QUIPU_TIME_NONE };
    quipu_get query = { .struct_size = sizeof query, .id = id, .filter = &all };
    quipu_error why = { .struct_size = sizeof why };
    copying c = { NULL, QUIPU_OK };
    int32_t code = x->api->get(x->self, &query, copy_hit, &c, s->call, &why);
    *out = code == QUIPU_OK ? c.copy : NULL;
    if (code == QUIPU_OK && c.copy)
        return QUIPU_OK;
    if (code == QUIPU_OK)
        return fail(s->error, QUIPU_E_PLUGIN, NULL, "a backend found a record, but did not show it");
    record_free(c.copy);
    if (code == QUIPU_E_NOT_FOUND)
        return QUIPU_OK;
    *s->error = why;
    return code;
}

/* ---- writing ---- */

int32_t swap_begin_set(swap *s, quipu_change_set *set)
{
    quipu_write_options options = { .struct_size = sizeof options, .operation = str_of("import") };
    *set = (quipu_change_set){ .struct_size = sizeof *set };
    return quipu_change_set_begin(s->q, &options, set, s->error);
}

static void batch_empty(batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        record_free(b->records[i]);
    id_list_free(&b->ids);
    b->count = 0;
    b->bytes = 0;
}

void batch_free(batch *b)
{
    batch_empty(b);
    free(b->records);
    free(b->changes);
    *b = (batch){ 0 };
}

/* deletes: only their deletion, whatever is to become of them. */
static void fill_changes(batch *b, bool deletes)
{
    quipu_str id;
    size_t at = 0;
    for (size_t i = 0; i < b->count && id_list_next(&b->ids, &at, &id); i++) {
        bool put = b->records[i] && !deletes;
        b->changes[i] = (quipu_change){ .struct_size = sizeof b->changes[i],
                                        .op = put ? QUIPU_CHANGE_PUT : QUIPU_CHANGE_DELETE,
                                        .id = id,
                                        .record = put ? record_view(b->records[i]) : NULL };
    }
}

static int32_t apply(swap *s, batch *b, bool deletes)
{
    quipu_change_set set;
    int32_t code = swap_begin_set(s, &set);
    fill_changes(b, deletes);
    set.changes = (quipu_array){ b->changes, b->count, sizeof *b->changes };
    return code == QUIPU_OK ? s->new.api->apply(s->new.self, &set, NULL, s->call, s->error) : code;
}

int32_t batch_write(swap *s, batch *b)
{
    int32_t code = QUIPU_OK;
    if (b->count == 0)
        return QUIPU_OK;
    if (b->ids.bytes.failed)
        return fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (!b->hard && (code = apply(s, b, false)) == QUIPU_E_SCOPE) {
        *s->error = (quipu_error){ .struct_size = sizeof *s->error };
        b->hard = true; /* the new store has one of them in another scope, from before */
    }
    if (b->hard) {
        code = apply(s, b, true);
        if (code == QUIPU_OK)
            code = apply(s, b, false);
    }
    s->report.written += code == QUIPU_OK ? b->count : 0;
    batch_empty(b);
    return code;
}

static bool batch_grow(batch *b)
{
    size_t room = b->room ? b->room * 2 : 64;
    if (b->count < b->room)
        return true;
    record **records = realloc(b->records, room * sizeof *records);
    if (!records)
        return false;
    b->records = records;
    quipu_change *changes = realloc(b->changes, room * sizeof *changes);
    if (!changes)
        return false;
    b->changes = changes;
    b->room = room;
    return true;
}

int32_t batch_add(swap *s, batch *b, record *r, quipu_str id)
{
    if (!batch_grow(b)) {
        record_free(r);
        return fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    }
    b->records[b->count++] = r;
    id_list_add(&b->ids, id);
    b->bytes += r ? record_view(r)->json.len : 0;
    return b->count >= PAGE_RECORDS || b->bytes >= PAGE_BYTES ? batch_write(s, b) : QUIPU_OK;
}

/* ---- carrying over what was written meanwhile ---- */

static bool same_version(const record *a, const record *b)
{
    return a && b ? str_same(record_view(a)->version, record_view(b)->version) : a == b;
}

static quipu_str version_of(const record *r)
{
    return r ? record_view(r)->version : (quipu_str){ NULL, 0 };
}

/* Compares one record; where it differs it goes into the batch, or is a fault. */
static int32_t look_at(swap *s, quipu_str id, batch *b, bool fault, bool *differs)
{
    record *old = NULL, *new = NULL;
    int32_t code = side_get(s, &s->old, id, &old);
    if (code == QUIPU_OK)
        code = side_get(s, &s->new, id, &new);
    *differs = code == QUIPU_OK && !same_version(old, new);
    if (code == QUIPU_OK && !*differs && !ledger_set(&s->known, id, version_of(old)))
        code = fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (*differs && fault) {
        code = fail(s->error, QUIPU_E_CONFLICT, NULL,
                    "the new backend shows a record otherwise than it was given: version %.*s, not %.*s", new ? 40 : 4,
                    new ? version_of(new).ptr : "none", old ? 40 : 4, old ? version_of(old).ptr : "none");
        fail_name_record(s->error, &id);
    }
    if (*differs && !fault && b) {
        code = batch_add(s, b, old, id);
        old = NULL;
    }
    record_free(old);
    record_free(new);
    return code;
}

/* One pass over `ids`: what differs is copied, and put into `again`. */
static int32_t pass(swap *s, const id_list *ids, bool hard, bool fault, id_list *again)
{
    batch b = { .hard = hard };
    quipu_str id;
    size_t at = 0;
    int32_t code = QUIPU_OK;
    while (code == QUIPU_OK && id_list_next(ids, &at, &id)) {
        bool differs;
        swap_pace(s);
        code = look_at(s, id, s->target == TARGET_SAME ? NULL : &b, fault, &differs);
        if (code == QUIPU_OK && differs)
            id_list_add(again, id);
    }
    if (code == QUIPU_OK)
        code = batch_write(s, &b);
    batch_free(&b);
    return code == QUIPU_OK && (ids->bytes.failed || again->bytes.failed)
               ? fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted")
               : code;
}

int32_t swap_gather(swap *s)
{
    if (s->follows)
        return history_advance(s);
    tap_take_noted(s->tap, &s->carry);
    return QUIPU_OK;
}

/* A put may be refused for another scope, or leave what differs in nothing but updated_at: so what still differs after it is deleted and put. */
int32_t swap_carry(swap *s, bool strict, size_t *count)
{
    id_list now = { 0 }, again = { 0 }, last = { 0 }, rest = { 0 };
    int32_t code = swap_gather(s);
    id_list_move(&s->carry, &now);
    id_list_sort(&now);
    *count = now.count;
    s->report.late += now.count;
    if (code == QUIPU_OK)
        code = pass(s, &now, false, false, &again);
    if (code == QUIPU_OK)
        code = pass(s, &again, true, false, &last);
    if (code == QUIPU_OK && strict)
        code = pass(s, &last, true, true, &rest);
    if (code == QUIPU_OK)
        id_list_move(&last, &s->carry);
    else
        id_list_move(&now, &s->carry); /* for the next attempt */
    swap_pace_end(s);
    id_list_free(&now);
    id_list_free(&again);
    id_list_free(&last);
    id_list_free(&rest);
    return code;
}
