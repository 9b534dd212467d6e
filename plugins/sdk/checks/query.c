/* query.c - see query.h. */
#include <sdk/query.h>

#include <sdk/abi_check.h>
#include <sdk/filter.h>
#include <sdk/text.h>

#include <base/fail.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WEIGHT_MAX 100
#define HALF_LIFE (30 * 86400e6) /* microseconds */

/* ---- checks ---- */

int32_t query_check_get(const quipu_get *q, quipu_error *error)
{
    int32_t code;
    if ((code = abi_check_struct(q, sizeof *q, "quipu_get", error)) != QUIPU_OK ||
        (code = abi_check_flags(q->flags, 0, "quipu_get.flags", error)) != QUIPU_OK ||
        (code = abi_check_id(q->id, error)) != QUIPU_OK ||
        (code = abi_check_text(q->as_of, true, "as_of", error)) != QUIPU_OK)
        return code;
    return filter_check(q->filter, error);
}

int32_t query_check_scan(const quipu_scan *q, quipu_error *error)
{
    int32_t code;
    if ((code = abi_check_struct(q, sizeof *q, "quipu_scan", error)) != QUIPU_OK ||
        (code = abi_check_flags(q->flags, 0, "quipu_scan.flags", error)) != QUIPU_OK ||
        (code = abi_check_text(q->as_of, true, "as_of", error)) != QUIPU_OK ||
        (code = abi_check_text(q->cursor, false, "cursor", error)) != QUIPU_OK)
        return code;
    if (q->order > QUIPU_ORDER_OLDEST)
        return fail(error, QUIPU_E_INVALID, "order", "order %u is not known", q->order);
    if (q->reserved != 0)
        return fail(error, QUIPU_E_INVALID, "quipu_scan.reserved", "a reserved field must be zero");
    return filter_check(q->filter, error);
}

static int32_t check_vector(const quipu_search *q, quipu_error *error)
{
    if ((q->vector != NULL) != (q->dimension != 0))
        return fail(error, QUIPU_E_INVALID, "vector", "a vector and its dimension come together");
    for (uint64_t i = 0; i < q->dimension; i++)
        if (!isfinite(q->vector[i]))
            return fail(error, QUIPU_E_INVALID, "vector", "the vector's float %llu is not finite",
                        (unsigned long long)i);
    return QUIPU_OK;
}

static int32_t check_weights(const quipu_search *q, quipu_error *error)
{
    if (!(q->recency >= 0 && q->recency <= WEIGHT_MAX))
        return fail(error, QUIPU_E_INVALID, "recency", "recency must be a number from 0 to %d", WEIGHT_MAX);
    if (!(q->importance >= 0 && q->importance <= WEIGHT_MAX))
        return fail(error, QUIPU_E_INVALID, "importance", "importance must be a number from 0 to %d", WEIGHT_MAX);
    return q->half_life >= 0 ? QUIPU_OK
                             : fail(error, QUIPU_E_INVALID, "half_life", "half_life must be a positive time, or 0");
}

int32_t query_check_search(const quipu_search *q, quipu_error *error)
{
    int32_t code;
    if ((code = abi_check_struct(q, sizeof *q, "quipu_search", error)) != QUIPU_OK ||
        (code = abi_check_flags(q->flags, QUIPU_SEARCH_EXPLAIN | QUIPU_SEARCH_WAIT, "quipu_search.flags", error)) !=
            QUIPU_OK ||
        (code = abi_check_text(q->as_of, true, "as_of", error)) != QUIPU_OK ||
        (code = abi_check_text(q->text, false, "text", error)) != QUIPU_OK ||
        (code = check_vector(q, error)) != QUIPU_OK || (code = check_weights(q, error)) != QUIPU_OK)
        return code;
    if (!q->text.ptr && !q->vector)
        return fail(error, QUIPU_E_INVALID, "text", "neither a text nor a vector is asked for");
    if (q->k == 0 || q->k > QUIPU_SEARCH_K_MAX)
        return fail(error, QUIPU_E_INVALID, "k", "k is %llu; it must be from 1 to %u", (unsigned long long)q->k,
                    QUIPU_SEARCH_K_MAX);
    if (q->mode > QUIPU_SEARCH_VECTOR)
        return fail(error, QUIPU_E_INVALID, "mode", "search mode %u is not known", q->mode);
    if (q->reserved != 0)
        return fail(error, QUIPU_E_INVALID, "quipu_search.reserved", "a reserved field must be zero");
    return filter_check(q->filter, error);
}

int32_t query_answer(int32_t answer, bool *stop, quipu_error *error)
{
    *stop = answer > 0;
    if (answer >= 0)
        return QUIPU_OK;
    return fail(error, answer, NULL, "the visitor ended the call: %s", error_text(answer));
}

int32_t query_show_record(record *r, const quipu_get *q, int64_t now, quipu_hit_fn visit, void *context,
                          quipu_error *error)
{
    int32_t matches = r ? filter_match(q->filter, record_view(r), now) : 0;
    record_list found = { .items = &r, .count = matches > 0 };
    int32_t code = matches < 0 ? fail(error, matches, "filter", "the filter cannot be applied")
                               : query_show_one(&found, q, visit, context, error);
    record_free(r);
    return code;
}

quipu_stat stat_number(const char *name, int64_t value)
{
    return (quipu_stat){ .struct_size = sizeof(quipu_stat), .name = str_of(name), .value = value };
}

quipu_stat stat_words(const char *name, const char *text)
{
    return (quipu_stat){ .struct_size = sizeof(quipu_stat), .name = str_of(name), .text = str_of(text) };
}

int32_t query_show_figures(const quipu_stat *figures, size_t count, quipu_stat_fn visit, void *context,
                           quipu_error *error)
{
    bool stop = false;
    int32_t code = visit ? QUIPU_OK : fail(error, QUIPU_E_INVALID, "visit", "visit is NULL; give a function");
    for (size_t i = 0; i < count && code == QUIPU_OK && !stop; i++)
        code = query_answer(visit(context, &figures[i]), &stop, error);
    return code;
}

static int32_t need_visitor(quipu_hit_fn visit, quipu_error *error)
{
    return visit ? QUIPU_OK : fail(error, QUIPU_E_INVALID, "visit", "visit is NULL; give a function");
}

/* ---- pages ---- */

/* Where a record stands in each of the three orders. */
typedef struct place {
    int64_t created_at;
    quipu_str id;
} place;

static int compare_places(uint32_t order, place a, place b)
{
    int by_id = str_compare(a.id, b.id);
    int by_time = a.created_at < b.created_at ? -1 : a.created_at > b.created_at;
    if (order == QUIPU_ORDER_ID)
        return by_id;
    if (order == QUIPU_ORDER_OLDEST)
        return by_time ? by_time : by_id;
    return by_time ? -by_time : -by_id;
}

static place place_of(const record *r)
{
    return (place){ record_view(r)->created_at, record_view(r)->id };
}

static int compare_by_id(const void *a, const void *b)
{
    return compare_places(QUIPU_ORDER_ID, place_of(*(record *const *)a), place_of(*(record *const *)b));
}

static int compare_by_newest(const void *a, const void *b)
{
    return compare_places(QUIPU_ORDER_NEWEST, place_of(*(record *const *)a), place_of(*(record *const *)b));
}

static int compare_by_oldest(const void *a, const void *b)
{
    return compare_places(QUIPU_ORDER_OLDEST, place_of(*(record *const *)a), place_of(*(record *const *)b));
}

/* A cursor is "<order>:<created_at>:<id>". */
size_t query_print_cursor(char out[QUERY_CURSOR_MAX], uint32_t order, const quipu_record *r)
{
    int head = snprintf(out, QUERY_CURSOR_MAX, "%u:%lld:", order, (long long)r->created_at);
    memcpy(out + head, r->id.ptr, (size_t)r->id.len);
    return (size_t)head + (size_t)r->id.len;
}

int32_t query_parse_cursor(quipu_str cursor, uint32_t order, int64_t *created_at, quipu_str *id, quipu_error *error)
{
    char head[32] = "";
    const char *first = cursor.len ? memchr(cursor.ptr, ':', (size_t)cursor.len) : NULL;
    const char *second = first ? memchr(first + 1, ':', (size_t)(cursor.ptr + cursor.len - first - 1)) : NULL;
    unsigned long long its_order;
    char *end;
    if (second && second - cursor.ptr < (ptrdiff_t)sizeof head) {
        memcpy(head, cursor.ptr, (size_t)(second - cursor.ptr));
        its_order = strtoull(head, &end, 10);
        if (end != head && *end == ':' && its_order == order) {
            const char *time = end + 1;
            *created_at = strtoll(time, &end, 10);
            *id = (quipu_str){ second + 1, (uint64_t)(cursor.ptr + cursor.len - second - 1) };
            if (end != time && *end == '\0' && id->len > 0 && id->len <= QUIPU_ID_MAX)
                return QUIPU_OK;
        }
    }
    return fail(error, QUIPU_E_INVALID, "cursor",
                "the cursor is not one of this order; take it from the last hit of the page "
                "before, or begin without one");
}

int32_t query_show_page(record_list *records, const quipu_scan *q, quipu_hit_fn visit, void *context,
                        const quipu_call *call, quipu_error *error)
{
    static int (*const compare[])(const void *, const void *) = { compare_by_id, compare_by_newest, compare_by_oldest };
    place after = { 0, { NULL, 0 } };
    uint64_t shown = 0;
    bool stop = false;
    int32_t code = need_visitor(visit, error);
    if (code == QUIPU_OK && q->cursor.ptr)
        code = query_parse_cursor(q->cursor, q->order, &after.created_at, &after.id, error);
    if (code == QUIPU_OK && records->count)
        qsort(records->items, records->count, sizeof(records->items[0]), compare[q->order]);
    for (size_t i = 0; i < records->count && code == QUIPU_OK && !stop && (q->limit == 0 || shown < q->limit); i++) {
        char cursor[QUERY_CURSOR_MAX];
        place here = place_of(records->items[i]);
        if (q->cursor.ptr && compare_places(q->order, here, after) <= 0)
            continue;
        quipu_hit hit = { .struct_size = sizeof hit, .record = record_view(records->items[i]) };
        hit.cursor = str_make(cursor, query_print_cursor(cursor, q->order, hit.record));
        if ((code = call_check(call, error)) == QUIPU_OK)
            code = query_answer(visit(context, &hit), &stop, error);
        shown++;
    }
    return code;
}

int32_t query_show_one(const record_list *records, const quipu_get *q, quipu_hit_fn visit, void *context,
                       quipu_error *error)
{
    bool stop;
    int32_t code = need_visitor(visit, error);
    if (code != QUIPU_OK)
        return code;
    if (records->count == 0) {
        code = fail(error, QUIPU_E_NOT_FOUND, "id", "there is no such record");
        fail_name_record(error, &q->id);
        return code;
    }
    quipu_hit hit = { .struct_size = sizeof hit, .record = record_view(records->items[0]) };
    return query_answer(visit(context, &hit), &stop, error);
}

/* ---- the best ---- */

typedef struct match {
    const quipu_record *record;
    double score;  /* the whole */
    double answer; /* without the weights */
    query_weights weights;
} match;

static int compare_matches(const void *a, const void *b)
{
    const match *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return str_compare(x->record->id, y->record->id);
}

typedef struct word_set {
    quipu_str text; /* where words are looked for */
    const char *word;
    size_t len;
    double found;
    bool same;
} word_set;

static void compare_word(void *context, const char *word, size_t len)
{
    word_set *set = context;
    set->same = set->same || (len == set->len && memcmp(word, set->word, len) == 0);
}

static void find_word(void *context, const char *word, size_t len)
{
    word_set *set = context;
    set->word = word;
    set->len = len;
    set->same = false;
    text_words(set->text, TEXT_STORED, compare_word, set);
    set->found += set->same;
}

query_weights query_weigh(const quipu_search *q, int64_t created_at, double importance, int64_t now)
{
    query_weights w = { 0 };
    double half_life = q->half_life ? (double)q->half_life : HALF_LIFE;
    double age = created_at < now ? (double)now - (double)created_at : 0;
    if (created_at != QUIPU_TIME_NONE)
        w.recency = q->recency * exp2(-age / half_life);
    if (importance > 0)
        w.importance = q->importance * importance;
    return w;
}

double query_words_in_common(const quipu_search *q, const quipu_record *r)
{
    word_set set = { .text = r->text };
    text_words(q->text, TEXT_QUESTION, find_word, &set);
    return set.found;
}

static quipu_component component_of(const char *name, double value)
{
    return (quipu_component){ .struct_size = sizeof(quipu_component), .name = str_of(name), .value = value };
}

static int32_t show_match(const match *m, const char *component, const quipu_search *q, quipu_hit_fn visit,
                          void *context, bool *stop, quipu_error *error)
{
    quipu_component parts[] = { component_of(component, m->answer), { 0 }, { 0 } };
    quipu_hit hit = { .struct_size = sizeof hit, .record = m->record, .score = m->score };
    uint64_t count = 1;
    if (m->weights.recency > 0)
        parts[count++] = component_of("recency", m->answer * m->weights.recency);
    if (m->weights.importance > 0)
        parts[count++] = component_of("importance", m->answer * m->weights.importance);
    if (q->flags & QUIPU_SEARCH_EXPLAIN)
        hit.components = (quipu_array){ parts, count, sizeof parts[0] };
    return query_answer(visit(context, &hit), stop, error);
}

int64_t query_now(const quipu_filter *f)
{
    struct timespec now;
    if (f && f->now != QUIPU_TIME_NONE)
        return f->now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

bool query_as_of_time(quipu_str as_of, int64_t *end)
{
    bool date = false;
    if (!as_of.ptr || as_of.len < 10 || as_of.ptr[4] != '-' || time_parse(as_of, "as_of", &date, end, NULL) != QUIPU_OK)
        return false;
    *end += date ? INT64_C(86400) * 1000000 - 1 : 0;
    return true;
}

int64_t query_moment(quipu_str as_of, int64_t committed, int64_t now)
{
    int64_t asked;
    if (query_as_of_time(as_of, &asked))
        return asked < now ? asked : now;
    return committed;
}

const quipu_filter *query_filter_then(const quipu_filter *f, int64_t moment, quipu_filter *out)
{
    if (moment == QUIPU_TIME_NONE || (f && f->now != QUIPU_TIME_NONE))
        return f;
    *out = f ? *f : (quipu_filter){ 0 };
    out->struct_size = sizeof *out;
    out->now = moment;
    return out;
}

static match weighed(const quipu_search *q, const quipu_record *r, double answer, int64_t now)
{
    query_weights w = query_weigh(q, r->created_at, r->importance, now);
    return (match){ r, answer * (1 + w.recency + w.importance), answer, w };
}

int32_t query_show_best(const record_list *records, query_score_fn score, const char *component, const quipu_search *q,
                        quipu_hit_fn visit, void *context, const quipu_call *call, quipu_error *error)
{
    bool stop = false;
    size_t count = 0;
    int64_t now = query_now(q->filter);
    match *matches;
    int32_t code = need_visitor(visit, error);
    if (code != QUIPU_OK)
        return code;
    matches = calloc(records->count + 1, sizeof *matches);
    if (!matches)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for %zu matches", records->count);
    for (size_t i = 0; i < records->count; i++) {
        const quipu_record *r = record_view(records->items[i]);
        double answer = score(q, r);
        if (answer > 0)
            matches[count++] = weighed(q, r, answer, now);
    }
    qsort(matches, count, sizeof *matches, compare_matches);
    for (size_t i = 0; i < count && i < q->k && code == QUIPU_OK && !stop; i++)
        if ((code = call_check(call, error)) == QUIPU_OK)
            code = show_match(&matches[i], component, q, visit, context, &stop, error);
    free(matches);
    return code;
}
