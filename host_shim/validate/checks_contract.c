/* checks_contract.c - what each function promises about errors, visitors, ownership and states (rules A7, A10 to A16). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include "check_table.h"

#include <base/fail.h>
#include <quipu/extensions.h>
#include <stdio.h>
#include <sys/mman.h>

void check_extension_ids(probe *p)
{
    static const char *const known[] = { QUIPU_EXT_HISTORY, QUIPU_EXT_VERIFY, QUIPU_EXT_BRANCHES, QUIPU_EXT_SYNC,
                                         QUIPU_EXT_ERASE,   QUIPU_EXT_WATCH,  QUIPU_EXT_MIGRATE,  QUIPU_EXT_MAINTAIN };
    const quipu_str unknown = QUIPU_STR_INIT("org.example.nobody-has-this/1"), empty = QUIPU_STR_INIT("");
    if (p->api->get_extension(p->self, NULL))
        probe_fail(p, "get_extension answered a NULL id");
    if (p->api->get_extension(p->self, &unknown) || p->api->get_extension(p->self, &empty))
        probe_fail(p, "get_extension answered an id that nobody has");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char longer[64];
        snprintf(longer, sizeof longer, "%s0", known[i]);
        const quipu_str exact = str_of(known[i]), trailing = str_of(longer), nul = { known[i], strlen(known[i]) + 1 };
        const void *table = p->api->get_extension(p->self, &exact);
        if (table != p->api->get_extension(p->self, &exact))
            probe_fail(p, "get_extension answers another table for %s each time", known[i]);
        if (p->api->get_extension(p->self, &trailing) || p->api->get_extension(p->self, &nul))
            probe_fail(p, "get_extension answers %s with bytes behind it; compare the length as well", known[i]);
    }
}

/* A complete small life with each subset of the services. */
void check_services(probe *p)
{
    for (uint32_t services = 0; services < 4; services++) {
        char name[32];
        seen s = { 0 };
        quipu_error error = probe_error();
        probe_close(p, p->self);
        p->services = services;
        snprintf(name, sizeof name, "services%u", services);
        p->self = probe_open(p, name, 0);
        probe_fill(p, 5);
        probe_want(p, probe_search(p, "apple", NULL, 10, &s, &error), QUIPU_OK, &error, "search");
        if (s.count != 5)
            probe_fail(p, "search found %zu of 5 records with the services log%s%s", s.count,
                       services & PROBE_CLOCK ? ", clock" : "", services & PROBE_RANDOM ? ", random" : "");
        seen_free(&s);
    }
}

/* ---- errors ---- */

static int32_t refuse_hit(void *context, const quipu_hit *hit)
{
    (void)context, (void)hit;
    return QUIPU_E_NETWORK; /* a code that no backend comes to by itself here */
}

typedef int32_t (*attempt_fn)(probe *p, quipu_error *error);

static int32_t try_get(probe *p, quipu_error *error)
{
    seen s = { 0 };
    int32_t code = probe_get(p, "r001", NULL, &s, error);
    seen_free(&s);
    return code;
}

static int32_t try_scan(probe *p, quipu_error *error)
{
    seen s = { 0 };
    int32_t code = probe_scan(p, QUIPU_ORDER_NEWEST, NULL, 2, &s, error);
    seen_free(&s);
    return code;
}

static int32_t try_search(probe *p, quipu_error *error)
{
    seen s = { 0 };
    int32_t code = probe_search(p, "apple", NULL, 2, &s, error);
    seen_free(&s);
    return code;
}

static int32_t try_apply(probe *p, quipu_error *error)
{
    const quipu_change change = probe_delete("nothing", QUIPU_EXPECT_ANY, NULL);
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    return probe_apply(p, &change, 1, &receipt, error);
}

static int32_t try_stats(probe *p, quipu_error *error)
{
    (void)error;
    return probe_figure(p, "records") >= 0 ? QUIPU_OK : QUIPU_E_INTERNAL;
}

static int32_t try_flush(probe *p, quipu_error *error)
{
    return p->api->flush(p->self, NULL, error);
}

static const struct {
    const char *name;
    attempt_fn run;
} good[] = { { "get", try_get },     { "scan", try_scan },   { "search", try_search },
             { "apply", try_apply }, { "stats", try_stats }, { "flush", try_flush } };

void check_error_success(probe *p)
{
    probe_fill(p, 3);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        quipu_error error, before;
        memset(&error, 0x5a, sizeof error);
        error.struct_size = sizeof error;
        before = error;
        probe_want(p, good[i].run(p, &error), QUIPU_OK, NULL, good[i].name);
        if (memcmp(&error, &before, sizeof error) != 0)
            probe_fail(p, "%s succeeded and wrote into the error object", good[i].name);
    }
}

static int32_t bad_get(probe *p, quipu_error *error)
{
    seen s = { 0 };
    return probe_get(p, "nothing", NULL, &s, error);
}

static int32_t bad_scan(probe *p, quipu_error *error)
{
    const quipu_scan query = { .struct_size = sizeof query, .cursor = QUIPU_STR_INIT("\001 no cursor of anybody") };
    return p->api->scan(p->self, &query, refuse_hit, NULL, NULL, error);
}

static int32_t bad_search(probe *p, quipu_error *error)
{
    seen s = { 0 };
    return probe_search(p, "apple", NULL, 0, &s, error);
}

static int32_t bad_search_k(probe *p, quipu_error *error)
{
    seen s = { 0 };
    return probe_search(p, "apple", NULL, QUIPU_SEARCH_K_MAX + 1, &s, error);
}

static int32_t bad_delete(probe *p, quipu_error *error)
{
    const quipu_change change = probe_delete("nothing", QUIPU_EXPECT_PRESENT, NULL);
    return probe_apply(p, &change, 1, NULL, error);
}

static int32_t bad_visit(probe *p, quipu_error *error)
{
    const quipu_scan query = { .struct_size = sizeof query };
    return p->api->scan(p->self, &query, refuse_hit, NULL, NULL, error);
}

static const struct {
    const char *name;
    int32_t code;
    attempt_fn run;
} bad[] = { { "get of what is not there", QUIPU_E_NOT_FOUND, bad_get },
            { "scan with a bad cursor", QUIPU_E_INVALID, bad_scan },
            { "search with k = 0", QUIPU_E_INVALID, bad_search },
            { "search with k over its limit", QUIPU_E_INVALID, bad_search_k },
            { "delete of what is not there but expected", QUIPU_E_NOT_FOUND, bad_delete },
            { "scan whose visitor fails", QUIPU_E_NETWORK, bad_visit } };

static uint32_t retry_of(int32_t code)
{
#define RETRY_(name, code_, text, retry)                                                                               \
    case code_:                                                                                                        \
        return retry;
    switch (code) {
        QUIPU_ERRORS(RETRY_)
    default:
        return QUIPU_RETRY_NEVER;
    }
#undef RETRY_
}

void check_error_failure(probe *p)
{
    probe_fill(p, 3);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        quipu_error error;
        memset(&error, 0x5a, sizeof error);
        error.struct_size = sizeof error;
        probe_want(p, bad[i].run(p, &error), bad[i].code, NULL, bad[i].name);
        if (error.code != bad[i].code)
            probe_fail(p, "%s: the error object does not hold the code that was returned", bad[i].name);
        if (!error.message[0] || !memchr(error.message, '\0', sizeof error.message))
            probe_fail(p, "%s: the error object holds no message", bad[i].name);
        if (!memchr(error.field, '\0', sizeof error.field) || !memchr(error.id, '\0', sizeof error.id) ||
            !memchr(error.version, '\0', sizeof error.version))
            probe_fail(p, "%s: a text of the error object does not end", bad[i].name);
        if (error.retry != retry_of(bad[i].code))
            probe_fail(p, "%s: the retry class is not that of the code", bad[i].name);
    }
}

void check_null_error(probe *p)
{
    probe_fill(p, 3);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        probe_want(p, good[i].run(p, NULL), QUIPU_OK, NULL, good[i].name);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        probe_want(p, bad[i].run(p, NULL), bad[i].code, NULL, bad[i].name);
}

void check_receipt(probe *p)
{
    struct {
        quipu_receipt receipt;
        unsigned char guard[64];
    } lent;
    quipu_error error = probe_error();
    record *r = probe_record(p, "a", "u", "an apple", "");
    const quipu_change change = probe_put(r, QUIPU_EXPECT_ANY, NULL);
    memset(&lent, 0xa5, sizeof lent);
    lent.receipt.struct_size = sizeof lent; /* a caller of a later version */
    probe_want(p, probe_apply(p, &change, 1, &lent.receipt, &error), QUIPU_OK, &error, "apply");
    if (lent.receipt.changed != 1 || lent.receipt.flags != 0)
        probe_fail(p, "the receipt tells of %llu changes and flags %u, not of 1 and 0",
                   (unsigned long long)lent.receipt.changed, lent.receipt.flags);
    if (!memchr(lent.receipt.revision, '\0', sizeof lent.receipt.revision))
        probe_fail(p, "the revision in the receipt does not end with a NUL byte");
    if (lent.receipt.struct_size != sizeof lent)
        probe_fail(p, "struct_size of the receipt was changed");
    for (size_t i = 0; i < sizeof lent.guard; i++)
        if (lent.guard[i] != 0xa5)
            probe_fail(p, "the receipt was written past its first version");
    quipu_receipt *cut = probe_guarded(p, &lent.receipt, sizeof lent.receipt - 8);
    cut->struct_size = sizeof lent.receipt - 8;
    probe_want(p, probe_apply(p, &change, 1, cut, &error), QUIPU_E_INVALID, &error,
               "apply with a receipt that is cut short");
    record_free(r);
}

/* ---- bad input ---- */

void check_bad_ids(probe *p)
{
    char longest[300];
    memset(longest, 'x', sizeof longest);
    const struct {
        quipu_str id;
        const char *what;
    } ids[] = { { { longest, 256 }, "an id of 256 bytes" },
                { { "", 0 }, "an empty id" },
                { { NULL, 0 }, "an absent id" },
                { { "a\0b", 3 }, "an id with a NUL byte" },
                { { "a\xff", 2 }, "an id that is not UTF-8" },
                { { "\xc0\xaf", 2 }, "an id with an overlong form" },
                { { "\xed\xa0\x80", 3 }, "an id with a surrogate" } };
    record *r = probe_record(p, "a", "u", "an apple", "");
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        quipu_error error = probe_error();
        seen s = { 0 };
        quipu_record view = *record_view(r);
        quipu_change change = probe_put(r, QUIPU_EXPECT_ANY, NULL);
        change.id = view.id = ids[i].id;
        change.record = &view;
        probe_want(p, probe_apply(p, &change, 1, NULL, &error), QUIPU_E_INVALID, &error, ids[i].what);
        change = probe_delete("", QUIPU_EXPECT_ANY, NULL);
        change.id = ids[i].id;
        probe_want(p, probe_apply(p, &change, 1, NULL, &error), QUIPU_E_INVALID, &error, ids[i].what);
        quipu_get query = { .struct_size = sizeof query, .id = ids[i].id };
        probe_want(p, p->api->get(p->self, &query, seen_visit, &s, NULL, &error), QUIPU_E_INVALID, &error, ids[i].what);
    }
    probe_want_count(p, 0, "after nothing but refusals");
    longest[255] = '\0'; /* the longest that is legal */
    probe_store(p, longest, "u", "a long apple", "");
    probe_want_count(p, 1, "after a record with an id of 255 bytes");
    record_free(r);
}

void check_bad_sets(probe *p)
{
    quipu_error error = probe_error();
    record *r = probe_record(p, "a", "u", "an apple", ""), *other = probe_record(p, "b", "u", "a pear", "");
    const quipu_change twice[] = { probe_put(r, QUIPU_EXPECT_ANY, NULL), probe_delete("a", QUIPU_EXPECT_ANY, NULL) };
    quipu_change one = twice[0];
    quipu_change_set set = probe_set(p, &one, 1);
    memset(set.change_id, 0, sizeof set.change_id);
    probe_want(p, p->api->apply(p->self, &set, NULL, NULL, &error), QUIPU_E_INVALID, &error, "a change id of zeros");
    probe_want(p, probe_apply(p, twice, 2, NULL, &error), QUIPU_E_INVALID, &error, "an id twice in one set");
    one.record = NULL;
    probe_want(p, probe_apply(p, &one, 1, NULL, &error), QUIPU_E_INVALID, &error, "a put without a record");
    one.record = record_view(other);
    probe_want(p, probe_apply(p, &one, 1, NULL, &error), QUIPU_E_INVALID, &error, "a put of another id's record");
    one = twice[0];
    one.expect = 9;
    probe_want(p, probe_apply(p, &one, 1, NULL, &error), QUIPU_E_INVALID, &error, "an unknown expectation");
    one = probe_put(r, QUIPU_EXPECT_VERSION, "12");
    probe_want(p, probe_apply(p, &one, 1, NULL, &error), QUIPU_E_INVALID, &error, "an expected version of 2 digits");
    one = probe_delete("a", QUIPU_EXPECT_ANY, NULL);
    one.record = record_view(r);
    probe_want(p, probe_apply(p, &one, 1, NULL, &error), QUIPU_E_INVALID, &error, "a delete with a record");
    one = twice[0];
    set = probe_set(p, &one, 1);
    set.operation = str_of("Two Words");
    probe_want(p, p->api->apply(p->self, &set, NULL, NULL, &error), QUIPU_E_INVALID, &error,
               "an operation of two words");
    probe_want_count(p, 0, "after nothing but refusals");
    record_free(r);
    record_free(other);
}

void check_destroy(probe *p)
{
    quipu_error error = probe_error();
    quipu_backend *created = probe_create(p), *opened = probe_open(p, "open", 0), *closed = probe_open(p, "closed", 0);
    p->api->destroy(NULL);
    p->api->destroy(created);
    probe_want(p, p->api->close(closed, NULL, &error), QUIPU_OK, &error, "close");
    p->api->destroy(opened);
    p->api->destroy(closed);
    quipu_backend *again = probe_create(p);
    probe_want(p, probe_try_open(p, again, "again", 0, p->config, &error), QUIPU_OK, &error, "open");
    probe_want(p, p->api->close(again, NULL, &error), QUIPU_OK, &error, "close");
    probe_want(p, probe_try_open(p, again, "again", 0, p->config, &error), QUIPU_OK, &error, "open after close");
    p->api->destroy(again);
    probe_fill(p, 3); /* the other instance is not touched by any of it */
    probe_want_count(p, 3, "after others were destroyed");
}

/* ---- visitors ---- */

static int32_t run_kind(probe *p, unsigned kind, seen *s, quipu_error *error)
{
    return kind == 0   ? probe_scan(p, QUIPU_ORDER_ID, NULL, 0, s, error)
           : kind == 1 ? probe_search(p, "apple", NULL, 100, s, error)
                       : probe_get(p, "r001", NULL, s, error);
}

static const char *const kinds[] = { "scan", "search", "get" };

void check_visitor_stop(probe *p)
{
    probe_fill(p, 6);
    for (unsigned kind = 0; kind < 3; kind++)
        for (unsigned k = 1; k <= (kind == 2 ? 1u : 6u); k++) {
            quipu_error error = probe_error();
            seen s = { .stop_after = k };
            probe_want(p, run_kind(p, kind, &s, &error), QUIPU_OK, &error, kinds[kind]);
            if (s.count != k)
                probe_fail(p, "%s called the visitor %zu times; it wanted to stop after %u", kinds[kind], s.count, k);
            seen_free(&s);
        }
}

static int32_t fail_figure(void *context, const quipu_stat *stat)
{
    (void)context, (void)stat;
    return QUIPU_E_NETWORK;
}

void check_visitor_code(probe *p)
{
    probe_fill(p, 6);
    for (unsigned kind = 0; kind < 3; kind++)
        for (unsigned k = 1; k <= (kind == 2 ? 1u : 6u); k += 2) {
            quipu_error error = probe_error();
            seen s = { .stop_after = k, .answer = QUIPU_E_FULL };
            probe_want(p, run_kind(p, kind, &s, &error), QUIPU_E_FULL, &error, kinds[kind]);
            if (s.count != k)
                probe_fail(p, "%s went on after its visitor had failed", kinds[kind]);
            seen_free(&s);
        }
    probe_want(p, p->api->stats(p->self, fail_figure, NULL, NULL, NULL), QUIPU_E_NETWORK, NULL, "stats");
}

static int32_t call_again(void *context, const quipu_hit *hit)
{
    probe *p = context;
    quipu_error error = probe_error();
    seen s = { 0 };
    char text[64];
    snprintf(text, sizeof text, "pear %u", probe_below(p, 1000000));
    probe_want(p,
               p->api->get(p->self, &(quipu_get){ .struct_size = sizeof(quipu_get), .id = hit->record->id }, seen_visit,
                           &s, NULL, &error),
               QUIPU_OK, &error, "get within a visitor");
    probe_store(p, "again", "u", text, "");
    probe_want(p, probe_search(p, "pear", NULL, 3, &s, &error), QUIPU_OK, &error, "search within a visitor");
    seen_free(&s);
    return 0;
}

void check_visitor_again(probe *p)
{
    quipu_error error = probe_error();
    quipu_filter filter = probe_filter("u");
    const quipu_scan scan = { .struct_size = sizeof scan, .filter = &filter };
    const quipu_search search = {
        .struct_size = sizeof search, .text = QUIPU_STR_INIT("apple"), .k = 5, .mode = QUIPU_SEARCH_LEXICAL
    };
    probe_fill(p, 3);
    probe_want(p, p->api->scan(p->self, &scan, call_again, p, NULL, &error), QUIPU_OK, &error, "scan");
    probe_want(p, p->api->search(p->self, &search, call_again, p, NULL, &error), QUIPU_OK, &error, "search");
}

/* ---- ownership ---- */

typedef struct arena {
    char *bytes;
    size_t size, used;
} arena;

static void *keep(arena *a, const void *bytes, size_t len)
{
    void *at = a->bytes + a->used;
    memcpy(at, bytes, len);
    a->used += (len + 15) / 16 * 16;
    return at;
}

static void keep_text(arena *a, quipu_str *text)
{
    if (text->ptr)
        text->ptr = keep(a, text->ptr, (size_t)text->len);
}

/* The record with all that it leads to. */
static const quipu_record *keep_record(arena *a, const quipu_record *r)
{
    quipu_record copy = *r;
    quipu_str *texts[] = {
        &copy.id,      &copy.version, &copy.json, &copy.kind,        &copy.user,      &copy.agent,
        &copy.session, &copy.app,     &copy.text, &copy.category,    &copy.key,       &copy.actor,
        &copy.role,    &copy.head,    &copy.tail, &copy.entity_type, &copy.entity_id, &copy.relation
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        keep_text(a, texts[i]);
    quipu_str tags[4];
    for (uint64_t i = 0; i < copy.tags.count && i < 4; i++) {
        tags[i] = *QUIPU_AT(quipu_str, &r->tags, i);
        keep_text(a, &tags[i]);
    }
    if (copy.tags.count)
        copy.tags = (quipu_array){ keep(a, tags, copy.tags.count * sizeof *tags), copy.tags.count, sizeof *tags };
    return keep(a, &copy, sizeof copy);
}

/* Everything of a change set lies in pages that are read-only during the call and gone after it. */
void check_borrowed(probe *p)
{
    quipu_error error = probe_error();
    seen s = { 0 };
    record *r = probe_record(p, "a", "u", "an apple", ",\"tags\":[\"green\",\"round\"],\"category\":\"fruit\"");
    arena a = { mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 65536, 0 };
    if (a.bytes == MAP_FAILED)
        probe_skip(p, "no memory for an arena");
    quipu_change change = { .struct_size = sizeof change, .op = QUIPU_CHANGE_PUT };
    change.record = keep_record(&a, record_view(r));
    change.id = change.record->id;
    quipu_change_set set = probe_set(p, keep(&a, &change, sizeof change), 1);
    keep_text(&a, &set.author);
    keep_text(&a, &set.operation);
    keep_text(&a, &set.source);
    const quipu_change_set *lent = keep(&a, &set, sizeof set);
    mprotect(a.bytes, a.size, PROT_READ);
    probe_want(p, p->api->apply(p->self, lent, NULL, NULL, &error), QUIPU_OK, &error, "apply");
    munmap(a.bytes, a.size);
    probe_want(p, probe_get(p, "a", NULL, &s, &error), QUIPU_OK, &error, "get");
    if (!str_same(str_make(s.json.bytes, s.json.len), record_view(r)->json))
        probe_fail(p, "the record is another one after the caller's memory is gone");
    seen_free(&s);
    quipu_filter filter = probe_filter("u");
    probe_want(p, probe_search(p, "apple", &filter, 3, &s, &error), QUIPU_OK, &error, "search");
    if (s.count != 1)
        probe_fail(p, "search does not find the record after the caller's memory is gone");
    seen_free(&s);
    record_free(r);
}

static int32_t look_at_hit(void *context, const quipu_hit *hit)
{
    probe *p = context;
    record *again = NULL;
    char version[QUIPU_VERSION_LEN];
    if (hit->struct_size < sizeof *hit || !hit->record || hit->record->struct_size < sizeof *hit->record)
        probe_fail(p, "a hit or its record is shorter than the first version");
    const quipu_record *r = hit->record;
    record_version(r->json, version);
    if (!str_same(r->version, str_make(version, sizeof version)))
        probe_fail(p, "the version shown is not that of the JSON shown");
    if (record_decode(r->json, NULL, &again, NULL) != QUIPU_OK)
        probe_fail(p, "the JSON shown is not that of a record");
    const quipu_record *w = record_view(again);
    if (!str_same(r->id, w->id) || !str_same(r->kind, w->kind) || !record_same_scope(r, w) ||
        !str_same(r->text, w->text) || !str_same(r->category, w->category) || r->created_at != w->created_at ||
        r->updated_at != w->updated_at || r->seq != w->seq || r->tags.count != w->tags.count)
        probe_fail(p, "a typed field of a hit says something else than its JSON");
    record_free(again);
    return 0;
}

void check_hits(probe *p)
{
    quipu_error error = probe_error();
    seen s = { 0 };
    const char *more =
        ",\"tags\":[\"b\",\"a\"],\"seq\":3,\"metadata\":{\"big\":9007199254740993,\"one\":1.0},\"unknown\":[1]";
    record *r = probe_record(p, "a", "u", "an apple \\u00e9", more);
    probe_store(p, "a", "u", "an apple \\u00e9", more);
    probe_want(p, probe_get(p, "a", NULL, &s, &error), QUIPU_OK, &error, "get");
    if (!str_same(str_make(s.json.bytes, s.json.len), record_view(r)->json))
        probe_fail(p, "get does not show the JSON that was stored");
    probe_fill(p, 3);
    const quipu_scan scan = { .struct_size = sizeof scan };
    const quipu_search search = {
        .struct_size = sizeof search, .text = QUIPU_STR_INIT("apple"), .k = 9, .mode = QUIPU_SEARCH_LEXICAL
    };
    probe_want(p, p->api->scan(p->self, &scan, look_at_hit, p, NULL, &error), QUIPU_OK, &error, "scan");
    probe_want(p, p->api->search(p->self, &search, look_at_hit, p, NULL, &error), QUIPU_OK, &error, "search");
    seen_free(&s);
    record_free(r);
}

/* ---- open ---- */

void check_read_only(probe *p)
{
    quipu_error error = probe_error();
    record *r = probe_record(p, "a", "u", "an apple", "");
    const quipu_change change = probe_put(r, QUIPU_EXPECT_ANY, NULL);
    probe_close(p, p->self);
    probe_close(p, probe_open(p, "ro", 0));
    p->self = probe_open(p, "ro", QUIPU_OPEN_READ_ONLY);
    probe_want(p, probe_apply(p, &change, 1, NULL, &error), QUIPU_E_READ_ONLY, &error, "apply");
    probe_want_count(p, 0, "after a refused change");
    record_free(r);
}

void check_config(probe *p)
{
    quipu_error error = probe_error();
    quipu_backend *self = probe_create(p);
    int32_t code = probe_try_open(p, self, "config", 0, str_of("{\"no_such_setting_zzz\":1}"), &error);
    probe_want(p, code, QUIPU_E_INVALID, &error, "open with an unknown setting");
    if (!strstr(error.field, "no_such_setting_zzz") && !strstr(error.message, "no_such_setting_zzz"))
        probe_fail(p, "the refusal of an unknown setting does not name it");
    probe_want(p, probe_try_open(p, self, "config", 0, str_of("{"), &error), QUIPU_E_INVALID, &error,
               "open with bad JSON");
    probe_want(p, probe_try_open(p, self, "config", 0, p->config.len ? p->config : str_of("{}"), &error), QUIPU_OK,
               &error, "open with settings that it has");
    p->api->destroy(self);
}

void check_as_of(probe *p)
{
    quipu_error error = probe_error();
    const quipu_str history = QUIPU_STR_INIT(QUIPU_EXT_HISTORY);
    const bool has = p->api->get_extension(p->self, &history) != NULL;
    seen s = { 0 };
    probe_fill(p, 2);
    quipu_get get = { .struct_size = sizeof get, .id = QUIPU_STR_INIT("r001"), .as_of = QUIPU_STR_INIT("HEAD") };
    quipu_scan scan = { .struct_size = sizeof scan, .as_of = QUIPU_STR_INIT("HEAD") };
    quipu_search search = { .struct_size = sizeof search,
                            .text = QUIPU_STR_INIT("apple"),
                            .k = 5,
                            .as_of = QUIPU_STR_INIT("HEAD"),
                            .mode = QUIPU_SEARCH_LEXICAL };
    int32_t wanted = has ? QUIPU_OK : QUIPU_E_UNSUPPORTED;
    probe_want(p, p->api->get(p->self, &get, seen_visit, &s, NULL, &error), wanted, &error, "get as of HEAD");
    probe_want(p, p->api->scan(p->self, &scan, seen_visit, &s, NULL, &error), wanted, &error, "scan as of HEAD");
    probe_want(p, p->api->search(p->self, &search, seen_visit, &s, NULL, &error), wanted, &error, "search as of HEAD");
    if (s.count != (has ? 5 : 0))
        probe_fail(p, "get, scan and search as of HEAD show %zu records together instead of %d", s.count, has ? 5 : 0);
    seen_free(&s);
}

void check_deadline(probe *p)
{
    const quipu_cancel token = { .struct_size = sizeof token, .fd = -1, .flag = 1 };
    const quipu_call calls[] = { { .struct_size = sizeof(quipu_call), .deadline_ns = 1 },
                                 { .struct_size = sizeof(quipu_call), .cancel = &token } };
    const int32_t codes[] = { QUIPU_E_TIMEOUT, QUIPU_E_CANCELLED };
    record *r = probe_record(p, "a", "u", "an apple", "");
    const quipu_change change = probe_put(r, QUIPU_EXPECT_ANY, NULL);
    const quipu_scan scan = { .struct_size = sizeof scan };
    for (size_t i = 0; i < 2; i++) {
        quipu_error error = probe_error();
        quipu_change_set set = probe_set(p, &change, 1);
        seen s = { 0 };
        probe_want(p, p->api->apply(p->self, &set, NULL, &calls[i], &error), codes[i], &error, "apply");
        probe_want(p, p->api->scan(p->self, &scan, seen_visit, &s, &calls[i], &error), codes[i], &error, "scan");
        probe_want_count(p, 0, "after a change that was too late or cancelled");
        if (i == 1)
            probe_want(p, p->api->apply(p->self, &set, NULL, NULL, &error), QUIPU_OK, &error,
                       "the same set sent again");
    }
    probe_want_count(p, 1, "after the change was sent again");
    record_free(r);
}
