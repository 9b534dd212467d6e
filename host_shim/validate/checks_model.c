/* checks_model.c - random operations on a backend and on the model, compared after each one. */
#include "check_table.h"
#include "model.h"

#include <base/fail.h>
#include <stdio.h>

#define IDS 12
#define SET_MAX 4

static const char *const users[] = { "ann", "bob" };
static const char *const words[] = { "apple", "pear", "plum", "cherry", "quince", "medlar" };

static record *random_record(probe *p, const char *id)
{
    char text[128], more[96];
    snprintf(text, sizeof text, "%s %s", words[probe_below(p, 6)], words[probe_below(p, 6)]);
    snprintf(more, sizeof more, ",\"created_at\":\"2024-01-0%uT00:00:00Z\",\"updated_at\":\"2024-02-0%uT00:00:00Z\"",
             1 + probe_below(p, 4), 1 + probe_below(p, 9));
    return probe_record(p, id, users[probe_below(p, 4) == 0], text, more);
}

/* What the store holds now, some old version, or one that never was. */
static void random_version(probe *p, const model *m, const char *id, char out[QUIPU_VERSION_LEN + 1])
{
    const quipu_record *stored = model_find(m, str_of(id));
    memset(out, 'a', QUIPU_VERSION_LEN);
    if (stored && probe_below(p, 3) > 0)
        memcpy(out, stored->version.ptr, QUIPU_VERSION_LEN);
    out[QUIPU_VERSION_LEN] = '\0';
}

typedef struct step {
    char ids[SET_MAX][8];
    char versions[SET_MAX][QUIPU_VERSION_LEN + 1];
    record *records[SET_MAX];
    quipu_change changes[SET_MAX];
    size_t count;
} step;

static void make_step(probe *p, const model *m, step *s)
{
    uint32_t first = probe_below(p, IDS);
    memset(s, 0, sizeof *s);
    s->count = probe_below(p, 3) ? 1 : 1 + probe_below(p, SET_MAX);
    for (size_t i = 0; i < s->count; i++) {
        uint32_t expect = probe_below(p, 2) ? QUIPU_EXPECT_ANY : probe_below(p, 4);
        snprintf(s->ids[i], sizeof s->ids[i], "id%02u", (first + (uint32_t)i * 5) % IDS);
        random_version(p, m, s->ids[i], s->versions[i]);
        const char *version = expect == QUIPU_EXPECT_VERSION ? s->versions[i] : NULL;
        if (probe_below(p, 4) == 0) {
            s->changes[i] = probe_delete(s->ids[i], expect, version);
        } else {
            s->records[i] = random_record(p, s->ids[i]);
            s->changes[i] = probe_put(s->records[i], expect, version);
        }
    }
}

static void do_step(probe *p, model *m, unsigned number)
{
    step s;
    quipu_error error = probe_error();
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    uint64_t changed;
    int32_t alternative;
    make_step(p, m, &s);
    int32_t wanted = model_apply(m, s.changes, s.count, &changed, &alternative);
    int32_t code = probe_apply(p, s.changes, s.count, &receipt, &error);
    if (code != wanted && (code != alternative || alternative == QUIPU_OK))
        probe_fail(p, "operation %u: apply of %zu changes (first: %s %s) answered %s, the model %s", number, s.count,
                   s.changes[0].op == QUIPU_CHANGE_PUT ? "put" : "delete", s.ids[0], error_name(code),
                   error_name(wanted));
    if (code == QUIPU_OK &&
        (receipt.changed != changed || !(receipt.flags & QUIPU_RECEIPT_UNCHANGED) != (changed != 0)))
        probe_fail(p, "operation %u: the receipt tells of %llu changes and flags %u; the model made %llu", number,
                   (unsigned long long)receipt.changed, receipt.flags, (unsigned long long)changed);
    for (size_t i = 0; i < s.count; i++)
        record_free(s.records[i]);
}

static void compare_one(probe *p, const model *m, unsigned number)
{
    char id[8];
    quipu_error error = probe_error();
    seen s = { 0 };
    const char *user = probe_below(p, 2) ? users[probe_below(p, 2)] : NULL;
    quipu_filter filter = probe_filter(user);
    snprintf(id, sizeof id, "id%02u", probe_below(p, IDS));
    const quipu_record *stored = model_find(m, str_of(id));
    if (stored && user && !str_same(stored->user, str_of(user)))
        stored = NULL;
    int32_t code = probe_get(p, id, user ? &filter : NULL, &s, &error);
    if (code != (stored ? QUIPU_OK : QUIPU_E_NOT_FOUND))
        probe_fail(p, "operation %u: get of %s (user %s) answered %s, the model %s it", number, id, user ? user : "any",
                   error_name(code), stored ? "has" : "does not have");
    if (stored && !str_same(str_make(s.json.bytes, s.json.len), stored->json))
        probe_fail(p, "operation %u: get of %s shows another record than the model holds", number, id);
    seen_free(&s);
}

/* The whole store, in pages of a random size. */
static void compare_all(probe *p, const model *m, unsigned number)
{
    const quipu_record *wanted[MODEL_RECORDS];
    const char *user = probe_below(p, 2) ? users[probe_below(p, 2)] : NULL;
    quipu_filter filter = probe_filter(user);
    char cursor[513];
    quipu_scan query = { .struct_size = sizeof query,
                         .order = probe_below(p, 3),
                         .filter = user ? &filter : NULL,
                         .limit = probe_below(p, 5) };
    size_t count = model_list(m, user, query.order, wanted);
    seen s = { 0 };
    for (size_t before = 0;;) {
        quipu_error error = probe_error();
        probe_want(p, p->api->scan(p->self, &query, seen_visit, &s, NULL, &error), QUIPU_OK, &error, "scan");
        if (s.count == before || query.limit == 0)
            break;
        if (query.limit && s.count - before > query.limit)
            probe_fail(p, "operation %u: a page of %llu has %zu records", number, (unsigned long long)query.limit,
                       s.count - before);
        before = s.count;
        memcpy(cursor, s.cursor, sizeof cursor);
        query.cursor = str_make(cursor, s.cursor_len);
    }
    if (s.count != count)
        probe_fail(p, "operation %u: scan in order %u shows %zu records, the model holds %zu", number, query.order,
                   s.count, count);
    for (size_t i = 0; i < count; i++)
        if (!str_same(str_of(s.ids[i]), wanted[i]->id) || !str_same(str_of(s.versions[i]), wanted[i]->version))
            probe_fail(p,
                       "operation %u: scan in order %u shows %s at place %zu, the model %.*s or another version of it",
                       number, query.order, s.ids[i], i, (int)wanted[i]->id.len, wanted[i]->id.ptr);
    seen_free(&s);
}

void check_model(probe *p)
{
    model m = { { NULL }, 0 };
    for (unsigned i = 1; i <= 100u << p->level; i++) {
        do_step(p, &m, i);
        compare_one(p, &m, i);
        if (i % 5 == 0)
            compare_all(p, &m, i);
    }
    model_free(&m);
}
