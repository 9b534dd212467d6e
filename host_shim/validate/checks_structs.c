/*
 * checks_structs.c - each struct that goes into a backend: cut short, longer than known, with unknown bits (rules A3, A20).
 *
 * One table lists the structs with a way to make a good one and a way to hand it over; each check spoils it in its own
 * manner.
 */
#include "check_table.h"

#include <base/fail.h>
#include <stddef.h>
#include <stdio.h>

#define SIZE_LIMIT 1024 /* bytes of the largest struct here, with what is put behind it */
#define NO_FIELD SIZE_MAX

typedef struct subject {
    const char *name;
    size_t size;
    size_t flags;    /* offset of a field of unknown bits, or NO_FIELD */
    size_t reserved; /* offset of a reserved field or of an enumeration, or NO_FIELD */
    void (*make)(probe *p, void *out);
    int32_t (*use)(probe *p, const void *in, quipu_error *error);
} subject;

static int32_t ignore_hit(void *context, const quipu_hit *hit)
{
    (void)context, (void)hit;
    return 0;
}

static void make_host(probe *p, void *out)
{
    probe_host(out, p);
}

static int32_t use_host(probe *p, const void *in, quipu_error *error)
{
    quipu_backend *self = NULL;
    int32_t code = p->api->create(in, &self, error);
    if (code == QUIPU_OK)
        p->api->destroy(self);
    else if (self)
        probe_fail(p, "create failed and answered with an instance all the same");
    return code;
}

static void make_params(probe *p, void *out)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/other%u", p->scratch, probe_below(p, 1000000000));
    *(quipu_open_params *)out =
        (quipu_open_params){ .struct_size = sizeof(quipu_open_params), .path = str_of(path), .config = p->config };
}

static int32_t use_params(probe *p, const void *in, quipu_error *error)
{
    quipu_backend *self = probe_create(p);
    int32_t code = p->api->open(self, in, NULL, error);
    p->api->destroy(self);
    return code;
}

static void make_set(probe *p, void *out)
{
    *(quipu_change_set *)out = probe_set(p, NULL, 0);
}

static int32_t use_set(probe *p, const void *in, quipu_error *error)
{
    return p->api->apply(p->self, in, NULL, NULL, error);
}

static void make_change(probe *p, void *out)
{
    (void)p;
    *(quipu_change *)out = probe_delete("nothing", QUIPU_EXPECT_ANY, NULL);
}

static int32_t use_change(probe *p, const void *in, quipu_error *error)
{
    quipu_change_set set = probe_set(p, in, 1);
    set.changes.stride = SIZE_LIMIT; /* one element: as far as the struct says */
    return p->api->apply(p->self, &set, NULL, NULL, error);
}

static void make_record(probe *p, void *out)
{
    *(quipu_record *)out = *record_view(probe_record(p, "a", "u", "an apple", "")); /* lives as long as this process */
}

static int32_t use_record(probe *p, const void *in, quipu_error *error)
{
    quipu_change change = {
        .struct_size = sizeof change, .op = QUIPU_CHANGE_PUT, .id = QUIPU_STR_INIT("a"), .record = in
    };
    return probe_apply(p, &change, 1, NULL, error);
}

static void make_get(probe *p, void *out)
{
    probe_store(p, "a", "u", "an apple", "");
    *(quipu_get *)out = (quipu_get){ .struct_size = sizeof(quipu_get), .id = QUIPU_STR_INIT("a") };
}

static int32_t use_get(probe *p, const void *in, quipu_error *error)
{
    return p->api->get(p->self, in, ignore_hit, NULL, NULL, error);
}

static void make_scan(probe *p, void *out)
{
    (void)p;
    *(quipu_scan *)out = (quipu_scan){ .struct_size = sizeof(quipu_scan) };
}

static int32_t use_scan(probe *p, const void *in, quipu_error *error)
{
    return p->api->scan(p->self, in, ignore_hit, NULL, NULL, error);
}

static void make_search(probe *p, void *out)
{
    (void)p;
    *(quipu_search *)out = (quipu_search){
        .struct_size = sizeof(quipu_search), .text = QUIPU_STR_INIT("apple"), .k = 3, .mode = QUIPU_SEARCH_LEXICAL
    };
}

static int32_t use_search(probe *p, const void *in, quipu_error *error)
{
    return p->api->search(p->self, in, ignore_hit, NULL, NULL, error);
}

static void make_filter(probe *p, void *out)
{
    (void)p;
    *(quipu_filter *)out = probe_filter("u");
}

static int32_t use_filter(probe *p, const void *in, quipu_error *error)
{
    seen s = { 0 };
    int32_t code = probe_scan(p, QUIPU_ORDER_ID, in, 0, &s, error);
    seen_free(&s);
    return code;
}

static int32_t scan_with_nodes(probe *p, const quipu_filter_node *node, quipu_error *error)
{
    quipu_filter filter = probe_filter("u");
    filter.nodes = (quipu_array){ node, 1, SIZE_LIMIT };
    return use_filter(p, &filter, error);
}

static void make_node(probe *p, void *out)
{
    (void)p;
    *(quipu_filter_node *)out = (quipu_filter_node){ .struct_size = sizeof(quipu_filter_node),
                                                     .op = QUIPU_OP_EXISTS,
                                                     .field = QUIPU_STR_INIT("text") };
}

static int32_t use_node(probe *p, const void *in, quipu_error *error)
{
    return scan_with_nodes(p, in, error);
}

static void make_value(probe *p, void *out)
{
    (void)p;
    *(quipu_value *)out = (quipu_value){ .struct_size = sizeof(quipu_value),
                                         .type = QUIPU_VALUE_STRING,
                                         .text = QUIPU_STR_INIT("memory") };
}

static int32_t use_value(probe *p, const void *in, quipu_error *error)
{
    const quipu_filter_node node = {
        .struct_size = sizeof node, .op = QUIPU_OP_EQ, .field = QUIPU_STR_INIT("kind"), .values = { in, 1, SIZE_LIMIT }
    };
    return scan_with_nodes(p, &node, error);
}

static void make_call(probe *p, void *out)
{
    (void)p;
    *(quipu_call *)out = (quipu_call){ .struct_size = sizeof(quipu_call) };
}

static int32_t use_call(probe *p, const void *in, quipu_error *error)
{
    const quipu_scan query = { .struct_size = sizeof query };
    return p->api->scan(p->self, &query, ignore_hit, NULL, in, error);
}

static void make_cancel(probe *p, void *out)
{
    (void)p;
    *(quipu_cancel *)out = (quipu_cancel){ .struct_size = sizeof(quipu_cancel), .fd = -1 };
}

static int32_t use_cancel(probe *p, const void *in, quipu_error *error)
{
    const quipu_call call = { .struct_size = sizeof call, .cancel = in };
    return use_call(p, &call, error);
}

static const subject subjects[] = {
    { "quipu_host", sizeof(quipu_host), NO_FIELD, NO_FIELD, make_host, use_host },
    { "quipu_open_params", sizeof(quipu_open_params), offsetof(quipu_open_params, flags), NO_FIELD, make_params,
      use_params },
    { "quipu_change_set", sizeof(quipu_change_set), offsetof(quipu_change_set, flags), NO_FIELD, make_set, use_set },
    { "quipu_change", sizeof(quipu_change), offsetof(quipu_change, flags), offsetof(quipu_change, op), make_change,
      use_change },
    { "quipu_record", sizeof(quipu_record), offsetof(quipu_record, flags), NO_FIELD, make_record, use_record },
    { "quipu_get", sizeof(quipu_get), offsetof(quipu_get, flags), NO_FIELD, make_get, use_get },
    { "quipu_scan", sizeof(quipu_scan), offsetof(quipu_scan, flags), offsetof(quipu_scan, reserved), make_scan,
      use_scan },
    { "quipu_scan (order)", sizeof(quipu_scan), NO_FIELD, offsetof(quipu_scan, order), make_scan, use_scan },
    { "quipu_search", sizeof(quipu_search), offsetof(quipu_search, flags), offsetof(quipu_search, reserved),
      make_search, use_search },
    { "quipu_search (mode)", sizeof(quipu_search), NO_FIELD, offsetof(quipu_search, mode), make_search, use_search },
    { "quipu_filter", sizeof(quipu_filter), offsetof(quipu_filter, flags), NO_FIELD, make_filter, use_filter },
    { "quipu_filter_node", sizeof(quipu_filter_node), NO_FIELD, offsetof(quipu_filter_node, op), make_node, use_node },
    { "quipu_value", sizeof(quipu_value), NO_FIELD, offsetof(quipu_value, type), make_value, use_value },
    { "quipu_call", sizeof(quipu_call), offsetof(quipu_call, flags), NO_FIELD, make_call, use_call },
    { "quipu_cancel", sizeof(quipu_cancel), NO_FIELD, offsetof(quipu_cancel, reserved), make_cancel, use_cancel },
};

#define SUBJECT_COUNT (sizeof subjects / sizeof subjects[0])

static void set_field(void *at, size_t offset, uint32_t value)
{
    memcpy((char *)at + offset, &value, sizeof value);
}

/* A good one, followed by zeros up to SIZE_LIMIT. */
static void make(probe *p, const subject *s, unsigned char out[SIZE_LIMIT])
{
    memset(out, 0, SIZE_LIMIT);
    s->make(p, out);
}

static void want_refusal(probe *p, const subject *s, const void *in, const char *how)
{
    quipu_error error = probe_error();
    char what[128];
    snprintf(what, sizeof what, "%s %s", s->name, how);
    probe_want(p, s->use(p, in, &error), QUIPU_E_INVALID, &error, what);
}

void check_truncated(probe *p)
{
    for (size_t i = 0; i < SUBJECT_COUNT; i++) {
        _Alignas(16) unsigned char whole[SIZE_LIMIT];
        make(p, &subjects[i], whole);
        for (size_t size = 8; size < subjects[i].size; size += 8) {
            void *cut = probe_guarded(p, whole, size);
            set_field(cut, 0, (uint32_t)size);
            want_refusal(p, &subjects[i], cut, "that is cut short");
        }
    }
}

void check_oversized_zero(probe *p)
{
    for (size_t i = 0; i < SUBJECT_COUNT; i++) {
        quipu_error error = probe_error();
        _Alignas(16) unsigned char whole[SIZE_LIMIT];
        char what[128];
        make(p, &subjects[i], whole);
        set_field(whole, 0, (uint32_t)subjects[i].size + 64);
        snprintf(what, sizeof what, "%s with zeros behind what is known", subjects[i].name);
        probe_want(p, subjects[i].use(p, whole, &error), QUIPU_OK, &error, what);
    }
}

void check_oversized(probe *p)
{
    for (size_t i = 0; i < SUBJECT_COUNT; i++)
        for (size_t at = 0; at < 64; at += 21) {
            _Alignas(16) unsigned char whole[SIZE_LIMIT];
            make(p, &subjects[i], whole);
            set_field(whole, 0, (uint32_t)subjects[i].size + 64);
            whole[subjects[i].size + at] = 1;
            want_refusal(p, &subjects[i], whole, "with an unknown field that is not zero");
        }
}

void check_flags(probe *p)
{
    for (size_t i = 0; i < SUBJECT_COUNT; i++) {
        _Alignas(16) unsigned char whole[SIZE_LIMIT];
        for (unsigned bit = 8; subjects[i].flags != NO_FIELD && bit < 32; bit += 7) {
            make(p, &subjects[i], whole);
            set_field(whole, subjects[i].flags, 1u << bit);
            want_refusal(p, &subjects[i], whole, "with an unknown flag");
        }
        if (subjects[i].reserved == NO_FIELD)
            continue;
        make(p, &subjects[i], whole);
        set_field(whole, subjects[i].reserved, 77);
        want_refusal(p, &subjects[i], whole, "with an unknown value in a reserved or enumerated field");
    }
}
