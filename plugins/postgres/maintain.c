/* maintain.c - the extension maintain/1: expired records go, as revisions of their own; the server looks through the tables (VACUUM, ANALYZE). */
#include "backend.h"

#include <base/fail.h>
#include <sdk/purge.h>
#include <string.h>

static int32_t bytes_of(maintenance *m, uint64_t *bytes)
{
    connection *c;
    PGresult *r = NULL;
    int32_t code = reader_take(m->self, m->call, &c, m->error);
    if (code != QUIPU_OK)
        return code;
    code = connection_run(c, STATEMENT_SIZES, NULL, &r, "measuring the store", m->error);
    *bytes = code == QUIPU_OK ? (uint64_t)(row_int(r, 0, 0) + row_int(r, 0, 1)) : 0;
    PQclear(r);
    reader_give(m->self, c);
    return code;
}

/* Rows are only added, so that there is no room to win: but the planner learns what is there, and later reads are spared looking up which rows
 * are visible. */
static int32_t repack(maintenance *m)
{
    quipu_call call = { .struct_size = sizeof call };
    connection *c;
    int32_t code = maintain_tell(m, "repack", 0, 0);
    if (code == QUIPU_OK)
        code = maintain_time(m);
    if (code != QUIPU_OK)
        return code;
    if (m->call)
        call = *m->call;
    bool own = m->deadline_ns && (!call.deadline_ns || m->deadline_ns < call.deadline_ns);
    if (own)
        call.deadline_ns = m->deadline_ns;
    call.struct_size = sizeof call;
    code = connection_open(m->self, &call, &c, m->error);
    if (code == QUIPU_OK)
        code = connection_script(c, "VACUUM (ANALYZE) revisions, states", NULL, "looking through the tables", m->error);
    connection_close(c);
    return code == QUIPU_E_TIMEOUT && own ? MAINTAIN_ENOUGH : code;
}

static int32_t run(maintenance *m)
{
    uint32_t parts = m->params->flags & (QUIPU_MAINTAIN_PURGE | QUIPU_MAINTAIN_REPACK);
    int32_t code = bytes_of(m, &m->report.bytes_before);
    if (code == QUIPU_OK && (!parts || parts & QUIPU_MAINTAIN_PURGE))
        code = maintain_purge(m);
    if (code == QUIPU_OK && (!parts || parts & QUIPU_MAINTAIN_REPACK))
        code = repack(m);
    if (code == MAINTAIN_ENOUGH) {
        m->report.flags |= QUIPU_MAINTAINED_NO_TIME;
        code = QUIPU_OK;
    }
    return code == QUIPU_OK ? bytes_of(m, &m->report.bytes_after) : code;
}

static int32_t maintain(quipu_backend *self, const quipu_maintain *params, quipu_maintain_fn visit, void *context,
                        quipu_maintained *report, const quipu_call *call, quipu_error *error)
{
    static const quipu_backend_api own = { .struct_size = sizeof own, .scan = postgres_scan, .apply = postgres_apply };
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = maintain_check(params, report, self->flags, error);
    if (code != QUIPU_OK)
        return code;
    maintenance m = { .api = &own,
                      .self = self,
                      .host = self->host,
                      .params = params,
                      .visit = visit,
                      .context = context,
                      .call = call,
                      .error = error,
                      .report = { .struct_size = report->struct_size } };
    maintain_begin(&m);
    code = run(&m);
    if (code == QUIPU_OK)
        memcpy(report, &m.report, sizeof m.report);
    return code;
}

const quipu_maintain_api postgres_maintain = { .struct_size = sizeof(quipu_maintain_api), .maintain = maintain };
