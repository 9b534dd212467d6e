/* checks_behaviour.c - what a store does, one promise at a time. */
#include "check_table.h"

#include <base/fail.h>
#include <quipu/extensions.h>
#include <sdk/record.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The version now stored under the id. */
static void read_version(probe *p, const char *id, char out[QUIPU_VERSION_LEN + 1])
{
    quipu_error error = probe_error();
    seen s = { 0 };
    probe_want(p, probe_get(p, id, NULL, &s, &error), QUIPU_OK, &error, "get");
    memcpy(out, s.versions[0], QUIPU_VERSION_LEN + 1);
    seen_free(&s);
}

static void want_apply(probe *p, quipu_change change, int32_t wanted, const char *what)
{
    quipu_error error = probe_error();
    probe_want(p, probe_apply(p, &change, 1, NULL, &error), wanted, &error, what);
}

/* The change at fault is the last one, so that a backend that makes them one by one is caught. */
void check_atomic(probe *p)
{
    quipu_error error = probe_error();
    record *fresh = probe_record(p, "fresh", "u", "a pear", ""), *changed = probe_record(p, "r001", "u", "a plum", "");
    char before[QUIPU_VERSION_LEN + 1], after[QUIPU_VERSION_LEN + 1];
    probe_fill(p, 3);
    read_version(p, "r001", before);
    const quipu_change set[] = { probe_put(fresh, QUIPU_EXPECT_ANY, NULL), probe_put(changed, QUIPU_EXPECT_ANY, NULL),
                                 probe_delete("r002", QUIPU_EXPECT_ANY, NULL),
                                 probe_delete("nothing", QUIPU_EXPECT_PRESENT, NULL) };
    probe_want(p, probe_apply(p, set, 4, NULL, &error), QUIPU_E_NOT_FOUND, &error,
               "apply of a set whose last change fails");
    if (error.index != 3 || strcmp(error.id, "nothing") != 0)
        probe_fail(p, "the error does not name the change that failed: index %llu, id \"%s\"",
                   (unsigned long long)error.index, error.id);
    probe_want_count(p, 3, "after a set that failed");
    read_version(p, "r001", after);
    if (strcmp(before, after) != 0)
        probe_fail(p, "a record was changed by a set that failed");
    seen s = { 0 };
    probe_want(p, probe_search(p, "plum pear", NULL, 5, &s, &error), QUIPU_OK, &error, "search");
    if (s.count != 0)
        probe_fail(p, "search finds what a set that failed would have stored");
    probe_want(p, probe_apply(p, set, 3, NULL, &error), QUIPU_OK, &error, "apply of the set without its fault");
    probe_want_count(p, 3, "after a put of one and a delete of another");
    seen_free(&s);
    record_free(fresh);
    record_free(changed);
}

void check_change_id(probe *p)
{
    quipu_error error = probe_error();
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    record *r = probe_record(p, "a", "u", "an apple", "");
    const quipu_change put = probe_put(r, QUIPU_EXPECT_ANY, NULL);
    const quipu_change_set set = probe_set(p, &put, 1);
    probe_want(p, p->api->apply(p->self, &set, &receipt, NULL, &error), QUIPU_OK, &error, "apply");
    if (receipt.flags & QUIPU_RECEIPT_DUPLICATE)
        probe_fail(p, "a new change id counts as a duplicate");
    want_apply(p, probe_delete("a", QUIPU_EXPECT_PRESENT, NULL), QUIPU_OK, "delete");
    probe_want(p, p->api->apply(p->self, &set, &receipt, NULL, &error), QUIPU_OK, &error,
               "apply of the same set again");
    if (!(receipt.flags & QUIPU_RECEIPT_DUPLICATE))
        probe_fail(p, "the receipt of a change id that was applied before does not say so");
    probe_want_count(p, 0, "after a delete and the old put sent again");
    record_free(r);
}

void check_unchanged(probe *p)
{
    quipu_error error = probe_error();
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    char before[QUIPU_VERSION_LEN + 1], after[QUIPU_VERSION_LEN + 1];
    record *later = probe_record(p, "a", "u", "an apple", ",\"updated_at\":\"2031-01-01T00:00:00Z\"");
    probe_store(p, "a", "u", "an apple", "");
    read_version(p, "a", before);
    const quipu_change sets[] = { probe_put(later, QUIPU_EXPECT_PRESENT, NULL),
                                  probe_delete("nothing", QUIPU_EXPECT_ANY, NULL) };
    probe_want(p, probe_apply(p, sets, 2, &receipt, &error), QUIPU_OK, &error, "apply of what changes nothing");
    if (receipt.changed != 0 || !(receipt.flags & QUIPU_RECEIPT_UNCHANGED))
        probe_fail(p,
                   "a put that differs in updated_at only, and a delete of nothing, count as %llu changes (flags %u)",
                   (unsigned long long)receipt.changed, receipt.flags);
    read_version(p, "a", after);
    if (strcmp(before, after) != 0)
        probe_fail(p, "a put that differs in updated_at only changed the record");
    probe_want(p, probe_apply(p, NULL, 0, &receipt, &error), QUIPU_OK, &error, "apply of an empty set");
    if (!(receipt.flags & QUIPU_RECEIPT_UNCHANGED))
        probe_fail(p, "an empty set does not count as unchanged");
    record_free(later);
}

void check_compare(probe *p)
{
    char first[QUIPU_VERSION_LEN + 1], second[QUIPU_VERSION_LEN + 1];
    quipu_error error = probe_error();
    record *two = probe_record(p, "a", "u", "two", ""), *three = probe_record(p, "a", "u", "three", "");
    probe_store(p, "a", "u", "one", "");
    read_version(p, "a", first);
    want_apply(p, probe_put(two, QUIPU_EXPECT_ABSENT, NULL), QUIPU_E_EXISTS, "put, expecting nothing,");
    want_apply(p, probe_put(two, QUIPU_EXPECT_VERSION, first), QUIPU_OK, "put, expecting the version that is there,");
    read_version(p, "a", second);
    const quipu_change late = probe_put(three, QUIPU_EXPECT_VERSION, first);
    probe_want(p, probe_apply(p, &late, 1, NULL, &error), QUIPU_E_CONFLICT, &error, "put, expecting an old version,");
    if (strcmp(error.version, second) != 0 || strcmp(error.id, "a") != 0)
        probe_fail(p, "the error of a conflict does not hold the id and the version found");
    want_apply(p, probe_delete("a", QUIPU_EXPECT_VERSION, first), QUIPU_E_CONFLICT,
               "delete, expecting an old version,");
    want_apply(p, probe_put(three, QUIPU_EXPECT_PRESENT, NULL), QUIPU_OK, "put, expecting something,");
    want_apply(p, probe_delete("a", QUIPU_EXPECT_ABSENT, NULL), QUIPU_E_EXISTS, "delete, expecting nothing,");
    want_apply(p, probe_delete("a", QUIPU_EXPECT_PRESENT, NULL), QUIPU_OK, "delete, expecting something,");
    want_apply(p, probe_put(two, QUIPU_EXPECT_PRESENT, NULL), QUIPU_E_NOT_FOUND,
               "put on nothing, expecting something,");
    const quipu_change gone = probe_put(two, QUIPU_EXPECT_VERSION, second);
    probe_want(p, probe_apply(p, &gone, 1, NULL, &error), QUIPU_E_CONFLICT, &error,
               "put on nothing, expecting a version,");
    if (error.version[0])
        probe_fail(p, "the error of a conflict holds a version where there is no record");
    want_apply(p, probe_put(two, QUIPU_EXPECT_ABSENT, NULL), QUIPU_OK, "put on nothing, expecting nothing,");
    record_free(two);
    record_free(three);
}

void check_scope(probe *p)
{
    quipu_error error = probe_error();
    quipu_filter other = probe_filter("eve"), own = probe_filter("ann"), agent = probe_filter("ann");
    record *eve = probe_record(p, "secret", "eve", "an apple of eve", ""),
           *none = probe_record(p, "secret", NULL, "x", "");
    seen s = { 0 };
    agent.agent = str_of("a1");
    probe_store(p, "secret", "ann", "an apple of ann", "");
    probe_store(p, "eves", "eve", "an apple", "");
    probe_want(p, probe_get(p, "secret", &other, &s, &error), QUIPU_E_NOT_FOUND, &error, "get from another scope");
    probe_want(p, probe_get(p, "secret", &agent, &s, &error), QUIPU_E_NOT_FOUND, &error, "get from a narrower scope");
    probe_want(p, probe_scan(p, QUIPU_ORDER_NEWEST, &other, 0, &s, &error), QUIPU_OK, &error, "scan");
    probe_want(p, probe_search(p, "apple ann", &other, 10, &s, &error), QUIPU_OK, &error, "search");
    if (s.count != 2 || seen_has(&s, "secret"))
        probe_fail(p, "a record is shown to another scope");
    seen_free(&s);
    want_apply(p, probe_put(eve, QUIPU_EXPECT_ANY, NULL), QUIPU_E_SCOPE, "put on another scope's id");
    want_apply(p, probe_put(none, QUIPU_EXPECT_ANY, NULL), QUIPU_E_SCOPE, "put without a scope on a scope's id");
    probe_want(p, probe_get(p, "secret", &own, &s, &error), QUIPU_OK, &error, "get from its own scope");
    seen_free(&s);
    record_free(eve);
    record_free(none);
}

void check_delete(probe *p)
{
    quipu_error error = probe_error();
    seen s = { 0 };
    probe_fill(p, 3);
    probe_want(p, probe_search(p, "apple", NULL, 10, &s, &error), QUIPU_OK, &error, "search");
    want_apply(p, probe_delete("r001", QUIPU_EXPECT_PRESENT, NULL), QUIPU_OK, "delete");
    seen_free(&s);
    probe_want(p, probe_get(p, "r001", NULL, &s, &error), QUIPU_E_NOT_FOUND, &error, "get of a deleted record");
    probe_want(p, probe_scan(p, QUIPU_ORDER_ID, NULL, 0, &s, &error), QUIPU_OK, &error, "scan");
    probe_want(p, probe_search(p, "apple", NULL, 10, &s, &error), QUIPU_OK, &error, "search");
    if (s.count != 4 || seen_has(&s, "r001"))
        probe_fail(p, "a deleted record is shown");
    seen_free(&s);
}

void check_expiry(probe *p)
{
    quipu_error error = probe_error();
    quipu_filter filter = probe_filter(NULL);
    seen s = { 0 };
    probe_store(p, "old", "u", "a stale apple", ",\"expires_at\":\"2024-06-01T00:00:00Z\"");
    probe_store(p, "new", "u", "a fresh apple", ",\"expires_at\":\"2999-06-01T00:00:00Z\"");
    probe_want(p, probe_get(p, "old", NULL, &s, &error), QUIPU_E_NOT_FOUND, &error, "get of an expired record");
    probe_want(p, probe_scan(p, QUIPU_ORDER_ID, NULL, 0, &s, &error), QUIPU_OK, &error, "scan");
    probe_want(p, probe_search(p, "apple", NULL, 10, &s, &error), QUIPU_OK, &error, "search");
    if (s.count != 2 || seen_has(&s, "old"))
        probe_fail(p, "an expired record is shown");
    filter.flags = QUIPU_FILTER_EXPIRED;
    probe_want(p, probe_get(p, "old", &filter, &s, &error), QUIPU_OK, &error,
               "get of an expired record that is asked for");
    filter.flags = 0;
    filter.now = 1710000000000000; /* March 2024 */
    probe_want(p, probe_get(p, "old", &filter, &s, &error), QUIPU_OK, &error, "get with a time before it expired");
    seen_free(&s);
}

/* A record that had not expired when HEAD was committed, and has by now. */
void check_expiry_then(probe *p)
{
    static const int64_t hour = INT64_C(3600000000);
    const quipu_str history = QUIPU_STR_INIT(QUIPU_EXT_HISTORY), head = QUIPU_STR_INIT("HEAD");
    quipu_get get = { .struct_size = sizeof get, .id = QUIPU_STR_INIT("milk"), .as_of = head };
    quipu_scan scan = { .struct_size = sizeof scan, .as_of = head };
    quipu_search search = { .struct_size = sizeof search, .text = QUIPU_STR_INIT("apple"), .k = 5, .as_of = head };
    quipu_error error = probe_error();
    buffer more = { 0 };
    seen s = { 0 };
    search.mode = QUIPU_SEARCH_LEXICAL;
    if (!p->api->get_extension(p->self, &history))
        probe_skip(p, "it keeps no history");
    buffer_append_text(&more, ",\"expires_at\":\"");
    time_print((int64_t)time(NULL) * 1000000 + hour, &more);
    buffer_append_text(&more, "\"");
    probe_store(p, "milk", "u", "an apple for an hour", more.failed ? "" : more.bytes);
    buffer_free(&more);
    p->ahead = 2 * hour;
    if (probe_get(p, "milk", NULL, &s, &error) != QUIPU_E_NOT_FOUND)
        probe_skip(p, "it has a clock of its own");
    probe_want(p, p->api->get(p->self, &get, seen_visit, &s, NULL, &error), QUIPU_OK, &error, "get as of then");
    probe_want(p, p->api->scan(p->self, &scan, seen_visit, &s, NULL, &error), QUIPU_OK, &error, "scan as of then");
    probe_want(p, p->api->search(p->self, &search, seen_visit, &s, NULL, &error), QUIPU_OK, &error,
               "search as of then");
    if (s.count != 3)
        probe_fail(p, "scan or search as of then hides what had not expired yet");
    seen_free(&s);
}

void check_order(probe *p)
{
    static const char *const wanted[] = { "a b c d e", "b d c a e", "e a c d b" };
    probe_store(p, "c", "u", "x", ",\"created_at\":\"2024-01-02T00:00:00Z\"");
    probe_store(p, "a", "u", "x", ",\"created_at\":\"2024-01-01T00:00:00.5Z\"");
    probe_store(p, "e", "u", "x", ",\"created_at\":\"2023-01-01T00:00:00Z\"");
    probe_store(p, "b", "u", "x", ",\"created_at\":\"2024-01-03T00:00:00Z\"");
    probe_store(p, "d", "u", "x", ",\"created_at\":\"2024-01-02T00:00:00Z\"");
    for (uint32_t order = QUIPU_ORDER_ID; order <= QUIPU_ORDER_OLDEST; order++) {
        quipu_error error = probe_error();
        char got[64] = "";
        seen s = { 0 };
        probe_want(p, probe_scan(p, order, NULL, 0, &s, &error), QUIPU_OK, &error, "scan");
        for (size_t i = 0; i < s.count && i < 5; i++)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s%.3s", i ? " " : "", s.ids[i]);
        if (strcmp(got, wanted[order]) != 0)
            probe_fail(p, "order %u shows %s instead of %s", order, got, wanted[order]);
        seen_free(&s);
    }
}

/* Walks through the store while another record comes and goes between two pages. */
static void walk(probe *p, uint32_t order, uint64_t limit)
{
    char cursor[513];
    quipu_scan query = { .struct_size = sizeof query, .order = order, .limit = limit };
    seen s = { 0 };
    for (size_t before = 0, page = 0;; page++) {
        quipu_error error = probe_error();
        probe_want(p, p->api->scan(p->self, &query, seen_visit, &s, NULL, &error), QUIPU_OK, &error, "scan of a page");
        if (s.count == before)
            break;
        if (s.count - before > limit)
            probe_fail(p, "a page of %llu has %zu records", (unsigned long long)limit, s.count - before);
        if (s.cursor_len == 0 || s.cursor_len > 512)
            probe_fail(p, "a hit of a scan has no cursor, or one of more than 512 bytes");
        before = s.count;
        memcpy(cursor, s.cursor, sizeof cursor);
        query.cursor = str_make(cursor, s.cursor_len);
        if (page % 2)
            want_apply(p, probe_delete("r0005", QUIPU_EXPECT_ANY, NULL), QUIPU_OK, "delete between two pages");
        else
            probe_store(p, "r0005", "u", "comes and goes", "");
    }
    unsigned seen_once[20] = { 0 };
    for (size_t i = 0; i < s.count; i++)
        if (s.ids[i][0] == 'r' && strlen(s.ids[i]) == 4)
            seen_once[(unsigned)strtoul(s.ids[i] + 1, NULL, 10) % 20]++;
    for (unsigned i = 0; i < 20; i++)
        if (seen_once[i] != 1)
            probe_fail(p, "order %u in pages of %llu shows r%03u %u times", order, (unsigned long long)limit, i,
                       seen_once[i]);
    seen_free(&s);
}

void check_paging(probe *p)
{
    probe_fill(p, 20);
    for (uint32_t order = QUIPU_ORDER_ID; order <= QUIPU_ORDER_OLDEST; order++)
        for (uint64_t limit = 1; limit < 20; limit += 6)
            walk(p, order, limit);
}

void check_search_k(probe *p)
{
    quipu_filter mine = probe_filter("mine");
    probe_fill(p, 30);
    for (unsigned i = 0; i < 4; i++) {
        char id[8];
        snprintf(id, sizeof id, "z%u", i); /* last among equals */
        probe_store(p, id, "mine", "there is one apple somewhere in this much longer text about other things", "");
    }
    for (uint64_t k = 1; k <= 6; k++) {
        quipu_error error = probe_error();
        seen s = { 0 };
        probe_want(p, probe_search(p, "apple", &mine, k, &s, &error), QUIPU_OK, &error, "search");
        if (s.count != (k < 4 ? k : 4))
            probe_fail(p, "search for %llu finds %zu of 4 that match the filter", (unsigned long long)k, s.count);
        seen_free(&s);
        probe_want(p, probe_search(p, "apple", NULL, 5 * k, &s, &error), QUIPU_OK, &error, "search");
        if (s.count != 5 * k)
            probe_fail(p, "search for %llu finds %zu of 34 that match", 5ULL * k, s.count);
        seen_free(&s);
    }
}

void check_search_fresh(probe *p)
{
    static const char *const words[] = { "quince", "medlar", "rowan", "sloe" };
    for (size_t i = 0; i < 4; i++) {
        quipu_error error = probe_error();
        seen s = { 0 };
        char text[64];
        snprintf(text, sizeof text, "now it is %s", words[i]);
        probe_store(p, "a", "u", text, "");
        probe_want(p, probe_search(p, words[i], NULL, 5, &s, &error), QUIPU_OK, &error, "search");
        if (s.count != 1)
            probe_fail(p, "search does not find what was stored a moment ago");
        seen_free(&s);
        if (i == 0)
            continue;
        probe_want(p, probe_search(p, words[i - 1], NULL, 5, &s, &error), QUIPU_OK, &error, "search");
        if (s.count != 0)
            probe_fail(p, "search finds a record by a text that it no longer has");
        seen_free(&s);
    }
}

void check_stats(probe *p)
{
    for (int64_t n = 0; n < 3; n++) {
        char id[8];
        int64_t told = probe_figure(p, "records");
        if (told != n)
            probe_fail(p, "stats tells of %lld records where there are %lld", (long long)told, (long long)n);
        snprintf(id, sizeof id, "s%lld", (long long)n);
        probe_store(p, id, "u", "an apple", "");
    }
}

void check_reopen(probe *p)
{
    quipu_error error = probe_error();
    seen s = { 0 };
    if (probe_figure(p, "persistent") == 0)
        probe_skip(p, "it keeps nothing, and its stats say so (persistent = 0)");
    probe_close(p, p->self);
    for (unsigned round = 0; round < 3; round++) {
        p->self = probe_open(p, "reopen", 0);
        probe_want_count(p, round * 5, "after the store was opened again");
        for (unsigned i = 0; i < 5; i++) {
            char id[16];
            snprintf(id, sizeof id, "n%u-%u", round, i);
            probe_store(p, id, "u", "an apple", "");
        }
        probe_want(p, probe_search(p, "apple", NULL, 100, &s, &error), QUIPU_OK, &error, "search");
        if (s.count != (round + 1) * 5)
            probe_fail(p, "search finds %zu of %u records after the store was opened again", s.count, (round + 1) * 5);
        seen_free(&s);
        probe_close(p, p->self);
    }
    p->self = probe_open(p, "reopen", QUIPU_OPEN_NO_CREATE);
    probe_want_count(p, 15, "after all");
    quipu_backend *nothing = probe_create(p);
    probe_want(p, probe_try_open(p, nothing, "nowhere", QUIPU_OPEN_NO_CREATE, p->config, &error), QUIPU_E_NOT_FOUND,
               &error, "open of a store that is not there, without making it,");
    p->api->destroy(nothing);
}
