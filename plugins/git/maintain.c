/*
 * maintain.c - the extension maintain/1: records whose time has passed go, as commits of their own; packs become one.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* getentropy */
#endif
#include "backend.h"

#include <base/fail.h>
#include <errno.h>
#include <quipu/host.h>
#include <quipu/plugin.h>
#include <sdk/abi_check.h>
#include <sdk/query.h>
#include <storage_git/repack.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    PURGE_AT_ONCE = 1000,  /* records of one commit */
    PURGE_CONFLICTS = 100, /* times that a record may be changed by somebody else just before it goes */
};

#define MEMORY_DEFAULT ((uint64_t)512 << 20)

typedef struct maintenance {
    quipu_backend *self;
    const quipu_maintain *params;
    quipu_maintain_fn visit;
    void *context;
    const quipu_call *call;
    quipu_error *error;
    int64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
    quipu_maintained report;
} maintenance;

static int64_t monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool time_is_up(const maintenance *m)
{
    return m->deadline_ns && monotonic() >= m->deadline_ns;
}

/* QUIPU_OK to go on, 1 to stop without a fault, or what the visitor answered. */
static int32_t tell(maintenance *m, const char *phase, uint64_t done, uint64_t total)
{
    quipu_str word = str_of(phase);
    bool stop = false;
    if (!m->visit)
        return QUIPU_OK;
    int32_t code = query_answer(m->visit(m->context, &word, done, total), &stop, m->error);
    return code != QUIPU_OK ? code : stop ? 1 : QUIPU_OK;
}

/* ---- purging ---- */

/* Expired records of one commit, with the version that was seen. */
typedef struct doomed {
    int64_t now;
    size_t count;
    quipu_change changes[PURGE_AT_ONCE];
    char ids[PURGE_AT_ONCE][QUIPU_ID_MAX];
    char versions[PURGE_AT_ONCE][OBJECT_ID_HEX];
} doomed;

static int32_t note_expired(void *context, const quipu_hit *hit)
{
    doomed *d = context;
    const quipu_record *r = hit->record;
    if (r->expires_at == QUIPU_TIME_NONE || r->expires_at > d->now || r->id.len > QUIPU_ID_MAX ||
        r->version.len != OBJECT_ID_HEX)
        return 0;
    memcpy(d->ids[d->count], r->id.ptr, (size_t)r->id.len);
    memcpy(d->versions[d->count], r->version.ptr, OBJECT_ID_HEX);
    d->changes[d->count] = (quipu_change){ .struct_size = sizeof(quipu_change),
                                           .op = QUIPU_CHANGE_DELETE,
                                           .expect = QUIPU_EXPECT_VERSION,
                                           .id = { d->ids[d->count], r->id.len },
                                           .expected_version = { d->versions[d->count], OBJECT_ID_HEX } };
    return ++d->count == PURGE_AT_ONCE;
}

static int32_t find_expired(maintenance *m, doomed *d)
{
    quipu_filter all = { .struct_size = sizeof all, .flags = QUIPU_FILTER_EXPIRED, .now = QUIPU_TIME_NONE };
    quipu_scan scan = { .struct_size = sizeof scan, .filter = &all };
    view *v;
    d->count = 0;
    d->now = clock_now(m->self->host);
    int32_t code = view_take(m->self, (quipu_str){ 0 }, &v, m->error);
    if (code != QUIPU_OK)
        return code;
    code = record_index_scan(view_index(v), &scan, note_expired, d, m->call, m->error);
    view_give(v);
    return code;
}

/* A UUIDv7 (RFC 9562, 5.7): by its time the history is searched no further back than needed. */
static int32_t make_change_id(maintenance *m, uint8_t out[16])
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_SERVICE_RANDOM);
    const quipu_random_service *random_ = m->self->host->get_service(m->self->host, &id);
    int32_t code = QUIPU_OK;
    if (random_)
        code = random_->fill(m->self->host, out, 16, m->error);
    else if (getentropy(out, 16) != 0)
        code = fail_errno(m->error, errno, "the system gives no random bytes");
    int64_t ms = clock_now(m->self->host) / 1000;
    for (int i = 0; i < 6; i++)
        out[i] = (uint8_t)(ms >> (40 - 8 * i));
    out[6] = (uint8_t)((out[6] & 0x0f) | 0x70);
    out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
    return code;
}

static int32_t purge_some(maintenance *m, doomed *d)
{
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    quipu_change_set set = { .struct_size = sizeof set,
                             .time = d->now,
                             .author = m->params->author,
                             .operation = str_of("expire"),
                             .source = m->params->source,
                             .changes = { d->changes, d->count, sizeof d->changes[0] } };
    int32_t code = make_change_id(m, set.change_id);
    if (code == QUIPU_OK)
        code = git_apply(m->self, &set, &receipt, m->call, m->error);
    if (code == QUIPU_OK)
        m->report.purged += receipt.changed;
    return code;
}

static int32_t purge(maintenance *m)
{
    int conflicts = 0;
    doomed *d = malloc(sizeof *d);
    int32_t code = d ? QUIPU_OK : fail(m->error, QUIPU_E_NO_MEMORY, NULL, "no memory to look for expired records");
    for (;;) {
        if (code == QUIPU_OK)
            code = tell(m, "purge", m->report.purged, 0);
        if (code == QUIPU_OK && time_is_up(m))
            code = 1;
        if (code == QUIPU_OK)
            code = find_expired(m, d);
        if (code != QUIPU_OK || d->count == 0)
            break;
        code = purge_some(m, d);
        /* somebody gave a record more time, or took it away: look again */
        if ((code == QUIPU_E_CONFLICT || code == QUIPU_E_NOT_FOUND) && ++conflicts < PURGE_CONFLICTS)
            code = QUIPU_OK;
    }
    free(d);
    return code;
}

/* ---- repacking ---- */

static int32_t repack_progress(void *context, uint64_t done, uint64_t total)
{
    return tell(context, "repack", done, total);
}

static int32_t repack(maintenance *m)
{
    repack_limits limits = { .memory = m->params->memory_limit ? m->params->memory_limit : MEMORY_DEFAULT,
                             .deadline_ns = m->deadline_ns,
                             .force = m->params->flags & QUIPU_MAINTAIN_FORCE };
    repack_outcome outcome = REPACK_DONE;
    int32_t code = git_repack(m->self->store, &limits, repack_progress, m, &outcome, m->call, m->error);
    m->report.flags |= outcome == REPACK_NOT_NEEDED ? QUIPU_MAINTAINED_UNNEEDED
                       : outcome == REPACK_NO_TIME  ? QUIPU_MAINTAINED_NO_TIME
                       : outcome == REPACK_NO_ROOM  ? QUIPU_MAINTAINED_NO_ROOM
                                                    : 0;
    return code;
}

static int32_t run(maintenance *m)
{
    pack_figures figures;
    uint32_t parts = m->params->flags & (QUIPU_MAINTAIN_PURGE | QUIPU_MAINTAIN_REPACK);
    int32_t code = git_store_figures(m->self->store, &figures, m->error);
    m->report.packs_before = figures.packs;
    m->report.bytes_before = figures.bytes;
    if (code == QUIPU_OK && (!parts || parts & QUIPU_MAINTAIN_PURGE))
        code = purge(m);
    if (code == QUIPU_OK && (!parts || parts & QUIPU_MAINTAIN_REPACK))
        code = repack(m);
    if (code == 1) {
        m->report.flags |= QUIPU_MAINTAINED_NO_TIME;
        code = QUIPU_OK;
    }
    if (code == QUIPU_OK)
        code = git_store_figures(m->self->store, &figures, m->error);
    m->report.packs_after = figures.packs;
    m->report.bytes_after = figures.bytes;
    return code;
}

static int32_t check_params(quipu_backend *self, const quipu_maintain *params, const quipu_maintained *report,
                            quipu_error *error)
{
    int32_t code = abi_check_struct(params, sizeof *params, "quipu_maintain", error);
    if (code == QUIPU_OK)
        code = abi_check_out(report, sizeof *report, "quipu_maintained", error);
    if (code == QUIPU_OK)
        code = abi_check_flags(params->flags, QUIPU_MAINTAIN_PURGE | QUIPU_MAINTAIN_REPACK | QUIPU_MAINTAIN_FORCE,
                               "flags", error);
    if (code == QUIPU_OK)
        code = abi_check_text(params->author, true, "author", error);
    if (code == QUIPU_OK)
        code = abi_check_text(params->source, true, "source", error);
    if (code == QUIPU_OK && (self->flags & QUIPU_OPEN_READ_ONLY))
        code = fail(error, QUIPU_E_READ_ONLY, NULL, "the store was opened for reading only");
    return code;
}

static int32_t maintain(quipu_backend *self, const quipu_maintain *params, quipu_maintain_fn visit, void *context,
                        quipu_maintained *report, const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = check_params(self, params, report, error);
    if (code != QUIPU_OK)
        return code;
    maintenance m = { self, params, visit, context, call, error, 0, { .struct_size = report->struct_size } };
    if (params->time_limit && params->time_limit < INT64_MAX / 2000000)
        m.deadline_ns = monotonic() + (int64_t)params->time_limit * 1000000;
    code = run(&m);
    if (code == QUIPU_OK)
        memcpy(report, &m.report, sizeof m.report);
    return code;
}

const quipu_maintain_api git_maintain = { .struct_size = sizeof(quipu_maintain_api), .maintain = maintain };
