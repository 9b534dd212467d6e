/* shadow.c - see shadow.h. */
#include "shadow.h"

#include "handle.h"
#include "swap.h"

#include <base/fail.h>
#include <base/hash.h>
#include <stdio.h>
#include <stdlib.h>

enum { HITS_KEPT = 100, BUCKETS = 64 * 8 };

/* How long calls took: eight buckets for each power of two of nanoseconds. */
typedef struct times {
    atomic_uint_fast64_t buckets[BUCKETS];
} times;

typedef enum sort { READS, WRITES, SORTS } sort;

struct shadow {
    tap *tap;
    tenant *to;
    pthread_mutex_t order;            /* writes go to both under it; guards `first` */
    atomic_uint_fast64_t begun, done; /* writes */
    atomic_uint_fast64_t writes, gets, scans, searches, apart, unsure, shown, both;
    times active[SORTS], second[SORTS];
    char first[256]; /* the first disagreement */
};

shadow *shadow_new(void)
{
    shadow *s = calloc(1, sizeof *s);
    if (s)
        pthread_mutex_init(&s->order, NULL);
    return s;
}

void shadow_free(shadow *s)
{
    if (!s)
        return;
    pthread_mutex_destroy(&s->order);
    free(s);
}

void shadow_bind(shadow *s, tap *t, struct tenant *to)
{
    s->tap = t;
    s->to = to;
}

/* ---- times ---- */

static size_t bucket_of(int64_t ns)
{
    uint64_t value = ns < 8 ? 8 : (uint64_t)ns;
    unsigned power = 63u - (unsigned)__builtin_clzll(value);
    return power * 8u + (size_t)(value >> (power - 3) & 7u);
}

static int64_t value_of(size_t bucket)
{
    unsigned power = (unsigned)(bucket / 8);
    return power < 3 ? 0 : (int64_t)((8u + bucket % 8) << (power - 3));
}

static void note_time(times *t, int64_t began)
{
    atomic_fetch_add_explicit(&t->buckets[bucket_of(swap_clock() - began)], 1, memory_order_relaxed);
}

static int64_t quantile(const times *t, double share)
{
    uint64_t all = 0, seen = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        all += atomic_load_explicit(&t->buckets[i], memory_order_relaxed);
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += atomic_load_explicit(&t->buckets[i], memory_order_relaxed);
        if (all && (double)seen >= share * (double)all)
            return value_of(i);
    }
    return 0;
}

static void disagree(shadow *s, const char *what, quipu_str about, const char *how)
{
    atomic_fetch_add(&s->apart, 1);
    pthread_mutex_lock(&s->order);
    if (!s->first[0])
        snprintf(s->first, sizeof s->first, "%s of \"%.*s\": %s", what, (int)(about.len < 80 ? about.len : 80),
                 about.ptr ? about.ptr : "", how);
    pthread_mutex_unlock(&s->order);
}

/* ---- writes ---- */

static quipu_str first_id(const quipu_change_set *set)
{
    return set->changes.count ? QUIPU_AT(quipu_change, &set->changes, 0)->id : (quipu_str){ NULL, 0 };
}

int32_t shadow_apply(tap *t, const quipu_change_set *set, quipu_receipt *receipt, const quipu_call *call,
                     quipu_error *error)
{
    shadow *s = t->shadow;
    char how[160] = "";
    quipu_receipt one = { .struct_size = sizeof one }, two = { .struct_size = sizeof two };
    quipu_error why = { .struct_size = sizeof why };
    pthread_mutex_lock(&s->order);
    atomic_fetch_add(&s->begun, 1);
    int64_t began = swap_clock();
    int32_t code = t->old.api->apply(t->old.self, set, receipt ? receipt : &one, call, error);
    note_time(&s->active[WRITES], began);
    if (code == QUIPU_OK) { /* what the active one refused must not come to be in the other */
        began = swap_clock();
        int32_t second = t->next.api->apply(t->next.self, set, &two, NULL, &why);
        note_time(&s->second[WRITES], began);
        uint64_t changed = receipt ? receipt->changed : one.changed;
        if (second != QUIPU_OK)
            snprintf(how, sizeof how, "the second backend answers %s: %.100s", error_name(second), why.message);
        else if (two.changed != changed)
            snprintf(how, sizeof how, "%llu records changed, in the second backend %llu", (unsigned long long)changed,
                     (unsigned long long)two.changed);
    }
    atomic_fetch_add(&s->writes, 1);
    atomic_fetch_add(&s->done, 1);
    pthread_mutex_unlock(&s->order);
    if (how[0])
        disagree(s, "write", first_id(set), how);
    return code;
}

/* ---- reads ---- */

/* What an answer was made of. */
typedef struct answer {
    quipu_hit_fn visit; /* the caller's, or NULL */
    void *context;
    uint64_t count;
    uint64_t stop_at; /* of the second one: where the caller had enough of the first */
    uint64_t chain;   /* over ids and versions in their order */
    uint64_t ids[HITS_KEPT];
    int32_t ended; /* what the visitor said to end it */
} answer;

static int32_t see_hit(void *context, const quipu_hit *hit) QUIPU_NOEXCEPT
{
    answer *a = context;
    uint64_t id = hash_table_key(hit->record->id.ptr, (size_t)hit->record->id.len, 1);
    a->chain = hash_table_key(hit->record->version.ptr, (size_t)hit->record->version.len, a->chain ^ id);
    if (a->count < HITS_KEPT)
        a->ids[a->count] = id;
    a->count++;
    if (a->visit)
        a->ended = a->visit(a->context, hit);
    else
        a->ended = a->count == a->stop_at;
    return a->ended;
}

typedef struct reading {
    tap *t;
    uint64_t written; /* before the first call */
    bool quiet;       /* and none of them was under way */
    answer one, two;
    int32_t code, second;
    int64_t began;
} reading;

static void read_begin(reading *r, tap *t, quipu_hit_fn visit, void *context)
{
    *r = (reading){ .t = t, .one = { .visit = visit, .context = context } };
    uint64_t done = atomic_load(&t->shadow->done);
    r->written = atomic_load(&t->shadow->begun);
    r->quiet = done == r->written;
    r->began = swap_clock();
}

/* Whether the second backend is to be asked as well. */
static bool read_again(reading *r, int32_t code)
{
    r->code = code;
    note_time(&r->t->shadow->active[READS], r->began);
    r->two.stop_at = r->one.ended > 0 ? r->one.count : 0;
    r->began = swap_clock();
    return r->one.ended >= 0 && (code == QUIPU_OK || code == QUIPU_E_NOT_FOUND);
}

/* Whether the two answers can be compared. */
static bool read_end(reading *r, int32_t second)
{
    shadow *s = r->t->shadow;
    r->second = second;
    note_time(&s->second[READS], r->began);
    if (r->quiet && atomic_load(&s->begun) == r->written)
        return true;
    atomic_fetch_add(&s->unsure, 1);
    return false;
}

static void compare_exactly(const reading *r, const char *what, quipu_str about)
{
    char how[160];
    shadow *s = r->t->shadow;
    if (r->code != r->second)
        snprintf(how, sizeof how, "%s, from the second backend %s", error_name(r->code), error_name(r->second));
    else if (r->one.count != r->two.count)
        snprintf(how, sizeof how, "%llu results, from the second backend %llu", (unsigned long long)r->one.count,
                 (unsigned long long)r->two.count);
    else if (r->one.chain != r->two.chain)
        snprintf(how, sizeof how, "other records, another order or other versions");
    else
        return;
    disagree(s, what, about, how);
}

int32_t shadow_get(tap *t, const quipu_get *query, quipu_hit_fn visit, void *context, const quipu_call *call,
                   quipu_error *error)
{
    reading r;
    read_begin(&r, t, visit, context);
    int32_t code = t->old.api->get(t->old.self, query, see_hit, &r.one, call, error);
    if (!read_again(&r, code) || query->as_of.ptr)
        return code;
    atomic_fetch_add(&t->shadow->gets, 1);
    if (read_end(&r, t->next.api->get(t->next.self, query, see_hit, &r.two, NULL, NULL)))
        compare_exactly(&r, "get", query->id);
    return code;
}

/* A cursor means something only to the backend that gave it. */
int32_t shadow_scan(tap *t, const quipu_scan *query, quipu_hit_fn visit, void *context, const quipu_call *call,
                    quipu_error *error)
{
    reading r;
    read_begin(&r, t, visit, context);
    int32_t code = t->old.api->scan(t->old.self, query, see_hit, &r.one, call, error);
    if (!read_again(&r, code) || query->as_of.ptr || query->cursor.ptr)
        return code;
    atomic_fetch_add(&t->shadow->scans, 1);
    if (read_end(&r, t->next.api->scan(t->next.self, query, see_hit, &r.two, NULL, NULL)))
        compare_exactly(&r, "list", (quipu_str){ NULL, 0 });
    return code;
}

/* Rankings may differ: that is no disagreement as long as anything is found by both, but it is counted. */
static void compare_searches(const reading *r, quipu_str text)
{
    shadow *s = r->t->shadow;
    uint64_t both = 0, one = r->one.count < HITS_KEPT ? r->one.count : HITS_KEPT;
    uint64_t two = r->two.count < HITS_KEPT ? r->two.count : HITS_KEPT;
    if (r->code != r->second) {
        compare_exactly(r, "search", text);
        return;
    }
    for (uint64_t i = 0; i < one; i++)
        for (uint64_t j = 0; j < two; j++)
            both += r->one.ids[i] == r->two.ids[j];
    atomic_fetch_add(&s->shown, one > two ? one : two);
    atomic_fetch_add(&s->both, both);
    if (both == 0 && one > 0)
        disagree(s, "search", text, "nothing was found by both backends");
}

int32_t shadow_search(tap *t, const quipu_search *query, quipu_hit_fn visit, void *context, const quipu_call *call,
                      quipu_error *error)
{
    reading r;
    read_begin(&r, t, visit, context);
    int32_t code = t->old.api->search(t->old.self, query, see_hit, &r.one, call, error);
    if (!read_again(&r, code) || query->as_of.ptr)
        return code;
    atomic_fetch_add(&t->shadow->searches, 1);
    if (read_end(&r, t->next.api->search(t->next.self, query, see_hit, &r.two, NULL, NULL)))
        compare_searches(&r, query->text);
    return code;
}

/* ---- the report and the end ---- */

static void fill(shadow *s, quipu_shadow_report *out)
{
    uint64_t shown = atomic_load(&s->shown);
    *out = (quipu_shadow_report){ .struct_size = sizeof *out,
                                  .writes = atomic_load(&s->writes),
                                  .gets = atomic_load(&s->gets),
                                  .scans = atomic_load(&s->scans),
                                  .searches = atomic_load(&s->searches),
                                  .apart = atomic_load(&s->apart),
                                  .unsure = atomic_load(&s->unsure),
                                  .agreement = shown ? atomic_load(&s->both) * 1000 / shown : 1000,
                                  .read_p50_ns = quantile(&s->active[READS], 0.5),
                                  .read_p99_ns = quantile(&s->active[READS], 0.99),
                                  .write_p50_ns = quantile(&s->active[WRITES], 0.5),
                                  .write_p99_ns = quantile(&s->active[WRITES], 0.99),
                                  .shadow_read_p50_ns = quantile(&s->second[READS], 0.5),
                                  .shadow_read_p99_ns = quantile(&s->second[READS], 0.99),
                                  .shadow_write_p50_ns = quantile(&s->second[WRITES], 0.5),
                                  .shadow_write_p99_ns = quantile(&s->second[WRITES], 0.99) };
    pthread_mutex_lock(&s->order);
    memcpy(out->first, s->first, sizeof out->first);
    pthread_mutex_unlock(&s->order);
}

/* The active backend stands alone again. */
static void end(quipu *q, shadow *s)
{
    slot_generation *g;
    const tenant *active = atomic_load(&q->active);
    tap_let_go(s->tap, TAP_THROUGH);
    if (slot_prepare(&q->slot, &g, NULL) != QUIPU_OK)
        return; /* without memory it stays as it is, until the handle is closed */
    g->api = tenant_api(active);
    g->self = active->self;
    slot_generation *before = slot_exchange(&q->slot, g);
    (void)slot_drain(before, 0, NULL);
    before->tap = NULL;
    tap_free(s->tap);
    tenant_close(q, s->to, NULL);
    shadow_free(s);
    q->shadow = NULL;
}

void shadow_drop(quipu *q)
{
    if (q->shadow)
        end(q, q->shadow);
}

static int32_t report_shadow(quipu *q, bool ends, quipu_shadow_report *report, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    if (!q || q->epoch != fork_epoch_now())
        return handle_refuse(q, error);
    if (report && (code = check_struct(report, sizeof *report, "report", error)) != QUIPU_OK)
        return code;
    if (pthread_mutex_trylock(&q->control) != 0)
        return fail(error, QUIPU_E_BUSY, NULL, "a swap of this handle is under way");
    shadow *s = q->shadow;
    if (!s)
        code = fail(error, QUIPU_E_STATE, NULL, "shadow mode is not on");
    if (code == QUIPU_OK && report)
        fill(s, report);
    if (code == QUIPU_OK && ends)
        end(q, s);
    pthread_mutex_unlock(&q->control);
    return code;
}

int32_t quipu_shadow_read(quipu *q, quipu_shadow_report *report, quipu_error *error)
{
    return report ? report_shadow(q, false, report, error) : fail(error, QUIPU_E_INVALID, "report", "report is NULL");
}

int32_t quipu_shadow_end(quipu *q, quipu_shadow_report *report, quipu_error *error)
{
    return report_shadow(q, true, report, error);
}
