/*
 * maintain.c - the extension maintain/1: records whose time has passed go, as commits of their own; packs become one.
 */
#include "backend.h"

#include <base/fail.h>
#include <inttypes.h>
#include <sdk/purge.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <storage_git/repack.h>

#define MEMORY_DEFAULT ((uint64_t)512 << 20)

/* ---- what stats tells ---- */

/* One line: microseconds since 1970, a blank, how it ended. */
static bool note_path(const quipu_backend *self, buffer *out)
{
    buffer_printf(out, "%s/maintenance", git_store_private(self->store));
    return !out->failed;
}

void maintenance_note(quipu_backend *self, int32_t code, int outcome, const quipu_error *error)
{
    static const char *const outcomes[] = { [REPACK_DONE] = "done",
                                            [REPACK_NOT_NEEDED] = "nothing to do",
                                            [REPACK_NO_TIME] = "given up: the time was over",
                                            [REPACK_NO_ROOM] = "given up: the memory was too small" };
    buffer path = { 0 }, line = { 0 };
    buffer_printf(&line, "%" PRId64 " ", host_now(self->host));
    if (code == QUIPU_OK)
        buffer_append_text(&line, outcomes[outcome]);
    else
        buffer_printf(&line, "failed: %s", error ? error->message : error_text(code));
    if (note_path(self, &path) && !line.failed)
        (void)os_replace_file(path.bytes, line.bytes, line.len, false, NULL);
    buffer_free(&path);
    buffer_free(&line);
}

void maintenance_read(quipu_backend *self, buffer *when, buffer *result)
{
    buffer path = { 0 }, line = { 0 };
    char *rest = NULL;
    long long time = 0;
    if (note_path(self, &path) && os_read_file(path.bytes, 4096, &line, NULL) == QUIPU_OK && line.len > 0)
        time = strtoll(line.bytes, &rest, 10);
    if (rest && *rest == ' ' && time > 0) {
        time_print(time, when);
        buffer_append_text(result, rest + 1);
    } else {
        buffer_append_text(when, "never");
        buffer_append_text(result, "");
    }
    buffer_free(&path);
    buffer_free(&line);
}

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
    if (code != QUIPU_E_BUSY && code != QUIPU_E_CANCELLED && code != MAINTAIN_ENOUGH)
        maintenance_note(m->self, code, outcome, m->error);
    m->report.flags |= outcome == REPACK_NOT_NEEDED ? QUIPU_MAINTAINED_UNNEEDED
                       : outcome == REPACK_NO_TIME  ? QUIPU_MAINTAINED_NO_TIME
                       : outcome == REPACK_NO_ROOM  ? QUIPU_MAINTAINED_NO_ROOM
                                                    : 0;
    return code;
}

static int32_t measure(maintenance *m, uint64_t *packs, uint64_t *bytes)
{
    pack_figures figures = { 0 };
    int32_t code = git_store_figures(m->self->store, &figures, m->error);
    *packs = figures.packs;
    *bytes = figures.bytes;
    return code;
}

static const quipu_backend_api own = { .struct_size = sizeof own, .scan = git_scan, .apply = git_apply };
static const maintain_owner owner = { &own, measure, repack };

static int32_t maintain(quipu_backend *self, const quipu_maintain *params, quipu_maintain_fn visit, void *context,
                        quipu_maintained *report, const quipu_call *call, quipu_error *error)
{
    maintenance m = { .self = self,
                      .host = self->host,
                      .params = params,
                      .visit = visit,
                      .context = context,
                      .call = call,
                      .error = error };
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? maintain_run(&owner, &m, self->flags, report) : code;
}

const quipu_maintain_api git_maintain = { .struct_size = sizeof(quipu_maintain_api), .maintain = maintain };
