/*
 * maintain.c - the extension maintain/1: records whose time has passed go, as commits of their own; packs become one.
 */
#include "backend.h"

#include <sdk/purge.h>
#include <storage_git/repack.h>

#define MEMORY_DEFAULT ((uint64_t)512 << 20)

/* ---- repacking ---- */

static int32_t repack_progress(void *context, uint64_t done, uint64_t total)
{
    return maintain_tell(context, "repack", done, total);
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
        code = maintain_purge(m);
    if (code == QUIPU_OK && (!parts || parts & QUIPU_MAINTAIN_REPACK))
        code = repack(m);
    if (code == MAINTAIN_ENOUGH) {
        m->report.flags |= QUIPU_MAINTAINED_NO_TIME;
        code = QUIPU_OK;
    }
    if (code == QUIPU_OK)
        code = git_store_figures(m->self->store, &figures, m->error);
    m->report.packs_after = figures.packs;
    m->report.bytes_after = figures.bytes;
    return code;
}

static int32_t maintain(quipu_backend *self, const quipu_maintain *params, quipu_maintain_fn visit, void *context,
                        quipu_maintained *report, const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = maintain_check(params, report, self->flags, error);
    if (code != QUIPU_OK)
        return code;
    static const quipu_backend_api own = { .struct_size = sizeof own, .scan = git_scan, .apply = git_apply };
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

const quipu_maintain_api git_maintain = { .struct_size = sizeof(quipu_maintain_api), .maintain = maintain };
