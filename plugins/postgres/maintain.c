/* maintain.c - the extension maintain/1: expired records go, as revisions of their own; the server looks through the tables (VACUUM, ANALYZE). */
#include "backend.h"

#include <base/fail.h>
#include <sdk/purge.h>

static int32_t measure(maintenance *m, uint64_t *packs, uint64_t *bytes)
{
    *packs = 0; /* a server's files are its own */
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
    quipu_call call;
    connection *c;
    int32_t code = maintain_tell(m, "repack", 0, 0);
    if (code == QUIPU_OK)
        code = maintain_time(m);
    if (code != QUIPU_OK)
        return code;
    bool own = maintain_call(m, &call);
    code = connection_open(m->self, &call, &c, m->error);
    if (code == QUIPU_OK)
        code = connection_script(c, "VACUUM (ANALYZE) revisions, states", NULL, "looking through the tables", m->error);
    connection_close(c);
    return code == QUIPU_E_TIMEOUT && own ? MAINTAIN_ENOUGH : code;
}

static const quipu_backend_api own = { .struct_size = sizeof own, .scan = postgres_scan, .apply = line_apply };
static const maintain_owner owner = { &own, measure, repack };

static int32_t maintain(quipu_backend *self, const quipu_maintain *params, quipu_maintain_fn visit, void *context,
                        quipu_maintained *report, const quipu_call *call, quipu_error *error)
{
    maintenance m = { .self = self,
                      .host = self->base.host,
                      .params = params,
                      .visit = visit,
                      .context = context,
                      .call = call,
                      .error = error };
    int32_t code = line_check_entry(self, call, error);
    return code == QUIPU_OK ? maintain_run(&owner, &m, self->base.flags, report) : code;
}

const quipu_maintain_api postgres_maintain = { .struct_size = sizeof(quipu_maintain_api), .maintain = maintain };
