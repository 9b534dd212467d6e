/* purge.c - see purge.h. */
#include <sdk/purge.h>

#include <base/buffer.h>
#include <base/fail.h>
#include <sdk/abi_check.h>
#include <sdk/query.h>
#include <sdk/services.h>
#include <stdlib.h>
#include <string.h>

enum {
    PURGE_AT_ONCE = 1000,  /* records of one change set */
    PURGE_CONFLICTS = 100, /* times that a record may be changed by somebody else just before it goes */
};

static int32_t check(const quipu_maintain *params, const quipu_maintained *report, uint32_t flags, quipu_error *error)
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
    if (code == QUIPU_OK && (flags & QUIPU_OPEN_READ_ONLY))
        code = fail(error, QUIPU_E_READ_ONLY, NULL, "the store was opened for reading only");
    return code;
}

static void begin(maintenance *m)
{
    if (m->params->time_limit && m->params->time_limit < INT64_MAX / 2000000)
        m->deadline_ns = monotonic_now() + (int64_t)m->params->time_limit * 1000000;
}

int32_t maintain_time(const maintenance *m)
{
    return m->deadline_ns && monotonic_now() >= m->deadline_ns ? MAINTAIN_ENOUGH : QUIPU_OK;
}

int32_t maintain_tell(maintenance *m, const char *phase, uint64_t done, uint64_t total)
{
    quipu_str word = str_of(phase);
    bool stop = false;
    if (!m->visit)
        return QUIPU_OK;
    int32_t code = query_answer(m->visit(m->context, &word, done, total), &stop, m->error);
    return code != QUIPU_OK ? code : stop ? MAINTAIN_ENOUGH : QUIPU_OK;
}

/* Expired records of one change set, with the version that was seen. */
typedef struct doomed {
    int64_t now;
    size_t count;
    quipu_change changes[PURGE_AT_ONCE];
    char ids[PURGE_AT_ONCE][QUIPU_ID_MAX];
    char versions[PURGE_AT_ONCE][QUIPU_VERSION_LEN];
} doomed;

static int32_t note_expired(void *context, const quipu_hit *hit)
{
    doomed *d = context;
    const quipu_record *r = hit->record;
    if (r->expires_at == QUIPU_TIME_NONE || r->expires_at > d->now || r->id.len > QUIPU_ID_MAX ||
        r->version.len != QUIPU_VERSION_LEN)
        return 0;
    memcpy(d->ids[d->count], r->id.ptr, (size_t)r->id.len);
    memcpy(d->versions[d->count], r->version.ptr, QUIPU_VERSION_LEN);
    d->changes[d->count] = (quipu_change){ .struct_size = sizeof(quipu_change),
                                           .op = QUIPU_CHANGE_DELETE,
                                           .expect = QUIPU_EXPECT_VERSION,
                                           .id = { d->ids[d->count], r->id.len },
                                           .expected_version = { d->versions[d->count], QUIPU_VERSION_LEN } };
    return ++d->count == PURGE_AT_ONCE;
}

static int32_t find_expired(maintenance *m, doomed *d)
{
    quipu_filter all = { .struct_size = sizeof all, .flags = QUIPU_FILTER_EXPIRED, .now = QUIPU_TIME_NONE };
    quipu_scan scan = { .struct_size = sizeof scan, .filter = &all };
    d->count = 0;
    d->now = host_now(m->host);
    return m->api->scan(m->self, &scan, note_expired, d, m->call, m->error);
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
    int32_t code = host_change_id(m->host, set.change_id, m->error);
    if (code == QUIPU_OK)
        code = m->api->apply(m->self, &set, &receipt, m->call, m->error);
    if (code == QUIPU_OK)
        m->report.purged += receipt.changed;
    return code;
}

int32_t maintain_purge(maintenance *m)
{
    int conflicts = 0;
    doomed *d = malloc(sizeof *d);
    int32_t code = d ? QUIPU_OK : fail(m->error, QUIPU_E_NO_MEMORY, NULL, "no memory to look for expired records");
    for (;;) {
        if (code == QUIPU_OK)
            code = maintain_tell(m, "purge", m->report.purged, 0);
        if (code == QUIPU_OK)
            code = maintain_time(m);
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

bool maintain_call(const maintenance *m, quipu_call *out)
{
    *out = m->call ? *m->call : (quipu_call){ 0 };
    out->struct_size = sizeof *out;
    bool own = m->deadline_ns && (!out->deadline_ns || m->deadline_ns < out->deadline_ns);
    if (own)
        out->deadline_ns = m->deadline_ns;
    return own;
}

static int32_t run_parts(const maintain_owner *owner, maintenance *m)
{
    uint32_t parts = m->params->flags & (QUIPU_MAINTAIN_PURGE | QUIPU_MAINTAIN_REPACK);
    int32_t code = owner->measure(m, &m->report.packs_before, &m->report.bytes_before);
    if (code == QUIPU_OK && (!parts || parts & QUIPU_MAINTAIN_PURGE))
        code = maintain_purge(m);
    if (code == QUIPU_OK && (!parts || parts & QUIPU_MAINTAIN_REPACK))
        code = owner->repack(m);
    if (code == MAINTAIN_ENOUGH) {
        m->report.flags |= QUIPU_MAINTAINED_NO_TIME;
        code = QUIPU_OK;
    }
    return code == QUIPU_OK ? owner->measure(m, &m->report.packs_after, &m->report.bytes_after) : code;
}

int32_t maintain_run(const maintain_owner *owner, maintenance *m, uint32_t flags, quipu_maintained *report)
{
    int32_t code = check(m->params, report, flags, m->error);
    if (code != QUIPU_OK)
        return code;
    m->api = owner->api;
    m->report = (quipu_maintained){ .struct_size = report->struct_size };
    begin(m);
    code = run_parts(owner, m);
    if (code == QUIPU_OK)
        memcpy(report, &m->report, sizeof m->report);
    return code;
}
