/* model_store.c - see model_store.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "model_store.h"

#include <base/buffer.h>
#include <quipu/ext/maintain.h>
#include <quipu/ext/migrate.h>
#include <quipu/ext/sync.h>
#include <quipu/ext/verify.h>
#include <quipu/extensions.h>
#include <quipu/plugin.h>
#include <sdk/record.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BEGINNING ((int64_t)1790000000000000) /* microseconds: the time of set 0; a second passes from set to set */

extern const quipu_plugin quipu_plugin_entry; /* of plugins/git, which is linked in */

int64_t model_time;
quipu_error model_error = { .struct_size = sizeof model_error };

/* ---- the host ---- */

static int64_t tell_time(const quipu_host *host)
{
    struct timespec now;
    (void)host;
    if (model_time)
        return model_time;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t tell_monotonic(const quipu_host *host)
{
    struct timespec now;
    (void)host;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void hear(const quipu_host *host, uint32_t level, const quipu_str *component, const quipu_str *message)
{
    (void)host, (void)level, (void)component, (void)message;
}

static const void *service(const quipu_host *host, const quipu_str *id)
{
    static const quipu_clock_service clock = { sizeof clock, 0, tell_time, tell_monotonic };
    static const quipu_log_service log = { sizeof log, 0, hear };
    (void)host;
    return QUIPU_IS(id, QUIPU_SERVICE_CLOCK) ? (const void *)&clock : QUIPU_IS(id, QUIPU_SERVICE_LOG) ? &log : NULL;
}

static const quipu_host host = { .struct_size = sizeof host,
                                 .abi = QUIPU_ABI_VERSION,
                                 .name = QUIPU_STR_INIT("crash"),
                                 .version = QUIPU_STR_INIT("0"),
                                 .get_service = service };

int32_t model_open(model_store *s, const char *path, const char *config, uint32_t flags)
{
    static const quipu_str list_id = QUIPU_STR_INIT(QUIPU_BACKENDS);
    static bool begun;
    uint32_t chosen = 0;
    *s = (model_store){ 0 };
    if (!begun && quipu_plugin_entry.init(&host, QUIPU_ABI_VERSION, QUIPU_ABI_VERSION, &chosen, &model_error) != 0)
        return model_error.code;
    begun = true;
    const quipu_backend_list *list = quipu_plugin_entry.get_factory(&list_id);
    s->api = QUIPU_AT(const quipu_backend_desc, &list->items, 0)->api;
    quipu_open_params params = { sizeof params, flags, str_of(path), str_of(config) };
    int32_t code = s->api->create(&host, &s->self, &model_error);
    if (code == QUIPU_OK)
        code = s->api->open(s->self, &params, NULL, &model_error);
    if (code != QUIPU_OK) {
        s->api->destroy(s->self);
        s->self = NULL;
    }
    return code;
}

int32_t model_close(model_store *s)
{
    int32_t code = s->api->close(s->self, NULL, &model_error);
    s->api->destroy(s->self);
    s->self = NULL;
    return code;
}

/* ---- the model ---- */

static unsigned draw(unsigned n, unsigned i)
{
    uint64_t x = ((uint64_t)n << 32 | i) * 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u;
    return (unsigned)((x ^ (x >> 32)) & 0x7fffffff);
}

/* How many changes set n has, the first of its ids; the others follow it. */
static unsigned set_size(unsigned n, unsigned *first)
{
    *first = draw(n, 0) % MODEL_IDS;
    return n % 7 == 0 ? MODEL_PUTS_MAX : n % 3 == 0 ? 1 : 1 + draw(n, 1) % 6;
}

static bool deletes(const model *before, unsigned n, unsigned i, unsigned id)
{
    return before->by[id] && draw(n, 10 + i) % 4 == 0;
}

static void step(model *m, unsigned n)
{
    unsigned first, count = set_size(n, &first);
    model before = *m;
    for (unsigned i = 0; i < count; i++) {
        unsigned id = (first + i) % MODEL_IDS;
        m->by[id] = deletes(&before, n, i, id) ? 0 : n;
    }
}

void model_after(unsigned sets, model *out)
{
    *out = (model){ 0 };
    for (unsigned n = 1; n <= sets; n++)
        step(out, n);
}

static record *make_record(unsigned id, unsigned n)
{
    char json[700], filler[300];
    record *r = NULL;
    unsigned len = draw(n, 100 + id) % (sizeof filler - 1);
    for (unsigned i = 0; i < len; i++)
        filler[i] = (char)('a' + draw(n, 1000 + id * 300 + i) % 26);
    filler[len] = '\0';
    snprintf(json, sizeof json, "{\"id\":\"r%u\",\"text\":\"record %u as set %u left it: %s\"}", id, id, n, filler);
    record_defaults defaults = { .created_at = BEGINNING + id, .updated_at = BEGINNING + (int64_t)n * 1000000 };
    if (record_decode(str_of(json), &defaults, &r, &model_error) != QUIPU_OK)
        abort();
    return r;
}

/* ---- writing ---- */

static void fill_set(quipu_change_set *set, quipu_change *changes, unsigned count, uint64_t number,
                     const char *operation)
{
    *set = (quipu_change_set){ .struct_size = sizeof *set,
                               .time = model_time ? model_time : BEGINNING + (int64_t)number * 1000000,
                               .author = str_of("crash"),
                               .operation = str_of(operation),
                               .changes = { changes, count, sizeof *changes } };
    uint64_t ms = (uint64_t)(BEGINNING / 1000) + number;
    for (int i = 0; i < 6; i++)
        set->change_id[i] = (uint8_t)(ms >> (8 * (5 - i)));
    set->change_id[6] = 0x70; /* a UUIDv7 */
    memcpy(set->change_id + 8, &number, sizeof number);
}

/* Set n, with all that it points to. */
typedef struct prepared {
    quipu_change_set set;
    quipu_change changes[MODEL_PUTS_MAX];
    record *records[MODEL_PUTS_MAX];
    char ids[MODEL_PUTS_MAX][20];
} prepared;

static void prepare(unsigned n, prepared *p)
{
    unsigned first, count = set_size(n, &first);
    model before;
    model_after(n - 1, &before);
    for (unsigned i = 0; i < count; i++) {
        unsigned id = (first + i) % MODEL_IDS;
        snprintf(p->ids[i], sizeof p->ids[i], "r%u", id);
        p->changes[i] =
            (quipu_change){ .struct_size = sizeof *p->changes, .op = QUIPU_CHANGE_DELETE, .id = str_of(p->ids[i]) };
        p->records[i] = NULL;
        if (deletes(&before, n, i, id))
            continue;
        p->records[i] = make_record(id, n);
        p->changes[i].op = QUIPU_CHANGE_PUT;
        p->changes[i].record = record_view(p->records[i]);
    }
    fill_set(&p->set, p->changes, count, n, "update");
}

static void prepared_free(prepared *p)
{
    for (uint64_t i = 0; i < p->set.changes.count; i++)
        record_free(p->records[i]);
}

int32_t model_apply(model_store *s, unsigned n, quipu_receipt *receipt)
{
    prepared p;
    prepare(n, &p);
    int32_t code = s->api->apply(s->self, &p.set, receipt, NULL, &model_error);
    prepared_free(&p);
    return code;
}

int32_t model_apply_together(model_store *s, unsigned first, unsigned last)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_EXT_MIGRATE);
    const quipu_migrate_api *api = s->api->get_extension(s->self, &id);
    unsigned count = last - first + 1;
    prepared *all = calloc(count, sizeof *all);
    uint64_t done;
    if (!all)
        abort();
    for (unsigned i = 0; i < count; i++)
        prepare(first + i, &all[i]);
    quipu_array sets = { all, count, sizeof *all };
    int32_t code = api->write(s->self, &sets, NULL, &done, NULL, &model_error);
    for (unsigned i = 0; i < count; i++)
        prepared_free(&all[i]);
    free(all);
    return code;
}

static const quipu_change_set *nothing_to_change(void)
{
    static uint64_t number = 1000000;
    static quipu_change_set set;
    fill_set(&set, NULL, 0, number++, "merge");
    return &set;
}

int32_t model_exchange(model_store *s, const char *place, bool push)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_EXT_SYNC);
    const quipu_sync_api *api = s->api->get_extension(s->self, &id);
    quipu_str remote = str_of(place);
    return (push ? api->push : api->pull)(s->self, &remote, nothing_to_change(), NULL, NULL, NULL, NULL, &model_error);
}

int32_t model_maintain(model_store *s)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_EXT_MAINTAIN);
    const quipu_maintain_api *api = s->api->get_extension(s->self, &id);
    quipu_maintain params = { .struct_size = sizeof params };
    quipu_maintained report = { .struct_size = sizeof report };
    return api->maintain(s->self, &params, NULL, NULL, &report, NULL, &model_error);
}

int32_t model_put(model_store *s, const char *id, const char *text, const char *expected_version)
{
    static uint64_t number;
    char json[300];
    record *r = NULL;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(json, sizeof json, "{\"text\":\"%s\"}", text);
    record_defaults defaults = { .id = str_of(id), .created_at = BEGINNING, .updated_at = BEGINNING };
    int32_t code = record_decode(str_of(json), &defaults, &r, &model_error);
    if (code != QUIPU_OK)
        return code;
    quipu_change change = { .struct_size = sizeof change,
                            .op = QUIPU_CHANGE_PUT,
                            .expect = expected_version ? QUIPU_EXPECT_VERSION : QUIPU_EXPECT_ANY,
                            .id = str_of(id),
                            .expected_version = str_of(expected_version),
                            .record = record_view(r) };
    number += 1 + ((uint64_t)now.tv_nsec << 20); /* a change id that no other process gives */
    quipu_change_set set;
    fill_set(&set, &change, 1, number & 0xffffffffff, "put");
    code = s->api->apply(s->self, &set, NULL, NULL, &model_error);
    record_free(r);
    return code;
}

/* ---- reading ---- */

typedef struct comparison {
    const model *expected;
    bool seen[MODEL_IDS];
    unsigned count;
    char *why;
} comparison;

/* Notes the first thing that is wrong. */
#define NOTE(why, ...) ((void)((why)[0] || snprintf((why), 300, __VA_ARGS__) < 0))

static int32_t compare_hit(void *context, const quipu_hit *hit)
{
    comparison *c = context;
    char id[20] = "";
    unsigned long number = 0;
    if (hit->record->id.len < sizeof id)
        memcpy(id, hit->record->id.ptr, (size_t)hit->record->id.len);
    if (id[0] == 'z')
        return 0; /* put by model_put, beside the sets */
    number = id[0] == 'r' ? strtoul(id + 1, NULL, 10) : MODEL_IDS;
    if (number >= MODEL_IDS || !c->expected->by[number]) {
        NOTE(c->why, "there is a record \"%s\"", id);
        return 0;
    }
    record *r = make_record((unsigned)number, c->expected->by[number]);
    if (!str_same(record_view(r)->json, hit->record->json) || !str_same(record_view(r)->version, hit->record->version))
        NOTE(c->why, "%s is not as set %u left it: %.*s", id, c->expected->by[number],
             (int)(hit->record->text.len < 40 ? hit->record->text.len : 40), hit->record->text.ptr);
    record_free(r);
    c->count += !c->seen[number];
    c->seen[number] = true;
    return 0;
}

static int32_t scan(model_store *s, comparison *c)
{
    quipu_scan query = { .struct_size = sizeof query };
    unsigned expected = 0;
    int32_t code = s->api->scan(s->self, &query, compare_hit, c, NULL, &model_error);
    for (unsigned i = 0; i < MODEL_IDS; i++)
        expected += c->expected->by[i] != 0;
    if (code == QUIPU_OK && c->count != expected)
        NOTE(c->why, "a scan shows %u records of %u", c->count, expected);
    return code;
}

static int32_t get(model_store *s, comparison *c, unsigned id)
{
    char name[20];
    snprintf(name, sizeof name, "r%u", id);
    quipu_get query = { .struct_size = sizeof query, .id = str_of(name) };
    int32_t code = s->api->get(s->self, &query, compare_hit, c, NULL, &model_error);
    bool there = c->expected->by[id] != 0;
    if (there && code == QUIPU_E_NOT_FOUND)
        NOTE(c->why, "%s is not found", name);
    return code == QUIPU_E_NOT_FOUND ? QUIPU_OK : code;
}

static int32_t compare(model_store *s, unsigned sets, bool each, char *why)
{
    model expected;
    comparison c = { .expected = &expected, .why = why };
    model_after(sets, &expected);
    why[0] = '\0';
    int32_t code = scan(s, &c);
    for (unsigned i = 0; i < MODEL_IDS && each && code == QUIPU_OK; i++)
        code = get(s, &c, i);
    return code;
}

int model_compare(model_store *s, unsigned from, unsigned to, bool each, char why[300])
{
    for (unsigned sets = to;; sets--) {
        int32_t code = compare(s, sets, each, why);
        if (code != QUIPU_OK)
            NOTE(why, "code %d: %s", code, model_error.message);
        if (why[0] == '\0')
            return (int)sets;
        if (sets == from)
            return -1;
    }
}

bool model_answers_rightly(model_store *s, unsigned n, char why[300])
{
    model expected;
    comparison c = { .expected = &expected, .why = why };
    model_after(n, &expected);
    why[0] = '\0';
    scan(s, &c); /* an error is a right answer, and says nothing about what was shown before it */
    for (unsigned i = 0; i < MODEL_IDS; i++)
        get(s, &c, i);
    return why[0] == '\0';
}

static int32_t count_damage(void *context, const quipu_finding *finding)
{
    *(int *)context += finding->severity == QUIPU_FINDING_DAMAGE;
    return 0;
}

static int verify(model_store *s, uint32_t flags)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_EXT_VERIFY);
    const quipu_verify_api *api = s->api->get_extension(s->self, &id);
    int damage = 0;
    int32_t code = api->verify(s->self, flags, count_damage, &damage, NULL, &model_error);
    return code == QUIPU_OK ? damage : code;
}

int model_damage(model_store *s)
{
    return verify(s, 0);
}

int model_repair(const char *path)
{
    model_store s;
    int32_t code = model_open(&s, path, NULL, QUIPU_OPEN_DAMAGED);
    if (code != QUIPU_OK)
        return code;
    int damage = verify(&s, QUIPU_VERIFY_REPAIR);
    code = model_close(&s);
    return code == QUIPU_OK ? damage : code;
}
